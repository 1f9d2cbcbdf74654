//! The state behind a session, and the turns it takes as a whole: connect, give up, disconnect.

use std::collections::BTreeSet;
use std::rc::Rc;

use crdt_sync::{Engine, PeerStatus};
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use web_sys::EventTarget;

use super::browser::{Deferred, Listener, Timer, now};
use super::bus::Bus;
use super::connection;
use super::custom::Customs;
use super::doctor::Host;
use super::error::NetworkError;
use super::listeners::EventName;
use super::options::{LinkKind, Options};
use super::peers::Peers;
use super::presence::Fields;
use super::relay::Relay;
use super::session::{Event, Identity, Session, thrown};
use super::signaling::Signaling;
use super::status::{Phase, Problem, Status};
use crate::argument;
use crate::error::BindingError;
use crate::object::plain;

/// How much may have been sent, in bytes, before the transports are asked how much of it waits.
const LITTLE: usize = 4 * 1024;

/// The state of one session.
pub(crate) struct Core {
    pub(super) phase: Phase,
    /// Why the last attempt failed.
    problem: Option<Problem>,
    /// The servers to use, while a connection is wanted.
    wanted: Option<Vec<String>>,
    waiting: Vec<Rc<Deferred>>,
    pub(super) signaling: Signaling,
    pub(super) engine: Option<Engine>,
    pub(super) peers: Peers,
    pub(super) presence: Fields,
    pub(super) relay: Relay,
    pub(super) bus: Option<Bus>,
    pub(super) customs: Customs,
    timer: Option<(u64, Timer)>,
    /// Something came that may have changed who is linked, or what a status shows of it.
    pub(super) stirred: bool,
    /// Something was sent by a transport that does not tell when there is room, and has to be asked.
    pub(super) to_ask: bool,
    page_listeners: Vec<Listener>,
    /// The page was put away while connected, and connects again when it comes back.
    suspended: bool,
    destroyed: bool,
    /// What listeners were last told.
    shown: Status,
}

impl Core {
    pub(crate) fn new(identity: &Identity, options: &Options) -> Core {
        let shown = Status {
            agent_id: identity.agent.to_string(),
            room: options.room.as_ref().map(ToString::to_string),
            ..Status::default()
        };
        Core {
            phase: Phase::Disconnected,
            problem: None,
            wanted: None,
            waiting: Vec::new(),
            signaling: Signaling::default(),
            engine: None,
            peers: Peers::default(),
            presence: Fields::new(),
            relay: Relay::default(),
            bus: None,
            customs: Customs::default(),
            timer: None,
            stirred: false,
            to_ask: false,
            page_listeners: Vec::new(),
            suspended: false,
            destroyed: false,
            shown,
        }
    }

    /// Takes one event. A keystroke, of either side, comes past here: browsers compile by the function,
    /// again and better once it is in use, and the larger it is the longer that takes from the typist.
    #[inline(never)]
    pub(crate) fn handle(&mut self, session: &Session, event: Event) {
        self.stirred |= !event.is_traffic();
        match event {
            Event::Connect { urls, done } => self.connect(session, urls, done),
            Event::Disconnect => {
                self.page_listeners.clear();
                self.problem = None;
                self.stop(session, Phase::Disconnected, &NetworkError::Interrupted);
            }
            Event::Destroy => self.destroy(session),
            Event::Edited => self.local_edit(session, now()),
            Event::Bytes { link, bytes } => self.on_bytes(session, link, &bytes),
            Event::Merged(changes) => {
                self.local_edit(session, now());
                self.tell_changes(session, changes);
            }
            Event::Presence { field, value } => self.set_presence(session, field, value),
            Event::Freed => {
                self.page_listeners.clear();
                self.stop(session, Phase::Disconnected, &NetworkError::Interrupted);
            }
            Event::Socket { attempt, event } => self.on_socket(session, attempt, event),
            Event::Wire { link, event } => self.on_wire(session, link, event),
            Event::Bus(message) => self.on_bus(session, message),
            Event::AddTransport(object) => self.add_transport(session, object),
            Event::RemoveTransport(object) => self.remove_transport(session, &object),
            Event::Custom { run, event } => self.on_custom(session, run, event),
            Event::Relay(event) => self.on_relay(session, event),
            Event::Timer => self.on_timer(session),
            Event::PageHide => self.suspend(session),
            Event::PageShow => self.resume(session),
            Event::Online => self.on_online(session),
        }
    }

