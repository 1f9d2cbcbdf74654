//! Presence: the sessions in a room and their cursors.
//!
//! Every session owns a set of fields and a counter that grows with each change; of two states of a
//! session the one with the higher counter is valid. A session's presence ends when it says
//! goodbye. If only a link to it is lost, the peer that loses it notifies the others. The session
//! contradicts with a higher counter if another path still reaches it; otherwise its presence ends
//! after a grace period.

use crate::error::PresenceError;
use crate::sorted_map::SortedMap;
use crate::time::Millis;
use crate::types::LinkId;
use crate::wire::PresenceUpdate;

/// The most ended sessions that are remembered, so that late messages do not restore them.
const MAX_ENDED: usize = 1024;

/// The presence of all sessions.
#[derive(Debug)]
pub(crate) struct Presence {
    own: u64,
    agent: String,
    max_sessions: usize,
    max_bytes: usize,
    sessions: SortedMap<u64, Entry>,
    /// Counters at which sessions ended.
    ended: SortedMap<u64, u64>,
}

#[derive(Debug)]
struct Entry {
    agent: String,
    counter: u64,
    /// Name to the counter at its last change, and its value.
    fields: SortedMap<String, (u64, Option<String>)>,
    /// The link by which the newest state came; `None` for the own session.
    via: Option<LinkId>,
    lost_at: Option<Millis>,
}

/// The result of an update.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was known, or is ignored.
    Nothing,
    /// It builds on a state that never arrived: the full state is needed.
    Gap,
    /// These fields changed.
    Changed(Vec<(String, Option<String>)>),
}

/// The result of a report that a session ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was known, or is out of date.
    Nothing,
    /// It is the own session: it contradicts.
    Contradict,
    /// Its presence is in doubt now; the others should learn of it.
    Doubt,
    /// Its presence is over; the others should learn of it.
    Over {
        /// Its agent.
        agent: String,
    },
}

impl Presence {
    pub(crate) fn new(own: u64, agent: &str, max_sessions: usize, max_bytes: usize) -> Presence {
        Presence {
            own,
            agent: agent.to_owned(),
            max_sessions,
            max_bytes,
            sessions: SortedMap::new(),
            ended: SortedMap::new(),
        }
    }

    /// Sets or removes a field of the own session. Returns whether that changed anything.
    pub(crate) fn set(&mut self, field: &str, value: Option<&str>) -> Result<bool, PresenceError> {
        let own = self.sessions.get(&self.own);
        let before = own
            .and_then(|own| own.fields.get(field))
            .and_then(|(_, old)| old.as_deref());
        if before == value {
            return Ok(false);
        }
        let others = own.map_or(0, |own| bytes_without(&own.fields, field));
        let bytes = others + field.len() + value.map_or(0, str::len);
        let bound = self.max_bytes;
        if bytes > bound || field.len() > 256 {
            return Err(PresenceError { bytes, bound });
        }
        let agent = &self.agent;
        let own = self.sessions.get_or_insert_with(self.own, || Entry {
            agent: agent.clone(),
            counter: 0,
            fields: SortedMap::new(),
            via: None,
            lost_at: None,
        });
        own.counter += 1;
        own.fields
            .insert(field.to_owned(), (own.counter, value.map(str::to_owned)));
        Ok(true)
    }

    /// The update for a peer that has the state `base` of a session.
    pub(crate) fn update(&self, session: u64, base: u64) -> Option<PresenceUpdate> {
        let entry = self.sessions.get(&session)?;
        let changed = |(_, (counter, _)): &(&String, &(u64, Option<String>))| *counter > base;
        let fields = entry.fields.iter().filter(changed);
        let fields = fields.map(|(name, (counter, value))| (name.clone(), *counter, value.clone()));
        let agent = if base == 0 {
            entry.agent.clone()
        } else {
            String::new()
        };
        Some(PresenceUpdate {
            session,
            counter: entry.counter,
            base,
            agent,
            fields: fields.collect(),
        })
    }

    /// Applies an update that came by `via`.
    pub(crate) fn take(&mut self, update: PresenceUpdate, via: LinkId) -> Taken {
        let PresenceUpdate {
            session,
            counter,
            base,
            agent,
            fields,
        } = update;
        let ended = self.ended.get(&session).copied().unwrap_or(0);
        let full = self.sessions.len() >= self.max_sessions;
        let held = self.sessions.get(&session);
        let known = held.map_or(0, |entry| entry.counter);
        if session == self.own || counter <= known.max(ended) || held.is_none() && full {
            return Taken::Nothing;
        }
        if base > known {
            return Taken::Gap;
        }
        // A full state replaces the old one: fields that it does not have are removed. A difference
        // is added to the old state.
        let mut all = held.map_or_else(SortedMap::new, |entry| entry.fields.clone());
        let before = all.clone();
        if base == 0 {
            all = SortedMap::new();
        }
        all.extend(
            fields
                .into_iter()
                .map(|(name, at, value)| (name, (at, value))),
        );
        if bytes_without(&all, "") > self.max_bytes {
            return Taken::Nothing;
        }
        let mut changed = Vec::new();
        for name in before
            .keys()
            .chain(all.keys().filter(|name| !before.contains_key(*name)))
        {
            let value = |fields: &SortedMap<String, (u64, Option<String>)>| {
                fields.get(name).and_then(|(_, value)| value.clone())
            };
            let now = value(&all);
            if value(&before) != now {
                changed.push((name.clone(), now));
            }
        }
        let agent = held.map_or(agent, |entry| entry.agent.clone());
        let entry = Entry {
            agent,
            counter,
            fields: all,
            via: Some(via),
            lost_at: None,
        };
        self.sessions.insert(session, entry);
        Taken::Changed(changed)
    }

