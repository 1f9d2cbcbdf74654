//! A B-tree whose leaves are gap buffers.
//!
//! Nodes and leaves are in two vectors and are named by their index. The most recently edited leaf
//! is cached together with the size of the text before it, and its ancestors are updated only when
//! another leaf is needed: edits close to each other touch a single leaf.

use super::leaf::{CAPACITY, Leaf, Size, Unit};
use crate::version::NONE;

const FANOUT: usize = if cfg!(debug_assertions) { 4 } else { 16 };

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: u32,
    pub(super) len: u32,
    pub(super) child: [u32; FANOUT],
    pub(super) size: [Size; FANOUT],
}

impl Node {
    fn new(parent: u32) -> Node {
        Node {
            parent,
            len: 0,
            child: [NONE; FANOUT],
            size: [Size::default(); FANOUT],
        }
    }

    pub(super) fn total(&self) -> Size {
        self.size[..self.len as usize]
            .iter()
            .fold(Size::default(), |all, &s| all.plus(s))
    }

    pub(super) fn slot_of(&self, child: u32) -> usize {
        self.child.iter().position(|&c| c == child).unwrap_or(0)
    }

    fn insert(&mut self, at: usize, child: u32, size: Size) {
        let len = self.len as usize;
        self.child.copy_within(at..len, at + 1);
        self.size.copy_within(at..len, at + 1);
        self.child[at] = child;
        self.size[at] = size;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        let len = self.len as usize;
        self.child.copy_within(at + 1..len, at);
        self.size.copy_within(at + 1..len, at);
        self.len -= 1;
        self.child[len - 1] = NONE;
    }
}

/// A text that is edited in place. Positions are in chars unless a name says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Rope {
    pub(super) leaves: Vec<Leaf>,
    pub(super) nodes: Vec<Node>,
    free_leaves: Vec<u32>,
    free_nodes: Vec<u32>,
    pub(super) root: u32,
    /// The number of levels of nodes; the lowest has leaves as children.
    pub(super) height: u32,
    pub(super) size: Size,
    pub(super) cached: u32,
    /// The text before the cached leaf.
    pub(super) before: Size,
    /// Whether the cached leaf differs from the sizes in its ancestors.
    pub(super) dirty: bool,
}

impl Default for Rope {
    fn default() -> Self {
        let mut root = Node::new(NONE);
        root.insert(0, 0, Size::default());
        Rope {
            leaves: vec![Leaf::new(0, b"", Size::default())],
            nodes: vec![root],
            free_leaves: Vec::new(),
            free_nodes: Vec::new(),
            root: 0,
            height: 1,
            size: Size::default(),
            cached: 0,
            before: Size::default(),
            dirty: false,
        }
    }
}

impl Rope {
    /// A rope with the text `text`.
    pub(crate) fn of(text: &str) -> Rope {
        let mut rope = Rope::default();
        rope.leaves.reserve(text.len() / CAPACITY + 1);
        rope.insert(0, text);
        rope
    }

    /// The size of the whole text.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Inserts `text` at `pos`, which is at most the length of the text.
    pub(crate) fn insert(&mut self, pos: u32, text: &str) {
        if let &[byte] = text.as_bytes()
            && self.type_byte(pos, byte)
        {
            return;
        }
        self.insert_pieces(pos, text, Size::of);
    }

    /// Inserts text that fits into a leaf at once, and longer text piece by piece.
    pub(super) fn insert_pieces(&mut self, pos: u32, text: &str, size: impl Fn(&[u8]) -> Size) {
        let mut pos = pos;
        let mut rest = text;
        while !rest.is_empty() {
            let mut end = rest.len().min(CAPACITY / 2);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let piece = &rest.as_bytes()[..end];
            let size = size(piece);
            self.insert_piece(pos, piece, size);
            pos += size.chars();
            rest = rest.get(end..).unwrap_or_default();
        }
    }

    /// Inserts an ASCII byte at `pos` if the gap of the cached leaf is there, and returns whether
    /// it did: continued typing, the most frequent edit.
    #[inline]
    pub(crate) fn type_byte(&mut self, pos: u32, byte: u8) -> bool {
        let at = pos.wrapping_sub(self.before.chars());
        let typed = self.leaves[self.cached as usize].type_byte(at, byte);
        if typed {
            self.dirty = true;
            self.size.bytes += 1;
            if byte == b'\n' {
                self.size.lines += 1;
            }
        }
        typed
    }

