//! Brings the connections to peers up and keeps them up: what the room and the browser tell goes
//! into each peer's negotiation, and what that wants done is carried out.

use std::collections::BTreeMap;

use crdt_sync::mesh;
use crdt_sync::negotiation::{Action, ConnectionState, Input, Stage};
use crdt_sync::{CloseReason, LinkId};
use signaling_protocol::{AgentId, ClientMessage, Signal};

use super::browser::{now, random_fraction};
use super::channel::ChannelEvent;
use super::connection::{Connection, ConnectionEvent, open_connections};
use super::core::Core;
use super::doctor::DoctorStage;
use super::error::NetworkError;
use super::message_of;
use super::options::LinkKind;
use super::peers::{Newcomer, we_offer};
use super::session::{Event, Session};
use super::signal;
use super::signaling::ServerId;
use super::wire::{Wire, WireEvent};

/// Chromium makes about 500 connections in a process, which other pages share.
const MAX_CONNECTIONS: usize = 200;

/// Of the links to one peer, the direct one is the first choice but for those that need no network,
/// or were added on purpose.
const DIRECT_RANK: u8 = 2;

/// How long a closed channel waits for word that the peer has left, before it is made anew.
const RENEW_MILLIS: u64 = 500;

impl Core {
    /// The room as it is when we enter it, for the first time or again (`is_back`). Who is not in it but
    /// linked stays: it may have lost the signaling server too, and not be back yet.
    pub(super) fn on_peer_list(
        &mut self,
        session: &Session,
        server: ServerId,
        present: Vec<Newcomer>,
        is_back: bool,
    ) {
        let is_absent = |id: &&AgentId| !present.iter().any(|newcomer| newcomer.id == **id);
        let absent: Vec<AgentId> = self.peers.ids().filter(is_absent).cloned().collect();
        for id in absent {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            peer.places.remove(&server);
            if peer.places.is_empty() && !peer.is_up() && peer.bus_link().is_none() {
                self.drop_peer(session, &id);
            }
        }
        for newcomer in present {
            self.take_in(session, server, newcomer);
        }
        self.plan(session);
        // Signals may have been lost while the server was away.
        if is_back {
            self.on_network_back(session);
        }
    }

    pub(super) fn on_peer_joined(
        &mut self,
        session: &Session,
        server: ServerId,
        newcomer: Newcomer,
    ) {
        self.take_in(session, server, newcomer);
        self.plan(session);
    }

