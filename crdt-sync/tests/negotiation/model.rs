//! Two pages with a model of `RTCPeerConnection` each, and signals between them.
//!
//! The model refuses what a browser refuses: a second call while one is outstanding, a description
//! in the wrong state, a candidate without a remote description. Every order in which calls end,
//! signals arrive and candidates are found can be played.

use std::collections::{BTreeSet, VecDeque};

use crdt_sync::negotiation::{
    Action, ConnectionState, Description, Input, Negotiation, Op, Origin, Signal, Timing,
};

/// Decides what happens next, so that all orders can be tried.
pub(crate) struct Chooser {
    planned: Vec<usize>,
    taken: Vec<(usize, usize)>,
    depth: usize,
    random: Option<u64>,
}

impl Chooser {
    /// The first of all orders that differ in their first `depth` decisions.
    pub(crate) fn all(depth: usize) -> Chooser {
        Chooser {
            planned: Vec::new(),
            taken: Vec::new(),
            depth,
            random: None,
        }
    }

    /// A random order.
    pub(crate) fn random(seed: u64) -> Chooser {
        Chooser {
            planned: Vec::new(),
            taken: Vec::new(),
            depth: 0,
            random: Some(seed),
        }
    }

    /// The next order; `None` when all were tried.
    pub(crate) fn next(mut self) -> Option<Chooser> {
        self.taken.truncate(self.depth);
        while let Some((choice, of)) = self.taken.pop() {
            if choice + 1 < of {
                let mut planned: Vec<usize> =
                    self.taken.iter().map(|(choice, _)| *choice).collect();
                planned.push(choice + 1);
                return Some(Chooser {
                    planned,
                    taken: Vec::new(),
                    ..self
                });
            }
        }
        None
    }

