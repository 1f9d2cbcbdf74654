//! Undo and redo: against remembered texts where nobody else edits, and against the oracle where
//! others do.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::histories::*;
use crate::oracle::{self, Event, Op};
use crdt_core::{Document, EventId, HistoryError, Splice, UndoManager, VersionSummary};
use fastrand::Rng;

fn id(event: &Event) -> EventId {
    EventId::new(&event.agent, event.seq)
}

type Act =
    fn(&mut UndoManager, &mut Document, &mut dyn FnMut(Splice<'_>)) -> Result<bool, HistoryError>;

/// Undoes or redoes, and checks that the splices lead from the text before to the text after.
fn step(undo: &mut UndoManager, doc: &mut Document, act: Act) -> bool {
    let mut units: Vec<u16> = doc.text().encode_utf16().collect();
    let mut chars: Vec<char> = doc.text().chars().collect();
    let before = doc.event_count();
    let done = act(undo, doc, &mut |s| {
        let range = s.pos.utf16..s.pos.utf16 + s.deleted.utf16;
        units.splice(range, s.inserted.encode_utf16());
        let range = s.pos.chars..s.pos.chars + s.deleted.chars;
        chars.splice(range, s.inserted.chars());
    })
    .unwrap();
    assert_eq!(String::from_utf16(&units).unwrap(), doc.text());
    assert_eq!(chars.into_iter().collect::<String>(), doc.text());
    assert_eq!(done, doc.event_count() > before);
    done
}

/// Edits in groups; undoing and redoing goes through the texts between them, back and forth.
#[test]
fn undo_and_redo_go_through_the_texts_between_groups() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 20);
        let doc = &mut docs[0];
        let mut undo = UndoManager::new(doc);
        // Groups without an effect are skipped, so only texts that differ count.
        let mut texts = vec![doc.text()];
        for _ in 0..rng.usize(1..8) {
            for _ in 0..rng.usize(1..4) {
                random_edit(&mut rng, doc);
            }
            undo.checkpoint(doc);
            texts.push(doc.text());
        }
        texts.dedup();
        let mut at = texts.len() - 1;
        for _ in 0..40 {
            if rng.u8(0..5) < 3 {
                let done = step(&mut undo, doc, UndoManager::undo);
                // A group may have put back by hand what an earlier one took away.
                if done {
                    at = at.saturating_sub(usize::from(doc.text() != texts[at]));
                }
            } else if step(&mut undo, doc, UndoManager::redo) && doc.text() != texts[at] {
                at += 1;
            }
            assert_eq!(doc.text(), texts[at]);
        }
        while step(&mut undo, doc, UndoManager::undo) {}
        assert_eq!(doc.text(), texts[0]);
        assert!(!undo.can_undo(doc) || texts.len() == 1);
        while step(&mut undo, doc, UndoManager::redo) {}
        assert_eq!(doc.text(), texts[texts.len() - 1]);
        // A new edit makes the undone ones final.
        if step(&mut undo, doc, UndoManager::undo) {
            assert!(undo.can_redo(doc));
            doc.insert(0, "new").unwrap();
            assert!(!undo.can_redo(doc));
            assert!(!step(&mut undo, doc, UndoManager::redo));
        }
    });
}

