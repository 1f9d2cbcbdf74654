//! Sending and receiving presence.

use super::Engine;
use super::link::Link;
use crate::error::CloseReason;
use crate::presence::{Ended, Taken};
use crate::sorted_set::SortedSet;
use crate::time::Millis;
use crate::types::{Channel, LinkId, Output};
use crate::wire::Message;

/// The longest list of sessions in a message.
const MAX_VECTOR: usize = 4096;

impl Engine {
    /// Schedules changed presence for every peer except the one that sent it.
    pub(super) fn spread_presence(&mut self, from: Option<LinkId>, now: Millis) {
        let links = self.links.ids();
        for link in links.into_iter().filter(|link| Some(*link) != from) {
            self.mark_presence(link, now);
            self.flush_presence(link, now);
        }
    }

    /// Schedules all presence for a new peer.
    pub(super) fn greet_presence(&mut self, link: LinkId, now: Millis) {
        if self.presence.len() > 0 {
            self.mark_presence(link, now);
            self.flush_presence(link, now);
        }
    }

    fn mark_presence(&mut self, link: LinkId, now: Millis) {
        let interval = self.config.presence_interval;
        if let Some(state) = self.links.get_mut(link).filter(|link| link.active) {
            let earliest = state
                .presence_sent_at
                .map_or(now, |at| at.saturating_add(interval));
            state.presence_due = Some(earliest.max(now));
        }
    }

    /// Sends the presence that the peer of a link lacks, if that is due and there is room.
    pub(super) fn flush_presence(&mut self, link: LinkId, now: Millis) {
        let config = &self.config;
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if !state.takes_presence(config) || state.presence_due.is_none_or(|at| at > now) {
            return;
        }
        state.presence_due = None;
        let peer = state.session();
        let mut sent = false;
        for (session, counter) in self.presence.counters() {
            let base = state.presence.get(&session).copied().unwrap_or(0);
            if Some(session) == peer || base >= counter || self.presence.via(session) == Some(link)
            {
                continue;
            }
            let Some(update) = self.presence.update(session, base) else {
                continue;
            };
            let message = Message::Presence(update);
            if state.send_now(&message, Channel::Presence, config, &mut self.outputs) {
                state.presence.insert(session, counter);
                sent = true;
            }
        }
        if sent {
            state.presence_sent_at = Some(now);
        }
    }

