//! What holds for connections of every listener.

use std::time::Duration;

/// The largest request head; a handshake has a few hundred bytes.
pub(crate) const HEAD_BUFFER: usize = 16 * 1024;

/// How long to wait after the system had no descriptor for another connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
