//! The effect of one branch on its base text: the deleted chars of the base, and the edits in each
//! gap between chars.
//!
//! The base is cut into spots. A spot is a stretch that is either deleted or kept as a whole, and
//! the gap after it; the gaps inside a stretch are empty. A B-tree finds a spot by a position in
//! the branch's own version. Chars that the branch inserts are only counted.

use crate::op_log::{Kind, Part};
use crate::version::{Lv, NONE};

/// Small in builds with debug assertions, so that a few edits reach splits.
const LEAF: usize = if cfg!(debug_assertions) { 4 } else { 32 };
const FANOUT: usize = if cfg!(debug_assertions) { 4 } else { 16 };

/// A stretch of the base, and the gap after it. The first spot is the gap at the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    start: u32,
    len: u32,
    /// Whether the branch deletes the stretch.
    pub(super) gone: bool,
    /// The number of chars that the branch has in the gap.
    pub(super) inserted: u32,
    /// The first event that inserted there; [`NONE`] if none did.
    pub(super) first: Lv,
    /// The first and the last of the edits there; [`NONE`] if there are none.
    edits: (u32, u32),
}

impl Spot {
    fn new(start: u32, len: u32) -> Spot {
        Spot {
            start,
            len,
            gone: false,
            inserted: 0,
            first: NONE,
            edits: (NONE, NONE),
        }
    }

    /// The end of its stretch, in the base.
    pub(super) fn end(&self) -> u32 {
        self.start + self.len
    }

    /// The number of kept chars of the base.
    fn kept(&self) -> u32 {
        if self.gone { 0 } else { self.len }
    }
}

/// An edit in a gap, after `offset` of the branch's chars in the gap.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit {
    Insert { offset: u32, part: Part },
    Delete { offset: u32, len: u32 },
}

#[derive(Debug, Clone)]
struct Leaf {
    len: usize,
    next: u32,
    /// The number of chars that the spots have, in the branch's version.
    width: [u32; LEAF],
    spot: [u32; LEAF],
}

#[derive(Debug, Clone)]
struct Node {
    len: usize,
    width: [u32; FANOUT],
    child: [u32; FANOUT],
}

#[derive(Debug, Clone)]
pub(super) struct Gaps {
    spots: Vec<Spot>,
    /// Each with the next edit of its gap.
    edits: Vec<(Edit, u32)>,
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    /// The nodes from the root down to the most recently found place, with the chosen child.
    path: Vec<(u32, usize)>,
    height: usize,
    /// That place: a leaf and a spot in it.
    at: (u32, usize),
    len: u32,
}

impl Gaps {
    /// A branch without edits, on a base of `len` chars.
    pub(super) fn new(len: u32) -> Gaps {
        let mut leaf = Leaf {
            len: 1,
            next: NONE,
            width: [0; LEAF],
            spot: [0; LEAF],
        };
        let mut spots = vec![Spot::new(0, 0)];
        if len > 0 {
            spots.push(Spot::new(0, len));
            leaf.len = 2;
            (leaf.spot[1], leaf.width[1]) = (1, len);
        }
        let mut root = Node {
            len: 1,
            width: [0; FANOUT],
            child: [0; FANOUT],
        };
        root.width[0] = len;
        Gaps {
            spots,
            edits: Vec::new(),
            leaves: vec![leaf],
            nodes: vec![root],
            root: 0,
            path: Vec::new(),
            height: 1,
            at: (0, 0),
            len,
        }
    }

    /// The length of the branch's version, in chars.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The spots, in order.
    pub(super) fn spots(&self) -> impl Iterator<Item = &Spot> {
        let mut leaf = self.leaves.first();
        let leaves = std::iter::from_fn(move || {
            let this = leaf?;
            leaf = self.leaves.get(this.next as usize);
            Some(&this.spot[..this.len])
        });
        leaves.flatten().map(|&spot| &self.spots[spot as usize])
    }

    /// The edits in the gap of a spot, in the order in which they were made.
    pub(super) fn edits(&self, spot: &Spot) -> impl Iterator<Item = &Edit> {
        let mut at = spot.edits.0;
        std::iter::from_fn(move || {
            let (edit, next) = self.edits.get(at as usize)?;
            at = *next;
            Some(edit)
        })
    }

    /// Applies the next events of the branch; `None` if they reach past the end. Keeps the edits in
    /// the gaps if `keep_edits`.
    pub(super) fn apply(&mut self, part: &Part, keep_edits: bool) -> Option<()> {
        if part.run.is_insert() {
            self.insert(part, keep_edits)
        } else {
            self.delete(part, keep_edits)
        }
    }

    fn insert(&mut self, part: &Part, keep_edits: bool) -> Option<()> {
        let mut offset = 0;
        if let Some(before) = part.run.pos.checked_sub(1) {
            let behind = self.find(before)? + 1;
            let kept = self.spot().kept();
            if behind < kept {
                self.split(before, behind);
            }
            offset = behind.saturating_sub(kept);
        } else {
            self.find_start();
        }
        let spot = self.spot();
        spot.inserted += part.run.len;
        if spot.first == NONE {
            spot.first = part.lv;
        }
        self.widen(part.run.len);
        if keep_edits {
            let part = *part;
            self.push_edit(Edit::Insert { offset, part });
        }
        Some(())
    }

