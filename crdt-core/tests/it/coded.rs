//! Files in prefix codes: those of longer documents in the default form.

use crdt_core::{Document, LoadLimits, Preset, SaveOptions};
use fastrand::Rng;

use crate::files::{Parts, assert_same, golden};
use crate::histories::for_each_seed;

const CODED: u8 = 6;

/// What two wrote who took turns at random, and edited at once in between.
fn written(rng: &mut Rng, edits: usize) -> Document {
    let mut docs = ["alice", "bob"].map(|name| Document::new(name).unwrap());
    for _ in 0..edits {
        let [a, b] = &mut docs;
        let doc = if rng.bool() { &mut *a } else { &mut *b };
        let len = doc.len_chars();
        if len > 40 && rng.u8(..3) == 0 {
            let at = rng.usize(..len - 30);
            doc.delete(at, rng.usize(1..30)).unwrap();
        } else {
            let word = ["the ", "größer ", "字🦀 ", "(or not)\n", "something else, "];
            let text = format!("{}{}", word[rng.usize(..5)], rng.u32(..5000));
            doc.insert(rng.usize(..=len), &text).unwrap();
        }
        if rng.bool() {
            let (from, to) = if rng.bool() { (&*a, b) } else { (&*b, a) };
            let from = from.clone();
            to.merge_from(&from, &mut |_| {}).unwrap();
        }
    }
    let [mut a, b] = docs;
    a.merge_from(&b, &mut |_| {}).unwrap();
    a
}

/// The types of the sections that are coded.
fn coded(file: &[u8]) -> Vec<u8> {
    let sections = Parts::of(file).sections.into_iter();
    let coded = sections.filter(|(_, codec, _)| *codec == CODED);
    coded.map(|(kind, _, _)| kind).collect()
}

#[test]
fn they_come_back() {
    for_each_seed(4, |seed| {
        let doc = written(&mut Rng::with_seed(seed), 1200);
        for without_text in [false, true] {
            let options = SaveOptions::default().without_text(without_text);
            let file = doc.save(&options).unwrap();
            // The graph, the operations, and the text that is not in the text, or all of it.
            let text = if without_text { 5 } else { 6 };
            assert_eq!(coded(&file), [3, 4, text]);
            assert_same(&Document::load("z", &file).unwrap(), &doc);
            let limits = LoadLimits::default();
            let verified = Document::load_verified("z", &file, &limits).unwrap();
            assert_same(&verified, &doc);
            assert_eq!(verified.save(&options).unwrap(), file);
            let fast = SaveOptions::new(Preset::Fast).without_text(without_text);
            assert!(file.len() < doc.save(&fast).unwrap().len());
            let small = SaveOptions::new(Preset::Small).without_text(without_text);
            assert!(file.len() >= doc.save(&small).unwrap().len());
        }
    });
}

/// Whatever is changed in what is coded: an error, or a document that others can use.
#[test]
fn forged_codes_never_harm() {
    let mut rng = Rng::with_seed(3);
    let doc = written(&mut rng, 900);
    let file = doc.save(&SaveOptions::default()).unwrap();
    let limits = LoadLimits::default();
    for (i, (_, codec, body)) in Parts::of(&file).sections.into_iter().enumerate() {
        if codec != CODED {
            continue;
        }
        let places = (0..100).chain((0..60).map(|_| rng.usize(100..body.len())));
        for at in places.collect::<Vec<usize>>() {
            let mut parts = Parts::of(&file);
            let body = &mut parts.sections[i].2;
            match rng.u8(..4) {
                0 => body[at] = rng.u8(..),
                1 => body.truncate(at),
                _ => body[at] ^= 1 << rng.u8(..8),
            }
            match Document::load_verified("z", &parts.join(), &limits) {
                Ok(doc) => {
                    let mut copy = Document::new("copy").unwrap();
                    copy.merge_json(&doc.operations_json().unwrap()).unwrap();
                    assert_eq!(copy.text(), doc.text());
                }
                Err(error) => {
                    let codes = ["bad_bytes", "inconsistent_file", "impossible_event"];
                    assert!(codes.contains(&error.code()), "{}", error.code());
                }
            }
        }
    }
}

/// Files in prefix codes of every version that there ever was still open. `CRDT_WRITE_DATA=1` adds those of a
/// new version.
#[test]
fn old_files_in_codes_still_open() {
    let folder = golden().join("coded");
    let operations = folder.join("document.json");
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        let doc = written(&mut Rng::with_seed(1), 1000);
        if !operations.exists() {
            std::fs::write(&operations, doc.operations_json().unwrap()).unwrap();
        }
        for without_text in [false, true] {
            let name = if without_text { "v2-no-text" } else { "v2" };
            let path = folder.join(format!("{name}.crdt"));
            let options = SaveOptions::default().without_text(without_text);
            if !path.exists() {
                std::fs::write(path, doc.save(&options).unwrap()).unwrap();
            }
        }
    }
    let mut expected = Document::new("reader").unwrap();
    let json = std::fs::read_to_string(&operations).unwrap();
    expected.merge_json(&json).unwrap();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path == operations {
            continue;
        }
        let file = std::fs::read(path).unwrap();
        assert_eq!(coded(&file).len(), 3);
        let limits = LoadLimits::default();
        assert_same(
            &Document::load_verified("reader", &file, &limits).unwrap(),
            &expected,
        );
        count += 1;
    }
    assert_eq!(count, 2, "some golden files are missing");
}
