//! One line of progress at a time, on standard error.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

/// Says what happens, with the time since the start.
pub(crate) fn say(what: impl Display) {
    let seconds = since_start() / 1_000_000_000;
    eprintln!("[{}:{:02}] {what}", seconds / 60, seconds % 60);
}

/// The time since the first call, in nanoseconds.
pub(crate) fn since_start() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
