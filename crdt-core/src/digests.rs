//! Digests of agents' events: a patch identifies the events that it builds on by their digests.
//!
//! The digest of an event covers the events of its agent up to it: the operation of each, and the
//! ids of its parents. So two replicas that have different events under one id have different
//! digests for it and for all later events of the agent. Not for security: two histories with the
//! same digest are easy to make.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::causal_graph::AgentIdx;
use crate::error::MergeError;
use crate::hashing::Map;
use crate::history::History;
use crate::merge::{Agents, BaseEvent, Batch, split_text};
use crate::op_log::{Kind, Run, Texts};
use crate::sorting::sort_by;
use crate::version::{Lv, NONE};

/// The number of events of an agent between two stored digests.
const STEP: u32 = 64;

/// The most heads that a patch names in addition to the parents of its events, so that it stays
/// small after many concurrent edits. The next event that follows all heads names the others.
const MOST_HEADS: usize = 8;

/// The number of recently used digests that are cached for each agent: simultaneous authors build
/// on different events of it, repeatedly.
const RECENT: usize = 4;

/// The digests of a document, computed as far as they have been needed.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    chains: Mutex<Chains>,
    /// For agents whose first events are not part of the history: the number of these events, and
    /// their digest.
    starts: Starts,
}

/// By agent: a number of events, and the digest after them.
type Starts = Map<AgentIdx, (u32, u64)>;

/// The digests of all agents.
#[derive(Debug, Default)]
struct Chains {
    /// For each agent its index in `chains`, or [`NONE`].
    places: Vec<u32>,
    chains: Vec<Chain>,
}

/// The digests of one agent's events.
#[derive(Debug, Default)]
struct Chain {
    /// After each `STEP` events.
    marks: Vec<u64>,
    /// Event counts and the digests after them, most recently used first.
    recent: [(u32, u64); RECENT],
}

/// A clone starts with an empty cache: digests are computed again when they are needed.
impl Clone for Digests {
    fn clone(&self) -> Self {
        Digests {
            chains: Mutex::default(),
            starts: self.starts.clone(),
        }
    }
}

impl Digests {
    /// Digests that continue those of events that are not part of the history: for each agent the
    /// number of these events, and the digest of the last.
    pub(crate) fn continuing(starts: impl Iterator<Item = (AgentIdx, (u32, u64))>) -> Digests {
        Digests {
            starts: starts.collect(),
            ..Digests::default()
        }
    }

    /// Drops the stored digests; see [`Store::release`](crate::store::Store::release).
    pub(crate) fn release(&mut self) {
        self.chains = Mutex::default();
    }

    /// The digest of an event; `None` if it is not known, or its agent has dropped events. O(events
    /// of the agent) the first time, then O(new events), or at most `STEP`.
    pub(crate) fn get(&self, history: &History, agent: AgentIdx, seq: u32) -> Option<u64> {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        chains.get(history, &self.starts, (agent, seq))
    }

