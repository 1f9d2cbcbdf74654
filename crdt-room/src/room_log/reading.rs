//! Reading the log: page by page, each entry opened and merged in turn.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_sync::{EntryReport, Millis};
use signaling_protocol::{LogEntries, LogEntry, LogRead};

use super::server_log::{ANSWER, ServerLog};
use super::types::{ENTRY, FORM, Opening, Read, Reading, SNAPSHOT, Size, Tail};
use crate::signaling::ServerId;

/// The next page is requested while fewer bytes than this wait to be opened.
const INBOX_BYTES: usize = 1024 * 1024;

impl ServerLog {
    /// Starts reading the entries after the last one that was read, and that one again, to check
    /// that this is still the same log.
    pub(super) fn read_again(&mut self) {
        self.wants = Some(Read {
            after: self.after.saturating_sub(1),
            checks: true,
        });
    }

    /// Starts reading the entries after `after`.
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

    /// A part of the log has arrived.
    pub(super) fn take_page(&mut self, mut page: LogEntries) {
        // An unrequested page is ignored.
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
            // Another member replaced the entries that were read with a snapshot, which may lack
            // some of their events.
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
        // A server that announces more and sends nothing has no more.
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
        // Invalid base64 cannot be opened either.
        let sealed = BASE64.decode(&entry.payload).unwrap_or_default();
        Some((sealed, context.to_owned(), opening))
    }

    /// An entry was opened; `plain`: the content if a writer signed it. Returns the changes to
    /// merge.
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

    /// Records the result of merging an entry.
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
