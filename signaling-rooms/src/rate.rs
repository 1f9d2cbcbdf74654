//! A rate limit.

use std::time::Duration;

/// The burst, in seconds' worth of events, for example when a client joins a full room.
const BURST_SECONDS: u32 = 4;

/// One event, in the unit in which a [`Rate`] counts: a whole number of them accrues in any number of
/// nanoseconds at any rate.
const ONE: u64 = 1_000_000_000;

/// A rate limit; no limit if the rate is 0.
///
/// A token bucket: it fills at a constant rate up to the burst, and every event takes from it. A call
/// takes constant time.
#[derive(Debug, Clone)]
pub struct Rate {
    per_second: u32,
    /// The size of the full bucket, in billionths of an event.
    burst: u64,
    /// The content of the bucket, in billionths of an event.
    available: u64,
    /// When the bucket was last filled.
    filled_at: Duration,
}

impl Rate {
    /// Allows `per_second` events a second, and bursts of four seconds' worth, but at least
    /// `at_least` events. The bucket is full at first.
    #[must_use]
    pub fn new(per_second: u32, at_least: u32) -> Self {
        let burst = per_second.saturating_mul(BURST_SECONDS).max(at_least);
        let burst = u64::from(burst) * ONE;
        Self {
            per_second,
            burst,
            available: burst,
            filled_at: Duration::ZERO,
        }
    }

    /// Takes one event at the time `now`; returns whether one was left.
    pub fn take(&mut self, now: Duration) -> bool {
        self.take_many(1, now)
    }

    /// Takes `amount` events at the time `now`, all or none; returns whether there were enough.
    pub fn take_many(&mut self, amount: usize, now: Duration) -> bool {
        if self.per_second == 0 {
            return true;
        }
        // A clock that runs backwards adds nothing.
        let elapsed = now.saturating_sub(self.filled_at).as_nanos();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let added = elapsed.saturating_mul(u64::from(self.per_second));
        self.available = self.available.saturating_add(added).min(self.burst);
        self.filled_at = self.filled_at.max(now);
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        match self.available.checked_sub(amount.saturating_mul(ONE)) {
            Some(left) => {
                self.available = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    #[test]
    fn a_rate_lets_a_burst_through_and_no_more() {
        let mut rate = Rate::new(1, 3);
        assert_eq!((0..10).filter(|_| rate.take(START)).count(), 4);
        let mut floor = Rate::new(1, 100);
        assert!(floor.take_many(100, START) && !floor.take_many(50, START));
        let mut whole = Rate::new(1, 3);
        assert!(!whole.take_many(5, START), "more than a burst never fits");
        assert!(!whole.take_many(usize::MAX, START));
        assert!(whole.take_many(0, START));
        assert!(whole.take_many(4, START), "a refusal takes nothing");
        let mut none = Rate::new(0, 0);
        assert!((0..1000).all(|_| none.take(START)) && none.take_many(usize::MAX, START));
    }

    #[test]
    fn the_bucket_fills_with_time_up_to_the_burst() {
        let mut rate = Rate::new(2, 0);
        assert!(rate.take_many(8, START) && !rate.take(START));
        assert!(!rate.take(START + Duration::from_millis(499)));
        assert!(rate.take(START + Duration::from_millis(500)));
        assert!(!rate.take(START), "time that runs backwards adds nothing");
        let later = START + Duration::from_secs(1_000_000_000);
        assert!(rate.take_many(8, later) && !rate.take(later));
    }

    #[test]
    fn the_largest_rate_counts_exactly() {
        let mut rate = Rate::new(u32::MAX, 0);
        assert!(rate.take_many(u32::MAX as usize, START) && !rate.take(START));
        assert!(rate.take_many(4, START + Duration::from_nanos(1)));
        assert!(!rate.take(START + Duration::from_nanos(1)));
    }
}
