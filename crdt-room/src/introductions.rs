//! The proofs that both ends of a link exchange, in a room with a key, before any other message.
//!
//! Direct connections do not need proofs: their sealed and signed descriptions authenticate them.
//! On any other link each end sends a nonce, and a proof that is bound to the nonces of both ends:
//! it is sealed with the room's key, which shows that the sender has it, and signed by members that
//! may write. If the members at the ends are known, the proof is bound to them and their page loads
//! as well, so that it cannot be used for another member. Until the proof of the other end has
//! arrived, messages on the link wait, and the engine does not know the link.
//!
//! A proof also names the public value of its sender for agreeing on a key (elliptic-curve
//! Diffie-Hellman), which is new with each page load. With both proofs the ends agree on a key for
//! the link that no third party has; `sealed_links` uses it for all later messages.

use std::collections::VecDeque;
use std::fmt;

use crdt_sync::{INTRODUCTION, LinkId, Millis, Outgoing, SortedMap};
use signaling_protocol::AgentId;

use crate::cipher_jobs::CipherJobs;
use crate::ids::{LinkKey, Purpose};
use crate::input::CipherEvent;
use crate::output::{CipherCommand, Output};
use crate::sealed_links::Agreement;

/// Flags: the message holds a proof; the proof of the other end has come.
const HAS_PROOF: u8 = 1;
const HAS_YOURS: u8 = 2;

/// The length of a nonce, in bytes.
const NONCE: usize = 12;

/// The time to wait for a proof before asking again, which doubles, and the number of attempts.
/// Then the link is closed.
const REPEAT_MILLIS: Millis = 1_000;
const MAX_REPEATS: u32 = 4;

/// A proof that was sent a shorter time ago may still be in transit.
const UNDER_WAY_MILLIS: Millis = 500;

/// The number of unanswered repeats after which the status reports that the other end has not
/// proved anything.
const PATIENCE: u32 = 2;

/// The most messages of the engine, and their bytes, that wait for the proof of a link. Further
/// messages are lost, and the engine requests them again.
const MAX_HELD: usize = 64;
const MAX_HELD_BYTES: usize = 256 << 10;

/// The links on which proofs are exchanged, or were.
#[derive(Debug, Default)]
pub(crate) struct Introductions {
    all: SortedMap<LinkId, Introduction>,
    /// The local public value for agreeing on keys.
    exchange: Vec<u8>,
    last_key: u32,
    /// Links for which a proof has to be made.
    to_prove: VecDeque<LinkId>,
    /// Links with a received proof.
    to_check: VecDeque<(LinkId, Nonce, Vec<u8>)>,
    /// The link and the other end's nonce of the current proof.
    jobs: CipherJobs<(LinkId, Nonce), (LinkId, Nonce)>,
}

/// One link.
#[derive(Debug)]
struct Introduction {
    /// The member at the other end and its page, where they are known.
    peer: Option<(AgentId, u64)>,
    mine: Nonce,
    theirs: Option<Nonce>,
    proven: Option<Proof>,
    /// A proof for the present number of the other end waits to be made.
    is_queued: bool,
    /// When the local proof for the other end's current nonce was last sent.
    said_at: Option<Millis>,
    /// The key that the ends agree on, or have agreed on.
    key: Option<LinkKey>,
    /// The engine knows of the link.
    is_up: bool,
    /// The proof of the other end cannot be decrypted.
    has_failed: bool,
    repeat_at: Option<Millis>,
    repeats: u32,
    held: Vec<Outgoing>,
    held_bytes: usize,
}

/// The other end has proved that it has the room's key.
#[derive(Debug)]
struct Proof {
    /// It may write as well.
    is_writer: bool,
    /// Its public value for agreeing on keys.
    exchange: Vec<u8>,
}

/// A nonce of an end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nonce {
    page: u64,
    link: u32,
}

/// An action for a link.
#[derive(Debug, PartialEq)]
pub(crate) enum IntroductionAction {
    Do(Output),
    /// Send this by the link.
    Say(LinkId, Vec<u8>),
    /// Everything is proved.
    Up {
        link: LinkId,
        /// The other end may write.
        is_writer: bool,
        agreement: Agreement,
        /// The messages that waited, for the engine.
        held: Vec<Outgoing>,
    },
    /// No proof came: the link is not useful.
    GiveUp(LinkId),
    /// The other end began anew: the engine is to forget the link, until that is proved as well.
    Down(LinkId),
}

