//! What a merge did.

use super::rules::Exceptions;
use crate::version::EventId;

/// What became of merged events. All counts are in events: inserted or deleted chars.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MergeReport {
    /// Newly part of the document.
    pub applied: usize,
    /// Known already, with the same content.
    pub duplicate: usize,
    /// Held back in all, because events they depend on have not arrived.
    pub pending: usize,
    /// The events that those wait for, sorted; the first 64 of them. [`Document::missing`](crate::Document::missing) has all.
    pub missing: Vec<EventId>,
    /// Let go: held back too long, or found to be invalid when their turn came.
    pub dropped: usize,
    /// What [`MergeRules`](crate::session::MergeRules) made exceptions for.
    pub exceptions: Exceptions,
}
