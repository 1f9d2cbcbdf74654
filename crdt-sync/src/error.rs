//! What a peer can do wrong.

use crdt_core::{DecodeError, EncodeError, MergeError};
use thiserror::Error;

use crate::time::Millis;

/// A message that does not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The message ends in the middle.
    #[error("the message ends after {len} bytes, in the middle of {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Length of the message in bytes.
        len: usize,
    },
    /// A value that is not allowed there.
    #[error("{what} is not valid: {found}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// What was found.
        found: u64,
    },
    /// Text that is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// What was being read.
        what: &'static str,
    },
    /// A length or count beyond its bound.
    #[error("{what} is {claimed}, the bound is {bound}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// What the message claims or holds.
        claimed: u64,
        /// The most that is taken.
        bound: u64,
    },
    /// A JSON message that is not of the documented shape.
    #[error("not a sync message in the JSON form: {reason}")]
    Json {
        /// What is wrong with it.
        reason: String,
    },
    /// A version summary that cannot be read.
    #[error("a version summary cannot be read: {0}")]
    Summary(#[from] DecodeError),
    /// Compressed changes that cannot be unpacked.
    #[error("compressed changes cannot be unpacked: {reason}")]
    Packed {
        /// What is wrong with them.
        reason: String,
    },
    /// Bytes after the end of a message.
    #[error("{extra} bytes follow the end of the message")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

impl WireError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        match self {
            WireError::Truncated { .. } => "message_truncated",
            WireError::Invalid { .. } => "message_invalid",
            WireError::NotUtf8 { .. } => "message_not_utf8",
            WireError::TooLarge { .. } => "message_too_large",
            WireError::Json { .. } => "message_bad_json",
            WireError::Summary(_) => "message_bad_summary",
            WireError::Packed { .. } => "message_bad_packing",
            WireError::Trailing { .. } => "message_trailing_bytes",
        }
    }
}

/// Why a link is closed, or why something that came by it was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// A message that does not follow the protocol.
    #[error("malformed message: {0}")]
    Malformed(#[from] WireError),
    /// Operations that the document refuses.
    #[error("refused operations: {0}")]
    Operations(#[from] MergeError),
    /// The peer lacks events that are not here any more, so it gets nothing, until it has got them
    /// elsewhere.
    #[error("cannot bring the peer up to date: {0}")]
    History(#[from] EncodeError),
    /// A version in the JSON form that cannot be read.
    #[error("refused version: {0}")]
    Version(#[from] DecodeError),
    /// Nothing came for too long, nor did anything sent get through.
    #[error("nothing heard for {silent_for} ms")]
    Dead {
        /// For how long.
        silent_for: Millis,
    },
    /// The transport has been full, and not a byte of it got through.
    #[error("{buffered} bytes are stuck in the transport for {stuck_for} ms")]
    Stalled {
        /// Bytes that the transport buffers.
        buffered: usize,
        /// For how long.
        stuck_for: Millis,
    },
    /// A fragmented message that stood still for too long.
    #[error("a fragmented message stood still at {received} of {expected} fragments")]
    FragmentTimeout {
        /// Fragments that came.
        received: u32,
        /// Fragments that were announced.
        expected: u32,
    },
    /// Far more presence messages than any peer of this kind sends.
    #[error("presence flood: more than {per_second} messages a second")]
    PresenceFlood {
        /// The bound.
        per_second: u32,
    },
    /// The peer passed on an event of somebody who is linked here and made another one under that id.
    #[error("passed on an event ({agent}, {seq}) that {agent} did not make")]
    Forged {
        /// Who made another one.
        agent: String,
        /// The sequence number.
        seq: u32,
    },
    /// The two protocol versions cannot be combined.
    #[error("protocol version {theirs} cannot be combined with {ours}")]
    Outdated {
        /// The version here.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
    /// The other end did not prove in time what the creator of the link requires. The engine itself requires
    /// nothing.
    #[error("the other end has not proved that it has this room's key")]
    Unproven,
    /// The peer changed the document, and may not write.
    #[error("it changed the document, and has not proved that it may write")]
    ReadOnly,
    /// The link leads back to this very session.
    #[error("the link leads back to this session")]
    OwnSession,
    /// The peer took leave.
    #[error("the peer said goodbye")]
    Goodbye,
    /// This side took leave.
    #[error("goodbye was said here")]
    Leaving,
}

impl CloseReason {
    /// Whether the peer breaks the protocol, or speaks another one, so that the next link to it would
    /// end the same way.
    pub fn is_breach(&self) -> bool {
        match self {
            CloseReason::Malformed(_)
            | CloseReason::Operations(_)
            | CloseReason::Version(_)
            | CloseReason::PresenceFlood { .. }
            | CloseReason::Forged { .. }
            | CloseReason::Outdated { .. }
            | CloseReason::ReadOnly => true,
            CloseReason::History(_)
            | CloseReason::Dead { .. }
            | CloseReason::Stalled { .. }
            | CloseReason::FragmentTimeout { .. }
            | CloseReason::Unproven
            | CloseReason::OwnSession
            | CloseReason::Goodbye
            | CloseReason::Leaving => false,
        }
    }

    /// Whether a new link to the same peer may do better.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            CloseReason::Dead { .. }
                | CloseReason::Stalled { .. }
                | CloseReason::FragmentTimeout { .. }
                | CloseReason::Unproven
        )
    }

    /// Whether one side ended the link on purpose, or there is no peer at its other end.
    pub fn is_departure(&self) -> bool {
        matches!(
            self,
            CloseReason::Goodbye | CloseReason::Leaving | CloseReason::OwnSession
        )
    }

    /// A stable identifier of this reason.
    pub fn code(&self) -> &'static str {
        match self {
            CloseReason::Malformed(error) => error.code(),
            CloseReason::Operations(error) => error.code(),
            CloseReason::History(error) => error.code(),
            CloseReason::Version(error) => error.code(),
            CloseReason::Dead { .. } => "link_dead",
            CloseReason::Stalled { .. } => "link_stalled",
            CloseReason::FragmentTimeout { .. } => "fragment_timeout",
            CloseReason::PresenceFlood { .. } => "presence_flood",
            CloseReason::Forged { .. } => "forged_event",
            CloseReason::Outdated { .. } => "protocol_outdated",
            CloseReason::Unproven => "link_unproven",
            CloseReason::ReadOnly => "peer_read_only",
            CloseReason::OwnSession => "own_session",
            CloseReason::Goodbye => "goodbye",
            CloseReason::Leaving => "leaving",
        }
    }
}

/// A presence field that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the presence would have {bytes} bytes, the bound is {bound}")]
pub struct PresenceError {
    /// Names and values together, as they would be.
    pub bytes: usize,
    /// The most that is taken.
    pub bound: usize,
}

impl PresenceError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        "presence_too_large"
    }
}
