//! Access: the proofs of the ends of links, and the changes that each link carries.

use crdt_core::Document;
use crdt_sync::{Access, CloseReason, INTRODUCTION, Incoming, LinkId, Millis, Outgoing};
use signaling_protocol::AgentId;

use super::Room;
use crate::input::CipherEvent;
use crate::introductions::{IntroductionAction, Received};
use crate::links::Route;
use crate::sealed_links::SealedLinkAction;

impl Room {
    /// Whether this member is read-only: by its own settings, or by a server's admission.
    pub(super) fn is_read_only(&self) -> bool {
        self.options.is_read_only || self.signaling.is_read_only()
    }

    /// The changes that the link to a peer carries. `is_writer`: the other end has proved that it
    /// may write, or needs no proof.
    pub(super) fn access(&self, peer: Option<&AgentId>, is_writer: bool) -> Access {
        let member = peer.and_then(|id| self.members.get(id));
        let is_kept_read_only = member.is_some_and(|member| member.is_kept_read_only);
        Access {
            sends: !self.is_read_only(),
            takes: is_writer && !is_kept_read_only,
        }
    }

    /// Updates the engine's access of each link, if it has changed.
    pub(super) fn review_access(&mut self, now: Millis, document: &Document) {
        let links = self.links.iter();
        let all = links.map(|link| (link.id, self.access(link.route.peer(), link.is_writer)));
        let all: Vec<(LinkId, Access)> = all.collect();
        if let Some(engine) = &mut self.engine {
            for (link, access) in all {
                engine.set_access(link, access, now, document);
            }
        }
    }

    /// An unauthenticated link is up. In a room with a key the engine learns of it after both ends
    /// have sent their proofs.
    pub(super) fn introduce(
        &mut self,
        link: LinkId,
        route: Route,
        now: Millis,
        document: &mut Document,
    ) {
        if !self.options.has_key {
            self.link_up(link, route, true, now, document);
            return;
        }
        self.is_dirty = true;
        let peer = route.peer().and_then(|id| {
            let page = self.members.get(id)?.page?;
            Some((id.clone(), page))
        });
        self.links.add(link, route, false);
        let begun = self.introductions.begin(link, self.page, peer, now);
        self.on_introductions(vec![begun], now, document);
    }

    pub(super) fn on_introductions(
        &mut self,
        actions: Vec<IntroductionAction>,
        now: Millis,
        document: &mut Document,
    ) {
        for action in actions {
            match action {
                IntroductionAction::Say(link, bytes) => {
                    let output = self.send_otherwise(link, Outgoing::Binary(bytes));
                    self.outputs.extend(output);
                }
                IntroductionAction::Do(output) => self.outputs.push_back(output),
                IntroductionAction::Up {
                    link,
                    is_writer,
                    agreement,
                    held,
                } => {
                    self.sealed_links.add(link, agreement);
                    self.links.set_writer(link, is_writer);
                    self.use_link(link, now, document);
                    for message in held {
                        self.take(link, message, now, document);
                    }
                }
                IntroductionAction::GiveUp(link) => {
                    self.on_close(link, &CloseReason::Unproven, now, document);
                }
                IntroductionAction::Down(link) => {
                    self.is_dirty = true;
                    self.sealed_links.forget(link);
                    if let Some(engine) = &mut self.engine {
                        engine.link_down(link, now, document);
                    }
                }
            }
        }
        self.advance_cipher(now);
    }

    /// Takes a message that came by something other than a data channel.
    pub(super) fn receive_owned(
        &mut self,
        link: LinkId,
        message: Outgoing,
        now: Millis,
        document: &mut Document,
    ) {
        if !self.options.has_key {
            let is_introduction =
                matches!(&message, Outgoing::Binary(bytes) if bytes.first() == Some(&INTRODUCTION));
            let problem =
                "the other end has a key for this room, and this page was opened without one";
            let problem = is_introduction.then_some(problem);
            self.is_dirty |= self.transports.set_problem(link, problem);
        }
        match self.introductions.receive(link, message, now) {
            Received::Pass(message) => {
                self.take(link, message, now, document);
                self.advance_cipher(now);
            }
            Received::Taken(actions) => self.on_introductions(actions, now, document),
        }
    }

    /// Takes a message of a link that may be used: the engine's, or one that has to be opened.
    fn take(&mut self, link: LinkId, message: Outgoing, now: Millis, document: &mut Document) {
        if let Some(message) = self.sealed_links.receive(link, message) {
            self.receive(link, incoming(&message), now, document);
        }
    }

    pub(super) fn on_sealed_links(
        &mut self,
        event: CipherEvent,
        now: Millis,
        document: &mut Document,
    ) {
        for action in self.sealed_links.handle(event) {
            match action {
                SealedLinkAction::Send(link, message) => {
                    let output = self.send_otherwise(link, message);
                    self.outputs.extend(output);
                }
                SealedLinkAction::Received(link, message) => {
                    self.receive(link, incoming(&message), now, document);
                }
                SealedLinkAction::Close(link, reason) => {
                    self.on_close(link, &reason, now, document);
                }
            }
        }
    }

    /// Forgets the proofs of a link, and the key that its ends agreed on.
    pub(super) fn forget_proofs(&mut self, link: LinkId) {
        self.sealed_links.forget(link);
        let discarded = self.introductions.forget(link);
        self.outputs.extend(discarded);
    }
}

fn incoming(message: &Outgoing) -> Incoming<'_> {
    match message {
        Outgoing::Text(text) => Incoming::Text(text),
        Outgoing::Binary(bytes) => Incoming::Binary(bytes),
    }
}
