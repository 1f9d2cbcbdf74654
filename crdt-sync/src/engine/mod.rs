//! One replica's side of a room.
//!
//! Every link goes through the same phases: both ends send hello with a summary of their events,
//! each sends the events that the other lacks, and from then on new events as they are made. The
//! engine records for each link the events that the peer has (`known`); it encodes changes only
//! when there is room to send them, so a slow peer costs a summary, not a queue.
//!
//! `handshake` has hello, goodbye and the choice between several links to one peer; `changes` sends
//! and receives events; `entries` merges those of a log; `liveness` has heartbeats and comparisons;
//! `json_peer` peers that use the JSON form; `names` names that two replicas use; `presence` the
//! messages about cursors and names.

mod changes;
mod entries;
mod handshake;
mod json_peer;
mod known;
mod link;
mod links;
mod liveness;
mod mismatches;
mod names;
mod presence;

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use crdt_core::{Document, Frontier, VersionSummary};

use crate::config::Config;
use crate::digest;
use crate::error::{CloseReason, PresenceError};
use crate::presence::Presence;
use crate::time::Millis;
use crate::types::{Access, Incoming, LinkId, LinkOptions, Output, PeerStatus, Speech};
use link::Link;
use links::Links;

/// One replica's side of a room: every link to every peer.
///
/// After every call: drain [`Engine::poll_output`], then read [`Engine::next_timeout`].
///
/// ```
/// use crdt_core::Document;
/// use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output};
///
/// let mut docs = [Document::new("ann")?, Document::new("bob")?];
/// let mut engines = [
///     Engine::new(Config::default(), "ann", 1),
///     Engine::new(Config::default(), "bob", 2),
/// ];
/// docs[0].insert(0, "Hello")?;
/// for i in 0..2 {
///     engines[i].link_up(LinkId(0), LinkOptions::default(), 0, &docs[i]);
/// }
/// // A perfect network: what one sends, the other gets.
/// let mut idle = false;
/// while !idle {
///     idle = true;
///     for i in 0..2 {
///         while let Some(output) = engines[i].poll_output() {
///             if let Output::Send { link, message: Outgoing::Binary(bytes), .. } = output {
///                 engines[i].buffered_amount(link, 0, 0, &docs[i]);
///                 engines[1 - i].receive(link, Incoming::Binary(&bytes), 0, &mut docs[1 - i]);
///                 idle = false;
///             }
///         }
///     }
/// }
/// assert_eq!(docs[1].text(), "Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine {
    config: Config,
    agent: String,
    session: u64,
    links: Links,
    presence: Presence,
    version: Option<Arc<Version>>,
    /// Some peer has different content under an id.
    has_diverged: bool,
    /// The number of events that the document was last seen to have, and since when.
    seen: (usize, Millis),
    /// The last result of [`Engine::next_timeout`], if nothing was done since.
    timeout: Cell<Option<Option<Millis>>>,
    outputs: VecDeque<Output>,
}

/// A version of the document, computed once, when a heartbeat or a frontier needs it.
#[derive(Debug)]
struct Version {
    /// A document only grows, so the number of its events identifies its version.
    events: usize,
    frontier: Frontier,
    digest: u64,
    /// Hash of the text, computed when it is first needed.
    text: std::sync::OnceLock<u64>,
}

