//! What is asked of the logs, and what is answered.

use std::net::IpAddr;

use bytes::Bytes;
use signaling_protocol::RoomId;
use signaling_rooms::{LogHead, LogPage, LogQuotas};

/// What the names of Yjs logs begin with.
#[cfg(feature = "yjs")]
const YJS: &str = "yjs/";

/// The name of a log. Rooms of different protocols do not share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogName(Box<str>);

impl LogName {
    /// The log of a room of the signaling protocol.
    pub(crate) fn signaling(room: &RoomId) -> Self {
        Self(format!("room/{room}").into())
    }

    /// The log of a Yjs document.
    #[cfg(feature = "yjs")]
    pub(crate) fn yjs(room: &RoomId) -> Self {
        Self(format!("{YJS}{room}").into())
    }

    /// The room whose Yjs document has the log of this name, if it is one.
    #[cfg(feature = "yjs")]
    pub(crate) fn yjs_room(name: &str) -> Option<RoomId> {
        RoomId::parse(name.strip_prefix(YJS)?).ok()
    }

    /// The log that has this name in the store.
    pub(super) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// A further entry. A new log counts for the address that this comes `from`; `None` where there is
    /// no limit by address for it.
    Append {
        log: LogName,
        payload: Bytes,
        from: Option<IpAddr>,
    },
    /// A snapshot in place of all entries up to a number, if `base` still is the log's snapshot.
    Snapshot {
        log: LogName,
        base: u64,
        upto: u64,
        payload: Bytes,
    },
    /// The whole log goes.
    Forget { log: LogName },
    /// These logs are in use now.
    Touch { logs: Vec<LogName> },
    /// The logs go that were not in use since a time, in seconds since 1970. The answer is how many.
    Expire { before: u64 },
}

impl Write {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Append { payload, .. } | Write::Snapshot { payload, .. } => payload.len(),
            Write::Forget { .. } | Write::Touch { .. } | Write::Expire { .. } => 0,
        }
    }
}

/// How much the logs may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreQuotas {
    pub(crate) logs: LogQuotas,
    /// The logs that clients of one address began, in bytes.
    pub(crate) address_bytes: u64,
}

/// A part of a log.
pub(crate) type Page = LogPage<Bytes>;

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLog {
    pub(crate) name: String,
    /// The number of its snapshot, and of its last entry.
    pub(crate) base: u64,
    pub(crate) last: u64,
    /// What it takes of the quotas.
    pub(crate) bytes: u64,
    /// What stands for the address that it counts for.
    pub(super) owner: u128,
    /// When it was last in use, in seconds since 1970; noted once a day.
    pub(crate) used: u64,
}

impl StoredLog {
    pub(super) fn new(name: &str, head: LogHead, owner: u128, used: u64) -> Self {
        let LogHead { base, last, bytes } = head;
        Self {
            name: name.to_owned(),
            base,
            last,
            bytes,
            owner,
            used,
        }
    }

    /// How many entries it has, its snapshot included.
    pub(crate) fn entries(&self) -> u64 {
        self.last - self.base + u64::from(self.base > 0)
    }
}
