//! Trackers that have applied the same events, each with its own prepare version.
//!
//! One tracker is enough as long as the parents of consecutive events are close to each other. If
//! they are repeatedly far apart, as when two long branches arrive in turns, the tracker would have
//! to move between them for each event. In this case a copy of the tracker stays behind and
//! follows: the others receive everything that one applies, without adding it to their prepare
//! versions. The tracker that is closest to the parents of the next event applies it.
//!
//! A copy is made once moving has cost many times as much as copying, and dropped when it has
//! followed for long without being used: so neither costs more than a fraction of the other work.

use super::tracker::{STEPS_A_MOVE, Tracker};
use crate::causal_graph::{AgentAssignment, CausalGraph, Diff};
use crate::op_log::{OpLog, Run};
use crate::version::Lv;

/// The most trackers that follow.
const MOST_FOLLOWERS: usize = 3;

/// Versions that differ in no more runs of operations are close. Few in builds with debug
/// assertions.
const CLOSE: u64 = if cfg!(debug_assertions) { 1 } else { 32 };

/// The multiple of a tracker's size that has to be moved before a copy is made.
const WORTH_A_COPY: u64 = if cfg!(debug_assertions) { 0 } else { 64 };

/// The number of runs for which a follower stays after it was at exactly the requested version.
const HIT: i64 = 8;

/// The number of graph entries that the first attempt to find the closest tracker visits.
const FIRST_ATTEMPT: u64 = if cfg!(debug_assertions) { 2 } else { 64 };

/// Trackers that have applied exactly the events `base..applied`, in any order.
#[derive(Debug, Clone)]
pub(super) struct KeptTracker {
    /// The one in use.
    pub(super) tracker: Tracker,
    /// Its prepare version, without events before `base`. Sorted.
    pub(super) prepare: Vec<Lv>,
    pub(super) base: Lv,
    pub(super) applied: Lv,
    followers: Vec<Follower>,
    /// The number of steps that it took to move between versions that are far apart, since the last
    /// copy.
    moved: u64,
}

/// A tracker that receives everything that the one in use applies.
#[derive(Debug, Clone)]
struct Follower {
    tracker: Tracker,
    prepare: Vec<Lv>,
    /// The number of further runs for which it stays without being used.
    patience: i64,
}

impl KeptTracker {
    /// A tracker at the critical version before `base`.
    pub(super) fn new(base: Lv) -> KeptTracker {
        KeptTracker::with(Tracker::new(base), base)
    }

    /// A tracker of a whole history.
    pub(super) fn whole() -> KeptTracker {
        KeptTracker::with(Tracker::whole(), 0)
    }

    fn with(tracker: Tracker, base: Lv) -> KeptTracker {
        KeptTracker {
            tracker,
            prepare: Vec::new(),
            base,
            applied: base,
            followers: Vec::new(),
            moved: 0,
        }
    }

    pub(super) fn reset(&mut self, base: Lv) {
        self.tracker.reset(base);
        self.prepare.clear();
        self.base = base;
        self.applied = base;
        self.followers.clear();
        self.moved = 0;
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        let followers = self.followers.iter().map(|f| f.tracker.memory());
        self.tracker.memory() + followers.sum::<usize>()
    }

