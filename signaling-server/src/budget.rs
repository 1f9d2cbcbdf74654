//! Memory that clients share, counted in bytes, with a share for each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;

/// One address may have this part of a budget.
pub(crate) const ADDRESS_SHARE: usize = 4;

/// The bytes that all clients together may have of something.
pub(crate) struct Budget {
    limit: usize,
    /// What one address may have of it.
    share: usize,
    used: Gauge,
    state: Mutex<State>,
    last_waiter: AtomicU64,
}

#[derive(Default)]
struct State {
    used: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Those who wait until they may have more.
    waiting: HashMap<u64, Waker>,
}

impl Budget {
    /// A budget of which one address may have a quarter. The gauge counts the bytes in use.
    pub(crate) fn new(limit: usize, used: Gauge) -> Self {
        Self::with_share(limit, limit / ADDRESS_SHARE, used)
    }

    /// A budget of which one address may have `share` bytes.
    pub(crate) fn with_share(limit: usize, share: usize, used: Gauge) -> Self {
        Self {
            limit,
            share,
            used,
            state: Mutex::default(),
            last_waiter: AtomicU64::new(0),
        }
    }

    /// A name for somebody who may have to wait.
    pub(crate) fn new_waiter(&self) -> u64 {
        self.last_waiter.fetch_add(1, Ordering::Relaxed)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiters(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, state: &mut State, address: Option<IpAddr>, more: usize) {
        state.used += more;
        if let Some(address) = address {
            *state.by_address.entry(address).or_default() += more;
        }
        self.used.set(signed(state.used));
    }

    fn give_back(&self, address: Option<IpAddr>, bytes: usize) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(bytes);
        if let Some(address) = address
            && let Entry::Occupied(mut used) = state.by_address.entry(address)
        {
            *used.get_mut() = used.get().saturating_sub(bytes);
            if *used.get() == 0 {
                used.remove();
            }
        }
        self.used.set(signed(state.used));
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waker in waiting.into_values() {
            waker.wake();
        }
    }
}

impl State {
    /// How much an address has. `None` stands for this machine, which has no share of its own.
    fn of(&self, address: Option<IpAddr>) -> usize {
        let used = address.and_then(|address| self.by_address.get(&address));
        used.copied().unwrap_or_default()
    }
}

/// What one client has of a budget. Dropping it gives it back.
pub(crate) struct Booking {
    budget: Arc<Budget>,
    address: Option<IpAddr>,
    bytes: usize,
}

impl Booking {
    /// Nothing yet, for a client of an address. `None` stands for this machine, which has no share of its own.
    pub(crate) fn new(budget: Arc<Budget>, address: Option<IpAddr>) -> Self {
        Self {
            budget,
            address,
            bytes: 0,
        }
    }

    /// Whether there is anything left. Else the task of a waiter is woken when that may have changed.
    pub(crate) fn may_grow(&self, waiter: u64, cx: &Context<'_>) -> bool {
        let mut state = self.budget.lock();
        let may = state.used < self.budget.limit && state.of(self.address) < self.budget.share;
        if !may {
            state.waiting.insert(waiter, cx.waker().clone());
        }
        may
    }

    /// Nobody needs to be woken any more by this name.
    pub(crate) fn no_longer_waits(&self, waiter: u64) {
        self.budget.lock().waiting.remove(&waiter);
    }

    /// Has as many bytes at least, whatever is left.
    pub(crate) fn raise_to(&mut self, bytes: usize) {
        if let Some(more @ 1..) = bytes.checked_sub(self.bytes) {
            let budget = &self.budget;
            budget.add(&mut budget.lock(), self.address, more);
            self.bytes = bytes;
        }
    }

    /// Has just as many bytes, if more than before only where they are left. Whether it has.
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            if less > 0 {
                self.budget.give_back(self.address, less);
            }
        } else {
            let (budget, more) = (&self.budget, bytes - self.bytes);
            let mut state = budget.lock();
            let all = state.used.saturating_add(more);
            let of_address = state.of(self.address).saturating_add(more);
            if all > budget.limit || (self.address.is_some() && of_address > budget.share) {
                return false;
            }
            budget.add(&mut state, self.address, more);
        }
        self.bytes = bytes;
        true
    }

    /// All of it, for something that lasts longer; nothing is left here.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            budget: self.budget.clone(),
            address: self.address,
            bytes: std::mem::take(&mut self.bytes),
        }
    }

    /// Has a message keep it until the message is dropped.
    pub(crate) fn hold(self, message: Bytes) -> Bytes {
        if self.bytes == 0 {
            return message;
        }
        Bytes::from_owner(Held {
            message,
            _booking: self,
        })
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.address, self.bytes);
        }
    }
}

/// A message that counts.
struct Held {
    message: Bytes,
    _booking: Booking,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booked_is_bounded_in_all_and_by_address_until_it_is_dropped() {
        let gauge = Gauge::default();
        let budget = Arc::new(Budget::new(100, gauge.clone()));
        let client = |last: u8| {
            let address = Some(IpAddr::from([192, 0, 2, last])).filter(|_| last > 0);
            Booking::new(budget.clone(), address)
        };
        let (mut one, mut two) = (client(1), client(1));
        assert!(one.set(20) && !two.set(6) && two.set(5));
        assert!(one.set(10) && two.set(15));
        // This machine has no share, but no more than there is.
        let mut here = client(0);
        assert!(!here.set(76) && here.set(75));
        assert!(!client(2).set(1));
        let message = two.take().hold(Bytes::from_static(b"message"));
        let part = message.slice(1..3);
        drop((two, message));
        assert_eq!(gauge.get(), 100);
        assert_eq!(part, b"es".as_slice());
        drop(part);
        drop(here);
        assert_eq!(gauge.get(), 10);
        assert!(client(2).set(25));
    }
}
