//! Errors of peers.

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
        /// The claimed or actual size.
        claimed: u64,
        /// The limit.
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

/// Why a link is closed, or why a message was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// A message that does not follow the protocol.
    #[error("malformed message: {0}")]
    Malformed(#[from] WireError),
    /// Operations that the document refuses.
    #[error("refused operations: {0}")]
    Operations(#[from] MergeError),
    /// The peer lacks events that this replica has dropped, so nothing is sent to it until it has
    /// received them elsewhere.
    #[error("cannot bring the peer up to date: {0}")]
    History(#[from] EncodeError),
    /// A version in the JSON form that cannot be read.
    #[error("refused version: {0}")]
    Version(#[from] DecodeError),
    /// Nothing was received for too long, and no sent byte got through.
    #[error("nothing heard for {silent_for} ms")]
    Dead {
        /// For how long.
        silent_for: Millis,
    },
    /// The transport has been full for too long without progress.
    #[error("{buffered} bytes are stuck in the transport for {stuck_for} ms")]
    Stalled {
        /// Bytes that the transport buffers.
        buffered: usize,
        /// For how long.
        stuck_for: Millis,
    },
    /// A fragmented message made no progress for too long.
    #[error("a fragmented message stood still at {received} of {expected} fragments")]
    FragmentTimeout {
        /// Received fragments.
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
    /// The peer forwarded an event of a directly linked agent that made a different one under that
    /// id.
    #[error("passed on an event ({agent}, {seq}) that {agent} did not make")]
    Forged {
        /// The agent that made a different one.
        agent: String,
        /// The sequence number.
        seq: u32,
    },
    /// The two protocol versions are incompatible.
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
    /// The peer sent changes, but is read-only.
    #[error("it changed the document, and has not proved that it may write")]
    ReadOnly,
    /// The link leads back to this session.
    #[error("the link leads back to this session")]
    OwnSession,
    /// The peer said goodbye.
    #[error("the peer said goodbye")]
    Goodbye,
    /// This side said goodbye.
    #[error("goodbye was said here")]
    Leaving,
}

impl CloseReason {
    /// Whether the peer violates the protocol, or uses another one, so that the next link to it
    /// would end the same way.
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

    /// Whether a new link to the same peer may succeed.
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
    /// The size that names and values would have together.
    pub bytes: usize,
    /// The limit.
    pub bound: usize,
}

impl PresenceError {
    /// A stable identifier of this error.
    pub fn code(&self) -> &'static str {
        "presence_too_large"
    }
}
