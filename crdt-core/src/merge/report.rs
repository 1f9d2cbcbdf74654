//! The report of a merge.

use super::rules::Exceptions;
use crate::version::EventId;

/// The result of a merge. All counts are in events: inserted or deleted chars.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MergeReport {
    /// Newly part of the document.
    pub applied: usize,
    /// Known already, with the same content.
    pub duplicate: usize,
    /// Held back in total, because events that they depend on have not arrived.
    pub pending: usize,
    /// The events that those wait for, sorted; the first 64 of them. [`Document::missing`](crate::Document::missing) has all.
    pub missing: Vec<EventId>,
    /// Dropped: held back too long, or found to be invalid when their parents arrived.
    pub dropped: usize,
    /// What [`MergeRules`](crate::session::MergeRules) made exceptions for.
    pub exceptions: Exceptions,
}
