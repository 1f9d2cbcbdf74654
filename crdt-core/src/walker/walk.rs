//! Cuts events into linear stretches and zones, and transforms each with the first strategy that
//! applies.

use std::ops::Range;

use super::edit::{Transformed, WalkError};
use super::kept_tracker::KeptTracker;
#[cfg(feature = "fast-merge")]
use super::live_window::LiveWindow;
use super::plan::plan;
use super::strategy::{Strategy, StrategyCounts};
#[cfg(feature = "fast-merge")]
use super::two_branches;
use crate::causal_graph::{CausalGraph, Diff, Segment};
use crate::op_log::OpLog;
use crate::version::{Lv, MAX_CHARS};

/// The most memory of the trackers kept between merges, in bytes; then the additional bytes for
/// each char of the text, and for each run of operations that they have applied.
const KEPT_MEMORY: usize = 8 << 20;
const KEPT_BY_CHAR: usize = 8;
const KEPT_BY_RUN: usize = 128;

/// The number of events without concurrent ones that a full replay passes on at once.
const LINEAR_STEP: usize = 1 << 12;

/// Steps that each run of operations allows beyond the limit to work.
const STEPS_A_RUN: u64 = 256;

/// Transforms events, and keeps the trackers of the last zone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walker {
    #[cfg(feature = "fast-merge")]
    live_window: LiveWindow,
    kept: Option<KeptTracker>,
    pub(super) diff: Diff,
    parents: Vec<Lv>,
    /// The number of steps that are left, in the tracker and in walks of the graph.
    left: u64,
    /// The events that each strategy has transformed.
    counts: StrategyCounts,
}

impl Walker {
    /// Transforms the events that start at `from`. The text has `text_len` chars and contains all events
    /// before `from`. Appends the edits to `out` and returns the new length of the text. Takes at most
    /// `work` steps, and [`STEPS_A_RUN`] for each run of operations.
    pub(crate) fn transform(
        &mut self,
        history: (&CausalGraph, &OpLog),
        (from, text_len): (Lv, u32),
        work: u64,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        self.allow(history, from, work);
        let len = self.segments(history, (from, text_len), out, &mut |_| {});
        match len {
            Ok(len) => self.keep_within_limits(history, len),
            // The applied part of refused events is not in the document.
            Err(_) => self.kept = None,
        }
        #[cfg(feature = "fast-merge")]
        if len.is_err() {
            self.live_window.forget();
        }
        len
    }

    /// Transforms all events, and passes the edits on in small groups: there are never many of them
    /// in memory if nothing was concurrent. Returns the length of the text. Takes no more work than
    /// [`Walker::transform`].
    pub(crate) fn replay_all(
        &mut self,
        history: (&CausalGraph, &OpLog),
        work: u64,
        edit: &mut dyn FnMut(&[Transformed]),
    ) -> Result<u32, WalkError> {
        self.allow(history, 0, work);
        self.segments(history, (0, 0), &mut Vec::new(), &mut |edits| {
            edit(edits);
            edits.clear();
        })
    }

    /// The number of events that each strategy has merged.
    pub(crate) fn counts(&self) -> StrategyCounts {
        self.counts
    }

    /// Records `events` events that a strategy merges.
    pub(crate) fn count(&mut self, strategy: Strategy, events: u32) {
        self.counts.add(strategy, u64::from(events));
    }

    /// The number of allowed steps that the last walk did not use.
    pub(crate) fn steps_left(&self) -> u64 {
        self.left
    }

    /// Sets the number of steps that the events from `from` on may take.
    fn allow(&mut self, (graph, ops): (&CausalGraph, &OpLog), from: Lv, work: u64) {
        let runs = ops.row_count(from..graph.len()) as u64;
        self.left = work.saturating_add(STEPS_A_RUN * runs);
    }

