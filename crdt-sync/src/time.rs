//! Time, which is always a parameter.

/// A time in milliseconds, from any fixed start; only differences matter.
pub type Millis = u64;
