//! Random scenarios: whatever happens, once the network recovers all rooms are equal, silent and
//! bounded, and their status is true.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crdt_room::{Call, Host, LinkKind};
use signaling_rooms::{LogQuotas, Settings};

use crate::cable::Manners;
use crate::hostile::Malice;
use crate::page::{Activity, Page, Profile};
use crate::world::{World, pair};

/// The time in which rooms have to come to rest once the network recovers.
const HEALING: u64 = 200_000;

/// The quotas of logs: more than any scenario writes.
const QUOTAS: LogQuotas = LogQuotas {
    room_bytes: 1 << 26,
    total_bytes: 1 << 30,
};

#[derive(Debug, Default)]
struct Figures {
    pages: u64,
    edits: u64,
    messages: u64,
    relayed: u64,
    healing: Vec<u64>,
}

/// What the servers of a scenario offer: every third keeps logs. It follows from the seed itself, so that the
/// other scenarios are the same as in a world without logs.
fn settings(seed: u64) -> Settings {
    Settings {
        log: seed.is_multiple_of(3).then_some(QUOTAS),
        ..Settings::default()
    }
}

/// What a page may use: mostly everything, sometimes little.
fn random_profile(world: &mut World, number: usize) -> Profile {
    let browser = if world.chance(40) { 0 } else { number };
    let mut profile = Profile::new(&format!("p{number}"), browser);
    profile.host = Host {
        websocket: true,
        event_stream: false,
        webrtc: world.chance(88),
        broadcast: world.chance(80),
    };
    if world.chance(12) {
        let dropped = *world.rng.choice(&LinkKind::CHOICES).expect("not empty");
        profile.links.retain(|kind| *kind != dropped);
    }
    if world.chance(70) {
        profile.secret = Some(if world.chance(90) { "rose" } else { "tulip" });
        profile.has_cipher = world.chance(92);
    }
    if world.servers.len() > 1 {
        profile.servers = match world.rng.u8(0..6) {
            0 => vec![0],
            1 => vec![1],
            2 | 3 => vec![1, 0],
            _ => vec![0, 1],
        };
    }
    profile
}

fn random_manners(world: &mut World) -> Manners {
    let is_raw = world.chance(30);
    Manners {
        loss: if is_raw { world.rng.u64(0..20) } else { 0 },
        reorders: is_raw && world.rng.bool(),
        throws: if world.chance(30) {
            world.rng.u64(1..20)
        } else {
            0
        },
        patience: *world.rng.choice(&[0, 50, 3_000]).expect("not empty"),
    }
}

fn random_edit(world: &mut World, page: usize) {
    const WORDS: [&str; 8] = ["a", "b", "é", "語", "🙂", "hello ", "\n", "👩‍👩‍👧"];
    let len = world.pages[page].document.len_chars();
    if len > 0 && world.chance(30) {
        let at = world.rng.usize(0..len);
        let some = 1 + world.rng.usize(0..(len - at).min(6));
        world.delete(page, at, some);
    } else if world.chance(3) {
        let long = "x".repeat(world.rng.usize(100..3_000));
        let at = world.rng.usize(0..=len);
        world.insert(page, at, &long);
    } else {
        let word = world.rng.choice(&WORDS).expect("not empty");
        let at = world.rng.usize(0..=len);
        world.insert(page, at, word);
    }
}

