//! Inputs and outputs of the negotiation.

use crate::time::Millis;

/// Names one asynchronous call, so that its end can be told from those of abandoned ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Op(pub u32);

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Description {
    /// An offer, as SDP.
    Offer(String),
    /// An answer, as SDP.
    Answer(String),
}

/// Where a signal comes from: the page load, and the connection object within it. Clients that know
/// only the basic signaling messages give neither; then both are empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Origin {
    /// A string that is new with every page load.
    pub session: String,
    /// Counts the connection objects towards this peer, from 1.
    pub connection: u32,
}

impl Origin {
    /// Whether this is the origin of a client that gives none.
    pub fn is_unknown(&self) -> bool {
        self.session.is_empty()
    }
}

/// What goes to the peer through the signaling server.
///
/// The basic message has `description` or `candidate` alone; the other fields are to be sent beside
/// them under these names, and default to nothing where they are absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Signal {
    /// An offer or an answer.
    Description {
        /// Who says it.
        from: Origin,
        /// For whom it is: the origin that the answered offer had. Unknown in a first offer.
        to: Origin,
        /// Counts the sender's descriptions on this connection, from 1; 0 if not given.
        number: u32,
        /// In an answer, the number of the answered offer; else 0.
        answers: u32,
        /// The description.
        description: Description,
    },
    /// An ICE candidate.
    Candidate {
        /// Who says it.
        from: Origin,
        /// For whom it is, if known.
        to: Origin,
        /// The number of the sender's description that it belongs to; 0 if not given.
        number: u32,
        /// The candidate as JSON text (`RTCIceCandidateInit`).
        candidate: String,
    },
}

/// `RTCPeerConnection.connectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are those of the platform.
pub enum ConnectionState {
    New,
    Connecting,
    Connected,
    Disconnected,
    Failed,
    Closed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The connection is wanted: the peer is in the room.
    Start,
    /// A signal from the peer came.
    Signal(Signal),
    /// `negotiationneeded` fired on the current connection.
    NegotiationNeeded,
    /// The current connection found a candidate (JSON text of `RTCIceCandidateInit`).
    LocalCandidate(String),
    /// `createOffer` or `createAnswer` gave this SDP.
    Created {
        /// The call that ended.
        op: Op,
        /// Its result.
        sdp: String,
    },
    /// A call without a result ended well.
    Done {
        /// The call that ended.
        op: Op,
    },
    /// A call failed.
    Failed {
        /// The call that ended.
        op: Op,
        /// The platform's words.
        message: String,
    },
    /// The state of the current connection changed.
    State(ConnectionState),
    /// The machine came back online, or another network is in use.
    Online,
    /// The signaling server says that the peer cannot be reached, or it left.
    PeerGone,
    /// Time passed; to be given at [`Negotiation::next_timeout`](super::Negotiation::next_timeout).
    Tick,
    /// The connection is not wanted any more.
    Stop,
}

/// Where the negotiation stands or failed, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Making an offer, or waiting for the answer to it.
    Offer,
    /// Taking an offer and answering it.
    Answer,
    /// Finding a way through the networks.
    Ice,
}

/// What to do, in order. Those with an `op` end in [`Input::Created`], [`Input::Done`] or
/// [`Input::Failed`] with the same `op`; no other such action comes before that, unless a
/// [`Action::Create`] or [`Action::Close`] makes the outstanding one void.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Close the connection object if there is one, and make a new one with its data channels.
    Create {
        /// The number of the new one, from 1.
        connection: u32,
    },
    /// `createOffer({ iceRestart })`.
    CreateOffer {
        /// To be named in the report.
        op: Op,
        /// Whether to look for new ways through the network.
        ice_restart: bool,
    },
    /// `createAnswer()`.
    CreateAnswer {
        /// To be named in the report.
        op: Op,
    },
    /// `setLocalDescription(description)`.
    SetLocal {
        /// To be named in the report.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `setLocalDescription({ type: "rollback" })`.
    Rollback {
        /// To be named in the report.
        op: Op,
    },
    /// `setRemoteDescription(description)`.
    SetRemote {
        /// To be named in the report.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `addIceCandidate(candidate)`. Not to be reported; a failure is of no consequence.
    AddCandidate {
        /// JSON text of `RTCIceCandidateInit`.
        candidate: String,
    },
    /// Send to the peer through the signaling server.
    Send(Signal),
    /// Whether another way (the relay) is to carry the changes for now.
    Fallback(bool),
    /// Tell people what went wrong. It is being dealt with.
    Problem {
        /// At which stage.
        stage: Stage,
        /// In words.
        message: String,
    },
    /// Close the connection object.
    Close,
}

/// Times of the negotiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A connection that is disconnected for so long gets an ICE restart. Shorter ones heal.
    pub disconnected_grace: Millis,
    /// How long an offer waits for its answer, and the polite side for an offer.
    pub answer: Millis,
    /// How long a connection may take to come up once both descriptions are exchanged.
    pub connect: Millis,
    /// The bounds of the back-off between new connections: of the first wait, and of any.
    pub retry: (Millis, Millis),
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            disconnected_grace: 2_000,
            answer: 10_000,
            connect: 15_000,
            retry: (500, 30_000),
        }
    }
}
