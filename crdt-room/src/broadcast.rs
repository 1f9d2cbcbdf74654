//! Links between pages of one browser over broadcast channels, which need neither a connection nor
//! a network.
//!
//! Every page listens on its own channel, named after its page number and, in a room with a key, a
//! secret that is derived from the key: pages without the key can neither receive nor send. A page
//! that learns from a signaling server or a meeting place that another one is in the room greets it
//! there. Only a page of the same browser receives that, and answers.
//!
//! Pages of one browser find each other without a server, too: for each server, and for no server,
//! the room has a meeting place in the browser, which is a channel. A page announces itself there
//! when it joins and when it leaves.

use std::collections::VecDeque;

use crdt_sync::{CloseReason, LinkId, Outgoing, SortedMap};
use signaling_protocol::AgentId;

use crate::input::{BroadcastContent, BroadcastMessage};
use crate::links::LinkNumbers;
use crate::output::{BroadcastCommand, Output};

/// The most pages that left and are remembered.
const MAX_LEFT: usize = 64;

/// All links to pages of this browser.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    /// The secret in the names of channels, while the channel of this page is open.
    secret: Option<String>,
    /// The names of the channels of the meeting places.
    places: Vec<String>,
    /// The pages that left last: their earlier messages may arrive later, by another channel.
    left: VecDeque<u64>,
    peers: SortedMap<AgentId, Peer>,
}

/// A page that was greeted, or that is linked.
#[derive(Debug)]
struct Peer {
    page: u64,
    /// The name of its channel.
    channel: String,
    /// The link, once the page has answered.
    link: Option<LinkId>,
    /// It broke the protocol: no link to it is made.
    is_refused: bool,
    /// Why the last link ended.
    problem: Option<String>,
}

/// Actions for pages of this browser.
#[derive(Debug)]
pub(crate) enum BroadcastAction {
    Do(Output),
    /// The engine may use the link.
    Up {
        peer: AgentId,
        channel: String,
        link: LinkId,
    },
    /// The engine may not use the link any more.
    Down(LinkId),
    /// A message of the engine came.
    Received(LinkId, Outgoing),
}

impl Broadcast {
    /// Opens the channel of this page, and announces it. `secret`: the secret in the names of
    /// channels, empty in a room without a key. `places`: the names of the meeting places.
    pub(crate) fn open(&mut self, page: u64, secret: &str, places: &[String]) -> Vec<Output> {
        self.secret = Some(secret.to_owned());
        self.places = places.iter().map(|name| place(secret, name)).collect();
        let listen = BroadcastCommand::Listen {
            channel: channel(secret, page),
            places: self.places.clone(),
            page,
        };
        let mut outputs = vec![Output::Broadcast(listen)];
        outputs.extend(self.post_at_places(&BroadcastContent::Announce));
        outputs
    }

    /// Closes the channel of this page. The caller forgets the links one by one before.
    pub(crate) fn close(&mut self) -> Vec<Output> {
        if self.secret.take().is_none() {
            return Vec::new();
        }
        let mut outputs = self.post_at_places(&BroadcastContent::Leave);
        self.places.clear();
        outputs.push(Output::Broadcast(BroadcastCommand::Close));
        outputs
    }

    /// A page left.
    pub(crate) fn leaves(&mut self, page: u64) {
        self.left.push_back(page);
        if self.left.len() > MAX_LEFT {
            self.left.pop_front();
        }
    }

    /// Whether a page left a short while ago.
    pub(crate) fn has_left(&self, page: u64) -> bool {
        self.left.contains(&page)
    }

    fn post_at_places(&self, content: &BroadcastContent) -> Vec<Output> {
        let all = self.places.iter();
        all.flat_map(|place| {
            let forget = BroadcastCommand::Forget {
                channel: place.clone(),
            };
            [post(place, content.clone()), Output::Broadcast(forget)]
        })
        .collect()
    }

    /// Asks the page of a peer whether it is in this browser, unless it was asked.
    pub(crate) fn greet(&mut self, id: &AgentId, page: Option<u64>) -> Option<Output> {
        let secret = self.secret.as_deref()?;
        let page = page.filter(|_| !self.peers.contains_key(id))?;
        let channel = channel(secret, page);
        let greeting = post(&channel, BroadcastContent::Hello);
        let peer = Peer {
            page,
            channel,
            link: None,
            is_refused: false,
            problem: None,
        };
        self.peers.insert(id.clone(), peer);
        Some(greeting)
    }