    /// The events outside `ranges` (ascending) that these build on: their parents, and the last
    /// [`MOST_HEADS`] heads; for each agent the last one. The digests tell a receiver whether it
    /// has the same events.
    pub(crate) fn base_of(&self, history: &History, ranges: &[Range<Lv>]) -> Vec<BaseEvent> {
        let graph = &history.graph;
        let is_outside = |lv: &&Lv| {
            let next = ranges.partition_point(|range| range.end <= **lv);
            **lv >= graph.start() && ranges.get(next).is_none_or(|range| **lv < range.start)
        };
        let id = |lv: &Lv| {
            let (agent, seq, _) = graph.agents.id_of(*lv);
            (agent, seq)
        };
        let begin = graph.base().map(|base| (base.top(), &base.frontier));
        let heads = graph.frontier().iter().rev().filter(is_outside);
        let mut last: Vec<(AgentIdx, u32)> = heads.take(MOST_HEADS).map(id).collect();
        for range in ranges {
            for (run, _) in graph.graph.runs_in(range.clone()) {
                graph.graph.with_parents(run.start, |parents| {
                    if let Some((_, ids)) = begin.filter(|(top, _)| parents == *top) {
                        last.extend(ids);
                    }
                    last.extend(parents.iter().filter(is_outside).map(id));
                });
            }
        }
        sort_by(&mut last, |a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        last.dedup_by_key(|(agent, _)| *agent);
        let with_digest = |(agent, seq)| {
            let digest = upper_half(self.get(history, agent, seq)?);
            Some(BaseEvent { agent, seq, digest })
        };
        last.into_iter().filter_map(with_digest).collect()
    }

    /// Checks that the events that `batch` builds on are the same in this history, as far as it has
    /// them.
    ///
    /// # Errors
    /// [`MergeError::Conflict`] with the last event that they build on, if that event, or an
    /// earlier one of its agent, differs in this history.
    pub(crate) fn check_base(
        &mut self,
        history: &History,
        (batch, agents): (&Batch, &mut Agents),
    ) -> Result<(), MergeError> {
        let chains = self
            .chains
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for base in &batch.base {
            let agent = agents.find(history, &batch.names, base.agent);
            let here = agent.and_then(|agent| chains.get(history, &self.starts, (agent, base.seq)));
            if here.is_some_and(|here| upper_half(here) != base.digest) {
                return Err(MergeError::Conflict {
                    agent: batch.names[base.agent as usize].to_string(),
                    seq: base.seq,
                });
            }
        }
        Ok(())
    }
}

impl Chains {
    /// See [`Digests::get`].
    fn get(
        &mut self,
        history: &History,
        starts: &Starts,
        (agent, seq): (AgentIdx, u32),
    ) -> Option<u64> {
        let agents = &history.graph.agents;
        let mut start = (0, 0);
        if !agents.trimmed(agent).is_empty() {
            start = *starts.get(&agent)?;
            if seq + 1 == start.0 {
                return Some(start.1);
            }
        }
        let last = agents.lv_of(agent, seq).filter(|_| seq >= start.0)?;
        let place = agent as usize;
        if place >= self.places.len() {
            self.places.resize(place + 1, NONE);
        }
        let place = &mut self.places[place];
        if *place == NONE {
            *place = self.chains.len() as u32;
            self.chains.push(Chain::default());
        }
        let chain = &mut self.chains[*place as usize];
        Some(chain.get(history, (agent, last), start, seq + 1))
    }
}

impl Chain {
    /// The digest after `count` events, the last of which is `last`. The history has the events
    /// after `start`: the number of events before them, and the digest after these.
    fn get(
        &mut self,
        history: &History,
        (agent, last): (AgentIdx, Lv),
        start: (u32, u64),
        count: u32,
    ) -> u64 {
        let near = (0..RECENT).filter(|&i| self.recent[i].0 <= count);
        let near = near.max_by_key(|&i| self.recent[i].0);
        let mut known = near.map_or((0, 0), |i| self.recent[i]);
        let mut replaced = RECENT - 1;
        match near {
            Some(i) if known.0 == count => replaced = i,
            _ => {
                let whole = (count / STEP).min(self.marks.len() as u32);
                if let Some(mark) = whole.checked_sub(1).map(|i| self.marks[i as usize])
                    && known.0 < whole * STEP
                {
                    known = (whole * STEP, mark);
                }
                if known.0 < start.0 {
                    known = start;
                }
                known = (count, self.fold(history, (agent, last), known, count));
            }
        }
        self.recent.copy_within(..replaced, 1);
        self.recent[0] = known;
        known.1
    }

    /// Continues from the digest after some events of an agent to the one after `count`, the last
    /// of which is `last`.
    fn fold(
        &mut self,
        history: &History,
        (agent, last): (AgentIdx, Lv),
        (from, digest): (u32, u64),
        count: u32,
    ) -> u64 {
        let graph = &history.graph;
        let mut digest = digest;
        if count - from == 1
            && let Some(run) = history.ops.event(last)
        {
            // Nearly always, no more events are needed: this path searches neither runs nor rows.
            let before = from.checked_sub(1);
            let before = before.and_then(|before| graph.agents.lv_of(agent, before));
            digest = graph.graph.with_parents(last, |parents| {
                with_parents(history, (agent, from, before), parents, digest)
            });
            let inserted = history.ops.char_of(last);
            digest = step(digest, what(inserted, run.pos));
            self.passed(count, digest);
            return digest;
        }
        let mut texts = Texts::new(&history.ops);
        let mut events = from;
        let before = from.checked_sub(1);
        let mut before = before.and_then(|before| graph.agents.lv_of(agent, before));
        for run in graph.agents.runs_of(agent, from..count) {
            for (lvs, parents) in graph.graph.runs_in(run.lv..run.lv + run.len) {
                digest = match parents {
                    Some(parents) => with_parents(history, (agent, from, before), parents, digest),
                    None => with_parents(history, (agent, from, before), &[lvs.start - 1], digest),
                };
                before = Some(lvs.end - 1);
                for part in history.ops.parts_in(lvs) {
                    let text = texts.part(&part);
                    digest = self.fold_run((part.run, text), (events, digest));
                    events += part.run.len;
                }
            }
        }
        digest
    }

