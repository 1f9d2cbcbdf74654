//! Signaling servers: several at once, unreachable, refusing, coming back; and pages hidden and
//! shown.

use crdt_room::{Carrier, LinkKind, Phase};
use signaling_protocol::ErrorCode;
use signaling_rooms::{Refusal, RoomServer, Settings};

use super::{PATIENCE, connect_all, doctor, ends_well, link, opened, until_peers, until_text};
use crate::cable::Manners;
use crate::page::Profile;
use crate::world::World;

/// The errors of a server after a connection: it was lost, or could not be reached again since
/// then.
const AWAY: [&str; 2] = ["signaling_lost", "signaling_unreachable"];

fn local(profile: &mut Profile) {
    profile.browser = 0;
    profile.links = vec![LinkKind::Broadcast];
}

fn relayed(profile: &mut Profile) {
    profile.links = vec![LinkKind::Relay];
    profile.secret = Some("rose");
}

/// Pages on two servers.
fn on_two(names: &[&str], adjust: impl Fn(&mut Profile)) -> World {
    let mut world = opened(names, |profile| {
        profile.servers = vec![0, 1];
        adjust(profile);
    });
    world.add_server(Settings::default());
    world
}

fn states(world: &World, page: usize) -> Vec<Phase> {
    let servers = world.pages[page].status().signaling;
    servers.iter().map(|server| server.state).collect()
}

fn until_states(world: &mut World, page: usize, expected: &[Phase]) {
    let what = format!("servers {expected:?} at page {page}");
    world.until(&what, PATIENCE, |world| states(world, page) == expected);
}

const BOTH: [Phase; 2] = [Phase::Connected; 2];

#[test]
fn a_peer_met_through_two_servers_is_one_peer() {
    let mut world = on_two(&["alice", "bob"], |profile| {
        local(profile);
        if profile.agent == "bob" {
            profile.servers = vec![1, 0];
        }
    });
    connect_all(&mut world);
    until_states(&mut world, 0, &BOTH);
    until_states(&mut world, 1, &BOTH);
    world.converge(PATIENCE);
    let status = world.pages[0].status();
    assert_eq!(status.peers, ["bob"]);
    assert_eq!(status.links.len(), 1);
    assert_eq!(status.url, Some(world.servers[0].url()));
    assert!(status.signaling.iter().all(|server| server.error.is_none()));
    ends_well(world);
}

