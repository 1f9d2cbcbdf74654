//! The answer to a client whose message is not carried out.

use signaling_protocol::{ErrorCode, ServerMessage};
use signaling_rooms::Refusal;

use crate::metrics::{Kind, Metrics};
use crate::outbox::Letter;
use crate::token::TokenError;

/// Counts a refusal, and writes it down for the client.
pub(crate) fn letter(refusal: Refusal, metrics: &Metrics) -> Letter {
    metrics.refused(refusal.code);
    Letter::text(Kind::Error, ServerMessage::from(refusal).to_json())
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
