//! Shallow documents: they merge with whole ones, and report what they have dropped.

use std::collections::HashMap;
use std::path::Path;

use crdt_core::session::NamedPatches;
use crdt_core::{
    AnchorError, Bias, Document, EncodeError, EventId, Frontier, HistoryError, LoadLimits,
    MergeError, SaveOptions, UndoManager, VersionSummary,
};
use fastrand::Rng;

use crate::files::{Parts, all_options, golden, random_options};
use crate::histories::{event_json, events, for_each_seed, random_edit, random_replicas, sync};
use crate::oracle;

/// A version of a few random events of a document.
fn random_version(rng: &mut Rng, doc: &Document) -> Frontier {
    let summary = doc.summary();
    let ids: Vec<EventId> = summary
        .iter()
        .flat_map(|(agent, ranges)| {
            let seqs = ranges.iter().cloned().flatten();
            seqs.map(move |seq| EventId::new(agent, seq))
        })
        .collect();
    match rng.u8(0..4) {
        0 => doc.frontier(),
        _ => (0..rng.usize(0..4).min(ids.len()))
            .map(|_| ids[rng.usize(0..ids.len())].clone())
            .collect(),
    }
}

fn trimmed(rng: &mut Rng, doc: &Document, since: &Frontier, agent: &str) -> Document {
    let bytes = doc.save_shallow(since, &random_options(rng)).unwrap();
    match rng.bool() {
        true => Document::load(agent, &bytes).unwrap(),
        false => Document::load_verified(agent, &bytes, &LoadLimits::default()).unwrap(),
    }
}

fn assert_same_version(a: &Document, b: &Document) {
    assert_eq!(a.text(), b.text());
    assert_eq!(a.frontier(), b.frontier());
    assert_eq!(a.summary(), b.summary());
    assert_eq!(a.event_count(), b.event_count());
}

/// The ids of the events that a document still has.
fn kept(doc: &Document) -> Vec<EventId> {
    doc.history()
        .unwrap()
        .flat_map(|run| {
            let agent = run.agent.to_owned();
            run.seqs.map(move |seq| EventId::new(&*agent, seq))
        })
        .collect()
}

#[test]
fn shallow_files_round_trip() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(0..40);
        let doc = random_replicas(&mut rng, steps).swap_remove(0);
        let since = random_version(&mut rng, &doc);
        for options in all_options() {
            let bytes = doc.save_shallow(&since, &options).unwrap();
            let loaded = Document::load("z", &bytes).unwrap();
            assert_same_version(&loaded, &doc);
            assert_eq!(loaded.check_history(), Ok(()));
            let start = loaded.history_start();
            assert_eq!(loaded.text_at(&start), doc.text_at(&start));
            // All before the start is dropped, and nothing else.
            let before = doc.summary_of(&start).unwrap();
            assert!(doc.summary_of(&since).unwrap().is_superset(&before));
            assert_eq!(loaded.summary_of(&start).unwrap(), before);
            let later = kept(&loaded);
            assert!(later.iter().all(|id| !before.contains(id)));
            let events = later.len() as u64 + before.event_count();
            assert_eq!(events, doc.event_count() as u64);
            // It is the same file again, and one that is not trusted.
            assert_eq!(loaded.save(&options).unwrap(), bytes);
            assert_eq!(loaded.save_shallow(&start, &options).unwrap(), bytes);
            let verified = Document::load_verified("z", &bytes, &LoadLimits::default()).unwrap();
            assert_same_version(&verified, &doc);
            assert_eq!(
                verified.operations_json().unwrap(),
                loaded.operations_json().unwrap()
            );
        }
    });
}

