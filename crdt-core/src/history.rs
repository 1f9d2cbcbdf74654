//! The whole history of a document: who did what, after what.

use crate::causal_graph::{AgentIdx, CausalGraph};
use crate::error::{EditError, EncodeError};
use crate::op_log::{OpLog, Run};
use crate::sorting::sort_by;
use crate::times::Times;
use crate::version::{Lv, MAX_EVENTS, VersionSummary, ranges_without};
use std::ops::Range;

/// The event graph and the operations of its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) graph: CausalGraph,
    pub(crate) ops: OpLog,
    pub(crate) times: Times,
}

/// A length of the history to which it can go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Savepoint {
    pub(crate) lv: Lv,
    agents: u32,
    text: usize,
}

impl History {
    /// How many local versions there are, see [`CausalGraph::len`].
    pub(crate) fn len(&self) -> u32 {
        self.graph.len()
    }

    /// Appends the runs of one piece. Parents are sorted, reduced and known, the ids are free.
    pub(crate) fn append<'a>(
        &mut self,
        agent: AgentIdx,
        seq: u32,
        parents: &[Lv],
        runs: impl Iterator<Item = (Run, &'a str)>,
    ) {
        let start = self.len();
        let mut linear = start > 0 && parents == [start - 1];
        for (run, text) in runs {
            self.ops.push(run, text, linear);
            linear = true;
        }
        self.graph.push(agent, seq, self.ops.len() - start, parents);
    }

    /// Appends an event of the agent whose events are the last, and whose next can follow as it is.
    #[inline(always)]
    pub(crate) fn grow(&mut self, run: Run, text: &str) {
        self.graph.grow();
        self.ops.push_next(run, text);
    }

    /// Appends an edit of the local agent behind everything that is known.
    ///
    /// # Errors
    /// [`EditError::TooLarge`] when there would be too many events.
    pub(crate) fn append_local(
        &mut self,
        agent: AgentIdx,
        run: Run,
        text: &str,
    ) -> Result<(), EditError> {
        let len = run.len;
        for (what, used) in [
            ("the number of events", self.len()),
            ("the events of one agent", self.graph.agents.next_seq(agent)),
        ] {
            if len >= MAX_EVENTS.saturating_sub(used) {
                return Err(EditError::TooLarge {
                    what,
                    limit: MAX_EVENTS as usize,
                });
            }
        }
        let linear = self.graph.push_next(agent, len);
        self.ops.push(run, text, linear);
        Ok(())
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            lv: self.len(),
            agents: self.graph.agents.agent_count(),
            text: self.ops.text_len(),
        }
    }

    /// Forgets everything that was appended since.
    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        self.graph.truncate(to.lv, to.agents);
        self.ops.truncate(to.lv, to.text);
    }

    /// The sequence number that follows all that are known of an agent.
    pub(crate) fn next_seq(&self, agent: &str) -> u32 {
        let agents = &self.graph.agents;
        let agent = agents.find_agent(agent);
        agent.map_or(0, |agent| agents.next_seq(agent))
    }

    /// Where the event before `(agent, seq)` left the cursor, if it is all that a shallow history
    /// begins at, and `parents` are that.
    pub(crate) fn cursor_at_base(&self, agent: AgentIdx, seq: u32, parents: &[Lv]) -> Option<u32> {
        let base = self.graph.base().filter(|base| parents == base.top())?;
        let follows = base.frontier == [(agent, seq.checked_sub(1)?)];
        follows.then(|| base.cursor_at(agent, seq))
    }

    /// The events that are not at or before the version `frontier`, ascending.
    pub(crate) fn after(&self, frontier: &[Lv]) -> Vec<Range<Lv>> {
        let graph = &self.graph;
        let mut after = graph.graph.diff(graph.frontier(), frontier).only_a;
        for range in &mut after {
            range.start = range.start.max(graph.start());
        }
        after.retain(|range| !range.is_empty());
        after
    }

    /// The events that `have` does not hold, ascending.
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if any of them was let go here.
    pub(crate) fn missing_from(
        &self,
        have: &VersionSummary,
    ) -> Result<Vec<Range<Lv>>, EncodeError> {
        let agents = &self.graph.agents;
        self.lvs((0..agents.agent_count()).flat_map(|agent| {
            let missing = ranges_without(agents.held(agent), have.ranges(agents.name(agent)));
            missing.into_iter().map(move |seqs| (agent, seqs))
        }))
    }

    /// Those of `events` that are here, ascending.
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if any of them was let go here.
    pub(crate) fn lvs_of(&self, events: &VersionSummary) -> Result<Vec<Range<Lv>>, EncodeError> {
        let agents = &self.graph.agents;
        self.lvs(events.iter().flat_map(|(name, ranges)| {
            let agent = agents.find_agent(name);
            let known = agent.map(|agent| ranges.iter().map(move |seqs| (agent, seqs.clone())));
            known.into_iter().flatten()
        }))
    }

    fn lvs(
        &self,
        events: impl Iterator<Item = (AgentIdx, Range<u32>)>,
    ) -> Result<Vec<Range<Lv>>, EncodeError> {
        let agents = &self.graph.agents;
        let mut out = Vec::new();
        for (agent, seqs) in events {
            let trimmed = agents.next_trimmed(agent, seqs.start);
            if let Some(trimmed) = trimmed.filter(|trimmed| trimmed.start < seqs.end) {
                return Err(EncodeError::TooOld {
                    agent: agents.name(agent).to_owned(),
                    seq: trimmed.start.max(seqs.start),
                });
            }
            let runs = agents.runs_of(agent, seqs);
            out.extend(runs.map(|run| run.lv..run.lv + run.len));
        }
        sort_by(&mut out, |a, b| a.start.cmp(&b.start));
        Ok(out)
    }
}
