//! Names that two replicas use, events under others' names, and ids with two contents.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crdt_core::{Document, EventId, VersionSummary, person_of};
use crdt_sync::{CloseReason, Output};

use crate::rng::{runs, seed};
use crate::world::{Quality, World};

fn named(names: &[&str]) -> World {
    let mut world = World::new(1);
    for name in names {
        world.add(name);
    }
    world
}

fn join(world: &mut World, a: usize, b: usize) {
    world.join(a, b, Quality::default());
}

fn told(world: &World, replica: usize, is: impl Fn(&Output) -> bool) -> usize {
    let told = world.replicas[replica].told.iter();
    told.filter(|output| is(output)).count()
}

fn renamed(world: &World, replica: usize) -> usize {
    told(world, replica, |told| {
        matches!(told, Output::Renamed { .. })
    })
}

fn text(world: &World, replica: usize) -> String {
    world.replicas[replica].doc.text()
}

/// Events of `agent`, made elsewhere after the events of a replica: merged there, and forwarded.
fn forge(world: &mut World, replica: usize, agent: &str, edit: impl Fn(&mut Document)) {
    world.with_engine(replica, |engine, doc, now| {
        let before = doc.summary();
        let all = doc
            .encode_since(&VersionSummary::new())
            .expect("it is all here");
        let mut forger = Document::new(agent).expect("a valid name");
        forger.merge_patch(&all).expect("a whole history");
        edit(&mut forger);
        let patch = forger.encode_since(&before).expect("it is all here");
        doc.merge_patch(&patch).expect("the next events");
        engine.local_edit(now, doc);
    });
    let replica = &mut world.replicas[replica];
    replica.mirror = replica.doc.text().chars().collect();
}

#[test]
fn a_page_that_restarts_under_its_name_loses_nothing() {
    for (old, new) in [
        ("milk", "bread"),
        ("milk and eggs", "bread"),
        ("milk", "bread and butter"),
    ] {
        let mut world = named(&["alice", "bob"]);
        join(&mut world, 0, 1);
        world.insert(0, 0, old);
        world.converge(1_000);
        world.crash(0);
        world.run(60_000);
        // It types before it has heard from anyone, and goes on.
        world.add("alice");
        world.insert(2, 0, new);
        join(&mut world, 1, 2);
        world.insert(2, 0, "> ");
        world.run(5_000);
        world.insert(2, 0, "- ");
        world.run(5_000);
        let both = [1, 2].map(|replica| text(&world, replica));
        assert_eq!(both[0], both[1]);
        assert!(
            both[0].contains(old) && both[0].contains(&format!("> {new}")),
            "{}",
            both[0]
        );
        assert_eq!(both[0].len(), old.len() + new.len() + 4);
        assert_eq!([1, 2].map(|replica| renamed(&world, replica)), [0, 1]);
        let agent = world.replicas[2].doc.agent();
        assert_eq!((person_of(agent), agent == "alice"), ("alice", false));
        let mut closed = [1, 2].into_iter().flat_map(|replica| world.closed(replica));
        assert!(!closed.any(|reason| reason.is_breach()));
        let mirror: String = world.replicas[2].mirror.iter().collect();
        assert_eq!(mirror, both[0]);
        assert!(
            world.replicas[2]
                .peers()
                .all(|peer| peer.synced && peer.ahead == 0)
        );
    }
}

#[test]
fn two_replicas_under_one_name_are_renamed() {
    let mut world = named(&["twin", "twin"]);
    world.insert(0, 0, "x");
    world.insert(1, 0, "y");
    join(&mut world, 0, 1);
    world.converge(5_000);
    world.insert(0, 0, "one ");
    world.insert(1, 0, "two ");
    world.converge(5_000);
    assert_eq!(text(&world, 0).len(), 10);
    let [one, two] = [0, 1].map(|replica| world.replicas[replica].doc.agent().to_owned());
    assert!(one != two, "{one}");
    world.assert_at_rest();
}

