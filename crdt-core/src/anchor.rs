//! A position in the text that stays with the char next to it when the text is edited.

use crate::version::EventId;

/// The neighbour that an anchor stays with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bias {
    /// The char before it, or the start of the text: text inserted there comes after the anchor.
    Left,
    /// The char after it, or the end of the text: text inserted there comes before the anchor.
    Right,
}

/// A position in the text that every replica can resolve, such as an end of a selection.
///
/// [`Document::anchor_at`](crate::Document::anchor_at) makes anchors,
/// [`Document::resolve`](crate::Document::resolve) resolves them. An anchor has a JSON form
/// ([`Anchor::to_json`]) and a binary form ([`Anchor::encode`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The event that inserted the char it stays with; `None` for the start (with [`Bias::Left`])
    /// or the end (with [`Bias::Right`]) of the text.
    pub char: Option<EventId>,
    /// The side of the anchor on which that char is.
    pub bias: Bias,
}
