//! Links between pages of one browser, by BroadcastChannel: no connection has to be made, and no
//! network is needed.
//!
//! Every page listens on a channel of its own, named after its page number. Who learns from the
//! signaling server that a page is in the room greets it there; only a page of the same browser
//! hears that, and answers.

use crdt_sync::{Channel as Stream, CloseReason, LinkId, Outgoing};
use js_sys::{Array, JsString, Uint8Array};
use signaling_protocol::AgentId;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

use super::browser::Listener;
use super::core::Core;
use super::doctor::DoctorStage;
use super::options::LinkKind;
use super::session::{Event, Session};
use super::transport::Transport;

/// Of the links to one peer this is the first choice.
const RANK: u8 = 0;

/// What a page says to another of the same browser.
pub(crate) enum BusContent {
    /// Are you there?
    Hello,
    /// Yes.
    Here,
    /// Not any more.
    Bye,
    Text(String),
    Binary(Vec<u8>),
}

/// A message from a page of the same browser.
pub(crate) struct BusMessage {
    from: AgentId,
    page: u64,
    content: BusContent,
}

/// The channel that others reach us by.
pub(crate) struct Bus {
    _listener: Listener,
    _inbox: Outbox,
}

/// A channel to one page; dropped, it closes.
pub(crate) struct Outbox {
    channel: BroadcastChannel,
    /// Who says it: our agent id and page.
    from: [JsValue; 2],
}

/// The way to a peer's page.
pub(crate) struct BusLink {
    outbox: Outbox,
    /// The link, once the page has shown that it is there.
    pub(super) link: Option<LinkId>,
}

impl Transport for BusLink {
    fn kind(&self) -> LinkKind {
        LinkKind::Broadcast
    }

    fn send(&mut self, _: Stream, message: Outgoing) -> Result<(), String> {
        self.outbox.post(match message {
            Outgoing::Text(text) => BusContent::Text(text),
            Outgoing::Binary(bytes) => BusContent::Binary(bytes),
        });
        Ok(())
    }

    fn buffered(&self) -> usize {
        0
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.channel.close();
    }
}

impl Outbox {
    /// The channel of a page; `None` where the browser has no such channels.
    fn open(page: u64, session: &Session) -> Option<Outbox> {
        let name = format!("crdt-wasm {page:016x}");
        let me = session.identity();
        let own_page = format!("{:016x}", me.page());
        Some(Outbox {
            channel: BroadcastChannel::new(&name).ok()?,
            from: [me.agent.as_str().into(), own_page.into()],
        })
    }

    fn post(&self, content: BusContent) {
        let (kind, data) = match content {
            BusContent::Hello => ("hello", JsValue::UNDEFINED),
            BusContent::Here => ("here", JsValue::UNDEFINED),
            BusContent::Bye => ("bye", JsValue::UNDEFINED),
            BusContent::Text(text) => ("data", text.into()),
            BusContent::Binary(bytes) => ("data", Uint8Array::from(&bytes[..]).into()),
        };
        let [agent, page] = &self.from;
        let message = Array::of4(&kind.into(), agent, page, &data);
        // It fails only on a channel that is closed.
        let _ = self.channel.post_message(&message);
    }
}

impl BusMessage {
    /// Reads a message; `None` for anything that another script may have posted.
    fn read(message: &JsValue) -> Option<BusMessage> {
        let parts: &Array = message.dyn_ref()?;
        let text = |at| parts.get(at).as_string();
        let data = parts.get(3);
        let content = match text(0)?.as_str() {
            "hello" => BusContent::Hello,
            "here" => BusContent::Here,
            "bye" => BusContent::Bye,
            "data" => match data.dyn_ref::<Uint8Array>() {
                Some(bytes) => BusContent::Binary(bytes.to_vec()),
                None => BusContent::Text(data.dyn_into::<JsString>().ok()?.into()),
            },
            _ => return None,
        };
        Some(BusMessage {
            from: AgentId::parse(&text(1)?).ok()?,
            page: u64::from_str_radix(&text(2)?, 16).ok()?,
            content,
        })
    }
}

