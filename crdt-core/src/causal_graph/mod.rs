//! The event graph without its operations: ids, parents, frontier, critical cuts.

mod agents;
mod base;
mod critical_versions;
mod graph;
mod search;
mod shallow;
mod skips;

pub(crate) use agents::{AgentAssignment, AgentIdx, first_bytes};
pub(crate) use base::Base;
pub(crate) use critical_versions::{CriticalVersions, Segment};
#[cfg(test)]
pub(crate) use graph::tests::{Sample, Shapes, sample};
pub(crate) use graph::{Diff, Graph};
pub(crate) use search::last_until;

use std::ops::Range;

use crate::version::{EventId, Frontier, Lv, MAX_EVENTS, VersionSummary};

/// Ids and parents of all events, and the data derived from them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CausalGraph {
    pub(crate) agents: AgentAssignment,
    pub(crate) graph: Graph,
    pub(crate) critical_versions: CriticalVersions,
    /// Sorted.
    frontier: Vec<Lv>,
    /// Where a shallow history begins.
    base: Option<Box<Base>>,
    growing: Growing,
}

/// The fast path of local edits: the last event is the whole frontier and the latest of `agent`, so
/// a further event of that agent only extends the last run of everything.
#[derive(Debug, Clone, Copy, Default)]
struct Growing {
    agent: AgentIdx,
    /// The number of further events for which this is true and no limit is reached; 0 if it is not
    /// true.
    room: u32,
}

impl CausalGraph {
    /// The number of events, plus the chars of the text that a shallow history begins with.
    pub(crate) fn len(&self) -> u32 {
        self.graph.len()
    }

    /// The events without children, sorted.
    pub(crate) fn frontier(&self) -> &[Lv] {
        &self.frontier
    }

    /// Appends a run whose first event has `parents` (sorted, reduced, known) and the unused id
    /// `(agent, seq)`.
    pub(crate) fn push(&mut self, agent: AgentIdx, seq: u32, len: u32, parents: &[Lv]) {
        let start = self.len();
        self.growing.room = 0;
        self.agents.push(agent, seq, len);
        self.critical_versions
            .push(start, start + len, parents, &self.frontier);
        self.graph.push(len, parents);
        Graph::advance_frontier(&mut self.frontier, parents, start + len - 1);
    }

    /// Whether [`CausalGraph::grow`] would append an event of `agent`.
    #[inline]
    pub(crate) fn can_grow(&self, agent: Option<AgentIdx>) -> bool {
        self.growing.room > 0 && agent == Some(self.growing.agent)
    }

    /// The agent whose next event [`CausalGraph::grow`] would append, if there is one.
    pub(crate) fn typist(&self) -> Option<AgentIdx> {
        (self.growing.room > 0).then_some(self.growing.agent)
    }

    /// Appends an event of the agent whose latest event is the last of all, and its only parent.
    #[inline]
    pub(crate) fn grow(&mut self) {
        debug_assert!(self.growing.room > 0);
        self.growing.room -= 1;
        let start = self.len();
        self.agents.grow(self.growing.agent);
        self.critical_versions.grow();
        self.graph.grow();
        if let [last] = &mut self.frontier[..] {
            *last = start;
        }
    }

    /// Appends a run of an agent after all known events; there is room for it. Returns whether its
    /// only parent is the event before it.
    pub(crate) fn push_next(&mut self, agent: AgentIdx, len: u32) -> bool {
        let start = self.len();
        let linear = start > 0 && self.frontier == [start - 1];
        let seq = self.agents.next_seq(agent);
        self.agents.push(agent, seq, len);
        self.critical_versions
            .push(start, start + len, &self.frontier, &self.frontier);
        self.graph.push(len, &self.frontier);
        self.frontier.clear();
        self.frontier.push(start + len - 1);
        let used = self.len().max(seq + len);
        let room = (MAX_EVENTS - 1).saturating_sub(used);
        self.growing = Growing { agent, room };
        linear
    }

    /// Forgets all events from `lv` on and all agents from the `agent_count`th on. O(entries): only
    /// refused merges need this.
    pub(crate) fn truncate(&mut self, lv: Lv, agent_count: u32) {
        self.growing.room = 0;
        self.agents.truncate(lv, agent_count);
        self.graph.truncate(lv);
        self.critical_versions = CriticalVersions::default();
        self.frontier.clear();
        for (run, parents) in self.graph.runs_in(0..lv) {
            let parents = parents.unwrap_or_default();
            self.critical_versions
                .push(run.start, run.end, parents, &self.frontier);
            Graph::advance_frontier(&mut self.frontier, parents, run.end - 1);
        }
    }

    /// Moves the events of `old` from the seq `from` on to `new`, which has none, from its first.
    pub(crate) fn move_events(&mut self, old: AgentIdx, from: u32, new: AgentIdx) {
        self.growing.room = 0;
        self.agents.move_events(old, from, new);
    }

    /// The public id of an event.
    pub(crate) fn event_id(&self, lv: Lv) -> EventId {
        let (agent, seq, _) = self.agents.id_of(lv);
        EventId::new(self.agents.name(agent), seq)
    }

    /// The local version of a public id, if it is known.
    pub(crate) fn find(&self, id: &EventId) -> Option<Lv> {
        self.agents
            .lv_of(self.agents.find_agent(&id.agent)?, id.seq)
    }

    /// Whether the event is part of the document, even if the document has dropped it.
    pub(crate) fn knows(&self, id: &EventId) -> bool {
        let agent = self.agents.find_agent(&id.agent);
        agent.is_some_and(|agent| {
            self.agents.lv_of(agent, id.seq).is_some()
                || self.agents.trimmed_until(agent, id.seq).is_some()
        })
    }

    pub(crate) fn public_frontier(&self, frontier: &[Lv]) -> Frontier {
        let ids = self.ids(frontier).into_iter();
        ids.map(|(agent, seq)| EventId::new(self.agents.name(agent), seq))
            .collect()
    }

    /// All events, as ranges per agent. O(agents and ranges).
    pub(crate) fn summary(&self) -> VersionSummary {
        let mut summary = VersionSummary::new();
        for agent in self.agents.by_name() {
            summary.push(self.agents.name(agent), self.agents.held(agent));
        }
        summary
    }

    /// The events with these local versions, as ranges per agent.
    pub(crate) fn summary_in(&self, lvs: impl Iterator<Item = Range<Lv>>) -> VersionSummary {
        let mut summary = VersionSummary::new();
        for (run, agent, seq) in lvs.flat_map(|lvs| self.agents.runs_in(lvs)) {
            let len = run.end - run.start;
            summary.insert(self.agents.name(agent), seq..seq + len);
        }
        summary
    }

    /// The events of the version `frontier` (sorted; at or after the base of a shallow history), as
    /// ranges per agent.
    pub(crate) fn summary_at(&self, frontier: &[Lv]) -> VersionSummary {
        let mut summary = VersionSummary::new();
        for agent in 0..self.agents.agent_count() {
            for range in self.agents.trimmed(agent) {
                summary.insert(self.agents.name(agent), range.clone());
            }
        }
        for range in self.graph.diff(frontier, &[]).only_a {
            let range = range.start.max(self.start())..range.end.max(self.start());
            for (run, agent, seq) in self.agents.runs_in(range) {
                summary.insert(self.agents.name(agent), seq..seq + (run.end - run.start));
            }
        }
        summary
    }
}
