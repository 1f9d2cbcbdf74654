//! What `getStatus()` and the `status` event show.

use crdt_sync::PeerStatus;
use serde::Serialize;

use super::doctor::DoctorStage;
use super::error::NetworkError;
use super::options::LinkKind;

/// Where the whole stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Not wanted.
    #[default]
    Disconnected,
    /// The first connection is being made.
    Connecting,
    /// In the room.
    Connected,
    /// Was in the room, and tries to come back; peers may still be linked.
    Reconnecting,
    /// Gave up; `error` says why.
    Error,
}

/// `NetworkStatus` in the TypeScript types.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) connected: bool,
    pub(crate) peers: Vec<String>,
    pub(crate) state: Phase,
    pub(crate) agent_id: String,
    pub(crate) room: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) signaling: Vec<ServerStatus>,
    pub(crate) error: Option<Problem>,
    pub(crate) relay_off: Option<String>,
    pub(crate) links: Vec<PeerLink>,
    pub(crate) transports: Vec<TransportStatus>,
    pub(crate) open_connections: usize,
}

impl Status {
    /// Whether a listener should hear of the step from `before` to this: figures that move all the
    /// time do not count.
    pub(crate) fn differs_visibly(&self, before: &Status) -> bool {
        self.connected != before.connected
            || self.state != before.state
            || self.error != before.error
            || self.peers != before.peers
            || self.url != before.url
            || self.signaling != before.signaling
            || self.transports != before.transports
            || self.relay_off != before.relay_off
            || self.links.len() != before.links.len()
            || self.links.iter().zip(&before.links).any(|(now, then)| {
                now.peer != then.peer
                    || now.link != then.link
                    || now.state != then.state
                    || now.synced != then.synced
                    || now.problem != then.problem
            })
    }
}

/// An error as data, in a status.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl From<&NetworkError> for Problem {
    fn from(error: &NetworkError) -> Problem {
        Problem {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// One signaling server; `ServerStatus` in the TypeScript types.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ServerStatus {
    pub(crate) url: String,
    pub(crate) state: Phase,
    pub(crate) error: Option<Problem>,
}

/// A transport of the user's own; `TransportStatus` in the TypeScript types.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TransportStatus {
    pub(crate) state: TransportState,
    /// Whom it leads to, once that one has said hello.
    pub(crate) peer: Option<String>,
    /// What went wrong with it last, until it connects.
    pub(crate) problem: Option<String>,
}

/// How far a transport of the user's own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TransportState {
    /// Not started: `connect` was not called.
    Stopped,
    /// Started, or waiting to be started again.
    Connecting,
    /// Connected.
    Open,
    /// Stopped for good: what is at its other end breaks the protocol.
    Failed,
}

/// The link to one peer; `PeerLink` in the TypeScript types.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerLink {
    pub(crate) peer: String,
    pub(crate) link: &'static str,
    pub(crate) state: LinkState,
    pub(crate) synced: bool,
    pub(crate) rtt: Option<f64>,
    pub(crate) bytes_in: f64,
    pub(crate) bytes_out: f64,
    pub(crate) ahead: Option<f64>,
    pub(crate) behind: Option<f64>,
    pub(crate) problem: Option<String>,
    pub(crate) problem_stage: Option<DoctorStage>,
}

impl PeerLink {
    /// The entry of a peer that only a transport of the user's own leads to.
    pub(crate) fn by_transport(figures: &PeerStatus) -> PeerLink {
        PeerLink {
            peer: figures.agent.clone().unwrap_or_default(),
            link: LinkKind::Custom.as_str(),
            state: LinkState::Open,
            synced: figures.synced,
            rtt: figures.rtt.map(|rtt| rtt as f64),
            bytes_in: figures.bytes_in as f64,
            bytes_out: figures.bytes_out as f64,
            ahead: Some(figures.ahead as f64),
            behind: Some(figures.behind as f64),
            problem: None,
            problem_stage: None,
        }
    }
}

/// How far the link to a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinkState {
    /// Being made, or waiting to be made again.
    Connecting,
    /// Open: edits go through.
    Open,
    /// Open, but the network under it is away at the moment.
    Interrupted,
    /// None: in a large room, others pass its edits on.
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
            room: None,
            url: Some("ws://localhost:8080".to_owned()),
            error: None,
            relay_off: None,
            signaling: Vec::new(),
            transports: Vec::new(),
            links: vec![PeerLink {
                peer: "bob".to_owned(),
                link: "webrtc",
                state: LinkState::Open,
                synced: true,
                rtt: Some(1.0),
                bytes_in: 1.0,
                bytes_out: 1.0,
                ahead: Some(0.0),
                behind: Some(0.0),
                problem: None,
                problem_stage: None,
            }],
            open_connections: 1,
        }
    }

    #[test]
    fn figures_alone_are_no_news() {
        let before = status();
        let mut now = status();
        now.links[0].bytes_in = 99.0;
        now.links[0].rtt = Some(7.0);
        assert!(!now.differs_visibly(&before));
    }

    #[test]
    fn what_a_person_would_see_is_news() {
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
