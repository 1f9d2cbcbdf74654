//! The parents of every event, run-length encoded, and the walks over them.

use std::ops::Range;
use std::sync::OnceLock;

use super::search::last_until;
use super::skips::Skips;
use crate::sorting::sort;
use crate::version::Lv;

/// A run of events in which each but the first has its predecessor as its only parent.
/// Its end is the start of the next entry.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: Lv,
    /// The start of its first event's parents in `Graph::parents`; they end at the start of the
    /// next entry's.
    parents: u32,
}

/// The event graph of a document: entries in local version order, parents before children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    entries: Vec<Entry>,
    parents: Vec<Lv>,
    len: u32,
    /// Built once walks have passed enough entries for nothing.
    skips: OnceLock<Skips>,
}

/// The events that only one of two versions contains, as ascending ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) only_a: Vec<Range<Lv>>,
    pub(crate) only_b: Vec<Range<Lv>>,
    /// The remaining events to walk: sorted by local version, nearly always a handful.
    queue: Vec<(Lv, u8)>,
    /// The most recently visited entry: the next difference is probably near.
    hint: usize,
    /// The number of entries that all walks with it have visited so far. Inserting one into a long
    /// queue counts as several.
    pub(crate) steps: u64,
    /// The number of entries that they have passed for nothing.
    passed: usize,
}

/// The number of entries that walks pass for nothing before the jumps are built: a multiple of the
/// graph's entries, and a minimum. None in builds with debug assertions, so that small graphs have
/// jumps.
const WORTH_SKIPS: (usize, usize) = if cfg!(debug_assertions) {
    (0, 2)
} else {
    (2, 1024)
};

const A: u8 = 1;
const B: u8 = 2;
const BOTH: u8 = A | B;

/// In [`Graph::is_reduced`], one of the set, and an ancestor of one of the set.
const MEMBER: u8 = 1;
const PASSED: u8 = 2;

impl Graph {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends an event that has the last event as its only parent.
    #[inline]
    pub(crate) fn grow(&mut self) {
        debug_assert!(self.len > 0);
        self.len += 1;
    }

    /// Appends a run of `len` events whose first has the given parents (sorted, reduced, known).
    pub(crate) fn push(&mut self, len: u32, parents: &[Lv]) {
        let start = self.len;
        self.len += len;
        let continues = start > 0 && parents == [start - 1];
        if !continues {
            if let Some(mut skips) = self.skips.take() {
                self.push_skip(&mut skips, parents);
                self.skips = OnceLock::from(skips);
            }
            self.entries.push(Entry {
                start,
                parents: self.parents.len() as u32,
            });
            self.parents.extend_from_slice(parents);
        }
    }

    /// Drops the skips, which are built again when they pay off.
    pub(crate) fn release(&mut self) {
        self.skips = OnceLock::new();
    }

    fn push_skip(&self, skips: &mut Skips, parents: &[Lv]) {
        skips.push(match *parents {
            [parent] => Some(self.find(parent)),
            _ => None,
        });
    }

    #[inline(never)]
    fn make_skips(&self) -> Skips {
        let mut skips = Skips::default();
        (0..self.entries.len()).for_each(|i| self.push_skip(&mut skips, self.entry_parents(i)));
        skips
    }

    /// The lowest entry that a walk at entry `i` passes for nothing if everything else that it
    /// looks for is at `next` and below. O(log entries), once `walk` has passed many.
    #[inline]
    fn skip(&self, i: usize, next: Lv, passed: &mut usize) -> usize {
        match self.skips.get() {
            Some(skips) => skips.lowest_above(next, i, |i| self.entries[i].start),
            None => {
                *passed += 1;
                let (times, least) = WORTH_SKIPS;
                if *passed > least && *passed > times * self.entries.len() {
                    self.skips.get_or_init(|| self.make_skips());
                }
                i
            }
        }
    }

    /// Forgets all events from `lv` on.
    pub(crate) fn truncate(&mut self, lv: Lv) {
        while let Some(entry) = self.entries.last() {
            if entry.start < lv {
                break;
            }
            self.parents.truncate(entry.parents as usize);
            self.entries.pop();
        }
        if let Some(skips) = self.skips.get_mut() {
            skips.truncate(self.entries.len());
        }
        self.len = lv;
    }

    fn find(&self, lv: Lv) -> usize {
        self.find_near(lv, self.entries.len())
    }

    /// The entry of an event that is probably near the entry `hint`.
    #[inline]
    fn find_near(&self, lv: Lv, hint: usize) -> usize {
        debug_assert!(lv < self.len);
        last_until(&self.entries, lv, hint, |entry| entry.start)
    }

    fn entry_end(&self, i: usize) -> Lv {
        self.entries.get(i + 1).map_or(self.len, |e| e.start)
    }

