//! Names the stage at which a connection fails, and what to do about it.

use serde::Serialize;

use super::status::{
    LinkState, PeerLink, Phase, ServerStatus, Status, TransportState, TransportStatus,
};

/// The stages of a connection, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DoctorStage {
    /// What the browser can do.
    Environment,
    /// The connection to the signaling server.
    Signaling,
    /// Being let into the room.
    Room,
    /// Exchanging offers and answers with a peer.
    Offer,
    /// Finding a path through the networks.
    Ice,
    /// The link that carries the edits.
    Channel,
    /// Exchanging operations.
    Sync,
}

impl DoctorStage {
    const ALL: [DoctorStage; 7] = [
        DoctorStage::Environment,
        DoctorStage::Signaling,
        DoctorStage::Room,
        DoctorStage::Offer,
        DoctorStage::Ice,
        DoctorStage::Channel,
        DoctorStage::Sync,
    ];

    fn advice(self) -> &'static str {
        match self {
            DoctorStage::Environment => {
                "Use a current browser, and open the page by https or from localhost."
            }
            DoctorStage::Signaling => {
                "Check the server's address, that the server runs, and that no proxy or firewall \
                 blocks WebSockets."
            }
            DoctorStage::Room => {
                "Check the room, the token and that nobody else has the same name; then connect \
                 again."
            }
            DoctorStage::Offer => {
                "The peer does not answer: its page may be asleep or gone. Reload it."
            }
            DoctorStage::Ice => {
                "The networks block a direct path. Set a TURN server in iceServers, or a key, so \
                 that the encrypted relay can be used."
            }
            DoctorStage::Channel => {
                "The link broke off. It is made anew; if that goes on, the network is not stable."
            }
            DoctorStage::Sync => {
                "Reload both pages, so that they run the same version. If that does not help, \
                 report it with the operations of both."
            }
        }
    }
}

/// What the host of this page has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) webrtc: bool,
    pub(crate) websocket: bool,
}

/// The outcome for one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Check {
    stage: DoctorStage,
    /// `None`: not known yet, or not reached.
    ok: Option<bool>,
    detail: String,
}

/// `Diagnosis` in the TypeScript types.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Diagnosis {
    /// The first stage that fails; `None` where all is well.
    stage: Option<DoctorStage>,
    message: String,
    advice: Option<&'static str>,
    checks: Vec<Check>,
}

/// Looks at every stage.
pub(crate) fn diagnose(status: &Status, host: Host) -> Diagnosis {
    let mut checks: Vec<Check> = Vec::new();
    for stage in DoctorStage::ALL {
        let failed_before = checks.iter().any(|check| check.ok == Some(false));
        // A link that stands shows that the stages before it worked, whatever the server does now.
        let reached = !failed_before || stage > DoctorStage::Room && !status.peers.is_empty();
        let (ok, detail) = if reached {
            examine(stage, status, host)
        } else {
            (None, "not reached".to_owned())
        };
        checks.push(Check { stage, ok, detail });
    }
    let failed = checks.iter().find(|check| check.ok == Some(false));
    let waiting = checks.iter().find(|check| check.ok.is_none());
    let message = match (failed.or(waiting), status.links.is_empty()) {
        (Some(check), _) => check.detail.clone(),
        (None, true) => "connected; nobody else is in the room".to_owned(),
        (None, false) => "all is well".to_owned(),
    };
    let stage = failed.map(|check| check.stage);
    Diagnosis {
        stage,
        message,
        advice: stage.map(DoctorStage::advice),
        checks,
    }
}

fn examine(stage: DoctorStage, status: &Status, host: Host) -> (Option<bool>, String) {
    match stage {
        DoctorStage::Environment => match (host.websocket, host.webrtc) {
            _ if status.signaling.is_empty() && !status.transports.is_empty() => (
                Some(true),
                "nothing but your own transports is used".to_owned(),
            ),
            (false, _) => (Some(false), "this environment has no WebSocket".to_owned()),
            (true, false) if status.relay_off.is_some() => {
                (Some(false), "this environment has no WebRTC".to_owned())
            }
            (true, webrtc) => (
                Some(true),
                format!("WebSocket: yes, WebRTC: {}", yes(webrtc)),
            ),
        },
        DoctorStage::Signaling => match status.state {
            Phase::Connected => {
                let joined = |server: &&ServerStatus| server.state == Phase::Connected;
                let (in_use, all) = (
                    status.signaling.iter().filter(joined).count(),
                    status.signaling.len(),
                );
                let detail = match all {
                    0 => "no signaling server is used".to_owned(),
                    1 => "connected to the server".to_owned(),
                    _ => format!("connected to {in_use} of {all} servers"),
                };
                (Some(true), detail)
            }
            Phase::Disconnected => (None, "not connected: connect() was not called".to_owned()),
            Phase::Connecting => (None, "waiting for the server".to_owned()),
            Phase::Reconnecting | Phase::Error if concerns_room(status) => {
                (Some(true), "the server answers".to_owned())
            }
            Phase::Reconnecting | Phase::Error => (Some(false), problem_of(status)),
        },
        DoctorStage::Room => match status.state {
            Phase::Connected => (
                Some(true),
                format!("{} others in the room", status.links.len()),
            ),
            Phase::Error | Phase::Reconnecting if concerns_room(status) => {
                (Some(false), problem_of(status))
            }
            _ => (None, "not in the room yet".to_owned()),
        },
        DoctorStage::Sync => {
            let behind = |link: &&PeerLink| link.state == LinkState::Open && !link.synced;
            of_links(
                stage,
                status,
                |link| behind(&link),
                "exchanging operations with",
            )
        }
        _ => of_links(
            stage,
            status,
            |link| link.state == LinkState::Connecting || link.state == LinkState::Interrupted,
            "making the link to",
        ),
    }
}

