//! Scenarios with a name: one idea each.

use crdt_sync::{CloseReason, Output};

use crate::world::{Quality, World};

fn type_at_the_end(world: &mut World, replica: usize, keys: usize, pause: u64) {
    for _ in 0..keys {
        let end = world.replicas[replica].doc.len_chars();
        world.insert(replica, end, "k");
        world.run(pause);
    }
}

#[test]
fn a_keystroke_takes_at_most_seven_bytes_alone_and_twelve_with_its_receipt_or_beside_another() {
    let mut world = World::new(1);
    world.add("alice-4f2a");
    world.add("bob-91c7");
    world.insert(0, 0, &"Once upon a time. ".repeat(1_500));
    world.join(0, 1, Quality::default());
    world.run(5_000);
    let (before, receipts) = (world.traffic.bytes, world.traffic.receipt_bytes);
    type_at_the_end(&mut world, 0, 400, 20);
    let alone = (world.traffic.bytes - before) as f64 / 400.0;
    let receipts = (world.traffic.receipt_bytes - receipts) as f64 / 400.0;
    let before = world.traffic.bytes;
    for _ in 0..400 {
        type_at_the_end(&mut world, 0, 1, 0);
        world.insert(1, 0, "j");
        world.run(20);
    }
    let both = (world.traffic.bytes - before) as f64 / 800.0;
    println!(
        "bytes a keystroke, framing, heartbeats and receipts included: {alone:.2} alone, of which \
         receipts {receipts:.2}, {both:.2} both"
    );
    assert!(alone - receipts <= 7.0 && alone <= 12.0 && both <= 12.0);
    world.converge(1_000);
    world.assert_at_rest();
}

#[test]
fn a_typist_receives_receipts() {
    let mut world = World::with(1, 2);
    world.join(0, 1, Quality::default());
    world.run(5_000);
    let ahead = |world: &World| {
        world.replicas[0]
            .peers()
            .map(|peer| peer.ahead)
            .sum::<u64>()
    };
    let (receipts, speech) = (world.traffic.receipts, world.traffic.speech);
    world.insert(0, 0, "abc");
    assert_eq!(ahead(&world), 3, "sent, but still under way");
    world.run(1_000);
    assert_eq!(ahead(&world), 0, "it has come, and that was said");
    assert_eq!(world.traffic.receipts - receipts, 1);
    assert_eq!(world.traffic.speech - speech, 1);
    // What is lost without a trace is missed until a heartbeat finds it.
    world.part(0, 1, false);
    world.insert(0, 0, "def");
    world.run(1_000);
    assert_eq!(ahead(&world), 3, "given to the transport, and lost there");
    world.heal_reach();
    world.converge(30_000);
    world.assert_at_rest();
    assert_eq!(ahead(&world), 0);
}

#[test]
fn the_parts_of_a_history_are_not_answered_one_by_one() {
    let mut world = World::new(3);
    world.add("alice-4f2a");
    world.add("bob-91c7");
    for _ in 0..20_000 {
        let at = world.rng.below(world.replicas[0].doc.len_chars() + 1);
        world.insert(0, at, "history ");
    }
    world.join(0, 1, Quality::default());
    world.run(2_000);
    assert!(world.is_converged());
    let parts = world.traffic.speech;
    assert!(parts > 10, "{parts} messages brought it");
    assert!(
        world.traffic.receipts <= 1,
        "{} receipts",
        world.traffic.receipts
    );
}

#[test]
fn keystrokes_go_out_at_once() {
    let mut world = World::with(1, 2);
    world.join(
        0,
        1,
        Quality {
            latency: (1, 1),
            ..Quality::default()
        },
    );
    world.run(5_000);
    for _ in 0..50 {
        world.insert(0, 0, "k");
        world.run(1);
        assert!(world.is_converged(), "after one way through the network");
        world.run(29);
    }
}

#[test]
fn a_burst_is_coalesced() {
    let mut world = World::with(1, 2);
    world.join(0, 1, Quality::default());
    world.run(5_000);
    let before = world.traffic.speech;
    type_at_the_end(&mut world, 0, 1_000, 0);
    world.converge(1_000);
    assert!(
        world.traffic.speech - before <= 3,
        "{} messages",
        world.traffic.speech - before
    );
}

