//! Documents as files: they round-trip, open without their history, and damaged ones are refused.

use std::path::{Path, PathBuf};

use crdt_core::{
    Bias, Document, EventId, Frontier, LoadError, LoadLimits, MergeError, Preset, SaveOptions,
    UndoManager, VersionSummary,
};
use fastrand::Rng;

use crate::histories::{for_each_seed, random_edit, random_replicas, sync};

const PRESETS: [Preset; 3] = [Preset::Fast, Preset::Balanced, Preset::Small];

pub(crate) fn all_options() -> impl Iterator<Item = SaveOptions> {
    PRESETS.into_iter().flat_map(|preset| {
        [false, true].map(|without_text| SaveOptions::new(preset).without_text(without_text))
    })
}

pub(crate) fn random_options(rng: &mut Rng) -> SaveOptions {
    SaveOptions::new(PRESETS[rng.usize(0..3)]).without_text(rng.u8(0..4) == 0)
}

pub(crate) fn assert_same(a: &Document, b: &Document) {
    assert_eq!(a.frontier(), b.frontier());
    assert_eq!(a.summary(), b.summary());
    assert_eq!(a.event_count(), b.event_count());
    assert_eq!(a.text(), b.text());
    assert_eq!(a.operations_json().unwrap(), b.operations_json().unwrap());
}

#[test]
fn files_round_trip() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(0..40);
        let doc = random_replicas(&mut rng, steps).swap_remove(0);
        for options in all_options() {
            let bytes = doc.save(&options).unwrap();
            let loaded = Document::load("z", &bytes).unwrap();
            assert_same(&loaded, &doc);
            assert_eq!(loaded.check_history(), Ok(()));
            // The same history makes the same file, whether it was packed in between or not.
            assert_eq!(loaded.save(&options).unwrap(), bytes);
            let verified = Document::load_verified("z", &bytes, &LoadLimits::default()).unwrap();
            assert_same(&verified, &doc);
        }
    });
}

/// Replicas that are saved and loaded at any moment while they edit and merge have the same text as
/// those that are not.
#[test]
fn loaded_documents_can_be_edited_and_merged() {
    for_each_seed(200, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 15);
        docs.truncate(3);
        let mut plain = docs.clone();
        for _ in 0..25 {
            let i = rng.usize(0..docs.len());
            match rng.u8(0..4) {
                0 => {
                    let bytes = docs[i].save(&random_options(&mut rng)).unwrap();
                    docs[i] = Document::load(docs[i].agent(), &bytes).unwrap();
                }
                1 => {
                    let from = rng.usize(0..docs.len());
                    let (a, b) = (docs[from].clone(), plain[from].clone());
                    let mut same = rng.clone();
                    sync(&mut rng, &a, &mut docs[i]);
                    sync(&mut same, &b, &mut plain[i]);
                }
                _ => {
                    let mut same = rng.clone();
                    random_edit(&mut rng, &mut docs[i]);
                    random_edit(&mut same, &mut plain[i]);
                    // The heads answer these, as long as nothing else is asked.
                    assert_eq!(docs[i].summary(), plain[i].summary());
                    assert_eq!(docs[i].frontier(), plain[i].frontier());
                    for id in plain[i].frontier().ids() {
                        assert!(docs[i].contains(id));
                    }
                }
            }
        }
        for (a, b) in docs.iter().zip(&plain) {
            assert_same(a, b);
        }
    });
}

