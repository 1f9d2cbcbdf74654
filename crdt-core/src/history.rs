//! The whole history of a document: the event graph and the operations.

use crate::causal_graph::{AgentIdx, CausalGraph};
use crate::error::{EditError, EncodeError};
use crate::op_log::{OpLog, Run};
use crate::sorting::sort_by;
use crate::timestamps::Timestamps;
use crate::version::{Lv, MAX_EVENTS, VersionSummary, ranges_without};
use std::ops::Range;

/// The event graph and the operations of its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) graph: CausalGraph,
    pub(crate) ops: OpLog,
    pub(crate) timestamps: Timestamps,
}

/// A length of the history to which it can be rolled back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Savepoint {
    pub(crate) lv: Lv,
    agents: u32,
    text: usize,
}

impl History {
    /// The number of local versions, see [`CausalGraph::len`].
    pub(crate) fn len(&self) -> u32 {
        self.graph.len()
    }

    /// Appends the runs of one piece. The parents are sorted, reduced and known, the ids are
    /// unused.
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

    /// Appends an event of the agent that made the last events. The event has to continue that
    /// agent's last run.
    #[inline(always)]
    pub(crate) fn grow(&mut self, run: Run, text: &str) {
        self.graph.grow();
        self.ops.push_next(run, text);
    }

    /// Appends an edit of the local agent after all known events.
    ///
    /// # Errors
    /// [`EditError::TooLarge`] if there would be too many events.
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

    /// Forgets everything that was appended since the savepoint.
    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        self.graph.truncate(to.lv, to.agents);
        self.ops.truncate(to.lv, to.text);
    }

    /// The sequence number after all known ones of an agent.
    pub(crate) fn next_seq(&self, agent: &str) -> u32 {
        let agents = &self.graph.agents;
        let agent = agents.find_agent(agent);
        agent.map_or(0, |agent| agents.next_seq(agent))
    }

    /// The cursor after the event before `(agent, seq)`, if that event is the whole frontier at
    /// which a shallow history begins, and `parents` are that frontier.
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

    /// The events that `have` does not contain, ascending.
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if this history has dropped any of them.
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

    /// Those of `events` that the history has, ascending.
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if this history has dropped any of them.
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