/// Replicas with and without their older history edit, merge, are saved, opened and trimmed again:
/// replicas with the same events have the same text, which is the oracle's.
#[test]
fn shallow_documents_merge_with_whole_ones() {
    for_each_seed(250, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(3..25);
        let mut docs = random_replicas(&mut rng, steps);
        docs.truncate(2);
        for agent in ["s", "shallow", "é2"] {
            let since = random_version(&mut rng, &docs[0]);
            let doc = trimmed(&mut rng, &docs[0], &since, agent);
            docs.push(doc);
        }
        for _ in 0..2 {
            for _ in 0..rng.usize(5..25) {
                let i = rng.usize(0..docs.len());
                match rng.u8(0..6) {
                    0 => {
                        let bytes = docs[i].save(&random_options(&mut rng)).unwrap();
                        docs[i] = Document::load(docs[i].agent(), &bytes).unwrap();
                    }
                    1 | 2 => {
                        let from = docs[rng.usize(0..docs.len())].clone();
                        sync(&mut rng, &from, &mut docs[i]);
                    }
                    _ => random_edit(&mut rng, &mut docs[i]),
                }
            }
            for _ in 0..2 {
                for i in 0..docs.len() {
                    let from = docs[i].clone();
                    let to = (i + 1) % docs.len();
                    sync(&mut rng, &from, &mut docs[to]);
                }
            }
            let text = oracle::replay(&events(&docs[0].operations_json().unwrap()));
            for doc in &docs {
                assert_eq!(doc.text(), text);
                assert_same_version(doc, &docs[0]);
                assert_eq!(doc.pending_events(), 0);
            }
            // Now that all have everything, any of it may go.
            let i = rng.usize(2..docs.len());
            let since = random_version(&mut rng, &docs[0]);
            let agent = docs[i].agent().to_owned();
            if let Ok(bytes) = docs[i].save_shallow(&since, &random_options(&mut rng)) {
                docs[i] = Document::load(&agent, &bytes).unwrap();
                assert_same_version(&docs[i], &docs[0]);
            }
        }
    });
}

/// The whole history, event by event, in any order, some of it twice, comes in behind the cut.
#[test]
fn later_events_arrive_in_any_order() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(3..20);
        let mut docs = random_replicas(&mut rng, steps);
        let since = random_version(&mut rng, &docs[0]);
        let mut shallow = trimmed(&mut rng, &docs[0], &since, "s");
        docs.truncate(3);
        for _ in 0..20 {
            let (i, from) = (rng.usize(0..3), docs[rng.usize(0..3)].clone());
            random_edit(&mut rng, &mut docs[i]);
            if rng.bool() {
                sync(&mut rng, &from, &mut docs[i]);
            }
        }
        for i in 1..3 {
            let from = docs[i].clone();
            sync(&mut rng, &from, &mut docs[0]);
        }
        let all = events(&docs[0].operations_json().unwrap());
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.extend((0..all.len()).filter(|_| rng.u8(0..4) == 0));
        rng.shuffle(&mut order);
        for i in order {
            shallow.merge_json(&event_json(&all, i)).unwrap();
        }
        assert_eq!(shallow.pending_events(), 0);
        assert_same_version(&shallow, &docs[0]);
        // A patch of everything, whose pieces reach across the cut.
        let since = random_version(&mut rng, &docs[0]);
        let mut other = trimmed(&mut rng, &docs[0], &since, "t");
        random_edit(&mut rng, &mut docs[0]);
        let whole = docs[0].encode_since(&VersionSummary::new()).unwrap();
        let report = other.merge_patch(&whole).unwrap();
        assert_eq!(report.applied + report.duplicate, docs[0].event_count());
        assert_same_version(&other, &docs[0]);
    });
}

