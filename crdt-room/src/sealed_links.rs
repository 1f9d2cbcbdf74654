//! Encrypted messages on otherwise unprotected links, in a room with a key: broadcast channels, the
//! relay, and transports of the user's own.
//!
//! The two ends of such a link have exchanged proofs, and agreed on a key that no third party has:
//! neither the server nor a reader. Every later message is sealed with it, and bound to its sender
//! and its number. A message that was changed, forged, replayed or reflected is dropped, and the
//! engine requests lost events.
//!
//! Only a goodbye is not sealed: a closing page has no time for that, and anyone who can forge one
//! can cut the link as well.

use std::collections::VecDeque;

use crdt_sync::{CloseReason, GOODBYE, LinkId, Outgoing, SEALED, SortedMap};

use crate::cipher_jobs::CipherJobs;
use crate::ids::{LinkKey, Purpose};
use crate::input::CipherEvent;
use crate::output::Output;

/// The most messages that wait to be opened, and their bytes. Further messages are lost, and the
/// engine requests them again.
const MAX_WAITING: usize = 4096;
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The first byte of an opened message.
const TEXT: u8 = 0;
const BINARY: u8 = 1;

/// The agreement of the two ends of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) key: LinkKey,
    /// The names of this end and of the other one in the contexts of messages.
    pub(crate) mine: String,
    pub(crate) theirs: String,
}

/// All links with a key of their own.
#[derive(Debug, Default)]
pub(crate) struct SealedLinks {
    all: SortedMap<LinkId, SealedLink>,
    /// Messages that wait to be sealed, and links to be closed after them, in order.
    outbox: VecDeque<(LinkId, Item)>,
    /// Messages that wait to be opened, in order.
    inbox: VecDeque<(LinkId, u64, Vec<u8>)>,
    inbox_bytes: usize,
    jobs: CipherJobs<Ticket, Ticket>,
}

#[derive(Debug)]
struct SealedLink {
    agreement: Agreement,
    /// The numbers of the last message sent, and of the last one received. The first message is 1.
    sent: u64,
    received: u64,
    /// How many bytes wait to be sealed.
    waiting: usize,
}

#[derive(Debug)]
enum Item {
    Message(Outgoing),
    Close(CloseReason),
}

/// The message that a job of the cipher is about.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    link: LinkId,
    key: LinkKey,
    number: u64,
    /// The number of bytes that it had before it was sealed.
    len: usize,
}

/// An action for a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SealedLinkAction {
    /// Send this unchanged.
    Send(LinkId, Outgoing),
    /// A message of the engine came.
    Received(LinkId, Outgoing),
    /// The link can be closed now: everything before was sent.
    Close(LinkId, CloseReason),
}

impl SealedLinks {
    /// Forgets everything but the numbers of jobs.
    pub(crate) fn clear(&mut self) {
        *self = SealedLinks {
            jobs: self.jobs.afresh(),
            ..SealedLinks::default()
        };
    }

    /// The ends of a link have agreed on a key.
    pub(crate) fn add(&mut self, link: LinkId, agreement: Agreement) {
        let sealed_link = SealedLink {
            agreement,
            sent: 0,
            received: 0,
            waiting: 0,
        };
        self.all.insert(link, sealed_link);
    }

    /// A link is gone, or its ends begin anew.
    pub(crate) fn forget(&mut self, link: LinkId) {
        if self.all.remove(&link).is_none() {
            return;
        }
        self.outbox.retain(|(of, _)| *of != link);
        self.inbox.retain(|(of, ..)| *of != link);
        self.inbox_bytes = self.inbox.iter().map(|(.., sealed)| sealed.len()).sum();
    }

