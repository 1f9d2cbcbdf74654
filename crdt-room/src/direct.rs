//! Direct connections: one negotiation for each peer, and its peer connection.

use std::collections::VecDeque;

use crdt_sync::negotiation::{
    Action, ConnectionState, Description, Input, Negotiation, Signal, Stage, Timing, offers,
};
use crdt_sync::{CloseReason, LinkId, Millis, SortedMap};
use signaling_protocol::{AgentId, IceServer};

use crate::error::RoomError;
use crate::input::ConnectionEvent;
use crate::links::LinkNumbers;
use crate::output::{ConnectionCommand, Output};
use crate::stage::DoctorStage;

/// The time for which a closed channel waits for a report that the peer left, before a new
/// connection is made: a member that leaves the room closes its channels too.
const RENEW_MILLIS: Millis = 500;

/// The most signed descriptions of a peer that are remembered: those that may wait to be set.
const MAX_SIGNED: usize = 8;

/// All direct connections.
#[derive(Debug, Default)]
pub(crate) struct Direct {
    peers: SortedMap<AgentId, Peer>,
    /// Counts negotiations, so that each has its own session within the page.
    negotiations: u32,
}

/// A peer to which either side wants a direct connection.
#[derive(Debug)]
struct Peer {
    /// It names a page load, so it uses this implementation.
    is_our_kind: bool,
    negotiation: Negotiation,
    connection: Option<Connection>,
    /// A connection made in advance for an expected offer, since making one takes a browser some
    /// time.
    prepared: Option<LinkId>,
    /// The state of the connection.
    state: ConnectionState,
    /// When a new connection is to be made, since the channel closed.
    renew_at: Option<Millis>,
    /// The page load and the number of the newest negotiation that a signal of the peer named.
    newest: Option<(u64, u32)>,
    /// The connection is interrupted, and another link should carry the edits.
    wants_fallback: bool,
    /// The latest descriptions that the peer signed.
    signed: VecDeque<String>,
    /// The last problem, until the connection is up.
    problem: Option<(DoctorStage, String)>,
}

/// The connection in use.
#[derive(Debug, Clone, Copy)]
struct Connection {
    link: LinkId,
    /// The engine knows of it.
    is_up: bool,
    has_channels: bool,
    /// Whether all descriptions of the peer that were set are signed; `None`: none was set.
    is_signed: Option<bool>,
}

/// Actions for direct connections.
#[derive(Debug)]
pub(crate) enum DirectAction {
    Do(Output),
    /// Send this to the peer through a signaling server.
    Signal(AgentId, Signal),
    /// The engine may use the link.
    Up {
        peer: AgentId,
        link: LinkId,
        /// The peer has proved that it may write.
        is_writer: bool,
    },
    /// The engine may not use the link any more.
    Down(LinkId),
    /// There is no connection to the peer, for this reason.
    Failed(AgentId, RoomError),
}

/// The room's data for a step.
pub(crate) struct Context<'a> {
    pub(crate) me: &'a AgentId,
    pub(crate) page: u64,
    pub(crate) now: Millis,
    pub(crate) numbers: &'a mut LinkNumbers,
    pub(crate) random: &'a mut dyn FnMut() -> f64,
    /// The ICE servers that the signaling servers offer.
    pub(crate) ice_servers: &'a dyn Fn() -> Vec<IceServer>,
    /// Below this many waiting bytes a connection reports that there is room.
    pub(crate) low_water: usize,
}

