//! The bounded queue of messages towards one client.
//!
//! Whoever writes never waits: a queue that would grow past its bound marks its client as a slow
//! consumer instead, which its connection then closes. So one stalled browser costs the others
//! nothing. An idle queue holds no memory worth naming.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use signaling_protocol::CloseCode;
use tokio_tungstenite::tungstenite::Message;

/// A queue that grew beyond this gives its memory back once it is empty.
const KEPT_CAPACITY: usize = 16;

/// The queue of one client.
pub(crate) struct Outbox {
    bounds: Bounds,
    state: Mutex<State>,
}

/// How much may wait for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What the connection takes out.
#[derive(Debug, PartialEq)]
pub(crate) enum Outgoing {
    Message(Message),
    /// Nothing more comes; close the socket with this.
    Close(CloseCode),
}

#[derive(Default)]
struct State {
    queue: VecDeque<Message>,
    bytes: usize,
    closing: Option<CloseCode>,
    waker: Option<Waker>,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
        }
    }

    /// Queues a message, or marks the client as too slow. After a close nothing is queued.
    pub(crate) fn push(&self, message: Message) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        let bytes = state.bytes.saturating_add(message.len());
        if state.queue.len() >= self.bounds.messages || bytes > self.bounds.bytes {
            // The client would see a gap, so what waits is of no use to it any more.
            state.queue = VecDeque::new();
            state.bytes = 0;
            state.closing = Some(CloseCode::SlowConsumer);
        } else {
            state.bytes = bytes;
            state.queue.push_back(message);
        }
        wake(state);
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
        if let Some(message) = state.queue.pop_front() {
            state.bytes = state.bytes.saturating_sub(message.len());
            if state.queue.is_empty() && state.queue.capacity() > KEPT_CAPACITY {
                state.queue = VecDeque::new();
            }
            return Poll::Ready(Outgoing::Message(message));
        }
        if let Some(code) = state.closing {
            return Poll::Ready(Outgoing::Close(code));
        }
        remember(&mut state, context);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let outbox = Outbox::new(BOUNDS);
        assert_eq!(next(&outbox), Poll::Pending);
        outbox.push(Message::text("a"));
        outbox.push(Message::text("b"));
        outbox.close(CloseCode::Replaced);
        outbox.close(CloseCode::GoingAway);
        outbox.push(Message::text("too late"));
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Message(Message::text("a")))
        );
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Message(Message::text("b")))
        );
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Close(CloseCode::Replaced))
        );
        assert!(!overrun(&outbox));
    }

    #[test]
    fn one_message_too_many_makes_a_slow_consumer() {
        let outbox = Outbox::new(BOUNDS);
        for _ in 0..3 {
            outbox.push(Message::text("m"));
        }
        assert!(!overrun(&outbox));
        outbox.push(Message::text("m"));
        assert!(overrun(&outbox));
        assert_eq!(
            next(&outbox),
            Poll::Ready(Outgoing::Close(CloseCode::SlowConsumer))
        );
    }

    #[test]
    fn one_byte_too_many_makes_a_slow_consumer_and_what_left_does_not_count() {
        let outbox = Outbox::new(BOUNDS);
        outbox.push(Message::text("12345"));
        outbox.push(Message::text("12345"));
        assert!(next(&outbox).is_ready());
        outbox.push(Message::text("54321"));
        assert!(!overrun(&outbox));
        outbox.push(Message::text("1"));
        assert!(overrun(&outbox));
    }
}
