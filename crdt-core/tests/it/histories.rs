//! Random histories, and the way from a document's JSON to the oracle's events.

use std::collections::HashMap;

use crdt_core::session::NamedPatches;
use crdt_core::{Document, VersionSummary};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::oracle::{Event, Op};

/// Names that sort differently by bytes, by UTF-16 units and by length.
pub(crate) const AGENTS: [&str; 8] = [
    "a",
    "ab",
    "b",
    "é",
    "\u{ffee}",
    "🦀",
    "A-rather-long-agent-name",
    "B",
];

/// The first seed of a run, from `CRDT_SEED`, and how many histories to try, from `CRDT_HISTORIES`.
pub(crate) fn seeds(default_count: u64) -> std::ops::Range<u64> {
    let read = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let first = read("CRDT_SEED").unwrap_or(1);
    let count = read("CRDT_HISTORIES").unwrap_or(default_count);
    println!(
        "seeds {first}..{}; CRDT_SEED=n CRDT_HISTORIES=1 repeats one",
        first + count
    );
    first..first + count
}

/// Runs `test` with each seed, and names the seed that failed.
pub(crate) fn for_each_seed(default_count: u64, test: impl Fn(u64)) {
    struct Report(u64);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with CRDT_SEED={} CRDT_HISTORIES=1", self.0);
            }
        }
    }
    for seed in seeds(default_count) {
        let report = Report(seed);
        test(seed);
        std::mem::forget(report);
    }
}

fn random_text(rng: &mut Rng, len: usize) -> String {
    const CHARS: [char; 12] = [
        'a', 'b', 'c', 'd', ' ', '\n', 'é', 'ß', '字', '語', '🦀', '🏳',
    ];
    let ascii = rng.bool();
    (0..len)
        .map(|_| CHARS[rng.usize(0..if ascii { 6 } else { 12 })])
        .collect()
}

/// One random edit: an insert, a delete, a long run, a backspace run, or typing at a shared place.
pub(crate) fn random_edit(rng: &mut Rng, doc: &mut Document) {
    let len = doc.len_chars();
    match rng.u8(0..10) {
        0..4 => {
            let n = 1 + rng.usize(0..3);
            doc.insert(rng.usize(0..=len), &random_text(rng, n))
                .unwrap();
        }
        4 => {
            // The shared place at which all replicas type.
            let n = 1 + rng.usize(0..2);
            doc.insert(len / 2, &random_text(rng, n)).unwrap();
        }
        5 => {
            let n = rng.usize(5..20);
            doc.insert(rng.usize(0..=len), &random_text(rng, n))
                .unwrap();
        }
        6 => {
            // Typed to the left, char by char.
            let pos = rng.usize(0..=len);
            for _ in 0..rng.usize(1..4) {
                doc.insert(pos, &random_text(rng, 1)).unwrap();
            }
        }
        7 | 8 => {
            let pos = rng.usize(0..=len);
            doc.delete(pos, rng.usize(0..6).min(len - pos)).unwrap();
        }
        _ => {
            let pos = rng.usize(0..=len);
            for k in 1..=rng.usize(0..5).min(pos) {
                doc.delete(pos - k, 1).unwrap();
            }
        }
    }
}

/// Merges the events of `from` that `to` lacks, in one of the forms.
pub(crate) fn sync(rng: &mut Rng, from: &Document, to: &mut Document) {
    // A shallow document cannot give everything.
    let have = if rng.u8(0..4) == 0 && from.history_start().is_empty() {
        VersionSummary::new()
    } else {
        to.summary()
    };
    match rng.u8(0..3) {
        0 => to
            .merge_json(&from.operations_since_json(&have).unwrap())
            .unwrap(),
        1 => to.merge_patch(&from.encode_since(&have).unwrap()).unwrap(),
        _ => {
            let known = &AGENTS[..rng.usize(0..AGENTS.len())];
            let patch = from.encode_since_named(&have, known).unwrap();
            to.merge_patch_named_with(&patch, known, &mut |_| {})
                .unwrap()
        }
    };
}

/// Replicas that edited concurrently and finally have all events.
pub(crate) fn random_replicas(rng: &mut Rng, steps: usize) -> Vec<Document> {
    let count = rng.usize(3..=8);
    let mut names = AGENTS.to_vec();
    rng.shuffle(&mut names);
    let mut docs: Vec<Document> = names[..count]
        .iter()
        .map(|name| Document::new(name).unwrap())
        .collect();
    for _ in 0..steps {
        let i = rng.usize(0..count);
        if rng.u8(0..3) > 0 {
            random_edit(rng, &mut docs[i]);
        } else {
            let from = docs[rng.usize(0..count)].clone();
            sync(rng, &from, &mut docs[i]);
        }
    }
    for round in 0..2 {
        for i in 0..count {
            let from = docs[i].clone();
            let last = docs[count - 1].clone();
            if round == 0 {
                sync(rng, &from, &mut docs[count - 1]);
            } else {
                sync(rng, &last, &mut docs[i]);
            }
        }
    }
    docs
}

/// The events of a document, one by one, in the order of its JSON form.
pub(crate) fn events(operations: &str) -> Vec<Event> {
    let value: Value = serde_json::from_str(operations).unwrap();
    let mut out: Vec<Event> = Vec::new();
    let mut index: HashMap<(String, u32), usize> = HashMap::new();
    for txn in value["txns"].as_array().unwrap() {
        let agent = txn["agent"].as_str().unwrap().to_owned();
        let mut seq = txn["seq"].as_u64().unwrap() as u32;
        let mut parents: Vec<usize> = txn["parents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| {
                index[&(
                    p[0].as_str().unwrap().to_owned(),
                    p[1].as_u64().unwrap() as u32,
                )]
            })
            .collect();
        for op in txn["ops"].as_array().unwrap() {
            let pos = op[1].as_u64().unwrap() as usize;
            let len = op[2].as_u64().unwrap_or(0) as usize;
            let ops: Vec<Op> = match op[0].as_str().unwrap() {
                "i" => {
                    let text = op[2].as_str().unwrap();
                    text.chars()
                        .enumerate()
                        .map(|(k, c)| Op::Insert(pos + k, c))
                        .collect()
                }
                "d" => vec![Op::Delete(pos); len],
                _ => (0..len).map(|k| Op::Delete(pos + len - 1 - k)).collect(),
            };
            for op in ops {
                index.insert((agent.clone(), seq), out.len());
                out.push(Event {
                    agent: agent.clone(),
                    seq,
                    parents: parents.clone(),
                    op,
                });
                parents = vec![out.len() - 1];
                seq += 1;
            }
        }
    }
    out
}

/// One event as a separate operations document.
pub(crate) fn event_json(events: &[Event], i: usize) -> String {
    let event = &events[i];
    let parents: Vec<Value> = event
        .parents
        .iter()
        .map(|&p| json!([events[p].agent, events[p].seq]))
        .collect();
    let op = match event.op {
        Op::Insert(pos, c) => json!(["i", pos, c.to_string()]),
        Op::Delete(pos) => json!(["d", pos, 1]),
    };
    json!({"v": 1, "frontier": [], "txns": [
        {"agent": event.agent, "seq": event.seq, "parents": parents, "ops": [op]}
    ]})
    .to_string()
}
