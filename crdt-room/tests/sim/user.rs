//! The actions of a page's user, and the events that the page reports to the user.

use crdt_core::Document;
use crdt_room::{Call, CallId, News};

use crate::arrival::Arrival;
use crate::page::{Activity, Page, Profile};
use crate::world::{Load, World};

impl World {
    /// Loads a page.
    pub(crate) fn open(&mut self, profile: Profile) -> usize {
        let document = Document::new(&profile.agent).expect("a valid name");
        let load = Load {
            page: self.pages.len(),
            number: self.next_number(),
        };
        let seed = self.rng.u64(..);
        self.pages.push(Page::open(profile, load, document, seed));
        load.page
    }

    /// The time at a page.
    pub(crate) fn local(&self, page: usize) -> u64 {
        let (offset, (a, b)) = self.pages[page].clock;
        offset + self.now * a / b
    }

    /// The user joins the room with the servers of the profile.
    pub(crate) fn connect(&mut self, page: usize) -> CallId {
        let servers = self.pages[page].profile.servers.clone();
        let urls = servers.into_iter().map(|number| self.servers[number].url());
        let urls = urls.collect();
        self.connect_to(page, urls)
    }

    pub(crate) fn connect_to(&mut self, page: usize, urls: Vec<String>) -> CallId {
        let number = self.rng.u64(..);
        let state = &mut self.pages[page];
        state.calls += 1;
        state.wanted = true;
        let call = CallId(state.calls);
        let connect = Call::Connect {
            call,
            urls,
            page: number,
        };
        self.call(page, connect);
        call
    }

    pub(crate) fn disconnect(&mut self, page: usize) {
        self.pages[page].wanted = false;
        self.call(page, Call::Disconnect);
    }

    /// The user makes a call. A page that does not run has no user.
    pub(crate) fn call(&mut self, page: usize, call: Call) {
        assert_eq!(self.pages[page].activity, Activity::Running);
        self.give(page, Arrival::Call(call));
    }

    /// Types, as an editor would.
    pub(crate) fn insert(&mut self, page: usize, at: usize, text: &str) {
        let state = &mut self.pages[page];
        state.document.insert(at, text).expect("within the text");
        state.mirror.splice(at..at, text.chars());
        self.give(page, Arrival::Edited);
    }

    /// Types at the end.
    pub(crate) fn type_in(&mut self, page: usize, text: &str) {
        self.insert(page, self.pages[page].document.len_chars(), text);
    }

    pub(crate) fn delete(&mut self, page: usize, at: usize, len: usize) {
        let state = &mut self.pages[page];
        state.document.delete(at, len).expect("within the text");
        state.mirror.splice(at..at + len, []);
        self.give(page, Arrival::Edited);
    }

    /// Sets a presence field of a page's user; `value` is a JSON text.
    pub(crate) fn show(&mut self, page: usize, field: &str, value: Option<&str>) {
        let own = &mut self.pages[page].presence;
        match value {
            Some(value) => own.insert(field.to_owned(), value.to_owned()),
            None => own.remove(field),
        };
        let set = Call::SetPresence {
            field: field.to_owned(),
            value: value.map(str::to_owned),
        };
        self.call(page, set);
    }

    /// Handles an event that a page reports to its user.
    pub(crate) fn tell(&mut self, page: usize, news: News) {
        let now = self.now;
        let state = &mut self.pages[page];
        let told = &mut state.told;
        match news {
            News::ConnectEnded { call, result } => {
                let before = told.ended.insert(call.0, result);
                assert!(before.is_none(), "a call ends once");
            }
            News::Status(status) => {
                let before = told.status.replace(*status);
                told.statuses += 1;
                let is_same = |before| {
                    !told
                        .status
                        .as_ref()
                        .is_some_and(|now| now.differs_visibly(before))
                };
                assert!(!before.as_ref().is_some_and(is_same), "no news: {before:?}");
            }
            News::Peers {
                peers,
                joined,
                left,
            } => {
                for peer in left {
                    assert!(told.peers.remove(&peer), "{peer} left and was not there");
                }
                for peer in joined {
                    assert!(told.peers.insert(peer), "joined twice");
                }
                assert!(peers.iter().eq(&told.peers), "{peers:?} {:?}", told.peers);
            }
            News::Changed { splices } => {
                for splice in splices {
                    let (at, deleted) = (splice.pos.chars, splice.deleted.chars);
                    let inserted = splice.inserted.chars();
                    state.mirror.splice(at..at + deleted, inserted);
                }
            }
            News::Synced { peer } => told.synced.push(peer),
            News::Presence {
                session,
                fields,
                left,
                peer,
            } => {
                let shown = told.presence.entry(session).or_default();
                for (name, value) in fields {
                    match value {
                        Some(value) => shown.insert(name, value),
                        None => shown.remove(&name),
                    };
                }
                if left {
                    told.presence.remove(&session);
                    told.left.push(peer);
                }
            }
            News::Outdated { .. } => told.outdated += 1,
            News::Diverged { .. } => told.diverged += 1,
            News::Error(error) => told.errors.push((now, error)),
        }
    }
}
