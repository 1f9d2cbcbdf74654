//! What the fuzz targets do with their input; the tests run the seeds and every input that was ever
//! a find through the same functions.

use std::sync::OnceLock;

use crdt_core::session::NamedPatches;
use crdt_core::{
    Bias, Document, EventId, Frontier, HistoryRun, LoadLimits, Preset, SaveOptions, Splice,
    UndoManager, VersionSummary,
};

/// A fuzz target.
pub(crate) type Driver = fn(&[u8]);

/// All of them, by name.
pub(crate) const ALL: [(&str, Driver); 3] =
    [("decode", decode), ("merge", merge), ("edits", edits)];

fn document(agent: &str) -> Document {
    Document::new(agent).expect("a good name")
}

/// A history with two branches, to merge things into.
pub(crate) fn base() -> Document {
    static BASE: OnceLock<Document> = OnceLock::new();
    let make = || {
        let mut alice = document("alice");
        alice.insert(0, "Hello 🦀").expect("in bounds");
        let mut bob = document("bob");
        bob.merge_json(&alice.operations_json().unwrap())
            .expect("operations of a document");
        bob.delete(0, 2).expect("in bounds");
        alice.insert(3, "é").expect("in bounds");
        alice
            .merge_json(&bob.operations_json().unwrap())
            .expect("operations of a document");
        alice
    };
    BASE.get_or_init(make).clone()
}

/// The same document, its first four events let go.
fn shallow_base() -> Document {
    static BASE: OnceLock<Document> = OnceLock::new();
    let make = || {
        let since = Frontier::new([EventId::new("alice", 3)]);
        let file = base().save_shallow(&since, &FAST);
        let doc = Document::load("alice", &file.expect("a known version"));
        let doc = doc.expect("a file that was written");
        doc.check_history().expect("a history that was checked");
        doc
    };
    BASE.get_or_init(make).clone()
}

const FAST: SaveOptions = SaveOptions::new(Preset::Fast);

/// A document that took something in must be whole: others read it and get the same text.
fn check_whole(doc: &Document) {
    // The models take their time, so they get a part of the documents.
    let preset = match doc.event_count() % 16 {
        0 => Preset::Balanced,
        1 => Preset::Small,
        _ => Preset::Fast,
    };
    let options = SaveOptions::new(preset);
    let file = doc.save(&options).expect("a history that was checked");
    let limits = LoadLimits::default();
    let copy = Document::load_verified("reader", &file, &limits).expect("what was written");
    assert_eq!(copy.text(), doc.text());
    assert_eq!(copy.summary(), doc.summary());
    assert_eq!(
        copy.operations_json().unwrap(),
        doc.operations_json().unwrap()
    );
    if !doc.history_start().is_empty() {
        return;
    }
    let mut by_json = document("reader");
    by_json
        .merge_json(&doc.operations_json().unwrap())
        .expect("what a document gives out");
    let mut by_patch = document("reader");
    by_patch
        .merge_patch(&everything(doc))
        .expect("what a document gives out");
    assert_eq!(by_json.text(), doc.text());
    assert_eq!(by_patch.text(), doc.text());
    assert_eq!(
        by_patch.operations_json().unwrap(),
        doc.operations_json().unwrap()
    );
}

fn everything(doc: &Document) -> Vec<u8> {
    doc.encode_since(&VersionSummary::new())
        .expect("a whole history")
}

/// The bytes of a file with right checksums, as far as it has sections.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let mut start = 6;
    while let Some(end) = section_end(&bytes, start) {
        let sum = xxhash_rust::xxh64::xxh64(&bytes[start..end], 0) as u32;
        bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        start = end + 4;
    }
    bytes
}

/// Where the body of the section at `start` ends, if its checksum follows.
fn section_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut len, mut shift) = (start + 2, 0_usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
        if shift > 28 {
            return None;
        }
    }
    let end = at.checked_add(len)?;
    (end + 4 <= bytes.len()).then_some(end)
}

/// Any bytes into every decoder.
pub(crate) fn decode(data: &[u8]) {
    let _ = VersionSummary::decode(data);
    merge_one(data, base());
    merge_one(data, shallow_base());
    load(data);
    load(&with_checksums(data));
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Frontier::from_json(text);
        let _ = VersionSummary::from_json(text);
        let mut doc = base();
        if doc.merge_json(text).is_ok() {
            check_whole(&doc);
        }
    }
}

