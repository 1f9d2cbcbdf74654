//! The binary messages.

use crdt_core::VersionSummary;

use super::kind;
use super::reader::{Reader, push_bytes, push_summary, push_varint};
use super::version::{OLDEST, VERSION};
use crate::error::WireError;

/// The most sessions that a list of them may have.
const MAX_SESSIONS: u64 = 4096;

/// The longest name of a presence field, and value of one, in bytes.
const MAX_FIELD_NAME: u64 = 256;
const MAX_FIELD_VALUE: u64 = 1 << 20;

/// The first message of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Protocol version spoken, and the oldest understood.
    pub(crate) version: u32,
    pub(crate) oldest: u32,
    /// Bits for features beyond the version; unknown ones are ignored.
    pub(crate) capabilities: u64,
    /// Whether the sender already has the receiver's hello.
    pub(crate) answer: bool,
    pub(crate) session: u64,
    pub(crate) agent: String,
    /// Everything the sender has.
    pub(crate) summary: VersionSummary,
}

/// A heartbeat: what two replicas compare to find out whether anything is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    /// Chosen by the sender of the ping, repeated in the pong.
    pub(crate) nonce: u64,
    /// Hash of the frontier.
    pub(crate) version: u64,
    /// Hash of all presence.
    pub(crate) presence: u64,
    /// Hash of the text, once it has been at rest.
    pub(crate) text: Option<u64>,
}

/// The presence of a session: all fields that changed since its counter was `base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresenceUpdate {
    pub(crate) session: u64,
    /// Grows with every change of the session's presence.
    pub(crate) counter: u64,
    /// 0: the update has all fields.
    pub(crate) base: u64,
    /// Empty unless `base` is 0.
    pub(crate) agent: String,
    /// Name, counter at its change, value (`None`: removed).
    pub(crate) fields: Vec<(String, u64, Option<String>)>,
}