/// This includes two agents that alternate, whose history LZ4 packs into fewer bytes than models.
#[test]
fn the_smallest_preset_is_never_larger_than_another() {
    let assert_smallest = |doc: &Document| {
        for without_text in [false, true] {
            let [fast, balanced, small] = PRESETS.map(|preset| {
                let options = SaveOptions::new(preset).without_text(without_text);
                let file = doc.save(&options).unwrap();
                assert_same(&Document::load("z", &file).unwrap(), doc);
                file.len()
            });
            assert!(
                small <= fast && small <= balanced,
                "{fast} {balanced} {small}"
            );
        }
    };
    for_each_seed(60, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(0..40);
        assert_smallest(&random_replicas(&mut rng, steps).swap_remove(0));
    });
    let mut docs = ["a", "b"].map(|name| Document::new(name).unwrap());
    for i in 0..400 {
        let [from, to] = &mut docs;
        from.insert(0, ["some words", "others", "a third text"][i % 3])
            .unwrap();
        from.delete(i % 5, 2).unwrap();
        to.merge_from(from, &mut |_| {}).unwrap();
        docs.reverse();
    }
    assert_smallest(&docs[1]);
}

#[test]
fn an_empty_document_and_a_new_agent() {
    for options in all_options() {
        let bytes = Document::new("a").unwrap().save(&options).unwrap();
        let mut doc = Document::load("b", &bytes).unwrap();
        assert!(doc.is_empty() && doc.event_count() == 0 && doc.frontier().is_empty());
        doc.insert(0, "x🦀y").unwrap();
        doc.delete(1, 1).unwrap();
        let copy = Document::load("c", &doc.save(&options).unwrap()).unwrap();
        assert_same(&copy, &doc);
        assert_eq!(copy.text(), "xy");
    }
}

/// A file in its parts: what comes before the sections, and the sections as type, codec and body.
pub(crate) struct Parts {
    pub(crate) start: Vec<u8>,
    pub(crate) sections: Vec<(u8, u8, Vec<u8>)>,
}

fn varint(bytes: &[u8], at: &mut usize) -> usize {
    let (mut n, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        n |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return n;
        }
    }
}

impl Parts {
    pub(crate) fn of(bytes: &[u8]) -> Parts {
        let mut at = 6;
        let mut sections = Vec::new();
        while at < bytes.len() {
            let (kind, codec) = (bytes[at], bytes[at + 1]);
            at += 2;
            let len = varint(bytes, &mut at);
            sections.push((kind, codec, bytes[at..at + len].to_vec()));
            at += len + 4;
        }
        Parts {
            start: bytes[..6].to_vec(),
            sections,
        }
    }

    /// The file, with right checksums.
    pub(crate) fn join(&self) -> Vec<u8> {
        let mut out = self.start.clone();
        for (kind, codec, body) in &self.sections {
            let start = out.len();
            out.extend([*kind, *codec]);
            let mut len = body.len();
            while len >= 0x80 {
                out.push(len as u8 | 0x80);
                len >>= 7;
            }
            out.push(len as u8);
            out.extend_from_slice(body);
            let sum = xxhash_rust::xxh64::xxh64(&out[start..], 0) as u32;
            out.extend(sum.to_le_bytes());
        }
        out
    }

    pub(crate) fn body(&mut self, kind: u8) -> &mut Vec<u8> {
        let section = self.sections.iter_mut().find(|section| section.0 == kind);
        &mut section.unwrap().2
    }
}

fn sample() -> Document {
    let mut doc = Document::new("alice").unwrap();
    doc.insert(0, "Hello, hello, hello, hello").unwrap();
    let mut bob = Document::new("bob").unwrap();
    bob.merge_json(&doc.operations_json().unwrap()).unwrap();
    bob.insert(0, "> ").unwrap();
    doc.insert(5, " w🦀rld").unwrap();
    doc.delete(1, 2).unwrap();
    doc.merge_json(&bob.operations_json().unwrap()).unwrap();
    doc
}

#[test]
fn every_flipped_bit_and_every_truncation_is_detected() {
    for options in all_options() {
        let bytes = sample().save(&options).unwrap();
        assert_eq!(Parts::of(&bytes).join(), bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(Document::load("a", &bytes).is_err(), "byte {at}, bit {bit}");
            }
            let cut = Document::load("a", &bytes[..at]);
            if let Ok(doc) = cut {
                panic!("cut at {at}: {:?}", doc.text());
            }
        }
        assert!(Document::load("a", &[&bytes[..], &[0]].concat()).is_err());
    }
}

