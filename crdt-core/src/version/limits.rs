//! The limits of the format.

use crate::error::AgentNameError;

/// Local versions stay below this; ids from here on name characters of a base text (see the walker).
pub(crate) const MAX_EVENTS: u32 = (1 << 31) - 1;

/// The longest text, in chars.
pub(crate) const MAX_CHARS: u32 = (1 << 30) - 1;

/// The most agents of a document.
pub(crate) const MAX_AGENTS: u32 = 1 << 20;

/// The longest agent name, in bytes.
pub(crate) const MAX_AGENT_NAME: usize = 128;

/// Checks that `name` may name an agent.
pub(crate) fn check_agent_name(name: &str) -> Result<(), AgentNameError> {
    if name.is_empty() || name.len() > MAX_AGENT_NAME {
        return Err(AgentNameError { len: name.len() });
    }
    Ok(())
}
