//! The room: passes each input to its component, and carries out the resulting actions.
//!
//! [`Room`] itself makes no decision that a component can make. It owns the sync engine and the
//! components, none of which accesses another:
//!
//! - `signaling` joins the room at every server; `members` keeps the members;
//! - `direct`, `broadcast`, `relay` and `transports` establish links of their kind;
//! - `room_key` has the state of the key, `sealed_signals` uses it for messages through the
//!   servers, `introductions` for links without other authentication, and `sealed_links` encrypts
//!   the messages of those;
//! - `lifecycle` has the phase of the connection, and whether one is wanted;
//! - `room_log` reads and writes the room's log at the servers.
//!
//! `access` decides which members may write, `calls` handles the calls of the user and page events,
//! `links` changes of links or membership, `log` the room's log, `sync` the traffic of the engine.

mod access;
mod calls;
mod links;
mod log;
mod sync;

use std::collections::VecDeque;

use crdt_core::Document;
use crdt_sync::{Engine, Millis, SortedMap};

use crate::broadcast::Broadcast;
use crate::direct::{Context, Direct};
use crate::doctor::{Diagnosis, Ways, diagnose};
use crate::error::RoomError;
use crate::ids::Purpose;
use crate::input::{CipherEvent, ConnectionEvent, Input, SocketEvent};
use crate::introductions::Introductions;
use crate::lifecycle::Lifecycle;
use crate::links::{Link, LinkNumbers, Links, Route};
use crate::members::Members;
use crate::options::{LinkKind, RoomOptions};
use crate::output::{ConnectionCommand, News, Output};
use crate::parties::Parties;
use crate::relay::Relay;
use crate::report;
use crate::room_key::RoomKey;
use crate::room_log::RoomLog;
use crate::sealed_links::SealedLinks;
use crate::sealed_signals::SealedSignals;
use crate::signaling::Signaling;
use crate::status::{LinkState, PeerLink, Status};
use crate::transports::Transports;

/// The number of bytes that may be sent before links are asked how many of them wait.
const LITTLE: usize = 4 * 1024;

/// The interval at which links that do not report free room are polled while messages wait.
const ROOM_MILLIS: Millis = 4;

/// One member of a room: its connections to all other members that edit the document.
///
/// After every call of [`handle`](Room::handle) or [`settle`](Room::settle): drain
/// [`poll_output`](Room::poll_output), and have a timer fire at [`next_timeout`](Room::next_timeout).
pub struct Room {
    options: RoomOptions,
    /// The number of this page load, new with every connection to the room.
    page: u64,
    /// Draws uniform numbers in 0..1, for spreading retries out.
    random: Box<dyn FnMut() -> f64>,
    lifecycle: Lifecycle,
    signaling: Signaling,
    members: Members,
    direct: Direct,
    broadcast: Broadcast,
    /// The names of the meeting places of the room in this browser.
    meeting_places: Vec<String>,
    relay: Relay,
    key: RoomKey,
    sealed_signals: SealedSignals,
    introductions: Introductions,
    sealed_links: SealedLinks,
    log: RoomLog,
    transports: Transports,
    /// The fields of the own presence, as JSON text. They outlive connections.
    presence: SortedMap<String, String>,
    engine: Option<Engine>,
    links: Links,
    link_numbers: LinkNumbers,
    outputs: VecDeque<Output>,
    /// An input may have changed the links or their status.
    is_dirty: bool,
    /// A message was sent on a link that does not report free room.
    has_to_ask: bool,
    /// An input other than an answer arrived since links were last asked how many bytes wait in
    /// them.
    may_ask: bool,
    /// The status that was reported last.
    shown: Status,
}

impl Room {
    /// A member that has not joined the room. `random` draws uniform numbers from 0 to below 1, for
    /// spreading retries out.
    pub fn new(options: RoomOptions, random: Box<dyn FnMut() -> f64>) -> Room {
        let shown = Status {
            agent_id: options.agent.to_string(),
            room: options.room.as_ref().map(ToString::to_string),
            read_only: options.is_read_only,
            ..Status::default()
        };
        let signaling = Signaling::new(options.host.event_stream);
        Room {
            options,
            page: 0,
            random,
            lifecycle: Lifecycle::default(),
            signaling,
            members: Members::default(),
            direct: Direct::default(),
            broadcast: Broadcast::default(),
            meeting_places: Vec::new(),
            relay: Relay::default(),
            key: RoomKey::default(),
            sealed_signals: SealedSignals::default(),
            introductions: Introductions::default(),
            sealed_links: SealedLinks::default(),
            log: RoomLog::default(),
            transports: Transports::default(),
            presence: SortedMap::new(),
            engine: None,
            links: Links::default(),
            link_numbers: LinkNumbers::default(),
            outputs: VecDeque::new(),
            is_dirty: false,
            has_to_ask: false,
            may_ask: false,
            shown,
        }
    }

