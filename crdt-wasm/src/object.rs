//! Rust values as plain JavaScript objects.

use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

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