/// Looks for a peer whose last problem was at this stage, and for one that is under way.
fn of_links(
    stage: DoctorStage,
    status: &Status,
    is_under_way: impl Fn(&PeerLink) -> bool,
    doing: &str,
) -> (Option<bool>, String) {
    let is_failing = |transport: &&TransportStatus| {
        stage == DoctorStage::Channel && transport.state != TransportState::Open
    };
    let transports = status.transports.iter().filter(is_failing);
    if let Some(problem) = transports.filter_map(|t| t.problem.as_ref()).next() {
        return (Some(false), format!("a transport of your own: {problem}"));
    }
    let failing = status.links.iter().find(|link| {
        link.problem_stage == Some(stage) && (is_under_way(link) || stage == DoctorStage::Sync)
    });
    if let Some(link) = failing {
        let problem = link.problem.clone().unwrap_or_default();
        return (Some(false), format!("{}: {problem}", link.peer));
    }
    match status
        .links
        .iter()
        .find(|link| is_under_way(link) && link.problem_stage.is_none())
    {
        Some(link) => (None, format!("{doing} {}", link.peer)),
        None => (Some(true), "no peer has a problem here".to_owned()),
    }
}

/// Whether the server answered, and did not let us in.
fn concerns_room(status: &Status) -> bool {
    let code = status.error.as_ref().map(|error| error.code);
    matches!(
        code,
        Some(
            "agent_id_taken"
                | "invalid_id"
                | "invalid_room"
                | "unauthorized"
                | "forbidden"
                | "room_full"
                | "too_many_rooms"
                | "unsupported_protocol"
                | "replaced"
        )
    )
}

fn problem_of(status: &Status) -> String {
    status
        .error
        .as_ref()
        .map_or_else(String::new, |error| error.message.clone())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::status::Problem;

    const HOST: Host = Host {
        webrtc: true,
        websocket: true,
    };

    fn link(state: LinkState, synced: bool, problem: Option<(DoctorStage, &str)>) -> PeerLink {
        PeerLink {
            peer: "bob".to_owned(),
            link: "webrtc",
            state,
            synced,
            rtt: None,
            bytes_in: 0.0,
            bytes_out: 0.0,
            ahead: None,
            behind: None,
            problem: problem.map(|(_, message)| message.to_owned()),
            problem_stage: problem.map(|(stage, _)| stage),
        }
    }

    fn status(state: Phase, error: Option<&'static str>, links: Vec<PeerLink>) -> Status {
        let open = |link: &&PeerLink| link.state == LinkState::Open;
        Status {
            state,
            peers: links
                .iter()
                .filter(open)
                .map(|link| link.peer.clone())
                .collect(),
            relay_off: Some("no key".to_owned()),
            error: error.map(|code| Problem {
                code,
                message: format!("because of {code}"),
            }),
            links,
            ..Status::default()
        }
    }

    #[test]
    fn each_failure_is_named_by_its_stage() {
        let peer = |stage, state| {
            let trouble = link(state, false, Some((stage, "it failed")));
            status(Phase::Connected, None, vec![trouble])
        };
        let cases = [
            (
                status(Phase::Error, Some("signaling_unreachable"), vec![]),
                DoctorStage::Signaling,
            ),
            (
                status(Phase::Reconnecting, Some("signaling_lost"), vec![]),
                DoctorStage::Signaling,
            ),
            (
                status(Phase::Error, Some("agent_id_taken"), vec![]),
                DoctorStage::Room,
            ),
            (
                peer(DoctorStage::Offer, LinkState::Connecting),
                DoctorStage::Offer,
            ),
            (
                peer(DoctorStage::Ice, LinkState::Connecting),
                DoctorStage::Ice,
            ),
            (
                peer(DoctorStage::Channel, LinkState::Connecting),
                DoctorStage::Channel,
            ),
            (
                peer(DoctorStage::Sync, LinkState::Indirect),
                DoctorStage::Sync,
            ),
        ];
        for (status, stage) in cases {
            let diagnosis = diagnose(&status, HOST);
            assert_eq!(diagnosis.stage, Some(stage), "{diagnosis:?}");
            assert!(!diagnosis.message.is_empty());
            assert_eq!(diagnosis.advice, Some(stage.advice()));
        }
        let bare = Host {
            webrtc: false,
            websocket: true,
        };
        let diagnosis = diagnose(&status(Phase::Disconnected, None, vec![]), bare);
        assert_eq!(diagnosis.stage, Some(DoctorStage::Environment));
    }

    #[test]
    fn what_works_or_is_under_way_is_no_failure() {
        let linked = link(LinkState::Open, true, None);
        let connecting = link(LinkState::Connecting, false, None);
        for (status, message) in [
            (status(Phase::Connected, None, vec![linked]), "all is well"),
            (
                status(Phase::Connected, None, vec![]),
                "connected; nobody else is in the room",
            ),
            (
                status(Phase::Connected, None, vec![connecting]),
                "making the link to bob",
            ),
            (
                status(Phase::Connecting, None, vec![]),
                "waiting for the server",
            ),
        ] {
            let diagnosis = diagnose(&status, HOST);
            assert_eq!(
                (diagnosis.stage, diagnosis.message.as_str()),
                (None, message)
            );
            assert_eq!(diagnosis.advice, None);
        }
    }

    #[test]
    fn a_problem_that_was_overcome_is_forgotten() {
        let open = link(
            LinkState::Open,
            true,
            Some((DoctorStage::Ice, "it failed once")),
        );
        let diagnosis = diagnose(&status(Phase::Connected, None, vec![open]), HOST);
        assert_eq!(diagnosis.stage, None);
    }
}
