//! Patches of a running session: the size of a keystroke, and that each patch is self-contained.

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EventId, MergeError, VersionSummary};
use fastrand::Rng;

use crate::histories::for_each_seed;

const NAMES: [&str; 2] = ["typist", "reader"];

/// Edits as a typist makes them, each as a patch of its own.
struct Typist {
    doc: Document,
    sent: VersionSummary,
}

impl Typist {
    fn new() -> Typist {
        Typist {
            doc: Document::new(NAMES[0]).unwrap(),
            sent: VersionSummary::new(),
        }
    }

    fn edit(&mut self, pos: usize, deleted: usize, text: &str) -> Vec<u8> {
        self.doc.delete(pos, deleted).unwrap();
        self.doc.insert(pos, text).unwrap();
        let patch = self.doc.encode_since_named(&self.sent, &NAMES).unwrap();
        self.sent = self.doc.summary();
        patch
    }
}

fn reader() -> Document {
    Document::new(NAMES[1]).unwrap()
}

#[test]
fn a_keystroke_has_the_documented_size() {
    let mut typist = Typist::new();
    let mut doc = reader();
    let mut step = |pos, deleted, text: &str| {
        let patch = typist.edit(pos, deleted, text);
        doc.merge_patch_named_with(&patch, &NAMES, &mut |_| {})
            .unwrap();
        assert_eq!(doc.text(), typist.doc.text());
        patch.len()
    };
    let text = "x".repeat(40_000);
    // Head, seq, no parents, length, text.
    assert_eq!(step(0, 0, &text), 1 + 1 + 1 + 3 + 40_000);
    // From here on a seq takes three bytes.
    assert_eq!(step(40_000, 0, "a"), 1 + 3 + 1, "typed on");
    assert_eq!(step(40_001, 0, "🦀"), 1 + 3 + 4, "typed on");
    assert_eq!(step(40_001, 1, ""), 1 + 3, "a backspace");
    assert_eq!(step(40_000, 1, ""), 1 + 3, "a backspace");
    assert_eq!(step(40_000, 0, "b"), 1 + 3 + 1, "and on");
    assert_eq!(step(39_990, 0, "c"), 1 + 3 + 1 + 1, "a few chars back");
    assert_eq!(step(39_991, 1, ""), 1 + 3, "deleted forward");
    assert_eq!(step(0, 0, "d"), 1 + 3 + 3 + 1, "from far away");
    assert_eq!(step(1, 0, "words"), 1 + 3 + 1 + 5, "pasted there");
    assert_eq!(step(2, 3, ""), 1 + 3 + 1 + 1, "a selection before");
}

/// The size of a keystroke of two simultaneous typists at separate places.
#[test]
fn a_keystroke_with_a_second_typist_has_the_documented_size() {
    let mut docs = NAMES.map(|name| Document::new(name).unwrap());
    let mut sent = [VersionSummary::new(), VersionSummary::new()];
    let mut send = |docs: &mut [Document; 2], from: usize| {
        let patch = docs[from].encode_since_named(&sent[from], &NAMES).unwrap();
        let all = docs[from].summary();
        sent[1 - from].union(&all);
        sent[from] = all;
        docs[1 - from]
            .merge_patch_named_with(&patch, &NAMES, &mut |_| {})
            .unwrap();
        patch.len()
    };
    docs[0].insert(0, &"x".repeat(300)).unwrap();
    docs[1].insert(0, &"y".repeat(300)).unwrap();
    send(&mut docs, 0);
    send(&mut docs, 1);
    let mut places = [100, 500];
    for round in 0..50 {
        for i in 0..2 {
            docs[i].insert(places[i], "k").unwrap();
            places[i] += 1;
        }
        // The other's char before one's own place moves it by one, for the second.
        places[1] += 1;
        let sizes = [0, 1].map(|i| send(&mut docs, i));
        // Head, seq, number of parents, the other's last event, char; the second also how far away.
        if round > 0 {
            assert_eq!(sizes, [1 + 2 + 1 + 3 + 1, 1 + 2 + 1 + 3 + 1 + 1]);
        }
        assert_eq!(docs[0].text(), docs[1].text());
    }
    assert_eq!(
        docs[0].operations_json().unwrap(),
        docs[1].operations_json().unwrap()
    );
}

/// An event that builds on another agent's alone, which has seen the event before: its place still
/// counts from there, and it waits for that event like for a parent.
#[test]
fn positions_count_from_an_event_before_that_is_no_parent() {
    let [mut a, mut b] = NAMES.map(|name| Document::new(name).unwrap());
    let mut patches = Vec::new();
    let mut step = |from: &mut Document, to: &mut Document, pos: usize| {
        let have = to.summary();
        from.insert(pos, "k").unwrap();
        let patch = from.encode_since_named(&have, &NAMES).unwrap();
        to.merge_patch_named_with(&patch, &NAMES, &mut |_| {})
            .unwrap();
        patches.push(patch);
    };
    for round in 0..20 {
        step(&mut a, &mut b, round);
        step(&mut b, &mut a, 2 * round + 1);
    }
    // Head, seq, number of parents, agent and seq of the only one, distance, char.
    assert_eq!(patches.last().map(Vec::len), Some(1 + 1 + 1 + 2 + 1 + 1));
    for_each_seed(50, |seed| {
        let mut shuffled = patches.clone();
        Rng::with_seed(seed).shuffle(&mut shuffled);
        let mut late = Document::new("late").unwrap();
        for patch in &shuffled {
            late.merge_patch_named_with(patch, &NAMES, &mut |_| {})
                .unwrap();
        }
        assert_eq!(late.pending_events(), 0);
        assert_eq!(
            late.operations_json().unwrap(),
            a.operations_json().unwrap()
        );
    });
}