    /// Transforms the events that start at `from`, for a text of `len` chars. Appends the edits to
    /// `out`, and calls `step` regularly.
    fn segments(
        &mut self,
        history: (&CausalGraph, &OpLog),
        (from, mut len): (Lv, u32),
        out: &mut Vec<Transformed>,
        step: &mut dyn FnMut(&mut Vec<Transformed>),
    ) -> Result<u32, WalkError> {
        let (graph, ops) = history;
        for segment in graph.critical_versions.segments(from, graph.len()) {
            match segment {
                Segment::Linear(range) => {
                    self.count(Strategy::Linear, range.end - range.start);
                    for start in range.clone().step_by(LINEAR_STEP) {
                        let end = range.end.min(start + LINEAR_STEP as Lv);
                        len = linear(ops, start..end, len, out)?;
                        step(out);
                    }
                }
                Segment::Zone(zone) => {
                    len = self.zone(history, zone, from, len, out)?;
                    step(out);
                }
            }
        }
        Ok(len)
    }

    /// Drops trackers that take too much memory, for a text of `len` chars, or are no longer
    /// useful.
    fn keep_within_limits(&mut self, (graph, ops): (&CausalGraph, &OpLog), len: u32) {
        let Some(kept) = &mut self.kept else { return };
        let most = KEPT_MEMORY + KEPT_BY_CHAR * len as usize;
        if !kept.has_followers() && kept.memory() <= most {
            return;
        }
        let runs = ops.row_count(kept.base..kept.applied);
        let most = most + KEPT_BY_RUN * runs;
        kept.forget_idle(ops.row_count(kept.applied..graph.len()) as u64);
        if kept.memory() > most {
            kept.forget_followers();
        }
        if kept.memory() > most {
            self.kept = None;
        }
    }

    /// Frees the memory of the kept trackers. Always safe: the next concurrent event replays its
    /// zone.
    pub(crate) fn forget(&mut self) {
        *self = Walker {
            counts: self.counts,
            ..Walker::default()
        };
    }

    /// Transforms the part of a zone that starts at `from`. The text has `len` chars and contains all
    /// earlier events.
    fn zone(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        let from = from.max(zone.start);
        #[cfg(feature = "fast-merge")]
        if let Some(len) = self.two_branches(history, &zone, from, len, out)? {
            return Ok(len);
        }
        #[cfg(feature = "fast-merge")]
        let (from, len) = self.live_window(history, &zone, from, len, out);
        if from == zone.end {
            return Ok(len);
        }
        self.tracker(history, zone, from, len, out)
    }

