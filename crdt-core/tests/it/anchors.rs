//! Anchors against the oracle's list of all chars.

use std::collections::HashMap;

use crate::histories::*;
use crate::oracle;
use crdt_core::{Anchor, AnchorError, Bias, Document, EventId};
use fastrand::Rng;

/// The position of every char of the history in the text, or of its gap.
fn gaps(doc: &Document) -> HashMap<EventId, (usize, bool)> {
    let events = events(&doc.operations_json().unwrap());
    let mut pos = 0;
    let mut gaps = HashMap::new();
    for char in oracle::sequence(&events) {
        let event = &events[char.event];
        let shown = char.deleted_by.is_empty();
        gaps.insert(EventId::new(&event.agent, event.seq), (pos, shown));
        pos += usize::from(shown);
    }
    gaps
}

fn expected(anchor: &Anchor, gaps: &HashMap<EventId, (usize, bool)>, len: usize) -> usize {
    match (&anchor.char, anchor.bias) {
        (None, Bias::Left) => 0,
        (None, Bias::Right) => len,
        (Some(id), bias) => match gaps[id] {
            (pos, true) if bias == Bias::Left => pos + 1,
            (pos, _) => pos,
        },
    }
}

#[test]
fn anchors_stay_with_their_chars() {
    for_each_seed(400, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 15);
        let mut anchors: Vec<Anchor> = Vec::new();
        for round in 0..12 {
            let count = docs.len();
            let i = rng.usize(0..count);
            for _ in 0..3 {
                let pos = rng.usize(0..=docs[i].len_chars());
                let bias = [Bias::Left, Bias::Right][rng.usize(0..2)];
                let anchor = docs[i].anchor_at(pos, bias).unwrap();
                assert_eq!(docs[i].resolve(&anchor), Ok(pos), "before any edit");
                anchors.push(anchor);
            }
            // Edit and merge, now and then from scratch, and look at the replica that moved.
            random_edit(&mut rng, &mut docs[i]);
            let to = rng.usize(0..count);
            let from = docs[i].clone();
            sync(&mut rng, &from, &mut docs[to]);
            if round % 5 == 0 {
                docs[to].release_caches();
            }
            let gaps = gaps(&docs[to]);
            let len = docs[to].len_chars();
            for anchor in &anchors {
                let found = docs[to].resolve(anchor);
                match &anchor.char {
                    Some(id) if !gaps.contains_key(id) => {
                        let (agent, seq) = (id.agent.clone(), id.seq);
                        assert_eq!(found, Err(AnchorError::Unknown { agent, seq }));
                    }
                    _ => assert_eq!(found, Ok(expected(anchor, &gaps, len)), "{anchor:?}"),
                }
            }
        }
    });
}

#[test]
fn a_selection_grows_or_not_by_its_bias() {
    let mut doc = Document::new("a").unwrap();
    doc.insert(0, "one two").unwrap();
    let outer = [
        doc.anchor_at(4, Bias::Left).unwrap(),
        doc.anchor_at(7, Bias::Right).unwrap(),
    ];
    let inner = [
        doc.anchor_at(4, Bias::Right).unwrap(),
        doc.anchor_at(7, Bias::Left).unwrap(),
    ];
    doc.insert(7, "!").unwrap();
    doc.insert(4, "🦀").unwrap();
    let places = |anchors: &[Anchor; 2]| anchors.clone().map(|a| doc.resolve(&a).unwrap());
    assert_eq!(places(&outer), [4, 9]);
    assert_eq!(places(&inner), [5, 8]);
    doc.delete(0, 9).unwrap();
    for anchor in outer.iter().chain(&inner) {
        assert_eq!(doc.resolve(anchor), Ok(0));
    }
}

#[test]
fn invalid_anchors_are_refused() {
    let mut doc = Document::new("a").unwrap();
    assert_eq!(
        doc.anchor_at(1, Bias::Left),
        Err(AnchorError::OutOfBounds {
            position: 1,
            len: 0
        })
    );
    doc.insert(0, "x").unwrap();
    doc.delete(0, 1).unwrap();
    let at = |agent: &str, seq| Anchor {
        char: Some(EventId::new(agent, seq)),
        bias: Bias::Left,
    };
    assert_eq!(doc.resolve(&at("a", 0)), Ok(0));
    for (anchor, code) in [
        (at("a", 1), "not_an_insert"),
        (at("a", 2), "unknown_event"),
        (at("nobody", 0), "unknown_event"),
    ] {
        assert_eq!(doc.resolve(&anchor).unwrap_err().code(), code);
    }
}