impl Engine {
    /// An engine without links. `agent` is the name of the document's agent, `session` a random
    /// number that is new with every start of this replica.
    pub fn new(config: Config, agent: &str, session: u64) -> Engine {
        let (sessions, bytes) = (config.max_presence_sessions, config.max_presence_bytes);
        Engine {
            config,
            agent: agent.to_owned(),
            session,
            links: Links::default(),
            presence: Presence::new(session, agent, sessions, bytes),
            version: None,
            has_diverged: false,
            seen: (0, 0),
            timeout: Cell::new(None),
            outputs: VecDeque::new(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The agent name of the document, as of the last call.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The session.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// A transport to one peer has opened: sends hello.
    pub fn link_up(&mut self, link: LinkId, options: LinkOptions, now: Millis, doc: &Document) {
        self.wake(now);
        if self.links.contains(link) {
            self.link_down(link, now, doc);
        }
        self.links
            .add(Link::new(link, options, &self.agent, &self.config, now));
        self.greet(link, now, doc);
    }

    /// A transport has closed.
    pub fn link_down(&mut self, link: LinkId, now: Millis, doc: &Document) {
        self.wake(now);
        self.remove(link, false, now, doc);
    }

    /// Sets the changes that a link carries from now on.
    pub fn set_access(&mut self, link: LinkId, access: Access, now: Millis, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let before = std::mem::replace(&mut state.options.access, access);
        if before == access {
            return;
        }
        self.wake(now);
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if !access.sends {
            state.due = None;
        }
        if !access.takes {
            state.claimed = VersionSummary::new();
        }
        // Changes that were not sent or not requested may be missing at either end.
        state.owes_summary = Some(true);
        state.mark(now, &self.config);
        self.check_synced(link, doc);
        self.flush(link, now, doc);
    }

    /// A message has arrived. Its faults only affect this link.
    pub fn receive(
        &mut self,
        link: LinkId,
        message: Incoming<'_>,
        now: Millis,
        doc: &mut Document,
    ) {
        self.wake(now);
        self.follow_name(now, doc);
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let len = match message {
            Incoming::Text(text) => text.len(),
            Incoming::Binary(bytes) => bytes.len(),
        };
        state.bytes_in += len as u64;
        state.messages_in += 1;
        state.heard_at = now;
        let result = match message {
            Incoming::Text(text) => self.receive_text(link, text, now, doc),
            Incoming::Binary(bytes) => self.receive_binary(link, bytes, now, doc),
        };
        if let Err(reason) = result {
            self.close(link, reason, now, doc);
        }
        // Browsers throttle the timers of hidden pages, but not their messages.
        self.flush_all(now, doc);
    }

    /// The document has grown, by edits or merges outside the engine. Cheap enough for every
    /// keystroke.
    pub fn local_edit(&mut self, now: Millis, doc: &Document) {
        self.wake(now);
        self.follow_name(now, doc);
        self.see(now, doc);
        let config = &self.config;
        self.links
            .iter_mut()
            .for_each(|link| link.mark(now, config));
        self.flush_all(now, doc);
    }

    /// Reports the bytes that a transport buffers. Call this after sending and when the transport
    /// drains; for a transport that does not know, pass 0 after every message.
    pub fn buffered_amount(&mut self, link: LinkId, bytes: usize, now: Millis, doc: &Document) {
        self.wake(now);
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if bytes < state.buffered {
            state.full_since = None;
            // The answer to a heartbeat is late while the heartbeat waits behind other bytes, and
            // progress of a long transfer proves that the peer is alive. Small messages do not:
            // many transports send some bytes even if nobody receives them.
            let drained = state.buffered - bytes;
            let waits = state.ahead_of_question > 0;
            state.ahead_of_question = state.ahead_of_question.saturating_sub(drained);
            if waits || bytes >= self.config.max_frame || !state.queue.is_empty() {
                state.drained_at = now;
            }
        }
        state.buffered = bytes;
        state.flush(&self.config, &mut self.outputs);
        self.flush(link, now, doc);
        self.flush_presence(link, now);
    }

    /// Sets a field of the own presence to a JSON text, or removes it. The others receive the text
    /// unchanged, and should not trust it to be JSON.
    ///
    /// # Errors
    /// [`PresenceError`] beyond [`Config::max_presence_bytes`]; the presence is then unchanged.
    pub fn set_presence(
        &mut self,
        field: &str,
        value: Option<&str>,
        now: Millis,
    ) -> Result<(), PresenceError> {
        self.wake(now);
        if self.presence.set(field, value)? {
            self.spread_presence(None, now);
        }
        Ok(())
    }

    /// Handles the passing of time: call this at [`Engine::next_timeout`].
    pub fn tick(&mut self, now: Millis, doc: &mut Document) {
        self.wake(now);
        let links = self.links.ids();
        for link in links {
            self.tick_hello(link, now, doc);
            if let Err(reason) = self.tick_liveness(link, now, doc) {
                self.close(link, reason, now, doc);
            }
            if let Err(reason) = self.tick_names(link, now, doc) {
                self.close(link, reason, now, doc);
            }
            self.tick_repair(link, now, doc);
            self.send_receipt(link, false, now, doc);
            self.flush(link, now, doc);
            self.flush_presence(link, now);
        }
        self.tick_presence(now);
    }

    /// Continues a long history of which a part was sent. Call this when the outputs are drained,
    /// until it returns that there was nothing to do; [`Engine::tick`] does the same, later.
    pub fn send_on(&mut self, now: Millis, doc: &Document) -> bool {
        self.wake(now);
        let before = self.outputs.len();
        self.flush_all(now, doc);
        self.outputs.len() > before
    }

    /// Sends receipts for which the peers wait. Call this after the changes have been reported to
    /// the user; [`Engine::tick`] sends all other receipts.
    pub fn acknowledge(&mut self, now: Millis, doc: &Document) {
        self.wake(now);
        for link in self.links.ids() {
            self.send_receipt(link, true, now, doc);
        }
    }

    /// Whether [`Engine::acknowledge`] has something to do.
    pub fn owes_receipts(&self, now: Millis) -> bool {
        let config = &self.config;
        self.links
            .iter()
            .any(|link| link.owes_receipt(true, now, config))
    }

    /// Whether [`Engine::send_on`] may have something to do.
    pub fn goes_on(&self) -> bool {
        self.links.iter().any(|link| link.due.is_some())
    }

    /// The time at which to call [`Engine::tick`]; a past time means now. Read it after every call.
    pub fn next_timeout(&self) -> Option<Millis> {
        let timeout = self.timeout.get().unwrap_or_else(|| self.find_timeout());
        self.timeout.set(Some(timeout));
        timeout
    }

    fn find_timeout(&self) -> Option<Millis> {
        let links = self.links.iter().flat_map(|link| {
            let flush = link
                .due
                .filter(|_| link.is_ready() && link.has_room(&self.config));
            let presence = link
                .presence_due
                .filter(|_| link.takes_presence(&self.config));
            let fragments = link.reassembly.timeout(self.config.fragment_timeout);
            let liveness = self.liveness_timeout(link);
            [
                flush,
                presence,
                fragments,
                liveness,
                link.hello_at,
                link.compat_at,
                link.repair_at,
                link.receipt_at,
                link.digest_by,
                link.left_out_at,
            ]
        });
        links
            .flatten()
            .chain(self.presence.timeout(self.config.presence_grace))
            .min()
    }

    /// Whether messages for this link wait until its transport has room, so that
    /// [`Engine::buffered_amount`] should be called soon.
    pub fn waits_for_room(&self, link: LinkId) -> bool {
        let waits = |link: &Link| {
            let is_owed = link.due.is_some() || link.owes_summary.is_some();
            !link.queue.is_empty() || is_owed && !link.has_room(&self.config)
        };
        self.links.get(link).is_some_and(waits)
    }

    /// The most bytes that a transport buffers: the last reported amount plus the bytes sent since.
    /// Call [`Engine::buffered_amount`] again before this reaches [`Config::low_water`].
    pub fn buffered(&self) -> usize {
        let all = self.links.iter().map(|link| link.buffered);
        all.max().unwrap_or(0)
    }

    /// The next output. Drain after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Sends goodbye on every link, and closes it. Removes the presence of others.
    pub fn goodbye(&mut self, now: Millis) {
        self.wake(now);
        for mut link in self.links.take_all() {
            self.send_goodbye(&mut link);
        }
        self.hide_everybody();
    }

    /// The status of every link.
    pub fn peers(&self, doc: &Document) -> impl Iterator<Item = PeerStatus> + '_ {
        let all: Vec<PeerStatus> = self.links.iter().map(|link| link.status(doc)).collect();
        all.into_iter()
    }

    /// Records when the document grew.
    fn see(&mut self, now: Millis, doc: &Document) {
        let events = doc.event_count();
        if self.seen.0 != events {
            self.seen = (events, now);
        }
    }

    /// The version of the document.
    fn version(&mut self, now: Millis, doc: &Document) -> Arc<Version> {
        self.see(now, doc);
        let (events, _) = self.seen;
        if let Some(version) = self
            .version
            .as_ref()
            .filter(|version| version.events == events)
        {
            return Arc::clone(version);
        }
        let frontier = doc.frontier();
        let version = Arc::new(Version {
            events,
            digest: digest::of_frontier(&frontier),
            frontier,
            text: std::sync::OnceLock::new(),
        });
        self.version = Some(Arc::clone(&version));
        version
    }

    /// Every call that changes the state begins with this. It detects that this machine slept, or
    /// that its timers were throttled: then silence proves nothing about the peers, and they are
    /// pinged again.
    fn wake(&mut self, now: Millis) {
        let late = |at: Millis| now.saturating_sub(at) > self.config.heartbeat;
        let timeout = self.timeout.take();
        let slept = timeout
            .unwrap_or_else(|| self.find_timeout())
            .is_some_and(late);
        if !slept {
            return;
        }
        for link in self.links.iter_mut() {
            link.heard_at = now;
            link.full_since = None;
            link.asked = None;
            link.check_at = now;
        }
    }

    /// Closes a link for a reason, and forgets it.
    fn close(&mut self, link: LinkId, reason: CloseReason, now: Millis, doc: &Document) {
        let goodbye = reason == CloseReason::Goodbye;
        if self.links.contains(link) {
            self.outputs.push_back(Output::Close { link, reason });
        }
        self.remove(link, goodbye, now, doc);
    }

    /// Forgets a link; another one to the same peer takes over.
    fn remove(&mut self, link: LinkId, goodbye: bool, now: Millis, doc: &Document) {
        let Some(state) = self.links.remove(link) else {
            return;
        };
        let session = state.session();
        if let Some(peer) = state.peer {
            let (agent, session) = (peer.agent, peer.session);
            self.outputs.push_back(Output::PeerDown {
                link,
                agent,
                session,
                goodbye,
            });
        }
        let linked = |other: &Link| other.session() == session;
        let last = session.filter(|_| goodbye || !self.links.iter().any(linked));
        if let Some(session) = session {
            self.elect(session, now, doc);
        }
        self.review_left_out(now);
        self.presence_link_lost(link, last, goodbye, now);
        self.send_neighbours();
    }

    /// Sends changes on every link where some are due.
    fn flush_all(&mut self, now: Millis, doc: &Document) {
        let due = |link: &&Link| link.due.is_some_and(|due| due <= now) && link.is_ready();
        let mut last = None;
        while let Some(link) = self
            .links
            .iter()
            .find(|link| last.is_none_or(|last| last < link.id) && due(link))
            .map(|link| link.id)
        {
            self.flush(link, now, doc);
            last = Some(link);
        }
    }

    /// Whether the peer of a link speaks the binary form and has said hello.
    fn is_met(&self, link: LinkId) -> bool {
        let met = |link: &Link| link.speech == Speech::Binary && link.peer.is_some();
        self.links.get(link).is_some_and(met)
    }
}
