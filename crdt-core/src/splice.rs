//! A change of the text, as callers receive it.

/// The length of a piece of text, or a place in one, in both units that editors count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TextLen {
    /// In Unicode scalars.
    pub chars: usize,
    /// In UTF-16 code units, as JavaScript counts.
    pub utf16: usize,
}

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

/// A change of the text: at `pos`, `deleted` goes and `inserted` comes.
///
/// The splices of one merge come in order: each is to be made to the text as the ones before it
/// left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice<'a> {
    /// Where, from the start of the text.
    pub pos: TextLen,
    /// How much goes from there on.
    pub deleted: TextLen,
    /// What comes there.
    pub inserted: &'a str,
}
