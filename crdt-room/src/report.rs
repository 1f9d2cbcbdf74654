//! Builds the status from the states of the components and the engine.

use crdt_sync::{LinkId, PeerStatus, SortedSet};
use signaling_protocol::AgentId;

use crate::broadcast::Broadcast;
use crate::direct::Direct;
use crate::introductions::Introductions;
use crate::lifecycle::Lifecycle;
use crate::links::Links;
use crate::members::{Member, Members};
use crate::options::{LinkKind, RoomOptions};
use crate::relay::Relay;
use crate::room_key::RoomKey;
use crate::sealed_signals::SealedSignals;
use crate::signaling::Signaling;
use crate::stage::DoctorStage;
use crate::status::{
    Divergence, Kept, LinkState, PeerLink, Phase, Status, TransportState, TransportStatus,
};
use crate::transports::Transports;

/// The data of a status.
pub(crate) struct View<'a> {
    pub(crate) options: &'a RoomOptions,
    pub(crate) lifecycle: &'a Lifecycle,
    pub(crate) signaling: &'a Signaling,
    pub(crate) members: &'a Members,
    pub(crate) direct: &'a Direct,
    pub(crate) broadcast: &'a Broadcast,
    pub(crate) relay: &'a Relay,
    pub(crate) key: &'a RoomKey,
    pub(crate) sealed_signals: &'a SealedSignals,
    pub(crate) introductions: &'a Introductions,
    /// The part of the document that the servers store.
    pub(crate) kept: Kept,
    pub(crate) transports: &'a Transports,
    /// The open links.
    pub(crate) open: &'a Links,
    /// This member is read-only.
    pub(crate) is_read_only: bool,
    /// The engine's status of its links.
    pub(crate) figures: &'a [PeerStatus],
}