    /// The settings.
    pub fn options(&self) -> &RoomOptions {
        &self.options
    }

    /// The number of this page load: the one that came with the last connection to the room.
    pub fn page(&self) -> u64 {
        self.page
    }

    /// Handles one input. The cost of a local or remote keystroke is that of the engine.
    ///
    /// `document` is the same in every call.
    pub fn handle(&mut self, input: Input<'_>, now: Millis, document: &mut Document) {
        match input {
            Input::Edited => {
                self.may_ask = true;
                self.edited(now, document);
            }
            Input::Message { link, message } => {
                self.may_ask = true;
                self.message(link, message, now, document);
            }
            other => self.handle_other(other, now, document),
        }
        self.log.note(document.event_count(), now);
    }

    /// Handles an input that is not part of every keystroke. Browsers compile whole functions, so
    /// the functions of a keystroke are kept small.
    #[inline(never)]
    fn handle_other(&mut self, input: Input<'_>, now: Millis, document: &mut Document) {
        self.is_dirty |= !is_traffic(&input);
        self.may_ask |= !is_answer(&input);
        match input {
            Input::Edited | Input::Message { .. } => {}
            Input::Call(call) => self.call(call, now, document),
            Input::Socket {
                event: SocketEvent::Buffered(bytes),
                socket,
            } => self.socket_buffered(socket, bytes, now, document),
            Input::Socket { socket, event } => {
                let random = (self.random)();
                let (options, key, page) = (&self.options, &self.key, self.page);
                let join = || Room::join_message(options, key, page);
                let me = &options.agent;
                let actions = self.signaling.handle(socket, event, me, join, now, random);
                self.on_signaling(actions, now, document);
            }
            Input::Connection {
                event: ConnectionEvent::Buffered(bytes),
                link,
            } => self.buffered(link, bytes, now, document),
            Input::Connection { link, event } => {
                let actions =
                    self.with_direct(now, |direct, context| direct.handle(link, event, context));
                self.on_direct(actions, now, document);
            }
            Input::Broadcast(message) => self.on_broadcast_message(message, now, document),
            Input::Transport { run, event } => {
                let random = (self.random)();
                let numbers = &mut self.link_numbers;
                let actions = self.transports.handle(run, event, numbers, now, random);
                self.on_transports(actions, now, document);
            }
            Input::Cipher(event) => self.on_cipher(event, now, document),
            Input::Page(event) => self.page_event(event, now, document),
            Input::Timeout => self.tick(now, document),
        }
    }

