//! Undo and redo of local edits, as new edits.
//!
//! The history is not rewound: an undo deletes the text that a group of edits inserted, as far as
//! it still exists, and restores the text that the group deleted, as new chars at the old places.
//! So an undo is an ordinary edit, which merges with concurrent edits of others. A redo reverts an
//! undo in the same way.
//!
//! If several replicas deleted a char concurrently, only the undo of one of them restores it: that
//! of the deletion whose id sorts first, by the name of the agent. So it is restored once, even if
//! all of them undo.

use std::ops::Range;

use crate::document::Document;
use crate::error::{HistoryError, LoadError};
use crate::history::History;
use crate::op_log::Texts;
use crate::sorted_list::SortedList;
use crate::sorting::{sort, sort_by};
use crate::splice::Splice;
use crate::version::Lv;
use crate::walker::{CharIndex, CharRun};

/// Groups of local edits of one document, for undo and redo.
///
/// The manager reads edits from the history, from the moment on at which it was created.
/// [`UndoManager::checkpoint`] ends a group. A manager belongs to the document that it was created
/// for, and must not be used with another one, except a clone of it.
///
/// ```
/// use crdt_core::{Document, UndoManager};
///
/// let mut doc = Document::new("alice")?;
/// let mut undo = UndoManager::new(&doc);
/// doc.insert(0, "Hello")?;
/// undo.checkpoint(&doc);
/// doc.insert(5, " world")?;
/// assert!(undo.undo(&mut doc, &mut |_| {})?);
/// assert_eq!(doc.text(), "Hello");
/// assert!(undo.redo(&mut doc, &mut |_| {})?);
/// assert_eq!(doc.text(), "Hello world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct UndoManager {
    /// The own events from this number on are not in a group yet: see [`Document::rename`].
    next: u32,
    /// The own events of each group, the last group last.
    undo: Vec<Range<u32>>,
    redo: Vec<Range<u32>>,
    stand_ins: StandIns,
}

impl UndoManager {
    /// A manager of the future edits of `doc`.
    pub fn new(doc: &Document) -> Self {
        UndoManager {
            next: doc.next_own(),
            undo: Vec::new(),
            redo: Vec::new(),
            stand_ins: StandIns::default(),
        }
    }

    /// Ends a group: the edits since the last group ended are undone as a whole. New edits discard
    /// the redo groups.
    pub fn checkpoint(&mut self, doc: &Document) {
        let end = doc.next_own();
        if end > self.next {
            self.undo.push(self.next..end);
            self.redo.clear();
            self.next = end;
        }
    }

    /// Skips the edits since the last group ended: they are not part of any group, and earlier
    /// undone groups can still be redone.
    pub fn skip(&mut self, doc: &Document) {
        self.next = doc.next_own();
    }

    /// Whether there are edits to undo. Undoing them may still turn out to change nothing, because
    /// others deleted what they inserted.
    pub fn can_undo(&self, doc: &Document) -> bool {
        !self.undo.is_empty() || doc.next_own() > self.next
    }

    /// Whether there are undone edits to redo.
    pub fn can_redo(&self, doc: &Document) -> bool {
        !self.redo.is_empty() && doc.next_own() == self.next
    }

    /// The number of groups that can be undone, not counting edits after the last
    /// [`UndoManager::checkpoint`].
    pub fn undo_depth(&self) -> usize {
        self.undo.len()
    }

    /// The number of groups that can be redone.
    pub fn redo_depth(&self) -> usize {
        self.redo.len()
    }

