//! Names of events and of sets of events.
//!
//! Outside a replica an event is named by [`EventId`]: its agent and that agent's sequence number.
//! Inside, by its local version [`Lv`]: its place in this replica's order of arrival, which is a
//! topological order of the event graph. Local versions never leave the process.

mod frontier;
mod summary;

pub use frontier::Frontier;
pub use summary::VersionSummary;
pub(crate) use summary::{join_range, ranges_without};

use crate::error::AgentNameError;

/// A local version: the place of an event in the order of arrival here.
pub(crate) type Lv = u32;

/// No event, no item, no agent.
pub(crate) const NONE: u32 = u32::MAX;

/// Local versions stay below this; ids from here on name characters of a base text (see the walker).
pub(crate) const MAX_EVENTS: u32 = (1 << 31) - 1;

/// The longest text, in chars.
pub(crate) const MAX_CHARS: u32 = (1 << 30) - 1;

/// A document knows at most this many agents.
pub(crate) const MAX_AGENTS: u32 = 1 << 20;

/// Events have at most this many parents.
pub(crate) const MAX_PARENTS: usize = 1024;

/// The longest agent name, in bytes.
pub(crate) const MAX_AGENT_NAME: usize = 128;

/// The name of one event (one inserted or deleted char), the same on every replica.
///
/// Ordered by the bytes of the agent name, then by sequence number: the order that breaks ties
/// between concurrent inserts at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The agent that made the event.
    pub agent: String,
    /// Its place among that agent's events, from 0.
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

/// Checks that `name` may name an agent.
pub(crate) fn check_agent_name(name: &str) -> Result<(), AgentNameError> {
    if name.is_empty() || name.len() > MAX_AGENT_NAME {
        return Err(AgentNameError { len: name.len() });
    }
    Ok(())
}
