//! Transports that the user of this package made: anything that carries bytes to one peer.
//!
//! Their functions are called when the session holds nothing, like listeners, so they may call
//! anything here, throw, answer at once or never. What they tell comes as events, like all else.

use std::cell::Cell;
use std::rc::Rc;

use crdt_sync::backoff::Backoff;
use crdt_sync::{Channel as Stream, CloseReason, LinkId, LinkOptions, Outgoing, PeerStatus};
use js_sys::{Array, ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::browser::{now, random_fraction};
use super::core::Core;
use super::error::NetworkError;
use super::message_of;
use super::options::LinkKind;
use super::session::{Event, Session};
use super::status::{TransportState, TransportStatus};
use super::transport::Transport;
use crate::argument;
use crate::error::BindingError;

/// Of the links to one peer: after those within the browser, before those over the network, since
/// somebody took the trouble to make it.
const RANK: u8 = 1;

/// A transport that was connected for so long works: its next failure is taken for the first.
const PROVEN_MILLIS: u64 = 30_000;

/// More than this is as good as stuck.
const MAX_BUFFERED: f64 = 1_073_741_824.0;

/// The functions that a transport has to have.
const METHODS: [&str; 3] = ["start", "send", "stop"];

/// What a transport tells.
pub(crate) enum CustomEvent {
    Connect,
    Receive(Vec<u8>),
    Disconnect,
    /// There may be room again.
    Drained,
    /// How many bytes wait in it.
    Buffered(usize),
    /// One of its functions threw, or it handed in what no message can be.
    Failed(String),
}

/// A call to be made when nothing is borrowed.
type Call = Box<dyn FnOnce()>;

/// Tells the session of what a transport tells.
type Teller = Rc<dyn Fn(CustomEvent)>;

/// The transports of one session.
#[derive(Default)]
pub(crate) struct Customs {
    all: Vec<Custom>,
    runs: u32,
}

/// One transport.
struct Custom {
    object: Object,
    run: Option<Run>,
    backoff: Backoff,
    /// When it is started again.
    restart_at: Option<u64>,
    /// Not started again.
    is_over: bool,
    problem: Option<String>,
}

/// What lies between a start and a stop.
struct Run {
    /// Tells this run from others: late callbacks of an earlier one count for nothing.
    number: u32,
    link: Option<LinkId>,
    connected_at: u64,
    buffered: usize,
    state: Rc<RunState>,
    object: Object,
    /// Tells the session.
    tell: Teller,
    /// Has the session make a call when it holds nothing.
    later: Rc<dyn Fn(Call)>,
}

/// What the calls that wait to be made have to know.
#[derive(Default)]
struct RunState {
    /// `start` was called, so `stop` has to be.
    started: Cell<bool>,
    /// Nothing more is to be sent.
    broken: Cell<bool>,
}

impl Transport for Run {
    fn kind(&self) -> LinkKind {
        LinkKind::Custom
    }

    fn send(&mut self, _: Stream, message: Outgoing) -> Result<(), String> {
        // The link was declared to carry binary messages only.
        let Outgoing::Binary(bytes) = message else {
            return Ok(());
        };
        let (object, state, tell) = self.parts();
        (self.later)(Box::new(move || {
            if state.broken.get() {
                return;
            }
            let bytes: JsValue = Uint8Array::from(&bytes[..]).into();
            call(&object, "send", &Array::of1(&bytes), &tell);
            read_buffered(&object, &tell);
        }));
        Ok(())
    }

    fn buffered(&self) -> usize {
        self.buffered
    }
}

impl Custom {
    fn link(&self) -> Option<LinkId> {
        self.run.as_ref()?.link
    }
}

impl Customs {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When something has to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.all.iter().filter_map(|custom| custom.restart_at).min()
    }

    /// The open links.
    pub(super) fn transports(&self) -> impl Iterator<Item = (LinkId, &dyn Transport)> {
        let runs = self.all.iter().filter_map(|custom| custom.run.as_ref());
        runs.filter_map(|run| Some((run.link?, run as &dyn Transport)))
    }

    /// The transport behind a link.
    pub(super) fn transport(&mut self, link: LinkId) -> Option<&mut dyn Transport> {
        let run = self.of_link(link)?.run.as_mut()?;
        Some(run)
    }

    pub(super) fn leads(&self, link: LinkId) -> bool {
        self.all.iter().any(|custom| custom.link() == Some(link))
    }

    /// What the engine knows of the peers at the other ends.
    pub(super) fn peers<'a>(
        &'a self,
        figures: &'a [PeerStatus],
    ) -> impl Iterator<Item = &'a PeerStatus> {
        let figures = figures.iter();
        figures.filter(|figures| figures.agent.is_some() && self.leads(figures.link))
    }

    pub(super) fn status(&self, figures: &[PeerStatus]) -> Vec<TransportStatus> {
        let figures: Vec<&PeerStatus> = self.peers(figures).collect();
        let of = |custom: &Custom| {
            let link = custom.link();
            let peer = figures.iter().find(|figures| Some(figures.link) == link);
            TransportStatus {
                state: match (&custom.run, link) {
                    _ if custom.is_over => TransportState::Failed,
                    (_, Some(_)) => TransportState::Open,
                    (Some(_), None) => TransportState::Connecting,
                    (None, None) if custom.restart_at.is_some() => TransportState::Connecting,
                    (None, None) => TransportState::Stopped,
                },
                peer: peer.and_then(|peer| peer.agent.clone()),
                problem: custom.problem.clone(),
            }
        };
        self.all.iter().map(of).collect()
    }

    fn place(&self, object: &Object) -> Option<usize> {
        self.all
            .iter()
            .position(|custom| Object::is(&custom.object, object))
    }

    fn of_run(&mut self, number: u32) -> Option<&mut Custom> {
        let is_it = |custom: &&mut Custom| custom.run.as_ref().is_some_and(|r| r.number == number);
        self.all.iter_mut().find(is_it)
    }

    fn of_link(&mut self, link: LinkId) -> Option<&mut Custom> {
        self.all
            .iter_mut()
            .find(|custom| custom.link() == Some(link))
    }
}

