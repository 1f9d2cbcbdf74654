//! Reactions to changes of the membership and of links.

use crdt_core::Document;
use crdt_sync::{CloseReason, LinkId, Millis, Outgoing};
use signaling_protocol::{AgentId, ClientMessage, Relay as RelayMessage, Signal};

use super::Room;
use crate::broadcast::BroadcastAction;
use crate::direct::{self, Direct, DirectAction};
use crate::error::RoomError;
use crate::ids::Purpose;
use crate::input::{BroadcastContent, BroadcastMessage, CipherEvent};
use crate::links::Route;
use crate::members::{Change, Newcomer};
use crate::options::LinkKind;
use crate::page_id;
use crate::relay::RelayAction;
use crate::room_key::RoomKey;
use crate::sealed_signals::{self, SignalAction};
use crate::signal_codec;
use crate::signaling::{ServerId, SignalingAction};
use crate::status::Phase;
use crate::transports::TransportAction;

impl Room {
    pub(super) fn on_signaling(
        &mut self,
        actions: Vec<SignalingAction>,
        now: Millis,
        document: &mut Document,
    ) {
        for action in actions {
            match action {
                SignalingAction::Do(output) => self.outputs.push_back(output),
                SignalingAction::Entered {
                    server,
                    list,
                    is_back,
                } => {
                    self.joined();
                    self.enter_log(server, list.log);
                    let present = Newcomer::listed(&list);
                    let holds = holds(&self.direct, &self.broadcast);
                    let changes = self.members.entered(server, present, holds, now);
                    self.on_members(changes, now, document);
                    self.plan(now, document);
                    // Signals may have been lost while the server was unreachable.
                    if is_back {
                        self.network_back(now, document);
                    }
                }
                SignalingAction::PeerJoined(server, joined) => {
                    let newcomer = Newcomer::joined(joined);
                    self.came(server, newcomer, now, document);
                    self.plan(now, document);
                }
                SignalingAction::PeerLeft(server, id) => {
                    let holds = holds(&self.direct, &self.broadcast);
                    let changes = self.members.left(server, &id, holds, now);
                    self.on_members(changes, now, document);
                    self.plan(now, document);
                }
                SignalingAction::Signal(server, signal) => {
                    self.on_signal(server, signal, now, document);
                }
                SignalingAction::Relayed(message) => {
                    self.relay.relayed(message);
                    self.advance_cipher(now);
                }
                SignalingAction::Log(server, news) => {
                    self.log.heard(server, news, now);
                    self.advance_log(now, document);
                }
                SignalingAction::Refused(error) => self.tell_error(error),
                SignalingAction::Lost {
                    server,
                    error,
                    is_over,
                } => {
                    self.members.server_lost(server, now);
                    self.log.lost(server);
                    self.on_server_lost(error, is_over, now, document);
                }
            }
        }
    }

    /// A server was lost. It is retried, unless it refuses this member.
    fn on_server_lost(
        &mut self,
        error: RoomError,
        is_over: bool,
        now: Millis,
        document: &mut Document,
    ) {
        let is_connecting = self.lifecycle.phase() == Phase::Connecting;
        if self.signaling.is_over() {
            self.give_up(&error, now, document);
        } else if self.signaling.is_any_joined() {
            // The others continue; a failure that recovers by itself is only reported in the
            // status.
            if is_over {
                self.tell_error(error);
            }
        } else if self.signaling.has_failed() {
            self.goes_on(error);
        } else if !is_connecting {
            self.lifecycle.interrupted(error);
        }
    }

    fn came(&mut self, server: ServerId, newcomer: Newcomer, now: Millis, document: &mut Document) {
        let holds = holds(&self.direct, &self.broadcast);
        let changes = self.members.came(server, newcomer, holds, now);
        self.on_members(changes, now, document);
    }

    pub(super) fn on_members(
        &mut self,
        changes: Vec<Change>,
        now: Millis,
        document: &mut Document,
    ) {
        for change in changes {
            match change {
                Change::Came(id, has_relay) => self.relay.add(&id, has_relay),
                Change::Gone(id) => {
                    self.sealed_signals.forget(&id);
                    let direct = self.direct.stop(&id);
                    self.on_direct(direct, now, document);
                    let relayed = self.relay.forget(&id);
                    self.on_relay(relayed, now, document);
                    let local = self.broadcast.forget(&id);
                    self.on_broadcast_links(local, now, document);
                }
            }
        }
    }

