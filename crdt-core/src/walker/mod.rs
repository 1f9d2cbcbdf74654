//! The walk: turns events into edits that can be made to the current text.
//!
//! Events between critical versions apply unchanged. A zone of concurrent events is replayed by a
//! [`Tracker`](tracker::Tracker) from the critical version before it (paper, sections 3.2 to 3.5).
//! The tracker of the last zone is kept: for the next event of a running session, only that event
//! is replayed, not the whole zone.

mod char_index;
mod content_tree;
mod edit;
mod kept_tracker;
#[cfg(feature = "fast-merge")]
mod live_window;
mod plan;
mod siblings;
mod strategy;
mod tracker;
#[cfg(feature = "fast-merge")]
mod two_branches;
mod walk;

pub(crate) use char_index::{CharIndex, CharRun};
pub(crate) use edit::{Transformed, WalkError};
pub use strategy::{Strategy, StrategyCounts};
pub(crate) use walk::Walker;
