//! Perfect negotiation of one peer-to-peer connection, as a state machine without I/O.
//!
//! [`Negotiation`] handles inputs ([`Input`]) and returns actions ([`Action`]). It has at most one
//! asynchronous call to the connection outstanding, so async callbacks cannot interleave: perform
//! each action in order, and report the result of those that have an `op`.
//!
//! Of two peers the one whose agent id sorts lower by UTF-16 code unit makes the first offer. The
//! other one is polite: if two offers cross, it rolls its own back. Either side may offer later.
//!
//! Signals have an origin (page load and connection object) and the description that they belong
//! to, so that signals of an earlier page load, of a replaced connection, or of an ignored offer
//! can be distinguished. Signals of clients without this information are accepted unchanged.

mod calls;
mod candidates;
mod inbox;
mod steps;
mod types;

use std::collections::VecDeque;

pub use types::{Action, ConnectionState, Description, Input, Op, Origin, Signal, Stage, Timing};

use crate::backoff::Backoff;
use crate::time::Millis;
use candidates::Candidates;
use steps::{Offered, Step};

/// The most past page loads of the peer that are remembered.
const MAX_RETIRED: usize = 8;

/// Whether, of two peers, `me` makes the first offer: its id sorts lower by UTF-16 code unit, which
/// is how JavaScript compares strings.
pub fn offers(me: &str, peer: &str) -> bool {
    me.encode_utf16().lt(peer.encode_utf16())
}

/// The negotiation with one peer.
///
/// ```
/// use crdt_sync::negotiation::{Action, Input, Negotiation, Timing};
///
/// let mut negotiation = Negotiation::new("ann", "bob", "page-load-1", Timing::default());
/// let actions = negotiation.handle(Input::Start, 0, 0.5);
/// assert_eq!(actions[0], Action::Create { connection: 1 });
/// assert!(matches!(actions[1], Action::CreateOffer { ice_restart: false, .. }));
/// ```
#[derive(Debug)]
pub struct Negotiation {
    offers: bool,
    session: String,
    timing: Timing,
    backoff: Backoff,
    wanted: bool,
    /// The number of the newest connection object, and whether it exists.
    connection: u32,
    live: bool,
    state: ConnectionState,
    /// The origin to which the connection is bound, once that is known.
    remote: Option<Origin>,
    /// The peer's latest page load, and the past ones.
    peer_session: String,
    retired: VecDeque<String>,
    /// The offer that waits for its answer.
    offered: Option<Offered>,
    /// An offer is needed; whether with an ICE restart.
    need: Option<bool>,
    outstanding: Option<(Op, Step)>,
    last_op: u32,
    /// Counts the own descriptions on this connection.
    number: u32,
    inbox: VecDeque<Signal>,
    candidates: Candidates,
    fallback: bool,
    deadlines: Deadlines,
    actions: Vec<Action>,
}

#[derive(Debug, Default)]
struct Deadlines {
    /// The deadline of the outstanding call.
    call: Option<Millis>,
    /// The deadline of the answer to the own offer.
    answer: Option<Millis>,
    /// The deadline for connecting.
    connect: Option<Millis>,
    /// The deadline for recovering by itself.
    heal: Option<Millis>,
    /// When to make a new connection.
    retry: Option<Millis>,
}

impl Negotiation {
    /// A negotiation that has not started. `session` is a string that is new with every page load.
    pub fn new(me: &str, peer: &str, session: &str, timing: Timing) -> Negotiation {
        let (base, cap) = timing.retry;
        Negotiation {
            offers: offers(me, peer),
            session: session.to_owned(),
            backoff: Backoff::new(base, cap),
            timing,
            wanted: false,
            connection: 0,
            live: false,
            state: ConnectionState::New,
            remote: None,
            peer_session: String::new(),
            retired: VecDeque::new(),
            offered: None,
            need: None,
            outstanding: None,
            last_op: 0,
            number: 0,
            inbox: VecDeque::new(),
            candidates: Candidates::default(),
            fallback: false,
            deadlines: Deadlines::default(),
            actions: Vec::new(),
        }
    }