    /// An offer, an answer or a candidate of a peer came.
    fn on_signal(
        &mut self,
        server: ServerId,
        message: Signal,
        now: Millis,
        document: &mut Document,
    ) {
        let Some(id) = message.from.clone() else {
            return;
        };
        let me = &self.options.agent;
        if message.to != *me || id == *me {
            return;
        }
        if self.key.is_there() {
            self.sealed_signals.receive(id, message);
            self.advance_cipher(now);
            return;
        }
        if self.members.get(&id).is_none() {
            let unknown = Newcomer::new(id.clone(), &[], false);
            self.came(server, unknown, now, document);
        }
        self.take_signal(id, &message, true, now, document);
    }

    /// Handles a signal that is not sealed or has been opened. `is_signed`: its sender may write.
    fn take_signal(
        &mut self,
        id: AgentId,
        message: &Signal,
        is_signed: bool,
        now: Millis,
        document: &mut Document,
    ) {
        let Some(signal) = signal_codec::read(message) else {
            return;
        };
        if !self.may_link_directly(&id) || self.broadcast.link_to(&id).is_some() {
            return;
        }
        // A signal of a page load that no server names is late: the report of its end came by
        // another server.
        let is_present = |page| {
            let member = self.members.get(&id);
            member.is_some_and(|member| member.is_present(page))
        };
        if direct::origin_of(&signal).is_some_and(|(page, _)| !is_present(page)) {
            return;
        }
        // It may want a connection that was not planned here, and gets it.
        self.begin(&id, now, document);
        let actions = self.with_direct(now, |direct, context| {
            direct.signal(&id, signal, is_signed, context)
        });
        self.on_direct(actions, now, document);
    }

    /// Links to the members that the mesh wants, and unlinks the others.
    pub(super) fn plan(&mut self, now: Millis, document: &mut Document) {
        let linked = self.linked();
        let is_read_only = self.is_read_only();
        let wishes = self
            .members
            .plan(&self.options.agent, is_read_only, &linked);
        for wish in wishes {
            if wish.link {
                let greeting = self.broadcast.greet(&wish.id, wish.page);
                self.outputs.extend(greeting);
            } else if wish.unlink {
                let actions = self.broadcast.take_leave(&wish.id);
                self.on_broadcast_links(actions, now, document);
            }
            let is_local = self.broadcast.link_to(&wish.id).is_some();
            // A client that names no page does not know the mesh, and would only reconnect.
            if is_local || wish.unlink && wish.page.is_some() {
                let actions = self.direct.stop(&wish.id);
                self.on_direct_links(actions, now, document);
            } else if wish.link && wish.is_met && self.may_link_directly(&wish.id) {
                self.begin(&wish.id, now, document);
            }
        }
    }

    /// Whether a direct connection to a member can be made: both can, and both have a key or none.
    fn may_link_directly(&self, id: &AgentId) -> bool {
        let seals = self.members.get(id).is_some_and(|member| member.seals);
        let is_stranger = self.sealed_signals.is_stranger(id);
        self.options.allows(LinkKind::WebRtc) && self.key.fits(seals) && !is_stranger
    }

    fn begin(&mut self, id: &AgentId, now: Millis, document: &mut Document) {
        let member = self.members.get(id);
        let is_our_kind = member.is_some_and(|member| member.page.is_some());
        let actions = self.with_direct(now, |direct, context| {
            direct.begin(id, is_our_kind, context)
        });
        self.on_direct_links(actions, now, document);
    }

    /// The network is back, or a signaling server is.
    pub(super) fn network_back(&mut self, now: Millis, document: &mut Document) {
        let actions = self.with_direct(now, Direct::online);
        self.on_direct(actions, now, document);
    }

    pub(super) fn on_direct(
        &mut self,
        actions: Vec<DirectAction>,
        now: Millis,
        document: &mut Document,
    ) {
        if self.on_direct_links(actions, now, document) {
            self.plan(now, document);
        }
    }

