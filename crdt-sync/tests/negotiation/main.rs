//! The negotiation against a model of the browser, in every order of events up to a depth, and in
//! many random ones beyond.

mod model;

use crdt_sync::negotiation::{ConnectionState, Description, Input, Origin, Signal, Timing};
use model::{Chooser, World};

/// Plays a scenario in all orders that differ in their first decisions, and in random ones.
fn in_all_orders(depth: usize, scenario: impl Fn(&mut Chooser)) {
    let mut chooser = Some(Chooser::all(depth));
    let mut orders = 0;
    while let Some(mut this) = chooser {
        scenario(&mut this);
        chooser = this.next();
        orders += 1;
    }
    for seed in 0..2_000 {
        scenario(&mut Chooser::random(seed));
    }
    println!("{orders} orders, and 2000 random ones");
    assert!(orders > 10, "no decisions were made");
}

fn started(timing: Timing) -> World {
    let mut world = World::new(timing);
    world.input(0, Input::Start);
    world.input(1, Input::Start);
    world
}

/// The polite side does not wait for the offer.
fn impatient() -> Timing {
    Timing {
        answer: 0,
        ..Timing::default()
    }
}

const SOON: u64 = 1_000;

#[test]
fn two_pages_connect() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.play(chooser, SOON);
        assert_eq!(world.pages[0].problems, [""; 0]);
    });
}

#[test]
fn candidates_may_overtake_what_they_belong_to() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.overtaking = true;
        world.play(chooser, SOON);
    });
}

#[test]
fn the_polite_side_offers_if_the_other_does_not() {
    in_all_orders(6, |chooser| {
        let mut world = World::new(Timing::default());
        world.input(1, Input::Start);
        world.now = 10_000;
        world.input(1, Input::Tick);
        world.input(0, Input::Start);
        world.play(chooser, 11_000);
    });
}

#[test]
fn offers_that_cross_at_the_start() {
    in_all_orders(9, |chooser| {
        let mut world = World::new(impatient());
        world.input(1, Input::Start);
        world.input(1, Input::Tick);
        world.pages[0].negotiation =
            crdt_sync::negotiation::Negotiation::new("alice", "bob", "load-0", Timing::default());
        world.input(0, Input::Start);
        world.play(chooser, 60_000);
    });
}

#[test]
fn offers_that_cross_later() {
    in_all_orders(9, |chooser| {
        let mut world = started(Timing::default());
        world.play(&mut Chooser::all(0), SOON);
        for i in 0..2 {
            world.input(i, Input::NegotiationNeeded);
        }
        world.play(chooser, SOON);
    });
}

#[test]
fn either_side_may_negotiate_again() {
    for i in 0..2 {
        in_all_orders(7, |chooser| {
            let mut world = started(Timing::default());
            world.play(&mut Chooser::all(0), SOON);
            world.input(i, Input::NegotiationNeeded);
            world.play(chooser, SOON);
        });
    }
}

#[test]
fn a_client_of_the_basic_messages_connects() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.basic = true;
        world.play(chooser, SOON);
    });
}

#[test]
fn crossing_offers_without_numbers() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.basic = true;
        world.play(&mut Chooser::all(0), SOON);
        for i in 0..2 {
            world.input(i, Input::NegotiationNeeded);
        }
        world.play(chooser, SOON);
    });
}

#[test]
fn a_short_interruption_recovers_by_itself() {
    let mut world = started(Timing::default());
    let mut chooser = Chooser::all(0);
    world.play(&mut chooser, SOON);
    world.report(0, ConnectionState::Disconnected);
    assert!(
        world.pages[0].fallback,
        "another way carries the changes meanwhile"
    );
    world.now = 1_999;
    world.input(0, Input::Tick);
    world.report(0, ConnectionState::Connected);
    assert!(!world.pages[0].fallback);
    world.now = 60_000;
    world.input(0, Input::Tick);
    assert!(world.is_connected(), "nothing was sent");
    assert_eq!(world.pages[0].negotiation.next_timeout(), None);
}

#[test]
fn a_longer_interruption_restarts_ice() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.play(&mut Chooser::all(0), SOON);
        for i in 0..2 {
            world.report(i, ConnectionState::Disconnected);
        }
        world.now = 2_000;
        world.input(0, Input::Tick);
        assert!(!world.is_connected());
        world.play(chooser, 5_000);
        assert!(
            world
                .pages
                .iter()
                .all(|page| page.problems.is_empty() && !page.fallback)
        );
    });
}

#[test]
fn coming_online_restarts_ice_at_once() {
    in_all_orders(8, |chooser| {
        let mut world = started(Timing::default());
        world.play(&mut Chooser::all(0), SOON);
        for i in 0..2 {
            world.report(i, ConnectionState::Disconnected);
            world.input(i, Input::Online);
        }
        world.play(chooser, SOON);
    });
}

#[test]
fn a_failed_connection_is_replaced() {
    for reporting in [&[0][..], &[1], &[0, 1], &[1, 0]] {
        in_all_orders(7, |chooser| {
            let mut world = started(Timing::default());
            world.play(&mut Chooser::all(0), SOON);
            for i in reporting {
                world.report(*i, ConnectionState::Failed);
                assert!(world.pages[*i].fallback);
            }
            world.play(chooser, 60_000);
            assert!(world.pages.iter().all(|page| !page.fallback));
        });
    }
}

