//! Documents that are saved repeatedly: packed sections are kept, and later events are appended.

use crdt_core::{Document, LoadLimits, MergeError, SaveOptions, VersionSummary};
use fastrand::Rng;

use crate::files::{Parts, golden, is_grown};
use crate::histories::{for_each_seed, random_edit, random_replicas, sync};

fn save(doc: &Document) -> Vec<u8> {
    doc.save(&SaveOptions::default()).unwrap()
}

/// Checks that a file has the content of a document, however it is opened.
fn assert_holds(file: &[u8], doc: &Document) {
    let lazy = Document::load("reader", file).unwrap();
    let verified = Document::load_verified("reader", file, &LoadLimits::default()).unwrap();
    assert_eq!(lazy.frontier(), doc.frontier());
    assert_eq!(lazy.summary(), doc.summary());
    assert_eq!(lazy.event_count(), doc.event_count());
    assert_eq!(lazy.check_history(), Ok(()));
    for opened in [lazy, verified] {
        assert_eq!(opened.text(), doc.text());
        assert_eq!(opened.frontier(), doc.frontier());
        let operations = opened.operations_json().unwrap();
        assert_eq!(operations, doc.operations_json().unwrap());
        for id in doc.frontier().ids() {
            assert_eq!(opened.digest_of(id), doc.digest_of(id));
        }
        let again = Document::load("again", &save(&opened)).unwrap();
        assert_eq!(again.text(), doc.text());
        assert_eq!(again.operations_json().unwrap(), operations);
    }
}

#[test]
fn saves_of_a_document_in_use_are_complete() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 12);
        docs.truncate(3);
        for _ in 0..12 {
            let i = rng.usize(0..docs.len());
            match rng.u8(0..5) {
                0 => {
                    let from = docs[rng.usize(0..docs.len())].clone();
                    sync(&mut rng, &from, &mut docs[i]);
                }
                1 => {
                    let file = save(&docs[i]);
                    assert_holds(&file, &docs[i]);
                    if rng.bool() {
                        docs[i] = Document::load(docs[i].agent(), &file).unwrap();
                    }
                }
                _ => random_edit(&mut rng, &mut docs[i]),
            }
        }
        for doc in &mut docs {
            save(doc);
            let events = doc.event_count();
            random_edit(&mut rng, doc);
            let file = save(doc);
            assert_holds(&file, doc);
            let is_more = events > 0 && doc.event_count() > events;
            assert!(is_grown(&file) || !is_more);
        }
    });
}

/// A document with some text by two, and the file of it.
fn written() -> (Document, Document, Vec<u8>) {
    let mut alice = Document::new("alice").unwrap();
    alice
        .insert(0, &"All that was written before. ".repeat(40))
        .unwrap();
    let mut bob = Document::new("bob").unwrap();
    bob.merge_patch(&alice.encode_since(&bob.summary()).unwrap())
        .unwrap();
    bob.insert(3, " of it").unwrap();
    alice.delete(4, 5).unwrap();
    bob.merge_patch(&alice.encode_since(&bob.summary()).unwrap())
        .unwrap();
    alice
        .merge_patch(&bob.encode_since(&alice.summary()).unwrap())
        .unwrap();
    let file = save(&alice);
    (alice, bob, file)
}

#[test]
fn packed_sections_are_kept_byte_for_byte() {
    let (alice, _, file) = written();
    let mut opened = Document::load("carol", &file).unwrap();
    for mut doc in [alice, opened.clone()] {
        doc.insert(2, "x").unwrap();
        let mut parts = Parts::of(&save(&doc));
        let (kind, _, later) = parts.sections.pop().unwrap();
        assert!(kind == 8 && later.len() < 20, "{}", later.len());
        parts.start[5] -= 4;
        assert_eq!(parts.join(), file);
    }
    // Many events are packed anew, and so are few after the caches are released.
    for i in 0..4000 {
        opened.insert(i % 7, "some more ").unwrap();
    }
    assert!(!is_grown(&save(&opened)));
    opened.insert(0, "y").unwrap();
    opened.check_history().unwrap();
    opened.insert(0, "y").unwrap();
    opened.release_caches();
    assert!(!is_grown(&save(&opened)));
}

/// Events that follow all of a file are merged without its history, whose damage is not detected
/// before it is needed.
#[test]
fn later_events_are_merged_without_unpacking_the_file() {
    let (_, mut bob, file) = written();
    let mut parts = Parts::of(&file);
    parts.body(4)[0] ^= 0x10;
    let mut doc = Document::load("alice", &parts.join()).unwrap();
    let merge = |doc: &mut Document, from: &Document| {
        doc.merge_patch(&from.encode_since(&doc.summary()).unwrap())
    };
    let mut carol = Document::new("carol").unwrap();
    merge(&mut carol, &bob).unwrap();

    bob.insert(1, "ha").unwrap();
    assert_eq!(merge(&mut doc, &bob).unwrap().applied, 2);
    // Two at once, who heard of all of the file.
    carol.insert(1, "concurrent").unwrap();
    bob.delete(0, 1).unwrap();
    assert_eq!(merge(&mut doc, &bob).unwrap().applied, 1);
    assert_eq!(merge(&mut doc, &carol).unwrap().applied, 10);
    doc.insert(5, "own").unwrap();
    // It hands on what came after the file, to the same bytes as the others would.
    let known = bob.summary();
    merge(&mut bob, &carol).unwrap();
    bob.merge_patch(&doc.encode_since(&known).unwrap()).unwrap();
    assert_eq!(bob.text(), doc.text());
    assert_eq!(
        doc.operations_since_json(&known).unwrap(),
        bob.operations_since_json(&known).unwrap()
    );
    assert!(is_grown(&save(&doc)));
    // Somebody who heard of a part of the file only.
    let mut dan = Document::new("dan").unwrap();
    dan.insert(0, "early").unwrap();
    let refused = merge(&mut doc, &dan).unwrap_err();
    assert!(matches!(refused, MergeError::CorruptHistory(_)));
    // Now it is known.
    bob.insert(0, "late").unwrap();
    assert_eq!(merge(&mut doc, &bob), Err(refused));
    assert!(doc.save(&SaveOptions::default()).is_err());
}

