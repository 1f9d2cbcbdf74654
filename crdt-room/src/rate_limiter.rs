//! The rate of the relay: a server disconnects a client that sends too much, and other traffic
//! shares the socket.

/// Messages and bytes that may be sent at once, and in each second after that.
const MESSAGES: f64 = 200.0;
const BYTES: f64 = 2.0 * 1024.0 * 1024.0;

/// A token bucket for messages and bytes, with the capacity of one second.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    messages: f64,
    bytes: f64,
    at: Option<u64>,
}

impl Default for RateLimiter {
    fn default() -> Self {
        RateLimiter {
            messages: MESSAGES,
            bytes: BYTES,
            at: None,
        }
    }
}

impl RateLimiter {
    /// Takes the tokens for one message of `bytes`, or returns the time at which they are
    /// available. A message larger than the bucket is sent when the bucket is full.
    pub(crate) fn take(&mut self, bytes: usize, now: u64) -> Result<(), u64> {
        let seconds = now.saturating_sub(self.at.unwrap_or(now)) as f64 / 1000.0;
        self.messages = (self.messages + seconds * MESSAGES).min(MESSAGES);
        self.bytes = (self.bytes + seconds * BYTES).min(BYTES);
        self.at = Some(now);
        let needed = (bytes as f64).min(BYTES);
        let lack = ((1.0 - self.messages) / MESSAGES).max((needed - self.bytes) / BYTES);
        if lack > 0.0 {
            return Err(now.saturating_add((lack * 1000.0).ceil() as u64));
        }
        self.messages -= 1.0;
        self.bytes -= needed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at the allowed rate for `seconds`, and counts.
    fn sent_in(seconds: u64, bytes: usize) -> usize {
        let mut limiter = RateLimiter::default();
        let (mut now, mut sent) = (5_000, 0);
        let end = now + seconds * 1000;
        while now < end {
            match limiter.take(bytes, now) {
                Ok(()) => sent += 1,
                Err(later) => {
                    assert!(later > now, "the wait ends");
                    now = later;
                }
            }
        }
        sent
    }

    #[test]
    fn small_messages_are_bounded_by_number_and_large_ones_by_size() {
        let small = sent_in(10, 10);
        assert!((2000..=2201).contains(&small), "{small}");
        let large = sent_in(10, 64 * 1024);
        assert!((320..=353).contains(&large), "{large}");
    }

    #[test]
    fn a_message_larger_than_the_bucket_is_sent_too() {
        assert!(sent_in(10, 100 << 20) >= 10);
    }

    #[test]
    fn a_clock_that_stops_or_goes_back_is_harmless() {
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.take(1, 1000), Ok(()));
        assert_eq!(limiter.take(1, 500), Ok(()));
    }
}