/// Checks that a value can be a transport.
pub(crate) fn read(value: &JsValue) -> Result<Object, BindingError> {
    let refuse = || argument::bad("transport", "an object with start, send and stop", value);
    let object = value.dyn_ref::<Object>().ok_or_else(refuse)?;
    let has = |name: &&str| method(object, name).is_ok();
    if METHODS.iter().all(has) {
        Ok(object.clone())
    } else {
        Err(refuse())
    }
}

impl Core {
    /// Takes a transport in, and starts it if the session is connected, or is being.
    pub(super) fn add_transport(&mut self, session: &Session, object: Object) {
        if self.customs.place(&object).is_some() {
            return;
        }
        self.customs.all.push(Custom {
            object,
            run: None,
            backoff: Backoff::default(),
            restart_at: None,
            is_over: false,
            problem: None,
        });
        if self.engine.is_some() {
            self.start_transport(session, self.customs.all.len() - 1);
        }
    }

    /// Stops a transport and forgets it.
    pub(super) fn remove_transport(&mut self, session: &Session, object: &Object) {
        if let Some(place) = self.customs.place(object) {
            self.halt_transport(session, place);
            self.customs.all.remove(place);
        }
    }

    pub(super) fn start_transports(&mut self, session: &Session) {
        for place in 0..self.customs.all.len() {
            let custom = &mut self.customs.all[place];
            custom.is_over = false;
            custom.problem = None;
            custom.backoff.reset();
            self.start_transport(session, place);
        }
    }

    pub(super) fn stop_transports(&mut self, session: &Session) {
        for place in 0..self.customs.all.len() {
            self.halt_transport(session, place);
        }
    }

    pub(super) fn tick_transports(&mut self, session: &Session) {
        for place in 0..self.customs.all.len() {
            let custom = &self.customs.all[place];
            if custom.restart_at.is_some_and(|at| at <= now()) {
                self.start_transport(session, place);
            }
        }
        // Who does not tell when there is room is asked.
        for custom in &self.customs.all {
            if let Some(run) = custom.run.as_ref().filter(|run| run.buffered > 0) {
                run.ask_buffered();
            }
        }
    }

