//! One zone of the event graph, replayed: the place of each char, in the prepare version (the
//! parents of the current event) and in the effect version (all events applied so far).
//!
//! It follows the paper, section 3: `apply`, `retreat` and `advance`. The order of concurrent
//! inserts at one place is FugueMax ("The Art of the Fugue", Weidner and Kleppmann); ties go to the
//! smaller agent name, by bytes, then to the smaller sequence number.

use std::cmp::Ordering;
use std::ops::Range;

use super::content_tree::{BASE, BASE_LEN, ContentTree, DELETED, Item, Place, Step, is_inserted};
use super::siblings::{Origin, Siblings};
use crate::causal_graph::AgentAssignment;
use crate::op_log::{Kind, OpLog, Run};
use crate::version::{Lv, NONE};

/// The number of visited items that take as long as moving one item from version to version.
pub(super) const STEPS_A_MOVE: u64 = 4;

/// The number of items that an insert has to pass before its siblings are kept. Few in builds with
/// debug assertions.
const MANY: usize = if cfg!(debug_assertions) { 2 } else { 64 };

/// An edit reaches beyond the text at its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PastEnd;

/// `len` chars of one item, from `place` on.
#[derive(Debug, Clone, Copy)]
struct ItemPart {
    place: Place,
    len: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Tracker {
    pub(super) tree: ContentTree,
    /// The real length of the base text, in chars; [`BASE_LEN`] as long as it is not known and not
    /// needed.
    base_len: u32,
    /// The most recently read row of operations.
    row: usize,
    siblings: Siblings,
    /// The number of items that were visited or moved since this was last set to 0.
    pub(super) steps: u64,
}

impl Tracker {
    /// A tracker at the critical version before `first`.
    pub(super) fn new(first: Lv) -> Self {
        Tracker {
            tree: ContentTree::new(first),
            base_len: BASE_LEN,
            row: 0,
            siblings: Siblings::default(),
            steps: 0,
        }
    }

    /// A tracker of a whole history: there is nothing before the first event.
    pub(super) fn whole() -> Self {
        Tracker {
            tree: ContentTree::whole(),
            base_len: 0,
            ..Tracker::new(0)
        }
    }

    /// Starts over at the critical version before `first`. Keeps the memory.
    pub(super) fn reset(&mut self, first: Lv) {
        self.tree.reset(first);
        self.siblings.clear();
        self.base_len = BASE_LEN;
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.tree.memory() + self.siblings.memory()
    }

    /// Sets the length of the text of the effect version, from which the length of the base is
    /// derived: from here on, edits past the end are refused.
    pub(super) fn know_length(&mut self, effect_len: u32) {
        let grown = self.tree.total().effect.wrapping_sub(BASE_LEN);
        self.base_len = effect_len.wrapping_sub(grown);
    }

    /// The length of the text of the prepare version, in chars.
    pub(super) fn prepare_len(&mut self) -> u32 {
        self.tree.total().prepare - (BASE_LEN - self.base_len)
    }

    /// Whether the chars of this item up to `offset + len` are before the end of the base text.
    fn is_real(&self, item: &Item, offset: u32, len: u32) -> bool {
        item.id < BASE || item.id - BASE + offset + len <= self.base_len
    }

    /// Applies the insert of `len` chars at `pos` of the prepare version; returns their position in
    /// the effect version.
    pub(super) fn insert(
        &mut self,
        agents: &AgentAssignment,
        lv: Lv,
        len: u32,
        pos: u32,
    ) -> Result<u32, PastEnd> {
        let (mut place, mut effect, origin_left) = match pos.checked_sub(1) {
            None => (
                Place {
                    leaf: 0,
                    index: 0,
                    offset: 0,
                },
                0,
                NONE,
            ),
            Some(before) => {
                let (place, effect) = self.tree.find_prepare(before).ok_or(PastEnd)?;
                let item = self.tree.item(place);
                if !self.is_real(&item, place.offset, 1) {
                    return Err(PastEnd);
                }
                let offset = place.offset + 1;
                let effect = effect + if item.state & DELETED == 0 { offset } else { 0 };
                (Place { offset, ..place }, effect, item.id + place.offset)
            }
        };
        let inside = origin_left != NONE && place.offset < self.tree.item(place).len;
        let origin_right = if inside {
            origin_left + 1
        } else {
            let next = place.index + usize::from(place.offset > 0);
            let first = self.items_from(place.leaf, next).next();
            match first {
                None => NONE,
                Some((_, item)) if is_inserted(item.state) => item.id,
                Some(_) => {
                    let origin_right = self.next_inserted(place.leaf, next);
                    let origin = (origin_left, origin_right);
                    (place, effect) = self.integrate(agents, lv, origin, (place, next, effect));
                    origin_right
                }
            }
        };
        self.tree.insert(
            place,
            Item {
                id: lv,
                len,
                state: 1,
                origin_left,
                origin_right,
            },
        );
        Ok(effect)
    }

