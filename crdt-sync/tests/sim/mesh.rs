//! Large rooms: a mesh of bounded degree, with forwarding.

use std::collections::BTreeSet;

use crdt_sync::mesh;

use crate::world::{Quality, World};

const MEMBERS: usize = 30;

/// Links every member to those that the policy names, and drops the others.
fn arrange(world: &mut World, members: &[usize]) {
    let name = |i: &usize| format!("r{i}");
    let names: Vec<String> = members.iter().map(name).collect();
    let mut wanted = BTreeSet::new();
    for a in members {
        let peers = mesh::peers(&name(a), names.iter().map(String::as_str));
        assert!(peers.len() <= 2 * mesh::RINGS as usize);
        for b in members.iter().filter(|b| peers.contains(name(b).as_str())) {
            wanted.insert([*a.min(b), *a.max(b)]);
        }
    }
    world.edges.retain(|ends, _| wanted.contains(ends));
    for [a, b] in wanted {
        if !world.edges.contains_key(&[a, b]) {
            let latency = world.rng.between(5, 60);
            world.join(
                a,
                b,
                Quality {
                    latency: (latency, latency),
                    ..Quality::default()
                },
            );
        }
    }
}

#[test]
fn thirty_replicas_converge_while_members_come_and_go() {
    let mut world = World::with(30, MEMBERS);
    let mut members: Vec<usize> = (0..MEMBERS - 5).collect();
    arrange(&mut world, &members);
    world.run(3_000);
    let (messages, bytes) = (world.traffic.speech, world.traffic.speech_bytes);
    const KEYS: u64 = 200;
    for _ in 0..KEYS {
        let replica = *world.rng.pick(&members);
        let at = world.rng.below(world.replicas[replica].doc.len_chars() + 1);
        world.insert(replica, at, "k");
        world.run(40);
    }
    let per_key = |now: u64, before: u64| (now - before) as f64 / KEYS as f64;
    let messages = per_key(world.traffic.speech, messages);
    let bytes = per_key(world.traffic.speech_bytes, bytes);
    println!("25 members: {messages:.1} messages and {bytes:.0} bytes a keystroke in all");
    // There are about 75 links; each carries a keystroke once, or twice where it crosses.
    assert!(messages < 100.0, "{messages} messages");
    // Five more come, three crash, everybody types on.
    members = (0..MEMBERS).collect();
    arrange(&mut world, &members);
    for gone in [3, 11, 17] {
        world.crash(gone);
    }
    for _ in 0..100 {
        let replica = *world.rng.pick(&members);
        if world.replicas[replica].alive {
            world.insert(replica, 0, "m");
        }
        world.run(40);
    }
    for back in [3, 11, 17] {
        world.restart(back, &format!("r{back}-again"));
    }
    let took = world.converge(30_000);
    println!("30 members equal {took} ms after three came back");
    world.run(30_000);
    world.assert_at_rest();
}
