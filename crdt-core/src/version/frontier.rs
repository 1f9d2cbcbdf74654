//! The frontier: the events without successors.

use super::event_id::EventId;
use crate::sorting::sort;

/// A version of a document, given by its events without children (paper, section 2.3).
///
/// Sorted by agent name (bytes), then sequence number, without repetition; so two frontiers are
/// equal exactly when they name the same events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Frontier(Vec<EventId>);

impl Frontier {
    /// The frontier made of `ids`, in any order.
    pub fn new(ids: impl IntoIterator<Item = EventId>) -> Self {
        let mut ids: Vec<EventId> = ids.into_iter().collect();
        sort(&mut ids);
        ids.dedup();
        Frontier(ids)
    }

    /// The events, sorted.
    pub fn ids(&self) -> &[EventId] {
        &self.0
    }

    /// Whether this is the version before the first event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<EventId> for Frontier {
    fn from_iter<I: IntoIterator<Item = EventId>>(ids: I) -> Self {
        Frontier::new(ids)
    }
}
