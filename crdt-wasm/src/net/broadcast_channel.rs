//! Broadcast channels between pages of one browser.
//!
//! Every page listens on a channel of its own, and on those of the places where pages meet. A message is an
//! array: what it says, the agent id and the page number of its sender, and the data that it carries, if any.

use crdt_room::{BroadcastCommand, BroadcastContent, BroadcastMessage, Input};
use js_sys::{Array, JsString, Uint8Array};
use signaling_protocol::AgentId;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

use super::driver::Tell;
use super::host::Listener;

/// The channels of a session.
pub(super) struct BroadcastChannels {
    /// The sender of our messages.
    agent: JsValue,
    page: JsValue,
    /// The channels that this page listens on, with the listeners.
    own: Vec<(Channel, Listener)>,
    /// The channels of other pages.
    others: Vec<(String, Channel)>,
    tell: Tell,
}

/// A channel; dropped, it closes.
struct Channel(BroadcastChannel);

impl BroadcastChannels {
    pub(super) fn new(agent: &AgentId, tell: Tell) -> BroadcastChannels {
        BroadcastChannels {
            agent: agent.as_str().into(),
            page: JsValue::UNDEFINED,
            own: Vec::new(),
            others: Vec::new(),
            tell,
        }
    }

    pub(super) fn run(&mut self, command: BroadcastCommand) {
        match command {
            BroadcastCommand::Listen {
                channel,
                places,
                page,
            } => self.listen(&channel, &places, page),
            BroadcastCommand::Post { channel, content } => self.post(channel, content),
            BroadcastCommand::Forget { channel } => {
                self.others.retain(|(known, _)| *known != channel);
            }
            BroadcastCommand::Close => self.own.clear(),
        }
    }

    fn listen(&mut self, own: &str, places: &[String], page: u64) {
        self.page = format!("{page:016x}").into();
        let names = places.iter().map(String::as_str).chain([own]);
        let listen = |channel: Channel| {
            let tell = self.tell.clone();
            let listener = Listener::new(&channel.0, "message", move |event| {
                let data = event.unchecked_into::<MessageEvent>().data();
                if let Some(message) = read(&data) {
                    tell(Input::Broadcast(message));
                }
            });
            (channel, listener)
        };
        self.own = names.filter_map(Channel::open).map(listen).collect();
    }

    fn post(&mut self, to: String, content: BroadcastContent) {
        let (kind, data) = match content {
            BroadcastContent::Hello => ("hello", JsValue::UNDEFINED),
            BroadcastContent::Here => ("here", JsValue::UNDEFINED),
            BroadcastContent::Bye => ("bye", JsValue::UNDEFINED),
            BroadcastContent::Announce => ("announce", JsValue::UNDEFINED),
            BroadcastContent::Leave => ("leave", JsValue::UNDEFINED),
            BroadcastContent::Text(text) => ("data", text.into()),
            BroadcastContent::Binary(bytes) => ("data", Uint8Array::from(&bytes[..]).into()),
        };
        let message = Array::of4(&kind.into(), &self.agent, &self.page, &data);
        if let Some(channel) = self.channel(to) {
            // It fails only on a channel that is closed.
            let _ = channel.0.post_message(&message);
        }
    }

    /// The channel of another page; `None` where the browser makes none.
    fn channel(&mut self, name: String) -> Option<&Channel> {
        let known = self.others.iter().position(|(known, _)| *known == name);
        let place = match known {
            Some(place) => place,
            None => {
                let channel = Channel::open(&name)?;
                self.others.push((name, channel));
                self.others.len() - 1
            }
        };
        self.others.get(place).map(|(_, channel)| channel)
    }
}

impl Channel {
    fn open(name: &str) -> Option<Channel> {
        BroadcastChannel::new(name).ok().map(Channel)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Reads a message; `None` for anything else that a script may have posted.
fn read(message: &JsValue) -> Option<BroadcastMessage> {
    let parts: &Array = message.dyn_ref()?;
    let text = |at| parts.get(at).as_string();
    let data = parts.get(3);
    let content = match text(0)?.as_str() {
        "hello" => BroadcastContent::Hello,
        "here" => BroadcastContent::Here,
        "bye" => BroadcastContent::Bye,
        "announce" => BroadcastContent::Announce,
        "leave" => BroadcastContent::Leave,
        "data" => match data.dyn_ref::<Uint8Array>() {
            Some(bytes) => BroadcastContent::Binary(bytes.to_vec()),
            None => BroadcastContent::Text(data.dyn_into::<JsString>().ok()?.into()),
        },
        _ => return None,
    };
    Some(BroadcastMessage {
        from: AgentId::parse(&text(1)?).ok()?,
        page: u64::from_str_radix(&text(2)?, 16).ok()?,
        content,
    })
}
