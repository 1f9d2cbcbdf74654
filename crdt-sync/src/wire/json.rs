//! The JSON form of the messages, for peers that speak nothing else, and for people to read.
//!
//! `{"type":"ops"|"frontier"|"request_sync","sender":AGENT,"ops"?:JSON text,"frontier"?:JSON text}`

use crdt_core::Frontier;
use serde_json::{Map, Value};

use crate::error::{CloseReason, WireError};

/// A message in the JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonMessage {
    /// Operations, and perhaps the sender's version.
    Ops {
        sender: String,
        ops: String,
        frontier: Option<Frontier>,
    },
    /// The sender's version.
    Frontier { sender: String, frontier: Frontier },
    /// Asks for what is missing from a version: everything, if none is given.
    RequestSync {
        sender: String,
        frontier: Option<Frontier>,
    },
    /// Of a type that is not known here.
    Unknown,
}

impl JsonMessage {
    pub(crate) fn encode(&self) -> String {
        let mut fields = Map::new();
        let mut put = |name: &str, value: String| fields.insert(name.to_owned(), value.into());
        let (kind, sender, frontier) = match self {
            JsonMessage::Ops {
                sender,
                ops,
                frontier,
            } => {
                put("ops", ops.clone());
                ("ops", sender, frontier.as_ref())
            }
            JsonMessage::Frontier { sender, frontier } => ("frontier", sender, Some(frontier)),
            JsonMessage::RequestSync { sender, frontier } => {
                ("request_sync", sender, frontier.as_ref())
            }
            JsonMessage::Unknown => return "{}".to_owned(),
        };
        put("type", kind.to_owned());
        put("sender", sender.clone());
        if let Some(frontier) = frontier {
            put("frontier", frontier.to_json());
        }
        Value::Object(fields).to_string()
    }

    pub(crate) fn decode(text: &str) -> Result<JsonMessage, CloseReason> {
        let bad = |reason: String| CloseReason::Malformed(WireError::Json { reason });
        let value: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let field = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(bad(format!("{name} is not a string"))),
        };
        let kind = field("type")?.ok_or_else(|| bad("type is missing".to_owned()))?;
        let sender = field("sender")?.unwrap_or_default().to_owned();
        let frontier = field("frontier")?.filter(|text| !text.is_empty());
        let frontier = frontier.map(Frontier::from_json).transpose()?;
        let missing = |name: &str| bad(format!("{name} is missing"));
        Ok(match kind {
            "ops" => {
                let ops = field("ops")?.ok_or_else(|| missing("ops"))?.to_owned();
                JsonMessage::Ops {
                    sender,
                    ops,
                    frontier,
                }
            }
            "frontier" => {
                let frontier = frontier.ok_or_else(|| missing("frontier"))?;
                JsonMessage::Frontier { sender, frontier }
            }
            "request_sync" => JsonMessage::RequestSync { sender, frontier },
            _ => JsonMessage::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crdt_core::EventId;

    #[test]
    fn messages_come_back() {
        let sender = "al\"ice\u{1f600}".to_owned();
        let frontier = Frontier::new([EventId::new("a", 3), EventId::new("b", 0)]);
        for message in [
            JsonMessage::Ops {
                sender: sender.clone(),
                ops: "{\"v\":1}".to_owned(),
                frontier: None,
            },
            JsonMessage::Frontier {
                sender: sender.clone(),
                frontier: frontier.clone(),
            },
            JsonMessage::RequestSync {
                sender: sender.clone(),
                frontier: Some(frontier),
            },
            JsonMessage::RequestSync {
                sender,
                frontier: None,
            },
        ] {
            assert_eq!(JsonMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn the_documented_shape_is_written() {
        let frontier = Frontier::new([EventId::new("a", 3)]);
        let text = JsonMessage::Frontier {
            sender: "a".to_owned(),
            frontier,
        }
        .encode();
        assert_eq!(
            text,
            r#"{"frontier":"[[\"a\",3]]","sender":"a","type":"frontier"}"#
        );
    }

    #[test]
    fn bad_messages_are_typed_errors() {
        for (text, code) in [
            ("", "message_bad_json"),
            ("[]", "message_bad_json"),
            (r#"{"type":7}"#, "message_bad_json"),
            (r#"{"type":"ops","sender":"a"}"#, "message_bad_json"),
            (r#"{"type":"frontier","sender":"a"}"#, "message_bad_json"),
            (
                r#"{"type":"frontier","sender":"a","frontier":"nonsense"}"#,
                "bad_json",
            ),
        ] {
            let error = JsonMessage::decode(text).expect_err(text);
            assert_eq!(error.code(), code, "{text}");
        }
        assert_eq!(
            JsonMessage::decode(r#"{"type":"later"}"#),
            Ok(JsonMessage::Unknown)
        );
    }
}