    /// Returns whether a link came up.
    fn on_direct_links(
        &mut self,
        actions: Vec<DirectAction>,
        now: Millis,
        document: &mut Document,
    ) -> bool {
        let mut is_up = false;
        for action in actions {
            match action {
                DirectAction::Do(output) => self.outputs.push_back(output),
                DirectAction::Signal(to, signal) => {
                    let me = self.options.agent.clone();
                    // A signal that cannot be sent is lost; the negotiation retries.
                    if let Some(message) = signal_codec::write(&signal, me, to.clone()) {
                        if self.key.is_there() {
                            self.sealed_signals.send(message);
                            self.advance_cipher(now);
                        } else {
                            self.send_to(&to, &ClientMessage::Signal(message));
                        }
                    }
                }
                DirectAction::Up {
                    peer,
                    link,
                    is_writer,
                } => {
                    is_up = true;
                    let is_writer = is_writer || !self.options.has_key;
                    self.link_up(link, Route::Direct(peer), is_writer, now, document);
                }
                DirectAction::Down(link) => self.link_down(link, now, document),
                DirectAction::Failed(peer, error) => {
                    self.is_dirty = true;
                    // While another link carries the edits, the user need not act.
                    let is_about_reach = !matches!(error, RoomError::PeerClosed { .. });
                    if !(is_about_reach && self.is_linked(&peer)) {
                        self.tell_error(error);
                    }
                }
            }
        }
        is_up
    }

    /// Handles a message of a page of this browser. The message itself introduces a page that no
    /// server has named.
    pub(super) fn on_broadcast_message(
        &mut self,
        message: BroadcastMessage,
        now: Millis,
        document: &mut Document,
    ) {
        let id = message.from.clone();
        if id == self.options.agent || self.broadcast.has_left(message.page) {
            return;
        }
        match message.content {
            BroadcastContent::Announce => self.local_came(id, message.page, now, document),
            BroadcastContent::Leave => {
                self.broadcast.leaves(message.page);
                let member = self.members.get(&id);
                if member.is_some_and(|member| member.page == Some(message.page)) {
                    self.local_left(&id, now, document);
                }
            }
            BroadcastContent::Hello | BroadcastContent::Here => {
                self.local_came(id, message.page, now, document);
                let actions = self.broadcast.handle(message, &mut self.link_numbers);
                self.on_broadcast(actions, now, document);
            }
            _ => {
                let actions = self.broadcast.handle(message, &mut self.link_numbers);
                self.on_broadcast(actions, now, document);
            }
        }
    }

    /// A page of this browser is in the room. It has the same key as this page, as the names of the
    /// channels are derived from it.
    fn local_came(&mut self, id: AgentId, page: u64, now: Millis, document: &mut Document) {
        if self.members.is_named(ServerId::BROWSER, &id, page) {
            return;
        }
        let mut capabilities = vec![page_id::capability(page)];
        if self.key.is_usable() {
            capabilities.push(sealed_signals::CAPABILITY.to_owned());
        }
        let newcomer = Newcomer::new(id, &capabilities, false);
        self.came(ServerId::BROWSER, newcomer, now, document);
        self.plan(now, document);
    }

    fn local_left(&mut self, id: &AgentId, now: Millis, document: &mut Document) {
        let holds = holds(&self.direct, &self.broadcast);
        let changes = self.members.left(ServerId::BROWSER, id, holds, now);
        self.on_members(changes, now, document);
        self.plan(now, document);
    }

    pub(super) fn on_broadcast(
        &mut self,
        actions: Vec<BroadcastAction>,
        now: Millis,
        document: &mut Document,
    ) {
        if self.on_broadcast_links(actions, now, document) {
            self.plan(now, document);
        }
    }

    /// Returns whether a link was opened or closed.
    pub(super) fn on_broadcast_links(
        &mut self,
        actions: Vec<BroadcastAction>,
        now: Millis,
        document: &mut Document,
    ) -> bool {
        let mut is_changed = false;
        for action in actions {
            match action {
                BroadcastAction::Do(output) => self.outputs.push_back(output),
                BroadcastAction::Up {
                    peer,
                    channel,
                    link,
                } => {
                    is_changed = true;
                    let route = Route::Broadcast { peer, channel };
                    self.introduce(link, route, now, document);
                }
                BroadcastAction::Down(link) => {
                    is_changed = true;
                    self.link_down(link, now, document);
                }
                BroadcastAction::Received(link, message) => {
                    self.receive_owned(link, message, now, document);
                }
            }
        }
        is_changed
    }

