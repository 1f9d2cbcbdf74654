//! What each frame of a client means: the protocol's rules, without I/O.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use signaling_protocol::{
    AgentId, ClientMessage, CloseCode, ErrorCode, GoingAway, IdError, Join, LogAck, LogEntries,
    LogEntry, LogSnapshot, PeerJoined, PeerLeft, PeerList, Pong, RoomId, ServerMessage, SignalKind,
    limits,
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::bus::Entrant;
use crate::connection::Session;
use crate::hub::Hub;
use crate::limits::Rate;
use crate::metrics::Kind;
use crate::outbox::{Letter, Note, Outbox};
use crate::refusal::Refusal;
use crate::rooms::{ConnectionId, Newcomer};
use crate::store::{LogName, Page, Store, Write};
use crate::token::Access;

/// Clients of a server that ends are told to come back at random times within this span.
const RECONNECT_SPREAD_MS: u64 = 5_000;

/// How much of a log is sent at once. A client that reads on asks again, so a long log does not fill
/// its queue.
const LOG_PAGE_BYTES: usize = 256 * 1024;

/// The server's side of one client. Dropping it takes the client out of its room.
pub(crate) struct Client {
    hub: Arc<Hub>,
    connection: ConnectionId,
    outbox: Arc<Outbox>,
    /// The room in the address of the socket, where it has one.
    address_room: Option<Result<RoomId, IdError>>,
    place: Option<Place>,
    /// The place that the bus was asked for and has not given yet. Nothing is read meanwhile.
    entering: Option<Place>,
    rates: Rates,
}

/// How much the client may send.
struct Rates {
    messages: Rate,
    relay_messages: Rate,
    relay_bytes: Rate,
    /// How often it may be told that it sends too much before it is disconnected.
    excesses: Rate,
}

/// Where a client is, and as whom.
struct Place {
    room: RoomId,
    agent: AgentId,
    /// When the token runs out that opened the door, in seconds since 1970.
    until: Option<u64>,
    read_only: bool,
}

impl Client {
    pub(crate) fn new(
        hub: Arc<Hub>,
        outbox: Arc<Outbox>,
        address_room: Option<Result<RoomId, IdError>>,
    ) -> Self {
        let connection = hub.new_connection();
        let config = &hub.config;
        let largest = u32::try_from(config.max_message_size).unwrap_or(u32::MAX);
        let rates = Rates {
            messages: Rate::new(config.messages_per_second, 1),
            relay_messages: Rate::new(config.relay_messages_per_second, 1),
            relay_bytes: Rate::new(config.relay_bytes_per_second, largest),
            excesses: Rate::new(config.messages_per_second.max(1), 1),
        };
        Self {
            hub,
            connection,
            outbox,
            address_room,
            place: None,
            entering: None,
            rates,
        }
    }

    fn may_send(&self, kind: Kind, size: usize) -> bool {
        match kind {
            Kind::Relay | Kind::Log => {
                self.rates.relay_messages.take() && self.rates.relay_bytes.take_many(size)
            }
            _ => self.rates.messages.take(),
        }
    }

    /// Drops a message that is one too many; disconnects who does not mind being told.
    fn too_much(&self, message: Option<ClientMessage>) {
        let peer = match message {
            Some(ClientMessage::Signal(signal)) => Some(signal.to),
            Some(ClientMessage::Relay(relay)) => Some(relay.to),
            _ => None,
        };
        self.refuse(Refusal {
            code: ErrorCode::RateLimited,
            message: "more messages than may be sent in that time; this one was dropped".to_owned(),
            peer,
            id: None,
        });
        if !self.rates.excesses.take() {
            self.outbox.close(CloseCode::RateLimited);
        }
    }