/// Everybody edits at once; then one replica undoes all it did: its inserts are gone, its deletes
/// are back unless others deleted the same by events that sort before, and everything else is as it was.
#[test]
fn undoing_everything_leaves_what_others_did() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 12);
        let since = docs[0].summary();
        let mut undo = UndoManager::new(&docs[0]);
        for _ in 0..rng.usize(3..25) {
            let i = rng.usize(0..docs.len());
            if rng.bool() {
                random_edit(&mut rng, &mut docs[i]);
                undo.checkpoint(&docs[0]);
            } else {
                let from = docs[rng.usize(0..docs.len())].clone();
                sync(&mut rng, &from, &mut docs[i]);
            }
        }
        for i in 1..docs.len() {
            let from = docs[i].clone();
            sync(&mut rng, &from, &mut docs[0]);
        }
        let own = docs[0].agent().to_owned();
        let events = events(&docs[0].operations_json().unwrap());
        let taken_back = |e: usize| events[e].agent == own && !since.contains(&id(&events[e]));
        let expected: String = oracle::sequence(&events)
            .iter()
            .filter(|char| {
                let first = char.deleted_by.iter().min_by_key(|&&e| id(&events[e]));
                !taken_back(char.event) && first.is_none_or(|&e| taken_back(e))
            })
            .map(|char| char.char)
            .collect();
        let before = docs[0].text();
        while step(&mut undo, &mut docs[0], UndoManager::undo) {}
        assert_eq!(docs[0].text(), expected);
        while step(&mut undo, &mut docs[0], UndoManager::redo) {}
        assert_eq!(docs[0].text(), before);
    });
}

/// Undo and redo in the midst of concurrent editing: replicas converge, and neither deletes a char
/// of somebody else or inserts anything but what was deleted.
#[test]
fn undo_among_concurrent_edits_only_reverts_own_ones() {
    for_each_seed(400, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 8);
        let mut managers: Vec<UndoManager> = docs.iter().map(UndoManager::new).collect();
        let mut made: Vec<(EventId, u32)> = Vec::new();
        for _ in 0..40 {
            let i = rng.usize(0..docs.len());
            match rng.u8(0..8) {
                0..3 => random_edit(&mut rng, &mut docs[i]),
                3 => managers[i].checkpoint(&docs[i]),
                4 | 5 => {
                    let act = [UndoManager::undo, UndoManager::redo][rng.usize(0..2)];
                    let before = docs[i].summary();
                    step(&mut managers[i], &mut docs[i], act);
                    let new = docs[i].summary().difference(&before);
                    let agent = docs[i].agent();
                    assert_eq!(new.iter().count(), new.ranges(agent).len());
                    let first = |r: &Range<u32>| (EventId::new(agent, r.start), r.end - r.start);
                    made.extend(new.ranges(agent).iter().map(first));
                }
                _ => {
                    let from = docs[rng.usize(0..docs.len())].clone();
                    sync(&mut rng, &from, &mut docs[i]);
                }
            }
        }
        for round in 0..2 {
            for i in 0..docs.len() {
                let (from, to) = if round == 0 { (i, 0) } else { (0, i) };
                let from = docs[from].clone();
                sync(&mut rng, &from, &mut docs[to]);
            }
        }
        let operations = docs[0].operations_json().unwrap();
        let events = events(&operations);
        let text = oracle::replay(&events);
        for doc in &docs {
            assert_eq!(doc.text(), text);
            assert_eq!(doc.operations_json().unwrap(), operations);
        }
        let chars = oracle::sequence(&events);
        let of: HashMap<EventId, usize> =
            events.iter().enumerate().map(|(i, e)| (id(e), i)).collect();
        let deleted: BTreeSet<char> = chars
            .iter()
            .filter(|char| !char.deleted_by.is_empty())
            .map(|char| char.char)
            .collect();
        for (first, len) in &made {
            for k in 0..*len {
                let event = of[&EventId::new(&first.agent, first.seq + k)];
                match events[event].op {
                    Op::Insert(_, char) => assert!(deleted.contains(&char)),
                    Op::Delete(_) => {
                        let target = chars.iter().find(|c| c.deleted_by.contains(&event));
                        let by = &events[target.unwrap().event].agent;
                        assert_eq!(by, &first.agent);
                    }
                }
            }
        }
    });
}

