//! The version summary: which events of which agents a replica holds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::event_id::EventId;

/// Adds `range` to sorted ranges that neither overlap nor touch; what touches it melts into it.
pub(crate) fn join_range(ranges: &mut Vec<Range<u32>>, range: Range<u32>) {
    let first = ranges.partition_point(|r| r.end < range.start);
    let last = ranges.partition_point(|r| r.start <= range.end);
    let all = ranges[first..last]
        .iter()
        .fold(range, |all, r| all.start.min(r.start)..all.end.max(r.end));
    ranges.splice(first..last, [all]);
}

/// What of `ranges` is not in `without`; all sorted.
pub(crate) fn ranges_without(ranges: &[Range<u32>], without: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut out = Vec::new();
    for range in ranges {
        let mut start = range.start;
        let from = without.partition_point(|w| w.end <= range.start);
        for hole in without[from..].iter().take_while(|w| w.start < range.end) {
            if start < hole.start {
                out.push(start..hole.start);
            }
            start = hole.end.min(range.end);
        }
        if start < range.end {
            out.push(start..range.end);
        }
    }
    out
}

/// A set of events, as ranges of sequence numbers per agent.
///
/// Ranges and not a maximum, because one agent's events may arrive with gaps. Ranges are half-open,
/// sorted, and neither empty nor adjacent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionSummary(BTreeMap<String, Vec<Range<u32>>>);

impl VersionSummary {
    /// The summary that holds no event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no event is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the events `range` of `agent`; what was there before stays.
    pub fn insert(&mut self, agent: &str, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        if !self.0.contains_key(agent) {
            self.0.insert(agent.to_owned(), vec![range]);
            return;
        }
        let Some(ranges) = self.0.get_mut(agent) else {
            return;
        };
        // Everything that touches `range` melts into it.
        let first = ranges.partition_point(|r| r.end < range.start);
        let last = ranges.partition_point(|r| r.start <= range.end);
        let merged = ranges[first..last]
            .iter()
            .fold(range, |all, r| all.start.min(r.start)..all.end.max(r.end));
        ranges.splice(first..last, [merged]);
    }

    /// Adds all events of `other`.
    pub fn union(&mut self, other: &VersionSummary) {
        for (agent, ranges) in other.iter() {
            for range in ranges {
                self.insert(agent, range.clone());
            }
        }
    }

    /// Takes all events of `other` out. O(agents and ranges of `other`, and those ranges of its agents
    /// that are here), however much else there is.
    pub fn subtract(&mut self, other: &VersionSummary) {
        for (agent, ranges) in other.iter() {
            if let Some(mine) = self.0.get_mut(agent) {
                *mine = ranges_without(mine, ranges);
                if mine.is_empty() {
                    self.0.remove(agent);
                }
            }
        }
    }

    /// Whether the event is in it. O(log of the number of ranges).
    pub fn contains(&self, id: &EventId) -> bool {
        let ranges = self.ranges(&id.agent);
        let at = ranges.partition_point(|r| r.end <= id.seq);
        ranges.get(at).is_some_and(|r| r.start <= id.seq)
    }

    /// Whether every event of `other` is in it.
    pub fn is_superset(&self, other: &VersionSummary) -> bool {
        other.iter().all(|(agent, ranges)| {
            let mine = self.ranges(agent);
            ranges.iter().all(|r| {
                let at = mine.partition_point(|m| m.end < r.end);
                mine.get(at).is_some_and(|m| m.start <= r.start)
            })
        })
    }

    /// The events that are in it and not in `other`.
    pub fn difference(&self, other: &VersionSummary) -> VersionSummary {
        let mut rest = VersionSummary::new();
        for (agent, ranges) in self.iter() {
            for range in ranges_without(ranges, other.ranges(agent)) {
                rest.insert(agent, range);
            }
        }
        rest
    }

    /// The events that are both in it and in `other`.
    pub fn intersection(&self, other: &VersionSummary) -> VersionSummary {
        self.difference(&self.difference(other))
    }

    /// The ranges of one agent; empty for an agent that has none.
    pub fn ranges(&self, agent: &str) -> &[Range<u32>] {
        self.0.get(agent).map_or(&[], Vec::as_slice)
    }

    /// How many events of one agent are in it: its first ones, without a gap.
    pub fn first_of(&self, agent: &str) -> u32 {
        let first = self.ranges(agent).first();
        let first = first.filter(|range| range.start == 0);
        first.map_or(0, |range| range.end)
    }

    /// Agents, in byte order of their names, with their ranges.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Range<u32>])> {
        self.0
            .iter()
            .map(|(agent, ranges)| (agent.as_str(), ranges.as_slice()))
    }

    /// How many events are in it.
    pub fn event_count(&self) -> u64 {
        self.0
            .values()
            .flatten()
            .map(|r| u64::from(r.end - r.start))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(ranges: &[Range<u32>]) -> VersionSummary {
        let mut s = VersionSummary::new();
        for r in ranges {
            s.insert("a", r.clone());
        }
        s
    }

    #[test]
    fn ranges_melt_when_they_touch() {
        assert_eq!(
            summary(&[0..3, 5..7, 3..5]).ranges("a").to_vec(),
            vec![0..7; 1]
        );
        assert_eq!(summary(&[4..6, 0..1, 2..3]).ranges("a"), [0..1, 2..3, 4..6]);
        assert_eq!(
            summary(&[0..1, 2..3, 4..6, 1..9]).ranges("a").to_vec(),
            vec![0..9; 1]
        );
        assert!(summary(&[Range { start: 3, end: 3 }]).is_empty());
    }

    #[test]
    fn set_operations_agree_with_sets_of_numbers() {
        // All pairs of subsets of 0..7, as bit masks.
        let of = |mask: u32| {
            let mut s = VersionSummary::new();
            (0..7)
                .filter(|i| mask >> i & 1 == 1)
                .for_each(|i| s.insert("a", i..i + 1));
            s
        };
        for a in 0..128 {
            for b in 0..128 {
                assert_eq!(of(a).difference(&of(b)), of(a & !b), "{a:b} {b:b}");
                assert_eq!(of(a).is_superset(&of(b)), a & b == b, "{a:b} {b:b}");
                assert_eq!(of(a).intersection(&of(b)), of(a & b));
                let mut union = of(a);
                union.union(&of(b));
                assert_eq!(union, of(a | b));
                let mut rest = of(a);
                rest.subtract(&of(b));
                assert_eq!(rest, of(a & !b), "{a:b} {b:b}");
                assert_eq!(of(a).event_count(), u64::from(a.count_ones()));
            }
            for i in 0..8 {
                assert_eq!(of(a).contains(&EventId::new("a", i)), a >> i & 1 == 1);
            }
        }
    }
}
