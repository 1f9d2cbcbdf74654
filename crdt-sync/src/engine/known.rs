//! The events of the document that a peer is known to have.

use std::ops::Range;

use crdt_core::{Document, VersionSummary};

/// The events that a peer has: those that it announced, sent, and was sent.
///
/// A peer that is up to date has every event of the document, so one number is enough: a keystroke
/// needs no list of agents, however many have edited the document.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The peer has this number of events: the first ones, in the local order of arrival.
    first: usize,
    /// It also has these, some of which the document may lack. All others count as missing.
    more: VersionSummary,
}

impl Known {
    /// Exactly these events; `ours` are those of the document. O(agents).
    pub(super) fn exactly(events: VersionSummary, ours: &VersionSummary, doc: &Document) -> Known {
        let mut known = Known {
            first: 0,
            more: events,
        };
        if known.more.is_superset(ours) {
            known.more.subtract(ours);
            known.first = doc.event_count();
        }
        known
    }

    /// All events of the document.
    pub(super) fn all(doc: &Document) -> Known {
        Known {
            first: doc.event_count(),
            more: VersionSummary::new(),
        }
    }

    /// Whether it has all events of the document.
    pub(super) fn is_all(&self, doc: &Document) -> bool {
        self.first == doc.event_count()
    }

    /// Whether it only lacks the last event of the document.
    pub(super) fn lacks_the_last(&self, doc: &Document) -> bool {
        self.more.is_empty() && self.first + 1 == doc.event_count()
    }

    /// The events of the document that it lacks. O(runs of events since the peer was up to date).
    pub(super) fn missing(&self, doc: &Document) -> VersionSummary {
        let later = doc.summary_since(self.first);
        if self.more.is_empty() {
            return later;
        }
        later.difference(&self.more)
    }

    /// The number of events that it lacks, of a document of `events` events; `claimed` of its own
    /// events are not in that document.
    pub(super) fn lag(&self, events: usize, claimed: u64) -> u64 {
        let later = events.saturating_sub(self.first) as u64;
        let here = self.more.event_count().saturating_sub(claimed);
        later.saturating_sub(here)
    }

    /// Adds these events, which were [missing](Known::missing).
    pub(super) fn learn(&mut self, events: &VersionSummary) {
        self.more.union(events);
    }

    /// Adds all events of the document beyond the first `before`.
    pub(super) fn learn_since(&mut self, before: usize, doc: &Document) {
        if self.first < before {
            self.more.union(&doc.summary_since(before));
        } else {
            self.learn_all(doc);
        }
    }

    /// Adds all events of the document. O(runs of events since the peer was up to date).
    pub(super) fn learn_all(&mut self, doc: &Document) {
        if !self.more.is_empty() {
            self.more.subtract(&doc.summary_since(self.first));
        }
        self.first = doc.event_count();
    }

    /// Adds the events of `other`. O(agents).
    pub(super) fn join(&mut self, other: &Known, doc: &Document) {
        self.first = self.first.max(other.first);
        self.more.union(&other.more);
        if self.first > 0 && !self.more.is_empty() {
            let later = doc.summary_since(self.first);
            self.more.subtract(&doc.summary().difference(&later));
        }
    }
}

/// The events that were sent to a peer and may still be in transit.
#[derive(Debug, Clone, Default)]
pub(super) struct Flight {
    events: VersionSummary,
    /// Further events, as a range of the document's order of arrival: continued typing sends such
    /// events, and the summary is computed when it is needed.
    last: Range<usize>,
}

impl Flight {
    pub(super) fn clear(&mut self) {
        if !self.events.is_empty() {
            self.events = VersionSummary::new();
        }
        self.last = 0..0;
    }

    pub(super) fn add(&mut self, events: VersionSummary) {
        if self.events.is_empty() {
            self.events = events;
        } else {
            self.events.union(&events);
        }
    }

    /// Adds the last event of the document.
    pub(super) fn add_last(&mut self, doc: &Document) {
        let end = doc.event_count();
        if self.last.end + 1 != end {
            self.events = self.events(doc);
            self.last.start = end - 1;
        }
        self.last.end = end;
    }