/// The handling of a received message.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    /// It is for the engine.
    Pass(Outgoing),
    /// It was taken.
    Taken(Vec<IntroductionAction>),
}

impl Introductions {
    /// Forgets everything but the numbers of jobs.
    pub(crate) fn clear(&mut self) {
        *self = Introductions {
            last_key: self.last_key,
            jobs: self.jobs.afresh(),
            ..Introductions::default()
        };
    }

    /// The cipher has our public value for agreeing on keys.
    pub(crate) fn ready(&mut self, exchange: Vec<u8>) {
        self.exchange = exchange;
    }

    /// Begins the proofs on a new link of this page load. `peer`: the member at the other end with
    /// its page load, if known.
    pub(crate) fn begin(
        &mut self,
        link: LinkId,
        page: u64,
        peer: Option<(AgentId, u64)>,
        now: Millis,
    ) -> IntroductionAction {
        let introduction = Introduction {
            peer,
            mine: Nonce { page, link: link.0 },
            theirs: None,
            proven: None,
            is_queued: false,
            said_at: None,
            key: None,
            is_up: false,
            has_failed: false,
            repeat_at: Some(now.saturating_add(REPEAT_MILLIS)),
            repeats: 0,
            held: Vec::new(),
            held_bytes: 0,
        };
        let question = introduction.message(None);
        self.all.insert(link, introduction);
        IntroductionAction::Say(link, question)
    }

    /// A link is gone.
    pub(crate) fn forget(&mut self, link: LinkId) -> Option<Output> {
        let key = self.all.remove(&link)?.key?;
        Some(discard(key))
    }

    /// Whether proofs are still missing on a link.
    pub(crate) fn is_pending(&self, link: LinkId) -> bool {
        self.all.get(&link).is_some_and(|of| !of.is_up)
    }

