//! What server processes tell each other.

use serde::{Deserialize, Serialize};
use signaling_protocol::{AgentId, RoomId};

/// One process for as long as it holds its place on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NodeId(pub(super) String);

/// A member of a room, wherever its socket is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) agent: AgentId,
    pub(super) node: NodeId,
    pub(super) connection: u64,
    pub(super) read_only: bool,
    pub(super) capabilities: Vec<String>,
}

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) connection: u64,
}

/// Something that happened. The first three are published by the scripts that make them happen, so
/// every process hears of them in the one order in which they did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A client is in a room now. Its own process gets the others with it.
    Joined {
        room: RoomId,
        member: Member,
        replaced: Option<Place>,
        others: Vec<Member>,
    },
    /// A client is not let in.
    Refused { connection: u64, why: Refused },
    /// A client has left a room.
    Left {
        room: RoomId,
        agent: AgentId,
        connection: u64,
        node: NodeId,
    },
    /// A message for a client of the process that gets this.
    Deliver {
        room: RoomId,
        to: AgentId,
        from: Place,
        kind: Delivery,
        frame: String,
    },
    /// A message could not be delivered.
    Unavailable { connection: u64, to: AgentId },
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refused {
    AgentIdTaken,
    RoomFull,
    TooManyRoomsOfAddress,
    TooManyRooms,
}

/// What kind of message is delivered, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Delivery {
    Offer,
    Answer,
    IceCandidate,
    Relay,
}