/// Everything after the cut has versions, authors, anchors, branches and undo, as in the whole
/// document; older versions are errors.
#[test]
fn history_ends_at_the_cut() {
    for_each_seed(200, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(3..20);
        let mut docs = random_replicas(&mut rng, steps);
        let since = random_version(&mut rng, &docs[0]);
        let mut shallow = trimmed(&mut rng, &docs[0], &since, "s");
        docs.truncate(2);
        docs.push(shallow.clone());
        for _ in 0..12 {
            let (i, from) = (rng.usize(0..3), docs[rng.usize(0..3)].clone());
            random_edit(&mut rng, &mut docs[i]);
            sync(&mut rng, &from, &mut docs[i]);
        }
        let mut whole = docs.swap_remove(0);
        for doc in &docs {
            sync(&mut rng, doc, &mut whole);
        }
        sync(&mut rng, &whole, &mut shallow);
        let begin = shallow.history_start();
        let before = whole.summary_of(&begin).unwrap();
        assert_eq!(shallow.text_at(&begin), whole.text_at(&begin));
        let later = kept(&shallow);

        for number in 0..6 {
            let version = random_version(&mut rng, &whole);
            let known = whole.summary_of(&version).unwrap().is_superset(&before);
            let (text, found) = (whole.text_at(&version), shallow.text_at(&version));
            let last = whole.summary_of(&version).unwrap();
            assert_eq!(found.is_ok(), known);
            match found {
                Ok(found) => {
                    assert_eq!(Ok(found), text);
                    assert_eq!(shallow.summary_of(&version).unwrap(), last);
                    let mut branch = shallow
                        .branch(&version, &format!("branch {number}"))
                        .unwrap();
                    assert_eq!(Ok(branch.text()), text);
                    branch.insert(0, "b").unwrap();
                    whole.merge_from(&branch, &mut |_| {}).unwrap();
                    shallow.merge_from(&branch, &mut |_| {}).unwrap();
                    assert_same_version(&shallow, &whole);
                }
                Err(error) => {
                    assert!(matches!(error, HistoryError::TooOld { .. }), "{error}");
                    assert!(shallow.branch(&version, "branch").is_err());
                    assert!(
                        shallow
                            .diff(&version, &shallow.frontier(), &mut |_| {})
                            .is_err()
                    );
                }
            }
        }

        let len = whole.len_chars();
        let authors = |doc: &mut Document| -> HashMap<usize, EventId> {
            let blame = doc.blame(0..len).unwrap();
            let chars = blame.into_iter().flat_map(|piece| {
                let ids = piece.seqs.map(move |seq| EventId::new(&*piece.agent, seq));
                piece.range.zip(ids)
            });
            chars.collect()
        };
        let mut expected = authors(&mut whole);
        expected.retain(|_, id| !before.contains(id));
        assert_eq!(authors(&mut shallow), expected);
        for pos in 0..=len {
            for bias in [Bias::Left, Bias::Right] {
                let anchor = whole.anchor_at(pos, bias).unwrap();
                let old = anchor.char.as_ref().is_some_and(|id| before.contains(id));
                match shallow.anchor_at(pos, bias) {
                    Ok(found) => assert_eq!((found, old), (anchor.clone(), false)),
                    Err(error) => assert!(old && error.code() == "too_old"),
                }
                match shallow.resolve(&anchor) {
                    Ok(found) => assert!(found == pos && !old),
                    Err(error) => assert!(matches!(error, AnchorError::TooOld { .. }) && old),
                }
            }
        }
        assert!(later.len() <= kept(&shallow).len());

        // Undo takes back own edits of the base text and of later text alike.
        let mut undo = UndoManager::new(&shallow);
        let text = shallow.text();
        for _ in 0..4 {
            random_edit(&mut rng, &mut shallow);
            undo.checkpoint(&shallow);
        }
        while undo.undo(&mut shallow, &mut |_| {}).unwrap() {}
        assert_eq!(shallow.text(), text);
        while undo.redo(&mut shallow, &mut |_| {}).unwrap() {}
        sync(&mut rng, &shallow, &mut whole);
        assert_same_version(&shallow, &whole);
    });
}

