//! One replacement in place of many changes, for who has nothing to keep in the text yet.

use crdt_core::TextLen;

use crate::types::OwnedSplice;

/// The replacement that makes `after` of `before`: what they have in common at their ends stays. None
/// if they are equal.
pub(super) fn replacement(before: &str, after: &str) -> Option<OwnedSplice> {
    if before == after {
        return None;
    }
    let same = before.bytes().zip(after.bytes());
    let mut start = same.take_while(|(a, b)| a == b).count();
    while !before.is_char_boundary(start) || !after.is_char_boundary(start) {
        start -= 1;
    }
    let (old, new) = (&before[start..], &after[start..]);
    let same = old.bytes().rev().zip(new.bytes().rev());
    let mut end = same.take_while(|(a, b)| a == b).count();
    while !old.is_char_boundary(old.len() - end) || !new.is_char_boundary(new.len() - end) {
        end -= 1;
    }
    Some(OwnedSplice {
        pos: length(&before[..start]),
        deleted: length(&old[..old.len() - end]),
        inserted: new[..new.len() - end].to_owned(),
    })
}

fn length(text: &str) -> TextLen {
    TextLen {
        chars: text.chars().count(),
        utf16: text.encode_utf16().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_ends_share_stays() {
        for (before, after, at, deleted, inserted) in [
            ("", "abc", (0, 0), (0, 0), "abc"),
            ("abc", "", (0, 0), (3, 3), ""),
            ("abc", "abxc", (2, 2), (0, 0), "x"),
            ("aaa", "aa", (2, 2), (1, 1), ""),
            ("aa", "aaa", (2, 2), (0, 0), "a"),
            ("🦀é", "🦀è", (1, 2), (1, 1), "è"),
            ("🦀", "🦁", (0, 0), (1, 2), "🦁"),
            // U+1F980 and U+1F9C0 end in the same byte.
            ("x🦀", "x🧀", (1, 1), (1, 2), "🧀"),
            ("one two", "one and two", (4, 4), (0, 0), "and "),
        ] {
            let splice = replacement(before, after).expect(after);
            assert_eq!((splice.pos.chars, splice.pos.utf16), at, "{after}");
            let gone = (splice.deleted.chars, splice.deleted.utf16);
            assert_eq!(gone, deleted, "{after}");
            assert_eq!(splice.inserted, inserted);
        }
        assert_eq!(replacement("same", "same"), None);
    }
}
