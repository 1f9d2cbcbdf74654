//! Event graphs of shapes that are expensive when each event passes many others.

use crdt_core::{Document, LoadLimits, MergeError, MergeLimits, SaveOptions, VersionSummary};
use serde_json::{Value, json};

pub(crate) fn operations(txns: &[Value]) -> String {
    json!({"v": 1, "frontier": [], "txns": txns}).to_string()
}

pub(crate) fn insert(agent: &str, seq: usize, parents: Value, pos: usize) -> Value {
    json!({"agent": agent, "seq": seq, "parents": parents, "ops": [["i", pos, "x"]]})
}

pub(crate) fn base() -> Value {
    json!({"agent": "base", "seq": 0, "parents": [], "ops": [["i", 0, "0123456789"]]})
}

/// A document that allows `work` steps for a message, in addition to those that each run allows.
fn reader(work: u64) -> Document {
    let mut doc = Document::new("reader").unwrap();
    doc.set_merge_limits(MergeLimits::default().work(work));
    doc
}

/// Inserts at one place, by as many agents, which only know the text.
pub(crate) fn at_one_gap(count: usize) -> Vec<Value> {
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
fn inserts_at_one_gap_do_not_visit_each_other() {
    let inserts = at_one_gap(20_000);
    // It takes no more than each run allows, as one patch or one event at a time.
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
pub(crate) fn alternating(count: usize) -> Vec<Value> {
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

/// On top of an early event of one of two branches of `count` events and a late one of the other, in turns:
/// versions far apart, but each close to the one before the last.
pub(crate) fn zigzag(count: usize) -> Vec<Value> {
    (0..count)
        .map(|k| {
            let other = count - 1 - k;
            let (a, b) = if k % 2 == 0 { (k, other) } else { (other, k) };
            insert(&format!("x{k}"), 0, json!([["a", a], ["b", b]]), 3)
        })
        .collect()
}

/// On top of any event of one of two branches of `count` events and any of the other: versions far apart
/// from all others.
pub(crate) fn scattered(count: usize) -> Vec<Value> {
    (0..count)
        .map(|k| {
            let (a, b) = (k * 7919 % count, (k * k + k * 31) % count);
            insert(&format!("x{k}"), 0, json!([["a", a], ["b", b]]), 3)
        })
        .collect()
}

/// Two branches, one event of each in turn; one of the authors sees each event of the other before the
/// next of its own.
pub(crate) fn ladder(count: usize) -> Vec<Value> {
    (0..count)
        .flat_map(|i| {
            let (a, b) = match i.checked_sub(1) {
                None => (json!([["base", 9]]), json!([["base", 9]])),
                Some(before) => (
                    json!([["a", before], ["b", before]]),
                    json!([["b", before]]),
                ),
            };
            [
                insert("a", i, a, i * 31 % (10 + 2 * i)),
                insert("b", i, b, i * 17 % (10 + i)),
            ]
        })
        .collect()
}

/// Merges the events one by one, each within less work than it takes to walk along a branch.
fn one_by_one(events: &[Value]) -> Document {
    let mut doc = reader(2_000);
    doc.merge_json(&operations(&[base()])).unwrap();
    for event in events {
        let report = doc.merge_json(&operations(std::slice::from_ref(event)));
        assert_eq!(report.unwrap().applied, 1);
    }
    doc
}

#[test]
fn branches_that_arrive_in_turns_are_not_walked_for_each_event() {
    for events in [alternating(4000), ladder(4000)] {
        let single = one_by_one(&events);
        let mut whole = reader(0);
        whole.merge_json(&operations(&[base()])).unwrap();
        whole.merge_json(&operations(&events)).unwrap();
        assert_eq!(single.text(), whole.text());
    }
}

#[test]
fn a_branch_is_not_walked_to_compare_two_versions() {
    let mut events = vec![base()];
    events.extend(alternating(4000));
    events.extend(zigzag(4000));
    let mut whole = reader(0);
    whole.merge_json(&operations(&events)).unwrap();
    let file = whole.save(&SaveOptions::default()).unwrap();
    let limits = LoadLimits::default().work(0);
    let opened = Document::load_verified("z", &file, &limits).unwrap();
    assert_eq!(opened.text(), whole.text());
}

#[test]
fn merges_beyond_the_work_limit_are_refused_and_change_nothing() {
    let mut events = vec![base()];
    events.extend(alternating(1000));
    let mut doc = reader(0);
    doc.merge_json(&operations(&events)).unwrap();
    let far = scattered(1000);
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
