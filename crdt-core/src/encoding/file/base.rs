//! The base at which the history of a shallow document begins.

use super::super::reader::Reader;
use super::super::varint::push;
use super::head::{BaseHead, Head, push_ranges, read_ranges};
use crate::causal_graph::{AgentAssignment, AgentIdx, Base, CausalGraph};
use crate::error::DecodeError;
use crate::version::{MAX_CHARS, ranges_without};

pub(super) fn write(
    agents: &AgentAssignment,
    base: &Base,
    ids: &[u32],
    used: &[AgentIdx],
) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, base.chars.into());
    push(&mut out, base.frontier.len() as u64);
    for &(agent, seq) in &base.frontier {
        push(&mut out, ids[agent as usize].into());
        push(&mut out, seq.into());
    }
    for &agent in used {
        let ranges = agents.trimmed(agent);
        push_ranges(&mut out, ranges);
        for range in ranges {
            push(&mut out, base.cursor_at(agent, range.end).into());
        }
    }
    out
}

pub(super) fn read(reader: &mut Reader<'_>, head: &Head) -> Result<BaseHead, DecodeError> {
    let too_long = reader.error("a text beyond the longest");
    let chars = reader.small()?;
    if chars > MAX_CHARS {
        return Err(too_long);
    }
    let disorder = reader.error("no events, or in the wrong order");
    let mut frontier: Vec<(u32, u32)> = Vec::new();
    for _ in 0..reader.count(2)? {
        let id = (reader.small()?, reader.small()?);
        if frontier.last().is_some_and(|&last| last >= id) {
            return Err(disorder);
        }
        frontier.push(id);
    }
    if frontier.is_empty() {
        return Err(disorder);
    }
    let (mut trimmed, mut cursors) = (Vec::new(), Vec::new());
    for (i, agent) in head.agents.iter().enumerate() {
        let error = reader.error("events that are not their agent's");
        let ranges = read_ranges(reader)?;
        if !ranges_without(&ranges, &agent.held).is_empty() {
            return Err(error);
        }
        for range in &ranges {
            let error = reader.error("a cursor beyond the longest text");
            let cursor = reader.small()?;
            if cursor > MAX_CHARS {
                return Err(error);
            }
            cursors.push((i as AgentIdx, range.end, cursor));
        }
        trimmed.push(ranges);
    }
    let base = BaseHead {
        chars,
        frontier,
        trimmed,
        cursors,
    };
    if !base.frontier.iter().all(|&id| base.holds(id)) {
        return Err(reader.error("the history begins at events that are not there"));
    }
    reader.end()?;
    Ok(base)
}

impl BaseHead {
    /// Makes the graph, which only has the agents of the file, begin at this base.
    pub(super) fn begin(&self, graph: &mut CausalGraph) {
        for (agent, ranges) in self.trimmed.iter().enumerate() {
            for range in ranges {
                graph.agents.trim(agent as AgentIdx, range.clone());
            }
        }
        graph.begin_at(Base::new(
            self.chars,
            self.frontier.clone(),
            self.cursors.clone(),
        ));
    }
}
