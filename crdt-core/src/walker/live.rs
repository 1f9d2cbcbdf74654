//! A tracker, with what it has applied.

use super::tracker::Tracker;
use crate::causal_graph::{CausalGraph, Diff};
use crate::op_log::OpLog;
use crate::version::Lv;

/// A tracker that has applied exactly the events `base..applied`, in whatever order.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) tracker: Tracker,
    pub(super) base: Lv,
    pub(super) applied: Lv,
    /// The prepare version, without what is before `base`. Sorted.
    pub(super) prepare: Vec<Lv>,
}

impl Live {
    /// A tracker at the critical version before `base`.
    pub(super) fn new(base: Lv) -> Live {
        Live {
            tracker: Tracker::new(base),
            base,
            applied: base,
            prepare: Vec::new(),
        }
    }

    pub(super) fn reset(&mut self, base: Lv) {
        self.tracker.reset(base);
        self.base = base;
        self.applied = base;
        self.prepare.clear();
    }

    /// Makes `version` (sorted, without what is before the base) the prepare version.
    pub(super) fn prepare(
        &mut self,
        (graph, ops): (&CausalGraph, &OpLog),
        version: &[Lv],
        diff: &mut Diff,
    ) {
        if self.prepare == version {
            return;
        }
        graph
            .graph
            .diff_into(&self.prepare, version, self.base, diff);
        for range in &diff.only_a {
            self.tracker.retreat(ops, range.clone());
        }
        for range in &diff.only_b {
            self.tracker.advance(ops, range.clone());
        }
        self.prepare.clear();
        self.prepare.extend_from_slice(version);
    }
}
