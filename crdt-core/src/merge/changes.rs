//! The last step of a merge: applies its edits to the text, and reports them as changes.

use crate::op_log::OpLog;
use crate::rope::Rope;
use crate::splice::{Splice, TextLen};
use crate::walker::Transformed;

/// Where the changes of a merge are reported.
pub(crate) enum ChangeSink<'a> {
    None,
    /// Every change separately; its position refers to the text after the ones before it.
    Each(&'a mut dyn FnMut(Splice<'_>)),
    /// All changes as one, at the end.
    Joined(ChangedRange),
}

/// The range that a number of edits changed, as the numbers of unchanged chars at the start and at
/// the end of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangedRange {
    /// The length of the text before the first of them.
    before: TextLen,
    start: u32,
    end: u32,
}

/// Applies edits, in their order.
pub(crate) fn apply_edits(
    rope: &mut Rope,
    ops: &OpLog,
    edits: impl Iterator<Item = Transformed>,
    changes: &mut ChangeSink<'_>,
) {
    match changes {
        ChangeSink::None => apply(rope, ops, edits),
        ChangeSink::Each(changed) => apply_and_report(rope, ops, edits, changed),
        ChangeSink::Joined(range) => apply_and_join(rope, ops, edits, range),
    }
}

// Each of these loops is a separate function: a browser recompiles a hot function with
// optimisations, and a small one takes little time.

#[cfg_attr(target_family = "wasm", inline(never))]
fn apply(rope: &mut Rope, ops: &OpLog, edits: impl Iterator<Item = Transformed>) {
    for edit in edits {
        match edit {
            Transformed::Insert { pos, part } => rope.insert(pos, ops.text_of(&part)),
            Transformed::Delete { pos, len } => rope.delete(pos, len),
        }
    }
}

#[cfg_attr(target_family = "wasm", inline(never))]
fn apply_and_report(
    rope: &mut Rope,
    ops: &OpLog,
    edits: impl Iterator<Item = Transformed>,
    changed: &mut dyn FnMut(Splice<'_>),
) {
    for edit in edits {
        match edit {
            Transformed::Insert { pos, part } => insert(rope, pos, ops.text_of(&part), changed),
            Transformed::Delete { pos, len } => delete(rope, pos, len, changed),
        }
    }
}

/// Inserts a text, and reports it.
pub(crate) fn insert(
    rope: &mut Rope,
    pos: u32,
    inserted: &str,
    changed: &mut dyn FnMut(Splice<'_>),
) {
    rope.insert(pos, inserted);
    changed(Splice {
        pos: place(rope, pos),
        deleted: TextLen::default(),
        inserted,
    });
}

/// Deletes chars, and reports it.
pub(crate) fn delete(rope: &mut Rope, pos: u32, len: u32, changed: &mut dyn FnMut(Splice<'_>)) {
    let before = rope.size().utf16();
    rope.delete(pos, len);
    changed(Splice {
        pos: place(rope, pos),
        deleted: TextLen {
            chars: len as usize,
            utf16: (before - rope.size().utf16()) as usize,
        },
        inserted: "",
    });
}

#[cfg_attr(target_family = "wasm", inline(never))]
fn apply_and_join(
    rope: &mut Rope,
    ops: &OpLog,
    edits: impl Iterator<Item = Transformed>,
    range: &mut ChangedRange,
) {
    for edit in edits {
        let behind = match edit {
            Transformed::Insert { pos, part } => {
                range.start = range.start.min(pos);
                let behind = rope.size().chars() - pos;
                rope.insert(pos, ops.text_of(&part));
                behind
            }
            Transformed::Delete { pos, len } => {
                range.start = range.start.min(pos);
                rope.delete(pos, len);
                rope.size().chars() - pos
            }
        };
        range.end = range.end.min(behind);
    }
}

impl ChangedRange {
    /// The empty range, before any edit of this text.
    pub(crate) fn new(rope: &Rope) -> ChangedRange {
        ChangedRange {
            before: place(rope, rope.size().chars()),
            start: u32::MAX,
            end: u32::MAX,
        }
    }

    /// Calls `changed` with one replacement that is equivalent to all edits, unless there were
    /// none. O(length of the text).
    pub(crate) fn report(&self, rope: &Rope, changed: &mut dyn FnMut(Splice<'_>)) {
        if self.start == u32::MAX {
            return;
        }
        let chars = rope.size().chars();
        let (pos, end) = (place(rope, self.start), place(rope, chars - self.end));
        let behind = place(rope, chars).minus(end);
        let deleted = self.before.minus(behind).minus(pos);
        let inserted = rope.text_in(self.start..chars - self.end);
        if deleted != TextLen::default() || !inserted.is_empty() {
            changed(Splice {
                pos,
                deleted,
                inserted: &inserted,
            });
        }
    }
}

/// A position that exists, in both units.
fn place(rope: &Rope, pos: u32) -> TextLen {
    let chars = pos as usize;
    let utf16 = rope.char_to_utf16(chars).unwrap_or_default();
    TextLen { chars, utf16 }
}
