//! Who is in the room, who of them we connect to, and the connection to each.

use std::collections::BTreeMap;

use crdt_sync::negotiation::{ConnectionState, Negotiation, Timing, offers};
use crdt_sync::{LinkId, PeerStatus};
use signaling_protocol::AgentId;

use super::bus::BusLink;
use super::custom::Customs;
use super::doctor::DoctorStage;
use super::options::LinkKind;
use super::page;
use super::relay::{self, RelayLink, RelayMemory};
use super::signaling::ServerId;
use super::status::{LinkState, PeerLink};
use super::transport::Transport;
use super::wire::Wire;

/// Everyone in the room but us.
#[derive(Default)]
pub(crate) struct Peers {
    all: BTreeMap<AgentId, Peer>,
    last_link: u32,
    /// Counts negotiations, so that each has a session of its own within the page.
    negotiations: u32,
}

/// Someone in the room.
pub(crate) struct Peer {
    /// Its page load, where it says.
    pub(super) page: Option<u64>,
    /// The servers that name it, each with the page load that it names.
    pub(super) places: BTreeMap<ServerId, Option<u64>>,
    /// The negotiation, where a connection is wanted by either side.
    pub(super) negotiation: Option<Negotiation>,
    /// The mesh wants a link to it.
    pub(super) planned: bool,
    pub(super) wire: Option<Wire>,
    /// Made already, for the offer that is to come: it takes a browser some time.
    pub(super) prepared: Option<Wire>,
    pub(super) bus: Option<BusLink>,
    /// The direct connection is interrupted, and something else should carry the edits.
    pub(super) fallback: bool,
    pub(super) relay: Option<RelayLink>,
    pub(super) relayed: RelayMemory,
    /// The state of the connection under the wire.
    pub(super) state: ConnectionState,
    /// The channel closed, and by then a new connection is to be made; who leaves the room closes
    /// its channels too, and `peer_left` says so in a moment.
    pub(super) renew_at: Option<u64>,
    /// What it sent by the bus breaks the protocol.
    pub(super) breaks_protocol: bool,
    /// What went wrong last, until it works.
    pub(super) problem: Option<(DoctorStage, String)>,
}

/// Someone of whom the signaling server tells.
pub(crate) struct Newcomer {
    pub(super) id: AgentId,
    /// The page load, where it says.
    pub(super) page: Option<u64>,
    /// It has a key for the relay.
    pub(super) relays: bool,
}

impl Newcomer {
    pub(super) fn new(id: AgentId, capabilities: &[String]) -> Newcomer {
        Newcomer {
            id,
            page: page::of(capabilities),
            relays: capabilities.iter().any(|name| name == relay::CAPABILITY),
        }
    }
}

impl Peers {
    pub(super) fn get(&self, id: &AgentId) -> Option<&Peer> {
        self.all.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &AgentId) -> Option<&mut Peer> {
        self.all.get_mut(id)
    }

    /// Takes a newcomer in, whom `server` names, in place of who had the name before.
    pub(super) fn add(&mut self, server: ServerId, newcomer: Newcomer) {
        let peer = Peer {
            page: newcomer.page,
            places: BTreeMap::from([(server, newcomer.page)]),
            negotiation: None,
            planned: false,
            wire: None,
            prepared: None,
            bus: None,
            fallback: false,
            relay: None,
            relayed: RelayMemory::new(newcomer.relays),
            state: ConnectionState::New,
            renew_at: None,
            breaks_protocol: false,
            problem: None,
        };
        self.all.insert(newcomer.id, peer);
    }

    pub(super) fn remove(&mut self, id: &AgentId) {
        self.all.remove(id);
    }

    /// Who has this page load.
    pub(super) fn with_page(&self, page: u64) -> Option<&AgentId> {
        let mut all = self.all.iter();
        all.find(|(_, peer)| peer.page == Some(page))
            .map(|(id, _)| id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &AgentId> {
        self.all.keys()
    }

    /// A number for the next connection.
    pub(super) fn next_link(&mut self) -> LinkId {
        self.last_link = self.last_link.wrapping_add(1);
        LinkId(self.last_link)
    }

    /// Makes a negotiation with a peer that has none, and says whether it did.
    pub(super) fn negotiate_with(&mut self, me: &AgentId, page: u64, id: &AgentId) -> bool {
        let Some(peer) = self
            .all
            .get_mut(id)
            .filter(|peer| peer.negotiation.is_none())
        else {
            return false;
        };
        self.negotiations = self.negotiations.wrapping_add(1);
        let session = format!("{page:016x}-{}", self.negotiations);
        let negotiation = Negotiation::new(me.as_str(), id.as_str(), &session, Timing::default());
        peer.negotiation = Some(negotiation);
        true
    }

    /// When something has to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        let of = |peer: &Peer| {
            let negotiation = peer
                .negotiation
                .as_ref()
                .and_then(Negotiation::next_timeout);
            [negotiation, peer.renew_at]
        };
        self.all.values().flat_map(of).flatten().min()
    }

