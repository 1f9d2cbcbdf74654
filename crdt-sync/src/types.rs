//! Inputs and outputs of the engine.

use crdt_core::{EventId, Frontier, Splice, TextLen, VersionSummary};

use crate::error::CloseReason;
use crate::time::Millis;

/// The name of a transport to one peer, chosen by the caller that opened it. Must not be reused for
/// another transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// The properties of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkOptions {
    /// Of several links to one peer, the one with the lowest rank carries the changes; the others
    /// are kept alive and take over when it breaks.
    pub rank: u8,
    /// Whether the transport only carries text messages, so that the JSON form is used from the
    /// start.
    pub text_only: bool,
    /// Whether the transport only carries binary messages, so that the JSON form is never tried.
    pub binary_only: bool,
    /// Which changes the link carries.
    pub access: Access,
}

/// Which changes of the document a link carries. The rest of the traffic goes both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Changes are sent to the peer. A read-only replica sends none.
    pub sends: bool,
    /// Changes of the peer are accepted. Those of a read-only peer are refused, and close the link.
    pub takes: bool,
}

impl Default for Access {
    /// Changes are sent and accepted.
    fn default() -> Self {
        Access {
            sends: true,
            takes: true,
        }
    }
}

/// Which of two ordered streams a message belongs to. A transport with one stream sends both there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Changes of the document, and all messages that maintain the link.
    Sync,
    /// Cursors and names: small messages that should not wait behind a long transfer.
    Presence,
}

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message: the JSON form.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A message for a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A text message: the JSON form.
    Text(String),
    /// A binary message, of at most [`Config::max_frame`](crate::Config::max_frame) bytes.
    Binary(Vec<u8>),
}

impl Outgoing {
    /// The length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Outgoing::Text(text) => text.len(),
            Outgoing::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An owned version of [`Splice`], a change of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedSplice {
    /// The position, from the start of the text.
    pub pos: TextLen,
    /// The length of the deleted text.
    pub deleted: TextLen,
    /// The inserted text.
    pub inserted: String,
}

impl From<Splice<'_>> for OwnedSplice {
    fn from(splice: Splice<'_>) -> Self {
        OwnedSplice {
            pos: splice.pos,
            deleted: splice.deleted,
            inserted: splice.inserted.to_owned(),
        }
    }
}

/// Which side of a link cannot speak the other's protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutdatedSide {
    /// This replica: it has to be updated.
    Here,
    /// The peer.
    Peer,
}

/// An action or event of the engine. Drain with [`Engine::poll_output`](crate::Engine::poll_output)
/// after every call.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this message with the transport.
    Send {
        /// The transport.
        link: LinkId,
        /// Which of its streams.
        channel: Channel,
        /// What to send.
        message: Outgoing,
    },
    /// Close this transport. The engine has already removed it: no `link_down` is needed.
    Close {
        /// The transport.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// A merge changed the text.
    Changed {
        /// The changes, in order; the position of each refers to the text after the ones before it.
        splices: Vec<OwnedSplice>,
    },
    /// A peer said hello.
    PeerUp {
        /// By which transport.
        link: LinkId,
        /// The peer's agent.
        agent: String,
        /// The peer's session; `None` for a peer that speaks the JSON form only.
        session: Option<u64>,
    },
    /// A link on which a peer had said hello is gone.
    PeerDown {
        /// By which transport it was reached.
        link: LinkId,
        /// The peer's agent.
        agent: String,
        /// The peer's session.
        session: Option<u64>,
        /// Whether it said goodbye.
        goodbye: bool,
    },
    /// This replica and the peer have all events that the other had at the hello, or at the last
    /// summary.
    Synced {
        /// The link to the peer.
        link: LinkId,
    },
    /// The peer has an incompatible protocol version. The link is closed.
    Outdated {
        /// The link to the peer.
        link: LinkId,
        /// Which side is to be updated.
        side: OutdatedSide,
        /// The protocol version here.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
    /// The peer has a different text at the same version, or a different event under one id: some
    /// replica sent two events under that id. Reported once for each link. Both sides keep their
    /// own content, and exchange everything else.
    Diverged {
        /// The link to the peer.
        link: LinkId,
        /// The peer's agent.
        agent: String,
        /// The event that differs at the peer; `None` if none was found, which is a defect of this
        /// engine.
        id: Option<EventId>,
        /// The version, the same on both sides.
        frontier: Frontier,
        /// Hash of the text here.
        ours: u64,
        /// Hash of the text there, if it is known.
        theirs: Option<u64>,
    },
    /// The document's agent name is in use elsewhere, so the document continues under another one,
    /// which also gets the events that no other replica had: see
    /// [`Document::rename`](crdt_core::Document::rename).
    Renamed {
        /// The name before.
        from: String,
        /// The name now.
        to: String,
    },
    /// Another session uses this replica's agent name, or has used it and has edits under that name
    /// that this replica lacks, and the engine cannot find out which: edits may get lost, so choose
    /// another name.
    AgentInUse {
        /// The link to the peer that showed it.
        link: LinkId,
        /// The name.
        agent: String,
    },
    /// The presence of a session changed.
    Presence {
        /// The session.
        session: u64,
        /// Its agent.
        agent: String,
        /// The fields that changed, each with its value as JSON text, or `None` if it is gone.
        fields: Vec<(String, Option<String>)>,
    },
    /// A session left: all its presence is gone.
    PresenceLeft {
        /// The session.
        session: u64,
        /// Its agent.
        agent: String,
    },
    /// A message of a peer was refused; the link stays open.
    Refused {
        /// The link to the peer.
        link: LinkId,
        /// What was wrong.
        reason: CloseReason,
    },
}

/// A difference between two replicas that have the same ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The event that differs at the peer, if it was found.
    pub id: Option<EventId>,
}

/// The result of merging an entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReport {
    /// The events that the entry holds.
    pub events: VersionSummary,
    /// Whether all of them were merged. Otherwise some events of directly linked agents were
    /// skipped.
    pub is_whole: bool,
    /// The number of runs of events that are known with different content. The known content stays.
    pub conflicts: usize,
}

/// The message form of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Nothing has been received yet.
    Unknown,
    /// The binary form.
    Binary,
    /// The JSON form.
    Json,
}

/// The status of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStatus {
    /// The link.
    pub link: LinkId,
    /// The peer's agent, after its hello.
    pub agent: Option<String>,
    /// The peer's session, after its hello in the binary form.
    pub session: Option<u64>,
    /// The form of its messages.
    pub speech: Speech,
    /// Whether this link carries the changes (see [`LinkOptions::rank`]).
    pub active: bool,
    /// Whether each side is known to have all announced events of the other, with the same content
    /// under each id.
    pub synced: bool,
    /// Set if the peer has a different event under some id.
    pub diverged: Option<Divergence>,
    /// The last round trip.
    pub rtt: Option<Millis>,
    /// Bytes given to the transport.
    pub bytes_out: u64,
    /// Bytes received from it.
    pub bytes_in: u64,
    /// Messages given to the transport.
    pub messages_out: u64,
    /// Messages received from it.
    pub messages_in: u64,
    /// Bytes held for the link: frames that wait for room, and messages that are incomplete.
    pub bytes_held: usize,
    /// Events that the peer is not known to have: those not yet sent to it and, for a peer that
    /// sends receipts, local ones still in transit. On a link that sends no changes: the events of
    /// the engine's own agent, which are not sent.
    pub ahead: u64,
    /// Events that the peer announced and this replica lacks.
    pub behind: u64,
}
