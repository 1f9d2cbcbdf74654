//! Diagnosis: the stage at which a connection fails, and a remedy.

use serde::Serialize;

use crate::options::{LinkKind, RoomOptions};
use crate::stage::DoctorStage;
use crate::status::{Kept, LinkState, PeerLink, Phase, ServerStatus, Status, TransportState};

/// The kinds of link that this member can make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    websocket: bool,
    webrtc: bool,
    broadcast: bool,
    relay: bool,
}

impl Ways {
    /// The kinds that these options allow. `relay_off`: the relay cannot be used.
    pub(crate) fn of(options: &RoomOptions, relay_off: bool) -> Ways {
        Ways {
            websocket: options.host.websocket,
            webrtc: options.allows(LinkKind::WebRtc),
            broadcast: options.allows(LinkKind::Broadcast),
            relay: options.allows(LinkKind::Relay) && options.has_key && !relay_off,
        }
    }

    /// Whether a link to any member of the room is possible.
    pub(crate) fn lead_anywhere(self) -> bool {
        self.webrtc || self.broadcast || self.relay
    }
}

/// What is said of a server that is reached by an event stream.
const WITHOUT_WEBSOCKETS: &str =
    " by plain requests (HTTP), since the network lets no WebSocket through";

/// The outcome for one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The stage.
    pub stage: DoctorStage,
    /// Whether it works; `None`: not known yet, or not reached.
    pub ok: Option<bool>,
    /// In words.
    pub detail: String,
}

/// The diagnosis of a connection that does not work. Serializes to `Diagnosis` of the npm package.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The first stage that fails; `None` if none does.
    pub stage: Option<DoctorStage>,
    /// The problem, in words.
    pub message: String,
    /// A remedy.
    pub advice: Option<&'static str>,
    /// Every stage, in order.
    pub checks: Vec<Check>,
}

