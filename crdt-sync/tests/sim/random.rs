//! Random scenarios: whatever happens on the way, after the network heals all replicas are equal,
//! silent and hold nothing back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::rng::{Rng, runs, seed};
use crate::world::{Quality, World};

#[derive(Default)]
struct Figures {
    edits: u64,
    messages: u64,
    bytes: u64,
    healing: Vec<u64>,
    healing_messages: u64,
}

fn random_quality(rng: &mut Rng) -> Quality {
    let least = rng.between(0, 100);
    let raw = rng.chance(25);
    Quality {
        latency: (least, least + *rng.pick(&[0, 5, 200])),
        loss: if raw { rng.between(0, 30) } else { 0 },
        doubling: if raw { rng.between(0, 20) } else { 0 },
        reorder: raw && rng.chance(50),
        bandwidth: if rng.chance(15) {
            Some(rng.between(1, 50))
        } else {
            None
        },
        text_only: rng.chance(7),
    }
}

/// The graph of links: a line, a ring, a star, a full mesh, or a random tree.
fn random_edges(rng: &mut Rng, n: usize) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = match rng.below(4) {
        0 => (1..n).map(|i| (i - 1, i)).collect(),
        1 => (1..n).map(|i| (0, i)).collect(),
        2 => (1..n).flat_map(|i| (0..i).map(move |k| (k, i))).collect(),
        _ => (1..n).map(|i| (rng.below(i), i)).collect(),
    };
    if n > 2 && rng.chance(30) && !edges.contains(&(0, n - 1)) {
        edges.push((0, n - 1));
    }
    edges
}

fn random_edit(world: &mut World, replica: usize) {
    const WORDS: [&str; 8] = ["a", "b", "é", "語", "🙂", "hello ", "\n", "👩‍👩‍👧"];
    let len = world.replicas[replica].doc.len_chars();
    let at = world.rng.below(len + 1);
    if len > 0 && world.rng.chance(30) {
        let at = world.rng.below(len);
        let some = 1 + world.rng.below((len - at).min(6));
        world.delete(replica, at, some);
    } else if world.rng.chance(4) {
        let long: String = (0..world.rng.between(100, 3_000)).map(|_| 'x').collect();
        world.insert(replica, at, &long);
    } else {
        let word = *world.rng.pick(&WORDS);
        world.insert(replica, at, word);
    }
}

/// What can happen to a room.
fn random_event(world: &mut World, names: &mut u32) -> bool {
    let n = world.replicas.len();
    let replica = world.rng.below(n);
    let alive = world.replicas[replica].alive;
    match world.rng.below(100) {
        0..=69 if alive => {
            random_edit(world, replica);
            return true;
        }
        70..=74 => {
            let links = world.links();
            if !links.is_empty() {
                let link = *world.rng.pick(&links);
                world.reset(link);
            }
        }
        75..=78 => {
            let (other, loud) = (world.rng.below(n), world.rng.chance(50));
            world.part(replica, other, loud);
        }
        79..=80 => world.heal_reach(),
        81 => {
            // A second way between two that have one: a relay beside a direct link, say.
            let pairs: Vec<_> = world
                .edges
                .iter()
                .map(|(ends, q)| (*ends, q.clone()))
                .collect();
            let (ends, quality) = world.rng.pick(&pairs).clone();
            let ranks = [world.rng.below(3) as u8, world.rng.below(3) as u8];
            if ends.iter().all(|end| world.replicas[*end].alive) && !world.apart.contains(&ends) {
                world.connect_ranked(ends[0], ends[1], quality, ranks);
            }
        }
        82..=84 if alive => world.store(replica),
        85..=87 if alive => {
            if world.rng.chance(50) {
                world.store(replica);
                world.crash(replica);
                let agent = world.replicas[replica].doc.agent().to_owned();
                world.run(20);
                world.restart(replica, &agent);
            } else {
                world.crash(replica);
            }
        }
        88..=92 if !alive => {
            *names += 1;
            let agent = format!("r{replica}-{names}");
            world.restart(replica, &agent);
        }
        93..=99 if alive => {
            let field = *world.rng.pick(&["cursor", "name"]);
            let value = world.rng.below(1_000).to_string();
            let value = (!world.rng.chance(20)).then_some(value.as_str());
            world.show(replica, field, value);
        }
        _ => {}
    }
    false
}

fn scenario(seed: u64, figures: &mut Figures) {
    let mut world = World::new(seed);
    let n = 2 + world.rng.below(4);
    world.config.max_frame = *world.rng.pick(&[600, 16 * 1024]);
    world.config.part = *world.rng.pick(&[1, 100, 32 * 1024]);
    world.config.first_part = *world.rng.pick(&[1, 2 * 1024]);
    if world.rng.chance(30) {
        (world.config.window, world.config.low_water) = (4_000, 1_000);
    }
    for i in 0..n {
        world.config.takes_packed = world.rng.chance(70);
        let replica = world.add(&format!("r{i}"));
        let rate = *world.rng.pick(&[(1, 1), (19, 20), (21, 20)]);
        world.replicas[replica].clock = (world.rng.between(0, 1 << 40), rate);
    }
    for (a, b) in random_edges(&mut world.rng, n) {
        let quality = random_quality(&mut world.rng);
        world.join(a, b, quality);
    }
    let mut names = 0;
    let pace = *world.rng.pick(&[5, 50, 400]);
    for _ in 0..world.rng.between(10, 80) {
        figures.edits += u64::from(random_event(&mut world, &mut names));
        let pause = world.rng.between(0, pace);
        world.run(pause);
    }
    for replica in 0..n {
        if !world.replicas[replica].alive {
            names += 1;
            let agent = format!("r{replica}-{names}");
            world.restart(replica, &agent);
        }
    }
    world.heal();
    let before = world.traffic.speech;
    figures.healing.push(world.converge(150_000));
    figures.healing_messages += world.traffic.speech - before;
    world.run(60_000);
    world.assert_at_rest();
    figures.messages += world.traffic.speech;
    figures.bytes += world.traffic.speech_bytes;
}

#[test]
fn all_replicas_are_equal_and_silent_after_the_network_heals() {
    let (first, runs) = (seed(), runs(3_000));
    println!("SIM_SEED={first} SIM_RUNS={runs}");
    let mut figures = Figures::default();
    for seed in first..first + runs {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed, &mut figures))) {
            eprintln!("failed with SIM_SEED={seed} SIM_RUNS=1");
            resume_unwind(panic);
        }
    }
    figures.healing.sort_unstable();
    let at = |percent: usize| figures.healing[(figures.healing.len() - 1) * percent / 100];
    println!(
        "{runs} scenarios, {} edits, {} messages, {} bytes; equal after healing within {} ms \
         (median), {} ms (99 %), {} ms (all), with {:.1} messages",
        figures.edits,
        figures.messages,
        figures.bytes,
        at(50),
        at(99),
        at(100),
        figures.healing_messages as f64 / runs as f64,
    );
}
