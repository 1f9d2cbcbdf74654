//! Transports that the user of this package made: anything that carries bytes to one peer.
//!
//! Their functions are called when the session holds nothing, like listeners, so they may call
//! anything here, throw, answer at once or never.

use std::cell::Cell;
use std::rc::Rc;

use crdt_room::{Input, RunId, TransportCommand, TransportEvent, TransportId};
use js_sys::{Array, ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::driver::Tell;
use super::host;
use crate::argument;
use crate::error::BindingError;

/// More waiting bytes than this are as good as a transport that is stuck.
const MAX_BUFFERED: f64 = 1_073_741_824.0;

/// The functions that a transport has to have.
const METHODS: [&str; 3] = ["start", "send", "stop"];

/// A call of a function of the user's.
pub(super) type Call = Box<dyn FnOnce()>;

/// The transports of a session.
pub(super) struct UserTransports {
    all: Vec<(TransportId, Object)>,
    last: u32,
    runs: Vec<Rc<Run>>,
    tell: Tell,
    /// Makes a call when the session holds nothing, after those that wait already.
    later: Box<dyn Fn(Call)>,
}

/// What lies between a start and a stop.
struct Run {
    id: RunId,
    object: Object,
    /// `start` was called, so `stop` has to be.
    started: Cell<bool>,
    /// Nothing more is to be sent.
    broken: Cell<bool>,
    tell: Tell,
}

impl UserTransports {
    pub(super) fn new(tell: Tell, later: impl Fn(Call) + 'static) -> UserTransports {
        UserTransports {
            all: Vec::new(),
            last: 0,
            runs: Vec::new(),
            tell,
            later: Box::new(later),
        }
    }

    /// Takes a transport in under a number; `None` for one that is known.
    pub(super) fn add(&mut self, object: Object) -> Option<TransportId> {
        if self.find(&object).is_some() {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let id = TransportId(self.last);
        self.all.push((id, object));
        Some(id)
    }

    /// The number of a transport.
    pub(super) fn find(&self, object: &Object) -> Option<TransportId> {
        let mut all = self.all.iter();
        let found = all.find(|(_, known)| Object::is(known, object));
        found.map(|(id, _)| *id)
    }

    /// Forgets a transport that was stopped.
    pub(super) fn forget(&mut self, id: TransportId) {
        self.all.retain(|(known, _)| *known != id);
    }

    /// Forgets all transports, which were stopped.
    pub(super) fn forget_all(&mut self) {
        self.all.clear();
    }

    pub(super) fn run(&mut self, id: TransportId, run: RunId, command: TransportCommand) {
        match command {
            TransportCommand::Start => self.start(id, run),
            TransportCommand::Send(bytes) => {
                if let Some(run) = self.get(run) {
                    (self.later)(Box::new(move || run.send(&bytes)));
                }
            }
            TransportCommand::AskBuffered => {
                if let Some(run) = self.get(run) {
                    (self.later)(Box::new(move || run.report_buffered()));
                }
            }
            TransportCommand::Stop { discard } => self.stop(run, discard),
        }
    }

    fn start(&mut self, id: TransportId, run: RunId) {
        let known = self.all.iter().find(|(known, _)| *known == id);
        let Some((_, object)) = known else {
            return;
        };
        let run = Rc::new(Run {
            id: run,
            object: object.clone(),
            started: Cell::new(false),
            broken: Cell::new(false),
            tell: Rc::clone(&self.tell),
        });
        self.runs.push(Rc::clone(&run));
        (self.later)(Box::new(move || {
            run.started.set(true);
            let callbacks = run.callbacks();
            run.call("start", &Array::of1(&callbacks));
        }));
    }

    fn stop(&mut self, run: RunId, discard: bool) {
        let place = self.runs.iter().position(|known| known.id == run);
        let Some(run) = place.map(|place| self.runs.remove(place)) else {
            return;
        };
        if discard {
            run.broken.set(true);
        }
        (self.later)(Box::new(move || {
            if run.started.get() {
                run.call("stop", &Array::new());
            }
        }));
    }

    fn get(&self, run: RunId) -> Option<Rc<Run>> {
        self.runs.iter().find(|known| known.id == run).cloned()
    }
}

impl Run {
    fn send(self: &Rc<Self>, bytes: &[u8]) {
        if self.broken.get() {
            return;
        }
        let bytes: JsValue = Uint8Array::from(bytes).into();
        self.call("send", &Array::of1(&bytes));
        self.report_buffered();
    }

    /// Reports how many bytes wait, where the transport knows.
    fn report_buffered(&self) {
        let buffered = Reflect::get(&self.object, &"bufferedAmount".into());
        if let Some(bytes) = buffered.ok().and_then(|bytes| bytes.as_f64()) {
            // What is no count of bytes becomes the nearest one that makes sense.
            let bytes = bytes.min(MAX_BUFFERED) as usize;
            self.report(TransportEvent::Buffered(bytes));
        }
    }

    /// Calls a function of the transport. What it throws, or what the promise that it returns is
    /// rejected with, is reported.
    fn call(self: &Rc<Self>, name: &'static str, arguments: &Array) {
        let run = Rc::clone(self);
        let failed = move |thrown: &JsValue| {
            let reason = format!("{name}() threw: {}", host::message_of(thrown));
            run.report(TransportEvent::Failed { reason });
        };
        let function = method(&self.object, name);
        let returned = function.and_then(|function| function.apply(&self.object, arguments));
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

    /// The functions that a transport reports by. JavaScript owns them for as long as it holds them,
    /// so that one called too late does nothing, rather than throw.
    fn callbacks(self: &Rc<Self>) -> JsValue {
        let on = |event: fn() -> TransportEvent| -> JsValue {
            let run = Rc::clone(self);
            Closure::<dyn Fn()>::new(move || run.report(event())).into_js_value()
        };
        let run = Rc::clone(self);
        let receive = Closure::<dyn Fn(JsValue)>::new(move |value: JsValue| {
            run.report(match bytes_of(&value) {
                Some(bytes) => TransportEvent::Received(bytes),
                None => TransportEvent::Failed {
                    reason: not_a_message(&value),
                },
            });
        });
        let callbacks = host::object([
            ("connect", on(|| TransportEvent::Connected)),
            ("disconnect", on(|| TransportEvent::Disconnected)),
            ("drained", on(|| TransportEvent::Drained)),
            ("receive", receive.into_js_value()),
        ]);
        callbacks.into()
    }

    fn report(&self, event: TransportEvent) {
        (self.tell)(Input::Transport {
            run: self.id,
            event,
        });
    }
}

/// Checks that a value can be a transport.
pub(super) fn read(value: &JsValue) -> Result<Object, BindingError> {
    let refuse = || argument::bad("transport", "an object with start, send and stop", value);
    let object = value.dyn_ref::<Object>().ok_or_else(refuse)?;
    let has = |name: &&str| method(object, name).is_ok();
    if METHODS.iter().all(has) {
        Ok(object.clone())
    } else {
        Err(refuse())
    }
}

fn method(object: &Object, name: &str) -> Result<Function, JsValue> {
    Reflect::get(object, &name.into())?.dyn_into::<Function>()
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

fn not_a_message(value: &JsValue) -> String {
    argument::bad("receive(message)", "a Uint8Array or an ArrayBuffer", value).to_string()
}