#[test]
fn both_replace_their_connections_at_once() {
    in_all_orders(8, |chooser| {
        let mut world = World::new(impatient());
        for i in 0..2 {
            world.pages[i].negotiation = crdt_sync::negotiation::Negotiation::new(
                ["alice", "bob"][i],
                ["bob", "alice"][i],
                &format!("load-{i}"),
                Timing {
                    retry: (0, 0),
                    ..Timing::default()
                },
            );
            world.input(i, Input::Start);
        }
        world.play(&mut Chooser::all(0), SOON);
        world.report(0, ConnectionState::Failed);
        world.report(1, ConnectionState::Failed);
        world.input(0, Input::Tick);
        world.now += 10_000;
        world.input(1, Input::Tick);
        world.play(chooser, 120_000);
    });
}

#[test]
fn a_page_may_be_reloaded_at_any_time() {
    for i in 0..2 {
        for at in 0..14 {
            for told in [true, false] {
                in_some_orders(|chooser| {
                    let mut world = started(Timing::default());
                    for _ in 0..at {
                        world.step(chooser);
                    }
                    world.reload(i);
                    if told {
                        world.input(1 - i, Input::PeerGone);
                        world.input(1 - i, Input::Start);
                    }
                    world.input(i, Input::Start);
                    world.play(chooser, 120_000);
                });
            }
        }
    }
}

fn in_some_orders(scenario: impl Fn(&mut Chooser)) {
    let mut chooser = Some(Chooser::all(4));
    while let Some(mut this) = chooser {
        scenario(&mut this);
        chooser = this.next();
    }
    (0..100).for_each(|seed| scenario(&mut Chooser::random(seed)));
}

#[test]
fn signals_of_an_earlier_page_load_do_nothing() {
    let mut world = started(Timing::default());
    let mut chooser = Chooser::all(0);
    world.play(&mut chooser, SOON);
    let old = Origin {
        session: "load-1".to_owned(),
        connection: 1,
    };
    world.reload(1);
    world.input(1, Input::Start);
    world.play(&mut chooser, 60_000);
    let stale = |body: Description| Signal::Description {
        from: old.clone(),
        to: Origin::default(),
        number: 9,
        answers: 1,
        description: body,
    };
    let candidate = "stale".to_owned();
    let from = old.clone();
    world.input(
        0,
        Input::Signal(stale(Description::Offer("stale".to_owned()))),
    );
    world.input(
        0,
        Input::Signal(stale(Description::Answer("stale".to_owned()))),
    );
    let to = Origin::default();
    world.input(
        0,
        Input::Signal(Signal::Candidate {
            from,
            to,
            number: 9,
            candidate,
        }),
    );
    assert!(world.is_connected(), "nothing was done about them");
}

#[test]
fn signals_for_an_earlier_page_load_do_nothing() {
    let mut world = started(Timing::default());
    world.play(&mut Chooser::all(0), SOON);
    let signal = Signal::Description {
        from: Origin {
            session: "load-1".to_owned(),
            connection: 1,
        },
        to: Origin {
            session: "another".to_owned(),
            connection: 1,
        },
        number: 9,
        answers: 0,
        description: Description::Offer("stale".to_owned()),
    };
    world.input(0, Input::Signal(signal));
    assert!(world.is_connected());
}

#[test]
fn blocked_networks_are_retried_at_growing_intervals() {
    let mut world = started(Timing::default());
    world.reachable = false;
    let mut chooser = Chooser::all(0);
    while world.now < 300_000 {
        while world.step(&mut chooser) {}
        let timeouts = world
            .pages
            .iter()
            .filter_map(|page| page.negotiation.next_timeout());
        world.now = timeouts.min().expect("it goes on trying");
        for i in 0..2 {
            if world.pages[i]
                .negotiation
                .next_timeout()
                .is_some_and(|at| at <= world.now)
            {
                world.input(i, Input::Tick);
            }
        }
    }
    let problems = world.pages[0].problems.len();
    assert!(
        (5..40).contains(&problems),
        "{problems} attempts in five minutes"
    );
    assert!(world.pages[0].fallback);
    world.reachable = true;
    world.play(&mut chooser, world.now + 120_000);
}

#[test]
fn a_failed_call_is_reported_and_retried() {
    let mut world = started(Timing::default());
    let op = crdt_sync::negotiation::Op(1);
    world.input(
        0,
        Input::Failed {
            op,
            message: "no".to_owned(),
        },
    );
    assert_eq!(world.pages[0].problems, ["no"]);
    world.play(&mut Chooser::all(0), 60_000);
}

#[test]
fn a_call_that_never_ends_is_given_up() {
    let mut world = started(Timing::default());
    world.now = 10_000;
    world.input(0, Input::Tick);
    assert_eq!(world.pages[0].problems.len(), 1);
    world.play(&mut Chooser::all(0), 60_000);
}

#[test]
fn stop_closes_and_start_begins_again() {
    in_all_orders(6, |chooser| {
        let mut world = started(Timing::default());
        world.play(&mut Chooser::all(0), SOON);
        for i in 0..2 {
            world.input(i, Input::Stop);
            assert_eq!(world.pages[i].negotiation.next_timeout(), None);
        }
        world.now = 5_000;
        for i in 0..2 {
            world.input(i, Input::Start);
        }
        world.play(chooser, 60_000);
    });
}

#[test]
fn a_flood_of_signals_is_bounded() {
    let mut world = started(Timing::default());
    for number in 1..100_000 {
        let from = Origin {
            session: format!("s{number}"),
            connection: 1,
        };
        let to = Origin::default();
        let candidate = "c".repeat(100);
        world.input(
            0,
            Input::Signal(Signal::Candidate {
                from,
                to,
                number,
                candidate,
            }),
        );
    }
    world.play(&mut Chooser::all(0), SOON);
}