/// Forged files with valid checksums: an error, or a document that others can merge with; never a
/// panic. A document that opened before its history was seen keeps its text.
#[test]
fn forged_files_never_harm() {
    for_each_seed(250, |seed| {
        let mut rng = Rng::with_seed(seed);
        let doc = random_replicas(&mut rng, 14).swap_remove(0);
        let other = Document::new("other").unwrap();
        let options = random_options(&mut rng);
        let bytes = doc.save(&options).unwrap();
        for _ in 0..30 {
            let mut parts = Parts::of(&bytes);
            let i = rng.usize(0..parts.sections.len());
            let body = &mut parts.sections[i].2;
            match rng.u8(0..8) {
                0 => body.truncate(rng.usize(0..=body.len())),
                1 => body.push(rng.u8(..)),
                2 => parts.sections[i].1 = rng.u8(0..4),
                _ if body.is_empty() => {}
                _ => {
                    let at = rng.usize(0..body.len());
                    body[at] ^= 1 << rng.u8(0..8);
                }
            }
            let forged = parts.join();

            let verified = Document::load_verified("z", &forged, &LoadLimits::default());
            if let Ok(doc) = &verified {
                let mut copy = Document::new("copy").unwrap();
                copy.merge_json(&doc.operations_json().unwrap()).unwrap();
                assert_eq!(copy.text(), doc.text());
            }

            let Ok(mut lazy) = Document::load("z", &forged) else {
                assert!(verified.is_err());
                continue;
            };
            lazy.insert(0, "é").unwrap();
            let text = lazy.text();
            match lazy.check_history() {
                Ok(()) => {
                    let saved = lazy.save(&options).unwrap();
                    let read = Document::load_verified("z", &saved, &LoadLimits::default());
                    assert_eq!(read.unwrap().text(), text);
                }
                Err(why) => assert_eq!(lazy.save(&options), Err(why)),
            }
            let mut other = other.clone();
            other.insert(0, "other").unwrap();
            match lazy.merge_patch(&other.encode_since(&VersionSummary::new()).unwrap()) {
                Ok(report) => {
                    assert_eq!(report.applied, 5);
                    assert_eq!(lazy.text().chars().count(), text.chars().count() + 5);
                }
                Err(error) => {
                    assert_eq!(error.code(), "corrupt_history");
                    assert!(verified.is_err());
                    assert_eq!(lazy.text(), text);
                    assert!(lazy.save(&options).is_err());
                }
            }
        }
    });
}