#[test]
fn a_slow_link_carries_less_and_holds_nothing_back() {
    let mut world = World::with(1, 2);
    (world.config.window, world.config.low_water) = (2_000, 200);
    let config = world.config.clone();
    for replica in &mut world.replicas {
        replica.engine = crdt_sync::Engine::new(config.clone(), replica.doc.agent(), 7);
    }
    let agents = ["slow-0", "slow-1"];
    (0..2).for_each(|i| world.restart(i, agents[i]));
    world.join(
        0,
        1,
        Quality {
            bandwidth: Some(1),
            ..Quality::default()
        },
    );
    world.run(5_000);
    let before = world.traffic.speech;
    for _ in 0..2_000 {
        world.insert(0, 0, "k");
        world.run(2);
        let held: usize = world.replicas[0].peers().map(|peer| peer.bytes_held).sum();
        assert!(held < 4_000, "{held} bytes held");
    }
    assert!(
        world.traffic.speech - before < 1_000,
        "{}",
        world.traffic.speech - before
    );
    world.converge(60_000);
    world.assert_at_rest();
}

#[test]
fn a_line_converges_by_forwarding() {
    let mut world = World::with(1, 5);
    for i in 1..5 {
        world.join(i - 1, i, Quality::default());
    }
    world.run(1_000);
    for i in 0..5 {
        world.insert(i, 0, &format!("from {i}. "));
    }
    let took = world.converge(2_000);
    assert!(took <= 300, "{took} ms over four hops of 20 ms");
    world.assert_at_rest();
}

#[test]
fn a_hidden_page_forwards_messages_that_wake_it() {
    let mut world = World::with(1, 3);
    world.join(0, 1, Quality::default());
    world.join(1, 2, Quality::default());
    world.run(1_000);
    world.replicas[1].hidden = true;
    world.run(500);
    world.insert(0, 0, "first ");
    world.run(100);
    world.insert(0, 0, "second ");
    world.run(100);
    assert_eq!(world.replicas[2].doc.text(), "second first ");
}

#[test]
fn a_full_mesh_forwards_nothing() {
    let mut world = World::with(1, 8);
    for a in 0..8 {
        for b in 0..a {
            world.join(a, b, Quality::default());
        }
    }
    world.run(5_000);
    let before = world.traffic.speech;
    type_at_the_end(&mut world, 3, 10, 50);
    world.converge(1_000);
    assert_eq!(
        world.traffic.speech - before,
        70,
        "ten keystrokes to seven peers"
    );
    world.assert_at_rest();
}

#[test]
fn after_a_reconnect_each_side_sends_what_the_other_lacks() {
    let mut world = World::with(1, 2);
    world.insert(0, 0, &"long ago ".repeat(3_000));
    let link = world.join(0, 1, Quality::default());
    world.converge(5_000);
    world.part(0, 1, true);
    world.reset(link);
    world.run(1_000);
    world.insert(0, 0, "ann ");
    world.insert(1, 0, "bob ");
    let before = world.traffic.speech_bytes;
    world.heal();
    world.converge(5_000);
    let bytes = world.traffic.speech_bytes - before;
    assert!(bytes < 200, "{bytes} bytes for two words");
    world.assert_at_rest();
}

#[test]
fn a_late_joiner_gets_everything_in_fragments() {
    let mut world = World::new(1);
    world.add("r0");
    // As one that cannot take it compressed.
    world.config.takes_packed = false;
    world.add("r1");
    let text: String = (0..40_000).map(|i| format!("line {i}\n")).collect();
    world.insert(0, 0, &text);
    world.join(
        0,
        1,
        Quality {
            bandwidth: Some(1_000),
            ..Quality::default()
        },
    );
    world.run(300);
    let arrived = world.replicas[1].doc.len_chars();
    assert!(
        arrived > text.len() / 4 && arrived < text.len(),
        "{arrived}: what has arrived is there already"
    );
    world.insert(0, 0, "typed meanwhile ");
    world.converge(10_000);
    let overhead = world.traffic.bytes as f64 / text.len() as f64;
    assert!(overhead < 1.01, "{overhead} times the text");
    world.assert_at_rest();
}

