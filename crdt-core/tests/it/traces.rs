//! Recorded histories: the project's own small set, and, if present, the conformance histories and
//! the real editing traces.

use std::path::Path;

use crdt_core::{Document, MergeLimits};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::histories::for_each_seed;
use crate::{oracle, trace_files};

/// Where the project's own histories lie, one JSON object a line: operations and the text they make.
fn own_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/histories.jsonl")
}

/// The texts in the file are the oracle's, and were the walker's when it was made.
/// `CRDT_WRITE_DATA=1` makes it anew.
#[test]
fn own_histories() {
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        let mut lines = String::new();
        for seed in 1000..1040 {
            let docs = crate::histories::random_replicas(&mut Rng::with_seed(seed), 20);
            let operations = docs[0].operations_json().unwrap();
            let text = oracle::replay(&crate::histories::events(&operations));
            let operations: Value = serde_json::from_str(&operations).unwrap();
            lines += &json!({"operations": operations, "text": text}).to_string();
            lines.push('\n');
        }
        std::fs::write(own_file(), lines).unwrap();
    }
    let file = std::fs::read_to_string(own_file()).unwrap();
    assert_eq!(file.lines().count(), 40);
    for line in file.lines() {
        let history: Value = serde_json::from_str(line).unwrap();
        let mut doc = Document::new("reader").unwrap();
        doc.merge_json(&history["operations"].to_string()).unwrap();
        assert_eq!(doc.text(), history["text"].as_str().unwrap());
        let canonical: Value = serde_json::from_str(&doc.operations_json().unwrap()).unwrap();
        assert_eq!(canonical, history["operations"]);
    }
}

/// How many of the histories here, one after the other, reach a tenth of the work that is allowed
/// by default.
const TIMES: u64 = 16;

/// A document that allows the part of the default work that each of so many histories may take, and for
/// each run no more than by default.
fn reader() -> Document {
    let mut doc = Document::new("reader").unwrap();
    let work = MergeLimits::WORK / (10 * TIMES);
    doc.set_merge_limits(MergeLimits::default().work(work));
    doc
}

fn deliver<'a>(messages: impl IntoIterator<Item = &'a String>) -> Document {
    let mut doc = reader();
    for message in messages {
        let report = doc.merge_json(message).unwrap();
        assert_eq!(report.dropped, 0);
    }
    assert_eq!(doc.pending_events(), 0);
    doc
}

/// A conformance history: each of its txns as an operations document, and the expected text.
fn conformance(line: &str) -> (Vec<String>, String) {
    let history: Value = serde_json::from_str(line).unwrap();
    let mut ids: Vec<Value> = Vec::new();
    let mut messages = Vec::new();
    for txn in history["txns"].as_array().unwrap() {
        let mut ops = Vec::new();
        let len: usize = txn["ops"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| trace_files::patch_ops(p, &mut ops))
            .sum();
        let parents: Vec<&Value> = txn["parents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &ids[p.as_u64().unwrap() as usize])
            .collect();
        let (agent, seq) = (&txn["agent"], txn["seqStart"].as_u64().unwrap());
        messages.push(trace_files::message(
            &json!({"agent": agent, "seq": seq, "parents": parents, "ops": ops}),
        ));
        ids.extend((0..len as u64).map(|k| json!([agent, seq + k])));
        assert_eq!(ids.len() as u64, txn["span"][1].as_u64().unwrap());
    }
    (messages, history["endContent"].as_str().unwrap().to_owned())
}

#[test]
fn conformance_histories() {
    let Some(folder) = trace_files::folder() else {
        return;
    };
    let file = trace_files::read(&folder.join("conformance.jsonl.gz"));
    let histories: Vec<_> = file.lines().map(conformance).collect();
    assert_eq!(histories.len(), 1000);
    for_each_seed(3, |seed| {
        let mut rng = Rng::with_seed(seed);
        for (i, (messages, text)) in histories.iter().enumerate() {
            let mut order: Vec<&String> = messages.iter().collect();
            if seed > 1 {
                rng.shuffle(&mut order);
            }
            let doc = deliver(order);
            assert_eq!(doc.text(), *text, "history {i}");
            assert_eq!(
                oracle::replay(&crate::histories::events(&doc.operations_json().unwrap())),
                *text
            );
        }
    });
}

fn trace(name: &str) -> Option<Value> {
    let file = trace_files::folder()?.join(format!("{name}.json.gz"));
    Some(serde_json::from_str(&trace_files::read(&file)).unwrap())
}

#[test]
fn concurrent_traces() {
    for name in ["friendsforever", "C1"] {
        let Some(trace) = trace(name) else { return };
        let (messages, text) = trace_files::concurrent(&trace);
        let doc = deliver(&messages);
        assert!(doc.text() == text, "{name}: another text");
        let mut whole = reader();
        whole
            .merge_patch(&doc.encode_since(&Default::default()).unwrap())
            .unwrap();
        assert!(whole.text() == text, "{name} as one patch: another text");
    }
}

/// The authors' names are not in the files, so the texts cannot be compared; but the text is the same in
/// whatever order the events come.
#[test]
fn traces_with_lost_names() {
    for name in ["git-makefile", "A2"] {
        let Some(trace) = trace(name) else {
            return;
        };
        let (messages, _) = trace_files::concurrent(&trace);
        let doc = deliver(&messages);
        let mut whole = reader();
        whole.merge_json(&doc.operations_json().unwrap()).unwrap();
        assert!(
            whole.text() == doc.text(),
            "{name}: another text from the same events"
        );
        assert!(whole.operations_json().unwrap() == doc.operations_json().unwrap());
    }
}

#[test]
fn sequential_traces() {
    for name in [
        "automerge-paper",
        "rustcode",
        "seph-blog1",
        "friendsforever_flat",
        "egwalker",
    ] {
        let Some(trace) = trace(name) else { return };
        let mut doc = Document::new("writer").unwrap();
        for patch in trace["txns"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|txn| txn["patches"].as_array().unwrap())
        {
            let pos = patch[0].as_u64().unwrap() as usize;
            doc.delete(pos, patch[1].as_u64().unwrap() as usize)
                .unwrap();
            doc.insert(pos, patch[2].as_str().unwrap()).unwrap();
        }
        let text = trace["endContent"].as_str().unwrap();
        assert!(doc.text() == text, "{name}: another text");
        let mut copy = Document::new("reader").unwrap();
        copy.merge_patch(&doc.encode_since(&Default::default()).unwrap())
            .unwrap();
        assert!(copy.text() == text, "{name} as one patch: another text");
    }
}
