//! What a page does before anybody is there: it rehearses a connection, so that the first real one
//! does not wait for the browser.
//!
//! A browser compiles a WebAssembly function when it is first called, so the first meeting of a page
//! waits for that at every step. Once a function has been in use for a while, the browser compiles it a
//! second time, better: it does so while a history comes, on a processor that has enough to do then, and
//! the first keystrokes take longer until that is behind them.
//!
//! So a page that has just been opened and has nothing to do goes through it with documents of its own:
//! two are [introduced](introduction) to each other, one [takes in](meeting) the history of the other,
//! and both type; and what a keystroke runs through in JavaScript, and between that and WebAssembly, is
//! put to use. Where the browser does not say when a page has nothing to do, nothing is rehearsed.

mod introduction;
mod meeting;

use std::hint::black_box;

use crdt_core::Document;
use js_sys::{Function, Reflect};
use signaling_protocol::PeerList;
use wasm_bindgen::prelude::*;

use self::meeting::Meeting;
use super::crossing;
use super::pump::changes_of;
use crate::object::plain;
use crate::registry;

/// Of how long a piece is done at once, in milliseconds: who comes meanwhile waits so long.
const PIECE_MILLIS: f64 = 4.0;

/// In all meetings together, Chromium compiles again what takes a history in, after so many edits of
/// it; the allocator, after so many allocations after each meeting; and what is between JavaScript and
/// the module, after so many keystrokes.
const MEETINGS: usize = 8;
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
    go_on(Rehearsal {
        introduced: false,
        meetings: MEETINGS,
        meeting: None,
    });
}

/// Takes up a rehearsal whenever the browser has nothing to do, until it is over.
fn go_on(mut rehearsal: Rehearsal) {
    when_idle(move || {
        let begun = crossing::now();
        while rehearsal.step() {
            if crossing::now() - begun > PIECE_MILLIS {
                go_on(rehearsal);
                return;
            }
        }
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

struct Rehearsal {
    introduced: bool,
    /// How many meetings are still to come.
    meetings: usize,
    meeting: Option<Meeting>,
}

impl Rehearsal {
    /// Goes on a little; returns whether there is more to do.
    fn step(&mut self) -> bool {
        if !self.introduced {
            self.introduced = true;
            let take = |list: &PeerList| drop(black_box(plain(&list.ice_servers)));
            // What fails here fails in earnest as well, and is told of then.
            let _ = introduction::introduce(&take);
            return true;
        }
        if let Some(meeting) = &mut self.meeting {
            let tell = |splices| drop(black_box(changes_of(splices)));
            if !matches!(meeting.step(&tell), Ok(true)) {
                self.meeting = None;
                allocate();
                type_by_page();
                crossing::rehearse(KEYSTROKES);
            }
            return true;
        }
        if self.meetings == 0 {
            return false;
        }
        self.meetings -= 1;
        self.meeting = Meeting::new();
        true
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
