//! Checked conversion of what JavaScript passes in, which may be of any type.
//!
//! Parameters come as untyped values and are checked here: a number that is a string, or a
//! fraction, would otherwise be bent into something else without a word.

use js_sys::{JsString, Object};
use wasm_bindgen::{JsCast, JsValue};

use crate::error::BindingError;

/// The most UTF-16 units of a string: no name, key, token, address or field of presence comes near it.
const MOST: u32 = 1 << 16;

/// A well-formed string of at most 65,536 UTF-16 units. A longer one is refused before it takes memory, and one with
/// half of a surrogate pair since it would be equal to others.
pub(crate) fn string(name: &'static str, value: &JsValue) -> Result<String, BindingError> {
    let text = value.dyn_ref::<JsString>();
    let text = text.ok_or_else(|| bad(name, "a string", value))?;
    if is_too_long(text) {
        return Err(BindingError::BadArgument {
            name,
            expected: "a string of at most 65,536 UTF-16 units",
            got: "a longer one".to_owned(),
        });
    }
    let well_formed = String::from(text);
    // Each half became U+FFFD.
    let replaced = well_formed.matches('\u{fffd}').count();
    if replaced > 0 && text.split("\u{fffd}").length() as usize <= replaced {
        return Err(bad(
            name,
            "well-formed text, without halves of surrogate pairs",
            value,
        ));
    }
    Ok(well_formed)
}

/// Whether [`string`] refuses a string for its length.
pub(crate) fn is_too_long(text: &JsString) -> bool {
    text.length() > MOST
}

/// A string, or `None` for `undefined`, `null` and the empty string.
pub(crate) fn optional_string(
    name: &'static str,
    value: &JsValue,
) -> Result<Option<String>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    Ok(Some(string(name, value)?).filter(|text| !text.is_empty()))
}

/// A document handle: any number is taken as one, and looked up exactly.
pub(crate) fn handle(value: &JsValue) -> Result<u32, BindingError> {
    let number = value
        .as_f64()
        .ok_or_else(|| bad("handle", "a number", value))?;
    exact_u32(number).ok_or_else(|| BindingError::DeadHandle {
        // The host can write numbers; to do so here as well would take 13 KB.
        handle: value.unchecked_ref::<Object>().to_string().into(),
    })
}

/// Says what was expected and what came, by its JavaScript type.
pub(crate) fn bad(name: &'static str, expected: &'static str, value: &JsValue) -> BindingError {
    let got = if value.is_null() {
        "null".to_owned()
    } else {
        value
            .js_typeof()
            .as_string()
            .unwrap_or_else(|| "something else".to_owned())
    };
    BindingError::BadArgument {
        name,
        expected,
        got,
    }
}

fn exact_u32(number: f64) -> Option<u32> {
    let valid = (0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0;
    valid.then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_exact() {
        assert_eq!(exact_u32(7.0), Some(7));
        assert_eq!(exact_u32(4_294_967_295.0), Some(u32::MAX));
        for bad in [f64::NAN, -1.0, 1.5, 4_294_967_296.0] {
            assert_eq!(exact_u32(bad), None, "{bad}");
        }
    }
}
