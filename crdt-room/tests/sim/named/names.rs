//! Reused document names, and the status of a peer that is stopped.

use crdt_core::{Document, person_of};

use super::{PATIENCE, connect_all, connected, ends_well, link, opened, until_text};

#[test]
fn a_page_that_restarts_under_its_name_loses_nothing() {
    let mut world = opened(&["alice", "bob", "alice (2)"], |_| {});
    world.pages[2].document = Document::new("alice").expect("a valid name");
    world.connect(0);
    world.connect(1);
    world.type_in(0, "Shopping list: milk");
    until_text(&mut world, 1, "Shopping list: milk");
    world.disconnect(0);
    // Before it has heard from anyone.
    world.type_in(2, "Hiopping list: bread");
    world.connect(2);
    let both = "Shopping list: milkHiopping list: bread";
    until_text(&mut world, 1, both);
    until_text(&mut world, 2, both);
    let agent = world.pages[2].document.agent();
    assert_eq!((person_of(agent), agent == "alice"), ("alice", false));
    world.connect(0);
    world.converge(PATIENCE);
    for page in 0..3 {
        assert_eq!(world.pages[page].text(), both);
        assert_eq!(world.pages[page].codes(), [""; 0]);
    }
    ends_well(world);
}

#[test]
fn the_status_reports_two_contents_under_one_id() {
    let mut world = opened(&["bob", "carol", "dave"], |_| {});
    for (page, text) in [(0, "x"), (1, "y")] {
        let mut mallory = Document::new("mallory").expect("a valid name");
        mallory.insert(0, text).expect("position 0 exists");
        let all = mallory
            .encode_since(&Default::default())
            .expect("it is all here");
        let page = &mut world.pages[page];
        page.document.merge_patch(&all).expect("a whole history");
        page.mirror = text.chars().collect();
    }
    connect_all(&mut world);
    world.run(PATIENCE);
    for (page, peer) in [(0, "carol"), (1, "bob")] {
        let link = link(&world, page, peer);
        let diverged = link.diverged.expect("the status reports it");
        assert_eq!(diverged.id, Some(("mallory".to_owned(), 0)));
        assert!(!link.synced && link.problem.is_none());
        assert!(world.pages[page].told.diverged > 0);
        assert_eq!(world.pages[page].codes(), [""; 0]);
        assert_eq!(super::doctor(&world, page)["stage"], "sync");
    }
    world.type_in(2, " and more");
    world.run(5_000);
    for page in 0..3 {
        assert!(world.pages[page].text().ends_with(" and more"));
    }
}

#[test]
fn nobody_is_synced_while_the_other_is_stopped() {
    let mut world = connected(&["alice", "bob"], |_| {});
    world.freeze(1);
    world.type_in(0, "while bob is stopped");
    for _ in 0..8 {
        world.run(500);
        let link = link(&world, 0, "bob");
        assert!(!link.synced && link.ahead == Some(20), "{link:?}");
    }
    world.wake(1);
    world.converge(PATIENCE);
    assert!(link(&world, 0, "bob").synced);
    ends_well(world);
}
