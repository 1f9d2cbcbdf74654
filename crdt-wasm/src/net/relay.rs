//! The relay: a link to a peer through the signaling socket, encrypted, for as long as there is no
//! better one.
//!
//! It is used at once when a peer is there, left as soon as the direct link stands, and taken again
//! when that drops. The engine on both ends settles with each new link who lacks what, so nothing
//! is lost on the way from one to the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crdt_sync::{Channel as Stream, CloseReason, LinkId, Outgoing};
use futures_util::future::AbortHandle;
use signaling_protocol::{AgentId, ClientMessage, Relay as RelayMessage};

use super::browser::now;
use super::core::Core;
use super::doctor::DoctorStage;
use super::envelope::{Content, Envelope};
use super::error::NetworkError;
use super::message_of;
use super::options::LinkKind;
use super::pace::Pace;
use super::seal::RoomKey;
use super::session::{Event, Session};
use super::signaling::ServerId;
use super::socket::Socket;
use super::transport::Transport;
use super::wire::spawn;

/// The capability of a page that has a key for the relay.
pub(crate) const CAPABILITY: &str = "relay";

/// Of the links to one peer this is the last choice.
const RANK: u8 = 3;

/// Messages that wait to be decrypted, at most; what comes beyond is lost, and the engine asks for
/// it again.
const MAX_WAITING: usize = 4096;

/// What the relay's tasks tell.
pub(crate) enum RelayEvent {
    /// The room's key is there, or there is none.
    Key(Result<RoomKey, String>),
    /// A message to a peer is encrypted.
    Sealed(AgentId, Result<String, String>),
    /// A message from a peer is decrypted, if it can be.
    Opened(AgentId, Option<Envelope>),
}

/// The relay of a session.
#[derive(Default)]
pub(crate) struct Relay {
    key: Option<RoomKey>,
    /// Why it is off, where it may be used.
    pub(super) off: Option<String>,
    outbox: Rc<Outbox>,
    sealing: Option<AbortHandle>,
    /// Work of the browser that is done one piece after the other, so that the order stays.
    waiting: VecDeque<(AgentId, String)>,
    opening: Option<AbortHandle>,
    deriving: Option<AbortHandle>,
    pace: Pace,
    /// When the allowance suffices for the next message.
    resume_at: Option<u64>,
}

/// Messages that wait to be encrypted, one after the other, so that the order stays.
#[derive(Default)]
struct Outbox(RefCell<VecDeque<(AgentId, Vec<u8>)>>);

/// The relay link to one peer.
pub(crate) struct RelayLink {
    pub(super) link: LinkId,
    /// The server that it goes through.
    server: ServerId,
    to: AgentId,
    outbox: Rc<Outbox>,
    socket: Option<Rc<Socket>>,
    /// Something has come by it: the peer is there.
    pub(super) heard: bool,
}

/// What is remembered of a peer over all relay links to it.
#[derive(Default)]
pub(crate) struct RelayMemory {
    /// The peer has a key too.
    pub(super) able: bool,
    /// The peer uses the relay, though we may see no need.
    asked: bool,
    /// The newest of the peer's links that was seen, and the newest that is over for us.
    seen: u32,
    over: u32,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let tasks = [&self.deriving, &self.sealing, &self.opening];
        tasks.into_iter().flatten().for_each(AbortHandle::abort);
    }
}

impl Outbox {
    fn put(&self, to: &AgentId, link: LinkId, content: Content) {
        let epoch = link.0;
        let envelope = Envelope { epoch, content }.encode();
        self.0.borrow_mut().push_back((to.clone(), envelope));
    }

    fn bytes(&self) -> usize {
        self.0.borrow().iter().map(|(_, plain)| plain.len()).sum()
    }
}

impl Transport for RelayLink {
    fn kind(&self) -> LinkKind {
        LinkKind::Relay
    }

    /// The message goes to the others that wait; they are encrypted when the turn ends.
    fn send(&mut self, _: Stream, message: Outgoing) -> Result<(), String> {
        let content = match message {
            Outgoing::Text(text) => Content::Text(text),
            Outgoing::Binary(bytes) => Content::Binary(bytes),
        };
        self.outbox.put(&self.to, self.link, content);
        Ok(())
    }

    fn buffered(&self) -> usize {
        let in_socket = self.socket.as_ref().map_or(0, |socket| socket.buffered());
        self.outbox.bytes() + in_socket
    }
}

impl RelayMemory {
    pub(super) fn new(able: bool) -> RelayMemory {
        RelayMemory {
            able,
            ..RelayMemory::default()
        }
    }

    /// The link is over: what is still under way by it does not count.
    fn close(&mut self) {
        self.asked = false;
        self.over = self.seen;
    }
}

