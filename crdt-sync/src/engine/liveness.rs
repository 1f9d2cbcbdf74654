//! Heartbeats: whether the peer is alive and has the same state.

use crdt_core::{Document, VersionSummary};

use super::Engine;
use super::known::Known;
use super::link::Link;
use crate::error::CloseReason;
use crate::time::Millis;
use crate::types::{Channel, LinkId, Speech};
use crate::wire::{Check, Message};

/// The factor by which a peer may take longer for its first message.
const FIRST_MESSAGE_FACTOR: u64 = 5;

impl Engine {
    pub(super) fn liveness_timeout(&self, link: &Link) -> Option<Millis> {
        match link.speech {
            Speech::Unknown => self.dead_at(link),
            Speech::Binary | Speech::Json => {
                let dead = self.dead_at(link);
                Some(dead.map_or(link.check_at, |at| at.min(link.check_at)))
            }
        }
    }

    /// The time at which the link counts as dead, unless something arrives. Progress of a long
    /// transfer counts as a sign of life: on a slow link a heartbeat waits behind it.
    fn dead_at(&self, link: &Link) -> Option<Millis> {
        if link.speech == Speech::Unknown {
            let patience = self.config.dead_after.saturating_mul(FIRST_MESSAGE_FACTOR);
            return Some(link.heard_at.saturating_add(patience));
        }
        let (_, asked) = link.asked?;
        let alive = link
            .heard_at
            .max(link.drained_at)
            .max(asked.saturating_sub(1));
        Some(alive.saturating_add(self.config.dead_after))
    }

    pub(super) fn tick_liveness(
        &mut self,
        link: LinkId,
        now: Millis,
        doc: &Document,
    ) -> Result<(), CloseReason> {
        let Some(state) = self.links.get(link) else {
            return Ok(());
        };
        if self.dead_at(state).is_some_and(|at| at <= now) {
            let silent_for = now.saturating_sub(state.heard_at);
            return Err(CloseReason::Dead { silent_for });
        }
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        let patience = self.config.fragment_timeout;
        if let Some((received, expected)) = state.reassembly.expire(patience, now) {
            return Err(CloseReason::FragmentTimeout { received, expected });
        }
        if state.buffered >= self.config.window {
            let since = *state.full_since.get_or_insert(now);
            let stuck_for = now.saturating_sub(since);
            if stuck_for >= self.config.stalled_after {
                return Err(CloseReason::Stalled {
                    buffered: state.buffered,
                    stuck_for,
                });
            }
        }
        if state.check_at > now || state.speech == Speech::Unknown {
            return Ok(());
        }
        state.check_at = now.saturating_add(self.config.heartbeat);
        if state.speech == Speech::Json {
            self.send_frontier(link, now, doc);
            return Ok(());
        }
        state.nonce = state.nonce.wrapping_add(1);
        let nonce = state.nonce;
        let check = self.check(nonce, now, doc);
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        state.send_now(
            &Message::Ping(check),
            Channel::Sync,
            &self.config,
            &mut self.outputs,
        );
        // The time of the first unanswered ping counts.
        if state.asked.is_none() {
            state.asked = Some((nonce, now));
            state.ahead_of_question = state.buffered;
        }
        Ok(())
    }

    fn check(&mut self, nonce: u64, now: Millis, doc: &Document) -> Check {
        let version = self.version(now, doc);
        // Hashing a text takes time in proportion to its length, so it waits until the text is at
        // rest.
        let (_, since) = self.seen;
        let at_rest = now.saturating_sub(since) >= self.config.settle;
        Check {
            nonce,
            version: version.digest,
            presence: self.presence.digest(),
            text: at_rest.then(|| *version.text.get_or_init(|| doc.text_hash())),
        }
    }

    pub(super) fn on_ping(&mut self, link: LinkId, check: Check, now: Millis, doc: &Document) {
        let answer = Message::Pong(self.check(check.nonce, now, doc));
        if let Some(state) = self.links.get_mut(link) {
            state.send_now(&answer, Channel::Sync, &self.config, &mut self.outputs);
        }
        self.compare(link, check, now, doc);
    }

    pub(super) fn on_pong(&mut self, link: LinkId, check: Check, now: Millis, doc: &Document) {
        if let Some(state) = self.links.get_mut(link)
            && let Some((nonce, at)) = state.asked.take()
            && nonce == check.nonce
        {
            state.rtt = Some(now.saturating_sub(at));
        }
        self.compare(link, check, now, doc);
    }

    /// Compares the hashes of the two texts of one version. If they differ, some event does: the
    /// engine requests all events of the peer, and finds it among them.
    fn compare_texts(&mut self, link: LinkId, ours: u64, theirs: u64, now: Millis, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let patience = self.config.heartbeat.saturating_mul(2);
        if ours == theirs {
            state.seeks = None;
        } else if let Some((_, since)) = state.seeks {
            if since.saturating_add(patience) <= now {
                self.report_diverged(link, None, now, doc);
            }
        } else {
            state.seeks = Some((theirs, now));
            let (reply, summary) = (false, VersionSummary::new());
            let ask = Message::Summary { reply, summary };
            state.send(ask.encode(), &self.config, &mut self.outputs);
        }
    }

    /// Compares the peer's version with the local one.
    fn compare(&mut self, link: LinkId, check: Check, now: Millis, doc: &Document) {
        let ours = self.check(check.nonce, now, doc);
        let (config, session, (_, since)) = (&self.config, self.session, self.seen);
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if check.version == ours.version {
            state.mismatches.none();
            state.known = Known::all(doc);
            // Events that it announced and no longer has are now under another name.
            state.claimed = VersionSummary::new();
            state.received = doc.event_count_of(&state.sent_agent) as u64;
            state.due = None;
            // Held-back events wait for events that this peer does not have either.
            state.repair_at = None;
            // This also tells a standby link that took over which events the peer has.
            state.held = false;
            state.received_synced = true;
            if let (Some(ours), Some(theirs)) = (ours.text, check.text) {
                self.compare_texts(link, ours, theirs, now, doc);
            }
            self.check_synced(link, doc);
            self.tell_synced(link);
        } else {
            let settle = config
                .settle
                .saturating_add(state.rtt.unwrap_or(0).saturating_mul(2));
            let at_rest = state.queue.is_empty()
                && state.buffered == 0
                && state.reassembly.is_empty()
                && now.saturating_sub(state.busy_at) >= settle
                && now.saturating_sub(since) >= settle;
            // One side asks first, so that they do not both ask; while changes are sent,
            // differences are normal for a while. The longer a difference persists, the rarer the
            // requests.
            let first = state.session().is_some_and(|peer| session < peer);
            let patience = if at_rest { u32::from(!first) } else { 4 };
            if state.active && state.mismatches.found(patience) {
                state.owes_summary = Some(true);
            }
            self.flush(link, now, doc);
        }
        self.compare_presence(link, check.presence == ours.presence, now);
    }
}