    pub(super) fn on_cipher(&mut self, event: CipherEvent, now: Millis, document: &mut Document) {
        match event {
            CipherEvent::Sealed { purpose, .. } | CipherEvent::Opened { purpose, .. } => {
                match purpose {
                    Purpose::Relay => self.on_relay_cipher(event, now, document),
                    Purpose::Signal => self.on_signal_cipher(event, now, document),
                    Purpose::Link => {
                        let actions = self.introductions.handle_cipher(event, now);
                        self.on_introductions(actions, now, document);
                    }
                    Purpose::Message(_) => self.on_sealed_links(event, now, document),
                    Purpose::Log => self.on_log_cipher(event, now, document),
                }
            }
            CipherEvent::Agreed { .. } => {
                let actions = self.introductions.handle_cipher(event, now);
                self.on_introductions(actions, now, document);
            }
            // A late event of a connection that has ended.
            CipherEvent::Ready { .. } | CipherEvent::Unavailable { .. }
                if !self.key.is_deriving() => {}
            CipherEvent::Ready {
                ref channel_secret,
                ref room,
                ref exchange,
            } => {
                self.introductions.ready(exchange.clone());
                let channel_secret = channel_secret.clone();
                self.open_broadcast(&channel_secret);
                self.key = RoomKey::Ready { room: room.clone() };
                self.on_relay_cipher(event, now, document);
                self.join_waiting();
            }
            CipherEvent::Unavailable { reason } => {
                let reason = format!(
                    "nothing can be encrypted here, which in a browser needs https or localhost: \
                     {reason}"
                );
                self.key = RoomKey::Unavailable {
                    reason: reason.clone(),
                };
                // Not even the name of the room at the servers is known without the key.
                self.give_up(&RoomError::NoCipher { reason }, now, document);
            }
        }
        self.advance_cipher(now);
    }

    /// Joins the servers whose sockets opened while the key was derived.
    fn join_waiting(&mut self) {
        if let Some(join) = Room::join_message(&self.options, &self.key, self.page) {
            let joins = self.signaling.join_waiting(&join);
            self.outputs.extend(joins);
        }
    }

    fn on_relay_cipher(&mut self, event: CipherEvent, now: Millis, document: &mut Document) {
        let (members, signaling) = (&self.members, &self.signaling);
        let server = |id: &AgentId| members.server_of(id, |server| signaling.is_joined(server));
        let actions = self
            .relay
            .handle(event, server, &mut self.link_numbers, now);
        self.on_relay(actions, now, document);
    }

    fn on_signal_cipher(&mut self, event: CipherEvent, now: Millis, document: &mut Document) {
        match self.sealed_signals.handle(event, now) {
            Some(SignalAction::Send(signal)) => {
                let to = signal.to.clone();
                self.send_to(&to, &ClientMessage::Signal(signal));
            }
            Some(SignalAction::Take {
                from,
                signal,
                is_signed,
            }) => self.take_signal(from, &signal, is_signed, now, document),
            Some(SignalAction::Stranger(from)) => {
                self.is_dirty = true;
                let actions = self.direct.stop(&from);
                self.on_direct(actions, now, document);
                let peer = from.to_string();
                self.tell_error(RoomError::WrongKey { peer });
            }
            None => {}
        }
    }

    /// Opens relay links to peers without a better one, and closes the others.
    pub(super) fn plan_relay(&mut self, now: Millis, document: &mut Document) {
        let ids: Vec<AgentId> = self.members.ids().cloned().collect();
        for id in ids {
            let is_planned = self
                .members
                .get(&id)
                .is_some_and(|member| member.is_planned);
            let is_local = self.broadcast.link_to(&id).is_some();
            let is_needed = is_planned && !is_local && !self.direct.carries(&id);
            let server = self.server_of(&id);
            let numbers = &mut self.link_numbers;
            let actions = self.relay.plan(&id, is_needed, server, numbers);
            self.on_relay(actions, now, document);
        }
    }

