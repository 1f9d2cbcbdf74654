//! Links between pages of one browser, by broadcast channels: no connection has to be made, and no
//! network is needed.
//!
//! Every page listens on a channel of its own, named after its page number. A page that learns from a
//! signaling server that another one is in the room greets it there. Only a page of the same browser
//! hears that, and answers.

use std::collections::BTreeMap;

use crdt_sync::{CloseReason, LinkId, Outgoing};
use signaling_protocol::AgentId;

use crate::input::{BroadcastContent, BroadcastMessage};
use crate::links::LinkNumbers;
use crate::output::{BroadcastCommand, Output};

/// All links to pages of this browser.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    /// The channel of this page is open.
    is_listening: bool,
    peers: BTreeMap<AgentId, Peer>,
}

/// A page that was greeted, or that is linked.
#[derive(Debug)]
struct Peer {
    page: u64,
    /// The link, once the page has answered.
    link: Option<LinkId>,
    /// It broke the protocol: no link to it is made.
    is_refused: bool,
    /// Why the last link ended.
    problem: Option<String>,
}

/// What is to be done about pages of this browser.
#[derive(Debug)]
pub(crate) enum BroadcastAction {
    Do(Output),
    /// The engine may use the link.
    Up(AgentId, u64, LinkId),
    /// The engine may not use the link any more.
    Down(LinkId),
    /// A message of the engine came.
    Received(LinkId, Outgoing),
}

impl Broadcast {
    /// Opens the channel of this page.
    pub(crate) fn open(&mut self, page: u64) -> Output {
        self.is_listening = true;
        Output::Broadcast(BroadcastCommand::Listen { page })
    }

    /// Closes the channel of this page. The links are to be forgotten one by one, before.
    pub(crate) fn close(&mut self) -> Option<Output> {
        let was_listening = std::mem::take(&mut self.is_listening);
        was_listening.then_some(Output::Broadcast(BroadcastCommand::Close))
    }

    /// Asks the page of a peer whether it is in this browser, unless it was asked.
    pub(crate) fn greet(&mut self, id: &AgentId, page: Option<u64>) -> Option<Output> {
        let page = page.filter(|_| self.is_listening && !self.peers.contains_key(id))?;
        let peer = Peer {
            page,
            link: None,
            is_refused: false,
            problem: None,
        };
        self.peers.insert(id.clone(), peer);
        Some(post(page, BroadcastContent::Hello))
    }

    /// Takes a message of another page. It counts if that page was greeted; a page that the server has
    /// not named yet is answered when it is, by being greeted.
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
            actions.push(BroadcastAction::Do(post(page, BroadcastContent::Here)));
        }
        let link = *peer.link.get_or_insert_with(|| {
            let link = numbers.next();
            actions.push(BroadcastAction::Up(from.clone(), page, link));
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
            BroadcastContent::Hello | BroadcastContent::Here | BroadcastContent::Bye => {}
        }
        actions
    }

    /// Gives up the link to a page, and tells it.
    pub(crate) fn take_leave(&mut self, id: &AgentId) -> Vec<BroadcastAction> {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.link.is_some()) else {
            return Vec::new();
        };
        let bye = post(peer.page, BroadcastContent::Bye);
        let mut actions = vec![BroadcastAction::Do(bye)];
        actions.extend(self.forget(id));
        actions
    }

    /// Forgets a page, without a word.
    pub(crate) fn forget(&mut self, id: &AgentId) -> Vec<BroadcastAction> {
        let Some(peer) = self.peers.remove(id) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        actions.extend(peer.link.map(BroadcastAction::Down));
        let forget = BroadcastCommand::Forget { page: peer.page };
        actions.push(BroadcastAction::Do(Output::Broadcast(forget)));
        actions
    }

    /// The engine closed a link, and has forgotten it: the page may be gone without a word. It is greeted
    /// again, unless it breaks the protocol.
    pub(crate) fn closed(&mut self, id: &AgentId, reason: &CloseReason) -> Option<Output> {
        let peer = self.peers.get_mut(id)?;
        peer.link = None;
        peer.problem = Some(reason.to_string());
        peer.is_refused = reason.is_breach();
        let is_asked = !peer.is_refused;
        is_asked.then(|| post(peer.page, BroadcastContent::Hello))
    }

    /// The link to a peer, where it is a page of this browser.
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

/// Posts a message on the channel of a page.
pub(crate) fn post(to: u64, content: BroadcastContent) -> Output {
    Output::Broadcast(BroadcastCommand::Post { to, content })
}
