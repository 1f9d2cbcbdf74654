//! Reading frames: each type of message has its own fields, and no other type's get in its way.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{IdError, ParseError};
use crate::id::{AgentId, RoomId, SessionSecret};
use crate::join::Join;
use crate::limits::{MAX_CAPABILITIES, MAX_CAPABILITY_BYTES, MAX_TOKEN_BYTES};
use crate::signal::{Relay, Signal, SignalKind};

/// The `type` of a frame, wherever it stands; one that has two is refused.
pub(crate) fn type_of(frame: &str) -> Result<Cow<'_, str>, ParseError> {
    #[derive(Deserialize)]
    struct Type<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let Type { kind } = serde_json::from_str(frame)?;
    Ok(kind)
}

/// The error for a type that this version does not know.
pub(crate) fn unknown(kind: &str) -> ParseError {
    ParseError::UnknownType {
        found: kind.chars().take(64).collect(),
    }
}

pub(crate) fn join(frame: &str) -> Result<Join, ParseError> {
    let fields: JoinFields<'_> = serde_json::from_str(frame)?;
    let agent_id = fields
        .agent_id
        .ok_or(ParseError::MissingField {
            message: "join",
            field: "agentId",
        })
        .and_then(|text| AgentId::parse(&text).map_err(invalid("agentId")))?;
    let room = match fields.room {
        Some(text) => Some(RoomId::parse(&text).map_err(invalid("room"))?),
        None => None,
    };
    let session = match fields.session {
        Some(text) => Some(SessionSecret::parse(&text).map_err(invalid("session"))?),
        None => None,
    };
    at_most(
        "token",
        fields.token.as_ref().map_or(0, String::len),
        "bytes",
        MAX_TOKEN_BYTES,
    )?;
    at_most(
        "capabilities",
        fields.capabilities.len(),
        "entries",
        MAX_CAPABILITIES,
    )?;
    for name in &fields.capabilities {
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
        token: fields.token,
        capabilities: fields.capabilities,
        protocol: fields.protocol,
    })
}

pub(crate) fn signal(frame: &str, kind: SignalKind) -> Result<Signal, ParseError> {
    let fields: SignalFields<'_> = serde_json::from_str(frame)?;
    let message = kind.type_name();
    let body = match kind {
        SignalKind::Offer => fields.offer,
        SignalKind::Answer => fields.answer,
        SignalKind::IceCandidate => fields.candidate,
    }
    .ok_or(ParseError::MissingField {
        message,
        field: kind.body_field(),
    })?;
    Ok(Signal {
        kind,
        to: receiver(fields.to, message)?,
        from: sender(fields.from)?,
        body: body.into(),
        // The peers' own affair: one that is no text is passed on all the same, unread.
        session: fields
            .session
            .and_then(|raw| serde_json::from_str(raw.get()).ok()),
    })
}

pub(crate) fn relay(frame: &str) -> Result<Relay, ParseError> {
    let fields: RelayFields<'_> = serde_json::from_str(frame)?;
    Ok(Relay {
        to: receiver(fields.to, "relay")?,
        from: sender(fields.from)?,
        payload: fields.payload.ok_or(ParseError::MissingField {
            message: "relay",
            field: "payload",
        })?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JoinFields<'a> {
    #[serde(borrow)]
    agent_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    session: Option<String>,
    token: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
    protocol: Option<u32>,
}

#[derive(Deserialize)]
struct SignalFields<'a> {
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    session: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    offer: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    answer: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    candidate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RelayFields<'a> {
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    payload: Option<String>,
}

/// Keeps an explicit `null`, which ends a list of candidates, apart from a missing field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
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
