//! Texts without a history: the floors under local editing.

use crate::gap_buffer::GapBuffer;
use crate::measure::{Editable, same_text};
use crate::trace::{Patch, Res};

pub(crate) struct GapBufferRope(GapBuffer);

impl Editable for GapBufferRope {
    fn new() -> Res<Self> {
        Ok(GapBufferRope(GapBuffer::default()))
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        self.0.edit(patch.pos, patch.deleted, &patch.inserted);
        Ok(())
    }

    fn check(&mut self, text: &str) -> Res<()> {
        same_text(&self.0.text(), text)
    }
}

/// jumprope, with its buffer of the last edit.
pub(crate) struct JumpRopeBuffered(jumprope::JumpRopeBuf);

impl Editable for JumpRopeBuffered {
    fn new() -> Res<Self> {
        Ok(JumpRopeBuffered(jumprope::JumpRopeBuf::new()))
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        if patch.deleted > 0 {
            self.0.remove(patch.pos..patch.pos + patch.deleted);
        }
        if !patch.inserted.is_empty() {
            self.0.insert(patch.pos, &patch.inserted);
        }
        Ok(())
    }

    fn check(&mut self, text: &str) -> Res<()> {
        same_text(&self.0.to_string(), text)
    }
}

pub(crate) struct Crop(crop::Rope);

impl Editable for Crop {
    fn new() -> Res<Self> {
        Ok(Crop(crop::Rope::new()))
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        self.0
            .replace(patch.pos..patch.pos + patch.deleted, &patch.inserted);
        Ok(())
    }

    fn check(&mut self, text: &str) -> Res<()> {
        same_text(&self.0.to_string(), text)
    }
}
