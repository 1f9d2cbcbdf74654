//! What stands in `crossing.js`: what crosses to and from JavaScript with every keystroke.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::RtcDataChannel;

use crate::edit::TextChange;

#[wasm_bindgen(module = "/src/net/crossing.js")]
extern "C" {
    #[wasm_bindgen(js_name = withChange)]
    fn with_change(list: JsValue, position: usize, deleted: usize, inserted: &str) -> JsValue;

    #[wasm_bindgen(js_name = withCharacter)]
    fn with_character(list: JsValue, position: usize, deleted: usize, scalar: u32) -> JsValue;

    /// What hears the messages of a channel, and hands each to the one that takes it.
    pub(super) fn receiver(
        take_bytes: &Closure<dyn Fn(Vec<u8>)>,
        take_text: &Closure<dyn Fn(String)>,
    ) -> Function;

    fn send(channel: &RtcDataChannel, bytes: &[u8]) -> bool;

    #[wasm_bindgen(js_name = whyNot)]
    fn why_not() -> JsValue;

    /// Calls who listens. What is thrown there is shown as the browser shows any uncaught error.
    pub(super) fn call(listener: &Function, payload: &JsValue);

    /// Milliseconds on a clock that never goes back, where the host has one.
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

/// Sends bytes by a channel; fails with what it threw.
pub(super) fn send_bytes(channel: &RtcDataChannel, bytes: &[u8]) -> Result<(), JsValue> {
    if send(channel, bytes) {
        Ok(())
    } else {
        Err(why_not())
    }
}
