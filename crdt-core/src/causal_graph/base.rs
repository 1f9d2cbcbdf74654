//! Where a shallow history begins.

use super::{AgentIdx, CausalGraph};
use crate::version::{EventId, Frontier, Lv};

/// A critical version whose events are let go: all later events follow all of it.
///
/// Its text stands before the events, as one run of inserts that nobody made: the local versions
/// below `chars`. The ids of its events are kept by the agents, as ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Base {
    /// The length of its text, in chars.
    pub(crate) chars: u32,
    /// The events that name it, sorted.
    pub(crate) frontier: Vec<(AgentIdx, u32)>,
    /// Where the last event of each range that was let go left the cursor of who made it: agent, end
    /// of the range, cursor; sorted. What comes next may say its place by that.
    cursors: Vec<(AgentIdx, u32, u32)>,
    /// How many events it stands for.
    pub(crate) events: u64,
    /// What its local versions have for a frontier.
    top: Vec<Lv>,
}

impl Base {
    pub(crate) fn new(
        chars: u32,
        frontier: Vec<(AgentIdx, u32)>,
        cursors: Vec<(AgentIdx, u32, u32)>,
    ) -> Base {
        Base {
            chars,
            frontier,
            cursors,
            events: 0,
            top: chars.checked_sub(1).into_iter().collect(),
        }
    }

    /// Where the last event of the range of `agent` that ends at `end` left the cursor.
    pub(crate) fn cursor_at(&self, agent: AgentIdx, end: u32) -> u32 {
        let at = self
            .cursors
            .binary_search_by_key(&(agent, end), |&(agent, end, _)| (agent, end));
        at.map_or(0, |at| self.cursors[at].2)
    }

    /// The version in local versions: its last char, or nothing if it has no text.
    pub(crate) fn top(&self) -> &[Lv] {
        &self.top
    }
}

impl CausalGraph {
    /// Where the history begins, if it does not begin at nothing.
    pub(crate) fn base(&self) -> Option<&Base> {
        self.base.as_deref()
    }

    /// The first local version that is an event.
    pub(crate) fn start(&self) -> Lv {
        self.base().map_or(0, |base| base.chars)
    }

    /// Whether the events that name where the history begins are all among those of `version`.
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

    /// Lets an empty graph begin at `base`, whose events the agents have in their ranges.
    pub(crate) fn begin_at(&mut self, base: Base) {
        debug_assert!(self.len() == 0 && self.base.is_none());
        if base.chars > 0 {
            self.agents.push_nobodys(base.chars);
            self.cuts.push(0, base.chars, &[], &[]);
            self.graph.push(base.chars, &[]);
            self.frontier.push(base.chars - 1);
        }
        let events = self.agents.trimmed_events();
        self.base = Some(Box::new(Base { events, ..base }));
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

    /// The latest critical cut whose events all are part of the version `lvs` (sorted, reduced), and
    /// its frontier.
    pub(crate) fn cut_within(&self, lvs: &[Lv]) -> (Lv, Vec<Lv>) {
        if lvs == self.frontier() {
            return (self.len(), lvs.to_vec());
        }
        let Some(&last) = lvs.last() else {
            return (0, Vec::new());
        };
        // An event behind a cut has all before it; one right before it need not.
        let cut = self.cuts.last_until(last + 1);
        let frontier = self.cuts.frontier(cut);
        if cut <= last || frontier == lvs {
            return (cut, frontier);
        }
        let cut = self.cuts.last_until(last);
        (cut, self.cuts.frontier(cut))
    }
}
