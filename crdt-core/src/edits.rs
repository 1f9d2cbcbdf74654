//! Local edits that the document makes itself, several as one transaction.

use crate::document::Document;
use crate::error::EditError;
use crate::splice::{Splice, TextLen};
use crate::version::{MAX_CHARS, MAX_EVENTS};

impl Document {
    /// Whether edits that delete `deleted` chars and insert `chars` chars of `bytes` bytes fit, in
    /// whatever order they are made.
    pub(crate) fn check_room(
        &self,
        deleted: usize,
        chars: usize,
        bytes: usize,
    ) -> Result<(), EditError> {
        let store = self.store();
        let events = (deleted + chars) as u64;
        let limits = [
            (
                "the text, in chars",
                (self.len_chars() + chars) as u64,
                u64::from(MAX_CHARS),
            ),
            (
                "the text of all inserts, in bytes",
                (store.text_len() + bytes) as u64,
                u64::from(u32::MAX),
            ),
            (
                "the number of events",
                u64::from(store.lvs()) + events,
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

    /// Deletes `deleted` chars at `pos`, inserts `inserted` there, and reports the change to
    /// `changed`.
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
