//! Writing to the log: events that the document has and the log lacks, and snapshots that replace
//! many entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_core::{Document, VersionSummary};
use crdt_sync::{Millis, encode_entry};
use signaling_protocol::{ErrorCode, LogAck};

use super::server_log::{ANSWER, FOLLOW, GATHER, LOOKS, ServerLog};
use super::types::{ENTRY, EntryBytes, FORM, InFlight, Role, SNAPSHOT, Size, Tail, Write};

/// The rate at which a long history is written, in bytes a millisecond: half of the servers'
/// default limit.
const BYTES_PER_MILLI: u64 = 2 * 1024;

/// The fewest bytes that are tried with a server that refuses larger messages.
const LEAST_BYTES: usize = 4 * 1024;

/// The wait before the log is read once more for events that the document lacks; doubles each time.
const AGAIN: Millis = 30_000;

/// The number of such reads.
const MOST_AGAIN: u32 = 5;

impl ServerLog {
    /// Whether [`plan`](Self::plan) has something to do.
    pub(super) fn needs_plan(&self, now: Millis) -> bool {
        let is_due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let is_free = self.in_flight.is_none() && self.queue.is_empty();
        self.is_joined && self.is_at_rest() && is_free && (is_due(self.at) || is_due(self.again_at))
    }

    /// Compares the document with the log, and decides what to write or read.
    pub(super) fn plan(&mut self, document: &Document, role: Role, now: Millis) {
        self.at = None;
        if self.role != role {
            self.role = role;
            // Another member wrote until now.
            self.is_fresh &= self.just_read;
        }
        let just_read = std::mem::take(&mut self.just_read);
        if !self.is_read {
            self.read_again();
            return;
        }
        let all = document.summary();
        if self.look_for_lost(&all, now) {
            return;
        }
        let missing = all.difference(&self.has);
        if missing.is_empty() {
            self.covered = document.event_count();
            self.looks = 0;
            if role == Role::Writer && now >= self.retry_at {
                self.plan_snapshot(document, &all);
            }
            return;
        }
        if role == Role::Reader {
            return;
        }
        let is_asked = role == Role::Writer && self.is_fresh || self.looks >= LOOKS;
        if now < self.retry_at {
            self.at = Some(self.retry_at);
        } else if is_asked && now < self.not_before {
            self.at = Some(self.not_before);
        } else if is_asked {
            let is_queued = self.is_full && self.plan_whole_snapshot(document, &all);
            if !is_queued {
                self.queue.push_back(Write::Entry { events: missing });
            }
        } else if just_read {
            self.at = Some(now.saturating_add(FOLLOW));
        } else {
            self.looks += 1;
            self.read_behind(self.after);
        }
    }

    /// The log has events that the document lacks, since they were skipped for a direct link or did
    /// not fit: reads it once more, later. Returns whether it is read now.
    fn look_for_lost(&mut self, all: &VersionSummary, now: Millis) -> bool {
        if all.is_superset(&self.has) || self.again >= MOST_AGAIN {
            self.again_at = None;
            return false;
        }
        let wait = AGAIN << self.again;
        let at = *self.again_at.get_or_insert(now.saturating_add(wait));
        if now < at {
            return false;
        }
        self.again_at = None;
        self.again += 1;
        (self.after, self.read_to, self.tail) = (0, 0, None);
        self.read_behind(0);
        true
    }

    /// Replaces many small entries with a snapshot. Events that do not fit into it are appended
    /// first.
    fn plan_snapshot(&mut self, document: &Document, all: &VersionSummary) {
        if !self.size.is_worth_a_snapshot() || !self.may_replace(all) {
            return;
        }
        if !self.is_fresh {
            self.read_behind(self.after);
            return;
        }
        let Ok((_, part)) = encode_entry(document, all, self.entry_bytes.0) else {
            return;
        };
        if let Some(part) = &part {
            let events = all.difference(part);
            self.queue.push_back(Write::Entry { events });
        }
        self.queue.push_back(Write::Snapshot {
            events: part.unwrap_or_else(|| all.clone()),
            base: self.base,
            upto: self.after,
        });
    }

    /// Replaces the whole log with one snapshot, if everything fits into it. Returns whether it
    /// does.
    fn plan_whole_snapshot(&mut self, document: &Document, all: &VersionSummary) -> bool {
        if !self.is_fresh || !self.may_replace(all) {
            return false;
        }
        let Ok((_, None)) = encode_entry(document, all, self.entry_bytes.0) else {
            return false;
        };
        self.queue.push_back(Write::Snapshot {
            events: all.clone(),
            base: self.base,
            upto: self.after,
        });
        true
    }

    /// Whether the document has all events of the log.
    fn may_replace(&self, all: &VersionSummary) -> bool {
        self.after > 0 && !self.has_unknown && all.is_superset(&self.has)
    }