    fn carry_out(
        &mut self,
        message: ClientMessage,
        frame: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Join(join) => self.join(join),
            ClientMessage::Leave(_) => {
                self.place()?;
                self.leave();
                Ok(())
            }
            ClientMessage::Signal(signal) => {
                let kind = kind_of_signal(signal.kind);
                self.forward(kind, &signal.to, signal.from, frame, now)
            }
            ClientMessage::Relay(relay) => {
                self.forward(Kind::Relay, &relay.to, relay.from, frame, now)
            }
            ClientMessage::LogAppend(append) => {
                let payload = &append.payload;
                self.write_log(append.id, |log| {
                    Ok(Write::Append {
                        log,
                        payload: decoded(payload)?,
                    })
                })
            }
            ClientMessage::LogSnapshot(snapshot) => {
                let LogSnapshot {
                    base,
                    upto,
                    payload,
                    id,
                } = &snapshot;
                let (base, upto) = (*base, *upto);
                self.write_log(*id, |log| {
                    Ok(Write::Snapshot {
                        log,
                        base,
                        upto,
                        payload: decoded(payload)?,
                    })
                })
            }
            ClientMessage::LogRead(read) => self.read_log(read.after),
            ClientMessage::Ping(_) => {
                self.send(Kind::Ping, &ServerMessage::Pong(Pong {}));
                Ok(())
            }
            ClientMessage::Pong(_) => Ok(()),
            other => Err(Refusal::new(
                ErrorCode::UnknownType,
                format!("this server does not take {}", other.to_json()),
            )),
        }
    }

    fn join(&mut self, join: Join) -> Result<(), Refusal> {
        if let Some(place) = self.place.as_ref().or(self.entering.as_ref()) {
            return Err(Refusal::new(
                ErrorCode::AlreadyJoined,
                format!(
                    "this socket is in the room {:?} as {:?}",
                    place.room, place.agent
                ),
            ));
        }
        if let Some(version) = join.protocol
            && version > limits::PROTOCOL_VERSION
        {
            let known = limits::PROTOCOL_VERSION;
            let message = format!("protocol {version} is newer than this server's {known}");
            return Err(Refusal::new(ErrorCode::UnsupportedProtocol, message));
        }
        let room = self.room_for(join.room.clone())?;
        let grant = match &self.hub.tokens {
            Some(tokens) => Some(tokens.check(join.token.as_deref(), &room, &join.agent_id)?),
            None => None,
        };
        let place = Place {
            room,
            agent: join.agent_id.clone(),
            read_only: grant
                .as_ref()
                .is_some_and(|grant| grant.access == Access::Read),
            until: grant.map(|grant| grant.exp),
        };
        match &self.hub.bus {
            Some(bus) => {
                bus.join(Entrant {
                    room: &place.room,
                    agent: &place.agent,
                    session: join.session.as_ref(),
                    read_only: place.read_only,
                    capabilities: join.capabilities,
                    connection: self.connection,
                    outbox: self.outbox.clone(),
                })?;
                self.entering = Some(place);
            }
            None => {
                self.enter(&place, join)?;
                self.place = Some(place);
            }
        }
        Ok(())
    }

    /// Takes a place in a room of this process.
    fn enter(&self, place: &Place, join: Join) -> Result<(), Refusal> {
        let newcomer = Newcomer {
            agent: join.agent_id,
            connection: self.connection,
            handle: self.outbox.clone(),
            session: join.session,
            read_only: place.read_only,
            capabilities: join.capabilities.clone(),
        };

        // The announcements are queued while the rooms are locked, so that everyone sees joins and
        // departures in one order.
        let mut rooms = self.hub.rooms();
        let joined = rooms.join(&place.room, newcomer, Instant::now())?;
        let rejoined = joined.replaced.is_some();
        if let Some(old) = joined.replaced {
            old.close(CloseCode::Replaced);
        }
        let newcomer = PeerJoined {
            peer_id: place.agent.clone(),
            rejoined,
            read_only: place.read_only,
            capabilities: join.capabilities,
        };
        tell(&joined.others, &ServerMessage::PeerJoined(newcomer));
        let list = PeerList {
            peers: joined.peers,
            read_only: joined.read_only,
            capabilities: joined.capabilities,
            log: false,
            ice_servers: Vec::new(),
        };
        self.hub.welcome(&self.outbox, &place.agent, list);
        let Place { room, agent, .. } = place;
        tracing::debug!(connection = self.connection.0, %room, %agent, rejoined, "joined");
        Ok(())
    }

    fn room_for(&self, asked: Option<RoomId>) -> Result<RoomId, Refusal> {
        match (&self.address_room, asked) {
            (Some(Err(error)), _) => Err(Refusal::new(
                ErrorCode::InvalidRoom,
                format!("in the address: {error}"),
            )),
            (Some(Ok(address)), Some(asked)) if *address != asked => Err(Refusal::new(
                ErrorCode::InvalidRoom,
                format!("the address names the room {address:?}, the join {asked:?}"),
            )),
            (Some(Ok(room)), _) => Ok(room.clone()),
            (None, asked) => Ok(asked.unwrap_or_default()),
        }
    }

    /// Passes a frame on as it came, once it is sure that its sender is who it says.
    fn forward(
        &self,
        kind: Kind,
        to: &AgentId,
        from: Option<AgentId>,
        frame: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let place = self.place()?;
        let frame = match from {
            Some(from) if from == place.agent => Utf8Bytes::from(frame),
            Some(from) => {
                let message = format!("from is {from:?}, but this socket is {:?}", place.agent);
                return Err(Refusal::new(ErrorCode::ForgedSender, message));
            }
            None => Utf8Bytes::from(stamp(frame, &place.agent)),
        };
        let letter = Letter {
            message: Message::Text(frame),
            kind,
            since: Some(now),
        };
        if let Some(bus) = &self.hub.bus {
            return bus.forward(&place.room, to, self.connection, letter);
        }
        let receiver = self.hub.rooms().find(&place.room, to).cloned();
        receiver
            .ok_or_else(|| Refusal::unavailable(to))?
            .push(letter);
        Ok(())
    }

    /// Writes to the room's log; the answer comes when it is on the disk.
    fn write_log(
        &self,
        id: Option<u64>,
        write: impl FnOnce(LogName) -> Result<Write, Refusal>,
    ) -> Result<(), Refusal> {
        let about = move |refusal: Refusal| Refusal { id, ..refusal };
        let place = self.place().map_err(about)?;
        let store = self.store().map_err(about)?;
        if place.read_only {
            let message = "the token allows reading only".to_owned();
            return Err(about(Refusal::new(ErrorCode::Forbidden, message)));
        }
        let write = write(LogName::signaling(&place.room)).map_err(about)?;
        let (outbox, metrics) = (self.outbox.clone(), self.hub.metrics.clone());
        store.write(write, move |result| {
            outbox.push(match result {
                Ok(seq) => Letter::text(
                    Kind::Log,
                    ServerMessage::LogAck(LogAck { seq, id }).to_json(),
                ),
                Err(error) => about(error.into()).letter(&metrics),
            });
        });
        Ok(())
    }

    fn read_log(&self, after: u64) -> Result<(), Refusal> {
        let log = LogName::signaling(&self.place()?.room);
        let (outbox, metrics) = (self.outbox.clone(), self.hub.metrics.clone());
        self.store()?
            .read(log, after, LOG_PAGE_BYTES, move |result| {
                outbox.push(match result {
                    Ok(page) => Letter::text(Kind::Log, log_entries(page).to_json()),
                    Err(error) => Refusal::from(error).letter(&metrics),
                });
            });
        Ok(())
    }

    fn store(&self) -> Result<&Store, Refusal> {
        self.hub
            .store
            .as_deref()
            .ok_or_else(|| Refusal::new(ErrorCode::NoLog, "this server keeps no logs".to_owned()))
    }

    fn place(&self) -> Result<&Place, Refusal> {
        self.place
            .as_ref()
            .ok_or_else(|| Refusal::new(ErrorCode::NotJoined, "send a join first".to_owned()))
    }

    fn leave(&mut self) {
        let Some(Place { room, agent, .. }) = self.place.take().or(self.entering.take()) else {
            return;
        };
        match &self.hub.bus {
            Some(bus) => bus.leave(&room, &agent, self.connection),
            None => {
                let mut rooms = self.hub.rooms();
                let others = rooms.leave(&room, &agent, self.connection, Instant::now());
                // When the server ends everybody is told to come back; the links between members
                // outlive it, and nobody has left.
                if self.hub.ending.is_cancelled() {
                    return;
                }
                tell(
                    &others,
                    &ServerMessage::PeerLeft(PeerLeft {
                        peer_id: agent.clone(),
                    }),
                );
            }
        }
        tracing::debug!(connection = self.connection.0, %room, %agent, "left");
    }

    fn refuse(&self, refusal: Refusal) {
        let Refusal { code, message, .. } = &refusal;
        tracing::debug!(connection = self.connection.0, %code, message, "refused");
        self.outbox.push(refusal.letter(&self.hub.metrics));
    }

    fn send(&self, kind: Kind, message: &ServerMessage) {
        self.outbox.push(Letter::text(kind, message.to_json()));
    }
}

