//! Sending and receiving events.

use std::cell::LazyCell;

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EncodeError, MergeReport, VersionSummary};

use super::Engine;
use super::known::Known;
use super::link::Link;
use crate::error::{CloseReason, WireError};
use crate::time::Millis;
use crate::types::{Channel, Incoming, LinkId, Output, Speech};
use crate::wire::{Message, changes, kind, unpack};

/// The longest message that is reassembled before the peer's hello.
const MAX_HELLO: usize = 4 * 1024 * 1024;

/// The most bytes that a keystroke takes as a message.
const KEYSTROKE: usize = 16;

/// A history is sent in parts if it has more events than this times
/// [`Config::first_part`](crate::Config::first_part).
const LONG_HISTORY: u64 = 8;

impl Engine {
    pub(super) fn receive_binary(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        let Some((first, body)) = bytes.split_first() else {
            return Err(WireError::Truncated {
                what: "the kind of message",
                len: 0,
            }
            .into());
        };
        if *first != kind::FRAGMENT {
            return self.receive_message(link, *first, body, now, doc);
        }
        let met = self.is_met(link);
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        let bound = if met {
            self.config.max_message
        } else {
            MAX_HELLO
        };
        state.busy_at = now;
        let Some(whole) = state.reassembly.take(body, bound, now)? else {
            return Ok(());
        };
        match whole.split_first() {
            Some((first, body)) if *first != kind::FRAGMENT => {
                self.receive_message(link, *first, body, now, doc)
            }
            _ => {
                let found = u64::from(kind::FRAGMENT);
                Err(WireError::Invalid {
                    what: "the kind of a fragmented message",
                    found,
                }
                .into())
            }
        }
    }

    fn receive_message(
        &mut self,
        link: LinkId,
        first: u8,
        body: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        match first {
            kind::CHANGES => self.on_changes(link, body, now, doc),
            _ => self.receive_other(link, first, body, now, doc),
        }
    }

    /// Messages that are not part of every keystroke.
    #[inline(never)]
    fn receive_other(
        &mut self,
        link: LinkId,
        first: u8,
        body: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        if first == kind::PACKED_CHANGES {
            if !self.is_met(link) {
                return Ok(());
            }
            let patch = unpack(body, self.config.max_message)?;
            return self.on_changes(link, &patch, now, doc);
        }
        let message = Message::decode(first, body)?;
        match message {
            Message::Hello(hello) => return self.on_hello(link, hello, now, doc),
            Message::Foreign { version } => return Err(self.on_foreign(link, version)),
            Message::Goodbye => return Err(CloseReason::Goodbye),
            // On a transport that reorders, other messages may overtake the hello. They are ignored
            // before it; the next heartbeat detects missed ones.
            _ if !self.is_met(link) => {}
            Message::Summary { reply, summary } => {
                self.on_summary(link, reply, summary, now, doc);
            }
            Message::Synced => self.on_synced(link),
            Message::Ping(check) => self.on_ping(link, check, now, doc),
            Message::Pong(check) => self.on_pong(link, check, now, doc),
            Message::Receipt { events } => self.on_receipt(link, events),
            Message::AskDigest { seq } => self.on_ask_digest(link, seq, doc),
            Message::Digest { seq, digest } => self.on_digest(link, (seq, digest), now, doc),
            Message::InUse { seq } => self.on_in_use(link, seq, now, doc),
            Message::Renamed { agent } => self.on_renamed(link, agent, now),
            Message::Neighbours(sessions) => self.on_neighbours(link, sessions, now),
            Message::Presence(_)
            | Message::PresenceGone { .. }
            | Message::PresenceVector { .. } => return self.on_presence(link, message, now),
            Message::Unknown => {}
        }
        Ok(())
    }

    /// Events of the peer.
    fn on_changes(
        &mut self,
        link: LinkId,
        patch: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        if !self.is_met(link) {
            return Ok(());
        }
        let takes = |link: &Link| link.options.access.takes;
        if !self.links.get(link).is_some_and(takes) {
            return Err(CloseReason::ReadOnly);
        }
        self.take_in(link, Incoming::Binary(patch), now, doc)?;
        if let Some(state) = self.links.get_mut(link) {
            // Events that arrived earlier by another link count as well.
            let at = now.saturating_add(self.config.receipt_delay);
            state.receipt_at = state.receipt_at.or(Some(at));
        }
        Ok(())
    }

