//! Outputs: the actions that a [`Room`](crate::Room) requests.

use crdt_core::EventId;
use crdt_sync::negotiation::{Description, Op};
use crdt_sync::{Channel, LinkId, OutdatedSide, Outgoing, OwnedSplice};
use signaling_protocol::IceServer;

use crate::error::RoomError;
use crate::ids::{CallId, LinkKey, Purpose, RunId, SocketId, TransportId};
use crate::input::BroadcastContent;
use crate::options::Carrier;
use crate::status::Status;

/// An action for the driver. Outputs are carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message on the data channels of a peer connection.
    Send {
        /// The connection.
        link: LinkId,
        /// Which of the two channels. A connection with one channel sends both there.
        channel: Channel,
        /// The message.
        message: Outgoing,
    },
    /// An action for a signaling socket.
    Socket {
        /// The socket.
        socket: SocketId,
        /// What to do.
        command: SocketCommand,
    },
    /// An action for a peer connection.
    Connection {
        /// The connection.
        link: LinkId,
        /// What to do.
        command: ConnectionCommand,
    },
    /// An action for the broadcast channels between pages of one browser.
    Broadcast(BroadcastCommand),
    /// An action for a transport of the user's own.
    Transport {
        /// The transport.
        transport: TransportId,
        /// The start of it that this belongs to.
        run: RunId,
        /// What to do.
        command: TransportCommand,
    },
    /// An action for the room's key.
    Cipher(CipherCommand),
    /// Keep the room running and report [`PageEvent`](crate::PageEvent)s, or stop doing so.
    KeepAlive(bool),
    /// Report an event to the user.
    Tell(News),
}

/// What to do with a signaling socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketCommand {
    /// Open it.
    Open {
        /// The address of the server (`ws:` or `wss:`).
        url: String,
        /// What to open there. An event stream is at `/sse` in place of `/ws`, else at `/sse` behind the address,
        /// by `http:` or `https:`.
        carrier: Carrier,
    },
    /// Send a text frame. A frame that cannot be sent is lost; the close event follows.
    Send(String),
    /// Report [`SocketEvent::Buffered`](crate::SocketEvent::Buffered).
    AskBuffered,
    /// Close it, and report nothing more about it.
    Close,
}

/// What to do with a peer connection. Steps with an `op` end in
/// [`ConnectionEvent::Created`](crate::ConnectionEvent::Created),
/// [`Done`](crate::ConnectionEvent::Done) or [`Failed`](crate::ConnectionEvent::Failed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionCommand {
    /// Make it.
    Create {
        /// ICE servers that the signaling servers offer, in addition to the user's own.
        ice_servers: Vec<IceServer>,
        /// Report [`Buffered`](crate::ConnectionEvent::Buffered) when fewer bytes than this wait.
        low_water: usize,
    },
    /// Open the channels from this side.
    OpenChannels {
        /// Whether to open the one for presence as well. Clients of the basic contract only know
        /// one channel.
        presence: bool,
    },
    /// `createOffer({ iceRestart })`.
    CreateOffer {
        /// The step.
        op: Op,
        /// Whether to search for new paths through the network.
        ice_restart: bool,
    },
    /// `createAnswer()`.
    CreateAnswer {
        /// The step.
        op: Op,
    },
    /// `setLocalDescription(description)`.
    SetLocal {
        /// The step.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `setLocalDescription({ type: "rollback" })`.
    Rollback {
        /// The step.
        op: Op,
    },
    /// `setRemoteDescription(description)`.
    SetRemote {
        /// The step.
        op: Op,
        /// What to set.
        description: Description,
    },
    /// `addIceCandidate(candidate)`. A failure is not reported.
    AddCandidate {
        /// JSON text of `RTCIceCandidateInit`.
        candidate: String,
    },
    /// Report [`ConnectionEvent::Buffered`](crate::ConnectionEvent::Buffered).
    AskBuffered,
    /// Close it with its channels, and report nothing more about it.
    Close,
}

/// An action for broadcast channels. Every page listens on its own channel, and on those of meeting
/// places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroadcastCommand {
    /// Listen on the channel of this page, and on those of the meeting places.
    Listen {
        /// The name of the page's channel.
        channel: String,
        /// The names of the channels of the meeting places. The driver may also report this page's
        /// own posts there.
        places: Vec<String>,
        /// The number of this page, which is part of every posted message.
        page: u64,
    },
    /// Post a message on the channel of another page.
    Post {
        /// The name of the channel.
        channel: String,
        /// The content.
        content: BroadcastContent,
    },
    /// Close the channel to another page.
    Forget {
        /// The name of the channel.
        channel: String,
    },
    /// Close the channels that this page listens on.
    Close,
}