/// A message that is not a fragment and carries no changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Hello(Hello),
    /// The hello of an incompatible version.
    Foreign {
        version: u32,
    },
    /// All events of the sender: send it those that it lacks. `reply`: send a summary back.
    Summary {
        reply: bool,
        summary: VersionSummary,
    },
    /// The sender has everything that the receiver announced.
    Synced,
    Ping(Check),
    Pong(Check),
    Goodbye,
    /// The sessions that the sender exchanges changes with directly.
    Neighbours(Vec<u64>),
    Presence(PresenceUpdate),
    /// The presence of a session ends at `counter`. Not `certain`: the link to it is lost.
    PresenceGone {
        session: u64,
        counter: u64,
        certain: bool,
    },
    /// Counters of all sessions whose presence the sender has.
    PresenceVector {
        reply: bool,
        counters: Vec<(u64, u64)>,
    },
    /// The number of events of the receiver's agent that the sender has: the first ones, without a
    /// gap.
    Receipt {
        events: u64,
    },
    /// Requests the digest of the event of the sender's agent that the receiver has under this seq.
    AskDigest {
        seq: u64,
    },
    /// The sender's digest of an event of the receiver's agent.
    Digest {
        seq: u64,
        digest: u64,
    },
    /// Others have an event of the receiver's agent under this seq.
    InUse {
        seq: u64,
    },
    /// From now on, the sender edits under another name than the one in its hello.
    Renamed {
        agent: String,
    },
    /// Of a kind that may be ignored.
    Unknown,
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Message::Hello(hello) => {
                out.push(kind::HELLO);
                push_varint(&mut out, u64::from(hello.version));
                push_varint(&mut out, u64::from(hello.oldest));
                push_varint(&mut out, hello.capabilities);
                out.push(u8::from(hello.answer));
                out.extend(hello.session.to_le_bytes());
                push_bytes(&mut out, hello.agent.as_bytes());
                push_summary(&mut out, &hello.summary);
            }
            Message::Foreign { version } => {
                out.push(kind::HELLO);
                push_varint(&mut out, u64::from(*version));
                push_varint(&mut out, u64::from(*version));
            }
            Message::Summary { reply, summary } => {
                out.extend([kind::SUMMARY, u8::from(*reply)]);
                push_summary(&mut out, summary);
            }
            Message::Synced => out.push(kind::SYNCED),
            Message::Ping(check) => push_check(&mut out, kind::PING, check),
            Message::Pong(check) => push_check(&mut out, kind::PONG, check),
            Message::Goodbye => out.push(kind::GOODBYE),
            Message::Neighbours(sessions) => {
                out.push(kind::NEIGHBOURS);
                push_varint(&mut out, sessions.len() as u64);
                sessions
                    .iter()
                    .for_each(|session| out.extend(session.to_le_bytes()));
            }
            Message::Presence(update) => push_presence(&mut out, update),
            Message::PresenceGone {
                session,
                counter,
                certain,
            } => {
                out.extend([kind::PRESENCE_GONE, u8::from(*certain)]);
                out.extend(session.to_le_bytes());
                push_varint(&mut out, *counter);
            }
            Message::PresenceVector { reply, counters } => {
                out.extend([kind::PRESENCE_VECTOR, u8::from(*reply)]);
                push_varint(&mut out, counters.len() as u64);
                for (session, counter) in counters {
                    out.extend(session.to_le_bytes());
                    push_varint(&mut out, *counter);
                }
            }
            Message::Receipt { events } => {
                out.push(kind::RECEIPT);
                push_varint(&mut out, *events);
            }
            Message::AskDigest { seq } => {
                out.push(kind::ASK_DIGEST);
                push_varint(&mut out, *seq);
            }
            Message::Digest { seq, digest } => {
                out.push(kind::DIGEST);
                push_varint(&mut out, *seq);
                out.extend(digest.to_le_bytes());
            }
            Message::InUse { seq } => {
                out.push(kind::IN_USE);
                push_varint(&mut out, *seq);
            }
            Message::Renamed { agent } => {
                out.push(kind::RENAMED);
                push_bytes(&mut out, agent.as_bytes());
            }
            Message::Unknown => out.push(kind::OPTIONAL),
        }
        out
    }

    /// Reads a message that begins with `first`; `body` is the rest.
    pub(crate) fn decode(first: u8, body: &[u8]) -> Result<Message, WireError> {
        let mut reader = Reader::new(body);
        let message = match first {
            // A later version may add to the end of a hello.
            kind::HELLO => return hello(&mut reader),
            kind::SUMMARY => Message::Summary {
                reply: flag(&mut reader)?,
                summary: reader.summary()?,
            },
            kind::SYNCED => Message::Synced,
            kind::PING => Message::Ping(check(&mut reader)?),
            kind::PONG => Message::Pong(check(&mut reader)?),
            kind::GOODBYE => Message::Goodbye,
            kind::NEIGHBOURS => {
                let count = reader.bounded("the number of neighbours", MAX_SESSIONS)?;
                let sessions = (0..count).map(|_| reader.fixed("a session"));
                Message::Neighbours(sessions.collect::<Result<_, _>>()?)
            }
            kind::PRESENCE => Message::Presence(presence(&mut reader)?),
            kind::PRESENCE_GONE => Message::PresenceGone {
                certain: flag(&mut reader)?,
                session: reader.fixed("a session")?,
                counter: reader.varint("a presence counter")?,
            },
            kind::PRESENCE_VECTOR => {
                let reply = flag(&mut reader)?;
                let count = reader.bounded("the number of sessions", MAX_SESSIONS)?;
                let counters = (0..count).map(|_| -> Result<_, WireError> {
                    Ok((
                        reader.fixed("a session")?,
                        reader.varint("a presence counter")?,
                    ))
                });
                Message::PresenceVector {
                    reply,
                    counters: counters.collect::<Result<_, _>>()?,
                }
            }
            kind::RECEIPT => Message::Receipt {
                events: reader.varint("a number of events")?,
            },
            kind::ASK_DIGEST => Message::AskDigest {
                seq: reader.varint("a sequence number")?,
            },
            kind::DIGEST => Message::Digest {
                seq: reader.varint("a sequence number")?,
                digest: reader.fixed("the digest of an event")?,
            },
            kind::IN_USE => Message::InUse {
                seq: reader.varint("a sequence number")?,
            },
            kind::RENAMED => Message::Renamed {
                agent: reader.agent()?.to_owned(),
            },
            kind::OPTIONAL.. => return Ok(Message::Unknown),
            _ => {
                let what = "the kind of message";
                return Err(WireError::Invalid {
                    what,
                    found: u64::from(first),
                });
            }
        };
        reader.end()?;
        Ok(message)
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, WireError> {
    let what = "a flag";
    match reader.byte(what)? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(WireError::Invalid {
            what,
            found: u64::from(found),
        }),
    }
}

fn hello(reader: &mut Reader<'_>) -> Result<Message, WireError> {
    let version = reader.small("the protocol version")?;
    let oldest = reader.small("the oldest protocol version")?;
    if version < OLDEST || oldest > VERSION {
        return Ok(Message::Foreign { version });
    }
    Ok(Message::Hello(Hello {
        version,
        oldest,
        capabilities: reader.varint("the capabilities")?,
        answer: flag(reader)?,
        session: reader.fixed("a session")?,
        agent: reader.agent()?.to_owned(),
        summary: reader.summary()?,
    }))
}

fn push_check(out: &mut Vec<u8>, kind: u8, check: &Check) {
    out.push(kind);
    push_varint(out, check.nonce);
    out.extend(check.version.to_le_bytes());
    out.extend(check.presence.to_le_bytes());
    out.extend(check.text.into_iter().flat_map(u64::to_le_bytes));
}

fn check(reader: &mut Reader<'_>) -> Result<Check, WireError> {
    Ok(Check {
        nonce: reader.varint("a nonce")?,
        version: reader.fixed("the hash of a version")?,
        presence: reader.fixed("the hash of the presence")?,
        text: match reader.is_empty() {
            true => None,
            false => Some(reader.fixed("the hash of a text")?),
        },
    })
}

