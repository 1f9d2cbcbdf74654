//! Merges two branches that were edited offline from one version, each a single run of events.
//!
//! The effect of a branch on the common text is the set of deleted chars, and the text inserted
//! into each [gap](gaps) between chars. Neither needs the tracker, and the edits of the text can be
//! made gap by gap.
//!
//! In one gap, all inserts of a branch are contiguous, before or after all inserts of the other
//! branch. The order of concurrent inserts (FugueMax, see [`super::tracker`]) compares inserts with
//! the same left origin. An insert after one of the branch's own chars has an origin that the other
//! branch does not know, and stays there. Of the inserts whose left origin is the char before the
//! gap, the first event has the char after the gap as right origin, and each further one the text
//! inserted before it. So the names decide between the first events of the two branches, and the
//! others of each branch are left of its first, on the same side of the other branch.

mod gaps;

use std::cmp::Ordering;
use std::ops::Range;

use super::edit::{Transformed, WalkError};
use crate::causal_graph::{CausalGraph, Graph};
use crate::op_log::OpLog;
use crate::version::{Lv, MAX_CHARS, NONE};
use gaps::{Edit, Gaps, Spot};

/// The fewest rows of operations for which it is worthwhile. Few in builds with debug assertions.
const WORTH_IT: usize = if cfg!(debug_assertions) { 2 } else { 32 };

/// The two branches of a zone whose events from `from` on are new; `None` if the zone is not two
/// branches, or too small. The first may be new, too.
pub(super) fn branches(
    (graph, ops): (&Graph, &OpLog),
    zone: &Range<Lv>,
    from: Lv,
) -> Option<(Range<Lv>, Range<Lv>)> {
    let mut runs = graph.runs_in(zone.clone());
    let ((left, _), (right, parents)) = (runs.next()?, runs.next()?);
    let is_pair = runs.next().is_none()
        && (from == left.start || from == right.start)
        && parents?.iter().all(|&p| p < zone.start)
        && ops.row_count(right.clone()) >= WORTH_IT;
    is_pair.then_some((left, right))
}

/// Transforms the events of the branch `right`, for a text of `len` chars that holds those of the
/// branch `left`. Appends the edits to `out`, in the order of the text, and returns its new length.
pub(super) fn transform(
    (graph, ops): (&CausalGraph, &OpLog),
    (left, right): (Range<Lv>, Range<Lv>),
    len: u32,
    out: &mut Vec<Transformed>,
) -> Result<u32, WalkError> {
    // Longer than any text, as the length before the branches is only known after one of them.
    const ENOUGH: u32 = MAX_CHARS + 1;
    let apply = |gaps: &mut Gaps, branch: Range<Lv>, keep_edits: bool| {
        for part in ops.parts_in(branch) {
            if gaps.apply(&part, keep_edits).is_none() {
                return Err(WalkError::PastEnd {
                    lv: part.lv,
                    position: part.run.extent(),
                    len: gaps.len(),
                });
            }
        }
        Ok(())
    };
    let mut ours = Gaps::new(ENOUGH);
    apply(&mut ours, left, false)?;
    let mut theirs = Gaps::new(len.wrapping_sub(ours.len().wrapping_sub(ENOUGH)));
    apply(&mut theirs, right, true)?;

    let mut edits = Edits { len, out };
    let mut pos = 0;
    let mut at = 0;
    let mut our_spots = ours.spots();
    let mut our = our_spots.next();
    for their in theirs.spots() {
        let mut ours_here = None;
        while let Some(spot) = our {
            let end = spot.end().min(their.end());
            let gone = (spot.gone, their.gone);
            match gone {
                (false, false) => pos += end - at,
                (false, true) if end > at => edits.delete(pos, end - at),
                _ => {}
            }
            at = end;
            if spot.end() > end {
                break;
            }
            our = our_spots.next();
            if spot.end() == their.end() {
                ours_here = Some(spot);
                break;
            }
            pos += spot.inserted;
        }
        let before = ours_here.map_or(0, |spot| match their.is_before(spot, graph) {
            true => 0,
            false => spot.inserted,
        });
        for edit in theirs.edits(their) {
            match *edit {
                Edit::Insert { offset, part } => {
                    let pos = pos + before + offset;
                    edits.insert(Transformed::Insert { pos, part }, part.run.len)?;
                }
                Edit::Delete { offset, len } => edits.delete(pos + before + offset, len),
            }
        }
        pos += their.inserted + ours_here.map_or(0, |spot| spot.inserted);
    }
    Ok(edits.len)
}

impl Spot {
    /// Whether the branch's inserts in this gap come before those of the other one.
    fn is_before(&self, other: &Spot, graph: &CausalGraph) -> bool {
        self.first == NONE
            || other.first == NONE
            || graph.agents.compare(self.first, other.first) == Ordering::Less
    }
}

/// Edits of a text, with its length.
struct Edits<'a> {
    len: u32,
    out: &'a mut Vec<Transformed>,
}

impl Edits<'_> {
    fn insert(&mut self, edit: Transformed, len: u32) -> Result<(), WalkError> {
        self.len += len;
        self.out.push(edit);
        if self.len > MAX_CHARS {
            return Err(WalkError::TooLong);
        }
        Ok(())
    }

    fn delete(&mut self, pos: u32, len: u32) {
        self.len -= len;
        match self.out.last_mut() {
            Some(Transformed::Delete { pos: last, len: n }) if *last == pos => *n += len,
            _ => self.out.push(Transformed::Delete { pos, len }),
        }
    }
}
