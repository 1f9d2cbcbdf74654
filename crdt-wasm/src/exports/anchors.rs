//! Places in the text that stay with the characters beside them.
#![allow(unsafe_code)]

use crdt_core::{Anchor, AnchorError, Bias, DecodeError};

use super::{Input, ask, count, set_reply, status};
use crate::edit;
use crate::error::BindingError;

/// The character of the anchor is not here.
const UNKNOWN: i32 = -2;

/// An anchor at a position, as JSON.
#[unsafe(no_mangle)]
extern "C" fn crdt_anchor(handle: u32, position: usize, right: u32) -> i32 {
    let bias = if right != 0 { Bias::Right } else { Bias::Left };
    ask(handle, &mut |document| {
        let (at, _) = edit::floor(document, "position", position)?;
        Ok(document.anchor_at(at, bias)?.to_json().into_bytes())
    })
}

/// Where the anchor in the input buffer is now; -2 where its character has not arrived.
#[unsafe(no_mangle)]
extern "C" fn crdt_anchor_position(handle: u32, anchor: usize) -> i32 {
    let input = Input::of(anchor);
    count(handle, &mut |document| {
        let anchor = Anchor::from_json(input.text()).map_err(no_anchor)?;
        match document.resolve(&anchor) {
            Ok(at) => Ok(document.char_to_utf16(at).map_or(UNKNOWN, |at| at as i32)),
            Err(AnchorError::Unknown { .. }) => Ok(UNKNOWN),
            Err(error @ AnchorError::NotAnInsert { .. }) => Err(no_anchor(error)),
            Err(error) => Err(error.into()),
        }
    })
}

/// The anchor in the input buffer as bytes.
#[unsafe(no_mangle)]
extern "C" fn crdt_anchor_bytes(anchor: usize) -> i32 {
    let anchor = Anchor::from_json(Input::of(anchor).text());
    status(
        anchor
            .map(|anchor| set_reply(anchor.encode()))
            .map_err(no_anchor),
    )
}

/// The anchor in the input buffer, which lies there as bytes, as JSON.
#[unsafe(no_mangle)]
extern "C" fn crdt_anchor_json(anchor: usize) -> i32 {
    let anchor = Anchor::decode(Input::of(anchor).bytes());
    status(
        anchor
            .map(|anchor| set_reply(anchor.to_json().into_bytes()))
            .map_err(decoding),
    )
}

fn no_anchor(error: impl std::fmt::Display) -> BindingError {
    BindingError::BadArgument {
        name: "anchor",
        expected: "what anchor_at returned",
        got: format!("something else: {error}"),
    }
}

fn decoding(error: DecodeError) -> BindingError {
    BindingError::Merge(error.into())
}
