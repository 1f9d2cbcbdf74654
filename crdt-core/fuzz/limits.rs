//! What an input may cost: a find is also what takes more memory or time than its size allows.

use std::time::Duration;

use cpu_time::ThreadTime;

use crate::counting::{measured, most_memory};

/// The most CPU time that a target takes for an input of `len` bytes, with all checks of the crate on.
fn most_time(len: usize) -> Duration {
    Duration::from_millis(500) + Duration::from_micros(500) * len as u32
}

/// Runs a target, and panics if the input costs more than its size allows.
pub(crate) fn check(data: &[u8], target: fn(&[u8])) {
    let started = ThreadTime::now();
    let ((), memory, _) = measured(|| target(data));
    let (len, time) = (data.len(), started.elapsed());
    assert!(
        memory <= most_memory(len),
        "{len} bytes took {memory} bytes of memory"
    );
    assert!(time <= most_time(len), "{len} bytes took {time:?}");
}
