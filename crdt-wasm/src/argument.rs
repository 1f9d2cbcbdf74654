//! Checked conversion of what JavaScript passes in, which may be of any type.
//!
//! Parameters come as untyped values and are checked here: a number that is a string, or a
//! fraction, would otherwise be bent into something else without a word.

use wasm_bindgen::JsValue;

use crate::error::BindingError;

/// The largest whole number that a JavaScript number holds exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A string; what is no well-formed UTF-16 in it (lone surrogates) becomes U+FFFD.
pub(crate) fn string(name: &'static str, value: &JsValue) -> Result<String, BindingError> {
    value
        .as_string()
        .ok_or_else(|| bad(name, "a string", value))
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
        handle: number.to_string(),
    })
}

/// A position or length in UTF-16 units.
pub(crate) fn utf16_count(name: &'static str, value: &JsValue) -> Result<usize, BindingError> {
    let number = value.as_f64().ok_or_else(|| bad(name, "a number", value))?;
    whole(number).ok_or(BindingError::BadPosition {
        name,
        value: number,
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

/// The number as a count, where it is a whole one that this platform can hold. A count that is too
/// large for `usize` is past the end of any text, and saturates so that it is reported as that.
fn whole(number: f64) -> Option<usize> {
    let valid = (0.0..=MAX_SAFE_INTEGER).contains(&number) && number.fract() == 0.0;
    valid.then_some(number as usize)
}

fn exact_u32(number: f64) -> Option<u32> {
    let valid = (0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0;
    valid.then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_takes_exact_counts_only() {
        assert_eq!(whole(0.0), Some(0));
        assert_eq!(whole(-0.0), Some(0));
        assert_eq!(whole(12.0), Some(12));
        for bad in [
            f64::NAN,
            -1.0,
            0.5,
            f64::INFINITY,
            f64::NEG_INFINITY,
            MAX_SAFE_INTEGER + 1.0,
        ] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn handles_are_exact() {
        assert_eq!(exact_u32(7.0), Some(7));
        assert_eq!(exact_u32(4_294_967_295.0), Some(u32::MAX));
        for bad in [f64::NAN, -1.0, 1.5, 4_294_967_296.0] {
            assert_eq!(exact_u32(bad), None, "{bad}");
        }
    }
}
