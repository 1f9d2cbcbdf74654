//! Older versions, differences between versions, the history as runs, reverting and blame, all
//! against the oracle.

use std::collections::{BTreeSet, HashMap};

use crate::histories::*;
use crate::oracle::{self, Event, Op};
use crdt_core::session::NamedPatches;
use crdt_core::{
    Authored, Bias, Document, EditKind, EventId, Frontier, SaveOptions, Splice, UndoManager,
};
use fastrand::Rng;

/// A version made of a few random events: those, and all before them.
fn random_version(rng: &mut Rng, events: &[Event]) -> Frontier {
    let count = rng.usize(0..4);
    let pick = |rng: &mut Rng| {
        let event = &events[rng.usize(0..events.len())];
        EventId::new(&event.agent, event.seq)
    };
    (0..count).map(|_| pick(rng)).collect()
}

/// The text that the oracle gives a version.
fn oracle_text(events: &[Event], version: &Frontier) -> String {
    let mut inside: BTreeSet<usize> = BTreeSet::new();
    let mut todo: Vec<usize> = (0..events.len())
        .filter(|&i| {
            let id = EventId::new(&events[i].agent, events[i].seq);
            version.ids().contains(&id)
        })
        .collect();
    while let Some(i) = todo.pop() {
        if inside.insert(i) {
            todo.extend(&events[i].parents);
        }
    }
    let places: HashMap<usize, usize> = inside.iter().enumerate().map(|(k, &i)| (i, k)).collect();
    let part: Vec<Event> = inside
        .iter()
        .map(|&i| Event {
            parents: events[i].parents.iter().map(|p| places[p]).collect(),
            ..events[i].clone()
        })
        .collect();
    oracle::replay(&part)
}

/// Makes a splice to a text in both units.
fn splice(text: &mut (Vec<char>, Vec<u16>), s: Splice<'_>) {
    let (chars, units) = text;
    let range = s.pos.chars..s.pos.chars + s.deleted.chars;
    chars.splice(range, s.inserted.chars());
    let range = s.pos.utf16..s.pos.utf16 + s.deleted.utf16;
    units.splice(range, s.inserted.encode_utf16());
}

fn both_units(text: &str) -> (Vec<char>, Vec<u16>) {
    (text.chars().collect(), text.encode_utf16().collect())
}

#[test]
fn older_texts_and_differences_agree_with_the_oracle() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(5..40);
        let mut docs = random_replicas(&mut rng, steps);
        let operations = docs[0].operations_json().unwrap();
        let events = events(&operations);
        if events.is_empty() {
            return;
        }
        let doc = &mut docs[0];
        let whole = doc.frontier();
        let mut last = (Frontier::default(), String::new());
        for step in 0..8 {
            let version = match step {
                3 => whole.clone(),
                _ => random_version(&mut rng, &events),
            };
            let text = oracle_text(&events, &version);
            assert_eq!(doc.text_at(&version).as_ref(), Ok(&text), "{version:?}");
            let mut way = both_units(&last.1);
            let mut end = 0;
            doc.diff(&last.0, &version, &mut |s| {
                assert!(s.pos.chars >= end, "from left to right");
                assert_ne!((s.deleted.chars, s.inserted), (0, ""));
                end = s.pos.chars + s.inserted.chars().count();
                splice(&mut way, s);
            })
            .unwrap();
            assert_eq!(way, both_units(&text));
            last = (version, text);
            // The document itself is where it was, and goes on.
            assert_eq!(doc.text_at(&whole), Ok(oracle_text(&events, &whole)));
        }
        assert_eq!(doc.operations_json().unwrap(), operations);
    });
}

#[test]
fn operations_after_a_version_are_those_that_its_summary_lacks() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(5..40);
        let docs = random_replicas(&mut rng, steps);
        let operations = docs[0].operations_json().unwrap();
        let events = events(&operations);
        let doc = &docs[0];
        assert_eq!(
            doc.operations_after_json(&Frontier::default()).as_ref(),
            Ok(&operations)
        );
        if events.is_empty() {
            return;
        }
        for _ in 0..5 {
            let version = random_version(&mut rng, &events);
            let after = doc.operations_after_json(&version).unwrap();
            let have = doc.summary_of(&version).unwrap();
            assert_eq!(doc.operations_since_json(&have).as_ref(), Ok(&after));
            // Who has the version has everything with them.
            let mut behind = Document::new("reader").unwrap();
            let before = doc.summary().difference(&have);
            behind
                .merge_json(&doc.operations_since_json(&before).unwrap())
                .unwrap();
            assert_eq!(behind.summary(), have);
            behind.merge_json(&after).unwrap();
            assert_eq!(behind.operations_json().unwrap(), operations);
        }
    });
}

