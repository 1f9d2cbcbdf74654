//! Anchors: positions in the text with names that every replica can resolve.

use crate::anchor::{Anchor, Bias};
use crate::document::Document;
use crate::error::AnchorError;
use crate::version::EventId;

impl Document {
    /// An anchor at the position `pos`.
    ///
    /// The first use of anchors builds an index of all chars, which costs a replay of the history.
    /// Each later use adds the edits since then to the index, O(log n) for an edit, and is O(log n)
    /// itself. [`Document::release_caches`] frees the index.
    ///
    /// # Errors
    /// [`AnchorError::OutOfBounds`] past the end, [`AnchorError::TooOld`] next to a char of the
    /// text that a shallow document begins with, [`AnchorError::CorruptHistory`].
    ///
    /// ```
    /// use crdt_core::{Bias, Document};
    ///
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello world")?;
    /// let world = doc.anchor_at(6, Bias::Right)?;
    /// doc.insert(0, "> ")?;
    /// assert_eq!(doc.resolve(&world)?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn anchor_at(&self, pos: usize, bias: Bias) -> Result<Anchor, AnchorError> {
        let len = self.len_chars();
        if pos > len {
            return Err(AnchorError::OutOfBounds { position: pos, len });
        }
        let neighbour = match bias {
            Bias::Left => pos.checked_sub(1),
            Bias::Right => Some(pos).filter(|&pos| pos < len),
        };
        let history = self.whole_history()?;
        let char =
            self.with_chars(|_, chars| neighbour.and_then(|pos| chars.char_at(pos as u32)))?;
        if char.is_some_and(|lv| lv < history.graph.start()) {
            let EventId { agent, seq } = history.graph.begin_id();
            return Err(AnchorError::TooOld { agent, seq });
        }
        let char = char.map(|lv| history.graph.event_id(lv));
        Ok(Anchor { char, bias })
    }

    /// The position of an anchor in the current text, in chars. If its char is deleted, the
    /// position is the gap where the char was. Costs as much as [`Document::anchor_at`].
    ///
    /// # Errors
    /// [`AnchorError::Unknown`] for an event that has not arrived (yet), [`AnchorError::TooOld`]
    /// for one that a shallow document has dropped, [`AnchorError::NotAnInsert`] for one that
    /// inserted no char, [`AnchorError::CorruptHistory`].
    pub fn resolve(&self, anchor: &Anchor) -> Result<usize, AnchorError> {
        let Some(id) = &anchor.char else {
            return Ok(match anchor.bias {
                Bias::Left => 0,
                Bias::Right => self.len_chars(),
            });
        };
        let history = self.whole_history()?;
        let unknown = || AnchorError::Unknown {
            agent: id.agent.clone(),
            seq: id.seq,
        };
        let Some(lv) = history.graph.find(id) else {
            if history.graph.knows(id) {
                let EventId { agent, seq } = history.graph.begin_id();
                return Err(AnchorError::TooOld { agent, seq });
            }
            return Err(unknown());
        };
        if !history.ops.is_insert(lv) {
            return Err(AnchorError::NotAnInsert {
                agent: id.agent.clone(),
                seq: id.seq,
            });
        }
        let place = self.with_chars(|_, chars| chars.position(lv))?;
        let (pos, in_text) = place.ok_or_else(unknown)?;
        let behind = in_text && anchor.bias == Bias::Left;
        Ok(pos as usize + usize::from(behind))
    }
}