    /// The next output. Drain after every call.
    ///
    /// The next part of a long history is encoded when the ones before have been polled.
    pub fn poll_output(&mut self, now: Millis, document: &mut Document) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let output = self.next_of_engine(now, document)?;
            if let Some(output) = self.route(output, now, document) {
                return Some(output);
            }
        }
    }

    /// Performs the follow-up work of the inputs since the last call: relay links, receipts,
    /// queries of waiting bytes, and reports of the status. May be called once for several inputs,
    /// and after changes of the text have been reported to the user.
    pub fn settle(&mut self, now: Millis, document: &mut Document) {
        let was_dirty = std::mem::take(&mut self.is_dirty);
        if was_dirty {
            self.forget_gone(now, document);
            self.review_access(now, document);
            self.plan_relay(now, document);
        }
        self.advance_cipher(now);
        self.advance_log(now, document);
        if let Some(engine) = &mut self.engine {
            if engine.owes_receipts(now) {
                engine.acknowledge(now, document);
            }
            // An answer causes no further query: the links report free room by themselves, or the
            // timer polls them again.
            if std::mem::take(&mut self.may_ask) && engine.buffered() > 0 {
                self.ask_buffered(now, document);
            }
        }
        self.has_to_ask = false;
        if was_dirty || self.shows_unsynced() {
            self.tell_status(document);
        }
    }

    /// Whether [`settle`](Room::settle) has to be called again, since carrying out its outputs
    /// changed the state.
    pub fn needs_settling(&self) -> bool {
        self.is_dirty
    }

    /// Whether [`settle`](Room::settle) can wait after a keystroke: there is nothing to report, few
    /// bytes are in transit, and the timer, armed for `armed`, fires early enough.
    pub fn is_quiet(&self, armed: Option<Millis>) -> bool {
        let log = self.log.deadline();
        let can_wait = self.engine.as_ref().is_none_or(|engine| {
            let timeout = engine.next_timeout();
            let is_before = |armed: Millis, at: Option<Millis>| at.is_none_or(|at| armed <= at);
            let is_early = |armed| is_before(armed, timeout) && is_before(armed, log);
            armed.is_some_and(is_early) && engine.buffered() <= LITTLE
        });
        can_wait && !self.is_dirty && !self.has_to_ask && self.outputs.is_empty()
    }

    /// When to report [`Input::Timeout`]; a past time means now.
    pub fn next_timeout(&self, now: Millis) -> Option<Millis> {
        let all = [
            self.engine.as_ref().and_then(Engine::next_timeout),
            self.signaling.deadline(),
            self.members.deadline(),
            self.direct.deadline(),
            self.relay.deadline(),
            self.introductions.deadline(),
            self.log.deadline(),
            self.transports.deadline(),
            self.room_deadline(now),
        ];
        all.into_iter().flatten().min()
    }

    /// The current status. Takes time in proportion to the number of members.
    pub fn status(&self, document: &Document) -> Status {
        let figures = self.figures(document);
        let view = report::View {
            options: &self.options,
            lifecycle: &self.lifecycle,
            signaling: &self.signaling,
            members: &self.members,
            direct: &self.direct,
            broadcast: &self.broadcast,
            relay: &self.relay,
            key: &self.key,
            sealed_signals: &self.sealed_signals,
            introductions: &self.introductions,
            kept: self.kept(document),
            open: &self.links,
            is_read_only: self.is_read_only(),
            transports: &self.transports,
            figures: &figures,
        };
        view.status()
    }

    /// Names the stage at which the connection fails, and a remedy.
    pub fn doctor(&self, document: &Document) -> Diagnosis {
        let status = self.status(document);
        let ways = Ways::of(&self.options, status.relay_off.is_some());
        diagnose(&status, ways)
    }

    /// Performs the due actions.
    fn tick(&mut self, now: Millis, document: &mut Document) {
        if let Some(engine) = &mut self.engine
            && engine.next_timeout().is_some_and(|at| at <= now)
        {
            engine.tick(now, document);
        }
        let random = (self.random)();
        let actions = self.signaling.tick(now, random);
        self.on_signaling(actions, now, document);
        self.members.tick(now);
        let actions = self.introductions.tick(now);
        self.on_introductions(actions, now, document);
        let actions = self.with_direct(now, Direct::tick);
        self.on_direct(actions, now, document);
        let started = self.transports.tick(now);
        self.outputs.extend(started);
    }

    fn tell(&mut self, news: News) {
        self.outputs.push_back(Output::Tell(news));
    }

    /// Reports a failure that does not affect anything else.
    fn tell_error(&mut self, error: RoomError) {
        self.tell(News::Error(error));
    }

    fn tell_status(&mut self, document: &Document) {
        let status = self.status(document);
        if !status.differs_visibly(&self.shown) {
            return;
        }
        let before = std::mem::replace(&mut self.shown, status.clone());
        if status.peers != before.peers {
            let news = |of: &[String], not_in: &[String]| -> Vec<String> {
                let new = of.iter().filter(|peer| !not_in.contains(peer));
                new.cloned().collect()
            };
            self.tell(News::Peers {
                joined: news(&status.peers, &before.peers),
                left: news(&before.peers, &status.peers),
                peers: status.peers.clone(),
            });
        }
        self.tell(News::Status(Box::new(status)));
    }

    /// Whether the last reported status has an open link that is not synced yet, so that every
    /// message may change it.
    fn shows_unsynced(&self) -> bool {
        let is_behind = |link: &PeerLink| link.state == LinkState::Open && !link.synced;
        self.shown.links.iter().any(is_behind)
    }

    fn with_direct<T>(
        &mut self,
        now: Millis,
        act: impl FnOnce(&mut Direct, &mut Context<'_>) -> T,
    ) -> T {
        let signaling = &self.signaling;
        let mut context = Context {
            me: &self.options.agent,
            page: self.page,
            now,
            numbers: &mut self.link_numbers,
            random: &mut self.random,
            ice_servers: &|| signaling.ice_servers(),
            low_water: self.options.sync.low_water,
        };
        act(&mut self.direct, &mut context)
    }

    /// Starts sealing and opening waiting messages.
    fn advance_cipher(&mut self, now: Millis) {
        if !self.key.is_usable() {
            return;
        }
        let members = &self.members;
        let parties = Parties {
            me: &self.options.agent,
            page: self.page,
            page_of: &|id| members.get(id)?.page,
        };
        let relayed = self.relay.advance(&parties, now);
        let signals = self.sealed_signals.advance(&parties);
        let introductions = self.introductions.advance(&self.options.agent, self.page);
        let sealed = self.sealed_links.advance();
        let all = relayed.into_iter().chain(signals);
        self.outputs.extend(all.chain(introductions).chain(sealed));
    }

    /// When to poll the links that do not report free room.
    fn room_deadline(&self, now: Millis) -> Option<Millis> {
        let engine = self.engine.as_ref()?;
        let links = self.links.iter();
        let mut polled = links.filter(|link| link.route.kind() != LinkKind::WebRtc);
        let waits = polled.any(|link| engine.waits_for_room(link.id));
        waits.then(|| now.saturating_add(ROOM_MILLIS))
    }

    /// Queries the waiting bytes of each link: the engine only sends as much as there is room for.
    fn ask_buffered(&mut self, now: Millis, document: &Document) {
        let mut known = Vec::new();
        for Link { id, route, .. } in self.links.iter() {
            let link = *id;
            match route {
                Route::Direct(_) => self.outputs.push_back(Output::Connection {
                    link,
                    command: ConnectionCommand::AskBuffered,
                }),
                Route::Broadcast { .. } => known.push((link, 0)),
                // Reported after every message, if it is known.
                Route::Transport { .. } => known.push((link, self.transports.buffered(link))),
                Route::Relay(_) => {}
            }
        }
        for (server, link) in self.relay.servers() {
            self.outputs.extend(self.signaling.ask_buffered(server));
            known.push((
                link,
                self.relay.buffered() + self.signaling.buffered(server),
            ));
        }
        for (link, bytes) in known {
            let bytes = bytes.saturating_add(self.sealed_links.buffered(link));
            self.buffered(link, bytes, now, document);
        }
    }
}

