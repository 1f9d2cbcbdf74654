//! Named scenarios.

mod alone;
mod faults;
mod keys;
mod links;
mod logs;
mod names;
mod readers;
mod servers;
mod transports;
mod truths;

use crdt_room::PeerLink;
use signaling_rooms::Settings;

use crate::page::Profile;
use crate::world::World;

/// The time limit of a scenario's waits.
const PATIENCE: u64 = 60_000;

/// A server, and pages of these names, each in a browser of its own, that are not connected yet.
fn opened(names: &[&str], adjust: impl Fn(&mut Profile)) -> World {
    let mut world = World::new(names.len() as u64);
    world.add_server(Settings::default());
    for (browser, name) in names.iter().enumerate() {
        let mut profile = Profile::new(name, browser);
        adjust(&mut profile);
        world.open(profile);
    }
    world
}

/// The same, connected and at rest.
fn connected(names: &[&str], adjust: impl Fn(&mut Profile)) -> World {
    let mut world = opened(names, adjust);
    connect_all(&mut world);
    world.converge(PATIENCE);
    world
}

fn connect_all(world: &mut World) {
    for page in 0..world.pages.len() {
        world.connect(page);
    }
}

/// At rest, and then closed.
fn ends_well(mut world: World) {
    world.assert_at_rest();
    world.assert_closes();
}

/// The page's status of the link to a peer.
fn link(world: &World, page: usize, peer: &str) -> PeerLink {
    let links = world.pages[page].status().links;
    let mut links = links.into_iter().filter(|link| link.peer == peer);
    links
        .next()
        .unwrap_or_else(|| panic!("{peer} is not named"))
}

/// The diagnosis of a page.
fn doctor(world: &World, page: usize) -> serde_json::Value {
    let page = &world.pages[page];
    serde_json::to_value(page.room.doctor(&page.document)).expect("a diagnosis is JSON")
}

/// Lets time pass until a page has this text.
fn until_text(world: &mut World, page: usize, text: &str) {
    world.until(text, PATIENCE, |world| world.pages[page].text() == text);
}

/// Lets time pass until a page is linked to these peers.
fn until_peers(world: &mut World, page: usize, peers: &[&str]) {
    let what = format!("{peers:?} at page {page}");
    world.until(&what, PATIENCE, |world| {
        world.pages[page].status().peers == peers
    });
}
