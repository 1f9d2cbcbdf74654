//! The relay: encrypted links to peers through the signaling sockets, used while there is no better
//! link.
//!
//! It is used as soon as a peer joins, dropped when a direct link is up, and used again when that
//! drops. On each new link the engines at both ends exchange missing events, so nothing is lost
//! when the link changes.
//!
//! Each link at one end corresponds to one link at the other, since the engines start anew
//! together. Links are numbered, and every message names its own link and the one that it answers.
//! A new link answers none until it has received a message. A message of a newer link that answers
//! none means that the other end started anew, and this end follows with a link that answers it
//! from the start. A message that answers a closed link is answered by a goodbye, and opens no
//! link.
//!
//! Every message says whether its sender has a better link. A link stays open as long as either end
//! has none.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_sync::{CloseReason, LinkId, Millis, Outgoing, SortedMap};
use signaling_protocol::{AgentId, Relay as RelayMessage};

use crate::cipher_jobs::CipherJobs;
use crate::ids::Purpose;
use crate::input::CipherEvent;
use crate::links::LinkNumbers;
use crate::output::Output;
use crate::parties::Parties;
use crate::rate_limiter::RateLimiter;
use crate::relay_frame::{Content, Frame};
use crate::signaling::ServerId;

/// The capability of a page that has a key for the relay.
pub(crate) const CAPABILITY: &str = "relay";

/// The most messages that wait to be opened, and their bytes. Further messages are lost, and the
/// engine requests them again.
const MAX_WAITING: usize = 4096;
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The time without a readable message of a peer before it counts as having another key: messages
/// that were sealed for an earlier page load may still be in transit.
const UNREADABLE_MILLIS: Millis = 3_000;

/// All relay links, and the key that they share.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// The relay may be used, and the cipher was asked for the key.
    is_open: bool,
    /// The key is available.
    is_ready: bool,
    /// Why the relay is off, although it is allowed.
    off: Option<String>,
    peers: SortedMap<AgentId, Peer>,
    /// Messages that wait to be sealed, one after the other, to keep their order.
    outbox: VecDeque<(AgentId, Vec<u8>)>,
    outbox_bytes: usize,
    /// Messages that wait to be opened, one after the other, to keep their order.
    inbox: VecDeque<(AgentId, String)>,
    inbox_bytes: usize,
    /// The receiver of the message that is sealed, and the sender of the one that is opened.
    jobs: CipherJobs<AgentId, AgentId>,
    last_epoch: u32,
    limiter: RateLimiter,
    /// When the limiter admits the next message.
    resume_at: Option<Millis>,
}

/// The state of a peer over all relay links to it.
#[derive(Debug, Default)]
struct Peer {
    /// It has a key, too.
    is_able: bool,
    /// It broke the protocol: no link to it is made.
    is_refused: bool,
    /// The time since which its messages cannot be opened, and whether it counts as having another
    /// key.
    unreadable_since: Option<Millis>,
    has_other_key: bool,
    /// This member has no better link to it.
    is_needed: bool,
    /// It has no better link to this member, by its last message.
    asks: bool,
    /// The newest of its links that are closed here.
    over: u32,
    link: Option<RelayLink>,
    /// Why the last link failed.
    problem: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct RelayLink {
    link: LinkId,
    /// Its number towards the peer.
    epoch: u32,
    /// The number of the peer's link that it belongs to; 0: none was heard.
    answers: u32,
    /// The server that it goes through.
    server: ServerId,
    /// A message was received on it.
    is_heard: bool,
}

/// Actions for the relay.
#[derive(Debug)]
pub(crate) enum RelayAction {
    /// The engine may use the link.
    Up(AgentId, LinkId),
    /// The engine may not use the link any more.
    Down(LinkId),
    /// A message of the engine came.
    Received(LinkId, Outgoing),
    /// Send this sealed message to the peer.
    Send(AgentId, String),
    /// The relay to a peer does not work.
    Failed(AgentId, String),
}

impl Relay {
    /// Prepares the relay for a new connection to the room. `has_key`: the driver has a secret.
    pub(crate) fn open(&mut self, has_key: bool) {
        if !has_key {
            self.off = Some("there is no key for it: set the option key".to_owned());
            return;
        }
        self.is_open = true;
    }

    /// Forgets everything but the numbers of jobs. The links are to be forgotten one by one, before.
    pub(crate) fn close(&mut self) {
        *self = Relay {
            jobs: self.jobs.afresh(),
            last_epoch: self.last_epoch,
            ..Relay::default()
        };
    }

    /// Why the relay is off, although it is allowed.
    pub(crate) fn off(&self) -> Option<&str> {
        self.off.as_deref()
    }

