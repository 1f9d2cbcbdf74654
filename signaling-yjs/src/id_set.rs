use std::collections::BTreeMap;

use crate::state_vector::StateVector;

/// From one clock to before another.
type Range = (u64, u64);

/// Up to so many new ranges of a client are inserted one by one, each at the cost of moving those
/// behind it; more are merged with all that are there.
const FEW: usize = 8;

/// A set of clocks by client, in ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet {
    clients: BTreeMap<u64, Vec<Range>>,
    ranges: usize,
}

impl IdSet {
    /// A set of ranges in any order: client, first clock, and the clock after the last. Takes the time of
    /// sorting them.
    pub(crate) fn new(mut ranges: Vec<(u64, u64, u64)>) -> Self {
        ranges.sort_unstable();
        let mut set = Self::default();
        for (client, start, end) in ranges {
            if start < end {
                push(set.clients.entry(client).or_default(), (start, end));
            }
        }
        set.ranges = set.clients.values().map(Vec::len).sum();
        set
    }

    /// The number of ranges, each of which takes 16 bytes.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.ranges
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges == 0
    }

    /// Whether everything in `other` is in this set. Takes logarithmic time for each range of `other`.
    #[must_use]
    pub fn contains(&self, other: &IdSet) -> bool {
        other.clients.iter().all(|(client, ranges)| {
            let Some(known) = self.clients.get(client) else {
                return false;
            };
            ranges.iter().all(|(start, end)| {
                let after = known.partition_point(|(_, known_end)| known_end < end);
                known.get(after).is_some_and(|known| known.0 <= *start)
            })
        })
    }

    /// Takes over everything in `other`. Takes, for each client in `other`, the time of moving the ranges
    /// that are there.
    pub fn extend(&mut self, other: &IdSet) {
        for (client, ranges) in &other.clients {
            let known = self.clients.entry(*client).or_default();
            self.ranges -= known.len();
            if ranges.len() <= FEW {
                for range in ranges {
                    insert(known, *range);
                }
            } else {
                *known = union(known, ranges);
            }
            self.ranges += known.len();
        }
    }

    /// For each client the first clock that is not in the set.
    #[must_use]
    pub fn state_vector(&self) -> StateVector {
        let mut state = StateVector::default();
        for (client, ranges) in &self.clients {
            if let Some((0, end)) = ranges.first() {
                state.set(*client, *end);
            }
        }
        state
    }

    /// The clients, the highest first, with their ranges.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[Range])> {
        let clients = self.clients.iter().rev();
        clients.map(|(client, ranges)| (*client, ranges.as_slice()))
    }
}

/// Adds a range that begins no earlier than the last one.
fn push(ranges: &mut Vec<Range>, range: Range) {
    match ranges.last_mut() {
        Some(last) if range.0 <= last.1 => last.1 = last.1.max(range.1),
        _ => ranges.push(range),
    }
}

fn insert(ranges: &mut Vec<Range>, (start, end): Range) {
    // All from `first` to before `after` overlap or touch the new one.
    let first = ranges.partition_point(|range| range.1 < start);
    let after = ranges.partition_point(|range| range.0 <= end);
    let touched = ranges.get(first..after).unwrap_or_default();
    let start = touched.first().map_or(start, |range| range.0.min(start));
    let end = touched.last().map_or(end, |range| range.1.max(end));
    ranges.splice(first..after, [(start, end)]);
}

fn union(one: &[Range], two: &[Range]) -> Vec<Range> {
    let mut all = Vec::with_capacity(one.len() + two.len());
    let (mut one, mut two) = (one.iter().peekable(), two.iter().peekable());
    loop {
        let first = match (one.peek(), two.peek()) {
            (Some(a), Some(b)) if a.0 <= b.0 => one.next(),
            (Some(_), None) => one.next(),
            (_, Some(_)) => two.next(),
            (None, None) => return all,
        };
        if let Some(range) = first {
            push(&mut all, *range);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn set(clocks: &BTreeSet<(u64, u64)>) -> IdSet {
        let ranges = clocks
            .iter()
            .map(|(client, clock)| (*client, *clock, clock + 1));
        IdSet::new(ranges.collect())
    }

    #[test]
    fn random_sets_are_those_of_a_plain_set() {
        let seed = fastrand::u64(..);
        println!("SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..300 {
            let (mut all, mut plain) = (IdSet::default(), BTreeSet::new());
            for _ in 0..20 {
                let count = random.usize(..30);
                let clocks: BTreeSet<(u64, u64)> = (0..count)
                    .map(|_| (random.u64(..3), random.u64(..60)))
                    .collect();
                let some = set(&clocks);
                assert_eq!(all.contains(&some), plain.is_superset(&clocks));
                all.extend(&some);
                plain.extend(clocks);
                assert_eq!(all, set(&plain));
                for client in 0..3 {
                    let first = (0..).find(|clock| !plain.contains(&(client, *clock)));
                    assert_eq!(Some(all.state_vector().get(client)), first);
                }
            }
        }
    }
}
