//! What goes between a connection's owner and its task.

use std::sync::atomic::{AtomicUsize, Ordering};

use crdt_room::{ConnectionCommand, ConnectionEvent};
use crdt_sync::{Channel, Outgoing};

/// What a connection reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Event(ConnectionEvent),
    /// A message came by one of its channels.
    Message(Outgoing),
}

/// What a connection is to do.
#[derive(Debug)]
pub(super) enum Order {
    Send(Channel, Outgoing),
    Command(ConnectionCommand),
}

/// How many bytes wait to be sent: ordered by the owner and not taken yet, and taken by the task.
#[derive(Debug, Default)]
pub(super) struct Buffered {
    ordered: AtomicUsize,
    taken: AtomicUsize,
}

impl Buffered {
    /// The owner orders a message.
    pub(super) fn order(&self, len: usize) {
        self.ordered.fetch_add(len, Ordering::Relaxed);
    }

    /// The task takes a message.
    pub(super) fn take(&self, len: usize) {
        self.taken.fetch_add(len, Ordering::Relaxed);
        self.ordered.fetch_sub(len, Ordering::Relaxed);
    }

    /// How much waits in the task, as it was counted last.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Notes how much waits in the task.
    pub(super) fn set_taken(&self, bytes: usize) {
        self.taken.store(bytes, Ordering::Relaxed);
    }

    /// How much waits in all.
    pub(super) fn total(&self) -> usize {
        self.ordered.load(Ordering::Relaxed) + self.taken()
    }
}
