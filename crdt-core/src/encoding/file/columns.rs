//! Writing the history as columns of numbers, and reading it back.
//!
//! The graph is a list of pieces: maximal runs of events of one agent, in which the only parent of
//! each event but the first is the event before it. The operations are a list of rows.

use super::head::{AgentHead, Counts, Head};
use super::numbers::{Sink, Source, read};
use super::sections::{SectionWriter, Sections, Type};
use crate::causal_graph::{AgentIdx, CausalGraph};
use crate::error::{DecodeError, LoadError};
use crate::history::History;
use crate::op_log::{Kind, Part, Run};
use crate::version::Lv;

/// The agents that have events, and for each agent its index among those.
pub(super) fn agents(history: &History) -> (Vec<u32>, Vec<AgentIdx>) {
    let agents = &history.graph.agents;
    let used: Vec<AgentIdx> = (0..agents.agent_count())
        .filter(|&agent| !agents.held(agent).is_empty())
        .collect();
    let mut ids = vec![0; agents.agent_count() as usize];
    for (i, &agent) in used.iter().enumerate() {
        ids[agent as usize] = i as u32;
    }
    (ids, used)
}

/// A piece of the graph: its events, their agent, and the parents of the first; `None` is the event
/// before.
type Piece<'a> = (std::ops::Range<Lv>, AgentIdx, u32, Option<&'a [Lv]>);

fn pieces(history: &History) -> impl Iterator<Item = Piece<'_>> {
    let graph = &history.graph;
    graph
        .graph
        .runs_in(graph.start()..history.len())
        .flat_map(move |(run, parents)| {
            let start = run.start;
            let parents = move |lv| if lv == start { parents } else { None };
            graph
                .agents
                .runs_in(run)
                .map(move |(lvs, agent, seq)| (lvs.clone(), agent, seq, parents(lvs.start)))
        })
}

fn rows(history: &History) -> impl Iterator<Item = Part> {
    history.ops.parts_in(history.graph.start()..history.len())
}

/// The ends of the pieces before the events: the end of the text that a shallow history begins
/// with.
fn first_ends(graph: &CausalGraph) -> Vec<Lv> {
    Some(graph.start())
        .filter(|&start| start > 0)
        .into_iter()
        .collect()
}

pub(super) fn count(history: &History) -> Counts {
    Counts {
        pieces: pieces(history).count() as u32,
        parents: pieces(history)
            .map(|(_, _, _, parents)| parents.map_or(0, <[Lv]>::len) as u32)
            .sum(),
        rows: rows(history).count() as u32,
    }
}

/// The contexts of the graph's numbers.
mod graph_context {
    pub(super) const COUNT: usize = 64;
    /// By the flags of the piece before.
    pub(super) const FLAGS: usize = 0;
    /// By the agent of the piece before; the last is for all others.
    pub(super) const AGENT: usize = 4;
    pub(super) const AGENTS: u32 = 32;
    /// By the flags.
    pub(super) const LEN: usize = 36;
    pub(super) const JUMP: usize = 40;
    pub(super) const PARENTS: usize = 41;
    /// By the index of the parent: the nearest, the next, all others.
    pub(super) const BACK: usize = 42;
    pub(super) const OFF: usize = 45;
}
use graph_context as gc;

/// Set in a piece's flags if its parents are given, and if its seq is not the one that follows its
/// agent's latest.
const PARENTS: u32 = 1;
const JUMP: u32 = 2;

