use crate::code::ErrorCode;

/// Why a text is no agent id, room id or session secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// What was parsed, in words.
        what: &'static str,
    },
    /// The text is longer than the limit.
    #[error("{what} has {len} bytes, more than the {max} allowed")]
    TooLong {
        /// What was parsed, in words.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The text holds a control character, which would garble logs and other people's screens.
    #[error("{what} holds the control character U+{:04X}", u32::from(*found))]
    ControlCharacter {
        /// What was parsed, in words.
        what: &'static str,
        /// The first such character.
        found: char,
    },
}

/// Why a frame is no message of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a JSON object with a `type`, or a field of the wrong JSON type.
    #[error("the frame is not a message: {reason}")]
    Malformed {
        /// What the JSON reader found.
        reason: String,
    },
    /// A message of a type that this version does not know.
    #[error("unknown message type {found:?}")]
    UnknownType {
        /// The type named by the frame, cut to 64 characters.
        found: String,
    },
    /// A field that this type of message needs is missing.
    #[error("{message} needs the field {field}")]
    MissingField {
        /// The message's type.
        message: &'static str,
        /// The field's name in JSON.
        field: &'static str,
    },
    /// A field's text is no valid id.
    #[error("field {field}: {source}")]
    InvalidId {
        /// The field's name in JSON.
        field: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// A field holds more than the protocol allows.
    #[error("field {field} has {len} {unit}, more than the {max} allowed")]
    TooMuch {
        /// The field's name in JSON.
        field: &'static str,
        /// How much it holds.
        len: usize,
        /// Of what.
        unit: &'static str,
        /// The limit.
        max: usize,
    },
}

impl ParseError {
    /// The code under which the server reports this error.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            ParseError::Malformed { .. } | ParseError::MissingField { .. } => ErrorCode::Malformed,
            ParseError::UnknownType { .. } => ErrorCode::UnknownType,
            ParseError::InvalidId { field: "room", .. } => ErrorCode::InvalidRoom,
            ParseError::InvalidId { .. } => ErrorCode::InvalidId,
            ParseError::TooMuch { .. } => ErrorCode::LimitExceeded,
        }
    }
}

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> Self {
        ParseError::Malformed {
            reason: error.to_string(),
        }
    }
}
