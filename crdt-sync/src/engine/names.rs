//! Names that two replicas use. A replica gives up its name in this case: it makes events that no
//! other replica has again under a new name. New events of directly linked agents are only accepted
//! from their own links.

use std::collections::VecDeque;

use crdt_core::session::{MergeRules, NamedPatches};
use crdt_core::{
    Document, EventId, MergeError, MergeReport, RenameError, Splice, person_of, replica_name,
};

use super::Engine;
use super::link::{LeftOut, Link};
use crate::config::Config;
use crate::error::CloseReason;
use crate::time::Millis;
use crate::types::{Channel, Divergence, Incoming, LinkId, Outgoing, Output, OwnedSplice, Speech};
use crate::wire::{Hello, Message};

/// The time for the peer's answer to `ask digest` before it is asked again, as a question or its
/// answer may be lost. Doubles with each request.
const DIGEST_WAIT: Millis = 1_000;

/// The number of requests.
const DIGEST_ASKS: u32 = 5;

/// How long an agent may withhold an event of its own that others have, before it gets an `in use` message.
const PATIENCE: Millis = 30_000;

/// The most bytes that are kept of events of others that a peer forwarded.
const MAX_LEFT_OUT: usize = 64 * 1024;

impl Link {
    fn ask_digest(&mut self, now: Millis, config: &Config, outputs: &mut VecDeque<Output>) {
        let (seq, asked) = &mut self.digest_asked;
        self.digest_by = Some(now.saturating_add(DIGEST_WAIT << *asked));
        *asked += 1;
        let ask = Message::AskDigest { seq: (*seq).into() };
        self.send_now(&ask, Channel::Sync, config, outputs);
    }

    /// Sends the current local agent name.
    fn send_name(&mut self, agent: &str, config: &Config, outputs: &mut VecDeque<Output>) {
        let agent = agent.to_owned();
        let renamed = Message::Renamed { agent };
        self.send_now(&renamed, Channel::Sync, config, outputs);
    }
}

impl Engine {
    /// Checks after a hello whether the peer has events under the local name that this replica did
    /// not send.
    pub(super) fn compare_names(
        &mut self,
        link: LinkId,
        hello: &Hello,
        now: Millis,
        doc: &mut Document,
    ) {
        let next = doc.event_count_of(&self.agent) as u32;
        let theirs = hello.summary.first_of(&self.agent);
        let is_in_use = hello.agent == self.agent || theirs > next;
        let common = theirs.min(next);
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if common > doc.first_unshared() {
            state.is_name_in_use = is_in_use;
            if state.peer.as_ref().is_some_and(|peer| peer.gives_digests) {
                self.ask_digest(link, common - 1, now);
            } else if is_in_use {
                self.tell_in_use(link);
            }
        } else if is_in_use {
            self.take_new_name(link, now, doc);
        }
        if let Some(state) = self.links.get_mut(link)
            && state.sent_agent != self.agent
        {
            // The hello that the peer received has the events that were under that name then.
            state.owes_summary = state.owes_summary.or(Some(false));
            state.send_name(&self.agent, &self.config, &mut self.outputs);
        }
    }

    fn tell_in_use(&mut self, link: LinkId) {
        let agent = self.agent.clone();
        self.outputs.push_back(Output::AgentInUse { link, agent });
    }