fn push_presence(out: &mut Vec<u8>, update: &PresenceUpdate) {
    out.push(kind::PRESENCE);
    out.extend(update.session.to_le_bytes());
    push_varint(out, update.counter);
    push_varint(out, update.base);
    if update.base == 0 {
        push_bytes(out, update.agent.as_bytes());
    }
    for (name, counter, value) in &update.fields {
        push_bytes(out, name.as_bytes());
        push_varint(out, update.counter.saturating_sub(*counter));
        match value {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                push_bytes(out, value.as_bytes());
            }
        }
    }
}

fn presence(reader: &mut Reader<'_>) -> Result<PresenceUpdate, WireError> {
    let session = reader.fixed("a session")?;
    let counter = reader.varint("a presence counter")?;
    let base = reader.varint("a presence counter")?;
    let agent = if base == 0 {
        reader.agent()?.to_owned()
    } else {
        String::new()
    };
    let mut fields = Vec::new();
    while !reader.is_empty() {
        let name = reader
            .text("the name of a presence field", MAX_FIELD_NAME)?
            .to_owned();
        let what = "the age of a presence field";
        let age = reader.bounded(what, counter)?;
        let value = match flag(reader)? {
            true => Some(reader.text("a presence field", MAX_FIELD_VALUE)?.to_owned()),
            false => None,
        };
        fields.push((name, counter - age, value));
    }
    Ok(PresenceUpdate {
        session,
        counter,
        base,
        agent,
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Message> {
        let mut summary = VersionSummary::new();
        summary.insert("zoë", 5..900);
        let check = Check {
            nonce: 300,
            version: 1,
            presence: u64::MAX,
            text: Some(7),
        };
        let fields = vec![
            ("name".to_owned(), 3, Some("\"Zoë\"".to_owned())),
            ("cursor".to_owned(), 9, None),
        ];
        vec![
            Message::Hello(Hello {
                version: VERSION,
                oldest: OLDEST,
                capabilities: 0,
                answer: true,
                session: 77,
                agent: "zoë".to_owned(),
                summary: summary.clone(),
            }),
            Message::Summary {
                reply: true,
                summary,
            },
            Message::Synced,
            Message::Ping(check),
            Message::Pong(Check {
                text: None,
                ..check
            }),
            Message::Goodbye,
            Message::Receipt { events: 0 },
            Message::AskDigest { seq: 300 },
            Message::InUse { seq: 300 },
            Message::Digest {
                seq: 7,
                digest: u64::MAX,
            },
            Message::Renamed {
                agent: "zoë".to_owned(),
            },
            Message::Receipt { events: u64::MAX },
            Message::Neighbours(vec![1, u64::MAX]),
            Message::Presence(PresenceUpdate {
                session: 5,
                counter: 9,
                base: 0,
                agent: "zoë".to_owned(),
                fields: fields.clone(),
            }),
            Message::Presence(PresenceUpdate {
                session: 5,
                counter: 9,
                base: 2,
                agent: String::new(),
                fields,
            }),
            Message::PresenceGone {
                session: 4,
                counter: 300,
                certain: false,
            },
            Message::PresenceVector {
                reply: false,
                counters: vec![(1, 2), (3, 400)],
            },
        ]
    }

    #[test]
    fn messages_round_trip() {
        for message in samples() {
            let bytes = message.encode();
            assert_eq!(Message::decode(bytes[0], &bytes[1..]), Ok(message));
        }
    }

    #[test]
    fn a_truncated_message_is_refused_or_valid_itself() {
        for message in samples() {
            let bytes = message.encode();
            for cut in 1..bytes.len() {
                // A heartbeat without the text's hash, and presence without its last fields, are
                // whole messages too; nothing else is.
                match Message::decode(bytes[0], &bytes[1..cut]) {
                    Ok(Message::Ping(check)) => assert_eq!(check.text, None),
                    Ok(Message::Presence(update)) => assert!(update.fields.len() < 2),
                    Ok(other) => panic!("{message:?} cut to {cut} is {other:?}"),
                    Err(error) => assert!(!error.code().is_empty()),
                }
            }
        }
    }

    #[test]
    fn a_longer_message_is_refused_but_for_the_hello() {
        for message in samples() {
            let mut bytes = message.encode();
            bytes.push(0);
            let read = Message::decode(bytes[0], &bytes[1..]);
            match message {
                Message::Hello(_) => assert_eq!(read, Ok(message)),
                _ => assert!(read.is_err(), "{message:?}"),
            }
        }
    }

    #[test]
    fn a_later_version_is_recognised_by_its_first_numbers() {
        assert_eq!(
            Message::decode(kind::HELLO, &[9, 8]),
            Ok(Message::Foreign { version: 9 })
        );
        assert_eq!(
            Message::decode(kind::HELLO, &[0, 0]),
            Ok(Message::Foreign { version: 0 })
        );
    }

    #[test]
    fn unknown_kinds_are_ignored_or_refused() {
        for kind in [kind::OPTIONAL, kind::INTRODUCTION, 0xff] {
            assert_eq!(Message::decode(kind, &[1, 2, 3]), Ok(Message::Unknown));
        }
        assert!(matches!(
            Message::decode(0x3f, &[]),
            Err(WireError::Invalid { found: 0x3f, .. })
        ));
    }
}
