//! Reused replica names: they are detected in all kinds of merges, and replaced.

use crate::histories::for_each_seed;
use crdt_core::session::{MergeRules, NamedPatches};
use crdt_core::{
    Document, EventId, LoadLimits, SaveOptions, Splice, UndoManager, VersionSummary, person_of,
    replica_name,
};
use fastrand::Rng;

fn doc(agent: &str) -> Document {
    Document::new(agent).expect("a valid name")
}

/// The events that `from` has and `to` lacks.
fn increment(from: &Document, to: &Document) -> Vec<u8> {
    from.encode_since(&to.summary()).expect("it is all here")
}

fn merge(to: &mut Document, from: &Document) {
    let patch = increment(from, to);
    to.merge_patch(&patch).expect("a whole history");
}

/// Two replicas of one name that typed different texts before they exchanged events, the second one
/// less. The last chars are the same.
fn twins() -> (Document, Document) {
    let (mut first, mut second) = (doc("alice"), doc("alice"));
    first.insert(0, "Shopping list: milk").unwrap();
    second.insert(0, "Hiopping list: m").unwrap();
    (first, second)
}

#[test]
fn an_increment_on_a_different_event_is_detected_in_both_forms() {
    let (first, mut second) = twins();
    let before = second.operations_json().unwrap();
    let json = first.operations_since_json(&second.summary()).unwrap();
    assert!(json.contains(",\"builds_on\":[[\"alice\",15,"), "{json}");
    let patch = increment(&first, &second);
    for error in [second.merge_json(&json), second.merge_patch(&patch)] {
        let error = error.expect_err("another alice");
        assert_eq!(error.code(), "conflicting_event");
        assert!(error.to_string().contains("(alice, 15)"), "{error}");
    }
    assert_eq!(second.operations_json().unwrap(), before);
}

#[test]
fn a_whole_history_has_no_base() {
    let (first, second) = twins();
    let json = first.operations_json().unwrap();
    assert!(
        json.ends_with("]}]}") && !json.contains("builds_on"),
        "{json}"
    );
    assert_eq!(first.encode_since(&VersionSummary::new()).unwrap()[0], 2);
    assert_eq!(increment(&first, &second)[0], 4);
}

/// Its digests are of another kind, and say nothing here.
#[test]
fn an_increment_of_the_version_before_is_read_without_its_digests() {
    let (mut first, _) = twins();
    let mut same = doc("same");
    merge(&mut same, &first);
    first.insert(0, "more ").unwrap();
    let mut patch = increment(&first, &same);
    // Behind the version, one event that is built on: its agent with the name, its seq and its digest.
    assert_eq!(patch[..10], *b"\x04\x01\x00\x05alice\x12");
    patch[0] = 3;
    patch[10] ^= 1;
    same.merge_patch(&patch).expect("the rest of it fits");
    assert_eq!(same.text(), first.text());
}

#[test]
fn an_increment_stays_small_after_many_concurrent_edits() {
    let heads = 500;
    let mut all = doc("reader");
    let mut bytes = 0;
    for i in 0..heads {
        let before = all.event_count();
        let mut other = doc(&format!("agent{i:04}"));
        other.insert(0, "x").unwrap();
        merge(&mut all, &other);
        let new = all.summary_since(before);
        bytes += all.encode_of(&new).expect("it is all here").len();
    }
    assert_eq!(all.frontier().ids().len(), heads);
    // 8 heads, each with its name, seq and digest, and the edit.
    let most = 9 * ("agent0000".len() + 10);
    assert!(bytes < heads * most, "{bytes} bytes");
}

#[test]
fn digests_are_equal_if_the_events_are() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut docs = ["ann", "bob", "cy"].map(doc);
        for _ in 0..60 {
            let (i, k) = (rng.usize(0..3), rng.usize(0..3));
            let len = docs[i].len_chars();
            match rng.u8(0..4) {
                0 | 1 => {
                    let text = ["a", "🦀b", "long text", "ß"][rng.usize(0..4)];
                    docs[i].insert(rng.usize(0..=len), text).unwrap();
                }
                2 if len > 0 => {
                    let at = rng.usize(0..len);
                    docs[i].delete(at, rng.usize(1..=len - at)).unwrap();
                }
                _ => {
                    let patch = increment(&docs[k], &docs[i]);
                    docs[i].merge_patch(&patch).unwrap();
                }
            }
        }
        let mut whole = doc("zed");
        docs.iter().for_each(|doc| merge(&mut whole, doc));
        let opened = Document::load("zed", &whole.save(&Default::default()).unwrap()).unwrap();
        for doc in &docs {
            for (agent, ranges) in doc.summary().iter() {
                for seq in ranges[0].clone().step_by(rng.usize(1..9)) {
                    let id = EventId::new(agent, seq);
                    let digest = doc.digest_of(&id);
                    assert!(digest.is_some());
                    assert_eq!(whole.digest_of(&id), digest, "seed {seed}: {id:?}");
                    assert_eq!(opened.digest_of(&id), digest, "seed {seed}: {id:?}");
                }
            }
        }
    }
}

