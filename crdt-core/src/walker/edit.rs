//! The result of a walk: edits of the text, or the event that cannot be transformed.

use crate::op_log::Part;
use crate::version::Lv;

/// An edit of the text after the edits before it. Positions and lengths in chars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transformed {
    /// Inserts the chars of this part of the operations at `pos`.
    Insert { pos: u32, part: Part },
    /// Deletes `len` chars from `pos` on.
    Delete { pos: u32, len: u32 },
}

/// The events that could not be transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkError {
    /// The run of events at `lv` edits up to `position` in a text of `len` chars.
    PastEnd { lv: Lv, position: u64, len: u32 },
    /// It would take more work than is allowed.
    TooExpensive,
    /// The text would grow beyond [`MAX_CHARS`].
    TooLong,
}
