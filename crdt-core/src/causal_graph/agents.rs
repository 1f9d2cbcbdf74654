//! Which agent made which event: the two-way map between local versions and `(agent, seq)`.

use std::ops::Range;

use crate::hashing::Map;
use crate::version::{Lv, join_range};

/// A local number of an agent: its place in the order in which names were first seen here.
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
}

#[derive(Debug, Clone, Default)]
struct Agent {
    name: String,
    /// Sorted by `seq`.
    runs: Vec<SeqRun>,
    /// The sequence numbers of events that are part of the document, but let go: sorted.
    trimmed: Vec<Range<u32>>,
    /// The sequence numbers of `runs` and `trimmed`, without the borders between runs.
    held: Vec<Range<u32>>,
}

/// The agents of a document and the ids of its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentAssignment {
    agents: Vec<Agent>,
    by_name: Map<String, AgentIdx>,
    runs: Vec<LvRun>,
    len: u32,
}

impl AgentAssignment {
    pub(crate) fn find_agent(&self, name: &str) -> Option<AgentIdx> {
        self.by_name.get(name).copied()
    }

    /// The number of the agent `name`, new if it was not seen before.
    pub(crate) fn agent(&mut self, name: &str) -> AgentIdx {
        if let Some(agent) = self.find_agent(name) {
            return agent;
        }
        let agent = self.agents.len() as AgentIdx;
        self.agents.push(Agent {
            name: name.to_owned(),
            ..Agent::default()
        });
        self.by_name.insert(name.to_owned(), agent);
        agent
    }

    pub(crate) fn agent_count(&self) -> u32 {
        self.agents.len() as u32
    }

    pub(crate) fn name(&self, agent: AgentIdx) -> &str {
        &self.agents[agent as usize].name
    }

    /// All runs of one agent, sorted by sequence number.
    pub(crate) fn seq_runs(&self, agent: AgentIdx) -> &[SeqRun] {
        &self.agents[agent as usize].runs
    }

    /// All sequence numbers of one agent: sorted, neither empty nor adjacent.
    pub(crate) fn held(&self, agent: AgentIdx) -> &[Range<u32>] {
        &self.agents[agent as usize].held
    }

    /// Names the first `len` local versions, which are no events, as nobody's.
    pub(super) fn push_nobodys(&mut self, len: u32) {
        // No agent has an empty name, so nobody is not found by it.
        let agent = self.agents.len() as AgentIdx;
        self.agents.push(Agent::default());
        self.runs.push(LvRun {
            lv: 0,
            agent,
            seq: 0,
        });
        self.len = len;
    }

    /// Takes note that events of `agent` are part of the document, but let go.
    pub(crate) fn trim(&mut self, agent: AgentIdx, range: Range<u32>) {
        let agent = &mut self.agents[agent as usize];
        join_range(&mut agent.trimmed, range.clone());
        join_range(&mut agent.held, range);
    }

    /// The sequence numbers of events of `agent` that were let go: sorted.
    pub(crate) fn trimmed(&self, agent: AgentIdx) -> &[Range<u32>] {
        &self.agents[agent as usize].trimmed
    }

    /// Where the range of events that were let go ends that `seq` lies in, if it does.
    pub(crate) fn trimmed_until(&self, agent: AgentIdx, seq: u32) -> Option<u32> {
        let next = self.next_trimmed(agent, seq)?;
        (next.start <= seq).then_some(next.end)
    }

    /// The range of events that were let go that `seq` lies in, or the next one behind it.
    pub(crate) fn next_trimmed(&self, agent: AgentIdx, seq: u32) -> Option<&Range<u32>> {
        let trimmed = self.trimmed(agent);
        trimmed.get(trimmed.partition_point(|range| range.end <= seq))
    }

    /// How many events were let go.
    pub(super) fn trimmed_events(&self) -> u64 {
        let all = self.agents.iter().flat_map(|agent| &agent.trimmed);
        all.map(|range| u64::from(range.end - range.start)).sum()
    }

    /// The runs that make up the sequence numbers `seqs`, cut to them, without what was let go.
    pub(crate) fn runs_of(
        &self,
        agent: AgentIdx,
        seqs: Range<u32>,
    ) -> impl Iterator<Item = SeqRun> + use<'_> {
        let from = self.first_run_ending_after(agent, seqs.start);
        let runs = self.seq_runs(agent)[from..].iter();
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

    /// The run at or after `seq`, as an index into [`Self::seq_runs`].
    pub(crate) fn first_run_ending_after(&self, agent: AgentIdx, seq: u32) -> usize {
        let runs = self.seq_runs(agent);
        match runs.last() {
            Some(last) if last.seq <= seq && seq < last.seq_end() => runs.len() - 1,
            Some(last) if last.seq_end() <= seq => runs.len(),
            _ => runs.partition_point(|r| r.seq_end() <= seq),
        }
    }

    /// The local version of an event, if it is known.
    pub(crate) fn lv_of(&self, agent: AgentIdx, seq: u32) -> Option<Lv> {
        let run = self
            .seq_runs(agent)
            .get(self.first_run_ending_after(agent, seq))?;
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

    /// Names the next local version as the next event of `agent`, whose latest event is the last of
    /// all.
    #[inline]
    pub(crate) fn grow(&mut self, agent: AgentIdx) {
        if let Some(Agent { runs, held, .. }) = self.agents.get_mut(agent as usize)
            && let (Some(run), Some(held)) = (runs.last_mut(), held.last_mut())
        {
            debug_assert!(run.lv + run.len == self.len);
            run.len += 1;
            held.end += 1;
            self.len += 1;
        }
    }

    /// Names the next `len` local versions `(agent, seq..)`. The caller has checked that these
    /// sequence numbers are free.
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
        let Agent { runs, held, .. } = &mut self.agents[agent as usize];
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
        for agent in self.agents.drain(agent_count as usize..) {
            self.by_name.remove(&agent.name);
        }
        for agent in &mut self.agents {
            agent.runs.retain_mut(|run| {
                run.len = run.len.min(lv.saturating_sub(run.lv));
                run.len > 0
            });
            agent.held.clone_from(&agent.trimmed);
            agent
                .runs
                .iter()
                .for_each(|run| join_range(&mut agent.held, run.seq..run.seq_end()));
        }
    }

    /// Compares the ids of two events by agent name (bytes), then sequence number.
    pub(crate) fn compare(&self, a: Lv, b: Lv) -> std::cmp::Ordering {
        let (agent_a, seq_a, _) = self.id_of(a);
        let (agent_b, seq_b, _) = self.id_of(b);
        if agent_a == agent_b {
            seq_a.cmp(&seq_b)
        } else {
            self.name(agent_a)
                .as_bytes()
                .cmp(self.name(agent_b).as_bytes())
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
        for (agent, a) in self.agents.iter().enumerate() {
            assert_eq!(self.by_name.get(&a.name), Some(&(agent as u32)));
            let mut end = 0;
            let mut held = Vec::new();
            a.runs
                .iter()
                .for_each(|run| join_range(&mut held, run.seq..run.seq_end()));
            assert_eq!(a.held, held);
            for run in &a.runs {
                assert!(run.len > 0 && run.seq >= end);
                end = run.seq_end();
                for k in 0..run.len {
                    let (found, seq, _) = self.id_of(run.lv + k);
                    assert_eq!((found, seq), (agent as u32, run.seq + k));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, self.len);
        assert_eq!(self.lv_of_all(), self.len);
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
}