impl Session for Client {
    fn receive_text(&mut self, frame: &str, now: Instant) {
        let parsed = ClientMessage::parse(frame);
        let kind = parsed.as_ref().map_or(Kind::Unreadable, kind_of);
        self.hub.metrics.received(kind, frame.len());
        if !self.may_send(kind, frame.len()) {
            return self.too_much(parsed.ok());
        }
        let result = match parsed {
            Ok(message) => self.carry_out(message, frame, now),
            Err(error) => Err(Refusal::new(error.code(), error.to_string())),
        };
        if let Err(refusal) = result {
            self.refuse(refusal);
        }
    }

    fn receive_binary(&mut self, frame: Bytes, _now: Instant) {
        let size = frame.len();
        self.hub.metrics.received(Kind::Unreadable, size);
        if !self.may_send(Kind::Unreadable, size) {
            return self.too_much(None);
        }
        let message = "binary frames are not part of this protocol; send JSON text".to_owned();
        self.refuse(Refusal::new(ErrorCode::BinaryFrame, message));
    }

    fn message_too_big(&self) {
        let message = format!(
            "a message may have {} bytes at most",
            self.hub.config.max_message_size
        );
        self.refuse(Refusal::new(ErrorCode::MessageTooBig, message));
    }

    fn going_away(&self) {
        self.outbox.push(farewell());
    }

