//! One document's network: signaling, peers and the sync engine, driven by one queue of events.
//!
//! Whatever happens (a frame, a timer, a call from JavaScript) becomes an [`Event`] in the inbox.
//! [`Session::dispatch`] takes them in order, with the state borrowed; what is meant for JavaScript
//! is queued meanwhile and called afterwards, when nothing is borrowed.
//! An event that comes while the loop runs waits for its turn, so nothing here is re-entered. What comes
//! with every keystroke, an edit or a binary message, goes past the inbox when the loop is at rest.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crdt_sync::LinkId;
use js_sys::{Object, Promise};
use signaling_protocol::{AgentId, SessionSecret};
use wasm_bindgen::JsValue;

use super::browser::{self, Deferred, now};
use super::bus::BusMessage;
use super::channel::ChannelEvent;
use super::core::Core;
use super::custom::CustomEvent;
use super::error::NetworkError;
use super::listeners::Listeners;
use super::options::Options;
use super::relay::RelayEvent;
use super::socket::SocketEvent;
use super::status::Status;
use super::wire::WireEvent;
use crate::edit::TextChange;
use crate::error::BindingError;
use crate::registry::{Entry, Watcher};

/// What is edited so soon after an edit that was sent, in milliseconds, goes out with what follows it.
const CLOSE_MILLIS: u64 = 5;

/// Something that happened.
pub(crate) enum Event {
    Connect {
        urls: Vec<String>,
        done: Rc<Deferred>,
    },
    Disconnect,
    Destroy,
    /// The document has local edits that peers have not been told of.
    Edited,
    /// Operations were merged past the network; the text changed like this.
    Merged(Vec<TextChange>),
    /// A field of our presence was set, as JSON, or taken away.
    Presence {
        field: String,
        value: Option<String>,
    },
    /// The document's handle is dead.
    Freed,
    /// From the `attempt`-th socket.
    Socket {
        attempt: u32,
        event: SocketEvent,
    },
    /// From the connection with this number.
    Wire {
        link: LinkId,
        event: WireEvent,
    },
    /// A binary message by a channel of that connection.
    Bytes {
        link: LinkId,
        bytes: Vec<u8>,
    },
    Relay(RelayEvent),
    Bus(BusMessage),
    /// A transport of the user's own is to be used, or no longer.
    AddTransport(Object),
    RemoveTransport(Object),
    /// From the transport that was started as the `run`-th.
    Custom {
        run: u32,
        event: CustomEvent,
    },
    /// The time that the state asked for has come.
    Timer,
    /// The page is being put away.
    PageHide,
    /// The page is back from the browser's cache.
    PageShow,
    /// The browser has a network again.
    Online,
}

impl Event {
    /// Whether it is one of those that come with every keystroke, and say nothing of who is linked
    /// unless the engine does.
    pub(crate) fn is_traffic(&self) -> bool {
        match self {
            Event::Edited | Event::Merged(_) | Event::Presence { .. } | Event::Bytes { .. } => true,
            Event::Wire { event, .. } => {
                matches!(event, WireEvent::Channel(_, ChannelEvent::Drained))
            }
            Event::Custom { event, .. } => matches!(
                event,
                CustomEvent::Receive(_) | CustomEvent::Buffered(_) | CustomEvent::Drained
            ),
            _ => false,
        }
    }
}

/// Who this page is in the room.
pub(crate) struct Identity {
    pub(crate) agent: AgentId,
    /// A number of this page load, new with every connection to a room, which peers see.
    page: Cell<u64>,
    /// What lets this page take its own name over when it comes back; only the server sees it.
    pub(crate) secret: Option<SessionSecret>,
}

impl Identity {
    pub(crate) fn page(&self) -> u64 {
        self.page.get()
    }

    /// Takes another number, so that what was said under the one before is known as such.
    pub(crate) fn renew(&self) {
        if let Some(page) = browser::random_bytes() {
            self.page.set(u64::from_le_bytes(page));
        }
    }
}

