//! Folds the splices of a merge into the fewest replacements that say the same.
//!
//! A merge hands out one splice per run it applies, each counted in the text as the one before
//! left it; a long absence gives thousands. An editor wants them as one transaction. [`Delta`]
//! composes them as they come and gives non-overlapping replacements, from the end of the text to
//! its start, so that they may be applied one after the other and all positions also hold in the
//! text before the merge.

use crdt_core::{Splice, TextLen};

use crate::edit::TextChange;

/// A piece of the text, as it was or as it is. Lengths are in UTF-16 units.
#[derive(Debug)]
enum Segment {
    /// Text that stays.
    Keep(usize),
    /// Text of before that is gone; it takes no room in the new text.
    Delete(usize),
    /// Text that is new.
    Insert { text: String, len: usize },
}

/// New text is kept in pieces of about this many bytes, so that an edit inside a long insertion
/// moves little.
const PIECE: usize = 1024;

/// The sum of the splices so far, as the segments left and right of the last one. What follows the
/// last segment is kept.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    left: Vec<Segment>,
    /// The nearest is last.
    right: Vec<Segment>,
    /// Where the gap between `left` and `right` is in the new text.
    at: usize,
}

impl Delta {
    /// Adds the next splice.
    pub(crate) fn push(&mut self, splice: &Splice<'_>) {
        self.push_parts(splice.pos, splice.deleted, splice.inserted);
    }

    /// The same from owned parts.
    pub(crate) fn push_parts(&mut self, pos: TextLen, deleted: TextLen, inserted: &str) {
        self.push_units(pos.utf16, deleted.utf16, inserted);
    }

    /// The same with the position and the length in UTF-16 units, which cut no pair.
    pub(crate) fn push_units(&mut self, position: usize, deleted: usize, inserted: &str) {
        self.seek(position);
        self.delete(deleted);
        self.insert(inserted);
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let segments = self.left.iter().chain(&self.right);
        let bytes = segments.map(|segment| match segment {
            Segment::Keep(_) | Segment::Delete(_) => size_of::<Segment>(),
            Segment::Insert { text, .. } => size_of::<Segment>() + text.len(),
        });
        bytes.sum()
    }

    /// The replacements, the one nearest to the end of the text first.
    pub(crate) fn into_changes(mut self) -> Vec<TextChange> {
        self.left.extend(self.right.into_iter().rev());
        let mut changes: Vec<TextChange> = Vec::new();
        let mut old = 0;
        let mut open = false;
        for segment in self.left {
            let (deleted, text) = match segment {
                Segment::Keep(len) => {
                    old += len;
                    open &= len == 0;
                    continue;
                }
                Segment::Delete(len) => (len, String::new()),
                Segment::Insert { text, .. } => (0, text),
            };
            match changes.last_mut().filter(|_| open) {
                Some(change) => {
                    change.deleted += deleted;
                    change.inserted.push_str(&text);
                }
                None => changes.push(TextChange {
                    position: old,
                    deleted,
                    inserted: text,
                }),
            }
            open = true;
            old += deleted;
        }
        changes.retain(|change| change.deleted > 0 || !change.inserted.is_empty());
        changes.reverse();
        changes
    }

    /// Moves the gap to `target` in the new text.
    fn seek(&mut self, target: usize) {
        while self.at > target {
            let Some(segment) = self.left.pop() else {
                self.at = 0;
                return;
            };
            let before = self.at.saturating_sub(segment.new_len());
            if before >= target {
                self.at = before;
                self.right.push(segment);
            } else {
                let (kept, moved) = segment.split(target - before);
                self.right.push(moved);
                self.left.push(kept);
                self.at = target;
            }
        }
        while self.at < target {
            let ahead = target - self.at;
            let Some(segment) = self.right.pop() else {
                self.left.push(Segment::Keep(ahead));
                self.at = target;
                return;
            };
            let len = segment.new_len();
            if len <= ahead {
                self.at += len;
                self.left.push(segment);
            } else {
                let (passed, rest) = segment.split(ahead);
                self.left.push(passed);
                self.right.push(rest);
                self.at = target;
            }
        }
    }

    /// Takes `len` of the new text away, right of the gap.
    fn delete(&mut self, mut len: usize) {
        while len > 0 {
            let Some(segment) = self.right.pop() else {
                self.push_deleted(len);
                return;
            };
            let segment = if segment.new_len() > len {
                let (gone, rest) = segment.split(len);
                self.right.push(rest);
                gone
            } else {
                segment
            };
            let gone = segment.new_len();
            match segment {
                Segment::Keep(old) | Segment::Delete(old) => self.push_deleted(old),
                Segment::Insert { .. } => {}
            }
            len = len.saturating_sub(gone);
        }
    }

