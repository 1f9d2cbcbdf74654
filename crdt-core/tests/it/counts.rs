//! The number of events of an agent.

use crdt_core::{Document, SaveOptions, VersionSummary};

#[test]
fn the_latest_event_of_each_agent_is_found_in_a_packed_file_too() {
    let mut ann = Document::new("ann").expect("a valid name");
    let mut bob = Document::new("bob").expect("a valid name");
    ann.insert(0, "Hello").expect("position 0 exists");
    bob.insert(0, "you").expect("position 0 exists");
    let patch = bob.encode_since(&VersionSummary::new()).expect("all here");
    ann.merge_patch(&patch).expect("a whole history");
    let counts = |doc: &Document| ["ann", "bob", "eve"].map(|agent| doc.event_count_of(agent));
    assert_eq!(counts(&ann), [5, 3, 0]);
    let mut opened = Document::load("ann", &ann.save(&SaveOptions::default()).expect("it fits"))
        .expect("just saved");
    assert_eq!(counts(&opened), [5, 3, 0]);
    opened.insert(0, "!").expect("position 0 exists");
    assert_eq!(counts(&opened), [6, 3, 0]);
}