    /// The reason why a link cannot be used.
    pub(crate) fn problem(&self, link: LinkId) -> Option<&'static str> {
        let introduction = self.all.get(&link).filter(|of| !of.is_up)?;
        if introduction.has_failed {
            Some(
                "what the other end sent does not open with the key here: it has another key, or opened another \
                 room, or something changed it on the way",
            )
        } else if introduction.repeats >= PATIENCE {
            Some("the other end has not proved that it has this room's key")
        } else {
            None
        }
    }

    /// Takes a message that came by a link.
    pub(crate) fn receive(&mut self, link: LinkId, message: Outgoing, now: Millis) -> Received {
        let Some(introduction) = self.all.get_mut(&link) else {
            return Received::Pass(message);
        };
        match &message {
            Outgoing::Binary(bytes) if bytes.first() == Some(&INTRODUCTION) => {
                let read = Message::read(bytes);
                let taken = read.map(|read| self.take(link, read, now));
                Received::Taken(taken.into_iter().flatten().collect())
            }
            _ if introduction.is_up => Received::Pass(message),
            _ => {
                introduction.hold(message);
                Received::Taken(Vec::new())
            }
        }
    }

    /// Takes what the cipher reports.
    pub(crate) fn handle_cipher(
        &mut self,
        event: CipherEvent,
        now: Millis,
    ) -> Vec<IntroductionAction> {
        match event {
            CipherEvent::Sealed { job, result, .. } => {
                let ended = self.jobs.sealed(job);
                // A proof that cannot be made is tried again when the other end asks.
                let proof = ended.zip(result.ok());
                proof.map_or_else(Vec::new, |((link, theirs), sealed)| {
                    self.say_proof(link, theirs, &sealed, now)
                })
            }
            CipherEvent::Opened {
                job,
                plain,
                is_signed,
                ..
            } => {
                let Some((link, theirs)) = self.jobs.opened(job) else {
                    return Vec::new();
                };
                let proof = plain.map(|exchange| Proof {
                    is_writer: is_signed,
                    exchange,
                });
                self.checked(link, theirs, proof)
            }
            CipherEvent::Agreed { key, result } => self.agreed(key, result.is_ok()),
            CipherEvent::Ready { .. } | CipherEvent::Unavailable { .. } => Vec::new(),
        }
    }

    /// Starts making and checking the next proofs. `me`, `page`: this member with its page load.
    pub(crate) fn advance(&mut self, me: &AgentId, page: u64) -> Vec<Output> {
        let proving = self.prove_next(me, page);
        let checking = self.check_next(me, page);
        proving.into_iter().chain(checking).collect()
    }

    /// Asks again if no proof has arrived, and eventually gives up.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<IntroductionAction> {
        let mut actions = Vec::new();
        for (link, introduction) in self.all.iter_mut() {
            if introduction.repeat_at.is_none_or(|at| at > now) {
                continue;
            }
            if introduction.repeats == MAX_REPEATS {
                introduction.repeat_at = None;
                actions.push(IntroductionAction::GiveUp(*link));
                continue;
            }
            introduction.repeats += 1;
            let wait = REPEAT_MILLIS << introduction.repeats;
            introduction.repeat_at = Some(now.saturating_add(wait));
            if introduction.theirs.is_none() {
                let question = introduction.message(None);
                actions.push(IntroductionAction::Say(*link, question));
            } else if !introduction.is_queued {
                introduction.is_queued = true;
                self.to_prove.push_back(*link);
            }
        }
        actions
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.all.values().filter_map(|of| of.repeat_at).min()
    }

    fn take(&mut self, link: LinkId, message: Message<'_>, now: Millis) -> Vec<IntroductionAction> {
        let mut actions = Vec::new();
        let Some(introduction) = self.all.get_mut(&link) else {
            return actions;
        };
        let page = introduction.peer.as_ref().map(|(_, page)| *page);
        let is_other = page.is_some_and(|page| page != message.nonce.page);
        // A message with the local nonce is an echo.
        if is_other || message.nonce == introduction.mine {
            return actions;
        }
        if introduction.theirs != Some(message.nonce) {
            if std::mem::take(&mut introduction.is_up) {
                actions.push(IntroductionAction::Down(link));
            }
            let key = introduction.key.take();
            actions.extend(key.map(|key| IntroductionAction::Do(discard(key))));
            introduction.begin_anew(message.nonce, now);
            introduction.queue(&mut self.to_prove, link);
        } else if !message.has_ours {
            let is_lost = |at: Millis| now >= at.saturating_add(UNDER_WAY_MILLIS);
            if introduction.said_at.is_some_and(is_lost) {
                introduction.queue(&mut self.to_prove, link);
            }
        }
        if let Some((answered, proof)) = message.proof
            && answered == introduction.mine
            && introduction.proven.is_none()
        {
            self.to_check.retain(|(of, ..)| *of != link);
            let check = (link, message.nonce, proof.to_vec());
            self.to_check.push_back(check);
        }
        actions
    }

    /// Our proof for a number of the other end is made.
    fn say_proof(
        &mut self,
        link: LinkId,
        theirs: Nonce,
        sealed: &[u8],
        now: Millis,
    ) -> Vec<IntroductionAction> {
        let present = self.all.get_mut(&link);
        let Some(introduction) = present.filter(|of| of.theirs == Some(theirs)) else {
            return Vec::new();
        };
        introduction.said_at = Some(now);
        let proof = introduction.message(Some((theirs, sealed)));
        let mut actions = vec![IntroductionAction::Say(link, proof)];
        actions.extend(introduction.agree(&mut self.last_key));
        actions
    }

    /// The proof of the other end was checked. `None`: it has another key.
    fn checked(
        &mut self,
        link: LinkId,
        theirs: Nonce,
        proof: Option<Proof>,
    ) -> Vec<IntroductionAction> {
        let present = self.all.get_mut(&link);
        let Some(introduction) =
            present.filter(|of| of.theirs == Some(theirs) && of.proven.is_none())
        else {
            return Vec::new();
        };
        introduction.has_failed = proof.is_none();
        if proof.is_some() {
            introduction.repeat_at = None;
        }
        introduction.proven = proof;
        let agreeing = introduction.agree(&mut self.last_key);
        agreeing.into_iter().collect()
    }

    /// The ends have agreed on a key, or cannot: the other end named no public value.
    fn agreed(&mut self, key: LinkKey, is_there: bool) -> Vec<IntroductionAction> {
        let mut all = self.all.iter_mut();
        let Some((link, introduction)) = all.find(|(_, of)| of.key == Some(key)) else {
            return Vec::new();
        };
        if !is_there {
            return vec![IntroductionAction::GiveUp(*link)];
        }
        introduction.raise(*link, key).into_iter().collect()
    }

    fn prove_next(&mut self, me: &AgentId, page: u64) -> Option<Output> {
        while self.jobs.can_seal() {
            let link = self.to_prove.pop_front()?;
            let Some(introduction) = self.all.get_mut(&link) else {
                continue;
            };
            introduction.is_queued = false;
            let Some(theirs) = introduction.theirs else {
                continue;
            };
            let peer = introduction.peer.as_ref().map(|(id, page)| (id, *page));
            let ends = peer.map(|peer| ((me, page), peer));
            let context = context(ends, introduction.mine, theirs);
            let message = (link, theirs);
            let exchange = self.exchange.clone();
            let sealing = self
                .jobs
                .seal(Purpose::Link, message, exchange, context, true);
            return Some(sealing);
        }
        None
    }

    fn check_next(&mut self, me: &AgentId, page: u64) -> Option<Output> {
        while self.jobs.can_open() {
            let (link, theirs, sealed) = self.to_check.pop_front()?;
            let Some(introduction) = self.all.get(&link) else {
                continue;
            };
            let peer = introduction.peer.as_ref().map(|(id, page)| (id, *page));
            let ends = peer.map(|peer| (peer, (me, page)));
            let context = context(ends, theirs, introduction.mine);
            let message = (link, theirs);
            return Some(self.jobs.open(Purpose::Link, message, sealed, context));
        }
        None
    }
}