    /// The id of the first char that is inserted in the prepare version, from item `index` of a leaf on.
    fn next_inserted(&mut self, leaf: u32, index: usize) -> u32 {
        let here = (index..self.tree.leaf(leaf).len())
            .map(|index| {
                self.tree.item(Place {
                    leaf,
                    index,
                    offset: 0,
                })
            })
            .find(|item| is_inserted(item.state));
        let found = here.or_else(|| Some(self.tree.inserted_behind(leaf)?.1));
        found.map_or(NONE, |item| item.id)
    }

    /// The place of an insert among the items that its prepare version does not have, from item
    /// `from.1` on; and its position in the effect version. The position of `from` is `from.2`.
    fn integrate(
        &mut self,
        agents: &AgentAssignment,
        lv: Lv,
        origin: Origin,
        from: (Place, usize, u32),
    ) -> (Place, u32) {
        let (start, next, effect) = from;
        if !self.siblings.has(origin) {
            let (to, passed, steps) = self.pass(agents, lv, origin, (start, next));
            self.steps += steps as u64;
            if steps > MANY {
                self.keep_siblings(agents, origin, (start, next), lv);
            }
            return (to, effect + passed);
        }
        let before = self.siblings.add(agents, origin, lv);
        // It would pass all items up to the sibling before it.
        let behind = before.map(|before| {
            let place = self.tree.find_id(before);
            Place {
                offset: self.tree.item(place).len,
                ..place
            }
        });
        let (start, next) = match behind {
            Some(place) => (place, place.index + 1),
            None => (start, next),
        };
        let (to, passed, steps) = self.pass(agents, lv, origin, (start, next));
        self.steps += steps as u64;
        let effect = match behind {
            Some(_) => self.tree.effect_before(to),
            None => effect + passed,
        };
        (to, effect)
    }

    /// Keeps the siblings of an insert `lv`, which is about to be inserted, from the place `from`
    /// on.
    fn keep_siblings(
        &mut self,
        agents: &AgentAssignment,
        origin: Origin,
        (start, next): (Place, usize),
        lv: Lv,
    ) {
        let mut siblings = vec![lv];
        let mut steps = 0;
        for (_, item) in self.items_from(start.leaf, next) {
            if is_inserted(item.state) {
                break;
            }
            steps += 1;
            if (item.origin_left, item.origin_right) == origin {
                siblings.push(item.id);
            }
        }
        self.steps += steps;
        self.siblings.keep(agents, origin, siblings.into_iter());
    }

    /// Passes the items that come before an insert, among those that its prepare version does not
    /// have, from item `from.1` on. Returns the place of the insert, the number of passed chars of
    /// the effect version, and the number of visited items.
    fn pass(
        &self,
        agents: &AgentAssignment,
        lv: Lv,
        (origin_left, origin_right): Origin,
        (start, next): (Place, usize),
    ) -> (Place, u32, usize) {
        let left = (origin_left != NONE).then(|| self.tree.find_id(origin_left));
        let mut right = None;
        let mut to = (start, 0);
        let mut passed = 0;
        let mut scanning = false;
        let mut steps = 0;
        for (place, item) in self.items_from(start.leaf, next) {
            if is_inserted(item.state) {
                break;
            }
            steps += 1;
            match self.compare_left(item.origin_left, origin_left, left) {
                Ordering::Less => break,
                // It is in the subtree of a sibling that was passed.
                Ordering::Greater => {}
                Ordering::Equal if item.origin_right == origin_right => {
                    if agents.compare(lv, item.id) == Ordering::Less {
                        break;
                    }
                    scanning = false;
                }
                Ordering::Equal => {
                    scanning = if item.origin_right == NONE {
                        false
                    } else if origin_right == NONE {
                        true
                    } else {
                        let right = *right.get_or_insert_with(|| self.tree.find_id(origin_right));
                        let other = self.tree.find_id(item.origin_right);
                        self.tree.compare(other, right) == Ordering::Less
                    };
                }
            }
            if item.state & DELETED == 0 {
                passed += item.len;
            }
            if !scanning {
                to = (
                    Place {
                        offset: item.len,
                        ..place
                    },
                    passed,
                );
            }
        }
        (to.0, to.1, steps)
    }