    pub(super) fn events(&self, doc: &Document) -> VersionSummary {
        let mut events = self.events.clone();
        if !self.last.is_empty() {
            let mut last = doc.summary_since(self.last.start);
            last.subtract(&doc.summary_since(self.last.end));
            events.union(&last);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    fn document(agent: &str) -> Document {
        Document::new(agent).expect("a valid name")
    }

    /// Merges the events of `from` that `doc` lacks.
    fn merge(doc: &mut Document, from: &Document) {
        let patch = from.encode_since(&doc.summary()).expect("it has it all");
        doc.merge_patch(&patch).expect("a whole history");
    }

    /// A part of a set: a prefix of each agent's events.
    fn part_of(rng: &mut Rng, all: &VersionSummary) -> VersionSummary {
        let mut part = VersionSummary::new();
        for (agent, ranges) in all.iter() {
            for range in ranges {
                let len = rng.u32(0..=range.end - range.start);
                part.insert(agent, range.start..range.start + len);
            }
        }
        part
    }

    /// Compares it with the plain set of the peer's events.
    #[test]
    fn known_events_agree_with_a_plain_set() {
        for seed in 0..3_000 {
            let mut rng = Rng::with_seed(seed);
            let (mut doc, mut peer) = (document("here"), document("there"));
            let (mut known, mut set) = (Known::default(), VersionSummary::new());
            for _ in 0..12 {
                match rng.u8(0..8) {
                    0 | 1 => drop(doc.insert(0, "ab")),
                    2 => {
                        // The peer sends its summary, with events that the document lacks.
                        drop(peer.insert(0, "xyz"));
                        if rng.bool() {
                            merge(&mut peer, &doc);
                        }
                        set = peer.summary();
                        known = Known::exactly(set.clone(), &doc.summary(), &doc);
                    }
                    3 => {
                        let before = doc.event_count();
                        drop(peer.insert(0, "c"));
                        merge(&mut doc, &peer);
                        set.union(&doc.summary_since(before));
                        known.learn_since(before, &doc);
                    }
                    4 => {
                        let part = part_of(&mut rng, &known.missing(&doc));
                        set.union(&part);
                        known.learn(&part);
                    }
                    5 => {
                        set.union(&doc.summary());
                        known.learn_all(&doc);
                    }
                    6 => {
                        let other = part_of(&mut rng, &doc.summary());
                        set.union(&other);
                        known.join(&Known::exactly(other, &doc.summary(), &doc), &doc);
                    }
                    _ => {
                        set = doc.summary();
                        known = Known::all(&doc);
                    }
                }
                let ours = doc.summary();
                let missing = ours.difference(&set);
                assert_eq!(known.missing(&doc), missing, "seed {seed}");
                assert!(!known.is_all(&doc) || missing.is_empty(), "seed {seed}");
                let claimed = set.difference(&ours).event_count();
                let lag = known.lag(doc.event_count(), claimed);
                assert_eq!(lag, missing.event_count(), "seed {seed}");
            }
        }
    }

    /// Compares it with the plain set of the events in transit.
    #[test]
    fn events_in_flight_are_those_sent() {
        for seed in 0..3_000 {
            let mut rng = Rng::with_seed(seed);
            let (mut doc, mut peer) = (document("here"), document("there"));
            let (mut flight, mut set) = (Flight::default(), VersionSummary::new());
            for _ in 0..12 {
                match rng.u8(0..8) {
                    0 => {
                        drop(peer.insert(0, "xyz"));
                        merge(&mut doc, &peer);
                    }
                    1 => {
                        let part = part_of(&mut rng, &doc.summary());
                        set.union(&part);
                        flight.add(part);
                    }
                    2 => {
                        set = VersionSummary::new();
                        flight.clear();
                    }
                    3 => drop(doc.insert(0, "a")),
                    _ => {
                        let before = doc.event_count();
                        drop(doc.insert(0, "a"));
                        set.union(&doc.summary_since(before));
                        flight.add_last(&doc);
                    }
                }
                assert_eq!(flight.events(&doc), set, "seed {seed}");
            }
        }
    }
}
