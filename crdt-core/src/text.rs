//! Reading the text: all of it, parts, lines, and positions in other units.

use std::borrow::Cow;
use std::ops::Range;

use crate::document::Document;
use crate::error::EditError;
use crate::rope::{Chunks, Unit};

/// The lines of a document, in order, without their line feeds.
///
/// Made by [`Document::lines`]. A line is copied only if it is not contiguous in memory.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    /// The text after `chunk`; `None` after the last line.
    rest: Option<Chunks<'a>>,
    /// The rest of the current chunk.
    chunk: &'a str,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.as_mut()?;
        let mut line = Cow::Borrowed("");
        loop {
            if let Some((end, behind)) = self.chunk.split_once('\n') {
                self.chunk = behind;
                line += end;
                return Some(line);
            }
            line += self.chunk;
            match rest.next() {
                Some(chunk) => self.chunk = chunk,
                None => {
                    self.rest = None;
                    return Some(line);
                }
            }
        }
    }
}

impl Document {
    /// The text. O(n).
    pub fn text(&self) -> String {
        self.rope().to_text()
    }

    /// The text as borrowed pieces, in order. O(1) for each, without a copy.
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello")?;
    /// let bytes: usize = doc.chunks().map(str::len).sum();
    /// assert_eq!(bytes, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunks(&self) -> Chunks<'_> {
        self.rope().chunks(0..self.rope().size().chars())
    }

    /// The chars `range` of the text as borrowed pieces, in order; none if the range ends before it
    /// starts. O(log n), and O(1) for each piece.
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] if the range reaches past the end.
    pub fn chunks_in(&self, range: Range<usize>) -> Result<Chunks<'_>, EditError> {
        let len = self.len_chars();
        let position = range.start.max(range.end);
        if position > len {
            return Err(EditError::OutOfBounds { position, len });
        }
        Ok(self.rope().chunks(range.start as u32..range.end as u32))
    }

    /// The chars `range` of the text; empty if the range ends before it starts. Copied only if the
    /// part is not contiguous in memory. O(log n + length of the part).
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] if the range reaches past the end.
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello world")?;
    /// assert_eq!(doc.slice(6..11)?, "world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(&self, range: Range<usize>) -> Result<Cow<'_, str>, EditError> {
        let mut part = Cow::Borrowed("");
        self.chunks_in(range)?.for_each(|chunk| part += chunk);
        Ok(part)
    }

    /// The char at the position `pos`; `None` at the end and past it. O(log n).
    pub fn char_at(&self, pos: usize) -> Option<char> {
        let rest = self.chunks_in(pos..self.len_chars()).ok()?;
        rest.flat_map(str::chars).next()
    }

    /// The lines, in order, without the line feeds that end them: [`Document::len_lines`] of them.
    /// O(n) for all.
    ///
    /// A text that ends with a line feed has an empty line after it, as in an editor: unlike
    /// [`str::lines`].
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "milk\neggs\n")?;
    /// assert_eq!(doc.lines().collect::<Vec<_>>(), ["milk", "eggs", ""]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            rest: Some(self.chunks()),
            chunk: "",
        }
    }

    /// Line `line`, from 0, without its line feed; `None` past the last line. O(log n + length of the
    /// line).
    pub fn line(&self, line: usize) -> Option<Cow<'_, str>> {
        let start = self.line_to_char(line)?;
        let rest = self.chunks_in(start..self.len_chars()).ok()?;
        let mut lines = Lines {
            rest: Some(rest),
            chunk: "",
        };
        lines.next()
    }

    /// The length of the text, in chars. O(1).
    pub fn len_chars(&self) -> usize {
        self.rope().size().chars() as usize
    }

    /// The length of the text, in UTF-16 code units. O(1).
    pub fn len_utf16(&self) -> usize {
        self.rope().size().utf16() as usize
    }

    /// The length of the text, in bytes of UTF-8. O(1).
    pub fn len_bytes(&self) -> usize {
        self.rope().size().bytes as usize
    }

    /// The number of lines: one more than the number of line feeds. O(1).
    pub fn len_lines(&self) -> usize {
        self.rope().size().lines as usize + 1
    }

    /// Whether the text is empty. O(1).
    pub fn is_empty(&self) -> bool {
        self.len_chars() == 0
    }

    /// The position in chars of a position in UTF-16 code units; a position inside a surrogate pair
    /// counts as the one before the pair. `None` past the end. O(log n).
    pub fn utf16_to_char(&self, utf16: usize) -> Option<usize> {
        self.rope().utf16_to_char(utf16)
    }

    /// The position in UTF-16 code units of a position in chars. `None` past the end. O(log n).
    pub fn char_to_utf16(&self, pos: usize) -> Option<usize> {
        self.rope().char_to_utf16(pos)
    }

    /// The position in chars of a position in bytes of UTF-8; a position inside a char counts as
    /// the one before it. `None` past the end. O(log n).
    pub fn byte_to_char(&self, byte: usize) -> Option<usize> {
        let before = self.rope().size_before(byte, Unit::Bytes)?;
        Some(before.chars() as usize)
    }

    /// The position in bytes of UTF-8 of a position in chars. `None` past the end. O(log n).
    pub fn char_to_byte(&self, pos: usize) -> Option<usize> {
        let before = self.rope().size_before(pos, Unit::Chars)?;
        Some(before.bytes as usize)
    }

    /// The line, from 0, that contains the position `pos` in chars. Lines end with a line feed.
    /// `None` past the end. O(log n).
    pub fn char_to_line(&self, pos: usize) -> Option<usize> {
        let before = self.rope().size_before(pos, Unit::Chars)?;
        Some(before.lines as usize)
    }

    /// The position of the start of line `line`, from 0, in chars. `None` past the last line. O(log
    /// n).
    pub fn line_to_char(&self, line: usize) -> Option<usize> {
        let before = self.rope().size_before(line, Unit::Lines)?;
        Some(before.chars() as usize)
    }

    /// A hash of the text (FNV-1a over its UTF-8 bytes, 64 bits): the same on every replica and
    /// platform. Not for security. O(n).
    pub fn text_hash(&self) -> u64 {
        let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = self.chunks().flat_map(str::bytes);
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, fnv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    /// Makes random edits of a text with chars of every length, and compares every way of reading
    /// with a plain string.
    #[test]
    fn every_way_to_read_agrees_with_a_string() {
        const ALPHABET: [char; 6] = ['a', '\n', 'é', '日', '😀', 'b'];
        for seed in 1..60 {
            let mut shapes = Shapes(seed);
            let mut doc = Document::new("alice").unwrap();
            let mut model: Vec<char> = Vec::new();
            for _ in 0..60 {
                let pos = shapes.below(model.len() as u32 + 1) as usize;
                if shapes.below(3) > 0 {
                    let len = shapes.below(40);
                    let typed: Vec<char> = (0..len)
                        .map(|_| ALPHABET[shapes.below(6) as usize])
                        .collect();
                    doc.insert(pos, &typed.iter().collect::<String>()).unwrap();
                    model.splice(pos..pos, typed);
                } else {
                    let len = (shapes.below(30) as usize).min(model.len() - pos);
                    doc.delete(pos, len).unwrap();
                    model.drain(pos..pos + len);
                }
                reads_agree(&doc, &model, &mut shapes);
            }
        }
    }

    fn reads_agree(doc: &Document, model: &[char], shapes: &mut Shapes) {
        let text: String = model.iter().collect();
        assert_eq!(doc.text(), text);
        assert!(doc.chunks().all(|chunk| !chunk.is_empty()));
        assert_eq!(doc.chunks().collect::<String>(), text);
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(doc.lines().collect::<Vec<_>>(), lines);
        assert_eq!(doc.len_lines(), lines.len());
        let line = shapes.below(lines.len() as u32 + 1) as usize;
        assert_eq!(doc.line(line).as_deref(), lines.get(line).copied());

        let mut ends = [0; 2].map(|_| shapes.below(model.len() as u32 + 1) as usize);
        ends.sort_unstable();
        let [from, to] = ends;
        let part: String = model[from..to].iter().collect();
        assert_eq!(doc.slice(from..to).unwrap(), part);
        assert_eq!(doc.char_at(from), model.get(from).copied());
        let len = doc.len_chars();
        let past = doc.slice(from..len + 1).unwrap_err();
        assert_eq!(
            past,
            EditError::OutOfBounds {
                position: len + 1,
                len
            }
        );

        let byte = model[..from].iter().map(|c| c.len_utf8()).sum();
        assert_eq!(doc.char_to_byte(from), Some(byte));
        assert_eq!(doc.byte_to_char(byte), Some(from));
        for inside in 1..model.get(from).map_or(0, |c| c.len_utf8()) {
            assert_eq!(doc.byte_to_char(byte + inside), Some(from));
        }
        assert_eq!(doc.byte_to_char(text.len() + 1), None);
        assert_eq!(doc.char_to_byte(len + 1), None);
    }
}
