//! What is known of one link, and what waits to go out on it.

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

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) agent: String,
    /// `None` for a peer that speaks the JSON form.
    pub(super) session: Option<u64>,
    /// Whether compressed changes may be sent to it.
    pub(super) takes_packed: bool,
    /// Whether it says how much of what it was sent has come.
    pub(super) gives_receipts: bool,
    /// Whether it says which event it has under an id.
    pub(super) gives_digests: bool,
}

/// Events that came by a link, of which some were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) events: Outgoing,
    /// The first that was.
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

    /// Our name, as it was said on this link: patches refer to it.
    pub(super) told_agent: String,
    /// The name that the peer edits under now.
    pub(super) edits_as: Option<String>,
    /// How many events of that name the peer had when it took the name, or said hello.
    pub(super) first_new: u32,
    /// By when the peer is to say which event of ours it has; nothing is sent before.
    pub(super) digest_by: Option<Millis>,
    /// The seq that was asked for, and how often.
    pub(super) digest_asked: (u32, u32),
    /// The peer, or somebody that it knows, edits under our name.
    pub(super) is_name_in_use: bool,
    /// Events that the peer forwarded for agents that are linked here directly, and when to retry them.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) left_out_at: Option<Millis>,
    /// The hash of the peer's text, if it differs from ours at the same version, and when we asked the peer
    /// for all events to find the one that differs.
    pub(super) seeks: Option<(u64, Millis)>,
    /// The divergence that the user was notified of.
    pub(super) diverged: Option<Divergence>,

    /// When to say hello (again), and how long to wait then.
    pub(super) hello_at: Option<Millis>,
    pub(super) hello_wait: Millis,
    pub(super) hello_said: Millis,
    /// When to try the JSON form.
    pub(super) compat_at: Option<Millis>,

    pub(super) known: Known,
    /// What was sent since the transport was last empty.
    pub(super) in_flight: Flight,
    /// What the peer said to have and is missing here.
    pub(super) claimed: VersionSummary,
    /// Its changes come into a document that was empty when the first of them came.
    pub(super) filling: bool,
    /// By when the peer is to be told how much has come of what it made; `None`: it knows.
    pub(super) receipt_at: Option<Millis>,
    /// How many events of the peer's agent the last receipt said to be here.
    pub(super) receipt: usize,
    /// How many events of our agent the peer has said to have.
    pub(super) received: u64,
    /// When changes are to be sent; `None`: there are none.
    pub(super) due: Option<Millis>,
    /// When changes were sent last, and the time before that.
    pub(super) flushed_at: [Option<Millis>; 2],
    /// How long the next part of a long history may be, in bytes, of which some was sent.
    pub(super) part: Option<usize>,
    /// The peer has to say what it has before changes are sent.
    pub(super) held: bool,
    /// A summary is owed to the peer; whether one is asked for in return.
    pub(super) owes_summary: Option<bool>,
    /// When to ask for what held-back changes wait for, and how long to wait then.
    pub(super) repair_at: Option<Millis>,
    pub(super) repair_wait: Millis,
    /// Events of this peer were dropped because too many were held back.
    pub(super) lost_some: bool,
    pub(super) said_synced: bool,
    pub(super) heard_synced: bool,
    pub(super) told_synced: bool,
    /// It was reported that the peer lacks what is not here any more.
    pub(super) told_too_old: bool,

    /// Messages cut to frames that wait for room in the transport.
    pub(super) queue: VecDeque<Outgoing>,
    pub(super) buffered: usize,
    /// When the transport last let something through.
    pub(super) drained_at: Millis,
    /// Since when it has been full.
    pub(super) full_since: Option<Millis>,
    pub(super) message_number: u32,
    pub(super) reassembly: Reassembly,

    pub(super) heard_at: Millis,
    /// When changes last went either way.
    pub(super) busy_at: Millis,
    pub(super) check_at: Millis,
    pub(super) asked: Option<(u64, Millis)>,
    /// Bytes that the transport has yet to get rid of before the question `asked` is out.
    pub(super) ahead_of_question: usize,
    pub(super) nonce: u64,
    pub(super) rtt: Option<Millis>,
    /// Checks in a row that found another version, or other presence, at the other end.
    pub(super) mismatches: Mismatches,
    pub(super) presence_mismatches: Mismatches,

    /// Sessions that the peer exchanges changes with, as it said, and those that we named to it.
    pub(super) neighbours: SortedSet<u64>,
    pub(super) told_neighbours: Vec<u64>,

    /// Counters of the sessions whose presence the peer has, as far as is known.
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
            told_agent: agent.to_owned(),
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
            hello_said: now,
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
            said_synced: false,
            heard_synced: false,
            told_synced: false,
            told_too_old: false,
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

    /// The peer said what it has, beside what is here. Returns what of that counts: events that only a
    /// read-only peer has are never taken from it.
    pub(super) fn hear(
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

    /// Whether there is room to begin something new.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.queue.is_empty() && self.buffered <= config.low_water
    }

    /// Whether presence can be sent to the peer now.
    pub(super) fn takes_presence(&self, config: &Config) -> bool {
        self.active && self.session().is_some() && self.buffered < config.window
    }

    /// Something is to be sent at `at`, or earlier if it was due earlier; changes that follow each
    /// other too fast are coalesced. Two may go close upon each other, as a replacement does that is a
    /// deletion and an insertion.
    pub(super) fn mark(&mut self, at: Millis, config: &Config) {
        if !self.options.access.sends {
            return;
        }
        let at = self.due.map_or(at, |due| due.min(at));
        let [_, before_last] = self.flushed_at;
        let earliest = before_last.map_or(at, |time| time.saturating_add(config.coalesce));
        self.due = Some(at.max(earliest));
    }

    /// Whether the peer is to be told how much has come of what it made. At once it is while it types for
    /// few and we do not: what we send tells its transport as well. While a history comes, more is on its
    /// way.
    pub(super) fn owes_receipt(&self, at_once: bool, now: Millis, config: &Config) -> bool {
        let Some(due) = self.receipt_at else {
            return false;
        };
        let [sent, _] = self.flushed_at;
        let is_quiet = sent.is_none_or(|at| at.saturating_add(config.receipt_delay) <= now);
        let keeps_up = self.claimed.is_empty();
        due <= now || at_once && is_quiet && keeps_up && self.neighbours.len() < FEW
    }

    /// Changes are being sent now.
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

    /// Gives the transport what it has room for.
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

    /// Whether both ends have all that the other had, and the same under each id, as far as is known.
    pub(super) fn is_synced(&self) -> bool {
        let has_all = self.said_synced && self.heard_synced;
        has_all && self.seeks.is_none() && self.diverged.is_none()
    }

    /// How things stand with a document.
    pub(super) fn status(&self, doc: &Document) -> PeerStatus {
        let (events, own) = (doc.event_count(), doc.event_count_of(&self.told_agent));
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
                // What others made reaches the peer by their links, what was made here stays here.
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
    fn a_message_that_fits_a_frame_goes_as_it_is() {
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
