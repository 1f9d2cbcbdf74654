//! The tracker's sequence of items, as a B-tree over two vectors.
//!
//! Every entry of a node has four sums of its subtree: chars visible in the prepare version, chars
//! visible in the effect version, chars inserted in the prepare version, and chars of the base text
//! or, in the tree of a whole history, which has none, chars not inserted in the prepare version.
//! Sums are lazy: one leaf at a time may differ from the sums of its ancestors, and
//! [`ContentTree::flush`] updates them before another leaf is changed.

mod effect;
mod item;
mod place;
mod slots;
mod sums;

use crate::version::{Lv, NONE};
use item::joins;
pub(super) use item::{BASE, BASE_LEN, DELETED, Item, in_prepare, is_inserted};
pub(super) use place::Place;
use slots::Slots;
pub(super) use slots::Step;
use sums::{Sums, SumsOf, descend, sum};

/// Items a leaf holds. Small in builds with debug assertions, so that a test of a few edits reaches
/// splits.
pub(super) const LEAF: usize = if cfg!(debug_assertions) { 4 } else { 32 };
const FANOUT: usize = if cfg!(debug_assertions) { 4 } else { 16 };

#[derive(Debug, Clone)]
pub(super) struct Leaf {
    len: u32,
    pub(super) next: u32,
    parent: u32,
    id: [u32; LEAF],
    /// 0 in unused places.
    run: [u32; LEAF],
    state: [u32; LEAF],
    origin_left: [u32; LEAF],
    origin_right: [u32; LEAF],
}

