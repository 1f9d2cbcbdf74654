use serde::Serialize;

use crate::error::ParseError;
use crate::fields;
use crate::join::Join;
use crate::log::{LogAppend, LogRead, LogSnapshot};
use crate::server::{Ping, Pong};
use crate::signal::{Relay, Signal, SignalKind};

/// What a client sends.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ClientMessage {
    /// The first message: who the client is, and which room it wants.
    Join(Join),
    /// Leaves the room; the socket stays and may join again.
    Leave(Leave),
    /// An offer, an answer or a candidate for another peer.
    Signal(Signal),
    /// Encrypted traffic for another peer.
    Relay(Relay),
    /// Adds an update to the room's log.
    LogAppend(LogAppend),
    /// Asks for a part of the room's log.
    LogRead(LogRead),
    /// Replaces the beginning of the room's log.
    LogSnapshot(LogSnapshot),
    /// Asks for a [`Pong`].
    Ping(Ping),
    /// Answers a [`Ping`].
    Pong(Pong),
}

impl From<Join> for ClientMessage {
    fn from(join: Join) -> Self {
        ClientMessage::Join(join)
    }
}

impl From<Signal> for ClientMessage {
    fn from(signal: Signal) -> Self {
        ClientMessage::Signal(signal)
    }
}

impl From<Relay> for ClientMessage {
    fn from(relay: Relay) -> Self {
        ClientMessage::Relay(relay)
    }
}

/// Leaves the room without closing the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "type", rename = "leave")]
pub struct Leave {}

impl ClientMessage {
    /// Reads a text frame.
    ///
    /// # Errors
    /// When it is not JSON, of an unknown type, or lacks or overfills a field.
    pub fn parse(frame: &str) -> Result<Self, ParseError> {
        match fields::type_of(frame)?.as_ref() {
            "join" => fields::join(frame).map(ClientMessage::Join),
            "leave" => Ok(ClientMessage::Leave(Leave {})),
            "offer" => fields::signal(frame, SignalKind::Offer).map(ClientMessage::Signal),
            "answer" => fields::signal(frame, SignalKind::Answer).map(ClientMessage::Signal),
            "ice_candidate" => {
                fields::signal(frame, SignalKind::IceCandidate).map(ClientMessage::Signal)
            }
            "relay" => fields::relay(frame).map(ClientMessage::Relay),
            "log_append" => Ok(ClientMessage::LogAppend(serde_json::from_str(frame)?)),
            "log_read" => Ok(ClientMessage::LogRead(serde_json::from_str(frame)?)),
            "log_snapshot" => Ok(ClientMessage::LogSnapshot(serde_json::from_str(frame)?)),
            "ping" => Ok(ClientMessage::Ping(Ping {})),
            "pong" => Ok(ClientMessage::Pong(Pong {})),
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
