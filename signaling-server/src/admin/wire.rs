//! What the two ends of the admin address say to each other, as JSON.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::store::StoredLog;

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogInfo {
    pub(crate) name: String,
    /// What it takes of the quotas.
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// The numbers of its snapshot, 0 where there is none, and of its last entry.
    pub(crate) snapshot: u64,
    pub(crate) last: u64,
    /// When it was last in use, in seconds since 1970.
    pub(crate) used: u64,
}

impl From<StoredLog> for LogInfo {
    fn from(log: StoredLog) -> Self {
        Self {
            bytes: log.bytes,
            entries: log.entries(),
            snapshot: log.base,
            last: log.last,
            used: log.used,
            name: log.name,
        }
    }
}

/// A part of a log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
    /// Whether others come after these.
    pub(crate) more: bool,
}

/// An entry of a log.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) payload: String,
    pub(crate) seq: u64,
}

/// Names of logs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) names: Vec<String>,
}

/// The space that a store takes, in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compacted {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// How many clients were closed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kicked {
    pub(crate) kicked: usize,
}

/// Why something was not done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) error: String,
}

/// A name as a part of a path.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// The name that a part of a path stands for.
pub(super) fn decoded(part: &str) -> Cow<'_, str> {
    percent_decode_str(part).decode_utf8_lossy()
}
