//! Errors of a room, with messages that suggest a remedy.

use signaling_protocol::{CloseCode, ErrorCode, ParseError};
use thiserror::Error;

/// A failure of the room or of its environment.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The host supports no kind of link that the options allow.
    #[error(
        "there is no WebRTC here (RTCPeerConnection), and nothing else that may be used leads to a peer: \
         allow WebRTC, or use a room with a key, whose edits can take the encrypted relay"
    )]
    NoWebRtc,
    /// The host has no WebSockets.
    #[error(
        "this environment has no WebSocket: connect from a page in a current browser or from Node 22, or set \
         globalThis.WebSocket"
    )]
    NoWebSocket,
    /// The room has a key, and the host cannot encrypt.
    #[error(
        "this room has a key, and it cannot be used here: {reason}. The text stays on this device"
    )]
    NoCipher {
        /// In words.
        reason: String,
    },
    /// There is neither a server nor a transport.
    #[error(
        "urls has to be the address of a signaling server, or several, unless a transport was added, \
         or the option room names the room in which pages of this browser meet. Pages that only read do \
         not meet there: they need a server or a transport"
    )]
    NoServer,
    /// An invalid address for a socket.
    #[error(
        "{url:?} is not an address of a signaling server, such as ws://localhost:8080: {reason}"
    )]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not answer at its address.
    #[error(
        "the signaling server at {url} cannot be reached: check the address, that the server \
         runs, and the network"
    )]
    Unreachable {
        /// The address.
        url: String,
    },
    /// The server did not admit this member in time.
    #[error(
        "the signaling server at {url} did not answer within {seconds} s: check that it is a \
         signaling server, and the network"
    )]
    TimedOut {
        /// The address.
        url: String,
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// The server refused a request.
    #[error("the signaling server refused: {message}")]
    Refused {
        /// The error code, for programs.
        code: ErrorCode,
        /// The same for people.
        message: String,
    },
    /// The server closed the socket with a reason.
    #[error("the signaling server closed the connection: {reason} ({number})")]
    Closed {
        /// The number of the close frame.
        number: u16,
        /// The reason of the close frame.
        reason: String,
    },
    /// The socket to the server broke off.
    #[error("the connection to the signaling server at {url} broke off")]
    BrokeOff {
        /// The address.
        url: String,
    },
    /// The server sent something that cannot be read.
    #[error("the signaling server sent what this version does not understand: {0}")]
    Unreadable(ParseError),
    /// The user disconnected while connecting.
    #[error("disconnected before the connection stood")]
    Interrupted,
    /// The room was left for good.
    #[error("this NetworkSync was destroyed: make a new one")]
    Destroyed,
    /// No direct connection to a peer, and no other link carries the edits.
    #[error(
        "no direct connection to {peer}, failed at the {stage} stage: {reason}. It is tried again; \
         networks that block it need a TURN server, or a room with a key, whose edits can take the \
         encrypted relay"
    )]
    PeerUnreachable {
        /// The agent id of the peer.
        peer: String,
        /// The stage of the negotiation that failed.
        stage: &'static str,
        /// In words.
        reason: String,
    },
    /// The link to a peer was closed for good, since the peer breaks the protocol.
    #[error("the link to {peer} was closed: {reason}")]
    PeerClosed {
        /// The agent id of the peer.
        peer: String,
        /// In words.
        reason: String,
    },
    /// A message of a peer was refused; the link stays open.
    #[error("{peer} sent something that was refused: {reason}")]
    PeerRefused {
        /// The agent id of the peer.
        peer: String,
        /// In words.
        reason: String,
    },
    /// Another replica edits under the agent name of this document.
    #[error(
        "someone else edits under the name {agent:?}, so that edits may get lost: make a document \
         with another agentId"
    )]
    AgentInUse {
        /// The name.
        agent: String,
    },
    /// The encrypted relay to a peer failed.
    #[error("the encrypted relay to {peer} failed: {reason}")]
    Relay {
        /// The agent id of the peer.
        peer: String,
        /// In words.
        reason: String,
    },
    /// A member has another key, or its page was opened with another link.
    #[error(
        "this link's key does not open what {peer} sends: one of you has another link to this room. \
         Open the room by the same link"
    )]
    WrongKey {
        /// The agent id of the member.
        peer: String,
    },
    /// A transport of the user's own failed.
    #[error("a transport added by addTransport failed: {reason}")]
    Transport {
        /// In words.
        reason: String,
    },
    /// A field of the own presence was refused.
    #[error("presence: {reason}")]
    Presence {
        /// In words.
        reason: String,
    },
    /// The page has too many peer connections.
    #[error("no connection to {peer}: this page has {open} peer connections open already")]
    TooManyConnections {
        /// The agent id of the peer.
        peer: String,
        /// The number of open connections.
        open: usize,
    },
}