impl Leaf {
    fn new(parent: u32) -> Leaf {
        Leaf {
            len: 0,
            next: NONE,
            parent,
            id: [0; LEAF],
            run: [0; LEAF],
            state: [0; LEAF],
            origin_left: [0; LEAF],
            origin_right: [0; LEAF],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn item(&self, i: usize) -> Item {
        Item {
            id: self.id[i],
            len: self.run[i],
            state: self.state[i],
            origin_left: self.origin_left[i],
            origin_right: self.origin_right[i],
        }
    }

    fn set(&mut self, i: usize, item: Item) {
        self.id[i] = item.id;
        self.run[i] = item.len;
        self.state[i] = item.state;
        self.origin_left[i] = item.origin_left;
        self.origin_right[i] = item.origin_right;
    }

    /// Makes `k` unused places at `i`.
    fn open(&mut self, i: usize, k: usize) {
        let len = self.len as usize;
        self.id.copy_within(i..len, i + k);
        self.run.copy_within(i..len, i + k);
        self.state.copy_within(i..len, i + k);
        self.origin_left.copy_within(i..len, i + k);
        self.origin_right.copy_within(i..len, i + k);
        self.len += k as u32;
    }

    /// Keeps the items from `i` on only.
    fn take_from(&mut self, i: usize) {
        for column in [
            &mut self.id,
            &mut self.run,
            &mut self.state,
            &mut self.origin_left,
            &mut self.origin_right,
        ] {
            column.copy_within(i.., 0);
        }
        self.run[LEAF - i..].fill(0);
        self.len -= i as u32;
    }

    fn sums(&self, is_whole: bool) -> Sums {
        let mut sums = Sums::default();
        for i in 0..LEAF {
            sums.add(Sums::of(self.state[i], self.run[i]));
            let counts = match is_whole {
                true => !is_inserted(self.state[i]),
                false => self.id[i] >= BASE,
            };
            sums.other += if counts { self.run[i] } else { 0 };
        }
        sums
    }

    /// The item with the char `id`.
    #[inline]
    fn find_id(&self, id: u32) -> usize {
        // The number of ids that are compared at a time without a branch.
        const LANES: usize = if LEAF < 8 { LEAF } else { 8 };
        let lanes = self
            .id
            .chunks_exact(LANES)
            .zip(self.run.chunks_exact(LANES));
        for (chunk, (ids, runs)) in lanes.enumerate() {
            let mut found = 0;
            for i in 0..LANES {
                found |= u32::from(id.wrapping_sub(ids[i]) < runs[i]) << i;
            }
            if found != 0 {
                return chunk * LANES + found.trailing_zeros() as usize;
            }
        }
        0
    }
}

#[derive(Debug, Clone)]
struct Node {
    len: u32,
    parent: u32,
    child: [u32; FANOUT],
    sums: SumsOf<FANOUT>,
}

impl Node {
    fn new(parent: u32) -> Node {
        Node {
            len: 0,
            parent,
            child: [NONE; FANOUT],
            sums: SumsOf::new(),
        }
    }

    fn slot_of(&self, child: u32) -> usize {
        self.child.iter().position(|&c| c == child).unwrap_or(0)
    }

    fn insert(&mut self, at: usize, child: u32, sums: Sums) {
        let len = self.len as usize;
        self.child.copy_within(at..len, at + 1);
        self.sums.open(at, len);
        self.child[at] = child;
        self.sums.set(at, sums);
        self.len += 1;
    }

    fn total(&self) -> Sums {
        self.sums.total(self.len as usize)
    }
}

/// The sequence. Events of the zone are named by their local version; `first` is the zone's start.
#[derive(Debug, Clone)]
pub(super) struct ContentTree {
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    height: u32,
    first: Lv,
    /// Whether it is the tree of a whole history, without a base text: the placeholder is then only
    /// the end.
    is_whole: bool,
    /// Per event of the zone: for an insert the leaf that holds its char, for a delete the id of
    /// the char that it deletes.
    slots: Slots,
    /// The most recently changed leaf, and the changes that its ancestors' sums do not have yet.
    cached: u32,
    pending_delta: Sums,
    around: Option<Around>,
}

/// Sums around the cached leaf, without the base text.
#[derive(Debug, Clone, Copy)]
struct Around {
    /// The sums of all before the leaf.
    before: Sums,
    /// Its own sums, as it is now.
    within: Sums,
}

impl ContentTree {
    pub(super) fn new(first: Lv) -> Self {
        let mut tree = ContentTree {
            leaves: Vec::new(),
            nodes: Vec::new(),
            root: 0,
            height: 1,
            first,
            is_whole: false,
            slots: Slots::default(),
            cached: 0,
            pending_delta: Sums::default(),
            around: None,
        };
        tree.reset(first);
        tree
    }

    /// A tree of a whole history.
    pub(super) fn whole() -> Self {
        let mut tree = ContentTree::new(0);
        tree.is_whole = true;
        tree.reset(0);
        tree
    }

    /// Starts over with nothing but the base text. Keeps the memory.
    pub(super) fn reset(&mut self, first: Lv) {
        self.leaves.clear();
        self.nodes.clear();
        self.slots.clear();
        let mut leaf = Leaf::new(0);
        leaf.open(0, 1);
        leaf.set(
            0,
            Item {
                id: BASE,
                len: BASE_LEN,
                state: 1,
                origin_left: NONE,
                origin_right: NONE,
            },
        );
        let within = leaf.sums(self.is_whole);
        let mut root = Node::new(NONE);
        root.insert(0, 0, within);
        self.leaves.push(leaf);
        self.nodes.push(root);
        self.root = 0;
        self.height = 1;
        self.first = first;
        self.cached = 0;
        self.pending_delta = Sums::default();
        self.around = Some(Around {
            before: Sums::default(),
            within,
        });
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.leaves.capacity() * size_of::<Leaf>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.slots.memory()
    }

    /// The number of items that its leaves have room for.
    pub(super) fn room(&self) -> usize {
        self.leaves.len() * LEAF
    }

    /// The sums of the whole sequence.
    pub(super) fn total(&mut self) -> Sums {
        self.flush();
        self.nodes[self.root as usize].total()
    }

    pub(super) fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    pub(super) fn item(&self, place: Place) -> Item {
        self.leaves[place.leaf as usize].item(place.index)
    }

    /// The place of the char at `pos` of the prepare version, and how many chars of the effect
    /// version come before its item. `None` past the end.
    #[inline]
    pub(super) fn find_prepare(&mut self, pos: u32) -> Option<(Place, u32)> {
        if let Some(Around { before, within }) = self.around
            && let Some(left) = pos.checked_sub(before.prepare)
            && left < within.prepare
        {
            return self.find_in_leaf(self.cached, left, before.effect);
        }
        self.flush();
        let (mut left, mut effect) = (pos, 0_u32);
        let (mut at, mut within) = (self.root, Sums::default());
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let i = descend(&node.sums.prepare[..node.len as usize], &mut left);
            effect = effect.wrapping_add(sum(&node.sums.effect[..i]));
            (at, within) = (node.child[i], node.sums.get(i));
        }
        self.cached = at;
        let before = Sums {
            prepare: pos - left,
            effect,
            ..Sums::default()
        };
        self.around = Some(Around { before, within });
        self.find_in_leaf(at, left, effect)
    }

    fn find_in_leaf(&self, leaf: u32, pos: u32, effect: u32) -> Option<(Place, u32)> {
        let l = &self.leaves[leaf as usize];
        let (mut left, mut effect) = (pos, effect);
        let items = l.state[..l.len()].iter().zip(&l.run[..l.len()]);
        for (index, (&state, &run)) in items.enumerate() {
            if in_prepare(state) {
                if left < run {
                    let place = Place {
                        leaf,
                        index,
                        offset: left,
                    };
                    return Some((place, effect));
                }
                left -= run;
            }
            if state & DELETED == 0 {
                effect += run;
            }
        }
        None
    }

    /// The place of the char `id`.
    // Inlined, it takes native remote changes of git-makefile to 0.98 of the time.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(super) fn find_id(&self, id: u32) -> Place {
        let leaf = if id >= BASE {
            self.leaf_of_base(id)
        } else {
            self.slots.get(id - self.first)
        };
        let l = &self.leaves[leaf as usize];
        let index = l.find_id(id);
        Place {
            leaf,
            index,
            offset: id - l.id[index],
        }
    }

