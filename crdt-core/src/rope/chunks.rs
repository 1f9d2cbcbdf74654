//! The text of a rope, read in order without copying it.

use std::ops::Range;

use super::leaf::{Leaf, Unit};
use super::tree::Rope;
use crate::version::NONE;

/// The text of a document, or a part of it, in order, as borrowed pieces of up to a kilobyte, none of
/// them empty.
///
/// [`Document::chunks`](crate::Document::chunks) and
/// [`Document::chunks_in`](crate::Document::chunks_in) make it.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rope: &'a Rope,
    /// The current leaf, and the number of its bytes read so far.
    leaf: u32,
    read: usize,
    /// The number of bytes of the part still to be read.
    left: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while self.left > 0 {
            if let Some(rest) = self.leaf().text_from(self.read) {
                let piece = &rest[..rest.len().min(self.left)];
                self.read += piece.len();
                self.left -= piece.len();
                // Leaves contain text that was a `&str`, cut between chars.
                return std::str::from_utf8(piece).ok();
            }
            self.leaf = self.rope.leaf_after(self.leaf)?;
            self.read = 0;
        }
        None
    }
}

impl<'a> Chunks<'a> {
    fn leaf(&self) -> &'a Leaf {
        &self.rope.leaves[self.leaf as usize]
    }
}

impl Rope {
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.size().bytes as usize);
        text.extend(self.chunks(0..self.size().chars()));
        text
    }

    /// Whether this is its text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        let mut rest = text;
        let mut chunks = self.chunks(0..self.size().chars());
        let same = chunks.all(|piece| match rest.strip_prefix(piece) {
            Some(behind) => {
                rest = behind;
                true
            }
            None => false,
        });
        same && rest.is_empty()
    }

    /// The text of the chars `range`, all of which exist, in pieces. O(log n), and O(1) for each piece.
    pub(crate) fn chunks(&self, range: Range<u32>) -> Chunks<'_> {
        let byte = |pos: u32| {
            let before = self.size_before(pos as usize, Unit::Chars);
            before.map_or(0, |size| size.bytes)
        };
        let (start, end) = (byte(range.start), byte(range.end));
        let (leaf, read) = if start < end {
            let (leaf, before) = self.find_with_dirty(start, Unit::Bytes);
            (leaf, start - before.bytes)
        } else {
            (self.cached, 0)
        };
        Chunks {
            rope: self,
            leaf,
            read: read as usize,
            left: end.saturating_sub(start) as usize,
        }
    }

    /// The text of the chars `range`, all of which exist. O(log n + the length of the part).
    pub(crate) fn text_in(&self, range: Range<u32>) -> String {
        self.chunks(range).collect()
    }

    /// The leaf that follows another one.
    fn leaf_after(&self, leaf: u32) -> Option<u32> {
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        let mut levels = 0;
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            let slot = node.slot_of(child) + 1;
            if slot < node.len as usize {
                let first = |node: u32, _| self.nodes[node as usize].child[0];
                return Some((0..levels).fold(node.child[slot], first));
            }
            (child, parent) = (parent, node.parent);
            levels += 1;
        }
        None
    }
}
