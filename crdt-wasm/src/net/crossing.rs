//! What stands in `crossing.js`: what crosses to and from JavaScript with every keystroke.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::RtcDataChannel;

use crate::edit::TextChange;

/// The event of a channel that something came.
const MESSAGE: &str = "message";

#[wasm_bindgen(module = "/src/net/crossing.js")]
extern "C" {
    #[wasm_bindgen(js_name = withChange)]
    fn with_change(list: JsValue, position: usize, deleted: usize, inserted: &str) -> JsValue;

    #[wasm_bindgen(js_name = withCharacter)]
    fn with_character(list: JsValue, position: usize, deleted: usize, scalar: u32) -> JsValue;

    fn receiver(
        take_bytes: &Closure<dyn Fn(Vec<u8>)>,
        take_text: &Closure<dyn Fn(String)>,
    ) -> Function;

    fn send(channel: &RtcDataChannel, bytes: &[u8]) -> bool;

    #[wasm_bindgen(js_name = whyNot)]
    fn why_not() -> JsValue;

    /// Calls who listens. What is thrown there is shown as the browser shows any uncaught error.
    pub(super) fn call(listener: &Function, payload: &JsValue);

    /// Milliseconds on a clock that never goes back.
    pub(super) fn now() -> f64;
}

/// The changes as JavaScript gets them, an array of `TextChange`; at least one.
pub(super) fn list_of(changes: &[TextChange]) -> JsValue {
    changes.iter().fold(JsValue::UNDEFINED, |list, change| {
        let (position, deleted) = (change.position, change.deleted);
        let mut chars = change.inserted.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => with_character(list, position, deleted, only.into()),
            _ => with_change(list, position, deleted, &change.inserted),
        }
    })
}

/// Hears the messages of a channel, for as long as it is kept.
pub(super) struct Receiver {
    channel: RtcDataChannel,
    listener: Function,
    _take_bytes: Closure<dyn Fn(Vec<u8>)>,
    _take_text: Closure<dyn Fn(String)>,
}

impl Receiver {
    pub(super) fn new(
        channel: &RtcDataChannel,
        take_bytes: impl Fn(Vec<u8>) + 'static,
        take_text: impl Fn(String) + 'static,
    ) -> Receiver {
        let take_bytes = Closure::<dyn Fn(Vec<u8>)>::new(take_bytes);
        let take_text = Closure::<dyn Fn(String)>::new(take_text);
        let listener = receiver(&take_bytes, &take_text);
        // Adding a listener fails only for a target that is none.
        let _ = channel.add_event_listener_with_callback(MESSAGE, &listener);
        Receiver {
            channel: channel.clone(),
            listener,
            _take_bytes: take_bytes,
            _take_text: take_text,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self
            .channel
            .remove_event_listener_with_callback(MESSAGE, &self.listener);
    }
}

/// Sends bytes by a channel; fails with what it threw.
pub(super) fn send_bytes(channel: &RtcDataChannel, bytes: &[u8]) -> Result<(), JsValue> {
    if send(channel, bytes) {
        Ok(())
    } else {
        Err(why_not())
    }
}