    /// The next entry to be sealed, under this id, and its context.
    pub(super) fn next_write(
        &mut self,
        document: &Document,
        id: u64,
        now: Millis,
    ) -> Option<(Vec<u8>, &'static str)> {
        if !self.is_joined || self.in_flight.is_some() {
            return None;
        }
        self.is_paced = now < self.paced_until;
        if self.is_paced {
            return None;
        }
        let (write, entry) = match self.queue.pop_front()? {
            Write::Entry { events } => {
                let enough = self.entry_bytes.0;
                let (entry, part) = match encode_entry(document, &events, enough) {
                    Ok(encoded) => encoded,
                    Err(error) => return self.fail(error.to_string(), now),
                };
                if let Some(part) = &part {
                    let events = events.difference(part);
                    self.queue.push_front(Write::Entry { events });
                }
                let events = part.unwrap_or(events);
                (Write::Entry { events }, entry)
            }
            Write::Snapshot { events, base, upto } => {
                let entry = match encode_entry(document, &events, usize::MAX) {
                    Ok((entry, _)) => entry,
                    Err(error) => return self.fail(error.to_string(), now),
                };
                (Write::Snapshot { events, base, upto }, entry)
            }
        };
        let (context, events) = match &write {
            Write::Entry { events } => (ENTRY, events),
            Write::Snapshot { events, .. } => (SNAPSHOT, events),
        };
        // Other replicas will have these events, so they keep their names.
        if let Some(own) = events.ranges(document.agent()).last() {
            document.mark_shared_until(own.end);
        }
        self.not_before = now.saturating_add(GATHER);
        self.in_flight = Some(InFlight {
            id,
            write,
            until: now.saturating_add(ANSWER),
            tail: None,
        });
        Some(([&[FORM][..], &entry].concat(), context))
    }

    /// A write was sealed, or could not be. Returns it with its payload.
    pub(super) fn sealed(
        &mut self,
        id: u64,
        result: Result<Vec<u8>, String>,
        now: Millis,
    ) -> Option<(Write, String)> {
        let write = self.in_flight.as_mut().filter(|write| write.id == id)?;
        match result {
            Ok(sealed) => {
                let payload = BASE64.encode(sealed);
                let wait = payload.len() as u64 / BYTES_PER_MILLI;
                self.paced_until = now.saturating_add(wait);
                write.tail = Some((Tail::of(&payload), payload.len()));
                Some((write.write.clone(), payload))
            }
            Err(reason) => self.fail(reason, now),
        }
    }

    /// The server acknowledged a write.
    pub(super) fn acknowledged(&mut self, ack: LogAck, now: Millis) {
        let is_it = |write: &mut InFlight| ack.id == Some(write.id);
        let Some(InFlight { write, tail, .. }) = self.in_flight.take_if(is_it) else {
            return;
        };
        let (tail, len) = tail.unzip();
        let len = len.unwrap_or(0);
        (self.failures, self.retry_at) = (0, 0);
        (self.problem, self.is_full) = (None, false);
        self.looks = 0;
        match write {
            Write::Entry { events } => {
                self.has.union(&events);
                if ack.seq == self.after + 1 && self.read_to == self.after {
                    self.size.add(len);
                    (self.after, self.read_to, self.tail) = (ack.seq, ack.seq, tail);
                } else {
                    // Another member wrote before it.
                    self.is_fresh = false;
                    self.read_behind(self.after);
                }
            }
            Write::Snapshot { events, upto, .. } => {
                self.has.union(&events);
                self.base = upto;
                self.size = Size::begin(len);
                if self.after == upto {
                    self.tail = tail;
                }
            }
        }
        self.at = Some(now);
    }

    /// The server refused a write.
    pub(super) fn refused(
        &mut self,
        code: ErrorCode,
        message: String,
        id: Option<u64>,
        now: Millis,
    ) {
        let is_write = self
            .in_flight
            .as_ref()
            .is_some_and(|write| id == Some(write.id));
        match code {
            ErrorCode::MessageTooBig if self.in_flight.is_some() => {
                let EntryBytes(bytes) = &mut self.entry_bytes;
                *bytes = (*bytes / 2).max(LEAST_BYTES);
            }
            ErrorCode::LogConflict if is_write => {
                self.is_fresh = false;
                self.give_up(now);
            }
            _ if is_write => {
                self.problem = Some(message);
                self.is_full = code == ErrorCode::QuotaExceeded;
                self.give_up(now);
            }
            _ if self.reading.is_some() && id.is_none() => {
                self.problem = Some(message);
                self.drop_reading();
                self.back_off(now);
            }
            _ => {}
        }
    }

    /// A write failed.
    fn fail<T>(&mut self, reason: String, now: Millis) -> Option<T> {
        self.problem = Some(reason);
        self.give_up(now);
        None
    }

    /// Writes nothing for a while.
    fn give_up(&mut self, now: Millis) {
        self.drop_writing();
        self.back_off(now);
    }
}
