//! The status is true: one scenario for each case in which it might not be.

use crdt_room::{Host, LinkKind, LinkState, RoomError};

use super::{PATIENCE, connected, doctor, ends_well, link, opened, until_peers, until_text};
use crate::page::Profile;
use crate::world::World;

const KEY: Option<&str> = Some("rose");

/// Long enough for every attempt at a direct connection to fail and to be repeated.
const LATER: u64 = 90_000;

fn without_webrtc(profile: &mut Profile) {
    profile.host.webrtc = false;
}

/// Two pages without a possible direct connection, from the start.
fn apart(adjust: impl Fn(&mut Profile)) -> World {
    let mut world = opened(&["alice", "bob"], adjust);
    world.block(0, 1);
    super::connect_all(&mut world);
    world
}

/// Nothing is wrong, except that the link is not direct.
fn assert_detour(world: &World, kind: LinkKind, name: &str) {
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        let link = link(world, page, peer);
        assert_eq!((link.link, link.state), (kind, LinkState::Open));
        assert_eq!((link.problem, link.problem_stage), (None, None));
        assert!(link.synced);
        assert_eq!(world.pages[page].codes(), [""; 0]);
        let diagnosis = doctor(world, page);
        assert!(diagnosis["stage"].is_null(), "{diagnosis}");
        assert!(diagnosis["advice"].is_null(), "{diagnosis}");
        let message = diagnosis["message"].as_str().expect("a message");
        assert!(message.starts_with("all is well"), "{message}");
        assert!(diagnosis.to_string().contains(name), "{diagnosis}");
    }
}

#[test]
fn a_working_relay_is_no_problem() {
    let mut world = apart(|profile| profile.secret = KEY);
    world.type_in(0, "by the relay");
    until_text(&mut world, 1, "by the relay");
    world.run(LATER);
    assert_detour(&world, LinkKind::Relay, "relay");
    ends_well(world);
}

#[test]
fn a_working_broadcast_channel_is_no_problem() {
    let mut world = apart(|profile| profile.browser = 0);
    world.run(LATER);
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        let link = link(&world, page, peer);
        assert_eq!((link.link, link.problem), (LinkKind::Broadcast, None));
        assert_eq!(world.pages[page].codes(), [""; 0]);
        assert!(doctor(&world, page)["stage"].is_null());
    }
    ends_well(world);
}

#[test]
fn the_relay_carries_where_there_is_no_webrtc() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.secret = KEY;
        without_webrtc(profile);
    });
    super::connect_all(&mut world);
    world.type_in(0, "by the relay");
    until_text(&mut world, 1, "by the relay");
    world.run(LATER);
    assert_detour(&world, LinkKind::Relay, "relay");
    ends_well(world);
}

#[test]
fn the_relay_carries_to_a_page_without_webrtc() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.secret = KEY;
        profile.host.webrtc = profile.agent == "alice";
    });
    super::connect_all(&mut world);
    world.run(LATER);
    assert_detour(&world, LinkKind::Relay, "relay");
    ends_well(world);
}

#[test]
fn an_unreachable_peer_is_named_with_the_stage() {
    let mut world = apart(|_| {});
    world.run(LATER);
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        let link = link(&world, page, peer);
        assert_ne!(link.state, LinkState::Open);
        assert!(!link.synced);
        assert!(link.problem.is_some() && link.problem_stage.is_some());
        assert!(world.pages[page].codes().contains(&"peer_unreachable"));
        let diagnosis = doctor(&world, page);
        assert_eq!(diagnosis["stage"], "ice", "{diagnosis}");
        let message = diagnosis["message"].as_str().expect("a message");
        assert!(message.contains(peer), "{message}");
        let advice = diagnosis["advice"].as_str().expect("advice");
        assert!(advice.contains("TURN"), "{advice}");
        assert!(world.pages[page].status().peers.is_empty());
    }
    ends_well(world);
}

#[test]
fn without_webrtc_the_status_does_not_mention_turn() {
    // The pages have broadcast channels, but not to each other.
    let mut world = opened(&["alice", "bob"], without_webrtc);
    super::connect_all(&mut world);
    world.run(LATER);
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        assert!(link(&world, page, peer).problem.is_some());
        let diagnosis = doctor(&world, page);
        assert!(diagnosis["stage"].is_string(), "{diagnosis}");
        assert!(!diagnosis.to_string().contains("TURN"), "{diagnosis}");
        for (_, error) in &world.pages[page].told.errors {
            assert!(!error.to_string().contains("TURN"), "{error}");
        }
    }
    ends_well(world);
}

#[test]
fn a_page_with_webrtc_and_one_without_name_each_other() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.host.webrtc = profile.agent == "alice";
    });
    super::connect_all(&mut world);
    world.run(LATER);
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        assert!(link(&world, page, peer).problem.is_some(), "{peer}");
        assert!(doctor(&world, page)["stage"].is_string());
    }
    ends_well(world);
}

