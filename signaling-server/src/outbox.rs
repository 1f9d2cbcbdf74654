//! The bounded queue of messages towards one client.
//!
//! Whoever writes never waits: a queue that would grow past its bound marks its client as a slow
//! consumer instead, which its connection then closes. So one stalled browser costs the others
//! nothing. An idle queue holds no memory worth naming.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use signaling_protocol::CloseCode;
use tokio_tungstenite::tungstenite::Message;

use crate::metrics::{Kind, Metrics};

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
    pub(crate) bytes: usize,
}

/// A message on its way to a client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letter {
    pub(crate) message: Message,
    pub(crate) kind: Kind,
    /// When another peer's message, that this one passes on, was read.
    pub(crate) since: Option<Instant>,
}

/// Something that the client's own side is to learn once what was queued before has been written.
#[derive(Debug, PartialEq)]
pub(crate) enum Note {
    /// A page of a log has been sent; there is more after this entry.
    ReadOn { after: u64 },
    /// A log has been sent whole.
    Replayed {
        /// The number of the snapshot that it begins with.
        base: u64,
        /// The number of its last entry.
        upto: u64,
        /// Its only entry, where it has no more.
        only: Option<Bytes>,
    },
    /// The client is in its room.
    Entered,
    /// The client may not enter its room.
    TurnedAway,
    /// A log has grown long.
    Grown {
        /// The number of the snapshot that it begins with.
        base: u64,
        /// The number of its last entry.
        upto: u64,
    },
}

/// What the connection takes out.
#[derive(Debug, PartialEq)]
pub(crate) enum Outgoing {
    Letter(Letter),
    Note(Note),
    /// Nothing more comes; close the socket with this.
    Close(CloseCode),
}

/// One place in the queue. Notes are rare and boxed, so that they take no more room than letters.
enum Item {
    Letter(Letter),
    Note(Box<Note>),
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    closing: Option<CloseCode>,
    waker: Option<Waker>,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds, metrics: Arc<Metrics>) -> Self {
        Self {
            bounds,
            metrics,
            state: Mutex::default(),
        }
    }

    /// Queues a message, or marks the client as too slow. After a close nothing is queued.
    pub(crate) fn push(&self, letter: Letter) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        let bytes = state.bytes.saturating_add(letter.message.len());
        if state.queue.len() >= self.bounds.messages || bytes > self.bounds.bytes {
            // The client would see a gap, so what waits is of no use to it any more.
            self.clear(&mut state);
            state.closing = Some(CloseCode::SlowConsumer);
        } else {
            self.metrics.queued_messages.inc();
            self.metrics.queued_bytes.inc_by(size(&letter));
            state.bytes = bytes;
            state.queue.push_back(Item::Letter(letter));
        }
        wake(state);
    }

    /// Queues a note; there are few, so they have no bound.
    pub(crate) fn note(&self, note: Note) {
        let mut state = self.lock();
        if state.closing.is_none() {
            state.queue.push_back(Item::Note(Box::new(note)));
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

    /// The next message, in the order in which they were pushed, and the close after the last one.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Outgoing> {
        let mut state = self.lock();
        if let Some(item) = state.queue.pop_front() {
            if state.queue.is_empty() && state.queue.capacity() > KEPT_CAPACITY {
                state.queue = VecDeque::new();
            }
            return Poll::Ready(match item {
                Item::Letter(letter) => {
                    self.metrics.queued_messages.dec();
                    self.metrics.queued_bytes.dec_by(size(&letter));
                    state.bytes = state.bytes.saturating_sub(letter.message.len());
                    Outgoing::Letter(letter)
                }
                Item::Note(note) => Outgoing::Note(*note),
            });
        }
        if let Some(code) = state.closing {
            return Poll::Ready(Outgoing::Close(code));
        }
        remember(&mut state, context);
        Poll::Pending
    }

    fn clear(&self, state: &mut State) {
        for item in std::mem::take(&mut state.queue) {
            if let Item::Letter(letter) = item {
                self.metrics.queued_messages.dec();
                self.metrics.queued_bytes.dec_by(size(&letter));
            }
        }
        state.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.lock());
        self.clear(&mut state);
    }
}

impl Letter {
    pub(crate) fn text(kind: Kind, text: String) -> Self {
        Self {
            message: Message::text(text),
            kind,
            since: None,
        }
    }
}

fn size(letter: &Letter) -> i64 {
    i64::try_from(letter.message.len()).unwrap_or(i64::MAX)
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
    use super::*;

    const BOUNDS: Bounds = Bounds {
        messages: 3,
        bytes: 10,
    };

    fn outbox() -> (Outbox, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (Outbox::new(BOUNDS, metrics.clone()), metrics)
    }

    fn letter(text: &str) -> Letter {
        Letter::text(Kind::Relay, text.to_owned())
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
        outbox.push(letter("a"));
        outbox.push(letter("b"));
        outbox.close(CloseCode::Replaced);
        outbox.close(CloseCode::GoingAway);
        outbox.push(letter("too late"));
        assert_eq!(next(&outbox), Poll::Ready(Outgoing::Letter(letter("a"))));
        assert_eq!(next(&outbox), Poll::Ready(Outgoing::Letter(letter("b"))));
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
            outbox.push(letter("m"));
        }
        assert!(!overrun(&outbox));
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (3, 3)
        );
        outbox.push(letter("m"));
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
        outbox.push(letter("12345"));
        outbox.push(letter("12345"));
        assert!(next(&outbox).is_ready());
        outbox.push(letter("54321"));
        assert!(!overrun(&outbox));
        assert_eq!(metrics.queued_bytes.get(), 10);
        outbox.push(letter("1"));
        assert!(overrun(&outbox));
    }

    #[test]
    fn what_waits_for_a_client_that_is_gone_is_no_longer_counted() {
        let (outbox, metrics) = outbox();
        outbox.push(letter("m"));
        drop(outbox);
        assert_eq!(
            (metrics.queued_messages.get(), metrics.queued_bytes.get()),
            (0, 0)
        );
    }
}