impl Relay {
    /// Whether messages can be encrypted.
    fn is_ready(&self) -> bool {
        self.key.is_some()
    }

    /// When something has to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.resume_at
    }
}

impl Core {
    /// Derives the room's key, where there is a secret for it.
    pub(super) fn prepare_relay(&mut self, session: &Session) {
        self.relay = Relay::default();
        let options = session.options();
        if !options.allows(LinkKind::Relay) {
            return;
        }
        let Some(secret) = options.key.clone() else {
            self.relay.off = Some("there is no key for it: set the option key".to_owned());
            return;
        };
        let room = options.room.as_ref();
        let room = room.map_or_else(String::new, ToString::to_string);
        let tell = session.teller(Event::Relay);
        self.relay.deriving = Some(spawn(async move {
            let key = RoomKey::derive(&secret, &room).await;
            tell(RelayEvent::Key(key.map_err(|thrown| message_of(&thrown))));
        }));
    }

    pub(super) fn on_relay(&mut self, session: &Session, event: RelayEvent) {
        match event {
            RelayEvent::Key(Ok(key)) => self.relay.key = Some(key),
            RelayEvent::Key(Err(reason)) => {
                self.relay.off = Some(format!(
                    "the browser cannot encrypt here, which needs https or localhost: {reason}"
                ));
            }
            RelayEvent::Sealed(to, sealed) => {
                self.relay.sealing = None;
                match sealed {
                    Ok(payload) => self.send_sealed(session, to, payload),
                    Err(reason) => self.tell_relay_error(session, &to, reason),
                }
                self.seal_next(session);
            }
            RelayEvent::Opened(from, envelope) => {
                self.relay.opening = None;
                match envelope {
                    Some(envelope) => self.on_envelope(session, &from, envelope),
                    None => self.on_unreadable(session, &from),
                }
                self.open_next(session);
            }
        }
    }

    fn send_sealed(&self, session: &Session, to: AgentId, payload: String) {
        // Where no server leads to the peer any more, its link is given up in this same turn.
        let Some(server) = self.way_to(&to) else {
            return;
        };
        let from = Some(session.identity().agent.clone());
        let message = RelayMessage { to, from, payload };
        self.signaling.send(server, &ClientMessage::Relay(message));
    }

    pub(super) fn tick_relay(&mut self, session: &Session) {
        if self.relay.resume_at.is_some_and(|at| at <= now()) {
            self.seal_next(session);
        }
    }

    /// A relayed message came from the server.
    pub(super) fn on_relayed(&mut self, session: &Session, message: RelayMessage) {
        let Some(from) = message.from.filter(|_| self.relay.is_ready()) else {
            return;
        };
        let waiting = &mut self.relay.waiting;
        if waiting.len() < MAX_WAITING {
            waiting.push_back((from, message.payload));
        }
        self.open_next(session);
    }

    /// Takes relay links up where there is no better one, and gives them up where there is.
    pub(super) fn plan_relay(&mut self, session: &Session) {
        let is_ready = self.relay.is_ready();
        let ids: Vec<AgentId> = self.peers.ids().cloned().collect();
        for id in ids {
            let way = self.way_to(&id).filter(|_| is_ready);
            let Some(peer) = self.peers.get(&id) else {
                continue;
            };
            let needed = peer.planned && !peer.is_direct();
            let is_wanted = peer.relayed.able && (needed || peer.relayed.asked);
            let wanted = way.filter(|_| is_wanted);
            match (&peer.relay, wanted) {
                (None, Some(server)) => self.raise_relay(session, &id, server),
                (Some(_), None) => self.drop_relay(session, &id, way.is_some()),
                // What was under way by the other server may be lost: with a new link both say what
                // they have.
                (Some(relay), Some(server)) if relay.server != server => {
                    self.drop_relay(session, &id, false);
                    self.raise_relay(session, &id, server);
                }
                _ => {}
            }
        }
        self.seal_next(session);
    }

