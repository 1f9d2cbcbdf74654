//! Offers, answers and candidates of rooms with a key, which are sealed on their way through the
//! signaling server.
//!
//! A description contains the fingerprint of the connection's certificate. Sealing it with the
//! room's key authenticates the connection: the server can neither read the addresses of members,
//! nor insert itself between two members, and a page without the key gets no connection. Members
//! that may write also sign the descriptions, which proves that the connection leads to a writer.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_sync::{Millis, SortedMap, SortedSet};
use serde::{Deserialize, Serialize};
use signaling_protocol::{AgentId, OpaqueJson, Signal, SignalKind};

use crate::cipher_jobs::CipherJobs;
use crate::ids::Purpose;
use crate::input::CipherEvent;
use crate::output::Output;
use crate::parties::Parties;

/// The capability of a page that seals its signals, and accepts only sealed ones.
pub(crate) const CAPABILITY: &str = "sealed";

/// The most signals that wait to be sealed or opened. A negotiation repeats lost signals.
const MAX_WAITING: usize = 1024;

/// The most bytes of signals that wait to be opened.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// The time without a readable signal after which a member counts as having another key. Signals
/// that were sealed for an earlier page load cannot be opened either, but they end soon.
const STRANGER_MILLIS: Millis = 3_000;

/// Everything about signals that wait for the cipher.
#[derive(Debug, Default)]
pub(crate) struct SealedSignals {
    outbox: VecDeque<Signal>,
    inbox: VecDeque<(AgentId, Signal)>,
    inbox_bytes: usize,
    /// The signal that is sealed, and the one that is opened with its sender.
    jobs: CipherJobs<Signal, (AgentId, Signal)>,
    /// Members whose page has signed a description. Later unsigned descriptions are dropped.
    writers: SortedSet<AgentId>,
    /// Members whose signals do not open.
    failures: SortedMap<AgentId, Failure>,
}

/// The signals of a member do not open.
#[derive(Debug, Clone, Copy)]
struct Failure {
    since: Millis,
    /// When the member was last sent a signal that lets it detect that, too.
    told_at: Millis,
    /// It lasted so long that the member counts as having another key.
    is_stranger: bool,
}

/// The result for a signal.
#[derive(Debug, PartialEq)]
pub(crate) enum SignalAction {
    /// Send it: it is sealed.
    Send(Signal),
    /// Take it: it was opened.
    Take {
        from: AgentId,
        signal: Signal,
        /// Its sender may write: it is signed.
        is_signed: bool,
    },
    /// It does not open, for the first time: its sender has another key.
    Stranger(AgentId),
}

/// The body of a sealed signal, in base64.
#[derive(Serialize, Deserialize)]
struct Sealed {
    sealed: String,
}

impl SealedSignals {
    /// Forgets everything but the numbers of jobs.
    pub(crate) fn clear(&mut self) {
        *self = SealedSignals {
            jobs: self.jobs.afresh(),
            ..SealedSignals::default()
        };
    }

    /// Forgets the state of a member.
    pub(crate) fn forget(&mut self, id: &AgentId) {
        self.failures.remove(id);
        self.writers.remove(id);
    }

    /// Whether a member has another key: its messages cannot be opened.
    pub(crate) fn is_stranger(&self, id: &AgentId) -> bool {
        self.failures
            .get(id)
            .is_some_and(|failure| failure.is_stranger)
    }

    /// Queues a signal to be sealed and sent.
    pub(crate) fn send(&mut self, signal: Signal) {
        if self.outbox.len() < MAX_WAITING {
            self.outbox.push_back(signal);
        }
    }

    /// A signal came from a member. One that is not sealed is dropped.
    pub(crate) fn receive(&mut self, from: AgentId, signal: Signal) {
        let bytes = self.inbox_bytes.saturating_add(signal.body.as_str().len());
        if self.inbox.len() < MAX_WAITING && bytes <= MAX_WAITING_BYTES {
            self.inbox_bytes = bytes;
            self.inbox.push_back((from, signal));
        }
    }

