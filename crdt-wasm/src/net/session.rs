//! One `NetworkSync` at work: takes what happens, has the room decide, and carries out what it wants.
//!
//! The path of everything, from top to bottom in this file:
//!
//! 1. A driver, a call from JavaScript or a change of the document comes in as an [`Event`]
//!    ([`Session::dispatch`]). One that comes while work goes on waits for its turn, so nothing is
//!    re-entered. What comes with every keystroke, an edit or a message of a data channel, goes past
//!    the inbox when no work goes on ([`Session::take`], [`Watcher::edited`]).
//! 2. Each event goes to the room as an input ([`Session::feed`]).
//! 3. What the room wants done is carried out at once ([`Session::drain`]): by a driver, or as a call of
//!    a listener, which is queued.
//! 4. When nothing is borrowed, the listeners are called ([`Session::conclude`]), and the room draws the
//!    consequences of all that came ([`Session::settle`]).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crdt_core::Document;
use crdt_room::{
    Call, ConnectionEvent, Input, News, Output, Room, RoomError, RoomOptions, SocketEvent,
};
use crdt_sync::{Incoming, LinkId, Millis};
use js_sys::Object;
use signaling_protocol::{AgentId, SessionSecret};
use wasm_bindgen::JsValue;

use super::clock;
use super::driver::{Take, Tell};
use super::drivers::{self, Drivers};
use super::error::NetworkError;
use super::host;
use super::listeners::Listeners;
use super::news;
use super::options::Options;
use super::promises::{Deferred, Promises};
use crate::edit::TextChange;
use crate::error::BindingError;
use crate::memory;
use crate::merge::whole_text;
use crate::registry::{Entry, Watcher};

/// An edit that comes so soon after one that was sent, in milliseconds, goes out with those after it.
const CLOSE_MILLIS: Millis = 5;

/// Something that happened.
pub(super) enum Event {
    /// A driver reported something, or the user called something.
    Input(Input<'static>),
    /// A binary message by a data channel of this connection.
    Binary(LinkId, Vec<u8>),
    /// A message in text by a data channel of this connection.
    Text(LinkId, String),
    Connect {
        urls: Vec<String>,
        done: Deferred,
    },
    Destroy,
    AddTransport(Object),
    RemoveTransport(Object),
    /// Operations were merged past the network; the text changed like this.
    Merged(Vec<TextChange>),
    /// The document's handle is dead.
    Freed,
}

impl Event {
    /// Whether it only answers a question that the room asked when it settled.
    fn is_answer(&self) -> bool {
        matches!(
            self,
            Event::Input(
                Input::Connection {
                    event: ConnectionEvent::Buffered(_),
                    ..
                } | Input::Socket {
                    event: SocketEvent::Buffered(_),
                    ..
                }
            )
        )
    }
}

/// One `NetworkSync`.
pub(super) struct Session {
    this: Weak<Session>,
    entry: Rc<Entry>,
    listeners: Listeners,
    state: RefCell<State>,
    inbox: RefCell<VecDeque<Event>>,
    running: Cell<bool>,
    /// Events were taken whose consequences for the whole have not been drawn yet.
    needs_settling: Cell<bool>,
    /// When an edit was last sent at once.
    sent_at: Cell<Option<Millis>>,
    /// A microtask is planned, in which what was edited since goes out.
    flush_planned: Cell<bool>,
    edited_since: Cell<bool>,
    destroyed: Cell<bool>,
}

/// What is borrowed while work goes on.
struct State {
    room: Room,
    drivers: Drivers,
    promises: Promises,
}

thread_local! {
    /// Keeps sessions alive that are connected, whether or not JavaScript holds them.
    static LIVE: RefCell<Vec<Rc<Session>>> = const { RefCell::new(Vec::new()) };
}

impl Session {
    pub(super) fn new(
        entry: Rc<Entry>,
        agent: AgentId,
        options: Options,
    ) -> Result<Rc<Session>, BindingError> {
        let secret = host::random_bytes::<16>().ok_or(NetworkError::NoRandom)?;
        let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let session = Rc::new_cyclic(|this| Session {
            this: this.clone(),
            entry,
            listeners: Listeners::default(),
            state: RefCell::new(State::new(this, agent, &secret, options)),
            inbox: RefCell::default(),
            running: Cell::new(false),
            needs_settling: Cell::new(false),
            sent_at: Cell::new(None),
            flush_planned: Cell::new(false),
            edited_since: Cell::new(false),
            destroyed: Cell::new(false),
        });
        let watcher: Weak<dyn Watcher> = session.this.clone();
        session.entry.watch(watcher);
        Ok(session)
    }