#[test]
fn a_different_event_under_an_id_of_the_file_is_a_conflict() {
    let (_, bob, file) = written();
    let mut twin = Document::load("bob", &file).unwrap();
    let mut doc = Document::load("alice", &file).unwrap();
    twin.insert(0, "t").unwrap();
    let mut other = bob.clone();
    other.insert(0, "o").unwrap();
    doc.merge_patch(&other.encode_since(&doc.summary()).unwrap())
        .unwrap();
    // The next event of the twin builds on one that is another here.
    let before = twin.summary();
    twin.insert(1, "w").unwrap();
    let refused = doc.merge_patch(&twin.encode_since(&before).unwrap());
    assert_eq!(refused.unwrap_err().code(), "conflicting_event");
    assert!(doc.check_history().is_ok());
    // One that the file has, with different content.
    let mut forged = Document::new("alice").unwrap();
    forged.insert(0, "Other").unwrap();
    let all = forged.encode_since(&VersionSummary::new()).unwrap();
    let mut doc = Document::load("reader", &file).unwrap();
    assert_eq!(
        doc.merge_patch(&all).unwrap_err().code(),
        "conflicting_event"
    );
}

/// Forged later events: an error, or a usable document.
#[test]
fn forged_later_events_never_harm() {
    let (mut alice, _, _) = written();
    alice.insert(3, "later").unwrap();
    alice.delete(9, 2).unwrap();
    let file = save(&alice);
    assert!(is_grown(&file));
    let limits = LoadLimits::default();
    let at = Parts::of(&file).sections.len() - 1;
    let later = Parts::of(&file).sections[at].2.clone();
    let mut forged: Vec<Vec<u8>> = (0..later.len() * 8)
        .map(|bit| {
            let mut later = later.clone();
            later[bit / 8] ^= 1 << (bit % 8);
            later
        })
        .collect();
    forged.extend((0..later.len()).map(|end| later[..end].to_vec()));
    forged.push([&later[..], &later[..]].concat());
    for later in forged {
        let mut parts = Parts::of(&file);
        parts.sections[at].2 = later;
        let bytes = parts.join();
        let verified = Document::load_verified("z", &bytes, &limits);
        let lazy = Document::load("z", &bytes);
        assert_eq!(lazy.is_ok(), verified.is_ok());
        if let (Ok(lazy), Ok(verified)) = (lazy, verified) {
            assert_eq!(lazy.text(), verified.text());
            assert_eq!(lazy.check_history(), Ok(()));
            assert_eq!(lazy.summary(), verified.summary());
        }
    }
    // Without the section, with its kind, and the other way round.
    let mut parts = Parts::of(&file);
    parts.sections.pop();
    assert!(Document::load("z", &parts.join()).is_err());
    let mut parts = Parts::of(&file);
    parts.start[5] -= 4;
    assert!(Document::load("z", &parts.join()).is_err());
    for (what, limits) in [
        ("text", limits.text(alice.len_chars())),
        ("events", limits.events(alice.event_count() - 1)),
    ] {
        let refused = Document::load_within("z", &file, &limits).unwrap_err();
        assert_eq!(refused.code(), "too_large", "{what}");
    }
}

/// A file that grew, of every version that there ever was, still opens. `CRDT_WRITE_DATA=1` adds that of a
/// new version.
#[test]
fn old_files_that_grew_still_open() {
    let folder = golden().join("grown");
    let operations = std::fs::read_to_string(golden().join("document.json")).unwrap();
    let mut expected = Document::new("writer").unwrap();
    expected.merge_json(&operations).unwrap();
    save(&expected);
    let version = expected.frontier();
    let mut other = expected.branch(&version, "other").unwrap();
    expected.set_time(7);
    expected.insert(0, "later, 🦀\n").unwrap();
    expected.delete(3, 4).unwrap();
    other.insert(other.len_chars() / 2, "beside").unwrap();
    expected.merge_from(&other, &mut |_| {}).unwrap();
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("v2.crdt");
        if !path.exists() {
            std::fs::write(path, save(&expected)).unwrap();
        }
    }
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = std::fs::read(file.unwrap().path()).unwrap();
        assert!(is_grown(&file));
        assert_holds(&file, &expected);
        count += 1;
    }
    assert_eq!(count, 1, "some golden files are missing");
}