#[test]
fn a_history_that_proves_corrupt_is_refused_when_it_is_needed() {
    for preset in PRESETS {
        let options = SaveOptions::new(preset);
        let mut parts = Parts::of(&sample().save(&options).unwrap());
        parts.body(4)[0] ^= 0x10;
        let bytes = parts.join();
        assert!(Document::load_verified("z", &bytes, &LoadLimits::default()).is_err());

        let mut doc = Document::load("z", &bytes).unwrap();
        let count = sample().event_count();
        assert_eq!(doc.text(), sample().text());
        doc.insert(0, "a").unwrap();
        doc.insert(1, "b").unwrap();
        assert_eq!(doc.event_count(), count + 2);
        assert_eq!(doc.summary().ranges("z"), vec![0..2; 1]);
        let why = doc.check_history().unwrap_err();
        assert_eq!(doc.save(&options), Err(why.clone()));
        let patch = sample().encode_since(&VersionSummary::new()).unwrap();
        let refused = doc.merge_patch(&patch).unwrap_err();
        assert_eq!(refused, MergeError::CorruptHistory(why));
        assert_eq!(refused.code(), "corrupt_history");
        let now = doc.frontier();
        let mut undo = UndoManager::new(&Document::new("z").unwrap());
        undo.checkpoint(&doc);
        let codes = [
            doc.anchor_at(1, Bias::Left).unwrap_err().code(),
            doc.blame(0..1).unwrap_err().code(),
            doc.text_at(&now).unwrap_err().code(),
            doc.revert_to(&now, &mut |_| {}).unwrap_err().code(),
            doc.branch(&now, "y").unwrap_err().code(),
            undo.undo(&mut doc, &mut |_| {}).unwrap_err().code(),
        ];
        assert_eq!(codes, ["corrupt_history"; 6]);
        let id = EventId::new("alice", 0);
        let codes = [
            doc.history().err().unwrap().code(),
            doc.operations_json().unwrap_err().code(),
            doc.time_of(&id).unwrap_err().code(),
            doc.summary_of(&now).unwrap_err().code(),
        ];
        assert_eq!(codes, ["corrupt_history"; 4]);
        assert_eq!(doc.history_start(), Frontier::default());
        // What is seen of it stays as it was, and nothing of it goes out.
        doc.insert(2, "c").unwrap();
        assert_eq!(doc.text(), format!("abc{}", sample().text()));
        assert_eq!(doc.event_count(), count + 3);
        let refused = doc.encode_since(&VersionSummary::new()).unwrap_err();
        assert_eq!(refused.code(), "corrupt_history");
        let refused = doc.operations_since_json(&VersionSummary::new());
        assert_eq!(refused.unwrap_err().code(), "corrupt_history");
    }
}

#[test]
fn a_text_that_the_history_does_not_make_is_found_before_it_is_written() {
    for options in all_options().filter(|options| !options.without_text) {
        let plain = SaveOptions::new(Preset::Fast).without_text(options.without_text);
        let whole = sample().save(&plain).unwrap();
        let text = sample().text();
        let len = text.chars().count();
        let reversed: String = text.chars().rev().collect();
        for forged in [reversed, "x".repeat(len), "🦀".repeat(len)] {
            let mut parts = Parts::of(&whole);
            let (kind, codec, body) = &mut parts.sections[1];
            assert_eq!((*kind, *codec), (2, 0), "the text, plain");
            *body = forged.clone().into_bytes();
            let bytes = parts.join();
            assert!(Document::load_verified("z", &bytes, &LoadLimits::default()).is_err());
            let mut doc = Document::load("z", &bytes).unwrap();
            doc.insert(0, "a").unwrap();
            assert_eq!(doc.text(), format!("a{forged}"));
            let why = doc.check_history().unwrap_err();
            assert_eq!(why.code(), "inconsistent_file");
            assert_eq!(doc.save(&options), Err(why.clone()));
            let patch = sample().encode_since(&VersionSummary::new()).unwrap();
            assert_eq!(
                doc.merge_patch(&patch),
                Err(MergeError::CorruptHistory(why))
            );
        }
    }
}

#[test]
fn limits_are_enforced_and_claims_are_not_trusted() {
    let mut doc = sample();
    doc.insert(3, &"lorem ipsum ".repeat(100)).unwrap();
    for options in all_options() {
        let bytes = doc.save(&options).unwrap();
        for limits in [
            LoadLimits::default().text(1000),
            LoadLimits::default().history(10),
            LoadLimits::default().events(1000),
        ] {
            let error = Document::load_within("z", &bytes, &limits).unwrap_err();
            assert_eq!(error.code(), "too_large", "{error}");
            assert!(matches!(error, LoadError::TooLarge { claimed, limit, .. } if claimed > limit));
            assert!(Document::load_verified("z", &bytes, &limits).is_err());
        }
        // Every section that starts with a length, or a count, claims four billion.
        let whole = Parts::of(&bytes);
        for i in 0..whole.sections.len() {
            let mut parts = Parts::of(&bytes);
            let (_, codec, body) = &mut parts.sections[i];
            if *codec == 0 && i > 0 {
                continue;
            }
            body.splice(0..0, [0xff, 0xff, 0xff, 0xff, 0x0f]);
            let refused = Document::load_verified("z", &parts.join(), &LoadLimits::default());
            assert!(refused.is_err(), "section {i}");
        }
    }
}