    /// Asks the peer for the digest of a local event. Nothing is sent to the peer before it
    /// answers.
    fn ask_digest(&mut self, link: LinkId, seq: u32, now: Millis) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        state.digest_asked = (seq, 0);
        state.ask_digest(now, &self.config, &mut self.outputs);
    }

    /// Answers the peer's question for the digest of its event: of that one, or of the last known
    /// one.
    pub(super) fn on_ask_digest(&mut self, link: LinkId, seq: u64, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let agent = state.peer.as_ref().map(|peer| peer.agent.clone());
        let agent = agent.unwrap_or_default();
        let last = (doc.event_count_of(&agent) as u64).checked_sub(1);
        let seq = last.map_or(0, |last| last.min(seq)) as u32;
        if let Some(digest) = doc.digest_of(&EventId { agent, seq }) {
            let seq = seq.into();
            let answer = Message::Digest { seq, digest };
            state.send_now(&answer, Channel::Sync, &self.config, &mut self.outputs);
        }
    }

    /// Handles the peer's digest of a local event.
    pub(super) fn on_digest(
        &mut self,
        link: LinkId,
        (seq, digest): (u64, u64),
        now: Millis,
        doc: &mut Document,
    ) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.digest_by.take().is_none() {
            return;
        }
        if state.sent_agent == self.agent {
            let id = EventId::new(&*self.agent, u32::try_from(seq).unwrap_or(u32::MAX));
            let is_in_use = state.is_name_in_use;
            let is_other = doc.digest_of(&id).is_some_and(|ours| ours != digest);
            if is_other {
                self.take_new_name(link, now, doc);
            } else if doc.contains(&id) {
                doc.mark_shared_until(id.seq.saturating_add(1));
                if is_in_use {
                    self.take_new_name(link, now, doc);
                }
            }
        }
        self.go_on(link, now, doc);
    }

    /// Handles `in use`: others have this event of the local name.
    pub(super) fn on_in_use(&mut self, link: LinkId, seq: u64, now: Millis, doc: &mut Document) {
        let is_present = |state: &Link| state.sent_agent == self.agent && state.digest_by.is_none();
        let next = doc.event_count_of(&self.agent) as u64;
        if seq >= next && self.links.get(link).is_some_and(is_present) {
            self.take_new_name(link, now, doc);
        } else if let Some(state) = self.links.get_mut(link)
            && state.sent_agent != self.agent
        {
            // The peer has not received the new name.
            state.send_name(&self.agent, &self.config, &mut self.outputs);
        }
    }

    /// Continues the work that waited for the peer's answer.
    fn go_on(&mut self, link: LinkId, now: Millis, doc: &Document) {
        if let Some(state) = self.links.get_mut(link) {
            state.mark(now, &self.config);
            if !state.left_out.is_empty() {
                state.left_out_at = Some(now);
            }
        }
        self.flush(link, now, doc);
    }

    /// The peer edits under another name from now on.
    pub(super) fn on_renamed(&mut self, link: LinkId, agent: String, now: Millis) {
        if let Some(state) = self.links.get_mut(link) {
            state.edits_as = Some(agent);
            state.first_new = 0;
            self.review_left_out(now);
        }
    }

    /// Continues under a fresh name of the same person. Returns whether there is one.
    fn take_new_name(&mut self, link: LinkId, now: Millis, doc: &mut Document) -> bool {
        let is_found = self.find_new_name(now, doc);
        if !is_found {
            self.tell_in_use(link);
        }
        is_found
    }

    /// The same, without a link.
    pub(super) fn find_new_name(&mut self, now: Millis, doc: &mut Document) -> bool {
        let mut splices: Vec<OwnedSplice> = Vec::new();
        for number in 0..=u8::MAX {
            let mut random = [number; 9];
            random[1..].copy_from_slice(&self.session.to_le_bytes());
            let name = replica_name(person_of(&self.agent), random);
            match doc.rename(&name, &mut |splice| splices.push(splice.into())) {
                Ok(_) => {
                    if !splices.is_empty() {
                        self.outputs.push_back(Output::Changed { splices });
                    }
                    self.follow_name(now, doc);
                    return true;
                }
                Err(RenameError::Taken { .. }) => {}
                Err(_) => break,
            }
        }
        false
    }

    /// Records a new name of the document. The peers have to announce again which events of the old
    /// name they have.
    pub(super) fn follow_name(&mut self, now: Millis, doc: &Document) {
        if self.agent == doc.agent() {
            return;
        }
        let from = std::mem::replace(&mut self.agent, doc.agent().to_owned());
        let to = self.agent.clone();
        self.outputs.push_back(Output::Renamed { from, to });
        self.version = None;
        for link in self.links.iter_mut() {
            link.digest_by = None;
            match link.speech {
                Speech::Binary if link.peer.is_some() => {
                    link.held = true;
                    link.owes_summary = Some(true);
                    link.sent_synced = false;
                    link.received_synced = false;
                    link.told_synced = false;
                    link.send_name(&self.agent, &self.config, &mut self.outputs);
                }
                Speech::Json => link.known = Default::default(),
                Speech::Binary | Speech::Unknown => {}
            }
            link.mark(now, &self.config);
        }
        for link in self.links.ids() {
            self.flush(link, now, doc);
        }
    }

    /// Merges events that came by a link: a patch that leaves out both names, or operations as
    /// JSON.
    pub(super) fn take_in(
        &mut self,
        link: LinkId,
        events: Incoming<'_>,
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        let before = doc.event_count();
        let mut keeps_conflicts = false;
        let report = loop {
            let mut splices = Vec::new();
            let merged = self.merge(link, events, keeps_conflicts, &mut splices, doc);
            if !splices.is_empty() {
                self.outputs.push_back(Output::Changed { splices });
            }
            let report = match merged {
                Ok(report) => report,
                Err(MergeError::Conflict { agent, seq }) if !keeps_conflicts => {
                    self.on_conflict(link, &EventId { agent, seq }, now, doc)?;
                    keeps_conflicts = true;
                    continue;
                }
                // It builds on the other content.
                Err(MergeError::Position { .. }) if self.has_diverged => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let withheld = &report.exceptions.withheld;
            let Some(id) = withheld.iter().find(|id| id.agent == self.agent) else {
                break report;
            };
            let next = doc.event_count_of(&id.agent) as u32;
            if doc.first_unshared() < next {
                if let Some(state) = self.links.get_mut(link) {
                    state.is_name_in_use = true;
                }
                self.ask_digest(link, next - 1, now);
                break report;
            }
            if !self.take_new_name(link, now, doc) {
                break report;
            }
        };
        if let Some(id) = report.exceptions.conflicts.first() {
            self.report_diverged(link, Some(id.clone()), now, doc);
        }
        if let Some(id) = report.exceptions.withheld.first() {
            self.leave_out(link, events, id.clone(), now);
        }
        self.after_merge(link, before, &report, now, doc);
        Ok(())
    }

    /// Merges events that came by a link, except new ones of other directly linked agents.
    fn merge(
        &mut self,
        link: LinkId,
        events: Incoming<'_>,
        keeps_conflicts: bool,
        splices: &mut Vec<OwnedSplice>,
        doc: &mut Document,
    ) -> Result<MergeReport, MergeError> {
        let Some(state) = self.links.get_mut(link) else {
            return Ok(MergeReport::default());
        };
        state.filling = doc.is_empty() || state.filling && !state.claimed.is_empty();
        let Some(state) = self.links.get(link) else {
            return Ok(MergeReport::default());
        };
        let mut withheld: Vec<(&str, u32)> = self.others_linked_directly(state).collect();
        let peer = state.peer.as_ref();
        let gives_digests = peer.is_some_and(|peer| peer.gives_digests);
        if gives_digests {
            withheld.push((&self.agent, 0));
        }
        let unshared = (self.agent.as_str(), doc.first_unshared());
        let rules = MergeRules {
            withheld: &withheld,
            unshared: gives_digests.then_some(unshared),
            keeps_conflicts,
        };
        let changed = &mut |splice: Splice<'_>| splices.push(splice.into());
        match events {
            Incoming::Text(operations) => doc.merge_json_by(operations, &rules, changed),
            Incoming::Binary(patch) => {
                let peer = peer.map_or("", |peer| &peer.agent);
                let names = [peer, &state.sent_agent];
                if state.filling {
                    // A whole history is reported as one replacement, however many edits it has.
                    doc.merge_patch_named_as_one(patch, &names, &rules, changed)
                } else {
                    doc.merge_patch_named_by(patch, &names, &rules, changed)
                }
            }
        }
    }

    /// The agents that are linked directly by other links than this one, with the seq from which on
    /// their events are only accepted from these; they have sent all earlier events.
    fn others_linked_directly<'a>(
        &'a self,
        link: &'a Link,
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let speaks = |other: &&Link| {
            let is_peer = other.active && other.speech == Speech::Binary;
            is_peer && other.session().is_some() && other.session() != link.session()
        };
        let others = self.links.iter().filter(speaks);
        let named = others.filter_map(|other| Some((other.edits_as.as_deref()?, other.first_new)));
        named.filter(|(name, _)| link.edits_as.as_deref() != Some(name))
    }

    /// Handles a different event under a known id. Returns an error if the peer forged it.
    fn on_conflict(
        &mut self,
        link: LinkId,
        id: &EventId,
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        if id.agent == self.agent {
            self.take_new_name(link, now, doc);
            return Ok(());
        }
        let Some(state) = self.links.get(link).filter(|link| link.seeks.is_none()) else {
            return Ok(());
        };
        let (agent, seq) = (id.agent.clone(), id.seq);
        if state.edits_as.as_ref() == Some(&agent) && seq >= state.first_new {
            // The peer itself sent the other event.
            return Err(MergeError::Conflict { agent, seq }.into());
        }
        let mut others_linked_directly = self.others_linked_directly(state);
        match others_linked_directly.any(|(name, from)| name == agent && seq >= from) {
            true => Err(CloseReason::Forged { agent, seq }),
            false => Ok(()),
        }
    }

    /// Keeps left-out events: the agent of the event `id` may send a different one.
    fn leave_out(&mut self, link: LinkId, events: Incoming<'_>, id: EventId, now: Millis) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let events = match events {
            Incoming::Text(text) => Outgoing::Text(text.to_owned()),
            Incoming::Binary(bytes) => Outgoing::Binary(bytes.to_vec()),
        };
        let held: usize = state.left_out.iter().map(|kept| kept.events.len()).sum();
        if held + events.len() > MAX_LEFT_OUT {
            // It is requested later.
            state.lost_some = true;
            let at = now.saturating_add(state.repair_wait);
            state.repair_at = state.repair_at.or(Some(at));
            return;
        }
        let left_out = LeftOut { events, id };
        if !state.left_out.contains(&left_out) {
            state.left_out.push(left_out);
        }
        let at = now.saturating_add(PATIENCE);
        state.left_out_at = state.left_out_at.or(Some(at));
    }

    /// Reviews left-out events, which may have arrived or become acceptable.
    pub(super) fn review_left_out(&mut self, now: Millis) {
        let waiting = self
            .links
            .iter_mut()
            .filter(|link| !link.left_out.is_empty());
        waiting.for_each(|link| link.left_out_at = Some(now));
    }

    /// Merges left-out events as far as possible, sends agents `in use` for events that others have
    /// and they do not, and handles peers that do not answer `ask digest`.
    pub(super) fn tick_names(
        &mut self,
        link: LinkId,
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        let due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        if due(state.digest_by) {
            if state.digest_asked.1 < DIGEST_ASKS {
                state.ask_digest(now, &self.config, &mut self.outputs);
            } else {
                state.digest_by = None;
                self.tell_in_use(link);
                self.go_on(link, now, doc);
            }
        }
        let Some(state) = self
            .links
            .get_mut(link)
            .filter(|link| due(link.left_out_at))
        else {
            return Ok(());
        };
        state.left_out_at = None;
        for LeftOut { events, id } in std::mem::take(&mut state.left_out) {
            let events = match &events {
                Outgoing::Text(text) => Incoming::Text(text),
                Outgoing::Binary(bytes) => Incoming::Binary(bytes),
            };
            self.take_in(link, events, now, doc)?;
            let is_still_out = |link: &Link| link.left_out.iter().any(|kept| kept.id == id);
            if self.links.get(link).is_some_and(is_still_out) {
                self.send_in_use(&id);
            }
        }
        Ok(())
    }

    /// Sends a directly linked agent `in use` for an event under its name that others have.
    fn send_in_use(&mut self, id: &EventId) {
        let told = Message::InUse { seq: id.seq.into() };
        let (config, outputs) = (&self.config, &mut self.outputs);
        for link in self.links.iter_mut().filter(|link| link.active) {
            let peer = link.peer.as_ref().map(|peer| &peer.agent);
            if peer == Some(&id.agent) && link.edits_as.as_ref() == peer {
                link.send_now(&told, Channel::Sync, config, outputs);
            }
        }
    }

    /// Reports, once for each link, that the peer has a different text at the same version: the
    /// contents of one id differ.
    pub(super) fn report_diverged(
        &mut self,
        link: LinkId,
        id: Option<EventId>,
        now: Millis,
        doc: &Document,
    ) {
        self.has_diverged = true;
        let version = self.version(now, doc);
        let ours = *version.text.get_or_init(|| doc.text_hash());
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        // The event may be found after a report without it.
        let is_new = |told: &Divergence| told.id.is_none() && id.is_some();
        if !state.diverged.as_ref().is_none_or(is_new) {
            return;
        }
        state.diverged = Some(Divergence { id: id.clone() });
        self.outputs.push_back(Output::Diverged {
            link,
            agent: state
                .peer
                .as_ref()
                .map(|peer| peer.agent.clone())
                .unwrap_or_default(),
            id,
            frontier: version.frontier.clone(),
            ours,
            theirs: state.seeks.map(|(theirs, _)| theirs),
        });
    }
}
