//! What a peer has of the document, as far as is known.

use std::ops::Range;

use crdt_core::{Document, VersionSummary};

/// What a peer has: what it said, sent, and was sent.
///
/// A peer that is up to date has every event that is here, so one number is enough: a keystroke passes through
/// no list of agents, however many have edited the document.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// It has as many events as the document here once consisted of: the first, as they came here.
    first: usize,
    /// And it has these, of which some may not be here. All else it is taken to lack.
    more: VersionSummary,
}

impl Known {
    /// Exactly these; `ours` are those of the document. O(agents).
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

    /// All that is here.
    pub(super) fn all(doc: &Document) -> Known {
        Known {
            first: doc.event_count(),
            more: VersionSummary::new(),
        }
    }

    /// Whether it is all that is here.
    pub(super) fn is_all(&self, doc: &Document) -> bool {
        self.first == doc.event_count()
    }

    /// Whether the last event here is all that is not among it.
    pub(super) fn lacks_the_last(&self, doc: &Document) -> bool {
        self.more.is_empty() && self.first + 1 == doc.event_count()
    }

    /// What is here and not among it. O(runs of what came here after the peer was up to date).
    pub(super) fn missing(&self, doc: &Document) -> VersionSummary {
        let later = doc.summary_since(self.first);
        if self.more.is_empty() {
            return later;
        }
        later.difference(&self.more)
    }

    /// How many events of a document of `events` are not among it, of which `claimed` events are not
    /// in that document.
    pub(super) fn lag(&self, events: usize, claimed: u64) -> u64 {
        let later = events.saturating_sub(self.first) as u64;
        let here = self.more.event_count().saturating_sub(claimed);
        later.saturating_sub(here)
    }

    /// The peer has these, too, which were [missing](Known::missing).
    pub(super) fn learn(&mut self, events: &VersionSummary) {
        self.more.union(events);
    }

    /// The peer has all that came here since the document consisted of `before` events, too.
    pub(super) fn learn_since(&mut self, before: usize, doc: &Document) {
        if self.first < before {
            self.more.union(&doc.summary_since(before));
        } else {
            self.learn_all(doc);
        }
    }

    /// The peer has all that is here, too. O(runs of what came here after the peer was up to date).
    pub(super) fn learn_all(&mut self, doc: &Document) {
        if !self.more.is_empty() {
            self.more.subtract(&doc.summary_since(self.first));
        }
        self.first = doc.event_count();
    }

    /// The peer has what is among `other`, too. O(agents).
    pub(super) fn join(&mut self, other: &Known, doc: &Document) {
        self.first = self.first.max(other.first);
        self.more.union(&other.more);
        if self.first > 0 && !self.more.is_empty() {
            let later = doc.summary_since(self.first);
            self.more.subtract(&doc.summary().difference(&later));
        }
    }
}

/// What was sent to a peer and may still be under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Flight {
    events: VersionSummary,
    /// And these, a range of the document's own order: continued typing sends such events, and the summary is
    /// made when it is needed.
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

    /// The last event of the document, too.
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

    /// `doc` gets what it lacks of `from`.
    fn merge(doc: &mut Document, from: &Document) {
        let patch = from.encode_since(&doc.summary()).expect("it has it all");
        doc.merge_patch(&patch).expect("a whole history");
    }

    /// Some of a set: a prefix of what each agent has.
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

    /// Beside it, what the peer has is kept as the plain set that it stands for.
    #[test]
    fn it_is_the_set_that_it_stands_for() {
        for seed in 0..3_000 {
            let mut rng = Rng::with_seed(seed);
            let (mut doc, mut peer) = (document("here"), document("there"));
            let (mut known, mut set) = (Known::default(), VersionSummary::new());
            for _ in 0..12 {
                match rng.u8(0..8) {
                    0 | 1 => drop(doc.insert(0, "ab")),
                    2 => {
                        // The peer says what it has, of which some is not here.
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

    /// Beside it, what is under way is kept as the plain set that it stands for.
    #[test]
    fn what_is_under_way_is_what_was_sent() {
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
