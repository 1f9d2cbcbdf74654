//! Invalid input: a typed error, and an unchanged document.

use crate::histories::for_each_seed;
use crdt_core::{
    DecodeError, Document, EventId, Frontier, MergeError, MergeLimits, PendingLimits,
    VersionSummary,
};
use fastrand::Rng;

fn operations(txns: &str) -> String {
    format!("{{\"v\":1,\"frontier\":[],\"txns\":[{txns}]}}")
}

/// The whole visible state of a document.
fn fingerprint(doc: &Document) -> (String, String, usize, Vec<EventId>) {
    (
        doc.text(),
        doc.operations_json().unwrap(),
        doc.pending_events(),
        doc.missing(),
    )
}

/// A document with concurrent history: alice wrote "Hello", bob "> " before it while she appended.
fn sample() -> Document {
    let mut doc = Document::new("alice").unwrap();
    doc.insert(0, "Hello").unwrap();
    let mut bob = Document::new("bob").unwrap();
    bob.merge_json(&doc.operations_json().unwrap()).unwrap();
    bob.insert(0, "> ").unwrap();
    doc.insert(5, " w🦀rld").unwrap();
    doc.merge_json(&bob.operations_json().unwrap()).unwrap();
    assert_eq!(doc.text(), "> Hello w🦀rld");
    doc
}

#[test]
fn refused_operations_leave_the_document_as_it_was() {
    let txn = |agent: &str, seq: u32, parents: &str, ops: &str| {
        format!("{{\"agent\":{agent:?},\"seq\":{seq},\"parents\":[{parents}],\"ops\":[{ops}]}}")
    };
    let good = txn("zoe", 0, "[\"alice\",10]", "[\"i\",0,\"x\"]");
    let cases: Vec<(String, &str)> = vec![
        ("".into(), "bad_json"),
        ("{".into(), "bad_json"),
        ("[]".into(), "bad_operations"),
        ("{\"v\":2,\"txns\":[]}".into(), "unknown_format_version"),
        ("{\"v\":1}".into(), "bad_operations"),
        (operations(&txn("zoe", 0, "", "")), "bad_operations"),
        (
            operations(&txn("zoe", 0, "", "[\"i\",0,\"\"]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"d\",0,0]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"d\",-1,1]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"d\",0.5,1]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"x\",0,1]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"d\",4294967295,4294967295]")),
            "bad_operations",
        ),
        (
            operations(&txn("zoe", 2147483647, "", "[\"i\",0,\"x\"]")),
            "bad_operations",
        ),
        (
            operations(&txn("", 0, "", "[\"i\",0,\"x\"]")),
            "bad_agent_name",
        ),
        (
            operations(&txn(&"z".repeat(129), 0, "", "[\"i\",0,\"x\"]")),
            "bad_agent_name",
        ),
        // Known ids with other content: text, position, kind, parents.
        (
            operations(&txn("alice", 0, "", "[\"i\",0,\"Hallo\"]")),
            "conflicting_event",
        ),
        (
            operations(&txn("alice", 0, "", "[\"i\",0,\"Hell\"],[\"i\",0,\"o\"]")),
            "conflicting_event",
        ),
        (
            operations(&txn("alice", 4, "[\"alice\",3]", "[\"d\",0,1]")),
            "conflicting_event",
        ),
        (
            operations(&txn("alice", 4, "", "[\"i\",4,\"o\"]")),
            "conflicting_event",
        ),
        (
            operations(&txn("bob", 0, "[\"alice\",9]", "[\"i\",0,\"> \"]")),
            "conflicting_event",
        ),
        // Positions past the end, at the tip and in a concurrent branch.
        (
            operations(&txn(
                "zoe",
                0,
                "[\"alice\",10],[\"bob\",1]",
                "[\"i\",14,\"x\"]",
            )),
            "bad_position",
        ),
        (
            operations(&txn("zoe", 0, "[\"alice\",4]", "[\"i\",6,\"x\"]")),
            "bad_position",
        ),
        (
            operations(&txn("zoe", 0, "[\"alice\",4]", "[\"d\",4,2]")),
            "bad_position",
        ),
        (
            operations(&txn("zoe", 0, "[\"alice\",4]", "[\"b\",4,2]")),
            "bad_position",
        ),
        (
            operations(&txn("zoe", 0, "", "[\"d\",0,1073741000]")),
            "bad_position",
        ),
        (
            operations(&txn(
                "zoe",
                0,
                "[\"alice\",3],[\"alice\",4]",
                "[\"i\",0,\"x\"]",
            )),
            "parents_not_reduced",
        ),
        (
            operations(&txn(
                "zoe",
                0,
                "[\"alice\",4],[\"alice\",4]",
                "[\"i\",0,\"x\"]",
            )),
            "parents_not_reduced",
        ),
        (
            operations(&txn("zoe", 0, "[\"zoe\",0]", "[\"i\",0,\"x\"]")),
            "cyclic_event",
        ),
        (
            operations(&txn("zoe", 3, "[\"zoe\",4]", "[\"i\",0,\"xy\"]")),
            "cyclic_event",
        ),
        // The first is good, the second is not: neither counts.
        (
            operations(&format!(
                "{good},{}",
                txn("zoe", 1, "[\"zoe\",0]", "[\"d\",99,1]")
            )),
            "bad_position",
        ),
        (
            operations(&format!("{good},{}", txn("zoe", 0, "", "[\"i\",0,\"y\"]"))),
            "conflicting_event",
        ),
    ];
    let mut doc = sample();
    let before = fingerprint(&doc);
    for (text, code) in &cases {
        let error = doc.merge_json(text).expect_err(text);
        assert_eq!(error.code(), *code, "{text}: {error}");
        assert!(!error.to_string().is_empty());
        assert_eq!(fingerprint(&doc), before, "{text}");
    }
    // And it still works.
    assert_eq!(doc.merge_json(&operations(&good)).unwrap().applied, 1);
    doc.insert(0, "!").unwrap();
    let mut copy = Document::new("copy").unwrap();
    copy.merge_patch(&doc.encode_since(&Default::default()).unwrap())
        .unwrap();
    assert_eq!(copy.text(), doc.text());
}

