//! The life of the page: put away, shown again, back on the network.

use crdt_room::{Input, PageEvent};
use wasm_bindgen::JsCast;
use web_sys::EventTarget;

use super::driver::Tell;
use super::host::{self, Listener};

/// The listeners for what happens to the page.
pub(super) struct PageLifecycle {
    listeners: Vec<Listener>,
    tell: Tell,
}

impl PageLifecycle {
    pub(super) fn new(tell: Tell) -> PageLifecycle {
        PageLifecycle {
            listeners: Vec::new(),
            tell,
        }
    }

    /// Begins to report what happens to the page, or stops doing so.
    pub(super) fn watch(&mut self, on: bool) {
        self.listeners.clear();
        if on {
            self.listeners = vec![
                self.on("pagehide", || Some(PageEvent::Hidden)),
                // A host that had random bytes before has them still.
                self.on("pageshow", || {
                    host::random_page().map(|page| PageEvent::Shown { page })
                }),
                self.on("online", || Some(PageEvent::Online)),
            ];
        }
    }

    fn on(&self, name: &'static str, event: fn() -> Option<PageEvent>) -> Listener {
        let target: EventTarget = js_sys::global().unchecked_into();
        let tell = self.tell.clone();
        Listener::new(&target, name, move |_| {
            if let Some(event) = event() {
                tell(Input::Page(event));
            }
        })
    }
}