impl RoomError {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            RoomError::NoWebRtc => "webrtc_unavailable",
            RoomError::NoWebSocket => "websocket_unavailable",
            RoomError::NoCipher { .. } => "cipher_unavailable",
            RoomError::NoServer => "bad_argument",
            RoomError::BadUrl { .. } => "bad_url",
            RoomError::Unreachable { .. } => "signaling_unreachable",
            RoomError::TimedOut { .. } => "signaling_timeout",
            RoomError::Refused { code, .. } => refusal(*code),
            RoomError::Closed { number, .. } => match CloseCode::from_number(*number) {
                Some(CloseCode::Replaced) => "replaced",
                _ => "signaling_closed",
            },
            RoomError::BrokeOff { .. } => "signaling_lost",
            RoomError::Unreadable(_) => "signaling_unreadable",
            RoomError::Interrupted => "interrupted",
            RoomError::Destroyed => "destroyed",
            RoomError::PeerUnreachable { .. } => "peer_unreachable",
            RoomError::PeerClosed { .. } => "peer_closed",
            RoomError::PeerRefused { .. } => "peer_refused",
            RoomError::AgentInUse { .. } => "agent_in_use",
            RoomError::Relay { .. } => "relay_failed",
            RoomError::WrongKey { .. } => "wrong_key",
            RoomError::Transport { .. } => "transport_failed",
            RoomError::Presence { .. } => "presence_too_large",
            RoomError::TooManyConnections { .. } => "too_many_connections",
        }
    }

    /// Whether retrying cannot help.
    pub fn is_final(&self) -> bool {
        match self {
            RoomError::Refused { code, .. } => !matches!(
                code,
                ErrorCode::PeerUnavailable
                    | ErrorCode::Other
                    | ErrorCode::TooManyRooms
                    | ErrorCode::RoomFull
                    | ErrorCode::RateLimited
                    | ErrorCode::TryLater
                    | ErrorCode::StoreUnavailable
            ),
            RoomError::Closed { number, .. } => {
                CloseCode::from_number(*number) == Some(CloseCode::Replaced)
            }
            RoomError::Unreachable { .. }
            | RoomError::TimedOut { .. }
            | RoomError::BrokeOff { .. }
            | RoomError::Unreadable(_)
            | RoomError::PeerUnreachable { .. }
            | RoomError::PeerClosed { .. }
            | RoomError::PeerRefused { .. }
            | RoomError::AgentInUse { .. }
            | RoomError::Relay { .. }
            | RoomError::WrongKey { .. }
            | RoomError::Transport { .. }
            | RoomError::Presence { .. }
            | RoomError::TooManyConnections { .. } => false,
            RoomError::NoWebRtc
            | RoomError::NoWebSocket
            | RoomError::NoCipher { .. }
            | RoomError::NoServer
            | RoomError::BadUrl { .. }
            | RoomError::Interrupted
            | RoomError::Destroyed => true,
        }
    }
}

/// The server's own code, if this version knows it.
fn refusal(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Other => "signaling_refused",
        known => known.as_str(),
    }
}

impl RoomError {
    /// One error of each kind, for tests that go through all codes.
    #[doc(hidden)]
    pub fn examples() -> Vec<RoomError> {
        let text = String::new;
        let unreadable = signaling_protocol::ServerMessage::parse("").err();
        let mut all = vec![
            RoomError::NoWebRtc,
            RoomError::NoWebSocket,
            RoomError::NoCipher { reason: text() },
            RoomError::NoServer,
            RoomError::BadUrl {
                url: text(),
                reason: text(),
            },
            RoomError::Unreachable { url: text() },
            RoomError::TimedOut {
                url: text(),
                seconds: 1,
            },
            RoomError::Refused {
                code: ErrorCode::RoomFull,
                message: text(),
            },
            RoomError::Refused {
                code: ErrorCode::Other,
                message: text(),
            },
            RoomError::Closed {
                number: 1001,
                reason: text(),
            },
            RoomError::Closed {
                number: CloseCode::Replaced.number(),
                reason: text(),
            },
            RoomError::BrokeOff { url: text() },
            RoomError::Interrupted,
            RoomError::Destroyed,
            RoomError::PeerUnreachable {
                peer: text(),
                stage: "ICE",
                reason: text(),
            },
            RoomError::PeerClosed {
                peer: text(),
                reason: text(),
            },
            RoomError::PeerRefused {
                peer: text(),
                reason: text(),
            },
            RoomError::AgentInUse { agent: text() },
            RoomError::Relay {
                peer: text(),
                reason: text(),
            },
            RoomError::WrongKey { peer: text() },
            RoomError::Transport { reason: text() },
            RoomError::Presence { reason: text() },
            RoomError::TooManyConnections {
                peer: text(),
                open: 0,
            },
        ];
        all.extend(unreadable.map(RoomError::Unreadable));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_that_may_pass_are_retried() {
        let url = String::new;
        for retried in [
            RoomError::Unreachable { url: url() },
            RoomError::TimedOut {
                url: url(),
                seconds: 1,
            },
            RoomError::BrokeOff { url: url() },
            RoomError::Closed {
                number: 1001,
                reason: String::new(),
            },
            RoomError::Refused {
                code: ErrorCode::RoomFull,
                message: String::new(),
            },
        ] {
            assert!(!retried.is_final(), "{}", retried.code());
        }
        for last in [
            RoomError::NoWebRtc,
            RoomError::NoServer,
            RoomError::Destroyed,
            RoomError::Closed {
                number: CloseCode::Replaced.number(),
                reason: String::new(),
            },
            RoomError::Refused {
                code: ErrorCode::Unauthorized,
                message: String::new(),
            },
        ] {
            assert!(last.is_final(), "{}", last.code());
        }
    }
}
