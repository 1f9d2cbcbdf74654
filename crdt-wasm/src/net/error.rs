//! What can go wrong with the network, in words that say what to do.

use signaling_protocol::{CloseCode, ErrorCode, IdError, ParseError};
use thiserror::Error;

/// A failure of the network or of what it needs.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum NetworkError {
    #[error(
        "this environment has no WebRTC (RTCPeerConnection): connect from a page in a current \
         browser, not from a worker or from Node"
    )]
    NoWebRtc,
    #[error("this environment has no WebSocket: connect from a page in a current browser")]
    NoWebSocket,
    #[error("this environment has no source of random bytes (crypto.getRandomValues)")]
    NoRandom,
    #[error(
        "{url:?} is not an address of a signaling server, such as ws://localhost:8080: {reason}"
    )]
    BadUrl { url: String, reason: String },
    #[error("{0}")]
    BadId(#[from] IdError),
    #[error(
        "the signaling server at {url} cannot be reached: check the address, that the server \
         runs, and the network"
    )]
    Unreachable { url: String },
    #[error(
        "the signaling server at {url} did not answer within {seconds} s: check that it is a \
         signaling server, and the network"
    )]
    TimedOut { url: String, seconds: u64 },
    #[error("the signaling server refused: {message}")]
    Refused { code: ErrorCode, message: String },
    #[error("the signaling server closed the connection: {reason} ({number})")]
    Closed { number: u16, reason: String },
    #[error("the connection to the signaling server at {url} broke off")]
    BrokeOff { url: String },
    #[error("the signaling server sent what this version does not understand: {0}")]
    Unreadable(ParseError),
    #[error("disconnected before the connection stood")]
    Interrupted,
    #[error("this NetworkSync was destroyed: make a new one")]
    Destroyed,
    #[error(
        "no direct connection to {peer}, failed at the {stage} stage: {reason}. It is tried again; \
         networks that block it need a TURN server in the option iceServers"
    )]
    PeerUnreachable {
        peer: String,
        stage: &'static str,
        reason: String,
    },
    #[error("the link to {peer} was closed: {reason}")]
    PeerClosed { peer: String, reason: String },
    #[error("{peer} sent something that was refused: {reason}")]
    PeerRefused { peer: String, reason: String },
    #[error(
        "someone else edits under the name {agent:?}, so that edits may get lost: make a document \
         with another agentId"
    )]
    AgentInUse { agent: String },
    #[error("the encrypted relay to {peer} failed: {reason}")]
    Relay { peer: String, reason: String },
    #[error("a transport added by addTransport failed: {reason}")]
    Transport { reason: String },
    #[error("presence: {reason}")]
    Presence { reason: String },
    #[error("no connection to {peer}: this page has {open} peer connections open already")]
    TooManyConnections { peer: String, open: usize },
}

