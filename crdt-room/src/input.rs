//! Inputs: the reports of a driver to a [`Room`](crate::Room).

use crdt_sync::negotiation::{ConnectionState, Op};
use crdt_sync::{Incoming, LinkId};
use signaling_protocol::{AgentId, RoomId};

use crate::ids::{CallId, LinkKey, Purpose, RunId, SocketId, TransportId};

/// An event outside the room.
#[derive(Debug)]
pub enum Input<'a> {
    /// The user made local edits in the document.
    Edited,
    /// A message arrived on the data channel of a peer connection.
    Message {
        /// The connection.
        link: LinkId,
        /// The message.
        message: Incoming<'a>,
    },
    /// The user made a call.
    Call(Call),
    /// A signaling socket reported something.
    Socket {
        /// The socket.
        socket: SocketId,
        /// What it reported.
        event: SocketEvent,
    },
    /// A peer connection reported something.
    Connection {
        /// The connection.
        link: LinkId,
        /// What it reported.
        event: ConnectionEvent,
    },
    /// A message arrived on the broadcast channel of this page, or at a meeting place.
    Broadcast(BroadcastMessage),
    /// A transport of the user's own reported something.
    Transport {
        /// The start of the transport that it belongs to.
        run: RunId,
        /// What it reported.
        event: TransportEvent,
    },
    /// The cipher finished something.
    Cipher(CipherEvent),
    /// The page was hidden, shown, or regained its network.
    Page(PageEvent),
    /// The time that [`Room::next_timeout`](crate::Room::next_timeout) named has come.
    Timeout,
}

/// A call by the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Joins the room. Ends in [`News::ConnectEnded`](crate::News::ConnectEnded).
    Connect {
        /// The number that identifies the call in its result.
        call: CallId,
        /// The signaling servers. Empty: those of the options.
        urls: Vec<String>,
        /// A random number, unique to this page load; peers see it.
        page: u64,
    },
    /// Leaves the room and closes everything.
    Disconnect,
    /// Leaves the room for good. Further calls of `Connect` fail.
    Destroy,
    /// Adds a transport of the user's own, and starts it if the room is connected.
    AddTransport(TransportId),
    /// Stops a transport of the user's own and forgets it.
    RemoveTransport(TransportId),
    /// Sets a field of the own presence to a JSON text, or removes it.
    SetPresence {
        /// The name of the field.
        field: String,
        /// Its value as JSON text; `None` removes it.
        value: Option<String>,
    },
}

/// What a signaling socket reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEvent {
    /// The socket is open.
    Opened,
    /// A text frame arrived.
    Text(String),
    /// The socket is closed, or never opened. The last event of a socket.
    Closed {
        /// The number of the close frame; 1006 without one.
        code: u16,
        /// The reason of the close frame.
        reason: String,
    },
    /// The address is not valid for a socket. The last event of a socket.
    Refused {
        /// The host's message.
        reason: String,
    },
    /// The number of bytes that wait to be sent, in answer to
    /// [`SocketCommand::AskBuffered`](crate::SocketCommand::AskBuffered).
    Buffered(usize),
}

/// What a peer connection reports. Names in backticks are those of the WebRTC API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The connection could not be made: the host refused.
    Refused {
        /// The host's message.
        reason: String,
    },
    /// The connection could not be made: the page has too many.
    TooMany {
        /// The number of open connections.
        open: usize,
    },
    /// `negotiationneeded` fired.
    NegotiationNeeded,
    /// `icecandidate` fired with this candidate, as JSON text of `RTCIceCandidateInit`.
    Candidate(String),
    /// `connectionState` changed.
    State(ConnectionState),
    /// The peer opened a channel that is not open yet.
    ChannelAdded,
    /// A channel for the document is open.
    ChannelOpened,
    /// A channel for the document closed or failed.
    ChannelClosed,
    /// A step that makes a description succeeded with this SDP.
    Created {
        /// The step.
        op: Op,
        /// The description's SDP.
        sdp: String,
    },
    /// A step without a result succeeded.
    Done {
        /// The step.
        op: Op,
    },
    /// A step failed.
    Failed {
        /// The step.
        op: Op,
        /// The host's message.
        message: String,
    },
    /// A message could not be sent, and never will be.
    SendFailed {
        /// The host's message.
        reason: String,
    },
    /// The number of bytes that wait in the channels, after `bufferedamountlow` or in answer to
    /// [`ConnectionCommand::AskBuffered`](crate::ConnectionCommand::AskBuffered).
    Buffered(usize),
}

/// A message between two pages of one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastMessage {
    /// The agent id of the sender.
    pub from: AgentId,
    /// The page number of the sender.
    pub page: u64,
    /// The content.
    pub content: BroadcastContent,
}

/// The content of a message to another page of the same browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroadcastContent {
    /// Asks whether the page is in this browser.
    Hello,
    /// The answer to `Hello`.
    Here,
    /// The sender closes the link.
    Bye,
    /// At a meeting place: the sender has joined.
    Announce,
    /// At a meeting place: the sender leaves.
    Leave,
    /// A message of the sync engine, as text.
    Text(String),
    /// A message of the sync engine, as bytes.
    Binary(Vec<u8>),
}

/// What a transport of the user's own reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// The peer can be reached.
    Connected,
    /// A message arrived. Implies `Connected`.
    Received(Vec<u8>),
    /// The peer cannot be reached for now.
    Disconnected,
    /// There may be free room again.
    Drained,
    /// The number of bytes that wait to be sent.
    Buffered(usize),
    /// One of its functions failed.
    Failed {
        /// In words.
        reason: String,
    },
}

/// What the cipher reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CipherEvent {
    /// The room's keys are available.
    Ready {
        /// A secret derived from the room's, for the names of broadcast channels: 32 hexadecimal
        /// digits.
        channel_secret: String,
        /// The name of the room at the signaling servers, derived from the room's secret as well.
        room: RoomId,
        /// The public value of this page load for agreeing on keys of links: a point of the curve P-256, not
        /// compressed.
        exchange: Vec<u8>,
    },
    /// The host cannot derive the room's keys.
    Unavailable {
        /// In words.
        reason: String,
    },
    /// A message is sealed, or cannot be.
    Sealed {
        /// As in the command.
        purpose: Purpose,
        /// The number of the [`CipherCommand::Seal`](crate::CipherCommand::Seal).
        job: u32,
        /// The sealed message, or why there is none.
        result: Result<Vec<u8>, String>,
    },
    /// A key is agreed on, or cannot be: the other end sent an invalid public value.
    Agreed {
        /// The number of the [`CipherCommand::Agree`](crate::CipherCommand::Agree).
        key: LinkKey,
        /// Why there is no key.
        result: Result<(), String>,
    },
    /// A message is opened, or does not open with the room's key.
    Opened {
        /// As in the command.
        purpose: Purpose,
        /// The number of the [`CipherCommand::Open`](crate::CipherCommand::Open).
        job: u32,
        /// The message; `None` if it cannot be opened, or has a wrong signature.
        plain: Option<Vec<u8>>,
        /// It was signed with the secret of writers.
        is_signed: bool,
    },
}

/// A page event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageEvent {
    /// The page is being hidden, perhaps for good.
    Hidden,
    /// The page is back.
    Shown {
        /// A new page number, as in [`Call::Connect`].
        page: u64,
    },
    /// The machine has a network again.
    Online,
}