    /// Handles a report that a session ended at `counter`. `linked`: it is the peer of a direct
    /// link, so the report is only true if it comes from the session itself.
    pub(crate) fn end(
        &mut self,
        session: u64,
        counter: u64,
        certain: bool,
        linked: bool,
        now: Millis,
    ) -> Ended {
        if session == self.own {
            // No peer can know a later state than the owner; an earlier one is out of date anyway.
            let Some(own) = self
                .sessions
                .get_mut(&session)
                .filter(|own| own.counter == counter)
            else {
                return Ended::Nothing;
            };
            own.counter += 1;
            return Ended::Contradict;
        }
        let held = self
            .sessions
            .get_mut(&session)
            .filter(|entry| entry.counter <= counter);
        match held {
            // It ends at the locally known counter, so that an invented counter cannot keep the
            // session from coming back.
            Some(entry) if certain && !linked => {
                let counter = entry.counter;
                self.forget(session, counter)
            }
            Some(entry) if !certain && !linked && entry.lost_at.is_none() => {
                entry.lost_at = Some(now);
                Ended::Doubt
            }
            _ => Ended::Nothing,
        }
    }

    /// The owner of a session said goodbye: returns the counter to send to others.
    pub(crate) fn leave(&mut self, session: u64) -> Option<(u64, Ended)> {
        let counter = self.sessions.get(&session)?.counter;
        Some((counter, self.forget(session, counter)))
    }

    /// A link is gone: returns the sessions that were reached by it, with their counters.
    pub(crate) fn way_lost(&mut self, link: LinkId, now: Millis) -> Vec<(u64, u64)> {
        let lost = self
            .sessions
            .iter_mut()
            .filter(|(_, entry)| entry.via == Some(link));
        lost.map(|(session, entry)| {
            entry.via = None;
            entry.lost_at = entry.lost_at.or(Some(now));
            (*session, entry.counter)
        })
        .collect()
    }

    /// The time at which the next session in doubt is dropped.
    pub(crate) fn timeout(&self, grace: Millis) -> Option<Millis> {
        self.sessions
            .values()
            .filter_map(|e| e.lost_at)
            .min()
            .map(|at| at.saturating_add(grace))
    }

    /// Drops sessions that have been in doubt for too long.
    pub(crate) fn expire(&mut self, grace: Millis, now: Millis) -> Vec<(u64, String)> {
        let over = |entry: &Entry| {
            entry
                .lost_at
                .is_some_and(|at| now >= at.saturating_add(grace))
        };
        let expired: Vec<(u64, u64)> = self
            .sessions
            .iter()
            .filter(|(_, entry)| over(entry))
            .map(|(session, entry)| (*session, entry.counter))
            .collect();
        let ended = expired.into_iter().map(|(session, counter)| {
            let Ended::Over { agent } = self.forget(session, counter) else {
                return (session, String::new());
            };
            (session, agent)
        });
        ended.collect()
    }

    /// Counters of all sessions.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.sessions
            .iter()
            .map(|(session, entry)| (*session, entry.counter))
    }

    /// The agent of a session.
    pub(crate) fn agent(&self, session: u64) -> Option<&str> {
        self.sessions
            .get(&session)
            .map(|entry| entry.agent.as_str())
    }

    /// The link by which a session's state came.
    pub(crate) fn via(&self, session: u64) -> Option<LinkId> {
        self.sessions.get(&session).and_then(|entry| entry.via)
    }

    /// The counter at which a session ended, if that is remembered and still valid.
    pub(crate) fn ended_at(&self, session: u64) -> Option<u64> {
        self.ended
            .get(&session)
            .copied()
            .filter(|_| !self.sessions.contains_key(&session))
    }

    /// The number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A hash that is equal on two sides with the same states.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = crate::digest::Digest::new();
        self.counters().for_each(|(session, counter)| {
            digest.number(session);
            digest.number(counter);
        });
        digest.value()
    }

    fn forget(&mut self, session: u64, counter: u64) -> Ended {
        let Some(entry) = self.sessions.remove(&session) else {
            return Ended::Nothing;
        };
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_first();
        }
        self.ended.insert(session, counter);
        Ended::Over { agent: entry.agent }
    }
}

