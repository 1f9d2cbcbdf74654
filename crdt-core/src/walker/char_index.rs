//! The place of every char that was ever inserted, including deleted ones.
//!
//! This is the tracker again, over all of the history instead of one zone: its effect version is
//! the current text, and its prepare version can be moved to any version of the history.
//!
//! Chars are named by the events that inserted them.

use std::cmp::Ordering;
use std::ops::Range;

use super::content_tree::{BASE, DELETED, Item, in_prepare, is_inserted};
use super::kept_tracker::KeptTracker;
use super::plan::plan;
use super::walk::Walker;
use crate::causal_graph::{CausalGraph, Segment};
use crate::op_log::OpLog;
use crate::version::Lv;

/// Adjacent chars, inserted by consecutive events, all in the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CharRun {
    /// The event that inserted the first of them.
    pub(crate) lv: Lv,
    pub(crate) len: u32,
    /// Whether they are part of the current text.
    pub(crate) in_text: bool,
    /// Whether they are part of the version that the index was moved to.
    pub(crate) in_version: bool,
    /// Whether that version knows of them, even if they are deleted there.
    pub(crate) known: bool,
}

/// The place of every char of a history.
#[derive(Debug, Clone)]
pub(crate) struct CharIndex {
    walker: Walker,
    kept: KeptTracker,
}

impl Default for CharIndex {
    fn default() -> Self {
        CharIndex {
            walker: Walker::default(),
            kept: KeptTracker::whole(),
        }
    }
}

impl CharIndex {
    /// Adds the events since the last call.
    pub(crate) fn catch_up(&mut self, history: (&CausalGraph, &OpLog)) {
        let (graph, _) = history;
        let applied = self.kept.applied;
        if applied == graph.len() {
            return;
        }
        let mut order = Vec::new();
        for segment in graph.critical_versions.segments(applied, graph.len()) {
            match segment {
                Segment::Linear(range) => order.push(range.start.max(applied)..range.end),
                Segment::Zone(zone) => {
                    order.extend(plan(&graph.graph, zone.start.max(applied)..zone.end));
                }
            }
        }
        let replayed = self.walker.replay(&mut self.kept, history, order, None);
        debug_assert!(replayed.is_ok(), "the history was checked when it came in");
        self.kept.applied = graph.len();
    }

    /// Moves to the version `frontier` (sorted, reduced): the version of [`CharRun::in_version`]
    /// and [`CharIndex::deletions`]. O(d log n) for a difference of d events.
    pub(crate) fn move_to(&mut self, history: (&CausalGraph, &OpLog), frontier: &[Lv]) {
        self.kept.prepare(history, frontier, &mut self.walker.diff);
        self.kept.tracker.tree.flush();
    }

    /// The number of chars that are unknown in the version that the index was moved to.
    pub(crate) fn new_chars(&mut self) -> u32 {
        self.kept.tracker.tree.total().other
    }

    /// The event that inserted the char at `pos` of the text. O(log n).
    pub(crate) fn char_at(&mut self, pos: u32) -> Option<Lv> {
        let tree = &mut self.kept.tracker.tree;
        let place = tree.find_effect(pos)?;
        let item = tree.item(place);
        (!is_end(&item)).then_some(item.id + place.offset)
    }

    /// The position in the text of the char that `lv` inserted, with `true`; or of the gap where it
    /// was, with `false`. O(log n).
    pub(crate) fn position(&mut self, lv: Lv) -> Option<(u32, bool)> {
        let tree = &mut self.kept.tracker.tree;
        let place = tree.find_event(lv, true)?;
        let shown = tree.item(place).state & DELETED == 0;
        Some((tree.effect_before(place), shown))
    }

    /// The event that inserted the char that `lv` deleted.
    pub(crate) fn target(&self, lv: Lv) -> Option<Lv> {
        let tree = &self.kept.tracker.tree;
        let place = tree.find_event(lv, false)?;
        Some(tree.item(place).id + place.offset)
    }

