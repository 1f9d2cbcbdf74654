//! The status of a room: one value, computed on request.

use crdt_sync::Millis;
use serde::Serialize;

use crate::error::RoomError;
use crate::options::{Carrier, LinkKind};
use crate::stage::DoctorStage;

/// The phase of the connection to the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not wanted.
    #[default]
    Disconnected,
    /// The first connection is being made.
    Connecting,
    /// In the room.
    Connected,
    /// Not in the room for now, and retrying; peers may be linked.
    Reconnecting,
    /// Gave up; `error` has the reason.
    Error,
}

/// The status of a room. Serializes to `NetworkStatus` of the npm package.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// In the room, or linked to at least one peer.
    pub connected: bool,
    /// The agent ids of the peers with an open link, sorted.
    pub peers: Vec<String>,
    /// The phase of the connection to the room.
    pub state: Phase,
    /// The agent id of this member.
    pub agent_id: String,
    /// The room, if the options name it.
    pub room: Option<String>,
    /// The first signaling server that admitted this member, else the first named.
    pub url: Option<String>,
    /// Every signaling server, in the order in which they were named.
    pub signaling: Vec<ServerStatus>,
    /// Why the last attempt failed, until one succeeds.
    pub error: Option<Problem>,
    /// This member is read-only, and no change of its document is sent: by its link, its options,
    /// or a server's admission.
    pub read_only: bool,
    /// The part of the document that the servers store for later members.
    pub kept: Kept,
    /// The agent ids of the peers that have all events of this replica, sorted.
    pub shared: Vec<String>,
    /// Why the relay is not used although it may be.
    pub relay_off: Option<String>,
    /// Every peer in the room, and those that are only reached by a user's transport.
    pub links: Vec<PeerLink>,
    /// The transports of the user's own, in the order in which they were added.
    pub transports: Vec<TransportStatus>,
    /// The number of open peer connections.
    pub open_connections: usize,
}

impl Status {
    /// Whether the difference from `before` is visible to a person. Counters that change all the
    /// time do not count.
    pub fn differs_visibly(&self, before: &Status) -> bool {
        self.connected != before.connected
            || self.state != before.state
            || self.error != before.error
            || self.peers != before.peers
            || self.url != before.url
            || self.signaling != before.signaling
            || self.transports != before.transports
            || self.relay_off != before.relay_off
            || self.read_only != before.read_only
            || self.kept.differs_visibly(&before.kept)
            || self.links.len() != before.links.len()
            || self.links.iter().zip(&before.links).any(|(now, then)| {
                now.peer != then.peer
                    || now.link != then.link
                    || now.state != then.state
                    || now.synced != then.synced
                    || now.read_only != then.read_only
                    || now.diverged != then.diverged
                    || now.problem != then.problem
            })
    }
}

/// The part of the document that the servers store, in the room's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Local events that no server has acknowledged; `None`: no server stores the document, or it
    /// is not known yet.
    pub ahead: Option<u64>,
    /// Entries of the log that were skipped, since they cannot be opened, no writer signed them, or
    /// they contain no changes.
    pub skipped: u64,
    /// Why the document is not stored.
    pub problem: Option<String>,
}

impl Kept {
    fn differs_visibly(&self, before: &Kept) -> bool {
        let is_whole = |kept: &Kept| kept.ahead.map(|ahead| ahead == 0);
        is_whole(self) != is_whole(before)
            || self.skipped != before.skipped
            || self.problem != before.problem
    }
}

/// An error as data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl From<&RoomError> for Problem {
    fn from(error: &RoomError) -> Problem {
        Problem {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// A signaling server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerStatus {
    /// Its address.
    pub url: String,
    /// What leads to it. A WebSocket is not written.
    #[serde(skip_serializing_if = "Carrier::is_websocket")]
    pub carrier: Carrier,
    /// The phase of the connection to it.
    pub state: Phase,
    /// Why it is not connected.
    pub error: Option<Problem>,
}

/// A transport of the user's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransportStatus {
    /// How far it is.
    pub state: TransportState,
    /// The agent id of the peer at its other end, after its hello.
    pub peer: Option<String>,
    /// Its last problem, until it connects.
    pub problem: Option<String>,
}

/// The state of a user's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportState {
    /// Not started: `Connect` was not called.
    Stopped,
    /// Started, or waiting to be started again, or connected to an end that has another key or none.
    Connecting,
    /// Connected.
    Open,
    /// Stopped for good, since its other end violates the protocol.
    Failed,
}

/// The link to one peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerLink {
    /// The agent id of the peer.
    pub peer: String,
    /// The kind of link that carries the edits, or is being made.
    pub link: LinkKind,
    /// How far it is.
    pub state: LinkState,
    /// Both sides are known to have the same events.
    pub synced: bool,
    /// It is read-only: its changes are rejected.
    pub read_only: bool,
    /// Set if the peer has a different event under some id, and so a different text.
    pub diverged: Option<Divergence>,
    /// The last round trip, in milliseconds.
    pub rtt: Option<Millis>,
    /// Bytes that came by the link.
    pub bytes_in: u64,
    /// Bytes that were given to the link.
    pub bytes_out: u64,
    /// Local events that the peer is not known to have.
    pub ahead: Option<u64>,
    /// Events that the peer announced and this replica lacks.
    pub behind: Option<u64>,
    /// The problem that prevents edits from reaching this peer. `None` while a link carries them.
    pub problem: Option<String>,
    /// The stage of that problem.
    pub problem_stage: Option<DoctorStage>,
    /// Why there is no direct connection, while another link carries the edits.
    #[serde(skip)]
    pub detour: Option<String>,
}

/// A difference between two replicas that hold the same ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The event that differs at the peer: its agent and seq. `None` if none was found.
    pub id: Option<(String, u32)>,
}

/// The state of the link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Being made, or waiting to be made again.
    Connecting,
    /// Open: edits go through.
    Open,
    /// Open, but interrupted at the moment.
    Interrupted,
    /// None: in a large room, others forward its edits.
    Indirect,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            connected: true,
            peers: vec!["bob".to_owned()],
            state: Phase::Connected,
            agent_id: "alice".to_owned(),
            url: Some("ws://localhost:8080".to_owned()),
            links: vec![PeerLink {
                peer: "bob".to_owned(),
                link: LinkKind::WebRtc,
                state: LinkState::Open,
                synced: true,
                read_only: false,
                diverged: None,
                rtt: Some(1),
                bytes_in: 1,
                bytes_out: 1,
                ahead: Some(0),
                behind: Some(0),
                problem: None,
                problem_stage: None,
                detour: None,
            }],
            open_connections: 1,
            ..Status::default()
        }
    }

    #[test]
    fn counters_alone_are_not_a_visible_change() {
        let before = status();
        let mut now = status();
        now.links[0].bytes_in = 99;
        now.links[0].rtt = Some(7);
        assert!(!now.differs_visibly(&before));
    }

    #[test]
    fn visible_changes_are_reported() {
        let before = status();
        let changes: [fn(&mut Status); 5] = [
            |status| status.state = Phase::Reconnecting,
            |status| status.peers.clear(),
            |status| status.links[0].synced = false,
            |status| status.links[0].state = LinkState::Interrupted,
            |status| {
                status.error = Some(Problem {
                    code: "room_full",
                    message: "full".to_owned(),
                });
            },
        ];
        for change in changes {
            let mut now = status();
            change(&mut now);
            assert!(now.differs_visibly(&before), "{now:?}");
        }
    }
}
