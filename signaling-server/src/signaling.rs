//! One client of the signaling protocol: carries out what the rules of `signaling-rooms` decide.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use signaling_protocol::{
    CloseCode, ErrorCode, IdError, Join, LogAck, RoomId, ServerMessage, SignalKind,
};
use signaling_rooms::{
    Client, ConnectionId, Decision, Departure, Effect, Forward, LOG_PAGE_BYTES, LogRequest,
    MessageKind, Newcomer, Permit, Place, Refusal,
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::bus::{Bus, Entrant};
use crate::connection::{Opened, Session};
use crate::foreign;
use crate::going_away::going_away;
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::{Note, Outbound, Outbox};
use crate::refusal;
use crate::roster::{Dialect, Stay};
use crate::store::{LogName, Store, Write};
use crate::token::Access;

/// A client on its socket. Dropping it takes the client out of its room.
pub(crate) struct SignalingClient {
    hub: Arc<Hub>,
    client: Client,
    socket: Socket,
    /// How the client leaves its room when it is dropped.
    departure: Departure,
}

/// What is needed to answer the client.
struct Socket {
    connection: ConnectionId,
    address: Option<IpAddr>,
    outbox: Arc<Outbox>,
}

impl SignalingClient {
    pub(crate) fn new(
        hub: Arc<Hub>,
        opened: Opened,
        address_room: Option<Result<RoomId, IdError>>,
    ) -> Self {
        let limits = hub.config.client_limits();
        let client = Client::new(address_room, &limits, hub.store.is_some());
        Self {
            hub,
            client,
            socket: Socket {
                connection: opened.connection,
                address: opened.address,
                outbox: opened.outbox,
            },
            departure: Departure::Left,
        }
    }

    fn join(&mut self, room: RoomId, join: Join) -> Result<(), Refusal> {
        if !self.hub.limiter.may_join(self.socket.address) {
            let message = "too many joins from this address; try again later".to_owned();
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        }
        let permit = match &self.hub.tokens {
            Some(tokens) => {
                let grant = tokens
                    .get()
                    .check(join.token.as_deref(), &room, &join.agent_id)?;
                Permit {
                    read_only: grant.access == Access::Read,
                    until: Some(grant.exp),
                }
            }
            None => Permit::default(),
        };
        let place = Place {
            room,
            agent: join.agent_id.clone(),
            permit,
        };
        let stay = Stay {
            dialect: Dialect::Signaling,
            room: place.room.clone(),
            agent: Some(place.agent.clone()),
        };
        match &self.hub.bus {
            Some(bus) => {
                self.socket.ask(bus, &place, join)?;
                self.client.wait_for(place);
            }
            None => {
                self.socket.enter(&self.hub, &place, join)?;
                self.client.enter(place);
            }
        }
        self.hub.roster.enter(self.socket.connection, stay);
        Ok(())
    }

    fn leave(&self, place: &Place, departure: Departure) {
        let Place { room, agent, .. } = place;
        let connection = self.socket.connection;
        self.hub.roster.leave(connection, Dialect::Signaling, room);
        match &self.hub.bus {
            Some(bus) => bus.leave(room, agent, connection, departure),
            None => {
                let mut rooms = self.hub.rooms();
                let now = self.hub.since_start(Instant::now());
                if let Some(effect) = rooms.leave(room, agent, connection, departure, now) {
                    carry_out(effect);
                }
            }
        }
        tracing::debug!(%room, %agent, "left");
    }
}

impl Socket {
    /// Takes a place in a room of this process.
    fn enter(&self, hub: &Hub, place: &Place, join: Join) -> Result<(), Refusal> {
        let newcomer = Newcomer {
            agent: join.agent_id,
            connection: self.connection,
            handle: self.outbox.clone(),
            session: join.session,
            address: self.address,
            read_only: place.permit.read_only,
            capabilities: join.capabilities,
        };
        let welcome = hub.greeter.welcome(&place.agent);
        {
            // The announcements are queued while the rooms are locked, so that everyone sees joins and
            // departures in one order.
            let mut rooms = hub.rooms();
            let now = hub.since_start(Instant::now());
            for effect in rooms.join(&place.room, newcomer, welcome, now)? {
                carry_out(effect);
            }
        }
        let Place { room, agent, .. } = place;
        tracing::debug!(%room, %agent, "joined");
        Ok(())
    }

    /// Asks for a place in a room that several processes share.
    fn ask(&self, bus: &Bus, place: &Place, join: Join) -> Result<(), Refusal> {
        bus.join(Entrant {
            room: &place.room,
            agent: &place.agent,
            session: join.session.as_ref(),
            read_only: place.permit.read_only,
            capabilities: join.capabilities,
            connection: self.connection,
            address: self.address,
            outbox: self.outbox.clone(),
        })
    }

    /// Passes a frame on to a client of this process, or over the bus.
    fn forward(&self, hub: &Hub, forward: Forward<'_>, now: Instant) -> Result<(), Refusal> {
        let Forward {
            room,
            to,
            kind,
            frame,
        } = forward;
        let frame = match frame {
            Cow::Borrowed(frame) => Utf8Bytes::from(frame),
            Cow::Owned(frame) => Utf8Bytes::from(frame),
        };
        let outbound = Outbound {
            message: Message::Text(frame),
            kind: kind.into(),
            since: Some(now),
        };
        if let Some(bus) = &hub.bus {
            return bus.forward(room, &to, self.connection, outbound);
        }
        let receiver = hub.rooms().find(room, &to).cloned();
        receiver
            .ok_or_else(|| Refusal::unavailable(&to))?
            .push(outbound);
        Ok(())
    }

    /// Writes to a log or reads it; the answer comes once it is on the disk.
    fn log(&self, hub: &Hub, store: &Store, request: LogRequest) {
        let (outbox, metrics) = (self.outbox.clone(), hub.metrics.clone());
        let (write, id) = match request {
            LogRequest::Read { room, after } => {
                let log = LogName::signaling(&room);
                return store.read(log, after, LOG_PAGE_BYTES, move |result| {
                    outbox.push(match result {
                        Ok(page) => Outbound::text(Kind::Log, page.to_message().to_json()),
                        Err(error) => refusal::outbound(error.into(), &metrics),
                    });
                });
            }
            LogRequest::Append { room, payload, id } => {
                let (log, payload) = (LogName::signaling(&room), payload.into());
                let from = self.address;
                (Write::Append { log, payload, from }, id)
            }
            LogRequest::Snapshot {
                room,
                base,
                upto,
                payload,
                id,
            } => {
                let write = Write::Snapshot {
                    log: LogName::signaling(&room),
                    base,
                    upto,
                    payload: payload.into(),
                };
                (write, id)
            }
        };
        store.write(write, move |result| {
            outbox.push(match result {
                Ok(seq) => {
                    let ack = ServerMessage::LogAck(LogAck { seq, id });
                    Outbound::text(Kind::Log, ack.to_json())
                }
                Err(error) => {
                    let refusal = Refusal { id, ..error.into() };
                    refusal::outbound(refusal, &metrics)
                }
            });
        });
    }

    fn refuse(&self, hub: &Hub, refusal: Refusal) {
        let Refusal { code, message, .. } = &refusal;
        tracing::debug!(%code, message, "refused");
        self.outbox.push(refusal::outbound(refusal, &hub.metrics));
    }
}

impl Session for SignalingClient {
    fn receive_text(&mut self, frame: &str, now: Instant) {
        let Self {
            hub,
            client,
            socket,
            ..
        } = self;
        let (kind, decision) = client.receive_text(frame, hub.since_start(now));
        hub.metrics.received(kind.into(), frame.len());
        let result = match decision {
            Decision::Nothing => Ok(()),
            Decision::Answer(message) => {
                socket
                    .outbox
                    .push(Outbound::text(Kind::Ping, message.to_json()));
                Ok(())
            }
            Decision::Refuse(refusal) => Err(refusal),
            Decision::Disconnect(refusal, code) => {
                socket.refuse(hub, refusal);
                socket.outbox.close(code);
                Ok(())
            }
            Decision::Forward(forward) => socket.forward(hub, forward, now),
            Decision::Log(request) => {
                if let Some(store) = &hub.store {
                    socket.log(hub, store, request);
                }
                Ok(())
            }
            Decision::Leave(place) => {
                self.leave(&place, Departure::Left);
                Ok(())
            }
            Decision::Join(room, join) => self.join(room, *join),
        };
        if let Err(refusal) = result {
            self.socket.refuse(&self.hub, refusal);
        }
    }

    fn receive_binary(&mut self, frame: Bytes, now: Instant) {
        let size = frame.len();
        self.hub.metrics.received(Kind::Unreadable, size);
        if let Some(answer) = foreign::answer(&frame) {
            self.hub.metrics.refused(ErrorCode::BinaryFrame);
            let outbox = &self.socket.outbox;
            outbox.push(Outbound::binary(Kind::Error, answer.into(), None));
            return outbox.close(CloseCode::Refused);
        }
        match self.client.receive_binary(size, self.hub.since_start(now)) {
            Decision::Disconnect(refusal, code) => {
                self.socket.refuse(&self.hub, refusal);
                self.socket.outbox.close(code);
            }
            Decision::Refuse(refusal) => self.socket.refuse(&self.hub, refusal),
            _ => {}
        }
    }

    fn message_too_big(&self) {
        let refusal = Refusal::message_too_big(self.hub.config.max_message_size);
        self.socket.refuse(&self.hub, refusal);
    }

    fn going_away(&self) {
        self.socket.outbox.push(going_away());
    }

    fn lost(&mut self) {
        self.departure = Departure::Lost;
    }

    fn has_expired(&self) -> bool {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.client.has_expired(since_1970)
    }

    fn is_waiting(&self) -> bool {
        self.client.is_waiting()
    }

    fn noted(&mut self, note: Note) {
        let admitted = matches!(note, Note::Entered);
        if let Some(place) = self.client.settle(admitted) {
            let connection = self.socket.connection;
            self.hub
                .roster
                .leave(connection, Dialect::Signaling, &place.room);
        }
    }
}

impl Drop for SignalingClient {
    fn drop(&mut self) {
        if let Some(place) = self.client.give_up_place() {
            self.leave(&place, self.departure);
        }
    }
}

/// Carries out an effect; a message for many is written once and shared.
fn carry_out(effect: Effect<Arc<Outbox>>) {
    match effect {
        Effect::Tell(receivers, message) => {
            let outbound = Outbound::text(Kind::Announcement, message.to_json());
            for outbox in receivers {
                outbox.push(outbound.clone());
            }
        }
        Effect::Close(outbox, code) => outbox.close(code),
    }
}

impl From<MessageKind> for Kind {
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Join => Kind::Join,
            MessageKind::Leave => Kind::Leave,
            MessageKind::Signal(SignalKind::Offer) => Kind::Offer,
            MessageKind::Signal(SignalKind::Answer) => Kind::Answer,
            MessageKind::Signal(SignalKind::IceCandidate) => Kind::IceCandidate,
            MessageKind::Relay => Kind::Relay,
            MessageKind::Log => Kind::Log,
            MessageKind::Ping => Kind::Ping,
            MessageKind::Unreadable => Kind::Unreadable,
        }
    }
}
