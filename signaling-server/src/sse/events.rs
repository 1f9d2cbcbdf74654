//! The event stream as bytes, and what is kept of it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use signaling_protocol::CloseCode;

use crate::budget::Booking;

/// How much is kept of one stream, in bytes.
pub(crate) const KEPT_BYTES: usize = 64 << 10;

/// A line that is no event: it keeps the proxies on the way from closing a silent stream.
pub(crate) const COMMENT: &[u8] = b":\n\n";

/// After how many milliseconds an `EventSource` comes back by itself.
const RETRY_MILLIS: u32 = 1000;

/// What a stream was sent, as far as the client may ask for it again.
///
/// The last of it is kept: [`KEPT_BYTES`] at most, and no more than the booking allows.
pub(crate) struct Sent {
    /// The secret of the session, which the id of each event begins with.
    secret: Arc<str>,
    events: VecDeque<Bytes>,
    bytes: usize,
    /// What is kept counts among what waits for all clients.
    booking: Booking,
    /// The number of the last event.
    last: u64,
}

impl Sent {
    pub(crate) fn new(secret: Arc<str>, booking: Booking) -> Self {
        Self {
            secret,
            events: VecDeque::new(),
            bytes: 0,
            booking,
            last: 0,
        }
    }

    /// The next event, with a message of the server.
    pub(crate) fn message(&mut self, text: &str) -> Bytes {
        self.last = self.last.saturating_add(1);
        let mut event = format!("id: {}\n", event_id(&self.secret, self.last));
        // A line of an event ends at any of these; in a message they are white space.
        for line in text.split(['\n', '\r']) {
            let _ = writeln!(event, "data: {line}");
        }
        event.push('\n');
        let event = Bytes::from(event);
        self.keep(event.clone());
        event
    }

    /// The client has the events up to this one.
    pub(crate) fn seen(&mut self, number: u64) {
        while self.first() <= number && self.forget_first() {}
        self.booking.set(self.bytes);
    }

    /// The events after this one, one after the other; `None` where they are not all kept.
    pub(crate) fn after(&self, number: u64) -> Option<Bytes> {
        let skipped = (number.saturating_add(1)).checked_sub(self.first())?;
        let skipped = usize::try_from(skipped).ok()?;
        if skipped > self.events.len() {
            return None;
        }
        let events: Vec<&[u8]> = self.events.iter().skip(skipped).map(|e| &e[..]).collect();
        Some(events.concat().into())
    }

    /// The number of the first event that is kept, or of the next one.
    fn first(&self) -> u64 {
        let kept = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.last.saturating_sub(kept).saturating_add(1)
    }

    fn keep(&mut self, event: Bytes) {
        self.bytes += event.len();
        self.events.push_back(event);
        while self.bytes > KEPT_BYTES || !self.booking.set(self.bytes) {
            if !self.forget_first() {
                break;
            }
        }
    }

    fn forget_first(&mut self) -> bool {
        let Some(event) = self.events.pop_front() else {
            return false;
        };
        self.bytes -= event.len();
        true
    }
}

/// What a session says of itself, first of all: how long its client may be silent, how long a lost stream may be
/// resumed, both in milliseconds, and how long the messages of one body may be together.
pub(crate) fn session(secret: &str, idle: u128, resume: u128, body_bytes: usize) -> Bytes {
    let id = event_id(secret, 0);
    let data = json!({
        "session": secret, "idleMs": idle, "resumeMs": resume, "resumeBytes": KEPT_BYTES,
        "bodyBytes": body_bytes,
    });
    format!("retry: {RETRY_MILLIS}\nid: {id}\nevent: session\ndata: {data}\n\n").into()
}

/// Why the session ends, last of all.
pub(crate) fn close(code: CloseCode) -> Bytes {
    let data = json!({ "code": code.number(), "reason": code.reason() });
    format!("event: close\ndata: {data}\n\n").into()
}

/// What names an event, and its session.
fn event_id(secret: &str, number: u64) -> String {
    format!("{secret}.{number}")
}

/// The secret and the number in the id of an event.
pub(crate) fn read_event_id(id: &str) -> Option<(&str, u64)> {
    let (secret, number) = id.trim().split_once('.')?;
    Some((secret, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::budget::Budget;

    /// A stream that may keep so much, and what is kept.
    fn sent(most: usize) -> (Sent, Gauge) {
        let kept = Gauge::default();
        let budget = Arc::new(Budget::new(most, kept.clone()));
        (Sent::new("s".into(), Booking::new(budget, None)), kept)
    }

    #[test]
    fn what_was_not_seen_is_sent_again() {
        let (mut sent, kept) = sent(KEPT_BYTES);
        assert_eq!(sent.after(0).as_deref(), Some(&b""[..]));
        assert_eq!(sent.after(1), None);
        let one = sent.message("{\"a\":\n1}");
        assert_eq!(one, "id: s.1\ndata: {\"a\":\ndata: 1}\n\n");
        let two = sent.message("two");
        assert_eq!(sent.after(0).unwrap(), [&one[..], &two].concat());
        assert_eq!(sent.after(1).unwrap(), two);
        assert_eq!(sent.after(2).unwrap(), "");
        assert_eq!((sent.after(3), sent.after(u64::MAX)), (None, None));
        sent.seen(1);
        assert_eq!((sent.after(0), sent.after(1)), (None, Some(two)));
        sent.seen(u64::MAX);
        assert_eq!((sent.after(1), sent.after(2)), (None, Some(Bytes::new())));
        assert_eq!(kept.get(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut long, kept) = sent(2 * KEPT_BYTES);
        let text = "x".repeat(KEPT_BYTES / 10);
        for _ in 0..25 {
            long.message(&text);
        }
        assert!(long.bytes <= KEPT_BYTES && long.events.len() == 9);
        assert_eq!(usize::try_from(kept.get()), Ok(long.bytes));
        assert!(long.after(15).is_none() && long.after(16).is_some());
        long.message(&"x".repeat(2 * KEPT_BYTES));
        assert!(long.after(25).is_none() && long.after(26).is_some());
        drop(long);
        assert_eq!(kept.get(), 0);

        let (mut poor, _) = sent(10);
        poor.message("one");
        assert!(poor.after(0).is_none() && poor.after(1).is_some());
    }

    #[test]
    fn an_id_names_a_session_and_a_number() {
        assert_eq!(
            read_event_id(&event_id("se_-cret", 7)),
            Some(("se_-cret", 7))
        );
        for id in ["", "7", "secret.", "secret.-1", "secret.x"] {
            assert_eq!(read_event_id(id), None, "{id}");
        }
    }
}
