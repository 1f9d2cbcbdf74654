//! The two-way map between local versions and ids `(agent, seq)`.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::sorted_list::SortedList;
use crate::version::{Lv, NONE, join_range};

/// A local number of an agent: its index in the order in which the replica first saw the names.
pub(crate) type AgentIdx = u32;

/// A run of events of one agent, consecutive both as local versions and as sequence numbers.
/// Its end is the start of the next run.
#[derive(Debug, Clone, Copy)]
struct LvRun {
    lv: Lv,
    agent: AgentIdx,
    seq: u32,
}

/// A run of consecutive sequence numbers of one agent with consecutive local versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeqRun {
    pub(crate) seq: u32,
    pub(crate) lv: Lv,
    pub(crate) len: u32,
}

impl SeqRun {
    pub(crate) fn seq_end(&self) -> u32 {
        self.seq + self.len
    }

    fn seqs(&self) -> Range<u32> {
        self.seq..self.seq_end()
    }
}

/// An agent. Most have one run of events: a document has an agent for every page that ever opened
/// it.
#[derive(Debug, Clone)]
struct Agent {
    /// The end of its name in [`AgentAssignment::names`]. The name starts at the end of the
    /// previous one.
    name_end: u32,
    /// Its index in the list of agents with more than one run; [`NONE`] if it has only one.
    more: u32,
    /// The only run, if it has only one: its sequence numbers, and its first local version.
    held: Range<u32>,
    lv: Lv,
}

/// The data of an agent with more than one run.
#[derive(Debug, Clone, Default)]
struct More {
    /// Sorted by `seq`.
    runs: Vec<SeqRun>,
    /// The sequence numbers of dropped events, which are part of the document: sorted.
    trimmed: Vec<Range<u32>>,
    /// The sequence numbers of `runs` and `trimmed`, without the borders between runs.
    held: Vec<Range<u32>>,
}

impl More {
    /// The runs that end after `seq`.
    #[inline]
    fn runs_from(&self, seq: u32) -> &[SeqRun] {
        let first = match self.runs.last() {
            Some(last) if last.seq <= seq && seq < last.seq_end() => self.runs.len() - 1,
            Some(last) if last.seq_end() <= seq => self.runs.len(),
            _ => self.runs.partition_point(|run| run.seq_end() <= seq),
        };
        &self.runs[first..]
    }
}

/// The most recently found agents, by a hash of their names. A hit is compared before it is used.
#[derive(Debug)]
struct Found([AtomicU32; FOUND]);

/// The most agents that are cached: a power of two.
const FOUND: usize = 128;

impl Default for Found {
    fn default() -> Self {
        Found([const { AtomicU32::new(NONE) }; FOUND])
    }
}

/// A clone starts empty: the content is only a cache.
impl Clone for Found {
    fn clone(&self) -> Self {
        Found::default()
    }
}

impl Found {
    /// The slot of an agent of this name. Names mostly differ at their ends.
    fn place(&self, name: &str) -> &AtomicU32 {
        let last = match name.as_bytes().last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last),
            None => first_bytes(name.as_bytes()),
        };
        // The highest bits of the product depend on all bits of the name.
        let hash = last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FOUND.trailing_zeros());
        &self.0[hash as usize % FOUND]
    }
}

/// An agent among all, sorted by name.
#[derive(Debug, Clone, Copy)]
struct Named {
    first_bytes: u64,
    agent: AgentIdx,
}

/// The agents of a document and the ids of its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentAssignment {
    agents: Vec<Agent>,
    more: Vec<More>,
    /// All names, in the order of the agents.
    names: String,
    found: Found,
    by_name: SortedList<Named>,
    runs: Vec<LvRun>,
    len: u32,
}

