//! The calls to the connection, one after the other.

use super::Negotiation;
use super::steps::{Asked, Offered, Step};
use super::types::{Action, Description, Op, Origin, Signal};
use crate::time::Millis;

impl Negotiation {
    fn call(&mut self, step: Step, now: Millis, action: impl FnOnce(Op) -> Action) {
        self.last_op = self.last_op.wrapping_add(1);
        let op = Op(self.last_op);
        self.outstanding = Some((op, step));
        self.deadlines.call = Some(now.saturating_add(self.timing.answer));
        self.actions.push(action(op));
    }

    /// Finishes a call; `None` if it was abandoned, or another kind of result is expected.
    pub(super) fn finish(&mut self, op: Op, how: impl Fn(&Step) -> bool) -> Option<Step> {
        let ends = |(outstanding, step): &mut (Op, Step)| *outstanding == op && how(step);
        let (_, step) = self.outstanding.take_if(ends)?;
        self.deadlines.call = None;
        Some(step)
    }

    /// Takes the next step, if no call is outstanding.
    pub(super) fn proceed(&mut self, now: Millis) {
        while self.outstanding.is_none() {
            let Some(signal) = self.inbox.pop_front() else {
                break;
            };
            if let Signal::Description {
                from,
                to,
                number,
                answers,
                description,
            } = signal
            {
                match description {
                    Description::Offer(sdp) => {
                        let met = to != Origin::default();
                        self.take_offer(Asked { from, number, sdp }, met, now);
                    }
                    Description::Answer(sdp) => self.take_answer(from, number, answers, sdp, now),
                }
            }
        }
        let free = self.live && self.outstanding.is_none() && self.offered.is_none();
        if let Some(ice_restart) = self.need.take_if(|_| free) {
            let step = Step::CreateOffer { ice_restart };
            self.call(step, now, |op| Action::CreateOffer { op, ice_restart });
        }
    }

    /// `met`: the peer's connection is already bound to the local one.
    fn take_offer(&mut self, asked: Asked, met: bool, now: Millis) {
        match self.fits(&asked.from) {
            None => return,
            Some(true) => {}
            Some(false) => {
                self.create(now);
            }
        }
        match self.offered.take() {
            Some(offered) if self.offers => {
                self.offered = Some(offered);
                self.candidates.ignore(&asked.from, asked.number);
            }
            Some(_) if self.remote.is_none() && !met => {
                // Neither connection is bound to the other. Rolling back an offer before it
                // gathered candidates leaves Chromium's connection without any for its answer; a
                // new connection has them.
                self.create(now);
                self.set_remote_offer(asked, now);
            }
            Some(Offered { ice_restart, .. }) => {
                self.deadlines.answer = None;
                let step = Step::RollBack { asked, ice_restart };
                self.call(step, now, |op| Action::Rollback { op });
            }
            None => self.set_remote_offer(asked, now),
        }
    }

    fn set_remote_offer(&mut self, asked: Asked, now: Millis) {
        self.deadlines.retry = None;
        self.bind(&asked.from);
        let description = Description::Offer(asked.sdp.clone());
        self.call(Step::TakeOffer { asked }, now, |op| Action::SetRemote {
            op,
            description,
        });
    }

    fn take_answer(&mut self, from: Origin, number: u32, answers: u32, sdp: String, now: Millis) {
        let expected = self.offered.as_ref().is_some_and(|offered| {
            let fits = answers == 0 || answers == offered.number;
            fits && self.remote.as_ref().is_none_or(|remote| *remote == from)
        });
        if !expected || !self.live {
            return;
        }
        self.deadlines.answer = None;
        self.bind(&from);
        let description = Description::Answer(sdp);
        let step = Step::TakeAnswer { from, number };
        self.call(step, now, |op| Action::SetRemote { op, description });
    }

    /// A call returned a description.
    pub(super) fn created(&mut self, step: Step, sdp: String, now: Millis) {
        match step {
            Step::CreateOffer { ice_restart } => {
                let offer = |signal: &Signal| {
                    let Signal::Description { description, .. } = signal else {
                        return false;
                    };
                    matches!(description, Description::Offer(_))
                };
                // The polite side need not set an offer that it would roll back at once.
                if !self.offers && self.inbox.iter().any(offer) {
                    self.need = ice_restart.then_some(true);
                    return;
                }
                self.number += 1;
                let description = Description::Offer(sdp.clone());
                let step = Step::SetOffer { sdp, ice_restart };
                self.call(step, now, |op| Action::SetLocal { op, description });
            }
            Step::CreateAnswer { asked } => {
                self.number += 1;
                let description = Description::Answer(sdp.clone());
                let step = Step::SetAnswer { asked, sdp };
                self.call(step, now, |op| Action::SetLocal { op, description });
            }
            _ => {}
        }
    }

    /// A call without a result succeeded.
    pub(super) fn done(&mut self, step: Step, now: Millis) {
        match step {
            Step::SetOffer { sdp, ice_restart } => {
                let number = self.number;
                self.offered = Some(Offered {
                    number,
                    ice_restart,
                });
                self.deadlines.answer = Some(now.saturating_add(self.timing.answer));
                let to = self.remote.clone().unwrap_or_default();
                self.say(to, 0, Description::Offer(sdp));
            }
            Step::RollBack { asked, ice_restart } => {
                // The purpose of the own offer is requested again, if it was more than a
                // connection.
                self.need = ice_restart.then_some(true);
                self.set_remote_offer(asked, now);
            }
            Step::TakeOffer { asked } => {
                let (from, number) = (asked.from.clone(), asked.number);
                // The peer waits for the answer; candidates can be tried meanwhile.
                let step = Step::CreateAnswer { asked };
                self.call(step, now, |op| Action::CreateAnswer { op });
                self.use_candidates(&from, number);
            }
            Step::SetAnswer { asked, sdp } => {
                self.expect_connection(now);
                self.say(asked.from, asked.number, Description::Answer(sdp));
            }
            Step::TakeAnswer { from, number } => {
                self.offered = None;
                self.expect_connection(now);
                self.use_candidates(&from, number);
            }
            Step::CreateOffer { .. } | Step::CreateAnswer { .. } => {}
        }
    }

    fn expect_connection(&mut self, now: Millis) {
        if self.state != super::ConnectionState::Connected {
            self.deadlines.connect = Some(now.saturating_add(self.timing.connect));
        }
    }

    fn use_candidates(&mut self, from: &Origin, number: u32) {
        let ready = self.candidates.set(from, number);
        let add = |candidate| Action::AddCandidate { candidate };
        self.actions.extend(ready.into_iter().map(add));
    }

    fn say(&mut self, to: Origin, answers: u32, description: Description) {
        let (from, number) = (self.origin(), self.number);
        self.actions.push(Action::Send(Signal::Description {
            from,
            to,
            number,
            answers,
            description,
        }));
    }

    pub(super) fn send_candidate(&mut self, candidate: String) {
        if self.live {
            let to = self.remote.clone().unwrap_or_default();
            let (from, number) = (self.origin(), self.number);
            self.actions.push(Action::Send(Signal::Candidate {
                from,
                to,
                number,
                candidate,
            }));
        }
    }
}