    pub(super) fn insert_piece(&mut self, pos: u32, piece: &[u8], size: Size) {
        self.seek(pos, true);
        if self.leaves[self.cached as usize].free() < piece.len() {
            self.make_room(pos, piece.len());
        }
        let at = pos - self.before.chars();
        self.leaves[self.cached as usize].insert(at, piece, size);
        self.dirty = true;
        self.size.add(size);
    }

    /// Deletes the char at `pos` if it is ASCII and next to the gap of the cached leaf, and returns
    /// whether it did.
    #[inline]
    pub(crate) fn erase_byte(&mut self, pos: u32) -> bool {
        let at = pos.wrapping_sub(self.before.chars());
        let erased = self.leaves[self.cached as usize].erase_byte(at);
        if let Some(lines) = erased {
            self.dirty = true;
            self.size.bytes -= 1;
            self.size.lines -= lines;
        }
        erased.is_some()
    }

    /// Deletes `len` chars from `pos` on; all of them exist.
    pub(crate) fn delete(&mut self, pos: u32, len: u32) {
        if len != 1 || !self.erase_byte(pos) {
            self.delete_range(pos, len);
        }
    }

    pub(super) fn delete_range(&mut self, pos: u32, len: u32) {
        let mut len = len;
        while len > 0 {
            self.seek(pos, false);
            let leaf = &mut self.leaves[self.cached as usize];
            let old = leaf.size();
            let at = pos - self.before.chars();
            let here = len.min(old.chars() - at);
            if here == 0 {
                debug_assert!(false, "deleting past the end");
                return;
            }
            leaf.delete(at, here);
            let new = leaf.size();
            self.size.sub(old.minus(new));
            self.dirty = true;
            len -= here;
            if (new.bytes as usize) < CAPACITY / 4 {
                self.shrink();
            }
        }
    }

    /// Makes the leaf with the position `pos` the cached one. Between two leaves, it is the left
    /// one for an insert, and otherwise the right one, which has the next char.
    #[inline]
    fn seek(&mut self, pos: u32, insert: bool) {
        if let Some(at) = pos.checked_sub(self.before.chars()) {
            let len = self.leaves[self.cached as usize].size().chars();
            if at < len || (insert && at == len) {
                return;
            }
        }
        self.go_to(pos, insert);
    }

