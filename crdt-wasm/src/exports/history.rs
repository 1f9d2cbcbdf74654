//! Older versions, authors, and the way back.
#![allow(unsafe_code)]

use std::fmt::Write;

use crdt_core::{Document, EditKind, EventId, HistoryError, Splice};

use super::{DONE, Input, added, ask, checked, edit_by, fail, json_changes};
use crate::delta::Delta;
use crate::edit;
use crate::error::BindingError;
use crate::merge::push_string;
use crate::version::Version;

/// The text at the version in the input buffer.
#[unsafe(no_mangle)]
extern "C" fn crdt_text_at(handle: u32, version: usize) -> i32 {
    let input = Input::of(version);
    ask(handle, &mut |document| {
        Ok(document.text_at(&input.version()?.heads)?.into_bytes())
    })
}

/// What leads from the text at the first version in the input buffer to that at the second, as a JSON list of
/// changes.
#[unsafe(no_mangle)]
extern "C" fn crdt_diff(handle: u32, from: usize, to: usize) -> i32 {
    let input = Input::of(from + to);
    ask(handle, &mut |document| {
        let (from, to) = input.parts(from);
        let (from, to) = (Version::read(from)?, Version::read(to)?);
        let mut delta = Delta::default();
        document.diff(&from.heads, &to.heads, &mut |splice| delta.push(&splice))?;
        Ok(json_changes(&delta.into_changes()))
    })
}

/// Brings the text of the version in the input buffer back.
#[unsafe(no_mangle)]
extern "C" fn crdt_revert(handle: u32, version: usize) -> i32 {
    // Who hears of the edits may use the input buffer: what lies there is read before.
    let version = Input::of(version).version();
    let reverted = version.map(|version| {
        edit_by(handle, &mut |entry| {
            entry.write(|document| {
                let changed = &mut |splice: Splice<'_>| entry.note_splice(&splice);
                Ok(document.revert_to(&version.heads, changed)?)
            })?;
            Ok(DONE)
        })
    });
    reverted.unwrap_or_else(|error| fail(&error))
}

/// A document that begins at the version in the input buffer, behind the name of its agent. Returns its handle,
/// or 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_branch(handle: u32, agent: usize, version: usize) -> u32 {
    let input = Input::of(agent + version);
    let (agent, version) = input.parts(agent);
    let agent = str::from_utf8(agent).unwrap_or_default();
    added(Version::read(version).and_then(|version| {
        checked(handle)?.read(|document| Ok(document.branch(&version.heads, agent)?))
    }))
}

/// Runs `first..first + count` of the history, as a JSON list of
/// `[agent, seq, length, kind, inserted, time]`; kinds are 0 insert, 1 delete, 2 backspace.
#[unsafe(no_mangle)]
extern "C" fn crdt_history(handle: u32, first: usize, count: usize) -> i32 {
    ask(handle, &mut |document| Ok(history(document, first, count)?))
}

fn history(document: &Document, first: usize, count: usize) -> Result<Vec<u8>, HistoryError> {
    let mut out = String::from("[");
    for (i, run) in document.history()?.skip(first).take(count).enumerate() {
        out.push_str(if i > 0 { ",[" } else { "[" });
        push_string(&mut out, run.agent);
        let kind = match run.kind {
            EditKind::Insert => 0,
            EditKind::Delete => 1,
            EditKind::Backspace => 2,
        };
        let (start, len) = (run.seqs.start, run.seqs.len());
        // Writing to a string does not fail.
        let _ = write!(out, ",{start},{len},{kind},");
        push_string(&mut out, run.text);
        push_time(&mut out, document.time_of(&EventId::new(run.agent, start))?);
        out.push(']');
    }
    out.push(']');
    Ok(out.into_bytes())
}

/// Who inserted the text from one position to another, as a JSON list of
/// `[start, end, agent, seq, time]`; the next event of the agent has that seq.
#[unsafe(no_mangle)]
extern "C" fn crdt_blame(handle: u32, from: usize, to: usize) -> i32 {
    ask(handle, &mut |document| blame(document, from, to))
}

fn blame(document: &Document, from: usize, to: usize) -> Result<Vec<u8>, BindingError> {
    let (to, _) = edit::floor(document, "to", to)?;
    let (from, _) = edit::floor(document, "from", from)?;
    let mut out = String::from("[");
    for (i, piece) in document.blame(from..to)?.into_iter().enumerate() {
        let unit = |at| document.char_to_utf16(at).unwrap_or_default();
        let (start, end) = (unit(piece.range.start), unit(piece.range.end));
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(out, "{comma}[{start},{end},");
        push_string(&mut out, &piece.agent);
        let _ = write!(out, ",{}", piece.seqs.end);
        push_time(&mut out, piece.time);
        out.push(']');
    }
    out.push(']');
    Ok(out.into_bytes())
}

fn push_time(out: &mut String, time: Option<u64>) {
    match time {
        Some(time) => {
            let _ = write!(out, ",{time}");
        }
        None => out.push_str(",null"),
    }
}