    /// Passes a call of the user on to the room.
    pub(super) fn call(&self, call: Call) {
        self.dispatch(Event::Input(Input::Call(call)));
    }

    pub(super) fn flush_edits(&self) {
        self.dispatch(Event::Input(Input::Edited));
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// How things stand, as `NetworkStatus` of the TypeScript types.
    pub(super) fn status(&self) -> JsValue {
        news::status_of(self.ask(Room::status), &self.entry.saved())
    }

    /// Asks the room something. The answer is empty for a host that calls back into here in the middle
    /// of one of its own functions, which no browser does.
    pub(super) fn ask<T: Default>(&self, question: impl FnOnce(&Room, &Document) -> T) -> T {
        let Ok(state) = self.state.try_borrow() else {
            return T::default();
        };
        let answer = self
            .entry
            .read(|document| Ok(question(&state.room, document)));
        answer.unwrap_or_default()
    }

    /// # Errors
    /// `destroyed`, once it was; `out_of_memory`.
    pub(super) fn check_alive(&self) -> Result<(), BindingError> {
        if self.destroyed.get() {
            return Err(NetworkError::from(RoomError::Destroyed).into());
        }
        memory::check()
    }
}

// The path of everything.
impl Session {
    /// Takes an event in, and works unless that goes on already.
    pub(super) fn dispatch(&self, event: Event) {
        if self.running.get() {
            self.inbox.borrow_mut().push_back(event);
            return;
        }
        self.needs_settling.set(true);
        self.work(|state| self.handle(state, event));
        self.conclude();
    }

    /// Takes a message of a data channel in, which comes with every keystroke.
    fn take(&self, link: LinkId, message: Incoming<'_>) {
        if self.running.get() {
            self.dispatch(match message {
                Incoming::Binary(bytes) => Event::Binary(link, bytes.to_vec()),
                Incoming::Text(text) => Event::Text(link, text.to_owned()),
            });
            return;
        }
        self.needs_settling.set(true);
        self.work(|state| self.feed(state, Input::Message { link, message }, clock::now()));
        self.conclude();
    }

    /// Does a piece of work with the state borrowed, then all that waits in the inbox.
    fn work(&self, act: impl FnOnce(&mut State)) {
        self.running.set(true);
        {
            let mut state = self.state.borrow_mut();
            act(&mut state);
            loop {
                let next = self.inbox.borrow_mut().pop_front();
                let Some(event) = next else {
                    break;
                };
                if !event.is_answer() {
                    self.needs_settling.set(true);
                }
                self.handle(&mut state, event);
            }
        }
        self.running.set(false);
    }