    /// A peer came to the room.
    pub(crate) fn add(&mut self, id: &AgentId, is_able: bool) {
        let peer = Peer {
            is_able,
            ..Peer::default()
        };
        self.peers.insert(id.clone(), peer);
    }

    /// A peer left the room.
    pub(crate) fn forget(&mut self, id: &AgentId) -> Vec<RelayAction> {
        let link = self.peers.remove(id).and_then(|peer| peer.link);
        link.into_iter()
            .map(|link| RelayAction::Down(link.link))
            .collect()
    }

    /// Opens a link if it is wanted and a server names the peer, and closes it otherwise.
    /// `is_needed`: no better link carries the edits.
    pub(crate) fn plan(
        &mut self,
        id: &AgentId,
        is_needed: bool,
        server: Option<ServerId>,
        numbers: &mut LinkNumbers,
    ) -> Vec<RelayAction> {
        let server = server.filter(|_| self.is_ready);
        let Some(peer) = self.peers.get_mut(id) else {
            return Vec::new();
        };
        let was_needed = std::mem::replace(&mut peer.is_needed, is_needed);
        let is_wanted = peer.is_usable() && (is_needed || peer.asks);
        match (peer.link, server.filter(|_| is_wanted)) {
            (None, Some(server)) => self.raise(id, server, 0, numbers),
            (Some(_), None) => self.lower(id, server.is_some()),
            // Messages in transit through the other server may be lost: on a new link both sides
            // exchange summaries.
            (Some(link), Some(server)) if link.server != server => {
                let mut actions = self.lower(id, false);
                actions.extend(self.raise(id, server, 0, numbers));
                actions
            }
            (Some(link), Some(_)) if is_needed != was_needed => {
                self.put(id, link, Content::Need);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// A message of the engine is to go to a peer. It is sealed by [`advance`](Self::advance).
    pub(crate) fn send(&mut self, to: &AgentId, link: LinkId, message: Outgoing) {
        let present = self.peers.get(to).and_then(|peer| peer.link);
        let Some(present) = present.filter(|present| present.link == link) else {
            return;
        };
        let content = match message {
            Outgoing::Text(text) => Content::Text(text),
            Outgoing::Binary(bytes) => Content::Binary(bytes),
        };
        self.put(to, present, content);
    }

    /// A sealed message of a peer came from a server.
    pub(crate) fn relayed(&mut self, message: RelayMessage) {
        let Some(from) = message.from.filter(|_| self.is_ready) else {
            return;
        };
        let bytes = self.inbox_bytes.saturating_add(message.payload.len());
        let is_known = self.peers.contains_key(&from);
        if is_known && self.inbox.len() < MAX_WAITING && bytes <= MAX_WAITING_BYTES {
            self.inbox_bytes = bytes;
            self.inbox.push_back((from, message.payload));
        }
    }

    /// Takes what the cipher reports. `server` finds the server that leads to a peer.
    pub(crate) fn handle(
        &mut self,
        event: CipherEvent,
        server: impl Fn(&AgentId) -> Option<ServerId>,
        numbers: &mut LinkNumbers,
        now: Millis,
    ) -> Vec<RelayAction> {
        match event {
            CipherEvent::Ready { .. } => {
                self.is_ready = self.is_open;
                Vec::new()
            }
            CipherEvent::Unavailable { .. } | CipherEvent::Agreed { .. } => Vec::new(),
            CipherEvent::Sealed { job, result, .. } => {
                let Some(to) = self.jobs.sealed(job) else {
                    return Vec::new();
                };
                vec![match result {
                    Ok(sealed) => RelayAction::Send(to, BASE64.encode(sealed)),
                    Err(reason) => self.failed(to, reason),
                }]
            }
            CipherEvent::Opened { job, plain, .. } => {
                let Some(from) = self.jobs.opened(job) else {
                    return Vec::new();
                };
                match plain.as_deref().and_then(Frame::decode) {
                    Some(frame) => self.opened(&from, frame, server(&from), numbers),
                    None => self.unreadable(from, now),
                }
            }
        }
    }

    /// Starts sealing and opening the next waiting messages.
    pub(crate) fn advance(&mut self, parties: &Parties<'_>, now: Millis) -> Vec<Output> {
        let mut outputs = Vec::new();
        if self.is_ready {
            outputs.extend(self.seal_next(parties, now));
            outputs.extend(self.open_next(parties));
        }
        outputs
    }

    /// When [`advance`](Self::advance) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.resume_at
    }

    /// How many bytes wait to be sealed.
    pub(crate) fn buffered(&self) -> usize {
        self.outbox_bytes
    }

    /// The servers that carry links, each with its links.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (ServerId, LinkId)> {
        let links = self.peers.values().filter_map(|peer| peer.link);
        links.map(|link| (link.server, link.link))
    }

    /// The link to a peer, once a message was received on it.
    pub(crate) fn link_to(&self, id: &AgentId) -> Option<LinkId> {
        let link = self.peers.get(id)?.link.filter(|link| link.is_heard)?;
        Some(link.link)
    }

    /// Whether a link to a peer can be made, at the latest when the key is available.
    pub(crate) fn can_reach(&self, id: &AgentId) -> bool {
        let is_usable = self.is_open && self.off.is_none();
        is_usable && self.peers.get(id).is_some_and(Peer::is_usable)
    }

    /// Why the last link to a peer failed.
    pub(crate) fn problem_with(&self, id: &AgentId) -> Option<&str> {
        self.peers.get(id)?.problem.as_deref()
    }

    /// The engine closed a link, and has forgotten it.
    pub(crate) fn closed(&mut self, id: &AgentId, reason: &CloseReason) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.close();
            // If the peer violates the protocol, the next link would end the same way.
            peer.is_refused |= !reason.is_transient() && !reason.is_departure();
            peer.problem = Some(reason.to_string());
        }
    }