/// A whole file, as one that is trusted and as one that is not.
fn load(data: &[u8]) {
    let limits = LoadLimits::default().text(1 << 20).history(1 << 20);
    if let Ok(doc) = Document::load_verified("zoe", data, &limits) {
        check_whole(&doc);
    }
    let Ok(mut doc) = Document::load_within("zoe", data, &limits) else {
        return;
    };
    doc.insert(0, "z").expect("in bounds");
    let text = doc.text();
    if doc.merge_json(&base().operations_json().unwrap()).is_err() {
        assert_eq!(doc.text(), text);
    }
    // Looking back, too, is an error at worst.
    let (len, start) = (doc.len_chars(), doc.history_start());
    let _ = doc.blame(0..len);
    let _ = doc.anchor_at(len / 2, Bias::Left);
    let _ = doc.text_at(&start);
    let _ = doc.save_shallow(&doc.frontier(), &FAST);
    let _ = doc.history().map(Iterator::count);
}

fn merge_one(patch: &[u8], mut doc: Document) {
    let before = (doc.text(), doc.operations_json().unwrap());
    match doc.merge_patch(patch) {
        Ok(_) => check_whole(&doc),
        Err(_) => assert_eq!((doc.text(), doc.operations_json().unwrap()), before),
    }
}

/// The names that both ends of a link know.
pub(crate) const KNOWN: [&str; 3] = ["alice", "bob", "carol"];

/// Several patches into one document, with names that are known, each cut at its first byte's length.
pub(crate) fn merge(data: &[u8]) {
    merge_into(data, base());
    merge_into(data, shallow_base());
}

fn merge_into(data: &[u8], mut doc: Document) {
    let mut utf16: Vec<u16> = doc.text().encode_utf16().collect();
    let mut rest = data;
    while let Some((&len, tail)) = rest.split_first() {
        let (patch, tail) = tail.split_at(tail.len().min(len.into()));
        rest = tail;
        let before = doc.summary();
        let merged = doc.merge_patch_named_with(patch, &KNOWN, &mut |s| {
            utf16.splice(
                s.pos.utf16..s.pos.utf16 + s.deleted.utf16,
                s.inserted.encode_utf16(),
            );
        });
        assert_eq!(String::from_utf16_lossy(&utf16), doc.text());
        match merged {
            Ok(report) => assert_eq!(report.pending, doc.pending_events()),
            Err(_) => assert_eq!(doc.summary(), before),
        }
    }
    check_whole(&doc);
}