#[test]
fn events_shared_as_a_file_are_not_made_again() {
    let mut world = named(&["alice", "bob"]);
    world.insert(0, 0, "by hand");
    let all = world.replicas[0]
        .doc
        .encode_since(&VersionSummary::new())
        .unwrap();
    world.replicas[1].doc.merge_patch(&all).unwrap();
    world.replicas[1].mirror = "by hand".chars().collect();
    world.insert(0, 0, "and ");
    join(&mut world, 0, 1);
    world.converge(5_000);
    assert_eq!(
        (text(&world, 1).as_str(), renamed(&world, 0)),
        ("and by hand", 0)
    );
    world.assert_at_rest();
}

#[test]
fn a_replica_that_lost_its_last_edits_continues_under_another_name() {
    let mut world = named(&["alice", "bob"]);
    join(&mut world, 0, 1);
    world.insert(0, 0, "kept");
    world.converge(1_000);
    world.store(0);
    world.insert(0, 4, " lost");
    world.converge(1_000);
    world.crash(0);
    world.run(20_000);
    world.restart(0, "alice");
    world.converge(10_000);
    world.insert(0, 0, "new ");
    world.converge(1_000);
    assert_eq!(
        (text(&world, 1).as_str(), renamed(&world, 0)),
        ("new kept lost", 1)
    );
    world.assert_at_rest();
}

#[test]
fn a_peer_that_forges_the_next_event_of_another_is_named() {
    // Everybody is linked to everybody.
    let mut world = named(&["alice", "bob", "mallory"]);
    join(&mut world, 0, 1);
    join(&mut world, 1, 2);
    world.insert(0, 0, "alice");
    world.converge(1_000);
    forge(&mut world, 2, "alice", |doc| {
        doc.insert(0, "I owe ").unwrap()
    });
    world.run(3_000);
    assert_eq!(text(&world, 1), "alice", "alice did not say so");
    world.insert(0, 5, " says hello");
    world.run(5_000);
    assert_eq!(text(&world, 1), "alice says hello");
    let forged = |reason: &CloseReason| matches!(reason, CloseReason::Forged { agent, seq: 5 } if agent == "alice");
    assert!(
        matches!(&world.closed(1)[..], [reason] if forged(reason)),
        "{:?}",
        world.closed(1)
    );
    assert!(forged(&world.closed(1)[0]) && world.closed(1)[0].is_breach());
    assert_eq!(world.closed(0), []);
    assert_eq!((renamed(&world, 0), renamed(&world, 1)), (0, 0));
}

#[test]
fn events_of_an_earlier_session_reach_all_by_any_path() {
    // Carol has what an earlier alice made; the present one is linked to bob alone, who has nothing.
    let mut world = named(&["carol", "bob", "alice"]);
    join(&mut world, 1, 2);
    world.run(2_000);
    forge(&mut world, 0, "alice", |doc| {
        doc.insert(0, "long ago").unwrap()
    });
    join(&mut world, 0, 1);
    world.run(10_000);
    assert_eq!(text(&world, 1), "", "alice may say otherwise");
    world.converge(60_000);
    assert_eq!(renamed(&world, 2), 1);
    world.insert(2, 0, "now and ");
    world.converge(60_000);
    assert_eq!(text(&world, 1), "now and long ago");
    world.assert_at_rest();
}

