//! Places in the text that stay with the characters beside them, for cursors and comments.

use crdt_core::{Anchor, AnchorError, Bias};
use wasm_bindgen::prelude::*;

use crate::error::BindingError;
use crate::{argument, edit, registry};

/// An anchor at `position`, as text that every replica understands. It stays with the character
/// after the place if `bias` is `"right"`, so that what is inserted there comes before it, and with
/// the one before if it is `"left"`.
///
/// The first anchor of a document takes as long as replaying its history; later ones are cheap.
///
/// @throws {CrdtError} `dead_handle`, `bad_argument`, `out_of_bounds`
#[wasm_bindgen(unchecked_return_type = "string")]
pub fn anchor_at(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "number")] position: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "\"left\" | \"right\"")] bias: &JsValue,
) -> Result<JsValue, JsValue> {
    Ok(make(argument::handle(handle)?, position, bias)?.into())
}

/// Where an anchor is now: where its character is, or the gap that it left behind. `null` while the
/// character has not arrived here.
///
/// @throws {CrdtError} `dead_handle`, `bad_argument` for what is no anchor
#[wasm_bindgen(unchecked_return_type = "number | null")]
pub fn anchor_position(
    #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "string")] anchor: &JsValue,
) -> Result<JsValue, JsValue> {
    let position = find(argument::handle(handle)?, anchor)?;
    Ok(position.map_or(JsValue::NULL, |position| JsValue::from(position as f64)))
}

fn make(handle: u32, position: &JsValue, bias: &JsValue) -> Result<String, BindingError> {
    let entry = registry::get(handle)?;
    let whole =
        |number: &f64| (0.0..=f64::from(u32::MAX)).contains(number) && number.fract() == 0.0;
    let position = position.as_f64().filter(whole).ok_or_else(|| {
        let expected = "a whole number of UTF-16 units, zero or more";
        argument::bad("position", expected, position)
    })? as usize;
    let bias = match bias.as_string().as_deref() {
        Some("left") => Bias::Left,
        Some("right") => Bias::Right,
        _ => return Err(argument::bad("bias", "left or right", bias)),
    };
    entry.write(|document| {
        let (at, _) = edit::floor(document, "position", position)?;
        let anchor = document.anchor_at(at, bias)?;
        Ok(anchor.to_json())
    })
}

fn find(handle: u32, anchor: &JsValue) -> Result<Option<usize>, BindingError> {
    let entry = registry::get(handle)?;
    let text = argument::string("anchor", anchor)?;
    let no_anchor = || BindingError::BadArgument {
        name: "anchor",
        expected: "what anchor_at returned",
        got: format!("{text:?}"),
    };
    let parsed = Anchor::from_json(&text).map_err(|_| no_anchor())?;
    entry.write(|document| match document.resolve(&parsed) {
        Ok(at) => Ok(document.char_to_utf16(at)),
        Err(AnchorError::Unknown { .. }) => Ok(None),
        Err(AnchorError::NotAnInsert { .. }) => Err(no_anchor()),
        Err(error) => Err(error.into()),
    })
}
