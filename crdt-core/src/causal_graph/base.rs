//! Where a shallow history begins.

use super::agents::AgentIdx;
use crate::version::Lv;

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
    /// Where the last event of each range that was let go left its author's cursor: agent, end
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

    /// The same, standing for `events` events.
    pub(super) fn with_events(self, events: u64) -> Base {
        Base { events, ..self }
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