fn bytes_without(fields: &SortedMap<String, (u64, Option<String>)>, field: &str) -> usize {
    let others = fields.iter().filter(|(name, _)| *name != field);
    others
        .map(|(name, (_, value))| name.len() + value.as_ref().map_or(0, String::len))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(1);

    fn pair() -> (Presence, Presence) {
        (
            Presence::new(1, "ann", 3, 100),
            Presence::new(2, "bob", 3, 100),
        )
    }

    fn changed(fields: &[(&str, Option<&str>)]) -> Taken {
        let owned = |value: &Option<&str>| value.map(str::to_owned);
        Taken::Changed(
            fields
                .iter()
                .map(|(n, v)| ((*n).to_owned(), owned(v)))
                .collect(),
        )
    }

    fn full(session: u64, counter: u64) -> PresenceUpdate {
        PresenceUpdate {
            session,
            counter,
            base: 0,
            agent: "x".to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn differences_build_on_each_other() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("name", Some("\"Ann\"")), Ok(true));
        assert_eq!(ann.set("name", Some("\"Ann\"")), Ok(false));
        let first = ann.update(1, 0).expect("own");
        assert_eq!(
            bob.take(first.clone(), LINK),
            changed(&[("name", Some("\"Ann\""))])
        );
        assert_eq!(bob.take(first, LINK), Taken::Nothing, "known");
        assert_eq!(ann.set("cursor", Some("5")), Ok(true));
        assert_eq!(ann.set("cursor", Some("6")), Ok(true));
        let second = ann.update(1, 1).expect("own");
        assert_eq!(second.fields.len(), 1);
        assert_eq!(bob.take(second, LINK), changed(&[("cursor", Some("6"))]));
        assert_eq!(ann.set("cursor", None), Ok(true));
        assert_eq!(
            bob.take(ann.update(1, 3).expect("own"), LINK),
            changed(&[("cursor", None)])
        );
        assert_eq!(ann.digest(), bob.digest());
    }

    #[test]
    fn a_difference_to_an_unknown_state_is_a_gap() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("a", Some("1")), Ok(true));
        assert_eq!(ann.set("b", Some("2")), Ok(true));
        assert_eq!(bob.take(ann.update(1, 1).expect("own"), LINK), Taken::Gap);
    }

    #[test]
    fn fields_missing_from_a_full_state_are_removed() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("a", Some("1")), Ok(true));
        bob.take(ann.update(1, 0).expect("own"), LINK);
        assert_eq!(bob.take(full(1, 9), LINK), changed(&[("a", None)]));
    }

    #[test]
    fn a_session_declared_gone_contradicts() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("a", Some("1")), Ok(true));
        bob.take(ann.update(1, 0).expect("own"), LINK);
        assert_eq!(bob.way_lost(LINK, 10), [(1, 1)]);
        assert_eq!(bob.timeout(50), Some(60));
        assert_eq!(ann.end(1, 1, false, false, 20), Ended::Contradict);
        let again = ann.update(1, 1).expect("own");
        assert_eq!(bob.take(again, LinkId(2)), changed(&[]));
        assert_eq!((bob.timeout(50), bob.via(1)), (None, Some(LinkId(2))));
        assert_eq!(
            bob.end(1, 1, true, false, 30),
            Ended::Nothing,
            "out of date"
        );
        assert_eq!(bob.end(1, 2, true, true, 30), Ended::Nothing, "linked here");
    }

    #[test]
    fn a_session_that_does_not_contradict_is_dropped_for_good() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("a", Some("1")), Ok(true));
        let update = ann.update(1, 0).expect("own");
        bob.take(update.clone(), LINK);
        assert_eq!(bob.end(1, 1, false, false, 10), Ended::Doubt);
        assert_eq!(
            bob.end(1, 1, false, false, 15),
            Ended::Nothing,
            "in doubt already"
        );
        assert_eq!(bob.expire(50, 59), []);
        assert_eq!(bob.expire(50, 60), [(1, "ann".to_owned())]);
        assert_eq!(bob.take(update, LINK), Taken::Nothing, "late news");
        assert_eq!(bob.ended_at(1), Some(1));
    }

    #[test]
    fn leave_ends_at_once() {
        let (mut ann, mut bob) = pair();
        assert_eq!(ann.set("a", Some("1")), Ok(true));
        bob.take(ann.update(1, 0).expect("own"), LINK);
        assert_eq!(
            bob.leave(1),
            Some((
                1,
                Ended::Over {
                    agent: "ann".to_owned()
                }
            ))
        );
        assert_eq!(bob.leave(1), None);
    }

    #[test]
    fn sessions_and_bytes_are_bounded() {
        let (_, mut bob) = pair();
        for session in 10..20 {
            bob.take(full(session, 1), LINK);
        }
        assert_eq!(bob.len(), 3);
        let mut large = full(10, 2);
        large.fields = vec![("x".to_owned(), 2, Some("y".repeat(100)))];
        assert_eq!(bob.take(large, LINK), Taken::Nothing);
        let refused = bob.set("x", Some(&"y".repeat(100)));
        assert_eq!(
            refused,
            Err(PresenceError {
                bytes: 101,
                bound: 100
            })
        );
    }
}