    fn has_expired(&self) -> bool {
        let until = self.place.as_ref().and_then(|place| place.until);
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        until.is_some_and(|until| until <= since_1970.as_secs())
    }

    fn is_waiting(&self) -> bool {
        self.entering.is_some()
    }

    fn noted(&mut self, note: Note) {
        let entering = self.entering.take();
        if matches!(note, Note::Entered) {
            self.place = entering;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.leave();
    }
}

fn kind_of(message: &ClientMessage) -> Kind {
    match message {
        ClientMessage::Join(_) => Kind::Join,
        ClientMessage::Leave(_) => Kind::Leave,
        ClientMessage::Signal(signal) => kind_of_signal(signal.kind),
        ClientMessage::Relay(_) => Kind::Relay,
        ClientMessage::LogAppend(_) | ClientMessage::LogRead(_) | ClientMessage::LogSnapshot(_) => {
            Kind::Log
        }
        ClientMessage::Ping(_) | ClientMessage::Pong(_) => Kind::Ping,
        _ => Kind::Unreadable,
    }
}

fn kind_of_signal(kind: SignalKind) -> Kind {
    match kind {
        SignalKind::Offer => Kind::Offer,
        SignalKind::Answer => Kind::Answer,
        SignalKind::IceCandidate => Kind::IceCandidate,
    }
}

fn decoded(payload: &str) -> Result<Bytes, Refusal> {
    STANDARD.decode(payload).map(Bytes::from).map_err(|error| {
        Refusal::new(
            ErrorCode::Malformed,
            format!("the payload is not base64: {error}"),
        )
    })
}

fn log_entries(page: Page) -> ServerMessage {
    let entry = |(seq, payload)| LogEntry {
        seq,
        payload: STANDARD.encode::<Bytes>(payload),
    };
    ServerMessage::LogEntries(LogEntries {
        base: page.base,
        last: page.last,
        entries: page.entries.into_iter().map(entry).collect(),
        more: page.more,
    })
}

/// Tells a client to come back, at a time that differs from the others'.
pub(crate) fn farewell() -> Letter {
    let reconnect_after_ms = fastrand::u64(0..=RECONNECT_SPREAD_MS);
    let message = ServerMessage::GoingAway(GoingAway { reconnect_after_ms });
    Letter::text(Kind::Announcement, message.to_json())
}

/// Queues one message for many; its text is written once and shared.
fn tell(members: &[Arc<Outbox>], message: &ServerMessage) {
    if members.is_empty() {
        return;
    }
    let letter = Letter::text(Kind::Announcement, message.to_json());
    for outbox in members {
        outbox.push(letter.clone());
    }
}

/// Adds the sender to a frame that names none. The frame is a JSON object with a `type`, so there is
/// a field to put it after; as the last one it also overrules a `"from":null`.
fn stamp(frame: &str, sender: &AgentId) -> String {
    let body = frame.trim_end();
    let body = body.strip_suffix('}').unwrap_or(body);
    let sender = serde_json::Value::from(sender.as_str());
    format!("{body},\"from\":{sender}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_frame_names_its_sender() {
        let sender = AgentId::parse("a\"b").unwrap();
        for frame in [
            r#"{"type":"offer","to":"b","offer":{"sdp":"}"},"extra":[1,2]}"#,
            "{\"type\":\"offer\",\"to\":\"b\",\"offer\":{}} \n",
            r#"{"from":null,"type":"offer","to":"b","offer":1}"#,
        ] {
            let stamped: serde_json::Value = serde_json::from_str(&stamp(frame, &sender)).unwrap();
            let mut expected: serde_json::Value = serde_json::from_str(frame).unwrap();
            expected["from"] = "a\"b".into();
            assert_eq!(stamped, expected);
        }
    }
}