    fn compare_left(&self, other: u32, mine: u32, my_place: Option<Place>) -> Ordering {
        match my_place {
            _ if other == mine => Ordering::Equal,
            None => Ordering::Greater,
            Some(_) if other == NONE => Ordering::Less,
            Some(my_place) => self.tree.compare(self.tree.find_id(other), my_place),
        }
    }

    /// The items from item `index` of a leaf on.
    fn items_from(&self, leaf: u32, index: usize) -> impl Iterator<Item = (Place, Item)> {
        let mut at = Place {
            leaf,
            index,
            offset: 0,
        };
        std::iter::from_fn(move || {
            while at.index >= self.tree.leaf(at.leaf).len() {
                let next = self.tree.leaf(at.leaf).next;
                if next == NONE {
                    return None;
                }
                at = Place {
                    leaf: next,
                    index: 0,
                    offset: 0,
                };
            }
            let out = (at, self.tree.item(at));
            at.index += 1;
            Some(out)
        })
    }

    /// Applies a run of deletes. Calls `deleted` with the position and length of each deletion from
    /// the effect version, in order; chars that other events already deleted are not reported
    /// again.
    pub(super) fn delete(
        &mut self,
        lv: Lv,
        run: Run,
        mut deleted: impl FnMut(u32, u32),
    ) -> Result<(), PastEnd> {
        let mut left = run.len;
        while left > 0 {
            let found = self.tree.find_prepare(run.next_pos(left));
            let (place, effect) = found.ok_or(PastEnd)?;
            let piece = self.piece(place, &run, left).ok_or(PastEnd)?;
            let visible = self.tree.item(place).state & DELETED == 0;
            self.mark_deleted(lv + (run.len - left), &run, piece);
            if visible {
                deleted(effect + piece.place.offset, piece.len);
            }
            left -= piece.len;
        }
        Ok(())
    }

    /// The part of the item at `place` that the last `left` events of a run of deletes delete; the
    /// first of them deletes the char at `place`. `None` if that is not real text.
    fn piece(&self, place: Place, run: &Run, left: u32) -> Option<ItemPart> {
        let item = self.tree.item(place);
        // A backspace run deletes its last char first.
        let (offset, len) = if run.kind == Kind::Backspace {
            let len = left.min(place.offset + 1);
            (place.offset + 1 - len, len)
        } else {
            (place.offset, left.min(item.len - place.offset))
        };
        self.is_real(&item, offset, len).then_some(ItemPart {
            place: Place { offset, ..place },
            len,
        })
    }

    /// Deletes chars by the events from `lv` on, of a run of deletes.
    fn mark_deleted(&mut self, lv: Lv, run: &Run, piece: ItemPart) {
        let ItemPart { place, len } = piece;
        let target = self.tree.item(place).id + place.offset;
        let place = self.tree.isolate(place, len);
        let before = self.tree.item(place).state;
        self.tree.set_state(place, (before + 1) | DELETED);
        if run.kind == Kind::Backspace {
            self.tree.set_slots(lv, len, target + len - 1, Step::Down);
        } else {
            self.tree.set_slots(lv, len, target, Step::Up);
        }
    }

