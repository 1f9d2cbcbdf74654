//! Faults of others: of a peer's messages, of a signaling server, of a relay without the key. Each
//! is reported by a typed event, and does not affect the rest.

use crdt_room::{LinkKind, LinkState, Phase, SocketEvent, TransportState};

use super::{PATIENCE, connect_all, connected, doctor, link, opened, until_peers, until_text};
use crate::arrival::Arrival;
use crate::cable::Manners;
use crate::hand::Habit;
use crate::hostile::Malice;
use crate::world::World;

const HELLO: u8 = 0x01;
const SUMMARY: u8 = 0x03;
const PING: u8 = 0x05;

/// A page without a server that has said hello to a hand.
fn held() -> (World, crdt_room::TransportId) {
    let mut world = opened(&["alice"], |profile| profile.servers.clear());
    let hand = world.hold(0, Habit::Connects);
    world.connect(0);
    world.until("a hello", PATIENCE, |world| {
        world.hands[&hand].first(HELLO).is_some()
    });
    (world, hand)
}

/// The hello of the page, as another session would say it.
fn hello_of(world: &World, hand: crdt_room::TransportId) -> Vec<u8> {
    let mut hello = world.hands[&hand].first(HELLO).expect("a hello").clone();
    hello[5] ^= 0xff;
    hello
}

#[test]
fn a_peer_of_a_later_version_is_reported_as_outdated() {
    let (mut world, hand) = held();
    let mut hello = hello_of(&world, hand);
    hello[1..3].fill(9);
    world.say(hand, &hello);
    assert_eq!(world.pages[0].told.outdated, 1);
    assert_eq!(world.hands[&hand].run, None, "it is stopped");
    let state = world.pages[0].status().transports[0].state;
    assert_eq!(state, TransportState::Failed);
}

#[test]
fn a_different_text_at_the_same_version_is_reported_as_diverged() {
    let (mut world, hand) = held();
    world.type_in(0, "one text");
    let hello = hello_of(&world, hand);
    world.say(hand, &hello);
    // It pings once it is at rest, with the hash of its text at the end.
    let is_full = |message: &&Vec<u8>| message[0] == PING && message.len() > 20;
    world.until("a ping", PATIENCE, |world| {
        world.hands[&hand]
            .got
            .iter()
            .any(|message| is_full(&message))
    });
    let ping = world.hands[&hand].got.iter().find(is_full).cloned();
    let mut ping = ping.expect("just seen");
    world.say(hand, &ping);
    assert_eq!(world.pages[0].told.diverged, 0);
    *ping.last_mut().expect("not empty") ^= 1;
    world.say(hand, &ping);
    // All that the other end has is asked for, so that the event that differs can be named.
    assert!(world.hands[&hand].got.contains(&vec![SUMMARY, 0, 1, 0]));
    assert_eq!(world.pages[0].told.diverged, 0);
    for _ in 0..4 {
        world.run(4_000);
        world.say(hand, &ping);
    }
    assert_eq!(world.pages[0].told.diverged, 1);
    let links = world.pages[0].status().links;
    assert!(links[0].diverged.is_some() && !links[0].synced);
    assert_eq!(doctor(&world, 0)["stage"], "sync");
}

#[test]
fn random_cut_and_damaged_messages_end_their_transport_alone() {
    let mut world = opened(&["alice", "bob"], |profile| profile.servers.clear());
    world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.type_in(0, "sound ");
    until_text(&mut world, 1, "sound ");
    for round in 0..60 {
        let hand = world.hold(0, Habit::Connects);
        world.until("a hello", PATIENCE, |world| {
            world.hands[&hand].first(HELLO).is_some()
        });
        if round % 2 == 0 {
            let hello = hello_of(&world, hand);
            world.say(hand, &hello);
        }
        for _ in 0..20 {
            if world.hands[&hand].run.is_none() {
                break;
            }
            let got = &world.hands[&hand].got;
            let model = world.rng.choice(got).expect("a hello").clone();
            let mut message = if world.rng.u8(0..3) == 0 {
                vec![0; world.rng.usize(0..40)]
            } else {
                let len = world.rng.usize(0..=model.len());
                model[..len].to_vec()
            };
            if !message.is_empty() {
                let place = world.rng.usize(0..message.len());
                message[place] = world.rng.u8(..);
            }
            world.say(hand, &message);
        }
    }
    let mut codes = world.pages[0].codes();
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| *code != "agent_in_use");
    assert_eq!(codes, ["transport_failed"]);
    world.type_in(1, "and well");
    until_text(&mut world, 0, "sound and well");
    assert_eq!(world.pages[1].codes(), [""; 0]);
}

#[test]
fn a_flood_of_presence_ends_its_transport() {
    let (mut world, hand) = held();
    let hello = hello_of(&world, hand);
    world.say(hand, &hello);
    for i in 1..1_000_u32 {
        if world.hands[&hand].run.is_none() {
            break;
        }
        // Presence: session, counter, base 0, an agent, no fields.
        let counter = [(i & 0x7f) as u8 | 0x80, (i >> 7) as u8 + 1];
        let mut message = vec![0x09, 1, 2, 3, 4, 5, 6, 7, 8];
        message.extend(counter);
        message.extend([0, 1, 0x78]);
        world.say(hand, &message);
    }
    assert_eq!(world.hands[&hand].run, None);
    let problem = world.pages[0].status().transports[0].problem.clone();
    assert!(problem.is_some_and(|problem| problem.contains("presence flood")));
}