/// One `NetworkSync`.
pub(crate) struct Session {
    this: Weak<Session>,
    entry: Rc<Entry>,
    identity: Identity,
    options: Options,
    listeners: Listeners,
    core: RefCell<Core>,
    inbox: RefCell<VecDeque<Event>>,
    running: Cell<bool>,
    /// Events were taken whose consequences for the whole have not been drawn yet.
    unsettled: Cell<bool>,
    /// When an edit was last sent at once, in milliseconds.
    sent_at: Cell<Option<u64>>,
    /// A microtask is planned, in which what was edited since goes out.
    flush_planned: Cell<bool>,
    edited_since: Cell<bool>,
}

thread_local! {
    /// Keeps sessions alive that are connected, whether or not JavaScript holds them.
    static LIVE: RefCell<Vec<Rc<Session>>> = const { RefCell::new(Vec::new()) };
}

impl Session {
    pub(crate) fn new(
        entry: Rc<Entry>,
        agent: AgentId,
        options: Options,
    ) -> Result<Rc<Session>, BindingError> {
        let page = browser::random_bytes().ok_or(NetworkError::NoRandom)?;
        let secret = browser::random_bytes::<16>().ok_or(NetworkError::NoRandom)?;
        let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let identity = Identity {
            agent,
            page: Cell::new(u64::from_le_bytes(page)),
            secret: SessionSecret::parse(&secret).ok(),
        };
        let session = Rc::new_cyclic(|this| Session {
            this: this.clone(),
            entry,
            core: RefCell::new(Core::new(&identity, &options)),
            identity,
            options,
            listeners: Listeners::default(),
            inbox: RefCell::default(),
            running: Cell::new(false),
            unsettled: Cell::new(false),
            sent_at: Cell::new(None),
            flush_planned: Cell::new(false),
            edited_since: Cell::new(false),
        });
        let watcher: Weak<dyn Watcher> = session.this.clone();
        session.entry.watch(watcher);
        Ok(session)
    }

    pub(crate) fn connect(&self, urls: Vec<String>) -> Promise {
        let done = Rc::new(Deferred::new());
        let promise = done.promise.clone();
        self.dispatch(Event::Connect { urls, done });
        promise
    }

    pub(crate) fn disconnect(&self) {
        self.dispatch(Event::Disconnect);
    }

    pub(crate) fn add_transport(&self, transport: Object) {
        self.dispatch(Event::AddTransport(transport));
    }

    pub(crate) fn remove_transport(&self, transport: Object) {
        self.dispatch(Event::RemoveTransport(transport));
    }

    pub(crate) fn destroy(&self) {
        self.dispatch(Event::Destroy);
    }

    pub(crate) fn set_presence(&self, field: String, value: Option<String>) {
        self.dispatch(Event::Presence { field, value });
    }

    pub(crate) fn flush_edits(&self) {
        self.dispatch(Event::Edited);
    }

