//! The end of every scenario: converged, silent, and finally closed.

use crdt_room::{Call, Phase};

use crate::page::Activity;
use crate::traffic::Traffic;
use crate::world::World;

/// The interval at which the user of a page that gave up connects again.
const TRY_AGAIN: u64 = 5_000;

/// The time in which rooms have to come to rest, and the time for which they are then watched.
const SETTLING: u64 = 25_000;
const WATCHED: u64 = 20_000;

/// The jobs of the cipher of one page that may be under way at rest, and for how long there may be more, in
/// milliseconds: heartbeats by the relay and attempts in vain may fall together.
const CIPHER_JOBS: usize = 2;
const MANY_JOBS: u64 = 200;

/// No job of the cipher takes longer, in milliseconds.
const JOB: u64 = 5_000;

/// What may be under way at rest, in bytes, and for how long that may be more, in milliseconds: heartbeats and
/// attempts in vain may fall together.
const FEW_BYTES: usize = 2_048;
const MANY_BYTES: u64 = 1_000;

impl World {
    /// Lets time pass until all is as it has to be; how long that took. Users whose page gave up
    /// connect again.
    pub(crate) fn converge(&mut self, at_most: u64) -> u64 {
        let start = self.now;
        let mut tried = self.now;
        loop {
            let complaints = self.complaints();
            if complaints.is_empty() {
                return self.now - start;
            }
            assert!(
                self.now - start < at_most,
                "not at rest after {at_most} ms:\n{}\n{}",
                complaints.join("\n"),
                self.picture()
            );
            if self.now - tried >= TRY_AGAIN {
                tried = self.now;
                self.connect_the_lost();
            }
            self.run(250);
        }
    }

    /// Users who want to be connected, and are not, and whose page does not try, connect.
    pub(crate) fn connect_the_lost(&mut self) {
        for page in self.members() {
            let status = self.pages[page].status();
            if matches!(status.state, Phase::Error | Phase::Disconnected) {
                self.connect(page);
            }
        }
    }

    /// All rooms have the same text, are silent, and report a true status.
    pub(crate) fn assert_at_rest(&mut self) {
        self.run(SETTLING);
        let before = self.traffic.clone();
        let errors = self.count(|page| page.told.errors.len());
        let statuses = self.count(|page| page.told.statuses);
        let frames = self.servers.iter().map(|server| server.frames).sum::<u64>();
        let since = self.now;
        self.run(WATCHED);
        let complaints = self.complaints();
        assert!(
            complaints.is_empty(),
            "no longer at rest:\n{}\n{}",
            complaints.join("\n"),
            self.picture()
        );
        let after = &self.traffic;
        let said = |traffic: &Traffic| traffic.speech + traffic.receipts;
        let said = said(after) - said(&before);
        // An unreachable page is tried again for ever, now and then.
        let pairs = (self.pages.len() * self.pages.len()) as u64;
        let is_in_vain = self.has_unreachable() || self.has_vain_attempts() || self.has_keepsakes();
        let bound = if is_in_vain { pairs * 40 } else { 0 };
        assert!(
            said <= bound,
            "{said} messages since {since}: {}",
            self.picture()
        );
        if !self.needs_relay() {
            assert_eq!(after.relayed, before.relayed, "relayed since {since}");
        }
        if !is_in_vain {
            assert_eq!(after.signals, before.signals, "signals since {since}");
            let told = self.count(|page| page.told.errors.len()) - errors;
            assert_eq!(told, 0, "errors since {since}");
            let told = self.count(|page| page.told.statuses) - statuses;
            assert_eq!(told, 0, "news since {since}");
        } else {
            let frames = self.servers.iter().map(|server| server.frames).sum::<u64>() - frames;
            let relayed = after.relayed - before.relayed;
            assert!(
                frames - relayed.min(frames) <= pairs * 40,
                "{frames} frames"
            );
        }
        self.assert_bounded();
        self.assert_jobs_end();
        for page in &self.pages {
            assert_eq!(page.told.diverged, 0, "{}", page.picture());
        }
    }

    /// Nothing waits anywhere for long, but for a heartbeat here and there.
    fn assert_bounded(&mut self) {
        let since = self.now;
        // Many heartbeats may fall together, and they are gone a moment later.
        while self.waiting().into_iter().max() > Some(FEW_BYTES) && self.now < since + MANY_BYTES {
            self.run(10);
        }
        let [sockets, connections] = self.waiting();
        assert!(sockets <= FEW_BYTES, "{sockets} bytes wait in sockets");
        assert!(
            connections <= FEW_BYTES,
            "{connections} bytes wait in connections"
        );
        for page in &self.pages {
            assert!(page.backlog.is_empty());
        }
    }

    /// The bytes that wait in sockets, and those in direct connections.
    fn waiting(&self) -> [usize; 2] {
        let sockets = self.sockets.values().map(|socket| socket.buffered);
        let connections = self.connections.values().map(|end| end.path.buffered);
        [sockets.sum(), connections.sum()]
    }

    /// The cipher has little to do, and ends what it has begun.
    fn assert_jobs_end(&mut self) {
        let most = |world: &World| {
            let jobs = world.pages.iter().map(|page| page.held.jobs.len());
            jobs.max().unwrap_or(0)
        };
        let since = self.now;
        while most(self) > CIPHER_JOBS && self.now < since + MANY_JOBS {
            self.run(10);
        }
        let jobs = most(self);
        assert!(
            jobs <= CIPHER_JOBS,
            "{jobs} jobs of the cipher are under way"
        );
        let begun: Vec<_> = self
            .pages
            .iter()
            .map(|page| page.held.jobs.clone())
            .collect();
        self.run(JOB);
        for (page, begun) in self.pages.iter().zip(begun) {
            let stays = page.held.jobs.intersection(&begun).next();
            assert_eq!(stays, None, "a job of the cipher does not end");
        }
    }

    fn count(&self, of: impl Fn(&crate::page::Page) -> usize) -> usize {
        self.pages.iter().map(of).sum()
    }

    /// All members leave, one after the other: nothing stays open, and the remaining members see
    /// it.
    pub(crate) fn assert_closes(&mut self) {
        for page in 0..self.pages.len() {
            if !self.pages[page].alive {
                continue;
            }
            assert_eq!(self.pages[page].activity, Activity::Running);
            if page % 2 == 0 {
                self.disconnect(page);
            } else {
                self.pages[page].wanted = false;
                self.call(page, Call::Destroy);
            }
            let picture = self.pages[page].picture();
            let state = &self.pages[page];
            assert!(state.held.is_empty(), "something is open: {picture}");
            let status = state.status();
            assert_eq!(status.state, Phase::Disconnected, "{picture}");
            assert!(!status.connected && status.peers.is_empty(), "{picture}");
            assert!(status.links.is_empty(), "{picture}");
            let local = self.local(page);
            let due = self.pages[page].room.next_timeout(local);
            assert_eq!(due, None, "a timer without a purpose: {picture}");
            self.run(300);
        }
        self.run(60_000);
        assert!(self.connections.is_empty(), "connections stay open");
        let sockets: Vec<&u32> = self.sockets.keys().collect();
        assert!(sockets.is_empty(), "sockets stay open: {:?}", self.sockets);
    }
}
