//! The daily benchmark: editing traces through the public API. Needs the traces (`TRACES`, default
//! `../shared/traces`); without them it measures nothing.

#[path = "../tests/it/trace_files.rs"]
mod trace_files;

use std::hint::black_box;
use std::time::Duration;

use crdt_core::{Document, VersionSummary};
use criterion::{BatchSize, Criterion};
use serde_json::Value;

fn trace(name: &str) -> Option<Value> {
    let file = trace_files::folder()?.join(format!("{name}.json.gz"));
    Some(serde_json::from_str(&trace_files::read(&file)).unwrap())
}

/// The edits of a sequential trace: position, deleted chars, inserted text.
fn edits(trace: &Value) -> Vec<(usize, usize, String)> {
    let patches = |txn: &Value| txn["patches"].as_array().unwrap().clone();
    trace["txns"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(patches)
        .map(|p| {
            let (pos, deleted) = (p[0].as_u64().unwrap(), p[1].as_u64().unwrap());
            (
                pos as usize,
                deleted as usize,
                p[2].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn replay(edits: &[(usize, usize, String)]) -> Document {
    let mut doc = Document::new("writer").unwrap();
    for (pos, deleted, inserted) in edits {
        doc.delete(*pos, *deleted).unwrap();
        doc.insert(*pos, inserted).unwrap();
    }
    doc
}

fn sequential(c: &mut Criterion, name: &str) {
    let Some(trace) = trace(name) else { return };
    let edits = edits(&trace);
    c.bench_function(&format!("edit/{name}"), |b| {
        b.iter(|| replay(black_box(&edits)))
    });
    let patch = replay(&edits).encode_since(&VersionSummary::new()).unwrap();
    println!("patch/{name}: {} bytes", patch.len());
    load(c, name, &patch);
}

fn load(c: &mut Criterion, name: &str, patch: &[u8]) {
    c.bench_function(&format!("load/{name}"), |b| {
        b.iter(|| {
            let mut doc = Document::new("reader").unwrap();
            doc.merge_patch(black_box(patch)).unwrap();
            doc.text()
        });
    });
}

fn concurrent(c: &mut Criterion, name: &str) {
    let Some(trace) = trace(name) else { return };
    let (messages, _) = trace_files::concurrent(&trace);
    // The same messages as patches.
    let mut doc = Document::new("writer").unwrap();
    let mut patches = Vec::new();
    for message in &messages {
        let have = doc.summary();
        if doc.merge_json(message).is_err() {
            println!("{name}: does not replay with these names");
            return;
        }
        patches.push(doc.encode_since(&have).unwrap());
    }
    load(c, name, &doc.encode_since(&VersionSummary::new()).unwrap());
    c.bench_function(&format!("remote/{name}"), |b| {
        b.iter_batched(
            || Document::new("reader").unwrap(),
            |mut doc| {
                for patch in &patches {
                    doc.merge_patch(black_box(patch)).unwrap();
                }
                doc
            },
            BatchSize::PerIteration,
        );
    });
}

fn main() {
    let mut c = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for name in ["automerge-paper", "rustcode", "seph-blog1", "egwalker"] {
        sequential(&mut c, name);
    }
    for name in ["friendsforever", "C1", "git-makefile", "A2"] {
        concurrent(&mut c, name);
    }
    c.final_summary();
}
