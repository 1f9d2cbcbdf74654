//! The bounded queue of messages towards one client.
//!
//! Whoever writes never waits: a queue that would grow past its bound marks its client as a slow
//! consumer instead, which its connection then closes. So one stalled browser costs the others
//! nothing. An idle queue holds no memory worth naming.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use signaling_protocol::CloseCode;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::budget::Booking;
use crate::metrics::{Kind, Metrics};

/// Longer messages go out in frames of this size: the socket keeps a buffer as large as the largest frame.
pub(crate) const PART: usize = 16 * 1024;

/// Longer binary messages have a bound of their own.
const LONG: usize = 64 * 1024;

/// What a waiting message takes beside its text, in bytes.
pub(crate) const OVERHEAD: usize = 128;

/// So many bytes may wait for every client without counting for all. Most queues are shorter.
pub(crate) const ALLOWANCE: usize = 16 * 1024;

/// A client has to take a message of several frames at this rate in bytes a second at least, and gets
/// [`LONG_PATIENCE`] beside that.
const LONG_RATE: u64 = 16 * 1024;

const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// A queue that grew beyond this gives its memory back once it is empty.
const KEPT_CAPACITY: usize = 4;

/// The queue of one client.
pub(crate) struct Outbox {
    bounds: Bounds,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

/// How much may wait for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    /// Long messages apart.
    pub(crate) bytes: usize,
    /// All long messages together; one of any size may wait alone.
    pub(crate) long_bytes: usize,
}

/// A message on its way to a client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outbound {
    pub(crate) message: Message,
    pub(crate) kind: Kind,
    /// When another peer's message, that this one passes on, was read.
    pub(crate) since: Option<Instant>,
}

/// Something that the client's own side is to learn once what was queued before has been written.
#[derive(Debug, PartialEq)]
pub(crate) enum Note {
    /// The client is in its room.
    Entered,
    /// The client may not enter its room.
    TurnedAway,
    /// A change of the client is taken, or refused; the next one may come.
    #[cfg(feature = "yjs")]
    Taken,
    /// The client knows what it lacks.
    #[cfg(feature = "yjs")]
    Answered,
}

/// What the connection takes out.
#[derive(Debug, PartialEq)]
pub(crate) enum Outgoing {
    Message(Outbound),
    Note(Note),
    /// Nothing more comes; close the socket with this.
    Close(CloseCode),
}

/// One place in the queue.
enum Item {
    Message(Outbound),
    Parts(Box<Parts>),
    Note(Note),
}

/// A message that goes out in several frames, of which some may have been sent.
struct Parts {
    rest: Bytes,
    text: bool,
    /// Whether it counts as long.
    long: bool,
    kind: Kind,
    since: Option<Instant>,
    /// When its first part was sent, and the size of all that were.
    begun: Option<Instant>,
    sent: u64,
}

struct State {
    queue: VecDeque<Item>,
    /// Long messages apart.
    bytes: usize,
    /// What of `bytes` counts for all clients together.
    booking: Booking,
    long_bytes: usize,
    closing: Option<CloseCode>,
    waker: Option<Waker>,
}

