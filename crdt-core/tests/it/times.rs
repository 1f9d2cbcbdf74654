//! The times of events by their authors' clocks.

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EventId, Frontier, LoadLimits, UndoManager, VersionSummary};
use fastrand::Rng;
use std::collections::BTreeMap;

use crate::files::{Parts, all_options, golden, random_options};
use crate::histories::{AGENTS, for_each_seed, random_edit, random_replicas};

/// Events keep the times that their authors set: on every replica, in any order of arrival, and
/// after files of all kinds.
#[test]
fn times_are_merged_with_the_events() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 8);
        docs.truncate(3);
        let mut said: BTreeMap<EventId, u64> = BTreeMap::new();
        let mut clocks = [None; 3];
        for step in 0..30_u64 {
            let i = rng.usize(0..3);
            match rng.u8(0..8) {
                0 => {
                    let bytes = docs[i].save(&random_options(&mut rng)).unwrap();
                    docs[i] = Document::load(docs[i].agent(), &bytes).unwrap();
                    // What was said of edits to come went with the session.
                    clocks[i] = None;
                }
                1 | 2 => {
                    let from = docs[rng.usize(0..3)].clone();
                    let known = &AGENTS[..rng.usize(0..AGENTS.len())];
                    let have = docs[i].summary();
                    let patch = from.encode_since_named(&have, known).unwrap();
                    docs[i]
                        .merge_patch_named_with(&patch, known, &mut |_| {})
                        .unwrap();
                }
                3 | 4 => {
                    let time = 1_700_000_000_000 + step * rng.u64(0..3);
                    docs[i].set_time(time);
                    clocks[i] = Some(time);
                }
                _ => {
                    let before = docs[i].summary();
                    random_edit(&mut rng, &mut docs[i]);
                    let new = docs[i].summary().difference(&before);
                    for seq in new.ranges(docs[i].agent()).iter().cloned().flatten() {
                        let id = EventId::new(docs[i].agent(), seq);
                        // A time applies until the next one is set.
                        let last = said.iter().rfind(|(of, _)| of.agent == id.agent);
                        let time = clocks[i].or(last.map(|(_, &time)| time));
                        said.extend(time.map(|time| (id, time)));
                    }
                }
            }
        }
        for (a, b) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
            let from = docs[a].clone();
            docs[b].merge_from(&from, &mut |_| {}).unwrap();
        }
        let since = docs[0].frontier();
        docs.push(docs[0].branch(&since, "branch").unwrap());
        for options in all_options() {
            docs.push(Document::load("z", &docs[0].save(&options).unwrap()).unwrap());
        }
        let part = docs[0]
            .history()
            .unwrap()
            .nth(docs[0].history().unwrap().count() / 2);
        let part = Frontier::new(part.map(|run| EventId::new(run.agent, run.seqs.start)));
        let shallow = docs[0].save_shallow(&part, &random_options(&mut rng));
        docs.push(Document::load("z", &shallow.unwrap()).unwrap());
        for doc in &mut docs {
            let before = doc.summary_of(&doc.history_start()).unwrap();
            let events: Vec<EventId> = doc
                .summary()
                .difference(&before)
                .iter()
                .flat_map(|(agent, ranges)| {
                    let seqs = ranges.iter().cloned().flatten();
                    seqs.map(move |seq| EventId::new(agent, seq))
                })
                .collect();
            for id in &events {
                assert_eq!(doc.time_of(id).unwrap(), said.get(id).copied(), "{id:?}");
            }
            for piece in doc.blame(0..doc.len_chars()).unwrap() {
                for seq in piece.seqs {
                    let id = EventId::new(&*piece.agent, seq);
                    assert_eq!(piece.time, said.get(&id).copied());
                }
            }
        }
    });
}