fn two_heads() -> (Document, Document) {
    let mut alice = Document::new("alice").unwrap();
    alice.insert(0, "Hello").unwrap();
    let mut bob = Document::new("bob").unwrap();
    bob.merge_from(&alice, &mut |_| {}).unwrap();
    alice.insert(5, " world").unwrap();
    bob.insert(0, "> ").unwrap();
    (alice, bob)
}

#[test]
fn events_that_do_not_follow_the_cut_are_refused() {
    let (mut alice, mut bob) = two_heads();
    let options = SaveOptions::default();
    // Bob's edit is not part of it, and does not know " world".
    let file = alice.save_shallow(&alice.frontier(), &options).unwrap();
    let mut shallow = Document::load("carol", &file).unwrap();
    assert_eq!(shallow.history_start(), alice.frontier());
    let lonely = |seq| MergeError::TooOld {
        agent: "bob".into(),
        seq,
    };
    let patch = bob.encode_since(&shallow.summary()).unwrap();
    for _ in 0..2 {
        assert_eq!(shallow.merge_patch(&patch), Err(lonely(0)));
        assert_eq!(shallow.merge_from(&bob, &mut |_| {}), Err(lonely(0)));
        let json = bob.operations_since_json(&shallow.summary()).unwrap();
        assert_eq!(shallow.merge_json(&json), Err(lonely(0)));
        assert_eq!(shallow.save(&options).unwrap(), file);
        assert_eq!(
            (shallow.text(), shallow.pending_events()),
            (alice.text(), 0)
        );
        shallow.check_history().unwrap();
    }
    // An event without parents knows nothing at all.
    let mut dave = Document::new("dave").unwrap();
    dave.insert(0, "x").unwrap();
    assert!(matches!(
        shallow.merge_from(&dave, &mut |_| {}),
        Err(MergeError::TooOld { seq: 0, .. })
    ));
    // Nor does the shallow document have anything for those.
    assert_eq!(
        shallow.encode_since(&bob.summary()),
        Err(EncodeError::TooOld {
            agent: "alice".into(),
            seq: 5
        })
    );
    assert!(bob.merge_from(&shallow, &mut |_| {}).is_err());
    assert_eq!(bob.text(), "> Hello");

    // At two heads: only events that follow both are accepted.
    alice.merge_from(&bob, &mut |_| {}).unwrap();
    assert_eq!(alice.frontier().ids().len(), 2);
    let file = alice.save_shallow(&alice.frontier(), &options).unwrap();
    let mut shallow = Document::load("carol", &file).unwrap();
    assert_eq!(shallow.history_start(), alice.frontier());
    bob.insert(0, "!").unwrap();
    assert_eq!(shallow.merge_from(&bob, &mut |_| {}), Err(lonely(2)));
    let mut eve = alice.branch(&alice.frontier(), "eve").unwrap();
    eve.insert(0, "eve ").unwrap();
    shallow.insert(0, "carol ").unwrap();
    shallow.merge_from(&eve, &mut |_| {}).unwrap();
    eve.merge_from(&shallow, &mut |_| {}).unwrap();
    assert_eq!(shallow.text(), "carol eve > Hello world");
    assert_eq!(eve.text(), shallow.text());
}

/// A document whose text is empty at the cut, and one that has nothing else.
#[test]
fn a_cut_without_text() {
    let mut doc = Document::new("a").unwrap();
    doc.insert(0, "gone").unwrap();
    doc.delete(0, 4).unwrap();
    for options in all_options() {
        let file = doc.save_shallow(&doc.frontier(), &options).unwrap();
        let mut shallow = Document::load("b", &file).unwrap();
        assert_same_version(&shallow, &doc);
        assert_eq!(shallow.history().unwrap().count(), 0);
        let code = shallow.text_at(&Frontier::default()).unwrap_err().code();
        assert_eq!(code, "too_old");
        let mut whole = doc.clone();
        whole.insert(0, "new").unwrap();
        shallow.insert(0, "also ").unwrap();
        let from = shallow.clone();
        shallow.merge_from(&whole, &mut |_| {}).unwrap();
        whole.merge_from(&from, &mut |_| {}).unwrap();
        assert_eq!(shallow.text(), "newalso ");
        assert_same_version(&shallow, &whole);
        assert_eq!(shallow.history().unwrap().count(), 2);
        let mut stranger = Document::new("c").unwrap();
        stranger.insert(0, "x").unwrap();
        assert!(shallow.merge_from(&stranger, &mut |_| {}).is_err());
    }
    let empty = Document::new("a").unwrap();
    let options = SaveOptions::default();
    let nothing = empty.save_shallow(&empty.frontier(), &options).unwrap();
    assert_eq!(nothing, empty.save(&options).unwrap());
    let unknown = Frontier::new([EventId::new("b", 0)]);
    let refused = empty.save_shallow(&unknown, &options).unwrap_err();
    assert_eq!(refused.code(), "unknown_event");
}