    /// What follows from the events just taken: the timer, and news for listeners. A keystroke, of
    /// either side, comes by here, and where nothing but that came the rest is as it was.
    pub(crate) fn settle(&mut self, session: &Session) {
        if self.stirred {
            self.forget_the_gone(session);
            self.plan_relay(session);
        } else {
            self.seal_next(session);
        }
        if self
            .engine
            .as_ref()
            .is_some_and(|engine| engine.owes_receipts(now()))
        {
            self.acknowledge(session);
        }
        if self
            .engine
            .as_ref()
            .is_some_and(|engine| engine.buffered() > 0)
        {
            self.report_buffered(session);
        }
        self.arm(session);
        self.to_ask = false;
        if std::mem::take(&mut self.stirred) {
            self.tell_status(session);
        }
    }

    /// Whether what follows from the edits that were just sent can wait: the timer fires early enough as
    /// it is, little was sent, and there is no news for anybody.
    pub(crate) fn is_quiet(&self, session: &Session) -> bool {
        let can_wait = self.engine.as_ref().is_none_or(|engine| {
            let timeout = engine.next_timeout();
            let is_early = |(armed, _): &(u64, Timer)| timeout.is_none_or(|at| *armed <= at);
            self.timer.as_ref().is_some_and(is_early) && engine.buffered() <= LITTLE
        });
        can_wait && !self.stirred && !self.to_ask && session.listeners().is_idle()
    }

    fn tell_status(&mut self, session: &Session) {
        let status = self.status(session);
        if !status.differs_visibly(&self.shown) {
            return;
        }
        let before = std::mem::replace(&mut self.shown, status);
        let status = &self.shown;
        if status.peers != before.peers {
            let news = |of: &[String], not_in: &[String]| -> Vec<String> {
                of.iter()
                    .filter(|peer| !not_in.contains(peer))
                    .cloned()
                    .collect()
            };
            let payload = PeersChanged {
                joined: news(&status.peers, &before.peers),
                left: news(&before.peers, &status.peers),
                peers: status.peers.clone(),
            };
            session.listeners().queue(EventName::Peers, plain(&payload));
        }
        session.listeners().queue(EventName::Status, plain(status));
    }

    pub(crate) fn status(&self, session: &Session) -> Status {
        let figures = self.figures(session);
        let links = self.peers.links(&figures, &self.customs);
        let by_transport = self
            .customs
            .peers(&figures)
            .filter_map(|peer| peer.agent.clone());
        let peers: BTreeSet<String> = by_transport.chain(self.peers.linked()).collect();
        let peers: Vec<String> = peers.into_iter().collect();
        Status {
            connected: self.phase == Phase::Connected || !peers.is_empty(),
            peers,
            state: self.phase,
            agent_id: session.identity().agent.to_string(),
            room: session.options().room.as_ref().map(ToString::to_string),
            url: self.signaling.url().map(str::to_owned),
            signaling: self.signaling.status(),
            error: self.problem.clone(),
            relay_off: self.relay.off.clone(),
            links,
            transports: self.customs.status(&figures),
            open_connections: connection::open_connections(),
        }
    }

    /// What the engine knows of its links.
    pub(super) fn figures(&self, session: &Session) -> Vec<PeerStatus> {
        let Some(engine) = &self.engine else {
            return Vec::new();
        };
        let figures = session
            .entry()
            .read(|document| Ok(engine.peers(document).collect()));
        figures.unwrap_or_default()
    }

    /// The room has taken us in.
    pub(super) fn joined(&mut self) {
        self.phase = Phase::Connected;
        self.problem = None;
        for done in self.waiting.drain(..) {
            done.resolve();
        }
    }