    pub(super) fn has_followers(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Drops all trackers but the one in use.
    pub(super) fn forget_followers(&mut self) {
        self.followers = Vec::new();
    }

    /// Drops the followers that would not be used for `runs` more runs.
    pub(super) fn forget_idle(&mut self, runs: u64) {
        self.followers.retain(|f| f.patience > runs as i64);
    }

    /// See [`Tracker::know_length`].
    pub(super) fn know_length(&mut self, effect_len: u32) {
        self.tracker.know_length(effect_len);
        for follower in &mut self.followers {
            follower.tracker.know_length_of(&self.tracker);
        }
    }

    /// Makes `version` (sorted, without events before the base) the prepare version of the tracker
    /// in use, which may switch to another one.
    #[inline]
    pub(super) fn prepare(
        &mut self,
        history: (&CausalGraph, &OpLog),
        version: &[Lv],
        diff: &mut Diff,
    ) {
        if self.prepare != version {
            self.move_to(history, version, diff);
        }
    }

    fn move_to(&mut self, history: (&CausalGraph, &OpLog), version: &[Lv], diff: &mut Diff) {
        let (graph, ops) = history;
        if !self.followers.is_empty() {
            self.choose(history, version, diff);
            if self.prepare == version {
                return;
            }
        }
        graph
            .graph
            .diff_into(&self.prepare, version, self.base, diff);
        if self.moved > WORTH_A_COPY * self.tracker.items()
            && self.followers.len() < MOST_FOLLOWERS
            && distance(ops, diff) > CLOSE
        {
            self.copy();
        }
        let before = self.tracker.steps;
        for range in &diff.only_a {
            self.tracker.retreat(ops, range.clone());
        }
        for range in &diff.only_b {
            self.tracker.advance(ops, range.clone());
        }
        let steps = self.tracker.steps - before;
        if steps > CLOSE * STEPS_A_MOVE {
            self.moved += steps;
        }
        self.prepare.clear();
        self.prepare.extend_from_slice(version);
    }

    /// Leaves a copy of the tracker in use at its version.
    #[inline(never)]
    fn copy(&mut self) {
        let mut tracker = self.tracker.clone();
        tracker.steps = 0;
        self.followers.push(Follower {
            prepare: self.prepare.clone(),
            patience: tracker.items() as i64 / 2,
            tracker,
        });
        self.moved = 0;
    }

    /// Switches to the tracker from which `version` is reached with the fewest steps.
    #[inline(never)]
    fn choose(&mut self, (graph, ops): (&CausalGraph, &OpLog), version: &[Lv], diff: &mut Diff) {
        if let Some(i) = self.followers.iter().position(|f| f.prepare == version) {
            self.followers[i].patience += HIT;
            self.switch(i);
            return;
        }
        // The graph is walked for all of them in turns, so that one distant tracker does not make
        // it long.
        let mut most = FIRST_ATTEMPT;
        loop {
            let mut best: Option<(u64, Option<usize>)> = None;
            let mut of_current = most;
            let all = std::iter::once(None).chain((0..self.followers.len()).map(Some));
            for which in all {
                let prepare = which.map_or(&self.prepare, |i| &self.followers[i].prepare);
                let versions = (prepare.as_slice(), version);
                if !graph.graph.diff_within(versions, self.base, most, diff) {
                    continue;
                }
                let far = distance(ops, diff);
                if which.is_none() {
                    of_current = far;
                }
                if best.is_none_or(|(least, _)| far < least) {
                    best = Some((far, which));
                }
                if far <= CLOSE {
                    break;
                }
            }
            if let Some((far, which)) = best {
                if let Some(i) = which {
                    self.followers[i].patience += of_current.saturating_sub(far) as i64;
                    self.switch(i);
                }
                return;
            }
            most = most.saturating_mul(8);
        }
    }

    /// Switches to a follower; the tracker in use becomes a follower.
    fn switch(&mut self, i: usize) {
        let follower = &mut self.followers[i];
        follower.tracker.steps += std::mem::take(&mut self.tracker.steps);
        std::mem::swap(&mut follower.tracker, &mut self.tracker);
        std::mem::swap(&mut follower.prepare, &mut self.prepare);
    }

    /// Makes the others follow the tracker in use, which has just applied the events of `run` from
    /// `lv` on.
    #[inline]
    pub(super) fn follow(&mut self, agents: &AgentAssignment, lv: Lv, run: &Run) {
        if !self.followers.is_empty() {
            self.follow_all(agents, lv, run);
        }
    }

    #[inline(never)]
    fn follow_all(&mut self, agents: &AgentAssignment, lv: Lv, run: &Run) {
        let events = (lv, run.len);
        for Follower {
            tracker, patience, ..
        } in &mut self.followers
        {
            match run.is_insert() {
                true => tracker.follow_insert(agents, events, &self.tracker),
                false => tracker.follow_delete(events, &self.tracker),
            }
            self.tracker.steps += std::mem::take(&mut tracker.steps);
            *patience -= 1;
        }
        self.followers.retain(|follower| follower.patience > 0);
    }
}

/// The approximate number of runs of operations in the difference of two versions.
fn distance(ops: &OpLog, diff: &Diff) -> u64 {
    let ranges = || diff.only_a.iter().chain(&diff.only_b);
    let events: u64 = ranges().map(|r| u64::from(r.end - r.start)).sum();
    if events <= CLOSE {
        return events;
    }
    ranges().map(|r| ops.row_count(r.clone()) as u64).sum()
}
