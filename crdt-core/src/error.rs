//! Errors, one enum per boundary. Every error leaves the document unchanged, carries the offending
//! values, and has a stable `code` for callers that branch on it.

use thiserror::Error;

/// An agent name is 1 to 128 bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an agent name has 1 to 128 bytes, this one has {len}")]
pub struct AgentNameError {
    /// Length of the refused name, in bytes.
    pub len: usize,
}

impl AgentNameError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        "bad_agent_name"
    }
}

/// A local edit that the document refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EditError {
    /// The position, or the end of the deleted range, is past the end of the text.
    #[error("position {position} is past the end of the text, which has {len} chars")]
    OutOfBounds {
        /// The position that was asked for, in chars.
        position: usize,
        /// The length of the text, in chars.
        len: usize,
    },
    /// The document, or one agent's history, would exceed the limits of the format.
    #[error("the edit does not fit: {what} would exceed {limit}")]
    TooLarge {
        /// What would grow too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl EditError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            EditError::OutOfBounds { .. } => "out_of_bounds",
            EditError::TooLarge { .. } => "too_large",
        }
    }
}

/// A position without an anchor, or an anchor without a position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The position is past the end of the text.
    #[error("position {position} is past the end of the text, which has {len} chars")]
    OutOfBounds {
        /// The position that was asked for, in chars.
        position: usize,
        /// The length of the text, in chars.
        len: usize,
    },
    /// The char of the anchor has not arrived (yet).
    #[error("event ({agent}, {seq}) is not known here")]
    Unknown {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The char is part of the text that a shallow document begins with: its author is no longer
    /// known.
    #[error("the char is older than the history, which begins after event ({agent}, {seq})")]
    TooOld {
        /// Agent of an event after which the history begins.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The anchor names an event that inserted no char.
    #[error("event ({agent}, {seq}) is a delete: there is no char to stick to")]
    NotAnInsert {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The file that the document was opened from proves to be inconsistent, now that its history
    /// is needed.
    #[error("the history of this document cannot be used: {0}")]
    CorruptHistory(#[from] LoadError),
}

impl AnchorError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            AnchorError::OutOfBounds { .. } => "out_of_bounds",
            AnchorError::Unknown { .. } => "unknown_event",
            AnchorError::TooOld { .. } => "too_old",
            AnchorError::NotAnInsert { .. } => "not_an_insert",
            AnchorError::CorruptHistory(_) => "corrupt_history",
        }
    }
}

/// History that cannot be read, or edits that cannot be reverted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The version contains an event that has not arrived here (yet).
    #[error("event ({agent}, {seq}) is not known here")]
    Unknown {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// It lies before the version at which the history of a shallow document begins.
    #[error("older than the history, which begins after event ({agent}, {seq})")]
    TooOld {
        /// Agent of an event after which the history begins.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The range is past the end of the text, or the reverting edits exceed a limit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The file that the document was opened from proves to be inconsistent, now that its history
    /// is needed.
    #[error("the history of this document cannot be used: {0}")]
    CorruptHistory(#[from] LoadError),
}

impl HistoryError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            HistoryError::Unknown { .. } => "unknown_event",
            HistoryError::TooOld { .. } => "too_old",
            HistoryError::Edit(error) => error.code(),
            HistoryError::CorruptHistory(_) => "corrupt_history",
        }
    }
}

/// Events that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The reader lacks an event that a shallow document has dropped, so it could not merge the
    /// later ones. It has to get the events from a replica that has the whole history, or the
    /// document as a file.
    #[error("the reader lacks event ({agent}, {seq}), which is older than the history here")]
    TooOld {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The file that the document was opened from proves to be inconsistent, now that its history
    /// is needed.
    #[error("the history of this document cannot be used: {0}")]
    CorruptHistory(#[from] LoadError),
}

impl EncodeError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            EncodeError::TooOld { .. } => "too_old",
            EncodeError::CorruptHistory(_) => "corrupt_history",
        }
    }
}

impl From<EncodeError> for MergeError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooOld { agent, seq } => MergeError::TooOld { agent, seq },
            EncodeError::CorruptHistory(error) => MergeError::CorruptHistory(error),
        }
    }
}

/// A branch that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BranchError {
    /// The name of its agent is empty or too long.
    #[error(transparent)]
    AgentName(#[from] AgentNameError),
    /// The version is not known, or the history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The events of the version do not form a document.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

impl BranchError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            BranchError::AgentName(error) => error.code(),
            BranchError::History(error) => error.code(),
            BranchError::Merge(error) => error.code(),
        }
    }
}

/// A name that a replica cannot be renamed to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RenameError {
    /// The name is empty or too long.
    #[error(transparent)]
    AgentName(#[from] AgentNameError),
    /// The document has events of that name.
    #[error("the name {agent:?} is known here already")]
    Taken {
        /// The name.
        agent: String,
    },
    /// The document has the maximum number of agents.
    #[error("the document has {limit} agents, and takes no more")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The history of the document cannot be used.
    #[error("the history of this document cannot be used: {0}")]
    CorruptHistory(#[from] LoadError),
}

impl RenameError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            RenameError::AgentName(error) => error.code(),
            RenameError::Taken { .. } => "agent_in_use",
            RenameError::TooMany { .. } => "too_large",
            RenameError::CorruptHistory(_) => "corrupt_history",
        }
    }
}