    /// Reports the changes of a merge into a document of `before` events, and forwards its events.
    pub(super) fn after_merge(
        &mut self,
        link: LinkId,
        before: usize,
        report: &MergeReport,
        now: Millis,
        doc: &Document,
    ) {
        if let Some(state) = self.links.get_mut(link) {
            state.busy_at = now;
            if report.pending > 0 || report.dropped > 0 {
                state.lost_some |= report.dropped > 0;
                let at = now.saturating_add(state.repair_wait);
                state.repair_at = Some(state.repair_at.map_or(at, |before| before.min(at)));
            }
        }
        if report.applied == 0 {
            return;
        }
        self.see(now, doc);
        self.review_left_out(now);
        self.pass_on(link, before, now, doc);
    }

    /// Forwards the events beyond the first `before`, which came by `from`, to the other peers.
    fn pass_on(&mut self, from: LinkId, before: usize, now: Millis, doc: &Document) {
        let (sender, neighbours) = match self.links.get_mut(from) {
            Some(state) => {
                state.known.learn_since(before, doc);
                (state.session(), std::mem::take(&mut state.neighbours))
            }
            None => Default::default(),
        };
        let new = LazyCell::new(|| doc.summary_since(before));
        let mut caught_up = Vec::new();
        for link in self.links.iter_mut() {
            if !link.claimed.is_empty() {
                link.claimed.subtract(&new);
                caught_up.push(link.id);
            }
            if link.id == from {
                continue;
            }
            let has_it = |peer| Some(peer) == sender || neighbours.contains(&peer);
            if link.session().is_some_and(has_it) {
                // This is another link to the sender, or the sender sends the events to this peer
                // itself. If that fails, the next comparison of versions detects it.
                link.known.learn_since(before, doc);
            } else {
                link.mark(now.saturating_add(self.config.forward_delay), &self.config);
            }
        }
        if let Some(state) = self.links.get_mut(from) {
            state.neighbours = neighbours;
        }
        for link in caught_up {
            self.check_synced(link, doc);
        }
    }

    /// Sends the peer of a link the events that it lacks, or a first part of them, if they are due
    /// and there is room.
    pub(super) fn flush(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let (config, outputs) = (&self.config, &mut self.outputs);
        let Some(state) = self
            .links
            .get_mut(link)
            .filter(|link| link.has_room(config))
        else {
            return;
        };
        if state.buffered == 0 {
            state.in_flight.clear();
        }
        if let Some(reply) = state
            .owes_summary
            .filter(|_| state.speech == Speech::Binary)
        {
            state.owes_summary = None;
            let summary = doc.summary();
            state.send(
                Message::Summary { reply, summary }.encode(),
                config,
                outputs,
            );
        }
        if !(state.is_ready() && state.has_room(config) && state.due.is_some_and(|at| at <= now)) {
            return;
        }
        state.due = None;
        if state.known.is_all(doc) || self.send_keystroke(link, now, doc) {
            return;
        }
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let missing = state.known.missing(doc);
        if missing.is_empty() {
            return;
        }
        let sent = self.send_events(link, missing, now, doc);
        if let (Err(error), Some(state)) = (sent, self.links.get_mut(link))
            && !std::mem::replace(&mut state.reported_too_old, true)
        {
            let reason = error.into();
            self.outputs.push_back(Output::Refused { link, reason });
        }
    }

    /// Sends the peer of a link the last event of the document, if that is a keystroke and the only
    /// event that the peer lacks. Returns whether it did.
    fn send_keystroke(&mut self, link: LinkId, now: Millis, doc: &Document) -> bool {
        let Some(state) = self.links.get_mut(link) else {
            return false;
        };
        let Some(peer) = state
            .peer
            .as_ref()
            .filter(|_| state.speech == Speech::Binary && state.known.lacks_the_last(doc))
        else {
            return false;
        };
        let mut message = Vec::with_capacity(KEYSTROKE);
        message.push(kind::CHANGES);
        let names = [state.sent_agent.as_str(), peer.agent.as_str()];
        if !doc.encode_keystroke_named(&names, &mut message) {
            return false;
        }
        state.send(message, &self.config, &mut self.outputs);
        state.part = None;
        state.reported_too_old = false;
        state.flushed(now);
        state.known.learn_all(doc);
        state.in_flight.add_last(doc);
        doc.mark_shared();
        true
    }