    /// Undoes the last group that still has an effect, and calls `changed` with every change of the
    /// text. Returns whether there was one.
    ///
    /// Builds the index that [`Document::anchor_at`] describes; then O(d log n) for d events since
    /// the group began, plus the cost of the edits and of reading the adjacent deleted text.
    ///
    /// # Errors
    /// [`HistoryError::Edit`] if the new events do not fit, [`HistoryError::CorruptHistory`]; nothing
    /// has changed then.
    pub fn undo(
        &mut self,
        doc: &mut Document,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<bool, HistoryError> {
        self.checkpoint(doc);
        while let Some(group) = self.undo.last().cloned() {
            let done = self.take_back(doc, group, changed)?;
            self.undo.pop();
            if !done.is_empty() {
                self.redo.push(done);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Redoes the last group that was undone. See [`UndoManager::undo`].
    ///
    /// # Errors
    /// [`HistoryError::Edit`] if the new events do not fit, [`HistoryError::CorruptHistory`]; nothing
    /// has changed then.
    pub fn redo(
        &mut self,
        doc: &mut Document,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<bool, HistoryError> {
        self.checkpoint(doc);
        while let Some(group) = self.redo.last().cloned() {
            let done = self.take_back(doc, group, changed)?;
            self.redo.pop();
            if !done.is_empty() {
                self.undo.push(done);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reverts the own events `group` with new events, and returns those.
    fn take_back(
        &mut self,
        doc: &mut Document,
        group: Range<u32>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<Range<u32>, HistoryError> {
        let start = doc.next_own();
        let effect = Effect::of(doc, group)?;
        let removals = self.removals(doc, &effect.inserted)?;
        let restored = effect.restored(doc)?;
        doc.check_room(
            removals.iter().map(|&(_, len)| len as usize).sum(),
            restored.iter().map(|piece| piece.range.len()).sum(),
            restored.iter().map(|piece| piece.text.len()).sum(),
        )?;
        // From right to left, so that the other positions stay valid.
        for (pos, len) in removals.into_iter().rev() {
            doc.replace(pos as usize, len as usize, "", changed)?;
        }
        let mut left_behind = None;
        for (piece, neighbours) in self.neighbours(doc, &effect.before, restored)? {
            let Deleted { range, text } = piece;
            let pos = place(doc, range.start, neighbours, left_behind)?;
            doc.replace(pos as usize, 0, &text, changed)?;
            let end = doc.store().lvs();
            let len = range.end - range.start;
            self.stand_ins.insert(range.start, len, end - len);
            left_behind = Some(end - 1);
        }
        self.next = doc.next_own();
        Ok(start..self.next)
    }

    /// The places in the text of the chars that the events `inserted` inserted, or of their
    /// stand-ins: positions and lengths, from left to right.
    fn removals(
        &self,
        doc: &mut Document,
        inserted: &[Range<Lv>],
    ) -> Result<Vec<(u32, u32)>, LoadError> {
        let (_, chars) = doc.chars()?;
        let mut places: Vec<(u32, u32)> = Vec::new();
        for newest in inserted.iter().flat_map(|r| self.stand_ins.newest(r)) {
            for run in chars.runs_of(newest).into_iter().filter(|run| run.in_text) {
                if let Some((pos, _)) = chars.position(run.lv) {
                    places.push((pos, run.len));
                }
            }
        }
        sort(&mut places);
        places.dedup_by(|next, last| {
            let joins = last.0 + last.1 == next.0;
            if joins {
                last.1 += next.1;
            }
            joins
        });
        Ok(places)
    }

    /// Finds the neighbours of every restored piece, given in the order of the document: the next
    /// chars on either side that are part of the version `before` or newer, and that are in the
    /// text or have a stand-in in the text.
    fn neighbours(
        &self,
        doc: &mut Document,
        before: &[Lv],
        pieces: Vec<Deleted>,
    ) -> Result<Vec<(Deleted, Neighbours)>, LoadError> {
        if pieces.is_empty() {
            return Ok(Vec::new());
        }
        let (history, chars) = doc.chars()?;
        chars.move_to((&history.graph, &history.ops), before);
        // If only stand-ins are newer, they are not searched.
        let since = before.last().map_or(0, |last| last + 1);
        let new = chars.new_chars() > self.stand_ins.count_from(since);
        let mut previous: Option<Range<Lv>> = None;
        let mut out = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let range = piece.range.clone();
            let mut left = Left::Start;
            let runs = chars.open_runs_before(range.start, new);
            for ids in runs.flat_map(|run| self.beside(run)) {
                let mut start = ids.start;
                let meets = previous
                    .as_ref()
                    .filter(|previous| start < previous.end && previous.end <= ids.end);
                if let Some(previous) = meets {
                    start = previous.end;
                }
                if let Some(char) = self.stand_ins.shown(chars, start..ids.end).next_back() {
                    left = Left::Char(char);
                    break;
                }
                if meets.is_some() {
                    left = Left::Previous;
                    break;
                }
            }
            let runs = chars.open_runs(range.start, new);
            let right = runs
                .flat_map(|run| self.beside(run))
                .find_map(|ids| self.stand_ins.shown(chars, ids).next());
            previous = Some(range);
            out.push((piece, Neighbours { left, right }));
        }
        Ok(out)
    }

    /// The chars of a run whose place determines the places of others: neither chars that were
    /// deleted already, nor stand-ins, whose originals determine it.
    fn beside(&self, run: CharRun) -> Option<Range<Lv>> {
        let newer = !run.known && !self.stand_ins.has(run.lv);
        (run.in_version || newer).then_some(run.lv..run.lv + run.len)
    }
}

/// Deleted chars to restore.
#[derive(Debug, Clone)]
struct Deleted {
    range: Range<Lv>,
    text: String,
}

/// The former neighbours of a deleted piece that are in the text.
#[derive(Debug, Clone, Copy)]
struct Neighbours {
    left: Left,
    right: Option<Lv>,
}

#[derive(Debug, Clone, Copy)]
enum Left {
    Start,
    Char(Lv),
    /// The restored piece before it.
    Previous,
}

/// The position in the text of the deleted char that `lv` inserted: in the gap where it was.
///
/// Stand-ins of adjacent chars are elsewhere in that gap, though: before everything deleted, like
/// new text. So the neighbours limit the position on both sides. `previous` is the last char of the
/// piece that was restored last.
fn place(
    doc: &mut Document,
    lv: Lv,
    neighbours: Neighbours,
    previous: Option<Lv>,
) -> Result<u32, LoadError> {
    let len = doc.len_chars() as u32;
    let (_, chars) = doc.chars()?;
    let mut position = |lv| chars.position(lv).map_or(len, |(pos, _)| pos);
    let left = match neighbours.left {
        Left::Start => 0,
        Left::Char(char) => position(char) + 1,
        Left::Previous => previous.map_or(0, |char| position(char) + 1),
    };
    let right = neighbours.right.map_or(len, &mut position);
    Ok(position(lv).min(right).max(left))
}

/// The effect of a group of own events. Chars are named by the events that inserted them.
#[derive(Default)]
struct Effect {
    /// The version in which the group began.
    before: Vec<Lv>,
    /// The events themselves.
    own: Vec<Range<Lv>>,
    inserted: Vec<Range<Lv>>,
    deleted: Vec<Range<Lv>>,
}

impl Effect {
    fn of(doc: &mut Document, group: Range<u32>) -> Result<Effect, LoadError> {
        let mut effect = Effect::default();
        let ids = doc.own().ids(group);
        let ids: Vec<(String, Range<u32>)> =
            ids.map(|(name, seqs)| (name.to_owned(), seqs)).collect();
        let (history, chars) = doc.chars()?;
        let agents = &history.graph.agents;
        let own = ids
            .iter()
            .filter_map(|(name, seqs)| Some((agents.find_agent(name)?, seqs)));
        let runs = own.flat_map(|(own, seqs)| agents.runs_of(own, seqs.clone()));
        for (i, run) in runs.enumerate() {
            if i == 0 {
                let graph = &history.graph.graph;
                effect.before = graph.with_parents(run.lv, <[Lv]>::to_vec);
            }
            effect.own.push(run.lv..run.lv + run.len);
            for part in history.ops.parts_in(run.lv..run.lv + run.len) {
                let lvs = part.lv..part.lv + part.run.len;
                if part.run.is_insert() {
                    effect.inserted.push(lvs);
                    continue;
                }
                for char in lvs.filter_map(|lv| chars.target(lv)) {
                    match effect.deleted.last_mut() {
                        Some(last) if last.end == char => last.end += 1,
                        Some(last) if last.start == char + 1 => last.start = char,
                        _ => effect.deleted.push(char..char + 1),
                    }
                }
            }
        }
        sort_by(&mut effect.inserted, |a, b| a.start.cmp(&b.start));
        Ok(effect)
    }

    /// The chars to restore, with their text, in the order of the document: those that the group
    /// deleted, except those that it inserted itself and those that others deleted too, with events
    /// that sort before.
    fn restored(&self, doc: &mut Document) -> Result<Vec<Deleted>, LoadError> {
        if self.deleted.is_empty() {
            return Ok(Vec::new());
        }
        let (history, chars) = doc.chars()?;
        let log = (&history.graph, &history.ops);
        chars.move_to(log, history.graph.frontier());
        let (mut back, mut shared) = (Vec::new(), Vec::new());
        for run in self.deleted.iter().flat_map(|r| chars.runs_of(r.clone())) {
            let range = run.lv..run.lv + run.len;
            match chars.deletions(run.lv) {
                0 => {}
                1 => back.push(range),
                _ => shared.push(range),
            }
        }
        if !shared.is_empty() {
            back.extend(self.first_deleted_here(history, chars, shared));
        }
        let mut ranges: Vec<Range<Lv>> = Vec::new();
        for Range { start, end } in back {
            let mut at = start;
            let from = self.inserted.partition_point(|own| own.end <= at);
            for own in self.inserted[from..].iter().take_while(|o| o.start < end) {
                if at < own.start {
                    ranges.push(at..own.start);
                }
                at = own.end.min(end);
            }
            if at < end {
                ranges.push(at..end);
            }
        }
        sort_by(&mut ranges, |a, b| chars.compare(a.start, b.start));
        let mut texts = Texts::new(&history.ops);
        let with_text = |range: Range<Lv>| Deleted {
            text: texts.get(range.clone()),
            range,
        };
        Ok(ranges.into_iter().map(with_text).collect())
    }
}

impl Effect {
    /// Of the chars that others deleted too, those whose deletion by this group sorts first. The
    /// other deletions are among the events since the group began, which this searches.
    fn first_deleted_here(
        &self,
        history: &History,
        chars: &CharIndex,
        mut shared: Vec<Range<Lv>>,
    ) -> Vec<Range<Lv>> {
        let start = self.own.first().map_or(0, |run| run.start);
        sort_by(&mut shared, |a, b| a.start.cmp(&b.start));
        let mut deletions: Vec<(Lv, Lv)> = Vec::new();
        for part in history.ops.parts_in(start..history.len()) {
            if part.run.is_insert() {
                continue;
            }
            for lv in part.lv..part.lv + part.run.len {
                let Some(char) = chars.target(lv) else {
                    continue;
                };
                let at = shared.partition_point(|range| range.end <= char);
                if shared.get(at).is_some_and(|range| range.contains(&char)) {
                    deletions.push((char, lv));
                }
            }
        }
        let agents = &history.graph.agents;
        sort_by(&mut deletions, |a, b| {
            a.0.cmp(&b.0).then_with(|| agents.compare(a.1, b.1))
        });
        deletions.dedup_by_key(|&mut (char, _)| char);
        let mut first: Vec<Range<Lv>> = Vec::new();
        let mut at = 0;
        for (char, lv) in deletions {
            let own = self.own.partition_point(|run| run.end <= lv);
            if !self.own.get(own).is_some_and(|run| run.contains(&lv)) {
                continue;
            }
            let run = shared.partition_point(|range| range.end <= char);
            match first.last_mut() {
                // Chars of two runs are not adjacent.
                Some(last) if last.end == char && run == at => last.end += 1,
                _ => first.push(char..char + 1),
            }
            at = run;
        }
        first
    }
}

/// The stand-ins of restored chars.
#[derive(Debug, Clone, Default)]
struct StandIns {
    /// By the first of the chars that each stands in for.
    by_char: SortedList<StandIn>,
    /// All chars that stand in for others, ascending, with how many come before each run of them.
    all: Vec<(Range<Lv>, u32)>,
    count: u32,
}

#[derive(Debug, Clone, Copy)]
struct StandIn {
    chars: Lv,
    len: u32,
    by: Lv,
}

impl StandIns {
    fn insert(&mut self, chars: Lv, len: u32, by: Lv) {
        let new = StandIn { chars, len, by };
        let is_before = |other: &StandIn| other.chars < chars;
        match self.by_char.first_from_mut(is_before) {
            Some(other) if other.chars == chars => *other = new,
            _ => self.by_char.insert(new, is_before),
        }
        match self.all.last_mut() {
            Some((last, _)) if last.end == by => last.end += len,
            _ => self.all.push((by..by + len, self.count)),
        }
        self.count += len;
    }

    /// Whether this char stands in for another one.
    fn has(&self, char: Lv) -> bool {
        let at = self.all.partition_point(|(range, _)| range.end <= char);
        self.all
            .get(at)
            .is_some_and(|(range, _)| range.start <= char)
    }

    /// The number of stand-ins from `from` on. O(log n).
    fn count_from(&self, from: Lv) -> u32 {
        let at = self.all.partition_point(|(range, _)| range.end <= from);
        self.all.get(at).map_or(0, |(range, before)| {
            self.count - before - from.saturating_sub(range.start)
        })
    }

    /// The latest stand-in of each of the chars `range`: the char itself, if it has none.
    fn newest(&self, range: &Range<Lv>) -> Vec<Range<Lv>> {
        let mut out = Vec::new();
        let mut todo = vec![range.clone()];
        while let Some(range) = todo.pop() {
            // The first part of it that has a stand-in, if any.
            let before = self.by_char.last_before(|other| other.chars <= range.start);
            let covers = |other: &&StandIn| other.chars + other.len > range.start;
            let after = self.by_char.first_from(|other| other.chars <= range.start);
            let within = after.filter(|other| other.chars < range.end);
            let Some(&StandIn { chars: at, len, by }) = before.filter(covers).or(within) else {
                out.push(range);
                continue;
            };
            let (from, to) = (at.max(range.start), (at + len).min(range.end));
            if to < range.end {
                todo.push(to..range.end);
            }
            todo.push(by + (from - at)..by + (to - at));
            if range.start < from {
                out.push(range.start..from);
            }
        }
        out
    }

    /// The first and last chars of the stretches of text that consist of the chars `range`, or
    /// their stand-ins, in the order of `range`.
    fn shown(&self, chars: &CharIndex, range: Range<Lv>) -> std::vec::IntoIter<Lv> {
        let mut ends = Vec::new();
        for newest in self.newest(&range) {
            for run in chars.runs_of(newest).into_iter().filter(|run| run.in_text) {
                ends.extend([run.lv, run.lv + run.len - 1]);
            }
        }
        ends.into_iter()
    }
}
