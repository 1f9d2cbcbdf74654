//! Local edits given in UTF-16 units, as JavaScript counts, turned into edits of whole characters.
//!
//! The rule for a position inside a surrogate pair: an insertion goes before the pair, a deletion
//! takes the whole pair. Each edit reports what it really changed.

use crdt_core::Document;

use crate::error::BindingError;

/// One replacement in the text, in UTF-16 units: at `position`, `deleted` units give way to
/// `inserted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextChange {
    pub(crate) position: usize,
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

/// What a local edit really changed, in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    pub(crate) position: usize,
    pub(crate) deleted: usize,
}

/// Inserts `text` before the unit at `position`.
#[inline(always)]
pub(crate) fn insert(
    document: &mut Document,
    position: usize,
    text: &str,
) -> Result<Edited, BindingError> {
    let (at, start) = floor(document, "position", position)?;
    if !text.is_empty() {
        document.insert(at, text)?;
    }
    Ok(Edited {
        position: start,
        deleted: 0,
    })
}

/// Deletes `length` units from `position` on.
#[inline(always)]
pub(crate) fn delete(
    document: &mut Document,
    position: usize,
    length: usize,
) -> Result<Edited, BindingError> {
    let (from, start) = floor(document, "position", position)?;
    let wanted_end = position.saturating_add(length);
    let (mut to, mut end) = floor(document, "position + length", wanted_end)?;
    if length > 0 && end < wanted_end {
        to += 1;
        end += 2;
    }
    let deleted = if length > 0 {
        document.delete(from, to - from)?;
        end - start
    } else {
        0
    };
    Ok(Edited {
        position: start,
        deleted,
    })
}

/// The text between two positions, both rounded down to whole characters; none where it would end
/// before it starts.
pub(crate) fn slice(document: &Document, from: usize, to: usize) -> Result<String, BindingError> {
    let (to, _) = floor(document, "to", to)?;
    let (from, _) = floor(document, "from", from)?;
    Ok(document.slice(from..to)?.into_owned())
}

/// The character that holds the unit at `position`, and the unit where it starts.
#[inline(always)]
pub(crate) fn floor(
    document: &Document,
    name: &'static str,
    position: usize,
) -> Result<(usize, usize), BindingError> {
    let length = document.len_utf16();
    // Without surrogate pairs every character is one unit.
    let place = if length == document.len_chars() {
        (position <= length).then_some((position, position))
    } else {
        document
            .utf16_to_char(position)
            .and_then(|at| Some((at, document.char_to_utf16(at)?)))
    };
    place.ok_or(BindingError::OutOfBounds {
        name,
        value: position,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        let mut document = Document::new("alice").expect("a valid name");
        document.insert(0, text).expect("position 0 exists");
        document
    }

    fn edited(position: usize, deleted: usize) -> Edited {
        Edited { position, deleted }
    }

    #[test]
    fn insert_inside_a_pair_goes_before_it() {
        let mut text = document("a😀b");
        assert_eq!(insert(&mut text, 2, "x"), Ok(edited(1, 0)));
        assert_eq!(text.text(), "ax😀b");
    }

    #[test]
    fn delete_takes_whole_pairs() {
        // (position, length) of "a😀b😀c", units: a 0, pair 1-2, b 3, pair 4-5, c 6.
        for (position, length, at, deleted, left) in [
            (1, 1, 1, 2, "ab😀c"),
            (2, 1, 1, 2, "ab😀c"),
            (2, 2, 1, 3, "a😀c"),
            (2, 3, 1, 5, "ac"),
            (0, 2, 0, 3, "b😀c"),
            (2, 0, 1, 0, "a😀b😀c"),
            (0, 7, 0, 7, ""),
            (7, 0, 7, 0, "a😀b😀c"),
        ] {
            let mut text = document("a😀b😀c");
            assert_eq!(
                delete(&mut text, position, length),
                Ok(edited(at, deleted)),
                "delete {length} at {position}"
            );
            assert_eq!(text.text(), left, "delete {length} at {position}");
        }
    }

    #[test]
    fn without_pairs_positions_are_characters() {
        let mut text = document("aé字b");
        assert_eq!(insert(&mut text, 3, "x"), Ok(edited(3, 0)));
        assert_eq!(delete(&mut text, 1, 2), Ok(edited(1, 2)));
        assert_eq!(text.text(), "axb");
        let refused = insert(&mut text, 4, "x").expect_err("the text has 3 units");
        assert_eq!(refused.code(), "out_of_bounds");
    }

    #[test]
    fn past_the_end_is_refused_and_changes_nothing() {
        let mut text = document("a😀");
        let refused = insert(&mut text, 4, "x").expect_err("the text has 3 units");
        assert_eq!(refused.code(), "out_of_bounds");
        for (position, length) in [(4, 0), (3, 1), (0, 4), (1, usize::MAX)] {
            let refused = delete(&mut text, position, length).expect_err("past the end");
            assert_eq!(refused.code(), "out_of_bounds");
        }
        assert_eq!(text.text(), "a😀");
        assert_eq!(text.event_count(), 2);
    }

    #[test]
    fn empty_edits_leave_no_event() {
        let mut text = document("ab");
        assert_eq!(insert(&mut text, 1, ""), Ok(edited(1, 0)));
        assert_eq!(delete(&mut text, 1, 0), Ok(edited(1, 0)));
        assert_eq!(text.event_count(), 2);
    }
}
