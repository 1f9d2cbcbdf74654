//! What goes between a connection's owner and its task.

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
