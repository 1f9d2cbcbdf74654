//! How many sockets there may be, and how many of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::MonotonicClock;
use governor::{Quota, RateLimiter};
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Rejected;

/// Who may open a socket: so many in all, so many from one address, so many a minute.
pub(crate) struct Door {
    max_connections: usize,
    max_per_address: usize,
    open: Mutex<Open>,
    handshakes: Option<RateLimiter<IpAddr, AddressStates, MonotonicClock>>,
    connections: Gauge,
}

type AddressStates = governor::state::keyed::HashMapStateStore<IpAddr>;

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// An open socket's place; dropping it gives the place back.
pub(crate) struct Admission {
    door: Arc<Door>,
    address: Option<IpAddr>,
}

impl Door {
    /// `handshakes_per_minute` and `max_per_address` count for one address; 0 is no limit.
    pub(crate) fn new(
        max_connections: usize,
        max_per_address: usize,
        handshakes_per_minute: u32,
        connections: Gauge,
    ) -> Self {
        let handshakes = NonZeroU32::new(handshakes_per_minute).map(|rate| {
            RateLimiter::new(
                Quota::per_minute(rate),
                AddressStates::default(),
                MonotonicClock,
            )
        });
        Self {
            max_connections,
            max_per_address,
            open: Mutex::default(),
            handshakes,
            connections,
        }
    }

    /// Lets a socket in from an address. `None`, which stands for this machine, has no limit of its
    /// own: behind a proxy every client comes from there.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Admission, Rejected> {
        let address = address.map(network);
        if let (Some(limiter), Some(address)) = (&self.handshakes, &address)
            && limiter.check_key(address).is_err()
        {
            return Err(Rejected::HandshakeRate);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.max_connections != 0 && open.total >= self.max_connections {
            return Err(Rejected::TooManyConnections);
        }
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if self.max_per_address != 0 && *count >= self.max_per_address {
                return Err(Rejected::TooManyFromAddress);
            }
            *count += 1;
        }
        open.total += 1;
        self.connections.inc();
        Ok(Admission {
            door: self.clone(),
            address,
        })
    }

    /// Forgets the addresses that have not knocked for a while.
    pub(crate) fn forget_old(&self) {
        if let Some(handshakes) = &self.handshakes {
            handshakes.retain_recent();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self
            .door
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = open.by_address.entry(address)
        {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.door.connections.dec();
    }
}

/// Whom an address stands for: with IPv6 a subscriber has a whole /64 to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let gauge = Gauge::default();
        let door = Arc::new(Door::new(3, 2, 0, gauge.clone()));
        let first = door.enter(address("192.0.2.1")).unwrap();
        let _second = door.enter(address("192.0.2.1")).unwrap();
        assert_eq!(
            door.enter(address("192.0.2.1")).err(),
            Some(Rejected::TooManyFromAddress)
        );
        let third = door.enter(address("192.0.2.2")).unwrap();
        assert_eq!(
            door.enter(address("192.0.2.3")).err(),
            Some(Rejected::TooManyConnections)
        );
        assert_eq!(gauge.get(), 3);
        drop((first, third));
        assert_eq!(gauge.get(), 1);
        assert!(door.enter(address("192.0.2.1")).is_ok());
        assert_eq!(door.open.lock().unwrap().by_address.len(), 1);
    }

    #[test]
    fn this_machine_has_no_limit_of_its_own() {
        let door = Arc::new(Door::new(0, 1, 1, Gauge::default()));
        let places: Vec<_> = (0..50).map(|_| door.enter(None).unwrap()).collect();
        assert_eq!(places.len(), 50);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let door = Arc::new(Door::new(0, 1, 0, Gauge::default()));
        let _one = door.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(door.enter(address("2001:db8:1:2:ffff::9")).is_err());
        assert!(door.enter(address("2001:db8:1:3::1")).is_ok());
        let _mapped = door.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(door.enter(address("192.0.2.1")).is_err());
    }

    #[test]
    fn handshakes_are_limited_by_address() {
        let door = Arc::new(Door::new(0, 0, 5, Gauge::default()));
        let tries = (0..20)
            .filter(|_| door.enter(address("192.0.2.1")).is_ok())
            .count();
        assert_eq!(tries, 5);
        assert_eq!(
            door.enter(address("192.0.2.1")).err(),
            Some(Rejected::HandshakeRate)
        );
        assert!(door.enter(address("192.0.2.2")).is_ok());
        door.forget_old();
    }
}
