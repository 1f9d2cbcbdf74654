//! Each strategy merges its kind of history, and gives the text of the oracle. Without `fast-merge`
//! the tracker merges all concurrent events.

use crate::histories::{events, for_each_seed, random_edit};
use crate::oracle;
use crdt_core::session::NamedPatches;
use crdt_core::{Document, Strategy, StrategyCounts, VersionSummary};
use fastrand::Rng;

const FAST: bool = cfg!(feature = "fast-merge");

fn doc(agent: &str) -> Document {
    Document::new(agent).expect("a valid name")
}

/// Merges the events that `from` has and `to` lacks. Returns their number.
fn merge(from: &Document, to: &mut Document) -> u64 {
    let patch = from.encode_since(&to.summary()).expect("it is all here");
    to.merge_patch(&patch).expect("a good patch").applied as u64
}

/// The counts, in the order of [`Strategy::ALL`].
fn counts(doc: &Document) -> [u64; 5] {
    let counts: StrategyCounts = doc.strategy_counts();
    Strategy::ALL.map(|strategy| counts.of(strategy))
}

fn check(doc: &Document) {
    let operations = doc.operations_json().expect("it is not packed");
    assert_eq!(doc.text(), oracle::replay(&events(&operations)));
}

/// Two replicas with an initial text of `chars` chars.
fn pair(chars: usize) -> (Document, Document) {
    let (mut ann, mut bob) = (doc("ann"), doc("bob"));
    ann.insert(0, &"x".repeat(chars))
        .expect("position 0 exists");
    merge(&ann, &mut bob);
    (ann, bob)
}

#[test]
fn a_keystroke_that_follows_everything_is_made_like_a_local_edit() {
    let (mut ann, mut bob) = pair(10);
    let names = ["ann", "bob"];
    for _ in 0..20 {
        let before = ann.summary();
        ann.insert(3, "y").expect("position 3 exists");
        let patch = ann.encode_since_named(&before, &names).expect("all here");
        bob.merge_patch_named_with(&patch, &names, &mut |_| {})
            .expect("the next event");
    }
    assert_eq!(counts(&bob), [20, 10, 0, 0, 0]);
    check(&bob);
}

#[test]
fn events_without_concurrent_ones_apply_unchanged() {
    for_each_seed(30, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = [doc("ann"), doc("bob")];
        for turn in 0..6 {
            let (one, other) = docs.split_at_mut(1);
            let (writer, reader) = match turn % 2 {
                0 => (&mut one[0], &mut other[0]),
                _ => (&mut other[0], &mut one[0]),
            };
            for _ in 0..rng.usize(1..20) {
                random_edit(&mut rng, writer);
            }
            merge(writer, reader);
        }
        let mut reader = doc("reader");
        let all = merge(&docs[0], &mut reader);
        assert_eq!(counts(&reader), [0, all, 0, 0, 0]);
        check(&reader);
    });
}

#[test]
fn two_branches_that_were_edited_offline_are_merged_gap_by_gap() {
    for_each_seed(30, |seed| {
        let mut rng = Rng::with_seed(seed);
        let (mut ann, mut bob) = pair(30);
        for _ in 0..100 {
            random_edit(&mut rng, &mut ann);
            random_edit(&mut rng, &mut bob);
        }
        let new = merge(&bob, &mut ann);
        let expected = match FAST {
            true => [0, 0, new, 0, 0],
            false => [0, 0, 0, 0, new],
        };
        assert_eq!(counts(&ann), expected);
        check(&ann);
    });
}

#[test]
fn a_live_session_needs_no_tracker() {
    let (mut ann, mut bob) = pair(100);
    let linear = counts(&bob)[Strategy::Linear as usize];
    let mut new = 0;
    for turn in 0..50 {
        // Each types at a place of its own, and lacks the latest char of the other.
        ann.insert(10 + turn, "a").expect("it exists");
        bob.insert(80 + turn, "b").expect("it exists");
        let before = ann.clone();
        merge(&bob, &mut ann);
        new += merge(&before, &mut bob);
    }
    assert_eq!((ann.text(), new), (bob.text(), 50));
    let expected = match FAST {
        true => [0, linear, 0, new, 0],
        false => [0, linear, 0, 0, new],
    };
    assert_eq!(counts(&bob), expected);
    check(&bob);
}

#[test]
fn three_branches_at_once_go_to_the_tracker() {
    for_each_seed(30, |seed| {
        let mut rng = Rng::with_seed(seed);
        let (mut ann, mut bob) = pair(30);
        let mut cid = doc("cid");
        merge(&ann, &mut cid);
        for _ in 0..40 {
            random_edit(&mut rng, &mut ann);
            random_edit(&mut rng, &mut bob);
            random_edit(&mut rng, &mut cid);
        }
        merge(&bob, &mut cid);
        let before = counts(&ann)[Strategy::Tracker as usize];
        merge(&cid, &mut ann);
        assert!(counts(&ann)[Strategy::Tracker as usize] > before);
        check(&ann);
    });
}

#[test]
fn every_event_is_merged_by_one_strategy() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = crate::histories::random_replicas(&mut rng, 40);
        let mut reader = doc("reader");
        let mut applied = 0;
        for part in &docs {
            let patch = part.encode_since(&VersionSummary::new()).expect("all here");
            applied += reader.merge_patch(&patch).expect("a good patch").applied as u64;
        }
        assert_eq!(counts(&reader).iter().sum::<u64>(), applied);
    });
}