impl Introduction {
    /// A message: a question, or the proof that answers the number of the other end.
    fn message(&self, proof: Option<(Nonce, &[u8])>) -> Vec<u8> {
        let mut out = vec![INTRODUCTION];
        self.mine.push(&mut out);
        let has_yours = if self.proven.is_some() { HAS_YOURS } else { 0 };
        match proof {
            None => out.push(has_yours),
            Some((theirs, sealed)) => {
                out.push(has_yours | HAS_PROOF);
                theirs.push(&mut out);
                out.extend(sealed);
            }
        }
        out
    }

    /// The other end sent a new nonce: earlier proofs were for an older one.
    fn begin_anew(&mut self, theirs: Nonce, now: Millis) {
        if self.theirs.replace(theirs).is_some() {
            self.held.clear();
            self.held_bytes = 0;
        }
        self.proven = None;
        self.has_failed = false;
        self.said_at = None;
        self.repeats = 0;
        self.repeat_at = Some(now.saturating_add(REPEAT_MILLIS));
    }

    fn queue(&mut self, to_prove: &mut VecDeque<LinkId>, link: LinkId) {
        if !std::mem::replace(&mut self.is_queued, true) {
            to_prove.push_back(link);
        }
    }

    /// The ends can agree on a key once both proofs have been sent.
    fn agree(&mut self, last_key: &mut u32) -> Option<IntroductionAction> {
        let proof = self.proven.as_ref()?;
        let theirs = self.theirs.filter(|_| self.said_at.is_some())?;
        if self.key.is_some() {
            return None;
        }
        *last_key = last_key.wrapping_add(1);
        let key = LinkKey(*last_key);
        self.key = Some(key);
        let ends = [self.mine.to_string(), theirs.to_string()];
        let [low, high] = match &ends {
            [mine, theirs] if mine <= theirs => [mine, theirs],
            [mine, theirs] => [theirs, mine],
        };
        Some(IntroductionAction::Do(Output::Cipher(
            CipherCommand::Agree {
                key,
                theirs: proof.exchange.clone(),
                context: format!("{low}\n{high}"),
            },
        )))
    }

    /// The ends have agreed on a key: the link may be used.
    fn raise(&mut self, link: LinkId, key: LinkKey) -> Option<IntroductionAction> {
        let is_writer = self.proven.as_ref()?.is_writer;
        let agreement = Agreement {
            key,
            mine: self.mine.to_string(),
            theirs: self.theirs?.to_string(),
        };
        self.is_up = true;
        self.held_bytes = 0;
        Some(IntroductionAction::Up {
            link,
            is_writer,
            agreement,
            held: std::mem::take(&mut self.held),
        })
    }