    /// The peers with an open link.
    pub(super) fn linked(&self) -> Vec<String> {
        let up = self.all.iter().filter(|(_, peer)| peer.is_linked());
        up.map(|(id, _)| id.to_string()).collect()
    }

    /// Those whom no server names, and no link leads to.
    pub(super) fn gone(&self) -> Vec<AgentId> {
        let is_gone = |peer: &Peer| peer.places.is_empty() && !peer.is_linked();
        let gone = self.all.iter().filter(|(_, peer)| is_gone(peer));
        gone.map(|(id, _)| id.clone()).collect()
    }

    /// The peers that need a new connection now.
    pub(super) fn take_renewals(&mut self, now: u64) -> Vec<AgentId> {
        let is_due = |peer: &Peer| peer.renew_at.is_some_and(|at| at <= now);
        let mut due = Vec::new();
        for (id, peer) in self.all.iter_mut().filter(|(_, peer)| is_due(peer)) {
            peer.renew_at = None;
            due.push(id.clone());
        }
        due
    }

    /// The wire of a link, if that is still the one in use, and whose it is.
    pub(super) fn wire(&mut self, link: LinkId) -> Option<(AgentId, &mut Wire)> {
        self.all.iter_mut().find_map(|(id, peer)| {
            let wire = peer.wire.as_mut().filter(|wire| wire.link == link)?;
            Some((id.clone(), wire))
        })
    }

    /// Whether the wire of a link is in use, and open.
    pub(super) fn is_up(&self, link: LinkId) -> bool {
        let is_it = |wire: &Wire| wire.is_up && wire.link == link;
        let mut wires = self.all.values().filter_map(|peer| peer.wire.as_ref());
        wires.any(is_it)
    }

    /// Whom a link within the browser leads to.
    pub(super) fn on_bus(&self, link: LinkId) -> Option<AgentId> {
        let found = self
            .all
            .iter()
            .find(|(_, peer)| peer.bus_link() == Some(link));
        found.map(|(id, _)| id.clone())
    }

    /// The ways to pages of this browser.
    pub(super) fn buses(&self) -> impl Iterator<Item = &BusLink> {
        self.all.values().filter_map(|peer| peer.bus.as_ref())
    }

    /// Whom a relay link leads to.
    pub(super) fn relayed_to(&self, link: LinkId) -> Option<AgentId> {
        let is_it = |peer: &Peer| peer.relay.as_ref().is_some_and(|relay| relay.link == link);
        self.all
            .iter()
            .find(|(_, peer)| is_it(peer))
            .map(|(id, _)| id.clone())
    }

    /// The transport behind a link.
    pub(super) fn transport(&mut self, link: LinkId) -> Option<&mut dyn Transport> {
        self.all
            .values_mut()
            .find_map(|peer| peer.transport_mut(link))
    }

    /// The transports that the engine knows of.
    pub(super) fn transports(&self) -> impl Iterator<Item = (LinkId, &dyn Transport)> {
        self.all.values().flat_map(Peer::transports)
    }