    /// Applies an insert of `len` chars, which `other` has just applied, without putting it into the
    /// prepare version. `other` differs from this tracker in its prepare version only.
    pub(super) fn follow_insert(
        &mut self,
        agents: &AgentAssignment,
        (lv, len): (Lv, u32),
        other: &Tracker,
    ) {
        let there = other.tree.find_id(lv);
        let item = other.tree.item(there);
        let (before, origin_left) = match there.offset {
            0 => {
                let before = other.tree.item_before(there);
                (
                    before.map(|(_, item)| item.id + item.len - 1),
                    item.origin_left,
                )
            }
            _ => (Some(lv - 1), lv - 1),
        };
        let place = before.map_or(self.tree.start(), |before| {
            let place = self.tree.find_id(before);
            Place {
                offset: place.offset + 1,
                ..place
            }
        });
        let origin_right = item.origin_right;
        self.siblings.add(agents, (origin_left, origin_right), lv);
        self.tree.insert(
            place,
            Item {
                id: lv,
                len,
                state: 0,
                origin_left,
                origin_right,
            },
        );
        self.steps += STEPS_A_MOVE;
    }

    /// Applies `len` deletes, which `other` has just applied, without putting them into the prepare
    /// version. `other` differs from this tracker in its prepare version only.
    pub(super) fn follow_delete(&mut self, (lv, len): (Lv, u32), other: &Tracker) {
        let end = lv + len;
        let mut at = lv;
        while at < end {
            let (first, step, len) = other.tree.slots_at(at, end - at);
            self.tree.set_slots(at, len, first, step);
            let (chars, until) = other.deleted_by(at, end);
            self.change_chars(chars, |state| state | DELETED);
            at = until;
        }
    }

    /// Takes the length of the base text from another tracker of the same zone.
    pub(super) fn know_length_of(&mut self, other: &Tracker) {
        self.base_len = other.base_len;
    }

    /// The capacity in items: about the cost of a copy.
    pub(super) fn items(&self) -> u64 {
        self.tree.room() as u64
    }

    /// Removes the events of `range` from the prepare version.
    pub(super) fn retreat(&mut self, ops: &OpLog, range: Range<Lv>) {
        self.toggle(ops, range, u32::MAX);
    }

    /// Adds the events of `range` to the prepare version.
    pub(super) fn advance(&mut self, ops: &OpLog, range: Range<Lv>) {
        self.toggle(ops, range, 1);
    }

    fn toggle(&mut self, ops: &OpLog, range: Range<Lv>, by: u32) {
        for part in ops.parts_near(range, self.row) {
            self.row = part.row as usize;
            let end = part.lv + part.run.len;
            let (mut chars, mut at) = match part.run.is_insert() {
                true => (part.lv..end, end),
                false => self.deleted_by(part.lv, end),
            };
            loop {
                // Deletes of neighbouring chars are handled together, in either direction.
                let mut next = None;
                while at < end && next.is_none() {
                    let (more, until) = self.deleted_by(at, end);
                    at = until;
                    if more.start == chars.end {
                        chars.end = more.end;
                    } else if more.end == chars.start {
                        chars.start = more.start;
                    } else {
                        next = Some(more);
                    }
                }
                self.toggle_chars(chars, by);
                match next {
                    Some(next) => chars = next,
                    None => break,
                }
            }
        }
    }

    /// Neighbouring chars that the first of the events `from..end` delete, and the first event that
    /// deletes another char or continues in another direction.
    #[inline]
    fn deleted_by(&self, from: Lv, end: Lv) -> (Range<u32>, Lv) {
        let (first, step, len) = self.tree.slots_at(from, end - from);
        let chars = match step {
            Step::Down => first + 1 - len..first + 1,
            Step::Up | Step::Same => first..first + len,
        };
        (chars, from + len)
    }

    #[inline]
    fn toggle_chars(&mut self, ids: Range<u32>, by: u32) {
        self.change_chars(ids, |state| {
            let count = (state & !DELETED).wrapping_add(by);
            state & DELETED | count & !DELETED
        });
    }

    #[inline]
    fn change_chars(&mut self, ids: Range<u32>, change: impl Fn(u32) -> u32) {
        let mut id = ids.start;
        let mut place = self.tree.find_id(id);
        loop {
            self.steps += STEPS_A_MOVE;
            let item = self.tree.item(place);
            let len = (item.len - place.offset).min(ids.end - id);
            place = self.tree.isolate(place, len);
            self.tree.set_state(place, change(item.state));
            id += len;
            if id >= ids.end {
                break;
            }
            place = self.tree.find_id_behind(id, place);
        }
    }
}
