//! Rooms with a key: who has another one, or none, or cannot use it, reads nothing and is named; and a
//! server that is not honest gets nothing.

use crdt_room::{LinkKind, LinkState};

use super::{PATIENCE, connect_all, connected, doctor, ends_well, link, opened, until_text};
use crate::hostile::Malice;
use crate::page::Profile;
use crate::world::World;

/// Long enough for whatever may be tried to be tried.
const LATER: u64 = 60_000;

/// Alice has the key of the room; what bob has is up to the scenario. They are pages of one browser.
fn with_bob(adjust: impl Fn(&mut Profile)) -> World {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.browser = 0;
        profile.secret = Some("rose");
        if profile.agent == "bob" {
            adjust(profile);
        }
    });
    world.type_in(0, "a secret of alice");
    world.type_in(1, "a secret of bob");
    connect_all(&mut world);
    world
}

/// Nothing went from one to the other, and both know why.
fn assert_apart(mut world: World) {
    world.run(LATER);
    assert_eq!(world.pages[0].text(), "a secret of alice");
    assert_eq!(world.pages[1].text(), "a secret of bob");
    assert!(!world.is_connected(0, 1) && !world.is_connected(1, 0));
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        let link = link(&world, page, peer);
        assert_ne!(link.state, LinkState::Open);
        assert!(link.problem.is_some(), "{link:?}");
        assert!(!world.pages[page].told.peers.contains(peer));
        let diagnosis = doctor(&world, page);
        assert!(diagnosis["stage"].is_string(), "{diagnosis}");
        assert!(!diagnosis.to_string().contains("TURN"), "{diagnosis}");
    }
    ends_well(world);
}

#[test]
fn a_page_with_another_key_reads_nothing() {
    for links in [
        LinkKind::CHOICES.to_vec(),
        vec![LinkKind::WebRtc],
        vec![LinkKind::Broadcast, LinkKind::WebRtc],
    ] {
        let mut world = with_bob(|profile| profile.secret = Some("tulip"));
        for page in 0..2 {
            world.pages[page].wanted = false;
            world.kill(page);
            world.pages[page].profile.links.clone_from(&links);
            let agent = world.pages[page].profile.agent.clone();
            world.reload(page, &agent);
        }
        world.type_in(0, "a secret of alice");
        world.type_in(1, "a secret of bob");
        connect_all(&mut world);
        world.run(LATER);
        for page in 0..2 {
            let codes = world.pages[page].codes();
            assert!(codes.contains(&"wrong_key"), "{links:?}: {codes:?}");
            assert_eq!(doctor(&world, page)["stage"], "room");
        }
        assert_apart(world);
    }
}

#[test]
fn pages_of_one_browser_with_different_keys_do_not_meet() {
    let world = with_bob(|profile| {
        profile.secret = Some("tulip");
        profile.links = vec![LinkKind::Broadcast];
    });
    assert_apart(world);
}

#[test]
fn a_page_without_the_key_reads_nothing() {
    assert_apart(with_bob(|profile| profile.secret = None));
}

#[test]
fn a_page_that_cannot_encrypt_reads_nothing() {
    assert_apart(with_bob(|profile| profile.has_cipher = false));
}

#[test]
fn one_that_has_the_key_is_not_kept_from_another_one_by_a_third() {
    let mut world = opened(&["alice", "bob", "carol"], |profile| {
        let is_carol = profile.agent == "carol";
        profile.secret = Some(if is_carol { "tulip" } else { "rose" });
    });
    connect_all(&mut world);
    world.type_in(0, "for two");
    until_text(&mut world, 1, "for two");
    world.converge(PATIENCE);
    assert_eq!(world.pages[2].text(), "");
    ends_well(world);
}

#[test]
fn a_server_that_swaps_descriptions_gets_no_connection() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.secret = Some("rose");
        profile.links = vec![LinkKind::WebRtc];
    });
    world.malice = Some(Malice::swapping());
    connect_all(&mut world);
    world.type_in(0, "for bob alone");
    world.run(LATER);
    let malice = world.malice.take().expect("just set");
    assert!(malice.forged > 0);
    assert_eq!(world.pages[1].text(), "");
    assert!(!world.is_connected(0, 1));
    world.converge(2 * PATIENCE);
    ends_well(world);
}

#[test]
fn a_server_that_repeats_signals_disturbs_nobody_for_long() {
    let mut world = connected(&["alice", "bob", "carol"], |profile| {
        profile.secret = Some("rose");
    });
    world.malice = Some(Malice::replaying());
    for round in 0..6 {
        let page = round % 3;
        world.hide(page);
        world.run(500);
        world.wake(page);
        world.type_in(page, "again ");
        world.run(2_000);
        world.break_sockets((page + 1) % 3);
        world.run(8_000);
    }
    world.converge(2 * PATIENCE);
    let malice = world.malice.take().expect("just set");
    assert!(malice.forged > 0);
    for page in &world.pages {
        assert!(!page.codes().contains(&"wrong_key"), "{:?}", page.codes());
    }
    ends_well(world);
}
