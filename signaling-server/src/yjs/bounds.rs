//! How much Yjs clients may use.

use crate::config::Config;
use crate::outbox::Bounds;

/// All clients together may leave so many messages of the largest size unfinished, and one address one.
pub(crate) const UNFINISHED_MESSAGES: usize = 2;

/// Work on documents may take so many times the largest message.
pub(crate) const WORK_MESSAGES: usize = 4;

/// A client has to send a large message at this rate, in bytes a second, or faster.
pub(super) const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// How much may wait for a Yjs client.
pub(super) fn bounds(config: &Config) -> Bounds {
    Bounds {
        messages: config.max_queued_messages,
        bytes: config.max_queued_bytes(),
        long_bytes: config.yjs_message_bytes,
    }
}
