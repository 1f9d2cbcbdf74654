//! The document of one room: what its log has, and the work that waits for it.
//!
//! Small changes are taken at once. Whatever needs the log, or is large, is a [`Job`]: the jobs of a room
//! are done one after another on a thread of their own, which has the index meanwhile.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use signaling_rooms::ConnectionId;
use signaling_yjs::{StateVector, Summary};

use super::index::{Index, TooManyRanges};
use super::memory::AddressShare;
use crate::outbox::Outbox;

/// A log is put together once so many entries were added and they weigh enough.
const ENTRIES_TO_MERGE: u64 = 500;

/// Entries that weigh less than this are not worth it.
const LEAST_BYTES_TO_MERGE: u64 = 64 * 1024;

/// What was added has to weigh this part of what is there already.
const PART_TO_MERGE: u64 = 8;

/// The index of a document, and what waits for it.
#[derive(Default)]
pub(super) struct Document {
    /// `None` before the log was read, and while a job is done.
    index: Option<Index>,
    /// Whether somebody does the jobs.
    working: bool,
    /// The index that the job at work has is not that of the log any more.
    stale: bool,
    jobs: VecDeque<Job>,
    log: LogSize,
    /// Until when changes are refused, since the log is full.
    full_until: Option<Instant>,
}

/// How large a log is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogSize {
    /// All of it, in bytes.
    pub(super) bytes: u64,
    /// What was added since it was put together.
    pub(super) added: u64,
    pub(super) entries: u64,
}

/// Something to be done with a document.
pub(super) struct Job {
    /// The client's place in the room, which is kept until the job is done.
    pub(super) place: Arc<dyn Send + Sync>,
    pub(super) work: Work,
    /// The memory that the address of the client has given for it.
    pub(super) share: AddressShare,
}

pub(super) enum Work {
    /// A client says how far it is, and gets what it lacks. Where `ask`, it is asked for what is missing here.
    Answer {
        state: StateVector,
        client: Arc<Outbox>,
        /// The client's address, where it counts.
        address: Option<IpAddr>,
        ask: bool,
    },
    /// A client brings a change.
    Take { update: Bytes, from: Sender },
    /// The log has become long.
    Merge,
}

/// Who sent a change.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) connection: ConnectionId,
    pub(super) outbox: Arc<Outbox>,
    pub(super) address: Option<IpAddr>,
    /// When it was read.
    pub(super) at: Instant,
}

/// What becomes of a small change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Everything in it was there.
    Known,
    /// It is to be kept and passed on.
    New,
    /// It has to wait for its turn.
    Busy,
    /// The document has too many parts.
    Refused(TooManyRanges),
}

impl Document {
    /// Takes a small change, if that can be done at once.
    pub(super) fn take(&mut self, update: &Summary) -> Taken {
        match &mut self.index {
            Some(index) if index.is_small() => {
                if !index.lacks(update) {
                    return Taken::Known;
                }
                match index.take(update) {
                    Ok(()) => Taken::New,
                    Err(error) => Taken::Refused(error),
                }
            }
            _ => Taken::Busy,
        }
    }

    /// Adds a job. Whether somebody has to begin working.
    pub(super) fn add(&mut self, job: Job) -> bool {
        self.jobs.push_back(job);
        !std::mem::replace(&mut self.working, true)
    }

    /// The next job, and the index to do it with; `None` ends the work.
    pub(super) fn next_job(&mut self) -> Option<(Job, Option<Index>, LogSize)> {
        let job = self.jobs.pop_front();
        self.working = job.is_some();
        self.stale = false;
        Some((job?, self.index.take(), self.log))
    }

    /// The job at work needs the index no more.
    pub(super) fn put_back(&mut self, index: Index) {
        self.index = Some(index).filter(|_| !self.stale);
    }

    /// The log was read.
    pub(super) fn measured(&mut self, log: LogSize) {
        self.log = log;
    }

    /// Entries that weighed `before` were put together, and weigh `after`.
    pub(super) fn merged(&mut self, before: u64, after: u64) {
        let added = self.log.bytes.saturating_sub(before);
        self.log = LogSize {
            bytes: added.saturating_add(after),
            added,
            entries: self.log.entries,
        };
    }

    /// An entry was added to the log. Whether the log has to be put together.
    pub(super) fn grew(&mut self, bytes: u64) -> bool {
        let LogSize {
            bytes: all,
            added,
            entries,
        } = &mut self.log;
        *all += bytes;
        *added += bytes;
        *entries += 1;
        let base = all.saturating_sub(*added);
        let due = *entries >= ENTRIES_TO_MERGE
            && *added >= (base / PART_TO_MERGE).max(LEAST_BYTES_TO_MERGE);
        if due {
            // Until the log was put together, as much again has to come.
            *added = 0;
            *entries = 0;
        }
        due
    }

    /// The size of the log, in bytes.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log.bytes
    }

    /// The log did not take what the index says.
    pub(super) fn forget(&mut self) {
        self.index = None;
        self.stale = true;
    }

    /// The log is full: changes are refused until `until`.
    pub(super) fn refuse_until(&mut self, until: Instant) {
        self.forget();
        self.full_until = Some(until);
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_put_together_once_it_has_grown_by_its_eighth() {
        let mut document = Document::default();
        let entry = LEAST_BYTES_TO_MERGE / ENTRIES_TO_MERGE + 1;
        let grow = |document: &mut Document| (1..).find(|_| document.grew(entry));
        assert_eq!(grow(&mut document), Some(ENTRIES_TO_MERGE));
        // Some came while the log was read, and are in it.
        for _ in 0..100 {
            assert!(!document.grew(entry));
        }
        document.merged(550 * entry, 10);
        assert_eq!(document.log_bytes(), 50 * entry + 10);
        assert!(grow(&mut document).is_some_and(|more| more >= ENTRIES_TO_MERGE - 100));
        document.merged(document.log_bytes(), 1 << 20);
        let eighth = (1 << 20) / PART_TO_MERGE;
        assert!(grow(&mut document).is_some_and(|more| more * entry >= eighth));
    }
}
