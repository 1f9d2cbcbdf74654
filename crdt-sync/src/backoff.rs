//! Exponential back-off with full jitter.

use crate::time::Millis;

/// Waiting times between attempts: each is drawn from zero to a bound that doubles with every
/// failure up to a cap. Drawing from the whole range (full jitter) keeps many clients that lost one
/// server from reconnecting at the same time.
///
/// ```
/// let mut backoff = crdt_sync::backoff::Backoff::new(500, 30_000);
/// assert_eq!(backoff.next(1.0), 500);
/// assert_eq!(backoff.next(0.5), 500);
/// assert_eq!(backoff.next(0.0), 0);
/// backoff.reset();
/// assert_eq!(backoff.next(1.0), 500);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base: Millis,
    cap: Millis,
    failures: u32,
}

impl Backoff {
    /// The bound of the first wait is `base`, none exceeds `cap`.
    pub fn new(base: Millis, cap: Millis) -> Backoff {
        Backoff {
            base: base.min(cap),
            cap,
            failures: 0,
        }
    }

    /// The next wait. `random` is uniform in 0..=1; anything else counts as the nearest of these.
    pub fn next(&mut self, random: f64) -> Millis {
        let bound = 2_u64
            .checked_pow(self.failures)
            .and_then(|factor| self.base.checked_mul(factor))
            .map_or(self.cap, |bound| bound.min(self.cap));
        self.failures = self.failures.saturating_add(1);
        let random = if random.is_nan() {
            1.0
        } else {
            random.clamp(0.0, 1.0)
        };
        (bound as f64 * random).round() as Millis
    }

    /// Call this when an attempt has succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The number of waits since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

impl Default for Backoff {
    /// From half a second to 30 seconds.
    fn default() -> Self {
        Backoff::new(500, 30_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_cap() {
        let mut backoff = Backoff::default();
        let bounds: Vec<_> = (0..9).map(|_| backoff.next(1.0)).collect();
        assert_eq!(
            bounds,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000
            ]
        );
        assert_eq!(backoff.failures(), 9);
    }

    #[test]
    fn a_wait_is_between_zero_and_its_bound() {
        let mut backoff = Backoff::new(1_000, 30_000);
        assert_eq!(backoff.next(0.0), 0);
        assert_eq!(backoff.next(0.25), 500);
        assert_eq!(backoff.next(-3.0), 0);
        assert_eq!(backoff.next(7.0), 8_000);
        assert_eq!(backoff.next(f64::NAN), 16_000);
    }

    #[test]
    fn endless_failures_stay_at_the_cap() {
        let mut backoff = Backoff::new(1, 30_000);
        (0..200).for_each(|_| {
            backoff.next(1.0);
        });
        assert_eq!(backoff.next(1.0), 30_000);
        let mut wide = Backoff::new(u64::MAX, u64::MAX);
        wide.next(1.0);
        assert!(wide.next(1.0) > 0);
    }
}
