//! The room's log: encrypted updates that the server keeps for newcomers to an empty room.
//!
//! Entries have numbers from 1, in the order in which they were written. Clients write what they
//! have encrypted and nobody else can read; a client that has read the log up to some entry may
//! replace all of it up to there by one snapshot, so that logs stay short. Two clients that do so at
//! once do not undo each other: a snapshot names the one that it replaces, and the second is refused
//! with `log_conflict`.

use serde::{Deserialize, Serialize};

/// Adds an update to the room's log. It is answered by [`LogAck`] once it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "log_append")]
pub struct LogAppend {
    /// Ciphertext in base64.
    pub payload: String,
    /// A number by which the client tells the answers apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// Asks for the log's entries after a number. It is answered by [`LogEntries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename = "log_read")]
pub struct LogRead {
    /// The last entry that the client has; 0 for the whole log.
    #[serde(default)]
    pub after: u64,
}

/// Replaces the log up to an entry by a snapshot, if nobody else did in the meantime. It is answered
/// by [`LogAck`] once it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "log_snapshot")]
pub struct LogSnapshot {
    /// The number of the snapshot that the log begins with as the client knows it; 0 for none.
    pub base: u64,
    /// The last entry that the snapshot covers. It takes that entry's number.
    pub upto: u64,
    /// Ciphertext in base64.
    pub payload: String,
    /// A number by which the client tells the answers apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// Says that what was written is on the disk and will not be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "log_ack")]
pub struct LogAck {
    /// The number of the entry or the snapshot.
    pub seq: u64,
    /// The `id` of the message that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// A part of the log, in order. Where there is `more`, ask again after the last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "log_entries")]
pub struct LogEntries {
    /// The number of the snapshot that the log begins with; 0 for none.
    pub base: u64,
    /// The number of the log's last entry; 0 where it is empty.
    pub last: u64,
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// Whether there are more after these.
    pub more: bool,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number.
    pub seq: u64,
    /// Ciphertext in base64.
    pub payload: String,
}