    /// Hands an event from the inbox to the room.
    #[inline(never)]
    fn handle(&self, state: &mut State, event: Event) {
        let now = clock::now();
        match event {
            Event::Input(input) => {
                if matches!(input, Input::Timeout) {
                    state.drivers.timer.disarm();
                }
                self.feed(state, input, now);
            }
            Event::Binary(link, bytes) => {
                let message = Incoming::Binary(&bytes);
                self.feed(state, Input::Message { link, message }, now);
            }
            Event::Text(link, text) => {
                let message = Incoming::Text(&text);
                self.feed(state, Input::Message { link, message }, now);
            }
            Event::Connect { urls, done } => self.begin_connect(state, urls, done, now),
            Event::Destroy => {
                self.destroyed.set(true);
                self.feed(state, Input::Call(Call::Destroy), now);
                state.drivers.transports.forget_all();
                // Nothing receives the last status.
                self.listeners.clear();
            }
            Event::AddTransport(object) => {
                if let Some(id) = state.drivers.transports.add(object) {
                    self.feed(state, Input::Call(Call::AddTransport(id)), now);
                }
            }
            Event::RemoveTransport(object) => {
                if let Some(id) = state.drivers.transports.find(&object) {
                    self.feed(state, Input::Call(Call::RemoveTransport(id)), now);
                    state.drivers.transports.forget(id);
                }
            }
            Event::Merged(changes) => {
                self.feed(state, Input::Edited, now);
                news::queue_changes(changes, &self.entry, &self.listeners);
            }
            Event::Freed => self.feed(state, Input::Call(Call::Disconnect), now),
        }
    }

    fn begin_connect(&self, state: &mut State, urls: Vec<String>, done: Deferred, now: Millis) {
        if !self.entry.is_live() && !self.destroyed.get() {
            done.settle(Err(self.entry.dead()));
            return;
        }
        let Some(page) = host::random_page() else {
            done.settle(Err(NetworkError::NoRandom.into()));
            return;
        };
        let call = state.promises.add(done);
        let connect = Call::Connect { call, urls, page };
        self.feed(state, Input::Call(connect), now);
    }

    /// Hands an input to the room, and carries out what it wants done. Every keystroke, of either side,
    /// passes here: browsers compile by the function, again and better once it is in use, and the larger
    /// it is the longer that takes from the typist.
    #[inline(never)]
    fn feed(&self, state: &mut State, input: Input<'_>, now: Millis) {
        // The document is free: nothing that holds it calls out.
        let before = self.entry.write(|document| {
            let was_empty = document.is_empty();
            state.room.handle(input, now, document);
            Ok(was_empty)
        });
        if let Ok(was_empty) = before {
            self.drain(state, now, was_empty);
        }
    }

    /// Carries out what the room wants done. The changes of the text are reported last, as one.
    fn drain(&self, state: &mut State, now: Millis, was_empty: bool) {
        let mut splices = Vec::new();
        while let Some(output) = self.next_output(state, now) {
            match output {
                Output::Send {
                    link,
                    channel,
                    message,
                } => state.drivers.connections.send(link, channel, &message),
                Output::Tell(News::Changed { splices: more }) if splices.is_empty() => {
                    splices = more;
                }
                Output::Tell(News::Changed { splices: more }) => splices.extend(more),
                output => self.carry_out(state, output),
            }
        }
        if !splices.is_empty() {
            // Many edits of a text that was empty are one insertion.
            let changes = if was_empty && splices.len() > 1 {
                let whole = self.entry.read(|document| Ok(whole_text(document)));
                whole.unwrap_or_default()
            } else {
                news::changes_of(splices)
            };
            if let Some(handle) = self.entry.received(&changes) {
                self.listeners.queue_received(handle);
            }
            news::queue_changes(changes, &self.entry, &self.listeners);
        }
    }

    fn next_output(&self, state: &mut State, now: Millis) -> Option<Output> {
        let next = |document: &mut _| Ok(state.room.poll_output(now, document));
        self.entry.write(next).ok().flatten()
    }

    /// Carries out what does not come with every keystroke.
    #[inline(never)]
    fn carry_out(&self, state: &mut State, output: Output) {
        match output {
            Output::Tell(News::ConnectEnded { call, result }) => {
                let result = result.map_err(NetworkError::from);
                state
                    .promises
                    .settle(call, result.map_err(BindingError::from));
            }
            Output::Tell(news) => news::queue(news, &|| self.entry.saved(), &self.listeners),
            Output::KeepAlive(on) => {
                self.keep_alive(on);
                state.drivers.carry_out(output);
            }
            output => state.drivers.carry_out(output),
        }
    }

