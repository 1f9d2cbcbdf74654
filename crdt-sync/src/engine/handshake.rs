//! Hello, goodbye, and the choice of the link that carries the changes of a peer.

use std::cmp::Reverse;

use crdt_core::Document;

use super::Engine;
use super::known::Known;
use super::link::{Link, Peer};
use crate::error::CloseReason;
use crate::sorted_set::SortedSet;
use crate::time::Millis;
use crate::types::{Channel, LinkId, OutdatedSide, Output, Speech};
use crate::wire::{
    GIVES_DIGESTS, GIVES_RECEIPTS, Hello, JsonMessage, Message, OLDEST, TAKES_PACKED, VERSION,
};

/// The longest wait between two hellos, in multiples of the first.
const MAX_HELLO_WAIT: u64 = 30;

impl Engine {
    /// Sends the first messages of a new link.
    pub(super) fn greet(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let config = &self.config;
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.options.text_only {
            self.send_frontier(link, now, doc);
            return;
        }
        state.hello_at = Some(now.saturating_add(config.hello_retry));
        if !state.options.binary_only {
            state.compat_at = Some(now.saturating_add(config.compat_after));
        }
        self.say_hello(link, now, doc);
    }

    fn say_hello(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if !state.has_room(&self.config) {
            return;
        }
        let hello = Message::Hello(Hello {
            version: VERSION,
            oldest: OLDEST,
            capabilities: if self.config.takes_packed {
                GIVES_RECEIPTS | GIVES_DIGESTS | TAKES_PACKED
            } else {
                GIVES_RECEIPTS | GIVES_DIGESTS
            },
            answer: state.session().is_some(),
            session: self.session,
            agent: state.sent_agent.clone(),
            summary: doc.summary(),
        });
        state.hello_sent_at = now;
        state.send(hello.encode(), &self.config, &mut self.outputs);
    }

    /// Sends hello again if no answer came, and tries the JSON form.
    pub(super) fn tick_hello(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.hello_at.is_some_and(|at| at <= now) {
            let longest = self.config.hello_retry.saturating_mul(MAX_HELLO_WAIT);
            state.hello_wait = state.hello_wait.saturating_mul(2).min(longest);
            // A peer that uses JSON and still does not answer the hello never will: it only knows
            // that form.
            let in_vain = state.speech == Speech::Json && state.hello_wait == longest;
            let next = now.saturating_add(state.hello_wait);
            state.hello_at = (!in_vain).then_some(next);
            self.say_hello(link, now, doc);
        }
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.compat_at.is_some_and(|at| at <= now) {
            state.compat_at = None;
            if state.speech == Speech::Unknown {
                let (sender, frontier) = (self.agent.clone(), doc.frontier());
                let text = JsonMessage::Frontier { sender, frontier }.encode();
                state.send_text(text, &self.config, &mut self.outputs);
            }
        }
    }

    /// Handles the peer's hello.
    pub(super) fn on_hello(
        &mut self,
        link: LinkId,
        hello: Hello,
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        if hello.session == self.session {
            return Err(CloseReason::OwnSession);
        }
        let Some(state) = self.links.get(link) else {
            return Ok(());
        };
        if state.session() == Some(hello.session) {
            // It has not received the local hello. A duplicated frame is no reason to send it
            // twice.
            let pause = state
                .hello_sent_at
                .saturating_add(self.config.hello_retry / 2);
            if !hello.answer && now >= pause {
                self.say_hello(link, now, doc);
            }
            return Ok(());
        }
        if state.session().is_some() {
            // The peer restarted on the same transport.
            let options = state.options;
            self.remove(link, false, now, doc);
            self.links
                .add(Link::new(link, options, &self.agent, &self.config, now));
            self.meet(link, &hello, now, doc);
            self.say_hello(link, now, doc);
        } else {
            let said = state.hello_sent_at;
            self.meet(link, &hello, now, doc);
            // Hellos that cross answer each other. A late one suggests that the peer was not
            // listening yet when the local one was sent.
            if !hello.answer && now >= said.saturating_add(self.config.hello_retry / 2) {
                self.say_hello(link, now, doc);
            }
        }
        self.elect(hello.session, now, doc);
        self.send_neighbours();
        self.check_synced(link, doc);
        self.greet_presence(link, now);
        self.flush(link, now, doc);
        Ok(())
    }