    /// Takes what the cipher reports.
    pub(crate) fn handle(&mut self, event: CipherEvent, now: Millis) -> Option<SignalAction> {
        match event {
            CipherEvent::Sealed { job, result, .. } => {
                let signal = self.jobs.sealed(job)?;
                // A signal that cannot be sealed is lost; the negotiation repeats it.
                let sealed = BASE64.encode(result.ok()?);
                let body = serde_json::to_string(&Sealed { sealed }).ok()?;
                Some(SignalAction::Send(Signal {
                    body: OpaqueJson::parse(&body).ok()?,
                    session: None,
                    ..signal
                }))
            }
            CipherEvent::Opened {
                job,
                plain,
                is_signed,
                ..
            } => {
                let (from, signal) = self.jobs.opened(job)?;
                let opened = plain.as_deref().and_then(read);
                let Some((session, body)) = opened else {
                    return self.failed(from, now);
                };
                self.failures.remove(&from);
                if is_signed {
                    self.writers.insert(from.clone());
                } else if is_description(signal.kind) && self.writers.contains(&from) {
                    return None;
                }
                let session = Some(session.to_owned());
                let signal = Signal {
                    body,
                    session,
                    ..signal
                };
                Some(SignalAction::Take {
                    from,
                    signal,
                    is_signed,
                })
            }
            CipherEvent::Ready { .. }
            | CipherEvent::Unavailable { .. }
            | CipherEvent::Agreed { .. } => None,
        }
    }

    /// Starts sealing and opening the next signals.
    pub(crate) fn advance(&mut self, parties: &Parties<'_>) -> Vec<Output> {
        let sealing = self.seal_next(parties);
        let opening = self.open_next(parties);
        sealing.into_iter().chain(opening).collect()
    }

    /// A signal of a member cannot be opened. Returns whether the member now counts as having
    /// another key.
    fn failed(&mut self, from: AgentId, now: Millis) -> Option<SignalAction> {
        let known = self.failures.get(&from).copied();
        let mut failure = known.unwrap_or(Failure {
            since: now,
            told_at: now,
            is_stranger: false,
        });
        let is_long = |since: Millis| now.saturating_sub(since) >= STRANGER_MILLIS;
        if known.is_none() || is_long(failure.told_at) {
            failure.told_at = now;
            self.send(key_check(&from));
        }
        let is_news = !failure.is_stranger && is_long(failure.since);
        failure.is_stranger |= is_news;
        self.failures.insert(from.clone(), failure);
        is_news.then_some(SignalAction::Stranger(from))
    }

    fn seal_next(&mut self, parties: &Parties<'_>) -> Option<Output> {
        while self.jobs.can_seal() {
            let signal = self.outbox.pop_front()?;
            // A member that left meanwhile, or names no page, gets nothing.
            let Some(page) = (parties.page_of)(&signal.to) else {
                continue;
            };
            let context = context(signal.kind, (parties.me, parties.page), (&signal.to, page));
            let session = signal.session.as_deref().unwrap_or_default();
            let plain = format!("{session}\n{}", signal.body.as_str()).into_bytes();
            let sign = is_description(signal.kind);
            let seal = self
                .jobs
                .seal(Purpose::Signal, signal, plain, context, sign);
            return Some(seal);
        }
        None
    }

    fn open_next(&mut self, parties: &Parties<'_>) -> Option<Output> {
        while self.jobs.can_open() {
            let (from, signal) = self.inbox.pop_front()?;
            let length = signal.body.as_str().len();
            self.inbox_bytes = self.inbox_bytes.saturating_sub(length);
            let sealed = serde_json::from_str::<Sealed>(signal.body.as_str()).ok();
            let page = (parties.page_of)(&from);
            let (Some(Sealed { sealed }), Some(page)) = (sealed, page) else {
                continue;
            };
            let context = context(signal.kind, (&from, page), (parties.me, parties.page));
            let message = (from, signal);
            // Invalid base64 cannot be opened either.
            let sealed = BASE64.decode(sealed).unwrap_or_default();
            return Some(self.jobs.open(Purpose::Signal, message, sealed, context));
        }
        None
    }
}