    /// Whether messages on a link are sealed.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        self.all.contains_key(&link)
    }

    /// How many bytes of a link wait to be sealed.
    pub(crate) fn buffered(&self, link: LinkId) -> usize {
        self.all.get(&link).map_or(0, |of| of.waiting)
    }

    /// Queues a message of the engine. Returns it if it is sent unchanged.
    pub(crate) fn send(&mut self, link: LinkId, message: Outgoing) -> Option<Outgoing> {
        let Some(of) = self.all.get_mut(&link).filter(|_| !is_goodbye(&message)) else {
            return Some(message);
        };
        of.waiting = of.waiting.saturating_add(message.len());
        self.outbox.push_back((link, Item::Message(message)));
        None
    }

    /// The engine closed a link. Returns whether that has to wait until its last messages are sealed.
    pub(crate) fn close(&mut self, link: LinkId, reason: &CloseReason) -> bool {
        let waits = self.buffered(link) > 0;
        if waits {
            self.outbox.push_back((link, Item::Close(reason.clone())));
        }
        waits
    }

    /// Handles a received message. Returns it if it is an unsealed message for the engine.
    pub(crate) fn receive(&mut self, link: LinkId, message: Outgoing) -> Option<Outgoing> {
        if !self.has(link) || is_goodbye(&message) {
            return Some(message);
        }
        if let Outgoing::Binary(bytes) = &message
            && let Some((number, sealed)) = read(bytes)
        {
            let bytes = self.inbox_bytes.saturating_add(sealed.len());
            if self.inbox.len() < MAX_WAITING && bytes <= MAX_WAITING_BYTES {
                self.inbox_bytes = bytes;
                self.inbox.push_back((link, number, sealed.to_vec()));
            }
        }
        None
    }

    /// Takes what the cipher reports.
    pub(crate) fn handle(&mut self, event: CipherEvent) -> Vec<SealedLinkAction> {
        let mut actions = Vec::new();
        match event {
            CipherEvent::Sealed { job, result, .. } => {
                let ended = self.jobs.sealed(job);
                if let Some((ticket, of)) = ended.and_then(|ticket| self.link_of(ticket)) {
                    of.waiting = of.waiting.saturating_sub(ticket.len);
                    let message = result.ok().map(|sealed| write(ticket.number, &sealed));
                    let send = |bytes| SealedLinkAction::Send(ticket.link, Outgoing::Binary(bytes));
                    actions.extend(message.map(send));
                }
                actions.extend(self.closes());
            }
            CipherEvent::Opened { job, plain, .. } => {
                let ended = self.jobs.opened(job);
                if let Some((ticket, of)) = ended.and_then(|ticket| self.link_of(ticket))
                    && let Some(message) = plain.and_then(unpack)
                {
                    of.received = ticket.number;
                    actions.push(SealedLinkAction::Received(ticket.link, message));
                }
            }
            CipherEvent::Ready { .. }
            | CipherEvent::Unavailable { .. }
            | CipherEvent::Agreed { .. } => {}
        }
        actions
    }

    /// Starts sealing and opening the next messages.
    pub(crate) fn advance(&mut self) -> Vec<Output> {
        let sealing = self.seal_next();
        let opening = self.open_next();
        sealing.into_iter().chain(opening).collect()
    }

    /// The link of a message, unless it is gone or has another key by now.
    fn link_of(&mut self, ticket: Ticket) -> Option<(Ticket, &mut SealedLink)> {
        let of = self.all.get_mut(&ticket.link)?;
        (of.agreement.key == ticket.key).then_some((ticket, of))
    }

    /// Links to be closed that have no earlier message in the queue.
    fn closes(&mut self) -> Vec<SealedLinkAction> {
        let mut closes = Vec::new();
        while let Some((link, Item::Close(_))) = self.outbox.front() {
            let link = *link;
            if let Some((_, Item::Close(reason))) = self.outbox.pop_front() {
                closes.push(SealedLinkAction::Close(link, reason));
            }
        }
        closes
    }

    fn seal_next(&mut self) -> Option<Output> {
        if !self.jobs.can_seal() || !matches!(self.outbox.front(), Some((_, Item::Message(_)))) {
            return None;
        }
        let (link, Item::Message(message)) = self.outbox.pop_front()? else {
            return None;
        };
        let of = self.all.get_mut(&link)?;
        of.sent = of.sent.saturating_add(1);
        let ticket = Ticket {
            link,
            key: of.agreement.key,
            number: of.sent,
            len: message.len(),
        };
        let context = context(&of.agreement.mine, of.sent);
        let purpose = Purpose::Message(ticket.key);
        Some(
            self.jobs
                .seal(purpose, ticket, pack(message), context, false),
        )
    }

    fn open_next(&mut self) -> Option<Output> {
        while self.jobs.can_open() {
            let (link, number, sealed) = self.inbox.pop_front()?;
            self.inbox_bytes = self.inbox_bytes.saturating_sub(sealed.len());
            let Some(of) = self.all.get(&link).filter(|of| of.received < number) else {
                continue;
            };
            let ticket = Ticket {
                link,
                key: of.agreement.key,
                number,
                len: sealed.len(),
            };
            let context = context(&of.agreement.theirs, number);
            let purpose = Purpose::Message(ticket.key);
            return Some(self.jobs.open(purpose, ticket, sealed, context));
        }
        None
    }
}