/// What can happen to a room. Returns whether it is an edit.
fn random_event(world: &mut World, names: &mut u32) -> bool {
    let n = world.pages.len();
    let page = world.rng.usize(0..n);
    let state = &world.pages[page];
    let runs = state.alive && state.activity == Activity::Running;
    match world.rng.u8(0..100) {
        0..60 if runs && !state.profile.reads => {
            random_edit(world, page);
            return true;
        }
        60..64 if runs => {
            let field = *world.rng.choice(&["cursor", "name"]).expect("not empty");
            let value = world.rng.u32(0..1_000).to_string();
            let value = (!world.chance(20)).then_some(value.as_str());
            world.show(page, field, value);
        }
        64..68 if n > 1 => {
            let other = (page + 1 + world.rng.usize(0..n - 1)) % n;
            if world.blocked.contains(&pair(page, other)) {
                world.unblock(page, other);
            } else {
                world.block(page, other);
            }
        }
        68..72 if state.alive => match state.activity {
            Activity::Running if world.rng.bool() => world.hide(page),
            Activity::Running => world.freeze(page),
            _ => world.wake(page),
        },
        72..75 if state.alive => {
            let online = !state.online;
            world.set_online(page, online);
        }
        75..77 if state.alive => world.change_network(page),
        77..80 if runs => {
            if world.rng.bool() {
                world.store(page);
                let agent = world.pages[page].profile.agent.clone();
                world.kill(page);
                world.run(20);
                // Some pages keep their secret over a reload, others get their name back late.
                if world.rng.bool() {
                    world.pages[page].profile.session = format!("session {}", world.now);
                }
                world.reload(page, &agent);
                world.connect(page);
            } else {
                world.store(page);
                world.kill(page);
            }
        }
        80..83 if !state.alive => {
            *names += 1;
            world.reload(page, &format!("p{page}-{names}"));
            world.connect(page);
        }
        83..87 => {
            let server = world.rng.usize(0..world.servers.len());
            if world.servers[server].is_up {
                let gracefully = world.rng.bool();
                world.stop_server(server, gracefully);
            } else {
                world.start_server(server);
            }
        }
        87..90 if runs => {
            if world.pages[page].wanted && world.rng.bool() {
                world.disconnect(page);
            } else {
                world.connect(page);
            }
        }
        90..93 if !world.cables.is_empty() => {
            let cable = world.rng.usize(0..world.cables.len());
            let is_cut = !world.cables[cable].is_cut;
            world.cut(cable, is_cut);
        }
        93..95 if n > 1 && runs && world.cables.len() < 3 && !world.has_readers() => {
            let other = (page + 1 + world.rng.usize(0..n - 1)) % n;
            let state = &world.pages[other];
            if state.alive && state.activity == Activity::Running {
                let manners = random_manners(world);
                world.plug(page, other, manners);
            }
        }
        93..95 if runs => {
            let uplink = world.chance(30).then(|| world.rng.u64(1..50));
            world.pages[page].uplink = uplink;
        }
        95..97 if runs && !world.pages[page].transports.is_empty() => {
            let transport = world.pages[page].transports.remove(0);
            world.call(page, Call::RemoveTransport(transport));
        }
        _ => {}
    }
    false
}

impl World {
    fn has_readers(&self) -> bool {
        self.pages.iter().any(|page| page.profile.reads)
    }
}

/// All members are back, and everything works except permanently blocked paths.
fn heal(world: &mut World, names: &mut u32) {
    let needs_first = |page: &Page| page.profile.servers == [0];
    let stays_down = !world.pages.iter().any(needs_first) && world.chance(20);
    for server in usize::from(stays_down)..world.servers.len() {
        world.start_server(server);
    }
    world.failing_steps = 0;
    if world.malice.take().is_some() {
        // An honest server replaces the dishonest one.
        for server in 0..world.servers.len() {
            world.stop_server(server, false);
        }
        world.run(100);
        for server in usize::from(stays_down)..world.servers.len() {
            world.start_server(server);
        }
    }
    for cable in 0..world.cables.len() {
        let manners = &mut world.cables[cable].manners;
        (manners.loss, manners.reorders, manners.throws) = (0, false, 0);
        world.cut(cable, false);
    }
    let stays: Vec<[usize; 2]> = world.blocked.iter().copied().collect();
    for [a, b] in stays {
        if !world.chance(30) {
            world.unblock(a, b);
        }
    }
    for page in 0..world.pages.len() {
        world.set_online(page, true);
        if world.pages[page].alive {
            world.wake(page);
        } else {
            *names += 1;
            world.reload(page, &format!("p{page}-{names}"));
        }
        world.pages[page].wanted = true;
    }
    world.connect_the_lost();
}

/// A room with a key in which some may only read: the first page writes, the last one reads. They reach each
/// other by whatever is left to them.
fn scenario_of_readers(seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut world = World::new(seed);
    world.add_server(settings(seed));
    world.latency.1 = world.latency.0 + *world.rng.choice(&[0, 5, 150]).expect("not empty");
    let n = world.rng.usize(2..=6);
    for number in 0..n {
        let browser = if world.chance(40) { 0 } else { number };
        let mut profile = Profile::new(&format!("p{number}"), browser);
        profile.host.webrtc = world.chance(80);
        profile.secret = Some("rose");
        profile.reads = number + 1 == n || number > 0 && world.chance(40);
        let page = world.open(profile);
        world.pages[page].eager = number % 2 == 0;
        world.connect(page);
    }
    live(&mut world, &mut figures);
    figures
}