    fn entry_parents(&self, i: usize) -> &[Lv] {
        let from = self.entries[i].parents as usize;
        let to = self
            .entries
            .get(i + 1)
            .map_or(self.parents.len(), |e| e.parents as usize);
        &self.parents[from..to]
    }

    /// Calls `f` with the parents of one event, sorted.
    pub(crate) fn with_parents<R>(&self, lv: Lv, f: impl FnOnce(&[Lv]) -> R) -> R {
        let i = self.find(lv);
        if self.entries[i].start == lv {
            f(self.entry_parents(i))
        } else {
            f(&[lv - 1])
        }
    }

    /// The parts of entries that lie in `range`, ascending. The parents given are those of the
    /// part's first event; `None` stands for "its predecessor".
    pub(crate) fn runs_in(
        &self,
        range: Range<Lv>,
    ) -> impl Iterator<Item = (Range<Lv>, Option<&[Lv]>)> {
        let mut i = if range.is_empty() {
            0
        } else {
            self.find(range.start)
        };
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let end = self.entry_end(i).min(range.end);
            let parents = (self.entries[i].start == at).then(|| self.entry_parents(i));
            let run = at..end;
            at = end;
            i += 1;
            Some((run, parents))
        })
    }

    /// Whether `lv` is in the version `frontier`, that is, one of it or an ancestor of one.
    pub(crate) fn contains(&self, frontier: &[Lv], lv: Lv) -> bool {
        let mut queue: Vec<Lv> = frontier.iter().copied().filter(|&f| f >= lv).collect();
        sort(&mut queue);
        while let Some(v) = queue.pop() {
            if v == lv {
                return true;
            }
            let i = self.find(v);
            if self.entries[i].start <= lv {
                return true;
            }
            // All other events queued inside this entry lead to the same parents.
            while queue.last().is_some_and(|&q| q >= self.entries[i].start) {
                queue.pop();
            }
            for &p in self.entry_parents(i) {
                if p >= lv {
                    let at = queue.partition_point(|&q| q < p);
                    if queue.get(at) != Some(&p) {
                        queue.insert(at, p);
                    }
                }
            }
        }
        false
    }

    /// Whether no member of `set` (sorted, each once) is an ancestor of another, as it is for the parents of
    /// an event.
    pub(crate) fn are_parents(&self, set: &[Lv], walk: &mut Diff) -> bool {
        // With many simultaneous writers, an event mostly has the parents of the event that arrived
        // before it.
        let last = self.entries.len().checked_sub(1);
        last.is_some_and(|last| self.entry_parents(last) == set) || self.is_reduced(set, walk)
    }

    /// The same, by a walk down to the lowest member; `walk` is scratch memory.
    pub(crate) fn is_reduced(&self, set: &[Lv], walk: &mut Diff) -> bool {
        let [lowest, _, ..] = *set else {
            return true;
        };
        let queue = &mut walk.queue;
        queue.clear();
        queue.extend(set.iter().map(|&v| (v, MEMBER)));
        while let Some((v, _)) = queue.pop() {
            let i = self.find_near(v, walk.hint);
            walk.hint = i;
            walk.steps += 1 + (queue.len() >> 6) as u64;
            let start = self.entries[i].start;
            // Other members in this entry are ancestors of `v`, and lead to the same parents.
            while let Some(&(next, flags)) = queue.last() {
                if next < start {
                    break;
                }
                if flags & MEMBER != 0 {
                    return false;
                }
                queue.pop();
            }
            let i = match queue.last() {
                Some(&(next, _)) => self.skip(i, next, &mut walk.passed),
                None => i,
            };
            for &p in self.entry_parents(i).iter().filter(|&&p| p >= lowest) {
                if enqueue(queue, p, PASSED) & MEMBER != 0 {
                    return false;
                }
            }
            // If nothing leads down to the lowest member, it is the only one left.
            if let [(_, MEMBER)] = queue[..] {
                return true;
            }
        }
        true
    }

    /// The events that only one of two versions has; considers only events from `floor` on, as both
    /// have all earlier ones. Frontiers and results are sorted.
    ///
    /// Walks down from the largest local version, entry by entry, and stops as soon as all
    /// remaining events are in both: the cost is bounded by the entries that the difference
    /// touches.
    pub(crate) fn diff_into(&self, a: &[Lv], b: &[Lv], floor: Lv, out: &mut Diff) {
        let found = self.diff_within((a, b), floor, u64::MAX, out);
        debug_assert!(found);
    }

    /// [`Graph::diff_into`] in at most `most` steps; returns whether these were enough. If not, the
    /// result is unspecified.
    pub(crate) fn diff_within(
        &self,
        (a, b): (&[Lv], &[Lv]),
        floor: Lv,
        most: u64,
        out: &mut Diff,
    ) -> bool {
        out.only_a.clear();
        out.only_b.clear();
        if a == b {
            return true;
        }
        if let [v] = *a
            && self.is_run_on(v, b, floor, out)
        {
            return true;
        }
        let most = out.steps.saturating_add(most);
        let mut queue = std::mem::take(&mut out.queue);
        queue.clear();
        let mut one_sided = 0_usize;
        let count = |one_sided: &mut usize, old: u8, flag: u8| match old {
            0 => *one_sided += usize::from(flag != BOTH),
            BOTH => {}
            _ => *one_sided -= usize::from(old | flag == BOTH),
        };
        for (side, flag) in [(a, A), (b, B)] {
            for &v in side.iter().filter(|&&v| v >= floor) {
                count(&mut one_sided, enqueue(&mut queue, v, flag), flag);
            }
        }
        while one_sided > 0 && out.steps < most {
            let Some((mut v, mut flag)) = queue.pop() else {
                break;
            };
            if flag != BOTH {
                one_sided -= 1;
            }
            let mut i = self.find_near(v, out.hint);
            out.hint = i;
            out.steps += 1 + (queue.len() >> 6) as u64;
            let mut start = self.entries[i].start.max(floor);
            // Members inside the same entry continue the walk from their place down.
            while let Some(&(next, next_flag)) = queue.last() {
                if next < start {
                    break;
                }
                queue.pop();
                if next_flag != BOTH {
                    one_sided -= 1;
                }
                if next_flag | flag != flag {
                    emit(out, flag, next + 1..v + 1);
                    v = next;
                    flag |= next_flag;
                }
            }
            emit(out, flag, start..v + 1);
            if flag == BOTH
                && let Some(&(next, _)) = queue.last()
            {
                i = self.skip(i, next, &mut out.passed);
                start = self.entries[i].start.max(floor);
            }
            if start == self.entries[i].start {
                for &p in self.entry_parents(i).iter().filter(|&&p| p >= floor) {
                    count(&mut one_sided, enqueue(&mut queue, p, flag), flag);
                }
            }
        }
        out.only_a.reverse();
        out.only_b.reverse();
        out.queue = queue;
        one_sided == 0
    }

    /// Sets the difference if `b` is the parents of the entry that contains `v`, and returns
    /// whether it is: the tracker often moves from an event back to its parents, of which there may
    /// be many.
    #[inline]
    fn is_run_on(&self, v: Lv, b: &[Lv], floor: Lv, out: &mut Diff) -> bool {
        if v < floor {
            return false;
        }
        let i = self.find_near(v, out.hint);
        let start = self.entries[i].start;
        let parents = self.entry_parents(i);
        let from = parents.len().checked_sub(b.len());
        let is_on = start >= floor
            && from.is_some_and(|from| {
                let (before, within) = parents.split_at(from);
                within == b && before.last().is_none_or(|&last| last < floor)
            });
        if is_on {
            out.hint = i;
            out.steps += 1;
            emit(out, A, start..v + 1);
        }
        is_on
    }

    /// The parts of entries, as [`Graph::diff_into`] gives them, in a fresh result.
    pub(crate) fn diff(&self, a: &[Lv], b: &[Lv]) -> Diff {
        let mut out = Diff::default();
        self.diff_into(a, b, 0, &mut out);
        out
    }

    /// Updates the frontier when an event with `parents` is appended; both are sorted. O(parents *
    /// log heads), plus closing the gaps of removed heads.
    pub(crate) fn advance_frontier(frontier: &mut Vec<Lv>, parents: &[Lv], last: Lv) {
        // This few are searched one by one; with many heads, most parents are not heads.
        const FEW: usize = 4;
        if frontier.as_slice() == parents {
            frontier.clear();
        } else if parents.last() < frontier.first() {
            // All heads are later.
        } else if parents.len() <= FEW {
            for parent in parents {
                if let Ok(at) = frontier.binary_search(parent) {
                    frontier.remove(at);
                }
            }
        } else {
            frontier.retain(|v| parents.binary_search(v).is_err());
        }
        frontier.push(last);
    }
}