    /// Handles an input, and returns the actions. `random` is uniform in 0..=1.
    pub fn handle(&mut self, input: Input, now: Millis, random: f64) -> Vec<Action> {
        match input {
            Input::Start => self.start(now),
            Input::Stop | Input::PeerGone => self.stop(),
            Input::Signal(signal) => self.take(signal, now),
            Input::NegotiationNeeded => {
                // During a negotiation this event is ignored: the platform fires it again
                // afterwards if it still applies.
                if self.live && self.outstanding.is_none() && self.offered.is_none() {
                    self.need.get_or_insert(false);
                }
            }
            Input::LocalCandidate(candidate) => self.send_candidate(candidate),
            Input::Created { op, sdp } => {
                if let Some(step) = self.finish(op, Step::creates) {
                    self.created(step, sdp, now);
                }
            }
            Input::Done { op } => {
                if let Some(step) = self.finish(op, |step| !step.creates()) {
                    self.done(step, now);
                }
            }
            Input::Failed { op, message } => {
                if let Some(step) = self.finish(op, |_| true) {
                    self.fail(step.stage(), message, now, random);
                }
            }
            Input::State(state) => self.on_state(state, now, random),
            Input::Online => self.on_online(now),
            Input::Tick => self.tick(now, random),
        }
        self.proceed(now);
        std::mem::take(&mut self.actions)
    }

    /// The time of the next [`Input::Tick`]. Read it after every input.
    pub fn next_timeout(&self) -> Option<Millis> {
        let Deadlines {
            call,
            answer,
            connect,
            heal,
            retry,
        } = self.deadlines;
        [call, answer, connect, heal, retry]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether this side is polite: it gives way if two offers cross.
    pub fn is_polite(&self) -> bool {
        !self.offers
    }

    /// The state of the connection, as last reported.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    fn origin(&self) -> Origin {
        Origin {
            session: self.session.clone(),
            connection: self.connection,
        }
    }

    fn start(&mut self, now: Millis) {
        if self.wanted {
            return;
        }
        self.wanted = true;
        if self.offers {
            self.create(now);
            self.need = Some(false);
        } else {
            // The other side offers. If no offer arrives, this side offers.
            self.deadlines.retry = Some(now.saturating_add(self.timing.answer));
        }
    }

    fn stop(&mut self) {
        self.wanted = false;
        self.discard();
        self.deadlines = Deadlines::default();
        self.backoff.reset();
        self.inbox.clear();
        self.candidates = Candidates::default();
        self.set_fallback(false);
    }

    /// Makes a new connection object; replaces an existing one.
    fn create(&mut self, now: Millis) {
        self.forget();
        self.connection += 1;
        self.live = true;
        self.deadlines.connect = Some(now.saturating_add(self.timing.connect * 2));
        self.actions.push(Action::Create {
            connection: self.connection,
        });
    }

