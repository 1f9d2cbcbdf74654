//! The state of the log at one server.

use std::collections::VecDeque;

use crdt_core::{Document, VersionSummary};
use crdt_sync::Millis;
use signaling_protocol::LogEntry;

use super::types::{EntryBytes, InFlight, Read, Reading, Role, Size, Tail, Write};

/// The delay before a change is written after a time of rest.
const SOON: Millis = 50;

/// The least time between two writes; changes made meanwhile are collected.
pub(super) const GATHER: Millis = 1_000;

/// The interval at which a member that does not write checks whether the log has its changes.
pub(super) const FOLLOW: Millis = 2_000;

/// The number of consecutive checks without a new entry after which it writes itself.
pub(super) const LOOKS: u32 = 4;

/// The time limit for an answer of a server.
pub(super) const ANSWER: Millis = 15_000;

/// The first wait after a refusal, and the longest.
const RETRY: (Millis, Millis) = (5_000, 300_000);

/// The log at one server.
#[derive(Debug, Default)]
pub(super) struct ServerLog {
    pub(super) is_joined: bool,
    /// The whole log was read since the server admitted this member.
    pub(super) is_read: bool,
    pub(super) role: Role,
    /// Incremented when earlier jobs of the cipher become obsolete.
    pub(super) generation: u64,
    /// The last entry that was read, or written right after that one, and the end of its payload.
    pub(super) after: u64,
    pub(super) tail: Option<Tail>,
    /// The last entry that arrived; it may still wait in the inbox.
    pub(super) read_to: u64,
    /// The number of the snapshot that the log begins with.
    pub(super) base: u64,
    /// The events in the entries that were taken or written.
    pub(super) has: VersionSummary,
    /// The sizes that decide whether a snapshot is worthwhile.
    pub(super) size: Size,
    pub(super) inbox: VecDeque<LogEntry>,
    pub(super) inbox_bytes: usize,
    pub(super) is_opening: bool,
    /// There are entries after those that arrived.
    pub(super) more: bool,
    pub(super) reading: Option<Reading>,
    /// A read that waits to be sent.
    pub(super) wants: Option<Read>,
    /// A read is in progress.
    pub(super) is_reading: bool,
    /// The log was read to its end, and the result was not compared yet.
    pub(super) just_read: bool,
    /// No member is known to have written after the known entries.
    pub(super) is_fresh: bool,
    /// Consecutive checks that found nothing new.
    pub(super) looks: u32,
    pub(super) queue: VecDeque<Write>,
    pub(super) in_flight: Option<InFlight>,
    /// The most bytes of an entry before it is compressed.
    pub(super) entry_bytes: EntryBytes,
    /// The number of events of the document when all of them were last seen to be in the log.
    pub(super) covered: usize,
    /// When to compare the document again.
    pub(super) at: Option<Millis>,
    /// When the next entry may be written.
    pub(super) not_before: Millis,
    /// When the server will have accepted the sent bytes, at its allowed rate.
    pub(super) paced_until: Millis,
    /// A write waits for that.
    pub(super) is_paced: bool,
    /// No attempt is made before this, after a refusal.
    pub(super) retry_at: Millis,
    pub(super) failures: u32,
    /// The log is full, so a snapshot is useful.
    pub(super) is_full: bool,
    /// When to read the log once more, since the document lacks events of it, and the number of
    /// such reads.
    pub(super) again_at: Option<Millis>,
    pub(super) again: u32,
    pub(super) problem: Option<String>,
    pub(super) skipped: u64,
    /// There are entries of a later version, which no snapshot may replace.
    pub(super) has_unknown: bool,
}

impl ServerLog {
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref().filter(|_| self.is_joined)
    }

    /// The number of events that are not in the log; `None` if it was not read.
    pub(super) fn ahead(&self, document: &Document) -> Option<u64> {
        if !self.is_read {
            return None;
        }
        if self.covered == document.event_count() {
            return Some(0);
        }
        let missing = document.summary().difference(&self.has);
        Some(missing.event_count())
    }

    /// The server admitted this member: entries written meanwhile have to be read.
    pub(super) fn enter(&mut self) {
        self.leave();
        self.is_joined = true;
        (self.retry_at, self.failures, self.problem) = (0, 0, None);
        self.read_again();
    }

    /// The server is unreachable.
    pub(super) fn leave(&mut self) {
        self.is_joined = false;
        self.drop_reading();
        self.drop_writing();
        self.at = None;
        self.again_at = None;
    }

    /// Forgets the content of the log, which is a different one.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
        (self.after, self.read_to, self.base) = (0, 0, 0);
        self.tail = None;
        self.has = VersionSummary::new();
        self.size = Size::default();
        self.covered = 0;
        self.has_unknown = false;
    }

    pub(super) fn drop_reading(&mut self) {
        self.generation += 1;
        self.inbox.clear();
        self.inbox_bytes = 0;
        (self.is_opening, self.more, self.is_read) = (false, false, false);
        (self.reading, self.wants) = (None, None);
        (self.is_reading, self.just_read, self.is_fresh) = (false, false, false);
        self.read_to = self.after;
    }

    pub(super) fn drop_writing(&mut self) {
        self.queue.clear();
        self.in_flight = None;
    }

    /// A request was refused or not answered: retries with increasing delays.
    pub(super) fn back_off(&mut self, now: Millis) {
        let (first, most) = RETRY;
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(wait);
        self.at = Some(self.retry_at);
    }

    /// Records the number of events of the document.
    pub(super) fn note(&mut self, events: usize, now: Millis) {
        if events == self.covered || self.at.is_some() || !self.is_read {
            return;
        }
        self.at = match self.role {
            Role::Reader => None,
            Role::Follower => Some(now.saturating_add(FOLLOW)),
            Role::Writer => Some(now.saturating_add(SOON).max(self.not_before)),
        };
    }

    /// Whether all entries that arrived are processed, and no request is open.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_reading = self.reading.is_some() || self.wants.is_some() || self.more;
        !is_reading && self.inbox.is_empty() && !self.is_opening
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        if !self.is_joined {
            return None;
        }
        let answer = [
            self.reading.map(|reading| reading.until),
            self.in_flight.as_ref().map(|write| write.until),
        ];
        let answer = answer.into_iter().flatten().min();
        if answer.is_some() || !self.is_at_rest() {
            return answer;
        }
        if !self.queue.is_empty() {
            return self.is_paced.then_some(self.paced_until);
        }
        [self.at, self.again_at].into_iter().flatten().min()
    }

    /// Schedules the comparison after a read, and gives up requests that were not answered in time.
    pub(super) fn tick(&mut self, now: Millis) {
        if self.is_reading && self.is_at_rest() {
            (self.is_reading, self.is_read) = (false, true);
            (self.is_fresh, self.just_read) = (true, true);
            self.at = Some(now.max(self.retry_at));
        }
        if self.reading.is_some_and(|reading| reading.until <= now) {
            self.drop_reading();
            self.back_off(now);
        }
        if self
            .in_flight
            .as_ref()
            .is_some_and(|write| write.until <= now)
        {
            // It may have been written: read the log before writing it again.
            self.drop_writing();
            self.is_fresh = false;
            self.at = Some(now);
        }
    }
}
