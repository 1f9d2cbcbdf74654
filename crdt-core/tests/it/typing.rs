//! Chars typed and erased one at a time around a cursor, as most edits come, with others' edits and
//! saving in between: the text is that of a list of chars, and the history that of the oracle.

use std::ops::Range;

use crate::histories::*;
use crate::oracle;
use crdt_core::{Document, LoadLimits, Preset, SaveOptions, VersionSummary};
use fastrand::Rng;

#[test]
fn chars_typed_one_at_a_time_agree_with_a_list() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let ascii = rng.bool();
        let alphabet: Vec<char> = if ascii { "ab \n" } else { "ab\né字🦀" }.chars().collect();
        let mut doc = Document::new("a").unwrap();
        let mut other = Document::new("b").unwrap();
        let mut model: Vec<char> = Vec::new();
        let mut cursor = 0;
        for _ in 0..rng.usize(20..400) {
            match rng.u8(0..100) {
                // On the right of the cursor, on its left, behind it.
                0..50 => {
                    let char = alphabet[rng.usize(0..alphabet.len())];
                    doc.insert(cursor, char.encode_utf8(&mut [0; 4])).unwrap();
                    model.insert(cursor, char);
                    cursor += 1;
                }
                50..75 if cursor > 0 => {
                    cursor -= 1;
                    doc.delete(cursor, 1).unwrap();
                    model.remove(cursor);
                }
                75..90 if cursor < model.len() => {
                    doc.delete(cursor, 1).unwrap();
                    model.remove(cursor);
                }
                90..94 => cursor = rng.usize(0..=model.len()),
                94 => {
                    doc.insert(cursor, "pasted\n").unwrap();
                    model.splice(cursor..cursor, "pasted\n".chars());
                }
                95 => {
                    // The other one writes at the same time.
                    sync(&mut rng, &doc, &mut other);
                    random_edit(&mut rng, &mut other);
                    sync(&mut rng, &other, &mut doc);
                    model = doc.text().chars().collect();
                    cursor = cursor.min(model.len());
                }
                96 => {
                    let preset = [Preset::Fast, Preset::Balanced][rng.usize(0..2)];
                    let options = SaveOptions::new(preset).without_text(rng.bool());
                    let saved = doc.save(&options).unwrap();
                    doc = if rng.bool() {
                        Document::load("a", &saved).unwrap()
                    } else {
                        Document::load_verified("a", &saved, &LoadLimits::default()).unwrap()
                    };
                }
                _ => {}
            }
            assert!(doc.insert(model.len() + 1, "x").is_err());
            assert!(doc.delete(model.len(), 1).is_err());
            assert_eq!(doc.len_chars(), model.len());
            let line = model[..cursor].iter().filter(|&&c| c == '\n').count();
            assert_eq!(doc.char_to_line(cursor), Some(line));
            let units = model[..cursor].iter().map(|c| c.len_utf16()).sum();
            assert_eq!(doc.char_to_utf16(cursor), Some(units));
        }
        let text: String = model.iter().collect();
        assert_eq!(doc.text(), text);
        let operations = doc.operations_json().unwrap();
        assert_eq!(oracle::replay(&events(&operations)), text);
        let mut reader = Document::new("reader").unwrap();
        let patch = doc.encode_since(&VersionSummary::new()).unwrap();
        reader.merge_patch(&patch).unwrap();
        assert_eq!(reader.text(), text);
        assert_eq!(reader.operations_json().unwrap(), operations);
        assert_eq!(reader.frontier(), doc.frontier());
        assert_eq!(reader.summary(), doc.summary());
    });
}

#[test]
fn a_part_of_the_text() {
    let mut doc = Document::new("alice").unwrap();
    let text: String = "aé字😀\n".repeat(200);
    doc.insert(0, &text).unwrap();
    let chars: Vec<char> = text.chars().collect();
    for range in [0..1000, 0..0, 3..4, 499..731, 999..1000, 1000..1000] {
        let expected: String = chars[range.clone()].iter().collect();
        assert_eq!(doc.slice(range).unwrap(), expected);
    }
    assert_eq!(doc.slice(Range { start: 7, end: 3 }).unwrap(), "");
    for range in [
        0..1001,
        1001..1001,
        Range {
            start: 1001,
            end: 3,
        },
    ] {
        let refused = doc.slice(range).unwrap_err();
        assert_eq!(refused.code(), "out_of_bounds");
    }
}
