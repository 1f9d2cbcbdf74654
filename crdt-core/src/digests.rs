//! Digests of what agents made: who builds on an event says by a digest which event that is.
//!
//! The digest of an event covers the events of its agent up to it: what each did, and the ids of its
//! parents. So two replicas that hold other events under one id have other digests for it and for all
//! that the agent made later. Not for security: whoever wants to can make two histories of one digest.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::causal_graph::AgentIdx;
use crate::error::MergeError;
use crate::hashing::Map;
use crate::history::History;
use crate::merge::{BaseEvent, Batch};
use crate::op_log::{Kind, Texts};
use crate::sorting::sort_by;
use crate::version::Lv;

/// After so many events of an agent a digest is kept.
const STEP: u32 = 256;

/// The most heads that a patch names beside the parents of its events: where many edited at once, it stays
/// small.
const MOST_HEADS: usize = 32;

/// The digests of a document, kept as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<Map<AgentIdx, Chain>>);

/// The digests of one agent's events.
#[derive(Debug, Default)]
struct Chain {
    /// After each `STEP` events.
    marks: Vec<u64>,
    /// After the number of events that was asked for last.
    last: (u32, u64),
}

/// Nothing is lost with what is kept: it is made again when it is asked for.
impl Clone for Digests {
    fn clone(&self) -> Self {
        Digests::default()
    }
}

impl Digests {
    /// The digest of an event; `None` if it is not known, or its agent has events that were let go.
    /// O(events of the agent) the first time, then at most as many as `STEP` or as are new.
    pub(crate) fn get(&self, history: &History, agent: AgentIdx, seq: u32) -> Option<u64> {
        let agents = &history.graph.agents;
        if !agents.trimmed(agent).is_empty() || agents.lv_of(agent, seq).is_none() {
            return None;
        }
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(
            chains
                .entry(agent)
                .or_default()
                .get(history, agent, seq + 1),
        )
    }

    /// What the events `ranges` (ascending) are added to: their parents, and the last [`MOST_HEADS`] heads,
    /// that are not among them, of each agent the last. By the digests, whoever takes the events in can tell whether it has
    /// the same.
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
        let heads = graph.frontier().iter().rev().filter(is_outside);
        let mut last: Vec<(AgentIdx, u32)> = heads.take(MOST_HEADS).map(id).collect();
        for range in ranges {
            for (run, _) in graph.graph.runs_in(range.clone()) {
                graph.graph.with_parents(run.start, |parents| {
                    last.extend(parents.iter().filter(is_outside).map(id));
                });
            }
        }
        sort_by(&mut last, |a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        last.dedup_by_key(|(agent, _)| *agent);
        let with_digest = |(agent, seq)| {
            let digest = self.get(history, agent, seq)? as u32;
            Some(BaseEvent { agent, seq, digest })
        };
        last.into_iter().filter_map(with_digest).collect()
    }

    /// Checks that what the events of `batch` build on is what is here, as far as it is here.
    ///
    /// # Errors
    /// [`MergeError::Conflict`] with the last event that they build on, if that or one before it of its
    /// agent is another one here.
    pub(crate) fn check_base(&self, history: &History, batch: &Batch) -> Result<(), MergeError> {
        for base in &batch.base {
            let name = &batch.names[base.agent as usize];
            let agent = history.graph.agents.find_agent(name);
            let here = agent.and_then(|agent| self.get(history, agent, base.seq));
            if here.is_some_and(|here| here as u32 != base.digest) {
                return Err(MergeError::Conflict {
                    agent: name.to_string(),
                    seq: base.seq,
                });
            }
        }
        Ok(())
    }
}

impl Chain {
    /// The digest after `count` events.
    fn get(&mut self, history: &History, agent: AgentIdx, count: u32) -> u64 {
        let whole = (count / STEP).min(self.marks.len() as u32);
        let mark = whole
            .checked_sub(1)
            .and_then(|last| self.marks.get(last as usize));
        let mut known = (whole * STEP, mark.copied().unwrap_or_default());
        if (known.0..=count).contains(&self.last.0) {
            known = self.last;
        }
        let marks = &mut self.marks;
        let digest = fold(history, agent, known, count, &mut |events, digest| {
            if events / STEP == marks.len() as u32 + 1 && events % STEP == 0 {
                marks.push(digest);
            }
        });
        self.last = (count, digest);
        digest
    }
}

/// Goes on from the digest after some events of an agent to the one after `count`, and hands on those
/// between.
fn fold(
    history: &History,
    agent: AgentIdx,
    (from, digest): (u32, u64),
    count: u32,
    passed: &mut dyn FnMut(u32, u64),
) -> u64 {
    let graph = &history.graph;
    let mut texts = Texts::new(&history.ops);
    let (mut events, mut digest) = (from, digest);
    for run in graph.agents.runs_of(agent, from..count) {
        for (lvs, _) in graph.graph.runs_in(run.lv..run.lv + run.len) {
            digest = with_parents(history, agent, (lvs.start, events), digest);
            for part in history.ops.parts_in(lvs.clone()) {
                let mut inserted = "";
                if part.run.is_insert() {
                    texts.read(part.lv..part.lv + part.run.len, |text| inserted = text);
                }
                let mut chars = inserted.chars();
                for k in 0..part.run.len {
                    let at = match part.run.kind {
                        Kind::Insert => part.run.pos + k,
                        Kind::Delete | Kind::Backspace => part.run.next_pos(part.run.len - k),
                    };
                    let what = chars.next().map_or(0, |char| u64::from(char) + 1);
                    digest = mix(digest, what << 32 | u64::from(at));
                    events += 1;
                    passed(events, digest);
                }
            }
        }
    }
    digest
}

/// Takes the parents of an event in; those of most are the event before of the agent alone, and add
/// nothing.
fn with_parents(history: &History, agent: AgentIdx, (lv, seq): (Lv, u32), digest: u64) -> u64 {
    let graph = &history.graph;
    graph.graph.with_parents(lv, |parents| {
        let ids = graph.ids(parents);
        if seq
            .checked_sub(1)
            .is_some_and(|before| ids == [(agent, before)])
        {
            return digest;
        }
        let parents = graph.public_frontier(parents);
        let count = mix(digest, u64::MAX - parents.ids().len() as u64);
        parents.ids().iter().fold(count, |digest, id| {
            let name = id
                .agent
                .bytes()
                .fold(digest, |digest, byte| mix(digest, byte.into()));
            mix(name, u64::MAX << 32 | u64::from(id.seq))
        })
    })
}

/// One step of the digest: each bit of either makes a difference to all of the result.
fn mix(digest: u64, value: u64) -> u64 {
    let mut mixed = (digest ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 32;
    mixed = mixed.wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}
