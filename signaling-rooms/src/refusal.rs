//! Why a client's message is not carried out.

use signaling_protocol::{AgentId, ErrorCode, ErrorReply, ParseError, ServerMessage};

use crate::rooms::JoinRefusal;

/// Why a message is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// The peer that the message was for, if any.
    pub peer: Option<AgentId>,
    /// The `id` of the refused message, if it has one.
    pub id: Option<u64>,
}

impl Refusal {
    /// A refusal without a peer, of a message without an `id`.
    #[must_use]
    pub fn new(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message,
            peer: None,
            id: None,
        }
    }

    /// The receiver of a message is not in the room.
    #[must_use]
    pub fn unavailable(to: &AgentId) -> Self {
        Self {
            peer: Some(to.clone()),
            ..Self::new(
                ErrorCode::PeerUnavailable,
                format!("{to:?} is not in the room"),
            )
        }
    }

    /// A message has more than `max` bytes. The rest of it cannot be skipped, so the socket is closed
    /// with [`MessageTooBig`](signaling_protocol::CloseCode::MessageTooBig) after this.
    #[must_use]
    pub fn message_too_big(max: usize) -> Self {
        Self::new(
            ErrorCode::MessageTooBig,
            format!("a message may have {max} bytes at most"),
        )
    }
}

impl From<Refusal> for ServerMessage {
    fn from(refusal: Refusal) -> Self {
        ServerMessage::Error(ErrorReply {
            code: refusal.code,
            message: refusal.message,
            peer_id: refusal.peer,
            id: refusal.id,
        })
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Refusal::new(error.code(), error.to_string())
    }
}

impl From<JoinRefusal> for Refusal {
    fn from(refusal: JoinRefusal) -> Self {
        let code = match refusal {
            JoinRefusal::AgentIdTaken { .. } => ErrorCode::AgentIdTaken,
            JoinRefusal::RoomFull { .. } => ErrorCode::RoomFull,
            JoinRefusal::TooManyRooms { .. } | JoinRefusal::TooManyRoomsOfAddress { .. } => {
                ErrorCode::TooManyRooms
            }
        };
        Refusal::new(code, refusal.to_string())
    }
}
