//! How much memory work on documents may take.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit that memory is counted in, in bytes.
const UNIT: usize = 1024;

/// Work that takes less asks nobody; the number of threads bounds it.
const SMALL: usize = 1 << 20;

/// The memory and the threads for work on documents.
pub(crate) struct Memory {
    units: usize,
    free: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// Memory that some work has, until it is dropped.
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Memory {
    /// `bytes` for all work, which is done by so many threads at a time.
    pub(crate) fn new(bytes: usize, threads: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS / 2);
        Self {
            units,
            free: Arc::new(Semaphore::new(units)),
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Waits until there are so many bytes; work that takes more than there are has all of them.
    pub(super) async fn share(&self, bytes: u64) -> Share {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes <= SMALL {
            return Share(None);
        }
        let units = (bytes / UNIT).min(self.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Share(self.free.clone().acquire_many_owned(units).await.ok())
    }

    /// Waits for a thread, which is given back when the permit is dropped.
    pub(super) async fn thread(&self) -> Option<OwnedSemaphorePermit> {
        self.threads.clone().acquire_owned().await.ok()
    }
}

/// Bytes that hold the memory that they take.
struct Held {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
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
        let part = self.0.as_mut().and_then(|share| share.split(units));
        match part {
            Some(share) => Bytes::from_owner(Held {
                bytes,
                _share: share,
            }),
            None => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_result_keeps_its_memory_until_it_is_dropped() {
        let memory = Memory::new(4 * SMALL, 1);
        let mut share = memory.share(u64::MAX).await;
        assert!(memory.share(2 * SMALL as u64).now_or_never().is_none());
        assert!(memory.share(SMALL as u64).now_or_never().is_some());
        let result = share.keep(vec![7; 3 * SMALL]);
        drop(share);
        assert!(memory.share(2 * SMALL as u64).now_or_never().is_none());
        assert_eq!(result.len(), 3 * SMALL);
        drop(result);
        assert!(memory.share(4 * SMALL as u64).now_or_never().is_some());
        let thread = memory.thread().await;
        assert!(memory.thread().now_or_never().is_none());
        drop(thread);
        assert!(memory.thread().now_or_never().is_some());
    }
}
