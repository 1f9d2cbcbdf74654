//! Without a server: pages of one browser meet, and an unreachable server is retried.

use crdt_room::{LinkKind, Phase};
use signaling_protocol::ErrorCode;
use signaling_rooms::Settings;

use super::{PATIENCE, connect_all, doctor, ends_well, link, opened, until_peers, until_text};
use crate::page::Profile;
use crate::world::World;

/// Pages of one browser.
fn in_one_browser(names: &[&str], adjust: impl Fn(&mut Profile)) -> World {
    opened(names, |profile| {
        profile.browser = 0;
        adjust(profile);
    })
}

fn serverless(profile: &mut Profile) {
    profile.servers.clear();
}

#[test]
fn pages_of_one_browser_meet_without_a_server() {
    for secret in [None, Some("rose")] {
        let mut world = in_one_browser(&["alice", "bob", "carol"], |profile| {
            serverless(profile);
            profile.secret = secret;
        });
        connect_all(&mut world);
        world.type_in(0, "no server");
        until_text(&mut world, 2, "no server");
        world.converge(PATIENCE);
        for page in 0..3 {
            let status = world.pages[page].status();
            assert_eq!(status.state, Phase::Connected);
            assert_eq!(status.peers.len(), 2);
            assert!(doctor(&world, page)["stage"].is_null());
            assert_eq!(world.pages[page].codes(), [""; 0]);
        }
        assert_eq!(link(&world, 0, "bob").link, LinkKind::Broadcast);
        ends_well(world);
    }
}

#[test]
fn pages_of_other_browsers_rooms_keys_and_servers_stay_apart() {
    let mut world = opened(&["alice", "bob", "carol", "dan", "eve"], |profile| {
        serverless(profile);
        profile.browser = 0;
        match profile.agent.as_str() {
            "bob" => profile.browser = 1,
            "carol" => profile.secret = Some("rose"),
            "dan" => profile.servers = vec![0],
            "eve" => profile.servers = vec![1],
            _ => {}
        }
    });
    world.add_server(Settings::default());
    connect_all(&mut world);
    world.type_in(0, "alone");
    world.run(PATIENCE);
    for page in 0..5 {
        assert_eq!(world.pages[page].status().peers, [""; 0]);
    }
    ends_well(world);
}

#[test]
fn pages_meet_at_once_while_the_server_is_away_and_the_others_when_it_is_back() {
    let mut world = opened(&["alice", "bob", "carol"], |profile| {
        if profile.agent != "carol" {
            profile.browser = 0;
        }
    });
    world.stop_server(0, false);
    connect_all(&mut world);
    world.type_in(0, "offline ");
    world.run(1_000);
    assert_eq!(world.pages[1].text(), "offline ");
    let status = world.pages[0].status();
    assert!(status.connected);
    assert_eq!(status.state, Phase::Reconnecting);
    assert_eq!(status.peers, ["bob"]);
    world.type_in(2, "carol ");
    world.start_server(0);
    world.converge(PATIENCE);
    assert_eq!(world.pages[2].status().peers, ["alice", "bob"]);
    assert_eq!(link(&world, 0, "bob").link, LinkKind::Broadcast);
    for page in 0..3 {
        assert!(world.pages[page].text().contains("offline"));
        assert!(world.pages[page].text().contains("carol"));
    }
    world.stop_server(0, false);
    world.type_in(0, "again ");
    let text = world.pages[0].text();
    until_text(&mut world, 1, &text);
    world.start_server(0);
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_page_that_ends_without_a_message_is_forgotten() {
    let mut world = in_one_browser(&["alice", "bob"], serverless);
    connect_all(&mut world);
    until_peers(&mut world, 0, &["bob"]);
    world.kill(1);
    world.run(120_000);
    let status = world.pages[0].status();
    assert_eq!(status.peers, [""; 0]);
    assert!(status.links.is_empty());
    world.reload(1, "bob");
    world.connect(1);
    world.type_in(1, "back");
    until_text(&mut world, 0, "back");
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_page_that_leaves_and_comes_back_is_linked_again() {
    let mut world = in_one_browser(&["alice", "bob"], serverless);
    connect_all(&mut world);
    until_peers(&mut world, 0, &["bob"]);
    world.disconnect(1);
    until_peers(&mut world, 0, &[]);
    assert!(world.pages[0].status().links.is_empty());
    world.type_in(1, "alone ");
    world.connect(1);
    until_text(&mut world, 0, "alone ");
    world.hide(0);
    world.run(100);
    until_peers(&mut world, 1, &[]);
    world.wake(0);
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn more_pages_than_are_linked_with_each_other_have_the_same_text() {
    let names: Vec<String> = (0..14).map(|number| format!("page {number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = in_one_browser(&names, serverless);
    connect_all(&mut world);
    for page in 0..names.len() {
        world.type_in(page, "x");
    }
    world.run(PATIENCE);
    for page in &world.pages {
        assert_eq!(page.text(), "x".repeat(names.len()));
    }
}

#[test]
fn a_full_room_is_waited_for() {
    let mut settings = Settings::default();
    settings.rooms.clients_per_room = 1;
    let mut world = opened(&["alice", "bob"], |profile| profile.servers = vec![1]);
    world.add_server(settings);
    world.connect(0);
    world.run(1_000);
    let call = world.connect(1);
    world.run(1_000);
    assert_eq!(world.pages[1].told.ended[&call.0], Ok(()));
    let status = world.pages[1].status();
    assert_eq!(status.state, Phase::Reconnecting);
    assert_eq!(
        status.error.expect("an error").code,
        ErrorCode::RoomFull.as_str()
    );
    assert_eq!(doctor(&world, 1)["stage"], "room");
    world.disconnect(0);
    world.until("there is room", PATIENCE, |world| {
        world.pages[1].status().state == Phase::Connected
    });
    ends_well(world);
}