    fn put(&mut self, to: &AgentId, link: RelayLink, content: Content) {
        let is_needed = self.peers.get(to).is_some_and(|peer| peer.is_needed);
        let frame = Frame {
            epoch: link.epoch,
            answers: link.answers,
            is_needed,
            content,
        };
        self.put_frame(to, &frame);
    }

    fn put_frame(&mut self, to: &AgentId, frame: &Frame) {
        let plain = frame.encode();
        self.outbox_bytes += plain.len();
        self.outbox.push_back((to.clone(), plain));
    }

    /// Makes a link to a peer, which answers one of the peer's, or none (0).
    fn raise(
        &mut self,
        id: &AgentId,
        server: ServerId,
        answers: u32,
        numbers: &mut LinkNumbers,
    ) -> Vec<RelayAction> {
        let Some(peer) = self.peers.get_mut(id) else {
            return Vec::new();
        };
        self.last_epoch = self.last_epoch.wrapping_add(1);
        let link = numbers.next();
        peer.link = Some(RelayLink {
            link,
            epoch: self.last_epoch,
            answers,
            server,
            is_heard: false,
        });
        vec![RelayAction::Up(id.clone(), link)]
    }

    /// Closes the link to a peer. `tell`: notifies the peer.
    fn lower(&mut self, id: &AgentId, tell: bool) -> Vec<RelayAction> {
        let link = self.peers.get_mut(id).and_then(Peer::close);
        let Some(link) = link else {
            return Vec::new();
        };
        if tell {
            self.put(id, link, Content::Bye);
        }
        vec![RelayAction::Down(link.link)]
    }