    /// Signaling was lost, and is tried again by itself.
    pub(super) fn interrupted(&mut self, error: &NetworkError) {
        self.phase = Phase::Reconnecting;
        self.problem = Some(error.into());
    }

    /// Ends the attempt for good: who waits for it learns why. Transports of the user's own go on.
    pub(super) fn give_up(&mut self, session: &Session, error: &NetworkError) {
        if self.customs.is_empty() {
            self.page_listeners.clear();
            self.stop(session, Phase::Error, error);
        } else {
            self.leave_room(session);
            self.end_waiting(error);
            self.phase = Phase::Error;
        }
        self.problem = Some(error.into());
        self.tell_error(session, error.clone());
    }

    /// Tells of something that failed while the rest goes on.
    pub(super) fn tell_error(&self, session: &Session, error: NetworkError) {
        session.listeners().queue(EventName::Error, thrown(error));
    }

    fn connect(&mut self, session: &Session, mut urls: Vec<String>, done: Rc<Deferred>) {
        if urls.is_empty() {
            urls.clone_from(&session.options().signaling);
        }
        if let Err(error) = self.may_connect(session, &urls) {
            done.reject(&error.into());
            return;
        }
        let is_same = self.wanted.as_ref() == Some(&urls);
        if is_same && self.phase == Phase::Connected {
            done.resolve();
            return;
        }
        let under_way = matches!(self.phase, Phase::Connecting | Phase::Reconnecting);
        if is_same && under_way {
            self.waiting.push(done);
            self.retry_signaling_now(session);
            return;
        }
        self.stop(session, Phase::Disconnected, &NetworkError::Interrupted);
        self.waiting.push(done);
        self.wanted = Some(urls);
        self.problem = None;
        self.page_listeners = page_listeners(session);
        self.start(session, Phase::Connecting);
    }

    fn may_connect(&self, session: &Session, urls: &[String]) -> Result<(), BindingError> {
        if self.destroyed {
            return Err(NetworkError::Destroyed.into());
        }
        if !session.entry().is_live() {
            return Err(session.entry().dead());
        }
        if urls.is_empty() {
            return if self.customs.is_empty() {
                Err(argument::bad(
                    "urls",
                    "the address of a signaling server, or several, unless a transport was added",
                    &JsValue::UNDEFINED,
                ))
            } else {
                Ok(())
            };
        }
        let is_address = |url: &&String| url.starts_with("ws://") || url.starts_with("wss://");
        if let Some(url) = urls.iter().find(|url| !is_address(url)) {
            return Err(NetworkError::BadUrl {
                url: url.clone(),
                reason: "it does not begin with ws:// or wss://".to_owned(),
            }
            .into());
        }
        let options = session.options();
        let needs_webrtc =
            options.allows(LinkKind::WebRtc) && options.key.is_none() && self.customs.is_empty();
        let host = host();
        if needs_webrtc && !host.webrtc {
            return Err(NetworkError::NoWebRtc.into());
        }
        if !host.websocket {
            return Err(NetworkError::NoWebSocket.into());
        }
        Ok(())
    }

    fn start(&mut self, session: &Session, phase: Phase) {
        let urls = self.wanted.clone().unwrap_or_default();
        self.phase = phase;
        session.identity().renew();
        self.make_engine(session);
        self.show_all_presence(session);
        self.prepare_relay(session);
        self.open_bus(session);
        session.set_live(true);
        self.start_transports(session);
        self.signaling = Signaling::new(&urls);
        if urls.is_empty() {
            self.joined();
        } else {
            self.open_sockets(session);
        }
    }

    /// Lets go of everyone that the signaling servers named, and of the servers.
    fn leave_room(&mut self, session: &Session) {
        self.close_bus();
        self.drop_all_peers(session);
        self.signaling.leave();
        self.relay = Relay::default();
    }

    /// Who waits for the connection is told why it does not come.
    fn end_waiting(&mut self, why: &NetworkError) {
        for done in self.waiting.drain(..) {
            done.reject(&thrown(why.clone()));
        }
    }

