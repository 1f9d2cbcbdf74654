//! Exceptions of a merge.

use crate::version::EventId;

/// Exceptions of a merge, for a network layer that knows more about the agents than the document.
/// The default is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct MergeRules<'a> {
    /// Events of these agents from these seqs on that are not part of the document yet are left out; those
    /// that build on them are held back.
    pub withheld: &'a [(&'a str, u32)],
    /// No other replica has the events of this agent from this seq on: events that name them as parents build
    /// on others of the same ids, and are left out.
    pub unshared: Option<(&'a str, u32)>,
    /// Whether an id that arrives again with different content is skipped instead of failing the
    /// whole merge.
    pub keeps_conflicts: bool,
}

impl MergeRules<'_> {
    /// The seq from which on new events of an agent are left out.
    pub(crate) fn first_withheld(&self, agent: &str) -> u32 {
        let rules = self.withheld.iter().filter(|(name, _)| *name == agent);
        rules.map(|&(_, seq)| seq).min().unwrap_or(u32::MAX)
    }
}

/// The exceptions that a merge made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// The first event of each piece that was left out for its agent, and the parent of each that was left
    /// out for that.
    pub withheld: Vec<EventId>,
    /// The first event of each piece that is known with different content: the known content stays.
    pub conflicts: Vec<EventId>,
}