    fn meet(&mut self, link: LinkId, hello: &Hello, now: Millis, doc: &mut Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        state.speech = Speech::Binary;
        state.hello_at = None;
        state.compat_at = None;
        state.active = false;
        state.peer = Some(Peer {
            agent: hello.agent.clone(),
            session: Some(hello.session),
            takes_packed: hello.capabilities & TAKES_PACKED != 0,
            gives_receipts: hello.capabilities & GIVES_RECEIPTS != 0,
            gives_digests: hello.capabilities & GIVES_DIGESTS != 0,
        });
        let ours = doc.summary();
        let theirs = state.record_announced(hello.summary.clone(), &ours);
        state.known = Known::exactly(theirs, &ours, doc);
        state.in_flight.clear();
        state.receipt_at = None;
        state.receipt = 0;
        state.received = hello.summary.first_of(&state.sent_agent).into();
        state.edits_as = Some(hello.agent.clone());
        state.first_new = hello.summary.first_of(&hello.agent);
        state.mark(now, &self.config);
        // The first heartbeat comes early, so that the status soon has the round trip.
        let first = now.saturating_add(self.config.settle);
        state.check_at = state.check_at.min(first);
        let (agent, session) = (hello.agent.clone(), Some(hello.session));
        self.outputs.push_back(Output::PeerUp {
            link,
            agent,
            session,
        });
        self.compare_names(link, hello, now, doc);
    }

    /// The protocol version of the peer's hello is incompatible.
    pub(super) fn on_foreign(&mut self, link: LinkId, theirs: u32) -> CloseReason {
        let side = if theirs > VERSION {
            OutdatedSide::Here
        } else {
            OutdatedSide::Peer
        };
        self.outputs.push_back(Output::Outdated {
            link,
            side,
            ours: VERSION,
            theirs,
        });
        CloseReason::Outdated {
            ours: VERSION,
            theirs,
        }
    }

    /// Chooses the link to a session that carries the changes: the one with the lowest rank, and of
    /// those the newest.
    pub(super) fn elect(&mut self, session: u64, now: Millis, doc: &Document) {
        let links = self
            .links
            .iter()
            .filter(|link| link.session() == Some(session));
        let Some(best) = links.min_by_key(|link| (link.options.rank, Reverse(link.id))) else {
            return;
        };
        let best = best.id;
        let before = self
            .links
            .iter_mut()
            .find(|link| link.active && link.session() == Some(session))
            .filter(|link| link.id != best)
            .map(|link| {
                link.active = false;
                link.due = None;
                link.known.clone()
            });
        let Some(state) = self.links.get_mut(best).filter(|link| !link.active) else {
            return;
        };
        state.active = true;
        match before {
            // Messages sent on a link that is still up will arrive.
            Some(known) => state.known.join(&known, doc),
            // Messages sent on a broken link may be lost: ask for a summary before sending more.
            // The hello of a new link already has one.
            None if state.flushed_at[0].is_some() || state.sent_synced => {
                state.held = true;
                state.owes_summary = Some(true);
                state.sent_synced = false;
                state.received_synced = false;
                state.told_synced = false;
            }
            None => {}
        }
        state.mark(now, &self.config);
        self.flush(best, now, doc);
    }

    /// Sends peers the list of the other sessions with which changes are exchanged, if it has
    /// changed.
    pub(super) fn send_neighbours(&mut self) {
        let active = |link: &&Link| link.active && link.speech == Speech::Binary;
        let sessions: SortedSet<u64> = self
            .links
            .iter()
            .filter(active)
            .filter_map(Link::session)
            .collect();
        for link in self.links.iter_mut() {
            let Some(peer) = link.session().filter(|_| link.active) else {
                continue;
            };
            let others: Vec<u64> = sessions.iter().copied().filter(|s| *s != peer).collect();
            if others == link.told_neighbours {
                continue;
            }
            let message = Message::Neighbours(others.clone());
            if link.send_now(&message, Channel::Sync, &self.config, &mut self.outputs) {
                link.told_neighbours = others;
            }
        }
    }

    /// Handles the peer's list of neighbours.
    pub(super) fn on_neighbours(&mut self, link: LinkId, sessions: Vec<u64>, now: Millis) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let before = std::mem::replace(&mut state.neighbours, sessions.into_iter().collect());
        let lost: Vec<u64> = before.difference(&state.neighbours).copied().collect();
        // That peer may not have forwarded the changes left to it: compare versions now.
        let concerned = |link: &&mut Link| link.session().is_some_and(|s| lost.contains(&s));
        self.links
            .iter_mut()
            .filter(concerned)
            .for_each(|link| link.check_at = now);
    }

    /// Sends goodbye to one peer.
    pub(super) fn send_goodbye(&mut self, link: &mut Link) {
        if link.speech != Speech::Json {
            link.send_now(
                &Message::Goodbye,
                Channel::Sync,
                &self.config,
                &mut self.outputs,
            );
        }
        let reason = CloseReason::Leaving;
        self.outputs.push_back(Output::Close {
            link: link.id,
            reason,
        });
    }
}