    /// One entry for each peer, by whatever it was met.
    pub(super) fn links(&self, figures: &[PeerStatus], customs: &Customs) -> Vec<PeerLink> {
        let is_custom = |figures: &PeerStatus| customs.leads(figures.link);
        let link = |(id, peer): (&AgentId, &Peer)| {
            let direct = peer
                .wire
                .as_ref()
                .filter(|wire| wire.is_up)
                .map(|wire| wire.link);
            let relayed = peer
                .relay
                .as_ref()
                .filter(|relay| relay.heard)
                .map(|relay| relay.link);
            let custom = figures.iter().find(|figures| {
                figures.session.is_some() && figures.session == peer.page && is_custom(figures)
            });
            let used = match (direct, relayed) {
                _ if custom.is_some_and(|custom| custom.active) => custom.map(|custom| custom.link),
                _ if peer.bus_link().is_some() => peer.bus_link(),
                (Some(link), _) if peer.is_direct() => Some(link),
                (direct, relayed) => relayed.or(direct),
            };
            let transport = peer.transports().chain(customs.transports());
            let mut transport = transport.filter(|(link, _)| Some(*link) == used);
            let kind = transport
                .next()
                .map_or(LinkKind::WebRtc, |(_, transport)| transport.kind());
            let figures = figures.iter().find(|status| Some(status.link) == used);
            PeerLink {
                peer: id.to_string(),
                link: kind.as_str(),
                state: match kind {
                    LinkKind::Custom => LinkState::Open,
                    _ => peer.link_state(),
                },
                synced: figures.is_some_and(|figures| figures.synced),
                rtt: figures
                    .and_then(|figures| figures.rtt)
                    .map(|rtt| rtt as f64),
                bytes_in: figures.map_or(0.0, |figures| figures.bytes_in as f64),
                bytes_out: figures.map_or(0.0, |figures| figures.bytes_out as f64),
                ahead: figures.map(|figures| figures.ahead as f64),
                behind: figures.map(|figures| figures.behind as f64),
                problem: peer.problem.as_ref().map(|(_, message)| message.clone()),
                problem_stage: peer.problem.as_ref().map(|(stage, _)| *stage),
            }
        };
        let mut links: Vec<PeerLink> = self.all.iter().map(link).collect();
        let in_room = |session| self.all.values().any(|peer| peer.page == Some(session));
        let others = customs.peers(figures);
        for figures in others.filter(|f| f.active && !f.session.is_some_and(in_room)) {
            links.push(PeerLink::by_transport(figures));
        }
        links.sort_by(|a, b| a.peer.cmp(&b.peer));
        links
    }
}

impl Peer {
    fn transports(&self) -> impl Iterator<Item = (LinkId, &dyn Transport)> {
        let bus = self.bus.as_ref();
        let bus = bus.and_then(|bus| Some((bus.link?, bus as &dyn Transport)));
        let wire = self.wire.as_ref().filter(|wire| wire.is_up);
        let wire = wire.map(|wire| (wire.link, wire as &dyn Transport));
        let relay = self.relay.as_ref();
        let relay = relay.map(|relay| (relay.link, relay as &dyn Transport));
        [bus, wire, relay].into_iter().flatten()
    }

    fn transport_mut(&mut self, link: LinkId) -> Option<&mut dyn Transport> {
        if let Some(wire) = &mut self.wire
            && wire.is_up
            && wire.link == link
        {
            return Some(wire);
        }
        match (&mut self.bus, &mut self.relay) {
            (Some(bus), _) if bus.link == Some(link) => Some(bus),
            (_, Some(relay)) if relay.link == link => Some(relay),
            _ => None,
        }
    }

    /// Whether there is an open channel to it.
    pub(super) fn is_up(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.is_up)
    }

    /// The link within this browser, where the peer is a page of it.
    pub(super) fn bus_link(&self) -> Option<LinkId> {
        self.bus.as_ref()?.link
    }

    /// Whether edits go through to it directly.
    pub(super) fn is_direct(&self) -> bool {
        self.bus_link().is_some() || self.is_up() && !self.fallback
    }

    /// Whether edits go through to it.
    fn is_linked(&self) -> bool {
        self.is_up()
            || self.bus_link().is_some()
            || self.relay.as_ref().is_some_and(|relay| relay.heard)
    }

    fn link_state(&self) -> LinkState {
        let is_relayed = self.relay.as_ref().is_some_and(|relay| relay.heard);
        match self.state {
            _ if self.bus_link().is_some() => LinkState::Open,
            _ if !self.is_up() && is_relayed => LinkState::Open,
            _ if !self.is_up() && self.planned => LinkState::Connecting,
            _ if !self.is_up() => LinkState::Indirect,
            ConnectionState::Disconnected | ConnectionState::Failed if !is_relayed => {
                LinkState::Interrupted
            }
            _ => LinkState::Open,
        }
    }
}

/// Whether of the two we are the one that opens the channels and makes the first offer.
pub(super) fn we_offer(me: &AgentId, peer: &AgentId) -> bool {
    offers(me.as_str(), peer.as_str())
}
