//! Random concurrent histories: the walker, the oracle and every replica agree.

use crate::histories::*;
use crate::oracle;
use crdt_core::session::{MergeRules, NamedPatches};
use crdt_core::{Document, SaveOptions, Splice, VersionSummary};
use fastrand::Rng;

/// Delivers events one at a time in a random order, some of them twice.
fn deliver_shuffled(rng: &mut Rng, messages: &[String]) -> Document {
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.extend((0..messages.len() / 5).map(|_| rng.usize(0..messages.len())));
    rng.shuffle(&mut order);
    let mut doc = Document::new("reader").unwrap();
    for i in order {
        let report = doc.merge_json(&messages[i]).unwrap();
        assert_eq!(report.dropped, 0);
    }
    assert_eq!((doc.pending_events(), doc.missing()), (0, vec![]));
    doc
}

#[test]
fn replicas_oracle_and_walker_agree() {
    for_each_seed(2000, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(5..50);
        let docs = random_replicas(&mut rng, steps);
        let operations = docs[0].operations_json().unwrap();
        let events = events(&operations);
        let text = oracle::replay(&events);
        for doc in &docs {
            assert_eq!(doc.text(), text);
            assert_eq!(
                doc.operations_json().unwrap(),
                operations,
                "the JSON form is canonical"
            );
            assert_eq!(doc.frontier(), docs[0].frontier());
            assert_eq!(doc.summary(), docs[0].summary());
            assert_eq!(doc.text_hash(), docs[0].text_hash());
            assert_eq!(doc.len_utf16(), text.encode_utf16().count());
        }
        // From scratch, as a whole: everything is concurrent at once.
        let mut whole = Document::new("reader").unwrap();
        whole.merge_json(&operations).unwrap();
        assert_eq!(whole.text(), text);
        let again = whole
            .merge_patch(&docs[1].encode_since(&VersionSummary::new()).unwrap())
            .unwrap();
        assert_eq!((again.applied, again.duplicate), (0, events.len()));
        assert_eq!(whole.operations_json().unwrap(), operations);
        // One event at a time.
        let messages: Vec<String> = (0..events.len()).map(|i| event_json(&events, i)).collect();
        let shuffled = deliver_shuffled(&mut rng, &messages);
        assert_eq!(shuffled.text(), text);
        assert_eq!(shuffled.operations_json().unwrap(), operations);
    });
}

/// One agent name on several branches at once: only then does the order by seq decide.
#[test]
fn one_agent_on_concurrent_branches() {
    for_each_seed(1000, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 25);
        let mut events = events(&docs[0].operations_json().unwrap());
        let names = ["x", "xy"];
        let mut next = [0, 0];
        for event in &mut events {
            let i = event.agent.len() % 2;
            event.agent = names[i].to_owned();
            event.seq = next[i];
            next[i] += 1;
        }
        let text = oracle::replay(&events);
        let messages: Vec<String> = (0..events.len()).map(|i| event_json(&events, i)).collect();
        let mut in_order = Document::new("reader").unwrap();
        for message in &messages {
            in_order.merge_json(message).unwrap();
        }
        let shuffled = deliver_shuffled(&mut rng, &messages);
        assert_eq!(in_order.text(), text);
        assert_eq!(shuffled.text(), text);
        assert_eq!(
            shuffled.operations_json().unwrap(),
            in_order.operations_json().unwrap()
        );
    });
}

/// A few simultaneous typists, mostly at separate places, who receive each other's events somewhat
/// later: events that lack few events of the others are merged without a tracker.
#[test]
fn live_sessions_agree() {
    for_each_seed(400, |seed| {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(2..=4);
        let mut base = Document::new("base").unwrap();
        base.insert(0, &"a text to begin with. ".repeat(3)).unwrap();
        let base = base.encode_since(&VersionSummary::new()).unwrap();
        let new = |name: &str| {
            let mut doc = Document::new(name).unwrap();
            doc.merge_patch(&base).unwrap();
            doc
        };
        let mut docs: Vec<Document> = AGENTS[..count].iter().map(|name| new(name)).collect();
        let mut cursors: Vec<usize> = (0..count).map(|i| 60 * i / count).collect();
        // From whom, and what.
        let mut inboxes: Vec<Vec<Vec<u8>>> = vec![Vec::new(); count];
        for _ in 0..rng.usize(5..40) {
            let i = rng.usize(0..count);
            let (doc, cursor) = (&mut docs[i], &mut cursors[i]);
            let mut updates = Vec::new();
            let kind = rng.u8(0..5);
            if rng.u8(0..6) == 0 {
                *cursor = rng.usize(0..=doc.len_chars());
            }
            // Every keystroke is an update.
            for _ in 0..rng.usize(1..6) {
                let before = doc.summary();
                let len = doc.len_chars();
                *cursor = (*cursor).min(len);
                if kind < 3 {
                    doc.insert(*cursor, "x").unwrap();
                    *cursor += 1;
                } else if kind == 3 && *cursor > 0 {
                    *cursor -= 1;
                    doc.delete(*cursor, 1).unwrap();
                } else if *cursor < len {
                    doc.delete(*cursor, 1).unwrap();
                }
                updates.push(doc.encode_since(&before).unwrap());
            }
            for (other, inbox) in inboxes.iter_mut().enumerate() {
                if other != i {
                    inbox.extend(updates.iter().cloned());
                }
            }
            let reader = rng.usize(0..count);
            let read = rng.usize(0..=inboxes[reader].len());
            for update in inboxes[reader].drain(..read) {
                docs[reader].merge_patch(&update).unwrap();
            }
        }
        for (doc, inbox) in docs.iter_mut().zip(inboxes) {
            for update in inbox {
                doc.merge_patch(&update).unwrap();
            }
            assert_eq!(doc.pending_events(), 0);
        }
        let operations = docs[0].operations_json().unwrap();
        let text = oracle::replay(&events(&operations));
        for doc in &docs {
            assert_eq!(doc.text(), text);
        }
        let mut whole = Document::new("reader").unwrap();
        whole.merge_json(&operations).unwrap();
        assert_eq!(whole.text(), text);
    });
}