impl Direct {
    /// Begins to negotiate with a peer, unless a negotiation is in progress.
    pub(crate) fn begin(
        &mut self,
        id: &AgentId,
        is_our_kind: bool,
        context: &mut Context<'_>,
    ) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        if self.peers.contains_key(id) {
            return actions;
        }
        self.negotiations = self.negotiations.wrapping_add(1);
        let session = session_of(context.page, self.negotiations);
        let (me, peer) = (context.me.as_str(), id.as_str());
        let peer = Peer {
            is_our_kind,
            negotiation: Negotiation::new(me, peer, &session, Timing::default()),
            connection: None,
            prepared: None,
            state: ConnectionState::New,
            renew_at: None,
            newest: None,
            wants_fallback: false,
            signed: VecDeque::new(),
            problem: None,
        };
        self.peers.insert(id.clone(), peer);
        self.negotiate(id, Input::Start, context, &mut actions);
        if !we_offer(context.me, id) {
            let prepared = create(context, &mut actions);
            if let Some(peer) = self.peers.get_mut(id) {
                peer.prepared = Some(prepared);
            }
        }
        actions
    }

    /// A signal of a peer came. One of an earlier negotiation is late: it came by another server than those
    /// of the newest one. `is_signed`: its sender may write.
    pub(crate) fn signal(
        &mut self,
        id: &AgentId,
        signal: Signal,
        is_signed: bool,
        context: &mut Context<'_>,
    ) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        if let Some((page, number)) = origin_of(&signal)
            && let Some(peer) = self.peers.get_mut(id)
        {
            let is_late = |newest: (u64, u32)| newest.0 == page && newest.1 > number;
            if peer.newest.is_some_and(is_late) {
                return actions;
            }
            peer.newest = Some((page, number));
        }
        if let Signal::Description { description, .. } = &signal
            && let Some(peer) = self.peers.get_mut(id).filter(|_| is_signed)
        {
            if peer.signed.len() >= MAX_SIGNED {
                peer.signed.pop_front();
            }
            peer.signed.push_back(sdp_of(description).to_owned());
        }
        self.negotiate(id, Input::Signal(signal), context, &mut actions);
        actions
    }

    /// Handles an event of a connection.
    pub(crate) fn handle(
        &mut self,
        link: LinkId,
        event: ConnectionEvent,
        context: &mut Context<'_>,
    ) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        let Some(id) = self.peer_of(link) else {
            self.forget_prepared(link);
            return actions;
        };
        let input = match event {
            ConnectionEvent::NegotiationNeeded => Input::NegotiationNeeded,
            ConnectionEvent::Candidate(json) => Input::LocalCandidate(json),
            ConnectionEvent::State(state) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.state = state;
                    peer.problem
                        .take_if(|_| state == ConnectionState::Connected);
                }
                Input::State(state)
            }
            ConnectionEvent::Created { op, sdp } => Input::Created { op, sdp },
            ConnectionEvent::Done { op } => Input::Done { op },
            ConnectionEvent::Failed { op, message } => Input::Failed { op, message },
            ConnectionEvent::ChannelAdded => {
                if let Some(connection) = self.connection_mut(&id) {
                    connection.has_channels = true;
                }
                return actions;
            }
            ConnectionEvent::ChannelOpened => {
                actions.extend(self.raise(link));
                return actions;
            }
            ConnectionEvent::ChannelClosed => {
                self.close(&id, &mut actions);
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.renew_at = Some(context.now.saturating_add(RENEW_MILLIS));
                }
                return actions;
            }
            ConnectionEvent::SendFailed { reason } => {
                self.lost(&id, reason, context, &mut actions);
                return actions;
            }
            ConnectionEvent::Refused { reason } => {
                self.refused(&id, reason, &mut actions);
                return actions;
            }
            ConnectionEvent::TooMany { open } => {
                let peer = id.to_string();
                let error = RoomError::TooManyConnections { peer, open };
                self.discard(&id);
                let reason = format!("this page has {open} peer connections open already");
                self.note(&id, DoctorStage::Environment, reason);
                actions.push(DirectAction::Failed(id, error));
                return actions;
            }
            ConnectionEvent::Buffered(_) => return actions,
        };
        self.negotiate(&id, input, context, &mut actions);
        actions
    }

    /// A message or an open channel shows that a connection works: the engine may use it.
    pub(crate) fn raise(&mut self, link: LinkId) -> Option<DirectAction> {
        let id = self.peer_of(link)?;
        let connection = self.connection_mut(&id)?;
        let was_up = std::mem::replace(&mut connection.is_up, true);
        let is_writer = connection.is_signed == Some(true);
        (!was_up).then_some(DirectAction::Up {
            peer: id,
            link,
            is_writer,
        })
    }

    /// The engine has closed and forgotten a link.
    pub(crate) fn closed(
        &mut self,
        link: LinkId,
        reason: &CloseReason,
        context: &mut Context<'_>,
    ) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        let Some(id) = self.peer_of(link) else {
            return actions;
        };
        if let Some(connection) = self.connection_mut(&id) {
            connection.is_up = false;
        }
        if reason.is_transient() {
            // A new connection may succeed.
            self.lost(&id, reason.to_string(), context, &mut actions);
            return actions;
        }
        if !reason.is_departure() {
            // With such a peer the next connection would end the same way.
            let (peer, reason) = (id.to_string(), reason.to_string());
            self.note(&id, DoctorStage::Sync, reason.clone());
            let error = RoomError::PeerClosed { peer, reason };
            actions.push(DirectAction::Failed(id.clone(), error));
        }
        self.negotiate(&id, Input::Stop, context, &mut actions);
        self.close(&id, &mut actions);
        actions
    }

    /// Ends the negotiation with a peer, and the connection.
    pub(crate) fn stop(&mut self, id: &AgentId) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        self.close(id, &mut actions);
        if let Some(prepared) = self.peers.remove(id).and_then(|peer| peer.prepared) {
            actions.push(command(prepared, ConnectionCommand::Close));
        }
        actions
    }

    /// The network is back, or a signaling server is.
    pub(crate) fn online(&mut self, context: &mut Context<'_>) -> Vec<DirectAction> {
        self.negotiate_all(&Input::Online, context)
    }

    /// Performs the due actions.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>) -> Vec<DirectAction> {
        let now = context.now;
        let mut actions = Vec::new();
        let is_due = |peer: &Peer| peer.renew_at.is_some_and(|at| at <= now);
        let due = self.peers.iter().filter(|(_, peer)| is_due(peer));
        let due: Vec<AgentId> = due.map(|(id, _)| id.clone()).collect();
        for id in due {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.renew_at = None;
            }
            let failed = Input::State(ConnectionState::Failed);
            self.negotiate(&id, failed, context, &mut actions);
        }
        if self.deadline().is_some_and(|at| at <= now) {
            actions.extend(self.negotiate_all(&Input::Tick, context));
        }
        actions
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let of = |peer: &Peer| [peer.negotiation.next_timeout(), peer.renew_at];
        self.peers.values().flat_map(of).flatten().min()
    }

    /// Whether there is an open channel to a peer.
    pub(crate) fn is_up(&self, id: &AgentId) -> bool {
        self.link_to(id).is_some()
    }

    /// Whether edits go through to a peer by its open channel.
    pub(crate) fn carries(&self, id: &AgentId) -> bool {
        self.is_up(id) && self.peers.get(id).is_some_and(|peer| !peer.wants_fallback)
    }

    /// The link to a peer, while its channel is open.
    pub(crate) fn link_to(&self, id: &AgentId) -> Option<LinkId> {
        let connection = self.peers.get(id)?.connection?;
        connection.is_up.then_some(connection.link)
    }

    /// Whether the connection to a peer is interrupted at the moment.
    pub(crate) fn is_interrupted(&self, id: &AgentId) -> bool {
        let is_away = |peer: &Peer| {
            matches!(
                peer.state,
                ConnectionState::Disconnected | ConnectionState::Failed
            )
        };
        self.peers.get(id).is_some_and(is_away)
    }

    /// The last problem of the connection to a peer, until it is up.
    pub(crate) fn problem_with(&self, id: &AgentId) -> Option<(DoctorStage, &str)> {
        let (stage, reason) = self.peers.get(id)?.problem.as_ref()?;
        Some((*stage, reason))
    }

    /// The number of peer connections.
    pub(crate) fn count(&self) -> usize {
        let of = |peer: &Peer| {
            usize::from(peer.connection.is_some()) + usize::from(peer.prepared.is_some())
        };
        self.peers.values().map(of).sum()
    }

    fn peer_of(&self, link: LinkId) -> Option<AgentId> {
        let is_it = |peer: &Peer| peer.connection.is_some_and(|found| found.link == link);
        let mut all = self.peers.iter();
        all.find(|(_, peer)| is_it(peer)).map(|(id, _)| id.clone())
    }

    fn connection_mut(&mut self, id: &AgentId) -> Option<&mut Connection> {
        self.peers.get_mut(id)?.connection.as_mut()
    }

    /// Handles an event of a connection that was made in advance: it could not be made.
    fn forget_prepared(&mut self, link: LinkId) {
        for peer in self.peers.values_mut() {
            peer.prepared = peer.prepared.filter(|prepared| *prepared != link);
        }
    }

    fn negotiate_all(&mut self, input: &Input, context: &mut Context<'_>) -> Vec<DirectAction> {
        let mut actions = Vec::new();
        let ids: Vec<AgentId> = self.peers.keys().cloned().collect();
        for id in ids {
            self.negotiate(&id, input.clone(), context, &mut actions);
        }
        actions
    }

    fn negotiate(
        &mut self,
        id: &AgentId,
        input: Input,
        context: &mut Context<'_>,
        actions: &mut Vec<DirectAction>,
    ) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let steps = peer
            .negotiation
            .handle(input, context.now, (context.random)());
        for step in steps {
            self.act(id, step, context, actions);
        }
    }

    fn act(
        &mut self,
        id: &AgentId,
        action: Action,
        context: &mut Context<'_>,
        actions: &mut Vec<DirectAction>,
    ) {
        match action {
            Action::Create { .. } => {
                self.close(id, actions);
                self.open(id, context, actions);
            }
            Action::Close => self.close(id, actions),
            Action::Send(signal) => actions.push(DirectAction::Signal(id.clone(), signal)),
            Action::Problem { stage, message } => {
                let name = stage_name(stage);
                self.unreachable(id, stage_of(stage), name, message, actions);
            }
            Action::Fallback(on) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.wants_fallback = on;
                }
            }
            Action::CreateOffer { op, ice_restart } => {
                // An offer without channels would connect nothing.
                self.open_channels(id, actions);
                self.step(
                    id,
                    ConnectionCommand::CreateOffer { op, ice_restart },
                    actions,
                );
            }
            Action::CreateAnswer { op } => {
                self.step(id, ConnectionCommand::CreateAnswer { op }, actions);
            }
            Action::SetLocal { op, description } => {
                self.step(id, ConnectionCommand::SetLocal { op, description }, actions);
            }
            Action::Rollback { op } => self.step(id, ConnectionCommand::Rollback { op }, actions),
            Action::SetRemote { op, description } => {
                self.note_signature(id, &description);
                self.step(
                    id,
                    ConnectionCommand::SetRemote { op, description },
                    actions,
                );
            }
            Action::AddCandidate { candidate } => {
                self.step(id, ConnectionCommand::AddCandidate { candidate }, actions);
            }
        }
    }

    /// Records that a description of the peer is being set: it names the certificate to which the
    /// connection is bound.
    fn note_signature(&mut self, id: &AgentId, description: &Description) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let sdp = sdp_of(description);
        let is_signed = peer.signed.iter().any(|signed| signed == sdp);
        if let Some(connection) = &mut peer.connection {
            connection.is_signed = Some(is_signed && connection.is_signed != Some(false));
        }
    }

    fn step(&mut self, id: &AgentId, step: ConnectionCommand, actions: &mut Vec<DirectAction>) {
        if let Some(connection) = self.connection_mut(id) {
            actions.push(command(connection.link, step));
        }
    }

    /// Makes the connection to a peer.
    fn open(&mut self, id: &AgentId, context: &mut Context<'_>, actions: &mut Vec<DirectAction>) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let prepared = peer.prepared.take();
        let link = prepared.unwrap_or_else(|| create(context, actions));
        peer.connection = Some(Connection {
            link,
            is_up: false,
            has_channels: false,
            is_signed: None,
        });
        peer.state = ConnectionState::New;
        peer.renew_at = None;
        if we_offer(context.me, id) {
            self.open_channels(id, actions);
        }
    }

    /// Opens the channels of a connection from this side, unless it has any.
    fn open_channels(&mut self, id: &AgentId, actions: &mut Vec<DirectAction>) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let presence = peer.is_our_kind;
        if let Some(connection) = peer.connection.as_mut().filter(|c| !c.has_channels) {
            connection.has_channels = true;
            let open = ConnectionCommand::OpenChannels { presence };
            actions.push(command(connection.link, open));
        }
    }

    /// Closes the connection to a peer.
    fn close(&mut self, id: &AgentId, actions: &mut Vec<DirectAction>) {
        let peer = self.peers.get_mut(id);
        let Some(connection) = peer.and_then(|peer| peer.connection.take()) else {
            return;
        };
        if connection.is_up {
            actions.push(DirectAction::Down(connection.link));
        }
        actions.push(command(connection.link, ConnectionCommand::Close));
    }

    /// The connection to a peer is no longer useful: a new one is made.
    fn lost(
        &mut self,
        id: &AgentId,
        reason: String,
        context: &mut Context<'_>,
        actions: &mut Vec<DirectAction>,
    ) {
        self.close(id, actions);
        self.unreachable(id, DoctorStage::Channel, "channel", reason, actions);
        let failed = Input::State(ConnectionState::Failed);
        self.negotiate(id, failed, context, actions);
    }

    /// The host refused a connection. The negotiation retries when its call has timed out.
    fn refused(&mut self, id: &AgentId, reason: String, actions: &mut Vec<DirectAction>) {
        self.discard(id);
        self.unreachable(id, DoctorStage::Environment, "connection", reason, actions);
    }

    /// There is no connection to a peer.
    fn unreachable(
        &mut self,
        id: &AgentId,
        stage: DoctorStage,
        name: &'static str,
        reason: String,
        actions: &mut Vec<DirectAction>,
    ) {
        self.note(id, stage, reason.clone());
        let error = RoomError::PeerUnreachable {
            peer: id.to_string(),
            stage: name,
            reason,
        };
        actions.push(DirectAction::Failed(id.clone(), error));
    }

    fn note(&mut self, id: &AgentId, stage: DoctorStage, reason: String) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.problem = Some((stage, reason));
        }
    }

    /// Forgets a connection that was never made.
    fn discard(&mut self, id: &AgentId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.connection = None;
        }
    }
}

