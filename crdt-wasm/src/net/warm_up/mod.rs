//! The warm-up: runs what a connection runs through once while the page is idle, so that the first real
//! one does not wait for the browser.
//!
//! A browser compiles a WebAssembly function when it is first called, so the first meeting of a page
//! waits for that at every step. Once a function has been in use for a while, the browser compiles it a
//! second time, better: it does so while a history comes, on a processor that has enough to do then, and
//! the first keystrokes take longer until that is behind them.
//!
//! So a page that was just opened and is idle has two rooms of its own [meet](meeting): one takes in the
//! history of the other, and both type. What a keystroke runs through in JavaScript, and between that and
//! WebAssembly, is run as well. Where the browser does not say when a page is idle, nothing is.

mod meeting;

use std::hint::black_box;

use crdt_core::Document;
use crdt_room::News;
use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::*;

use self::meeting::Meeting;
use super::bridge;
use super::listeners::Listeners;
use super::news;
use crate::registry;

/// How long a piece of it takes, in milliseconds: whoever comes meanwhile waits that long.
const PIECE_MILLIS: f64 = 4.0;

/// In all meetings together, Chromium compiles again what takes a history in, after so many edits of
/// it; the allocator, after so many allocations after each meeting; and what is between JavaScript and
/// the module, after so many keystrokes.
const MEETINGS: usize = 8;
const ALLOCATIONS: usize = 5_000;
const KEYSTROKES: u32 = 150;

#[wasm_bindgen(module = "/src/js/flat.js")]
extern "C" {
    #[wasm_bindgen(js_name = insert)]
    fn insert_by_page(handle: u32, position: u32, text: &str) -> JsValue;
}

/// When the module was loaded.
#[wasm_bindgen(start)]
fn loaded() {
    bridge::open();
    go_on(WarmUp {
        meetings: MEETINGS,
        meeting: None,
    });
}

/// Goes on with the warm-up whenever the browser is idle, until it is over.
fn go_on(mut warm_up: WarmUp) {
    when_idle(move || {
        let begun = bridge::now();
        while warm_up.step() {
            if bridge::now() - begun > PIECE_MILLIS {
                go_on(warm_up);
                return;
            }
        }
    });
}

/// Does something when the browser is idle, if it is one that says when that is.
fn when_idle(act: impl FnOnce() + 'static) {
    let wait = Reflect::get(&js_sys::global(), &"requestIdleCallback".into());
    if let Some(wait) = wait.ok().and_then(|wait| wait.dyn_into::<Function>().ok()) {
        // A browser that refuses to wait is one more without a warm-up.
        let _ = wait.call1(&JsValue::UNDEFINED, &Closure::once_into_js(act));
    }
}

struct WarmUp {
    /// How many meetings are still to come.
    meetings: usize,
    meeting: Option<Meeting>,
}

impl WarmUp {
    /// Goes on a little; returns whether there is more to do.
    fn step(&mut self) -> bool {
        if let Some(meeting) = &mut self.meeting {
            // What fails here fails in earnest as well, and is told of then.
            if !matches!(meeting.step(&tell), Ok(true)) {
                self.meeting = None;
                allocate();
                type_by_page();
                bridge::warm_up(KEYSTROKES);
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

/// Tells news to nobody.
fn tell(news: News) {
    match news {
        News::Changed { splices } => drop(black_box(news::changes_of(splices))),
        other => news::queue(other, &|| JsValue::NULL, &Listeners::default()),
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