/// What to do with a transport of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportCommand {
    /// Start it.
    Start,
    /// Send a message.
    Send(Vec<u8>),
    /// Report [`TransportEvent::Buffered`](crate::TransportEvent::Buffered) if that is known.
    AskBuffered,
    /// Stop it.
    Stop {
        /// Whether to discard messages that were not passed to it yet.
        discard: bool,
    },
}

/// An action for the room's keys, which the driver derives from its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CipherCommand {
    /// Derive the keys of the room, and make a new key pair for agreeing on keys of links. Ends in [`CipherEvent::Ready`](crate::CipherEvent::Ready) or
    /// [`CipherEvent::Unavailable`](crate::CipherEvent::Unavailable).
    DeriveKey,
    /// Seal a message. Ends in [`CipherEvent::Sealed`](crate::CipherEvent::Sealed).
    Seal {
        /// Which key to use.
        purpose: Purpose,
        /// The number of this job among those of its purpose.
        job: u32,
        /// The message.
        plain: Vec<u8>,
        /// Authenticated with the message: opening it requires the same context.
        context: String,
        /// Whether to sign it, if the driver has the secret of writers.
        sign: bool,
    },
    /// Open a message. Ends in [`CipherEvent::Opened`](crate::CipherEvent::Opened).
    Open {
        /// Which key to use.
        purpose: Purpose,
        /// The number of this job among those of its purpose.
        job: u32,
        /// The sealed message.
        sealed: Vec<u8>,
        /// The context that it was sealed with.
        context: String,
    },
    /// Agree on a key with the other end of a link, by elliptic-curve Diffie-Hellman with the secret that
    /// belongs to [`CipherEvent::Ready::exchange`](crate::CipherEvent::Ready::exchange). Ends in
    /// [`CipherEvent::Agreed`](crate::CipherEvent::Agreed).
    Agree {
        /// The number of the key.
        key: LinkKey,
        /// The received public value of the other end, which may be anything.
        theirs: Vec<u8>,
        /// The context of the key, the same at both ends.
        context: String,
    },
    /// Forget a key that was agreed on, or is being agreed on. Jobs that use it end as usual.
    Discard {
        /// The number of the key.
        key: LinkKey,
    },
    /// Forget the keys, and report nothing more about jobs in progress.
    Forget,
}

/// An event for the user.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A call of `Connect` ended.
    ConnectEnded {
        /// The call.
        call: CallId,
        /// Whether the room was joined, or why not.
        result: Result<(), RoomError>,
    },
    /// A visible change of [`Room::status`](crate::Room::status).
    Status(Box<Status>),
    /// Peers were linked or unlinked.
    Peers {
        /// The agent ids of the linked peers, sorted.
        peers: Vec<String>,
        /// Those of them that were not linked before.
        joined: Vec<String>,
        /// Those that are no longer linked.
        left: Vec<String>,
    },
    /// A merge changed the text.
    Changed {
        /// The changes, in order; the position of each refers to the text after the ones before it.
        splices: Vec<OwnedSplice>,
    },
    /// This peer and this replica hold the same events.
    Synced {
        /// The agent id of the peer.
        peer: String,
    },
    /// The presence of a session changed, or the session left.
    Presence {
        /// The page number of the session.
        session: u64,
        /// Its agent id.
        peer: String,
        /// The fields that changed, each as JSON text, or `None` where it is gone.
        fields: Vec<(String, Option<String>)>,
        /// Whether the session left, with all its fields.
        left: bool,
    },
    /// The protocol versions of a peer and this program are incompatible.
    Outdated {
        /// The agent id of the peer.
        peer: String,
        /// Which side is to be updated.
        side: OutdatedSide,
        /// The version here.
        ours: u32,
        /// The version of the peer.
        theirs: u32,
    },
    /// A peer has a different event under the same id, and so a different text; reported once for
    /// each link. Both keep their own content, and exchange everything else.
    Diverged {
        /// The agent id of the peer.
        peer: String,
        /// The event; `None` if no differing one was found.
        id: Option<EventId>,
        /// The version, as the JSON form of a frontier.
        frontier: String,
        /// Hash of the text here.
        ours: u64,
        /// Hash of the text there, if it is known.
        theirs: Option<u64>,
    },
    /// Something failed. Unless the phase of the status is `Error`, the room recovers by itself.
    Error(RoomError),
}