/// Checks every stage.
pub(crate) fn diagnose(status: &Status, ways: Ways) -> Diagnosis {
    let mut checks: Vec<Check> = Vec::new();
    for stage in DoctorStage::ALL {
        let failed_before = checks.iter().any(|check| check.ok == Some(false));
        // An open link shows that the stages before it worked, whatever the server does now; and a
        // joined room shows that its server can be reached.
        let reached = match stage {
            _ if !failed_before => true,
            DoctorStage::Signaling | DoctorStage::Room => status.state == Phase::Connected,
            stage => stage > DoctorStage::Room && !status.peers.is_empty(),
        };
        let (ok, detail) = if reached {
            examine(stage, status, ways)
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
        advice: stage.map(|stage| advice(stage, ways, status)),
        checks,
    }
}

fn examine(stage: DoctorStage, status: &Status, ways: Ways) -> (Option<bool>, String) {
    match stage {
        DoctorStage::Environment => environment(status, ways),
        DoctorStage::Signaling => signaling(status),
        DoctorStage::Room => room(status),
        DoctorStage::Sync if status.links.iter().any(|link| link.diverged.is_some()) => {
            (Some(false), divergence(status))
        }
        DoctorStage::Sync => {
            let is_behind = |link: &PeerLink| link.state == LinkState::Open && !link.synced;
            of_links(stage, status, is_behind, "exchanging operations with")
        }
        DoctorStage::Offer | DoctorStage::Ice | DoctorStage::Channel => {
            let outcome = of_links(stage, status, is_being_made, "making the link to");
            match detour(status).filter(|_| stage == DoctorStage::Ice && outcome.0 == Some(true)) {
                Some(detail) => (Some(true), detail),
                None => outcome,
            }
        }
    }
}

fn environment(status: &Status, ways: Ways) -> (Option<bool>, String) {
    let unreached = failing(DoctorStage::Environment, status, is_being_made);
    if status.signaling.is_empty() && status.state == Phase::Connected && unreached.is_none() {
        let detail = "no server is used, but pages of this browser and your own transports";
        return (Some(true), detail.to_owned());
    }
    if status.error.as_ref().map(|error| error.code) == Some("cipher_unavailable") {
        return (Some(false), problem_of(status));
    }
    if !ways.websocket {
        let detail = "this environment has no WebSocket";
        return (Some(false), detail.to_owned());
    }
    if !ways.lead_anywhere() && status.transports.is_empty() {
        let detail = "this environment has no WebRTC";
        return (Some(false), detail.to_owned());
    }
    if let Some(unreached) = unreached {
        return (Some(false), unreached);
    }
    let detail = format!("WebSocket: yes, WebRTC: {}", yes(ways.webrtc));
    (Some(true), detail)
}

fn signaling(status: &Status) -> (Option<bool>, String) {
    match status.state {
        Phase::Connected => {
            let is_joined = |server: &&ServerStatus| server.state == Phase::Connected;
            let joined = status.signaling.iter().filter(is_joined).count();
            let detail = match status.signaling.len() {
                0 => "no signaling server is used".to_owned(),
                1 => "connected to the server".to_owned(),
                all => format!("connected to {joined} of {all} servers"),
            };
            let is_detour = |server: &ServerStatus| !server.carrier.is_websocket();
            let by_detour = status.signaling.iter().filter(is_joined).any(is_detour);
            let words = if by_detour { WITHOUT_WEBSOCKETS } else { "" };
            (Some(true), detail + words)
        }
        Phase::Disconnected => (None, "not connected: connect() was not called".to_owned()),
        Phase::Connecting => (None, "waiting for the server".to_owned()),
        Phase::Reconnecting | Phase::Error if concerns_room(status) => {
            (Some(true), "the server answers".to_owned())
        }
        Phase::Reconnecting | Phase::Error => (Some(false), problem_of(status)),
    }
}

fn room(status: &Status) -> (Option<bool>, String) {
    match status.state {
        Phase::Connected => match failing(DoctorStage::Room, status, is_being_made) {
            Some(failing) => (Some(false), failing),
            None => {
                let (others, log) = (status.links.len(), log(&status.kept));
                (Some(true), format!("{others} others in the room; {log}"))
            }
        },
        Phase::Error | Phase::Reconnecting if concerns_room(status) => {
            (Some(false), problem_of(status))
        }
        _ => (None, "not in the room yet".to_owned()),
    }
}

/// The part of the document that the room's log has.
fn log(kept: &Kept) -> String {
    match (kept.ahead, &kept.problem) {
        (Some(0), _) => "a server keeps all of the document".to_owned(),
        (Some(ahead), None) => format!("{ahead} operations are not kept at a server yet"),
        (Some(ahead), Some(problem)) => {
            format!("{ahead} operations are not kept at a server: {problem}")
        }
        (None, Some(problem)) => format!("no server keeps the document: {problem}"),
        (None, None) => "what a server keeps is being read".to_owned(),
    }
}

/// Whether the link to a peer does not carry edits yet, or not at the moment.
fn is_being_made(link: &PeerLink) -> bool {
    matches!(link.state, LinkState::Connecting | LinkState::Interrupted)
}

/// The peer whose last problem was at this stage, with the problem.
fn failing(
    stage: DoctorStage,
    status: &Status,
    is_under_way: impl Fn(&PeerLink) -> bool,
) -> Option<String> {
    let is_failing = |link: &&PeerLink| {
        link.problem_stage == Some(stage) && (is_under_way(link) || stage == DoctorStage::Sync)
    };
    let link = status.links.iter().find(is_failing)?;
    let problem = link.problem.clone().unwrap_or_default();
    Some(format!("{}: {problem}", link.peer))
}

/// Finds a peer whose last problem was at this stage, and one whose link is being made.
fn of_links(
    stage: DoctorStage,
    status: &Status,
    is_under_way: impl Fn(&PeerLink) -> bool,
    doing: &str,
) -> (Option<bool>, String) {
    if stage == DoctorStage::Channel
        && let Some(problem) = transport_problem(status)
    {
        return (Some(false), format!("a transport of your own: {problem}"));
    }
    if let Some(failing) = failing(stage, status, &is_under_way) {
        return (Some(false), failing);
    }
    let is_waiting = |link: &&PeerLink| is_under_way(link) && link.problem_stage.is_none();
    match status.links.iter().find(is_waiting) {
        Some(link) => (None, format!("{doing} {}", link.peer)),
        None => (Some(true), "no peer has a problem here".to_owned()),
    }
}

/// The first peer whose text differs from ours, and the event at which the two differ.
fn divergence(status: &Status) -> String {
    let diverged = status.links.iter().filter_map(|link| {
        let peer = &link.peer;
        Some(match &link.diverged.as_ref()?.id {
            Some((agent, seq)) => format!("{peer} has another event ({agent}, {seq})"),
            None => format!("{peer} has another text at the same version"),
        })
    });
    let diverged: Vec<String> = diverged.collect();
    diverged.join("; ")
}

fn transport_problem(status: &Status) -> Option<&str> {
    let mut all = status.transports.iter();
    all.find(|transport| transport.state != TransportState::Open && transport.problem.is_some())?
        .problem
        .as_deref()
}

/// A peer for which another kind of link carries the edits, since there is no direct connection.
fn detour(status: &Status) -> Option<String> {
    status.links.iter().find_map(|link| {
        let reason = link.detour.as_ref()?;
        let carrier = link.link.as_str();
        Some(format!(
            "{}: no direct connection ({reason}); edits go by the link of kind {carrier}",
            link.peer
        ))
    })
}

/// The remedy for a failure at a stage.
fn advice(stage: DoctorStage, ways: Ways, status: &Status) -> &'static str {
    match stage {
        DoctorStage::Environment if ways.webrtc => {
            "Use a current browser, and open the page by https or from localhost."
        }
        DoctorStage::Environment if ways.relay => {
            "The other page has no key for the encrypted relay: open the room by the same link \
                 there, or use a browser that allows WebRTC here."
        }
        DoctorStage::Environment => {
            "Use a browser that allows WebRTC, or set a key in both pages, so that the encrypted \
                 relay can be used."
        }
        DoctorStage::Signaling => {
            "Check the server's address, that the server runs, and that no proxy or firewall \
                 blocks WebSockets."
        }
        DoctorStage::Room if status.state == Phase::Connected => {
            "Open the room by the same link in both pages: a room with a key lets nobody in without it."
        }
        DoctorStage::Room => {
            "Check the room, the token and that nobody else has the same name; then connect \
                 again."
        }
        DoctorStage::Offer => {
            "The peer does not answer: its page may be asleep or gone. Reload it."
        }
        DoctorStage::Ice if ways.relay => {
            "The networks block a direct path, and the other page has no key for the encrypted \
                 relay: open the room by the same link there, or set a TURN server in iceServers."
        }
        DoctorStage::Ice => {
            "The networks block a direct path. Set a TURN server in iceServers, or a key, so \
                 that the encrypted relay can be used."
        }
        DoctorStage::Channel => {
            "The link broke off. It is made anew; if that goes on, the network is not stable."
        }
        DoctorStage::Sync if status.links.iter().any(|link| link.diverged.is_some()) => {
            "Compare the two texts, and go on in a new room with a new document made from either."
        }
        DoctorStage::Sync => {
            "Reload both pages, so that they run the same version. If that does not help, \
                 report it with the operations of both."
        }
    }
}

