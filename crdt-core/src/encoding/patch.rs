//! Operations as bytes: what one replica has and another has not.
//!
//! All numbers are varints. A patch is
//!
//! ```text
//! version      1 (one byte)
//! agents       count, then each: length in bytes, UTF-8
//! pieces       count, then each:
//!   agent      index into agents
//!   seq        signed: difference to the end of that agent's last piece here (to 0 for its first)
//!   parents    0 for "the event before, of the same agent", else count + 1, then each: agent, seq
//!   ops        count, then each: length * 4 + kind (0 insert, 1 delete, 2 backspace),
//!              signed: difference of pos to where the operation before left off
//!   text       of all inserts of the piece: length in bytes, UTF-8
//! ```
//!
//! The order of the pieces is that of the sender's history: parents come first.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::json::check_run;
use super::reader::Reader;
use super::varint::{push, push_signed};
use crate::causal_graph::AgentIdx;
use crate::error::DecodeError;
use crate::history::History;
use crate::merge::Piece;
use crate::op_log::{Kind, Run};
use crate::version::Lv;

const VERSION: u8 = 1;

/// The fewest bytes that an agent, a piece, a parent and an operation take.
const AGENT_BYTES: usize = 2;
const PIECE_BYTES: usize = 6;
const PARENT_BYTES: usize = 2;
const OP_BYTES: usize = 2;