    /// The place of the char `id`, which probably begins the item after `place`.
    #[inline]
    pub(super) fn find_id_behind(&self, id: u32, place: Place) -> Place {
        let leaf = &self.leaves[place.leaf as usize];
        let behind = place.behind();
        if behind.index < leaf.len() && leaf.id[behind.index] == id {
            return behind;
        }
        self.find_id(id)
    }

    /// Base chars are in the order of their ids.
    fn leaf_of_base(&self, id: u32) -> u32 {
        let mut left = id - BASE;
        let mut at = self.root;
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let len = node.len as usize;
            at = node.child[match self.is_whole {
                true => len - 1,
                false => descend(&node.sums.other[..len], &mut left),
            }];
        }
        at
    }

    /// Compares two places of chars by their order in the sequence.
    pub(super) fn compare(&self, a: Place, b: Place) -> std::cmp::Ordering {
        if a.leaf == b.leaf {
            return (a.index, a.offset).cmp(&(b.index, b.offset));
        }
        let (mut a, mut b) = (a.leaf, b.leaf);
        let (mut up_a, mut up_b) = (
            self.leaves[a as usize].parent,
            self.leaves[b as usize].parent,
        );
        while up_a != up_b {
            (a, b) = (up_a, up_b);
            (up_a, up_b) = (self.nodes[a as usize].parent, self.nodes[b as usize].parent);
        }
        let node = &self.nodes[up_a as usize];
        node.slot_of(a).cmp(&node.slot_of(b))
    }

    /// The target of the event `lv`, the step to the targets of the following events, and the
    /// number of events, at most `most`, for which that step applies.
    pub(super) fn slots_at(&self, lv: Lv, most: u32) -> (u32, Step, u32) {
        self.slots.run_at(lv - self.first, most)
    }

    /// Sets the targets of the `len` events of the zone from `lv` on.
    pub(super) fn set_slots(&mut self, lv: Lv, len: u32, target: u32, step: Step) {
        self.slots.set(lv - self.first, len, target, step);
    }

    /// Makes `leaf` the cached leaf.
    fn touch(&mut self, leaf: u32) {
        if self.cached != leaf {
            self.flush();
            self.cached = leaf;
            self.around = None;
        }
    }

    /// Records a change of the cached leaf.
    fn note(&mut self, delta: Sums) {
        self.pending_delta.add(delta);
        if let Some(around) = &mut self.around {
            around.within.add(delta);
        }
    }

    /// Updates the ancestors of the cached leaf with its changes.
    pub(super) fn flush(&mut self) {
        let delta = std::mem::take(&mut self.pending_delta);
        if delta == Sums::default() {
            return;
        }
        let (mut child, mut parent) = (self.cached, self.leaves[self.cached as usize].parent);
        while parent != NONE {
            let node = &mut self.nodes[parent as usize];
            let slot = node.slot_of(child);
            node.sums.add(slot, delta);
            (child, parent) = (parent, node.parent);
        }
    }

    fn sums_of_new(&self, item: &Item) -> Sums {
        let mut sums = Sums::of(item.state, item.len);
        if self.is_whole {
            sums.other = item.len - sums.inserted;
        }
        sums
    }

    /// Inserts an item for the zone's next events at a place; returns its place.
    pub(super) fn insert(&mut self, place: Place, item: Item) {
        self.touch(place.leaf);
        let Place {
            leaf,
            index,
            offset,
        } = place;
        let l = &mut self.leaves[leaf as usize];
        let into = offset > 0 && offset < l.run[index];
        // After a char means at the end of its item.
        let at = if offset > 0 { index + 1 } else { index };
        if !into && at > 0 && joins(&l.item(at - 1), &item) {
            l.run[at - 1] += item.len;
            self.note(self.sums_of_new(&item));
            self.set_slots(item.id, item.len, leaf, Step::Same);
            return;
        }
        let (leaf, at) = self.make_room(leaf, at, if into { 2 } else { 1 });
        let l = &mut self.leaves[leaf as usize];
        if into {
            let whole = l.item(at - 1);
            l.run[at - 1] = offset;
            l.open(at, 2);
            l.set(at + 1, whole.tail(offset));
        } else {
            l.open(at, 1);
        }
        l.set(at, item);
        self.note(self.sums_of_new(&item));
        self.set_slots(item.id, item.len, leaf, Step::Same);
    }

    /// Splits items so that the chars `offset..offset + len` of the item at `place` are an item of
    /// their own, and returns its place.
    #[inline]
    pub(super) fn isolate(&mut self, place: Place, len: u32) -> Place {
        let is_whole = place.offset == 0 && self.leaf(place.leaf).run[place.index] == len;
        if is_whole {
            return place;
        }
        self.cut(place, len)
    }

    /// See [`ContentTree::isolate`]; the item has other chars as well.
    #[inline(never)]
    fn cut(&mut self, place: Place, len: u32) -> Place {
        self.touch(place.leaf);
        let Place {
            leaf,
            index,
            offset,
        } = place;
        let whole = self.leaves[leaf as usize].item(index);
        let (head, tail) = (offset > 0, offset + len < whole.len);
        let extra = usize::from(head) + usize::from(tail);
        let (leaf, at) = self.make_room(leaf, index + 1, extra);
        let l = &mut self.leaves[leaf as usize];
        l.open(at, extra);
        let mut i = at - 1;
        if head {
            l.run[i] = offset;
            i += 1;
            l.set(
                i,
                Item {
                    len,
                    ..whole.tail(offset)
                },
            );
        } else {
            l.run[i] = len;
        }
        if tail {
            l.set(i + 1, whole.tail(offset + len));
        }
        Place {
            leaf,
            index: i,
            offset: 0,
        }
    }

    /// Changes the state of a whole item.
    pub(super) fn set_state(&mut self, place: Place, state: u32) {
        self.touch(place.leaf);
        let leaf = &mut self.leaves[place.leaf as usize];
        let len = leaf.run[place.index];
        let old = std::mem::replace(&mut leaf.state[place.index], state);
        let mut change = Sums::change(old, state, len);
        if self.is_whole {
            change.other = change.inserted.wrapping_neg();
        }
        self.note(change);
    }

    /// Makes room for `k` items at `at` of a leaf; returns the new address of that place. The item
    /// before the place stays in the same leaf as the place.
    fn make_room(&mut self, leaf: u32, at: usize, k: usize) -> (u32, usize) {
        if self.leaves[leaf as usize].len() + k <= LEAF {
            return (leaf, at);
        }
        self.flush();
        if self.nodes[self.leaves[leaf as usize].parent as usize].len as usize == FANOUT {
            self.split_node(self.leaves[leaf as usize].parent, 1);
        }
        let new = self.leaves.len() as u32;
        let left = &mut self.leaves[leaf as usize];
        let parent = left.parent;
        let mut right = left.clone();
        let (len, half) = (left.len(), left.len() / 2);
        right.take_from(half);
        left.run[half..].fill(0);
        left.len = half as u32;
        for (&id, &run) in left.id[half..len].iter().zip(&right.run) {
            if id < BASE {
                self.slots.set(id - self.first, run, new, Step::Same);
            }
        }
        right.next = left.next;
        left.next = new;
        let whole = self.is_whole;
        let (left_sums, right_sums) = (left.sums(whole), right.sums(whole));
        self.leaves.push(right);
        let node = &mut self.nodes[parent as usize];
        let slot = node.slot_of(leaf);
        node.sums.set(slot, left_sums);
        node.insert(slot + 1, new, right_sums);
        let goes_left = at <= half;
        if !goes_left {
            self.cached = new;
        }
        if let Some(Around { before, within }) = &mut self.around {
            *within = if goes_left { left_sums } else { right_sums };
            if !goes_left {
                before.add(left_sums);
            }
        }
        if goes_left {
            (leaf, at)
        } else {
            (new, at - half)
        }
    }

    /// Splits a full node at `level` (1 is the lowest) into halves.
    fn split_node(&mut self, node: u32, level: u32) {
        if self.nodes[node as usize].parent == NONE {
            let mut root = Node::new(NONE);
            root.insert(0, node, self.nodes[node as usize].total());
            self.root = self.nodes.len() as u32;
            self.nodes.push(root);
            self.nodes[node as usize].parent = self.root;
            self.height += 1;
        } else if self.nodes[self.nodes[node as usize].parent as usize].len as usize == FANOUT {
            self.split_node(self.nodes[node as usize].parent, level + 1);
        }
        let new = self.nodes.len() as u32;
        let left = &mut self.nodes[node as usize];
        let parent = left.parent;
        let mut right = Node::new(parent);
        for i in FANOUT / 2..FANOUT {
            right.insert(i - FANOUT / 2, left.child[i], left.sums.get(i));
            left.child[i] = NONE;
        }
        left.len = FANOUT as u32 / 2;
        let left_sums = left.total();
        for &child in &right.child[..right.len as usize] {
            if level == 1 {
                self.leaves[child as usize].parent = new;
            } else {
                self.nodes[child as usize].parent = new;
            }
        }
        let right_sums = right.total();
        self.nodes.push(right);
        let up = &mut self.nodes[parent as usize];
        let slot = up.slot_of(node);
        up.sums.set(slot, left_sums);
        up.insert(slot + 1, new, right_sums);
    }

    /// Panics unless all sums, links and slots are right. O(n).
    #[cfg(test)]
    fn check(&mut self) {
        self.flush();
        let mut next_base = BASE;
        let mut leaf = 0;
        while leaf != NONE {
            let l = &self.leaves[leaf as usize];
            assert!(l.len() > 0 && l.run[l.len()..].iter().all(|&r| r == 0));
            for i in 0..l.len() {
                let item = l.item(i);
                assert!(item.len > 0);
                if item.id >= BASE {
                    assert_eq!(item.id, next_base);
                    next_base += item.len;
                } else {
                    let from = item.id - self.first;
                    assert!((from..from + item.len).all(|event| self.slots.get(event) == leaf));
                }
            }
            leaf = l.next;
        }
        assert_eq!(next_base, BASE + BASE_LEN);
        self.check_node(self.root, self.height, NONE);
    }

    #[cfg(test)]
    fn check_node(&self, node: u32, height: u32, parent: u32) {
        let n = &self.nodes[node as usize];
        assert_eq!(n.parent, parent);
        for i in 0..n.len as usize {
            if height > 1 {
                self.check_node(n.child[i], height - 1, node);
                assert_eq!(n.sums.get(i), self.nodes[n.child[i] as usize].total());
            } else {
                let leaf = &self.leaves[n.child[i] as usize];
                assert_eq!(leaf.parent, node);
                assert_eq!(n.sums.get(i), leaf.sums(self.is_whole));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    /// The content of the tree, char by char: id and state.
    fn flat(tree: &ContentTree) -> Vec<(u32, u32)> {
        let mut out = Vec::new();
        let mut leaf = 0;
        while leaf != NONE {
            let l = tree.leaf(leaf);
            for item in (0..l.len())
                .map(|i| l.item(i))
                .filter(|item| item.id < BASE)
            {
                out.extend((0..item.len).map(|k| (item.id + k, item.state)));
            }
            leaf = l.next;
        }
        out
    }

    #[test]
    fn places_sums_and_order_survive_random_changes() {
        for seed in 1..40 {
            let mut shapes = Shapes(seed);
            let mut tree = match seed % 2 {
                0 => ContentTree::new(100),
                _ => ContentTree::whole(),
            };
            let mut model: Vec<(u32, u32)> = Vec::new();
            let mut next = 100;
            for _ in 0..120 {
                let visible: Vec<usize> = (0..model.len())
                    .filter(|&i| in_prepare(model[i].1))
                    .collect();
                if visible.is_empty() || shapes.below(3) > 0 {
                    let len = 1 + shapes.below(3);
                    let pos = shapes.below(visible.len() as u32 + 1);
                    // After a visible char, or at the start.
                    let (place, at, left) = match pos.checked_sub(1) {
                        None => (
                            Place {
                                leaf: 0,
                                index: 0,
                                offset: 0,
                            },
                            0,
                            NONE,
                        ),
                        Some(p) => {
                            let (place, _) = tree.find_prepare(p).unwrap();
                            let at = visible[p as usize];
                            let id = tree.item(place).id + place.offset;
                            assert_eq!(id, model[at].0);
                            (
                                Place {
                                    offset: place.offset + 1,
                                    ..place
                                },
                                at + 1,
                                id,
                            )
                        }
                    };
                    let item = Item {
                        id: next,
                        len,
                        state: 1,
                        origin_left: left,
                        origin_right: 7,
                    };
                    tree.insert(place, item);
                    model.splice(at..at, (0..len).map(|k| (next + k, 1)));
                    next += len;
                } else {
                    let i = shapes.below(model.len() as u32) as usize;
                    let place = tree.find_id(model[i].0);
                    let place = tree.isolate(place, 1);
                    let state = [0, 1, 2 | DELETED][shapes.below(3) as usize];
                    tree.set_state(place, state);
                    model[i].1 = state;
                }
                tree.check();
                assert_eq!(flat(&tree), model, "seed {seed}");
                let count = |f: fn(u32) -> bool| model.iter().filter(|m| f(m.1)).count() as u32;
                let total = tree.total();
                assert_eq!(total.prepare - BASE_LEN, count(in_prepare));
                assert_eq!(total.effect - BASE_LEN, count(|s| s & DELETED == 0));
                if tree.is_whole {
                    let is_open =
                        |&(_, state): &(u32, u32)| in_prepare(state) || !is_inserted(state);
                    let open: Vec<u32> = model.iter().filter(|m| is_open(m)).map(|m| m.0).collect();
                    let ids = |item: &Item| item.id..item.id + item.len;
                    let mut found = Vec::new();
                    let mut at = tree.open_from(tree.start(), true);
                    while let Some((place, item)) = at.filter(|(_, item)| item.id < BASE) {
                        found.extend(ids(&item));
                        at = tree.open_from(place.behind(), true);
                    }
                    assert_eq!(found, open, "seed {seed}");
                    let mut found = Vec::new();
                    let mut at = tree.open_before(tree.find_id(BASE), true);
                    while let Some((place, item)) = at {
                        found.extend(ids(&item).rev());
                        at = tree.open_before(place, true);
                    }
                    found.reverse();
                    assert_eq!(found, open, "seed {seed}");
                    assert_eq!(tree.total().other, count(|s| !is_inserted(s)));
                }
                let (a, b) = (
                    shapes.below(model.len() as u32),
                    shapes.below(model.len() as u32),
                );
                let place = |i: u32| tree.find_id(model[i as usize].0);
                assert_eq!(tree.compare(place(a), place(b)), a.cmp(&b));
            }
        }
    }
}