#[test]
fn the_form_is_checked() {
    let options = SaveOptions::default();
    let bytes = sample().save(&options).unwrap();
    let code = |bytes: &[u8]| Document::load("z", bytes).unwrap_err().code();
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::of(&bytes);
        change(&mut parts);
        parts.join()
    };
    assert_eq!(code(b""), "bad_bytes");
    assert_eq!(code(b"CRDX"), "bad_bytes");
    assert_eq!(code(&with(&|p| p.start[4] = 3)), "unknown_format_version");
    assert_eq!(code(&with(&|p| p.start[5] = 9)), "bad_bytes");
    assert_eq!(code(&with(&|p| p.sections.swap(1, 2))), "bad_bytes");
    assert_eq!(code(&with(&|p| p.sections.truncate(3))), "bad_bytes");
    assert_eq!(code(&with(&|p| p.sections[0].1 = 1)), "bad_bytes");
    assert_eq!(code(&with(&|p| p.sections[1].1 = 77)), "bad_bytes");
    let twice = with(&|p| {
        let section = p.sections[1].clone();
        p.sections.insert(1, section);
    });
    assert_eq!(code(&twice), "bad_bytes");
    assert_eq!(
        code(&with(&|p| p.sections.push((0x7f, 0, vec![])))),
        "bad_bytes"
    );
    assert_eq!(
        Document::load("", &bytes).unwrap_err().code(),
        "bad_agent_name"
    );
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(code(&damaged), "bad_checksum");

    // What comes later may add sections that may be skipped.
    let later = with(&|p| p.sections.push((0x80, 5, vec![1, 2, 3])));
    assert_same(&Document::load("z", &later).unwrap(), &sample());
}

pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

/// Files of every version still open, with the same content. `CRDT_WRITE_DATA=1` adds those of a
/// new version; those that are there stay as they are.
#[test]
fn old_files_still_open() {
    let operations = golden().join("document.json");
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        std::fs::create_dir_all(golden()).unwrap();
        if !operations.exists() {
            let doc = random_replicas(&mut Rng::with_seed(3), 150).swap_remove(0);
            std::fs::write(&operations, doc.operations_json().unwrap()).unwrap();
        }
        let mut doc = Document::new("writer").unwrap();
        doc.merge_json(&std::fs::read_to_string(&operations).unwrap())
            .unwrap();
        for options in all_options() {
            let text = if options.without_text { "-no-text" } else { "" };
            let name = format!("v2-{:?}{text}.crdt", options.preset).to_lowercase();
            if !golden().join(&name).exists() {
                std::fs::write(golden().join(name), doc.save(&options).unwrap()).unwrap();
            }
        }
    }
    let mut expected = Document::new("reader").unwrap();
    expected
        .merge_json(&std::fs::read_to_string(&operations).unwrap())
        .unwrap();
    assert!(expected.event_count() > 200);
    let mut count = 0;
    for file in std::fs::read_dir(golden()).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "crdt")
        {
            let bytes = std::fs::read(&path).unwrap();
            let loaded = Document::load("reader", &bytes).unwrap();
            assert_same(&loaded, &expected);
            let limits = LoadLimits::default();
            assert_same(
                &Document::load_verified("reader", &bytes, &limits).unwrap(),
                &expected,
            );
            count += 1;
        }
    }
    assert_eq!(count, 12, "some golden files are missing");
}

/// Whether a file has events behind its own.
pub(crate) fn is_grown(file: &[u8]) -> bool {
    Parts::of(file)
        .sections
        .iter()
        .any(|section| section.0 == 8)
}
