//! The rules of the rooms' logs: numbering, snapshots and quotas. A store keeps the entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signaling_protocol::{ErrorCode, LogEntries, LogEntry, ServerMessage};

use crate::refusal::Refusal;

/// The bytes of a log that are sent at once. A client requests each further part, so a long log
/// does not fill its queue.
pub const LOG_PAGE_BYTES: usize = 256 * 1024;

/// The cost of each entry in addition to its payload, so that empty ones are not free.
const ENTRY_OVERHEAD: u64 = 64;

/// The quotas of the logs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuotas {
    /// The log of one room.
    pub room_bytes: u64,
    /// All logs together.
    pub total_bytes: u64,
}

/// Why a write to a log or a read from it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another client replaced the beginning first, or the snapshot covers entries that do not
    /// exist.
    #[error("the log now begins with the snapshot {base} and ends with the entry {last}")]
    Conflict {
        /// The number of the snapshot that the log begins with.
        base: u64,
        /// The number of the last entry.
        last: u64,
    },
    /// The room's log is full.
    #[error("the room's log would hold more than {max} bytes")]
    RoomQuota {
        /// The limit.
        max: u64,
    },
    /// All logs together are full.
    #[error("all logs together would hold more than {max} bytes")]
    TotalQuota {
        /// The limit.
        max: u64,
    },
    /// The logs that clients of one address began are full.
    #[error("the logs begun from this room's first address would hold more than {max} bytes")]
    AddressQuota {
        /// The limit.
        max: u64,
    },
    /// The store does not work.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// The store's message.
        reason: String,
    },
    /// The store cannot keep up.
    #[error("too much waits to be written to the log")]
    Busy,
}

impl LogError {
    /// The code that a client receives.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::Conflict { .. } => ErrorCode::LogConflict,
            LogError::RoomQuota { .. }
            | LogError::TotalQuota { .. }
            | LogError::AddressQuota { .. } => ErrorCode::QuotaExceeded,
            LogError::Unavailable { .. } | LogError::Busy => ErrorCode::StoreUnavailable,
        }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Refusal::new(error.code(), error.to_string())
    }
}

/// A log's data besides its entries. The default is that of an empty log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogHead {
    /// The number of the snapshot that the log begins with; 0 for none.
    pub base: u64,
    /// The number of the last entry; 0 where there is none.
    pub last: u64,
    /// The cost of all entries.
    pub bytes: u64,
}

/// The cost of an entry for the quotas, in bytes.
#[must_use]
pub fn entry_cost(payload: &[u8]) -> u64 {
    payload.len() as u64 + ENTRY_OVERHEAD
}

impl LogHead {
    /// The head after one more entry, whose number is its [`LogHead::last`], and the cost of all
    /// logs together, which was `total`.
    ///
    /// # Errors
    /// When a quota does not allow it.
    pub fn append(
        self,
        payload: &[u8],
        total: u64,
        quotas: &LogQuotas,
    ) -> Result<(Self, u64), LogError> {
        let (bytes, total) = self.book(0, entry_cost(payload), total, quotas)?;
        let last = self.last + 1;
        Ok((
            Self {
                last,
                bytes,
                ..self
            },
            total,
        ))
    }

    /// Checks whether a snapshot of the entries up to `upto` may replace them, for a client that
    /// knows the log with the snapshot `base`.
    ///
    /// # Errors
    /// If the log begins with another snapshot, or has no such entry.
    pub fn check_snapshot(self, base: u64, upto: u64) -> Result<(), LogError> {
        if base != self.base || upto < self.base || upto > self.last || upto == 0 {
            let Self { base, last, .. } = self;
            return Err(LogError::Conflict { base, last });
        }
        Ok(())
    }

    /// The head after a snapshot has replaced all entries up to `upto`, whose cost is `freed`, and
    /// the cost of all logs together.
    ///
    /// # Errors
    /// If a quota does not allow it. A snapshot that makes a log smaller is always allowed.
    pub fn snapshot(
        self,
        upto: u64,
        payload: &[u8],
        freed: u64,
        total: u64,
        quotas: &LogQuotas,
    ) -> Result<(Self, u64), LogError> {
        let (bytes, total) = self.book(freed, entry_cost(payload), total, quotas)?;
        Ok((
            Self {
                base: upto,
                bytes,
                ..self
            },
            total,
        ))
    }

    /// The cost of this log and of all logs with `added` bytes for `freed` ones.
    fn book(
        self,
        freed: u64,
        added: u64,
        total: u64,
        quotas: &LogQuotas,
    ) -> Result<(u64, u64), LogError> {
        let grows = added > freed;
        let bytes = self.bytes.saturating_sub(freed).saturating_add(added);
        if grows && bytes > quotas.room_bytes {
            let max = quotas.room_bytes;
            return Err(LogError::RoomQuota { max });
        }
        let total = total.saturating_sub(freed).saturating_add(added);
        if grows && total > quotas.total_bytes {
            let max = quotas.total_bytes;
            return Err(LogError::TotalQuota { max });
        }
        Ok((bytes, total))
    }
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage<B> {
    /// The number of the snapshot that the log begins with; 0 for none.
    pub base: u64,
    /// The number of the last entry; 0 where there is none.
    pub last: u64,
    /// The entries with their numbers.
    pub entries: Vec<(u64, B)>,
    /// Whether there are entries after these.
    pub more: bool,
    /// The cost of all entries of the log.
    pub log_bytes: u64,
    /// The size of the entries.
    bytes: usize,
}

impl<B: AsRef<[u8]>> LogPage<B> {
    /// No entries yet of the log with this head.
    #[must_use]
    pub fn new(head: LogHead) -> Self {
        Self {
            base: head.base,
            last: head.last,
            entries: Vec::new(),
            more: false,
            log_bytes: head.bytes,
            bytes: 0,
        }
    }

    /// Adds the next entry, copied by `copy`, unless the page would exceed `max_bytes`; one entry
    /// always fits. Returns whether it was added.
    pub fn add(
        &mut self,
        seq: u64,
        payload: &[u8],
        max_bytes: usize,
        copy: impl FnOnce(&[u8]) -> B,
    ) -> bool {
        let bytes = self.bytes.saturating_add(payload.len());
        if !self.entries.is_empty() && bytes > max_bytes {
            self.more = true;
            return false;
        }
        self.bytes = bytes;
        self.entries.push((seq, copy(payload)));
        true
    }

    /// The message that carries the page to a client.
    #[must_use]
    pub fn to_message(&self) -> ServerMessage {
        let entry = |(seq, payload): &(u64, B)| LogEntry {
            seq: *seq,
            payload: STANDARD.encode(payload),
        };
        ServerMessage::LogEntries(LogEntries {
            base: self.base,
            last: self.last,
            entries: self.entries.iter().map(entry).collect(),
            more: self.more,
        })
    }
}
