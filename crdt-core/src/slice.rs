//! A part of the text.

use std::ops::Range;

use crate::document::Document;
use crate::error::EditError;

impl Document {
    /// The chars `range` of the text; nothing where it ends before it starts. O(leaves of the rope, and
    /// the length of the part).
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] if the range reaches past the end.
    pub fn text_in(&self, range: Range<usize>) -> Result<String, EditError> {
        let len = self.len_chars();
        let position = range.start.max(range.end);
        if position > len {
            return Err(EditError::OutOfBounds { position, len });
        }
        if range.is_empty() {
            return Ok(String::new());
        }
        Ok(self.rope().text_in(range.start as u32..range.end as u32))
    }
}
