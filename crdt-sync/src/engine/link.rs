//! The state of one link, and its outgoing messages.

use std::collections::VecDeque;

use crdt_core::{Document, EventId, VersionSummary};

use super::known::{Flight, Known};
use super::mismatches::Mismatches;
use crate::config::Config;
use crate::sorted_map::SortedMap;
use crate::sorted_set::SortedSet;
use crate::time::Millis;
use crate::types::{
    Channel, Divergence, LinkId, LinkOptions, Outgoing, Output, PeerStatus, Speech,
};
use crate::wire::{Message, Reassembly, fragments};

/// A peer that sends its changes to fewer others gets its receipts at once.
const FEW: usize = 3;

/// The peer at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) agent: String,
    /// `None` for a peer that speaks the JSON form.
    pub(super) session: Option<u64>,
    /// Whether compressed changes may be sent to it.
    pub(super) takes_packed: bool,
    /// Whether it sends receipts.
    pub(super) gives_receipts: bool,
    /// Whether it answers `ask digest`.
    pub(super) gives_digests: bool,
}

/// Events that came by a link and were left out of a merge, at least in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) events: Outgoing,
    /// The first one left out.
    pub(super) id: EventId,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) options: LinkOptions,
    pub(super) speech: Speech,
    pub(super) peer: Option<Peer>,
    /// Whether this link carries the changes for its peer.
    pub(super) active: bool,

    /// The local agent name in the hello on this link: patches refer to it.
    pub(super) sent_agent: String,
    /// The name under which the peer edits now.
    pub(super) edits_as: Option<String>,
    /// The number of events of that name when the peer took the name, or sent its hello.
    pub(super) first_new: u32,
    /// The deadline of the peer's answer to `ask digest`; nothing is sent before the answer.
    pub(super) digest_by: Option<Millis>,
    /// The requested seq, and the number of requests.
    pub(super) digest_asked: (u32, u32),
    /// The peer, or a peer of it, edits under the local name.
    pub(super) is_name_in_use: bool,
    /// Events that the peer forwarded for agents that are linked here directly, and when to retry them.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) left_out_at: Option<Millis>,
    /// The hash of the peer's text, if it differs from the local one at the same version, and the
    /// time at which all events were requested to find the one that differs.
    pub(super) seeks: Option<(u64, Millis)>,
    /// The divergence that the user was notified of.
    pub(super) diverged: Option<Divergence>,

    /// The time of the next hello, and the wait after it.
    pub(super) hello_at: Option<Millis>,
    pub(super) hello_wait: Millis,
    pub(super) hello_sent_at: Millis,
    /// When to try the JSON form.
    pub(super) compat_at: Option<Millis>,

    pub(super) known: Known,
    /// The events sent since the transport was last empty.
    pub(super) in_flight: Flight,
    /// The events that the peer announced and the document lacks.
    pub(super) claimed: VersionSummary,
    /// The document was empty when the first changes of the peer arrived.
    pub(super) filling: bool,
    /// The deadline of the next receipt to the peer; `None`: none is owed.
    pub(super) receipt_at: Option<Millis>,
    /// The number of events in the last receipt to the peer.
    pub(super) receipt: usize,
    /// The number of events in the last receipt from the peer.
    pub(super) received: u64,
    /// The time at which to send changes; `None`: there are none.
    pub(super) due: Option<Millis>,
    /// The last two times at which changes were sent.
    pub(super) flushed_at: [Option<Millis>; 2],
    /// The size of the next part of a long history, in bytes, while one is being sent.
    pub(super) part: Option<usize>,
    /// No changes are sent before the peer has sent a summary.
    pub(super) held: bool,
    /// A summary is owed to the peer, with this `reply`.
    pub(super) owes_summary: Option<bool>,
    /// The time at which to request the events that held-back changes wait for, and the wait after
    /// that.
    pub(super) repair_at: Option<Millis>,
    pub(super) repair_wait: Millis,
    /// Events of this peer were dropped because too many were held back.
    pub(super) lost_some: bool,
    pub(super) sent_synced: bool,
    pub(super) received_synced: bool,
    pub(super) told_synced: bool,
    /// It was reported that the peer lacks dropped events.
    pub(super) reported_too_old: bool,

    /// Frames that wait for room in the transport.
    pub(super) queue: VecDeque<Outgoing>,
    pub(super) buffered: usize,
    /// The last time at which the transport made progress.
    pub(super) drained_at: Millis,
    /// Since when it has been full.
    pub(super) full_since: Option<Millis>,
    pub(super) message_number: u32,
    pub(super) reassembly: Reassembly,

    pub(super) heard_at: Millis,
    /// The last time at which changes were sent or received.
    pub(super) busy_at: Millis,
    pub(super) check_at: Millis,
    pub(super) asked: Option<(u64, Millis)>,
    /// Bytes that the transport has to send before the ping `asked`.
    pub(super) ahead_of_question: usize,
    pub(super) nonce: u64,
    pub(super) rtt: Option<Millis>,
    /// Consecutive checks that found a different version, or different presence, at the other end.
    pub(super) mismatches: Mismatches,
    pub(super) presence_mismatches: Mismatches,

    /// The neighbours that the peer named, and those that were named to it.
    pub(super) neighbours: SortedSet<u64>,
    pub(super) told_neighbours: Vec<u64>,

    /// Counters of the sessions whose presence the peer is known to have.
    pub(super) presence: SortedMap<u64, u64>,
    pub(super) presence_due: Option<Millis>,
    pub(super) presence_sent_at: Option<Millis>,
    /// Start of the second in which presence messages are being counted, and their number.
    pub(super) presence_second: (Millis, u32),

    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) messages_out: u64,
    pub(super) messages_in: u64,
}

