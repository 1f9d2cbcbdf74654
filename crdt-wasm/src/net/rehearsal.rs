//! A meeting of two replicas that nobody sees.
//!
//! A browser compiles a WebAssembly function when it is first called, so the first meeting of a page
//! waits for that at every step: some 6 ms at both ends together. A page that has just been opened and has
//! nothing to do rehearses one, with documents of its own. Where the browser does not say when that
//! is, nothing is rehearsed.
//!
//! Once a function has been in use for a while, the browser compiles it a second time, better: the
//! allocator, first of all, and what a keystroke runs through in JavaScript and between that and
//! WebAssembly. It would do so while somebody types, and each keystroke until then would take longer. So
//! these are put to use here until that is behind them, in a document of their own.

use std::hint::black_box;

use crdt_core::Document;
use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output, OwnedSplice};
use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::*;

use super::crossing;
use super::pump::changes_of;
use crate::registry;

const LINK: LinkId = LinkId(0);

/// The most messages that the meeting takes.
const MESSAGES: usize = 100;

/// What comes after the meeting goes in turns, which are shorter than all at once, so that nobody waits
/// for them.
const TURNS: usize = 8;

/// In all turns together, Chromium compiles the allocator again after so many allocations of each, and
/// what is between JavaScript and the module after so many keystrokes.
const ALLOCATIONS: usize = 5_000;
const KEYSTROKES: u32 = 150;

#[wasm_bindgen(module = "/src/document.js")]
extern "C" {
    #[wasm_bindgen(js_name = insert)]
    fn insert_by_page(handle: u32, position: u32, text: &str) -> JsValue;
}

/// When the module was loaded.
#[wasm_bindgen(start)]
fn loaded() {
    crossing::open();
    when_idle(|| {
        rehearse(&|splices| drop(black_box(changes_of(splices))));
        go_on(TURNS);
    });
}

/// Does something when the browser has nothing to do, if it is one that says when that is.
fn when_idle(act: impl FnOnce() + 'static) {
    let wait = Reflect::get(&js_sys::global(), &"requestIdleCallback".into());
    if let Some(wait) = wait.ok().and_then(|wait| wait.dyn_into::<Function>().ok()) {
        // One who refuses to wait is one more who does not rehearse.
        let _ = wait.call1(&JsValue::UNDEFINED, &Closure::once_into_js(act));
    }
}

/// Takes so many turns.
fn go_on(turns: usize) {
    allocate();
    type_by_page();
    crossing::rehearse(KEYSTROKES);
    if turns > 1 {
        when_idle(move || go_on(turns - 1));
    }
}

/// Takes memory and gives it back.
fn allocate() {
    for at in 0..ALLOCATIONS {
        let bytes = 8 << (at % 4);
        // The compiler would leave out what nobody looks at.
        drop(black_box(Vec::<u8>::with_capacity(bytes)));
    }
}

/// Types into a document as a page does.
fn type_by_page() {
    let Ok(document) = Document::new("alone") else {
        return;
    };
    let handle = registry::add(document);
    for at in 0..KEYSTROKES {
        insert_by_page(handle, at, "a");
    }
    let _ = registry::remove(handle);
}

/// Lets a replica with a text and an empty one meet, and type. `tell` hears of the changes. Returns
/// whether the texts came to be equal.
fn rehearse(tell: &dyn Fn(Vec<OwnedSplice>)) -> bool {
    let documents = [Document::new("one"), Document::new("other")];
    let [Ok(one), Ok(other)] = documents else {
        return false;
    };
    let mut documents = [one, other];
    let mut engines = ["one", "other"].map(|name| {
        let session = name.len() as u64;
        Engine::new(Config::default(), name, session)
    });
    if documents[0].insert(0, "a rehearsal").is_err() || documents[0].delete(1, 1).is_err() {
        return false;
    }
    for (engine, document) in engines.iter_mut().zip(&documents) {
        engine.link_up(LINK, LinkOptions::default(), 0, document);
    }
    meet(&mut engines, &mut documents, 0, tell);
    // A second later each types, and asks whether the other is there.
    for (now, at) in [(1_001, 0), (1_050, 1)] {
        if documents[at].insert(2, "!").is_err() {
            return false;
        }
        engines[at].local_edit(now, &documents[at]);
        engines[at].tick(now, &mut documents[at]);
        meet(&mut engines, &mut documents, now, tell);
    }
    documents[0].text() == documents[1].text()
}

/// Takes every message to the other end, until there is none.
fn meet(
    engines: &mut [Engine; 2],
    documents: &mut [Document; 2],
    now: u64,
    tell: &dyn Fn(Vec<OwnedSplice>),
) {
    for _ in 0..MESSAGES {
        let mut quiet = true;
        for from in [0, 1] {
            let to = 1 - from;
            while let Some(output) = engines[from].poll_output() {
                match output {
                    Output::Send {
                        message: Outgoing::Binary(bytes),
                        ..
                    } => {
                        quiet = false;
                        engines[from].buffered_amount(LINK, 0, now, &documents[from]);
                        let message = Incoming::Binary(&bytes);
                        engines[to].receive(LINK, message, now, &mut documents[to]);
                    }
                    Output::Changed { splices } => tell(splices),
                    _ => {}
                }
            }
        }
        if quiet {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    #[test]
    fn a_history_comes_and_both_type() {
        let told = RefCell::new(Vec::new());
        let tell = |splices: Vec<super::OwnedSplice>| {
            let inserted = splices.into_iter().map(|splice| splice.inserted);
            told.borrow_mut().extend(inserted);
        };
        assert!(super::rehearse(&tell));
        assert_eq!(*told.borrow(), ["arehearsal", "!", "!"]);
    }
}