#[test]
fn members_that_share_one_server_meet() {
    let mut world = on_two(&["alice", "bob"], |profile| {
        local(profile);
        profile.servers = match profile.agent.as_str() {
            "alice" => vec![0, 1],
            _ => vec![1, 2],
        };
    });
    world.add_server(Settings::default());
    connect_all(&mut world);
    world.type_in(0, "met");
    until_text(&mut world, 1, "met");
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_server_that_ends_takes_nobody_away_whom_another_one_knows() {
    let mut world = on_two(&["alice", "bob"], relayed);
    connect_all(&mut world);
    until_states(&mut world, 0, &BOTH);
    until_states(&mut world, 1, &BOTH);
    world.type_in(0, "one ");
    until_text(&mut world, 1, "one ");
    world.converge(PATIENCE);
    assert!(world.servers[0].relayed > 0, "the first of the list relays");
    let before = world.servers[1].relayed;
    world.stop_server(0, false);
    world.type_in(0, "two ");
    world.insert(1, 0, "zero ");
    until_text(&mut world, 0, "zero one two ");
    until_text(&mut world, 1, "zero one two ");
    assert!(world.servers[1].relayed > before, "the other one does now");
    let status = world.pages[0].status();
    assert_eq!(status.peers, ["bob"]);
    assert_eq!(status.state, Phase::Connected);
    assert_eq!(status.url, Some(world.servers[1].url()));
    assert_eq!(states(&world, 0), [Phase::Reconnecting, Phase::Connected]);
    let error = status.signaling[0].error.as_ref().expect("an error");
    assert!(AWAY.contains(&error.code), "{error:?}");
    world.start_server(0);
    until_states(&mut world, 0, &BOTH);
    until_states(&mut world, 1, &BOTH);
    world.stop_server(1, true);
    world.type_in(0, "three");
    until_text(&mut world, 1, "zero one two three");
    assert_eq!(world.pages[0].codes(), [""; 0]);
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_server_that_cannot_be_reached_at_first_is_retried() {
    let mut world = on_two(&["alice"], local);
    world.stop_server(0, false);
    let call = world.connect(0);
    until_states(&mut world, 0, &[Phase::Reconnecting, Phase::Connected]);
    assert_eq!(world.pages[0].told.ended[&call.0], Ok(()));
    let error = world.pages[0].status().signaling[0].error.clone();
    assert_eq!(error.expect("an error").code, "signaling_unreachable");
    world.start_server(0);
    until_states(&mut world, 0, &BOTH);
    assert_eq!(world.pages[0].codes(), [""; 0]);
    ends_well(world);
}

#[test]
fn unreachable_servers_are_retried_and_each_is_reported() {
    let mut world = on_two(&["alice"], local);
    world.stop_server(0, false);
    world.stop_server(1, false);
    let call = world.connect(0);
    world.run(1_000);
    assert_eq!(world.pages[0].told.ended[&call.0], Ok(()));
    let again = world.connect(0);
    world.run(120_000);
    assert_eq!(world.pages[0].told.ended[&again.0], Ok(()));
    let status = world.pages[0].status();
    assert_eq!(status.state, Phase::Reconnecting);
    assert_eq!(status.signaling.len(), 2);
    let errors = status.signaling.into_iter().map(|server| server.error);
    for error in errors.chain([status.error]) {
        assert_eq!(error.expect("an error").code, "signaling_unreachable");
    }
    assert_eq!(doctor(&world, 0)["stage"], "signaling");
    assert_eq!(world.pages[0].codes(), [""; 0], "the status says it");
    world.start_server(1);
    until_states(&mut world, 0, &[Phase::Reconnecting, Phase::Connected]);
    world.start_server(0);
    until_states(&mut world, 0, &BOTH);
    ends_well(world);
}

/// How the first server is reached, and what the doctor says of it.
fn way(world: &World) -> (Carrier, String) {
    let carrier = world.pages[0].status().signaling[0].carrier;
    let detail = doctor(world, 0)["checks"][1]["detail"].clone();
    (carrier, detail.as_str().expect("words").to_owned())
}

#[test]
fn where_websockets_break_an_event_stream_leads_to_the_server() {
    let mut world = opened(&["alice", "bob"], |profile| {
        relayed(profile);
        profile.host.event_stream = profile.agent == "alice";
    });
    // Bob is on another network.
    world.connect(1);
    until_states(&mut world, 1, &[Phase::Connected]);
    world.servers[0].breaks_websockets = true;
    let call = world.connect(0);
    until_states(&mut world, 0, &[Phase::Connected]);
    assert_eq!(world.pages[0].told.ended[&call.0], Ok(()));
    world.type_in(0, "around it");
    until_text(&mut world, 1, "around it");
    let (carrier, words) = way(&world);
    assert_eq!(carrier, Carrier::EventStream);
    assert!(words.contains("no WebSocket"), "{words}");
    assert_eq!(world.pages[0].codes(), [""; 0], "that is no error");

    // Once the stream is lost and nothing breaks WebSockets any more, one is used.
    world.servers[0].breaks_websockets = false;
    world.break_sockets(0);
    world.until("it reconnects by a WebSocket", PATIENCE, |world| {
        let server = &world.pages[0].status().signaling[0];
        (server.carrier, server.state) == (Carrier::WebSocket, Phase::Connected)
    });
    assert!(!way(&world).1.contains("WebSocket"));
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_server_that_is_away_is_tried_both_ways_and_said_to_be_away() {
    let mut world = opened(&["alice"], |profile| {
        local(profile);
        profile.host.event_stream = true;
    });
    world.stop_server(0, false);
    world.connect(0);
    world.run(60_000);
    let error = world.pages[0].status().signaling[0].error.clone();
    assert_eq!(error.expect("an error").code, "signaling_unreachable");
    assert_eq!(doctor(&world, 0)["stage"], "signaling");
    world.start_server(0);
    until_states(&mut world, 0, &[Phase::Connected]);
    world.converge(PATIENCE);
    ends_well(world);
}

#[test]
fn a_server_that_refuses_is_left_alone() {
    let mut world = on_two(&["alice", "bob"], local);
    let refuses = RoomServer::new(Settings::default()).with_authority(|_, _| {
        let message = "not you".to_owned();
        Err(Refusal::new(ErrorCode::Unauthorized, message))
    });
    world.servers[0].rooms = refuses;
    connect_all(&mut world);
    until_states(&mut world, 0, &[Phase::Error, Phase::Connected]);
    let error = world.pages[0].status().signaling[0].error.clone();
    assert_eq!(error.expect("an error").code, "unauthorized");
    world.type_in(0, "met");
    until_text(&mut world, 1, "met");
    let frames = world.servers[0].frames;
    world.run(PATIENCE);
    assert_eq!(world.servers[0].frames, frames, "it is not tried again");
    assert_eq!(frames, 2, "each asked once");
}

#[test]
fn open_links_survive_the_loss_of_all_servers() {
    let mut world = on_two(&["alice", "bob"], local);
    connect_all(&mut world);
    until_states(&mut world, 0, &BOTH);
    until_peers(&mut world, 0, &["bob"]);
    for server in 0..2 {
        world.stop_server(server, false);
    }
    world.until("it reconnects", PATIENCE, |world| {
        world.pages[0].status().state == Phase::Reconnecting
    });
    let error = world.pages[0].status().error.expect("an error");
    assert!(AWAY.contains(&error.code), "{error:?}");
    world.type_in(0, "all the same");
    until_text(&mut world, 1, "all the same");
    for server in 0..2 {
        world.start_server(server);
    }
    world.converge(PATIENCE);
    assert_eq!(world.pages[0].status().error, None);
    ends_well(world);
}

#[test]
fn members_return_to_a_server_that_shut_down_or_crashed() {
    for gracefully in [false, true] {
        let mut world = super::connected(&["alice", "bob"], |_| {});
        world.stop_server(0, gracefully);
        world.run(2_500);
        assert_eq!(world.pages[0].status().state, Phase::Reconnecting);
        assert_eq!(
            world.pages[0].status().peers,
            ["bob"],
            "the link outlives it"
        );
        world.type_in(0, "without a server");
        until_text(&mut world, 1, "without a server");
        world.start_server(0);
        world.converge(PATIENCE);
        assert_eq!(world.pages[0].codes(), [""; 0]);
        ends_well(world);
    }
}

#[test]
fn the_page_that_the_network_comes_back_to_tries_at_once() {
    let mut world = super::connected(&["alice"], |_| {});
    world.stop_server(0, false);
    world.run(20_000);
    assert_eq!(world.pages[0].status().state, Phase::Reconnecting);
    world.start_server(0);
    let held = world.pages[0].held.sockets.len();
    if held == 0 {
        let online = crdt_room::PageEvent::Online;
        world.give(0, crate::arrival::Arrival::Page(online));
        assert_eq!(world.pages[0].held.sockets.len(), 1, "in the same turn");
    }
    until_states(&mut world, 0, &[Phase::Connected]);
    ends_well(world);
}

#[test]
fn a_hidden_page_leaves_at_once_and_comes_back() {
    let mut world = opened(&["alice", "bob"], relayed);
    let cable = world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.show(0, "name", Some(r#""Alice""#));
    world.type_in(0, "seen ");
    until_text(&mut world, 1, "seen ");
    world.converge(PATIENCE);
    let stops = world.cables[cable].ends[0].stops;
    world.hide(0);
    assert_eq!(world.pages[0].status().peers, [""; 0]);
    assert_eq!(world.cables[cable].ends[0].stops, stops + 1);
    let held = &world.pages[0].held;
    assert!(held.sockets.is_empty() && held.connections.is_empty() && held.runs.is_empty());
    assert!(held.keep_alive, "it wants to hear that it is shown");
    world.run(100);
    until_peers(&mut world, 1, &[]);
    world.insert(1, 0, "hidden ");
    world.stop_server(0, false);
    world.wake(0);
    assert_eq!(world.pages[0].status().state, Phase::Reconnecting);
    until_text(&mut world, 0, "hidden seen ");
    world.start_server(0);
    world.converge(PATIENCE);
    assert_eq!(world.pages[0].codes(), [""; 0]);
    assert_eq!(world.pages[1].codes(), [""; 0]);
    ends_well(world);
}

#[test]
fn addresses_are_checked_before_anything_is_opened() {
    let mut world = opened(&["alice"], local);
    let good = world.servers[0].url();
    for bad in ["http://example.org", "", "ws:/x"] {
        let call = world.connect_to(0, vec![good.clone(), bad.to_owned()]);
        let ended = world.pages[0].told.ended[&call.0].clone();
        assert_eq!(ended.expect_err("no address").code(), "bad_url");
        assert!(world.pages[0].held.is_empty());
        assert_eq!(world.pages[0].status().state, Phase::Disconnected);
    }
    world.connect(0);
    world.converge(PATIENCE);
    assert_eq!(world.pages[0].status().signaling.len(), 1);
    ends_well(world);
}

#[test]
fn connect_calls_that_cross_end_once_each() {
    let mut world = on_two(&["alice", "bob"], |_| {});
    let urls: Vec<String> = world.servers.iter().map(|server| server.url()).collect();
    let first = world.connect_to(0, urls[..1].to_vec());
    let same = world.connect_to(0, urls[..1].to_vec());
    let other = world.connect_to(0, urls.clone());
    world.disconnect(0);
    let last = world.connect_to(0, urls.clone());
    world.connect(1);
    world.converge(PATIENCE);
    let again = world.connect_to(0, urls);
    let code = |call: crdt_room::CallId| {
        let ended = world.pages[0].told.ended[&call.0].clone();
        ended.err().map(|error| error.code())
    };
    for interrupted in [first, same, other] {
        assert_eq!(code(interrupted), Some("interrupted"));
    }
    assert_eq!((code(last), code(again)), (None, None));
    ends_well(world);
}

#[test]
fn a_join_that_overtakes_the_next_one_keeps_nobody_out() {
    let mut world = opened(&["alice"], |_| {});
    world.latency = (400, 400);
    world.connect(0);
    world.until("a join", PATIENCE, |world| world.traffic.signals > 0);
    world.disconnect(0);
    world.latency = (5, 5);
    world.connect(0);
    world.run(200);
    assert_eq!(world.pages[0].status().state, Phase::Connected);
    world.run(PATIENCE);
    assert_eq!(world.pages[0].status().state, Phase::Connected);
    ends_well(world);
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_secret_gets_it_back() {
    let mut world = opened(&["alice", "alice"], |profile| {
        profile.session = format!("session {}", profile.browser);
    });
    world.connect(0);
    world.run(1_000);
    let call = world.connect(1);
    world.run(1_000);
    let ended = world.pages[1].told.ended[&call.0].clone();
    assert_eq!(ended.expect_err("taken").code(), "agent_id_taken");
    assert_eq!(doctor(&world, 1)["stage"], "room");
    world.pages[1].profile.session = world.pages[0].profile.session.clone();
    world.pages[1].wanted = false;
    world.reload(1, "alice");
    world.connect(1);
    world.run(1_000);
    assert_eq!(world.pages[1].status().state, Phase::Connected);
    assert_eq!(world.pages[0].status().state, Phase::Error);
    let error = world.pages[0].status().error.expect("an error");
    assert_eq!(error.code, "replaced");
}

#[test]
fn a_peer_that_reloads_is_one_peer() {
    let mut world = super::connected(&["alice", "bob"], |_| {});
    for round in 0..3 {
        world.type_in(1, &format!("round {round} "));
        world.store(1);
        world.kill(1);
        world.reload(1, "bob");
        world.connect(1);
        world.converge(PATIENCE);
        assert_eq!(world.pages[0].status().links.len(), 1);
        assert_eq!(link(&world, 0, "bob").link, LinkKind::WebRtc);
    }
    ends_well(world);
}