    fn push_deleted(&mut self, len: usize) {
        match self.left.last_mut() {
            Some(Segment::Delete(before)) => *before += len,
            _ => self.left.push(Segment::Delete(len)),
        }
    }

    fn insert(&mut self, inserted: &str) {
        if inserted.is_empty() {
            return;
        }
        let added = TextLen::of(inserted).utf16;
        self.at += added;
        match self.left.last_mut() {
            Some(Segment::Insert { text, len }) if text.len() + inserted.len() <= PIECE => {
                text.push_str(inserted);
                *len += added;
            }
            _ => self.left.push(Segment::Insert {
                text: inserted.to_owned(),
                len: added,
            }),
        }
    }
}

impl Segment {
    /// How much of the new text it takes.
    fn new_len(&self) -> usize {
        match self {
            Segment::Keep(len) | Segment::Insert { len, .. } => *len,
            Segment::Delete(_) => 0,
        }
    }

    /// Splits after `at` of the new text; deleted text has none, and stays left.
    fn split(self, at: usize) -> (Segment, Segment) {
        match self {
            Segment::Keep(len) => (Segment::Keep(at), Segment::Keep(len.saturating_sub(at))),
            Segment::Delete(len) => (Segment::Delete(len), Segment::Keep(0)),
            Segment::Insert { mut text, len } => {
                let mut units = 0;
                let start = text.char_indices().find(|(_, char)| {
                    let here = units >= at;
                    units += char.len_utf16();
                    here
                });
                let rest = text.split_off(start.map_or(text.len(), |(byte, _)| byte));
                (
                    Segment::Insert { text, len: at },
                    Segment::Insert {
                        text: rest,
                        len: len.saturating_sub(at),
                    },
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of numbers, so that a seed gives the same run everywhere.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) % bound as u64) as usize
        }
    }

    fn apply(text: &str, position: usize, deleted: usize, inserted: &str) -> String {
        let mut units: Vec<u16> = text.encode_utf16().collect();
        units.splice(position..position + deleted, inserted.encode_utf16());
        String::from_utf16(&units).expect("changes keep pairs whole")
    }

    fn len_of(chars: &[char]) -> TextLen {
        TextLen::of(&chars.iter().collect::<String>())
    }

    fn run(seed: u64) {
        let mut random = Random(seed);
        let alphabet = ['a', 'b', 'é', '字', '😀', '𝄞'];
        let word = |random: &mut Random, max: usize| -> String {
            let length = random.below(max + 1);
            (0..length)
                .map(|_| alphabet[random.below(alphabet.len())])
                .collect()
        };
        let before = word(&mut random, 60);
        let mut now: Vec<char> = before.chars().collect();
        let mut delta = Delta::default();
        for _ in 0..random.below(40) {
            let from = random.below(now.len() + 1);
            let to = from + random.below((now.len() - from).min(12) + 1);
            let inserted = match random.below(10) {
                0 => word(&mut random, 900),
                1..=3 => String::new(),
                _ => word(&mut random, 6),
            };
            delta.push(&Splice {
                pos: len_of(&now[..from]),
                deleted: len_of(&now[from..to]),
                inserted: &inserted,
            });
            now.splice(from..to, inserted.chars());
        }
        let expected: String = now.iter().collect();
        let changes = delta.into_changes();
        let mut text = before.clone();
        let mut limit = before.encode_utf16().count();
        for change in &changes {
            assert!(
                change.position + change.deleted <= limit,
                "replacements go from the end to the start and do not overlap"
            );
            limit = change.position;
            text = apply(&text, change.position, change.deleted, &change.inserted);
        }
        assert_eq!(text, expected);
    }

    #[test]
    fn any_splices_fold_into_changes_that_give_the_same_text() {
        let start = std::env::var("SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(1);
        for seed in start..start + 2000 {
            if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
                println!("failed with SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }

    #[test]
    fn typing_is_one_change() {
        let mut delta = Delta::default();
        for (at, char) in "hey 😀".chars().enumerate() {
            let pos = TextLen {
                chars: 3 + at,
                utf16: 4 + at,
            };
            delta.push_parts(pos, TextLen::default(), char.encode_utf8(&mut [0; 4]));
        }
        let change = TextChange {
            position: 4,
            deleted: 0,
            inserted: "hey 😀".to_owned(),
        };
        assert_eq!(delta.into_changes(), [change]);
    }

    #[test]
    fn what_came_and_went_is_no_change() {
        let mut delta = Delta::default();
        let at = TextLen { chars: 5, utf16: 5 };
        delta.push_parts(at, TextLen::default(), "gone");
        delta.push_parts(at, TextLen { chars: 4, utf16: 4 }, "");
        assert_eq!(delta.into_changes(), []);
    }
}
