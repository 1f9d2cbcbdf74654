//! cola. It receives the places and lengths of edits, and keeps no text itself.

use crate::measure::Editable;
use crate::trace::{Patch, Res};

pub(crate) struct Cola(cola::Replica);

impl Editable for Cola {
    fn new() -> Res<Self> {
        Ok(Cola(cola::Replica::new(1, 0)))
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        if patch.deleted > 0 {
            std::hint::black_box(self.0.deleted(patch.pos..patch.pos + patch.deleted));
        }
        if !patch.inserted.is_empty() {
            std::hint::black_box(self.0.inserted(patch.pos, patch.inserted.len()));
        }
        Ok(())
    }

    /// There is no text to compare, only its length.
    fn check(&mut self, text: &str) -> Res<()> {
        if self.0.len() == text.len() {
            return Ok(());
        }
        Err(format!("{} chars instead of {}", self.0.len(), text.len()).into())
    }
}
