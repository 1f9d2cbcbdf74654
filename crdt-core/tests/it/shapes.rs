//! Event graphs of shapes that cost much when each event passes many others.

use crdt_core::{Document, LoadLimits, MergeError, MergeLimits, SaveOptions, VersionSummary};
use serde_json::{Value, json};

fn operations(txns: &[Value]) -> String {
    json!({"v": 1, "frontier": [], "txns": txns}).to_string()
}

fn insert(agent: &str, seq: usize, parents: Value, pos: usize) -> Value {
    json!({"agent": agent, "seq": seq, "parents": parents, "ops": [["i", pos, "x"]]})
}

fn base() -> Value {
    json!({"agent": "base", "seq": 0, "parents": [], "ops": [["i", 0, "0123456789"]]})
}

/// A document that allows so many steps of work for a message, beyond those that each run allows.
fn reader(work: u64) -> Document {
    let mut doc = Document::new("reader").unwrap();
    doc.set_merge_limits(MergeLimits::default().work(work));
    doc
}

/// Inserts at one place, by as many who know only the text.
fn at_one_gap(count: usize) -> Vec<Value> {
    // By names in no order.
    (0..count)
        .map(|i| {
            insert(
                &format!("m{:06}", i * 7919 % count),
                0,
                json!([["base", 9]]),
                5,
            )
        })
        .collect()
}

#[test]
fn inserts_at_one_gap_do_not_pass_each_other() {
    let inserts = at_one_gap(20_000);
    // All it takes is what each run allows, be it one patch or one event at a time.
    let mut whole = reader(0);
    whole.merge_json(&operations(&[base()])).unwrap();
    whole.merge_json(&operations(&inserts)).unwrap();
    let mut single = reader(0);
    single.merge_json(&operations(&[base()])).unwrap();
    for insert in &inserts {
        single
            .merge_json(&operations(std::slice::from_ref(insert)))
            .unwrap();
    }
    assert_eq!(single.text(), whole.text());
    assert_eq!(whole.len_chars(), 20_010);
}

/// Two branches, one event of each in turn: each asks for another version of the text.
fn alternating(count: usize) -> Vec<Value> {
    let event = |agent: &str, i: usize| {
        let parents = match i {
            0 => json!([["base", 9]]),
            _ => json!([[agent, i - 1]]),
        };
        insert(agent, i, parents, i * 31 % (10 + i))
    };
    (0..count)
        .flat_map(|i| [event("a", i), event("b", i)])
        .collect()
}

#[test]
fn what_takes_more_work_than_is_allowed_is_refused_and_nothing_changes() {
    let mut events = vec![base()];
    events.extend(alternating(1000));
    let mut doc = reader(0);
    doc.merge_json(&operations(&events)).unwrap();
    // In between both ends of each branch, over and over.
    let far: Vec<Value> = (0..1000)
        .map(|k| {
            let (a, b) = if k % 2 == 0 {
                (k, 999 - k)
            } else {
                (999 - k, k)
            };
            insert(&format!("x{k}"), 0, json!([["a", a], ["b", b]]), 3)
        })
        .collect();
    let before = (doc.text(), doc.operations_json().unwrap(), doc.summary());
    let refused = doc.merge_json(&operations(&far)).unwrap_err();
    assert!(matches!(refused, MergeError::TooExpensive { limit: 0 }));
    assert_eq!(refused.code(), "too_expensive");
    let after = (doc.text(), doc.operations_json().unwrap(), doc.summary());
    assert_eq!(after, before);
    // It goes on as ever, and by default that is allowed.
    doc.insert(0, "on").unwrap();
    let mut roomy = reader(MergeLimits::WORK);
    roomy.merge_json(&operations(&events)).unwrap();
    roomy.merge_json(&operations(&far)).unwrap();
    let patch = doc.encode_since(&roomy.summary()).unwrap();
    roomy.merge_patch(&patch).unwrap();

    let file = roomy.save(&SaveOptions::default()).unwrap();
    let limits = LoadLimits::default().work(0);
    let refused = Document::load_verified("z", &file, &limits).unwrap_err();
    assert_eq!(refused.code(), "too_expensive");
    let trusted = Document::load_within("z", &file, &limits).unwrap();
    assert_eq!(trusted.check_history(), Ok(()));
    let opened = Document::load_verified("z", &file, &LoadLimits::default()).unwrap();
    assert_eq!(opened.text(), roomy.text());
    assert_eq!(
        opened.summary().difference(&roomy.summary()),
        VersionSummary::new()
    );
}