    fn on_relay(&mut self, actions: Vec<RelayAction>, now: Millis, document: &mut Document) {
        for action in actions {
            match action {
                RelayAction::Up(peer, link) => {
                    self.introduce(link, Route::Relay(peer), now, document);
                }
                RelayAction::Down(link) => self.link_down(link, now, document),
                RelayAction::Received(link, message) => {
                    self.receive_owned(link, message, now, document);
                }
                RelayAction::Send(to, payload) => {
                    let message = RelayMessage {
                        to: to.clone(),
                        from: Some(self.options.agent.clone()),
                        payload,
                    };
                    self.send_to(&to, &ClientMessage::Relay(message));
                }
                RelayAction::Failed(peer, reason) => {
                    let peer = peer.to_string();
                    self.tell_error(RoomError::Relay { peer, reason });
                }
            }
        }
    }

    pub(super) fn on_transports(
        &mut self,
        actions: Vec<TransportAction>,
        now: Millis,
        document: &mut Document,
    ) {
        for action in actions {
            match action {
                TransportAction::Do(output) => self.outputs.push_back(output),
                TransportAction::Up {
                    transport,
                    run,
                    link,
                } => {
                    let route = Route::Transport { transport, run };
                    self.introduce(link, route, now, document);
                }
                TransportAction::Down(link) => self.link_down(link, now, document),
                TransportAction::Received(link, bytes) => {
                    self.receive_owned(link, Outgoing::Binary(bytes), now, document);
                }
                TransportAction::Buffered(link, bytes) => {
                    let bytes = bytes.saturating_add(self.sealed_links.buffered(link));
                    self.buffered(link, bytes, now, document);
                }
                TransportAction::Failed(reason) => {
                    self.is_dirty = true;
                    self.tell_error(RoomError::Transport { reason });
                }
            }
        }
    }

    /// The engine has closed and forgotten a link.
    pub(super) fn on_close(
        &mut self,
        link: LinkId,
        reason: &CloseReason,
        now: Millis,
        document: &mut Document,
    ) {
        let Some(route) = self.links.route(link).cloned() else {
            return;
        };
        self.links.remove(link);
        self.forget_proofs(link);
        match route {
            Route::Direct(_) => {
                let actions =
                    self.with_direct(now, |direct, context| direct.closed(link, reason, context));
                self.on_direct(actions, now, document);
            }
            Route::Broadcast { peer, .. } => {
                let greeting = self.broadcast.closed(&peer, reason);
                self.outputs.extend(greeting);
                // The page may be gone; otherwise it answers.
                if reason.is_breach() {
                    self.plan(now, document);
                } else {
                    self.local_left(&peer, now, document);
                }
            }
            Route::Relay(peer) => self.relay.closed(&peer, reason),
            Route::Transport { .. } => {
                let random = (self.random)();
                let actions = self.transports.closed(link, reason, now, random);
                self.on_transports(actions, now, document);
            }
        }
    }

    /// Forgets members that only a link kept, once the link is gone.
    pub(super) fn forget_gone(&mut self, now: Millis, document: &mut Document) {
        let is_joined = self.signaling.is_any_joined();
        let linked = self.linked();
        let is_linked = |id: &AgentId| linked.iter().any(|linked| linked == id.as_str());
        let changes = self.members.forget_gone(is_linked, is_joined);
        if !changes.is_empty() {
            self.on_members(changes, now, document);
            // The mesh of a smaller room may want links that it did not want before.
            self.plan(now, document);
        }
    }

    /// Sends a message for a peer to a server that names it; without one the message is lost.
    fn send_to(&mut self, peer: &AgentId, message: &ClientMessage) {
        if let Some(server) = self.server_of(peer) {
            self.outputs.extend(self.signaling.send(server, message));
        }
    }

    /// A server that names a peer.
    fn server_of(&self, id: &AgentId) -> Option<ServerId> {
        let is_joined = |server| self.signaling.is_joined(server);
        self.members.server_of(id, is_joined)
    }

    /// Whether edits go through to a member of the room.
    fn is_linked(&self, id: &AgentId) -> bool {
        holds(&self.direct, &self.broadcast)(id) || self.relay.link_to(id).is_some()
    }

    /// The members with an open link.
    fn linked(&self) -> Vec<String> {
        let linked = self.members.ids().filter(|id| self.is_linked(id));
        linked.map(ToString::to_string).collect()
    }
}

/// Whether a peer has a link that does not depend on the signaling server.
fn holds<'a>(
    direct: &'a Direct,
    broadcast: &'a crate::broadcast::Broadcast,
) -> impl Fn(&AgentId) -> bool + 'a {
    |id| direct.is_up(id) || broadcast.link_to(id).is_some()
}
