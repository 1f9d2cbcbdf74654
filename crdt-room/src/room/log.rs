//! The actions of the room's log, and its status.

use crdt_core::Document;
use crdt_sync::Millis;

use super::Room;
use crate::input::CipherEvent;
use crate::room_log::{LogAction, Role};
use crate::signaling::ServerId;
use crate::status::{Kept, Phase};

impl Room {
    /// A server admitted this member; it may keep a log.
    pub(super) fn enter_log(&mut self, server: ServerId, keeps_log: bool) {
        if keeps_log && self.key.is_usable() {
            self.log.entered(server);
        } else {
            self.log.lost(server);
        }
    }

    pub(super) fn on_log_cipher(
        &mut self,
        event: CipherEvent,
        now: Millis,
        document: &mut Document,
    ) {
        if let Some(action) = self.log.handle_cipher(event, now) {
            self.on_log(action, now, document);
        }
        self.advance_log(now, document);
    }

    /// Continues to read the logs, and writes due entries.
    pub(super) fn advance_log(&mut self, now: Millis, document: &mut Document) {
        let is_read_only = self.is_read_only();
        let (members, me) = (&self.members, &self.options.agent);
        let role = |server| {
            if is_read_only {
                Role::Reader
            } else if members.log_writers(server).all(|other| me < other) {
                Role::Writer
            } else {
                Role::Follower
            }
        };
        for action in self.log.advance(document, role, now) {
            self.on_log(action, now, document);
        }
    }

    fn on_log(&mut self, action: LogAction, now: Millis, document: &mut Document) {
        self.is_dirty = true;
        match action {
            LogAction::Do(output) => self.outputs.push_back(output),
            LogAction::Send(server, message) => {
                self.outputs.extend(self.signaling.send(server, &message));
            }
            LogAction::Merge { server, entry } => {
                if let Some(engine) = &mut self.engine {
                    let report = engine.take_entry(&entry, now, document);
                    self.log.merged(server, report.ok());
                }
            }
        }
    }

    /// The part of the document that the servers store, or why they do not.
    pub(super) fn kept(&self, document: &Document) -> Kept {
        let coverage = self.log.coverage(document);
        let problem = match coverage.problem {
            Some(problem) => Some(problem.to_owned()),
            None if coverage.ahead.is_some() => None,
            None => self.why_not_kept().map(str::to_owned),
        };
        Kept {
            ahead: coverage.ahead,
            skipped: coverage.skipped,
            problem,
        }
    }

    fn why_not_kept(&self) -> Option<&'static str> {
        if !self.options.has_key {
            Some("the room has no key, so that nothing can be left at a server")
        } else if self.lifecycle.phase() == Phase::Disconnected {
            Some("not connected")
        } else if !self.signaling.is_any_joined() {
            Some("no signaling server is reached")
        } else if !self.log.is_there() {
            Some("the signaling server keeps no rooms")
        } else {
            // The log is being read.
            None
        }
    }
}