/// Random events happen for a while; then the network recovers, and so must the rooms.
fn live(world: &mut World, figures: &mut Figures) {
    let mut names = 0;
    let pace = *world.rng.choice(&[5, 80, 1_500]).expect("not empty");
    for _ in 0..world.rng.usize(10..70) {
        figures.edits += u64::from(random_event(world, &mut names));
        let pause = world.rng.u64(0..=pace);
        world.run(pause);
    }
    heal(world, &mut names);
    figures.healing.push(world.converge(HEALING));
    world.assert_at_rest();
    world.assert_closes();
}

fn scenario(seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut world = World::new(seed);
    for _ in 0..world.rng.usize(1..=2) {
        world.add_server(settings(seed));
    }
    world.latency.0 = world.rng.u64(0..80);
    world.latency.1 = world.latency.0 + *world.rng.choice(&[0, 5, 150]).expect("not empty");
    if world.chance(10) {
        world.failing_steps = world.rng.u64(0..30);
    }
    if world.chance(5) {
        world.malice = Some(Malice::replaying());
    }
    let most = if world.chance(8) { 8 } else { 5 };
    let n = world.rng.usize(2..=most);
    for number in 0..n {
        let profile = random_profile(&mut world, number);
        let page = world.open(profile);
        let rate = *world
            .rng
            .choice(&[(1, 1), (19, 20), (21, 20)])
            .expect("some");
        let start = world.rng.u64(0..1 << 40);
        let lag = *world.rng.choice(&[0, 0, 4, 1_000]).expect("some");
        let uplink = world.chance(12).then(|| world.rng.u64(1..50));
        let state = &mut world.pages[page];
        state.clock = (start, rate);
        (state.lag, state.uplink) = (lag, uplink);
        state.eager = number % 2 == 0;
    }
    if world.chance(30) {
        let manners = random_manners(&mut world);
        world.plug(0, 1, manners);
    }
    for page in 0..n {
        world.connect(page);
    }
    live(&mut world, &mut figures);
    figures.pages = n as u64;
    figures.messages = world.traffic.speech;
    figures.relayed = world.traffic.relayed;
    figures
}

impl Figures {
    fn add(&mut self, other: Figures) {
        self.pages += other.pages;
        self.edits += other.edits;
        self.messages += other.messages;
        self.relayed += other.relayed;
        self.healing.extend(other.healing);
    }
}

/// The number in an environment variable.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Scenarios that failed once, each with its defect.
#[test]
fn scenarios_that_found_defects_pass() {
    // A large room became small when the members of a lost server were forgotten: nobody linked anew.
    // A socket broke before its server accepted it, and the model of the server kept it for good.
    const FOUND: [u64; 2] = [5_010_956, 183_358_353];
    for seed in FOUND {
        println!("SIM_SEED={seed} SIM_RUNS=1");
        scenario(seed);
    }
}

#[test]
fn readers_have_the_text_of_the_writers_once_the_network_recovers() {
    let first = given("SIM_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let runs = given("SIM_RUNS").unwrap_or(500);
    for seed in first..first + runs {
        if let Err(panic) = catch_unwind(|| scenario_of_readers(seed)) {
            eprintln!("failed with SIM_SEED={seed} SIM_RUNS=1");
            resume_unwind(panic);
        }
    }
}

#[test]
fn rooms_are_equal_silent_and_truthful_once_the_network_recovers() {
    let first = given("SIM_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let runs = given("SIM_RUNS").unwrap_or(3_000);
    println!("SIM_SEED={first} SIM_RUNS={runs}");
    let next = AtomicU64::new(first);
    let work = || {
        let mut figures = Figures::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + runs {
                return figures;
            }
            match catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
                Ok(of_one) => figures.add(of_one),
                Err(panic) => {
                    next.store(first + runs, Ordering::Relaxed);
                    eprintln!("failed with SIM_SEED={seed} SIM_RUNS=1");
                    resume_unwind(panic);
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut figures = Figures::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(of_one) => figures.add(of_one),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    figures.healing.sort_unstable();
    let at = |percent: usize| figures.healing[(figures.healing.len() - 1) * percent / 100];
    println!(
        "{runs} scenarios, {} pages, {} edits, {} messages, {} relayed; at rest after healing within \
         {} ms (median), {} ms (99 %), {} ms (all)",
        figures.pages,
        figures.edits,
        figures.messages,
        figures.relayed,
        at(50),
        at(99),
        at(100),
    );
}