/// A patch whose positions count from an event that was dropped.
#[test]
fn typing_continues_after_the_cut() {
    const NAMES: [&str; 1] = ["alice"];
    let mut alice = Document::new("alice").unwrap();
    alice.insert(0, "Hello").unwrap();
    alice.delete(4, 1).unwrap();
    let file = alice
        .save_shallow(&alice.frontier(), &SaveOptions::default())
        .unwrap();
    let before = alice.summary();
    alice.insert(4, "o").unwrap();
    let patch = alice.encode_since_named(&before, &NAMES).unwrap();
    assert_eq!(patch, [0, 6, b'o']);
    let mut shallow = Document::load("bob", &file).unwrap();
    shallow
        .merge_patch_named_with(&patch, &NAMES, &mut |_| {})
        .unwrap();
    assert_eq!(shallow.text(), "Hello");
    assert_eq!(shallow.encode_since_named(&before, &NAMES), Ok(patch));
    // A patch that begins before the cut, relative to an event before that.
    let mut sent = VersionSummary::new();
    sent.insert("alice", 0..3);
    let patch = alice.encode_since_named(&sent, &NAMES).unwrap();
    let mut shallow = Document::load("bob", &file).unwrap();
    shallow
        .merge_patch_named_with(&patch, &NAMES, &mut |_| {})
        .unwrap();
    assert_eq!(shallow.text(), "Hello");
}

/// Shallow files that somebody damaged on purpose, with right checksums: an error, or a document that
/// others can open; never a panic.
#[test]
fn forged_shallow_files_never_harm() {
    for_each_seed(250, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 14);
        let since = random_version(&mut rng, &docs[0]);
        let options = random_options(&mut rng);
        let bytes = docs[0].save_shallow(&since, &options).unwrap();
        random_edit(&mut rng, &mut docs[1]);
        let patch = docs[1].encode_since(&VersionSummary::new()).unwrap();
        for _ in 0..30 {
            let mut parts = Parts::of(&bytes);
            let last = parts.sections.len() - 1;
            let i = if rng.bool() {
                last
            } else {
                rng.usize(0..=last)
            };
            let body = &mut parts.sections[i].2;
            match rng.u8(0..8) {
                0 => body.truncate(rng.usize(0..=body.len())),
                1 => body.push(rng.u8(..)),
                2 => parts.sections[i].1 = rng.u8(0..4),
                _ if body.is_empty() => {}
                _ => {
                    let at = rng.usize(0..body.len());
                    body[at] ^= 1 << rng.u8(0..8);
                }
            }
            let forged = parts.join();
            let verified = Document::load_verified("z", &forged, &LoadLimits::default());
            if let Ok(doc) = &verified {
                let copy = doc.save(&options).unwrap();
                let copy = Document::load_verified("z", &copy, &LoadLimits::default()).unwrap();
                assert_same_version(&copy, doc);
                assert_eq!(
                    copy.operations_json().unwrap(),
                    doc.operations_json().unwrap()
                );
            }
            let Ok(mut lazy) = Document::load("z", &forged) else {
                assert!(verified.is_err());
                continue;
            };
            lazy.insert(0, "é").unwrap();
            let text = lazy.text();
            if lazy.merge_patch(&patch).is_err() {
                assert_eq!(lazy.text(), text);
            }
            let _ = lazy.blame(0..lazy.len_chars());
            let _ = lazy.text_at(&lazy.history_start());
        }
    });
}