/// The first bytes of a name. They sort as names do, and nearly always tell two apart.
pub(crate) fn first_bytes(name: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(name) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

impl AgentAssignment {
    /// The number of an agent, by its name. O(log agents).
    #[inline]
    pub(crate) fn find_agent(&self, name: &str) -> Option<AgentIdx> {
        // A linear scan of this few is faster than a search.
        const FEW: usize = 6;
        match self.agents.len() {
            ..=FEW => self.find_of_few(name),
            _ => self.find_of_many(name),
        }
    }

    fn find_of_few(&self, name: &str) -> Option<AgentIdx> {
        let name = name.as_bytes();
        // Nobody has an empty name.
        let last = name.last()?;
        let mut start = 0;
        let found = self.agents.iter().position(|agent| {
            let end = agent.name_end as usize;
            let held = &self.names.as_bytes()[start..end];
            start = end;
            held.len() == name.len() && held.last() == Some(last) && held == name
        });
        found.map(|agent| agent as AgentIdx)
    }

    #[inline(never)]
    fn find_of_many(&self, name: &str) -> Option<AgentIdx> {
        let place = self.found.place(name);
        let last = place.load(Relaxed);
        if last < self.agent_count() && self.name_bytes(last) == name.as_bytes() {
            return Some(last);
        }
        let found = self.search(name);
        if let Some(agent) = found {
            place.store(agent, Relaxed);
        }
        found
    }

    fn search(&self, name: &str) -> Option<AgentIdx> {
        let first = first_bytes(name.as_bytes());
        let found = self
            .by_name
            .first_from(|named| self.is_before(named, first, name))?;
        let is_it = found.first_bytes == first && self.name_bytes(found.agent) == name.as_bytes();
        is_it.then_some(found.agent)
    }

    /// Whether the name of an agent comes before `name`, which begins with `first`.
    #[inline(always)]
    fn is_before(&self, named: &Named, first: u64, name: &str) -> bool {
        named.first_bytes < first
            || named.first_bytes == first && self.name_bytes(named.agent) < name.as_bytes()
    }

    /// The number of the agent `name`; adds the agent if it is new.
    pub(crate) fn agent(&mut self, name: &str) -> AgentIdx {
        self.find_agent(name)
            .unwrap_or_else(|| self.add_agent(name))
    }

    /// Adds the new agent `name`. O(log agents).
    pub(crate) fn add_agent(&mut self, name: &str) -> AgentIdx {
        let agent = self.push_agent(name);
        let first_bytes = first_bytes(name.as_bytes());
        let mut by_name = std::mem::take(&mut self.by_name);
        by_name.insert(Named { first_bytes, agent }, |named| {
            self.is_before(named, first_bytes, name)
        });
        self.by_name = by_name;
        agent
    }

    fn push_agent(&mut self, name: &str) -> AgentIdx {
        let agent = self.agents.len() as AgentIdx;
        self.names.push_str(name);
        self.agents.push(Agent {
            name_end: self.names.len() as u32,
            more: NONE,
            held: 0..0,
            lv: 0,
        });
        agent
    }

    pub(crate) fn agent_count(&self) -> u32 {
        self.agents.len() as u32
    }

    /// The range of an agent's name in all names.
    #[inline]
    fn name_range(&self, agent: AgentIdx) -> Range<usize> {
        let before = agent.checked_sub(1);
        let start = before.map_or(0, |before| self.agents[before as usize].name_end);
        let end = self.agents[agent as usize].name_end;
        start as usize..end as usize
    }

    pub(crate) fn name(&self, agent: AgentIdx) -> &str {
        &self.names[self.name_range(agent)]
    }

    #[inline]
    pub(crate) fn name_bytes(&self, agent: AgentIdx) -> &[u8] {
        &self.names.as_bytes()[self.name_range(agent)]
    }

    /// All agents that have a name, in byte order of the names.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = AgentIdx> {
        self.by_name.iter().map(|named| named.agent)
    }

    fn more(&self, agent: AgentIdx) -> Option<&More> {
        self.more.get(self.agents[agent as usize].more as usize)
    }

    /// The entry of an agent among those with more than one run; creates it if necessary.
    #[inline]
    fn more_mut(&mut self, agent: AgentIdx) -> &mut More {
        if self.agents[agent as usize].more == NONE {
            self.push_more(agent);
        }
        &mut self.more[self.agents[agent as usize].more as usize]
    }

    #[inline(never)]
    fn push_more(&mut self, agent: AgentIdx) {
        let runs = Vec::from_iter(self.only_run(agent));
        self.agents[agent as usize].more = self.more.len() as u32;
        self.more.push(More {
            held: runs.iter().map(SeqRun::seqs).collect(),
            runs,
            trimmed: Vec::new(),
        });
    }

    /// The only run of an agent that has no more than one.
    fn only_run(&self, agent: AgentIdx) -> Option<SeqRun> {
        let agent = &self.agents[agent as usize];
        (agent.more == NONE && !agent.held.is_empty()).then(|| SeqRun {
            seq: agent.held.start,
            lv: agent.lv,
            len: agent.held.end - agent.held.start,
        })
    }

    /// All runs of one agent, sorted by sequence number.
    pub(crate) fn seq_runs(&self, agent: AgentIdx) -> impl Iterator<Item = SeqRun> + use<'_> {
        self.seq_runs_from(agent, 0)
    }

    /// The runs of one agent that end after `seq`, sorted by sequence number.
    fn seq_runs_from(&self, agent: AgentIdx, seq: u32) -> impl Iterator<Item = SeqRun> + use<'_> {
        let more = self.more(agent).map_or(&[][..], |more| more.runs_from(seq));
        let only = self.only_run(agent).filter(|run| seq < run.seq_end());
        only.into_iter().chain(more.iter().copied())
    }

    /// The run that has `seq`, or the next one after it.
    #[inline]
    pub(crate) fn run_from(&self, agent: AgentIdx, seq: u32) -> Option<SeqRun> {
        match self.more(agent) {
            Some(more) => more.runs_from(seq).first().copied(),
            None => self.only_run(agent).filter(|run| seq < run.seq_end()),
        }
    }

    /// All sequence numbers of one agent: sorted, neither empty nor adjacent.
    pub(crate) fn held(&self, agent: AgentIdx) -> &[Range<u32>] {
        let only = &self.agents[agent as usize].held;
        match self.more(agent) {
            Some(more) => &more.held,
            None if only.is_empty() => &[],
            None => std::slice::from_ref(only),
        }
    }

    /// Assigns the first `len` local versions, which are not events, to no agent.
    pub(super) fn push_without_agent(&mut self, len: u32) {
        // No agent has an empty name, so a search by name never finds this one.
        let agent = self.push_agent("");
        self.runs.push(LvRun {
            lv: 0,
            agent,
            seq: 0,
        });
        self.len = len;
    }

    /// Records that events of `agent` are part of the document, but dropped.
    pub(crate) fn trim(&mut self, agent: AgentIdx, range: Range<u32>) {
        let agent = self.more_mut(agent);
        join_range(&mut agent.trimmed, range.clone());
        join_range(&mut agent.held, range);
    }

    /// The sequence numbers of events of `agent` that were dropped: sorted.
    pub(crate) fn trimmed(&self, agent: AgentIdx) -> &[Range<u32>] {
        self.more(agent).map_or(&[], |more| &more.trimmed)
    }

    /// The end of the range of dropped events that contains `seq`, if one does.
    pub(crate) fn trimmed_until(&self, agent: AgentIdx, seq: u32) -> Option<u32> {
        let next = self.next_trimmed(agent, seq)?;
        (next.start <= seq).then_some(next.end)
    }

    /// The range of dropped events that contains `seq`, or the next one after it.
    pub(crate) fn next_trimmed(&self, agent: AgentIdx, seq: u32) -> Option<&Range<u32>> {
        let trimmed = self.trimmed(agent);
        trimmed.get(trimmed.partition_point(|range| range.end <= seq))
    }

    /// The number of events that were dropped.
    pub(super) fn trimmed_events(&self) -> u64 {
        let all = self.more.iter().flat_map(|agent| &agent.trimmed);
        all.map(|range| u64::from(range.end - range.start)).sum()
    }

    /// The runs that cover the sequence numbers `seqs`, cut to them, without dropped events.
    pub(crate) fn runs_of(
        &self,
        agent: AgentIdx,
        seqs: Range<u32>,
    ) -> impl Iterator<Item = SeqRun> + use<'_> {
        let runs = self.seq_runs_from(agent, seqs.start);
        runs.take_while(move |run| run.seq < seqs.end)
            .map(move |run| {
                let (start, end) = (run.seq.max(seqs.start), run.seq_end().min(seqs.end));
                SeqRun {
                    seq: start,
                    lv: run.lv + (start - run.seq),
                    len: end - start,
                }
            })
    }

    /// The sequence number that follows all that are known of `agent`.
    pub(crate) fn next_seq(&self, agent: AgentIdx) -> u32 {
        self.held(agent).last().map_or(0, |range| range.end)
    }

    /// The local version of an event, if it is known.
    pub(crate) fn lv_of(&self, agent: AgentIdx, seq: u32) -> Option<Lv> {
        let run = self.run_from(agent, seq)?;
        (run.seq <= seq).then(|| run.lv + (seq - run.seq))
    }

    /// The agent and sequence number of a local version, and how many events from there on
    /// continue that run.
    pub(crate) fn id_of(&self, lv: Lv) -> (AgentIdx, u32, u32) {
        debug_assert!(lv < self.len);
        let i = self.runs.partition_point(|r| r.lv <= lv) - 1;
        let run = self.runs[i];
        let end = self.runs.get(i + 1).map_or(self.len, |r| r.lv);
        (run.agent, run.seq + (lv - run.lv), end - lv)
    }

    /// Assigns the next local version to the next event of `agent`, whose latest event is the last
    /// of all.
    #[inline]
    pub(crate) fn grow(&mut self, agent: AgentIdx) {
        if let Some(agent) = self.agents.get_mut(agent as usize) {
            if agent.more == NONE {
                debug_assert!(agent.lv + (agent.held.end - agent.held.start) == self.len);
                agent.held.end += 1;
            } else if let Some(More { runs, held, .. }) = self.more.get_mut(agent.more as usize)
                && let (Some(run), Some(held)) = (runs.last_mut(), held.last_mut())
            {
                debug_assert!(run.lv + run.len == self.len);
                run.len += 1;
                held.end += 1;
            }
            self.len += 1;
        }
    }

    /// Assigns the ids `(agent, seq..)` to the next `len` local versions. The caller has checked
    /// that these sequence numbers are unused.
    pub(crate) fn push(&mut self, agent: AgentIdx, seq: u32, len: u32) {
        let lv = self.len;
        self.len += len;
        let continues = match self.runs.last() {
            Some(run) => run.agent == agent && run.seq + (lv - run.lv) == seq,
            None => false,
        };
        if !continues {
            self.runs.push(LvRun { lv, agent, seq });
        }
        let only = &mut self.agents[agent as usize];
        if only.more == NONE {
            let Range { start, end } = only.held;
            if start == end {
                (only.held, only.lv) = (seq..seq + len, lv);
                return;
            }
            if end == seq && only.lv + (end - start) == lv {
                only.held.end += len;
                return;
            }
        }
        let More { runs, held, .. } = self.more_mut(agent);
        match held.last_mut() {
            Some(last) if last.end == seq => last.end += len,
            Some(last) if last.end > seq => join_range(held, seq..seq + len),
            _ => held.push(seq..seq + len),
        }
        match runs.last_mut() {
            Some(last) if last.seq_end() == seq && last.lv + last.len == lv => last.len += len,
            Some(last) if last.seq_end() > seq => {
                let at = runs.partition_point(|r| r.seq < seq);
                runs.insert(at, SeqRun { seq, lv, len });
            }
            _ => runs.push(SeqRun { seq, lv, len }),
        }
    }

    /// Forgets all local versions from `lv` on, and all agents from the `agent_count`th on.
    pub(crate) fn truncate(&mut self, lv: Lv, agent_count: u32) {
        while let Some(run) = self.runs.last() {
            if run.lv < lv {
                break;
            }
            self.runs.pop();
        }
        self.len = lv;
        let mut by_name = std::mem::take(&mut self.by_name);
        for agent in agent_count..self.agent_count() {
            let name = self.name(agent);
            let first = first_bytes(name.as_bytes());
            by_name.remove(
                |named| self.is_before(named, first, name),
                |named| named.agent == agent,
            );
        }
        self.by_name = by_name;
        self.agents.truncate(agent_count as usize);
        let names = self.agents.last().map_or(0, |last| last.name_end);
        self.names.truncate(names as usize);
        let mut more = 0;
        for agent in &mut self.agents {
            if agent.more == NONE {
                let len = agent.held.end - agent.held.start;
                let left = len.min(lv.saturating_sub(agent.lv));
                agent.held.end = agent.held.start + left;
                continue;
            }
            more = more.max(agent.more + 1);
            let More {
                runs,
                trimmed,
                held,
            } = &mut self.more[agent.more as usize];
            runs.retain_mut(|run| {
                run.len = run.len.min(lv.saturating_sub(run.lv));
                run.len > 0
            });
            held.clone_from(trimmed);
            runs.iter().for_each(|run| join_range(held, run.seqs()));
        }
        // Entries of removed agents with lower indices stay, and are never used.
        self.more.truncate(more as usize);
    }

    /// Moves the events of `old` from the seq `from` on, none of which was dropped, to `new`, which
    /// has no events, from its first. O(runs).
    pub(super) fn move_events(&mut self, old: AgentIdx, from: u32, new: AgentIdx) {
        let source = self.more_mut(old);
        let mut moved = Vec::new();
        source.runs.retain_mut(|run| {
            let kept = from.saturating_sub(run.seq).min(run.len);
            if kept < run.len {
                moved.push(SeqRun {
                    seq: run.seq + kept - from,
                    lv: run.lv + kept,
                    len: run.len - kept,
                });
            }
            run.len = kept;
            kept > 0
        });
        source.held.retain_mut(|range| {
            range.end = range.end.min(from);
            range.start < range.end
        });
        let target = self.more_mut(new);
        let seqs = moved.iter().map(SeqRun::seqs);
        seqs.for_each(|seqs| join_range(&mut target.held, seqs));
        target.runs = moved;
        let mut runs = Vec::with_capacity(self.runs.len() + 1);
        for (i, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(i + 1).map_or(self.len, |next| next.lv);
            let kept = from.saturating_sub(run.seq).min(end - run.lv);
            if run.agent != old || kept > 0 {
                runs.push(*run);
            }
            if run.agent == old && kept < end - run.lv {
                runs.push(LvRun {
                    lv: run.lv + kept,
                    agent: new,
                    seq: run.seq + kept - from,
                });
            }
        }
        self.runs = runs;
    }

    /// Compares the ids of two events by agent name (bytes), then sequence number.
    pub(crate) fn compare(&self, a: Lv, b: Lv) -> Ordering {
        let (agent_a, seq_a, _) = self.id_of(a);
        let (agent_b, seq_b, _) = self.id_of(b);
        if agent_a == agent_b {
            seq_a.cmp(&seq_b)
        } else {
            self.name_bytes(agent_a).cmp(self.name_bytes(agent_b))
        }
    }

    /// Walks `range` as runs of one agent: local versions, agent, first sequence number.
    pub(crate) fn runs_in(
        &self,
        range: Range<Lv>,
    ) -> impl Iterator<Item = (Range<Lv>, AgentIdx, u32)> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let (agent, seq, len) = self.id_of(at);
            let end = (at + len).min(range.end);
            let run = at..end;
            at = end;
            Some((run, agent, seq))
        })
    }

    /// Panics unless both directions of the map agree.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let mut seen = 0;
        for agent in 0..self.agent_count() {
            assert_eq!(self.find_agent(self.name(agent)), Some(agent));
            let mut end = 0;
            let mut held = Vec::new();
            self.seq_runs(agent)
                .for_each(|run| join_range(&mut held, run.seqs()));
            assert_eq!(self.held(agent), held);
            for run in self.seq_runs(agent) {
                assert!(run.len > 0 && run.seq >= end);
                end = run.seq_end();
                for k in 0..run.len {
                    let (found, seq, _) = self.id_of(run.lv + k);
                    assert_eq!((found, seq), (agent, run.seq + k));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, self.len);
        assert_eq!(self.lv_of_all(), self.len);
        let names: Vec<&str> = self.by_name().map(|agent| self.name(agent)).collect();
        assert!(names.is_sorted() && names.len() == self.agents.len());
    }

    #[cfg(test)]
    fn lv_of_all(&self) -> u32 {
        (0..self.len)
            .filter(|&lv| {
                let (agent, seq, _) = self.id_of(lv);
                self.lv_of(agent, seq) == Some(lv)
            })
            .count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_local_versions_map_both_ways() {
        let mut a = AgentAssignment::default();
        let (x, y) = (a.agent("x"), a.agent("y"));
        a.push(x, 5, 3);
        a.push(y, 0, 2);
        a.push(x, 8, 1);
        a.push(x, 0, 2);
        a.check();
        assert_eq!(a.lv_of(x, 1), Some(7));
        assert_eq!(a.lv_of(x, 2), None);
        assert_eq!(a.lv_of(x, 7), Some(2));
        assert_eq!(a.next_seq(x), 9);
        assert_eq!(a.agent("x"), x);
    }

    #[test]
    fn events_move_to_another_name() {
        let mut a = AgentAssignment::default();
        let (x, y, z) = (a.agent("x"), a.agent("y"), a.agent("z"));
        a.push(x, 0, 4);
        a.push(y, 0, 2);
        a.push(x, 4, 3);
        a.move_events(x, 3, z);
        a.check();
        assert_eq!((a.next_seq(x), a.next_seq(z)), (3, 4));
        assert_eq!([3, 6, 8].map(|lv| a.id_of(lv).0), [z, z, z]);
        let w = a.agent("w");
        a.move_events(y, 0, w);
        a.check();
        assert_eq!((a.next_seq(y), a.next_seq(w)), (0, 2));
    }

    #[test]
    fn truncating_forgets_exactly_the_tail() {
        let mut a = AgentAssignment::default();
        let x = a.agent("x");
        a.push(x, 4, 4);
        let y = a.agent("y");
        a.push(y, 0, 2);
        a.push(x, 0, 2);
        a.truncate(2, 1);
        a.check();
        assert_eq!((a.len, a.agent_count()), (2, 1));
        assert_eq!(a.find_agent("y"), None);
        assert_eq!(a.next_seq(x), 6);
        a.push(x, 6, 1);
        a.check();
    }

    #[test]
    fn agents_come_and_go_like_those_of_a_plain_list() {
        for seed in 1..100 {
            let mut shapes = super::super::Shapes(seed);
            let mut a = AgentAssignment::default();
            let mut savepoints = vec![(0, 0)];
            for _ in 0..80 {
                let name = format!("some-long-name-{}", shapes.below(20));
                let agent = a.agent(&name);
                assert_eq!(a.name(agent), name);
                let len = 1 + shapes.below(3);
                // Mostly the next of the agent's events, at times some behind a gap.
                let seq = a.next_seq(agent) + shapes.below(2) * shapes.below(2);
                a.push(agent, seq, len);
                a.check();
                savepoints.push((a.len, a.agent_count()));
                if shapes.below(8) == 0 {
                    savepoints.truncate(1 + shapes.below(savepoints.len() as u32) as usize);
                    let (lv, agents) = savepoints[savepoints.len() - 1];
                    a.truncate(lv, agents);
                    a.check();
                }
            }
        }
    }
}
