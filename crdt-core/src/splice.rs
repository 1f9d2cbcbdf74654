//! A change of the text, as callers receive it.

/// The length of a text, or a position in one, in the two units that editors use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TextLen {
    /// In Unicode scalars.
    pub chars: usize,
    /// In UTF-16 code units, like JavaScript strings.
    pub utf16: usize,
}

impl TextLen {
    /// The length of `text`. O(n), by the word if all of it is ASCII.
    pub fn of(text: &str) -> TextLen {
        if text.is_ascii() {
            let (chars, utf16) = (text.len(), text.len());
            return TextLen { chars, utf16 };
        }
        let chars = text.chars().count();
        // UTF-8 takes four bytes for exactly the chars for which UTF-16 takes two units.
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

/// A change of the text: replaces `deleted` at `pos` with `inserted`.
///
/// Apply the splices of one merge in order: the position of each refers to the text after the ones
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice<'a> {
    /// The position, from the start of the text.
    pub pos: TextLen,
    /// The length of the deleted text.
    pub deleted: TextLen,
    /// The inserted text.
    pub inserted: &'a str,
}