/// Every bit of the section that says where the history begins.
#[test]
fn every_bit_of_the_base_is_checked() {
    let (mut alice, bob) = two_heads();
    alice.merge_from(&bob, &mut |_| {}).unwrap();
    let since = alice.frontier();
    alice.insert(0, "later").unwrap();
    let bytes = alice.save_shallow(&since, &SaveOptions::default()).unwrap();
    let whole = alice.save(&SaveOptions::default()).unwrap();
    let mut parts = Parts::of(&bytes);
    let (kind, _, base) = parts.sections.last().unwrap().clone();
    assert_eq!((kind, parts.start[5]), (7, 2));
    let mut opened = 0;
    for bit in 0..base.len() * 8 {
        let mut body = base.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        parts.sections.last_mut().unwrap().2 = body;
        let forged = Document::load_verified("z", &parts.join(), &LoadLimits::default());
        opened += usize::from(forged.is_ok());
    }
    // What cannot be told from here: which of the events that were dropped name the version, and
    // the two cursors, seven bits each.
    assert!(opened <= 14 + 6, "{opened} of {}", base.len() * 8);
    // The section belongs to this kind of file only.
    parts.sections.pop();
    assert!(Document::load("z", &parts.join()).is_err());
    let mut parts = Parts::of(&whole);
    parts.sections.push((7, 0, base));
    assert!(Document::load("z", &parts.join()).is_err());
}

/// Shallow files of every version that there ever was still open. `CRDT_WRITE_DATA=1` adds those of
/// a new version.
#[test]
fn old_shallow_files_still_open() {
    let folder = golden().join("shallow");
    let operations = std::fs::read_to_string(golden().join("document.json")).unwrap();
    let mut expected = Document::new("writer").unwrap();
    expected.merge_json(&operations).unwrap();
    let middle = expected.frontier();
    expected.insert(0, "later, 🦀\n").unwrap();
    expected.delete(3, 4).unwrap();
    let mut other = expected.branch(&middle, "other").unwrap();
    other.insert(other.len_chars() / 2, "beside").unwrap();
    expected.merge_from(&other, &mut |_| {}).unwrap();
    expected.insert(9, "é").unwrap();
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for options in all_options() {
            for (name, since) in [("middle", &middle), ("end", &expected.frontier())] {
                let text = if options.without_text { "-no-text" } else { "" };
                let name = format!("v2-{:?}-{name}{text}.crdt", options.preset).to_lowercase();
                if !folder.join(&name).exists() {
                    let bytes = expected.save_shallow(since, &options).unwrap();
                    std::fs::write(folder.join(name), bytes).unwrap();
                }
            }
        }
    }
    let mut later = expected.clone();
    later.insert(0, "later").unwrap();
    let mut count = 0;
    let open = |path: &Path, verified: bool| {
        let bytes = std::fs::read(path).unwrap();
        match verified {
            true => Document::load_verified("reader", &bytes, &LoadLimits::default()).unwrap(),
            false => Document::load("reader", &bytes).unwrap(),
        }
    };
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        for verified in [false, true] {
            let mut loaded = open(&path, verified);
            assert_same_version(&loaded, &expected);
            let start = loaded.history_start();
            assert!(start == middle || start == expected.frontier());
            assert_eq!(loaded.text_at(&start), expected.text_at(&start));
            loaded.merge_from(&later, &mut |_| {}).unwrap();
            assert_same_version(&loaded, &later);
        }
        count += 1;
    }
    assert_eq!(count, 24, "some golden files are missing");
}