impl View<'_> {
    pub(crate) fn status(&self) -> Status {
        let transports = self.transports();
        let links = self.links();
        let is_open = |link: &&PeerLink| match link.link {
            LinkKind::Custom => true,
            _ => matches!(link.state, LinkState::Open | LinkState::Interrupted),
        };
        let linked = links.iter().filter(is_open).map(|link| link.peer.clone());
        let by_transport = transports.iter().filter_map(|of| of.peer.clone());
        let peers: SortedSet<String> = linked.chain(by_transport).collect();
        let peers: Vec<String> = peers.into_iter().collect();
        let phase = self.lifecycle.phase();
        Status {
            connected: phase == Phase::Connected || !peers.is_empty(),
            peers,
            state: phase,
            agent_id: self.options.agent.to_string(),
            room: self.options.room.as_ref().map(ToString::to_string),
            url: self.signaling.url().map(str::to_owned),
            signaling: self.signaling.status(),
            error: self.lifecycle.problem(),
            relay_off: self.relay.off().map(str::to_owned),
            read_only: self.is_read_only,
            kept: self.kept.clone(),
            shared: shared(&links),
            links,
            transports,
            open_connections: self.direct.count(),
        }
    }

    fn figures(&self, link: LinkId) -> Option<&PeerStatus> {
        self.figures.iter().find(|figures| figures.link == link)
    }

    fn transports(&self) -> Vec<TransportStatus> {
        let of = |(state, link, problem): (TransportState, Option<LinkId>, Option<&str>)| {
            let figures = link.and_then(|link| self.figures(link));
            let unproven = link.filter(|link| self.introductions.is_pending(*link));
            let problem = problem.or_else(|| self.introductions.problem(unproven?));
            TransportStatus {
                state: match unproven {
                    Some(_) => TransportState::Connecting,
                    None => state,
                },
                peer: figures.and_then(|figures| figures.agent.clone()),
                problem: problem.map(str::to_owned),
            }
        };
        self.transports.states().map(of).collect()
    }

    /// What the engine knows of the peers at the other ends of transports.
    fn transport_peers(&self) -> impl Iterator<Item = &PeerStatus> {
        let links = self.transports.states().filter_map(|(_, link, _)| link);
        let figures = links.filter_map(|link| self.figures(link));
        figures.filter(|figures| figures.agent.is_some())
    }

    /// One entry for each peer, whichever way it was found.
    fn links(&self) -> Vec<PeerLink> {
        let members = self.members.iter();
        let mut links: Vec<PeerLink> = members.map(|(id, member)| self.link(id, member)).collect();
        let in_room = |session| self.members.with_page(session).is_some();
        let others = self.transport_peers();
        let others = others.filter(|of| of.active && !of.session.is_some_and(in_room));
        // The members are in the order of their names.
        for figures in others {
            let peer = figures.agent.clone().unwrap_or_default();
            let at = links.partition_point(|other| other.peer <= peer);
            links.insert(at, self.by_transport(peer, figures));
        }
        links
    }

    /// The entry of a peer at the other end of a user's transport.
    fn by_transport(&self, peer: String, figures: &PeerStatus) -> PeerLink {
        let mut shown = entry(peer, LinkKind::Custom, LinkState::Open, Some(figures));
        shown.read_only = self.is_reader(figures.link);
        shown
    }

    /// Whether the other end of an open link has not proved that it may write.
    fn is_reader(&self, link: LinkId) -> bool {
        self.open.get(link).is_some_and(|open| !open.is_writer)
    }

    fn link(&self, id: &AgentId, member: &Member) -> PeerLink {
        let by_transport = self.transport_peers().find(|figures| {
            figures.active && figures.session.is_some() && figures.session == member.page
        });
        if let Some(figures) = by_transport {
            let mut shown = self.by_transport(id.to_string(), figures);
            shown.read_only |= member.is_read_only;
            return shown;
        }
        let is_proven = |link: &LinkId| !self.introductions.is_pending(*link);
        let local = self.broadcast.link_to(id).filter(is_proven);
        let direct = self.direct.link_to(id);
        let relayed = self.relay.link_to(id).filter(is_proven);
        let steady = direct.filter(|_| self.direct.carries(id));
        let (kind, link) = match (local, steady, relayed, direct) {
            (Some(link), ..) => (LinkKind::Broadcast, Some(link)),
            (_, Some(link), ..) => (LinkKind::WebRtc, Some(link)),
            (_, _, Some(link), _) => (LinkKind::Relay, Some(link)),
            (.., Some(link)) => (LinkKind::WebRtc, Some(link)),
            _ => (self.next_kind(id), None),
        };
        let state = match link {
            Some(_) if kind == LinkKind::WebRtc && self.direct.is_interrupted(id) => {
                LinkState::Interrupted
            }
            Some(_) => LinkState::Open,
            None if member.is_planned => LinkState::Connecting,
            None => LinkState::Indirect,
        };
        let figures = link.and_then(|link| self.figures(link));
        let mut shown = entry(id.to_string(), kind, state, figures);
        shown.read_only = member.is_read_only || link.is_some_and(|link| self.is_reader(link));
        let direct_problem = self.direct.problem_with(id);
        if state == LinkState::Open {
            shown.detour = match kind {
                LinkKind::Relay if !self.options.allows(LinkKind::WebRtc) => {
                    Some(self.why_not_direct().to_owned())
                }
                LinkKind::Relay => direct_problem.map(|(_, reason)| reason.to_owned()),
                _ => None,
            };
        } else if let Some((stage, reason)) = self.problem(id, member, direct_problem) {
            shown.problem = Some(reason);
            shown.problem_stage = Some(stage);
        }
        shown
    }

    /// The kind of link that is being made to a peer without one.
    fn next_kind(&self, id: &AgentId) -> LinkKind {
        if self.options.allows(LinkKind::WebRtc) {
            LinkKind::WebRtc
        } else if self.relay.can_reach(id) {
            LinkKind::Relay
        } else {
            LinkKind::Broadcast
        }
    }

    /// The reason why no link carries edits to a peer.
    fn problem(
        &self,
        id: &AgentId,
        member: &Member,
        direct: Option<(DoctorStage, &str)>,
    ) -> Option<(DoctorStage, String)> {
        if let Some(reason) = self.key_problem(id, member) {
            return Some((DoctorStage::Room, reason.to_owned()));
        }
        if let Some((stage, reason)) = direct {
            return Some((stage, reason.to_owned()));
        }
        let of_link = self.relay.problem_with(id);
        if let Some(reason) = of_link.or_else(|| self.broadcast.problem_with(id)) {
            return Some((DoctorStage::Channel, reason.to_owned()));
        }
        let is_out_of_reach = member.is_planned
            && member.had_time_to_answer()
            && !self.options.allows(LinkKind::WebRtc)
            && !self.relay.can_reach(id);
        is_out_of_reach.then(|| (DoctorStage::Environment, self.why_out_of_reach()))
    }

    /// Why the keys of this member and of another one do not match.
    fn key_problem(&self, id: &AgentId, member: &Member) -> Option<&str> {
        if self.sealed_signals.is_stranger(id) {
            return Some("this link's key does not open what it sends: it has another key");
        }
        match (self.key.is_there(), member.seals) {
            (true, true) => self.key.problem(),
            (true, false) => Some("its page has no key for this room, or cannot use it"),
            (false, true) => Some("the room has a key, and this page was opened without it"),
            (false, false) => None,
        }
    }

    /// Why this member makes no direct connections.
    fn why_not_direct(&self) -> &'static str {
        if self.options.host.webrtc {
            "direct connections are switched off here"
        } else {
            "this environment has no WebRTC"
        }
    }

    fn why_out_of_reach(&self) -> String {
        let webrtc = self.why_not_direct();
        let relay = match self.relay.off() {
            _ if !self.options.links.contains(&LinkKind::Relay) => "the relay is switched off here",
            Some(_) => "the relay is off here",
            None => "the peer has no key for the relay",
        };
        format!("{webrtc}, {relay}, and it is no page of this browser")
    }
}

/// The peers that have all events of this replica.
fn shared(links: &[PeerLink]) -> Vec<String> {
    let holds_all = |link: &&PeerLink| link.ahead == Some(0) && link.diverged.is_none();
    let holders = links.iter().filter(holds_all);
    holders.map(|link| link.peer.clone()).collect()
}

fn divergence(figures: &PeerStatus) -> Option<Divergence> {
    let id = figures.diverged.as_ref()?.id.clone();
    Some(Divergence {
        id: id.map(|id| (id.agent, id.seq)),
    })
}

fn entry(peer: String, link: LinkKind, state: LinkState, figures: Option<&PeerStatus>) -> PeerLink {
    // The engine's flag means that both sides had the same events at some time; later events of
    // either count, too.
    let is_synced = |of: &PeerStatus| of.synced && of.ahead == 0 && of.behind == 0;
    PeerLink {
        peer,
        link,
        state,
        synced: figures.is_some_and(is_synced),
        diverged: figures.and_then(divergence),
        rtt: figures.and_then(|of| of.rtt),
        bytes_in: figures.map_or(0, |of| of.bytes_in),
        bytes_out: figures.map_or(0, |of| of.bytes_out),
        ahead: figures.map(|of| of.ahead),
        behind: figures.map(|of| of.behind),
        read_only: false,
        problem: None,
        problem_stage: None,
        detour: None,
    }
}
