//! What goes into the engine and what comes out of it.

use crdt_core::{EventId, Frontier, Splice, TextLen, VersionSummary};

use crate::error::CloseReason;
use crate::time::Millis;

/// The name of a transport to one peer, chosen by the caller that opened it. Not to be used again for
/// another transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// What the engine should know of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkOptions {
    /// Of several links to one peer, the one with the lowest rank carries the changes; the others
    /// are kept alive and take over at once.
    pub rank: u8,
    /// Whether the transport carries text messages only, so that the JSON form is spoken from the
    /// start.
    pub text_only: bool,
    /// Whether the transport carries binary messages only, so that the JSON form is never tried.
    pub binary_only: bool,
    /// Which changes the link carries.
    pub access: Access,
}

/// Which changes of the document a link carries. The rest of the traffic goes both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Changes are sent to the peer. A read-only replica sends none.
    pub sends: bool,
    /// Changes of the peer are taken. Those of a read-only peer are refused, and close the link.
    pub takes: bool,
}

impl Default for Access {
    /// Changes go both ways.
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
    /// Changes of the document, and everything that keeps the link going.
    Sync,
    /// Cursors and names: small, and not to wait behind a long transfer.
    Presence,
}

/// A message as it came from a transport.
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

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A change of the text, as in [`Splice`], that outlives the merge which made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedSplice {
    /// Where, from the start of the text.
    pub pos: TextLen,
    /// How much goes from there on.
    pub deleted: TextLen,
    /// What comes there.
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

/// What the engine wants done, or tells. Drain with [`Engine::poll_output`](crate::Engine::poll_output)
/// after every call.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Give this message to the transport.
    Send {
        /// The transport.
        link: LinkId,
        /// Which of its streams.
        channel: Channel,
        /// What to send.
        message: Outgoing,
    },
    /// Close this transport. The engine has forgotten it already: no `link_down` is needed.
    Close {
        /// The transport.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// A merge changed the text.
    Changed {
        /// The changes, each to be made to the text as the ones before it left it.
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
        /// Whether it took leave.
        goodbye: bool,
    },
    /// This replica and the peer have all that the other had when they met, or was last asked.
    Synced {
        /// The link to the peer.
        link: LinkId,
    },
    /// The peer speaks a protocol version that cannot be combined with ours. The link is closed.
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
    /// The same version, but another text, or another event under one id: somebody gave out two events
    /// under that id. Told once a link. Both sides keep what they have, and go on with all else.
    Diverged {
        /// The link to the peer.
        link: LinkId,
        /// The peer's agent.
        agent: String,
        /// The event that is another one there; `None` if none was found, which is a defect of this
        /// engine.
        id: Option<EventId>,
        /// The version, the same on both sides.
        frontier: Frontier,
        /// Hash of the text here.
        ours: u64,
        /// Hash of the text there, if it is known.
        theirs: Option<u64>,
    },
    /// The document's agent name is in use elsewhere, so the document goes on under another one: with what
    /// nobody else had of it, see [`Document::rename`](crdt_core::Document::rename).
    Renamed {
        /// The name before.
        from: String,
        /// The name now.
        to: String,
    },
    /// Another session works under this replica's agent name, or has done so and knows edits under
    /// that name that are missing here, and it cannot be found out which: edits may get lost, so take
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
    /// Something a peer sent was refused, and the link goes on.
    Refused {
        /// The link to the peer.
        link: LinkId,
        /// What was wrong.
        reason: CloseReason,
    },
}

/// What is known of a difference between two replicas that hold the same ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The event that is another one at the peer, if it was found.
    pub id: Option<EventId>,
}

/// What became of an entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReport {
    /// The events that the entry holds.
    pub events: VersionSummary,
    /// Whether they were all taken. Otherwise some of agents that are linked here were left to their links.
    pub is_whole: bool,
    /// How many runs of events are known here with another content. What is here stays.
    pub conflicts: usize,
}

/// How a link speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Nothing has come yet.
    Unknown,
    /// The binary form.
    Binary,
    /// The JSON form.
    Json,
}

/// What is known of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStatus {
    /// The link.
    pub link: LinkId,
    /// The peer's agent, once it said hello.
    pub agent: Option<String>,
    /// The peer's session, once it said hello in the binary form.
    pub session: Option<u64>,
    /// How it speaks.
    pub speech: Speech,
    /// Whether this link carries the changes (see [`LinkOptions::rank`]).
    pub active: bool,
    /// Whether both sides have what the other said to have, and the same under each id, as far as is known.
    pub synced: bool,
    /// Set where the peer has another event under some id.
    pub diverged: Option<Divergence>,
    /// The last round trip.
    pub rtt: Option<Millis>,
    /// Bytes given to the transport.
    pub bytes_out: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
    /// Messages given to the transport.
    pub messages_out: u64,
    /// Messages that came from it.
    pub messages_in: u64,
    /// Bytes held for the link: frames that wait for room, and messages that are incomplete.
    pub bytes_held: usize,
    /// Events here that the peer is not known to have: not sent to it yet or, of those that were made
    /// here and sent to a peer that says what has come, still under way. On a link that sends no changes:
    /// the events that were made here under the agent of the engine, which stay here.
    pub ahead: u64,
    /// Events that the peer said to have and that are missing here.
    pub behind: u64,
}
