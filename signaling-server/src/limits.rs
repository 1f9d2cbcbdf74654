//! How many sockets there may be, and how many of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::MonotonicClock;
use governor::{Quota, RateLimiter};
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Rejected;

/// Limits on connections: in all, from one address, and new ones a minute.
///
/// A connection has a place of the first kind until its request is answered; one that becomes a
/// WebSocket moves to a place of the second kind. So neither keeps the other out.
pub(crate) struct ConnectionLimiter {
    requests: Arc<Places>,
    /// Requests that came through a proxy, which has connections of its own.
    forwarded: Arc<Places>,
    sockets: Arc<Places>,
    handshakes: Option<AddressRate>,
    joins: Option<AddressRate>,
}

/// A limit on how often something may happen from one address.
type AddressRate = RateLimiter<IpAddr, AddressStates, MonotonicClock>;

type AddressStates = governor::state::keyed::HashMapStateStore<IpAddr>;

/// Places of one kind.
struct Places {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
    /// How many are taken, for the figures.
    gauge: Gauge,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place; dropping it gives it back.
pub(crate) struct Admission {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl ConnectionLimiter {
    /// `max_connections` counts for each kind of place; `max_per_address`, `handshakes_per_minute` and
    /// `joins_per_minute` count for one address; 0 is no limit. The gauges count the connections with a request, and the sockets.
    pub(crate) fn new(
        max_connections: usize,
        max_per_address: usize,
        handshakes_per_minute: u32,
        joins_per_minute: u32,
        requests: Gauge,
        sockets: Gauge,
    ) -> Self {
        let by_address = |per_minute| {
            NonZeroU32::new(per_minute).map(|rate| {
                RateLimiter::new(
                    Quota::per_minute(rate),
                    AddressStates::default(),
                    MonotonicClock,
                )
            })
        };
        let places = |max, gauge| {
            Arc::new(Places {
                max,
                max_per_address,
                taken: Mutex::default(),
                gauge,
            })
        };
        Self {
            requests: places(max_connections, requests),
            forwarded: places(0, Gauge::default()),
            sockets: places(max_connections, sockets),
            handshakes: by_address(handshakes_per_minute),
            joins: by_address(joins_per_minute),
        }
    }

    /// Lets a connection in from an address, to ask for something. `None`, which stands for this
    /// machine, has no limit of its own: behind a proxy every client comes from there.
    pub(crate) fn connect(&self, address: Option<IpAddr>) -> Result<Admission, Rejected> {
        self.requests.take(address.map(network))
    }

    /// Lets a request in that a proxy passes on from an address, on a connection that has a place.
    pub(crate) fn forward(&self, address: Option<IpAddr>) -> Result<Admission, Rejected> {
        self.forwarded.take(address.map(network))
    }

    /// Lets a socket in from an address.
    pub(crate) fn enter(&self, address: Option<IpAddr>) -> Result<Admission, Rejected> {
        self.may_open(address)?;
        self.sockets.take(address.map(network))
    }

    /// Counts one more opening for an address; an error where there are too many in this minute.
    pub(crate) fn may_open(&self, address: Option<IpAddr>) -> Result<(), Rejected> {
        match (&self.handshakes, address.map(network)) {
            (Some(limiter), Some(address)) if limiter.check_key(&address).is_err() => {
                Err(Rejected::HandshakeRate)
            }
            _ => Ok(()),
        }
    }

    /// Whether one more client of an address may join a room now.
    pub(crate) fn may_join(&self, address: Option<IpAddr>) -> bool {
        match (&self.joins, address.map(network)) {
            (Some(joins), Some(address)) => joins.check_key(&address).is_ok(),
            _ => true,
        }
    }

    /// Forgets the addresses that have not been heard of for a while.
    pub(crate) fn forget_old(&self) {
        for rates in [&self.handshakes, &self.joins].into_iter().flatten() {
            rates.retain_recent();
        }
    }
}

impl Places {
    fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Admission, Rejected> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if self.max != 0 && taken.total >= self.max {
            return Err(Rejected::TooManyConnections);
        }
        if let Some(address) = address {
            let count = taken.by_address.entry(address).or_default();
            if self.max_per_address != 0 && *count >= self.max_per_address {
                return Err(Rejected::TooManyFromAddress);
            }
            *count += 1;
        }
        taken.total += 1;
        self.gauge.inc();
        Ok(Admission {
            places: self.clone(),
            address,
        })
    }
}

impl Admission {
    /// The address that the place is counted for; `None` for this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let places = &self.places;
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = taken.by_address.entry(address)
        {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
        places.gauge.dec();
    }
}

/// The places that a connection and the request on it have, put into each request by the acceptor.
#[derive(Clone, Default)]
pub(crate) struct RequestPlaces {
    connection: Arc<Mutex<Option<Admission>>>,
    request: Arc<Mutex<Option<Admission>>>,
}

impl RequestPlaces {
    pub(crate) fn new(connection: Admission) -> Self {
        Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            request: Arc::default(),
        }
    }

