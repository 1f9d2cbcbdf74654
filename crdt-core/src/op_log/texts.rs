//! Reading inserted text in the order of the document.

use std::ops::Range;

use super::rows::{OpLog, Part};
use crate::hashing::Map;
use crate::version::Lv;

/// Reads the text that events inserted, in pieces. If the pieces of a row come in ascending order,
/// as they do in a document, each row is read once, however many pieces it was cut into.
pub(crate) struct Texts<'a> {
    ops: &'a OpLog,
    /// For each row with non-ASCII text: a number of chars, and their number of bytes.
    places: Map<u32, (u32, usize)>,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(ops: &'a OpLog) -> Self {
        Texts {
            ops,
            places: Map::default(),
        }
    }

    /// Calls `f` with the text that the events `range`, all of them inserts, inserted.
    pub(crate) fn read(&mut self, range: Range<Lv>, mut f: impl FnMut(&'a str)) {
        let ops = self.ops;
        ops.parts_in(range).for_each(|part| f(self.part(&part)));
    }

    /// The text that a part of a row inserted; empty if it deleted.
    pub(crate) fn part(&mut self, part: &Part) -> &'a str {
        let text = self.ops.row_text(part.row as usize);
        let whole = self.ops.row_len(part.row as usize);
        if text.len() == whole as usize || part.run.len == whole || !part.run.is_insert() {
            return self.ops.text_of(part);
        }
        let place = self.places.entry(part.row).or_default();
        if place.0 > part.from {
            *place = (0, 0);
        }
        let skip = |text: &str, chars: u32| {
            text.char_indices()
                .nth(chars as usize)
                .map_or(text.len(), |(at, _)| at)
        };
        let start = place.1 + skip(&text[place.1..], part.from - place.0);
        let end = start + skip(&text[start..], part.run.len);
        *place = (part.from + part.run.len, end);
        &text[start..end]
    }

    /// The text that the events `range`, all of them inserts, inserted.
    pub(crate) fn get(&mut self, range: Range<Lv>) -> String {
        let mut text = String::new();
        self.read(range, |piece| text.push_str(piece));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::{Kind, Run};
    use super::*;

    #[test]
    fn pieces_read_in_any_order_are_the_text() {
        let mut ops = OpLog::default();
        ops.push(Run::new(Kind::Insert, 0, 5), "aé🦀b字", false);
        ops.push(Run::new(Kind::Insert, 0, 3), "xyz", false);
        let all: Vec<char> = "aé🦀b字xyz".chars().collect();
        let mut texts = Texts::new(&ops);
        for (start, end) in [(0, 2), (2, 3), (4, 7), (1, 4), (0, 8), (3, 3), (3, 5)] {
            let expected: String = all[start..end].iter().collect();
            assert_eq!(texts.get(start as Lv..end as Lv), expected);
        }
    }
}
