//! Incoming signals, and the connection that they are for.

use super::Negotiation;
use super::types::{Action, Description, Origin, Signal};
use crate::time::Millis;

/// The most descriptions that wait while a call is outstanding; a peer sends one or two.
const MAX_INBOX: usize = 16;

impl Negotiation {
    /// Takes a signal of the peer.
    pub(super) fn take(&mut self, signal: Signal, now: Millis) {
        if !self.wanted {
            return;
        }
        let (from, to) = match &signal {
            Signal::Description { from, to, .. } | Signal::Candidate { from, to, .. } => (from, to),
        };
        if self.retired.contains(&from.session) || !to.is_unknown() && to.session != self.session {
            return;
        }
        let outdated = !to.is_unknown() && to.connection != 0 && to.connection != self.connection;
        match signal {
            Signal::Candidate {
                from,
                number,
                candidate,
                ..
            } => {
                if outdated {
                    return;
                }
                let bound = self.remote.as_ref().is_none_or(|remote| *remote == from);
                if let Some(candidate) = self.candidates.take(from, number, candidate, bound)
                    && self.live
                {
                    self.actions.push(Action::AddCandidate { candidate });
                }
            }
            Signal::Description {
                ref description, ..
            } => {
                if outdated {
                    // A peer that sends an offer to a closed connection has not noticed that it
                    // failed.
                    if matches!(description, Description::Offer(_)) && !self.live {
                        self.deadlines.retry = Some(now);
                    }
                } else if self.inbox.len() < MAX_INBOX {
                    self.inbox.push_back(signal);
                }
            }
        }
    }

    /// Whether an offer from `from` is for the current connection (`Some(true)`), needs a new one
    /// (`Some(false)`), or is out of date.
    pub(super) fn fits(&self, from: &Origin) -> Option<bool> {
        match &self.remote {
            None => Some(self.live),
            Some(remote) if remote == from => Some(self.live),
            Some(remote) if remote.session == from.session => {
                (from.connection > remote.connection).then_some(false)
            }
            Some(_) => Some(false),
        }
    }
}