    /// Closes everything. Who still waits for the connection is told `why` not.
    fn stop(&mut self, session: &Session, phase: Phase, why: &NetworkError) {
        self.say_goodbye(session);
        self.stop_transports(session);
        self.engine = None;
        self.leave_room(session);
        self.timer = None;
        self.suspended = false;
        self.phase = phase;
        if phase == Phase::Disconnected {
            self.wanted = None;
            self.signaling = Signaling::default();
        }
        self.end_waiting(why);
        session.set_live(false);
    }

    fn destroy(&mut self, session: &Session) {
        self.destroyed = true;
        self.page_listeners.clear();
        self.problem = None;
        self.stop(session, Phase::Disconnected, &NetworkError::Destroyed);
        self.customs = Customs::default();
        // The last status is told to nobody: listeners go first.
        session.listeners().clear();
    }

    /// The page goes into the browser's cache, or away: peers see it leave at once.
    fn suspend(&mut self, session: &Session) {
        if self.engine.is_none() {
            return;
        }
        let wanted = self.wanted.take();
        self.stop(session, Phase::Disconnected, &NetworkError::Interrupted);
        self.wanted = wanted;
        self.suspended = true;
        // The page listeners stay, and they need the session.
        session.set_live(true);
    }

    fn resume(&mut self, session: &Session) {
        if std::mem::take(&mut self.suspended) {
            // What worked before is worth waiting for.
            self.start(session, Phase::Reconnecting);
        }
    }

    /// Sees to it that the one timer fires when the earliest of all deadlines comes, or before: with
    /// every message most deadlines move on, and to look at them once in vain costs less than to set
    /// the timer anew each time.
    fn arm(&mut self, session: &Session) {
        let wanted = [
            self.engine.as_ref().and_then(Engine::next_timeout),
            self.signaling.deadline(),
            self.peers.deadline(),
            self.relay.deadline(),
            self.customs.deadline(),
            self.room_deadline(),
        ];
        let Some(at) = wanted.into_iter().flatten().min() else {
            self.timer = None;
            return;
        };
        if self.timer.as_ref().is_some_and(|(armed, _)| *armed <= at) {
            return;
        }
        let tell = session.teller(|()| Event::Timer);
        // Rounded up, so that the deadline has passed when it fires.
        let delay = at.saturating_sub(now()).saturating_add(1);
        self.timer = Some((at, Timer::new(delay, move || tell(()))));
    }

    fn on_timer(&mut self, session: &Session) {
        self.timer = None;
        self.tick_engine(session);
        self.tick_signaling(session);
        self.tick_peers(session);
        self.tick_relay(session);
        self.tick_transports(session);
    }

    fn on_online(&mut self, session: &Session) {
        self.retry_signaling_now(session);
        self.on_network_back(session);
    }
}

/// The payload of the `peers` event.
#[derive(serde::Serialize)]
struct PeersChanged {
    peers: Vec<String>,
    joined: Vec<String>,
    left: Vec<String>,
}

/// What this page can use.
pub(crate) fn host() -> Host {
    Host {
        webrtc: is_function("RTCPeerConnection"),
        websocket: is_function("WebSocket"),
    }
}

/// Whether the host has a constructor of this name.
fn is_function(name: &str) -> bool {
    Reflect::get(&js_sys::global(), &name.into()).is_ok_and(|found| found.is_function())
}

/// Listens for what becomes of the page.
fn page_listeners(session: &Session) -> Vec<Listener> {
    let global: EventTarget = wasm_bindgen::JsCast::unchecked_into(js_sys::global());
    let hide = session.teller(|_: JsValue| Event::PageHide);
    let show = session.teller(|_: JsValue| Event::PageShow);
    let online = session.teller(|_: JsValue| Event::Online);
    vec![
        Listener::new(&global, "pagehide", hide),
        Listener::new(&global, "pageshow", show),
        Listener::new(&global, "online", online),
    ]
}
