use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// The stable code of an `error` reply, for programs; the message beside it is for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])+ $name,)+
            /// A code that this version does not know.
            Other,
        }

        impl ErrorCode {
            /// Every code of this version, for counters and documentation.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),+];

            /// The code as it stands in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)+
                    ErrorCode::Other => "other",
                }
            }

            fn from_text(text: &str) -> Self {
                match text {
                    $($text => ErrorCode::$name,)+
                    _ => ErrorCode::Other,
                }
            }
        }
    };
}

error_codes! {
    /// The frame is not a message: broken JSON, or a field missing or of the wrong kind.
    Malformed = "malformed",
    /// A `type` that the server does not know.
    UnknownType = "unknown_type",
    /// A binary frame where only text frames are taken.
    BinaryFrame = "binary_frame",
    /// The message is larger than the server takes.
    MessageTooBig = "message_too_big",
    /// A field holds more than the protocol allows.
    LimitExceeded = "limit_exceeded",
    /// A text that is no agent id or session secret.
    InvalidId = "invalid_id",
    /// A text that is no room name, or a room other than the one in the address.
    InvalidRoom = "invalid_room",
    /// The client speaks a newer protocol than the server.
    UnsupportedProtocol = "unsupported_protocol",
    /// Anything but `join` before the `join`.
    NotJoined = "not_joined",
    /// A `join` on a socket that has joined.
    AlreadyJoined = "already_joined",
    /// Someone else in the room has that agent id.
    AgentIdTaken = "agent_id_taken",
    /// The server asks for a token, and this one is missing, wrong or has expired.
    Unauthorized = "unauthorized",
    /// The token does not go as far as that.
    Forbidden = "forbidden",
    /// `from` names someone other than the sender.
    ForgedSender = "forged_sender",
    /// The peer named in `to` is not in the room.
    PeerUnavailable = "peer_unavailable",
    /// The server keeps no log.
    NoLog = "no_log",
    /// Another client replaced the beginning of the log first; read it again.
    LogConflict = "log_conflict",
    /// The log, or all logs together, would hold more than they may.
    QuotaExceeded = "quota_exceeded",
    /// The log cannot be written or read now; what was acknowledged is safe.
    StoreUnavailable = "store_unavailable",
    /// The servers cannot reach each other now.
    TryLater = "try_later",
    /// The client sends more than it may in that time; this message was dropped.
    RateLimited = "rate_limited",
    /// The room holds as many clients as it may.
    RoomFull = "room_full",
    /// The server holds as many rooms as it may.
    TooManyRooms = "too_many_rooms",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::from_text(&text))
    }
}

/// Why the server closed a socket; the code and the reason of the WebSocket close frame.
///
/// Codes from 4000 are this protocol's own, the others are those of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The client asked for it.
    Normal,
    /// The server ends; come back later, or elsewhere.
    GoingAway,
    /// The frames break the WebSocket protocol.
    ProtocolError,
    /// A text frame is not UTF-8.
    InvalidText,
    /// The message is larger than the server takes.
    MessageTooBig,
    /// The client does not read as fast as others write to it.
    SlowConsumer,
    /// The same client came back on another socket and took its id over.
    Replaced,
    /// The client went on sending more than it may.
    RateLimited,
    /// The client answered no ping for too long.
    IdleTimeout,
    /// The client's token has expired.
    TokenExpired,
    /// A frame of a kind that is not taken at this address.
    UnsupportedData,
    /// The client may not come in; an error has said why.
    Refused,
    /// The room's log would hold more than it may.
    QuotaExceeded,
    /// The room's log cannot be written.
    StoreUnavailable,
    /// A message did not come to its end in time.
    MessageTimeout,
}

impl CloseCode {
    /// Every code, for counters and documentation.
    pub const ALL: &[CloseCode] = &[
        CloseCode::Normal,
        CloseCode::GoingAway,
        CloseCode::ProtocolError,
        CloseCode::InvalidText,
        CloseCode::MessageTooBig,
        CloseCode::SlowConsumer,
        CloseCode::Replaced,
        CloseCode::RateLimited,
        CloseCode::IdleTimeout,
        CloseCode::TokenExpired,
        CloseCode::UnsupportedData,
        CloseCode::Refused,
        CloseCode::QuotaExceeded,
        CloseCode::StoreUnavailable,
        CloseCode::MessageTimeout,
    ];

    /// The number in the close frame.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::GoingAway => 1001,
            CloseCode::ProtocolError => 1002,
            CloseCode::UnsupportedData => 1003,
            CloseCode::InvalidText => 1007,
            CloseCode::MessageTooBig => 1009,
            CloseCode::SlowConsumer => 4001,
            CloseCode::Replaced => 4002,
            CloseCode::RateLimited => 4003,
            CloseCode::IdleTimeout => 4004,
            CloseCode::TokenExpired => 4005,
            CloseCode::Refused => 4006,
            CloseCode::QuotaExceeded => 4007,
            CloseCode::StoreUnavailable => 4008,
            CloseCode::MessageTimeout => 4009,
        }
    }

    /// The reason in the close frame, stable.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "normal",
            CloseCode::GoingAway => "going_away",
            CloseCode::ProtocolError => "protocol_error",
            CloseCode::InvalidText => "invalid_text",
            CloseCode::MessageTooBig => "message_too_big",
            CloseCode::SlowConsumer => "slow_consumer",
            CloseCode::Replaced => "replaced",
            CloseCode::RateLimited => "rate_limited",
            CloseCode::IdleTimeout => "idle_timeout",
            CloseCode::TokenExpired => "token_expired",
            CloseCode::UnsupportedData => "unsupported_data",
            CloseCode::Refused => "refused",
            CloseCode::QuotaExceeded => "quota_exceeded",
            CloseCode::StoreUnavailable => "store_unavailable",
            CloseCode::MessageTimeout => "message_timeout",
        }
    }

    /// The meaning of a number in a close frame, where this version knows it.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_survives_json() {
        for &code in ErrorCode::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), code);
        }
        let newer: ErrorCode = serde_json::from_str("\"from_the_future\"").unwrap();
        assert_eq!(newer, ErrorCode::Other);
    }

    #[test]
    fn close_codes_are_distinct() {
        for &code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), Some(code));
        }
        assert_eq!(CloseCode::from_number(4999), None);
    }
}
