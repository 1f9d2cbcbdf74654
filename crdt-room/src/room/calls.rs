//! The calls of the user, and the life of the page.

use crdt_core::Document;
use crdt_sync::Millis;
use signaling_protocol::limits::PROTOCOL_VERSION;
use signaling_protocol::{Join, RoomId};

use super::Room;
use crate::doctor::Ways;
use crate::error::RoomError;
use crate::ids::{CallId, TransportId};
use crate::input::{Call, PageEvent};
use crate::members::READ_ONLY;
use crate::options::{LinkKind, RoomOptions};
use crate::output::{CipherCommand, News, Output};
use crate::page_id;
use crate::relay;
use crate::room_key::RoomKey;
use crate::room_log;
use crate::sealed_signals;
use crate::status::Phase;

impl Room {
    pub(super) fn call(&mut self, call: Call, now: Millis, document: &mut Document) {
        match call {
            Call::Connect { call, urls, page } => self.connect(call, urls, page, now, document),
            Call::Disconnect => self.disconnect(&RoomError::Interrupted, now, document),
            Call::Destroy => {
                self.lifecycle.destroy();
                self.disconnect(&RoomError::Destroyed, now, document);
                self.transports = crate::transports::Transports::default();
            }
            Call::AddTransport(id) => self.add_transport(id),
            Call::RemoveTransport(id) => {
                let actions = self.transports.remove(id);
                self.on_transports(actions, now, document);
            }
            Call::SetPresence { field, value } => {
                if self.show_presence(&field, value.as_deref(), now) {
                    match value {
                        Some(value) => self.presence.insert(field, value),
                        None => self.presence.remove(&field),
                    };
                }
            }
        }
    }

    pub(super) fn page_event(&mut self, event: PageEvent, now: Millis, document: &mut Document) {
        match event {
            PageEvent::Hidden => self.suspend(now, document),
            PageEvent::Shown { page } => {
                if let Some(urls) = self.lifecycle.resume() {
                    self.start(&urls, page, now, document);
                }
            }
            PageEvent::Online => {
                let opened = self.signaling.retry_now(now);
                let probes = self.signaling.probe(now);
                self.outputs.extend(opened.into_iter().chain(probes));
                self.network_back(now, document);
            }
        }
    }

    /// Every attempt to reach a server failed for good. The user's transports stay.
    pub(super) fn give_up(&mut self, error: &RoomError, now: Millis, document: &mut Document) {
        if self.transports.is_empty() {
            self.close(now, document);
            self.outputs.push_back(Output::KeepAlive(false));
        } else {
            self.leave_room(now, document);
        }
        let waiting = self.lifecycle.failed(error.clone());
        self.end(waiting, &Err(error.clone()));
        self.tell_error(error.clone());
    }

    /// The room admitted this member.
    pub(super) fn joined(&mut self) {
        let waiting = self.lifecycle.joined();
        self.end(waiting, &Ok(()));
    }

    /// No server can be reached, and each is retried. Pages of this browser and transports need
    /// none.
    pub(super) fn goes_on(&mut self, error: RoomError) {
        let waiting = self.lifecycle.goes_on(error);
        self.end(waiting, &Ok(()));
    }

    fn end(&mut self, calls: Vec<CallId>, result: &Result<(), RoomError>) {
        for call in calls {
            let result = result.clone();
            self.tell(News::ConnectEnded { call, result });
        }
    }

    fn connect(
        &mut self,
        call: CallId,
        mut urls: Vec<String>,
        page: u64,
        now: Millis,
        document: &mut Document,
    ) {
        if urls.is_empty() {
            urls.clone_from(&self.options.servers);
        }
        if let Err(error) = self.may_connect(&urls) {
            self.end(vec![call], &Err(error));
            return;
        }
        let is_same = self.lifecycle.wants(&urls);
        if is_same && self.lifecycle.phase() == Phase::Connected {
            self.end(vec![call], &Ok(()));
            return;
        }
        if is_same && self.lifecycle.is_under_way() {
            self.lifecycle.wait(call);
            let opened = self.signaling.retry_now(now);
            self.outputs.extend(opened);
            return;
        }
        self.disconnect(&RoomError::Interrupted, now, document);
        self.lifecycle.connect(call, urls.clone());
        self.start(&urls, page, now, document);
    }

    fn may_connect(&self, urls: &[String]) -> Result<(), RoomError> {
        if self.lifecycle.is_destroyed() {
            return Err(RoomError::Destroyed);
        }
        let has_transports = !self.transports.is_empty();
        if urls.is_empty() {
            return if has_transports || !self.meeting_places_of(urls).is_empty() {
                Ok(())
            } else {
                Err(RoomError::NoServer)
            };
        }
        let is_address = |url: &&String| url.starts_with("ws://") || url.starts_with("wss://");
        if let Some(url) = urls.iter().find(|url| !is_address(url)) {
            return Err(RoomError::BadUrl {
                url: url.clone(),
                reason: "it does not begin with ws:// or wss://".to_owned(),
            });
        }
        let host = self.options.host;
        // With a key the relay is enough, which only needs a WebSocket.
        let is_bare = !host.websocket && !host.webrtc && !self.options.has_key;
        let leads_anywhere = Ways::of(&self.options, false).lead_anywhere();
        if !has_transports && (is_bare || !leads_anywhere) {
            return Err(RoomError::NoWebRtc);
        }
        if !host.websocket {
            return Err(RoomError::NoWebSocket);
        }
        Ok(())
    }

