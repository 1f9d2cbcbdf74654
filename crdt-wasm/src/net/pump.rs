//! Drives the sync engine: what arrives goes in, what it wants done is carried out.

use crdt_core::Document;
use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, OutdatedSide, Output, OwnedSplice};
use serde::Serialize;

use super::browser::now;
use super::core::Core;
use super::error::NetworkError;
use super::listeners::EventName;
use super::session::Session;
use crate::delta::Delta;
use crate::edit::TextChange;
use crate::merge::whole_text;
use crate::object::plain;

/// How often links that do not tell when there is room are looked at while something waits.
const ROOM_MILLIS: u64 = 4;

/// The payload of `synced`.
#[derive(Serialize)]
struct Synced {
    peer: String,
}

/// The payload of `outdated`.
#[derive(Serialize)]
struct Outdated {
    peer: String,
    side: &'static str,
    ours: u32,
    theirs: u32,
}

/// The payload of `diverged`.
#[derive(Serialize)]
struct Diverged {
    peer: String,
    frontier: String,
    ours: String,
    theirs: String,
}

/// What splices come to. One may be long, and is taken as it is.
pub(super) fn changes_of(splices: Vec<OwnedSplice>) -> Vec<TextChange> {
    if let [_] = splices.as_slice() {
        let one = splices.into_iter().map(|splice| TextChange {
            position: splice.pos.utf16,
            deleted: splice.deleted.utf16,
            inserted: splice.inserted,
        });
        return one.collect();
    }
    let mut delta = Delta::default();
    for splice in &splices {
        delta.push_parts(splice.pos, splice.deleted, &splice.inserted);
    }
    delta.into_changes()
}

impl Core {
    /// Makes the engine, new with every connection to a room.
    pub(super) fn make_engine(&mut self, session: &Session) {
        let agent = session
            .entry()
            .read(|document| Ok(document.agent().to_owned()));
        let agent = agent.unwrap_or_default();
        let page = session.identity().page();
        self.engine = Some(Engine::new(Config::default(), &agent, page));
    }

    /// Below how many waiting bytes a channel is to tell the engine that there is room.
    pub(super) fn low_water(&self) -> u32 {
        let bytes = self
            .engine
            .as_ref()
            .map_or(0, |engine| engine.config().low_water);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// A link to a peer works. Of several to one peer, the one with the lowest rank is used.
    pub(super) fn link_up(&mut self, session: &Session, link: LinkId, rank: u8) {
        let options = LinkOptions {
            rank,
            ..LinkOptions::default()
        };
        self.link_up_with(session, link, options);
    }

    pub(super) fn link_up_with(&mut self, session: &Session, link: LinkId, options: LinkOptions) {
        self.with_engine(session, |engine, document| {
            engine.link_up(link, options, now(), document);
        });
    }

    /// A link is gone.
    pub(super) fn link_down(&mut self, session: &Session, link: LinkId) {
        self.with_engine(session, |engine, document| {
            engine.link_down(link, now(), document)
        });
    }

    pub(super) fn receive_text(&mut self, session: &Session, link: LinkId, text: &str) {
        self.with_engine(session, |engine, document| {
            engine.receive(link, Incoming::Text(text), now(), document);
        });
    }

    pub(super) fn receive_binary(&mut self, session: &Session, link: LinkId, bytes: &[u8]) {
        self.with_engine(session, |engine, document| {
            engine.receive(link, Incoming::Binary(bytes), now(), document);
        });
    }

    /// The document may have edits that the peers lack.
    pub(super) fn local_edit(&mut self, session: &Session, now: u64) {
        self.with_engine(session, |engine, document| engine.local_edit(now, document));
    }

    /// Tells the peers how much has come of what they made.
    pub(super) fn acknowledge(&mut self, session: &Session) {
        self.with_engine(session, |engine, document| {
            engine.acknowledge(now(), document)
        });
    }

    pub(super) fn tick_engine(&mut self, session: &Session) {
        self.with_engine(session, |engine, document| {
            let now = now();
            if engine.next_timeout().is_some_and(|at| at <= now) {
                engine.tick(now, document);
            }
        });
    }

    /// Shows a field of our presence to the peers.
    pub(super) fn show_presence(
        &mut self,
        session: &Session,
        field: &str,
        value: Option<&str>,
    ) -> Result<(), NetworkError> {
        let mut shown = Ok(());
        self.with_engine(session, |engine, _| {
            shown = engine.set_presence(field, value, now())
        });
        shown.map_err(|error| NetworkError::Presence {
            reason: error.to_string(),
        })
    }

    /// Tells every peer that we leave.
    pub(super) fn say_goodbye(&mut self, session: &Session) {
        self.with_engine(session, |engine, _| engine.goodbye(now()));
    }

    /// Tells the engine how much waits in each channel.
    pub(super) fn report_buffered(&mut self, session: &Session) {
        let waiting: Vec<(LinkId, usize)> = self
            .transports()
            .map(|(link, transport)| (link, transport.buffered()))
            .collect();
        if waiting.is_empty() {
            return;
        }
        self.with_engine(session, |engine, document| {
            for (link, bytes) in waiting {
                engine.buffered_amount(link, bytes, now(), document);
            }
        });
    }

    /// When to look again whether there is room in the links that do not tell when there is.
    pub(super) fn room_deadline(&self) -> Option<u64> {
        let engine = self.engine.as_ref()?;
        let waits = self
            .transports()
            .any(|(link, transport)| !transport.tells_of_room() && engine.waits_for_room(link));
        waits.then(|| now() + ROOM_MILLIS)
    }

    /// Lets listeners know what became of the text.
    pub(super) fn tell_changes(&self, session: &Session, changes: Vec<TextChange>) {
        if changes.is_empty() {
            return;
        }
        if session.listeners().wants_changes() {
            session.listeners().queue_changes(changes);
        }
        if session.listeners().wants_text() {
            let text = session.entry().read(|document| Ok(document.text()));
            if let Ok(text) = text {
                session.listeners().queue_text(&text);
            }
        }
    }

    /// Runs `act` on the engine and the document, and carries out all that follows from it.
    fn with_engine(&mut self, session: &Session, act: impl FnOnce(&mut Engine, &mut Document)) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        // The document is free: nothing that holds it calls out.
        let before = session.entry().write(|document| {
            let was_empty = document.is_empty();
            act(engine, document);
            Ok(was_empty)
        });
        let Ok(was_empty) = before else {
            return;
        };
        let mut all = Vec::new();
        while let Some(output) = self.next_output(session) {
            match output {
                Output::Changed { splices } if all.is_empty() => all = splices,
                Output::Changed { splices } => all.extend(splices),
                output => self.carry_out(session, output),
            }
        }
        if !all.is_empty() {
            // Many edits of a text that was empty are one insertion.
            let changes = if was_empty && all.len() > 1 {
                let whole = session.entry().read(|document| Ok(whole_text(document)));
                whole.unwrap_or_default()
            } else {
                changes_of(all)
            };
            self.tell_changes(session, changes);
        }
    }