#[test]
fn bad_edits_are_refused() {
    let mut doc = sample();
    let before = fingerprint(&doc);
    for error in [
        doc.insert(14, "x").unwrap_err(),
        doc.delete(13, 1).unwrap_err(),
        doc.delete(0, usize::MAX).unwrap_err(),
        doc.delete(usize::MAX, usize::MAX).unwrap_err(),
    ] {
        assert_eq!(error.code(), "out_of_bounds");
    }
    doc.insert(13, "").unwrap();
    doc.delete(13, 0).unwrap();
    assert_eq!(fingerprint(&doc), before);
    assert!(Document::new("").is_err() && Document::new(&"x".repeat(129)).is_err());
    assert!(Frontier::from_json("[[\"a\"]]").is_err() && Frontier::from_json("{}").is_err());
}

/// Patches with bytes changed, cut or added: an error, or another valid patch; never a panic.
#[test]
fn damaged_patches_never_harm() {
    for_each_seed(300, |seed| {
        let mut rng = Rng::with_seed(seed);
        let docs = crate::histories::random_replicas(&mut rng, 12);
        let patch = docs[0].encode_since(&Default::default()).unwrap();
        let mut base = Document::new("reader").unwrap();
        if rng.bool() {
            base.merge_patch(&patch).unwrap();
        }
        for _ in 0..40 {
            let mut bytes = patch.clone();
            match rng.u8(0..3) {
                0 => bytes.truncate(rng.usize(0..bytes.len())),
                1 => bytes.push(rng.u8(..)),
                _ => {
                    let at = rng.usize(0..bytes.len());
                    bytes[at] ^= 1 << rng.u8(0..8);
                }
            }
            let mut doc = base.clone();
            match doc.merge_patch(&bytes) {
                Ok(_) => {
                    // Its history must be one that others can read.
                    let mut copy = Document::new("copy").unwrap();
                    copy.merge_json(&doc.operations_json().unwrap()).unwrap();
                    assert_eq!(copy.text(), doc.text());
                }
                Err(_) => assert_eq!(fingerprint(&doc), fingerprint(&base)),
            }
        }
    });
}

