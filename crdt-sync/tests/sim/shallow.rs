//! Replicas that have dropped their older history.

use crdt_core::{Document, SaveOptions};
use crdt_sync::{CloseReason, Output};

use crate::world::{Quality, World};

/// Makes a replica begin with the shallow copy of another's document.
fn begin_with_copy_of(world: &mut World, from: usize, agent: &str) -> usize {
    let doc = &world.replicas[from].doc;
    let file = doc.save_shallow(&doc.frontier(), &SaveOptions::default());
    let replica = world.add(agent);
    let state = &mut world.replicas[replica];
    state.doc = Document::load(agent, &file.unwrap()).unwrap();
    state.mirror = state.doc.text().chars().collect();
    replica
}

fn refusals(world: &World, replica: usize) -> Vec<&'static str> {
    let code = |told: &Output| match told {
        Output::Refused { reason, .. } => Some(reason.code()),
        _ => None,
    };
    let told = world.replicas[replica].told.iter();
    told.filter_map(code).collect()
}

#[test]
fn a_shallow_replica_syncs_with_peers_that_have_its_base() {
    let mut world = World::with(1, 2);
    world.insert(0, 0, "Once upon a time");
    world.join(0, 1, Quality::default());
    world.converge(5_000);
    let shallow = begin_with_copy_of(&mut world, 0, "shallow");
    world.insert(0, 0, "meanwhile ");
    world.insert(shallow, 16, ", far away");
    world.join(shallow, 1, Quality::default());
    world.converge(5_000);
    for i in 0..3 {
        world.insert(i, 5, "k");
        world.run(20);
    }
    world.converge(5_000);
    world.assert_at_rest();
    assert!((0..3).all(|i| refusals(&world, i).is_empty()));
}

/// A peer that lacks the base gets nothing, and this side reports it once, however much is typed.
/// Once the newcomer has received the base elsewhere, syncing continues.
#[test]
fn a_peer_that_lacks_the_base_has_to_get_it_elsewhere() {
    let mut world = World::with(1, 1);
    world.insert(0, 0, "Once upon a time");
    let shallow = begin_with_copy_of(&mut world, 0, "shallow");
    let newcomer = world.add("newcomer");
    world.join(shallow, newcomer, Quality::default());
    world.run(5_000);
    for _ in 0..20 {
        world.insert(shallow, 0, "k");
        world.run(100);
    }
    world.run(60_000);
    assert_eq!(refusals(&world, shallow), ["too_old"]);
    assert!(world.closed(shallow).is_empty() && world.closed(newcomer).is_empty());
    assert!(world.replicas[newcomer].doc.is_empty());
    assert_eq!(world.replicas[newcomer].doc.pending_events(), 0);
    // They compare ever more rarely.
    let before = world.traffic.speech;
    world.run(600_000);
    assert!(world.traffic.speech - before < 40);

    world.join(0, newcomer, Quality::default());
    world.run(1_000);
    world.insert(newcomer, 0, "hello ");
    world.converge(700_000);
    world.assert_at_rest();
}

/// An edit that does not follow the base cannot be merged: the link is closed with the reason.
#[test]
fn events_that_do_not_follow_the_base_close_the_link() {
    let mut world = World::with(1, 2);
    world.insert(0, 0, "Once upon a time");
    world.insert(1, 0, "Long ago");
    let shallow = begin_with_copy_of(&mut world, 0, "shallow");
    world.join(shallow, 1, Quality::default());
    world.run(3_000);
    let closed = world.closed(shallow);
    assert!(matches!(closed[0], CloseReason::Operations(_)));
    assert_eq!(closed[0].code(), "too_old");
    assert_eq!(world.replicas[shallow].doc.text(), "Once upon a time");
}
