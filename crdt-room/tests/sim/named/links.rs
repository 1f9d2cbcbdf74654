//! One suite for every kind of link.

use crdt_room::{Call, LinkKind, LinkState, Phase};

use super::{PATIENCE, doctor, opened, until_peers, until_text};
use crate::cable::Manners;
use crate::world::World;

/// Two pages with only this kind of link between them, that have met; each wrote something before.
fn together(kind: LinkKind) -> World {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.browser = 0;
        profile.links = vec![kind];
        profile.secret = (kind == LinkKind::Relay).then_some("rose");
        if kind == LinkKind::Custom {
            profile.servers.clear();
        }
    });
    world.type_in(0, "before ");
    world.type_in(1, "they met ");
    if kind == LinkKind::Custom {
        world.plug(0, 1, Manners::default());
    }
    super::connect_all(&mut world);
    world.converge(PATIENCE);
    assert_eq!(world.pages[0].text().len(), "before they met ".len());
    world
}

fn for_each(scenario: impl Fn(World, LinkKind)) {
    for kind in [
        LinkKind::Broadcast,
        LinkKind::Custom,
        LinkKind::WebRtc,
        LinkKind::Relay,
    ] {
        scenario(together(kind), kind);
    }
}

#[test]
fn edits_go_both_ways_and_the_status_says_how() {
    for_each(|mut world, kind| {
        world.type_in(0, "alice");
        world.insert(1, 0, "bob");
        world.converge(PATIENCE);
        world.until("word of what has come", PATIENCE, |world| {
            (0..2).all(|page| world.pages[page].status().links[0].ahead == Some(0))
        });
        for (page, peer) in [(0, "bob"), (1, "alice")] {
            let status = world.pages[page].status();
            assert_eq!(status.peers, [peer]);
            assert_eq!(status.state, Phase::Connected);
            assert_eq!(status.links.len(), 1);
            let link = &status.links[0];
            assert_eq!((link.link, link.state), (kind, LinkState::Open));
            assert!(link.synced && link.behind == Some(0));
            assert!(link.bytes_in > 0 && link.bytes_out > 0);
            let told = &world.pages[page].told;
            assert!(told.synced.iter().any(|synced| synced == peer));
            assert_eq!(world.pages[page].codes(), [""; 0]);
            assert!(doctor(&world, page)["stage"].is_null());
        }
        super::ends_well(world);
    });
}

#[test]
fn a_text_of_many_windows_arrives() {
    for_each(|mut world, _| {
        // Letters that compression does not shorten much.
        let chars = (0..150_000_u32).flat_map(|i| {
            let latin = char::from(b'a' + ((i * 7919) % 26) as u8);
            [
                latin,
                char::from_u32(0x4e00 + (i * 7_841) % 8_000).expect("a char"),
            ]
        });
        let long: String = chars.collect();
        world.pages[0].uplink = Some(200);
        world.type_in(0, &long);
        world.type_in(1, "short");
        world.converge(PATIENCE);
        super::ends_well(world);
    });
}

#[test]
fn presence_comes_and_goes() {
    for_each(|mut world, _| {
        world.show(0, "name", Some(r#""Alice""#));
        world.converge(PATIENCE);
        let seen: Vec<_> = world.pages[1].told.presence.values().collect();
        assert_eq!(seen[0]["name"], r#""Alice""#);
        world.disconnect(0);
        until_peers(&mut world, 1, &[]);
        world.until("presence left", PATIENCE, |world| {
            world.pages[1].told.left == ["alice"]
        });
        assert_eq!(world.pages[0].status().state, Phase::Disconnected);
        world.type_in(1, "alone");
        assert!(world.pages[1].text().ends_with("alone"));
    });
}

#[test]
fn leaving_in_the_middle_of_a_transfer_is_harmless() {
    for_each(|mut world, _| {
        world.pages[0].uplink = Some(50);
        world.type_in(0, &"x".repeat(500_000));
        world.run(20);
        world.pages[0].wanted = false;
        world.call(0, Call::Destroy);
        world.type_in(1, "goes on");
        until_peers(&mut world, 1, &[]);
        assert!(world.pages[1].text().ends_with("goes on"));
        let call = world.connect(0);
        world.pages[0].wanted = false;
        let ended = world.pages[0].told.ended[&call.0].clone();
        assert_eq!(ended.expect_err("for good").code(), "destroyed");
        assert_eq!(world.pages[0].status().state, Phase::Disconnected);
    });
}

#[test]
fn a_page_that_ends_without_a_message_is_dropped_and_comes_back() {
    for_each(|mut world, kind| {
        world.store(1);
        world.kill(1);
        until_peers(&mut world, 0, &[]);
        world.type_in(0, "alone ");
        world.reload(1, "bob-2");
        if kind == LinkKind::Custom {
            assert_eq!(world.pages[1].transports.len(), 1);
        }
        world.connect(1);
        world.converge(PATIENCE);
        assert!(world.pages[1].text().ends_with("alone "));
        super::ends_well(world);
    });
}

#[test]
fn a_page_that_freezes_catches_up() {
    for_each(|mut world, _| {
        world.freeze(1);
        world.type_in(0, "early ");
        world.run(3_000);
        world.wake(1);
        let text = world.pages[0].text();
        until_text(&mut world, 1, &text);
        world.freeze(1);
        world.run(60_000);
        world.type_in(0, "late ");
        world.run(1_000);
        world.wake(1);
        world.converge(PATIENCE);
        super::ends_well(world);
    });
}