/// Two replicas edit without exchanging events, in a text so short that they share every gap, and a
/// third one receives the events of both.
#[test]
fn offline_branches_agree() {
    for_each_seed(400, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut base = Document::new("base").unwrap();
        base.insert(0, &"0123456789"[..rng.usize(0..=10)]).unwrap();
        let start = base.summary();
        let base = base.encode_since(&VersionSummary::new()).unwrap();
        let mut names = AGENTS.to_vec();
        rng.shuffle(&mut names);
        let mut docs = names[..3].iter().map(|name| {
            let mut doc = Document::new(name).unwrap();
            doc.merge_patch(&base).unwrap();
            doc
        });
        let (mut a, mut b, mut c) = (
            docs.next().unwrap(),
            docs.next().unwrap(),
            docs.next().unwrap(),
        );
        for doc in [&mut a, &mut b] {
            for _ in 0..rng.usize(1..60) {
                random_edit(&mut rng, doc);
            }
        }
        let (of_a, of_b) = (
            a.encode_since(&start).unwrap(),
            b.encode_since(&start).unwrap(),
        );
        a.merge_patch(&of_b).unwrap();
        b.merge_patch(&of_a).unwrap();
        let both = if rng.bool() {
            [&of_a, &of_b]
        } else {
            [&of_b, &of_a]
        };
        for update in both {
            c.merge_patch(update).unwrap();
        }
        let text = oracle::replay(&events(&a.operations_json().unwrap()));
        // They go on, and one of them lacks what the other just wrote.
        for doc in [&a, &b, &c] {
            assert_eq!(doc.text(), text);
        }
        random_edit(&mut rng, &mut a);
        random_edit(&mut rng, &mut b);
        let (from_a, from_b) = (a.clone(), b.clone());
        sync(&mut rng, &from_b, &mut a);
        sync(&mut rng, &from_a, &mut b);
        let text = oracle::replay(&events(&a.operations_json().unwrap()));
        assert_eq!((a.text(), b.text()), (text.clone(), text));
    });
}

/// A text that is kept equal to a document's by what merges tell, in both units.
#[derive(Default)]
struct Mirror {
    utf16: Vec<u16>,
    chars: Vec<char>,
}

impl Mirror {
    fn change(&mut self, s: Splice<'_>) {
        let utf16 = s.pos.utf16..s.pos.utf16 + s.deleted.utf16;
        self.utf16.splice(utf16, s.inserted.encode_utf16());
        let chars = s.pos.chars..s.pos.chars + s.deleted.chars;
        self.chars.splice(chars, s.inserted.chars());
    }

    fn check(&self, doc: &Document) {
        assert_eq!(String::from_utf16(&self.utf16).unwrap(), doc.text());
        assert_eq!(self.chars.iter().collect::<String>(), doc.text());
    }
}

/// The splices of a merge, applied to the text before it, give the text after it.
#[test]
fn splices_lead_from_text_to_text() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 30);
        let events = events(&docs[0].operations_json().unwrap());
        let mut doc = Document::new("reader").unwrap();
        let mut mirror = Mirror::default();
        let mut messages: Vec<String> = (0..events.len()).map(|i| event_json(&events, i)).collect();
        // Whole batches and single events.
        messages.insert(
            rng.usize(0..messages.len()),
            docs[0].operations_json().unwrap(),
        );
        for message in &messages {
            doc.merge_json_with(message, &mut |s| mirror.change(s))
                .unwrap();
            mirror.check(&doc);
        }
    });
}