    /// The place of the request that came last; the one before it is given back.
    pub(crate) fn set_request(&self, place: Option<Admission>) {
        *lock(&self.request) = place;
    }

    /// Gives the places back for one that the answer has: it is as long as that of a socket, and ends the
    /// connection.
    pub(crate) fn give_back(&self) {
        *lock(&self.connection) = None;
        *lock(&self.request) = None;
    }
}

fn lock(place: &Mutex<Option<Admission>>) -> MutexGuard<'_, Option<Admission>> {
    // Nothing panics while it holds the lock.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom an address stands for: with IPv6 a subscriber has a whole /64 to choose from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
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
        let limiter = ConnectionLimiter::new(3, 2, 0, 0, Gauge::default(), gauge.clone());
        let first = limiter.enter(address("192.0.2.1")).unwrap();
        let _second = limiter.enter(address("192.0.2.1")).unwrap();
        assert_eq!(
            limiter.enter(address("192.0.2.1")).err(),
            Some(Rejected::TooManyFromAddress)
        );
        let third = limiter.enter(address("192.0.2.2")).unwrap();
        assert_eq!(
            limiter.enter(address("192.0.2.3")).err(),
            Some(Rejected::TooManyConnections)
        );
        assert_eq!(gauge.get(), 3);
        drop((first, third));
        assert_eq!(gauge.get(), 1);
        assert!(limiter.enter(address("192.0.2.1")).is_ok());
        assert_eq!(limiter.sockets.taken.lock().unwrap().by_address.len(), 1);
    }

    #[test]
    fn requests_and_sockets_have_places_of_their_own() {
        let gauge = Gauge::default();
        let limiter = ConnectionLimiter::new(3, 2, 0, 0, gauge.clone(), Gauge::default());
        let here = address("192.0.2.1");
        let _requests = (
            limiter.connect(here).unwrap(),
            limiter.connect(here).unwrap(),
        );
        let refused = limiter.connect(here).err();
        assert_eq!(refused, Some(Rejected::TooManyFromAddress));
        assert!(limiter.enter(here).is_ok());
        let _other = limiter.connect(address("192.0.2.2")).unwrap();
        let refused = limiter.connect(address("192.0.2.3")).err();
        assert_eq!(refused, Some(Rejected::TooManyConnections));
        assert_eq!(gauge.get(), 3);
        // The proxy's connections are counted already.
        let _forwarded = (
            limiter.forward(here).unwrap(),
            limiter.forward(here).unwrap(),
        );
        let refused = limiter.forward(here).err();
        assert_eq!(refused, Some(Rejected::TooManyFromAddress));
        assert_eq!(gauge.get(), 3);
    }

    #[test]
    fn joins_are_limited_by_address() {
        let limiter = ConnectionLimiter::new(0, 0, 0, 5, Gauge::default(), Gauge::default());
        let joins = (0..20).filter(|_| limiter.may_join(address("192.0.2.1")));
        assert_eq!(joins.count(), 5);
        assert!(limiter.may_join(address("192.0.2.2")));
        assert!((0..20).all(|_| limiter.may_join(None)));
        limiter.forget_old();
    }

    #[test]
    fn this_machine_has_no_limit_of_its_own() {
        let limiter = ConnectionLimiter::new(0, 1, 1, 0, Gauge::default(), Gauge::default());
        let places: Vec<_> = (0..50).map(|_| limiter.enter(None).unwrap()).collect();
        assert_eq!(places.len(), 50);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let limiter = ConnectionLimiter::new(0, 1, 0, 0, Gauge::default(), Gauge::default());
        let _one = limiter.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(limiter.enter(address("2001:db8:1:2:ffff::9")).is_err());
        assert!(limiter.enter(address("2001:db8:1:3::1")).is_ok());
        let _mapped = limiter.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(limiter.enter(address("192.0.2.1")).is_err());
    }

    #[test]
    fn handshakes_are_limited_by_address() {
        let limiter = ConnectionLimiter::new(0, 0, 5, 0, Gauge::default(), Gauge::default());
        let tries = (0..20)
            .filter(|_| limiter.enter(address("192.0.2.1")).is_ok())
            .count();
        assert_eq!(tries, 5);
        assert_eq!(
            limiter.enter(address("192.0.2.1")).err(),
            Some(Rejected::HandshakeRate)
        );
        assert!(limiter.enter(address("192.0.2.2")).is_ok());
        limiter.forget_old();
    }
}