#[test]
fn claimed_sizes_are_not_trusted() {
    // A version, then counts and lengths of four billion.
    for bytes in [
        vec![2, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![2, 4, 0xff, 0xff, 0xff, 0xff, 0x0f, b'a'],
        vec![2, 4, 1, b'a', 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![2, 7, 1, b'a', 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![2, 20, 1, b'a', 0, 0, 0xff, 0xff, 0xff, 0xff, 0x03, b'x'],
    ] {
        let error = Document::new("a").unwrap().merge_patch(&bytes).unwrap_err();
        assert!(
            matches!(error, MergeError::Decode(DecodeError::Bytes { .. })),
            "{error}"
        );
    }
}

#[test]
fn held_back_events_are_bounded_reported_and_checked_separately() {
    let orphan = |number: u32, op: &str| {
        operations(&format!(
            "{{\"agent\":\"zoe{number}\",\"seq\":0,\"parents\":[[\"yan\",0]],\"ops\":[{op}]}}"
        ))
    };
    let mut doc = sample();
    let text = doc.text();
    doc.set_pending_limits(PendingLimits::default().pieces(3).bytes(1 << 20));
    for number in 0..5 {
        let op = if number == 4 {
            "[\"d\",9,1]"
        } else {
            "[\"i\",0,\"z\"]"
        };
        let report = doc.merge_json(&orphan(number, op)).unwrap();
        assert_eq!(report.pending, (number as usize + 1).min(3));
        assert_eq!(report.dropped, usize::from(number >= 3));
        assert_eq!(report.missing, [EventId::new("yan", 0)]);
    }
    assert_eq!(doc.text(), text);
    // The parent comes: two of the three apply, the one that deletes past the end is dropped.
    let parent = "{\"agent\":\"yan\",\"seq\":0,\"parents\":[],\"ops\":[[\"i\",0,\"y\"]]}";
    let report = doc.merge_json(&operations(parent)).unwrap();
    assert_eq!((report.applied, report.pending, report.dropped), (3, 0, 1));
    assert_eq!(doc.len_chars(), text.chars().count() + 3);
}

/// The highest sequence number there is, named by a few bytes, does not lock its agent out.
#[test]
fn events_beyond_a_gap_wait_until_it_closes() {
    let last = (1_u32 << 31) - 3;
    let mut alice = Document::new("alice").unwrap();
    let far =
        format!("{{\"agent\":\"alice\",\"seq\":{last},\"parents\":[],\"ops\":[[\"i\",0,\"x\"]]}}");
    let report = alice.merge_json(&operations(&far)).unwrap();
    assert_eq!((report.applied, report.pending), (0, 1));
    assert_eq!(report.missing, [EventId::new("alice", last - 1)]);
    alice.insert(0, "Hello").unwrap();
    assert_eq!(alice.summary().ranges("alice"), vec![0..5; 1]);

    // In whatever order they come: parents that are known do not bring them in, the gap's events do.
    let mut bob = Document::new("bob").unwrap();
    let event = |seq: u32, text: &str| {
        let txn = format!(
            "{{\"agent\":\"zoe\",\"seq\":{seq},\"parents\":[],\"ops\":[[\"i\",0,\"{text}\"]]}}"
        );
        operations(&txn)
    };
    assert_eq!(bob.merge_json(&event(2, "c")).unwrap().pending, 1);
    let report = bob.merge_json(&event(1, "b")).unwrap();
    assert_eq!(report.missing, [0, 1].map(|seq| EventId::new("zoe", seq)));
    let report = bob.merge_json(&event(0, "a")).unwrap();
    assert_eq!((report.applied, report.pending), (3, 0));
    assert_eq!(bob.summary().ranges("zoe"), vec![0..3; 1]);
}

/// A few bytes that delete a long text again and again are as many events as the text is long.
#[test]
fn more_events_than_the_limits_allow_are_refused() {
    let mut alice = Document::new("alice").unwrap();
    alice.insert(0, &"x".repeat(1000)).unwrap();
    let mut bob = Document::new("bob").unwrap();
    bob.set_merge_limits(
        MergeLimits::default()
            .message_events(5000)
            .document_events(6000),
    );
    let text = alice.encode_since(&VersionSummary::new()).unwrap();
    bob.merge_patch(&text).unwrap();
    let delete_all = |who: std::ops::Range<u32>| {
        let txns: Vec<String> = who.map(|i| format!("{{\"agent\":\"d{i}\",\"seq\":0,\"parents\":[[\"alice\",999]],\"ops\":[[\"d\",0,1000]]}}")).collect();
        operations(&txns.join(","))
    };
    let refuse = |bob: &mut Document, who: std::ops::Range<u32>, expected: usize| {
        let before = fingerprint(bob);
        let error = bob.merge_json(&delete_all(who)).unwrap_err();
        assert!(matches!(error, MergeError::TooLarge { limit, .. } if limit == expected));
        assert_eq!(error.code(), "too_large");
        assert_eq!(fingerprint(bob), before);
    };
    refuse(&mut bob, 0..6, 5000);
    bob.merge_json(&delete_all(0..5)).unwrap();
    refuse(&mut bob, 5..6, 6000);
    // The local user can continue typing.
    bob.insert(0, "still here").unwrap();
    assert_eq!(bob.text(), "still here");
}

/// Events that wait for each other are never merged. They are counted, dropped when there is no
/// room, and harmless.
#[test]
fn a_cycle_is_held_back_and_goes_first() {
    let wait = |agent: &str, seq: u32, on: &str, on_seq: u32| {
        let txn = format!(
            "{{\"agent\":\"{agent}\",\"seq\":{seq},\"parents\":[[\"{on}\",{on_seq}]],\"ops\":[[\"i\",0,\"x\"]]}}"
        );
        operations(&txn)
    };
    let mut doc = sample();
    let before = doc.text();
    doc.set_pending_limits(PendingLimits::default().pieces(3).bytes(1 << 20));
    for (agent, on) in [("yan", "zoe"), ("zoe", "xin"), ("xin", "yan")] {
        doc.merge_json(&wait(agent, 0, on, 0)).unwrap();
    }
    assert_eq!((doc.pending_events(), doc.text()), (3, before.clone()));
    let waited: Vec<String> = doc.missing().into_iter().map(|id| id.agent).collect();
    assert_eq!(waited, ["xin", "yan", "zoe"]);
    // The same again is the same; something newer takes the place of the oldest.
    assert_eq!(
        doc.merge_json(&wait("xin", 0, "yan", 0)).unwrap().pending,
        3
    );
    let report = doc.merge_json(&wait("wu", 1, "wu", 0)).unwrap();
    assert_eq!((report.pending, report.dropped), (3, 1));
    let first = "{\"agent\":\"wu\",\"seq\":0,\"parents\":[],\"ops\":[[\"i\",0,\"w\"]]}";
    let report = doc.merge_json(&operations(first)).unwrap();
    assert_eq!((report.applied, report.pending), (2, 2));
    assert_eq!(doc.len_chars(), before.chars().count() + 2);
}