    /// By [`Strategy::TwoBranches`]; `None` if it does not apply, or if there is a kept tracker of
    /// the zone up to `from`.
    #[cfg(feature = "fast-merge")]
    fn two_branches(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: &Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<Option<u32>, WalkError> {
        let (graph, ops) = history;
        let is_ready = |kept: &KeptTracker| kept.base < from && kept.applied == from;
        if self.kept.as_ref().is_some_and(is_ready) {
            return Ok(None);
        }
        let branches = two_branches::branches((&graph.graph, ops), zone, from);
        let Some((left, right)) = branches else {
            return Ok(None);
        };
        let len = match from == left.start {
            true => linear(ops, left.clone(), len, out)?,
            false => len,
        };
        self.count(Strategy::TwoBranches, zone.end - from);
        two_branches::transform(history, (left, right), len, out).map(Some)
    }

    /// By [`Strategy::LiveWindow`], as far as possible. Returns the event that it reached, and the
    /// length of the text there.
    #[cfg(feature = "fast-merge")]
    fn live_window(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: &Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> (Lv, u32) {
        let reached = self.live_window.transform(history, zone, from, len, out);
        self.count(Strategy::LiveWindow, reached.0 - from);
        reached
    }

    /// By [`Strategy::Tracker`].
    fn tracker(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        let (graph, _) = history;
        self.count(Strategy::Tracker, zone.end - from);
        let mut kept = match self.kept.take() {
            Some(kept) if kept.base <= zone.start && zone.start <= kept.applied => kept,
            Some(mut kept) => {
                // A peer whose events reach back further each time would cause a full replay every
                // time: step back at least twice as far as last time.
                let start = if zone.start < kept.base && from >= kept.applied {
                    let back = 2 * (from - kept.base);
                    graph
                        .critical_versions
                        .last_until(from.saturating_sub(back))
                        .min(zone.start)
                } else {
                    zone.start
                };
                kept.reset(start);
                kept
            }
            None => KeptTracker::new(zone.start),
        };
        let known = kept.applied..from;
        let order = std::iter::once(known).chain(plan(&graph.graph, from..zone.end));
        let len = self.replay(&mut kept, history, order, Some((from, len, out)))?;
        kept.applied = zone.end;
        self.kept = Some(kept);
        Ok(len)
    }

    /// Applies events to a tracker, in the order of the ranges. With `out`, which has the first new
    /// event and the length of the text before it, checks the positions of the new events, appends
    /// their edits, and returns the new length.
    pub(super) fn replay(
        &mut self,
        kept: &mut KeptTracker,
        history: (&CausalGraph, &OpLog),
        order: impl IntoIterator<Item = Range<Lv>>,
        mut out: Option<(Lv, u32, &mut Vec<Transformed>)>,
    ) -> Result<u32, WalkError> {
        let (graph, ops) = history;
        let base = kept.base;
        let mut row = usize::MAX;
        let runs = order
            .into_iter()
            .flat_map(|range| graph.graph.runs_in(range));
        let mut is_new = false;
        for (run, parents) in runs {
            // The parents that are not before the base.
            self.parents.clear();
            match parents {
                Some(given) => self.parents.extend(given.iter().filter(|&&p| p >= base)),
                None => self
                    .parents
                    .extend((run.start > base).then(|| run.start - 1)),
            }
            if let Some((from, len, _)) = &out
                && !is_new
                && run.start >= *from
            {
                is_new = true;
                kept.know_length(*len);
            }
            kept.prepare(history, &self.parents, &mut self.diff);
            let steps =
                std::mem::take(&mut kept.tracker.steps) + std::mem::take(&mut self.diff.steps);
            // Known events were accepted before: their replay is not limited.
            if is_new {
                self.left = self
                    .left
                    .checked_sub(steps)
                    .ok_or(WalkError::TooExpensive)?;
            }
            for part in ops.parts_near(run.clone(), row) {
                row = part.row as usize;
                kept.tracker.steps += 1;
                let (lv, op) = (part.lv, part.run);
                let mut deleted = |pos, n| {
                    if let Some((_, len, out)) = out.as_mut().filter(|_| is_new) {
                        *len -= n;
                        out.push(Transformed::Delete { pos, len: n });
                    }
                };
                let applied = match op.is_insert() {
                    true => kept.tracker.insert(&graph.agents, lv, op.len, op.pos),
                    false => kept.tracker.delete(lv, op, &mut deleted).map(|()| 0),
                };
                let Ok(pos) = applied else {
                    return Err(WalkError::PastEnd {
                        lv,
                        position: op.extent(),
                        len: kept.tracker.prepare_len(),
                    });
                };
                kept.follow(&graph.agents, lv, &op);
                if let Some((_, len, out)) = out.as_mut().filter(|_| is_new) {
                    if op.is_insert() {
                        *len += op.len;
                        out.push(Transformed::Insert { pos, part });
                    }
                    if *len > MAX_CHARS {
                        return Err(WalkError::TooLong);
                    }
                }
            }
            kept.prepare.clear();
            kept.prepare.push(run.end - 1);
        }
        Ok(out.map_or(0, |(_, len, _)| len))
    }
}

/// Events that need no transformation: checks their positions and passes them on.
fn linear(
    ops: &OpLog,
    range: Range<Lv>,
    len: u32,
    out: &mut Vec<Transformed>,
) -> Result<u32, WalkError> {
    let mut len = len;
    for part in ops.parts_in(range) {
        let (lv, op) = (part.lv, part.run);
        if op.extent() > u64::from(len) {
            return Err(WalkError::PastEnd {
                lv,
                position: op.extent(),
                len,
            });
        }
        if op.is_insert() {
            len += op.len;
            out.push(Transformed::Insert { pos: op.pos, part });
        } else {
            len -= op.len;
            out.push(Transformed::Delete {
                pos: op.pos,
                len: op.len,
            });
        }
        if len > MAX_CHARS {
            return Err(WalkError::TooLong);
        }
    }
    Ok(len)
}