    fn hold(&mut self, message: Outgoing) {
        let bytes = self.held_bytes.saturating_add(message.len());
        if self.held.len() < MAX_HELD && bytes <= MAX_HELD_BYTES {
            self.held_bytes = bytes;
            self.held.push(message);
        }
    }
}

/// A message as it came.
struct Message<'a> {
    nonce: Nonce,
    has_ours: bool,
    /// The number that is answered, and the proof.
    proof: Option<(Nonce, &'a [u8])>,
}

impl Message<'_> {
    fn read(bytes: &[u8]) -> Option<Message<'_>> {
        let (_, rest) = bytes.split_first()?;
        let (nonce, rest) = Nonce::read(rest)?;
        let (flags, rest) = rest.split_first()?;
        let proof = match (flags & HAS_PROOF != 0, rest) {
            (false, _) => None,
            (true, rest) => Some(Nonce::read(rest)?),
        };
        Some(Message {
            nonce,
            has_ours: flags & HAS_YOURS != 0,
            proof,
        })
    }
}

impl Nonce {
    fn push(self, out: &mut Vec<u8>) {
        out.extend(self.page.to_le_bytes());
        out.extend(self.link.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<(Nonce, &[u8])> {
        let (nonce, rest) = bytes.split_first_chunk::<NONCE>()?;
        let (page, link) = nonce.split_first_chunk()?;
        let nonce = Nonce {
            page: u64::from_le_bytes(*page),
            link: u32::from_le_bytes(link.try_into().ok()?),
        };
        Some((nonce, rest))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:08x}", self.page, self.link)
    }
}

fn discard(key: LinkKey) -> Output {
    Output::Cipher(CipherCommand::Discard { key })
}

/// A member, and its page load.
type End<'a> = (&'a AgentId, u64);

