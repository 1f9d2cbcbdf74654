//! Operations as bytes: what one replica has and another has not.
//!
//! All numbers are varints. A patch is
//!
//! ```text
//! names        count, then each: length in bytes, UTF-8
//! pieces       to the end, each:
//!   head       agent * 4, + 2 if it has exactly one operation, + 1 if its parents are given
//!   seq        of its first event
//!   parents    if given: count, then each: agent, seq
//!   count      of operations, if not one
//!   ops        each: length * 4 + kind (0 insert, 1 delete, 2 backspace), then pos: for the first
//!              as it is, else signed: the difference to where the operation before left off
//!   text       of all inserts: as many UTF-8 chars as they insert
//! ```
//!
//! An agent is a place in the list of names. Two ends that share a list (`known`) count on from
//! there, and leave those names out. Parents that are not given are the event before, of the same
//! agent. The pieces come in the order of the sender's history: parents first. Nothing depends on
//! earlier patches, so one that is lost or comes twice does no harm.
//!
//! A whole patch by itself has a version byte, 1, before it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::json::check_run;
use super::reader::Reader;
use super::varint::{push, push_signed};
use crate::causal_graph::AgentIdx;
use crate::error::DecodeError;
use crate::history::History;
use crate::merge::Batch;
use crate::op_log::{Kind, Run};
use crate::version::Lv;

const VERSION: u8 = 1;

/// The fewest bytes that a name, a parent and an operation take.
const NAME_BYTES: usize = 2;
const PARENT_BYTES: usize = 2;
const OP_BYTES: usize = 2;

/// Writes the events `ranges` (ascending) as a patch by itself.
pub(crate) fn encode(history: &History, ranges: &[Range<Lv>]) -> Vec<u8> {
    let mut out = vec![VERSION];
    encode_named(history, ranges, &[], &mut out);
    out
}

/// Writes the events `ranges` (ascending) for a reader that knows the names `known`.
pub(crate) fn encode_named(
    history: &History,
    ranges: &[Range<Lv>],
    known: &[&str],
    out: &mut Vec<u8>,
) {
    let graph = &history.graph;
    let mut names = Names {
        known: known.len() as u64,
        ..Names::default()
    };
    for (i, name) in known.iter().enumerate() {
        if let Some(agent) = graph.agents.find_agent(name) {
            names.index.entry(agent).or_insert(i as u64);
        }
    }
    let mut pieces = Vec::new();
    for range in ranges {
        for (run, _) in graph.graph.runs_in(range.clone()) {
            for piece in graph.agents.runs_in(run) {
                encode_piece(history, &mut names, &mut pieces, piece);
            }
        }
    }
    push(out, names.more.len() as u64);
    for &agent in &names.more {
        let name = graph.agents.name(agent);
        push(out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(&pieces);
}

/// The places of agents in the list of names.
#[derive(Default)]
struct Names {
    known: u64,
    index: HashMap<AgentIdx, u64>,
    /// Those that the reader does not know, in order of first use.
    more: Vec<AgentIdx>,
}

impl Names {
    fn place(&mut self, agent: AgentIdx) -> u64 {
        *self.index.entry(agent).or_insert_with(|| {
            self.more.push(agent);
            self.known + self.more.len() as u64 - 1
        })
    }
}

fn encode_piece(
    history: &History,
    names: &mut Names,
    out: &mut Vec<u8>,
    (lvs, agent, seq): (Range<Lv>, AgentIdx, u32),
) {
    let graph = &history.graph;
    let parts = || history.ops.parts_in(lvs.clone());
    let count = parts().count();
    graph.graph.with_parents(lvs.start, |parents| {
        let continues = seq > 0
            && matches!(parents, [parent] if graph.agents.lv_of(agent, seq - 1) == Some(*parent));
        let flags = u64::from(count == 1) << 1 | u64::from(!continues);
        push(out, names.place(agent) << 2 | flags);
        push(out, u64::from(seq));
        if !continues {
            push(out, parents.len() as u64);
            for &parent in parents {
                let (by, at, _) = graph.agents.id_of(parent);
                push(out, names.place(by));
                push(out, u64::from(at));
            }
        }
    });
    if count != 1 {
        push(out, count as u64);
    }
    let mut cursor = None;
    for part in parts() {
        let run = part.run;
        let kind = match run.kind {
            Kind::Insert => 0,
            Kind::Delete => 1,
            Kind::Backspace => 2,
        };
        push(out, u64::from(run.len) << 2 | kind);
        match cursor {
            None => push(out, run.pos.into()),
            Some(cursor) => push_signed(out, i64::from(run.pos) - cursor),
        }
        cursor = Some(after(&run));
    }
    for part in parts() {
        out.extend_from_slice(history.ops.text_of(&part).as_bytes());
    }
}

/// Where a run leaves the cursor of who types it.
fn after(run: &Run) -> i64 {
    i64::from(run.pos)
        + if run.is_insert() {
            i64::from(run.len)
        } else {
            0
        }
}

/// Reads a patch by itself.
pub(crate) fn decode(bytes: &[u8]) -> Result<Batch, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(DecodeError::Version {
            found: version.into(),
            known: VERSION.into(),
        });
    }
    decode_pieces(reader, &[])
}

