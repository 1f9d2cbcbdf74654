//! How much memory work on documents may take.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit that memory is counted in, in bytes.
const UNIT: usize = 1024;

/// Work that takes less asks nobody; the number of threads bounds it.
const SMALL: usize = 1 << 20;

/// One address may have this part of the memory.
pub(crate) const ADDRESS_PART: usize = 2;

/// The memory and the threads for work on documents.
pub(crate) struct Memory {
    units: usize,
    free: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    /// The memory that is free for each address that has some.
    by_address: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// Memory that some work has, until it is dropped.
pub(super) struct Share {
    all: Option<OwnedSemaphorePermit>,
    address: AddressShare,
}

/// The memory that the work has of what its client's address may have.
#[derive(Default)]
pub(super) struct AddressShare(Option<OwnedSemaphorePermit>);

impl Memory {
    /// `bytes` for all work, which is done by so many threads at a time.
    pub(crate) fn new(bytes: usize, threads: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS / 2);
        Self {
            units,
            free: Arc::new(Semaphore::new(units)),
            threads: Arc::new(Semaphore::new(threads)),
            by_address: Mutex::default(),
        }
    }

    /// Waits until an address has given back so much that it may have so many bytes. Others do not wait for
    /// it. `None` is this machine, which has no limit of its own.
    pub(super) async fn of_address(&self, address: Option<IpAddr>, bytes: u64) -> AddressShare {
        let (Some(address), Some(units)) = (address, units(bytes, self.address_units())) else {
            return AddressShare(None);
        };
        let free = self.free_of(address);
        // The semaphore is never closed, and lives as long as somebody has a part of it.
        AddressShare(free.acquire_many_owned(units).await.ok())
    }

    /// Waits until there are so many bytes; work that takes more than there are has all of them.
    pub(super) async fn share(&self, bytes: u64, address: AddressShare) -> Share {
        let all = match units(bytes, self.units) {
            // The semaphore is never closed.
            Some(units) => self.free.clone().acquire_many_owned(units).await.ok(),
            None => None,
        };
        Share { all, address }
    }

    fn address_units(&self) -> usize {
        (self.units / ADDRESS_PART).max(1)
    }

    fn free_of(&self, address: IpAddr) -> Arc<Semaphore> {
        let by_address = &mut *self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = by_address.get(&address).and_then(Weak::upgrade) {
            return free;
        }
        by_address.retain(|_, free| free.strong_count() > 0);
        let free = Arc::new(Semaphore::new(self.address_units()));
        by_address.insert(address, Arc::downgrade(&free));
        free
    }

    /// Waits for a thread, which is given back when the permit is dropped.
    pub(super) async fn thread(&self) -> Option<OwnedSemaphorePermit> {
        self.threads.clone().acquire_owned().await.ok()
    }
}

/// How much is to be taken of what is counted in units, of which there are `most`; `None` where it is little.
fn units(bytes: u64, most: usize) -> Option<u32> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let units = (bytes / UNIT).min(most);
    (bytes > SMALL).then(|| u32::try_from(units).unwrap_or(u32::MAX))
}

/// Bytes that hold the memory that they take.
struct Held {
    bytes: Vec<u8>,
    _all: Option<OwnedSemaphorePermit>,
    _address: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Share {
    /// Has a result keep its part of the memory until it has been sent.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) -> Bytes {
        let units = bytes.len() / UNIT;
        let part = |share: &mut Option<OwnedSemaphorePermit>| {
            let share = share.as_mut()?;
            share.split(units.min(share.num_permits()))
        };
        let (all, address) = (part(&mut self.all), part(&mut self.address.0));
        if all.is_none() && address.is_none() {
            return bytes.into();
        }
        Bytes::from_owner(Held {
            bytes,
            _all: all,
            _address: address,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_result_keeps_its_memory_until_it_is_dropped() {
        let memory = Memory::new(4 * SMALL, 1);
        let mut share = memory.share(u64::MAX, AddressShare::default()).await;
        let has = |bytes: usize| {
            let share = memory.share(bytes as u64, AddressShare::default());
            share.now_or_never().is_some()
        };
        assert!(!has(2 * SMALL));
        assert!(has(SMALL));
        let result = share.keep(vec![7; 3 * SMALL]);
        drop(share);
        assert!(!has(2 * SMALL));
        assert_eq!(result.len(), 3 * SMALL);
        drop(result);
        assert!(has(4 * SMALL));
        let thread = memory.thread().await;
        assert!(memory.thread().now_or_never().is_none());
        drop(thread);
        assert!(memory.thread().now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_address_has_a_part_of_it_and_others_do_not_wait_for_it() {
        let memory = Memory::new(16 * SMALL, 1);
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let of = |last: u8, bytes: usize| memory.of_address(address(last), bytes as u64);
        // Work that takes more than its address may have has all of that.
        let all_of_it = of(1, 16 * SMALL).now_or_never().unwrap();
        let mut share = memory.share(6 * SMALL as u64, all_of_it).await;
        assert!(of(1, 2 * SMALL).now_or_never().is_none());
        assert!(of(1, SMALL).now_or_never().is_some());
        assert!(of(2, 8 * SMALL).now_or_never().is_some());
        assert!(memory.of_address(None, u64::MAX).now_or_never().is_some());
        // Until the result has been sent it counts for the address.
        let result = share.keep(vec![7; 6 * SMALL]);
        drop(share);
        assert!(of(1, 4 * SMALL).now_or_never().is_none());
        assert!(of(1, 2 * SMALL).now_or_never().is_some());
        drop(result);
        assert!(of(1, 8 * SMALL).now_or_never().is_some());
        drop(of(3, 2 * SMALL).await);
        assert_eq!(memory.by_address.lock().unwrap().len(), 1);
    }
}
