//! Rust values as plain JavaScript objects.

use js_sys::{Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

thread_local! {
    /// The keys of a `TextChange`, and the empty string: made once, not with every keystroke.
    static POSITION: JsValue = JsValue::from_str("position");
    static DELETED: JsValue = JsValue::from_str("deleted");
    static INSERTED: JsValue = JsValue::from_str("inserted");
    static NOTHING: JsValue = JsValue::from_str("");
}

/// A `TextChange`. This is what every local edit returns, so it goes around the serializer.
pub(crate) fn text_change(position: usize, deleted: usize, inserted: Option<&JsValue>) -> JsValue {
    let change = Object::new();
    // Setting a property of a fresh object cannot fail.
    let set = |key: &JsValue, value: &JsValue| {
        let _ = Reflect::set(&change, key, value);
    };
    POSITION.with(|key| set(key, &JsValue::from_f64(position as f64)));
    DELETED.with(|key| set(key, &JsValue::from_f64(deleted as f64)));
    INSERTED.with(|key| match inserted {
        Some(text) => set(key, text),
        None => NOTHING.with(|nothing| set(key, nothing)),
    });
    change.into()
}

/// The value as objects, arrays, strings and numbers; `None` becomes `null`.
///
/// Only a value that refuses to be serialized fails, and none of this crate's does; should one,
/// JavaScript sees `undefined` in place of a panic.
pub(crate) fn plain(value: &impl Serialize) -> JsValue {
    let serializer = Serializer::new()
        .serialize_maps_as_objects(true)
        .serialize_missing_as_null(true);
    value.serialize(&serializer).unwrap_or(JsValue::UNDEFINED)
}