/// Whether an input is the answer to a query of waiting bytes.
fn is_answer(input: &Input<'_>) -> bool {
    use crate::input::TransportEvent;
    match input {
        Input::Socket { event, .. } => matches!(event, SocketEvent::Buffered(_)),
        Input::Connection { event, .. } => matches!(event, ConnectionEvent::Buffered(_)),
        Input::Transport { event, .. } => matches!(event, TransportEvent::Buffered(_)),
        _ => false,
    }
}

/// Whether an input is of a kind that arrives constantly during typing. Such inputs change links
/// only through outputs of the engine.
fn is_traffic(input: &Input<'_>) -> bool {
    use crate::input::{Call, TransportEvent};
    match input {
        Input::Edited | Input::Message { .. } => true,
        Input::Call(call) => matches!(call, Call::SetPresence { .. }),
        Input::Socket { event, .. } => matches!(event, SocketEvent::Buffered(_)),
        Input::Connection { event, .. } => matches!(event, ConnectionEvent::Buffered(_)),
        Input::Cipher(event) => matches!(
            event,
            CipherEvent::Sealed {
                purpose: Purpose::Message(_),
                ..
            } | CipherEvent::Opened {
                purpose: Purpose::Message(_),
                ..
            }
        ),
        Input::Transport { event, .. } => matches!(
            event,
            TransportEvent::Received(_) | TransportEvent::Buffered(_) | TransportEvent::Drained
        ),
        _ => false,
    }
}
