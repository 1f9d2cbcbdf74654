//! A place in the text that stays with the char beside it, whatever is edited.

use crate::version::EventId;

/// Which neighbour a place sticks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bias {
    /// The char before it, or the start of the text: what is inserted there comes after the place.
    Left,
    /// The char after it, or the end of the text: what is inserted there comes before the place.
    Right,
}

/// A place in the text that every replica finds again, such as an end of a selection.
///
/// Made by [`Document::anchor_at`](crate::Document::anchor_at), found by [`Document::resolve`](crate::Document::resolve). Has a JSON form
/// ([`Anchor::to_json`]) and a form in bytes ([`Anchor::encode`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The event that inserted the char it sticks to; `None` for the start (with [`Bias::Left`]) or
    /// the end (with [`Bias::Right`]) of the text.
    pub char: Option<EventId>,
    /// The side of the place on which that char is.
    pub bias: Bias,
}