impl Outbox {
    /// `booking` is the client's part of what may wait for all together.
    pub(crate) fn new(bounds: Bounds, booking: Booking, metrics: Arc<Metrics>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            booking,
            long_bytes: 0,
            closing: None,
            waker: None,
        };
        Self {
            bounds,
            metrics,
            state: Mutex::new(state),
        }
    }

    /// Queues a message, or marks the client as too slow. After a close nothing is queued.
    pub(crate) fn push(&self, outbound: Outbound) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        let size = outbound.message.len();
        let long = size > LONG && outbound.message.is_binary();
        let (mut bytes, mut long_bytes) = (state.bytes, state.long_bytes);
        let too_much = if long {
            long_bytes += size;
            state.long_bytes > 0 && long_bytes > self.bounds.long_bytes
        } else {
            bytes += size;
            bytes > self.bounds.bytes
        };
        if too_much || state.queue.len() >= self.bounds.messages || !state.count(bytes, 1) {
            // The client would see a gap, so what waits is of no use to it any more.
            self.clear(&mut state);
            state.closing = Some(CloseCode::SlowConsumer);
        } else {
            self.metrics.queued_messages.inc();
            self.metrics.queued_bytes.inc_by(signed(size));
            state.long_bytes = long_bytes;
            state.queue.push_back(if size > PART {
                Item::Parts(Box::new(Parts::new(outbound, long)))
            } else {
                Item::Message(outbound)
            });
        }
        wake(state);
    }

    /// Queues a note; there are few, so they have no bound.
    pub(crate) fn note(&self, note: Note) {
        let mut state = self.lock();
        if state.closing.is_none() {
            state.queue.push_back(Item::Note(note));
            wake(state);
        }
    }

    /// Has the connection closed after what is queued already. The first reason stands.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut state = self.lock();
        state.closing.get_or_insert(code);
        wake(state);
    }

    /// Whether the client fell so far behind that it is to be dropped at once, even though its
    /// socket takes nothing more. Else the task is woken when that changes.
    pub(crate) fn poll_overrun(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.closing == Some(CloseCode::SlowConsumer) {
            return Poll::Ready(());
        }
        remember(&mut state, context);
        Poll::Pending
    }

    /// Whether the client takes a message of several frames so slowly that it is to be dropped.
    pub(crate) fn is_stalled(&self) -> bool {
        let state = self.lock();
        let Some(Item::Parts(parts)) = state.queue.front() else {
            return false;
        };
        let Some(begun) = parts.begun else {
            return false;
        };
        begun.elapsed() > LONG_PATIENCE + Duration::from_secs(parts.sent / LONG_RATE)
    }

    /// The next message, in the order in which they were pushed, and the close after the last one.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Outgoing> {
        let mut state = self.lock();
        if let Some(Item::Parts(parts)) = state.queue.front_mut()
            && parts.rest.len() > PART
        {
            let outbound = parts.part(PART);
            if parts.long {
                state.long_bytes = state.long_bytes.saturating_sub(PART);
            }
            self.metrics.queued_bytes.dec_by(signed(PART));
            return Poll::Ready(Outgoing::Message(outbound));
        }
        if let Some(item) = state.queue.pop_front() {
            if state.queue.is_empty() && state.queue.capacity() > KEPT_CAPACITY {
                state.queue = VecDeque::new();
            }
            let outbound = match item {
                Item::Message(outbound) => {
                    state.less(outbound.message.len());
                    outbound
                }
                Item::Parts(mut parts) => {
                    let size = parts.rest.len();
                    let outbound = parts.part(size);
                    if parts.long {
                        state.long_bytes = state.long_bytes.saturating_sub(size);
                    } else {
                        // The whole of it was in memory until now.
                        state.less(usize::try_from(parts.sent).unwrap_or(usize::MAX));
                    }
                    outbound
                }
                Item::Note(note) => return Poll::Ready(Outgoing::Note(note)),
            };
            self.metrics.queued_messages.dec();
            self.metrics.queued_bytes.dec_by(signed(payload(&outbound)));
            return Poll::Ready(Outgoing::Message(outbound));
        }
        if let Some(code) = state.closing {
            return Poll::Ready(Outgoing::Close(code));
        }
        remember(&mut state, context);
        Poll::Pending
    }

    fn clear(&self, state: &mut State) {
        for item in std::mem::take(&mut state.queue) {
            let size = match item {
                Item::Message(outbound) => outbound.message.len(),
                Item::Parts(parts) => parts.rest.len(),
                Item::Note(_) => continue,
            };
            self.metrics.queued_messages.dec();
            self.metrics.queued_bytes.dec_by(signed(size));
        }
        state.less(usize::MAX);
        state.long_bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.clear(&mut self.lock());
    }
}

impl State {
    /// Has so many bytes wait, and so many messages more, if all clients together may have so many.
    fn count(&mut self, bytes: usize, more: usize) -> bool {
        let messages = OVERHEAD * (self.queue.len() + more);
        let beyond = (bytes + messages).saturating_sub(ALLOWANCE);
        let counted = self.booking.set(beyond);
        if counted {
            self.bytes = bytes;
        }
        counted
    }

    fn less(&mut self, bytes: usize) {
        self.count(self.bytes.saturating_sub(bytes), 0);
    }
}

