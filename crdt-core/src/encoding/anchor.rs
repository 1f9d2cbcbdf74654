//! Anchors as JSON, `{"char":["alice",3],"bias":"left"}` with `null` for no char, and as bytes:
//!
//! ```text
//! flags  one byte: 1 for the right bias, 2 for a char; then, if there is a char:
//! name   length in bytes as a varint, UTF-8
//! seq    varint
//! ```

use super::json_fields::id;
use super::json_value::{Value, write_string};
use super::reader::Reader;
use super::varint::push;
use crate::anchor::{Anchor, Bias};
use crate::error::DecodeError;
use crate::version::{EventId, check_agent_name};

const RIGHT: u8 = 1;
const CHAR: u8 = 2;

impl Anchor {
    /// The JSON form, such as `{"char":["alice",3],"bias":"left"}`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"char\":");
        match &self.char {
            None => out.push_str("null"),
            Some(id) => {
                out.push('[');
                write_string(&mut out, &id.agent);
                out.push_str(&format!(",{}]", id.seq));
            }
        }
        out.push_str(match self.bias {
            Bias::Left => ",\"bias\":\"left\"}",
            Bias::Right => ",\"bias\":\"right\"}",
        });
        out
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// A [`DecodeError`] if it is not that form.
    pub fn from_json(text: &str) -> Result<Anchor, DecodeError> {
        let value = Value::parse(text)?;
        let bias = match value.get("bias").and_then(Value::as_str) {
            Some("left") => Bias::Left,
            Some("right") => Bias::Right,
            _ => {
                let reason = "expected \"left\" or \"right\"";
                return Err(DecodeError::shape("anchor.bias", reason));
            }
        };
        let char = match value.get("char") {
            Some(Value::Null) => None,
            Some(value) => {
                let (agent, seq) = id(value, || "anchor.char".to_owned())?;
                check_agent_name(agent)
                    .map_err(|error| DecodeError::shape("anchor.char", error.to_string()))?;
                Some(EventId::new(agent, seq))
            }
            None => {
                let reason = "expected [agent, seq] or null";
                return Err(DecodeError::shape("anchor.char", reason));
            }
        };
        Ok(Anchor { char, bias })
    }

    /// The anchor as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let bias = match self.bias {
            Bias::Left => 0,
            Bias::Right => RIGHT,
        };
        let Some(EventId { agent, seq }) = &self.char else {
            return vec![bias];
        };
        let mut out = vec![bias | CHAR];
        push(&mut out, agent.len() as u64);
        out.extend_from_slice(agent.as_bytes());
        push(&mut out, u64::from(*seq));
        out
    }

    /// Reads what [`Anchor::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError::Bytes`] if it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Anchor, DecodeError> {
        let mut reader = Reader::new(bytes);
        let bad_flags = reader.error("unknown flags of an anchor");
        let flags = reader.byte()?;
        if flags & !(RIGHT | CHAR) != 0 {
            return Err(bad_flags);
        }
        let bias = if flags & RIGHT == 0 {
            Bias::Left
        } else {
            Bias::Right
        };
        let mut char = None;
        if flags & CHAR != 0 {
            let bad_name = reader.error("an agent name has 1 to 128 bytes");
            let agent = reader.text()?;
            check_agent_name(agent).map_err(|_| bad_name)?;
            char = Some(EventId::new(agent, reader.small()?));
        }
        reader.end()?;
        Ok(Anchor { char, bias })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_round_trip_and_truncated_ones_are_refused() {
        for char in [
            None,
            Some(EventId::new("alice", 0)),
            Some(EventId::new("\"é🦀", i32::MAX as u32)),
        ] {
            for bias in [Bias::Left, Bias::Right] {
                let anchor = Anchor {
                    char: char.clone(),
                    bias,
                };
                let (bytes, json) = (anchor.encode(), anchor.to_json());
                assert_eq!(Anchor::decode(&bytes).as_ref(), Ok(&anchor));
                assert_eq!(Anchor::from_json(&json).as_ref(), Ok(&anchor));
                for end in 0..bytes.len() {
                    assert!(Anchor::decode(&bytes[..end]).is_err(), "cut at {end}");
                }
                assert!(Anchor::decode(&[&bytes[..], &[0]].concat()).is_err());
            }
        }
        let example = r#"{"char":["alice",3],"bias":"left"}"#;
        assert_eq!(Anchor::from_json(example).unwrap().to_json(), example);
    }

    #[test]
    fn other_shapes_are_refused() {
        for bytes in [&[4][..], &[2, 0, 0], &[2, 1, 0xff, 0], &[2, 200, 1, b'a']] {
            let error = Anchor::decode(bytes).unwrap_err();
            assert_eq!(error.code(), "bad_bytes", "{bytes:?}");
        }
        for json in [
            r#"{"char":null}"#,
            r#"{"bias":"left"}"#,
            r#"{"char":["",3],"bias":"left"}"#,
            r#"{"char":["a",-3],"bias":"left"}"#,
            r#"{"char":["a"],"bias":"left"}"#,
            r#"{"char":null,"bias":"up"}"#,
            "[]",
        ] {
            let error = Anchor::from_json(json).unwrap_err();
            assert_eq!(error.code(), "bad_operations", "{json}");
        }
        assert_eq!(Anchor::from_json("{").unwrap_err().code(), "bad_json");
    }
}
