//! The JSON form of the messages, for peers that only use JSON, and for people to read.
//!
//! `{"type":"ops"|"frontier"|"request_sync","sender":AGENT,"ops"?:JSON text,"frontier"?:JSON text}`

use crdt_core::Frontier;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
    /// Requests the events after a version: everything, if none is given.
    RequestSync {
        sender: String,
        frontier: Option<Frontier>,
    },
    /// Of an unknown type.
    Unknown,
}

/// The fields of a message, in the order in which they are written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    frontier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<&'a str>,
    sender: &'a str,
    r#type: &'static str,
}

/// The received fields of a message: those that its type does not use may be anything.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    frontier: Option<&'a RawValue>,
    #[serde(borrow)]
    ops: Option<&'a RawValue>,
    #[serde(borrow)]
    sender: Option<&'a RawValue>,
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
}

impl JsonMessage {
    pub(crate) fn encode(&self) -> String {
        let (kind, sender, ops, frontier) = match self {
            JsonMessage::Ops {
                sender,
                ops,
                frontier,
            } => ("ops", sender, Some(ops), frontier.as_ref()),
            JsonMessage::Frontier { sender, frontier } => {
                ("frontier", sender, None, Some(frontier))
            }
            JsonMessage::RequestSync { sender, frontier } => {
                ("request_sync", sender, None, frontier.as_ref())
            }
            JsonMessage::Unknown => return "{}".to_owned(),
        };
        let written = Written {
            frontier: frontier.map(Frontier::to_json),
            ops: ops.map(String::as_str),
            sender,
            r#type: kind,
        };
        // Writing strings does not fail.
        serde_json::to_string(&written).unwrap_or_default()
    }

    pub(crate) fn decode(text: &str) -> Result<JsonMessage, CloseReason> {
        // A list would be read as the fields in order.
        if !text.trim_start().starts_with('{') {
            return Err(bad("it is no object".to_owned()));
        }
        let read: Read<'_> = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let kind = string("type", read.r#type)?.ok_or_else(|| bad("type is missing".to_owned()))?;
        let sender = string("sender", read.sender)?.unwrap_or_default();
        let frontier = string("frontier", read.frontier)?.filter(|text| !text.is_empty());
        let frontier = frontier.as_deref().map(Frontier::from_json).transpose()?;
        let missing = |name: &str| bad(format!("{name} is missing"));
        Ok(match kind.as_str() {
            "ops" => JsonMessage::Ops {
                sender,
                ops: string("ops", read.ops)?.ok_or_else(|| missing("ops"))?,
                frontier,
            },
            "frontier" => {
                let frontier = frontier.ok_or_else(|| missing("frontier"))?;
                JsonMessage::Frontier { sender, frontier }
            }
            "request_sync" => JsonMessage::RequestSync { sender, frontier },
            _ => JsonMessage::Unknown,
        })
    }
}

/// The string in a field; `None` where it is missing or `null`.
fn string(name: &str, field: Option<&RawValue>) -> Result<Option<String>, CloseReason> {
    let text = field.map_or("null", RawValue::get);
    serde_json::from_str(text).map_err(|_| bad(format!("{name} is not a string")))
}

fn bad(reason: String) -> CloseReason {
    CloseReason::Malformed(WireError::Json { reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crdt_core::EventId;

    #[test]
    fn messages_round_trip() {
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
            (r#"["[]","{}","a","ops"]"#, "message_bad_json"),
            (r#"{"type":"ops","sender":"a"}"#, "message_bad_json"),
            (
                r#"{"type":"ops","sender":"a","ops":{}}"#,
                "message_bad_json",
            ),
            (r#"{"type":"frontier","sender":"a"}"#, "message_bad_json"),
            (
                r#"{"type":"frontier","sender":"a","frontier":"nonsense"}"#,
                "bad_json",
            ),
        ] {
            let error = JsonMessage::decode(text).expect_err(text);
            assert_eq!(error.code(), code, "{text}");
        }
        for later in [
            r#"{"type":"later"}"#,
            " {\"type\":\"later\",\"ops\":[7.5,{}],\"more\":1e400}",
        ] {
            assert_eq!(
                JsonMessage::decode(later),
                Ok(JsonMessage::Unknown),
                "{later}"
            );
        }
    }
}
