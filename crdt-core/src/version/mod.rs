//! Names of events and of sets of events.
//!
//! Outside a replica an event is named by [`EventId`]: its agent and that agent's sequence number.
//! Inside, by its local version [`Lv`]: its index in this replica's order of arrival, which is a
//! topological order of the event graph. Local versions never leave the process.

mod event_id;
mod frontier;
mod limits;
mod replica_name;
mod summary;

pub use event_id::EventId;
pub(crate) use event_id::{Lv, NONE};
pub use frontier::Frontier;
pub(crate) use limits::{MAX_AGENTS, MAX_CHARS, MAX_EVENTS, check_agent_name};
pub use replica_name::{person_of, replica_name};
pub use summary::VersionSummary;
pub(crate) use summary::{join_range, ranges_without};