#[test]
fn reverting_is_an_edit_that_others_receive() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 25);
        let events = events(&docs[0].operations_json().unwrap());
        if events.is_empty() {
            return;
        }
        let version = random_version(&mut rng, &events);
        let text = oracle_text(&events, &version);
        let mut way = both_units(&docs[0].text());
        let before = docs[0].frontier();
        docs[0]
            .revert_to(&version, &mut |s| splice(&mut way, s))
            .unwrap();
        assert_eq!(docs[0].text(), text);
        assert_eq!(way, both_units(&text));
        // What others do meanwhile stays.
        docs[1].insert(0, "meanwhile ").unwrap();
        for (a, b) in [(0, 1), (1, 0)] {
            let from = docs[a].clone();
            sync(&mut rng, &from, &mut docs[b]);
        }
        assert_eq!(docs[0].text(), docs[1].text());
        assert_eq!(docs[0].text().replacen("meanwhile ", "", 1), text);
        // And it can be taken back.
        docs[0].revert_to(&before, &mut |_| {}).unwrap();
        assert_eq!(docs[0].text(), docs[0].clone().text_at(&before).unwrap());
        let events = docs[0].event_count();
        let now = docs[0].frontier();
        docs[0].revert_to(&now, &mut |_| {}).unwrap();
        assert_eq!(docs[0].event_count(), events, "nothing to do, nothing done");
    });
}

#[test]
fn the_history_holds_every_event_with_its_parents() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 25);
        for doc in &docs[..2] {
            let expected = events(&doc.operations_json().unwrap());
            let mut index: HashMap<EventId, usize> = HashMap::new();
            let mut found: Vec<Event> = Vec::new();
            for run in doc.history().unwrap() {
                let mut parents: Vec<usize> = run.parents.ids().iter().map(|p| index[p]).collect();
                let len = run.seqs.len();
                let mut chars = run.text.chars();
                for (k, seq) in run.seqs.enumerate() {
                    index.insert(EventId::new(run.agent, seq), found.len());
                    found.push(Event {
                        agent: run.agent.to_owned(),
                        seq,
                        parents: std::mem::take(&mut parents),
                        op: match run.kind {
                            EditKind::Insert => Op::Insert(run.pos + k, chars.next().unwrap()),
                            EditKind::Delete => Op::Delete(run.pos),
                            EditKind::Backspace => Op::Delete(run.pos + len - 1 - k),
                        },
                    });
                    parents.push(found.len() - 1);
                }
                assert_eq!(chars.next(), None);
            }
            assert_eq!(found.len(), expected.len());
            for event in &expected {
                let same = &found[index[&EventId::new(&event.agent, event.seq)]];
                let parents = |events: &[Event], of: &Event| -> BTreeSet<EventId> {
                    let id = |&p: &usize| EventId::new(&events[p].agent, events[p].seq);
                    of.parents.iter().map(id).collect()
                };
                assert_eq!(same.op, event.op);
                assert_eq!(parents(&found, same), parents(&expected, event));
            }
        }
    });
}

#[test]
fn blame_names_who_inserted_each_char() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 30);
        let events = events(&docs[0].operations_json().unwrap());
        let shown: Vec<EventId> = oracle::sequence(&events)
            .iter()
            .filter(|char| char.deleted_by.is_empty())
            .map(|char| EventId::new(&events[char.event].agent, events[char.event].seq))
            .collect();
        let start = rng.usize(0..=shown.len());
        let end = rng.usize(start..=shown.len());
        for range in [0..shown.len(), start..end] {
            let blame = docs[0].blame(range.clone()).unwrap();
            let mut at = range.start;
            let mut ids: Vec<EventId> = Vec::new();
            for Authored {
                range: piece,
                agent,
                seqs,
                time,
            } in &blame
            {
                assert_eq!((piece.start, piece.len()), (at, seqs.len()));
                assert_eq!(*time, None);
                at = piece.end;
                ids.extend(seqs.clone().map(|seq| EventId::new(agent, seq)));
            }
            assert_eq!(ids, shown[range]);
            let apart = |pair: &[Authored]| {
                pair[0].agent != pair[1].agent || pair[0].seqs.end != pair[1].seqs.start
            };
            assert!(blame.windows(2).all(apart), "as long as they can be");
        }
        assert!(docs[0].blame(0..shown.len() + 1).is_err());
    });
}

#[test]
fn unknown_versions_are_refused() {
    let mut doc = Document::new("a").unwrap();
    doc.insert(0, "text").unwrap();
    for id in [EventId::new("a", 4), EventId::new("b", 0)] {
        let version = Frontier::new([EventId::new("a", 0), id]);
        let codes = [
            doc.text_at(&version).unwrap_err().code(),
            doc.diff(&Frontier::default(), &version, &mut |_| {})
                .unwrap_err()
                .code(),
            doc.revert_to(&version, &mut |_| {}).unwrap_err().code(),
        ];
        assert_eq!(codes, ["unknown_event"; 3]);
    }
    let first = Frontier::new([EventId::new("a", 0)]);
    assert_eq!(doc.text_at(&first).as_deref(), Ok("t"));
    assert_eq!(doc.text_at(&Frontier::default()).as_deref(), Ok(""));
    assert_eq!(doc.event_count(), 4);
}