/// The context to which a proof is bound: the members at both ends if known, the sender first, and
/// the nonces of both.
fn context(ends: Option<(End<'_>, End<'_>)>, sender: Nonce, receiver: Nonce) -> String {
    match ends {
        Some(((from, from_page), (to, to_page))) => {
            format!("{from}\n{from_page:016x}\n{to}\n{to_page:016x}\n{sender}\n{receiver}")
        }
        None => format!("\n\n\n\n{sender}\n{receiver}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(3);

    fn begun() -> (Introductions, Vec<u8>) {
        let mut all = Introductions::default();
        let IntroductionAction::Say(LINK, question) = all.begin(LINK, 7, None, 0) else {
            panic!("a question comes first");
        };
        (all, question)
    }

    fn me() -> AgentId {
        AgentId::parse("ann").expect("a valid id")
    }

    /// What the cipher was asked to do: the number of each job, and its context.
    fn asked(outputs: &[Output]) -> Vec<(u32, &str)> {
        let of = |output| match output {
            &Output::Cipher(
                CipherCommand::Seal {
                    job, ref context, ..
                }
                | CipherCommand::Open {
                    job, ref context, ..
                },
            ) => (job, &context[..]),
            other => panic!("{other:?}"),
        };
        outputs.iter().map(of).collect()
    }

    #[test]
    fn both_ends_prove_and_earlier_messages_follow() {
        let (mut all, question) = begun();
        let early = Outgoing::Binary(vec![1, 2]);
        let held = all.receive(LINK, early.clone(), 0);
        assert_eq!(held, Received::Taken(Vec::new()));
        let theirs = [9; NONCE];
        let mine: [u8; NONCE] = question[1..=NONCE].try_into().expect("a number");
        let proof = [&[INTRODUCTION][..], &theirs, &[HAS_PROOF], &mine, b"sealed"].concat();
        all.receive(LINK, Outgoing::Binary(proof), 0);
        let outputs = all.advance(&me(), 7);
        let jobs = asked(&outputs);
        let [(sealing, said), (opening, heard)] = jobs[..] else {
            panic!("{jobs:?}");
        };
        // A proof is bound to both numbers, in the order of its ends.
        let (sender, receiver) = said.trim().split_once('\n').expect("two numbers");
        assert_eq!(heard.trim(), format!("{receiver}\n{sender}"));
        let (said_context, heard_context) = (said.trim().to_owned(), heard.trim().to_owned());

        let purpose = Purpose::Link;
        let result = Ok(b"sealed".to_vec());
        let sealed = CipherEvent::Sealed {
            purpose,
            job: sealing,
            result,
        };
        let said = all.handle_cipher(sealed, 0);
        assert!(matches!(said[..], [IntroductionAction::Say(LINK, _)]));
        assert!(all.is_pending(LINK));
        let opened = CipherEvent::Opened {
            purpose,
            job: opening,
            plain: Some(b"public".to_vec()),
            is_signed: true,
        };
        let agreeing = all.handle_cipher(opened, 0);
        let [
            IntroductionAction::Do(Output::Cipher(CipherCommand::Agree {
                key,
                theirs,
                context,
            })),
        ] = &agreeing[..]
        else {
            panic!("{agreeing:?}");
        };
        assert_eq!(theirs, b"public");
        // Both ends name their numbers in one order.
        assert!([&said_context, &heard_context].contains(&context));
        assert!(context.split('\n').is_sorted());
        let key = *key;
        assert!(all.is_pending(LINK));
        let up = IntroductionAction::Up {
            link: LINK,
            is_writer: true,
            agreement: Agreement {
                key,
                mine: said_context
                    .split('\n')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                theirs: heard_context
                    .split('\n')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            },
            held: vec![early.clone()],
        };
        let agreed = CipherEvent::Agreed {
            key,
            result: Ok(()),
        };
        assert_eq!(all.handle_cipher(agreed.clone(), 0), [up]);
        assert_eq!(all.receive(LINK, early.clone(), 0), Received::Pass(early));
        assert_eq!(all.deadline(), None);
        // A new number says that the other end began anew: nothing is proved any more.
        let anew = [&[INTRODUCTION][..], &[8; NONCE], &[0]].concat();
        let down = Received::Taken(vec![
            IntroductionAction::Down(LINK),
            IntroductionAction::Do(discard(key)),
        ]);
        assert_eq!(all.receive(LINK, Outgoing::Binary(anew), 0), down);
        assert!(all.is_pending(LINK));
        assert_eq!(
            all.handle_cipher(agreed, 0),
            [],
            "that key is of no use now"
        );
    }

    #[test]
    fn bytes_of_any_kind_change_nothing() {
        let (mut all, question) = begun();
        for len in 0..question.len() {
            let cut = Outgoing::Binary(question[..len].to_vec());
            assert_eq!(all.receive(LINK, cut, 0), Received::Taken(Vec::new()));
        }
        // An echo of our own question, and a proof that answers half a number.
        let half = [
            &[INTRODUCTION][..],
            &[9; NONCE],
            &[HAS_PROOF],
            &[9; NONCE / 2],
        ]
        .concat();
        for other in [question, half] {
            let other = Outgoing::Binary(other);
            assert_eq!(all.receive(LINK, other, 0), Received::Taken(Vec::new()));
        }
        assert_eq!(all.advance(&me(), 7), []);
    }

    #[test]
    fn waiting_messages_are_bounded_in_number_and_time() {
        let (mut all, _) = begun();
        for len in [MAX_HELD_BYTES, 1].into_iter().chain([0; 2 * MAX_HELD]) {
            all.receive(LINK, Outgoing::Binary(vec![1; len]), 0);
        }
        let held = &all.all.get(&LINK).unwrap().held;
        assert_eq!(held.len(), MAX_HELD);
        assert!(held.iter().map(Outgoing::len).sum::<usize>() <= MAX_HELD_BYTES);
        let mut questions = 0;
        let last = loop {
            let at = all.deadline().expect("it asks again, or gives up");
            match &all.tick(at)[..] {
                [IntroductionAction::Say(LINK, _)] => questions += 1,
                [IntroductionAction::GiveUp(LINK)] => break at,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((questions, last), (MAX_REPEATS, 31_000));
        assert!(all.problem(LINK).is_some());
        all.forget(LINK);
        assert_eq!((all.deadline(), all.problem(LINK)), (None, None));
    }
}
