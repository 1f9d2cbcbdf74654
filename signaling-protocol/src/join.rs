use serde::Serialize;

use crate::id::{AgentId, RoomId, SessionSecret};

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
    /// What the client can do beyond the contract; the others receive it.
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
