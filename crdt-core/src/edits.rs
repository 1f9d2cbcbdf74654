//! Local edits that the document makes by itself, several as a whole.

use crate::document::{Document, Splice, TextLen};
use crate::error::EditError;
use crate::version::{MAX_CHARS, MAX_EVENTS};

impl TextLen {
    /// The length of `text`. O(n), by the word where all of it is ASCII.
    pub fn of(text: &str) -> TextLen {
        if text.is_ascii() {
            let (chars, utf16) = (text.len(), text.len());
            return TextLen { chars, utf16 };
        }
        let chars = text.chars().count();
        // UTF-8 takes four bytes for just what UTF-16 takes two units for.
        let pairs = text.bytes().filter(|&byte| byte >= 0xf0).count();
        let utf16 = chars + pairs;
        TextLen { chars, utf16 }
    }

    pub(crate) fn plus(self, other: TextLen) -> TextLen {
        TextLen {
            chars: self.chars + other.chars,
            utf16: self.utf16 + other.utf16,
        }
    }

    pub(crate) fn minus(self, other: TextLen) -> TextLen {
        TextLen {
            chars: self.chars.saturating_sub(other.chars),
            utf16: self.utf16.saturating_sub(other.utf16),
        }
    }
}

impl Document {
    /// Whether edits that delete `deleted` chars and insert `chars` chars of `bytes` bytes fit, in
    /// whatever order they are made.
    pub(crate) fn check_room(
        &self,
        deleted: usize,
        chars: usize,
        bytes: usize,
    ) -> Result<(), EditError> {
        let history = self.whole_history();
        let events = (deleted + chars) as u64;
        let limits = [
            (
                "the text, in chars",
                (self.len_chars() + chars) as u64,
                u64::from(MAX_CHARS),
            ),
            (
                "the text of all inserts, in bytes",
                (history.ops.text_len() + bytes) as u64,
                u64::from(u32::MAX),
            ),
            (
                "the number of events",
                u64::from(history.len()) + events,
                u64::from(MAX_EVENTS - 1),
            ),
            (
                "the events of one agent",
                u64::from(self.next_seq()) + events,
                u64::from(MAX_EVENTS - 1),
            ),
        ];
        for (what, size, limit) in limits {
            if size > limit {
                let limit = limit as usize;
                return Err(EditError::TooLarge { what, limit });
            }
        }
        Ok(())
    }

    /// Deletes `deleted` chars at `pos`, inserts `inserted` there, and tells `changed` of it.
    pub(crate) fn replace(
        &mut self,
        pos: usize,
        deleted: usize,
        inserted: &str,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(), EditError> {
        let place = |doc: &Document, chars: usize| TextLen {
            chars,
            utf16: doc.char_to_utf16(chars).unwrap_or(0),
        };
        let (from, to) = (place(self, pos), place(self, pos + deleted));
        self.delete(pos, deleted)?;
        self.insert(pos, inserted)?;
        changed(Splice {
            pos: from,
            deleted: to.minus(from),
            inserted,
        });
        Ok(())
    }
}
