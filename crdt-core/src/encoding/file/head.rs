//! The head of a file: the information that does not need the history to be decoded.

use std::ops::Range;

use super::super::reader::Reader;
use super::super::varint::push;
use super::ends::{End, read_ends};
use crate::causal_graph::AgentIdx;
use crate::error::{DecodeError, LoadError};
use crate::version::{MAX_AGENTS, MAX_CHARS, MAX_EVENTS, check_agent_name};

/// An agent that has events, as the head of a file lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentHead {
    pub(crate) name: String,
    /// Sorted, neither empty nor adjacent.
    pub(crate) held: Vec<Range<u32>>,
}

impl AgentHead {
    /// Whether the event `seq` is one of them.
    pub(crate) fn holds(&self, seq: u32) -> bool {
        let at = self.held.partition_point(|range| range.end <= seq);
        self.held.get(at).is_some_and(|range| range.start <= seq)
    }
}

/// The information of a file that does not need the history to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of events that the file has, without those that were dropped.
    pub(crate) events: u32,
    /// The length of the text, in chars.
    pub(crate) chars: u32,
    /// The length of all inserted text, in bytes.
    pub(crate) inserted: u32,
    /// Agent and sequence number, in the order of the events in the file.
    pub(crate) frontier: Vec<(u32, u32)>,
    /// With the events that were dropped.
    pub(crate) agents: Vec<AgentHead>,
    /// The base at which the history of a shallow document begins.
    pub(super) base: Option<BaseHead>,
    /// The state after the last event of each agent, if the file has it.
    pub(crate) ends: Option<Vec<End>>,
    pub(super) counts: Counts,
}

impl Head {
    /// The number of local versions of the history: its events, and the chars that it begins with.
    pub(crate) fn lvs(&self) -> u32 {
        self.events + self.base.as_ref().map_or(0, |base| base.chars)
    }

    /// The events that name the version at which the history begins.
    pub(crate) fn start(&self) -> &[(u32, u32)] {
        self.base.as_ref().map_or(&[], |base| &base.frontier)
    }

    /// The number of events of the document, including dropped ones.
    pub(crate) fn event_count(&self) -> u64 {
        let all = self.agents.iter().flat_map(|agent| &agent.held);
        all.map(|range| u64::from(range.end - range.start)).sum()
    }
}

/// The description of a base, whose events the file does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseHead {
    /// The length of its text.
    pub(super) chars: u32,
    /// The events that name it: agent and sequence number, sorted.
    pub(super) frontier: Vec<(u32, u32)>,
    /// Its events, by agent.
    pub(super) trimmed: Vec<Vec<Range<u32>>>,
    /// The cursor after the last event of each range.
    pub(super) cursors: Vec<(AgentIdx, u32, u32)>,
}

impl BaseHead {
    pub(super) fn holds(&self, (agent, seq): (u32, u32)) -> bool {
        let ranges = self.trimmed.get(agent as usize);
        ranges.is_some_and(|ranges| ranges.iter().any(|range| range.contains(&seq)))
    }

    /// The number of its events.
    pub(super) fn events(&self) -> u64 {
        let all = self.trimmed.iter().flatten();
        all.map(|range| u64::from(range.end - range.start)).sum()
    }
}

/// The numbers of pieces and rows of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) pieces: u32,
    /// Parents of all pieces that have them given.
    pub(super) parents: u32,
    pub(super) rows: u32,
}

impl Counts {
    /// The approximate memory of such a history, in bytes.
    pub(super) fn memory(&self) -> u64 {
        64 * u64::from(self.pieces) + 4 * u64::from(self.parents) + 16 * u64::from(self.rows)
    }

    /// The most bytes of the graph and of the operations in the plain form.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let numbers = |count: u32, each: usize| (count as usize).saturating_mul(5 * each);
        let graph = numbers(self.pieces, 5).saturating_add(numbers(self.parents, 2));
        (graph, numbers(self.rows, 3))
    }
}