    /// Handles a message about presence.
    pub(super) fn on_presence(
        &mut self,
        link: LinkId,
        message: Message,
        now: Millis,
    ) -> Result<(), CloseReason> {
        self.count_presence(link, now)?;
        match message {
            Message::Presence(update) => self.on_presence_update(link, update, now),
            Message::PresenceGone {
                session,
                counter,
                certain,
            } => {
                self.on_presence_gone(link, session, counter, certain, now);
            }
            Message::PresenceVector { reply, counters } => {
                self.on_presence_vector(link, reply, &counters, now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Enforces the configured message rate of a session.
    fn count_presence(&mut self, link: LinkId, now: Millis) -> Result<(), CloseReason> {
        let per_second = self.config.presence_per_second;
        let sessions = u32::try_from(self.presence.len()).unwrap_or(u32::MAX);
        let bound = per_second.saturating_mul(sessions.saturating_add(2));
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        let (start, count) = &mut state.presence_second;
        if now.saturating_sub(*start) >= 1_000 {
            (*start, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        match *count > bound {
            true => Err(CloseReason::PresenceFlood { per_second }),
            false => Ok(()),
        }
    }

    fn on_presence_update(
        &mut self,
        link: LinkId,
        update: crate::wire::PresenceUpdate,
        now: Millis,
    ) {
        let (session, counter) = (update.session, update.counter);
        // For a directly linked session, only messages of its own link count.
        if self.is_linked_elsewhere(session, link) {
            return;
        }
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let known = state.presence.get_or_insert_with(session, || 0);
        *known = (*known).max(counter);
        let (sender, neighbours) = (state.session(), state.neighbours.clone());
        match self.presence.take(update, link) {
            Taken::Nothing => self.trim_presence(link),
            Taken::Gap => self.send_presence_vector(link, false),
            Taken::Changed(fields) => {
                let agent = self.presence.agent(session).unwrap_or_default().to_owned();
                self.outputs.push_back(Output::Presence {
                    session,
                    agent,
                    fields,
                });
                for other in self.links.iter_mut() {
                    // As with changes: the sender sends it to its neighbours itself.
                    let has_it = |peer| Some(peer) == sender || neighbours.contains(&peer);
                    if other.session().is_some_and(has_it) {
                        other.presence.insert(session, counter);
                    }
                }
                self.spread_presence(Some(link), now);
            }
        }
    }

    fn on_presence_gone(
        &mut self,
        link: LinkId,
        session: u64,
        counter: u64,
        certain: bool,
        now: Millis,
    ) {
        let linked = self.is_linked_elsewhere(session, link);
        match self.presence.end(session, counter, certain, linked, now) {
            Ended::Nothing if linked => {
                // The session itself can contradict.
                let message = Message::PresenceGone {
                    session,
                    counter,
                    certain: false,
                };
                self.tell_presence(&message, |other| other.session() == Some(session));
            }
            Ended::Nothing => {}
            Ended::Contradict => {
                self.links.iter_mut().for_each(|link| {
                    link.presence.remove(&session);
                });
                self.spread_presence(None, now);
            }
            ended @ (Ended::Doubt | Ended::Over { .. }) => {
                if let Ended::Over { agent } = ended {
                    self.outputs
                        .push_back(Output::PresenceLeft { session, agent });
                    self.links.iter_mut().for_each(|link| {
                        link.presence.remove(&session);
                    });
                }
                let message = Message::PresenceGone {
                    session,
                    counter,
                    certain,
                };
                self.tell_presence(&message, |other| other.id != link);
            }
        }
    }

    fn on_presence_vector(
        &mut self,
        link: LinkId,
        reply: bool,
        counters: &[(u64, u64)],
        now: Millis,
    ) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        state.presence = counters.iter().copied().take(MAX_VECTOR).collect();
        let ended = |(session, counter): &&(u64, u64)| {
            self.presence
                .ended_at(*session)
                .is_some_and(|at| at >= *counter)
        };
        for (session, counter) in counters.iter().filter(ended) {
            let (session, counter) = (*session, *counter);
            let message = Message::PresenceGone {
                session,
                counter,
                certain: false,
            };
            state.send_now(&message, Channel::Presence, &self.config, &mut self.outputs);
        }
        self.mark_presence(link, now);
        self.flush_presence(link, now);
        if reply {
            self.send_presence_vector(link, false);
        }
    }

    /// Handles the result of comparing the presence with that of a peer.
    pub(super) fn compare_presence(&mut self, link: LinkId, same: bool, now: Millis) {
        let session = self.session;
        let Some(state) = self.links.get_mut(link).filter(|link| link.active) else {
            return;
        };
        if same {
            state.presence_mismatches.none();
            return;
        }
        let at_rest = state
            .presence_sent_at
            .is_none_or(|at| now.saturating_sub(at) >= self.config.settle);
        let first = state.session().is_some_and(|peer| session < peer);
        let patience = if at_rest { 1 + u32::from(!first) } else { 4 };
        if state.presence_mismatches.found(patience) {
            self.send_presence_vector(link, true);
        }
    }

    fn send_presence_vector(&mut self, link: LinkId, reply: bool) {
        let counters: Vec<(u64, u64)> = self.presence.counters().take(MAX_VECTOR).collect();
        if let Some(state) = self.links.get_mut(link) {
            let message = Message::PresenceVector { reply, counters };
            state.send_now(&message, Channel::Presence, &self.config, &mut self.outputs);
        }
    }

    /// Handles the end of a link. `last` is the session at its end, if no other link leads there.
    pub(super) fn presence_link_lost(
        &mut self,
        link: LinkId,
        last: Option<u64>,
        goodbye: bool,
        now: Millis,
    ) {
        if let Some(session) = last.filter(|_| goodbye)
            && let Some((counter, ended)) = self.presence.leave(session)
        {
            if let Ended::Over { agent } = ended {
                self.outputs
                    .push_back(Output::PresenceLeft { session, agent });
            }
            self.links.iter_mut().for_each(|link| {
                link.presence.remove(&session);
            });
            let message = Message::PresenceGone {
                session,
                counter,
                certain: true,
            };
            self.tell_presence(&message, |_| true);
        }
        for (session, counter) in self.presence.way_lost(link, now) {
            let message = Message::PresenceGone {
                session,
                counter,
                certain: false,
            };
            self.tell_presence(&message, |_| true);
        }
    }

    /// Removes the presence of all others when this side leaves.
    pub(super) fn hide_everybody(&mut self) {
        let sessions: Vec<u64> = self
            .presence
            .counters()
            .map(|(session, _)| session)
            .collect();
        for session in sessions
            .into_iter()
            .filter(|session| *session != self.session)
        {
            if let Some((_, Ended::Over { agent })) = self.presence.leave(session) {
                self.outputs
                    .push_back(Output::PresenceLeft { session, agent });
            }
        }
    }

    /// Drops sessions that have been in doubt for too long.
    pub(super) fn tick_presence(&mut self, now: Millis) {
        for (session, agent) in self.presence.expire(self.config.presence_grace, now) {
            self.outputs
                .push_back(Output::PresenceLeft { session, agent });
            self.links.iter_mut().for_each(|link| {
                link.presence.remove(&session);
            });
        }
    }

    fn tell_presence(&mut self, message: &Message, to: impl Fn(&Link) -> bool) {
        let config = &self.config;
        let met = |link: &&mut Link| link.takes_presence(config) && to(link);
        for link in self.links.iter_mut().filter(met) {
            link.send_now(message, Channel::Presence, config, &mut self.outputs);
        }
    }

    /// Whether a session is at the end of a link here, but not of this one.
    fn is_linked_elsewhere(&self, session: u64, link: LinkId) -> bool {
        let here = |link: &Link| link.session() == Some(session);
        !self.links.get(link).is_some_and(here) && self.links.iter().any(here)
    }

    /// Limits the memory for counters of sessions that a peer invented.
    fn trim_presence(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.presence.len() > MAX_VECTOR {
            let known: SortedSet<u64> = self
                .presence
                .counters()
                .map(|(session, _)| session)
                .collect();
            state.presence.retain(|session, _| known.contains(session));
        }
    }
}