    /// What the engine wants next. Of a long history it makes a part when those before are on their
    /// way.
    fn next_output(&mut self, session: &Session) -> Option<Output> {
        let engine = self.engine.as_mut()?;
        if let Some(output) = engine.poll_output() {
            return Some(output);
        }
        if !engine.goes_on() {
            return None;
        }
        let sent = session
            .entry()
            .write(|document| Ok(engine.send_on(now(), document)));
        sent.is_ok_and(|sent| sent)
            .then(|| engine.poll_output())
            .flatten()
    }

    fn carry_out(&mut self, session: &Session, output: Output) {
        match output {
            Output::Send {
                link,
                channel,
                message,
            } => {
                let Some(transport) = self.transport(link) else {
                    return;
                };
                let sent = transport.send(channel, message);
                self.to_ask |= !transport.tells_of_room();
                if let Err(reason) = sent {
                    self.stirred = true;
                    self.link_lost(session, link, &reason);
                }
            }
            Output::Presence {
                session: of,
                agent,
                fields,
            } => {
                self.tell_presence(session, of, &agent, fields, false);
            }
            other => {
                self.stirred = true;
                self.tell(session, other);
            }
        }
    }

    /// Carries out what comes rarely.
    #[inline(never)]
    fn tell(&mut self, session: &Session, output: Output) {
        match output {
            Output::Close { link, reason } => self.on_close(session, link, &reason),
            Output::Synced { link } => {
                if let Some(peer) = self.peer_of(session, link) {
                    session
                        .listeners()
                        .queue(EventName::Synced, plain(&Synced { peer }));
                }
            }
            Output::Outdated {
                link,
                side,
                ours,
                theirs,
            } => {
                let peer = self.peer_of(session, link).unwrap_or_default();
                let side = match side {
                    OutdatedSide::Here => "here",
                    OutdatedSide::Peer => "peer",
                };
                let payload = Outdated {
                    peer,
                    side,
                    ours,
                    theirs,
                };
                session
                    .listeners()
                    .queue(EventName::Outdated, plain(&payload));
            }
            Output::Diverged {
                link,
                agent,
                frontier,
                ours,
                theirs,
            } => {
                let payload = Diverged {
                    peer: self.peer_of(session, link).unwrap_or(agent),
                    frontier: frontier.to_json(),
                    ours: format!("{ours:016x}"),
                    theirs: format!("{theirs:016x}"),
                };
                session
                    .listeners()
                    .queue(EventName::Diverged, plain(&payload));
            }
            Output::AgentInUse { agent, .. } => {
                self.tell_error(session, NetworkError::AgentInUse { agent });
            }
            Output::Refused { link, reason } => {
                let peer = self.peer_of(session, link).unwrap_or_default();
                let error = NetworkError::PeerRefused {
                    peer,
                    reason: reason.to_string(),
                };
                self.tell_error(session, error);
            }
            Output::PresenceLeft { session: of, agent } => {
                self.tell_presence(session, of, &agent, Vec::new(), true);
            }
            // Links come and go in `peers`; the others were taken before they came here.
            Output::PeerUp { .. }
            | Output::PeerDown { .. }
            | Output::Changed { .. }
            | Output::Send { .. }
            | Output::Presence { .. } => {}
        }
    }

    fn peer_of(&mut self, session: &Session, link: LinkId) -> Option<String> {
        let direct = self.peers.wire(link).map(|(id, _)| id);
        let room = direct
            .or_else(|| self.peers.on_bus(link))
            .or_else(|| self.peers.relayed_to(link));
        room.map(|id| id.to_string()).or_else(|| {
            let figures = self.figures(session);
            let mut others = self.customs.peers(&figures);
            others.find(|peer| peer.link == link)?.agent.clone()
        })
    }
}
