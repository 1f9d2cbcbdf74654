//! The log at one server: what is known of it, and what is under way.

use std::collections::VecDeque;

use crdt_core::{Document, VersionSummary};
use crdt_sync::Millis;
use signaling_protocol::LogEntry;

use super::types::{EntryBytes, InFlight, Read, Reading, Role, Size, Tail, Write};

/// A change is written so soon after a time of rest.
const SOON: Millis = 50;

/// What changes meanwhile is gathered between two writes.
pub(super) const GATHER: Millis = 1_000;

/// How often a member that does not write looks whether what it has is in the log.
pub(super) const FOLLOW: Millis = 2_000;

/// After so many looks in a row that found nothing new, it writes itself.
pub(super) const LOOKS: u32 = 4;

/// How long a server has to answer.
pub(super) const ANSWER: Millis = 15_000;

/// The first wait after something was refused, and the longest.
const RETRY: (Millis, Millis) = (5_000, 300_000);

/// The log at one server.
#[derive(Debug, Default)]
pub(super) struct ServerLog {
    pub(super) is_joined: bool,
    /// The whole log was read since the server let us in.
    pub(super) is_read: bool,
    pub(super) role: Role,
    /// Counts what makes earlier jobs of the cipher worthless.
    pub(super) generation: u64,
    /// The last entry that was taken, or written here right behind it, and how its payload ends.
    pub(super) after: u64,
    pub(super) tail: Option<Tail>,
    /// The last entry that came, and waits in the inbox if it was not taken yet.
    pub(super) read_to: u64,
    /// The number of the snapshot that the log begins with.
    pub(super) base: u64,
    /// The events in the entries that were taken or written.
    pub(super) has: VersionSummary,
    /// What a snapshot would gain and cost.
    pub(super) size: Size,
    pub(super) inbox: VecDeque<LogEntry>,
    pub(super) inbox_bytes: usize,
    pub(super) is_opening: bool,
    /// There are entries behind those that came.
    pub(super) more: bool,
    pub(super) reading: Option<Reading>,
    /// A read that is to be sent.
    pub(super) wants: Option<Read>,
    /// A read has begun whose end was not seen yet.
    pub(super) is_reading: bool,
    /// The log was read to its end, which was not looked at yet.
    pub(super) just_read: bool,
    /// Nothing was written behind the entries that are known here, as far as was seen.
    pub(super) is_fresh: bool,
    /// Looks in a row that found nothing new.
    pub(super) looks: u32,
    pub(super) queue: VecDeque<Write>,
    pub(super) in_flight: Option<InFlight>,
    /// The most bytes of an entry before it is compressed.
    pub(super) entry_bytes: EntryBytes,
    /// The number of events of the document when all of them were last seen to be in the log.
    pub(super) covered: usize,
    /// When to look at the document again.
    pub(super) at: Option<Millis>,
    /// When the next entry may be written.
    pub(super) not_before: Millis,
    /// When the server has taken what was sent, at the pace that it allows.
    pub(super) paced_until: Millis,
    /// Something to be written waits for that.
    pub(super) is_paced: bool,
    /// Nothing is tried before this, since something was refused.
    pub(super) retry_at: Millis,
    pub(super) failures: u32,
    /// The log is full, so a snapshot is of use.
    pub(super) is_full: bool,
    /// When to read the log once more, since the document lacks something that is in it, and how often that
    /// was done.
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

    /// The server let us in: what was written since is to be read.
    pub(super) fn enter(&mut self) {
        self.leave();
        self.is_joined = true;
        (self.retry_at, self.failures, self.problem) = (0, 0, None);
        self.read_again();
    }

    /// The server is away.
    pub(super) fn leave(&mut self) {
        self.is_joined = false;
        self.drop_reading();
        self.drop_writing();
        self.at = None;
        self.again_at = None;
    }

    /// Forgets what was in the log: it is another one.
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

    /// Something was refused, or not answered: tries again later, and ever later.
    pub(super) fn back_off(&mut self, now: Millis) {
        let (first, most) = RETRY;
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(wait);
        self.at = Some(self.retry_at);
    }

    /// The document has so many events now.
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

    /// Whether all entries that came are taken, and nothing is asked for.
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

    /// Sees to it that what was read is looked at, and gives up what was not answered in time.
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
            // It may have been written: that is to be seen before it is written again.
            self.drop_writing();
            self.is_fresh = false;
            self.at = Some(now);
        }
    }
}
