//! The members between which messages are sealed.

use signaling_protocol::AgentId;

/// This member with its page, and the pages of the others: sealed messages are bound to them.
pub(crate) struct Parties<'a> {
    pub(crate) me: &'a AgentId,
    pub(crate) page: u64,
    pub(crate) page_of: &'a dyn Fn(&AgentId) -> Option<u64>,
}
