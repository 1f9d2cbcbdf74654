//! Counts what is allocated, and says how much an input may take: memory and time in proportion to its
//! size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, with the bytes in use and the most that ever were.
struct Counting {
    used: AtomicUsize,
    most: AtomicUsize,
}

#[global_allocator]
static COUNTING: Counting = Counting {
    used: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
};

impl Counting {
    fn grown(&self, bytes: usize) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(used, Ordering::Relaxed);
    }

    fn shrunk(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without; it only counts"
)]
// SAFETY: everything is left to the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.shrunk(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.grown(size);
        self.shrunk(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Runs `work`, and gives the most memory that it took beyond what was in use before, and how much of
/// that is still in use, in bytes.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = COUNTING.used.load(Ordering::Relaxed);
    COUNTING.most.store(before, Ordering::Relaxed);
    let result = work();
    let after = COUNTING.used.load(Ordering::Relaxed);
    let most = COUNTING.most.load(Ordering::Relaxed);
    (result, most - before, after.saturating_sub(before))
}

/// The most memory, in bytes, that a fuzz target takes for an input of `len` bytes: it makes several
/// documents of it, and files of these.
pub(crate) fn most_memory(len: usize) -> usize {
    (16 << 20) + 2048 * len
}
