//! Why something that a client sent was not carried out, and how the client is told.

use signaling_protocol::{AgentId, ErrorCode, ErrorReply, ServerMessage};

use crate::metrics::{Kind, Metrics};
use crate::outbox::Letter;
use crate::rooms::JoinRefusal;
use crate::store::LogError;
use crate::token::TokenError;

/// Why a message was not carried out.
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    /// The peer it is about.
    pub(crate) peer: Option<AgentId>,
    /// The `id` of the message.
    pub(crate) id: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message,
            peer: None,
            id: None,
        }
    }

    /// Counts the refusal, and writes it down for the client.
    pub(crate) fn letter(self, metrics: &Metrics) -> Letter {
        let Refusal {
            code,
            message,
            peer: peer_id,
            id,
        } = self;
        metrics.refused(code);
        let reply = ServerMessage::Error(ErrorReply {
            code,
            message,
            peer_id,
            id,
        });
        Letter::text(Kind::Error, reply.to_json())
    }

    /// Whoever is named in `to` is not there.
    pub(crate) fn unavailable(to: &AgentId) -> Self {
        Self {
            code: ErrorCode::PeerUnavailable,
            message: format!("{to:?} is not in the room"),
            peer: Some(to.clone()),
            id: None,
        }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Refusal::new(error.code(), error.to_string())
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Missing | TokenError::Expired | TokenError::Invalid(_) => {
                ErrorCode::Unauthorized
            }
            TokenError::OtherRoom { .. } | TokenError::OtherAgent { .. } => ErrorCode::Forbidden,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<JoinRefusal> for Refusal {
    fn from(refusal: JoinRefusal) -> Self {
        let code = match refusal {
            JoinRefusal::AgentIdTaken { .. } => ErrorCode::AgentIdTaken,
            JoinRefusal::RoomFull { .. } => ErrorCode::RoomFull,
            JoinRefusal::TooManyRooms { .. } => ErrorCode::TooManyRooms,
        };
        Refusal::new(code, refusal.to_string())
    }
}
