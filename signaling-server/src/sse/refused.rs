//! What a request is refused for, in words and as a status of HTTP.

use warp::http::StatusCode;

/// Why a request for an event stream, or with messages, is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such session at this address, or it has ended: open a new one")]
    UnknownSession,
    #[error("the events after that one are not kept any more: open a new session")]
    ResumeTooLate,
    #[error("the next message is number {expected}, and these begin at {got}")]
    MessageGap { expected: u64, got: u64 },
    #[error("{0}")]
    Malformed(String),
    #[error("the body is larger than the {largest} bytes that a message may have")]
    MessageTooBig { largest: usize },
    #[error("the body did not come to its end in time")]
    MessageTimeout,
    #[error("the system has no randomness for a secret")]
    NoRandomness,
}

impl Refused {
    /// The stable name, for programs and figures.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Refused::UnknownSession => "unknown_session",
            Refused::ResumeTooLate => "resume_too_late",
            Refused::MessageGap { .. } => "message_gap",
            Refused::Malformed(_) => "malformed",
            Refused::MessageTooBig { .. } => "message_too_big",
            Refused::MessageTimeout => "message_timeout",
            Refused::NoRandomness => "no_randomness",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refused::UnknownSession | Refused::ResumeTooLate => StatusCode::GONE,
            Refused::MessageGap { .. } => StatusCode::CONFLICT,
            Refused::Malformed(_) => StatusCode::BAD_REQUEST,
            Refused::MessageTooBig { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::MessageTimeout => StatusCode::REQUEST_TIMEOUT,
            Refused::NoRandomness => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