/// A session over a transport that loses, repeats and reorders: received events are held back or
/// applied, and finally all are merged.
#[test]
fn every_patch_is_self_contained() {
    for_each_seed(100, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut typist = Typist::new();
        let mut patches = Vec::new();
        for _ in 0..40 {
            let len = typist.doc.len_chars();
            let pos = rng.usize(0..=len);
            let deleted = rng.usize(0..4).min(len - pos);
            patches.push(typist.edit(pos, deleted, ["", "a", "🦀é", "words"][rng.usize(0..4)]));
        }
        let all = patches.clone();
        rng.shuffle(&mut patches);
        let mut doc = reader();
        for patch in &patches {
            for _ in 0..rng.usize(0..3) {
                let report = doc.merge_patch_named_with(patch, &NAMES, &mut |_| {});
                assert_eq!(report.unwrap().pending, doc.pending_events());
            }
        }
        for patch in all.iter().rev() {
            doc.merge_patch_named_with(patch, &NAMES, &mut |_| {})
                .unwrap();
        }
        assert_eq!(doc.pending_events(), 0);
        assert_eq!(doc.text(), typist.doc.text());
        assert_eq!(
            doc.operations_json().unwrap(),
            typist.doc.operations_json().unwrap()
        );
    });
}

#[test]
fn a_patch_that_counts_from_a_different_event_is_harmless() {
    let mut typist = Typist::new();
    let first = typist.edit(0, 0, "abc");
    let on = [0, 3, b'd'];
    let mut doc = reader();
    // Before the event that it counts from it waits.
    let report = doc
        .merge_patch_named_with(&on, &NAMES, &mut |_| {})
        .unwrap();
    assert_eq!(report.missing, [EventId::new("typist", 2)]);
    assert_eq!(report.pending, 1);
    doc.merge_patch_named_with(&first, &NAMES, &mut |_| {})
        .unwrap();
    assert_eq!(doc.text(), "abcd");

    let mut refuse = |patch: &[u8]| {
        let before = (doc.text(), doc.operations_json().unwrap());
        let error = doc.merge_patch_named_with(patch, &NAMES, &mut |_| {});
        assert_eq!((doc.text(), doc.operations_json().unwrap()), before);
        error.unwrap_err()
    };
    // Known already: with another char, at another place, of another kind.
    for patch in [&[0, 3, b'e'][..], &[8, 3, 1, b'd'], &[1, 3], &[2, 3]] {
        assert!(matches!(refuse(patch), MergeError::Conflict { .. }));
    }
    // Before the start of the text, and past its end.
    for distance in [9, 2, 0x7f] {
        let error = refuse(&[8, 4, distance, b'e']);
        assert!(matches!(error, MergeError::Position { .. }), "{error}");
    }
    // An event beyond a gap, and what claims to have come before it: both wait.
    let alone = [4, 9, 2, b'x'];
    let mut other = reader();
    for patch in [&alone[..], &[16, 8, 2, b'y', b'x']] {
        let report = other.merge_patch_named_with(patch, &NAMES, &mut |_| {});
        assert_eq!(report.unwrap().applied, 0);
    }
    assert_eq!(
        other.missing(),
        [7, 8].map(|seq| EventId::new("typist", seq))
    );
}

#[test]
fn the_form_is_checked() {
    let offset = |patch: &[u8]| {
        let error = reader().merge_patch_named_with(patch, &NAMES, &mut |_| {});
        match error.unwrap_err() {
            MergeError::Decode(crdt_core::DecodeError::Bytes { offset, .. }) => offset,
            other => panic!("{patch:?}: {other}"),
        }
    };
    assert_eq!(offset(&[0, 0, b'a']), 2, "nothing comes before event 0");
    assert_eq!(offset(&[0x60, 0]), 1, "an agent that is not in the list");
    assert_eq!(offset(&[0x44, 1, 0xff, 0, 0]), 2, "a name that is no text");
    assert_eq!(offset(&[4, 0, 38, 0]), 2, "more parents than bytes");
    assert_eq!(offset(&[4, 0, 0]), 2, "from the event before event 0");
    assert_eq!(offset(&[4, 1, 3]), 2, "from the start and the event before");
    assert_eq!(offset(&[4, 0, 2]), 3, "without its text");
    assert_eq!(offset(&[23, 0, 2, 0]), 3, "several, and long");
    assert_eq!(offset(&[15, 0, 2, 0xff]), 4, "a time that is cut");
    assert_eq!(offset(&[20, 0, 2, 0]), 4, "of no length");
    assert_eq!(offset(&[12, 0, 2, 1, b'a']), 4, "before the start");
    assert_eq!(offset(&[7, 0, 2, 0]), 4, "no operations");
    assert_eq!(offset(&[7, 0, 2, 1, 7, 0]), 6, "of no known kind");
}

#[test]
fn the_events_since_a_count_form_a_self_contained_patch() {
    let mut doc = Document::new("typist").unwrap();
    let mut reader = Document::new("reader").unwrap();
    let mut told = 0;
    for at in 0..20 {
        doc.insert(at / 2, "ab").unwrap();
        let new = doc.encode_of(&doc.summary_since(told)).unwrap();
        told = doc.event_count();
        assert_eq!(reader.merge_patch(&new).unwrap().applied, 2);
        assert_eq!(reader.text(), doc.text());
    }
    let all = doc.encode_of(&doc.summary()).unwrap();
    assert_eq!(all, doc.encode_since(&VersionSummary::new()).unwrap());
}