    /// Gives the relay link to a peer up, and tells it where that is still possible.
    pub(super) fn drop_relay(&mut self, session: &Session, id: &AgentId, tell: bool) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let Some(relay) = peer.relay.take() else {
            return;
        };
        peer.relayed.close();
        self.link_down(session, relay.link);
        if tell {
            self.relay.outbox.put(id, relay.link, Content::Bye);
        }
    }

    /// The engine has given a relay link up, and forgotten it.
    pub(super) fn on_relay_close(&mut self, id: &AgentId, reason: &CloseReason) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.relay = None;
        peer.relayed.close();
        // With a peer that breaks the protocol the next link would end the same way.
        peer.relayed.able &= matches!(
            reason,
            CloseReason::Dead { .. }
                | CloseReason::Stalled { .. }
                | CloseReason::FragmentTimeout { .. }
        );
        peer.problem = Some((DoctorStage::Channel, reason.to_string()));
    }

    fn raise_relay(&mut self, session: &Session, id: &AgentId, server: ServerId) {
        let link = self.peers.next_link();
        if let Some(peer) = self.peers.get_mut(id) {
            peer.relay = Some(RelayLink {
                link,
                server,
                to: id.clone(),
                outbox: Rc::clone(&self.relay.outbox),
                socket: self.signaling.socket(server),
                heard: false,
            });
        }
        self.link_up(session, link, RANK);
    }

    fn on_envelope(&mut self, session: &Session, from: &AgentId, envelope: Envelope) {
        let Some(peer) = self.peers.get_mut(from) else {
            return;
        };
        let memory = &mut peer.relayed;
        if envelope.epoch <= memory.over {
            return;
        }
        memory.seen = memory.seen.max(envelope.epoch);
        memory.asked = envelope.content != Content::Bye;
        if !memory.asked {
            memory.over = envelope.epoch;
            return;
        }
        if peer.relay.is_none()
            && let Some(server) = self.way_to(from)
        {
            self.raise_relay(session, from, server);
        }
        let relay = self
            .peers
            .get_mut(from)
            .and_then(|peer| peer.relay.as_mut());
        let Some(relay) = relay else {
            return;
        };
        relay.heard = true;
        let link = relay.link;
        match envelope.content {
            Content::Text(text) => self.receive_text(session, link, &text),
            Content::Binary(bytes) => self.receive_binary(session, link, &bytes),
            Content::Bye => {}
        }
    }

    /// What a peer sent cannot be decrypted, so what we send will not be either.
    fn on_unreadable(&mut self, session: &Session, from: &AgentId) {
        let Some(peer) = self.peers.get_mut(from).filter(|peer| peer.relayed.able) else {
            return;
        };
        let reason = "what it sent cannot be decrypted; it may have another key";
        peer.relayed.able = false;
        peer.problem = Some((DoctorStage::Channel, reason.to_owned()));
        self.tell_relay_error(session, from, reason.to_owned());
    }

    fn tell_relay_error(&self, session: &Session, id: &AgentId, reason: String) {
        let peer = id.to_string();
        self.tell_error(session, NetworkError::Relay { peer, reason });
    }

    /// Sends what waits for the relay, one message after the other.
    pub(super) fn seal_next(&mut self, session: &Session) {
        let Some(key) = self.relay.key.clone() else {
            return;
        };
        self.relay.resume_at = None;
        let outbox = Rc::clone(&self.relay.outbox);
        while self.relay.sealing.is_none() {
            let Some((to, plain)) = outbox.0.borrow_mut().pop_front() else {
                return;
            };
            // In base64 it is a third larger.
            if let Err(later) = self.relay.pace.take(plain.len() / 3 * 4, now()) {
                self.relay.resume_at = Some(later);
                outbox.0.borrow_mut().push_front((to, plain));
                return;
            }
            let me = session.identity();
            // Who left meanwhile gets nothing.
            let Some(page) = self.peers.get(&to).and_then(|peer| peer.page) else {
                continue;
            };
            let key = key.clone();
            let context = context(&me.agent, me.page(), &to, page);
            let tell = session.teller(Event::Relay);
            self.relay.sealing = Some(spawn(async move {
                let sealed = key.seal(&plain, &context).await;
                let sealed = sealed.map_err(|thrown| message_of(&thrown));
                tell(RelayEvent::Sealed(to, sealed));
            }));
        }
    }

    fn open_next(&mut self, session: &Session) {
        let Some(key) = self.relay.key.clone() else {
            return;
        };
        while self.relay.opening.is_none() {
            let Some((from, payload)) = self.relay.waiting.pop_front() else {
                return;
            };
            let me = session.identity();
            let Some(page) = self.peers.get(&from).and_then(|peer| peer.page) else {
                continue;
            };
            let key = key.clone();
            let context = context(&from, page, &me.agent, me.page());
            let tell = session.teller(Event::Relay);
            self.relay.opening = Some(spawn(async move {
                let plain = key.open(&payload, &context).await.ok();
                let envelope = plain.as_deref().and_then(Envelope::decode);
                tell(RelayEvent::Opened(from, envelope));
            }));
        }
    }
}

/// What a sealed message is bound to: the server can neither turn it to another, nor keep it for
/// another page load.
fn context(from: &AgentId, from_page: u64, to: &AgentId, to_page: u64) -> String {
    format!("{from}\n{from_page:016x}\n{to}\n{to_page:016x}")
}