impl NetworkError {
    /// The stable name of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            NetworkError::NoWebRtc => "webrtc_unavailable",
            NetworkError::NoWebSocket => "websocket_unavailable",
            NetworkError::NoRandom => "random_unavailable",
            NetworkError::BadUrl { .. } => "bad_url",
            NetworkError::BadId(_) => "bad_id",
            NetworkError::Unreachable { .. } => "signaling_unreachable",
            NetworkError::TimedOut { .. } => "signaling_timeout",
            NetworkError::Refused { code, .. } => refusal(*code),
            NetworkError::Closed { number, .. } => match CloseCode::from_number(*number) {
                Some(CloseCode::Replaced) => "replaced",
                _ => "signaling_closed",
            },
            NetworkError::BrokeOff { .. } => "signaling_lost",
            NetworkError::Unreadable(_) => "signaling_unreadable",
            NetworkError::Interrupted => "interrupted",
            NetworkError::Destroyed => "destroyed",
            NetworkError::PeerUnreachable { .. } => "peer_unreachable",
            NetworkError::PeerClosed { .. } => "peer_closed",
            NetworkError::PeerRefused { .. } => "peer_refused",
            NetworkError::AgentInUse { .. } => "agent_in_use",
            NetworkError::Relay { .. } => "relay_failed",
            NetworkError::Transport { .. } => "transport_failed",
            NetworkError::Presence { .. } => "presence_too_large",
            NetworkError::TooManyConnections { .. } => "too_many_connections",
        }
    }

    /// Whether it makes no sense to try again by oneself.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            NetworkError::Refused { code, .. } => !matches!(
                code,
                ErrorCode::PeerUnavailable
                    | ErrorCode::Other
                    | ErrorCode::TooManyRooms
                    | ErrorCode::RateLimited
                    | ErrorCode::TryLater
                    | ErrorCode::StoreUnavailable
            ),
            NetworkError::Closed { number, .. } => {
                CloseCode::from_number(*number) == Some(CloseCode::Replaced)
            }
            NetworkError::Unreachable { .. }
            | NetworkError::TimedOut { .. }
            | NetworkError::BrokeOff { .. }
            | NetworkError::Unreadable(_)
            | NetworkError::PeerUnreachable { .. }
            | NetworkError::PeerClosed { .. }
            | NetworkError::PeerRefused { .. }
            | NetworkError::AgentInUse { .. }
            | NetworkError::Relay { .. }
            | NetworkError::Transport { .. }
            | NetworkError::Presence { .. }
            | NetworkError::TooManyConnections { .. } => false,
            NetworkError::NoWebRtc
            | NetworkError::NoWebSocket
            | NetworkError::NoRandom
            | NetworkError::BadUrl { .. }
            | NetworkError::BadId(_)
            | NetworkError::Interrupted
            | NetworkError::Destroyed => true,
        }
    }
}

/// The server's own code where this version knows it.
fn refusal(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Other => "signaling_refused",
        known => known.as_str(),
    }
}

#[cfg(test)]
impl NetworkError {
    /// One of each, for tests of what holds for all.
    pub(crate) fn examples() -> Vec<NetworkError> {
        let text = String::new;
        let id = signaling_protocol::AgentId::parse("").err();
        let unreadable = signaling_protocol::ServerMessage::parse("").err();
        let mut all = vec![
            NetworkError::NoWebRtc,
            NetworkError::NoWebSocket,
            NetworkError::NoRandom,
            NetworkError::BadUrl {
                url: text(),
                reason: text(),
            },
            NetworkError::Unreachable { url: text() },
            NetworkError::TimedOut {
                url: text(),
                seconds: 1,
            },
            NetworkError::Refused {
                code: ErrorCode::RoomFull,
                message: text(),
            },
            NetworkError::Refused {
                code: ErrorCode::Other,
                message: text(),
            },
            NetworkError::Closed {
                number: 1001,
                reason: text(),
            },
            NetworkError::Closed {
                number: CloseCode::Replaced.number(),
                reason: text(),
            },
            NetworkError::BrokeOff { url: text() },
            NetworkError::Interrupted,
            NetworkError::Destroyed,
            NetworkError::PeerUnreachable {
                peer: text(),
                stage: "ICE",
                reason: text(),
            },
            NetworkError::PeerClosed {
                peer: text(),
                reason: text(),
            },
            NetworkError::PeerRefused {
                peer: text(),
                reason: text(),
            },
            NetworkError::AgentInUse { agent: text() },
            NetworkError::Relay {
                peer: text(),
                reason: text(),
            },
            NetworkError::Transport { reason: text() },
            NetworkError::Presence { reason: text() },
            NetworkError::TooManyConnections {
                peer: text(),
                open: 0,
            },
        ];
        all.extend(id.map(NetworkError::BadId));
        all.extend(unreadable.map(NetworkError::Unreadable));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_by_itself_is_tried_again() {
        let retried: Vec<_> = NetworkError::examples()
            .into_iter()
            .filter(|error| !error.is_final())
            .map(|error| error.code())
            .collect();
        for code in [
            "signaling_unreachable",
            "signaling_timeout",
            "signaling_closed",
            "signaling_lost",
        ] {
            assert!(retried.contains(&code), "{code}");
        }
        for code in [
            "room_full",
            "replaced",
            "bad_url",
            "webrtc_unavailable",
            "destroyed",
        ] {
            assert!(!retried.contains(&code), "{code}");
        }
    }
}