impl Link {
    pub(super) fn new(
        id: LinkId,
        options: LinkOptions,
        agent: &str,
        config: &Config,
        now: Millis,
    ) -> Link {
        Link {
            id,
            options,
            speech: if options.text_only {
                Speech::Json
            } else {
                Speech::Unknown
            },
            peer: None,
            active: options.text_only,
            sent_agent: agent.to_owned(),
            edits_as: None,
            first_new: 0,
            digest_by: None,
            digest_asked: (0, 0),
            is_name_in_use: false,
            left_out: Vec::new(),
            left_out_at: None,
            seeks: None,
            diverged: None,
            hello_at: None,
            hello_wait: config.hello_retry,
            hello_sent_at: now,
            compat_at: None,
            known: Known::default(),
            in_flight: Flight::default(),
            claimed: VersionSummary::new(),
            filling: false,
            receipt_at: None,
            receipt: 0,
            received: 0,
            due: None,
            flushed_at: [None; 2],
            part: None,
            held: false,
            owes_summary: None,
            repair_at: None,
            repair_wait: config.repair_min,
            lost_some: false,
            sent_synced: false,
            received_synced: false,
            told_synced: false,
            reported_too_old: false,
            queue: VecDeque::new(),
            buffered: 0,
            drained_at: now,
            full_since: None,
            message_number: 0,
            reassembly: Reassembly::default(),
            heard_at: now,
            busy_at: now,
            check_at: now.saturating_add(config.heartbeat),
            asked: None,
            ahead_of_question: 0,
            nonce: 0,
            rtt: None,
            mismatches: Mismatches::default(),
            presence_mismatches: Mismatches::default(),
            neighbours: SortedSet::new(),
            told_neighbours: Vec::new(),
            presence: SortedMap::new(),
            presence_due: None,
            presence_sent_at: None,
            presence_second: (now, 0),
            bytes_out: 0,
            bytes_in: 0,
            messages_out: 0,
            messages_in: 0,
        }
    }

    pub(super) fn session(&self) -> Option<u64> {
        self.peer.as_ref().and_then(|peer| peer.session)
    }

    /// Whether changes may be sent to the peer once there is room.
    pub(super) fn is_ready(&self) -> bool {
        let knows = match self.speech {
            Speech::Binary => self.peer.is_some(),
            Speech::Json => true,
            Speech::Unknown => false,
        };
        knows && self.active && !self.held && self.digest_by.is_none() && self.options.access.sends
    }

    /// Records the events that the peer announced and the document lacks. Returns those that count:
    /// events that only a read-only peer has are never accepted from it.
    pub(super) fn record_announced(
        &mut self,
        summary: VersionSummary,
        ours: &VersionSummary,
    ) -> VersionSummary {
        let beyond = summary.difference(ours);
        if self.options.access.takes {
            self.claimed = beyond;
            return summary;
        }
        self.claimed = VersionSummary::new();
        if beyond.is_empty() {
            summary
        } else {
            summary.difference(&beyond)
        }
    }