/// What two people did to the same text, step by step.
#[test]
fn two_people_at_one_sentence() {
    let both = |a: &mut Document, b: &mut Document| {
        let (to_b, to_a) = (
            a.encode_since(&b.summary()).unwrap(),
            b.encode_since(&VersionSummary::new()).unwrap(),
        );
        b.merge_patch(&to_b).unwrap();
        a.merge_patch(&to_a).unwrap();
        assert_eq!(a.text(), b.text());
    };
    let mut alice = Document::new("alice").unwrap();
    let mut bob = Document::new("bob").unwrap();
    alice.insert(0, "the cat sat").unwrap();
    both(&mut alice, &mut bob);
    let mut undo = UndoManager::new(&alice);

    // Alice replaces a word while Bob extends it.
    alice.delete(4, 3).unwrap();
    alice.insert(4, "dog").unwrap();
    bob.insert(7, "fish").unwrap();
    both(&mut alice, &mut bob);
    assert_eq!(alice.text(), "the dogfish sat");
    undo.undo(&mut alice, &mut |_| {}).unwrap();
    assert!(alice.text().contains("cat") && alice.text().contains("fish"));
    assert!(!alice.text().contains("dog"));
    undo.redo(&mut alice, &mut |_| {}).unwrap();
    assert_eq!(alice.text(), "the dogfish sat");
    both(&mut alice, &mut bob);

    // Bob deletes Alice's word: there is nothing left of it to undo but her delete.
    bob.delete(4, 3).unwrap();
    both(&mut alice, &mut bob);
    undo.undo(&mut alice, &mut |_| {}).unwrap();
    both(&mut alice, &mut bob);
    assert_eq!(alice.text(), "the catfish sat");

    // Both delete the same: Alice's undo brings it back, as her name sorts first, and Bob's does not.
    undo.checkpoint(&alice);
    let mut undo_bob = UndoManager::new(&bob);
    alice.delete(0, 4).unwrap();
    bob.delete(0, 4).unwrap();
    both(&mut alice, &mut bob);
    assert!(undo.can_undo(&alice));
    assert!(!undo_bob.undo(&mut bob, &mut |_| {}).unwrap());
    assert_eq!(bob.text(), "catfish sat");
    undo.undo(&mut alice, &mut |_| {}).unwrap();
    both(&mut alice, &mut bob);
    assert_eq!(alice.text(), "the catfish sat");

    // The same while neither has heard of the other's undo.
    undo.redo(&mut alice, &mut |_| {}).unwrap();
    undo.undo(&mut alice, &mut |_| {}).unwrap();
    both(&mut alice, &mut bob);
    let mut undo_bob = UndoManager::new(&bob);
    undo.checkpoint(&alice);
    alice.delete(0, 4).unwrap();
    bob.delete(2, 5).unwrap();
    both(&mut alice, &mut bob);
    assert_eq!(alice.text(), "fish sat");
    undo.undo(&mut alice, &mut |_| {}).unwrap();
    undo_bob.undo(&mut bob, &mut |_| {}).unwrap();
    both(&mut alice, &mut bob);
    assert_eq!(alice.text(), "the catfish sat");
}

#[test]
fn skipped_edits_belong_to_no_undo_group() {
    let mut doc = Document::new("alice").unwrap();
    let mut undo = UndoManager::new(&doc);
    doc.insert(0, "a").unwrap();
    undo.checkpoint(&doc);
    doc.insert(1, "b").unwrap();
    undo.skip(&doc);
    doc.insert(2, "c").unwrap();
    undo.checkpoint(&doc);
    assert_eq!((undo.undo_depth(), undo.redo_depth()), (2, 0));
    assert!(undo.undo(&mut doc, &mut |_| {}).unwrap());
    assert_eq!(doc.text(), "ab");
    doc.insert(0, "-").unwrap();
    undo.skip(&doc);
    assert!(undo.can_redo(&doc));
    assert!(undo.undo(&mut doc, &mut |_| {}).unwrap());
    assert_eq!(doc.text(), "-b");
    assert_eq!((undo.undo_depth(), undo.redo_depth()), (0, 2));
    assert!(!undo.undo(&mut doc, &mut |_| {}).unwrap());
}