#[test]
fn any_difference_changes_the_digest() {
    let edits: [&dyn Fn(&mut Document); 5] = [
        &|doc| doc.insert(0, "abc").unwrap(),
        &|doc| doc.insert(0, "abd").unwrap(),
        &|doc| {
            doc.insert(0, "ac").unwrap();
            doc.insert(1, "b").unwrap();
        },
        &|doc| {
            doc.insert(0, "ab").unwrap();
            doc.delete(1, 1).unwrap();
        },
        &|doc| {
            doc.insert(0, "ab").unwrap();
            doc.delete(0, 1).unwrap();
        },
    ];
    let later = |edit: &dyn Fn(&mut Document)| {
        let mut doc = doc("alice");
        edit(&mut doc);
        // More than is kept of a digest.
        doc.insert(doc.len_chars(), &"x".repeat(1_000)).unwrap();
        [2, 3, 500, 1_002].map(|seq| doc.digest_of(&EventId::new("alice", seq)).unwrap())
    };
    let all: Vec<_> = edits.map(later).into_iter().collect();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            assert!(a.iter().zip(b).all(|(a, b)| a != b), "{i}");
        }
    }
    let (_, second) = twins();
    let mut builds = doc("bob");
    merge(&mut builds, &second);
    builds.insert(0, "x").unwrap();
    let mut alone = doc("bob");
    alone.insert(0, "x").unwrap();
    let id = EventId::new("bob", 0);
    assert_ne!(builds.digest_of(&id), alone.digest_of(&id));
}

#[test]
fn after_a_rename_the_texts_merge() {
    let (mut first, mut second) = twins();
    let moved = second.rename("alice\u{1}2", &mut |_| {}).unwrap();
    assert_eq!((moved, second.agent()), (16, "alice\u{1}2"));
    assert_eq!(second.text(), "Hiopping list: m");
    merge(&mut second, &first);
    merge(&mut first, &second);
    assert_eq!(first.text(), "Shopping list: milkHiopping list: m");
    assert_eq!(second.text(), first.text());
    second.insert(0, "> ").unwrap();
    merge(&mut first, &second);
    assert_eq!(first.operations_json(), second.operations_json());
}

#[test]
fn shared_events_keep_the_old_name() {
    let mut alice = doc("alice");
    alice.insert(0, "shared").unwrap();
    alice.mark_shared();
    let mut bob = doc("bob");
    merge(&mut bob, &alice);
    alice.insert(6, " own").unwrap();
    assert_eq!(alice.first_unshared(), 6);
    assert_eq!(alice.rename("alice (2)", &mut |_| {}), Ok(4));
    assert_eq!(
        (
            alice.event_count_of("alice"),
            alice.event_count_of("alice (2)")
        ),
        (6, 4)
    );
    merge(&mut bob, &alice);
    assert_eq!(bob.text(), "shared own");
    let file = bob.save(&Default::default()).unwrap();
    let mut opened = Document::load("alice (2)", &file).unwrap();
    opened.insert(0, "x").unwrap();
    assert_eq!(opened.rename("alice (3)", &mut |_| {}), Ok(1));
    assert_eq!(opened.event_count_of("alice (2)"), 4);
    assert!(opened.check_history().is_ok());
}

#[test]
fn a_refused_name_changes_nothing() {
    let mut alice = doc("alice");
    alice.insert(0, "a").unwrap();
    let mut bob = doc("bob");
    bob.insert(0, "b").unwrap();
    merge(&mut alice, &bob);
    for (name, code) in [
        ("", "bad_agent_name"),
        ("bob", "agent_in_use"),
        ("alice", "agent_in_use"),
    ] {
        let error = alice
            .rename(name, &mut |_| panic!("no change"))
            .unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(alice.agent(), "alice");
    }
}

#[test]
fn rules_leave_out_new_events_of_agents_and_keep_conflicts() {
    let (first, second) = twins();
    let mut bob = doc("bob");
    merge(&mut bob, &first);
    let all = second
        .encode_since_named(&VersionSummary::new(), &[])
        .unwrap();
    let keeping = MergeRules {
        keeps_conflicts: true,
        ..MergeRules::default()
    };
    let report = bob
        .merge_patch_named_by(&all, &[], &keeping, &mut |_| {})
        .unwrap();
    assert_eq!(report.exceptions.conflicts, [EventId::new("alice", 0)]);
    assert_eq!(bob.text(), first.text());

    let mut carol = doc("carol");
    merge(&mut carol, &first);
    carol.insert(0, "carol: ").unwrap();
    let mut dave = doc("dave");
    let all = carol
        .encode_since_named(&VersionSummary::new(), &[])
        .unwrap();
    let rules = MergeRules {
        withheld: &[("alice", 4)],
        ..MergeRules::default()
    };
    let report = dave
        .merge_patch_named_by(&all, &[], &rules, &mut |_| {})
        .unwrap();
    assert_eq!(report.exceptions.withheld, [EventId::new("alice", 4)]);
    assert_eq!((report.applied, report.pending), (4, 7));
    assert_eq!(dave.text(), "Shop");
    merge(&mut dave, &first);
    assert_eq!(dave.text(), carol.text());
}

