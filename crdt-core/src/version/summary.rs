//! The version summary: the set of events that a replica has.

use std::ops::Range;

use super::event_id::EventId;
use crate::sorted_list::SortedList;

/// Adds `range` to sorted ranges that neither overlap nor touch; merges it with ranges that it
/// touches.
pub(crate) fn join_range(ranges: &mut Vec<Range<u32>>, range: Range<u32>) {
    let first = ranges.partition_point(|r| r.end < range.start);
    let last = ranges.partition_point(|r| r.start <= range.end);
    let all = ranges[first..last]
        .iter()
        .fold(range, |all, r| all.start.min(r.start)..all.end.max(r.end));
    ranges.splice(first..last, [all]);
}

/// The part of `ranges` that is not in `without`; all sorted.
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
///
/// A document has an agent for every page that ever opened it, nearly all of them with a single
/// range: each takes 40 bytes plus its name.
#[derive(Debug, Clone, Default)]
pub struct VersionSummary(SortedList<Agent>);

/// The events of one agent.
#[derive(Debug, Clone)]
struct Agent {
    name: Box<str>,
    ranges: Ranges,
}

/// Sorted ranges that neither overlap nor touch.
#[derive(Debug, Clone)]
enum Ranges {
    One(Range<u32>),
    Several(Vec<Range<u32>>),
}

impl Ranges {
    fn all(&self) -> &[Range<u32>] {
        match self {
            Ranges::One(range) => std::slice::from_ref(range),
            Ranges::Several(ranges) => ranges,
        }
    }

    /// Adds a range; merges it with ranges that it touches.
    fn join(&mut self, range: Range<u32>) {
        match self {
            Ranges::One(one) if one.start <= range.end && range.start <= one.end => {
                *one = one.start.min(range.start)..one.end.max(range.end);
            }
            Ranges::One(one) => {
                let mut both = vec![one.clone()];
                join_range(&mut both, range);
                *self = Ranges::Several(both);
            }
            Ranges::Several(ranges) => join_range(ranges, range),
        }
    }
}

impl PartialEq for VersionSummary {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for VersionSummary {}

/// Whether an agent comes before the one with this name.
fn is_before(name: &str) -> impl Fn(&Agent) -> bool {
    move |agent| agent.name.as_bytes() < name.as_bytes()
}

impl VersionSummary {
    /// The empty summary.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no event is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the events `range` of `agent`. O(log of the number of agents).
    pub fn insert(&mut self, agent: &str, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        match self.0.first_from_mut(is_before(agent)) {
            Some(known) if *known.name == *agent => known.ranges.join(range),
            _ => self.insert_new(agent, Ranges::One(range)),
        }
    }

    fn insert_new(&mut self, agent: &str, ranges: Ranges) {
        let new = Agent {
            name: agent.into(),
            ranges,
        };
        self.0.insert(new, is_before(agent));
    }

    /// Adds the events `ranges` (sorted, neither empty nor adjacent) of an agent that sorts after
    /// all present ones.
    pub(crate) fn push(&mut self, agent: &str, ranges: &[Range<u32>]) {
        match ranges {
            [] => {}
            [one] => self.insert_new(agent, Ranges::One(one.clone())),
            several => self.insert_new(agent, Ranges::Several(several.to_vec())),
        }
    }

    /// Adds all events of `other`.
    pub fn union(&mut self, other: &VersionSummary) {
        for (agent, ranges) in other.iter() {
            for range in ranges {
                self.insert(agent, range.clone());
            }
        }
    }

    /// Removes all events of `other`. O(agents and ranges of `other`, and the ranges of these
    /// agents in this summary), independent of all other agents.
    pub fn subtract(&mut self, other: &VersionSummary) {
        for (agent, ranges) in other.iter() {
            let is_it = |known: &Agent| *known.name == *agent;
            let Some(mine) = self.0.first_from_mut(is_before(agent)) else {
                return;
            };
            if !is_it(mine) {
                continue;
            }
            let rest = ranges_without(mine.ranges.all(), ranges);
            if rest.is_empty() {
                self.0.remove(is_before(agent), is_it);
            } else {
                mine.ranges = Ranges::Several(rest);
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
            let theirs = other.ranges(agent);
            if ranges != theirs {
                rest.push(agent, &ranges_without(ranges, theirs));
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
        match self.0.first_from(is_before(agent)) {
            Some(known) if *known.name == *agent => known.ranges.all(),
            _ => &[],
        }
    }

    /// The number of first events of one agent that are in it without a gap.
    pub fn first_of(&self, agent: &str) -> u32 {
        let first = self.ranges(agent).first();
        let first = first.filter(|range| range.start == 0);
        first.map_or(0, |range| range.end)
    }

    /// Agents, in byte order of their names, with their ranges.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Range<u32>])> {
        self.0
            .iter()
            .map(|agent| (&*agent.name, agent.ranges.all()))
    }

    /// The number of events in it.
    pub fn event_count(&self) -> u64 {
        let ranges = self.iter().flat_map(|(_, ranges)| ranges);
        ranges.map(|r| u64::from(r.end - r.start)).sum()
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
    fn touching_ranges_are_joined() {
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
