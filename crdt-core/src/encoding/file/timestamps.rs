//! The times of events, in a section that readers may skip.

use super::super::reader::Reader;
use super::super::varint::{push, push_signed};
use super::head::Head;
use super::options::LoadLimits;
use super::sections::{Codec, Sections, Type, unpack};
use crate::causal_graph::AgentIdx;
use crate::error::{DecodeError, LoadError};
use crate::history::History;
use crate::timestamps::Timestamps;

/// The stamps of events of the agents `used`; empty if there are none.
pub(super) fn write(history: &History, used: &[AgentIdx]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut any = false;
    let mut last = 0_u64;
    for &agent in used {
        // The time of future edits belongs to the session, and is not saved.
        let next = history.graph.agents.next_seq(agent);
        let stamps = history.timestamps.stamps(agent, 0..next);
        any |= !stamps.is_empty();
        push(&mut out, stamps.len() as u64);
        let mut at = 0;
        for &(seq, time) in stamps {
            push(&mut out, u64::from(seq - at));
            push_signed(&mut out, time.wrapping_sub(last) as i64);
            (at, last) = (seq, time);
        }
    }
    if any { out } else { Vec::new() }
}

/// Reads the stamps of a file, whose agents have the numbers of their indices in the head.
pub(super) fn read(
    sections: &Sections,
    bytes: &[u8],
    head: &Head,
    limits: &LoadLimits,
) -> Result<Timestamps, LoadError> {
    if !sections.has(Type::Times) {
        return Ok(Timestamps::default());
    }
    let (codec, mut reader) = sections.body(bytes, Type::Times)?;
    let start = reader.offset();
    match codec {
        Codec::Raw => Ok(take(&mut reader, head)?),
        Codec::Lz4 => {
            let unpacked = unpack(&mut reader, limits.history)?;
            let taken = take(&mut Reader::new(&unpacked), head);
            Ok(taken.map_err(|error| match error {
                DecodeError::Bytes { reason, .. } => DecodeError::Bytes {
                    offset: start,
                    reason,
                },
                other => other,
            })?)
        }
        _ => Err(reader.error("times are never packed like this").into()),
    }
}

fn take(reader: &mut Reader<'_>, head: &Head) -> Result<Timestamps, DecodeError> {
    let mut timestamps = Timestamps::default();
    let mut last = 0_u64;
    for agent in 0..head.agents.len() {
        let mut at = 0_u32;
        for i in 0..reader.count(2)? {
            let error = reader.error("times that are not in the order of their events");
            let gap = reader.small()?;
            let seq = at.checked_add(gap).filter(|&seq| seq < 1 << 31);
            let Some(seq) = seq.filter(|_| i == 0 || gap > 0) else {
                return Err(error);
            };
            last = last.wrapping_add(reader.signed()? as u64);
            timestamps.add(agent as AgentIdx, seq, last);
            at = seq;
        }
    }
    reader.end()?;
    Ok(timestamps)
}