impl Outbound {
    pub(crate) fn binary(kind: Kind, frame: Bytes, since: Option<Instant>) -> Self {
        Self {
            message: Message::Binary(frame),
            kind,
            since,
        }
    }

    pub(crate) fn text(kind: Kind, text: String) -> Self {
        Self {
            message: Message::text(text),
            kind,
            since: None,
        }
    }
}

impl Parts {
    fn new(outbound: Outbound, long: bool) -> Self {
        Self {
            text: outbound.message.is_text(),
            long,
            rest: outbound.message.into_data(),
            kind: outbound.kind,
            since: outbound.since,
            begun: None,
            sent: 0,
        }
    }

    /// The next frame of the message.
    fn part(&mut self, size: usize) -> Outbound {
        let first = self.begun.is_none();
        self.begun.get_or_insert_with(Instant::now);
        self.sent += size as u64;
        let part = self.rest.split_to(size);
        let data = match (first, self.text) {
            (true, true) => Data::Text,
            (true, false) => Data::Binary,
            (false, _) => Data::Continue,
        };
        let last = self.rest.is_empty();
        Outbound {
            message: Message::Frame(Frame::message(part, OpCode::Data(data), last)),
            kind: self.kind,
            // Counted once.
            since: self.since.take(),
        }
    }
}

