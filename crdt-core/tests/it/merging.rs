//! Merging in pieces is equivalent to merging at once, whatever happens between the pieces.

use crdt_core::{Document, MergeError, Merging, Splice, VersionSummary};
use fastrand::Rng;

use crate::histories::{for_each_seed, random_edit, random_replicas, sync};

/// A text to which splices are applied.
struct Mirror(Vec<char>);

impl Mirror {
    fn of(doc: &Document) -> Mirror {
        Mirror(doc.text().chars().collect())
    }

    fn change(&mut self, pos: usize, deleted: usize, inserted: &str) {
        self.0.splice(pos..pos + deleted, inserted.chars());
    }
}

/// Merges a patch in pieces of random sizes, and calls `between` before each piece.
fn merge_in_pieces(
    rng: &mut Rng,
    doc: &mut Document,
    patch: &[u8],
    between: &mut dyn FnMut(&mut Rng, &mut Document),
) -> Result<Merging, MergeError> {
    let largest = rng.u32(1..40);
    let mut merging = Merging::new(doc, patch)?;
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    loop {
        between(rng, doc);
        let note = &mut |splice: Splice<'_>| {
            let deleted = splice.deleted.chars;
            changes.push((splice.pos.chars, deleted, splice.inserted.to_owned()));
        };
        if !merging.prepare(rng.u32(0..largest), note)? {
            break;
        }
        let (done, events) = merging.progress();
        assert!(done < events);
    }
    let mut mirror = Mirror::of(doc);
    if merging.finish(doc) {
        for (pos, deleted, inserted) in changes {
            mirror.change(pos, deleted, &inserted);
        }
        assert_eq!(mirror.0, Mirror::of(doc).0);
        return Ok(merging);
    }
    loop {
        between(rng, doc);
        let mut mirror = Mirror::of(doc);
        let note = &mut |splice: Splice<'_>| {
            mirror.change(splice.pos.chars, splice.deleted.chars, splice.inserted);
        };
        let more = merging.apply(doc, rng.u32(1..=largest), note)?;
        assert_eq!(mirror.0, Mirror::of(doc).0);
        if !more {
            return Ok(merging);
        }
    }
}

/// A document, and others that have diverged from it.
fn apart(rng: &mut Rng) -> (Document, Vec<Document>) {
    let steps = rng.usize(2..25);
    let mut others = random_replicas(rng, steps);
    let mut doc = others.swap_remove(0);
    for _ in 0..rng.usize(0..8) {
        random_edit(rng, &mut doc);
    }
    for _ in 0..rng.usize(1..12) {
        let to = rng.usize(0..others.len());
        let from = others[rng.usize(0..others.len())].clone();
        sync(rng, &from, &mut others[to]);
        random_edit(rng, &mut others[to]);
    }
    (doc, others)
}

#[test]
fn merging_in_pieces_equals_merging_at_once() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let (mut doc, others) = apart(&mut rng);
        let patch = others[0].encode_since(&doc.summary()).unwrap();
        let mut whole = doc.clone();
        let report = whole.merge_patch(&patch).unwrap();
        let merging = merge_in_pieces(&mut rng, &mut doc, &patch, &mut |_, _| {}).unwrap();
        assert_eq!(*merging.report(), report);
        assert_eq!(doc.text(), whole.text());
        assert_eq!(doc.operations_json(), whole.operations_json());
        // All of it is known now.
        let known = merge_in_pieces(&mut rng, &mut doc, &patch, &mut |_, _| {}).unwrap();
        assert_eq!(known.report().duplicate, report.applied + report.duplicate);
        // And from nothing.
        let all = doc.encode_since(&VersionSummary::new()).unwrap();
        let mut new = Document::new("new").unwrap();
        merge_in_pieces(&mut rng, &mut new, &all, &mut |_, _| {}).unwrap();
        assert_eq!(new.operations_json(), doc.operations_json());
        assert_eq!(new.text(), doc.text());
    });
}

#[test]
fn a_document_is_edited_and_merged_with_between_the_pieces() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let (mut doc, mut others) = apart(&mut rng);
        let patch = others[0].encode_since(&doc.summary()).unwrap();
        merge_in_pieces(
            &mut rng,
            &mut doc,
            &patch,
            &mut |rng, doc| match rng.u8(0..6) {
                0 => random_edit(rng, doc),
                1 => {
                    let other = rng.usize(0..others.len());
                    random_edit(rng, &mut others[other]);
                    sync(rng, &others[other], doc);
                }
                _ => {}
            },
        )
        .unwrap();
        for from in &others {
            sync(&mut rng, from, &mut doc);
        }
        let mut whole = Document::new("whole").unwrap();
        whole.merge_json(&doc.operations_json().unwrap()).unwrap();
        assert_eq!(doc.text(), whole.text());
        assert_eq!(doc.pending_events(), 0);
    });
}

/// What is known and what waits while a patch that lacks events is merged in pieces is the same as with all
/// of it at once.
#[test]
fn pieces_wait_for_missing_events() {
    for_each_seed(200, |seed| {
        let mut rng = Rng::with_seed(seed);
        let (mut doc, mut others) = apart(&mut rng);
        let first = others[0].encode_since(&doc.summary()).unwrap();
        let sent = others[0].summary();
        for _ in 0..5 {
            random_edit(&mut rng, &mut others[0]);
        }
        let second = others[0].encode_since(&sent).unwrap();
        merge_in_pieces(&mut rng, &mut doc, &second, &mut |_, _| {}).unwrap();
        merge_in_pieces(&mut rng, &mut doc, &first, &mut |_, _| {}).unwrap();
        assert_eq!(doc.pending_events(), 0);
        let mut whole = Document::new("whole").unwrap();
        whole.merge_json(&doc.operations_json().unwrap()).unwrap();
        assert_eq!(doc.text(), whole.text());
    });
}

#[test]
fn a_refused_patch_changes_nothing() {
    let mut rng = Rng::with_seed(1);
    let mut doc = Document::new("doc").unwrap();
    let mut good = Document::new("good").unwrap();
    for _ in 0..200 {
        random_edit(&mut rng, &mut good);
    }
    // Two hold other events under one name.
    let [mut one, mut two] = ["x", "x"].map(|name| Document::new(name).unwrap());
    one.insert(0, "one").unwrap();
    two.insert(0, "two").unwrap();
    doc.merge_patch(&one.encode_since(&VersionSummary::new()).unwrap())
        .unwrap();
    good.merge_patch(&two.encode_since(&VersionSummary::new()).unwrap())
        .unwrap();
    let patch = good.encode_since(&VersionSummary::new()).unwrap();
    let before = (doc.text(), doc.operations_json(), doc.pending_events());
    let mut merging = Merging::new(&doc, &patch).unwrap();
    let mut pieces = 0;
    let error = loop {
        match merging.prepare(10, &mut |_| {}) {
            Ok(more) => assert!(more),
            Err(error) => break error,
        }
        pieces += 1;
    };
    assert!(pieces > 5, "the last events are the bad ones");
    let id = MergeError::Conflict {
        agent: "x".to_owned(),
        seq: 0,
    };
    assert_eq!(error, id);
    let after = (doc.text(), doc.operations_json(), doc.pending_events());
    assert_eq!(before, after);
    assert!(Merging::new(&doc, &patch[..patch.len() - 1]).is_err());
}