/// Puts `v` into a sorted queue, or adds the flag to it where it is; returns the flags that it had,
/// 0 if it was not there.
#[inline]
fn enqueue(queue: &mut Vec<(Lv, u8)>, v: Lv, flag: u8) -> u8 {
    // Moving a handful of entries one by one is faster than a general search and move.
    const HANDFUL: usize = 12;
    let mut at = queue.len();
    if at > HANDFUL {
        at = queue.partition_point(|&(q, _)| q <= v);
    } else {
        while at > 0 && queue[at - 1].0 > v {
            at -= 1;
        }
    }
    if let Some((q, old)) = at.checked_sub(1).map(|i| &mut queue[i])
        && *q == v
    {
        let before = *old;
        *old |= flag;
        return before;
    }
    if queue.len() > HANDFUL {
        queue.insert(at, (v, flag));
        return 0;
    }
    queue.push((v, flag));
    for i in (at + 1..queue.len()).rev() {
        queue.swap(i, i - 1);
    }
    0
}

/// Adds a range found from the top down.
fn emit(out: &mut Diff, flag: u8, range: Range<Lv>) {
    let list = match flag {
        A => &mut out.only_a,
        B => &mut out.only_b,
        _ => return,
    };
    match list.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.start == range.end => last.start = range.start,
        _ => list.push(range),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A graph with known parents of every event, and a brute-force view of it.
    pub(crate) struct Sample {
        pub(crate) graph: Graph,
        pub(crate) ancestors: Vec<BTreeSet<Lv>>,
        pub(crate) runs: Vec<(u32, Vec<Lv>)>,
    }

    /// A small deterministic generator (xorshift), enough for shapes of graphs.
    pub(crate) struct Shapes(pub(crate) u64);

    impl Shapes {
        pub(crate) fn below(&mut self, n: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 11) % u64::from(n)) as u32
        }
    }

    pub(crate) fn version(ancestors: &[BTreeSet<Lv>], frontier: &[Lv]) -> BTreeSet<Lv> {
        frontier
            .iter()
            .flat_map(|&f| ancestors[f as usize].iter().copied().chain([f]))
            .collect()
    }

    fn reduce(ancestors: &[BTreeSet<Lv>], set: &BTreeSet<Lv>) -> Vec<Lv> {
        set.iter()
            .copied()
            .filter(|v| !set.iter().any(|w| ancestors[*w as usize].contains(v)))
            .collect()
    }

    pub(crate) fn sample(seed: u64) -> Sample {
        let mut shapes = Shapes(seed * 2 + 1);
        let mut graph = Graph::default();
        let mut ancestors: Vec<BTreeSet<Lv>> = Vec::new();
        let mut runs = Vec::new();
        for _ in 0..12 {
            let n = graph.len();
            let len = 1 + shapes.below(3);
            let mut set = BTreeSet::new();
            if n > 0 {
                match shapes.below(4) {
                    0 => set.extend([n - 1]),
                    1 => set.extend((0..n).filter(|_| shapes.below(3) == 0)),
                    2 => set.extend(reduce(&ancestors, &(0..n).collect())),
                    _ => set.extend([shapes.below(n)]),
                }
            }
            let parents = reduce(&ancestors, &set);
            graph.push(len, &parents);
            for k in 0..len {
                let own = if k == 0 {
                    parents.clone()
                } else {
                    vec![n + k - 1]
                };
                let all = version(&ancestors, &own);
                ancestors.push(all);
            }
            runs.push((len, parents));
        }
        Sample {
            graph,
            ancestors,
            runs,
        }
    }

    #[test]
    fn walks_agree_with_sets_of_ancestors() {
        for seed in 1..300 {
            let s = sample(seed);
            let n = s.graph.len();
            let mut shapes = Shapes(seed);
            for _ in 0..20 {
                let mut pick = || {
                    let set: BTreeSet<Lv> = (0..n).filter(|_| shapes.below(6) == 0).collect();
                    reduce(&s.ancestors, &set)
                };
                let (a, b) = (pick(), pick());
                let (in_a, in_b) = (version(&s.ancestors, &a), version(&s.ancestors, &b));
                let diff = s.graph.diff(&a, &b);
                let flat = |r: &[Range<Lv>]| r.iter().cloned().flatten().collect::<Vec<_>>();
                assert_eq!(
                    flat(&diff.only_a),
                    in_a.difference(&in_b).copied().collect::<Vec<_>>()
                );
                assert_eq!(
                    flat(&diff.only_b),
                    in_b.difference(&in_a).copied().collect::<Vec<_>>()
                );
                for v in 0..n {
                    assert_eq!(
                        s.graph.contains(&a, v),
                        in_a.contains(&v),
                        "seed {seed} {a:?} {v}"
                    );
                }
                assert!(s.graph.is_reduced(&a, &mut Diff::default()));
                if let Some(&top) = a.iter().max()
                    && let Some(&below) = s.ancestors[top as usize].iter().next()
                {
                    let mut more: Vec<Lv> = a.iter().copied().chain([below]).collect();
                    more.sort_unstable();
                    more.dedup();
                    assert!(!s.graph.is_reduced(&more, &mut Diff::default()));
                }
            }
        }
    }
}