    fn delete(&mut self, part: &Part, keep_edits: bool) -> Option<()> {
        let run = part.run;
        let mut left = run.len;
        while left > 0 {
            let pos = run.next_pos(left);
            let at = self.find(pos)?;
            let spot = self.spot();
            let kept = spot.kept();
            let (low, high) = if at < kept {
                (0, kept)
            } else {
                (kept, kept + spot.inserted)
            };
            // A backspace run deletes its last char first.
            let (from, len) = if run.kind == Kind::Backspace {
                let len = left.min(at + 1 - low);
                (at + 1 - len, len)
            } else {
                (at, left.min(high - at))
            };
            if at < kept {
                if from + len < kept {
                    self.split(pos, from + len);
                }
                if from > 0 {
                    self.split(pos, from);
                    self.at.1 += 1;
                }
                self.spot().gone = true;
            } else {
                spot.inserted -= len;
                if keep_edits {
                    let offset = from - kept;
                    self.push_edit(Edit::Delete { offset, len });
                }
            }
            self.widen(len.wrapping_neg());
            left -= len;
        }
        Some(())
    }

    /// The spot found last.
    fn spot(&mut self) -> &mut Spot {
        let (leaf, index) = self.at;
        let spot = self.leaves[leaf as usize].spot[index];
        &mut self.spots[spot as usize]
    }

    /// Finds the spot with the char at `pos`; returns the index of that char in it.
    fn find(&mut self, pos: u32) -> Option<u32> {
        if pos >= self.len {
            return None;
        }
        let mut left = pos;
        let mut reaches = |width: &u32| {
            let found = left < *width;
            if !found {
                left -= width;
            }
            found
        };
        let mut at = self.root;
        self.path.clear();
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let child = node.width[..node.len].iter().position(&mut reaches)?;
            self.path.push((at, child));
            at = node.child[child];
        }
        let leaf = &self.leaves[at as usize];
        let index = leaf.width[..leaf.len].iter().position(reaches)?;
        self.at = (at, index);
        Some(left)
    }

    /// Finds the gap at the start.
    fn find_start(&mut self) {
        let mut at = self.root;
        self.path.clear();
        for _ in 0..self.height {
            self.path.push((at, 0));
            at = self.nodes[at as usize].child[0];
        }
        self.at = (at, 0);
    }

    /// Adds `by` chars to the spot found last.
    fn widen(&mut self, by: u32) {
        let add = |width: &mut u32| *width = width.wrapping_add(by);
        let (leaf, index) = self.at;
        add(&mut self.leaves[leaf as usize].width[index]);
        for &(node, child) in &self.path {
            add(&mut self.nodes[node as usize].width[child]);
        }
        add(&mut self.len);
    }

    fn push_edit(&mut self, edit: Edit) {
        let new = self.edits.len() as u32;
        let spot = self.spot();
        let last = std::mem::replace(&mut spot.edits.1, new);
        if last == NONE {
            spot.edits.0 = new;
        } else {
            self.edits[last as usize].1 = new;
        }
        self.edits.push((edit, NONE));
    }

    /// Splits the stretch that was found at `pos` after its first `at` chars, of which it has more.
    /// The first part is then the spot found last.
    fn split(&mut self, pos: u32, at: u32) {
        if self.leaves[self.at.0 as usize].len == LEAF {
            self.divide();
            self.find(pos);
        }
        let new = self.spots.len() as u32;
        let spot = self.spot();
        let right = Spot {
            start: spot.start + at,
            len: spot.len - at,
            ..*spot
        };
        *spot = Spot::new(spot.start, at);
        self.spots.push(right);
        let (leaf, index) = self.at;
        let leaf = &mut self.leaves[leaf as usize];
        leaf.width.copy_within(index..leaf.len, index + 1);
        leaf.spot.copy_within(index..leaf.len, index + 1);
        leaf.width[index] = at;
        leaf.width[index + 1] -= at;
        leaf.spot[index + 1] = new;
        leaf.len += 1;
    }

    /// Splits the leaf found last, and full nodes above it, into halves.
    fn divide(&mut self) {
        let mut new = self.leaves.len() as u32;
        let left = &mut self.leaves[self.at.0 as usize];
        let mut right = left.clone();
        let half = left.len / 2;
        right.width.copy_within(half..left.len, 0);
        right.spot.copy_within(half..left.len, 0);
        right.len = left.len - half;
        left.len = half;
        left.next = new;
        let total = |widths: &[u32]| widths.iter().sum();
        let mut widths = [total(&left.width[..half]), total(&right.width[..right.len])];
        self.leaves.push(right);
        for level in (0..self.path.len()).rev() {
            let (at, child) = self.path[level];
            let node = &mut self.nodes[at as usize];
            node.width[child] = widths[0];
            if node.len < FANOUT {
                node.insert(child + 1, new, widths[1]);
                return;
            }
            let half = FANOUT / 2;
            let mut right = node.clone();
            right.width.copy_within(half.., 0);
            right.child.copy_within(half.., 0);
            (node.len, right.len) = (half, FANOUT - half);
            if child < half {
                node.insert(child + 1, new, widths[1]);
            } else {
                right.insert(child + 1 - half, new, widths[1]);
            }
            widths = [
                total(&node.width[..node.len]),
                total(&right.width[..right.len]),
            ];
            new = self.nodes.len() as u32;
            self.nodes.push(right);
        }
        let mut root = Node {
            len: 1,
            width: [widths[0]; FANOUT],
            child: [self.root; FANOUT],
        };
        root.insert(1, new, widths[1]);
        self.root = self.nodes.len() as u32;
        self.nodes.push(root);
        self.height += 1;
    }
}

impl Node {
    fn insert(&mut self, at: usize, child: u32, width: u32) {
        self.width.copy_within(at..self.len, at + 1);
        self.child.copy_within(at..self.len, at + 1);
        (self.child[at], self.width[at]) = (child, width);
        self.len += 1;
    }
}