    fn failed(&mut self, id: AgentId, reason: String) -> RelayAction {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.problem = Some(reason.clone());
        }
        RelayAction::Failed(id, reason)
    }

    /// A message of a peer cannot be opened. If that continues, the peer cannot open local messages
    /// either.
    fn unreadable(&mut self, from: AgentId, now: Millis) -> Vec<RelayAction> {
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.is_usable()) else {
            return Vec::new();
        };
        let since = *peer.unreadable_since.get_or_insert(now);
        peer.has_other_key = now.saturating_sub(since) >= UNREADABLE_MILLIS;
        if !peer.has_other_key {
            return Vec::new();
        }
        let reason =
            "what it sent cannot be decrypted; it may have another key, or another version";
        vec![self.failed(from, reason.to_owned())]
    }

    /// Handles a message of a peer. It belongs to the link that it answers, or begins a new one.
    fn opened(
        &mut self,
        from: &AgentId,
        frame: Frame,
        server: Option<ServerId>,
        numbers: &mut LinkNumbers,
    ) -> Vec<RelayAction> {
        let Frame {
            epoch,
            answers,
            is_needed,
            content,
        } = frame;
        let Some(peer) = self.peers.get_mut(from).filter(|peer| !peer.is_refused) else {
            return Vec::new();
        };
        peer.unreadable_since = None;
        peer.has_other_key = false;
        let present = peer.link.map_or(0, |link| link.epoch);
        if answers != 0 && answers != present {
            // It answers a closed link, and its sender may not know that.
            if content != Content::Bye {
                self.dismiss(from, answers, epoch);
            }
            return Vec::new();
        }
        // A closed link continues if it answers the current one.
        let is_over = answers == 0 && epoch <= peer.over;
        if is_over || peer.link.is_some_and(|link| link.answers > epoch) {
            return Vec::new();
        }
        let message = match content {
            Content::Text(text) => Some(Outgoing::Text(text)),
            Content::Binary(bytes) => Some(Outgoing::Binary(bytes)),
            Content::Need => None,
            Content::Bye => {
                peer.over = epoch;
                let concerns_link = |link: &RelayLink| answers != 0 || link.answers == epoch;
                let link = peer.link.filter(concerns_link);
                let closed = link.and_then(|_| peer.close());
                let closed = closed.map(|link| RelayAction::Down(link.link));
                return closed.into_iter().collect();
            }
        };
        peer.asks = is_needed;
        let mut actions = Vec::new();
        match &mut peer.link {
            Some(link) if link.answers == epoch => {}
            Some(link) if link.answers == 0 => link.answers = epoch,
            // The peer followed with a new link: the engine starts anew with it.
            Some(link) if answers != 0 => {
                actions.push(RelayAction::Down(link.link));
                link.link = numbers.next();
                link.answers = epoch;
                actions.push(RelayAction::Up(from.clone(), link.link));
            }
            // The peer started anew: this end follows.
            Some(link) => {
                let server = server.unwrap_or(link.server);
                actions.push(RelayAction::Down(link.link));
                actions.extend(self.raise(from, server, epoch, numbers));
            }
            None => {
                let raised = server.map(|server| self.raise(from, server, epoch, numbers));
                actions.extend(raised.into_iter().flatten());
            }
        }
        let Some(peer) = self.peers.get_mut(from) else {
            return actions;
        };
        let Some(link) = &mut peer.link else {
            return actions;
        };
        link.is_heard = true;
        peer.problem = None;
        actions.extend(message.map(|message| RelayAction::Received(link.link, message)));
        actions
    }

    /// Notifies a peer that the local link `epoch` is closed, which corresponds to its link
    /// `answers`.
    fn dismiss(&mut self, peer: &AgentId, epoch: u32, answers: u32) {
        let bye = Frame {
            epoch,
            answers,
            is_needed: false,
            content: Content::Bye,
        };
        self.put_frame(peer, &bye);
    }

    fn seal_next(&mut self, parties: &Parties<'_>, now: Millis) -> Option<Output> {
        self.resume_at = None;
        while self.jobs.can_seal() {
            let (to, plain) = self.outbox.front()?;
            // A peer that left meanwhile gets nothing.
            let Some(page) = (parties.page_of)(to) else {
                self.take_from_outbox();
                continue;
            };
            // In base64 it is a third larger.
            if let Err(later) = self.limiter.take(plain.len() / 3 * 4, now) {
                self.resume_at = Some(later);
                return None;
            }
            let (to, plain) = self.take_from_outbox()?;
            let context = context(parties.me, parties.page, &to, page);
            return Some(self.jobs.seal(Purpose::Relay, to, plain, context, false));
        }
        None
    }

    fn open_next(&mut self, parties: &Parties<'_>) -> Option<Output> {
        while self.jobs.can_open() {
            let (from, sealed) = self.inbox.pop_front()?;
            self.inbox_bytes = self.inbox_bytes.saturating_sub(sealed.len());
            let Some(page) = (parties.page_of)(&from) else {
                continue;
            };
            let context = context(&from, page, parties.me, parties.page);
            // Invalid base64 cannot be opened either.
            let sealed = BASE64.decode(sealed).unwrap_or_default();
            return Some(self.jobs.open(Purpose::Relay, from, sealed, context));
        }
        None
    }

    fn take_from_outbox(&mut self) -> Option<(AgentId, Vec<u8>)> {
        let (to, plain) = self.outbox.pop_front()?;
        self.outbox_bytes = self.outbox_bytes.saturating_sub(plain.len());
        Some((to, plain))
    }
}

impl Peer {
    /// Whether a link to it can work.
    fn is_usable(&self) -> bool {
        self.is_able && !self.is_refused && !self.has_other_key
    }

    /// Closes the link and the corresponding one of the peer: messages in transit are ignored.
    fn close(&mut self) -> Option<RelayLink> {
        self.asks = false;
        let link = self.link.take()?;
        self.over = self.over.max(link.answers);
        Some(link)
    }
}

/// The context to which a sealed message is bound: the server can neither redirect it to another
/// member, nor replay it for another page load.
fn context(from: &AgentId, from_page: u64, to: &AgentId, to_page: u64) -> String {
    format!("{from}\n{from_page:016x}\n{to}\n{to_page:016x}")
}