    pub(crate) fn choose(&mut self, of: usize) -> usize {
        let choice = match &mut self.random {
            Some(state) => {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (*state >> 33) as usize % of
            }
            None => self.planned.get(self.taken.len()).copied().unwrap_or(0),
        };
        self.taken.push((choice, of));
        choice
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signaling {
    Stable,
    LocalOffer,
    RemoteOffer,
}

#[derive(Debug)]
struct Connection {
    /// Unique among all connections of a play.
    id: u32,
    signaling: Signaling,
    /// The descriptions in force, and those being negotiated.
    local: Option<String>,
    remote: Option<String>,
    pending_local: Option<String>,
    pending_remote: Option<String>,
    /// The peer's candidates.
    candidates: BTreeSet<String>,
    state: ConnectionState,
}

#[derive(Debug)]
enum Call {
    CreateOffer,
    CreateAnswer,
    SetLocal(Description),
    SetRemote(Description),
    Rollback,
}

pub(crate) struct Page {
    pub(crate) negotiation: Negotiation,
    connection: Option<Connection>,
    outstanding: Option<(Op, Call)>,
    found: VecDeque<String>,
    pub(crate) fallback: bool,
    pub(crate) problems: Vec<String>,
}

pub(crate) struct World {
    pub(crate) pages: [Page; 2],
    /// Signals under way, by sender.
    pub(crate) wire: [VecDeque<Signal>; 2],
    pub(crate) now: u64,
    /// Whether signals lose all that clients of the basic messages do not send.
    pub(crate) basic: bool,
    /// Whether a candidate may overtake a description.
    pub(crate) overtaking: bool,
    /// Whether the networks let the two through.
    pub(crate) reachable: bool,
    pub(crate) timing: Timing,
    ids: u32,
    loads: u32,
}

const NAMES: [&str; 2] = ["alice", "bob"];

impl World {
    pub(crate) fn new(timing: Timing) -> World {
        let page = |i: usize| Page {
            negotiation: Negotiation::new(
                NAMES[i],
                NAMES[1 - i],
                &format!("load-{i}"),
                timing.clone(),
            ),
            connection: None,
            outstanding: None,
            found: VecDeque::new(),
            fallback: false,
            problems: Vec::new(),
        };
        World {
            pages: [page(0), page(1)],
            wire: Default::default(),
            now: 0,
            basic: false,
            overtaking: false,
            reachable: true,
            timing: timing.clone(),
            ids: 0,
            loads: 0,
        }
    }

    /// A page is loaded anew. What the old one sent is still under way.
    pub(crate) fn reload(&mut self, i: usize) {
        self.loads += 1;
        let session = format!("load-{i}-{}", self.loads);
        let timing = self.timing.clone();
        self.pages[i] = Page {
            negotiation: Negotiation::new(NAMES[i], NAMES[1 - i], &session, timing),
            connection: None,
            outstanding: None,
            found: VecDeque::new(),
            fallback: false,
            problems: Vec::new(),
        };
    }

    pub(crate) fn input(&mut self, i: usize, input: Input) {
        let actions = self.pages[i].negotiation.handle(input, self.now, 0.5);
        for action in actions {
            self.perform(i, action);
        }
    }

    fn perform(&mut self, i: usize, action: Action) {
        let page = &mut self.pages[i];
        let call = match action {
            Action::Create { .. } => {
                self.ids += 1;
                page.outstanding = None;
                page.found.clear();
                page.connection = Some(Connection {
                    id: self.ids,
                    signaling: Signaling::Stable,
                    local: None,
                    remote: None,
                    pending_local: None,
                    pending_remote: None,
                    candidates: BTreeSet::new(),
                    state: ConnectionState::New,
                });
                return;
            }
            Action::Close => {
                assert!(page.connection.take().is_some(), "closing what is not open");
                page.outstanding = None;
                page.found.clear();
                return;
            }
            Action::AddCandidate { candidate } => {
                let connection = page.connection.as_mut().expect("a connection");
                let remote = connection
                    .pending_remote
                    .as_ref()
                    .or(connection.remote.as_ref());
                let remote = remote.expect("a candidate comes after a remote description");
                let fits = candidate.ends_with(&format!("of {remote}"));
                assert!(fits || self.basic, "{candidate} for {remote}");
                connection.candidates.insert(candidate);
                return;
            }
            Action::Send(mut signal) => {
                if self.basic {
                    strip(&mut signal);
                }
                self.wire[i].push_back(signal);
                return;
            }
            Action::Fallback(on) => {
                page.fallback = on;
                return;
            }
            Action::Problem { message, .. } => {
                page.problems.push(message);
                return;
            }
            Action::CreateOffer { op, .. } => (op, Call::CreateOffer),
            Action::CreateAnswer { op } => (op, Call::CreateAnswer),
            Action::SetLocal { op, description } => {
                // Gathering starts anew. A browser may still report one of the last gathering; the
                // fragment of a user name in it tells the other browser to drop it.
                page.found.clear();
                (op, Call::SetLocal(description))
            }
            Action::SetRemote { op, description } => (op, Call::SetRemote(description)),
            Action::Rollback { op } => (op, Call::Rollback),
        };
        assert!(page.connection.is_some(), "{call:?} without a connection");
        assert!(
            page.outstanding.is_none(),
            "{call:?} during {:?}",
            page.outstanding
        );
        page.outstanding = Some(call);
    }

    /// Ends the outstanding call of a page, as a browser would.
    fn end_call(&mut self, i: usize) {
        self.ids += 1;
        let number = self.ids;
        let page = &mut self.pages[i];
        let Some((op, call)) = page.outstanding.take() else {
            return;
        };
        let connection = page.connection.as_mut().expect("a connection");
        let id = connection.id;
        let input = match call {
            Call::CreateOffer => Input::Created {
                op,
                sdp: format!("{id} offer {number}"),
            },
            Call::CreateAnswer => {
                assert_eq!(connection.signaling, Signaling::RemoteOffer);
                let offer = connection.pending_remote.as_deref().unwrap_or_default();
                Input::Created {
                    op,
                    sdp: format!("{id} answer {number} to {offer}"),
                }
            }
            Call::SetLocal(description) => {
                let sdp = match description {
                    Description::Offer(sdp) => {
                        assert_eq!(connection.signaling, Signaling::Stable);
                        connection.signaling = Signaling::LocalOffer;
                        connection.pending_local = Some(sdp.clone());
                        sdp
                    }
                    Description::Answer(sdp) => {
                        assert_eq!(connection.signaling, Signaling::RemoteOffer);
                        connection.signaling = Signaling::Stable;
                        connection.local = Some(sdp.clone());
                        connection.remote = connection.pending_remote.take();
                        sdp
                    }
                };
                page.found
                    .extend([format!("1 of {sdp}"), format!("2 of {sdp}")]);
                Input::Done { op }
            }
            Call::SetRemote(Description::Offer(sdp)) => {
                assert_eq!(connection.signaling, Signaling::Stable);
                connection.signaling = Signaling::RemoteOffer;
                connection.pending_remote = Some(sdp);
                Input::Done { op }
            }
            Call::SetRemote(Description::Answer(sdp)) => {
                assert_eq!(connection.signaling, Signaling::LocalOffer);
                connection.signaling = Signaling::Stable;
                connection.remote = Some(sdp);
                connection.local = connection.pending_local.take();
                Input::Done { op }
            }
            Call::Rollback => {
                assert_eq!(connection.signaling, Signaling::LocalOffer);
                connection.signaling = Signaling::Stable;
                connection.pending_local = None;
                page.found.clear();
                Input::Done { op }
            }
        };
        self.input(i, input);
    }

    /// Whether page `i` has a way to the other: their descriptions are of one exchange, and it has a
    /// candidate for the description in force.
    fn is_through(&self, i: usize) -> bool {
        let (Some(mine), Some(other)) = (&self.pages[i].connection, &self.pages[1 - i].connection)
        else {
            return false;
        };
        let (Some(remote), Some(theirs)) = (&mine.remote, &other.local) else {
            return false;
        };
        let pair = remote == theirs && mine.local == other.remote && mine.local.is_some();
        self.reachable && pair && mine.candidates.iter().any(|c| c.ends_with(remote.as_str()))
    }

    pub(crate) fn is_connected(&self) -> bool {
        let state = |page: &Page| {
            let connection = page.connection.as_ref();
            connection.is_some_and(|c| {
                c.state == ConnectionState::Connected && c.signaling == Signaling::Stable
            })
        };
        (0..2).all(|i| state(&self.pages[i]) && self.is_through(i))
            && self.wire.iter().all(VecDeque::is_empty)
            && self.pages.iter().all(|page| page.outstanding.is_none())
    }

    /// The platform reports a state of a page's connection.
    pub(crate) fn report(&mut self, i: usize, state: ConnectionState) {
        if let Some(connection) = self.pages[i].connection.as_mut() {
            connection.state = state;
            self.input(i, Input::State(state));
        }
    }

    /// Everything that can happen next, in order of likelihood.
    fn possible(&self) -> Vec<(usize, u8)> {
        let mut possible = Vec::new();
        for i in 0..2 {
            let page = &self.pages[i];
            if page.outstanding.is_some() {
                possible.push((i, 0));
            }
            if !self.wire[i].is_empty() {
                possible.push((i, 1));
            }
            if !page.found.is_empty() {
                possible.push((i, 2));
            }
            let candidate = |signal: &Signal| matches!(signal, Signal::Candidate { .. });
            if self.overtaking && self.wire[i].get(1).is_some_and(candidate) {
                possible.push((i, 3));
            }
            let connected = |c: &Connection| c.state == ConnectionState::Connected;
            if self.is_through(i) && !page.connection.as_ref().is_some_and(connected) {
                possible.push((i, 4));
            }
        }
        possible
    }

    /// One thing happens; false if nothing can but time passing.
    pub(crate) fn step(&mut self, chooser: &mut Chooser) -> bool {
        let possible = self.possible();
        if possible.is_empty() {
            return false;
        }
        let choice = if possible.len() == 1 {
            0
        } else {
            chooser.choose(possible.len())
        };
        let (i, what) = possible[choice];
        match what {
            0 => self.end_call(i),
            1 => {
                let signal = self.wire[i].pop_front().expect("not empty");
                self.input(1 - i, Input::Signal(signal));
            }
            2 => {
                let candidate = self.pages[i].found.pop_front().expect("not empty");
                self.input(i, Input::LocalCandidate(candidate));
            }
            3 => {
                let signal = self.wire[i].remove(1).expect("a second one");
                self.input(1 - i, Input::Signal(signal));
            }
            _ => self.report(i, ConnectionState::Connected),
        }
        true
    }

    /// Plays until the two are connected and at rest.
    pub(crate) fn play(&mut self, chooser: &mut Chooser, patience: u64) {
        let mut steps = 0;
        loop {
            while self.step(chooser) {
                steps += 1;
                assert!(steps < 10_000, "it does not come to rest");
            }
            if self.is_connected() {
                return;
            }
            let timeouts = self
                .pages
                .iter()
                .filter_map(|page| page.negotiation.next_timeout());
            let next = timeouts
                .min()
                .expect("not connected, and nothing is waited for");
            assert!(next <= patience, "not connected after {} ms", self.now);
            self.now = self.now.max(next);
            (0..2).for_each(|i| self.tick(i));
        }
    }

    fn tick(&mut self, i: usize) {
        if self.pages[i]
            .negotiation
            .next_timeout()
            .is_some_and(|at| at <= self.now)
        {
            self.input(i, Input::Tick);
        }
    }
}

/// What a client of the basic messages alone would have sent.
fn strip(signal: &mut Signal) {
    match signal {
        Signal::Description {
            from,
            to,
            number,
            answers,
            ..
        } => {
            (*from, *to, *number, *answers) = (Origin::default(), Origin::default(), 0, 0);
        }
        Signal::Candidate {
            from, to, number, ..
        } => {
            (*from, *to, *number) = (Origin::default(), Origin::default(), 0);
        }
    }
}