#[test]
fn pages_that_allow_no_common_kind_of_link_name_each_other() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.secret = KEY;
        profile.links = match profile.agent.as_str() {
            "alice" => vec![LinkKind::WebRtc],
            _ => vec![LinkKind::Relay],
        };
    });
    super::connect_all(&mut world);
    world.run(LATER);
    for (page, peer) in [(0, "bob"), (1, "alice")] {
        assert!(link(&world, page, peer).problem.is_some(), "{peer}");
        assert!(doctor(&world, page)["stage"].is_string());
    }
    ends_well(world);
}

#[test]
fn two_pages_of_a_browser_without_webrtc_need_no_key() {
    let mut world = connected(&["alice", "bob"], |profile| {
        profile.browser = 0;
        without_webrtc(profile);
    });
    for page in 0..2 {
        assert_eq!(world.pages[page].told.ended.get(&1), Some(&Ok(())));
    }
    world.type_in(0, "between tabs");
    until_text(&mut world, 1, "between tabs");
    assert_eq!(link(&world, 0, "bob").link, LinkKind::Broadcast);
    ends_well(world);
}

#[test]
fn connect_is_refused_without_a_usable_kind_of_link() {
    let nothing = Host {
        websocket: true,
        event_stream: false,
        webrtc: false,
        broadcast: false,
    };
    let mut world = opened(&["alice"], |profile| profile.host = nothing);
    let call = world.connect(0);
    let page = &world.pages[0];
    assert_eq!(page.told.ended[&call.0], Err(RoomError::NoWebRtc));
    assert!(!RoomError::NoWebRtc.to_string().contains("TURN"));
    assert!(!page.status().connected);
    let diagnosis = doctor(&world, 0);
    assert_eq!(diagnosis["stage"], "environment");
    let checks = diagnosis["checks"].as_array().expect("checks");
    let stages: Vec<&str> = checks.iter().filter_map(|c| c["stage"].as_str()).collect();
    let all = [
        "environment",
        "signaling",
        "room",
        "offer",
        "ice",
        "channel",
        "sync",
    ];
    assert_eq!(stages, all);
    assert!(diagnosis["advice"].is_string());
    world.pages[0].wanted = false;
    world.type_in(0, "still works");
    assert_eq!(world.pages[0].text(), "still works");
    assert!(world.pages[0].held.is_empty());
}

#[test]
fn a_peer_that_does_not_answer_is_named() {
    let mut world = opened(&["alice", "bob"], |_| {});
    world.connect(1);
    world.run(1_000);
    world.freeze(1);
    world.connect(0);
    world.run(LATER);
    assert!(link(&world, 0, "bob").problem.is_some());
    assert_eq!(doctor(&world, 0)["stage"], "offer");
    world.wake(1);
    world.converge(PATIENCE);
    assert!(doctor(&world, 0)["stage"].is_null());
    ends_well(world);
}

#[test]
fn the_relay_replaces_a_dead_path_until_it_recovers() {
    let mut world = connected(&["alice", "bob"], |profile| profile.secret = KEY);
    assert_eq!(link(&world, 0, "bob").link, LinkKind::WebRtc);
    world.block(0, 1);
    world.type_in(0, "while the path is dead");
    until_text(&mut world, 1, "while the path is dead");
    assert!(world.traffic.relayed > 0);
    world.run(LATER);
    assert_detour(&world, LinkKind::Relay, "relay");
    world.unblock(0, 1);
    world.converge(PATIENCE);
    let relayed = world.traffic.relayed;
    world.type_in(1, " and after");
    until_text(&mut world, 0, "while the path is dead and after");
    assert_eq!(world.traffic.relayed, relayed, "the relay rests");
    ends_well(world);
}

#[test]
fn a_dead_path_without_a_relay_is_reported_and_recovers() {
    let mut world = connected(&["alice", "bob"], |_| {});
    world.block(0, 1);
    world.until("word of the interruption", 8_000, |world| {
        link(world, 0, "bob").state == LinkState::Interrupted
    });
    world.type_in(0, "meanwhile");
    world.run(LATER);
    assert!(world.pages[1].text().is_empty());
    assert!(doctor(&world, 0)["stage"].is_string());
    world.unblock(0, 1);
    world.converge(PATIENCE);
    until_text(&mut world, 1, "meanwhile");
    ends_well(world);
}

#[test]
fn a_machine_that_changes_networks_is_found_again() {
    let mut world = connected(&["alice", "bob"], |_| {});
    for page in [0, 1, 0] {
        world.change_network(page);
        world.type_in(page, "elsewhere ");
        world.converge(PATIENCE);
    }
    until_peers(&mut world, 0, &["bob"]);
    ends_well(world);
}

#[test]
fn an_empty_room_is_no_problem() {
    let world = connected(&["alice"], |_| {});
    let diagnosis = doctor(&world, 0);
    assert!(diagnosis["stage"].is_null(), "{diagnosis}");
    ends_well(world);
}