#[test]
fn one_id_with_two_contents_is_reported_on_both_sides() {
    let mut world = named(&["bob", "carol", "dave"]);
    join(&mut world, 0, 1);
    join(&mut world, 1, 2);
    world.insert(0, 0, "shared text. ");
    world.converge(2_000);
    world.part(0, 1, true);
    world.run(1_000);
    forge(&mut world, 0, "mallory", |doc| doc.insert(0, "x").unwrap());
    forge(&mut world, 1, "mallory", |doc| doc.insert(0, "y").unwrap());
    world.heal();
    world.run(15_000);
    let id = EventId::new("mallory", 0);
    for (replica, peers) in [(0, 1), (1, 1), (2, 0)] {
        let is_told =
            |told: &Output| matches!(told, Output::Diverged { id: Some(of), .. } if *of == id);
        assert_eq!(told(&world, replica, is_told), peers, "{replica}");
        assert_eq!(
            told(&world, replica, |told| matches!(
                told,
                Output::Diverged { .. }
            )),
            peers
        );
        let diverged = world.replicas[replica]
            .peers()
            .filter(|peer| peer.diverged.is_some());
        assert_eq!(diverged.count(), peers);
        let synced = world.replicas[replica]
            .peers()
            .filter(|peer| peer.synced)
            .count();
        assert_eq!(synced + peers, world.replicas[replica].peers().count());
    }
    assert!(world.closed(1).iter().all(|reason| !reason.is_breach()));
    // All else goes on.
    world.insert(0, text(&world, 0).len(), "more");
    world.run(5_000);
    assert_eq!(
        [0, 1, 2].map(|replica| text(&world, replica)),
        [
            "xshared text. more",
            "yshared text. more",
            "yshared text. more"
        ]
    );
    let (speech, closed) = (world.traffic.speech, world.closed(1).len());
    world.run(60_000);
    assert_eq!(
        (world.traffic.speech, world.closed(1).len()),
        (speech, closed),
        "not silent"
    );
}

/// Replicas join under names that others have, after they have typed; all continue typing.
fn scenario(seed: u64) {
    let mut world = World::new(seed);
    let mut typed = 0;
    let kinds = world.rng.chance(50);
    let quality = move |world: &mut World| {
        let least = world.rng.between(0, 100);
        Quality {
            latency: (least, least + if kinds { 200 } else { 0 }),
            reorder: world.rng.chance(10),
            ..Quality::default()
        }
    };
    world.add("ann");
    for round in 0..4 {
        let n = world.replicas.len();
        for _ in 0..world.rng.between(1, 6) {
            let replica = world.rng.below(n);
            typed += type_in(&mut world, replica);
            let pause = world.rng.between(0, 200);
            world.run(pause);
        }
        world.converge(60_000);
        // A name that was edited under: by one who is there, or was.
        let names = world.replicas[0].doc.summary();
        let names: Vec<String> = names.iter().map(|(name, _)| name.to_owned()).collect();
        let name = match world.rng.below(3) {
            0 => format!("new {round}"),
            _ => world.rng.pick(&names).clone(),
        };
        let new = world.add(&name);
        for _ in 0..world.rng.between(0, 4) {
            typed += type_in(&mut world, new);
        }
        let first = world.rng.below(n);
        let quality_of = quality(&mut world);
        world.join(first, new, quality_of);
        let second = world.rng.below(n);
        if second != first {
            let quality_of = quality(&mut world);
            let pause = world.rng.between(0, 100);
            world.run(pause);
            world.join(second, new, quality_of);
        }
        for _ in 0..world.rng.between(0, 6) {
            let replica = world.rng.below(n + 1);
            typed += type_in(&mut world, replica);
            let pause = world.rng.between(0, 100);
            world.run(pause);
        }
        world.converge(120_000);
        assert_eq!(world.replicas[new].doc.len_chars(), typed);
    }
    world.run(60_000);
    world.assert_at_rest();
}

/// Types a unique text; returns its number of chars.
fn type_in(world: &mut World, replica: usize) -> usize {
    let unique = world.rng.next();
    let text = format!("{unique:016x}");
    let len = world.replicas[replica].doc.len_chars();
    let at = world.rng.below(len + 1);
    world.insert(replica, at, &text);
    text.len()
}

#[test]
fn reused_names_do_not_make_replicas_diverge() {
    let (first, runs) = (seed(), runs(500));
    for seed in first..first + runs {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            eprintln!("failed with SIM_SEED={seed} SIM_RUNS=1");
            resume_unwind(panic);
        }
    }
}

/// Scenarios in which a question, or the message about a new name, was lost.
#[test]
fn scenarios_that_once_diverged_pass() {
    [12_633, 101_420, 112_938].into_iter().for_each(scenario);
}