/// The single change as which a merge may be reported, applied to the text before it, gives the
/// text after it.
#[test]
fn one_splice_leads_from_text_to_text() {
    for_each_seed(500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = random_replicas(&mut rng, 30);
        let mut doc = Document::new("reader").unwrap();
        let mut mirror = Mirror::default();
        loop {
            // A part of what is missing, sometimes edited in between.
            let enough = rng.usize(1..60);
            let missing = docs[0].summary().difference(&doc.summary());
            let part = docs[0].encode_part_named(&missing, &[], enough);
            let (patch, rest) = part.unwrap();
            let mut told = 0;
            doc.merge_patch_named_as_one(&patch, &[], &MergeRules::default(), &mut |s| {
                told += 1;
                mirror.change(s);
            })
            .unwrap();
            assert!(told <= 1, "told {told} times");
            mirror.check(&doc);
            if rest.is_none() {
                break;
            }
            if rng.usize(0..4) == 0 {
                doc.insert(0, "é🦀").unwrap();
                mirror.utf16.splice(0..0, "é🦀".encode_utf16());
                mirror.chars.splice(0..0, "é🦀".chars());
            }
        }
        assert!(doc.summary().is_superset(&docs[0].summary()));
    });
}

/// A keystroke that follows all events has a fast path. Two replicas get the same patches of one
/// event each, from two typists in turns or at the same time, some late, duplicated, damaged: the
/// one that reports changes uses the fast path if it applies, the other never does.
#[test]
fn the_fast_path_of_a_keystroke_gives_the_same_text() {
    const NAMES: [&str; 3] = ["typist", "other", "reader"];
    for_each_seed(1_500, |seed| {
        let mut rng = Rng::with_seed(seed);
        let [mut typist, mut other, mut short] = NAMES.map(|name| Document::new(name).unwrap());
        typist.insert(0, "Hé🦀lo").unwrap();
        let mut mirror = Mirror::default();
        let start = typist.encode_since(&VersionSummary::new()).unwrap();
        other.merge_patch(&start).unwrap();
        short
            .merge_patch_with(&start, &mut |s| mirror.change(s))
            .unwrap();
        if rng.u8(0..4) == 0 {
            let options = SaveOptions::default();
            let version = short.frontier();
            let file = match rng.bool() {
                true => short.save(&options).unwrap(),
                false => short.save_shallow(&version, &options).unwrap(),
            };
            short = Document::load(NAMES[2], &file).unwrap();
        }
        let mut long = short.clone();
        let mut typists = [typist, other];
        let mut cursor = 0;
        let mut patches: Vec<Vec<u8>> = Vec::new();
        let mut ways_out = 0;
        for _ in 0..30 {
            let at = usize::from(rng.u8(0..4) == 0);
            if rng.u8(0..3) > 0 {
                let from = typists[1 - at].clone();
                sync(&mut rng, &from, &mut typists[at]);
            }
            let typist = &mut typists[at];
            let before = typist.summary();
            let len = typist.len_chars();
            let pos = match rng.u8(0..4) {
                0 => rng.usize(0..=len),
                _ => len.min(cursor),
            };
            if rng.u8(0..3) == 0 && pos > 0 {
                typist.delete(pos - 1, 1).unwrap();
                cursor = pos - 1;
            } else {
                let char = ["a", "é", "🦀", "\n"][rng.usize(0..4)];
                typist.insert(pos, char).unwrap();
                cursor = pos + 1;
            }
            let patch = typist.encode_since_named(&before, &NAMES).unwrap();
            // Encoding has a fast path, too, which writes the same bytes or nothing.
            let mut written = b"before it".to_vec();
            let taken = typist.encode_keystroke_named(&NAMES, &mut written);
            let expected = if taken { &patch[..] } else { b"" };
            assert_eq!(written.strip_prefix(b"before it"), Some(expected));
            ways_out += u32::from(taken);
            patches.push(patch);
            let late = rng.u8(0..8) == 0;
            while let Some(patch) = (!late).then(|| patches.pop()).flatten() {
                let mut patch = patch;
                if rng.u8(0..12) == 0 {
                    let place = rng.usize(0..patch.len());
                    patch[place] ^= 1 << rng.u8(0..8);
                }
                for _ in 0..rng.u8(1..3) {
                    let told = &mut |s: Splice<'_>| mirror.change(s);
                    let one = short.merge_patch_named_with(&patch, &NAMES, told);
                    let other = long.merge_patch_named_as_one(
                        &patch,
                        &NAMES,
                        &MergeRules::default(),
                        &mut |_| {},
                    );
                    assert_eq!(one, other);
                    mirror.check(&short);
                }
            }
        }
        assert!(ways_out > 0, "who types on has the short way");
        assert_eq!(short.text(), long.text());
        assert_eq!(
            short.operations_json().unwrap(),
            long.operations_json().unwrap()
        );
        // What they make of the rest is the same, too.
        for typist in typists {
            let patch = typist.encode_since_named(&VersionSummary::new(), &NAMES);
            let patch = patch.unwrap();
            let told = &mut |s: Splice<'_>| mirror.change(s);
            let one = short.merge_patch_named_with(&patch, &NAMES, told);
            assert_eq!(
                one,
                long.merge_patch_named_as_one(&patch, &NAMES, &MergeRules::default(), &mut |_| {})
            );
            mirror.check(&short);
            assert_eq!(short.text(), long.text());
        }
    });
}
