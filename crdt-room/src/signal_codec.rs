//! Signals of the negotiation as messages of the signaling protocol, and back.
//!
//! The contract's message has a description or a candidate; what the negotiation says beside it
//! (which page load and connection it is from and for, and how descriptions are numbered) travels
//! in the field `session`, which other clients ignore:
//! `<from>.<connection>/<to>.<connection>/<number>/<answers>`.

use crdt_sync::negotiation::{Description, Origin, Signal};
use serde::{Deserialize, Serialize};
use signaling_protocol::{AgentId, OpaqueJson, SignalKind};

/// An RTCSessionDescription. The `type` says again what the message's own says.
#[derive(Deserialize)]
struct ReadDescription {
    sdp: String,
}

#[derive(Serialize)]
struct WrittenDescription<'a> {
    r#type: &'static str,
    sdp: &'a str,
}

/// The message for a signal; `None` for a candidate that is no JSON, which a browser never makes.
pub fn write(signal: &Signal, from: AgentId, to: AgentId) -> Option<signaling_protocol::Signal> {
    let (kind, body, session) = match signal {
        Signal::Description {
            from,
            to,
            number,
            answers,
            description,
        } => {
            let (kind, sdp) = match description {
                Description::Offer(sdp) => (SignalKind::Offer, sdp),
                Description::Answer(sdp) => (SignalKind::Answer, sdp),
            };
            let body = WrittenDescription {
                r#type: kind.type_name(),
                sdp,
            };
            (
                kind,
                serde_json::to_string(&body).ok()?,
                [
                    text(from),
                    text(to),
                    number.to_string(),
                    answers.to_string(),
                ],
            )
        }
        Signal::Candidate {
            from,
            to,
            number,
            candidate,
        } => (
            SignalKind::IceCandidate,
            candidate.clone(),
            [text(from), text(to), number.to_string(), "0".to_owned()],
        ),
    };
    Some(signaling_protocol::Signal {
        kind,
        to,
        from: Some(from),
        body: OpaqueJson::parse(&body).ok()?,
        session: Some(session.join("/")),
    })
}

/// The signal in a message; `None` where it holds nothing for us: a description without text, or
/// the mark that there are no more candidates.
pub fn read(message: &signaling_protocol::Signal) -> Option<Signal> {
    let mut parts = message.session.as_deref().unwrap_or_default().split('/');
    let from = origin(parts.next());
    let to = origin(parts.next());
    let mut count = || {
        parts
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    };
    let (number, answers) = (count(), count());
    let body = message.body.as_str();
    let sdp = || {
        serde_json::from_str::<ReadDescription>(body)
            .ok()
            .map(|read| read.sdp)
    };
    let description = match message.kind {
        SignalKind::Offer => Description::Offer(sdp()?),
        SignalKind::Answer => Description::Answer(sdp()?),
        SignalKind::IceCandidate if body == "null" => return None,
        SignalKind::IceCandidate => {
            return Some(Signal::Candidate {
                from,
                to,
                number,
                candidate: body.to_owned(),
            });
        }
    };
    Some(Signal::Description {
        from,
        to,
        number,
        answers,
        description,
    })
}

fn text(origin: &Origin) -> String {
    format!("{}.{}", origin.session, origin.connection)
}

fn origin(text: Option<&str>) -> Origin {
    text.and_then(|text| text.rsplit_once('.'))
        .and_then(|(session, connection)| {
            Some(Origin {
                session: session.to_owned(),
                connection: connection.parse().ok()?,
            })
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AgentId {
        AgentId::parse(name).expect("a valid id")
    }

    fn ends() -> (Origin, Origin) {
        let from = Origin {
            session: "0123456789abcdef-1".to_owned(),
            connection: 3,
        };
        let to = Origin {
            session: "fedcba9876543210-12".to_owned(),
            connection: u32::MAX,
        };
        (from, to)
    }

    #[test]
    fn signals_round_trip() {
        let (from, to) = ends();
        let sdp = "v=0\r\no=- \"quoted\" \u{1f98a}\r\n".to_owned();
        let signals = [
            Signal::Description {
                from: from.clone(),
                to: Origin::default(),
                number: 1,
                answers: 0,
                description: Description::Offer(sdp.clone()),
            },
            Signal::Description {
                from: from.clone(),
                to: to.clone(),
                number: 4,
                answers: 7,
                description: Description::Answer(sdp),
            },
            Signal::Candidate {
                from,
                to,
                number: 2,
                candidate: r#"{"candidate":"","sdpMid":"0"}"#.to_owned(),
            },
        ];
        for signal in signals {
            let message = write(&signal, id("alice"), id("bob")).expect("the body is JSON");
            assert_eq!(read(&message), Some(signal));
        }
    }

    #[test]
    fn a_client_of_the_bare_contract_is_understood() {
        let message = |kind, body: &str, session: Option<&str>| signaling_protocol::Signal {
            kind,
            to: id("alice"),
            from: Some(id("bob")),
            body: OpaqueJson::parse(body).expect("JSON"),
            session: session.map(str::to_owned),
        };
        let offer = |session| {
            read(&message(
                SignalKind::Offer,
                r#"{"type":"offer","sdp":"v=0"}"#,
                session,
            ))
        };
        let expected = Signal::Description {
            from: Origin::default(),
            to: Origin::default(),
            number: 0,
            answers: 0,
            description: Description::Offer("v=0".to_owned()),
        };
        for session in [
            None,
            Some(""),
            Some("theirs"),
            Some("/"),
            Some("a.b/c.d/e/f"),
        ] {
            assert_eq!(offer(session), Some(expected.clone()), "{session:?}");
        }
        assert_eq!(read(&message(SignalKind::IceCandidate, "null", None)), None);
        for body in ["7", "{}", r#"{"sdp":5}"#, r#"{"type":"offer"}"#] {
            assert_eq!(
                read(&message(SignalKind::Answer, body, None)),
                None,
                "{body}"
            );
        }
    }
}
