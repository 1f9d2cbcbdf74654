//! Files of texts with long repeats.

use crdt_core::{Document, LoadLimits, Preset, SaveOptions};
use fastrand::Rng;

use crate::files::{Parts, all_options, assert_same, golden};

/// The codecs of sections with copies.
const APART: [u8; 2] = [4, 5];

/// A text that was pasted, changed and deleted repeatedly.
pub(crate) fn pasted(rng: &mut Rng, times: usize) -> Document {
    let words = (0..60).map(|_| format!("{} ", rng.u32(..1000)));
    let part: String = words.chain(["größer 🦀\n".into()]).collect();
    let mut doc = Document::new("writer").unwrap();
    for _ in 0..times {
        let at = rng.usize(0..=doc.len_chars());
        doc.insert(at, &part).unwrap();
        let at = rng.usize(0..doc.len_chars() / 2);
        doc.delete(at, rng.usize(1..doc.len_chars() / 2)).unwrap();
    }
    doc
}

fn has_copies(file: &[u8]) -> bool {
    let sections = Parts::of(file).sections;
    sections.iter().any(|(_, codec, _)| APART.contains(codec))
}

#[test]
fn copies_round_trip_in_every_form() {
    let mut with_copies = 0;
    for seed in 0..20 {
        let doc = pasted(&mut Rng::with_seed(seed), 4 + seed as usize);
        let mut sizes = Vec::new();
        for options in all_options() {
            let file = doc.save(&options).unwrap();
            with_copies += usize::from(has_copies(&file));
            assert_same(&Document::load("z", &file).unwrap(), &doc);
            let limits = LoadLimits::default();
            assert_same(&Document::load_verified("z", &file, &limits).unwrap(), &doc);
            sizes.push((
                options.without_text,
                options.preset == Preset::Small,
                file.len(),
            ));
        }
        for without_text in [false, true] {
            let of = |small| {
                let all = sizes
                    .iter()
                    .filter(move |s| (s.0, s.1) == (without_text, small));
                all.map(|size| size.2).min()
            };
            assert!(of(true) <= of(false), "{sizes:?}");
        }
    }
    assert!(with_copies > 40, "{with_copies}");
}

/// A few bytes never expand to very many, neither in written files nor in read ones.
#[test]
fn copies_expand_by_no_more_than_the_allowed_ratio() {
    let mut doc = Document::new("writer").unwrap();
    doc.insert(0, &"7".repeat(1 << 20)).unwrap();
    for preset in [Preset::Balanced, Preset::Small] {
        let file = doc
            .save(&SaveOptions::new(preset).without_text(true))
            .unwrap();
        assert!(!has_copies(&file) && file.len() < 8192);
        assert_same(&Document::load("z", &file).unwrap(), &doc);
    }
    let file = pasted(&mut Rng::with_seed(2), 5).save(&SaveOptions::new(Preset::Small));
    let mut parts = Parts::of(&file.unwrap());
    let apart = parts
        .sections
        .iter_mut()
        .find(|part| APART.contains(&part.1));
    // It claims 2^27 bytes.
    apart.unwrap().2.splice(..2, [0x80, 0x80, 0x80, 0x40]);
    let refused = Document::load("z", &parts.join()).map(|doc| doc.check_history());
    assert!(!matches!(refused, Ok(Ok(()))));
}

/// A damaged section with copies gives an error or another valid document.
#[test]
fn damaged_copies_are_refused_or_give_another_document() {
    let mut rng = Rng::with_seed(5);
    let doc = pasted(&mut rng, 5);
    for preset in [Preset::Balanced, Preset::Small] {
        let file = doc.save(&SaveOptions::new(preset)).unwrap();
        let whole = Parts::of(&file);
        for (i, (_, codec, body)) in whole.sections.iter().enumerate() {
            if !APART.contains(codec) {
                continue;
            }
            for at in 0..body.len().min(300) {
                let mut parts = Parts::of(&file);
                let body = &mut parts.sections[i].2;
                match rng.u8(..3) {
                    0 => body[at] ^= 1 << rng.u8(..8),
                    1 => body[at] = 0xff,
                    _ => body.truncate(at),
                }
                let limits = LoadLimits::default();
                if let Err(error) = Document::load_verified("z", &parts.join(), &limits) {
                    let codes = ["bad_bytes", "inconsistent_file", "too_large"];
                    assert!(codes.contains(&error.code()), "{}", error.code());
                }
            }
        }
    }
}

/// Files with copies of every version that there ever was still open. `CRDT_WRITE_DATA=1` adds those of a new
/// version.
#[test]
fn old_files_with_copies_still_open() {
    let folder = golden().join("repeats");
    let operations = folder.join("document.json");
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        let doc = pasted(&mut Rng::with_seed(1), 6);
        if !operations.exists() {
            std::fs::write(&operations, doc.operations_json().unwrap()).unwrap();
        }
        for preset in [Preset::Balanced, Preset::Small] {
            let path = folder.join(format!("v2-{preset:?}.crdt").to_lowercase());
            if !path.exists() {
                std::fs::write(path, doc.save(&SaveOptions::new(preset)).unwrap()).unwrap();
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
        assert!(has_copies(&file));
        let limits = LoadLimits::default();
        assert_same(
            &Document::load_verified("reader", &file, &limits).unwrap(),
            &expected,
        );
        count += 1;
    }
    assert_eq!(count, 2, "some golden files are missing");
}