    /// How things stand. Empty for a host that calls back into here in the middle of one of its own
    /// functions, which no browser does.
    pub(crate) fn status(&self) -> Status {
        match self.core.try_borrow() {
            Ok(core) => core.status(self),
            Err(_) => Status::default(),
        }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Keeps the session alive, or no longer, beyond what JavaScript holds.
    pub(crate) fn set_live(&self, live: bool) {
        let Some(this) = self.this.upgrade() else {
            return;
        };
        LIVE.with_borrow_mut(|all| {
            all.retain(|known| !Rc::ptr_eq(known, &this));
            if live {
                all.push(Rc::clone(&this));
            }
        });
    }

    /// What a browser object calls to tell this session something, for as long as the session is.
    pub(crate) fn teller<T: 'static>(
        &self,
        event: impl Fn(T) -> Event + Clone + 'static,
    ) -> impl Fn(T) + Clone + 'static {
        let this = self.this.clone();
        move |told| {
            if let Some(session) = this.upgrade() {
                session.dispatch(event(told));
            }
        }
    }

    /// What takes the binary messages of a connection, for as long as the session is. They come with
    /// every keystroke, and go past the inbox where nothing waits there.
    pub(crate) fn taker(&self, link: LinkId) -> impl Fn(&[u8]) + Clone + 'static {
        let this = self.this.clone();
        move |bytes| {
            let Some(session) = this.upgrade() else {
                return;
            };
            if session.running.get() {
                let bytes = bytes.to_vec();
                session.dispatch(Event::Bytes { link, bytes });
                return;
            }
            session.unsettled.set(true);
            session.work(|core| core.on_bytes(&session, link, bytes));
            session.conclude();
        }
    }

    /// What has a function called when nothing is borrowed, after what waits to be called already.
    pub(crate) fn later(&self) -> impl Fn(Box<dyn FnOnce()>) + 'static {
        let this = self.this.clone();
        move |call| {
            if let Some(session) = this.upgrade() {
                session.listeners.queue_call(call);
            }
        }
    }

    /// Takes an event in, and works unless that is going on already.
    pub(crate) fn dispatch(&self, event: Event) {
        self.inbox.borrow_mut().push_back(event);
        if self.running.get() {
            return;
        }
        self.work(|_| {});
        self.conclude();
    }

    /// Calls who is to hear of what was done, and draws the consequences for the whole.
    fn conclude(&self) {
        self.listeners.deliver();
        // Who waits for a change of the text has it now; the rest may take longer.
        while self.unsettled.replace(false) {
            self.work(|core| core.settle(self));
            self.listeners.deliver();
        }
    }

    /// Has what is edited from now on go out after this task, and whoever is to hear of something called.
    fn plan_flush(&self) {
        self.flush_planned.set(true);
        let this = self.this.clone();
        wasm_bindgen_futures::spawn_local(async move {
            if let Some(session) = this.upgrade() {
                session.flush_planned.set(false);
                if session.edited_since.replace(false) {
                    session.dispatch(Event::Edited);
                } else {
                    session.conclude();
                }
            }
        });
    }

    /// Does a piece of work with the state borrowed, and all that waits.
    fn work(&self, act: impl FnOnce(&mut Core)) {
        self.running.set(true);
        {
            let mut core = self.core.borrow_mut();
            act(&mut core);
            loop {
                let next = self.inbox.borrow_mut().pop_front();
                let Some(event) = next else {
                    break;
                };
                core.handle(self, event);
                self.unsettled.set(true);
            }
        }
        self.running.set(false);
    }
}

impl Watcher for Session {
    /// An edit goes out at once; those that follow it closely go out together, after the task that they
    /// are made in. Nobody is called before that: whoever edits may be in the middle of something.
    fn edited(&self) {
        if self.flush_planned.get() {
            self.edited_since.set(true);
            return;
        }
        let now = now();
        let is_close = |sent: u64| now.saturating_sub(sent) < CLOSE_MILLIS;
        if self.running.get() || self.sent_at.get().is_some_and(is_close) {
            self.edited_since.set(true);
            self.plan_flush();
            return;
        }
        self.sent_at.set(Some(now));
        self.unsettled.set(true);
        self.work(|core| core.local_edit(self, now));
        // The browser sends in a thread of its own, which may wait for this one to have done: what
        // need not follow now is left to whatever comes next, at the latest to the timer.
        if !self.core.borrow().is_quiet(self) {
            self.plan_flush();
        }
    }

    fn merged(&self, changes: &[TextChange]) {
        self.dispatch(Event::Merged(changes.to_vec()));
    }

    fn freed(&self) {
        self.dispatch(Event::Freed);
    }
}

/// The error as JavaScript gets it.
pub(crate) fn thrown(error: NetworkError) -> JsValue {
    BindingError::from(error).into()
}
