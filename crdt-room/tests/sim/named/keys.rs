//! Rooms with a key: a page with another key, without a key, or that cannot encrypt, reads nothing;
//! and neither does a dishonest server.

use crdt_room::{LinkKind, LinkState};

use super::{PATIENCE, connect_all, connected, doctor, ends_well, link, opened, until_text};
use crate::hostile::Malice;
use crate::page::Profile;
use crate::world::World;

/// Long enough for every possible attempt.
const LATER: u64 = 60_000;

/// Alice has the key of the room; the scenario decides what bob has. They are pages of one browser.
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

/// Nothing went from one to the other.
fn assert_nothing_passed(world: &World) {
    assert_eq!(world.pages[0].text(), "a secret of alice");
    assert_eq!(world.pages[1].text(), "a secret of bob");
    assert!(!world.is_connected(0, 1) && !world.is_connected(1, 0));
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        assert!(!world.pages[page].told.peers.contains(peer));
    }
}

/// Nothing went from one to the other, and neither finds the other one's room.
fn assert_apart(mut world: World) {
    world.run(LATER);
    assert_nothing_passed(&world);
    for page in &world.pages {
        assert!(page.status().links.is_empty());
    }
    ends_well(world);
}

#[test]
fn a_page_with_another_key_finds_nobody() {
    for links in [
        LinkKind::CHOICES.to_vec(),
        vec![LinkKind::WebRtc],
        vec![LinkKind::Broadcast],
    ] {
        let links = &links;
        assert_apart(with_bob(|profile| {
            profile.secret = Some("tulip");
            profile.links.clone_from(links);
        }));
    }
}

#[test]
fn a_page_without_the_key_finds_nobody() {
    assert_apart(with_bob(|profile| profile.secret = None));
}

/// A server admits pages to a room that they did not name, since they have another key or none:
/// they exchange nothing, and both report why.
#[test]
fn a_server_that_mixes_rooms_gets_nothing_across() {
    for secret in [Some("tulip"), None] {
        for links in [
            LinkKind::CHOICES.to_vec(),
            vec![LinkKind::WebRtc],
            vec![LinkKind::Broadcast, LinkKind::WebRtc],
        ] {
            let mut world = opened(&["alice", "bob"], |profile| {
                profile.browser = 0;
                profile.links.clone_from(&links);
                let is_bob = profile.agent == "bob";
                profile.secret = if is_bob { secret } else { Some("rose") };
            });
            world.malice = Some(Malice::mixing());
            world.type_in(0, "a secret of alice");
            world.type_in(1, "a secret of bob");
            connect_all(&mut world);
            world.run(LATER);
            assert_nothing_passed(&world);
            for (page, peer) in [(0, "bob"), (1, "alice")] {
                let link = link(&world, page, peer);
                assert_ne!(link.state, LinkState::Open);
                assert!(link.problem.is_some(), "{link:?}");
                let diagnosis = doctor(&world, page);
                assert_eq!(diagnosis["stage"], "room", "{diagnosis}");
                assert!(!diagnosis.to_string().contains("TURN"), "{diagnosis}");
                let has_told = world.pages[page].codes().contains(&"wrong_key");
                assert_eq!(has_told, secret.is_some(), "{links:?}");
            }
            world.malice = None;
            world.stop_server(0, false);
            world.run(100);
            world.start_server(0);
            world.converge(PATIENCE);
            ends_well(world);
        }
    }
}

#[test]
fn a_page_that_cannot_encrypt_stays_on_its_device() {
    let mut world = with_bob(|profile| profile.has_cipher = false);
    world.run(LATER);
    assert_nothing_passed(&world);
    let bob = &world.pages[1];
    let ended = bob.told.ended[&1].clone().expect_err("no cipher");
    assert_eq!(ended.code(), "cipher_unavailable");
    assert!(bob.held.is_empty(), "{}", bob.picture());
    let diagnosis = doctor(&world, 1);
    assert_eq!(diagnosis["stage"], "environment", "{diagnosis}");
    let advice = diagnosis["advice"].as_str().expect("advice");
    assert!(advice.contains("https"), "{advice}");
    ends_well(world);
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
