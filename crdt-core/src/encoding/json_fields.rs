//! Fields of the JSON forms: numbers, strings and ids of events, with the path of a wrong one.

use std::fmt::Write;

use super::json_value::{Value, write_string};
use crate::error::DecodeError;
use crate::version::EventId;

pub(super) fn write_ids(out: &mut String, ids: &[EventId]) {
    out.push('[');
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push('[');
        write_string(out, &id.agent);
        // Writing to a string does not fail.
        let _ = write!(out, ",{}]", id.seq);
    }
    out.push(']');
}

pub(super) fn array<'v, 't>(
    value: Option<&'v Value<'t>>,
    at: impl FnOnce() -> String,
) -> Result<&'v [Value<'t>], DecodeError> {
    value
        .and_then(Value::as_array)
        .ok_or_else(|| DecodeError::shape(at(), "expected an array"))
}

/// A number below 2^31, as sequence numbers, positions and lengths are.
pub(super) fn number(
    value: Option<&Value<'_>>,
    at: impl FnOnce() -> String,
) -> Result<u32, DecodeError> {
    value
        .and_then(Value::as_whole)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|&n| n < 1 << 31)
        .ok_or_else(|| DecodeError::shape(at(), "expected a whole number from 0 to 2^31 - 1"))
}

pub(super) fn string<'v>(
    value: Option<&'v Value<'_>>,
    at: impl FnOnce() -> String,
) -> Result<&'v str, DecodeError> {
    value
        .and_then(Value::as_str)
        .ok_or_else(|| DecodeError::shape(at(), "expected a string"))
}

/// A list of `[agent, seq]`.
pub(super) fn ids<'v>(
    value: Option<&'v Value<'_>>,
    at: impl Fn() -> String,
) -> Result<Vec<(&'v str, u32)>, DecodeError> {
    let list = array(value, &at)?;
    list.iter()
        .enumerate()
        .map(|(i, pair)| id(pair, || format!("{}[{i}]", at())))
        .collect()
}

/// `[agent, seq]`.
pub(super) fn id<'v>(
    value: &'v Value<'_>,
    at: impl Fn() -> String,
) -> Result<(&'v str, u32), DecodeError> {
    let pair = array(Some(value), &at)?;
    if pair.len() != 2 {
        return Err(DecodeError::shape(at(), "expected [agent, seq]"));
    }
    Ok((string(pair.first(), &at)?, number(pair.get(1), &at)?))
}
