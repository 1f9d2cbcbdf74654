//! One replica's side of a room.

use std::collections::VecDeque;

use crdt_core::Document;

use crate::config::Config;
use crate::types::{Incoming, LinkId, LinkOptions, Millis, Output, PeerStatus};

/// One replica's side of a room: every link to every peer.
pub struct Engine {
    config: Config,
    agent: String,
    session: u64,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine without links. `agent` is the name of the document's agent, `session` a random
    /// number that is new with every start of this replica.
    pub fn new(config: Config, agent: &str, session: u64) -> Engine {
        Engine {
            config,
            agent: agent.to_owned(),
            session,
            outputs: VecDeque::new(),
        }
    }

    /// The figures in use.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The agent.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The session.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// A transport to one peer opened.
    pub fn link_up(&mut self, _link: LinkId, _options: LinkOptions, _now: Millis, _doc: &Document) {
    }

    /// A transport closed.
    pub fn link_down(&mut self, _link: LinkId, _now: Millis, _doc: &Document) {}

    /// A message came.
    pub fn receive(
        &mut self,
        _link: LinkId,
        _message: Incoming<'_>,
        _now: Millis,
        _doc: &mut Document,
    ) {
    }

    /// The document grew, by edits or merges outside the engine. Cheap enough for every keystroke.
    pub fn local_edit(&mut self, _now: Millis, _doc: &Document) {}

    /// What a transport buffers, in bytes. To be told after sending and when it drains; a transport
    /// that cannot tell says 0 after every message.
    pub fn buffered_amount(&mut self, _link: LinkId, _bytes: usize, _now: Millis, _doc: &Document) {
    }

    /// Sets a field of the own presence to a JSON text, or takes it away.
    pub fn set_presence(&mut self, _field: &str, _value: Option<&str>, _now: Millis) {}

    /// Time passed: to be called at [`Engine::next_timeout`].
    pub fn tick(&mut self, _now: Millis, _doc: &mut Document) {}

    /// When to call [`Engine::tick`]; a time that has passed means now. Ask after every call.
    pub fn next_timeout(&self) -> Option<Millis> {
        None
    }

    /// The next thing to do or to tell. Drain after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes leave on every link, and closes it.
    pub fn goodbye(&mut self, _now: Millis) {}

    /// What is known of every link.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        std::iter::empty()
    }
}
