//! The editing histories under `TRACES` (default `../shared/traces`), if present, and the project's
//! own small one, which always is.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The folder of the traces; `None` if there is none.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = match std::env::var_os("TRACES") {
        Some(path) => PathBuf::from(path),
        None => root.join("../shared/traces"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "no traces at {}: set TRACES to their folder to use them",
        folder.display()
    );
    None
}

pub(crate) fn read(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// A patch `[pos, deleted, inserted]` as operations of the JSON form.
pub(crate) fn patch_ops(patch: &Value, ops: &mut Vec<Value>) -> usize {
    let (pos, deleted) = (&patch[0], patch[1].as_u64().unwrap() as usize);
    let inserted = patch[2].as_str().unwrap();
    if deleted > 0 {
        ops.push(json!(["d", pos, deleted]));
    }
    if !inserted.is_empty() {
        ops.push(json!(["i", pos, inserted]));
    }
    deleted + inserted.chars().count()
}

/// One txn as an operations document.
pub(crate) fn message(txn: &Value) -> String {
    json!({"v": 1, "frontier": [], "txns": [txn]}).to_string()
}

/// A trace of concurrent editing: its txns as operations documents, and the text at its end. The
/// file numbers its agents; here they get names that sort like the numbers.
pub(crate) fn concurrent(trace: &Value) -> (Vec<String>, String) {
    let mut last: Vec<Vec<Value>> = Vec::new();
    let mut next: HashMap<u64, usize> = HashMap::new();
    let mut messages = Vec::new();
    for txn in trace["txns"].as_array().unwrap() {
        let agent = txn["agent"].as_u64().unwrap();
        let name = format!("agent-{agent:04}");
        let seq = next.entry(agent).or_default();
        let parents: Vec<Value> = txn["parents"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|p| last[p.as_u64().unwrap() as usize].clone())
            .collect();
        let mut ops = Vec::new();
        let patches = txn["patches"].as_array().unwrap();
        let len: usize = patches.iter().map(|p| patch_ops(p, &mut ops)).sum();
        if len == 0 {
            // Only merges its parents.
            last.push(parents);
            continue;
        }
        messages.push(message(
            &json!({"agent": name, "seq": seq, "parents": parents, "ops": ops}),
        ));
        *seq += len;
        last.push(vec![json!([name, *seq - 1])]);
    }
    (messages, trace["endContent"].as_str().unwrap().to_owned())
}
