//! The life of a page: it is hidden, frozen, offline, killed, and loaded again.

use crdt_core::{Document, VersionSummary};
use crdt_room::{Call, PageEvent};

use crate::arrival::Arrival;
use crate::page::{Activity, Page};
use crate::world::{Load, World};

impl World {
    /// The page goes into the browser's cache.
    pub(crate) fn hide(&mut self, page: usize) {
        if self.pages[page].held.keep_alive {
            self.give(page, Arrival::Page(PageEvent::Hidden));
        }
        self.pages[page].activity = Activity::Hidden;
    }

    /// The page goes into the background, and receives nothing.
    pub(crate) fn freeze(&mut self, page: usize) {
        self.pages[page].activity = Activity::Frozen;
    }

    /// The page is shown again, or unfrozen.
    pub(crate) fn wake(&mut self, page: usize) {
        let state = &mut self.pages[page];
        let before = std::mem::replace(&mut state.activity, Activity::Running);
        if before == Activity::Running {
            return;
        }
        let backlog = std::mem::take(&mut state.backlog);
        if before == Activity::Hidden && state.held.keep_alive {
            let shown = PageEvent::Shown {
                page: self.rng.u64(..),
            };
            self.give(page, Arrival::Page(shown));
        }
        for arrival in backlog {
            let load = self.pages[page].load;
            self.deliver(load, arrival);
        }
        self.pages[page].armed = None;
        self.arm(page);
    }

    /// The machine loses its network, or has one again, perhaps another.
    pub(crate) fn set_online(&mut self, page: usize, online: bool) {
        if self.pages[page].online == online {
            return;
        }
        self.pages[page].online = online;
        if online {
            self.release_sockets(page);
            let (load, hears) = (self.pages[page].load, self.pages[page].held.keep_alive);
            if hears {
                self.arrive(1, load, Arrival::Page(PageEvent::Online));
            }
        } else {
            self.stall_sockets(page);
        }
        self.review_connections();
    }

    /// The machine changes networks: every path and socket of the old one is dead.
    pub(crate) fn change_network(&mut self, page: usize) {
        self.pages[page].network += 1;
        self.break_sockets(page);
        self.review_connections();
    }

    /// Stores the document so that it survives the end of the page.
    pub(crate) fn store(&mut self, page: usize) {
        let state = &mut self.pages[page];
        let all = state.document.encode_since(&VersionSummary::new());
        state.stored = all.expect("a history can be encoded");
    }

    /// The page ends without a message.
    pub(crate) fn kill(&mut self, page: usize) {
        let state = &mut self.pages[page];
        state.alive = false;
        state.backlog.clear();
        state.activity = Activity::Running;
        self.drop_everything(page);
    }

    /// The page is loaded again from the stored document, under a name that the caller chooses.
    pub(crate) fn reload(&mut self, page: usize, agent: &str) {
        let mut document = Document::new(agent).expect("a valid name");
        if !self.pages[page].stored.is_empty() {
            let patch = std::mem::take(&mut self.pages[page].stored);
            document.merge_patch(&patch).expect("what was stored");
            self.pages[page].stored = patch;
        }
        let mut profile = self.pages[page].profile.clone();
        profile.agent = agent.to_owned();
        let load = Load {
            page,
            number: self.next_number(),
        };
        let seed = self.rng.u64(..);
        let before = &self.pages[page];
        let mut after = Page::open(profile, load, document, seed);
        after.network = before.network;
        after.clock = before.clock;
        (after.lag, after.eager) = (before.lag, before.eager);
        after.uplink = before.uplink;
        after.transports.clone_from(&before.transports);
        after.stored.clone_from(&before.stored);
        self.pages[page] = after;
        let transports = self.pages[page].transports.clone();
        for transport in transports {
            self.call(page, Call::AddTransport(transport));
        }
    }
}