/// Reads a patch that leaves out the names `known`.
pub(crate) fn decode_named(bytes: &[u8], known: &[&str]) -> Result<Batch, DecodeError> {
    decode_pieces(Reader::new(bytes), known)
}

fn decode_pieces(mut reader: Reader<'_>, known: &[&str]) -> Result<Batch, DecodeError> {
    let mut batch = Batch::default();
    batch
        .names
        .extend(known.iter().map(|&name| Arc::<str>::from(name)));
    for _ in 0..reader.count(NAME_BYTES)? {
        batch.names.push(Arc::from(reader.text()?));
    }
    while reader.left() > 0 {
        decode_piece(&mut reader, &mut batch)?;
    }
    Ok(batch)
}

/// Checks that `place` is in the list of names.
fn name_at(reader: &Reader<'_>, batch: &Batch, place: u64) -> Result<u32, DecodeError> {
    let place = u32::try_from(place)
        .ok()
        .filter(|&i| (i as usize) < batch.names.len());
    place.ok_or(reader.error("an agent that is not in the list of names"))
}

fn decode_piece(reader: &mut Reader<'_>, batch: &mut Batch) -> Result<(), DecodeError> {
    let mark = batch.mark();
    let head = reader.varint()?;
    let agent = name_at(reader, batch, head >> 2)?;
    let seq = reader.small()?;
    if head & 1 == 0 {
        let before = seq
            .checked_sub(1)
            .ok_or(reader.error("nothing comes before event 0"))?;
        batch.parents.push((agent, before));
    } else {
        for _ in 0..reader.count(PARENT_BYTES)? {
            let place = reader.varint()?;
            let name = name_at(reader, batch, place)?;
            batch.parents.push((name, reader.small()?));
        }
    }
    let count = if head & 2 == 0 {
        reader.count(OP_BYTES)?
    } else {
        1
    };
    let mut cursor = None;
    let (mut len, mut chars) = (0_u64, 0_u64);
    for _ in 0..count {
        let run = decode_run(reader, cursor)?;
        cursor = Some(after(&run));
        len += u64::from(run.len);
        chars += if run.is_insert() {
            u64::from(run.len)
        } else {
            0
        };
        batch.runs.push(run);
    }
    batch.text.push_str(reader.chars(chars)?);
    let error = reader.error("a piece has no events, or more than there are sequence numbers");
    let len = u32::try_from(len)
        .ok()
        .filter(|&n| n > 0 && seq.checked_add(n) < Some(1 << 31));
    batch.push(mark, agent, seq, len.ok_or(error)?);
    Ok(())
}

fn decode_run(reader: &mut Reader<'_>, cursor: Option<i64>) -> Result<Run, DecodeError> {
    let error = reader.error("an operation is out of range");
    let len_kind = reader.varint()?;
    let kind = match len_kind & 3 {
        0 => Kind::Insert,
        1 => Kind::Delete,
        2 => Kind::Backspace,
        _ => return Err(error),
    };
    let len = u32::try_from(len_kind >> 2).ok();
    let pos = match cursor {
        None => Some(reader.small()?),
        Some(cursor) => cursor
            .checked_add(reader.signed()?)
            .and_then(|n| u32::try_from(n).ok()),
    };
    let (Some(len), Some(pos)) = (len, pos) else {
        return Err(error);
    };
    match check_run(&Run { kind, pos, len }) {
        Ok(()) => Ok(Run::new(kind, pos, len)),
        Err(reason) => Err(reader.error(reason)),
    }
}