/// Everything works on a document that was opened from a file, whose history is still packed.
#[test]
fn a_file_opened_has_its_versions_authors_and_undo() {
    for_each_seed(100, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 20);
        let bytes = docs[0].save(&SaveOptions::default()).unwrap();
        let mut loaded = Document::load("z", &bytes).unwrap();
        let mut undo = UndoManager::new(&loaded);
        loaded
            .insert(0, "typed before the history is needed")
            .unwrap();
        assert!(undo.can_undo(&loaded));
        undo.undo(&mut loaded, &mut |_| {}).unwrap();
        assert_eq!(loaded.text(), docs[0].text());
        let len = loaded.len_chars();
        assert_eq!(loaded.blame(0..len), docs[0].blame(0..len));
        let version = docs[0].frontier();
        assert_eq!(loaded.text_at(&version), Ok(docs[0].text()));
        let place = rng.usize(0..=len);
        let anchor = docs[0].anchor_at(place, Bias::Left).unwrap();
        let fresh = Document::load("z", &bytes).unwrap();
        assert_eq!(fresh.resolve(&anchor), Ok(place));
    });
}

/// A branch holds what its version held, and merges with where it came from, in both directions.
#[test]
fn branches_begin_at_a_version_and_merge() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 25);
        let past = events(&docs[0].operations_json().unwrap());
        if past.is_empty() {
            return;
        }
        let version = random_version(&mut rng, &past);
        let mut branch = docs[0].branch(&version, "branch").unwrap();
        assert_eq!(branch.text(), oracle_text(&past, &version));
        assert_eq!(branch.summary(), docs[0].summary_of(&version).unwrap());
        for _ in 0..3 {
            random_edit(&mut rng, &mut branch);
            random_edit(&mut rng, &mut docs[0]);
            if rng.u8(0..3) == 0 {
                branch.merge_from(&docs[0], &mut |_| {}).unwrap();
            }
        }
        let mut way = both_units(&docs[0].text());
        let merged = docs[0].merge_from(&branch, &mut |s| splice(&mut way, s));
        assert_eq!(merged.unwrap().pending, 0);
        branch.merge_from(&docs[0], &mut |_| {}).unwrap();
        let text = oracle::replay(&events(&branch.operations_json().unwrap()));
        assert_eq!(
            (branch.text(), docs[0].text()),
            (text.clone(), text.clone())
        );
        assert_eq!(way, both_units(&text));
    });
    let doc = Document::new("a").unwrap();
    let unknown = Frontier::new([EventId::new("b", 0)]);
    assert_eq!(
        doc.branch(&unknown, "b").unwrap_err().code(),
        "unknown_event"
    );
    let nameless = doc.branch(&Frontier::default(), "");
    assert_eq!(nameless.unwrap_err().code(), "bad_agent_name");
}

/// What came since a number of events, of documents that were made, merged, loaded, and loaded
/// without their beginning; and a patch of just these events, whole or in parts, is what was lacking.
#[test]
fn the_events_since_a_count_are_the_difference_of_the_summaries() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 20);
        let options = SaveOptions::default();
        let file = match rng.u8(0..3) {
            0 => None,
            1 => Some(docs[0].save(&options).unwrap()),
            _ => Some(docs[0].save_shallow(&docs[0].frontier(), &options).unwrap()),
        };
        let mut doc = match file {
            Some(file) => Document::load("reader", &file).unwrap(),
            None => docs[0].clone(),
        };
        let mut others = docs;
        let mut stages = vec![(doc.event_count(), doc.summary(), doc.clone())];
        for _ in 0..rng.usize(1..8) {
            if rng.bool() {
                random_edit(&mut rng, &mut doc);
            } else {
                let other = &mut others[1];
                random_edit(&mut rng, other);
                sync(&mut rng, other, &mut doc);
            }
            stages.push((doc.event_count(), doc.summary(), doc.clone()));
        }
        let now = doc.summary();
        for (events, summary, mut then) in stages {
            let since = doc.summary_since(events);
            assert_eq!(since, now.difference(&summary));
            let (patch, part) = doc.encode_part_named(&since, &[], usize::MAX).unwrap();
            assert_eq!(part, None);
            then.merge_patch_named_with(&patch, &[], &mut |_| {})
                .unwrap();
            assert_eq!((then.summary(), then.text()), (now.clone(), doc.text()));
        }
        assert_eq!(doc.summary_since(0), now);
    });
}