impl Core {
    /// Opens our own channel, where such links may be used.
    pub(super) fn open_bus(&mut self, session: &Session) {
        self.bus = None;
        if !session.options().allows(LinkKind::Broadcast) {
            return;
        }
        let Some(inbox) = Outbox::open(session.identity().page(), session) else {
            return;
        };
        let tell = session.teller(Event::Bus);
        let listener = Listener::new(&inbox.channel, "message", move |event| {
            let data = event.unchecked_into::<MessageEvent>().data();
            if let Some(message) = BusMessage::read(&data) {
                tell(message);
            }
        });
        self.bus = Some(Bus {
            _listener: listener,
            _inbox: inbox,
        });
    }

    /// Asks a peer's page whether it is in this browser, unless it was asked.
    pub(super) fn greet(&mut self, session: &Session, id: &AgentId) {
        let peer = self.peers.get_mut(id).filter(|_| self.bus.is_some());
        let Some(peer) = peer.filter(|peer| peer.bus.is_none() && !peer.breaks_protocol) else {
            return;
        };
        let open = |page| Outbox::open(page, session);
        let Some(outbox) = peer.page.and_then(open) else {
            return;
        };
        outbox.post(BusContent::Hello);
        peer.bus = Some(BusLink { outbox, link: None });
    }

    pub(super) fn on_bus(&mut self, session: &Session, message: BusMessage) {
        let BusMessage {
            from,
            page,
            content,
        } = message;
        // Who the server has not named yet greets again by being greeted.
        let peer = self.peers.get(&from).filter(|peer| peer.page == Some(page));
        let Some(bus) = peer.and_then(|peer| peer.bus.as_ref()) else {
            return;
        };
        match content {
            BusContent::Bye => {
                self.drop_bus(session, &from);
                self.plan(session);
                return;
            }
            BusContent::Hello => bus.outbox.post(BusContent::Here),
            BusContent::Here | BusContent::Text(_) | BusContent::Binary(_) => {}
        }
        let Some(link) = self.raise_bus(session, &from) else {
            return;
        };
        match content {
            BusContent::Text(text) => self.receive_text(session, link, &text),
            BusContent::Binary(bytes) => self.receive_binary(session, link, &bytes),
            BusContent::Hello | BusContent::Here | BusContent::Bye => {}
        }
    }

    /// Tells every page of this browser that we leave.
    pub(super) fn close_bus(&mut self) {
        for bus in self.peers.buses() {
            bus.outbox.post(BusContent::Bye);
        }
        self.bus = None;
    }

    /// Gives the link to a page up.
    pub(super) fn drop_bus(&mut self, session: &Session, id: &AgentId) {
        let bus = self.peers.get_mut(id).and_then(|peer| peer.bus.take());
        if let Some(link) = bus.and_then(|bus| bus.link) {
            self.link_down(session, link);
        }
    }

    /// Lets go of the link to a page that others link to.
    pub(super) fn take_leave_by_bus(&mut self, session: &Session, id: &AgentId) {
        let bus = self.peers.get(id).and_then(|peer| peer.bus.as_ref());
        if let Some(bus) = bus.filter(|bus| bus.link.is_some()) {
            bus.outbox.post(BusContent::Bye);
            self.drop_bus(session, id);
        }
    }

    /// The engine has given the link up, and forgotten it: the page may be gone without a word.
    pub(super) fn on_bus_close(&mut self, session: &Session, id: &AgentId, reason: &CloseReason) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.bus = None;
            // With such a peer the next link would end the same way.
            peer.breaks_protocol |= reason.is_breach();
            peer.problem = Some((DoctorStage::Channel, reason.to_string()));
        }
        self.plan(session);
    }

    /// The page is there: the engine may use the link. It is returned, old or new.
    fn raise_bus(&mut self, session: &Session, id: &AgentId) -> Option<LinkId> {
        let known = self.peers.get(id)?.bus.as_ref()?.link;
        if known.is_some() {
            return known;
        }
        let link = self.peers.next_link();
        self.peers.get_mut(id)?.bus.as_mut()?.link = Some(link);
        self.link_up(session, link, RANK);
        self.plan(session);
        Some(link)
    }
}