/// A text or byte form that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is not JSON.
    #[error("not valid JSON: {reason} (line {line}, column {column})")]
    Json {
        /// The parser's message.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It is JSON, but not of the documented shape.
    #[error("not the documented form: {at}: {reason}")]
    Shape {
        /// The path of the value, such as `txns[3].ops[0]`.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes are not of the documented form.
    #[error("malformed bytes at offset {offset}: {reason}")]
    Bytes {
        /// Where, in bytes from the start.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A version of the form that this build does not know.
    #[error("format version {found} is not known here; version {known} is")]
    Version {
        /// The version that was found.
        found: u64,
        /// The version that this build reads.
        known: u64,
    },
}

impl DecodeError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::Json { .. } => "bad_json",
            DecodeError::Shape { .. } => "bad_operations",
            DecodeError::Bytes { .. } => "bad_bytes",
            DecodeError::Version { .. } => "unknown_format_version",
        }
    }

    pub(crate) fn shape(at: impl Into<String>, reason: impl Into<String>) -> Self {
        DecodeError::Shape {
            at: at.into(),
            reason: reason.into(),
        }
    }
}

/// A file that cannot be opened, or whose history proves to be inconsistent later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The agent name for its edits is invalid.
    #[error(transparent)]
    AgentName(#[from] AgentNameError),
    /// The bytes are not of the documented form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A part of the file is damaged.
    #[error("the section at offset {offset} is damaged: its checksum is wrong")]
    Checksum {
        /// Where the section starts, in bytes.
        offset: usize,
    },
    /// The file claims more than the caller allows.
    #[error("the file is too large: {what} is {claimed}, allowed are {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How much the file claims.
        claimed: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// Replaying the history would take more work than the caller allows.
    #[error("replaying the file would take more than {limit} steps of work")]
    TooExpensive {
        /// The limit, see [`LoadLimits::work`](crate::LoadLimits::work).
        limit: u64,
    },
    /// An event of the file is impossible.
    #[error("event ({agent}, {seq}) of the file is not possible: {reason}")]
    Event {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Parts of the file do not fit together.
    #[error("the file contradicts itself: {reason}")]
    Inconsistent {
        /// What does not fit.
        reason: &'static str,
    },
}

impl LoadError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            LoadError::AgentName(error) => error.code(),
            LoadError::Decode(error) => error.code(),
            LoadError::Checksum { .. } => "bad_checksum",
            LoadError::TooLarge { .. } => "too_large",
            LoadError::TooExpensive { .. } => "too_expensive",
            LoadError::Event { .. } => "impossible_event",
            LoadError::Inconsistent { .. } => "inconsistent_file",
        }
    }
}

/// Remote events that the document refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The events could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An agent name is empty or too long.
    #[error(transparent)]
    AgentName(#[from] AgentNameError),
    /// A known id arrives again with different content.
    #[error("event ({agent}, {seq}) is known with different content")]
    Conflict {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// An insert or delete is outside the text at its parents.
    #[error("event ({agent}, {seq}) edits up to position {position} in a text of {len} chars")]
    Position {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
        /// The position, or the end of the deleted range, in chars.
        position: usize,
        /// The length of the text at the event's parents, in chars.
        len: usize,
    },
    /// One parent of an event is an ancestor of another.
    #[error("the parents of event ({agent}, {seq}) are not reduced: one is an ancestor of another")]
    Parents {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// An event names itself or a later event of its own run as a parent.
    #[error("event ({agent}, {seq}) depends on itself")]
    Cycle {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// A parent of the event lies before the version at which the history of a shallow document
    /// begins: the two cannot be merged. Or an event that a merge asks for does.
    #[error("event ({agent}, {seq}) follows a version that is older than the history here")]
    TooOld {
        /// Agent of the event.
        agent: String,
        /// Its sequence number.
        seq: u32,
    },
    /// The file that the document was opened from proves to be inconsistent, now that its history
    /// is needed. Nothing can be merged into it.
    #[error("the history of this document cannot be used: {0}")]
    CorruptHistory(LoadError),
    /// The merge would take more work than is allowed: the events jump between versions that are far
    /// from each other.
    #[error("the merge would take more than {limit} steps of work")]
    TooExpensive {
        /// The limit, see [`MergeLimits::work`](crate::MergeLimits::work).
        limit: u64,
    },
    /// The document, or one agent's history, would exceed the limits of the format.
    #[error("the events do not fit: {what} would exceed {limit}")]
    TooLarge {
        /// What would grow too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl MergeError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            MergeError::Decode(error) => error.code(),
            MergeError::AgentName(error) => error.code(),
            MergeError::Conflict { .. } => "conflicting_event",
            MergeError::Position { .. } => "bad_position",
            MergeError::Parents { .. } => "parents_not_reduced",
            MergeError::Cycle { .. } => "cyclic_event",
            MergeError::TooOld { .. } => "too_old",
            MergeError::CorruptHistory(_) => "corrupt_history",
            MergeError::TooExpensive { .. } => "too_expensive",
            MergeError::TooLarge { .. } => "too_large",
        }
    }
}
