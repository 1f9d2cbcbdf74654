//! The callbacks of the user: their calls are queued while the session works, and made when it holds
//! nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::JsValue;

use super::bridge::{self, ChangeList};
use crate::edit::TextChange;
use crate::javascript::tell_received;

/// The events of a `NetworkSync`; `NetworkSyncEvents` in the TypeScript types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventName {
    Status,
    Peers,
    Synced,
    Change,
    Presence,
    Outdated,
    Diverged,
    Error,
}

impl EventName {
    pub(crate) const ALL: [EventName; 8] = [
        EventName::Status,
        EventName::Peers,
        EventName::Synced,
        EventName::Change,
        EventName::Presence,
        EventName::Outdated,
        EventName::Diverged,
        EventName::Error,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            EventName::Status => "status",
            EventName::Peers => "peers",
            EventName::Synced => "synced",
            EventName::Change => "change",
            EventName::Presence => "presence",
            EventName::Outdated => "outdated",
            EventName::Diverged => "diverged",
            EventName::Error => "error",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<EventName> {
        EventName::ALL
            .into_iter()
            .find(|event| event.as_str() == name)
    }
}

/// Who a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Event(EventName),
    /// The one callback of `setTextChangeCallback`.
    Text,
}

/// What is to be called.
enum Call {
    /// The listeners, with what they receive.
    Tell(Audience, JsValue),
    /// Those who listen for changes of the text, with these.
    Changed(Vec<TextChange>),
    /// The listeners of the document with this handle.
    Received(u32),
    /// A function of something that the user made, which has its own way to tell how it went.
    Run(Box<dyn FnOnce()>),
}

/// The callbacks of one `NetworkSync` and the calls that wait for them.
#[derive(Default)]
pub(crate) struct Listeners {
    by_event: RefCell<Rc<Vec<(EventName, Function)>>>,
    /// The one `onChange` callback.
    changes: RefCell<Option<Rc<Function>>>,
    text: RefCell<Option<Rc<Function>>>,
    waiting: RefCell<VecDeque<Call>>,
    delivering: Cell<bool>,
}

impl Listeners {
    pub(crate) fn add(&self, event: EventName, callback: Function) {
        let mut listeners = self.by_event.borrow_mut();
        if !listeners
            .iter()
            .any(|known| known.0 == event && known.1 == callback)
        {
            Rc::make_mut(&mut listeners).push((event, callback));
        }
    }

    pub(crate) fn remove(&self, event: EventName, callback: &Function) {
        let mut listeners = self.by_event.borrow_mut();
        Rc::make_mut(&mut listeners).retain(|known| known.0 != event || &known.1 != callback);
    }

    pub(crate) fn set_changes(&self, callback: Option<Function>) {
        self.changes.replace(callback.map(Rc::new));
    }

    pub(crate) fn set_text(&self, callback: Option<Function>) {
        self.text.replace(callback.map(Rc::new));
    }

    /// Forgets every callback and all that they were still to be told.
    pub(crate) fn clear(&self) {
        self.by_event.take();
        self.changes.take();
        self.text.take();
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|call| matches!(call, Call::Run(_) | Call::Received(_)));
    }

    /// Whether someone wants the whole text after a change, which takes time to make.
    pub(crate) fn wants_text(&self) -> bool {
        self.text.borrow().is_some()
    }

    /// Whether someone wants to hear what a merge changed.
    pub(crate) fn wants_changes(&self) -> bool {
        let is_it = |known: &(EventName, Function)| known.0 == EventName::Change;
        self.changes.borrow().is_some() || self.by_event.borrow().iter().any(is_it)
    }

    /// Whether nobody waits to be called.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    pub(crate) fn queue(&self, event: EventName, payload: JsValue) {
        let call = Call::Tell(Audience::Event(event), payload);
        self.waiting.borrow_mut().push_back(call);
    }

    pub(crate) fn queue_changes(&self, changes: Vec<TextChange>) {
        self.waiting.borrow_mut().push_back(Call::Changed(changes));
    }

    /// Calls the listeners of a document for what was received.
    pub(crate) fn queue_received(&self, handle: u32) {
        self.waiting.borrow_mut().push_back(Call::Received(handle));
    }

    /// Makes a call of another kind when its turn comes.
    pub(crate) fn queue_call(&self, call: Box<dyn FnOnce()>) {
        self.waiting.borrow_mut().push_back(Call::Run(call));
    }

    pub(crate) fn queue_text(&self, text: &str) {
        let call = Call::Tell(Audience::Text, text.into());
        self.waiting.borrow_mut().push_back(call);
    }

    /// Calls everyone that something waits for, in order. What a callback causes is called by the
    /// loop that runs already, so that no one sees events out of order. What a callback throws is
    /// reported as uncaught, and stops nobody else.
    pub(crate) fn deliver(&self) {
        if self.delivering.replace(true) {
            return;
        }
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            match next {
                Some(Call::Tell(Audience::Event(event), payload)) => {
                    self.each_of(event, |listener| bridge::call(listener, &payload));
                }
                Some(Call::Tell(Audience::Text, payload)) => {
                    let listener = self.text.borrow().clone();
                    if let Some(listener) = listener {
                        bridge::call(&listener, &payload);
                    }
                }
                Some(Call::Changed(changes)) => self.tell_changes(&changes),
                Some(Call::Received(handle)) => tell_received(handle),
                Some(Call::Run(run)) => run(),
                None => break,
            }
        }
        self.delivering.set(false);
    }

    fn tell_changes(&self, changes: &[TextChange]) {
        let mut list = ChangeList::new(changes);
        let listener = self.changes.borrow().clone();
        if let Some(listener) = listener {
            list.tell(&listener);
        }
        self.each_of(EventName::Change, |listener| list.tell(listener));
    }

    /// Those who listen for an event as they are now; one may take itself or another away while they
    /// are called.
    fn each_of(&self, event: EventName, mut call: impl FnMut(&Function)) {
        let all = Rc::clone(&self.by_event.borrow());
        let those = all.iter().filter(|known| known.0 == event);
        those.for_each(|(_, listener)| call(listener));
    }
}
