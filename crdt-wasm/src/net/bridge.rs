//! The calls to and from JavaScript that every keystroke makes; their other side is `bridge.js`.
//!
//! `unsafe` here claims only that no two functions are exported under one name.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;
use web_sys::RtcDataChannel;

use crate::edit::TextChange;

#[wasm_bindgen(module = "/src/net/bridge.js")]
extern "C" {
    fn attach(exports: &JsValue, scratch_length: usize);

    fn receiver(
        port: usize,
        take_bytes: &Closure<dyn Fn(Vec<u8>)>,
        take_text: &Closure<dyn Fn(String)>,
    ) -> Function;

    // Plain signed numbers cross as they are.
    #[wasm_bindgen(js_name = sendShort)]
    fn send_short(channel: &RtcDataChannel, length: i32) -> i32;

    #[wasm_bindgen(js_name = sendError)]
    fn send_error() -> JsValue;

    /// Calls a listener. What it throws is shown as the browser shows any uncaught error.
    pub(super) fn call(listener: &Function, payload: &JsValue);

    #[wasm_bindgen(js_name = tellCharacter)]
    fn tell_character(listener: &Function, position: i32, deleted: i32, scalar: i32);

    #[wasm_bindgen(js_name = addChange)]
    fn add_change(list: &Array, position: usize, deleted: usize, inserted: &str);

    /// Milliseconds on a clock that never goes back, where the host has one.
    pub(super) fn now() -> f64;
}

/// The length of the scratch buffer in bytes. Longer messages cross in buffers of their own.
const SCRATCH: usize = 64;

/// What takes the binary messages of a channel.
type Take = Rc<dyn Fn(&[u8])>;

thread_local! {
    /// Holds a short message as it crosses, in either direction.
    static BUFFER: RefCell<[u8; SCRATCH]> = const { RefCell::new([0; SCRATCH]) };
    static PORTS: RefCell<Vec<Option<Take>>> = const { RefCell::new(Vec::new()) };
}

/// When the module was loaded: before anything else here.
#[wasm_bindgen(start)]
fn loaded() {
    attach(&wasm_bindgen::exports(), SCRATCH);
}

#[unsafe(no_mangle)]
extern "C" fn crdt_scratch() -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| buffer.as_mut_ptr())
}

/// A message of this length is in the scratch buffer, for this port.
#[unsafe(no_mangle)]
extern "C" fn crdt_received(port: usize, length: usize) {
    // What takes it may add and remove ports.
    let bytes = BUFFER.with_borrow(|buffer| *buffer);
    let take = PORTS.with_borrow(|ports| ports.get(port).cloned().flatten());
    if let (Some(take), Some(bytes)) = (take, bytes.get(..length)) {
        take(bytes);
    }
}

/// Takes in the messages of one channel, for as long as it is kept.
pub(super) struct Port {
    number: usize,
    pub(super) receiver: Function,
    _take_bytes: Closure<dyn Fn(Vec<u8>)>,
    _take_text: Closure<dyn Fn(String)>,
}

impl Port {
    pub(super) fn new(
        take_bytes: impl Fn(&[u8]) + 'static,
        take_text: impl Fn(String) + 'static,
    ) -> Port {
        let take: Take = Rc::new(take_bytes);
        let number = PORTS.with_borrow_mut(|ports| {
            let free = ports.iter().position(Option::is_none);
            let number = free.unwrap_or(ports.len());
            if free.is_none() {
                ports.push(None);
            }
            ports[number] = Some(Rc::clone(&take));
            number
        });
        let take_bytes = Closure::new(move |bytes: Vec<u8>| take(&bytes));
        let take_text = Closure::new(take_text);
        Port {
            number,
            receiver: receiver(number, &take_bytes, &take_text),
            _take_bytes: take_bytes,
            _take_text: take_text,
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let take = PORTS.with_borrow_mut(|ports| ports.get_mut(self.number).and_then(Option::take));
        // What it holds may have ports of its own.
        drop(take);
    }
}

/// Sends bytes by a channel; fails with what it threw.
pub(super) fn send_bytes(channel: &RtcDataChannel, bytes: &[u8]) -> Result<(), JsValue> {
    let is_short = BUFFER.with_borrow_mut(|buffer| {
        let short = buffer.get_mut(..bytes.len());
        short.map(|short| short.copy_from_slice(bytes)).is_some()
    });
    if !is_short {
        return channel.send_with_u8_array(bytes);
    }
    match send_short(channel, bytes.len() as i32) {
        0 => Err(send_error()),
        _ => Ok(()),
    }
}

/// The changes of a text on their way to listeners, as an array of `TextChange`.
pub(super) struct ChangeList<'a> {
    changes: &'a [TextChange],
    /// The array, where all listeners get the same.
    list: Option<Array>,
}

impl ChangeList<'_> {
    pub(super) fn new(changes: &[TextChange]) -> ChangeList<'_> {
        ChangeList {
            changes,
            list: None,
        }
    }

    pub(super) fn tell(&mut self, listener: &Function) {
        if let [change] = self.changes
            && let Some(scalar) = scalar_of(&change.inserted)
        {
            let (position, deleted) = (change.position as i32, change.deleted as i32);
            tell_character(listener, position, deleted, scalar);
            return;
        }
        let changes = self.changes;
        let list = self.list.get_or_insert_with(|| {
            let list = Array::new();
            for change in changes {
                add_change(&list, change.position, change.deleted, &change.inserted);
            }
            list
        });
        call(listener, list);
    }
}

/// The only character of a text or, for an empty text, -1.
fn scalar_of(text: &str) -> Option<i32> {
    let mut chars = text.chars();
    let scalar = chars.next().map_or(-1, |char| u32::from(char) as i32);
    chars.next().is_none().then_some(scalar)
}