    /// Whether there is room for a new message.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.queue.is_empty() && self.buffered <= config.low_water
    }

    /// Whether presence can be sent to the peer now.
    pub(super) fn takes_presence(&self, config: &Config) -> bool {
        self.active && self.session().is_some() && self.buffered < config.window
    }

    /// Schedules changes for `at`, or earlier if they were due earlier; changes that follow each
    /// other too fast are coalesced. Two may follow each other closely, for example the deletion
    /// and the insertion of a replacement.
    pub(super) fn mark(&mut self, at: Millis, config: &Config) {
        if !self.options.access.sends {
            return;
        }
        let at = self.due.map_or(at, |due| due.min(at));
        let [_, before_last] = self.flushed_at;
        let earliest = before_last.map_or(at, |time| time.saturating_add(config.coalesce));
        self.due = Some(at.max(earliest));
    }

    /// Whether a receipt is due. It is due at once while the peer types for few others and this
    /// replica does not type: local changes would carry the transport's acknowledgement as well.
    /// While a history arrives, receipts wait, as more is in transit.
    pub(super) fn owes_receipt(&self, at_once: bool, now: Millis, config: &Config) -> bool {
        let Some(due) = self.receipt_at else {
            return false;
        };
        let [sent, _] = self.flushed_at;
        let is_quiet = sent.is_none_or(|at| at.saturating_add(config.receipt_delay) <= now);
        let keeps_up = self.claimed.is_empty();
        due <= now || at_once && is_quiet && keeps_up && self.neighbours.len() < FEW
    }

    /// Records that changes are sent now.
    pub(super) fn flushed(&mut self, now: Millis) {
        let [last, _] = self.flushed_at;
        self.flushed_at = [Some(now), last];
        self.busy_at = now;
    }

    /// Queues a message that may be long, and sends as much as there is room for.
    pub(super) fn send(&mut self, bytes: Vec<u8>, config: &Config, outputs: &mut VecDeque<Output>) {
        if bytes.len() <= config.max_frame {
            self.queue.push_back(Outgoing::Binary(bytes));
        } else {
            self.message_number = self.message_number.wrapping_add(1);
            let frames = fragments(&bytes, self.message_number, config.max_frame);
            self.queue.extend(frames.map(Outgoing::Binary));
        }
        self.flush(config, outputs);
    }

    /// Like [`Link::send`], for the JSON form.
    pub(super) fn send_text(
        &mut self,
        text: String,
        config: &Config,
        outputs: &mut VecDeque<Output>,
    ) {
        self.queue.push_back(Outgoing::Text(text));
        self.flush(config, outputs);
    }

    /// Passes frames to the transport while it has room.
    pub(super) fn flush(&mut self, config: &Config, outputs: &mut VecDeque<Output>) {
        while self.buffered < config.window {
            let Some(message) = self.queue.pop_front() else {
                return;
            };
            self.emit(message, Channel::Sync, outputs);
        }
    }

    /// Sends a short message past the queue. Returns whether there was room: a peer that does not
    /// read gets no more of them.
    pub(super) fn send_now(
        &mut self,
        message: &Message,
        channel: Channel,
        config: &Config,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let room = self.buffered < config.window.saturating_mul(2);
        if room {
            self.emit(Outgoing::Binary(message.encode()), channel, outputs);
        }
        room
    }

    fn emit(&mut self, message: Outgoing, channel: Channel, outputs: &mut VecDeque<Output>) {
        self.buffered += message.len();
        self.bytes_out += message.len() as u64;
        self.messages_out += 1;
        outputs.push_back(Output::Send {
            link: self.id,
            channel,
            message,
        });
    }

    /// Whether each end is known to have all events of the other, with the same content under each
    /// id.
    pub(super) fn is_synced(&self) -> bool {
        let has_all = self.sent_synced && self.received_synced;
        has_all && self.seeks.is_none() && self.diverged.is_none()
    }

    /// The status of the link for a document.
    pub(super) fn status(&self, doc: &Document) -> PeerStatus {
        let (events, own) = (doc.event_count(), doc.event_count_of(&self.sent_agent));
        let behind = self.claimed.event_count();
        let unsent = self.known.lag(events, behind);
        let gives_receipts = self.peer.as_ref().is_some_and(|peer| peer.gives_receipts);
        let unconfirmed = (own as u64).saturating_sub(self.received);
        PeerStatus {
            link: self.id,
            agent: self.peer.as_ref().map(|peer| peer.agent.clone()),
            session: self.session(),
            speech: self.speech,
            active: self.active,
            synced: self.is_synced(),
            diverged: self.diverged.clone(),
            rtt: self.rtt,
            bytes_out: self.bytes_out,
            bytes_in: self.bytes_in,
            messages_out: self.messages_out,
            messages_in: self.messages_in,
            bytes_held: self.queue.iter().map(Outgoing::len).sum::<usize>()
                + self
                    .left_out
                    .iter()
                    .map(|kept| kept.events.len())
                    .sum::<usize>()
                + self.reassembly.bytes(),
            ahead: if !self.options.access.sends {
                // Events of others reach the peer by their links; local events are not sent.
                unconfirmed
            } else if gives_receipts {
                unsent.max(unconfirmed)
            } else {
                unsent
            },
            behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kind;

    #[test]
    fn a_message_that_fits_a_frame_is_sent_unchanged() {
        let config = Config::default();
        let sent = |len| {
            let mut link = Link::new(LinkId(0), LinkOptions::default(), "a", &config, 0);
            let mut outputs = VecDeque::new();
            link.send(vec![9; len], &config, &mut outputs);
            let frames = outputs.into_iter().filter_map(|output| match output {
                Output::Send {
                    message: Outgoing::Binary(bytes),
                    ..
                } => Some(bytes),
                _ => None,
            });
            frames.collect::<Vec<_>>()
        };
        let longest = config.max_frame;
        assert_eq!(sent(longest), [vec![9; longest]]);
        let cut = sent(longest + 1);
        assert_eq!(cut.len(), 2);
        assert!(cut.iter().all(|frame| frame[0] == kind::FRAGMENT));
        assert!(cut.iter().all(|frame| frame.len() <= longest));
    }
}
