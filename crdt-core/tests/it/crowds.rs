//! Documents with very many simultaneous writers.

use crdt_core::{Document, LoadLimits, SaveOptions, VersionSummary};
use serde_json::json;

/// The number of agents that write before they receive each other's events.
const CROWD: usize = 10_000;

fn everything(doc: &Document) -> Vec<u8> {
    doc.encode_since(&VersionSummary::new()).unwrap()
}

/// A document, and one insert of each agent of a crowd that only knows the document.
fn crowd() -> (Document, String) {
    let mut base = Document::new("base").unwrap();
    base.insert(0, &"-".repeat(CROWD)).unwrap();
    let txns: Vec<_> = (0..CROWD)
        .map(|i| {
            let parents = json!([["base", CROWD - 1]]);
            json!({"agent": format!("m{i}"), "seq": 0, "parents": parents, "ops": [["i", i, "x"]]})
        })
        .collect();
    let inserts = json!({"v": 1, "frontier": [], "txns": txns}).to_string();
    (base, inserts)
}

#[test]
fn any_number_of_heads_is_followed_merged_saved_and_opened() {
    let (base, inserts) = crowd();
    let mut members = ["m0", "m1", "m9999", "guest"].map(|name| {
        let mut doc = Document::new(name).unwrap();
        doc.merge_patch(&everything(&base)).unwrap();
        doc.merge_json(&inserts).unwrap();
        assert_eq!(doc.frontier().ids().len(), CROWD);
        doc
    });
    for doc in &mut members {
        doc.insert(0, "typed on").unwrap();
    }
    for i in 0..members.len() {
        for k in 0..members.len() {
            let patch = members[k].encode_since(&members[i].summary()).unwrap();
            let report = members[i].merge_patch(&patch).unwrap();
            assert_eq!(report.pending, 0);
        }
    }
    let [first, others @ ..] = &members;
    assert_eq!(first.len_chars(), 2 * CROWD + 4 * "typed on".len());
    for other in others {
        assert_eq!(other.text(), first.text());
        assert_eq!(
            other.operations_json().unwrap(),
            first.operations_json().unwrap()
        );
    }

    let mut joiner = Document::new("joiner").unwrap();
    joiner.merge_patch(&everything(first)).unwrap();
    assert_eq!(joiner.text(), first.text());
    let file = first.save(&SaveOptions::default()).unwrap();
    let opened = Document::load_verified("m0", &file, &LoadLimits::default()).unwrap();
    assert_eq!(opened.text(), first.text());
    let opened = Document::load("m0", &file).unwrap();
    assert_eq!(opened.check_history(), Ok(()));
    assert_eq!(
        opened.operations_json().unwrap(),
        first.operations_json().unwrap()
    );
}

#[test]
fn events_with_many_parents_wait_for_each_of_them() {
    let (base, inserts) = crowd();
    let mut writer = Document::new("guest").unwrap();
    writer.merge_patch(&everything(&base)).unwrap();
    writer.merge_json(&inserts).unwrap();
    let before = writer.summary();
    writer.insert(0, "!").unwrap();
    let last = writer.encode_since(&before).unwrap();

    let mut reader = Document::new("reader").unwrap();
    assert_eq!(reader.merge_patch(&last).unwrap().pending, 1);
    reader.merge_patch(&everything(&base)).unwrap();
    let report = reader.merge_json(&inserts).unwrap();
    assert_eq!((report.pending, report.missing), (0, Vec::new()));
    assert_eq!(reader.text(), writer.text());
}
