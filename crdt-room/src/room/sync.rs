//! The traffic of the sync engine: its inputs from links, and its outputs.

use crdt_core::Document;
use crdt_sync::Output as EngineOutput;
use crdt_sync::{Engine, Incoming, LinkId, LinkOptions, Millis, Outgoing, PeerStatus};

use super::Room;
use crate::broadcast;
use crate::error::RoomError;
use crate::ids::SocketId;
use crate::links::Route;
use crate::options::LinkKind;
use crate::output::{News, Output, TransportCommand};

impl Room {
    /// The document has edits that the peers lack.
    pub(super) fn edited(&mut self, now: Millis, document: &Document) {
        if let Some(engine) = &mut self.engine {
            engine.local_edit(now, document);
        }
    }

    /// A message arrived on a data channel. The first one shows that the channel works.
    pub(super) fn message(
        &mut self,
        link: LinkId,
        message: Incoming<'_>,
        now: Millis,
        document: &mut Document,
    ) {
        if self.links.route(link).is_none() {
            let raised = self.direct.raise(link);
            self.on_direct(raised.into_iter().collect(), now, document);
        }
        self.receive(link, message, now, document);
    }

    pub(super) fn receive(
        &mut self,
        link: LinkId,
        message: Incoming<'_>,
        now: Millis,
        document: &mut Document,
    ) {
        if let Some(engine) = &mut self.engine {
            engine.receive(link, message, now, document);
        }
    }

    /// Records the number of bytes that wait in a link.
    pub(super) fn buffered(
        &mut self,
        link: LinkId,
        bytes: usize,
        now: Millis,
        document: &Document,
    ) {
        if let Some(engine) = &mut self.engine {
            engine.buffered_amount(link, bytes, now, document);
        }
    }

    /// Records the number of bytes that wait in a signaling socket, and so in its relay links.
    pub(super) fn socket_buffered(
        &mut self,
        socket: SocketId,
        bytes: usize,
        now: Millis,
        document: &Document,
    ) {
        let Some(server) = self.signaling.set_buffered(socket, bytes) else {
            return;
        };
        let through = self.relay.servers().filter(|(of, _)| *of == server);
        let links: Vec<LinkId> = through.map(|(_, link)| link).collect();
        let waiting = self.relay.buffered().saturating_add(bytes);
        for link in links {
            self.buffered(link, waiting, now, document);
        }
    }

    /// A link is up and authenticated. `is_writer`: the other end may write.
    pub(super) fn link_up(
        &mut self,
        link: LinkId,
        route: Route,
        is_writer: bool,
        now: Millis,
        document: &Document,
    ) {
        self.links.add(link, route, is_writer);
        self.use_link(link, now, document);
    }

    /// Adds a link to the engine.
    pub(super) fn use_link(&mut self, link: LinkId, now: Millis, document: &Document) {
        self.is_dirty = true;
        let Some(state) = self.links.get(link) else {
            return;
        };
        let kind = state.route.kind();
        let options = LinkOptions {
            rank: kind.rank(),
            binary_only: kind == LinkKind::Custom,
            access: self.access(state.route.peer(), state.is_writer),
            ..LinkOptions::default()
        };
        if let Some(engine) = &mut self.engine {
            engine.link_up(link, options, now, document);
        }
    }

    /// A link is gone.
    pub(super) fn link_down(&mut self, link: LinkId, now: Millis, document: &Document) {
        self.is_dirty = true;
        self.links.remove(link);
        self.forget_proofs(link);
        if let Some(engine) = &mut self.engine {
            engine.link_down(link, now, document);
        }
    }

    /// What the engine knows of its links.
    pub(super) fn figures(&self, document: &Document) -> Vec<PeerStatus> {
        let engine = self.engine.as_ref();
        engine.map_or_else(Vec::new, |engine| engine.peers(document).collect())
    }

    /// The engine's next output. It encodes a part of a long history after the earlier parts have
    /// been sent.
    pub(super) fn next_of_engine(
        &mut self,
        now: Millis,
        document: &Document,
    ) -> Option<EngineOutput> {
        let engine = self.engine.as_mut()?;
        if let Some(output) = engine.poll_output() {
            return Some(output);
        }
        if engine.goes_on() && engine.send_on(now, document) {
            return engine.poll_output();
        }
        None
    }

    /// Carries out an output of the engine, or converts it to an output of the room.
    pub(super) fn route(
        &mut self,
        output: EngineOutput,
        now: Millis,
        document: &mut Document,
    ) -> Option<Output> {
        match output {
            EngineOutput::Send {
                link,
                channel,
                message,
            } => match self.links.route(link) {
                Some(Route::Direct(_)) => Some(Output::Send {
                    link,
                    channel,
                    message,
                }),
                Some(_) => self.send_sealed(link, message, now),
                None => None,
            },
            EngineOutput::Changed { splices } => Some(Output::Tell(News::Changed { splices })),
            EngineOutput::Presence {
                session,
                agent,
                fields,
            } => Some(self.presence_news(session, &agent, fields, false)),
            other => {
                self.is_dirty = true;
                self.on_engine(other, now, document)
            }
        }
    }

