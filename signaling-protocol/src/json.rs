use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ParseError;

/// A piece of JSON that is carried and never looked into: an SDP, an ICE candidate.
///
/// It keeps the bytes as they were written, so what arrives is what was sent.
#[derive(Clone)]
pub struct OpaqueJson(Box<RawValue>);

impl OpaqueJson {
    /// Takes a JSON text.
    ///
    /// # Errors
    /// When `text` is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self(raw.to_owned()))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value, for callers that have to look inside.
    ///
    /// # Errors
    /// When the value is nested deeper than the JSON reader goes.
    pub fn to_value(&self) -> Result<Value, ParseError> {
        Ok(serde_json::from_str(self.as_str())?)
    }
}

impl From<&RawValue> for OpaqueJson {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl TryFrom<&Value> for OpaqueJson {
    type Error = ParseError;

    fn try_from(value: &Value) -> Result<Self, ParseError> {
        Ok(Self(serde_json::value::to_raw_value(value)?))
    }
}

impl PartialEq for OpaqueJson {
    /// The same text, byte for byte.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for OpaqueJson {}

impl fmt::Debug for OpaqueJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for OpaqueJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OpaqueJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
