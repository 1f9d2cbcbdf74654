//! The event that inserted each char of the text: the text as spans of consecutive local versions.
//!
//! Built from transformed edits. Spans are in chunks of bounded size; the most recently edited
//! chunk is cached, because edits are close to each other.

use crate::version::Lv;
use crate::walker::Transformed;

/// Chars that consecutive events inserted, and that are adjacent in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) lv: Lv,
    pub(crate) len: u32,
}

/// The fewest spans at which a chunk is split; with many chunks it is more, so that neither the
/// list of chunks nor a chunk grows beyond the square root of the whole.
const CHUNK: usize = if cfg!(debug_assertions) { 4 } else { 64 };

/// The spans of a text, in text order.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    chunks: Vec<Vec<Span>>,
    /// The length of each chunk's text, in chars.
    lens: Vec<u32>,
    cached: usize,
    /// The number of chars that come before the cached chunk.
    before: u32,
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces {
            chunks: vec![Vec::new()],
            lens: vec![0],
            cached: 0,
            before: 0,
        }
    }
}

impl Pieces {
    /// Makes edits to the text.
    pub(crate) fn edit(&mut self, edits: &[Transformed]) {
        for edit in edits {
            match *edit {
                Transformed::Insert { pos, part } => self.insert(
                    pos,
                    Span {
                        lv: part.lv,
                        len: part.run.len,
                    },
                ),
                Transformed::Delete { pos, len } => self.delete(pos, len),
            }
        }
    }

    /// All spans, in text order.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.chunks.iter().flatten().copied()
    }

    /// Caches the chunk with the char before `pos`. Returns the index of that
    /// char's span, and the number of its chars before `pos`.
    fn seek(&mut self, pos: u32) -> (usize, u32) {
        while pos <= self.before && self.cached > 0 {
            self.cached -= 1;
            self.before -= self.lens[self.cached];
        }
        while pos > self.before + self.lens[self.cached] && self.cached + 1 < self.chunks.len() {
            self.before += self.lens[self.cached];
            self.cached += 1;
        }
        let mut left = pos - self.before;
        for (i, span) in self.chunks[self.cached].iter().enumerate() {
            if left <= span.len {
                return (i, left);
            }
            left -= span.len;
        }
        (self.chunks[self.cached].len(), 0)
    }

    fn insert(&mut self, pos: u32, new: Span) {
        let (i, at) = self.seek(pos);
        let chunk = &mut self.chunks[self.cached];
        self.lens[self.cached] += new.len;
        match chunk.get_mut(i) {
            Some(span) if at == span.len && span.lv + span.len == new.lv => {
                span.len += new.len;
                return;
            }
            Some(span) if 0 < at && at < span.len => {
                let tail = Span {
                    lv: span.lv + at,
                    len: span.len - at,
                };
                span.len = at;
                chunk.splice(i + 1..i + 1, [new, tail]);
            }
            Some(_) if at > 0 => chunk.insert(i + 1, new),
            _ => chunk.insert(i, new),
        }
        self.split();
    }

    fn delete(&mut self, pos: u32, len: u32) {
        let mut len = len;
        while len > 0 {
            let (i, after) = self.seek(pos + 1);
            let chunk = &mut self.chunks[self.cached];
            let Some(span) = chunk.get_mut(i) else {
                debug_assert!(false, "deleting past the end");
                return;
            };
            let at = after - 1;
            let taken = len.min(span.len - at);
            let tail = Span {
                lv: span.lv + at + taken,
                len: span.len - at - taken,
            };
            span.len = at;
            match (at, tail.len) {
                (0, 0) => {
                    chunk.remove(i);
                }
                (0, _) => *span = tail,
                (_, 0) => {}
                _ => chunk.insert(i + 1, tail),
            }
            self.lens[self.cached] -= taken;
            len -= taken;
            if self.lens[self.cached] == 0 && self.chunks.len() > 1 {
                self.chunks.remove(self.cached);
                self.lens.remove(self.cached);
                if self.cached == self.chunks.len() {
                    self.cached -= 1;
                    self.before -= self.lens[self.cached];
                }
            }
        }
        self.split();
    }

    /// Splits the cached chunk if it holds too many spans.
    fn split(&mut self) {
        let most = CHUNK.max(self.chunks.len() / 8);
        let chunk = &mut self.chunks[self.cached];
        if chunk.len() > most {
            let tail = chunk.split_off(chunk.len() / 2);
            let len = tail.iter().map(|span| span.len).sum::<u32>();
            self.lens[self.cached] -= len;
            self.chunks.insert(self.cached + 1, tail);
            self.lens.insert(self.cached + 1, len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;
    use crate::op_log::Part;

    #[test]
    fn spans_agree_with_a_list_of_chars() {
        let mut shapes = Shapes(11);
        for _ in 0..300 {
            let mut chars: Vec<Lv> = Vec::new();
            let mut edits = Vec::new();
            let mut lv = 0;
            for _ in 0..60 {
                let pos = shapes.below(chars.len() as u32 + 1);
                if shapes.below(3) > 0 {
                    let len = 1 + shapes.below(4);
                    let part = Part::of_insert(lv, len);
                    edits.push(Transformed::Insert { pos, part });
                    chars.splice(pos as usize..pos as usize, lv..lv + len);
                    lv += len;
                } else {
                    let len = shapes.below(6).min(chars.len() as u32 - pos);
                    edits.push(Transformed::Delete { pos, len });
                    chars.drain(pos as usize..(pos + len) as usize);
                    lv += len;
                }
            }
            let mut pieces = Pieces::default();
            edits.chunks(7).for_each(|edits| pieces.edit(edits));
            let spans: Vec<Lv> = pieces.spans().flat_map(|s| s.lv..s.lv + s.len).collect();
            assert_eq!(spans, chars);
            assert!(pieces.spans().all(|span| span.len > 0));
        }
    }
}