/// Whether the server answered, and refused this member.
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
    let error = status.error.as_ref();
    error.map_or_else(String::new, |error| error.message.clone())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Problem;

    const WAYS: Ways = Ways {
        websocket: true,
        webrtc: true,
        broadcast: true,
        relay: false,
    };

    fn link(state: LinkState, synced: bool, problem: Option<(DoctorStage, &str)>) -> PeerLink {
        PeerLink {
            peer: "bob".to_owned(),
            link: LinkKind::WebRtc,
            state,
            synced,
            read_only: false,
            diverged: None,
            rtt: None,
            bytes_in: 0,
            bytes_out: 0,
            ahead: None,
            behind: None,
            problem: problem.map(|(_, message)| message.to_owned()),
            problem_stage: problem.map(|(stage, _)| stage),
            detour: None,
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
            let diagnosis = diagnose(&status, WAYS);
            assert_eq!(diagnosis.stage, Some(stage), "{diagnosis:?}");
            assert!(!diagnosis.message.is_empty());
            assert_eq!(diagnosis.advice, Some(advice(stage, WAYS, &status)));
        }
        let bare = Ways {
            webrtc: false,
            broadcast: false,
            ..WAYS
        };
        let diagnosis = diagnose(&status(Phase::Disconnected, None, vec![]), bare);
        assert_eq!(diagnosis.stage, Some(DoctorStage::Environment));
    }

    #[test]
    fn without_webrtc_the_advice_names_no_turn_server() {
        let reason = "this browser has no WebRTC";
        let problem = Some((DoctorStage::Environment, reason));
        let unreached = link(LinkState::Connecting, false, problem);
        let status = status(Phase::Connected, None, vec![unreached]);
        for relay in [false, true] {
            let ways = Ways {
                webrtc: false,
                relay,
                ..WAYS
            };
            let diagnosis = diagnose(&status, ways);
            assert_eq!(diagnosis.stage, Some(DoctorStage::Environment));
            assert_eq!(diagnosis.message, format!("bob: {reason}"));
            let outcome = |at: DoctorStage| {
                let check = diagnosis.checks.iter().find(|check| check.stage == at);
                check.unwrap().ok
            };
            assert_eq!(outcome(DoctorStage::Signaling), Some(true));
            assert_eq!(outcome(DoctorStage::Room), Some(true));
            assert_eq!(outcome(DoctorStage::Ice), None);
            let advice = diagnosis.advice.unwrap();
            assert!(!advice.contains("TURN"), "{advice}");
        }
    }

    #[test]
    fn a_detour_is_not_a_failure_and_is_named() {
        let mut relayed = link(LinkState::Open, true, None);
        relayed.link = LinkKind::Relay;
        relayed.detour = Some("no way through".to_owned());
        let diagnosis = diagnose(&status(Phase::Connected, None, vec![relayed]), WAYS);
        assert_eq!(
            (diagnosis.stage, diagnosis.message.as_str()),
            (None, "all is well")
        );
        let ice = diagnosis
            .checks
            .iter()
            .find(|check| check.stage == DoctorStage::Ice);
        assert!(ice.is_some_and(|check| check.detail.contains("no way through")));
    }

    #[test]
    fn working_and_pending_stages_are_not_failures() {
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
            let diagnosis = diagnose(&status, WAYS);
            assert_eq!(
                (diagnosis.stage, diagnosis.message.as_str()),
                (None, message)
            );
            assert_eq!(diagnosis.advice, None);
        }
    }

    #[test]
    fn the_room_stage_says_what_the_server_keeps() {
        let full = Some("the log is full".to_owned());
        for (ahead, problem, words) in [
            (Some(0), None, "a server keeps all of the document"),
            (Some(12), None, "12 operations are not kept at a server yet"),
            (
                Some(12),
                full.clone(),
                "12 operations are not kept at a server: the log is full",
            ),
            (None, full, "no server keeps the document: the log is full"),
            (None, None, "what a server keeps is being read"),
        ] {
            let mut status = status(Phase::Connected, None, vec![]);
            status.kept = Kept {
                ahead,
                problem,
                skipped: 0,
            };
            let diagnosis = diagnose(&status, WAYS);
            let mut checks = diagnosis.checks.iter();
            let room = checks
                .find(|check| check.stage == DoctorStage::Room)
                .expect("every stage is there");
            assert_eq!(
                (room.ok, &room.detail),
                (Some(true), &format!("0 others in the room; {words}"))
            );
        }
    }

    #[test]
    fn a_solved_problem_is_forgotten() {
        let open = link(
            LinkState::Open,
            true,
            Some((DoctorStage::Ice, "it failed once")),
        );
        let diagnosis = diagnose(&status(Phase::Connected, None, vec![open]), WAYS);
        assert_eq!(diagnosis.stage, None);
    }
}
