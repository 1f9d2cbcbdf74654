//! Versions of a graph whose history may begin at a base.

use super::{AgentIdx, Base, CausalGraph};
use crate::version::{EventId, Frontier, Lv};

impl CausalGraph {
    /// The base at which the history begins, if it has one.
    pub(crate) fn base(&self) -> Option<&Base> {
        self.base.as_deref()
    }

    /// The first local version that is an event.
    pub(crate) fn start(&self) -> Lv {
        self.base().map_or(0, |base| base.chars)
    }

    /// Whether all events of the base's frontier are among those of `version`.
    pub(crate) fn base_is_within(&self, version: &Frontier) -> bool {
        self.base().is_none_or(|base| {
            let begin = self.public_frontier(base.top());
            begin.ids().iter().all(|id| version.ids().contains(id))
        })
    }

    /// An event after which a shallow history begins.
    pub(crate) fn begin_id(&self) -> EventId {
        let first = self.base().and_then(|base| base.frontier.first());
        first.map_or(EventId::new("", 0), |&(agent, seq)| {
            EventId::new(self.agents.name(agent), seq)
        })
    }

    /// Makes an empty graph begin at `base`, whose events the agents have in their ranges.
    pub(crate) fn begin_at(&mut self, base: Base) {
        debug_assert!(self.len() == 0 && self.base.is_none());
        if base.chars > 0 {
            self.agents.push_without_agent(base.chars);
            self.critical_versions.push(0, base.chars, &[], &[]);
            self.graph.push(base.chars, &[]);
            self.frontier.push(base.chars - 1);
        }
        let events = self.agents.trimmed_events();
        self.base = Some(Box::new(base.with_events(events)));
    }

    /// The ids of a version or of parents, given by local versions.
    pub(crate) fn ids(&self, lvs: &[Lv]) -> Vec<(AgentIdx, u32)> {
        match self.base() {
            Some(base) if lvs == base.top() => base.frontier.clone(),
            _ => {
                let id = |&lv: &Lv| self.agents.id_of(lv);
                lvs.iter()
                    .map(id)
                    .map(|(agent, seq, _)| (agent, seq))
                    .collect()
            }
        }
    }

    /// The latest critical cut whose events are all part of the version `lvs` (sorted, reduced),
    /// and its frontier.
    pub(crate) fn cut_within(&self, lvs: &[Lv]) -> (Lv, Vec<Lv>) {
        if lvs == self.frontier() {
            return (self.len(), lvs.to_vec());
        }
        let Some(&last) = lvs.last() else {
            return (0, Vec::new());
        };
        // An event after a cut has all events before the cut as ancestors; the one right before the
        // cut may not.
        let cut = self.critical_versions.last_until(last + 1);
        let frontier = self.critical_versions.frontier(cut);
        if cut <= last || frontier == lvs {
            return (cut, frontier);
        }
        let cut = self.critical_versions.last_until(last);
        (cut, self.critical_versions.frontier(cut))
    }
}