impl Head {
    /// Whether the event is part of the document.
    fn holds(&self, &(agent, seq): &(u32, u32)) -> bool {
        let agent = self.agents.get(agent as usize);
        agent.is_some_and(|agent| agent.holds(seq))
    }

    /// Checks that the frontier and the numbers of events are consistent. Errors have the offset of
    /// `reader`.
    pub(super) fn check_counts(&self, reader: &Reader<'_>) -> Result<(), DecodeError> {
        let trimmed = self.base.as_ref().map_or(0, BaseHead::events);
        let none = u64::from(self.events) + trimmed == 0;
        if !self.frontier.iter().all(|id| self.holds(id)) || self.frontier.is_empty() != none {
            return Err(reader.error("the frontier names events that are not there"));
        }
        if self.event_count() != u64::from(self.events) + trimmed {
            return Err(reader.error("the agents' events are not all events"));
        }
        if u64::from(self.lvs()) > u64::from(MAX_EVENTS) {
            return Err(reader.error("more than the format allows"));
        }
        Ok(())
    }
}

/// Reads a head, with ends or without. [`Head::check_counts`] has to check it once its base is
/// known.
pub(super) fn read_head(reader: &mut Reader<'_>, has_ends: bool) -> Result<Head, LoadError> {
    let (events, chars) = (reader.small()?, reader.small()?);
    let too_large = reader.error("more than the format allows");
    if events > MAX_EVENTS || chars > MAX_CHARS {
        return Err(too_large.into());
    }
    let inserted = u32::try_from(reader.varint()?).map_err(|_| too_large.clone())?;
    let counts = Counts {
        pieces: reader.small()?,
        parents: reader.small()?,
        rows: reader.small()?,
    };
    if counts.pieces > events || counts.rows > events {
        return Err(too_large.into());
    }
    let count = reader.count(2)?;
    let mut frontier = Vec::new();
    for _ in 0..count {
        frontier.push((reader.small()?, reader.small()?));
    }
    let too_many = reader.error("more agents than a document may know");
    let count = reader.count(4)?;
    if count > MAX_AGENTS as usize {
        return Err(too_many.into());
    }
    let mut agents: Vec<AgentHead> = Vec::new();
    for _ in 0..count {
        let error = reader.error("an agent name is empty or too long");
        let name = reader.text()?;
        if check_agent_name(name).is_err() {
            return Err(error.into());
        }
        let held = read_ranges(reader)?;
        if held.is_empty() {
            return Err(reader.error("an agent without events").into());
        }
        agents.push(AgentHead {
            name: name.to_owned(),
            held,
        });
    }
    let ends = match has_ends {
        true => read_ends(reader, agents.len())?,
        false => None,
    };
    reader.end()?;
    Ok(Head {
        events,
        chars,
        inserted,
        frontier,
        agents,
        base: None,
        ends,
        counts,
    })
}

/// Reads the output of [`push_ranges`].
pub(super) fn read_ranges(reader: &mut Reader<'_>) -> Result<Vec<Range<u32>>, DecodeError> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    let mut at = 0_u32;
    for i in 0..reader.count(2)? {
        let error = reader.error("a range is empty, adjacent or out of range");
        let (gap, len) = (reader.small()?, reader.small()?);
        let start = at.saturating_add(gap);
        let end = start.saturating_add(len);
        if len == 0 || (i > 0 && gap == 0) || end >= 1 << 31 {
            return Err(error);
        }
        ranges.push(start..end);
        at = end;
    }
    Ok(ranges)
}

/// Writes ranges that are sorted, neither empty nor adjacent.
pub(super) fn push_ranges(out: &mut Vec<u8>, ranges: &[Range<u32>]) {
    push(out, ranges.len() as u64);
    let mut at = 0;
    for range in ranges {
        push(out, u64::from(range.start - at));
        push(out, u64::from(range.end - range.start));
        at = range.end;
    }
}
