//! A text that is built by many edits before it is read.

use super::leaf::{CAPACITY, Size, Unit};
use super::tree::Rope;

/// A rope whose lines are only counted when it is finished.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft(Rope);

impl Draft {
    /// An empty text, with room for `bytes` bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Draft {
        let mut rope = Rope::default();
        // After many edits leaves are little more than half full.
        rope.leaves.reserve_exact(bytes / (CAPACITY / 2));
        Draft(rope)
    }

    /// Inserts `text`, which has `chars` chars, at `pos`, which is at most the length of the text.
    pub(crate) fn insert(&mut self, pos: u32, text: &str, chars: u32) {
        if text.len() == chars as usize && text.len() <= CAPACITY / 2 {
            let size = Size::of_bytes(text.len());
            self.0.insert_piece(pos, text.as_bytes(), size);
        } else {
            self.0
                .insert_pieces(pos, text, |piece| Size::of(piece).without_lines());
        }
    }

    /// Deletes `len` chars from `pos` on; all of them exist.
    pub(crate) fn delete(&mut self, pos: u32, len: u32) {
        self.0.delete_range(pos, len);
    }

    pub(crate) fn finish(self) -> Rope {
        let mut rope = self.0;
        rope.size = rope.count_lines(rope.root, rope.height);
        rope.dirty = false;
        (rope.cached, rope.before) = rope.find(0, Unit::Chars, false);
        rope
    }
}

impl Rope {
    /// Counts the lines in a node of some height anew, and returns its size.
    fn count_lines(&mut self, node: u32, height: u32) -> Size {
        let len = self.nodes[node as usize].len as usize;
        for i in 0..len {
            let child = self.nodes[node as usize].child[i];
            let size = if height > 1 {
                self.count_lines(child, height - 1)
            } else {
                self.leaves[child as usize].count_lines()
            };
            self.nodes[node as usize].size[i] = size;
        }
        self.nodes[node as usize].total()
    }
}
