//! The walk: turns events into edits that can be made to the text as it stands.
//!
//! Events between critical versions apply as they are. A zone of concurrent events is replayed by a
//! [`Tracker`] from the critical version before it (paper, sections 3.2 to 3.5). The tracker of the
//! last zone is kept: the next event of a running session needs only itself replayed, not all of
//! the zone.

mod char_index;
mod content_tree;
mod plan;
mod tracker;

use std::ops::Range;

use crate::causal_graph::{CausalGraph, Diff, Segment};
use crate::op_log::{OpLog, Part};
use crate::version::{Lv, MAX_CHARS};
pub(crate) use char_index::{CharIndex, CharRun};
use plan::plan;
use tracker::Tracker;

/// An edit of the text as it stands after the edits before it. Positions and lengths in chars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transformed {
    /// The chars that this part of the operations inserts go in at `pos`.
    Insert { pos: u32, part: Part },
    /// `len` chars go, from `pos` on.
    Delete { pos: u32, len: u32 },
}

/// The events that could not be transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkError {
    /// The run of events at `lv` edits up to `position` in a text of `len` chars.
    PastEnd { lv: Lv, position: u64, len: u32 },
    /// The text would grow beyond [`MAX_CHARS`].
    TooLong,
}

/// A tracker that is kept between merges holds at most this much memory, in bytes, plus eight times
/// the length of the text.
const KEPT_MEMORY: usize = 8 << 20;

/// Transforms events, and keeps the tracker of the last zone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walker {
    live: Option<Live>,
    diff: Diff,
    parents: Vec<Lv>,
}

/// A tracker that has applied exactly the events `base..applied`, in whatever order.
#[derive(Debug, Clone)]
struct Live {
    tracker: Tracker,
    base: Lv,
    applied: Lv,
    /// The prepare version, without what is before `base`. Sorted.
    prepare: Vec<Lv>,
}

impl Walker {
    /// Transforms the events from `from` on, for a text of `text_len` chars that holds all events
    /// before `from`. Appends the edits to `out` and returns the new length of the text.
    pub(crate) fn transform(
        &mut self,
        history: (&CausalGraph, &OpLog),
        from: Lv,
        text_len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        let len = self.segments(history, from, text_len, out);
        // What was applied of refused events is not in the document.
        let keep = len
            .as_ref()
            .is_ok_and(|&len| self.memory() <= KEPT_MEMORY + 8 * len as usize);
        if !keep {
            self.live = None;
        }
        len
    }

    fn segments(
        &mut self,
        history: (&CausalGraph, &OpLog),
        from: Lv,
        text_len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        let (graph, ops) = history;
        let mut len = text_len;
        for segment in graph.cuts.segments(from, graph.len()) {
            len = match segment {
                Segment::Linear(range) => linear(ops, range, len, out)?,
                Segment::Zone(zone) => self.zone(history, zone, from, len, out)?,
            };
        }
        Ok(len)
    }

    fn memory(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.tracker.memory())
    }

    /// Gives back the memory of the kept tracker. Always safe: the next concurrent event replays
    /// its zone.
    pub(crate) fn forget(&mut self) {
        *self = Walker::default();
    }

    /// Transforms the part of a zone from `from` on, for a text of `len` chars that holds
    /// everything before.
    fn zone(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, WalkError> {
        let (graph, _) = history;
        let from = from.max(zone.start);
        let mut live = match self.live.take() {
            Some(live) if live.base <= zone.start && zone.start <= live.applied => live,
            Some(mut live) => {
                // A peer whose events reach back further each time would have everything replayed
                // every time: step back at least twice as far as last time.
                let start = if zone.start < live.base && from >= live.applied {
                    let back = 2 * (from - live.base);
                    graph
                        .cuts
                        .last_until(from.saturating_sub(back))
                        .min(zone.start)
                } else {
                    zone.start
                };
                live.tracker.reset(start);
                live.prepare.clear();
                Live {
                    base: start,
                    applied: start,
                    ..live
                }
            }
            None => Live {
                tracker: Tracker::new(zone.start),
                base: zone.start,
                applied: zone.start,
                prepare: Vec::new(),
            },
        };
        if live.applied < from {
            let known = live.applied..from;
            self.replay(&mut live, history, &[known], None)?;
        }
        live.tracker.know_length(len);
        let order = plan(&graph.graph, from..zone.end);
        let len = self.replay(&mut live, history, &order, Some((len, out)))?;
        live.applied = zone.end;
        self.live = Some(live);
        Ok(len)
    }

    /// Applies events to a tracker, in the order of the ranges. With `out`, which holds the length of the text before them,
    /// checks their positions and appends the edits they make; returns the new length then.
    fn replay(
        &mut self,
        live: &mut Live,
        (graph, ops): (&CausalGraph, &OpLog),
        order: &[Range<Lv>],
        mut out: Option<(u32, &mut Vec<Transformed>)>,
    ) -> Result<u32, WalkError> {
        let mut row = usize::MAX;
        let runs = order
            .iter()
            .flat_map(|range| graph.graph.runs_in(range.clone()));
        for (run, parents) in runs {
            self.parents.clear();
            match parents {
                Some(parents) => self
                    .parents
                    .extend(parents.iter().filter(|&&p| p >= live.base)),
                None => self
                    .parents
                    .extend((run.start > live.base).then(|| run.start - 1)),
            }
            if self.parents != live.prepare {
                graph
                    .graph
                    .diff_into(&live.prepare, &self.parents, live.base, &mut self.diff);
                for range in &self.diff.only_a {
                    live.tracker.retreat(ops, range.clone());
                }
                for range in &self.diff.only_b {
                    live.tracker.advance(ops, range.clone());
                }
            }
            for part in ops.parts_near(run.clone(), row) {
                row = part.row as usize;
                let (lv, op) = (part.lv, part.run);
                let applied = if op.is_insert() {
                    live.tracker
                        .insert(&graph.agents, lv, op.len, op.pos)
                        .map(|pos| {
                            if let Some((len, out)) = &mut out {
                                *len += op.len;
                                out.push(Transformed::Insert { pos, part });
                            }
                        })
                } else {
                    live.tracker.delete(lv, op, |pos, n| {
                        if let Some((len, out)) = &mut out {
                            *len -= n;
                            out.push(Transformed::Delete { pos, len: n });
                        }
                    })
                };
                if applied.is_err() {
                    let len = live.tracker.prepare_len();
                    return Err(WalkError::PastEnd {
                        lv,
                        position: op.extent(),
                        len,
                    });
                }
                if out.as_ref().is_some_and(|(len, _)| *len > MAX_CHARS) {
                    return Err(WalkError::TooLong);
                }
            }
            live.prepare.clear();
            live.prepare.push(run.end - 1);
        }
        Ok(out.map_or(0, |(len, _)| len))
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