fn is_goodbye(message: &Outgoing) -> bool {
    matches!(message, Outgoing::Binary(bytes) if bytes[..] == [GOODBYE])
}

fn write(number: u64, sealed: &[u8]) -> Vec<u8> {
    [&[SEALED][..], &number.to_le_bytes(), sealed].concat()
}

/// The number of a sealed message, and its ciphertext; `None` for any other message.
fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let rest = bytes.strip_prefix(&[SEALED])?;
    let (number, sealed) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), sealed))
}

fn pack(message: Outgoing) -> Vec<u8> {
    let (kind, body) = match message {
        Outgoing::Text(text) => (TEXT, text.into_bytes()),
        Outgoing::Binary(bytes) => (BINARY, bytes),
    };
    [&[kind][..], &body].concat()
}

fn unpack(plain: Vec<u8>) -> Option<Outgoing> {
    let (kind, body) = plain.split_first()?;
    match *kind {
        TEXT => String::from_utf8(body.to_vec()).ok().map(Outgoing::Text),
        BINARY => Some(Outgoing::Binary(body.to_vec())),
        _ => None,
    }
}

/// The context of a message.
fn context(sender: &str, number: u64) -> String {
    format!("{sender}\n{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::CipherCommand;

    const LINK: LinkId = LinkId(3);
    const KEY: LinkKey = LinkKey(1);

    fn links() -> SealedLinks {
        let mut links = SealedLinks::default();
        let (mine, theirs) = ("ann".to_owned(), "bob".to_owned());
        let agreement = Agreement {
            key: KEY,
            mine,
            theirs,
        };
        links.add(LINK, agreement);
        links
    }

    fn message(byte: u8) -> Outgoing {
        Outgoing::Binary(vec![byte])
    }

    fn sealed(number: u64) -> Outgoing {
        Outgoing::Binary(write(number, b"sealed"))
    }

    /// The request to the cipher: whether to seal (or to open), the message, and the context.
    fn asked(links: &mut SealedLinks) -> Option<(u32, bool, Vec<u8>, String)> {
        let mut outputs = links.advance();
        assert!(outputs.len() < 2, "{outputs:?}");
        match outputs.pop()? {
            Output::Cipher(CipherCommand::Seal {
                job,
                plain,
                context,
                purpose: Purpose::Message(KEY),
                sign: false,
            }) => Some((job, true, plain, context)),
            Output::Cipher(CipherCommand::Open {
                job,
                sealed,
                context,
                purpose: Purpose::Message(KEY),
            }) => Some((job, false, sealed, context)),
            other => panic!("{other:?}"),
        }
    }

    fn ended(job: u32) -> CipherEvent {
        CipherEvent::Sealed {
            purpose: Purpose::Message(KEY),
            job,
            result: Ok(b"sealed".to_vec()),
        }
    }

    fn opened(job: u32, plain: Option<&[u8]>) -> CipherEvent {
        CipherEvent::Opened {
            purpose: Purpose::Message(KEY),
            job,
            plain: plain.map(<[u8]>::to_vec),
            is_signed: false,
        }
    }

    #[test]
    fn messages_go_out_sealed_in_order_and_the_link_closes_after_them() {
        let mut links = links();
        let text = Outgoing::Text("é".to_owned());
        assert_eq!(links.send(LINK, message(4)), None);
        assert_eq!(links.send(LINK, text), None);
        assert_eq!(links.buffered(LINK), 3);
        assert!(links.close(LINK, &CloseReason::Unproven));
        let (job, true, plain, context) = asked(&mut links).expect("a job") else {
            panic!("it seals");
        };
        assert_eq!((&plain[..], &context[..]), (&[BINARY, 4][..], "ann\n1"));
        assert_eq!(asked(&mut links), None, "one after the other");
        let send = |number| SealedLinkAction::Send(LINK, sealed(number));
        assert_eq!(links.handle(ended(job)), [send(1)]);
        let (job, _, plain, context) = asked(&mut links).expect("a job");
        let expected = [&[TEXT][..], "é".as_bytes()].concat();
        assert_eq!((plain, &context[..]), (expected, "ann\n2"));
        let close = SealedLinkAction::Close(LINK, CloseReason::Unproven);
        assert_eq!(links.handle(ended(job)), [send(2), close]);
        assert_eq!(links.buffered(LINK), 0);
        assert!(!links.close(LINK, &CloseReason::Unproven), "nothing waits");
    }

    #[test]
    fn replayed_forged_and_unsealed_messages_are_dropped() {
        let mut links = links();
        let mut take = |message: Outgoing, plain: Option<&[u8]>| {
            assert_eq!(links.receive(LINK, message), None);
            let (job, is_sealing, payload, context) = asked(&mut links)?;
            assert_eq!((is_sealing, &payload[..]), (false, &b"sealed"[..]));
            Some((context, links.handle(opened(job, plain))))
        };
        let received = |byte| vec![SealedLinkAction::Received(LINK, message(byte))];
        let expected = Some(("bob\n2".to_owned(), received(5)));
        assert_eq!(take(sealed(2), Some(&[BINARY, 5])), expected);
        for earlier in [0, 1, 2] {
            assert_eq!(take(sealed(earlier), Some(&[BINARY, 5])), None);
        }
        // A message that cannot be opened is ignored, and so is one of another form.
        for plain in [None, Some(&[][..]), Some(&[2, 5]), Some(&[TEXT, 0xff])] {
            let (_, taken) = take(sealed(9), plain).expect("it is tried");
            assert_eq!(taken, []);
        }
        let expected = Some(("bob\n3".to_owned(), received(6)));
        assert_eq!(take(sealed(3), Some(&[BINARY, 6])), expected);
        for plain in [
            message(5),
            Outgoing::Text("{}".to_owned()),
            Outgoing::Binary(vec![SEALED, 1, 2]),
            Outgoing::Binary(Vec::new()),
        ] {
            assert_eq!(take(plain, None), None);
        }
    }

    #[test]
    fn a_goodbye_and_messages_of_other_links_pass() {
        let mut links = links();
        let goodbye = message(GOODBYE);
        assert_eq!(links.send(LINK, goodbye.clone()), Some(goodbye.clone()));
        assert_eq!(links.receive(LINK, goodbye.clone()), Some(goodbye));
        let other = LinkId(4);
        assert_eq!(links.send(other, message(1)), Some(message(1)));
        assert_eq!(links.receive(other, sealed(1)), Some(sealed(1)));
        assert!(!links.close(other, &CloseReason::Unproven));
    }

    #[test]
    fn waiting_messages_are_bounded_and_dropped_with_their_link() {
        let mut links = links();
        let large = write(1, &vec![0; MAX_WAITING_BYTES]);
        links.receive(LINK, Outgoing::Binary(large));
        for number in 0..2 * MAX_WAITING as u64 {
            links.receive(LINK, sealed(number));
            links.send(LINK, message(1));
        }
        assert_eq!(
            (links.inbox.len(), links.inbox_bytes),
            (1, MAX_WAITING_BYTES)
        );
        let outputs = links.advance();
        assert_eq!(outputs.len(), 2);
        links.forget(LINK);
        assert!(links.inbox.is_empty() && links.outbox.is_empty());
        assert_eq!(links.inbox_bytes, 0);
        // Jobs that end late, after the ends have begun anew, are not useful.
        let agreement = Agreement {
            key: LinkKey(2),
            mine: String::new(),
            theirs: String::new(),
        };
        links.add(LINK, agreement);
        assert_eq!(links.handle(ended(1)), []);
        assert_eq!(links.handle(opened(2, Some(&[BINARY, 5]))), []);
    }
}
