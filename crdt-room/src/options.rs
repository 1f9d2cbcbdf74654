//! The settings of a member of a room.

use crdt_sync::Config;
use serde::Serialize;
use signaling_protocol::{AgentId, RoomId, SessionSecret};

/// The settings of a [`Room`](crate::Room).
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// The name of this member in the room.
    pub agent: AgentId,
    /// The room; `None`: the one that the address of the server names, else the server's default room.
    pub room: Option<RoomId>,
    /// The signaling servers that are used if `Connect` names none.
    pub servers: Vec<String>,
    /// The kinds of link that may be used.
    pub links: Vec<LinkKind>,
    /// Whether the driver has a secret that the members share, from which it derives the room's keys.
    pub has_key: bool,
    /// This member is read-only: no change of its document is sent.
    pub is_read_only: bool,
    /// The access token for the server.
    pub token: Option<String>,
    /// Proves to a server that this member had the name before.
    pub session_secret: Option<SessionSecret>,
    /// The capabilities of the host.
    pub host: Host,
    /// The configuration of the sync engine.
    pub sync: Config,
}

impl RoomOptions {
    /// Settings for this member, with every kind of link and nothing else set.
    pub fn new(agent: AgentId, host: Host) -> RoomOptions {
        RoomOptions {
            agent,
            room: None,
            servers: Vec::new(),
            links: LinkKind::CHOICES.to_vec(),
            has_key: false,
            is_read_only: false,
            token: None,
            session_secret: None,
            host,
            sync: Config::default(),
        }
    }

    /// Whether links of this kind may be used, and the host can make them.
    pub fn allows(&self, kind: LinkKind) -> bool {
        let is_possible = match kind {
            LinkKind::Broadcast => self.host.broadcast,
            LinkKind::WebRtc => self.host.webrtc,
            LinkKind::Relay | LinkKind::Custom => true,
        };
        is_possible && (kind == LinkKind::Custom || self.links.contains(&kind))
    }
}

/// The capabilities of a room's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// WebSockets.
    pub websocket: bool,
    /// What stands in for a WebSocket where the network breaks these: an event stream, and requests.
    pub event_stream: bool,
    /// Peer connections.
    pub webrtc: bool,
    /// Broadcast channels between pages.
    pub broadcast: bool,
}

/// What carries the messages between a member and a signaling server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// A WebSocket.
    #[default]
    WebSocket,
    /// An event stream, and requests.
    EventStream,
}

impl Carrier {
    pub(crate) fn is_websocket(&self) -> bool {
        *self == Carrier::WebSocket
    }
}

/// A kind of link to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Between pages of one browser.
    Broadcast,
    /// A transport of the user's own. It is always allowed if one was added.
    Custom,
    /// A direct connection.
    WebRtc,
    /// Through the signaling socket, encrypted.
    Relay,
}

impl LinkKind {
    /// The kinds that the user may choose from.
    pub const CHOICES: [LinkKind; 3] = [LinkKind::Broadcast, LinkKind::WebRtc, LinkKind::Relay];

    /// The name in options and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkKind::Broadcast => "broadcast",
            LinkKind::Custom => "custom",
            LinkKind::WebRtc => "webrtc",
            LinkKind::Relay => "relay",
        }
    }

    /// Of several links to one peer, the one with the lowest rank carries the changes: first links
    /// that need no network, then those that the user added, last those that load the server.
    pub(crate) fn rank(self) -> u8 {
        self as u8
    }
}