    /// How many events of the version that the index was moved to delete the char that `lv`
    /// inserted.
    pub(crate) fn deletions(&self, lv: Lv) -> u32 {
        let tree = &self.kept.tracker.tree;
        tree.find_event(lv, true).map_or(0, |place| {
            (tree.item(place).state & !DELETED).saturating_sub(1)
        })
    }

    /// The char that `lv` inserted and the following adjacent chars of later events in the same
    /// state.
    fn run_from(&self, lv: Lv) -> Option<CharRun> {
        let tree = &self.kept.tracker.tree;
        let place = tree.find_event(lv, true)?;
        let item = tree.item(place);
        Some(CharRun {
            len: item.len - place.offset,
            ..run(&item, lv)
        })
    }

    /// The chars that the events `range` inserted, as runs, in the order of the events.
    pub(crate) fn runs_of(&self, range: Range<Lv>) -> Vec<CharRun> {
        let mut runs = Vec::new();
        let mut at = range.start;
        while at < range.end
            && let Some(run) = self.run_from(at)
        {
            let len = run.len.min(range.end - at);
            runs.push(CharRun { len, ..run });
            at += len;
        }
        runs
    }

    /// Compares the places of two chars, given by the events that inserted them.
    pub(crate) fn compare(&self, a: Lv, b: Lv) -> Ordering {
        let tree = &self.kept.tracker.tree;
        match (tree.find_event(a, true), tree.find_event(b, true)) {
            (Some(a), Some(b)) => tree.compare(a, b),
            _ => a.cmp(&b),
        }
    }

    /// All chars in order, from the one that `from` inserted on or, without it, from the start.
    pub(crate) fn runs(&self, from: Option<Lv>) -> impl Iterator<Item = CharRun> {
        let tree = &self.kept.tracker.tree;
        let start = from.and_then(|lv| tree.find_event(lv, true));
        let mut at = start.unwrap_or_else(|| tree.start());
        std::iter::from_fn(move || {
            let (place, item) = tree.item_at(at)?;
            let offset = place.offset;
            at = place;
            at.index += 1;
            at.offset = 0;
            (!is_end(&item)).then(|| CharRun {
                len: item.len - offset,
                ..run(&item, item.id + offset)
            })
        })
    }

    /// The chars from the one that `lv` inserted on that are part of the version that the index was
    /// moved to or, with `new`, that are unknown in it, in order. O(log n) each, independent of the
    /// number of others.
    pub(crate) fn open_runs(&self, lv: Lv, new: bool) -> impl Iterator<Item = CharRun> {
        let tree = &self.kept.tracker.tree;
        let mut at = tree.find_event(lv, true);
        std::iter::from_fn(move || {
            let (place, item) = tree.open_from(at?, new)?;
            at = Some(place.behind());
            (!is_end(&item)).then(|| CharRun {
                len: item.len - place.offset,
                ..run(&item, item.id + place.offset)
            })
        })
    }

    /// Likewise those before the one that `lv` inserted, from right to left; each run still reads from
    /// left to right.
    pub(crate) fn open_runs_before(&self, lv: Lv, new: bool) -> impl Iterator<Item = CharRun> {
        let tree = &self.kept.tracker.tree;
        let mut at = tree.find_event(lv, true);
        let inside = at.filter(|place| place.offset > 0).map(|place| CharRun {
            len: place.offset,
            ..run(&tree.item(place), tree.item(place).id)
        });
        inside.into_iter().chain(std::iter::from_fn(move || {
            let (place, item) = tree.open_before(at?, new)?;
            at = Some(place);
            Some(run(&item, item.id))
        }))
    }
}

fn run(item: &Item, lv: Lv) -> CharRun {
    CharRun {
        lv,
        len: item.len,
        in_text: item.state & DELETED == 0,
        in_version: in_prepare(item.state),
        known: is_inserted(item.state),
    }
}

/// Without a base text, the placeholder is the end of the document.
fn is_end(item: &Item) -> bool {
    item.id >= BASE
}
