//! The room's log at the signaling servers that keep one: the content of the room for members that
//! join when no other member is present.
//!
//! Every member reads the log when it joins. One member writes to it: the one with the lowest agent
//! id among the writers at that server. The other writers check regularly whether the log contains
//! their changes, and write them if that member does not. Writers seal and sign entries. Entries
//! that cannot be opened, or are not signed, are skipped and counted.
//!
//! `server_log` has the state of the log at one server, `reading` and `writing` change it, `types`
//! has their common types.

mod reading;
mod server_log;
mod types;
mod writing;

pub(crate) use self::types::Role;

use crdt_core::Document;
use crdt_sync::{EntryReport, Millis, SortedMap};
use signaling_protocol::{ClientMessage, LogAppend, LogSnapshot};

use self::server_log::ServerLog;
use self::types::{Opening, Sealing, Write};
use crate::cipher_jobs::CipherJobs;
use crate::ids::Purpose;
use crate::input::CipherEvent;
use crate::output::Output;
use crate::signaling::{LogNews, ServerId};

/// The capability of a member that writes to logs if it may.
pub(crate) const CAPABILITY: &str = "log";

/// The logs at all servers that keep one.
#[derive(Debug, Default)]
pub(crate) struct RoomLog {
    logs: SortedMap<ServerId, ServerLog>,
    jobs: CipherJobs<Sealing, Opening>,
    /// Numbers the messages that servers acknowledge.
    last_id: u64,
}

/// An action of a log.
#[derive(Debug)]
pub(crate) enum LogAction {
    Do(Output),
    Send(ServerId, ClientMessage),
    /// Merge an entry, and report the outcome by [`RoomLog::merged`].
    Merge {
        server: ServerId,
        entry: Vec<u8>,
    },
}

/// The part of the document that servers have acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Coverage<'a> {
    /// The number of events that no log holds; `None` while no log was read.
    pub(crate) ahead: Option<u64>,
    /// Entries that were skipped.
    pub(crate) skipped: u64,
    /// The last refusal of a server.
    pub(crate) problem: Option<&'a str>,
}

impl RoomLog {
    /// Forgets everything but the numbers of jobs and messages.
    pub(crate) fn clear(&mut self) {
        *self = RoomLog {
            jobs: self.jobs.afresh(),
            last_id: self.last_id,
            ..RoomLog::default()
        };
    }

    /// A server that keeps a log admitted this member.
    pub(crate) fn entered(&mut self, server: ServerId) {
        let log = self.logs.get_or_insert_with(server, ServerLog::default);
        log.enter();
    }

    /// A server was lost, or keeps no log.
    pub(crate) fn lost(&mut self, server: ServerId) {
        if let Some(log) = self.logs.get_mut(&server) {
            log.leave();
        }
    }

    /// Handles a server's message about its log.
    pub(crate) fn heard(&mut self, server: ServerId, news: LogNews, now: Millis) {
        let Some(log) = self.logs.get_mut(&server) else {
            return;
        };
        match news {
            LogNews::Entries(page) => log.take_page(page),
            LogNews::Ack(ack) => log.acknowledged(ack, now),
            LogNews::Refused { code, message, id } => log.refused(code, message, id, now),
        }
    }

    /// Records the number of events of the document. Cheap enough for every keystroke.
    pub(crate) fn note(&mut self, events: usize, now: Millis) {
        for log in self.logs.values_mut() {
            log.note(events, now);
        }
    }

    /// Takes what the cipher reports of [`Purpose::Log`].
    pub(crate) fn handle_cipher(&mut self, event: CipherEvent, now: Millis) -> Option<LogAction> {
        match event {
            CipherEvent::Sealed { job, result, .. } => {
                let Sealing { server, id } = self.jobs.sealed(job)?;
                let log = self.logs.get_mut(&server)?;
                let message = match log.sealed(id, result, now)? {
                    (Write::Entry { .. }, payload) => ClientMessage::LogAppend(LogAppend {
                        payload,
                        id: Some(id),
                    }),
                    (Write::Snapshot { base, upto, .. }, payload) => {
                        ClientMessage::LogSnapshot(LogSnapshot {
                            base,
                            upto,
                            payload,
                            id: Some(id),
                        })
                    }
                };
                Some(LogAction::Send(server, message))
            }
            CipherEvent::Opened {
                job,
                plain,
                is_signed,
                ..
            } => {
                let opening = self.jobs.opened(job)?;
                let server = opening.server;
                let log = self.logs.get_mut(&server)?;
                let entry = log.opened(opening, plain.filter(|_| is_signed))?;
                Some(LogAction::Merge { server, entry })
            }
            CipherEvent::Ready { .. }
            | CipherEvent::Unavailable { .. }
            | CipherEvent::Agreed { .. } => None,
        }
    }

    /// Records the result of merging an entry; `None`: it cannot be read.
    pub(crate) fn merged(&mut self, server: ServerId, report: Option<EntryReport>) {
        if let Some(log) = self.logs.get_mut(&server) {
            log.merged(report);
        }
    }

    /// Continues to read, and writes due entries. `role` is this member's role at a server.
    pub(crate) fn advance(
        &mut self,
        document: &Document,
        role: impl Fn(ServerId) -> Role,
        now: Millis,
    ) -> Vec<LogAction> {
        let mut actions = Vec::new();
        for (server, log) in self.logs.iter_mut() {
            log.tick(now);
            if log.needs_plan(now) {
                log.plan(document, role(*server), now);
            }
            if let Some(read) = log.next_read(now) {
                actions.push(LogAction::Send(*server, ClientMessage::LogRead(read)));
            }
            if self.jobs.can_open()
                && let Some((entry, context, opening)) = log.next_opening(*server)
            {
                let open = self.jobs.open(Purpose::Log, opening, entry, context);
                actions.push(LogAction::Do(open));
            }
            if self.jobs.can_seal()
                && let Some((plain, context)) = log.next_write(document, self.last_id + 1, now)
            {
                self.last_id += 1;
                let sealing = Sealing {
                    server: *server,
                    id: self.last_id,
                };
                let seal = self
                    .jobs
                    .seal(Purpose::Log, sealing, plain, context.to_owned(), true);
                actions.push(LogAction::Do(seal));
            }
        }
        actions
    }

    /// Whether a joined server keeps a log.
    pub(crate) fn is_there(&self) -> bool {
        self.logs.values().any(ServerLog::is_joined)
    }

    /// When [`advance`](Self::advance) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.logs.values().filter_map(ServerLog::deadline).min()
    }

    /// The part of the document that the logs have. O(agents) while that is not all.
    pub(crate) fn coverage(&self, document: &Document) -> Coverage<'_> {
        let logs = || self.logs.values();
        let problems = logs().find_map(ServerLog::problem);
        let ahead = logs().filter_map(|log| log.ahead(document)).min();
        Coverage {
            ahead,
            skipped: logs().map(ServerLog::skipped).sum(),
            problem: problems.filter(|_| ahead != Some(0)),
        }
    }
}