/// An event that an agent sent itself, and that waits for the event of another agent, is not
/// attributed to that other agent.
#[test]
fn waiting_events_are_merged_whichever_peer_sends_their_parents() {
    let (mut ann, mut bob) = (doc("ann"), doc("bob"));
    ann.insert(0, "a").unwrap();
    merge(&mut bob, &ann);
    bob.insert(1, "b").unwrap();
    let (mut cy, nothing) = (doc("cy"), MergeRules::default());
    let mut before = VersionSummary::new();
    before.insert("ann", 0..1);
    let own = bob.encode_since_named(&before, &[]).unwrap();
    let report = cy
        .merge_patch_named_by(&own, &[], &nothing, &mut |_| {})
        .unwrap();
    assert_eq!(report.pending, 1);
    let rules = MergeRules {
        withheld: &[("bob", 0)],
        ..MergeRules::default()
    };
    let other = ann.encode_since_named(&VersionSummary::new(), &[]).unwrap();
    let report = cy
        .merge_patch_named_by(&other, &[], &rules, &mut |_| {})
        .unwrap();
    assert_eq!((report.applied, report.exceptions.withheld), (2, vec![]));
    assert_eq!(cy.text(), "ab");
}

/// Replicas are closed, and new ones begin empty under names that are in use, type, and only then
/// learn of the others: all end equal, with all that was typed.
#[test]
fn random_histories_with_names_that_are_used_again_converge() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = vec![doc("ann"), doc("bob"), doc("cy")];
        let (mut typed, mut fresh) = (0, 0);
        for _ in 0..12 {
            for _ in 0..10 {
                let (i, k) = (rng.usize(0..3), rng.usize(0..3));
                if rng.bool() {
                    typed += type_in(&mut docs[i], &mut rng);
                } else if i != k {
                    let from = docs[k].clone();
                    merge(&mut docs[i], &from);
                }
            }
            for _ in 0..2 {
                for i in 0..3 {
                    let from = docs[(i + 1) % 3].clone();
                    merge(&mut docs[i], &from);
                }
            }
            assert_eq!(docs[0].len_chars(), typed, "seed {seed}");
            // All have everything, so any may be closed.
            let names: Vec<String> = docs[0]
                .summary()
                .iter()
                .map(|(name, _)| name.into())
                .collect();
            let Some(name) = (!names.is_empty()).then(|| &names[rng.usize(0..names.len())]) else {
                continue;
            };
            let mut new = doc(name);
            let mut undo = UndoManager::new(&new);
            // The same event under the same id would be the same event.
            new.insert(0, &"ABCDEFGHIJKL"[usize::from(fresh)..])
                .unwrap();
            typed += new.len_chars();
            undo.checkpoint(&new);
            for _ in 0..rng.usize(0..5) {
                typed += type_in(&mut new, &mut rng);
                undo.checkpoint(&new);
            }
            let depth = undo.undo_depth();
            let before = new.text();
            let patch = increment(&docs[0], &new);
            let error = new
                .merge_patch(&patch)
                .expect_err("another one has that name");
            assert_eq!(error.code(), "conflicting_event", "seed {seed}");
            fresh += 1;
            let same = &mut |_: Splice<'_>| panic!("nothing is concurrent");
            new.rename(&replica_name(person_of(name), [fresh; 9]), same)
                .unwrap();
            merge(&mut new, &docs[0]);
            assert_eq!(new.len_chars(), typed, "seed {seed}");
            // The steps are still its own.
            for _ in 0..depth {
                assert!(undo.undo(&mut new, &mut |_| {}).unwrap(), "seed {seed}");
            }
            assert_eq!(new.text(), docs[0].text(), "seed {seed}");
            for _ in 0..depth {
                assert!(undo.redo(&mut new, &mut |_| {}).unwrap(), "seed {seed}");
            }
            assert_eq!(
                new.len_chars(),
                docs[0].len_chars() + before.chars().count()
            );
            let file = new.save(&SaveOptions::default()).unwrap();
            let verified = Document::load_verified("zed", &file, &LoadLimits::default()).unwrap();
            assert_eq!(verified.text(), new.text(), "seed {seed}");
            docs[rng.usize(0..3)] = new;
        }
        for doc in &docs {
            assert!(doc.check_history().is_ok());
        }
    });
}

/// Inserts a few chars; returns how many.
fn type_in(doc: &mut Document, rng: &mut Rng) -> usize {
    let text = ["a", "bc", "🦀ef"][rng.usize(0..3)];
    doc.insert(rng.usize(0..=doc.len_chars()), text).unwrap();
    text.chars().count()
}
