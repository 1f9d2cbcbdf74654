//! What becomes of a page whose memory is exhausted.
//!
//! A program in WebAssembly that gets no memory traps, in the middle of whatever it does. So a piece of
//! memory is kept in reserve: it is given up when there is no other, which lets the edit at work come to
//! its end, and every edit after that is refused with an error until the reserve can be had again. What
//! needs more at once than the reserve still traps; JavaScript makes an error of that, too
//! (`js/memory.js`).
//!
//! `unsafe` here is what any allocator is: each function hands its arguments on to that of the system.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};

use crate::error::BindingError;

/// How much is kept in reserve, in bytes: more than any single edit takes that is no long text. Nothing is written
/// there, so a system that gives out memory by pages spends none on it.
const RESERVE: Layout = Layout::new::<[u8; 4 << 20]>();

static HELD: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static TRAPPED: AtomicBool = AtomicBool::new(false);
/// Whether [`check_for`] was asked for all that is done now: it may use the reserve.
static TRUSTED: AtomicBool = AtomicBool::new(false);

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_by_reserve(unsafe { System.alloc(layout) }, || unsafe {
            System.alloc(layout)
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        or_by_reserve(unsafe { System.alloc_zeroed(layout) }, || unsafe {
            System.alloc_zeroed(layout)
        })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        or_by_reserve(unsafe { System.realloc(at, layout, size) }, || unsafe {
            System.realloc(at, layout, size)
        })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[inline(always)]
fn or_by_reserve(got: *mut u8, again: impl FnOnce() -> *mut u8) -> *mut u8 {
    if got.is_null() && give_reserve_up() {
        return again();
    }
    got
}

/// Gives the reserve up; whether there was one. Where there was none, a trap follows.
#[cold]
fn give_reserve_up() -> bool {
    let held = HELD.swap(std::ptr::null_mut(), Relaxed);
    TRAPPED.store(true, Relaxed);
    if held.is_null() {
        return false;
    }
    unsafe { System.dealloc(held, RESERVE) };
    true
}

/// Whether there is memory to go on with.
///
/// # Errors
/// [`BindingError::OutOfMemory`] where the reserve is gone, and cannot be had again.
#[inline(always)]
pub(crate) fn check() -> Result<(), BindingError> {
    if HELD.load(Relaxed).is_null() && !take_reserve() && !TRUSTED.load(Relaxed) {
        return Err(BindingError::OutOfMemory);
    }
    Ok(())
}

/// Whether there is memory for a call that was given so many bytes to make events and text of: a large input is
/// refused before anything changes, where it would trap in the middle.
///
/// # Errors
/// [`BindingError::OutOfMemory`].
#[inline(never)]
pub(crate) fn check_for(bytes: usize) -> Result<(), BindingError> {
    check()?;
    // The reserve is enough for anything smaller.
    if bytes <= RESERVE.size() / (2 * COPIES) {
        return Ok(());
    }
    let layout = Layout::from_size_align(bytes.saturating_mul(COPIES), 1);
    let layout = layout.map_err(|_| BindingError::OutOfMemory)?;
    let free = unsafe { System.alloc(layout) };
    if free.is_null() {
        return Err(BindingError::OutOfMemory);
    }
    unsafe { System.dealloc(free, layout) };
    Ok(())
}

/// Lets what is done from now on use the reserve, or no longer.
pub(crate) fn trust(is_trusted: bool) {
    TRUSTED.store(is_trusted, Relaxed);
}

/// How many times as much as an input is needed to take it in: in the history, in the text, in what listeners
/// get, and as much again while these grow.
const COPIES: usize = 6;

#[cold]
fn take_reserve() -> bool {
    let held = unsafe { System.alloc(RESERVE) };
    HELD.store(held, Relaxed);
    !held.is_null()
}

/// Whether memory ran out since this was asked last.
pub(crate) fn ran_out() -> bool {
    TRAPPED.swap(false, Relaxed)
}