    /// Calls the listeners, and has the room draw the consequences of what came.
    fn conclude(&self) {
        self.listeners.deliver();
        // Who waits for a change of the text has it now; the rest may take longer.
        while self.needs_settling.replace(false) {
            let now = clock::now();
            self.work(|state| self.settle(state, now));
            self.arm(now);
            self.listeners.deliver();
        }
    }

    fn settle(&self, state: &mut State, now: Millis) {
        let settled = self.entry.write(|document| {
            state.room.settle(now, document);
            Ok(document.is_empty())
        });
        if let Ok(is_empty) = settled {
            self.drain(state, now, is_empty);
        }
    }

    /// Sees to it that the room is called again when it wants to be.
    fn arm(&self, now: Millis) {
        let mut state = self.state.borrow_mut();
        if state.room.needs_settling() {
            self.needs_settling.set(true);
        }
        let wanted = state.room.next_timeout(now);
        state.drivers.timer.arm(wanted, now);
    }
}

impl Session {
    /// Keeps the session alive, or no longer, beyond what JavaScript holds.
    fn keep_alive(&self, on: bool) {
        let Some(this) = self.this.upgrade() else {
            return;
        };
        LIVE.with_borrow_mut(|all| {
            all.retain(|known| !Rc::ptr_eq(known, &this));
            if on {
                all.push(Rc::clone(&this));
            }
        });
    }

    /// Has what is edited from now on go out after this task, and queued calls made.
    fn plan_flush(&self) {
        self.flush_planned.set(true);
        let this = self.this.clone();
        wasm_bindgen_futures::spawn_local(async move {
            if let Some(session) = this.upgrade() {
                session.flush_planned.set(false);
                if session.edited_since.replace(false) {
                    session.flush_edits();
                } else {
                    session.conclude();
                }
            }
        });
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
        let now = clock::now();
        let is_close = |sent: Millis| now.saturating_sub(sent) < CLOSE_MILLIS;
        if self.running.get() || self.sent_at.get().is_some_and(is_close) {
            self.edited_since.set(true);
            self.plan_flush();
            return;
        }
        self.sent_at.set(Some(now));
        self.needs_settling.set(true);
        self.work(|state| self.feed(state, Input::Edited, now));
        // The browser sends in a thread of its own, which may wait for this one to have done: what
        // need not follow now is left to whatever comes next, at the latest to the timer.
        let state = self.state.borrow();
        let armed = state.drivers.timer.armed();
        let can_wait = state.room.is_quiet(armed) && self.listeners.is_idle();
        drop(state);
        if !can_wait {
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

impl State {
    fn new(this: &Weak<Session>, agent: AgentId, secret: &str, options: Options) -> State {
        let session = || this.clone();
        let tell: Tell = Rc::new({
            let session = session();
            move |input| {
                if let Some(session) = session.upgrade() {
                    session.dispatch(Event::Input(input));
                }
            }
        });
        let take: Take = Rc::new({
            let session = session();
            move |link, message| {
                if let Some(session) = session.upgrade() {
                    session.take(link, message);
                }
            }
        });
        let later = {
            let session = session();
            move |call| {
                if let Some(session) = session.upgrade() {
                    session.listeners.queue_call(call);
                }
            }
        };
        let drivers = Drivers::new(&agent, &options, &tell, take, later);
        let room_options = RoomOptions {
            room: options.room,
            servers: options.signaling,
            links: options.links,
            has_key: options.secret.is_some(),
            is_read_only: options.is_read_only,
            token: options.token,
            session_secret: SessionSecret::parse(secret).ok(),
            ..RoomOptions::new(agent, drivers::host())
        };
        State {
            room: Room::new(room_options, Box::new(host::random_fraction)),
            drivers,
            promises: Promises::default(),
        }
    }
}