pub(super) fn write_graph(history: &History, ids: &[u32], modelled: bool, out: &mut SectionWriter) {
    let mut sink = Sink::new(modelled, gc::COUNT);
    let mut ends = first_ends(&history.graph);
    let mut next = vec![0_u32; ids.len()];
    let (mut last_flags, mut last_agent) = (0, 0);
    for (lvs, agent, seq, parents) in pieces(history) {
        let expected = &mut next[agent as usize];
        let mut flags = if parents.is_some() { PARENTS } else { 0 };
        if seq != *expected {
            flags |= JUMP;
        }
        let id = ids[agent as usize];
        sink.push(gc::FLAGS + last_flags as usize, flags);
        sink.push(gc::AGENT + last_agent as usize, id);
        sink.push(gc::LEN + flags as usize, lvs.end - lvs.start - 1);
        if flags & JUMP != 0 {
            sink.push_signed(gc::JUMP, i64::from(seq) - i64::from(*expected));
        }
        *expected = seq + (lvs.end - lvs.start);
        if let Some(parents) = parents {
            sink.push(gc::PARENTS, parents.len() as u32);
            let mut before = ends.len();
            for (i, &parent) in parents.iter().rev().enumerate() {
                let piece = ends.partition_point(|&end| end <= parent);
                sink.push(gc::BACK + i.min(2), (before - piece) as u32);
                sink.push(gc::OFF, ends[piece] - 1 - parent);
                before = piece;
            }
        }
        ends.push(lvs.end);
        (last_flags, last_agent) = (flags, id.min(gc::AGENTS - 1));
    }
    sink.finish(Type::Graph, out);
}

/// Reads the graph into a history without operations.
pub(super) fn read_graph(
    sections: &Sections,
    bytes: &[u8],
    head: &Head,
) -> Result<History, LoadError> {
    let (most, _) = head.counts.bytes();
    let section = (Type::Graph, gc::COUNT, most);
    read(sections, bytes, section, |numbers| {
        take_graph(numbers, head)
    })
}

fn take_graph(numbers: &mut Source<'_>, head: &Head) -> Result<History, DecodeError> {
    let mut history = History::default();
    let graph = &mut history.graph;
    for agent in &head.agents {
        graph.agents.agent(&agent.name);
    }
    if graph.agents.agent_count() as usize != head.agents.len() {
        return Err(numbers.error("an agent comes twice"));
    }
    if let Some(base) = &head.base {
        base.begin(graph);
    }
    let mut ends = first_ends(graph);
    let mut next = vec![0_u32; head.agents.len()];
    let mut parents: Vec<Lv> = Vec::new();
    let mut parents_left = head.counts.parents;
    let (mut last_flags, mut last_agent) = (0, 0);
    for _ in 0..head.counts.pieces {
        let start = graph.len();
        let flags = numbers.next(|| gc::FLAGS + last_flags as usize)?;
        if flags > PARENTS | JUMP {
            return Err(numbers.error("a piece of no known form"));
        }
        let agent = numbers.next(|| gc::AGENT + last_agent as usize)?;
        let len = numbers.next(|| gc::LEN + flags as usize)?;
        let Some(len) = len.checked_add(1).filter(|&n| n <= head.lvs() - start) else {
            return Err(numbers.error("more events than the head says"));
        };
        let Some(expected) = next.get_mut(agent as usize) else {
            return Err(numbers.error("an agent that is not in the head"));
        };
        let mut seq = i64::from(*expected);
        if flags & JUMP != 0 {
            seq += numbers.signed(|| gc::JUMP)?;
        }
        let held = &head.agents[agent as usize];
        let Some(seq) = free_seqs(&graph.agents, (agent, held), seq, len) else {
            return Err(numbers.error("events that are not their agent's, or come twice"));
        };
        *expected = seq + len;
        parents.clear();
        if flags & PARENTS != 0 {
            read_parents(numbers, &ends, parents_left, &mut parents)?;
            parents_left -= parents.len() as u32;
        } else if start > 0 {
            parents.push(start - 1);
        }
        if let Some(base) = graph.base()
            && parents != base.top()
            && parents.first().is_none_or(|&parent| parent < base.chars)
        {
            return Err(numbers.error("a parent from before the history begins"));
        }
        graph.push(agent, seq, len, &parents);
        ends.push(start + len);
        (last_flags, last_agent) = (flags, agent.min(gc::AGENTS - 1));
    }
    if graph.len() != head.lvs() || parents_left > 0 {
        return Err(numbers.error("fewer events or parents than the head says"));
    }
    if graph.ids(graph.frontier()) != head.frontier {
        return Err(numbers.error("the frontier is not the one in the head"));
    }
    Ok(history)
}

