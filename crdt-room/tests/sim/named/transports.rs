//! Transports of the users' own.

use crdt_room::{Call, LinkKind, Phase, TransportEvent, TransportState};

use super::{PATIENCE, connect_all, doctor, ends_well, link, opened, until_peers, until_text};
use crate::cable::Manners;
use crate::hand::Habit;
use crate::world::World;

/// Pages that name no server.
fn cabled(names: &[&str]) -> World {
    opened(names, |profile| profile.servers.clear())
}

#[test]
fn transports_can_be_added_and_removed_while_connected() {
    let mut world = cabled(&["alice", "bob"]);
    let first = world.plug(0, 1, Manners::default());
    let transport = world.cables[first].ends[0].transport;
    world.call(0, Call::AddTransport(transport));
    let transports = world.pages[0].status().transports;
    assert_eq!(transports.len(), 1);
    assert_eq!(transports[0].state, TransportState::Stopped);
    connect_all(&mut world);
    world.type_in(0, "one ");
    until_text(&mut world, 1, "one ");
    world.plug(0, 1, Manners::default());
    world.pages[0].transports.remove(0);
    world.call(0, Call::RemoveTransport(transport));
    assert_eq!(world.cables[first].ends[0].stops, 1);
    world.type_in(0, "two ");
    until_text(&mut world, 1, "one two ");
    let transports = world.pages[1].status().transports;
    let states = transports
        .iter()
        .map(|one| (one.state, one.peer.as_deref()));
    let states: Vec<_> = states.collect();
    assert_eq!(
        states,
        [
            (TransportState::Connecting, None),
            (TransportState::Open, Some("alice")),
        ]
    );
    assert_eq!(world.pages[1].status().peers, ["alice"]);
    ends_well(world);
}

#[test]
fn edits_made_while_a_transport_is_cut_arrive_later() {
    let mut world = cabled(&["alice", "bob"]);
    let cable = world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    for round in 0..5 {
        world.type_in(0, &format!("a{round}"));
        world.cut(cable, true);
        world.type_in(0, &format!("-{round} "));
        world.insert(1, 0, &format!("b{round} "));
        until_peers(&mut world, 0, &[]);
        until_peers(&mut world, 1, &[]);
        world.cut(cable, false);
        world.converge(PATIENCE);
    }
    let text = world.pages[0].text();
    for round in 0..5 {
        let typed = format!("a{round}-{round} ");
        assert_eq!(text.matches(&typed).count(), 1, "{text}");
    }
    ends_well(world);
}

#[test]
fn a_line_of_transports_converges_and_its_ends_are_strangers() {
    let mut world = cabled(&["alice", "bob", "carol"]);
    world.plug(0, 1, Manners::default());
    world.plug(1, 2, Manners::default());
    connect_all(&mut world);
    world.type_in(0, "from the left");
    world.insert(2, 0, "from the right ");
    world.converge(PATIENCE);
    assert_eq!(world.pages[0].status().peers, ["bob"]);
    assert_eq!(world.pages[1].status().peers, ["alice", "carol"]);
    ends_well(world);
}

#[test]
fn a_peer_met_by_a_transport_and_in_the_room_is_one_peer() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.links = vec![LinkKind::WebRtc];
    });
    let cable = world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.converge(PATIENCE);
    assert_eq!(link(&world, 0, "bob").link, LinkKind::Custom);
    assert_eq!(world.pages[0].status().links.len(), 1);
    world.type_in(0, "once");
    until_text(&mut world, 1, "once");
    let transport = world.cables[cable].ends[1].transport;
    world.pages[1].transports.clear();
    world.call(1, Call::RemoveTransport(transport));
    world.type_in(1, " and again");
    until_text(&mut world, 0, "once and again");
    world.converge(PATIENCE);
    assert_eq!(link(&world, 0, "bob").link, LinkKind::WebRtc);
    ends_well(world);
}

/// Two that are well beside a third transport of the first, which misbehaves.
fn beside_trouble(habit: Habit, check: impl Fn(&mut World, crdt_room::TransportId)) {
    let mut world = cabled(&["alice", "bob"]);
    world.plug(0, 1, Manners::default());
    let hand = world.hold(0, habit);
    connect_all(&mut world);
    world.type_in(0, "well ");
    until_text(&mut world, 1, "well ");
    world.run(50);
    check(&mut world, hand);
    world.type_in(1, "still");
    until_text(&mut world, 0, "well still");
    assert_eq!(world.pages[1].codes(), [""; 0]);
    world.disconnect(0);
    assert!(world.pages[0].held.is_empty());
    until_peers(&mut world, 1, &[]);
}

#[test]
fn functions_that_throw_are_reported_and_retried() {
    for habit in [Habit::ThrowsAtStart, Habit::ThrowsAtSend] {
        beside_trouble(habit, |world, hand| {
            assert_eq!(world.pages[0].codes()[0], "transport_failed");
            let problem = world.pages[0].status().transports[1].problem.clone();
            assert!(problem.is_some_and(|problem| problem.contains("not today")));
            world.until("a third start", PATIENCE, |world| {
                world.hands[&hand].starts >= 3
            });
            let hand = &world.hands[&hand];
            assert!(hand.starts - hand.stops <= 1);
        });
    }
}

