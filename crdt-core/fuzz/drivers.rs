//! What the fuzz targets do with their input; the tests run the seeds and every input that was ever
//! a find through the same functions.

use crdt_core::{Document, Frontier, LoadLimits, VersionSummary};

fn document(agent: &str) -> Document {
    Document::new(agent).expect("a good name")
}

/// A history with two branches, to merge things into.
pub(crate) fn base() -> Document {
    let mut alice = document("alice");
    alice.insert(0, "Hello 🦀").expect("in bounds");
    let mut bob = document("bob");
    bob.merge_json(&alice.operations_json())
        .expect("operations of a document");
    bob.delete(0, 2).expect("in bounds");
    alice.insert(3, "é").expect("in bounds");
    alice
        .merge_json(&bob.operations_json())
        .expect("operations of a document");
    alice
}

/// A document that took something in must be whole: others read it and get the same text.
fn check_whole(doc: &Document) {
    let mut by_json = document("reader");
    by_json
        .merge_json(&doc.operations_json())
        .expect("what a document gives out");
    let mut by_patch = document("reader");
    by_patch
        .merge_patch(&doc.encode_since(&VersionSummary::new()))
        .expect("what a document gives out");
    assert_eq!(by_json.text(), doc.text());
    assert_eq!(by_patch.text(), doc.text());
    assert_eq!(by_patch.operations_json(), doc.operations_json());
}

/// Any bytes into every decoder.
pub(crate) fn decode(data: &[u8]) {
    let _ = VersionSummary::decode(data);
    merge_one(data);
    load(data);
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
    let limits = LoadLimits {
        text: 1 << 20,
        history: 1 << 20,
    };
    if let Ok(doc) = Document::load_verified("zoe", data, &limits) {
        check_whole(&doc);
    }
    let Ok(mut doc) = Document::load_within("zoe", data, &limits) else {
        return;
    };
    doc.insert(0, "z").expect("in bounds");
    let text = doc.text();
    if doc.merge_json(&base().operations_json()).is_err() {
        assert_eq!(doc.text(), text);
    }
}

fn merge_one(patch: &[u8]) {
    let mut doc = base();
    let before = (doc.text(), doc.operations_json());
    match doc.merge_patch(patch) {
        Ok(_) => check_whole(&doc),
        Err(_) => assert_eq!((doc.text(), doc.operations_json()), before),
    }
}

/// The names that both ends of a link know.
pub(crate) const KNOWN: [&str; 3] = ["alice", "bob", "carol"];

/// Several patches into one document, with names that are known, each cut at its first byte's length.
pub(crate) fn merge(data: &[u8]) {
    let mut doc = base();
    let mut utf16: Vec<u16> = doc.text().encode_utf16().collect();
    let mut rest = data;
    while let Some((&len, tail)) = rest.split_first() {
        let (patch, tail) = tail.split_at(tail.len().min(len.into()));
        rest = tail;
        let _ = doc.merge_patch_named_with(patch, &KNOWN, &mut |s| {
            utf16.splice(
                s.pos.utf16..s.pos.utf16 + s.deleted.utf16,
                s.inserted.encode_utf16(),
            );
        });
        assert_eq!(String::from_utf16_lossy(&utf16), doc.text());
    }
    check_whole(&doc);
}

/// Edits on three replicas, each also made to a list of chars, and merges between them.
pub(crate) fn edits(data: &[u8]) {
    const CHARS: [char; 8] = ['a', 'b', '\n', 'é', 'ß', '字', '🦀', '🏳'];
    let mut docs = ["alice", "bob", "carol"].map(document);
    let mut bytes = data.iter().copied();
    while let (Some(op), Some(a), Some(b)) = (bytes.next(), bytes.next(), bytes.next()) {
        let i = usize::from(op) % 3;
        let mut chars: Vec<char> = docs[i].text().chars().collect();
        let pos = usize::from(a) % (chars.len() + 1);
        match op / 3 % 4 {
            0 | 1 => {
                let char = CHARS[usize::from(b) % 8];
                let text: String = std::iter::repeat_n(char, usize::from(b / 8) + 1).collect();
                docs[i].insert(pos, &text).expect("in bounds");
                chars.splice(pos..pos, text.chars());
            }
            2 => {
                let len = usize::from(b).min(chars.len() - pos);
                docs[i].delete(pos, len).expect("in bounds");
                chars.drain(pos..pos + len);
            }
            _ => {
                let from = docs[usize::from(b) % 3].clone();
                let patch = from.encode_since(&docs[i].summary());
                docs[i].merge_patch(&patch).expect("a patch of a document");
                continue;
            }
        }
        assert_eq!(docs[i].text(), chars.iter().collect::<String>());
        let utf16: usize = chars[..pos.min(chars.len())]
            .iter()
            .map(|c| c.len_utf16())
            .sum();
        assert_eq!(docs[i].char_to_utf16(pos.min(chars.len())), Some(utf16));
        assert_eq!(docs[i].utf16_to_char(utf16), Some(pos.min(chars.len())));
    }
    for i in 0..6 {
        let from = docs[i % 3].clone();
        let to = &mut docs[(i + 1) % 3];
        to.merge_json(&from.operations_json())
            .expect("operations of a document");
    }
    assert_eq!(docs[0].text(), docs[1].text());
    assert_eq!(docs[0].text(), docs[2].text());
    check_whole(&docs[0]);
}