/// The sequence number of the first of `len` events, if they all are the agent's and new.
fn free_seqs(
    agents: &crate::causal_graph::AgentAssignment,
    (agent, head): (AgentIdx, &AgentHead),
    seq: i64,
    len: u32,
) -> Option<u32> {
    let seq = u32::try_from(seq).ok()?;
    let end = seq.checked_add(len)?;
    let trimmed = agents.next_trimmed(agent, seq);
    if trimmed.is_some_and(|range| range.start < end) {
        return None;
    }
    let at = head.held.partition_point(|range| range.end < end);
    let range = head.held.get(at)?;
    if seq < range.start || end > range.end {
        return None;
    }
    let run = agents.run_from(agent, seq);
    run.is_none_or(|run| run.seq >= end).then_some(seq)
}

/// Reads the parents of a piece, at most `most`, which lie in the pieces that end at `ends`, ascending.
fn read_parents(
    numbers: &mut Source<'_>,
    ends: &[Lv],
    most: u32,
    parents: &mut Vec<Lv>,
) -> Result<(), DecodeError> {
    let count = numbers.next(|| gc::PARENTS)?;
    if count > most {
        return Err(numbers.error("more parents than the head says"));
    }
    let mut before = ends.len();
    for i in 0..count as usize {
        let back = numbers.next(|| gc::BACK + i.min(2))?;
        let off = numbers.next(|| gc::OFF)?;
        let piece = before.checked_sub(back as usize);
        let piece = piece.filter(|&piece| piece < ends.len());
        let parent = piece.and_then(|piece| {
            let start = piece.checked_sub(1).map_or(0, |i| ends[i]);
            let parent = ends[piece].checked_sub(off.checked_add(1)?)?;
            (parent >= start && parents.last().is_none_or(|&p| parent < p)).then_some(parent)
        });
        let (Some(piece), Some(parent)) = (piece, parent) else {
            return Err(numbers.error("a parent that is not before its child, or out of order"));
        };
        parents.push(parent);
        before = piece;
    }
    parents.reverse();
    Ok(())
}

/// The contexts of the operations' numbers.
mod ops_context {
    /// By the kinds of the three rows before.
    pub(super) const KIND: usize = 0;
    /// By the kind and those of the two rows before.
    pub(super) const MOVE: usize = 27;
    /// By the kind, that of the row before, and the length class of the row before.
    pub(super) const LEN: usize = 54;
    pub(super) const COUNT: usize = LEN + 9 * 6;
}
use ops_context as oc;

/// The context of the numbers of a row.
#[derive(Default)]
struct Before {
    kinds: [usize; 3],
    len: u32,
}

impl Before {
    fn kind(&self) -> usize {
        oc::KIND + self.kinds[0] * 9 + self.kinds[1] * 3 + self.kinds[2]
    }

    fn cursor_move(&self, kind: usize) -> usize {
        oc::MOVE + kind * 9 + self.kinds[0] * 3 + self.kinds[1]
    }

    fn len(&self, kind: usize) -> usize {
        let class = match self.len {
            0..=1 => 0,
            2 => 1,
            3..=4 => 2,
            5..=8 => 3,
            9..=24 => 4,
            _ => 5,
        };
        oc::LEN + (kind * 3 + self.kinds[0]) * 6 + class
    }

    fn push(&mut self, kind: usize, len: u32) {
        self.kinds = [kind, self.kinds[0], self.kinds[1]];
        self.len = len;
    }
}

/// The agent of each event, for ascending local versions.
struct Agents<R> {
    runs: R,
    agent: AgentIdx,
    end: Lv,
}

