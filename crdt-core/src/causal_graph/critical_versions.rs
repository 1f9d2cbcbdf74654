//! Critical versions, kept as events arrive.
//!
//! A cut `c` is a prefix `0..c` of the local versions. It is critical when every event from `c` on
//! has all of the prefix among its ancestors (paper, section 3.5: a critical version). Events
//! between critical cuts depend on nothing before them, so a walk may start there, and a stretch in
//! which every cut is critical needs no walk at all.

use std::ops::Range;

use crate::version::Lv;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cut {
    /// Every `c` in `lo..=hi` is critical, with the frontier `[c - 1]` (none for 0).
    Range { lo: Lv, hi: Lv },
    /// `c` is critical with a frontier of several events.
    Multi { c: Lv, frontier: Vec<Lv> },
}

/// All critical cuts of a graph, ascending. Amortised O(1) for an appended run.
#[derive(Debug, Clone)]
pub(crate) struct CriticalVersions(Vec<Cut>);

/// A stretch of local versions between critical cuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// All cuts in it are critical: its events apply unchanged.
    Linear(Range<Lv>),
    /// No cut strictly inside is critical: its events must be walked, from its start.
    Zone(Range<Lv>),
}

impl Default for CriticalVersions {
    fn default() -> Self {
        CriticalVersions(vec![Cut::Range { lo: 0, hi: 0 }])
    }
}

impl CriticalVersions {
    /// Records one more event after the run that was pushed last, with the whole frontier as its
    /// parents.
    #[inline]
    pub(crate) fn grow(&mut self) {
        if let Some(Cut::Range { hi, .. }) = self.0.last_mut() {
            *hi += 1;
        }
    }

    /// Records the run `start..end`, whose parents are the whole frontier.
    fn push_linear(&mut self, start: Lv, end: Lv) {
        match self.0.last_mut() {
            Some(Cut::Range { hi, .. }) if *hi == start => *hi = end,
            _ => self.0.push(Cut::Range {
                lo: start + 1,
                hi: end,
            }),
        }
    }

    /// Records the run `start..end` with `parents`, appended to a document whose frontier was
    /// `frontier`. Both are sorted and reduced.
    pub(crate) fn push(&mut self, start: Lv, end: Lv, parents: &[Lv], frontier: &[Lv]) {
        if parents == frontier {
            if frontier.len() > 1 {
                let frontier = frontier.to_vec();
                self.0.push(Cut::Multi { c: start, frontier });
            }
            self.push_linear(start, end);
            return;
        }
        let lim = parents.first().map_or(0, |&p| p + 1);
        while let Some(top) = self.0.last_mut() {
            match top {
                Cut::Multi { c, frontier } => {
                    if *c < lim || frontier == parents {
                        break;
                    }
                }
                Cut::Range { lo, hi } => {
                    if *lo <= lim {
                        *hi = (*hi).min(lim);
                        break;
                    }
                }
            }
            self.0.pop();
        }
    }

    /// The largest critical cut at or before `lv`.
    pub(crate) fn last_until(&self, lv: Lv) -> Lv {
        let at = self.0.partition_point(|cut| cut.lo() <= lv);
        match at.checked_sub(1).map(|i| &self.0[i]) {
            Some(Cut::Range { hi, .. }) => (*hi).min(lv),
            Some(Cut::Multi { c, .. }) => *c,
            None => 0,
        }
    }

    /// The events that name the version before a critical cut.
    pub(crate) fn frontier(&self, cut: Lv) -> Vec<Lv> {
        let at = self.0.partition_point(|c| c.hi() < cut);
        match self.0.get(at) {
            Some(Cut::Multi { c, frontier }) if *c == cut => frontier.clone(),
            _ => cut.checked_sub(1).into_iter().collect(),
        }
    }

    /// Cuts the events `from..end` into segments, ascending; `end` is the number of all events. The
    /// first zone starts at the critical cut before `from`, if `from` itself is none.
    pub(crate) fn segments(&self, from: Lv, end: Lv) -> impl Iterator<Item = Segment> {
        let mut at = self.last_until(from);
        let first = self.0.partition_point(|cut| cut.hi() <= at);
        let mut cuts = self.0[first..].iter().peekable();
        std::iter::from_fn(move || {
            while let Some(cut) = cuts.peek() {
                // A single event between two cuts is concurrent to nothing.
                if cut.lo() > at + 1 {
                    let start = std::mem::replace(&mut at, cut.lo());
                    return Some(Segment::Zone(start..at));
                }
                let hi = cut.hi();
                cuts.next();
                if hi > at {
                    let start = std::mem::replace(&mut at, hi);
                    return Some(Segment::Linear(start..at));
                }
            }
            let start = std::mem::replace(&mut at, end);
            (start < end).then_some(Segment::Zone(start..end))
        })
    }
}

impl Cut {
    fn lo(&self) -> Lv {
        match self {
            Cut::Range { lo, .. } => *lo,
            Cut::Multi { c, .. } => *c,
        }
    }

    fn hi(&self) -> Lv {
        match self {
            Cut::Range { hi, .. } => *hi,
            Cut::Multi { c, .. } => *c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Graph, tests::sample};
    use super::*;

    /// The definition: every event from `c` on has all of `0..c` among its ancestors.
    fn critical_by_definition(ancestors: &[std::collections::BTreeSet<Lv>], c: Lv) -> bool {
        ancestors[c as usize..]
            .iter()
            .all(|of| (0..c).all(|v| of.contains(&v)))
    }

    #[test]
    fn cuts_agree_with_their_definition() {
        for seed in 1..2000 {
            let s = sample(seed);
            let mut cuts = CriticalVersions::default();
            let mut frontier = Vec::new();
            let mut n = 0;
            for (len, parents) in &s.runs {
                cuts.push(n, n + len, parents, &frontier);
                Graph::advance_frontier(&mut frontier, parents, n + len - 1);
                n += len;
                let known = &s.ancestors[..n as usize];
                // The cut at the end, after several heads, is only recorded with the next run.
                let ends = if frontier.len() > 1 { n } else { n + 1 };
                let expected: Vec<Lv> = (0..ends)
                    .filter(|&c| critical_by_definition(known, c))
                    .collect();
                let found: Vec<Lv> = cuts.0.iter().flat_map(|c| c.lo()..=c.hi()).collect();
                assert_eq!(
                    found, expected,
                    "seed {seed}, {n} events, runs {:?}",
                    s.runs
                );
                for from in 0..n {
                    let segments: Vec<Segment> = cuts.segments(from, n).collect();
                    let mut at = cuts.last_until(from);
                    for segment in &segments {
                        let (Segment::Linear(r) | Segment::Zone(r)) = segment;
                        assert_eq!(r.start, at);
                        at = r.end;
                        let linear = matches!(segment, Segment::Linear(_));
                        assert!((r.start..=r.end).all(|c| {
                            let inside = c > r.start && c < r.end;
                            found.contains(&c) == (linear || !inside) || (c == n && !linear)
                        }));
                    }
                    assert_eq!(at, n);
                }
            }
        }
    }
}