    /// Sends events of the document to the peer of a link, or a first part of them.
    fn send_events(
        &mut self,
        link: LinkId,
        mut events: VersionSummary,
        now: Millis,
        doc: &Document,
    ) -> Result<(), EncodeError> {
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        if state.speech == Speech::Json {
            self.send_json(link, &events, doc)?;
        } else if let Some(peer) = &state.peer {
            let config = &self.config;
            // Both ends know both names, so nearly every patch leaves them out.
            let names = [state.sent_agent.as_str(), peer.agent.as_str()];
            let is_long = || events.event_count() > LONG_HISTORY * config.first_part as u64;
            let enough = match state.part {
                Some(next) => next,
                None if is_long() => config.first_part,
                None => config.part,
            };
            let enough = enough.min(config.part);
            let (patch, part) = doc.encode_part_named(&events, &names, enough)?;
            let message = changes(&patch, peer.takes_packed);
            state.send(message, config, &mut self.outputs);
            state.part = part.is_some().then(|| enough.saturating_mul(2));
            if let Some(part) = part {
                // The next part is encoded while this one is in transit and being merged.
                events = part;
                state.due = Some(now);
            }
        }
        if let Some(own) = events.ranges(&self.agent).last() {
            doc.mark_shared_until(own.end);
        }
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        state.reported_too_old = false;
        state.flushed(now);
        if state.due.is_some() {
            state.known.learn(&events);
        } else {
            state.known.learn_all(doc);
        }
        state.in_flight.add(events);
        Ok(())
    }

    /// The peer sent a summary of its events.
    fn on_summary(
        &mut self,
        link: LinkId,
        reply: bool,
        summary: VersionSummary,
        now: Millis,
        doc: &Document,
    ) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let ours = doc.summary();
        state.received = state
            .received
            .max(summary.first_of(&state.sent_agent).into());
        let mut known = state.record_announced(summary, &ours);
        // Events in transit had not arrived when the peer wrote this.
        if state.buffered > 0 || !state.queue.is_empty() {
            known.union(&state.in_flight.events(doc));
        }
        state.known = Known::exactly(known, &ours, doc);
        state.held = false;
        state.mark(now, &self.config);
        if reply {
            state.owes_summary = state.owes_summary.or(Some(false));
        }
        self.check_synced(link, doc);
        self.flush(link, now, doc);
    }

    /// Sends the peer of a link a receipt for its own events, if that is due, or useful `at_once`.
    pub(super) fn send_receipt(
        &mut self,
        link: LinkId,
        at_once: bool,
        now: Millis,
        doc: &Document,
    ) {
        let config = &self.config;
        let Some(state) = self
            .links
            .get_mut(link)
            .filter(|link| link.owes_receipt(at_once, now, config))
        else {
            return;
        };
        state.receipt_at = None;
        let peer = state.peer.as_ref().filter(|peer| peer.session.is_some());
        let events = peer.map_or(0, |peer| doc.event_count_of(&peer.agent));
        if events == state.receipt {
            return;
        }
        let message = Message::Receipt {
            events: events as u64,
        };
        // If there is no room, the next heartbeat has the information.
        if state.send_now(&message, Channel::Sync, config, &mut self.outputs) {
            state.receipt = events;
        }
    }

    /// The peer sent a receipt for this number of local events.
    pub(super) fn on_receipt(&mut self, link: LinkId, events: u64) {
        if let Some(state) = self.links.get_mut(link) {
            state.received = state.received.max(events);
        }
    }

    /// Sends `synced` once no event that the peer announced is missing.
    pub(super) fn check_synced(&mut self, link: LinkId, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if !state.claimed.is_empty() {
            state.claimed.subtract(&doc.summary());
        }
        let speaks = state.speech == Speech::Binary && state.peer.is_some();
        if state.sent_synced || !speaks || !state.claimed.is_empty() {
            return;
        }
        state.send(Message::Synced.encode(), &self.config, &mut self.outputs);
        state.sent_synced = true;
        self.tell_synced(link);
    }

    fn on_synced(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(link) {
            state.received_synced = true;
        }
        self.tell_synced(link);
    }

    pub(super) fn tell_synced(&mut self, link: LinkId) {
        let synced = |link: &&mut Link| link.is_synced() && !link.told_synced;
        if let Some(state) = self.links.get_mut(link).filter(synced) {
            state.told_synced = true;
            self.outputs.push_back(Output::Synced { link });
        }
    }

    /// Requests the events that held-back events wait for, if they have not arrived.
    pub(super) fn tick_repair(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let config = &self.config;
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.repair_at.is_none_or(|at| at > now) {
            return;
        }
        state.repair_at = None;
        // Dropped events are requested even if nothing waits any more.
        if doc.pending_events() == 0 && !std::mem::take(&mut state.lost_some) {
            state.repair_wait = config.repair_min;
            return;
        }
        state.repair_wait = state.repair_wait.saturating_mul(2).min(config.repair_max);
        state.repair_at = Some(now.saturating_add(state.repair_wait));
        match state.speech {
            Speech::Binary => state.owes_summary = state.owes_summary.or(Some(false)),
            Speech::Json => self.request_json(link, doc),
            Speech::Unknown => {}
        }
    }
}
