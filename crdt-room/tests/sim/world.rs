//! A virtual network and clock, with pages and signaling servers on it.
//!
//! Time advances with events, and all randomness comes from one seed. A model of a host object (a
//! socket, a peer connection, a broadcast channel, a transport) receives the commands of a page
//! from its driver (`driver.rs`) and answers later, with [`World::arrive`].

use std::collections::{BTreeMap, BTreeSet};

use crdt_room::TransportId;
use fastrand::Rng;

use crate::arrival::Arrival;
use crate::cable::Cable;
use crate::connection::Connection;
use crate::hand::Hand;
use crate::hostile::Malice;
use crate::logs::Written;
use crate::page::Page;
use crate::socket::{Server, Socket};
use crate::traffic::Traffic;

/// An event at its time.
pub(crate) type Event = Box<dyn FnOnce(&mut World)>;

/// One load of a page: events for an earlier load do not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) page: usize,
    pub(crate) number: u32,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    /// True time, in milliseconds.
    pub(crate) now: u64,
    pub(crate) pages: Vec<Page>,
    pub(crate) servers: Vec<Server>,
    pub(crate) sockets: BTreeMap<u32, Socket>,
    pub(crate) connections: BTreeMap<u32, Connection>,
    pub(crate) cables: Vec<Cable>,
    pub(crate) hands: BTreeMap<TransportId, Hand>,
    /// Pairs of pages between which the networks let no direct connection through.
    pub(crate) blocked: BTreeSet<[usize; 2]>,
    /// Least and greatest time from one machine to another, in milliseconds.
    pub(crate) latency: (u64, u64),
    /// The manipulations of dishonest servers.
    pub(crate) malice: Option<Malice>,
    /// The descriptions that browsers made, each with the page that it was made at.
    pub(crate) descriptions: BTreeMap<String, usize>,
    /// How many of a thousand steps of a peer connection fail.
    pub(crate) failing_steps: u64,
    pub(crate) traffic: Traffic,
    /// The entries that pages wrote to the logs of servers.
    pub(crate) written: Vec<Written>,
    /// Whether to print the inputs and outputs of pages: `SIM_TRACE` is set.
    pub(crate) trace: bool,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            rng: Rng::with_seed(seed),
            now: 0,
            pages: Vec::new(),
            servers: Vec::new(),
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            cables: Vec::new(),
            hands: BTreeMap::new(),
            blocked: BTreeSet::new(),
            latency: (10, 30),
            malice: None,
            descriptions: BTreeMap::new(),
            failing_steps: 0,
            traffic: Traffic::default(),
            written: Vec::new(),
            trace: std::env::var_os("SIM_TRACE").is_some(),
            events: BTreeMap::new(),
            counter: 0,
        }
    }

    /// A number that was not given out before.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.counter += 1;
        u32::try_from(self.counter).expect("a scenario has fewer events")
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.rng.u64(0..100) < percent
    }

    /// The time that a packet takes from one machine to another.
    pub(crate) fn trip(&mut self) -> u64 {
        self.rng.u64(self.latency.0..=self.latency.1)
    }

    /// Schedules an event after a delay.
    pub(crate) fn after(&mut self, delay: u64, event: impl FnOnce(&mut World) + 'static) {
        self.at(self.now.saturating_add(delay), event);
    }

    /// Schedules an event at a time.
    pub(crate) fn at(&mut self, time: u64, event: impl FnOnce(&mut World) + 'static) {
        self.counter += 1;
        let key = (time.max(self.now), self.counter);
        self.events.insert(key, Box::new(event));
    }

    /// Delivers an input to a page after a delay.
    pub(crate) fn arrive(&mut self, delay: u64, load: Load, arrival: Arrival) {
        self.after(delay, move |world| world.deliver(load, arrival));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(entry) = self.events.first_entry() {
            let at = entry.key().0;
            if at > end {
                break;
            }
            let event = entry.remove();
            self.now = at;
            event(self);
        }
        self.now = end;
    }

    /// Lets time pass until a condition is true; returns the time that took.
    pub(crate) fn until(
        &mut self,
        what: &str,
        at_most: u64,
        holds: impl Fn(&World) -> bool,
    ) -> u64 {
        let start = self.now;
        while !holds(self) {
            assert!(
                self.now - start < at_most,
                "never within {at_most} ms: {what}: {}",
                self.picture()
            );
            self.run(20);
        }
        self.now - start
    }

    /// Whether the networks let two pages reach each other directly.
    pub(crate) fn is_reachable(&self, a: usize, b: usize) -> bool {
        let [one, other] = [&self.pages[a], &self.pages[b]];
        one.alive
            && other.alive
            && one.online
            && other.online
            && !self.blocked.contains(&pair(a, b))
    }

    /// The networks let no direct connection through between two pages.
    pub(crate) fn block(&mut self, a: usize, b: usize) {
        self.blocked.insert(pair(a, b));
        self.review_connections();
    }

    /// They do again.
    pub(crate) fn unblock(&mut self, a: usize, b: usize) {
        self.blocked.remove(&pair(a, b));
        self.review_connections();
    }

    /// A description of all pages, for failure messages.
    pub(crate) fn picture(&self) -> String {
        let pages = self.pages.iter().map(Page::picture);
        let pages: String = pages.collect();
        format!("at {}:{pages}", self.now)
    }
}

/// Two pages, in order.
pub(crate) fn pair(a: usize, b: usize) -> [usize; 2] {
    [a.min(b), a.max(b)]
}
