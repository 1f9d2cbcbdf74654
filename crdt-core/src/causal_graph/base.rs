//! The start of a shallow history.

use super::agents::AgentIdx;
use crate::version::Lv;

/// A critical version whose events are dropped: all later events follow all of it.
///
/// Its text comes before the events, as one run of inserts without an author: the local versions
/// below `chars`. The agents keep the ids of its events, as ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Base {
    /// The length of its text, in chars.
    pub(crate) chars: u32,
    /// The events that name it, sorted.
    pub(crate) frontier: Vec<(AgentIdx, u32)>,
    /// The cursor after the last event of each dropped range: agent, end of the range, cursor;
    /// sorted. The position of the next event may count from it.
    cursors: Vec<(AgentIdx, u32, u32)>,
    /// The number of its events.
    pub(crate) events: u64,
    /// The frontier of its local versions.
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

    /// The cursor after the last event of the range of `agent` that ends at `end`.
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
