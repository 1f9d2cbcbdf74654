//! What is asked of the logs, and what is answered.

use bytes::Bytes;
use signaling_protocol::RoomId;
use signaling_rooms::LogPage;

/// The name of a log. Rooms of different protocols do not share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogName(Box<str>);

impl LogName {
    /// The log of a room of the signaling protocol.
    pub(crate) fn signaling(room: &RoomId) -> Self {
        Self(format!("room/{room}").into())
    }

    /// The log of a Yjs document.
    pub(crate) fn yjs(room: &RoomId) -> Self {
        Self(format!("yjs/{room}").into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// A further entry.
    Append { log: LogName, payload: Bytes },
    /// A snapshot in place of all entries up to a number, if `base` still is the log's snapshot.
    Snapshot {
        log: LogName,
        base: u64,
        upto: u64,
        payload: Bytes,
    },
    /// The whole log goes.
    Forget { log: LogName },
}

impl Write {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Append { payload, .. } | Write::Snapshot { payload, .. } => payload.len(),
            Write::Forget { .. } => 0,
        }
    }
}

/// A part of a log.
pub(crate) type Page = LogPage<Bytes>;
