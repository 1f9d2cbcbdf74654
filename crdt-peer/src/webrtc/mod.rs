//! One connection to a peer over WebRTC, with what a page's RTCPeerConnection has that rooms use: data
//! channels, offers and answers, candidates one by one.
//!
//! ICE, DTLS and SCTP are `str0m`'s, which does no I/O; each connection is a task with UDP sockets of
//! its own ([`task`]). It tells the machine's addresses, those of loopback included, and where STUN
//! servers are given, the ones by which these see it. TURN servers are not used: where only they would
//! help, the relay carries. Candidates with names in `.local`, by which browsers hide addresses, are
//! passed over; such a browser reaches the addresses told here, and is answered where it calls from.

mod datagrams;
mod stun;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crdt_sync::Outgoing;
use crdt_sync::negotiation::{Action, ConnectionState, Op};
use tokio::sync::mpsc::{self, UnboundedSender};

/// What a connection tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    /// A local candidate, as JSON (`RTCIceCandidateInit`).
    Candidate(String),
    State(ConnectionState),
    /// The other side opened a channel. What happens to it is told from here on under its number.
    Adopted {
        number: usize,
        label: String,
    },
    /// From the channel with this number.
    Channel(usize, ChannelEvent),
    /// A step of the negotiation ended, with the SDP it made if it makes one.
    Stepped(Op, Result<Option<String>, String>),
}

/// What a channel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    Open,
    Text(String),
    Binary(Vec<u8>),
    /// What waited to be sent by the connection has fallen below the mark.
    Drained,
    Closed,
}

/// What a connection is to do.
#[derive(Debug)]
enum Command {
    Open { number: usize, label: String },
    Send { number: usize, message: Outgoing },
    Step(Action),
}

/// The connection; dropped, it closes and is silent.
#[derive(Debug)]
pub(crate) struct Connection {
    commands: UnboundedSender<Command>,
    /// How many channels there were, those of both sides.
    channels: Arc<AtomicUsize>,
    buffered: Arc<AtomicUsize>,
}

impl Connection {
    /// Makes a connection that uses `stun_servers`, addresses such as `stun:stun.example:3478`. When
    /// `low_water` bytes or fewer wait to be sent after there were more, it tells that it is
    /// [drained](ChannelEvent::Drained).
    pub(crate) fn new(
        stun_servers: Vec<String>,
        low_water: usize,
        tell: impl Fn(ConnectionEvent) + Send + 'static,
    ) -> Connection {
        let (commands, waiting) = mpsc::unbounded_channel();
        let channels = Arc::new(AtomicUsize::new(0));
        let buffered = Arc::new(AtomicUsize::new(0));
        let shared = task::Shared {
            channels: Arc::clone(&channels),
            buffered: Arc::clone(&buffered),
        };
        tokio::spawn(task::run(waiting, shared, stun_servers, low_water, tell));
        Connection {
            commands,
            channels,
            buffered,
        }
    }

    /// Opens a channel, ordered and reliable, and returns its number. The next offer asks for it.
    pub(crate) fn open_channel(&self, label: &str) -> usize {
        let number = self.channels.fetch_add(1, Ordering::Relaxed);
        let label = label.to_owned();
        self.command(Command::Open { number, label });
        number
    }

    /// Carries out one step of the negotiation; its end is told, but for that of a candidate.
    pub(crate) fn step(&self, action: Action) {
        self.command(Command::Step(action));
    }

    /// Sends a message by a channel that is open.
    pub(crate) fn send(&self, number: usize, message: Outgoing) {
        self.buffered.fetch_add(message.len(), Ordering::Relaxed);
        self.command(Command::Send { number, message });
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    fn command(&self, command: Command) {
        // A connection whose task has ended has told that it failed.
        let _ = self.commands.send(command);
    }
}

#[cfg(test)]
mod tests;
