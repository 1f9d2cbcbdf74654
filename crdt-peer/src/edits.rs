//! The least edits that turn one text into another: lines are compared first, then the words of the
//! lines that differ, then the ends of the words that differ.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, Token};

/// From here on (CJK) scripts put no spaces between words, so that each char counts as one.
const WITHOUT_SPACES: char = '\u{2e80}';

/// A replacement. Places are counted in chars of the text as the edits before left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) position: usize,
    /// How many chars go.
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

/// The edits that turn `before` into `after`, from left to right. About O(length), whatever the texts:
/// where they have little in common, the edits are not the very least.
pub(crate) fn edits(before: &str, after: &str) -> Vec<Edit> {
    let mut out = Writer {
        before,
        after,
        bytes: 0,
        position: 0,
        edits: Vec::new(),
    };
    for (old, new) in changes(
        before,
        after,
        before.split_inclusive('\n'),
        after.split_inclusive('\n'),
        Algorithm::Histogram,
    ) {
        let (old_text, new_text) = (&before[old.clone()], &after[new.clone()]);
        let words = changes(
            old_text,
            new_text,
            words(old_text),
            words(new_text),
            Algorithm::Myers,
        );
        for (old_part, new_part) in words {
            out.change(
                old.start + old_part.start..old.start + old_part.end,
                new.start + new_part.start..new.start + new_part.end,
            );
        }
    }
    out.edits
}

/// The byte ranges that differ, given both texts in pieces.
fn changes<'a>(
    before: &'a str,
    after: &'a str,
    old: impl Iterator<Item = &'a str>,
    new: impl Iterator<Item = &'a str>,
    algorithm: Algorithm,
) -> Vec<(Range<usize>, Range<usize>)> {
    if before.is_empty() || after.is_empty() {
        return vec![(0..before.len(), 0..after.len())];
    }
    let mut input = InternedInput::<&str>::default();
    input.update_before(old);
    input.update_after(new);
    let diff = Diff::compute(algorithm, &input);
    let (old_ends, new_ends) = (ends(&input, &input.before), ends(&input, &input.after));
    let range = |ends: &[usize], tokens: Range<u32>| {
        let at = |token: u32| ends[token as usize];
        at(tokens.start)..at(tokens.end)
    };
    diff.hunks()
        .map(|hunk| (range(&old_ends, hunk.before), range(&new_ends, hunk.after)))
        .collect()
}

/// Where each piece begins, in bytes, and where the last one ends.
fn ends(input: &InternedInput<&str>, tokens: &[Token]) -> Vec<usize> {
    let mut end = 0;
    let mut all = Vec::with_capacity(tokens.len() + 1);
    all.push(0);
    for &token in tokens {
        end += input.interner[token].len();
        all.push(end);
    }
    all
}

/// The words of a text, and every char that is part of none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_in_word = |c: char| c.is_alphanumeric() && c < WITHOUT_SPACES;
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if is_in_word(first) {
            rest.find(|c| !is_in_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Turns byte ranges of both texts into edits.
struct Writer<'a> {
    before: &'a str,
    after: &'a str,
    /// How much of `before` is done, in bytes.
    bytes: usize,
    /// Where that is in the text as edited so far, in chars.
    position: usize,
    edits: Vec<Edit>,
}

impl Writer<'_> {
    fn change(&mut self, old: Range<usize>, new: Range<usize>) {
        let (mut gone, mut come) = (&self.before[old.clone()], &self.after[new]);
        let start: usize = gone
            .chars()
            .zip(come.chars())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        (gone, come) = (&gone[start..], &come[start..]);
        let end: usize = (gone.chars().rev())
            .zip(come.chars().rev())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        (gone, come) = (&gone[..gone.len() - end], &come[..come.len() - end]);
        if gone.is_empty() && come.is_empty() {
            return;
        }
        let start = old.start + start;
        self.position += self.before[self.bytes..start].chars().count();
        self.bytes = start + gone.len();
        self.edits.push(Edit {
            position: self.position,
            deleted: gone.chars().count(),
            inserted: come.to_owned(),
        });
        self.position += come.chars().count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(before: &str, edits: &[Edit]) -> String {
        let mut text: Vec<char> = before.chars().collect();
        for edit in edits {
            let range = edit.position..edit.position + edit.deleted;
            text.splice(range, edit.inserted.chars());
        }
        text.into_iter().collect()
    }

    fn edit(position: usize, deleted: usize, inserted: &str) -> Edit {
        let inserted = inserted.to_owned();
        Edit {
            position,
            deleted,
            inserted,
        }
    }

    #[test]
    fn an_edit_is_no_larger_than_what_changed() {
        for (before, after, expected) in [
            ("", "", vec![]),
            ("same\n", "same\n", vec![]),
            ("", "new", vec![edit(0, 0, "new")]),
            ("old", "", vec![edit(0, 3, "")]),
            ("one two three", "one too three", vec![edit(5, 1, "o")]),
            ("a\nb\nc\n", "a\nc\n", vec![edit(2, 2, "")]),
            ("a\nc\n", "a\nb\nc\n", vec![edit(2, 0, "b\n")]),
            ("end", "end\n", vec![edit(3, 0, "\n")]),
            (
                "red fox, blue sky",
                "wed fox, blue ski",
                vec![edit(0, 1, "w"), edit(16, 1, "i")],
            ),
            ("é🦊x", "é🦊yx", vec![edit(2, 0, "y")]),
            (
                "狐は速い。空",
                "狐が速い。海",
                vec![edit(1, 1, "が"), edit(5, 1, "海")],
            ),
            ("a\r\nb", "a\nb", vec![edit(1, 1, "")]),
        ] {
            let edits = edits(before, after);
            assert_eq!(edits, expected, "{before:?} to {after:?}");
            assert_eq!(applied(before, &edits), after);
        }
    }

    #[test]
    fn the_edits_lead_from_any_text_to_any_other() {
        let pieces = [
            "a", "b", "ab", " ", "\n", "\r\n", "é", "🦊", "狐", "the", ".",
        ];
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let text = |random: &mut fastrand::Rng| -> String {
                let count = random.usize(..30);
                (0..count)
                    .map(|_| *random.choice(&pieces).unwrap_or(&""))
                    .collect()
            };
            let (before, after) = (text(&mut random), text(&mut random));
            let edits = edits(&before, &after);
            assert_eq!(applied(&before, &edits), after, "seed {seed}");
        }
    }
}