/// The size of a message or a frame without what a frame has around it.
fn payload(outbound: &Outbound) -> usize {
    match &outbound.message {
        Message::Frame(frame) => frame.payload().len(),
        message => message.len(),
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn remember(state: &mut State, context: &Context<'_>) {
    match &mut state.waker {
        Some(waker) => waker.clone_from(context.waker()),
        none => *none = Some(context.waker().clone()),
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::budget::Budget;

    const BOUNDS: Bounds = Bounds {
        messages: 3,
        bytes: 10,
        long_bytes: 3 * LONG,
    };

    fn outbox() -> (Outbox, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        let booking = Booking::new(budget(1 << 20), None);
        (Outbox::new(BOUNDS, booking, metrics.clone()), metrics)
    }

    fn budget(limit: usize) -> Arc<Budget> {
        Arc::new(Budget::new(limit, Gauge::default()))
    }

    fn outbound(text: &str) -> Outbound {
        Outbound::text(Kind::Relay, text.to_owned())
    }

    fn next(outbox: &Outbox) -> Poll<Outgoing> {
        outbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn overrun(outbox: &Outbox) -> bool {
        outbox
            .poll_overrun(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn messages_come_out_in_order_and_the_close_last() {
        let (outbox, metrics) = outbox();
        assert_eq!(next(&outbox), Poll::Pending);
        outbox.push(outbound("a"));
        outbox.push(outbound("b"));
        outbox.close(CloseCode::Replaced);
        outbox.close(CloseCode::GoingAway);
        outbox.push(outbound("too late"));
        assert_eq!(next(&outbox), Poll::Ready(Outgoing::Message(outbound("a"))));
        assert_eq!(next(&outbox), Poll::Ready(Outgoing::Message(outbound("b"))));
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Close(CloseCode::Replaced))
        );
        assert!(!overrun(&outbox));
        assert_eq!(metrics.queued_messages.get(), 0);
    }

    #[test]
    fn one_message_too_many_makes_a_slow_consumer() {
        let (outbox, metrics) = outbox();
        for _ in 0..3 {
            outbox.push(outbound("m"));
        }
        assert!(!overrun(&outbox));
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (3, 3)
        );
        outbox.push(outbound("m"));
        assert!(overrun(&outbox));
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (0, 0)
        );
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Close(CloseCode::SlowConsumer))
        );
    }

    #[test]
    fn one_byte_too_many_makes_a_slow_consumer_and_what_left_does_not_count() {
        let (outbox, metrics) = outbox();
        outbox.push(outbound("12345"));
        outbox.push(outbound("12345"));
        assert!(next(&outbox).is_ready());
        outbox.push(outbound("54321"));
        assert!(!overrun(&outbox));
        assert_eq!(metrics.queued_bytes.get(), 10);
        outbox.push(outbound("1"));
        assert!(overrun(&outbox));
    }

    /// A binary message of so many bytes.
    fn long(size: usize) -> Outbound {
        let message = Message::binary((0..size).map(|at| at as u8).collect::<Vec<u8>>());
        Outbound {
            message,
            ..outbound("")
        }
    }

    #[test]
    fn a_long_message_goes_out_in_frames_and_nothing_comes_between() {
        let (outbox, metrics) = outbox();
        let size = 10 * PART + 7;
        outbox.push(long(size));
        outbox.push(outbound("m"));
        let mut bytes = Vec::new();
        for at in 0..=10 {
            let Poll::Ready(Outgoing::Message(part)) = next(&outbox) else {
                panic!("the frame {at} is missing");
            };
            let Message::Frame(frame) = part.message else {
                panic!("no frame: {:?}", part.message);
            };
            let data = if at == 0 {
                Data::Binary
            } else {
                Data::Continue
            };
            let header = frame.header();
            assert_eq!(
                (header.opcode, header.is_final),
                (OpCode::Data(data), at == 10)
            );
            bytes.extend_from_slice(frame.payload());
            assert!(!outbox.is_stalled());
        }
        assert_eq!(long(size).message.into_data(), bytes);
        assert_eq!(next(&outbox), Poll::Ready(Outgoing::Message(outbound("m"))));
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (0, 0)
        );
    }

    #[test]
    fn long_messages_have_a_bound_of_their_own() {
        let (outbox, metrics) = outbox();
        outbox.push(long(10 * LONG));
        assert!(!overrun(&outbox));
        outbox.push(outbound("1234567890"));
        outbox.push(long(LONG + 1));
        assert!(overrun(&outbox));
        assert_eq!(metrics.queued_bytes.get(), 0);
    }

    #[test]
    fn a_large_text_goes_out_in_frames_and_counts_until_the_last() {
        let bounds = Bounds {
            bytes: 10 * PART,
            ..BOUNDS
        };
        let (budget, metrics) = (budget(10 * PART), Arc::new(Metrics::new()));
        let client = || Booking::new(budget.clone(), None);
        let outbox = Outbox::new(bounds, client(), metrics.clone());
        let text = "é".repeat(PART);
        outbox.push(outbound(&text));
        let mut kinds = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..2 {
            assert!(!client().set(10 * PART - ALLOWANCE));
            let Poll::Ready(Outgoing::Message(part)) = next(&outbox) else {
                panic!("a frame is missing");
            };
            let Message::Frame(frame) = part.message else {
                panic!("no frame: {:?}", part.message);
            };
            kinds.push((frame.header().opcode, frame.header().is_final));
            bytes.extend_from_slice(frame.payload());
        }
        let (first, last) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        assert_eq!(kinds, [(first, false), (last, true)]);
        assert_eq!(bytes, text.as_bytes());
        assert!(client().set(10 * PART));
        assert_eq!(metrics.queued_bytes.get(), 0);
    }

    #[test]
    fn where_all_have_too_much_waiting_those_are_dropped_who_are_behind() {
        let bounds = Bounds {
            messages: 1000,
            bytes: 1 << 20,
            ..BOUNDS
        };
        let budget = budget(1000);
        let client = || {
            let booking = Booking::new(budget.clone(), None);
            Outbox::new(bounds, booking, Arc::new(Metrics::new()))
        };
        let (slow, slower, quick) = (client(), client(), client());
        let message = outbound(&"m".repeat(ALLOWANCE / 8 - OVERHEAD));
        for _ in 0..8 {
            slow.push(message.clone());
            slower.push(message.clone());
        }
        slow.push(outbound(&"m".repeat(1000 - OVERHEAD)));
        slower.push(outbound("m"));
        assert!(overrun(&slower) && !overrun(&slow));
        quick.push(message.clone());
        assert!(!overrun(&quick));
        assert!(next(&slow).is_ready());
        slow.push(message);
        assert!(!overrun(&slow));
        drop(slow);
        assert!(Booking::new(budget, None).set(1000));
    }

    #[test]
    fn what_waits_for_a_client_that_is_gone_is_no_longer_counted() {
        let (outbox, metrics) = outbox();
        outbox.push(outbound("m"));
        drop(outbox);
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (0, 0)
        );
    }
}
