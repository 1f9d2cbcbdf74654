//! A gap buffer: the minimal cost of keeping a text, and the reference for every text.

use crate::trace::Patch;

/// A text with a gap at the last edit. ASCII only.
#[derive(Debug, Default)]
pub(crate) struct GapBuffer {
    bytes: Vec<u8>,
    gap: std::ops::Range<usize>,
}

impl GapBuffer {
    pub(crate) fn edit(&mut self, pos: usize, deleted: usize, inserted: &str) {
        if pos < self.gap.start {
            let moved = self.gap.start - pos;
            self.bytes
                .copy_within(pos..self.gap.start, self.gap.end - moved);
            self.gap = pos..self.gap.end - moved;
        } else if pos > self.gap.start {
            let moved = pos - self.gap.start;
            let from = self.gap.end;
            self.bytes.copy_within(from..from + moved, self.gap.start);
            self.gap = pos..from + moved;
        }
        self.gap.end += deleted;
        if self.gap.len() < inserted.len() {
            let more = (self.bytes.len() + inserted.len()).max(4096);
            let tail = self.gap.end..self.bytes.len();
            self.bytes.resize(self.bytes.len() + more, 0);
            self.bytes.copy_within(tail, self.gap.end + more);
            self.gap.end += more;
        }
        self.bytes[self.gap.start..][..inserted.len()].copy_from_slice(inserted.as_bytes());
        self.gap.start += inserted.len();
    }

    pub(crate) fn text(&self) -> String {
        let parts = [&self.bytes[..self.gap.start], &self.bytes[self.gap.end..]];
        String::from_utf8_lossy(&parts.concat()).into_owned()
    }
}

/// The text after the patches.
pub(crate) fn text_of<'a>(patches: impl Iterator<Item = &'a Patch>) -> String {
    let mut text = GapBuffer::default();
    patches.for_each(|p| text.edit(p.pos, p.deleted, &p.inserted));
    text.text()
}