/// Writes the events `ranges` (ascending).
pub(crate) fn encode(history: &History, ranges: &[Range<Lv>]) -> Vec<u8> {
    let graph = &history.graph;
    let mut names = Names::default();
    let mut pieces = Vec::new();
    let mut count = 0;
    for range in ranges {
        for (run, _) in graph.graph.runs_in(range.clone()) {
            for (lvs, agent, seq) in graph.agents.runs_in(run) {
                encode_piece(history, &mut names, &mut pieces, (lvs, agent, seq));
                count += 1;
            }
        }
    }
    let mut out = vec![VERSION];
    push(&mut out, names.order.len() as u64);
    for &agent in &names.order {
        let name = graph.agents.name(agent);
        push(&mut out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
    push(&mut out, count);
    out.extend_from_slice(&pieces);
    out
}

/// The agents that a patch names, in order of first use, with the seq after their last piece.
#[derive(Default)]
struct Names {
    order: Vec<AgentIdx>,
    known: HashMap<AgentIdx, (u64, u32)>,
}

impl Names {
    fn entry(&mut self, agent: AgentIdx) -> &mut (u64, u32) {
        self.known.entry(agent).or_insert_with(|| {
            self.order.push(agent);
            (self.order.len() as u64 - 1, 0)
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
    let (index, expected) = names.entry(agent);
    push(out, *index);
    push_signed(out, i64::from(seq) - i64::from(*expected));
    *expected = seq + (lvs.end - lvs.start);
    graph.graph.with_parents(lvs.start, |parents| {
        if let [parent] = parents {
            let (by, at, _) = graph.agents.id_of(*parent);
            if by == agent && at + 1 == seq {
                push(out, 0);
                return;
            }
        }
        push(out, parents.len() as u64 + 1);
        for &parent in parents {
            let (by, at, _) = graph.agents.id_of(parent);
            push(out, names.entry(by).0);
            push(out, u64::from(at));
        }
    });
    let parts = || history.ops.parts_in(lvs.clone());
    push(out, parts().count() as u64);
    let mut cursor = 0_i64;
    let mut text_len = 0;
    for part in parts() {
        let run = part.run;
        let kind = match run.kind {
            Kind::Insert => 0,
            Kind::Delete => 1,
            Kind::Backspace => 2,
        };
        push(out, u64::from(run.len) << 2 | kind);
        push_signed(out, i64::from(run.pos) - cursor);
        cursor = after(&run);
        text_len += history.ops.text_of(&part).len();
    }
    push(out, text_len as u64);
    for part in parts() {
        out.extend_from_slice(history.ops.text_of(&part).as_bytes());
    }
}

/// Where a run leaves the cursor of who types it.
fn after(run: &Run) -> i64 {
    i64::from(run.pos) + if run.is_insert() { i64::from(run.len) } else { 0 }
}

/// Reads a patch.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(DecodeError::Version { found: version.into(), known: VERSION.into() });
    }
    let count = reader.count(AGENT_BYTES)?;
    let mut agents: Vec<(Arc<str>, u32)> = Vec::with_capacity(count);
    for _ in 0..count {
        agents.push((Arc::from(reader.text()?), 0));
    }
    let count = reader.count(PIECE_BYTES)?;
    let mut pieces = Vec::with_capacity(count);
    for _ in 0..count {
        pieces.push(decode_piece(&mut reader, &mut agents)?);
    }
    reader.end()?;
    Ok(pieces)
}

fn agent_at(reader: &mut Reader<'_>, agents: &[(Arc<str>, u32)]) -> Result<usize, DecodeError> {
    let error = reader.error("an agent that the patch does not name");
    usize::try_from(reader.varint()?).ok().filter(|&i| i < agents.len()).ok_or(error)
}

fn decode_piece(
    reader: &mut Reader<'_>,
    agents: &mut [(Arc<str>, u32)],
) -> Result<Piece, DecodeError> {
    let index = agent_at(reader, agents)?;
    let (agent, expected) = agents[index].clone();
    let error = reader.error("a sequence number is out of range");
    let seq = reader.signed()?.checked_add(expected.into());
    let seq = seq.and_then(|n| u32::try_from(n).ok()).filter(|&n| n < 1 << 31).ok_or(error)?;
    let parents = match reader.count(PARENT_BYTES)? {
        0 => {
            let before = seq.checked_sub(1).ok_or(reader.error("nothing comes before event 0"))?;
            vec![(agent.clone(), before)]
        }
        count => {
            let mut parents = Vec::with_capacity(count - 1);
            for _ in 1..count {
                let by = agent_at(reader, agents)?;
                parents.push((agents[by].0.clone(), reader.small()?));
            }
            parents
        }
    };
    let count = reader.count(OP_BYTES)?;
    let mut runs = Vec::with_capacity(count);
    let mut cursor = 0_i64;
    let (mut len, mut chars) = (0_u64, 0_u64);
    for _ in 0..count {
        let run = decode_run(reader, cursor)?;
        cursor = after(&run);
        len += u64::from(run.len);
        chars += if run.is_insert() { u64::from(run.len) } else { 0 };
        runs.push(run);
    }
    let error = reader.error("the text is not as long as the inserts");
    let text = reader.text()?;
    if text.chars().count() as u64 != chars {
        return Err(error);
    }
    let error = reader.error("a piece has no events, or more than there are sequence numbers");
    let len = u32::try_from(len).ok().filter(|&n| n > 0 && seq.checked_add(n) < Some(1 << 31));
    let len = len.ok_or(error)?;
    agents[index].1 = seq + len;
    Ok(Piece { agent, seq, len, parents, runs, text: text.to_owned() })
}

fn decode_run(reader: &mut Reader<'_>, cursor: i64) -> Result<Run, DecodeError> {
    let error = reader.error("an operation is out of range");
    let len_kind = reader.varint()?;
    let kind = match len_kind & 3 {
        0 => Kind::Insert,
        1 => Kind::Delete,
        2 => Kind::Backspace,
        _ => return Err(error),
    };
    let len = u32::try_from(len_kind >> 2).ok();
    let pos = reader.signed()?.checked_add(cursor).and_then(|n| u32::try_from(n).ok());
    let (Some(len), Some(pos)) = (len, pos) else {
        return Err(error);
    };
    let run = Run { kind, pos, len };
    match check_run(&run) {
        Ok(()) => Ok(Run::new(kind, pos, len)),
        Err(reason) => Err(reader.error(reason)),
    }
}