#[test]
fn invalid_server_messages_are_reported_and_the_room_survives() {
    let mut world = connected(&["alice", "bob"], |profile| {
        profile.browser = 0;
        profile.links = vec![LinkKind::Broadcast];
    });
    let socket = *world.pages[0].held.sockets.keys().next().expect("a socket");
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    for nonsense in [
        "5",
        "null",
        "{}",
        "{",
        "",
        r#"{"type":"peer_list"}"#,
        r#"{"type":"peer_joined","peerId":""}"#,
        r#"{"type":"peer_left","peerId":7}"#,
        r#"{"type":"relay","to":"alice","payload":"!"}"#,
        r#"{"type":"relay","to":"alice","from":"bob","payload":"!"}"#,
        r#"{"type":"offer","to":"alice","from":"nobody","offer":{"sdp":"no"}}"#,
        r#"{"type":"something later"}"#,
        r#"{"type":"error","code":"never heard of","message":"x"}"#,
        &long,
    ] {
        let text = SocketEvent::Text(nonsense.to_owned());
        world.give(0, Arrival::Socket(socket, text));
    }
    world.run(1_000);
    let codes = world.pages[0].codes();
    assert!(!codes.is_empty());
    for code in codes {
        assert!(
            ["signaling_unreadable", "signaling_refused"].contains(&code),
            "{code}"
        );
    }
    assert_eq!(world.pages[0].status().state, Phase::Connected);
    world.type_in(0, "still linked");
    until_text(&mut world, 1, "still linked");
}

#[test]
fn a_peer_with_another_key_is_reported_and_affects_nothing_else() {
    let mut world = opened(&["alice", "bob", "carol"], |profile| {
        profile.links = vec![LinkKind::Relay];
        let other = profile.agent == "carol";
        profile.secret = Some(if other { "tulip" } else { "rose" });
    });
    world.malice = Some(Malice::mixing());
    world.connect(0);
    world.connect(1);
    world.type_in(0, "for two");
    until_text(&mut world, 1, "for two");
    world.connect(2);
    world.until("both hear of it", PATIENCE, |world| {
        [0, 2]
            .iter()
            .all(|page| world.pages[*page].codes().contains(&"relay_failed"))
    });
    assert_eq!(world.pages[2].text(), "");
    assert_eq!(world.pages[0].status().peers, ["bob"]);
    assert!(link(&world, 0, "carol").problem.is_some());
    assert_eq!(doctor(&world, 0)["stage"], "channel");
    world.type_in(1, ", still");
    until_text(&mut world, 0, "for two, still");
    world.assert_closes();
}

#[test]
fn a_peer_that_ends_without_a_message_is_dropped_when_its_server_reports_it() {
    let mut world = connected(&["alice", "bob"], |profile| {
        profile.links = vec![LinkKind::Relay];
        profile.secret = Some("rose");
    });
    world.show(1, "name", Some(r#""Bob""#));
    world.until("presence", PATIENCE, |world| {
        !world.pages[0].told.presence.is_empty()
    });
    world.break_sockets(1);
    world.until("it reconnects", PATIENCE, |world| {
        world.pages[1].status().state == Phase::Reconnecting
    });
    world.type_in(0, "while away");
    until_text(&mut world, 1, "while away");
    world.converge(PATIENCE);
    world.store(1);
    world.kill(1);
    until_peers(&mut world, 0, &[]);
    world.until("nobody is named", PATIENCE, |world| {
        world.pages[0].status().links.is_empty()
    });
    super::ends_well(world);
}

#[test]
fn failed_steps_of_a_connection_are_retried() {
    let mut world = opened(&["alice", "bob"], |_| {});
    world.failing_steps = 1_000;
    connect_all(&mut world);
    world.run(30_000);
    assert!(world.pages[0].codes().contains(&"peer_unreachable"));
    assert!(link(&world, 0, "bob").problem.is_some());
    world.failing_steps = 0;
    world.converge(PATIENCE);
    super::ends_well(world);
}

#[test]
fn twelve_pages_link_to_their_neighbours_only() {
    for (kind, most) in [(LinkKind::Broadcast, 6), (LinkKind::WebRtc, 6)] {
        let names: Vec<String> = (0..12).map(|i| format!("page-{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = opened(&names, |profile| {
            profile.links = vec![kind];
            profile.browser = 0;
        });
        for page in 0..12 {
            world.insert(page, 0, &format!("{page} "));
            world.connect(page);
        }
        world.converge(PATIENCE);
        world.until("superfluous links are let go", PATIENCE, |world| {
            let few = |page: &crate::page::Page| page.status().peers.len() <= most;
            world.pages.iter().all(few)
        });
        for page in &world.pages {
            let links = page.status().links;
            assert_eq!(links.len(), 11);
            for link in links {
                let state = link.state;
                assert!([LinkState::Open, LinkState::Indirect].contains(&state));
            }
        }
        world.type_in(3, "the end");
        world.converge(PATIENCE);
        world.disconnect(5);
        world.type_in(7, "!");
        world.converge(PATIENCE);
        super::ends_well(world);
    }
}