#[test]
fn a_long_history_is_compressed() {
    let mut world = World::with(1, 2);
    let text: String = (0..40_000).map(|i| format!("line {i}\n")).collect();
    world.insert(0, 0, &text);
    world.join(0, 1, Quality::default());
    world.converge(10_000);
    let share = world.traffic.bytes as f64 / text.len() as f64;
    assert!(share < 0.5, "{share} times the text");
    world.assert_at_rest();
}

#[test]
fn a_history_longer_than_any_message_may_be_gets_through() {
    let mut world = World::new(1);
    (world.config.max_message, world.config.part) = (40_000, 20_000);
    world.add("r0");
    world.add("r1");
    let text: String = (0..40_000).map(|i| format!("line {i}\n")).collect();
    world.insert(0, 0, &text);
    world.insert(1, 0, "the joiner's own ");
    world.join(0, 1, Quality::default());
    world.converge(10_000);
    world.assert_at_rest();
}

#[test]
fn a_better_link_takes_over_and_gives_back() {
    let mut world = World::with(1, 2);
    let relay = Quality {
        latency: (80, 80),
        ..Quality::default()
    };
    world.connect_ranked(0, 1, relay, [9, 9]);
    world.run(1_000);
    type_at_the_end(&mut world, 0, 10, 20);
    let direct = world.connect_ranked(
        0,
        1,
        Quality {
            latency: (5, 5),
            ..Quality::default()
        },
        [1, 1],
    );
    type_at_the_end(&mut world, 0, 10, 20);
    world.converge(1_000);
    let active: Vec<_> = world.replicas[0].peers().filter(|p| p.active).collect();
    assert_eq!((active.len(), active[0].link.0), (1, direct));
    let before = world.traffic.speech;
    type_at_the_end(&mut world, 0, 10, 20);
    world.run(500);
    assert_eq!(
        world.traffic.speech - before,
        10,
        "each keystroke goes by one link"
    );
    // It breaks in the middle of typing, and what was under way is lost with it.
    type_at_the_end(&mut world, 0, 5, 1);
    world.part(0, 1, false);
    type_at_the_end(&mut world, 1, 5, 1);
    world.reset(direct);
    world.heal_reach();
    type_at_the_end(&mut world, 0, 5, 1);
    world.converge(2_000);
    world.assert_at_rest();
}

#[test]
fn a_link_that_takes_over_does_not_send_twice() {
    let mut world = World::with(1, 2);
    world.connect_ranked(0, 1, Quality::default(), [9, 9]);
    let direct = world.connect_ranked(0, 1, Quality::default(), [1, 1]);
    world.run(1_000);
    world.insert(0, 0, &"long text ".repeat(2_000));
    world.converge(1_000);
    let before = world.traffic.speech_bytes;
    world.reset(direct);
    world.run(500);
    world.insert(1, 0, "on we go ");
    world.converge(1_000);
    let bytes = world.traffic.speech_bytes - before;
    assert!(bytes < 500, "{bytes} bytes");
    world.assert_at_rest();
}

#[test]
fn two_ends_may_prefer_different_links() {
    let mut world = World::with(1, 2);
    world.connect_ranked(0, 1, Quality::default(), [1, 2]);
    world.connect_ranked(0, 1, Quality::default(), [2, 1]);
    world.run(5_000);
    let before = world.traffic.speech;
    type_at_the_end(&mut world, 0, 10, 50);
    type_at_the_end(&mut world, 1, 10, 50);
    world.run(500);
    assert_eq!(world.traffic.speech - before, 20, "nothing comes back");
    world.assert_at_rest();
}

