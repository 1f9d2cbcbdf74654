//! Looking up by the effect version, and walking from item to item in either direction.

use super::{ContentTree, DELETED, Item, Place};
use crate::version::{Lv, NONE};

impl ContentTree {
    /// The place of the char at `pos` of the effect version. `None` past the end of the sequence.
    pub(in crate::walker) fn find_effect(&mut self, pos: u32) -> Option<Place> {
        self.flush();
        let mut left = pos;
        let mut at = self.root;
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let mut i = 0;
            while i + 1 < node.len as usize && node.sums[i].effect <= left {
                left -= node.sums[i].effect;
                i += 1;
            }
            at = node.child[i];
        }
        let leaf = &self.leaves[at as usize];
        for index in 0..leaf.len() {
            if leaf.state[index] & DELETED == 0 {
                if left < leaf.run[index] {
                    return Some(Place {
                        leaf: at,
                        index,
                        offset: left,
                    });
                }
                left -= leaf.run[index];
            }
        }
        None
    }

    /// How many chars of the effect version come before a place.
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
            before += node.sums[..slot].iter().map(|s| s.effect).sum::<u32>();
            (child, parent) = (parent, node.parent);
        }
        before
    }

    /// The place of the char that the event `lv` inserted or deleted, whichever it does; `None` for
    /// an event that was not applied.
    pub(in crate::walker) fn find_event(&self, lv: Lv, is_insert: bool) -> Option<Place> {
        let &slot = self.slots.get(lv.checked_sub(self.first)? as usize)?;
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
            leaf = self.leaf_before(leaf)?;
            index = self.leaf(leaf).len();
        }
        let at = Place {
            leaf,
            index: index - 1,
            offset: 0,
        };
        Some((at, self.item(at)))
    }

    fn leaf_before(&self, leaf: u32) -> Option<u32> {
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        let mut up = 0;
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            if let Some(slot) = node.slot_of(child).checked_sub(1) {
                let mut at = node.child[slot];
                for _ in 0..up {
                    let node = &self.nodes[at as usize];
                    at = node.child[node.len as usize - 1];
                }
                return Some(at);
            }
            (child, parent) = (parent, node.parent);
            up += 1;
        }
        None
    }
}
