//! Names of events: public ones, and those inside a replica.

/// A local version: the index of an event in the local order of arrival.
pub(crate) type Lv = u32;

/// No event, no item, no agent.
pub(crate) const NONE: u32 = u32::MAX;

/// The name of one event (one inserted or deleted char), the same on every replica.
///
/// Ordered by the bytes of the agent name, then by sequence number: the order that breaks ties
/// between concurrent inserts at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The agent that made the event.
    pub agent: String,
    /// Its index among that agent's events, from 0.
    pub seq: u32,
}

impl EventId {
    /// The event `seq` of `agent`.
    pub fn new(agent: impl Into<String>, seq: u32) -> Self {
        EventId {
            agent: agent.into(),
            seq,
        }
    }
}
