//! What replicas give each other: operations, frontiers, patches, versions.
#![allow(unsafe_code)]

use crdt_core::{Frontier, MergeError};

use super::{Input, ask, count, set_reply, status};
use crate::error::BindingError;
use crate::memory;
use crate::merge::{self, MergeReport};
use crate::registry::{self, Entry};
use crate::version::{self, Version};

#[unsafe(no_mangle)]
extern "C" fn crdt_operations(handle: u32) -> i32 {
    ask(handle, &mut |document| {
        let operations = document.operations_json();
        Ok(operations.map_err(MergeError::from)?.into_bytes())
    })
}

/// The operations that are not at or before the frontier in the input buffer.
#[unsafe(no_mangle)]
extern "C" fn crdt_operations_since(handle: u32, frontier: usize) -> i32 {
    let input = Input::of(frontier);
    ask(handle, &mut |document| {
        let frontier = Frontier::from_json(input.text())?;
        let operations = document.operations_after_json(&frontier);
        Ok(operations.map_err(MergeError::from)?.into_bytes())
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_frontier(handle: u32) -> i32 {
    ask(handle, &mut |document| {
        Ok(document.frontier().to_json().into_bytes())
    })
}

/// Merges the operations in the input buffer; behind them lies the sender's frontier, if there is one.
#[unsafe(no_mangle)]
extern "C" fn crdt_merge(handle: u32, operations: usize, frontier: usize) -> i32 {
    let input = Input::of(operations + frontier);
    merge(handle, input, &mut |entry, input| {
        let text = input.text();
        let (operations, frontier) = text.split_at_checked(operations).unwrap_or((text, ""));
        let frontier = Some(frontier).filter(|frontier| !frontier.is_empty());
        entry.write(|document| merge::merge(document, operations, frontier))
    })
}

/// The version of the document, as bytes.
#[unsafe(no_mangle)]
extern "C" fn crdt_version(handle: u32) -> i32 {
    ask(handle, &mut |document| Ok(Version::of(document)))
}

/// Whether the bytes in the input buffer are a version.
#[unsafe(no_mangle)]
extern "C" fn crdt_check_version(version: usize) -> i32 {
    status(Input::of(version).version().map(|_| ()))
}

/// How the two versions in the input buffer stand to each other: 0 equal, 1 before, 2 after, 3 concurrent.
#[unsafe(no_mangle)]
extern "C" fn crdt_compare(handle: u32, a: usize, b: usize) -> i32 {
    let input = Input::of(a + b);
    count(handle, &mut |document| {
        let (a, b) = input.parts(a);
        version::compare(document, Version::read(a)?, Version::read(b)?)
    })
}

/// The events that the version in the input buffer lacks, as a patch.
#[unsafe(no_mangle)]
extern "C" fn crdt_encode_since(handle: u32, version: usize) -> i32 {
    let input = Input::of(version);
    ask(handle, &mut |document| {
        let has = input.version()?.events(document)?;
        Ok(document.encode_since(&has)?)
    })
}

/// The events beyond the first `events`, as a patch.
#[unsafe(no_mangle)]
extern "C" fn crdt_encode_new(handle: u32, events: u32) -> i32 {
    ask(handle, &mut |document| {
        let new = document.summary_since(events as usize);
        Ok(document.encode_of(&new)?)
    })
}

/// Merges the patch in the input buffer.
#[unsafe(no_mangle)]
extern "C" fn crdt_merge_bytes(handle: u32, patch: usize) -> i32 {
    merge(handle, Input::of(patch), &mut |entry, input| {
        entry.write(|document| merge::merge_bytes(document, input.bytes()))
    })
}

#[inline(never)]
fn merge(
    handle: u32,
    input: Input,
    merge: &mut dyn FnMut(&Entry, &Input) -> Result<MergeReport, BindingError>,
) -> i32 {
    status(registry::get(handle).and_then(|entry| {
        memory::check_for(input.bytes().len())?;
        let report = merge(&entry, &input)?;
        // Who hears of it may do anything, also use the input buffer.
        drop(input);
        entry.merged(&report.changes);
        set_reply(report.to_json().into_bytes());
        Ok(())
    }))
}