    /// Closes the connection object, if there is one.
    fn discard(&mut self) {
        if self.live {
            self.actions.push(Action::Close);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.live = false;
        self.state = ConnectionState::New;
        self.offered = None;
        self.need = None;
        self.outstanding = None;
        self.number = 0;
        self.remote = None;
        self.candidates.new_connection();
        self.deadlines = Deadlines::default();
    }

    /// Binds the connection to this origin. Its page load is the peer's current one.
    fn bind(&mut self, from: &Origin) {
        self.remote = Some(from.clone());
        if self.peer_session != from.session {
            let before = std::mem::replace(&mut self.peer_session, from.session.clone());
            self.retire(before);
        }
    }

    fn retire(&mut self, session: String) {
        if session.is_empty() || self.retired.contains(&session) {
            return;
        }
        if self.retired.len() >= MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(session);
    }

    fn set_fallback(&mut self, on: bool) {
        if self.fallback != on {
            self.fallback = on;
            self.actions.push(Action::Fallback(on));
        }
    }

    fn on_state(&mut self, state: ConnectionState, now: Millis, random: f64) {
        if !self.live {
            return;
        }
        self.state = state;
        match state {
            ConnectionState::New | ConnectionState::Connecting => {}
            ConnectionState::Connected => {
                self.backoff.reset();
                self.deadlines.connect = None;
                self.deadlines.heal = None;
                self.deadlines.retry = None;
                self.set_fallback(false);
            }
            ConnectionState::Disconnected => {
                // The polite side lets the other one try first.
                let patience = if self.offers { 1 } else { 2 };
                let grace = self.timing.disconnected_grace.saturating_mul(patience);
                self.deadlines.heal.get_or_insert(now.saturating_add(grace));
                self.set_fallback(true);
            }
            ConnectionState::Failed | ConnectionState::Closed => {
                let message = "the connection failed: no way through the networks between";
                self.fail(Stage::Ice, message.to_owned(), now, random);
            }
        }
    }

    fn on_online(&mut self, now: Millis) {
        if self.state == ConnectionState::Disconnected {
            self.deadlines.heal = None;
            self.restart_ice(now);
        } else if let Some(retry) = self.deadlines.retry
            && !self.live
        {
            // The polite side lets the other one try first, also now.
            let patience = if self.offers { 0 } else { self.timing.answer };
            self.deadlines.retry = Some(retry.min(now.saturating_add(patience)));
        }
    }

    fn restart_ice(&mut self, now: Millis) {
        self.need = Some(true);
        let until = now.saturating_add(self.timing.connect);
        self.deadlines.connect.get_or_insert(until);
    }

    /// Gives the connection up, and tries a new one later.
    fn fail(&mut self, stage: Stage, message: String, now: Millis, random: f64) {
        self.actions.push(Action::Problem { stage, message });
        self.discard();
        self.set_fallback(true);
        // The polite side lets the other one try first.
        let patience = if self.offers { 0 } else { self.timing.answer };
        let wait = self.backoff.next(random).saturating_add(patience);
        self.deadlines.retry = Some(now.saturating_add(wait));
    }

    fn tick(&mut self, now: Millis, random: f64) {
        let due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        if due(self.deadlines.call) {
            let stage = self
                .outstanding
                .as_ref()
                .map_or(Stage::Offer, |(_, step)| step.stage());
            self.fail(
                stage,
                "the browser did not finish a call".to_owned(),
                now,
                random,
            );
        } else if due(self.deadlines.answer) {
            let message = "the peer did not answer the offer".to_owned();
            self.fail(Stage::Offer, message, now, random);
        } else if due(self.deadlines.connect) {
            let message = "the connection did not come up in time".to_owned();
            self.fail(Stage::Ice, message, now, random);
        }
        if due(self.deadlines.heal) {
            self.deadlines.heal = None;
            self.restart_ice(now);
        }
        if due(self.deadlines.retry) {
            self.deadlines.retry = None;
            self.create(now);
            self.need = Some(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Description, Input, Negotiation, Origin, Signal, Timing, offers};

    fn polite() -> Negotiation {
        Negotiation::new("bob", "alice", "page", Timing::default())
    }

    fn offer() -> Input {
        let from = Origin {
            session: "her page".to_owned(),
            connection: 1,
        };
        Input::Signal(Signal::Description {
            from,
            to: Origin::default(),
            number: 1,
            answers: 0,
            description: Description::Offer("hers".to_owned()),
        })
    }

    #[test]
    fn the_polite_side_waits_for_an_offer_also_when_the_network_comes_back() {
        let mut bob = polite();
        assert_eq!(bob.handle(Input::Start, 0, 0.5), []);
        assert_eq!(bob.handle(Input::Online, 5, 0.5), []);
        let patience = Timing::default().answer;
        assert!(bob.next_timeout().is_some_and(|at| at >= patience));
        let late = bob.handle(Input::Tick, patience + 5, 0.5);
        assert!(matches!(late[1], Action::CreateOffer { .. }), "{late:?}");
    }

    #[test]
    fn an_offer_that_crosses_the_first_own_one_gets_a_new_connection() {
        let mut bob = polite();
        bob.handle(Input::Start, 0, 0.5);
        let first = bob.handle(Input::Tick, Timing::default().answer, 0.5);
        let [_, Action::CreateOffer { op, .. }] = first[..] else {
            panic!("{first:?}");
        };
        let sdp = "his".to_owned();
        let set = bob.handle(Input::Created { op, sdp }, 10_001, 0.5);
        let Some(Action::SetLocal { op, .. }) = set.first() else {
            panic!("{set:?}");
        };
        bob.handle(Input::Done { op: *op }, 10_002, 0.5);
        let taken = bob.handle(offer(), 10_003, 0.5);
        assert_eq!(taken[0], Action::Create { connection: 2 });
        assert!(matches!(taken[1], Action::SetRemote { .. }), "{taken:?}");
    }

    #[test]
    fn the_lower_id_by_code_unit_offers() {
        assert!(offers("alice", "bob"));
        assert!(!offers("bob", "alice"));
        assert!(offers("a", "ab"));
        assert!(!offers("a", "a"));
        // By code unit, a character beyond the basic plane sorts before U+FF5E; by scalar, after.
        assert!(offers("\u{1f600}", "\u{ff5e}"));
        assert!(!offers("\u{ff5e}", "\u{1f600}"));
    }
}