    /// The same for a position that is not in the cached leaf.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn go_to(&mut self, pos: u32, insert: bool) {
        self.flush();
        let (leaf, before) = self.find(pos, Unit::Chars, insert);
        self.cached = leaf;
        self.before = before;
    }

    /// The leaf with the position `n` in `unit`, and the size of the text before it. The sums have
    /// to be correct up to the cached leaf's own entry.
    pub(super) fn find(&self, n: u32, unit: Unit, left: bool) -> (u32, Size) {
        let mut before = Size::default();
        let mut at = self.root;
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let last = node.len as usize - 1;
            let mut i = 0;
            while i < last {
                let end = unit.of(&before) + unit.of(&node.size[i]);
                if n < end || (left && n == end) {
                    break;
                }
                before.add(node.size[i]);
                i += 1;
            }
            at = node.child[i];
        }
        (at, before)
    }

    /// Updates the ancestors of the cached leaf with its size.
    fn flush(&mut self) {
        if !self.dirty {
            return;
        }
        self.dirty = false;
        let size = self.leaves[self.cached as usize].size();
        let (mut child, mut parent) = (self.cached, self.leaves[self.cached as usize].parent);
        let mut delta = None;
        while parent != NONE {
            let node = &mut self.nodes[parent as usize];
            let slot = node.slot_of(child);
            let delta = *delta.get_or_insert_with(|| size.minus(node.size[slot]));
            node.size[slot].add(delta);
            (child, parent) = (parent, node.parent);
        }
    }

    /// Splits the cached leaf so that `bytes` more fit at `pos`, and makes the leaf in which they
    /// fit the cached one.
    fn make_room(&mut self, pos: u32, bytes: usize) {
        self.flush();
        let at = pos - self.before.chars();
        let leaf = &mut self.leaves[self.cached as usize];
        let len = leaf.size().chars();
        // Appended text opens a new leaf, so that long texts fill their leaves; a long piece opens
        // one at its place; otherwise the leaf is split into halves.
        let split = if at == len || bytes > CAPACITY / 4 {
            at
        } else {
            leaf.middle()
        };
        let tail = leaf.split_off(split);
        let (head, tail_size) = (leaf.size(), tail.size());
        let head_fits = leaf.free() >= bytes;
        let tail_fits = tail.free() >= bytes;
        let tail = self.add_leaf_behind(self.cached, tail, tail_size);
        if at < split || (at == split && head_fits) {
            return;
        }
        self.before.add(head);
        if tail_fits {
            self.cached = tail;
        } else {
            self.cached = self.add_leaf_behind(
                self.cached,
                Leaf::new(NONE, b"", Size::default()),
                Size::default(),
            );
        }
    }

    /// Adds `leaf`, which has `size` of the text of its new neighbour `left`, to the tree.
    fn add_leaf_behind(&mut self, left: u32, leaf: Leaf, size: Size) -> u32 {
        if self.nodes[self.leaves[left as usize].parent as usize].len as usize == FANOUT {
            self.split_node(self.leaves[left as usize].parent, 1);
        }
        let parent = self.leaves[left as usize].parent;
        let new = match self.free_leaves.pop() {
            Some(i) => {
                self.leaves[i as usize] = leaf;
                i
            }
            None => {
                self.leaves.push(leaf);
                self.leaves.len() as u32 - 1
            }
        };
        self.leaves[new as usize].parent = parent;
        let node = &mut self.nodes[parent as usize];
        let slot = node.slot_of(left);
        node.size[slot].sub(size);
        node.insert(slot + 1, new, size);
        new
    }

    /// Splits a full node at `level` (1 is the lowest) into halves.
    fn split_node(&mut self, node: u32, level: u32) {
        if self.nodes[node as usize].parent == NONE {
            let mut root = Node::new(NONE);
            root.insert(0, node, self.nodes[node as usize].total());
            self.root = self.new_node(root);
            self.nodes[node as usize].parent = self.root;
            self.height += 1;
        } else if self.nodes[self.nodes[node as usize].parent as usize].len as usize == FANOUT {
            self.split_node(self.nodes[node as usize].parent, level + 1);
        }
        let left = &mut self.nodes[node as usize];
        let parent = left.parent;
        let mut right = Node::new(parent);
        for i in FANOUT / 2..FANOUT {
            right.insert(i - FANOUT / 2, left.child[i], left.size[i]);
            left.child[i] = NONE;
        }
        left.len = FANOUT as u32 / 2;
        let moved = right.child;
        let size = right.total();
        let right = self.new_node(right);
        for &child in moved.iter().take_while(|&&c| c != NONE) {
            if level == 1 {
                self.leaves[child as usize].parent = right;
            } else {
                self.nodes[child as usize].parent = right;
            }
        }
        let up = &mut self.nodes[parent as usize];
        let slot = up.slot_of(node);
        up.size[slot].sub(size);
        up.insert(slot + 1, right, size);
    }

    fn new_node(&mut self, node: Node) -> u32 {
        if let Some(i) = self.free_nodes.pop() {
            self.nodes[i as usize] = node;
            return i;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Frees the cached leaf, which became small, if its text fits into a neighbour.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn shrink(&mut self) {
        let cached = self.cached;
        let parent = self.leaves[cached as usize].parent;
        let node = &self.nodes[parent as usize];
        let slot = node.slot_of(cached);
        let own = self.leaves[cached as usize].size();
        let fits = |other: usize| {
            other < node.len as usize
                && (node.size[other].bytes + own.bytes) as usize <= CAPACITY * 3 / 4
        };
        let (left, right) = if fits(slot + 1) {
            (slot, slot + 1)
        } else if slot > 0 && fits(slot - 1) {
            (slot - 1, slot)
        } else if own.bytes == 0 && (node.len > 1 || self.height > 1) {
            self.flush();
            self.remove(parent, slot);
            self.free_leaves.push(cached);
            (self.cached, self.before) = self.find(self.before.chars(), Unit::Chars, false);
            return;
        } else {
            return;
        };
        self.flush();
        let node = &self.nodes[parent as usize];
        let (head, tail) = (node.child[left], node.child[right]);
        if right == slot {
            self.before.sub(node.size[left]);
            self.cached = head;
        }
        let taken = self.leaves[tail as usize].clone();
        self.leaves[head as usize].append(&taken);
        let node = &mut self.nodes[parent as usize];
        let size = node.size[right];
        node.size[left].add(size);
        node.remove(right);
        self.free_leaves.push(tail);
    }

    /// Removes an entry of size zero, and the nodes that are empty without it.
    fn remove(&mut self, node: u32, slot: usize) {
        self.nodes[node as usize].remove(slot);
        let Node { parent, len, .. } = self.nodes[node as usize];
        if len == 0 && parent != NONE {
            let slot = self.nodes[parent as usize].slot_of(node);
            self.free_nodes.push(node);
            self.remove(parent, slot);
        }
        while self.height > 1 && self.nodes[self.root as usize].len == 1 {
            self.free_nodes.push(self.root);
            self.root = self.nodes[self.root as usize].child[0];
            self.nodes[self.root as usize].parent = NONE;
            self.height -= 1;
        }
    }

    /// The position in chars of a position in UTF-16 units; one inside a surrogate pair counts as
    /// the position before the pair. `None` past the end. O(1) as long as no char takes two units,
    /// else O(log n).
    pub(crate) fn utf16_to_char(&self, utf16: usize) -> Option<usize> {
        if self.size.is_bmp() {
            return (utf16 <= self.size.utf16() as usize).then_some(utf16);
        }
        let before = self.size_before(utf16, Unit::Utf16)?;
        Some(before.chars() as usize)
    }

    /// The position in UTF-16 units of a position in chars. `None` past the end. O(1) as long as no
    /// char takes two units, else O(log n).
    pub(crate) fn char_to_utf16(&self, pos: usize) -> Option<usize> {
        if self.size.is_bmp() {
            return (pos <= self.size.chars() as usize).then_some(pos);
        }
        let before = self.size_before(pos, Unit::Chars)?;
        Some(before.utf16() as usize)
    }

    /// The size of the text before the place `n`, counted in `unit`; `None` past the end. A place
    /// inside a char counts as the one before it. For lines: the text up to and with the `n`th line
    /// feed. O(log n).
    pub(crate) fn size_before(&self, n: usize, unit: Unit) -> Option<Size> {
        let n = u32::try_from(n).ok()?;
        if n > unit.of(&self.size) {
            return None;
        }
        if n == 0 {
            return Some(Size::default());
        }
        if n == unit.of(&self.size) && unit != Unit::Lines {
            return Some(self.size);
        }
        let (leaf, before) = self.find_with_dirty(n, unit);
        Some(before.plus(self.leaves[leaf as usize].size_before(n - unit.of(&before), unit)))
    }

    /// Like [`Self::find`], but the sums above the cached leaf may lack its changes: searches that
    /// leaf first, then corrects for it.
    pub(super) fn find_with_dirty(&self, n: u32, unit: Unit) -> (u32, Size) {
        let left = unit == Unit::Lines;
        let inside = |before: &Size, size: &Size| {
            let (from, to) = (unit.of(before), unit.of(before) + unit.of(size));
            if left {
                from < n && n <= to
            } else {
                from <= n && n < to
            }
        };
        let cached = self.leaves[self.cached as usize].size();
        if !self.dirty || inside(&self.before, &cached) {
            return if self.dirty {
                (self.cached, self.before)
            } else {
                self.find(n, unit, left)
            };
        }
        if n <= unit.of(&self.before) {
            return self.find(n, unit, left);
        }
        // After the dirty leaf: search at the place that the sums give.
        let node = &self.nodes[self.leaves[self.cached as usize].parent as usize];
        let known = node.size[node.slot_of(self.cached)];
        let shift = unit.of(&cached).wrapping_sub(unit.of(&known));
        let (leaf, before) = self.find(n.wrapping_sub(shift), unit, left);
        (leaf, before.plus(cached).minus(known))
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::Draft;
    use super::*;
    use crate::causal_graph::Shapes;

    impl Rope {
        /// Panics unless every sum and every link is right.
        fn check(&self) {
            let mut rope = self.clone();
            rope.flush();
            assert_eq!(rope.check_node(rope.root, rope.height, NONE), rope.size);
            assert_eq!(rope.size, Size::of(rope.to_text().as_bytes()));
            let used = rope.leaves.len() - rope.free_leaves.len();
            assert!(used <= 2 + 6 * rope.size.bytes as usize / CAPACITY * 2 + rope.nodes.len());
        }

        fn check_node(&self, node: u32, height: u32, parent: u32) -> Size {
            let n = &self.nodes[node as usize];
            assert_eq!(n.parent, parent);
            for i in 0..n.len as usize {
                let size = if height > 1 {
                    self.check_node(n.child[i], height - 1, node)
                } else {
                    let leaf = &self.leaves[n.child[i] as usize];
                    assert_eq!(leaf.parent, node);
                    let text = leaf.text().concat();
                    assert_eq!(leaf.size(), Size::of(&text));
                    leaf.size()
                };
                assert_eq!(n.size[i], size);
            }
            n.total()
        }
    }

    #[test]
    fn edits_agree_with_a_string() {
        let alphabet: Vec<char> = "abc
éß字🦀🏳"
            .chars()
            .collect();
        for seed in 1..60 {
            let mut shapes = Shapes(seed);
            let mut rope = Rope::default();
            let mut draft = Draft::default();
            let mut text: Vec<char> = Vec::new();
            let mut at = 0;
            for step in 0..400 {
                if shapes.below(3) == 0 {
                    at = shapes.below(text.len() as u32 + 1);
                }
                // Grow in the first half of the steps, shrink in the second.
                if shapes.below(5) < if step < 200 { 3 } else { 1 } {
                    let len = if shapes.below(20) == 0 {
                        100
                    } else {
                        1 + shapes.below(4)
                    };
                    let ascii = seed % 3 == 0;
                    let range = if ascii { 4 } else { alphabet.len() as u32 };
                    let new: Vec<char> = (0..len)
                        .map(|_| alphabet[shapes.below(range) as usize])
                        .collect();
                    rope.insert(at, &new.iter().collect::<String>());
                    draft.insert(at, &new.iter().collect::<String>(), len);
                    text.splice(at as usize..at as usize, new);
                    at += len;
                } else {
                    let most = if shapes.below(10) == 0 { 90 } else { 5 };
                    let len = shapes.below(most);
                    let from = at.saturating_sub(shapes.below(3));
                    let len = len.min(text.len() as u32 - from);
                    rope.delete(from, len);
                    draft.delete(from, len);
                    text.drain(from as usize..(from + len) as usize);
                    at = from;
                }
                rope.check();
                let expected: String = text.iter().collect();
                assert_eq!(rope.to_text(), expected, "seed {seed} step {step}");
                conversions_agree(&rope, &text, shapes.below(text.len() as u32 + 1) as usize);
                if step % 40 == 0 {
                    let rope = draft.clone().finish();
                    rope.check();
                    assert_eq!(rope.to_text(), expected, "seed {seed} step {step}");
                    conversions_agree(&rope, &text, shapes.below(text.len() as u32 + 1) as usize);
                }
            }
        }
    }

    fn conversions_agree(rope: &Rope, text: &[char], pos: usize) {
        let size = |chars: &[char]| Size::of(chars.iter().collect::<String>().as_bytes());
        let before = size(&text[..pos]);
        assert_eq!(rope.size_before(pos, Unit::Chars), Some(before));
        assert_eq!(
            rope.size_before(before.utf16() as usize, Unit::Utf16),
            Some(before)
        );
        if text.get(pos).is_some_and(|c| c.len_utf16() == 2) {
            assert_eq!(
                rope.size_before(before.utf16() as usize + 1, Unit::Utf16),
                Some(before)
            );
        }
        let line = before.lines as usize;
        let start = text[..pos]
            .iter()
            .rposition(|&c| c == '\n')
            .map_or(0, |i| i + 1);
        assert_eq!(
            rope.size_before(line, Unit::Lines),
            Some(size(&text[..start]))
        );
        assert_eq!(rope.size_before(text.len() + 1, Unit::Chars), None);
        assert_eq!(rope.char_to_utf16(pos), Some(before.utf16() as usize));
        assert_eq!(rope.utf16_to_char(before.utf16() as usize), Some(pos));
        assert_eq!(rope.char_to_utf16(text.len() + 1), None);
        assert_eq!(rope.utf16_to_char(rope.size().utf16() as usize + 1), None);
    }
}