    fn start(&mut self, urls: &[String], page: u64, now: Millis, document: &mut Document) {
        self.page = page;
        self.meeting_places = self.meeting_places_of(urls);
        self.outputs.push_back(Output::KeepAlive(true));
        self.start_engine(now, document);
        if self.options.allows(LinkKind::Relay) {
            self.relay.open(self.options.has_key);
        }
        if self.options.has_key {
            self.key = RoomKey::Deriving;
            let derive = Output::Cipher(CipherCommand::DeriveKey);
            self.outputs.push_back(derive);
        } else {
            self.open_broadcast("");
        }
        let started = self.transports.start_all();
        self.outputs.extend(started);
        let opened = self.signaling.connect(urls, now);
        self.outputs.extend(opened);
        if urls.is_empty() {
            self.joined();
        }
    }

    fn disconnect(&mut self, why: &RoomError, now: Millis, document: &mut Document) {
        self.close(now, document);
        self.signaling.clear();
        let waiting = self.lifecycle.disconnected();
        self.end(waiting, &Err(why.clone()));
        self.outputs.push_back(Output::KeepAlive(false));
    }

    /// The page is hidden, perhaps for good: peers see it leave at once.
    fn suspend(&mut self, now: Millis, document: &mut Document) {
        if self.engine.is_none() {
            return;
        }
        self.close(now, document);
        self.signaling.clear();
        let waiting = self.lifecycle.suspend();
        self.end(waiting, &Err(RoomError::Interrupted));
    }

    /// Closes every link and every socket.
    fn close(&mut self, now: Millis, document: &mut Document) {
        self.stop_engine(now, document);
        let actions = self.transports.stop_all();
        self.on_transports(actions, now, document);
        self.leave_room(now, document);
        self.links.clear();
        self.introductions.clear();
        self.sealed_links.clear();
        if std::mem::take(&mut self.key).is_there() {
            self.outputs
                .push_back(Output::Cipher(CipherCommand::Forget));
        }
    }

    /// Forgets all members that the signaling servers named, and leaves the servers. The key stays:
    /// the other ends of transports prove that they have it, too.
    fn leave_room(&mut self, now: Millis, document: &mut Document) {
        for id in self.broadcast.peers() {
            let actions = self.broadcast.take_leave(&id);
            self.on_broadcast_links(actions, now, document);
        }
        let changes = self.members.clear();
        self.on_members(changes, now, document);
        let left = self.signaling.leave(now);
        self.outputs.extend(left);
        self.relay.close();
        self.log.clear();
        self.sealed_signals.clear();
        let closed = self.broadcast.close();
        self.outputs.extend(closed);
        self.meeting_places.clear();
    }

    /// Opens the channels on which pages of this browser find and reach this one.
    pub(super) fn open_broadcast(&mut self, secret: &str) {
        if self.options.allows(LinkKind::Broadcast) {
            let opened = self.broadcast.open(self.page, secret, &self.meeting_places);
            self.outputs.extend(opened);
        }
    }

    /// The meeting places of pages of this browser: pages that share a server meet, and pages
    /// without a server that name the same room. Two read-only pages are not useful to each other,
    /// and cannot be distinguished there from writers, so read-only pages wait for a server to
    /// introduce them.
    fn meeting_places_of(&self, urls: &[String]) -> Vec<String> {
        let room = self.options.room.as_ref().map(RoomId::as_str);
        let can_meet = self.options.allows(LinkKind::Broadcast) && !self.options.is_read_only;
        if !can_meet || urls.is_empty() && room.is_none() {
            return Vec::new();
        }
        let none = [String::new()];
        let servers = if urls.is_empty() { &none } else { urls };
        let places = servers
            .iter()
            .map(|url| format!("{url} {}", room.unwrap_or_default()));
        places.collect()
    }

    fn add_transport(&mut self, id: TransportId) {
        if self.transports.add(id) && self.engine.is_some() {
            let started = self.transports.start(id);
            self.outputs.extend(started);
        }
    }

    /// The join message for a server; `None` while the room's key is being derived, since the
    /// message depends on it.
    pub(super) fn join_message(options: &RoomOptions, key: &RoomKey, page: u64) -> Option<Join> {
        if key.is_deriving() {
            return None;
        }
        let mut join = Join::new(options.agent.clone());
        join.room.clone_from(&options.room);
        join.token.clone_from(&options.token);
        join.session.clone_from(&options.session_secret);
        if let Some(room) = key.room() {
            join.room = Some(room.clone());
        }
        join.capabilities = vec![page_id::capability(page)];
        if options.is_read_only {
            join.capabilities.push(READ_ONLY.to_owned());
        }
        if key.is_usable() {
            let sealed = sealed_signals::CAPABILITY.to_owned();
            join.capabilities.push(sealed);
            if !options.is_read_only {
                join.capabilities.push(room_log::CAPABILITY.to_owned());
            }
            if options.allows(LinkKind::Relay) {
                join.capabilities.push(relay::CAPABILITY.to_owned());
            }
        }
        join.protocol = Some(PROTOCOL_VERSION);
        Some(join)
    }
}