/// Requests a connection.
fn create(context: &mut Context<'_>, actions: &mut Vec<DirectAction>) -> LinkId {
    let link = context.numbers.next();
    let create = ConnectionCommand::Create {
        ice_servers: (context.ice_servers)(),
        low_water: context.low_water,
    };
    actions.push(command(link, create));
    link
}

fn command(link: LinkId, command: ConnectionCommand) -> DirectAction {
    DirectAction::Do(Output::Connection { link, command })
}

/// Whether this member opens the channels and makes the first offer.
fn we_offer(me: &AgentId, peer: &AgentId) -> bool {
    offers(me.as_str(), peer.as_str())
}

/// The name of a negotiation: the page load, and its number within that.
fn session_of(page: u64, number: u32) -> String {
    format!("{page:016x}-{number}")
}

/// The page load and the number of the negotiation that a signal comes from; `None` for another kind of
/// client.
pub(crate) fn origin_of(signal: &Signal) -> Option<(u64, u32)> {
    let (Signal::Description { from, .. } | Signal::Candidate { from, .. }) = signal;
    let (page, number) = from.session.split_once('-')?;
    Some((u64::from_str_radix(page, 16).ok()?, number.parse().ok()?))
}

fn sdp_of(description: &Description) -> &str {
    match description {
        Description::Offer(sdp) | Description::Answer(sdp) => sdp,
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