#[test]
fn a_peer_that_restarts_on_the_same_transport_is_recognised() {
    let mut world = World::with(1, 2);
    let link = world.connect(0, 1, Quality::default());
    world.insert(0, 0, "kept");
    world.converge(2_000);
    world.store(1);
    // The transport does not notice that the page behind it is another one.
    let stored = world.replicas[1].stored.clone();
    let mut doc = crdt_core::Document::new("r1-again").expect("a valid name");
    doc.merge_patch(&stored).expect("stored");
    let state = &mut world.replicas[1];
    (state.doc, state.engine) = (
        doc,
        crdt_sync::Engine::new(Default::default(), "r1-again", 99),
    );
    world.with_engine(1, |engine, doc, now| {
        engine.link_up(crdt_sync::LinkId(link), Default::default(), now, doc);
    });
    world.insert(1, 0, "new and ");
    world.converge(2_000);
    let told = &world.replicas[0].told;
    let ups = told
        .iter()
        .filter(|told| matches!(told, Output::PeerUp { .. }))
        .count();
    let downs = told
        .iter()
        .filter(|told| matches!(told, Output::PeerDown { .. }))
        .count();
    assert_eq!((ups, downs), (2, 1));
    world.assert_at_rest();
}

#[test]
fn goodbye_ends_a_link() {
    let mut world = World::with(1, 3);
    world.connect(0, 1, Quality::default());
    world.connect(1, 2, Quality::default());
    world.with_engine(0, |engine, _, now| {
        engine
            .set_presence("name", Some("\"Ann\""), now)
            .expect("short");
    });
    world.with_engine(2, |engine, _, now| {
        engine
            .set_presence("name", Some("\"Cid\""), now)
            .expect("short");
    });
    world.run(1_000);
    assert_eq!(world.replicas[2].present.len(), 1);
    assert_eq!(world.replicas[0].present.len(), 1);
    world.with_engine(0, |engine, _, now| engine.goodbye(now));
    assert!(
        world.replicas[0].present.is_empty(),
        "who leaves sees nobody"
    );
    world.run(200);
    assert!(
        world.replicas[2].present.is_empty(),
        "gone everywhere at once"
    );
    assert_eq!(world.replicas[1].present.len(), 1, "the others stay");
    let told = &world.replicas[1].told;
    assert!(
        told.iter()
            .any(|told| matches!(told, Output::PeerDown { goodbye: true, .. }))
    );
    assert_eq!(world.closed(0), [CloseReason::Leaving]);
    assert_eq!(world.closed(1), [CloseReason::Goodbye]);
}

#[test]
fn a_dead_peer_is_noticed_and_its_cursor_goes() {
    let mut world = World::with(1, 3);
    world.connect(0, 1, Quality::default());
    let far = world.connect(1, 2, Quality::default());
    world.with_engine(0, |engine, _, now| {
        engine
            .set_presence("cursor", Some("3"), now)
            .expect("short");
    });
    world.run(1_000);
    assert_eq!(world.replicas[2].present.len(), 1);
    // No transport tells.
    world.part(0, 1, false);
    world.replicas[0].alive = false;
    world.run(17_000);
    assert!(
        matches!(world.closed(1)[..], [CloseReason::Dead { .. }]),
        "{:?}",
        world.closed(1)
    );
    world.run(6_000);
    assert!((1..3).all(|i| world.replicas[i].present.is_empty()));
    assert!(world.links().contains(&far));
}

#[test]
fn small_messages_to_a_dead_peer_do_not_keep_it_alive() {
    let mut world = World::with(1, 2);
    let slow = Quality {
        bandwidth: Some(1),
        ..Quality::default()
    };
    world.connect(0, 1, slow);
    world.run(2_000);
    world.part(0, 1, false);
    world.replicas[1].alive = false;
    // On this link one message still waits for another when the next moves on.
    for i in 0..180 {
        world.show(0, "cursor", Some(&i.to_string()));
        world.show(0, "name", Some(&i.to_string()));
        world.run(100);
    }
    assert!(
        matches!(world.closed(0)[..], [CloseReason::Dead { .. }]),
        "{:?}",
        world.closed(0)
    );
}

