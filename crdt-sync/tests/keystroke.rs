//! The cost of a keystroke, as its number of allocations.
//!
//! A global allocator cannot be written without `unsafe`. This one hands every call on to the
//! system's, unchanged.
#![allow(unsafe_code, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crdt_core::Document;
use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output};

const LINK: LinkId = LinkId(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Each test runs in a thread of its own.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every method calls the system's of the same name with the arguments it got.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// Two synced replicas of a document with the given number of agents.
struct Pair {
    docs: [Document; 2],
    engines: [Engine; 2],
    now: u64,
}

/// A document with the given number of agents.
fn document(name: &str, agents: usize) -> Document {
    let mut doc = Document::new(name).expect("a valid name");
    for agent in 0..agents {
        let mut other = Document::new(&format!("agent {agent}")).expect("a valid name");
        other.insert(0, "Hello").expect("position 0 exists");
        let patch = other.encode_since(&doc.summary());
        let merged = doc.merge_patch(&patch.expect("it is all here"));
        merged.expect("a whole history");
    }
    doc
}

impl Pair {
    fn new(agents: usize) -> Pair {
        let docs = [document("ann", agents), document("bob", 0)];
        let engines = [("ann", 1), ("bob", 2)]
            .map(|(agent, session)| Engine::new(Config::default(), agent, session));
        let mut pair = Pair {
            docs,
            engines,
            now: 0,
        };
        for side in 0..2 {
            let (engine, doc) = (&mut pair.engines[side], &pair.docs[side]);
            engine.link_up(LINK, LinkOptions::default(), 0, doc);
        }
        while pair.pass(0) + pair.pass(1) > 0 {}
        assert_eq!(pair.docs[1].text(), pair.docs[0].text());
        pair
    }

    /// Delivers the messages of one side to the other; returns their number.
    fn pass(&mut self, from: usize) -> usize {
        let to = 1 - from;
        let mut messages = 0;
        loop {
            match self.engines[from].poll_output() {
                Some(Output::Send {
                    message: Outgoing::Binary(bytes),
                    ..
                }) => {
                    messages += 1;
                    let (now, docs) = (self.now, &mut self.docs);
                    self.engines[from].buffered_amount(LINK, 0, now, &docs[from]);
                    let message = Incoming::Binary(&bytes);
                    self.engines[to].receive(LINK, message, now, &mut docs[to]);
                }
                Some(_) => {}
                None if self.engines[from].send_on(self.now, &self.docs[from]) => {}
                None => return messages,
            }
        }
    }

    /// One side types a character, and the other receives it; returns the number of allocations.
    fn keystroke(&mut self) -> usize {
        self.now += 100;
        let before = COUNT.get();
        let end = self.docs[0].len_chars();
        self.docs[0].insert(end, "a").expect("the end exists");
        self.engines[0].local_edit(self.now, &self.docs[0]);
        assert_eq!(self.pass(0), 1);
        let count = COUNT.get() - before;
        assert_eq!(self.pass(1), 0);
        count
    }
}

/// Each opened page adds an agent, so a used document soon has many.
#[test]
fn a_keystroke_costs_the_same_however_many_agents_there_are() {
    let costs = [2, 1_000].map(|agents| {
        let mut pair = Pair::new(agents);
        // What grows now and then is not what a keystroke costs.
        let cost = (0..20).map(|_| pair.keystroke()).min();
        assert_eq!(pair.docs[1].text(), pair.docs[0].text());
        cost.unwrap_or_default()
    });
    println!("allocations a keystroke, both sides together: {costs:?}");
    assert!(costs[0] > 0, "they are counted");
    assert_eq!(costs[0], costs[1]);
}

/// A peer may announce events that no other replica ever receives.
#[test]
fn a_keystroke_costs_the_same_whatever_a_peer_announces() {
    let costs = [2, 1_000].map(|agents| {
        let (mut ann, bob) = (document("ann", 0), document("bob", agents));
        let [mut here, mut there] = [("ann", 1), ("bob", 2)]
            .map(|(agent, session)| Engine::new(Config::default(), agent, session));
        here.link_up(LINK, LinkOptions::default(), 0, &ann);
        there.link_up(LINK, LinkOptions::default(), 0, &bob);
        // Its hello comes, and nothing else does.
        let mut hello = None;
        while let Some(output) = there.poll_output() {
            if let Output::Send {
                message: Outgoing::Binary(bytes),
                ..
            } = output
            {
                hello.get_or_insert(bytes);
            }
        }
        let hello = hello.expect("a link begins with a hello");
        here.receive(LINK, Incoming::Binary(&hello), 0, &mut ann);
        while here.poll_output().is_some() {}
        let cost = (1..=20).map(|stroke| {
            let now = 100 * stroke;
            let before = COUNT.get();
            ann.insert(0, "a").expect("position 0 exists");
            here.local_edit(now, &ann);
            let mut sent = 0;
            while let Some(output) = here.poll_output() {
                sent += usize::from(matches!(output, Output::Send { .. }));
            }
            here.buffered_amount(LINK, 0, now, &ann);
            assert_eq!(sent, 1);
            COUNT.get() - before
        });
        let cost = cost.min().unwrap_or_default();
        let behind: u64 = here.peers(&ann).map(|peer| peer.behind).sum();
        assert_eq!(behind, 5 * agents as u64, "it is said to have them");
        cost
    });
    assert!(costs[0] > 0, "they are counted");
    assert_eq!(costs[0], costs[1]);
}
