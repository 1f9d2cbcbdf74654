//! What stands in `crossing.js`: what crosses to and from JavaScript with every keystroke.

use wasm_bindgen::prelude::*;

use crate::edit::TextChange;

#[wasm_bindgen(module = "/src/net/crossing.js")]
extern "C" {
    #[wasm_bindgen(js_name = withChange)]
    fn with_change(list: JsValue, position: usize, deleted: usize, inserted: &str) -> JsValue;

    /// The bytes of a message of a data channel, or `None` of one that is text.
    #[wasm_bindgen(js_name = bytesOf)]
    pub(super) fn bytes_of(event: &JsValue) -> Option<Vec<u8>>;
}

/// The changes as JavaScript gets them, an array of `TextChange`; at least one.
pub(super) fn list_of(changes: &[TextChange]) -> JsValue {
    changes.iter().fold(JsValue::UNDEFINED, |list, change| {
        with_change(list, change.position, change.deleted, &change.inserted)
    })
}