/// Typing on at one time costs nothing, and a new time some ten bytes.
#[test]
fn times_have_the_documented_size() {
    let mut doc = Document::new("a").unwrap();
    let mut sent = VersionSummary::new();
    let mut key = |time| {
        doc.set_time(time);
        doc.insert(doc.len_chars(), "k").unwrap();
        let patch = doc.encode_since_named(&sent, &["a"]).unwrap();
        sent = doc.summary();
        patch.len()
    };
    key(1_700_000_000_000);
    assert_eq!(key(1_700_000_000_000), 1 + 1 + 1);
    // Six for the time, a count, and a place.
    assert_eq!(key(1_700_000_060_000), 1 + 1 + 6 + 1 + 1 + 1 + 1);
    assert_eq!(key(1_700_000_060_000), 1 + 1 + 1);
}

#[test]
fn refused_events_add_no_times() {
    let mut doc = Document::new("a").unwrap();
    let id = EventId::new("b", 0);
    // Event 0 of b, without parents, of one delete at 0, made at 5.
    let patch = [2, 4 + 8 + 3, 1, b'b', 0, 2, 5, 1, 4 + 1, 0];
    assert!(doc.merge_patch(&patch).is_err());
    assert_eq!(doc.time_of(&id).unwrap(), None);
    let patch = [2, 4 + 8 + 3, 1, b'b', 0, 2, 6, 1, 4, 0, b'x'];
    doc.merge_patch(&patch).unwrap();
    assert_eq!(
        (doc.time_of(&id).unwrap(), doc.text().as_str()),
        (Some(6), "x")
    );
    assert_eq!(doc.time_of(&EventId::new("b", 1)).unwrap(), None);
    // Once it is known, nobody changes it.
    let patch = [2, 4 + 8 + 3, 1, b'b', 0, 2, 5, 1, 4, 0, b'x'];
    assert_eq!(doc.merge_patch(&patch).unwrap().duplicate, 1);
    assert_eq!(doc.time_of(&id).unwrap(), Some(6));
    // What is undone and redone is edited now.
    doc.set_time(9);
    let mut undo = UndoManager::new(&doc);
    doc.delete(0, 1).unwrap();
    undo.undo(&mut doc, &mut |_| {}).unwrap();
    let blame = doc.blame(0..1).unwrap();
    assert_eq!((&*blame[0].agent, blame[0].time), ("a", Some(9)));
}

/// The section of times may be damaged, or unknown to the reader.
#[test]
fn times_in_files() {
    let mut doc = Document::new("a").unwrap();
    for time in [7, 3, 1 << 60] {
        doc.set_time(time);
        doc.insert(0, "text").unwrap();
    }
    for options in all_options() {
        let bytes = doc.save(&options).unwrap();
        let (kind, codec, body) = Parts::of(&bytes).sections.pop().unwrap();
        assert_eq!((kind, codec), (0x81, 0));
        for bit in 0..body.len() * 8 {
            let mut parts = Parts::of(&bytes);
            parts.body(0x81)[bit / 8] ^= 1 << (bit % 8);
            if let Ok(doc) = Document::load_verified("z", &parts.join(), &LoadLimits::default()) {
                let again = doc.save(&options).unwrap();
                Document::load_verified("z", &again, &LoadLimits::default()).unwrap();
            }
        }
        let mut parts = Parts::of(&bytes);
        parts.sections.pop();
        let without = Document::load("z", &parts.join()).unwrap();
        assert_eq!(
            without.operations_json().unwrap(),
            doc.operations_json().unwrap()
        );
        assert_eq!(without.time_of(&EventId::new("a", 0)).unwrap(), None);
    }
    // A golden file, see `old_files_still_open`.
    let path = golden().join("times/v1-balanced.crdt");
    if std::env::var_os("CRDT_WRITE_DATA").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, doc.save(&Default::default()).unwrap()).unwrap();
    }
    let old = Document::load("z", &std::fs::read(path).unwrap()).unwrap();
    let times = [0, 3, 4, 8, 11].map(|seq| old.time_of(&EventId::new("a", seq)).unwrap());
    let expected = [7, 7, 3, 1 << 60, 1 << 60].map(Some);
    assert_eq!(times, expected);
    assert_eq!(old.text(), doc.text());
}