impl<R: Iterator<Item = (std::ops::Range<Lv>, AgentIdx, u32)>> Agents<R> {
    fn new(runs: R) -> Self {
        Agents {
            runs,
            agent: 0,
            end: 0,
        }
    }

    fn at(&mut self, lv: Lv) -> usize {
        while lv >= self.end {
            let Some((lvs, agent, _)) = self.runs.next() else {
                break;
            };
            (self.agent, self.end) = (agent, lvs.end);
        }
        self.agent as usize
    }
}

pub(super) fn write_ops(history: &History, modelled: bool, out: &mut SectionWriter) {
    let mut sink = Sink::new(modelled, oc::COUNT);
    let graph = &history.graph;
    let mut agents = Agents::new(graph.agents.runs_in(graph.start()..history.len()));
    let mut cursors = vec![0_u32; graph.agents.agent_count() as usize];
    let mut before = Before::default();
    for part in rows(history) {
        let run = part.run;
        let kind = match run.kind {
            Kind::Insert => 0,
            Kind::Delete => 1,
            Kind::Backspace => 2,
        };
        let (start, end) = run.ends();
        let cursor = &mut cursors[agents.at(part.lv)];
        sink.push(before.kind(), kind);
        sink.push_signed(
            before.cursor_move(kind as usize),
            i64::from(start) - i64::from(*cursor),
        );
        sink.push(before.len(kind as usize), run.len - 1);
        *cursor = end;
        before.push(kind as usize, run.len);
    }
    sink.finish(Type::Ops, out);
}

/// Reads the operations of the events in `history`, without the text of inserts.
pub(super) fn read_ops(
    sections: &Sections,
    bytes: &[u8],
    head: &Head,
    history: &mut History,
) -> Result<(), LoadError> {
    let (_, most) = head.counts.bytes();
    let section = (Type::Ops, oc::COUNT, most);
    read(sections, bytes, section, |numbers| {
        take_ops(numbers, head, history)
    })
}

fn take_ops(
    numbers: &mut Source<'_>,
    head: &Head,
    history: &mut History,
) -> Result<(), DecodeError> {
    let History { graph, ops, .. } = history;
    if let Some(base) = graph.base().filter(|base| base.chars > 0) {
        ops.push_row(Run::new(Kind::Insert, 0, base.chars));
    }
    let mut agents = Agents::new(graph.agents.runs_in(graph.start()..head.lvs()));
    let mut cursors = vec![0_u32; head.agents.len()];
    let mut before = Before::default();
    ops.reserve(numbers.left().min(head.counts.rows as usize));
    for _ in 0..head.counts.rows {
        let number = numbers.next(|| before.kind())?;
        let kind = match number {
            0 => Kind::Insert,
            1 => Kind::Delete,
            2 => Kind::Backspace,
            _ => return Err(numbers.error("an operation of no known kind")),
        };
        let number = number as usize;
        let cursor_move = numbers.signed(|| before.cursor_move(number))?;
        let len = numbers.next(|| before.len(number))?;
        let Some(len) = len
            .checked_add(1)
            .filter(|&len| len <= head.lvs() - ops.len())
        else {
            return Err(numbers.error("more operations than events"));
        };
        let cursor = cursors.get_mut(agents.at(ops.len()));
        let start = cursor
            .as_deref()
            .and_then(|&cursor| u32::try_from(i64::from(cursor) + cursor_move).ok());
        let pos = match kind {
            Kind::Backspace if len > 1 => start.and_then(|start| start.checked_sub(len)),
            Kind::Backspace => None,
            _ => start,
        };
        let (Some(cursor), Some(pos)) = (cursor, pos) else {
            return Err(numbers.error("an operation is out of range"));
        };
        let run = Run { kind, pos, len };
        run.check().map_err(|reason| numbers.error(reason))?;
        *cursor = run.ends().1;
        before.push(number, len);
        ops.push_row(run);
    }
    if ops.len() != head.lvs() {
        return Err(numbers.error("fewer operations than events"));
    }
    Ok(())
}
