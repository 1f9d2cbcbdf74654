//! The answer to a client whose message is not carried out.

use signaling_protocol::{ErrorCode, ServerMessage};
use signaling_rooms::Refusal;

use crate::metrics::{Kind, Metrics};
use crate::outbox::Outbound;
use crate::token::TokenError;

/// Counts a refusal, and writes it down for the client.
pub(crate) fn outbound(refusal: Refusal, metrics: &Metrics) -> Outbound {
    metrics.refused(refusal.code);
    Outbound::text(Kind::Error, ServerMessage::from(refusal).to_json())
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