    /// Sends a message of the engine by another route than a data channel, sealed if the ends of
    /// the link have a key.
    #[inline(never)]
    fn send_sealed(&mut self, link: LinkId, message: Outgoing, now: Millis) -> Option<Output> {
        match self.sealed_links.send(link, message) {
            Some(message) => self.send_otherwise(link, message),
            None => {
                self.has_to_ask = true;
                self.advance_cipher(now);
                None
            }
        }
    }

    /// Sends a message by another route than a data channel.
    #[inline(never)]
    pub(super) fn send_otherwise(&mut self, link: LinkId, message: Outgoing) -> Option<Output> {
        self.has_to_ask = true;
        match self.links.route(link)? {
            Route::Direct(_) => None,
            Route::Broadcast { channel, .. } => {
                Some(broadcast::post(channel, broadcast::data(message)))
            }
            Route::Relay(to) => {
                self.relay.send(to, link, message);
                None
            }
            Route::Transport { transport, run } => {
                // The link was declared to carry binary messages only.
                let Outgoing::Binary(bytes) = message else {
                    return None;
                };
                Some(Output::Transport {
                    transport: *transport,
                    run: *run,
                    command: TransportCommand::Send(bytes),
                })
            }
        }
    }

    /// Carries out the rare outputs of the engine.
    #[inline(never)]
    fn on_engine(
        &mut self,
        output: EngineOutput,
        now: Millis,
        document: &mut Document,
    ) -> Option<Output> {
        let news = match output {
            EngineOutput::Close { link, reason } => {
                if !self.sealed_links.close(link, &reason) {
                    self.on_close(link, &reason, now, document);
                }
                return None;
            }
            EngineOutput::Synced { link } => News::Synced {
                peer: self.peer_of(link, document)?,
            },
            EngineOutput::Outdated {
                link,
                side,
                ours,
                theirs,
            } => News::Outdated {
                peer: self.peer_of(link, document).unwrap_or_default(),
                side,
                ours,
                theirs,
            },
            EngineOutput::Diverged {
                link,
                agent,
                id,
                frontier,
                ours,
                theirs,
            } => News::Diverged {
                peer: self.peer_of(link, document).unwrap_or(agent),
                id,
                frontier: frontier.to_json(),
                ours,
                theirs,
            },
            EngineOutput::AgentInUse { agent, .. } => News::Error(RoomError::AgentInUse { agent }),
            EngineOutput::Refused { link, reason } => News::Error(RoomError::PeerRefused {
                peer: self.peer_of(link, document).unwrap_or_default(),
                reason: reason.to_string(),
            }),
            EngineOutput::PresenceLeft { session, agent } => {
                return Some(self.presence_news(session, &agent, Vec::new(), true));
            }
            // Links are reported as a whole, in the status; `route` takes the others.
            EngineOutput::PeerUp { .. }
            | EngineOutput::PeerDown { .. }
            | EngineOutput::Renamed { .. }
            | EngineOutput::Changed { .. }
            | EngineOutput::Send { .. }
            | EngineOutput::Presence { .. } => return None,
        };
        Some(Output::Tell(news))
    }

    fn presence_news(
        &self,
        session: u64,
        agent: &str,
        fields: Vec<(String, Option<String>)>,
        left: bool,
    ) -> Output {
        // The engine knows the name of the replica; the room knows the member.
        let member = self.members.with_page(session);
        Output::Tell(News::Presence {
            session,
            peer: member.map_or_else(|| agent.to_owned(), ToString::to_string),
            fields,
            left,
        })
    }

    /// The agent id of the peer that a link leads to.
    fn peer_of(&self, link: LinkId, document: &Document) -> Option<String> {
        let peer = self.links.route(link)?.peer();
        peer.map(ToString::to_string).or_else(|| {
            let engine = self.engine.as_ref()?;
            let figures = engine.peers(document).find(|peer| peer.link == link);
            figures?.agent
        })
    }

    /// Makes the engine, new with every connection to the room.
    pub(super) fn start_engine(&mut self, now: Millis, document: &Document) {
        let sync = self.options.sync.clone();
        self.engine = Some(Engine::new(sync, document.agent(), self.page));
        for (field, value) in self.presence.clone() {
            self.show_presence(&field, Some(&value), now);
        }
    }

    /// Sends goodbye on every link, and ends the engine.
    pub(super) fn stop_engine(&mut self, now: Millis, document: &mut Document) {
        if let Some(engine) = &mut self.engine {
            engine.goodbye(now);
        }
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
            let output = self.route(output, now, document);
            self.outputs.extend(output);
        }
        self.engine = None;
    }

    /// Sends a field of the own presence to the peers. Returns whether it was accepted.
    pub(super) fn show_presence(&mut self, field: &str, value: Option<&str>, now: Millis) -> bool {
        let Some(engine) = &mut self.engine else {
            return true;
        };
        match engine.set_presence(field, value, now) {
            Ok(()) => true,
            Err(error) => {
                let reason = error.to_string();
                self.tell_error(RoomError::Presence { reason });
                false
            }
        }
    }
}
