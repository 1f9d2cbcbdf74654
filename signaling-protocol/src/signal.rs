use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::id::AgentId;
use crate::json::OpaqueJson;

/// Which of the three signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalKind {
    /// An RTCSessionDescription that proposes.
    Offer,
    /// An RTCSessionDescription that accepts.
    Answer,
    /// An RTCIceCandidate.
    IceCandidate,
}

impl SignalKind {
    /// The message's `type`.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            SignalKind::Offer => "offer",
            SignalKind::Answer => "answer",
            SignalKind::IceCandidate => "ice_candidate",
        }
    }

    /// The name of the field that holds the body.
    #[must_use]
    pub fn body_field(self) -> &'static str {
        match self {
            SignalKind::Offer => "offer",
            SignalKind::Answer => "answer",
            SignalKind::IceCandidate => "candidate",
        }
    }
}

/// An offer, an answer or an ICE candidate, from one peer to another.
///
/// The server passes it on as it was sent, fields unknown to it included, so two peers may add
/// their own. It refuses a `from` that is not the sender and fills in a missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Which of the three.
    pub kind: SignalKind,
    /// Who is to get it.
    pub to: AgentId,
    /// Who sent it. The server sees to it that this is true.
    pub from: Option<AgentId>,
    /// The description or the candidate.
    pub body: OpaqueJson,
    /// Which page load of the sender this belongs to, so that what an earlier one sent can be told
    /// apart and dropped. Public, unlike the session secret of `join`.
    pub session: Option<String>,
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind.type_name())?;
        map.serialize_entry("to", &self.to)?;
        if let Some(from) = &self.from {
            map.serialize_entry("from", from)?;
        }
        map.serialize_entry(self.kind.body_field(), &self.body)?;
        if let Some(session) = &self.session {
            map.serialize_entry("session", session)?;
        }
        map.end()
    }
}

/// A piece of the two peers' own traffic, encrypted by them, carried by the server for want of a
/// direct link. The server cannot read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "relay")]
pub struct Relay {
    /// Who is to get it.
    pub to: AgentId,
    /// Who sent it. The server sees to it that this is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<AgentId>,
    /// Ciphertext in base64.
    pub payload: String,
}
