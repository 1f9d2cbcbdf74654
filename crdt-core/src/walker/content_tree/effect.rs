//! Looking up by the effect version, and walking from item to item in either direction.

use super::{
    Around, ContentTree, DELETED, FANOUT, Item, Node, Place, Sums, SumsOf, descend, in_prepare,
    is_inserted, sum,
};
use crate::version::{Lv, NONE};

impl ContentTree {
    /// The place of the char at `pos` of the effect version. `None` past the end of the sequence.
    pub(in crate::walker) fn find_effect(&mut self, pos: u32) -> Option<Place> {
        if let Some(Around { before, within }) = self.around
            && let Some(left) = pos.checked_sub(before.effect)
            && left < within.effect
        {
            return self.find_effect_in_leaf(self.cached, left);
        }
        self.flush();
        let (mut left, mut prepare) = (pos, 0_u32);
        let (mut at, mut within) = (self.root, Sums::default());
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let i = descend(&node.sums.effect[..node.len as usize], &mut left);
            prepare = prepare.wrapping_add(sum(&node.sums.prepare[..i]));
            (at, within) = (node.child[i], node.sums.get(i));
        }
        self.cached = at;
        let before = Sums {
            prepare,
            effect: pos - left,
            ..Sums::default()
        };
        self.around = Some(Around { before, within });
        self.find_effect_in_leaf(at, left)
    }

    fn find_effect_in_leaf(&self, leaf: u32, pos: u32) -> Option<Place> {
        let l = &self.leaves[leaf as usize];
        let mut left = pos;
        let items = l.state[..l.len()].iter().zip(&l.run[..l.len()]);
        let index = items.enumerate().find_map(|(index, (&state, &run))| {
            let visible = if state & DELETED == 0 { run } else { 0 };
            if left < visible {
                return Some(index);
            }
            left -= visible;
            None
        })?;
        Some(Place {
            leaf,
            index,
            offset: left,
        })
    }

    /// The number of chars of the effect version before a place.
    pub(in crate::walker) fn effect_before(&mut self, place: Place) -> u32 {
        self.flush();
        let leaf = &self.leaves[place.leaf as usize];
        let mut before = 0;
        for index in 0..place.index {
            if leaf.state[index] & DELETED == 0 {
                before += leaf.run[index];
            }
        }
        if place.index < leaf.len() && leaf.state[place.index] & DELETED == 0 {
            before += place.offset;
        }
        let (mut child, mut parent) = (place.leaf, leaf.parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            let slot = node.slot_of(child);
            before += sum(&node.sums.effect[..slot]);
            (child, parent) = (parent, node.parent);
        }
        before
    }

    /// The place of the char that the event `lv` inserted or deleted, whichever it does; `None` for
    /// an event that was not applied.
    pub(in crate::walker) fn find_event(&self, lv: Lv, is_insert: bool) -> Option<Place> {
        let slot = self.slots.get(lv.checked_sub(self.first)?);
        if slot == NONE {
            return None;
        }
        if !is_insert {
            return Some(self.find_id(slot));
        }
        let leaf = self.leaves.get(slot as usize)?;
        let index = leaf.find_id(lv);
        let offset = lv.wrapping_sub(leaf.id[index]);
        (offset < leaf.run[index]).then_some(Place {
            leaf: slot,
            index,
            offset,
        })
    }

    /// The first item of the leaves after `leaf` that is inserted in the prepare version, and its
    /// place. O(log n).
    pub(in crate::walker) fn inserted_behind(&mut self, leaf: u32) -> Option<(Place, Item)> {
        self.flush();
        let leaf = self.leaf_behind(leaf, |sums, i| sums.inserted[i] > 0)?;
        let here = self.leaf(leaf);
        let index = (0..here.len()).find(|&i| is_inserted(here.state[i]))?;
        let place = Place {
            leaf,
            index,
            offset: 0,
        };
        Some((place, self.item(place)))
    }

    /// The first leaf after `leaf` that `wanted` accepts, by its sums and those of the subtrees
    /// that contain it.
    fn leaf_behind(
        &self,
        leaf: u32,
        wanted: impl Fn(&SumsOf<FANOUT>, usize) -> bool,
    ) -> Option<u32> {
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        let mut up = 0;
        let first =
            |node: &Node, from: usize| (from..node.len as usize).find(|&i| wanted(&node.sums, i));
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            if let Some(slot) = first(node, node.slot_of(child) + 1) {
                let mut at = node.child[slot];
                for _ in 0..up {
                    let node = &self.nodes[at as usize];
                    at = node.child[first(node, 0).unwrap_or(0)];
                }
                return Some(at);
            }
            (child, parent) = (parent, node.parent);
            up += 1;
        }
        None
    }

    /// The last leaf before `leaf` that `wanted` accepts, by its sums and those of the subtrees
    /// that contain it.
    fn leaf_before(
        &self,
        leaf: u32,
        wanted: impl Fn(&SumsOf<FANOUT>, usize) -> bool,
    ) -> Option<u32> {
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        let mut up = 0;
        let last = |node: &Node, until: usize| (0..until).rev().find(|&i| wanted(&node.sums, i));
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            if let Some(slot) = last(node, node.slot_of(child)) {
                let mut at = node.child[slot];
                for _ in 0..up {
                    let node = &self.nodes[at as usize];
                    at = node.child[last(node, node.len as usize).unwrap_or(0)];
                }
                return Some(at);
            }
            (child, parent) = (parent, node.parent);
            up += 1;
        }
        None
    }

    /// In the tree of a whole history, which must be flushed: the first item at or after a place
    /// that is visible in the prepare version or, with `new`, not inserted in it. O(log n).
    pub(in crate::walker) fn open_from(&self, place: Place, new: bool) -> Option<(Place, Item)> {
        let mut at = place;
        loop {
            let leaf = self.leaf(at.leaf);
            if let Some(index) = (at.index..leaf.len()).find(|&i| is_open(leaf.state[i], new)) {
                let offset = if index == at.index { at.offset } else { 0 };
                let found = Place {
                    index,
                    offset,
                    ..at
                };
                return Some((found, self.item(found)));
            }
            at = Place {
                leaf: self.leaf_behind(at.leaf, |sums, i| {
                    sums.prepare[i] > 0 || new && sums.other[i] > 0
                })?,
                index: 0,
                offset: 0,
            };
        }
    }

    /// The same, for the last item before that of a place.
    pub(in crate::walker) fn open_before(&self, place: Place, new: bool) -> Option<(Place, Item)> {
        let (mut leaf, mut end) = (place.leaf, place.index);
        loop {
            let here = self.leaf(leaf);
            if let Some(index) = (0..end).rev().find(|&i| is_open(here.state[i], new)) {
                let found = Place {
                    leaf,
                    index,
                    offset: 0,
                };
                return Some((found, self.item(found)));
            }
            leaf = self.leaf_before(leaf, |sums, i| {
                sums.prepare[i] > 0 || new && sums.other[i] > 0
            })?;
            end = self.leaf(leaf).len();
        }
    }

    /// The first place of the sequence.
    pub(in crate::walker) fn start(&self) -> Place {
        Place {
            leaf: 0,
            index: 0,
            offset: 0,
        }
    }

    /// The item at a place or, at the end of a leaf, the first one after it; and its place.
    pub(in crate::walker) fn item_at(&self, place: Place) -> Option<(Place, Item)> {
        let mut at = place;
        while at.index >= self.leaf(at.leaf).len() {
            at = Place {
                leaf: self.leaf(at.leaf).next,
                index: 0,
                offset: 0,
            };
            if at.leaf == NONE {
                return None;
            }
        }
        Some((at, self.item(at)))
    }

    /// The item before that of `place`, and its place.
    pub(in crate::walker) fn item_before(&self, place: Place) -> Option<(Place, Item)> {
        let mut leaf = place.leaf;
        let mut index = place.index;
        while index == 0 {
            leaf = self.leaf_before(leaf, |_, _| true)?;
            index = self.leaf(leaf).len();
        }
        let at = Place {
            leaf,
            index: index - 1,
            offset: 0,
        };
        Some((at, self.item(at)))
    }
}

/// Whether an item with this state is visible in the prepare version, or not inserted in it and `new`.
fn is_open(state: u32, new: bool) -> bool {
    in_prepare(state) || new && !is_inserted(state)
}
