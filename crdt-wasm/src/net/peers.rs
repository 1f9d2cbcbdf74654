//! Who is in the room, who of them we connect to, and the connection to each.

use std::collections::BTreeMap;

use crdt_sync::negotiation::{ConnectionState, Negotiation, Timing, offers};
use crdt_sync::{Engine, LinkId, PeerStatus};
use js_sys::Array;
use signaling_protocol::AgentId;

use super::status::{LinkState, PeerLink};
use super::wire::Wire;

/// Everyone in the room but us.
#[derive(Default)]
pub(crate) struct Peers {
    all: BTreeMap<AgentId, Peer>,
    last_link: u32,
    /// Counts negotiations, so that each has a session of its own within the page.
    negotiations: u32,
    /// What the signaling server offers for finding paths.
    server_ice: Array,
}

/// Someone in the room.
pub(crate) struct Peer {
    /// Its page load, where it says.
    pub(super) page: Option<u64>,
    /// The negotiation, where a connection is wanted by either side.
    pub(super) negotiation: Option<Negotiation>,
    pub(super) wire: Option<Wire>,
    /// The state of the connection under the wire.
    pub(super) state: ConnectionState,
    /// The channel closed, and by then a new connection is to be made; who leaves the room closes
    /// its channels too, and `peer_left` says so in a moment.
    pub(super) renew_at: Option<u64>,
    /// What went wrong last, until it works.
    pub(super) problem: Option<String>,
}

impl Peers {
    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    pub(super) fn set_server_ice(&mut self, servers: Array) {
        self.server_ice = servers;
    }

    pub(super) fn server_ice(&self) -> &Array {
        &self.server_ice
    }

    pub(super) fn get(&self, id: &AgentId) -> Option<&Peer> {
        self.all.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &AgentId) -> Option<&mut Peer> {
        self.all.get_mut(id)
    }

    /// Takes a newcomer in, in place of who had the name before.
    pub(super) fn add(&mut self, id: AgentId, page: Option<u64>) {
        let peer = Peer {
            page,
            negotiation: None,
            wire: None,
            state: ConnectionState::New,
            renew_at: None,
            problem: None,
        };
        self.all.insert(id, peer);
    }

    pub(super) fn remove(&mut self, id: &AgentId) {
        self.all.remove(id);
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
        let up = self.all.iter().filter(|(_, peer)| peer.is_up());
        up.map(|(id, _)| id.to_string()).collect()
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

    /// The wires that the engine knows of.
    pub(super) fn up(&self) -> impl Iterator<Item = &Wire> {
        self.all
            .values()
            .filter_map(|peer| peer.wire.as_ref())
            .filter(|wire| wire.is_up)
    }

    pub(super) fn links(&self, engine: Option<&Engine>) -> Vec<PeerLink> {
        let figures: Vec<PeerStatus> = engine.into_iter().flat_map(Engine::peers).collect();
        let link = |(id, peer): (&AgentId, &Peer)| {
            let wire = peer.wire.as_ref().filter(|wire| wire.is_up);
            let figures =
                wire.and_then(|wire| figures.iter().find(|status| status.link == wire.link));
            PeerLink {
                peer: id.to_string(),
                link: "webrtc",
                state: peer.link_state(),
                synced: figures.is_some_and(|figures| figures.synced),
                rtt: figures
                    .and_then(|figures| figures.rtt)
                    .map(|rtt| rtt as f64),
                bytes_in: figures.map_or(0.0, |figures| figures.bytes_in as f64),
                bytes_out: figures.map_or(0.0, |figures| figures.bytes_out as f64),
                ahead: figures.map(|figures| figures.ahead as f64),
                behind: figures.map(|figures| figures.behind as f64),
                problem: peer.problem.clone(),
            }
        };
        self.all.iter().map(link).collect()
    }
}

impl Peer {
    /// Whether edits go through to it directly.
    pub(super) fn is_up(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.is_up)
    }

    fn link_state(&self) -> LinkState {
        match (self.is_up(), self.state) {
            (true, ConnectionState::Disconnected | ConnectionState::Failed) => {
                LinkState::Interrupted
            }
            (true, _) => LinkState::Open,
            (false, _) if self.negotiation.is_some() => LinkState::Connecting,
            (false, _) => LinkState::Indirect,
        }
    }
}

/// Whether of the two we are the one that opens the channels and makes the first offer.
pub(super) fn we_offer(me: &AgentId, peer: &AgentId) -> bool {
    offers(me.as_str(), peer.as_str())
}