    /// Takes a message of another page. It counts if that page was greeted.
    pub(crate) fn handle(
        &mut self,
        message: BroadcastMessage,
        numbers: &mut LinkNumbers,
    ) -> Vec<BroadcastAction> {
        let BroadcastMessage {
            from,
            page,
            content,
        } = message;
        let known = self.peers.get_mut(&from);
        let Some(peer) = known.filter(|peer| peer.page == page && !peer.is_refused) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if content == BroadcastContent::Bye {
            actions.extend(peer.link.take().map(BroadcastAction::Down));
            return actions;
        }
        if content == BroadcastContent::Hello {
            let answer = post(&peer.channel, BroadcastContent::Here);
            actions.push(BroadcastAction::Do(answer));
        }
        let link = *peer.link.get_or_insert_with(|| {
            let link = numbers.next();
            actions.push(BroadcastAction::Up {
                peer: from.clone(),
                channel: peer.channel.clone(),
                link,
            });
            link
        });
        peer.problem = None;
        match content {
            BroadcastContent::Text(text) => {
                actions.push(BroadcastAction::Received(link, Outgoing::Text(text)));
            }
            BroadcastContent::Binary(bytes) => {
                actions.push(BroadcastAction::Received(link, Outgoing::Binary(bytes)));
            }
            BroadcastContent::Hello
            | BroadcastContent::Here
            | BroadcastContent::Bye
            | BroadcastContent::Announce
            | BroadcastContent::Leave => {}
        }
        actions
    }

    /// Closes the link to a page, and notifies it.
    pub(crate) fn take_leave(&mut self, id: &AgentId) -> Vec<BroadcastAction> {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.link.is_some()) else {
            return Vec::new();
        };
        let bye = post(&peer.channel, BroadcastContent::Bye);
        let mut actions = vec![BroadcastAction::Do(bye)];
        actions.extend(self.forget(id));
        actions
    }

    /// Forgets a page without a message.
    pub(crate) fn forget(&mut self, id: &AgentId) -> Vec<BroadcastAction> {
        let Some(peer) = self.peers.remove(id) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        actions.extend(peer.link.map(BroadcastAction::Down));
        let forget = BroadcastCommand::Forget {
            channel: peer.channel,
        };
        actions.push(BroadcastAction::Do(Output::Broadcast(forget)));
        actions
    }

    /// The engine has closed and forgotten a link: the page may be gone without a message. It is
    /// greeted again, unless it violates the protocol.
    pub(crate) fn closed(&mut self, id: &AgentId, reason: &CloseReason) -> Option<Output> {
        let peer = self.peers.get_mut(id)?;
        peer.link = None;
        peer.problem = Some(reason.to_string());
        peer.is_refused = reason.is_breach();
        let is_asked = !peer.is_refused;
        is_asked.then(|| post(&peer.channel, BroadcastContent::Hello))
    }

    /// The link to a peer, if it is a page of this browser.
    pub(crate) fn link_to(&self, id: &AgentId) -> Option<LinkId> {
        self.peers.get(id)?.link
    }

    /// Why the last link to a peer ended, until there is another one.
    pub(crate) fn problem_with(&self, id: &AgentId) -> Option<&str> {
        self.peers.get(id)?.problem.as_deref()
    }

    /// The pages that were greeted or are linked.
    pub(crate) fn peers(&self) -> Vec<AgentId> {
        self.peers.keys().cloned().collect()
    }
}

/// The message of the engine as content of a broadcast channel.
pub(crate) fn data(message: Outgoing) -> BroadcastContent {
    match message {
        Outgoing::Text(text) => BroadcastContent::Text(text),
        Outgoing::Binary(bytes) => BroadcastContent::Binary(bytes),
    }
}

/// Posts a message on a channel.
pub(crate) fn post(channel: &str, content: BroadcastContent) -> Output {
    Output::Broadcast(BroadcastCommand::Post {
        channel: channel.to_owned(),
        content,
    })
}

/// The name of the channel of a page.
fn channel(secret: &str, page: u64) -> String {
    if secret.is_empty() {
        format!("crdt-wasm {page:016x}")
    } else {
        format!("crdt-wasm {secret} {page:016x}")
    }
}

/// The name of the channel of a meeting place.
fn place(secret: &str, name: &str) -> String {
    format!("crdt-wasm room {secret} {name}")
}