#[test]
fn garbage_ends_a_transport_for_good() {
    beside_trouble(Habit::Connects, |world, hand| {
        world.say(hand, &[9, 9, 9]);
        assert_eq!(world.pages[0].codes(), ["transport_failed"]);
        let status = world.pages[0].status();
        assert_eq!(status.transports[1].state, TransportState::Failed);
        assert_eq!(doctor(world, 0)["stage"], "channel");
        world.run(PATIENCE);
        assert_eq!(world.hands[&hand].starts, 1);
    });
}

#[test]
fn connecting_twice_and_disconnecting_at_any_time_change_nothing() {
    beside_trouble(Habit::Idles, |world, hand| {
        use TransportEvent::{Connected, Disconnected, Drained};
        for event in [
            Connected,
            Connected,
            Disconnected,
            Disconnected,
            Drained,
            Connected,
            Drained,
        ] {
            world.report(hand, event);
        }
        world.run(1_000);
        assert_eq!(world.pages[0].codes(), [""; 0]);
        let run = world.hands[&hand].run.expect("it runs");
        world.call(0, Call::RemoveTransport(hand));
        // Its messages after its end are ignored.
        for event in [Connected, Drained, Disconnected] {
            world.give(0, crate::arrival::Arrival::Transport(run, event));
        }
        let received = TransportEvent::Received(vec![1]);
        world.give(0, crate::arrival::Arrival::Transport(run, received));
        assert_eq!(world.pages[0].codes(), [""; 0]);
        assert_eq!(world.pages[0].status().transports.len(), 1);
    });
}

#[test]
fn one_that_does_not_drain_costs_a_window() {
    beside_trouble(Habit::Clogs, |world, hand| {
        let much = format!("\"{}\"", "x".repeat(10_000));
        world.show(0, "much", Some(&much));
        world.type_in(0, &"long ".repeat(600_000));
        world.run(1_000);
        let held: usize = world.hands[&hand].got.iter().map(Vec::len).sum();
        assert!(held < 2 << 20, "{held}");
        let state = world.pages[0].status().transports[1].state;
        assert_eq!(state, TransportState::Open);
        let len = world.pages[0].document.len_chars();
        world.delete(0, 5, len - 5);
        until_text(world, 1, "well ");
    });
}

#[test]
fn transports_keep_working_when_no_server_answers() {
    let mut world = opened(&["alice", "bob"], |profile| {
        if profile.agent == "bob" {
            profile.servers.clear();
        }
    });
    world.stop_server(0, false);
    world.plug(0, 1, Manners::default());
    world.connect(1);
    let call = world.connect(0);
    world.until("an attempt", PATIENCE, |world| {
        world.pages[0].told.ended.contains_key(&call.0)
    });
    assert_eq!(world.pages[0].told.ended[&call.0], Ok(()));
    assert_eq!(world.pages[0].status().state, Phase::Reconnecting);
    world.type_in(0, "still here");
    until_text(&mut world, 1, "still here");
    assert_eq!(world.pages[0].status().peers, ["bob"]);
    world.start_server(0);
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn disconnect_stops_them_and_connect_starts_them_again() {
    let mut world = cabled(&["alice", "bob"]);
    let cable = world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.converge(PATIENCE);
    world.disconnect(0);
    assert_eq!(world.cables[cable].ends[0].stops, 1);
    world.type_in(0, "meanwhile");
    until_peers(&mut world, 1, &[]);
    world.connect(0);
    until_text(&mut world, 1, "meanwhile");
    assert_eq!(world.cables[cable].ends[0].starts, 2);
    assert_eq!(world.pages[0].codes(), [""; 0]);
    ends_well(world);
}

#[test]
fn connect_is_refused_without_servers_and_transports() {
    let mut world = opened(&["alice"], |profile| {
        profile.servers.clear();
        profile.host.broadcast = false;
    });
    let call = world.connect(0);
    let ended = world.pages[0].told.ended[&call.0].clone();
    assert_eq!(ended.expect_err("nothing to use").code(), "bad_argument");
    assert!(world.pages[0].held.is_empty());
}

#[test]
fn raw_transports_converge_while_they_lose_and_reorder() {
    let mut world = cabled(&["alice", "bob", "carol"]);
    let raw = Manners {
        loss: 15,
        reorders: true,
        throws: 2,
        patience: 100,
    };
    let cables = [world.plug(0, 1, raw.clone()), world.plug(1, 2, raw)];
    connect_all(&mut world);
    for round in 0..60 {
        world.type_in(round % 3, "word ");
        world.run(200);
    }
    for cable in cables {
        world.cables[cable].manners = Manners::default();
    }
    world.converge(PATIENCE);
    ends_well(world);
}
