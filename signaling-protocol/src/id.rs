use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::IdError;
use crate::limits::{
    DEFAULT_ROOM, MAX_AGENT_ID_BYTES, MAX_ROOM_ID_BYTES, MAX_SESSION_SECRET_BYTES,
};

/// One peer's name within a room: 1 to 128 bytes of UTF-8 without control characters.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// Takes `text` as an id if it is one.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check("the agent id", text, MAX_AGENT_ID_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether, of the two, this one makes the offer: its id sorts lower by UTF-16 code unit.
    ///
    /// JavaScript compares strings that way. It differs from the order of Rust's `str` where
    /// characters beyond U+FFFF meet those from U+E000 to U+FFFF, and both peers have to agree.
    #[must_use]
    pub fn offers_to(&self, other: &AgentId) -> bool {
        self.0.encode_utf16().cmp(other.0.encode_utf16()) == Ordering::Less
    }
}

/// A room's name: 1 to 128 bytes of UTF-8 without control characters.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Takes `text` as a room's name if it is one.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check("the room name", text, MAX_ROOM_ID_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RoomId {
    /// The room of a client that names none.
    fn default() -> Self {
        Self(DEFAULT_ROOM.into())
    }
}

/// What proves that a client which comes back is the one that was there: 1 to 128 bytes, chosen by
/// the client at random and known to the server alone.
///
/// Its `Debug` form does not show it, so that it does not end up in a log.
#[derive(Clone)]
pub struct SessionSecret(Arc<str>);

impl SessionSecret {
    /// Takes `text` as a secret if it fits.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check("the session secret", text, MAX_SESSION_SECRET_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether both are the same secret; takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, other: &SessionSecret) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

impl Serialize for SessionSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

macro_rules! text_id {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $id {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id!(AgentId);
text_id!(RoomId);

fn check(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > max {
        return Err(IdError::TooLong {
            what,
            len: text.len(),
            max,
        });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(IdError::ControlCharacter { what, found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_bytes_and_inclusive() {
        assert!(AgentId::parse(&"a".repeat(128)).is_ok());
        assert_eq!(
            AgentId::parse(&"a".repeat(129)),
            Err(IdError::TooLong {
                what: "the agent id",
                len: 129,
                max: 128
            })
        );
        assert!(RoomId::parse(&"é".repeat(64)).is_ok());
        assert!(RoomId::parse(&"é".repeat(65)).is_err());
        assert_eq!(
            RoomId::parse(""),
            Err(IdError::Empty {
                what: "the room name"
            })
        );
    }

    #[test]
    fn control_characters_are_refused_and_named() {
        let error = AgentId::parse("a\nb").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the agent id holds the control character U+000A"
        );
        assert!(RoomId::parse("a\u{7f}").is_err());
        assert!(AgentId::parse("Zoë 🦀").is_ok());
    }

    #[test]
    fn the_offerer_is_the_lower_by_code_unit() {
        let id = |text| AgentId::parse(text).unwrap();
        assert!(id("alice").offers_to(&id("bob")));
        assert!(!id("bob").offers_to(&id("alice")));
        assert!(!id("bob").offers_to(&id("bob")));
        // U+1F980 is D83E DD80 in UTF-16, so it sorts below U+FF41, though its code point is higher.
        assert!(id("\u{1F980}").offers_to(&id("\u{FF41}")));
        assert!(id("\u{1F980}") > id("\u{FF41}"));
    }

    #[test]
    fn a_session_secret_is_compared_whole_and_not_shown() {
        let secret = |text| SessionSecret::parse(text).unwrap();
        assert!(secret("s3cret").matches(&secret("s3cret")));
        assert!(!secret("s3cret").matches(&secret("s3creT")));
        assert!(!secret("s3cret").matches(&secret("s3cre")));
        assert!(!format!("{:?}", secret("s3cret")).contains("s3cret"));
    }
}