    pub(super) fn on_custom(&mut self, session: &Session, run: u32, event: CustomEvent) {
        let Some(custom) = self.customs.of_run(run) else {
            // One that was stopped already has nothing to tell but this.
            if let CustomEvent::Failed(reason) = event {
                self.tell_error(session, NetworkError::Transport { reason });
            }
            return;
        };
        match event {
            CustomEvent::Connect => drop(self.raise_custom(session, run)),
            CustomEvent::Receive(bytes) => {
                if let Some(link) = self.raise_custom(session, run) {
                    self.receive_binary(session, link, &bytes);
                }
            }
            CustomEvent::Disconnect => {
                let link = custom.run.as_mut().and_then(|run| run.link.take());
                if let Some(link) = link {
                    self.link_down(session, link);
                }
            }
            CustomEvent::Buffered(bytes) => {
                if let Some(run) = &mut custom.run {
                    run.buffered = bytes;
                }
            }
            CustomEvent::Drained => {
                if let Some(run) = &custom.run {
                    run.ask_buffered();
                }
            }
            CustomEvent::Failed(reason) => self.transport_failed(session, run, reason),
        }
    }

    /// The engine has given a link up, and forgotten it. Returns whether the link is one of these.
    pub(super) fn on_custom_close(
        &mut self,
        session: &Session,
        link: LinkId,
        reason: &CloseReason,
    ) -> bool {
        let Some(custom) = self.customs.of_link(link) else {
            return false;
        };
        let Some(run) = custom.run.as_mut() else {
            return false;
        };
        run.link = None;
        let number = run.number;
        match reason {
            // It may connect again by itself.
            CloseReason::Goodbye | CloseReason::Leaving => {}
            CloseReason::Dead { .. }
            | CloseReason::Stalled { .. }
            | CloseReason::FragmentTimeout { .. } => {
                self.transport_failed(session, number, reason.to_string());
            }
            // With such a peer the next start would end the same way.
            CloseReason::OwnSession
            | CloseReason::Malformed(_)
            | CloseReason::Operations(_)
            | CloseReason::History(_)
            | CloseReason::Version(_)
            | CloseReason::PresenceFlood { .. }
            | CloseReason::Outdated { .. } => {
                custom.is_over = true;
                self.transport_failed(session, number, reason.to_string());
            }
        }
        true
    }

    /// The transport works: the engine may use it. The link is returned, old or new.
    fn raise_custom(&mut self, session: &Session, number: u32) -> Option<LinkId> {
        let next = self.peers.next_link();
        let custom = self.customs.of_run(number)?;
        let run = custom.run.as_mut()?;
        if run.link.is_some() {
            return run.link;
        }
        run.link = Some(next);
        self.stirred = true;
        run.connected_at = now();
        run.buffered = 0;
        custom.problem = None;
        let options = LinkOptions {
            rank: RANK,
            binary_only: true,
            ..LinkOptions::default()
        };
        self.link_up_with(session, next, options);
        Some(next)
    }

    /// A transport is of no use as it is: it is stopped, and started again later unless it is over.
    fn transport_failed(&mut self, session: &Session, number: u32, reason: String) {
        let Some(custom) = self.customs.of_run(number) else {
            return;
        };
        let since = custom.run.as_ref().map_or(0, |run| run.connected_at);
        if since > 0 && now().saturating_sub(since) >= PROVEN_MILLIS {
            custom.backoff.reset();
        }
        if let Some(run) = &custom.run {
            run.state.broken.set(true);
        }
        custom.problem = Some(reason.clone());
        let delay = custom.backoff.next(random_fraction());
        let restart_at = (!custom.is_over).then_some(now() + delay);
        let place = self.customs.all.iter().position(|custom| {
            let run = custom.run.as_ref();
            run.is_some_and(|run| run.number == number)
        });
        if let Some(place) = place {
            self.halt_transport(session, place);
            self.customs.all[place].restart_at = restart_at;
        }
        self.tell_error(session, NetworkError::Transport { reason });
    }

    fn start_transport(&mut self, session: &Session, place: usize) {
        self.customs.runs = self.customs.runs.wrapping_add(1);
        let number = self.customs.runs;
        let Some(custom) = self.customs.all.get_mut(place) else {
            return;
        };
        custom.restart_at = None;
        custom.run = Some(Run {
            number,
            link: None,
            connected_at: 0,
            buffered: 0,
            state: Rc::default(),
            object: custom.object.clone(),
            tell: Rc::new(session.teller(move |event| Event::Custom { run: number, event })),
            later: Rc::new(session.later()),
        });
        if let Some(run) = &custom.run {
            let (object, state, tell) = run.parts();
            (run.later)(Box::new(move || {
                state.started.set(true);
                let callbacks = callbacks(&tell);
                call(&object, "start", &Array::of1(&callbacks), &tell);
            }));
        }
    }