/// Whether a signal names the certificate of a connection, and is signed by a member that may write.
fn is_description(kind: SignalKind) -> bool {
    matches!(kind, SignalKind::Offer | SignalKind::Answer)
}

/// A signal that says nothing. A member that cannot open it finds out that the keys differ.
fn key_check(to: &AgentId) -> Signal {
    Signal {
        kind: SignalKind::IceCandidate,
        to: to.clone(),
        from: None,
        body: OpaqueJson::from(serde_json::value::RawValue::NULL),
        session: None,
    }
}

/// The session and the body in an opened signal.
fn read(plain: &[u8]) -> Option<(&str, OpaqueJson)> {
    let text = std::str::from_utf8(plain).ok()?;
    let (session, body) = text.split_once('\n')?;
    Some((session, OpaqueJson::parse(body).ok()?))
}

/// What a sealed signal is bound to: its kind, and its ends with their pages. So the server can neither
/// turn it to another member, nor use it again for another page load.
fn context(kind: SignalKind, from: (&AgentId, u64), to: (&AgentId, u64)) -> String {
    let ((from, from_page), (to, to_page)) = (from, to);
    let kind = kind.type_name();
    format!("{kind}\n{from}\n{from_page:016x}\n{to}\n{to_page:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::CipherCommand;

    fn id(name: &str) -> AgentId {
        AgentId::parse(name).expect("a valid id")
    }

    fn offer() -> Signal {
        Signal {
            kind: SignalKind::Offer,
            to: id("bob"),
            from: Some(id("ann")),
            body: OpaqueJson::parse(r#"{"type":"offer","sdp":"v=0"}"#).expect("JSON"),
            session: Some("1.1/.0/1/0".to_owned()),
        }
    }

    /// What the cipher was asked to do: the number of the job, the text and the context.
    fn asked(outputs: Vec<Output>) -> (u32, String, String) {
        match outputs.into_iter().next() {
            Some(Output::Cipher(CipherCommand::Seal {
                job,
                plain,
                context,
                ..
            })) => (job, String::from_utf8(plain).expect("text"), context),
            Some(Output::Cipher(CipherCommand::Open {
                job,
                sealed,
                context,
                ..
            })) => (job, String::from_utf8(sealed).expect("text"), context),
            other => panic!("the cipher was asked nothing: {other:?}"),
        }
    }

    fn seal(signals: &mut SealedSignals) -> (Signal, String, String) {
        let (me, page_of) = (id("ann"), |_: &AgentId| Some(2));
        let parties = Parties {
            me: &me,
            page: 1,
            page_of: &page_of,
        };
        signals.send(offer());
        let (job, plain, context) = asked(signals.advance(&parties));
        let result = Ok(b"sealed".to_vec());
        let purpose = Purpose::Signal;
        let sealed = signals.handle(
            CipherEvent::Sealed {
                purpose,
                job,
                result,
            },
            0,
        );
        let Some(SignalAction::Send(sealed)) = sealed else {
            panic!("{sealed:?}");
        };
        (sealed, plain, context)
    }

    #[test]
    fn a_signal_round_trips_and_is_unreadable_on_the_way() {
        let (sealed, plain, context) = seal(&mut SealedSignals::default());
        assert_eq!(sealed.body.as_str(), r#"{"sealed":"c2VhbGVk"}"#);
        assert_eq!(
            (sealed.kind, sealed.session.as_deref()),
            (SignalKind::Offer, None)
        );

        let mut bob = SealedSignals::default();
        let (me, page_of) = (id("bob"), |_: &AgentId| Some(1));
        let parties = Parties {
            me: &me,
            page: 2,
            page_of: &page_of,
        };
        bob.receive(id("ann"), sealed);
        let (job, payload, opening) = asked(bob.advance(&parties));
        assert_eq!((payload.as_str(), opening), ("sealed", context));
        let (purpose, plain) = (Purpose::Signal, Some(plain.into_bytes()));
        let taken = bob.handle(
            CipherEvent::Opened {
                purpose,
                job,
                plain,
                is_signed: true,
            },
            0,
        );
        let (from, signal, is_signed) = (id("ann"), offer(), true);
        let expected = SignalAction::Take {
            from,
            signal,
            is_signed,
        };
        assert_eq!(taken, Some(expected));
    }

    #[test]
    fn unsealed_signals_are_dropped_and_another_key_is_detected() {
        let mut bob = SealedSignals::default();
        let (me, page_of) = (id("bob"), |_: &AgentId| Some(1));
        let parties = Parties {
            me: &me,
            page: 2,
            page_of: &page_of,
        };
        bob.receive(id("mallory"), offer());
        assert_eq!(bob.advance(&parties), []);

        let (sealed, ..) = seal(&mut SealedSignals::default());
        // A signal of ann does not open. Returns the news, and whether ann is sent one as well.
        let mut fails_at = |now| {
            bob.receive(id("ann"), sealed.clone());
            let (job, ..) = asked(bob.advance(&parties));
            let (purpose, plain) = (Purpose::Signal, None);
            let opened = CipherEvent::Opened {
                purpose,
                job,
                plain,
                is_signed: false,
            };
            let news = bob.handle(opened, now);
            let answers = !bob.outbox.is_empty();
            bob.outbox.clear();
            (news, answers)
        };
        assert_eq!(fails_at(0), (None, true), "ann finds out as well");
        assert_eq!(fails_at(STRANGER_MILLIS - 1), (None, false));
        let stranger = Some(SignalAction::Stranger(id("ann")));
        assert_eq!(fails_at(STRANGER_MILLIS), (stranger, true));
        assert_eq!(
            fails_at(STRANGER_MILLIS + 1),
            (None, false),
            "that is known"
        );
        assert!(bob.is_stranger(&id("ann")));
        bob.forget(&id("ann"));
        assert!(!bob.is_stranger(&id("ann")));
    }

    #[test]
    fn unsigned_descriptions_of_a_writer_are_dropped() {
        let mut bob = SealedSignals::default();
        let (me, page_of) = (id("bob"), |_: &AgentId| Some(1));
        let parties = Parties {
            me: &me,
            page: 2,
            page_of: &page_of,
        };
        let (sealed, plain, _) = seal(&mut SealedSignals::default());
        let candidate = Signal {
            kind: SignalKind::IceCandidate,
            ..sealed.clone()
        };
        let mut takes = |signal: &Signal, is_signed| {
            bob.receive(id("ann"), signal.clone());
            let (job, ..) = asked(bob.advance(&parties));
            let (purpose, plain) = (Purpose::Signal, Some(plain.clone().into_bytes()));
            let opened = CipherEvent::Opened {
                purpose,
                job,
                plain,
                is_signed,
            };
            bob.handle(opened, 0).is_some()
        };
        assert!(takes(&sealed, false), "a read-only member");
        assert!(takes(&sealed, true));
        assert!(!takes(&sealed, false), "somebody else");
        assert!(takes(&candidate, false));
        bob.forget(&id("ann"));
        assert!(!bob.writers.contains(&id("ann")));
    }

    #[test]
    fn waiting_signals_are_bounded() {
        let mut signals = SealedSignals::default();
        for _ in 0..2 * MAX_WAITING {
            signals.send(offer());
            signals.receive(id("ann"), offer());
        }
        assert_eq!(
            (signals.outbox.len(), signals.inbox.len()),
            (MAX_WAITING, MAX_WAITING)
        );
    }
}
