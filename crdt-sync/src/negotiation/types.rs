//! Inputs and outputs of the negotiation.

use crate::time::Millis;

/// Identifies one asynchronous call, so that its result can be distinguished from those of
/// abandoned ones.
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

/// The origin of a signal: the page load, and the connection object within it. Clients that only
/// know the basic signaling messages give neither; then both are empty.
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

/// A message to the peer through the signaling server.
///
/// The basic message only has `description` or `candidate`; the other fields are sent in addition
/// under these names, and are empty if absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Signal {
    /// An offer or an answer.
    Description {
        /// The sender.
        from: Origin,
        /// The receiver: the origin of the answered offer. Unknown in a first offer.
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
        /// The sender.
        from: Origin,
        /// The receiver, if known.
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

/// An input of the negotiation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The connection is wanted: the peer is in the room.
    Start,
    /// A signal from the peer has arrived.
    Signal(Signal),
    /// `negotiationneeded` fired on the current connection.
    NegotiationNeeded,
    /// The current connection found a candidate (JSON text of `RTCIceCandidateInit`).
    LocalCandidate(String),
    /// `createOffer` or `createAnswer` returned this SDP.
    Created {
        /// The call that ended.
        op: Op,
        /// Its result.
        sdp: String,
    },
    /// A call without a result succeeded.
    Done {
        /// The call that ended.
        op: Op,
    },
    /// A call failed.
    Failed {
        /// The call that ended.
        op: Op,
        /// The platform's message.
        message: String,
    },
    /// The state of the current connection changed.
    State(ConnectionState),
    /// The machine came back online, or another network is in use.
    Online,
    /// The signaling server reports that the peer cannot be reached, or has left.
    PeerGone,
    /// Time has passed; pass this input at
    /// [`Negotiation::next_timeout`](super::Negotiation::next_timeout).
    Tick,
    /// The connection is no longer wanted.
    Stop,
}

/// The stage that the negotiation has reached, or at which it failed, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Making an offer, or waiting for the answer to it.
    Offer,
    /// Processing an offer and answering it.
    Answer,
    /// Finding a path through the networks.
    Ice,
}

/// An action to perform, in order. Actions with an `op` end in [`Input::Created`], [`Input::Done`]
/// or [`Input::Failed`] with the same `op`; no other such action comes before that, unless an
/// [`Action::Create`] or [`Action::Close`] cancels the outstanding one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Close the connection object if there is one, and make a new one with its data channels.
    Create {
        /// The number of the new one, from 1.
        connection: u32,
    },
    /// `createOffer({ iceRestart })`.
    CreateOffer {
        /// Identifies the call in its result.
        op: Op,
        /// Whether to search for new paths through the network.
        ice_restart: bool,
    },
    /// `createAnswer()`.
    CreateAnswer {
        /// Identifies the call in its result.
        op: Op,
    },
    /// `setLocalDescription(description)`.
    SetLocal {
        /// Identifies the call in its result.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `setLocalDescription({ type: "rollback" })`.
    Rollback {
        /// Identifies the call in its result.
        op: Op,
    },
    /// `setRemoteDescription(description)`.
    SetRemote {
        /// Identifies the call in its result.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `addIceCandidate(candidate)`. Has no result; failures are ignored.
    AddCandidate {
        /// JSON text of `RTCIceCandidateInit`.
        candidate: String,
    },
    /// Send to the peer through the signaling server.
    Send(Signal),
    /// Whether another link (the relay) should carry the changes for now.
    Fallback(bool),
    /// Report a problem to people. The negotiation handles it.
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
    /// The time for which a connection is disconnected before an ICE restart. Shorter interruptions
    /// recover by themselves.
    pub disconnected_grace: Millis,
    /// The time for which an offer waits for its answer, and the polite side for an offer.
    pub answer: Millis,
    /// The time in which a connection has to come up after both descriptions are exchanged.
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
