//! Reading the log: page by page, each entry opened and merged in turn.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_sync::{EntryReport, Millis};
use signaling_protocol::{LogEntries, LogEntry, LogRead};

use super::server_log::{ANSWER, ServerLog};
use super::types::{ENTRY, FORM, Opening, Read, Reading, SNAPSHOT, Size, Tail};
use crate::signaling::ServerId;

/// The next page is asked for while fewer bytes than this wait to be opened.
const INBOX_BYTES: usize = 1024 * 1024;

impl ServerLog {
    /// Has everything read that comes behind the entry that was taken last, and that one again, to see whether
    /// this is still the same log.
    pub(super) fn read_again(&mut self) {
        self.wants = Some(Read {
            after: self.after.saturating_sub(1),
            checks: true,
        });
    }

    /// Has the entries behind `after` read.
    pub(super) fn read_behind(&mut self, after: u64) {
        let checks = false;
        self.wants = Some(Read { after, checks });
    }

    /// The read that is to be sent.
    pub(super) fn next_read(&mut self, now: Millis) -> Option<LogRead> {
        if !self.is_joined || self.reading.is_some() {
            return None;
        }
        if self.wants.is_none() && self.more && self.inbox_bytes < INBOX_BYTES {
            self.read_behind(self.read_to);
        }
        let Read { after, checks } = self.wants.take()?;
        self.reading = Some(Reading {
            until: now.saturating_add(ANSWER),
            checks,
        });
        self.is_reading = true;
        Some(LogRead { after })
    }

    /// A part of the log came.
    pub(super) fn take_page(&mut self, mut page: LogEntries) {
        // One that was not asked for says nothing.
        let Some(reading) = self.reading.take() else {
            return;
        };
        let was_read = reading.checks && self.after > 0;
        let begins = match page.entries.first() {
            Some(first) => first.seq == page.base.max(1),
            None => page.last == 0,
        };
        if was_read {
            let is_it = |of: &LogEntry| {
                of.seq == self.after && self.tail.as_ref() == Some(&Tail::of(&of.payload))
            };
            if page.entries.first().is_some_and(is_it) {
                page.entries.remove(0);
            } else {
                self.forget();
                if !begins {
                    self.read_behind(0);
                    return;
                }
            }
        } else if page.last < self.after {
            self.forget();
            self.read_behind(0);
            return;
        }
        if page.base > self.base && page.base <= self.after {
            // Somebody put a snapshot in place of what was read here: does it hold that?
            self.forget();
            if !begins {
                self.read_behind(0);
                return;
            }
        }
        self.take_entries(page);
    }

    fn take_entries(&mut self, page: LogEntries) {
        let before = self.read_to;
        self.base = self.base.max(page.base);
        for entry in page.entries {
            if entry.seq <= self.read_to {
                continue;
            }
            self.read_to = entry.seq;
            if entry.seq == self.base {
                self.size = Size::begin(entry.payload.len());
            } else {
                self.size.add(entry.payload.len());
            }
            self.inbox_bytes += entry.payload.len();
            self.inbox.push_back(entry);
        }
        let is_new = self.read_to > before;
        // A server that promises more and sends nothing is at its end.
        self.more = page.more && is_new;
    }

    /// The next entry to be opened, and what it is bound to.
    pub(super) fn next_opening(&mut self, server: ServerId) -> Option<(Vec<u8>, String, Opening)> {
        if self.is_opening {
            return None;
        }
        let entry = self.inbox.pop_front()?;
        self.inbox_bytes = self.inbox_bytes.saturating_sub(entry.payload.len());
        self.is_opening = true;
        let is_snapshot = entry.seq == self.base;
        let context = if is_snapshot { SNAPSHOT } else { ENTRY };
        let opening = Opening {
            server,
            generation: self.generation,
            seq: entry.seq,
            tail: Tail::of(&entry.payload),
        };
        // What is no base64 does not open either.
        let sealed = BASE64.decode(&entry.payload).unwrap_or_default();
        Some((sealed, context.to_owned(), opening))
    }

    /// An entry was opened; `plain`: what a writer wrote. Returns what is to be merged.
    pub(super) fn opened(&mut self, opening: Opening, plain: Option<Vec<u8>>) -> Option<Vec<u8>> {
        if opening.generation != self.generation {
            return None;
        }
        self.is_opening = false;
        self.after = opening.seq;
        self.tail = Some(opening.tail);
        match plain.as_deref().and_then(<[u8]>::split_first) {
            Some((&FORM, entry)) => return Some(entry.to_vec()),
            Some((form, _)) if *form > FORM => self.has_unknown = true,
            _ => {}
        }
        self.skipped += 1;
        None
    }

    /// What became of an entry that was to be merged.
    pub(super) fn merged(&mut self, report: Option<EntryReport>) {
        match report {
            Some(report) => {
                self.has.union(&report.events);
                self.looks = 0;
                self.skipped += u64::from(report.conflicts > 0);
            }
            None => self.skipped += 1,
        }
    }
}