    /// Continues from the digest after some events of an agent to the one after those of `run`.
    fn fold_run(&mut self, (run, text): (Run, &str), (events, digest): (u32, u64)) -> u64 {
        let mut digest = digest;
        let (mut rest, mut done, mut events) = (text, 0, events);
        while done < run.len {
            // Up to the next stored digest.
            let len = (run.len - done).min(STEP - events % STEP);
            let (text, behind) = match done + len == run.len {
                true => (rest, ""),
                false => split_text(rest, len),
            };
            digest = fold_part(&run.part(done, len), text, digest);
            rest = behind;
            done += len;
            events += len;
            self.passed(events, digest);
        }
        digest
    }

    /// Records the digest after `events` events.
    fn passed(&mut self, events: u32, digest: u64) {
        if events.is_multiple_of(STEP) && events / STEP == self.marks.len() as u32 + 1 {
            self.marks.push(digest);
        }
    }
}

/// Adds the events of a run. A separate, minimal loop for each kind.
fn fold_part(run: &Run, text: &str, digest: u64) -> u64 {
    let at = run.pos..run.pos + run.len;
    match run.kind {
        Kind::Insert if text.len() == run.len as usize => {
            let (fours, rest) = text.as_bytes().as_chunks::<4>();
            let (mut digest, mut pos) = (digest, run.pos);
            for bytes in fours {
                let event = |i: usize| what(Some(bytes[i].into()), pos + i as u32);
                digest = four_steps(digest, [event(0), event(1), event(2), event(3)]);
                pos += 4;
            }
            let events = (pos..).zip(rest);
            events.fold(digest, |digest, (at, &byte)| {
                step(digest, what(Some(byte.into()), at))
            })
        }
        Kind::Insert => at.zip(text.chars()).fold(digest, |digest, (at, char)| {
            step(digest, what(Some(char), at))
        }),
        Kind::Delete => {
            let what = what(None, run.pos);
            let fours = (0..run.len / 4).fold(digest, |digest, _| four_steps(digest, [what; 4]));
            (0..run.len % 4).fold(fours, |digest, _| step(digest, what))
        }
        Kind::Backspace => at
            .rev()
            .fold(digest, |digest, at| step(digest, what(None, at))),
    }
}

/// The digest's value for an operation: the inserted char, if any, and the position.
fn what(inserted: Option<char>, at: u32) -> u64 {
    let inserted = inserted.map_or(0, |char| u64::from(char) + 1);
    inserted << 32 | u64::from(at)
}

/// Adds the parents of an event. The only parent of most events is the agent's previous event,
/// which adds nothing.
fn with_parents(
    history: &History,
    (agent, seq, before): (AgentIdx, u32, Option<Lv>),
    parents: &[Lv],
    digest: u64,
) -> u64 {
    match (before, parents) {
        (Some(before), &[parent]) if before == parent => digest,
        // The previous event may lie before the start of the history.
        (None, _) if seq > 0 && history.graph.ids(parents) == [(agent, seq - 1)] => digest,
        _ => with_ids(history, parents, digest),
    }
}

/// Adds the ids of parents, by name.
#[inline(never)]
fn with_ids(history: &History, parents: &[Lv], digest: u64) -> u64 {
    let graph = &history.graph;
    let mut ids = graph.ids(parents);
    let name = |agent| graph.agents.name_bytes(agent);
    sort_by(&mut ids, |a, b| {
        (name(a.0).cmp(name(b.0))).then(a.1.cmp(&b.1))
    });
    let count = step(digest, u64::MAX - ids.len() as u64);
    ids.into_iter().fold(count, |digest, (agent, seq)| {
        let bytes = name(agent).iter();
        let name = bytes.fold(digest, |digest, &byte| step(digest, byte.into()));
        step(name, u64::MAX << 32 | u64::from(seq))
    })
}

/// The part of a digest that patches carry: it depends on each bit of every event.
pub(crate) fn upper_half(digest: u64) -> u32 {
    (digest >> 32) as u32
}

/// One step of the digest, a polynomial of the operations. Only one multiplication and one addition
/// depend on the previous step, so that long runs take little time.
fn step(digest: u64, value: u64) -> u64 {
    digest.wrapping_mul(BASE).wrapping_add(spread(value))
}

/// Where the polynomial is evaluated.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

fn spread(value: u64) -> u64 {
    let spread = value.wrapping_mul(0xd6e8_feb8_6659_fd93);
    spread ^ spread >> 32
}

/// Four steps at once: only one multiplication depends on the steps before.
fn four_steps(digest: u64, values: [u64; 4]) -> u64 {
    const SQUARE: u64 = BASE.wrapping_mul(BASE);
    let [a, b, c, d] = values.map(spread);
    let first = a.wrapping_mul(BASE).wrapping_add(b);
    let second = c.wrapping_mul(BASE).wrapping_add(d);
    let added = first.wrapping_mul(SQUARE).wrapping_add(second);
    let moved = digest.wrapping_mul(SQUARE.wrapping_mul(SQUARE));
    moved.wrapping_add(added)
}
