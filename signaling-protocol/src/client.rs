use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{IdError, ParseError};
use crate::limits::{MAX_CAPABILITIES, MAX_CAPABILITY_BYTES, MAX_TOKEN_BYTES};
use crate::server::{Ping, Pong};
use crate::signal::{Relay, Signal, SignalKind};
use crate::{AgentId, RoomId, SessionSecret};

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
    /// Asks for a [`Pong`].
    Ping(Ping),
    /// Answers a [`Ping`].
    Pong(Pong),
}

/// Enters a room under an agent id.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "join", rename_all = "camelCase")]
pub struct Join {
    /// The name under which the others know this client. Nobody else in the room may have it.
    pub agent_id: AgentId,
    /// The room; the one in the address where this is absent, else the default room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// A secret by which this client, come back on another socket, gets its agent id at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionSecret>,
    /// What lets the client in where the server asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the client can do beyond the contract; the others are told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// The protocol version that the client speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
}

impl Join {
    /// A join with nothing but the id, which every server understands.
    #[must_use]
    pub fn new(agent_id: AgentId) -> Self {
        Self {
            agent_id,
            room: None,
            session: None,
            token: None,
            capabilities: Vec::new(),
            protocol: None,
        }
    }
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
        let fields: Fields<'_> = serde_json::from_str(frame)?;
        match fields.kind.as_ref() {
            "join" => fields.join().map(ClientMessage::Join),
            "leave" => Ok(ClientMessage::Leave(Leave {})),
            "offer" => fields.signal(SignalKind::Offer),
            "answer" => fields.signal(SignalKind::Answer),
            "ice_candidate" => fields.signal(SignalKind::IceCandidate),
            "relay" => fields.relay(),
            "ping" => Ok(ClientMessage::Ping(Ping {})),
            "pong" => Ok(ClientMessage::Pong(Pong {})),
            other => Err(ParseError::UnknownType {
                found: other.chars().take(64).collect(),
            }),
        }
    }

    /// The text frame.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every field is a string, a number or JSON already, so writing cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Every field that some message has. One flat pass over the frame finds the type wherever it
/// stands, keeps bodies as they are written, and refuses a field that comes twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    agent_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    session: Option<&'a RawValue>,
    token: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
    protocol: Option<u32>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    offer: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    answer: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    candidate: Option<&'a RawValue>,
    payload: Option<String>,
}

/// Keeps an explicit `null`, which ends a list of candidates, apart from a missing field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Fields<'a> {
    fn join(self) -> Result<Join, ParseError> {
        let agent_id = self
            .agent_id
            .ok_or(ParseError::MissingField {
                message: "join",
                field: "agentId",
            })
            .and_then(|text| AgentId::parse(&text).map_err(invalid("agentId")))?;
        let room = match self.room {
            Some(text) => Some(RoomId::parse(&text).map_err(invalid("room"))?),
            None => None,
        };
        let session = match self.session {
            Some(raw) => serde_json::from_str::<Option<String>>(raw.get())?,
            None => None,
        };
        let session = match session {
            Some(text) => Some(SessionSecret::parse(&text).map_err(invalid("session"))?),
            None => None,
        };
        at_most(
            "token",
            self.token.as_ref().map_or(0, String::len),
            "bytes",
            MAX_TOKEN_BYTES,
        )?;
        at_most(
            "capabilities",
            self.capabilities.len(),
            "entries",
            MAX_CAPABILITIES,
        )?;
        for name in &self.capabilities {
            at_most(
                "capabilities",
                name.len(),
                "bytes in one entry",
                MAX_CAPABILITY_BYTES,
            )?;
        }
        Ok(Join {
            agent_id,
            room,
            session,
            token: self.token,
            capabilities: self.capabilities,
            protocol: self.protocol,
        })
    }

    fn signal(self, kind: SignalKind) -> Result<ClientMessage, ParseError> {
        self.into_signal(kind).map(ClientMessage::Signal)
    }

    fn relay(self) -> Result<ClientMessage, ParseError> {
        self.into_relay().map(ClientMessage::Relay)
    }

    pub(crate) fn into_signal(self, kind: SignalKind) -> Result<Signal, ParseError> {
        let message = kind.type_name();
        let body = match kind {
            SignalKind::Offer => self.offer,
            SignalKind::Answer => self.answer,
            SignalKind::IceCandidate => self.candidate,
        }
        .ok_or(ParseError::MissingField {
            message,
            field: kind.body_field(),
        })?;
        Ok(Signal {
            kind,
            to: receiver(self.to, message)?,
            from: sender(self.from)?,
            body: body.into(),
            // The peers' own affair: one that is no text is passed on all the same, unread.
            session: self
                .session
                .and_then(|raw| serde_json::from_str(raw.get()).ok()),
        })
    }

    pub(crate) fn into_relay(self) -> Result<Relay, ParseError> {
        Ok(Relay {
            to: receiver(self.to, "relay")?,
            from: sender(self.from)?,
            payload: self.payload.ok_or(ParseError::MissingField {
                message: "relay",
                field: "payload",
            })?,
        })
    }
}

fn receiver(to: Option<Cow<'_, str>>, message: &'static str) -> Result<AgentId, ParseError> {
    let to = to.ok_or(ParseError::MissingField {
        message,
        field: "to",
    })?;
    AgentId::parse(&to).map_err(invalid("to"))
}

fn sender(from: Option<Cow<'_, str>>) -> Result<Option<AgentId>, ParseError> {
    from.map(|text| AgentId::parse(&text).map_err(invalid("from")))
        .transpose()
}

fn invalid(field: &'static str) -> impl Fn(IdError) -> ParseError {
    move |source| ParseError::InvalidId { field, source }
}

fn at_most(
    field: &'static str,
    len: usize,
    unit: &'static str,
    max: usize,
) -> Result<(), ParseError> {
    if len > max {
        Err(ParseError::TooMuch {
            field,
            len,
            unit,
            max,
        })
    } else {
        Ok(())
    }
}