#[test]
fn a_silent_peer_is_dropped() {
    let mut world = World::with(1, 2);
    let deaf = Quality {
        loss: 100,
        ..Quality::default()
    };
    world.connect(0, 1, deaf);
    world.run(59_000);
    assert_eq!(world.closed(0), []);
    world.run(2_000);
    let silent_for = 60_000;
    assert_eq!(world.closed(0), [CloseReason::Dead { silent_for }]);
    assert_eq!(world.replicas[0].engine.next_timeout(), None);
}

#[test]
fn a_cursor_stays_if_another_path_reaches_its_owner() {
    let mut world = World::with(1, 4);
    // 0 - 1 - 3 and 0 - 2 - 3.
    for (a, b) in [(0, 1), (1, 3), (0, 2), (2, 3)] {
        world.connect(a, b, Quality::default());
    }
    let set = |world: &mut World, value: &str| {
        world.with_engine(0, |engine, _, now| {
            engine
                .set_presence("cursor", Some(value), now)
                .expect("short");
        });
    };
    set(&mut world, "1");
    world.run(1_000);
    world.crash(1);
    for _ in 0..60 {
        world.run(1_000);
        assert_eq!(world.replicas[3].present.len(), 1, "at {}", world.now);
    }
    set(&mut world, "2");
    world.run(1_000);
    let shown: Vec<_> = world.replicas[3].present.values().collect();
    assert_eq!(shown[0].get("cursor").map(String::as_str), Some("2"));
}

#[test]
fn the_json_form_is_cut_to_the_size_that_transports_take() {
    let mut world = World::with(1, 2);
    let quotes = "\"quoted\" and \\ back\n".repeat(60_000);
    world.insert(0, 0, &quotes);
    world.join(
        0,
        1,
        Quality {
            text_only: true,
            ..Quality::default()
        },
    );
    world.converge(10_000);
    world.assert_at_rest();
}

#[test]
fn a_peer_that_never_reads_costs_a_window_and_is_dropped() {
    let mut world = World::with(1, 3);
    world.connect(
        0,
        1,
        Quality {
            bandwidth: Some(0),
            ..Quality::default()
        },
    );
    world.join(0, 2, Quality::default());
    world.insert(0, 0, &"much ".repeat(100_000));
    for _ in 0..100 {
        world.insert(0, 0, "more ");
        world.run(1_000);
        let held: usize = world.replicas[0].peers().map(|peer| peer.bytes_held).sum();
        assert!(held < 2_000_000, "{held} bytes held");
    }
    assert!(
        matches!(world.closed(0)[..], [CloseReason::Dead { .. }]),
        "{:?}",
        world.closed(0)
    );
    assert_eq!(world.replicas[2].doc.text(), world.replicas[0].doc.text());
}

#[test]
fn a_peer_that_stops_reading_is_dropped() {
    let mut world = World::with(1, 3);
    let link = world.connect(0, 1, Quality::default());
    world.join(0, 2, Quality::default());
    world.run(1_000);
    world.set_quality(
        link,
        Quality {
            bandwidth: Some(0),
            ..Quality::default()
        },
    );
    world.insert(0, 0, &"much ".repeat(1_000_000));
    world.run(60_000);
    // It still says it is there, so only the full transport tells.
    let closed = world.closed(0);
    assert!(matches!(
        closed[..],
        [CloseReason::Stalled { .. } | CloseReason::Dead { .. }]
    ));
    assert_eq!(world.replicas[2].doc.text(), world.replicas[0].doc.text());
    let held: usize = world.replicas[0].peers().map(|peer| peer.bytes_held).sum();
    assert_eq!(held, 0);
}

#[test]
fn a_machine_that_slept_keeps_its_peers() {
    let mut world = World::with(1, 2);
    world.join(0, 1, Quality::default());
    world.run(5_000);
    // Neither timers nor messages reach replica 0 for ten minutes of its own time.
    world.replicas[0].clock.0 += 600_000;
    world.run(30_000);
    assert_eq!((world.closed(0), world.closed(1)), (vec![], vec![]));
    world.insert(0, 0, "awake");
    world.converge(1_000);
}
