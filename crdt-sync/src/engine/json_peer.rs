//! Peers that speak the JSON form.

use crdt_core::{Document, EncodeError, Frontier, VersionSummary};

use super::Engine;
use super::known::Known;
use super::link::{Link, Peer};
use crate::error::CloseReason;
use crate::time::Millis;
use crate::types::{Incoming, LinkId, Output, Speech};
use crate::wire::JsonMessage;

impl Engine {
    #[inline(never)]
    pub(super) fn receive_text(
        &mut self,
        link: LinkId,
        text: &str,
        now: Millis,
        doc: &mut Document,
    ) -> Result<(), CloseReason> {
        let message = match JsonMessage::decode(text) {
            Ok(message) => message,
            Err(reason) => {
                // For an author of hand-written JSON, a refusal is more helpful than a closed link.
                self.outputs.push_back(Output::Refused { link, reason });
                return Ok(());
            }
        };
        match message {
            JsonMessage::Unknown => {}
            JsonMessage::Frontier { sender, frontier } => {
                self.meet_json(link, sender);
                self.on_json_version(link, &frontier, true, now, doc);
            }
            JsonMessage::RequestSync { sender, frontier } => {
                self.meet_json(link, sender);
                let frontier = frontier.unwrap_or_default();
                self.on_json_version(link, &frontier, true, now, doc);
            }
            JsonMessage::Ops {
                sender,
                ops,
                frontier,
            } => {
                self.meet_json(link, sender);
                let takes = |link: &Link| link.options.access.takes;
                if !self.links.get(link).is_some_and(takes) {
                    return Err(CloseReason::ReadOnly);
                }
                match self.take_in(link, Incoming::Text(&ops), now, doc) {
                    Ok(()) => {
                        if let Some(frontier) = frontier {
                            self.on_json_version(link, &frontier, false, now, doc);
                        }
                    }
                    Err(reason) => self.outputs.push_back(Output::Refused { link, reason }),
                }
            }
        }
        Ok(())
    }

    fn meet_json(&mut self, link: LinkId, agent: String) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if state.speech == Speech::Binary || state.peer.is_some() {
            return;
        }
        state.speech = Speech::Json;
        state.active = true;
        state.peer = Some(Peer {
            agent: agent.clone(),
            session: None,
            takes_packed: false,
            gives_receipts: false,
            gives_digests: false,
        });
        self.outputs.push_back(Output::PeerUp {
            link,
            agent,
            session: None,
        });
    }

    /// Handles the version of the peer. `all`: the peer has no other events, so events sent beyond
    /// it did not arrive.
    fn on_json_version(
        &mut self,
        link: LinkId,
        frontier: &Frontier,
        all: bool,
        now: Millis,
        doc: &Document,
    ) {
        let theirs = match doc.summary_of(frontier) {
            Ok(theirs) => theirs,
            Err(error) => {
                let reason = error.into();
                return self.outputs.push_back(Output::Refused { link, reason });
            }
        };
        let unknown = frontier.ids().iter().any(|id| !doc.contains(id));
        let config = &self.config;
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let settled = state.buffered == 0
            && state.queue.is_empty()
            && now.saturating_sub(state.busy_at) >= config.settle;
        let theirs = Known::exactly(theirs, &doc.summary(), doc);
        if all && settled {
            state.known = theirs;
        } else {
            state.known.join(&theirs, doc);
        }
        state.mark(now, config);
        if unknown && state.repair_at.is_none() && state.options.access.takes {
            self.request_json(link, doc);
        } else if *frontier == doc.frontier() {
            state.sent_synced = true;
            state.received_synced = true;
            state.repair_at = None;
            self.tell_synced(link);
        }
    }

    /// Requests all events that this replica lacks.
    pub(super) fn request_json(&mut self, link: LinkId, doc: &Document) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let (sender, frontier) = (self.agent.clone(), Some(doc.frontier()));
        let text = JsonMessage::RequestSync { sender, frontier }.encode();
        if state.has_room(&self.config) {
            state.send_text(text, &self.config, &mut self.outputs);
        }
    }

    /// Sends the version of this replica: the heartbeat of the JSON form.
    pub(super) fn send_frontier(&mut self, link: LinkId, now: Millis, doc: &Document) {
        let frontier = self.version(now, doc).frontier.clone();
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        let text = JsonMessage::Frontier {
            sender: self.agent.clone(),
            frontier,
        }
        .encode();
        if state.has_room(&self.config) {
            state.send_text(text, &self.config, &mut self.outputs);
        }
    }

    /// Sends events of the document, in messages of a bounded length. The last one has the version
    /// at which the peer then is.
    #[inline(never)]
    pub(super) fn send_json(
        &mut self,
        link: LinkId,
        events: &VersionSummary,
        doc: &Document,
    ) -> Result<(), EncodeError> {
        let mut texts = Vec::new();
        // Quotes in a string within a string are escaped twice.
        json_texts(events, self.config.max_text_message / 2, doc, &mut texts)?;
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        let last = texts.len().saturating_sub(1);
        for (i, ops) in texts.into_iter().enumerate() {
            let frontier = (i == last).then(|| doc.frontier());
            let text = JsonMessage::Ops {
                sender: self.agent.clone(),
                ops,
                frontier,
            }
            .encode();
            state.send_text(text, &self.config, &mut self.outputs);
        }
        Ok(())
    }
}

/// The events as JSON, in texts of at most `longest` bytes, unless a single event takes more.
fn json_texts(
    events: &VersionSummary,
    longest: usize,
    doc: &Document,
    texts: &mut Vec<String>,
) -> Result<(), EncodeError> {
    let text = doc.operations_of_json(events)?;
    match (text.len() > longest).then(|| halves(events)).flatten() {
        Some((first, second)) => {
            json_texts(&first, longest, doc, texts)?;
            json_texts(&second, longest, doc, texts)
        }
        None => {
            texts.push(text);
            Ok(())
        }
    }
}

/// Two parts of about the same number of events; `None` for a single event.
fn halves(all: &VersionSummary) -> Option<(VersionSummary, VersionSummary)> {
    let mut left = all.event_count() / 2;
    if left == 0 {
        return None;
    }
    let mut first = VersionSummary::new();
    for (agent, ranges) in all.iter() {
        for range in ranges {
            let len = u64::from(range.end - range.start).min(left);
            first.insert(agent, range.start..range.start + len as u32);
            left -= len;
        }
    }
    let second = all.difference(&first);
    Some((first, second))
}