    /// A server does not know a peer any more. It has left when no server does.
    pub(super) fn on_peer_left(&mut self, session: &Session, server: ServerId, id: &AgentId) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.places.remove(&server);
        // It may have been a later page load of the peer that this server knew.
        let elsewhere = peer
            .places
            .iter()
            .next()
            .map(|(server, page)| (*server, *page));
        let is_there = peer.places.values().any(|page| *page == peer.page);
        match elsewhere {
            None => self.drop_peer(session, id),
            Some((server, page)) if !is_there => {
                let newcomer = Newcomer {
                    id: id.clone(),
                    page,
                    relays: peer.relayed.able,
                };
                self.take_in(session, server, newcomer);
            }
            Some(_) => {}
        }
        self.plan(session);
    }

    pub(super) fn on_signal(&mut self, session: &Session, server: ServerId, message: &Signal) {
        let (Some(id), Some(signal)) = (message.from.clone(), signal::read(message)) else {
            return;
        };
        if !session.options().allows(LinkKind::WebRtc) {
            return;
        }
        let known = self.peers.get(&id);
        if known.is_some_and(|peer| peer.bus_link().is_some()) {
            return;
        }
        if known.is_none() {
            self.peers.add(server, Newcomer::new(id.clone(), &[]));
        }
        // It may want a connection that we did not plan, and gets it.
        self.begin(session, &id);
        self.negotiate(session, &id, Input::Signal(signal));
    }

    pub(super) fn on_wire(&mut self, session: &Session, link: LinkId, event: WireEvent) {
        let Some((id, wire)) = self.peers.wire(link) else {
            return;
        };
        let input = match event {
            WireEvent::Connection(ConnectionEvent::NegotiationNeeded) => Input::NegotiationNeeded,
            WireEvent::Connection(ConnectionEvent::Candidate(json)) => Input::LocalCandidate(json),
            WireEvent::Connection(ConnectionEvent::State(state)) => {
                self.on_state(&id, state);
                Input::State(state)
            }
            WireEvent::Connection(ConnectionEvent::Channel(raw)) => {
                if wire.adopt(raw, teller(session, link), session.taker(link)) {
                    self.raise(session, &id);
                }
                return;
            }
            WireEvent::Channel(number, event) => {
                self.on_channel(session, &id, link, number, event);
                return;
            }
            WireEvent::Stepped(op, Ok(None)) => Input::Done { op },
            WireEvent::Stepped(op, Ok(Some(sdp))) => Input::Created { op, sdp },
            WireEvent::Stepped(op, Err(message)) => Input::Failed { op, message },
        };
        self.negotiate(session, &id, input);
    }

    /// A message by a channel of a wire.
    pub(super) fn on_bytes(&mut self, session: &Session, link: LinkId, bytes: &[u8]) {
        if !self.peers.is_up(link) {
            let Some((id, _)) = self.peers.wire(link) else {
                return;
            };
            self.raise(session, &id);
        }
        self.receive_binary(session, link, bytes);
    }

    pub(super) fn tick_peers(&mut self, session: &Session) {
        for id in self.peers.take_renewals(now()) {
            self.negotiate(session, &id, Input::State(ConnectionState::Failed));
        }
        if self.peers.deadline().is_some_and(|at| at <= now()) {
            self.negotiate_all(session, &Input::Tick);
        }
    }

    /// The network is back, or the signaling server is.
    pub(super) fn on_network_back(&mut self, session: &Session) {
        self.negotiate_all(session, &Input::Online);
    }

    /// The engine, or the channel, has given the link up: a new connection is made.
    pub(super) fn link_lost(&mut self, session: &Session, link: LinkId, reason: &str) {
        let Some((id, _)) = self.peers.wire(link) else {
            return;
        };
        self.drop_wire(session, &id);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.problem = Some((DoctorStage::Channel, reason.to_owned()));
        }
        self.negotiate(session, &id, Input::State(ConnectionState::Failed));
    }

    /// The engine closes a link, and has forgotten it already.
    pub(super) fn on_close(&mut self, session: &Session, link: LinkId, reason: &CloseReason) {
        if let Some(id) = self.peers.on_bus(link) {
            self.on_bus_close(session, &id, reason);
            return;
        }
        if let Some(id) = self.peers.relayed_to(link) {
            self.on_relay_close(&id, reason);
            return;
        }
        if self.on_custom_close(session, link, reason) {
            return;
        }
        let Some((id, wire)) = self.peers.wire(link) else {
            return;
        };
        wire.is_up = false;
        match reason {
            // A new connection may do better.
            CloseReason::Dead { .. }
            | CloseReason::Stalled { .. }
            | CloseReason::FragmentTimeout { .. } => {
                self.link_lost(session, link, &reason.to_string());
                return;
            }
            CloseReason::Goodbye | CloseReason::Leaving | CloseReason::OwnSession => {}
            // With such a peer the next connection would end the same way.
            CloseReason::Malformed(_)
            | CloseReason::Operations(_)
            | CloseReason::History(_)
            | CloseReason::Version(_)
            | CloseReason::PresenceFlood { .. }
            | CloseReason::Outdated { .. } => {
                let (peer, reason) = (id.to_string(), reason.to_string());
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.problem = Some((DoctorStage::Sync, reason.clone()));
                }
                self.tell_error(session, NetworkError::PeerClosed { peer, reason });
            }
        }
        self.negotiate(session, &id, Input::Stop);
        self.drop_wire(session, &id);
    }

    /// A server names a peer. One that another server has named already is the same one, if it is the
    /// same page load; one whom the same server names again has come back to it, and begins anew unless
    /// a link to it stands.
    fn take_in(&mut self, session: &Session, server: ServerId, newcomer: Newcomer) {
        let page = newcomer.page;
        let mut places = BTreeMap::new();
        if let Some(peer) = self.peers.get_mut(&newcomer.id) {
            let stands = page.is_some() && (peer.is_up() || peer.bus_link().is_some());
            let is_known_here = peer.places.insert(server, page).is_some();
            if peer.page == page && (stands || !is_known_here) {
                return;
            }
            places = std::mem::take(&mut peer.places);
        }
        let id = newcomer.id.clone();
        self.drop_peer(session, &id);
        self.peers.add(server, newcomer);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.places.extend(places);
        }
    }

    /// Lets go of those whom a link held here while no server knew them, once it is gone.
    pub(super) fn forget_the_gone(&mut self, session: &Session) {
        if self.signaling.is_any_joined() {
            for id in self.peers.gone() {
                self.drop_peer(session, &id);
            }
        }
    }

    /// Lets go of everyone.
    pub(super) fn drop_all_peers(&mut self, session: &Session) {
        let ids: Vec<AgentId> = self.peers.ids().cloned().collect();
        for id in ids {
            self.drop_peer(session, &id);
        }
    }

    /// The server by which a peer can be sent something.
    pub(super) fn way_to(&self, id: &AgentId) -> Option<ServerId> {
        let mut servers = self.peers.get(id)?.places.keys().copied();
        servers.find(|server| self.signaling.is_joined(*server))
    }

    fn drop_peer(&mut self, session: &Session, id: &AgentId) {
        self.drop_wire(session, id);
        self.drop_relay(session, id, false);
        self.drop_bus(session, id);
        self.peers.remove(id);
    }

    /// Connects to those of the room that the mesh wants, and leaves those that it does not.
    pub(super) fn plan(&mut self, session: &Session) {
        let identity = session.identity();
        let me = &identity.agent;
        let linked = self.peers.linked();
        let members: Vec<AgentId> = self.peers.ids().cloned().collect();
        let plan = mesh::plan(
            me.as_str(),
            members.iter().map(AgentId::as_str),
            linked.iter().map(String::as_str),
        );
        let wanted = mesh::peers(me.as_str(), members.iter().map(AgentId::as_str));
        let is_direct_allowed = session.options().allows(LinkKind::WebRtc);
        for id in &members {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.planned = wanted.contains(id.as_str());
            }
            if wanted.contains(id.as_str()) {
                self.greet(session, id);
            } else if plan.drop.contains(id.as_str()) {
                self.take_leave_by_bus(session, id);
            }
            // Who gives no page knows nothing of the mesh, and would only come back.
            let peer = self.peers.get(id);
            let knows_mesh = peer.is_some_and(|peer| peer.page.is_some());
            let is_idle = peer.is_some_and(|peer| peer.negotiation.is_none());
            let is_local = peer.is_some_and(|peer| peer.bus_link().is_some());
            if is_local || plan.drop.contains(id.as_str()) && knows_mesh {
                self.negotiate(session, id, Input::Stop);
                self.drop_wire(session, id);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.negotiation = None;
                    peer.prepared = None;
                }
            } else if wanted.contains(id.as_str()) && is_idle && is_direct_allowed {
                self.begin(session, id);
            }
        }
    }

    /// Begins to negotiate with a peer, unless that is going on.
    fn begin(&mut self, session: &Session, id: &AgentId) {
        let identity = session.identity();
        if self
            .peers
            .negotiate_with(&identity.agent, identity.page(), id)
        {
            self.negotiate(session, id, Input::Start);
            if !we_offer(&identity.agent, id) {
                let prepared = self.make_wire(session, id);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.prepared = prepared;
                }
            }
        }
    }

    fn negotiate_all(&mut self, session: &Session, input: &Input) {
        let ids: Vec<AgentId> = self.peers.ids().cloned().collect();
        for id in ids {
            self.negotiate(session, &id, input.clone());
        }
    }

    fn negotiate(&mut self, session: &Session, id: &AgentId, input: Input) {
        let actions = self
            .peers
            .get_mut(id)
            .and_then(|peer| peer.negotiation.as_mut())
            .map(|negotiation| negotiation.handle(input, now(), random_fraction()));
        for action in actions.into_iter().flatten() {
            self.act(session, id, action);
        }
    }

    fn act(&mut self, session: &Session, id: &AgentId, action: Action) {
        match action {
            Action::Create { .. } => {
                self.drop_wire(session, id);
                self.open_wire(session, id);
            }
            Action::Close => self.drop_wire(session, id),
            Action::Send(signal) => {
                let me = session.identity().agent.clone();
                // One that cannot be sent is lost; the negotiation tries again.
                if let Some(server) = self.way_to(id)
                    && let Some(message) = signal::write(&signal, me, id.clone())
                {
                    self.signaling.send(server, &ClientMessage::Signal(message));
                }
            }
            Action::Problem { stage, message } => {
                let error = NetworkError::PeerUnreachable {
                    peer: id.to_string(),
                    stage: stage_name(stage),
                    reason: message.clone(),
                };
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.problem = Some((stage_of(stage), message));
                }
                self.tell_error(session, error);
            }
            Action::Fallback(on) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.fallback = on;
                }
            }
            step => self.take_step(session, id, step),
        }
    }

    fn take_step(&mut self, session: &Session, id: &AgentId, step: Action) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let is_our_kind = peer.page.is_some();
        let Some(wire) = &mut peer.wire else {
            return;
        };
        let tell = teller(session, wire.link);
        // An offer without channels would connect nothing; the peer has not opened any.
        if matches!(step, Action::CreateOffer { .. }) && !wire.has_channels() {
            wire.open_channels(is_our_kind, tell.clone(), session.taker(wire.link));
        }
        wire.step(step, tell);
    }

    /// Makes a connection to a peer, without channels yet; that it fails is told.
    fn make_wire(&mut self, session: &Session, id: &AgentId) -> Option<Wire> {
        let open = open_connections();
        let link = self.peers.next_link();
        let made = if open < MAX_CONNECTIONS {
            let tell = teller(session, link);
            let ice_servers = session
                .options()
                .ice_servers
                .concat(&self.signaling.ice_servers());
            Connection::new(&ice_servers, move |event| {
                tell(WireEvent::Connection(event))
            })
            .map_err(|thrown| NetworkError::PeerUnreachable {
                peer: id.to_string(),
                stage: "connection",
                reason: message_of(&thrown),
            })
        } else {
            Err(NetworkError::TooManyConnections {
                peer: id.to_string(),
                open,
            })
        };
        match made {
            Ok(connection) => Some(Wire::new(link, connection, self.low_water())),
            Err(error) => {
                self.tell_error(session, error);
                None
            }
        }
    }

    fn open_wire(&mut self, session: &Session, id: &AgentId) {
        let prepared = self.peers.get_mut(id).and_then(|peer| peer.prepared.take());
        let Some(mut wire) = prepared.or_else(|| self.make_wire(session, id)) else {
            return;
        };
        let link = wire.link;
        if let Some(peer) = self.peers.get_mut(id) {
            if we_offer(&session.identity().agent, id) {
                let (tell, take) = (teller(session, link), session.taker(link));
                wire.open_channels(peer.page.is_some(), tell, take);
            }
            peer.wire = Some(wire);
            peer.state = ConnectionState::New;
            peer.renew_at = None;
        }
    }

    /// Closes the connection to a peer, and lets the engine know.
    fn drop_wire(&mut self, session: &Session, id: &AgentId) {
        let wire = self.peers.get_mut(id).and_then(|peer| peer.wire.take());
        if let Some(wire) = wire.filter(|wire| wire.is_up) {
            self.link_down(session, wire.link);
        }
    }

    fn on_state(&mut self, id: &AgentId, state: ConnectionState) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.state = state;
            if state == ConnectionState::Connected {
                peer.problem = None;
            }
        }
    }

    fn on_channel(
        &mut self,
        session: &Session,
        id: &AgentId,
        link: LinkId,
        number: usize,
        event: ChannelEvent,
    ) {
        let is_document = self
            .peers
            .wire(link)
            .is_some_and(|(_, wire)| wire.carries_document(number));
        match event {
            ChannelEvent::Open if is_document => self.raise(session, id),
            ChannelEvent::Open | ChannelEvent::Drained => {}
            ChannelEvent::Text(text) => {
                self.raise(session, id);
                self.receive_text(session, link, &text);
            }
            ChannelEvent::Closed if is_document => {
                self.drop_wire(session, id);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.renew_at = Some(now() + RENEW_MILLIS);
                }
            }
            ChannelEvent::Closed => {}
        }
    }

    /// The channel works: the engine may use it.
    fn raise(&mut self, session: &Session, id: &AgentId) {
        let wire = self.peers.get_mut(id).and_then(|peer| peer.wire.as_mut());
        let Some(wire) = wire.filter(|wire| !wire.is_up) else {
            return;
        };
        wire.is_up = true;
        let link = wire.link;
        self.stirred = true;
        self.link_up(session, link, DIRECT_RANK);
        self.plan(session);
    }
}

fn stage_of(stage: Stage) -> DoctorStage {
    match stage {
        Stage::Offer | Stage::Answer => DoctorStage::Offer,
        Stage::Ice => DoctorStage::Ice,
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Offer => "offer",
        Stage::Answer => "answer",
        Stage::Ice => "ICE",
    }
}

/// What the wire with this number calls.
fn teller(session: &Session, link: LinkId) -> impl Fn(WireEvent) + Clone + 'static {
    session.teller(move |event| Event::Wire { link, event })
}