/// Edits on three replicas, each also made to a list of chars, merges between them, files, undo, and
/// looks at older versions.
pub(crate) fn edits(data: &[u8]) {
    const CHARS: [char; 8] = ['a', 'b', '\n', 'é', 'ß', '字', '🦀', '🏳'];
    let mut docs = KNOWN.map(document);
    let mut undo = docs.each_ref().map(UndoManager::new);
    let mut seen: Vec<(Frontier, String)> = Vec::new();
    let mut bytes = data.iter().copied();
    while let (Some(op), Some(a), Some(b)) = (bytes.next(), bytes.next(), bytes.next()) {
        let i = usize::from(op) % 3;
        let mut chars: Vec<char> = docs[i].text().chars().collect();
        let pos = usize::from(a) % (chars.len() + 1);
        match op / 3 % 10 {
            0..=2 => {
                let char = CHARS[usize::from(b) % 8];
                let text: String = std::iter::repeat_n(char, usize::from(b / 8) + 1).collect();
                if b % 4 == 0 {
                    docs[i].set_time(a.into());
                }
                docs[i].insert(pos, &text).expect("in bounds");
                chars.splice(pos..pos, text.chars());
            }
            3 => {
                let len = usize::from(b).min(chars.len() - pos);
                docs[i].delete(pos, len).expect("in bounds");
                chars.drain(pos..pos + len);
            }
            4 | 5 => {
                let from = docs[usize::from(b) % 3].clone();
                let patch = from.encode_since(&docs[i].summary());
                docs[i]
                    .merge_patch(&patch.expect("a whole history"))
                    .expect("a patch of a document");
                continue;
            }
            6 => {
                let preset = [Preset::Fast, Preset::Balanced, Preset::Small][usize::from(b) % 3];
                let options = SaveOptions::new(preset).without_text(b > 127);
                let file = docs[i].save(&options).expect("a checked history");
                let agent = docs[i].agent().to_owned();
                docs[i] = Document::load(&agent, &file).expect("what was written");
                undo[i] = UndoManager::new(&docs[i]);
            }
            7 => {
                seen.push((docs[i].frontier(), docs[i].text()));
                trimmed(
                    &docs[i],
                    &seen[usize::from(b) % seen.len()].0,
                    &docs[pos % 3],
                );
            }
            8 => {
                let step = match b % 3 {
                    0 => undo[i].undo(&mut docs[i], &mut |s| splice(&mut chars, s)),
                    1 => undo[i].redo(&mut docs[i], &mut |s| splice(&mut chars, s)),
                    _ => {
                        undo[i].checkpoint(&docs[i]);
                        Ok(true)
                    }
                };
                step.expect("room for more");
            }
            _ => {
                if let Some((version, text)) = seen.get(usize::from(b)) {
                    match docs[i].text_at(version) {
                        Ok(found) => assert_eq!(found, *text),
                        Err(error) => assert_eq!(error.code(), "unknown_event"),
                    }
                }
                let anchor = docs[i].anchor_at(pos, Bias::Right).expect("in bounds");
                assert_eq!(docs[i].resolve(&anchor), Ok(pos));
            }
        }
        assert_eq!(docs[i].text(), chars.iter().collect::<String>());
        let pos = pos.min(chars.len());
        let utf16: usize = chars[..pos].iter().map(|c| c.len_utf16()).sum();
        assert_eq!(docs[i].char_to_utf16(pos), Some(utf16));
        assert_eq!(docs[i].utf16_to_char(utf16), Some(pos));
        let line = chars[..pos].iter().filter(|&&c| c == '\n').count();
        assert_eq!(docs[i].char_to_line(pos), Some(line));
    }
    for i in 0..6 {
        let from = docs[i % 3].clone();
        let to = &mut docs[(i + 1) % 3];
        to.merge_json(&from.operations_json().unwrap())
            .expect("operations of a document");
    }
    assert_eq!(docs[0].text(), docs[1].text());
    assert_eq!(docs[0].text(), docs[2].text());
    check_whole(&docs[0]);
}

fn splice(chars: &mut Vec<char>, s: Splice<'_>) {
    let range = s.pos.chars..s.pos.chars + s.deleted.chars;
    chars.splice(range, s.inserted.chars());
}

/// A shallow copy of a document holds the same, and merges with another replica if all that this has
/// to give was made by a replica that knew where it begins.
fn trimmed(doc: &Document, since: &Frontier, other: &Document) {
    let Ok(file) = doc.save_shallow(since, &FAST) else {
        return;
    };
    let limits = LoadLimits::default();
    let mut shallow = Document::load_verified("shallow", &file, &limits).expect("a written file");
    assert_eq!(shallow.text(), doc.text());
    assert_eq!(shallow.summary(), doc.summary());
    let mut whole = doc.clone();
    whole
        .merge_from(other, &mut |_| {})
        .expect("what a document gives out");
    let begin = doc.summary_of(&shallow.history_start()).unwrap();
    let fits = |run: &HistoryRun<'_>| {
        let last = EventId::new(run.agent, run.seqs.end - 1);
        doc.contains(&last)
            || other
                .summary_of(&Frontier::new([last]))
                .unwrap()
                .is_superset(&begin)
    };
    let all_fit = other.history().unwrap().all(|run| fits(&run));
    match shallow.merge_from(other, &mut |_| {}) {
        Ok(_) => {
            assert!(all_fit);
            assert_eq!(shallow.text(), whole.text());
            assert_eq!(shallow.summary(), whole.summary());
        }
        Err(error) => {
            assert_eq!(error.code(), "too_old");
            assert!(!all_fit);
            assert_eq!(shallow.text(), doc.text());
        }
    }
    check_whole(&shallow);
}
