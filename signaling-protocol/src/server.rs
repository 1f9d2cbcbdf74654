use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::ErrorCode;
use crate::error::ParseError;
use crate::fields;
use crate::id::AgentId;
use crate::log::{LogAck, LogEntries};
use crate::signal::{Relay, Signal, SignalKind};

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ServerMessage {
    /// The answer to a `join`: the other members.
    PeerList(PeerList),
    /// Someone joined the room.
    PeerJoined(PeerJoined),
    /// Someone left the room.
    PeerLeft(PeerLeft),
    /// An offer, an answer or a candidate from another peer.
    Signal(Signal),
    /// Encrypted traffic from another peer.
    Relay(Relay),
    /// Something is in the room's log for good.
    LogAck(LogAck),
    /// A part of the room's log.
    LogEntries(LogEntries),
    /// Something the client sent was refused; the socket lives unless a close frame follows.
    Error(ErrorReply),
    /// The server ends, and closes the socket after this.
    GoingAway(GoingAway),
    /// Asks for a [`Pong`].
    Ping(Ping),
    /// Answers a [`Ping`].
    Pong(Pong),
}

/// Tells the members of a room of a newcomer, before the newcomer gets its [`PeerList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "peer_joined", rename_all = "camelCase")]
pub struct PeerJoined {
    /// The newcomer.
    pub peer_id: AgentId,
    /// It was in the room already and came back on another socket, by its session secret. No
    /// `peer_left` came before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejoined: bool,
    /// The newcomer may see but not change: take no edits from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What the newcomer said it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

/// Tells a newcomer who else is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "peer_list", rename_all = "camelCase")]
pub struct PeerList {
    /// The others, without the newcomer, in the order of their ids.
    pub peers: Vec<AgentId>,
    /// Those who may see but not change, the newcomer among them if it is one: take no edits from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<AgentId>,
    /// What those of them that said so can do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<AgentId, Vec<String>>,
    /// The server keeps a log of the room: `log_append`, `log_read` and `log_snapshot` are taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Servers to use for finding a path between peers, with credentials for a limited time, in the
    /// form that RTCPeerConnection takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServer>,
}

/// One STUN or TURN server, as RTCPeerConnection takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Tells the members of a room who has left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "peer_left", rename_all = "camelCase")]
pub struct PeerLeft {
    /// Who left.
    pub peer_id: AgentId,
}

/// Tells a client that something it sent was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "error", rename_all = "camelCase")]
pub struct ErrorReply {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// The peer it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<AgentId>,
    /// The `id` of the message it is about, where that had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// Tells a client that the server ends, and when to connect again, here or elsewhere. Each client is
/// told another time, so that they do not all come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "going_away", rename_all = "camelCase")]
pub struct GoingAway {
    /// How many milliseconds to wait before connecting again.
    pub reconnect_after_ms: u64,
}

/// Asks the other end for a [`Pong`]; for clients that cannot see WebSocket pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "type", rename = "ping")]
pub struct Ping {}

/// Answers a [`Ping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "type", rename = "pong")]
pub struct Pong {}

impl ServerMessage {
    /// Reads a text frame.
    ///
    /// # Errors
    /// When it is not JSON, of an unknown type (which a client is to skip), or lacks a field.
    pub fn parse(frame: &str) -> Result<Self, ParseError> {
        match fields::type_of(frame)?.as_ref() {
            "peer_list" => Ok(ServerMessage::PeerList(serde_json::from_str(frame)?)),
            "peer_joined" => Ok(ServerMessage::PeerJoined(serde_json::from_str(frame)?)),
            "peer_left" => Ok(ServerMessage::PeerLeft(serde_json::from_str(frame)?)),
            "offer" => fields::signal(frame, SignalKind::Offer).map(ServerMessage::Signal),
            "answer" => fields::signal(frame, SignalKind::Answer).map(ServerMessage::Signal),
            "ice_candidate" => {
                fields::signal(frame, SignalKind::IceCandidate).map(ServerMessage::Signal)
            }
            "relay" => fields::relay(frame).map(ServerMessage::Relay),
            "log_ack" => Ok(ServerMessage::LogAck(serde_json::from_str(frame)?)),
            "log_entries" => Ok(ServerMessage::LogEntries(serde_json::from_str(frame)?)),
            "error" => Ok(ServerMessage::Error(serde_json::from_str(frame)?)),
            "going_away" => Ok(ServerMessage::GoingAway(serde_json::from_str(frame)?)),
            "ping" => Ok(ServerMessage::Ping(Ping {})),
            "pong" => Ok(ServerMessage::Pong(Pong {})),
            other => Err(fields::unknown(other)),
        }
    }

    /// The text frame.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every field is a string, a number or JSON already, so writing cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
