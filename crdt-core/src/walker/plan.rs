//! The order in which a large zone of new events is replayed.
//!
//! Any topological order gives the same text, but every change of branch retreats and advances the
//! events in which the branches differ. Walking a branch to its end before the next one, short
//! branches first, minimises that (paper, section 3.2).

use std::ops::Range;

use crate::causal_graph::Graph;
use crate::sorting::{sort, sort_by};
use crate::version::Lv;

/// Below this many events the order of arrival is as good, and costs nothing to find. Few in builds
/// with debug assertions, so that small histories are planned too.
const WORTH_PLANNING: u32 = if cfg!(debug_assertions) { 8 } else { 2000 };

/// An order for the events `range`, as ranges: parents first, as far as they are in `range`.
pub(super) fn plan(graph: &Graph, range: Range<Lv>) -> Vec<Range<Lv>> {
    if range.end - range.start < WORTH_PLANNING {
        return vec![range];
    }
    let entries = Entries::new(graph, range);
    if entries.ranges.len() < 3 {
        return entries.ranges;
    }
    entries.depth_first()
}

/// The events as ranges such that parents are always the last event of a range.
struct Entries {
    ranges: Vec<Range<Lv>>,
    /// Per range the number of its parents among the ranges.
    parents: Vec<u32>,
    /// The children of range `i` are `children[child_at[i]..child_at[i + 1]]`.
    child_at: Vec<u32>,
    children: Vec<u32>,
}

impl Entries {
    fn new(graph: &Graph, range: Range<Lv>) -> Self {
        let mut starts: Vec<Lv> = Vec::new();
        for (run, parents) in graph.runs_in(range.clone()) {
            starts.push(run.start);
            let parents = parents.unwrap_or_default().iter();
            starts.extend(parents.map(|p| p + 1).filter(|&start| start > range.start));
        }
        sort(&mut starts);
        starts.dedup();
        let ends = starts[1..].iter().chain([&range.end]);
        let ranges: Vec<Range<Lv>> = starts
            .iter()
            .zip(ends)
            .map(|(&start, &end)| start..end)
            .collect();
        let ending_at = |end: Lv| ranges.partition_point(|r| r.end < end) as u32;

        // Pairs of parent and child, in order of the children.
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut parents = vec![0; ranges.len()];
        for (i, r) in ranges.iter().enumerate() {
            graph.with_parents(r.start, |of| {
                for &p in of.iter().filter(|&&p| p >= range.start) {
                    pairs.push((ending_at(p + 1), i as u32));
                    parents[i] += 1;
                }
            });
        }
        sort(&mut pairs);
        let mut child_at = vec![0; ranges.len() + 1];
        for &(parent, _) in &pairs {
            child_at[parent as usize + 1] += 1;
        }
        for i in 0..ranges.len() {
            child_at[i + 1] += child_at[i];
        }
        let children = pairs.into_iter().map(|(_, child)| child).collect();
        Entries {
            ranges,
            parents,
            child_at,
            children,
        }
    }

    fn children(&self, i: u32) -> Range<usize> {
        self.child_at[i as usize] as usize..self.child_at[i as usize + 1] as usize
    }

    /// The approximate part of the zone that follows each range: the events fall into 128 buckets
    /// by local version, and this counts the buckets that contain a descendant.
    fn reach(&self) -> Vec<u32> {
        let first = self.ranges[0].start;
        let len = u64::from(self.ranges[self.ranges.len() - 1].end - first);
        let bucket = |lv: Lv| (u64::from(lv - first) * 128 / len) as u32;
        let mut masks = vec![0_u128; self.ranges.len()];
        for i in (0..self.ranges.len()).rev() {
            let (low, high) = (bucket(self.ranges[i].start), bucket(self.ranges[i].end - 1));
            let own = (u128::MAX << low) & (u128::MAX >> (127 - high));
            let of_children = self.children[self.children(i as u32)].iter();
            masks[i] = of_children.fold(own, |mask, &child| mask | masks[child as usize]);
        }
        masks.into_iter().map(u128::count_ones).collect()
    }

    fn depth_first(mut self) -> Vec<Range<Lv>> {
        let reach = self.reach();
        let mut stack: Vec<u32> = (0..self.ranges.len() as u32)
            .filter(|&i| self.parents[i as usize] == 0)
            .collect();
        // The last pushed range is walked first.
        let longest_first = |set: &mut [u32]| {
            sort_by(set, |&a, &b| {
                (reach[b as usize], b).cmp(&(reach[a as usize], a))
            });
        };
        longest_first(&mut stack);
        let mut order: Vec<Range<Lv>> = Vec::new();
        while let Some(i) = stack.pop() {
            let range = self.ranges[i as usize].clone();
            match order.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => order.push(range),
            }
            let from = stack.len();
            for k in self.children(i) {
                let child = self.children[k];
                self.parents[child as usize] -= 1;
                if self.parents[child as usize] == 0 {
                    stack.push(child);
                }
            }
            longest_first(&mut stack[from..]);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::causal_graph::{Sample, Shapes, sample};
    use super::*;

    #[test]
    fn orders_are_topological_and_complete() {
        for seed in 1..500 {
            let Sample {
                graph, ancestors, ..
            } = sample(seed);
            let mut shapes = Shapes(seed);
            let from = shapes.below(graph.len());
            let order = Entries::new(&graph, from..graph.len()).depth_first();
            let flat: Vec<Lv> = order.into_iter().flatten().collect();
            let mut sorted = flat.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (from..graph.len()).collect::<Vec<_>>());
            for (i, lv) in flat.iter().enumerate() {
                let later = &flat[i..];
                assert!(ancestors[*lv as usize].iter().all(|a| !later.contains(a)));
            }
        }
    }
}
