//! Meetings of two replicas that nobody sees.
//!
//! A browser compiles a WebAssembly function when it is first called, so the first meeting of a page
//! waits for that at every step. Once a function has been in use for a while, the browser compiles it a
//! second time, better: it does so while a history comes, on a processor that has enough to do then, and
//! the first keystrokes take longer until that is behind them.
//!
//! So a page that has just been opened and has nothing to do rehearses: with documents of its own one
//! replica takes in the history of another, and both type; and what a keystroke runs through in
//! JavaScript, and between that and WebAssembly, is put to use. Where the browser does not say when a
//! page has nothing to do, nothing is rehearsed.

use std::hint::black_box;

use crdt_core::{Document, EditError};
use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output, OwnedSplice};
use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::*;

use super::crossing;
use super::pump::changes_of;
use crate::registry;

/// Of how long a piece is done at once, in milliseconds: who comes meanwhile waits so long.
const PIECE_MILLIS: f64 = 4.0;

/// In all meetings together, Chromium compiles again what takes a history in, after so many edits of
/// it; the allocator, after so many allocations of each meeting; and what is between JavaScript and the
/// module, after so many keystrokes.
const MEETINGS: usize = 8;
const EDITS: usize = 1_000;
const ALLOCATIONS: usize = 5_000;
const KEYSTROKES: u32 = 150;

/// How many edits are made in one step, and how long one is at most, in chars.
const EDITS_A_STEP: usize = 100;
const LONGEST_EDIT: usize = 60;

const LINK: LinkId = LinkId(0);

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
    /// How many meetings are still to come.
    meetings: usize,
    meeting: Option<Meeting>,
}

impl Rehearsal {
    /// Goes on a little; returns whether there is more to do.
    fn step(&mut self) -> bool {
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

/// A replica writes a history, and meets an empty one; then both type.
struct Meeting {
    documents: [Document; 2],
    engines: [Engine; 2],
    now: u64,
    /// How many edits are still to be made before they meet.
    edits: usize,
    /// Who types next, and when: a second later, when they ask whether the other is there.
    typists: &'static [(usize, u64)],
    /// State of a linear congruential generator.
    random: u32,
}

impl Meeting {
    fn new() -> Option<Meeting> {
        let names = ["one", "other"];
        let [Ok(one), Ok(other)] = names.map(Document::new) else {
            return None;
        };
        let engines = [(1, "one"), (2, "other")].map(|(session, name)| {
            // Parts and frames are short, so that there are many.
            let config = Config {
                max_frame: 2 * 1024,
                first_part: 64,
                part: 8 * 1024,
                ..Config::default()
            };
            Engine::new(config, name, session)
        });
        Some(Meeting {
            documents: [one, other],
            engines,
            now: 0,
            edits: EDITS,
            typists: &[(0, 1_001), (1, 1_050)],
            random: 1,
        })
    }

    /// Goes on a little; returns whether there is more to do. `tell` hears of the changes.
    fn step(&mut self, tell: &dyn Fn(Vec<OwnedSplice>)) -> Result<bool, EditError> {
        if self.edits > 0 {
            for _ in 0..EDITS_A_STEP.min(self.edits) {
                self.edits -= 1;
                self.edit()?;
            }
            if self.edits == 0 {
                for (engine, document) in self.engines.iter_mut().zip(&self.documents) {
                    engine.link_up(LINK, LinkOptions::default(), self.now, document);
                }
            }
            return Ok(true);
        }
        if self.exchange(tell) {
            return Ok(true);
        }
        let Some((&(at, now), later)) = self.typists.split_first() else {
            return Ok(false);
        };
        self.typists = later;
        self.now = now;
        let document = &mut self.documents[at];
        document.insert(2, "!")?;
        self.engines[at].local_edit(now, document);
        self.engines[at].tick(now, document);
        Ok(true)
    }

    /// Writes text that repeats itself, here or there, or deletes some; half of it at the end.
    fn edit(&mut self) -> Result<(), EditError> {
        let length = self.documents[0].len_chars();
        let at = self.draw(length + 1);
        if self.edits == 0 {
            return self.documents[0].delete(length / 4, length / 2);
        }
        let long = self.draw(LONGEST_EDIT);
        if self.edits.is_multiple_of(4) {
            return self.documents[0].delete(at, long.min(length - at));
        }
        let text: String = (0..long)
            .map(|_| ["a", "b", "c", "d"][self.draw(4)])
            .collect();
        self.documents[0].insert(at, &text)
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.random >> 8) as usize % bound
    }

    /// Takes what each has to say to the other; returns whether there was anything.
    fn exchange(&mut self, tell: &dyn Fn(Vec<OwnedSplice>)) -> bool {
        let Meeting {
            documents,
            engines,
            now,
            ..
        } = self;
        let now = *now;
        let mut any = false;
        for from in [0, 1] {
            let to = 1 - from;
            while let Some(output) = engines[from].poll_output() {
                match output {
                    Output::Send {
                        message: Outgoing::Binary(bytes),
                        ..
                    } => {
                        any = true;
                        engines[from].buffered_amount(LINK, 0, now, &documents[from]);
                        let message = Incoming::Binary(&bytes);
                        engines[to].receive(LINK, message, now, &mut documents[to]);
                    }
                    Output::Changed { splices } => tell(splices),
                    _ => {}
                }
            }
            engines[from].acknowledge(now, &documents[from]);
            any |= engines[from].send_on(now, &documents[from]);
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_history_comes_in_parts_and_both_type() {
        let told = RefCell::new(Vec::new());
        let tell = |splices| told.borrow_mut().push(splices);
        let mut meeting = Meeting::new().unwrap();
        while meeting.step(&tell).unwrap() {}

        let [one, other] = meeting.documents.map(|document| document.text());
        assert_eq!(one, other);
        assert!(one.len() > 5_000, "{} bytes of text", one.len());
        let told = told.into_inner();
        let [parts @ .., by_one, by_other] = told.as_slice() else {
            panic!("{} changes were told", told.len());
        };
        assert!(parts.len() > 6, "the history came in {} parts", parts.len());
        for splices in [by_one, by_other] {
            let inserted: Vec<&str> = splices
                .iter()
                .map(|splice| splice.inserted.as_str())
                .collect();
            assert_eq!(inserted, ["!"]);
        }
    }
}