    /// Stops a transport if it runs, and lets the engine know.
    fn halt_transport(&mut self, session: &Session, place: usize) {
        let Some(custom) = self.customs.all.get_mut(place) else {
            return;
        };
        custom.restart_at = None;
        let Some(run) = custom.run.take() else {
            return;
        };
        if let Some(link) = run.link {
            self.link_down(session, link);
        }
        let (object, state, tell) = run.parts();
        (run.later)(Box::new(move || {
            if state.started.get() {
                call(&object, "stop", &Array::new(), &tell);
            }
        }));
    }
}

impl Run {
    /// What a call that is made later needs.
    fn parts(&self) -> (Object, Rc<RunState>, Teller) {
        let state = Rc::clone(&self.state);
        (self.object.clone(), state, Rc::clone(&self.tell))
    }

    /// Asks the transport how much waits in it.
    fn ask_buffered(&self) {
        let (object, _, tell) = self.parts();
        (self.later)(Box::new(move || read_buffered(&object, &tell)));
    }
}

/// The functions that a transport tells by. JavaScript owns them for as long as it holds them, so
/// that one called too late does nothing, rather than throw.
fn callbacks(tell: &Teller) -> JsValue {
    let object = Object::new();
    let set = |name: &str, callback: JsValue| {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &callback);
    };
    let on = |event: fn() -> CustomEvent| {
        let tell = Rc::clone(tell);
        Closure::<dyn Fn()>::new(move || tell(event())).into_js_value()
    };
    set("connect", on(|| CustomEvent::Connect));
    set("disconnect", on(|| CustomEvent::Disconnect));
    set("drained", on(|| CustomEvent::Drained));
    let tell = Rc::clone(tell);
    let receive = move |value: JsValue| {
        tell(match bytes_of(&value) {
            Some(bytes) => CustomEvent::Receive(bytes),
            None => CustomEvent::Failed(
                argument::bad("receive(message)", "a Uint8Array or an ArrayBuffer", &value)
                    .to_string(),
            ),
        });
    };
    set(
        "receive",
        Closure::<dyn Fn(JsValue)>::new(receive).into_js_value(),
    );
    object.into()
}

/// The bytes of a buffer, or of a view of one.
fn bytes_of(value: &JsValue) -> Option<Vec<u8>> {
    if let Some(array) = value.dyn_ref::<Uint8Array>() {
        return Some(array.to_vec());
    }
    if value.is_instance_of::<ArrayBuffer>() {
        return Some(Uint8Array::new(value).to_vec());
    }
    if !ArrayBuffer::is_view(value.unchecked_ref()) {
        return None;
    }
    let part = |name: &str| Reflect::get(value, &name.into()).ok();
    let (offset, length) = (part("byteOffset")?.as_f64()?, part("byteLength")?.as_f64()?);
    let whole = part("buffer")?;
    let view = Uint8Array::new_with_byte_offset_and_length(&whole, offset as u32, length as u32);
    Some(view.to_vec())
}

fn method(object: &Object, name: &str) -> Result<Function, JsValue> {
    Reflect::get(object, &name.into())?.dyn_into::<Function>()
}

/// Calls a function of a transport. What it throws, or what the promise that it returns is rejected
/// with, is told.
fn call(object: &Object, name: &'static str, arguments: &Array, tell: &Teller) {
    let tell = Rc::clone(tell);
    let failed = move |thrown: &JsValue| {
        tell(CustomEvent::Failed(format!(
            "{name}() threw: {}",
            message_of(thrown)
        )));
    };
    let returned = method(object, name).and_then(|method| method.apply(object, arguments));
    match returned.map(|value| value.dyn_into::<Promise>()) {
        Ok(Ok(promise)) => wasm_bindgen_futures::spawn_local(async move {
            if let Err(thrown) = JsFuture::from(promise).await {
                failed(&thrown);
            }
        }),
        Ok(Err(_)) => {}
        Err(thrown) => failed(&thrown),
    }
}

/// Asks a transport that can tell how much waits in it.
fn read_buffered(object: &Object, tell: &Teller) {
    let buffered = Reflect::get(object, &"bufferedAmount".into());
    if let Some(bytes) = buffered.ok().and_then(|bytes| bytes.as_f64()) {
        // What is no count of bytes becomes the nearest one that makes sense.
        tell(CustomEvent::Buffered(bytes.min(MAX_BUFFERED) as usize));
    }
}
