//! Handling of a client's frames.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signaling_protocol::{
    AgentId, ClientMessage, CloseCode, ErrorCode, IdError, Join, Pong, RoomId, ServerMessage,
    SignalKind, limits,
};

use crate::rate::Rate;
use crate::refusal::Refusal;

/// The number of messages of the largest size that may be dropped in a row before the client is
/// disconnected.
const EXCESS_MESSAGES: u32 = 4;

/// The limits of every client of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// The size of the largest message, in bytes.
    pub message_bytes: usize,
    /// The number of messages a second, except relay and log; 0 is no limit.
    pub messages_per_second: u32,
    /// The bytes of these messages a second; 0 is no limit.
    pub message_bytes_per_second: u32,
    /// The number of relay and log messages a second; 0 is no limit.
    pub relay_messages_per_second: u32,
    /// The bytes of relay and log messages a second; 0 is no limit.
    pub relay_bytes_per_second: u32,
}

impl ClientLimits {
    /// The default limits of a server.
    pub const DEFAULT: Self = Self {
        message_bytes: limits::DEFAULT_MAX_MESSAGE_BYTES,
        messages_per_second: 500,
        message_bytes_per_second: 256 << 10,
        relay_messages_per_second: 500,
        relay_bytes_per_second: 4 << 20,
    };
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The server's side of one client: decides which of its messages are carried out.
///
/// It takes no lock and accesses no other client. Handling a message takes time in proportion to
/// the message's size.
#[derive(Debug)]
pub struct Client {
    /// The room in the address of the socket, if it has one.
    address_room: Option<Result<RoomId, IdError>>,
    log: bool,
    state: State,
    rates: Rates,
}

#[derive(Debug)]
enum State {
    Outside,
    /// A place was requested and has not been granted yet.
    Entering(Place),
    Inside(Place),
}

/// The rate limits of the client.
#[derive(Debug)]
struct Rates {
    messages: Rate,
    message_bytes: Rate,
    relay_messages: Rate,
    relay_bytes: Rate,
    /// The number of rate errors before it is disconnected.
    excesses: Rate,
    /// The bytes of dropped messages before it is disconnected.
    excess_bytes: Rate,
}

/// The room of a client, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The room.
    pub room: RoomId,
    /// The client's name in it.
    pub agent: AgentId,
    /// The client's permissions there.
    pub permit: Permit,
}

/// The permissions of a client in a room, and their expiry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permit {
    /// It is read-only.
    pub read_only: bool,
    /// When the permit expires, in seconds since 1970; `None` if it does not.
    pub until: Option<u64>,
}

/// The kind of a message, for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// `join`
    Join,
    /// `leave`
    Leave,
    /// `offer`, `answer` or `ice_candidate`
    Signal(SignalKind),
    /// `relay`
    Relay,
    /// `log_append`, `log_read` or `log_snapshot`
    Log,
    /// `ping` or `pong`
    Ping,
    /// None of the protocol.
    Unreadable,
}

/// The driver's action for a frame.
#[derive(Debug)]
pub enum Decision<'f> {
    /// Nothing.
    Nothing,
    /// Send the client an answer.
    Answer(ServerMessage),
    /// Send the client the reason why its message is not carried out.
    Refuse(Refusal),
    /// The same, and close the socket.
    Disconnect(Refusal, CloseCode),
    /// Determine the client's permissions in this room. Then admit it with
    /// [`Rooms::join`](crate::Rooms::join), and call [`Client::enter`].
    Join(RoomId, Box<Join>),
    /// Remove the client from this place with [`Rooms::leave`](crate::Rooms::leave).
    Leave(Place),
    /// Forward the frame, or refuse it with [`Refusal::unavailable`].
    Forward(Forward<'f>),
    /// Write to the log of the client's room or read it.
    Log(LogRequest),
}

/// A frame for another client in the same room.
#[derive(Debug)]
pub struct Forward<'f> {
    /// The room.
    pub room: &'f RoomId,
    /// The receiver.
    pub to: AgentId,
    /// What kind of message it is.
    pub kind: MessageKind,
    /// The received frame, with the sender's name in it.
    pub frame: Cow<'f, str>,
}

/// A client's request to the log of its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRequest {
    /// Add an entry.
    Append {
        /// The room.
        room: RoomId,
        /// The entry.
        payload: Vec<u8>,
        /// The `id` of the message, to be repeated in the answer.
        id: Option<u64>,
    },
    /// Send the entries after a number.
    Read {
        /// The room.
        room: RoomId,
        /// The number.
        after: u64,
    },
    /// Replace the beginning with a snapshot.
    Snapshot {
        /// The room.
        room: RoomId,
        /// The number of the snapshot with which the log begins, as the client knows it.
        base: u64,
        /// The number of the last entry that the snapshot covers.
        upto: u64,
        /// The snapshot.
        payload: Vec<u8>,
        /// The `id` of the message, to be repeated in the answer.
        id: Option<u64>,
    },
}

impl Client {
    /// A client that has connected. `address_room` is the room in the address of the socket, if
    /// there is one; `log` is whether the server keeps logs.
    #[must_use]
    pub fn new(
        address_room: Option<Result<RoomId, IdError>>,
        limits: &ClientLimits,
        log: bool,
    ) -> Self {
        let largest = u32::try_from(limits.message_bytes).unwrap_or(u32::MAX);
        Self {
            address_room,
            log,
            state: State::Outside,
            rates: Rates {
                messages: Rate::new(limits.messages_per_second, 1),
                message_bytes: Rate::new(limits.message_bytes_per_second, largest),
                relay_messages: Rate::new(limits.relay_messages_per_second, 1),
                relay_bytes: Rate::new(limits.relay_bytes_per_second, largest),
                excesses: Rate::new(limits.messages_per_second.max(1), 1),
                excess_bytes: Rate::new(
                    limits.relay_bytes_per_second,
                    largest.saturating_mul(EXCESS_MESSAGES),
                ),
            },
        }
    }

    /// Handles a text frame that was read at the time `now`; returns the kind of message, and the
    /// action.
    pub fn receive_text<'f>(
        &'f mut self,
        frame: &'f str,
        now: Duration,
    ) -> (MessageKind, Decision<'f>) {
        let parsed = ClientMessage::parse(frame);
        let kind = parsed
            .as_ref()
            .map_or(MessageKind::Unreadable, MessageKind::of);
        if !self.may_send(kind, frame.len(), now) {
            return (kind, self.rate_limited(parsed.ok(), frame.len(), now));
        }
        let decision = match parsed {
            Ok(message) => self.decide(message, frame),
            Err(error) => Err(error.into()),
        };
        (kind, decision.unwrap_or_else(Decision::Refuse))
    }

    /// Handles a binary frame of `size` bytes that was read at the time `now`.
    pub fn receive_binary(&mut self, size: usize, now: Duration) -> Decision<'static> {
        if !self.may_send(MessageKind::Unreadable, size, now) {
            return self.rate_limited(None, size, now);
        }
        let message = "binary frames are not part of this protocol; send JSON text".to_owned();
        Decision::Refuse(Refusal::new(ErrorCode::BinaryFrame, message))
    }

    /// The client is in its room.
    pub fn enter(&mut self, place: Place) {
        self.state = State::Inside(place);
    }

    /// A place was requested elsewhere, and will be granted or refused. The driver reads no frame
    /// before it calls [`Client::settle`].
    pub fn wait_for(&mut self, place: Place) {
        self.state = State::Entering(place);
    }

    /// Whether a place was requested and has not been granted or refused yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Entering(_))
    }

    /// The requested place is granted or refused. Returns the place if it is refused.
    pub fn settle(&mut self, admitted: bool) -> Option<Place> {
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Entering(place) if admitted => {
                self.state = State::Inside(place);
                None
            }
            State::Entering(place) => Some(place),
            settled => {
                self.state = settled;
                None
            }
        }
    }

    /// Gives up the place that the client has or has requested. The driver calls this when the
    /// socket is gone, and removes the client from the place with
    /// [`Rooms::leave`](crate::Rooms::leave).
    pub fn give_up_place(&mut self) -> Option<Place> {
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Entering(place) | State::Inside(place) => Some(place),
            State::Outside => None,
        }
    }

    /// The client's place.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match &self.state {
            State::Inside(place) => Some(place),
            State::Entering(_) | State::Outside => None,
        }
    }

    /// Whether the client's permit has expired, at a time since 1970. In that case its socket is
    /// closed with [`CloseCode::TokenExpired`].
    #[must_use]
    pub fn has_expired(&self, since_1970: Duration) -> bool {
        let until = self.place().and_then(|place| place.permit.until);
        until.is_some_and(|until| until <= since_1970.as_secs())
    }

    fn decide<'f>(
        &'f mut self,
        message: ClientMessage,
        frame: &'f str,
    ) -> Result<Decision<'f>, Refusal> {
        match message {
            ClientMessage::Join(join) => self.join(join),
            ClientMessage::Leave(_) => {
                self.inside()?;
                Ok(self
                    .give_up_place()
                    .map_or(Decision::Nothing, Decision::Leave))
            }
            ClientMessage::Signal(signal) => {
                let kind = MessageKind::Signal(signal.kind);
                self.forward(kind, signal.to, signal.from.as_ref(), frame)
            }
            ClientMessage::Relay(relay) => {
                self.forward(MessageKind::Relay, relay.to, relay.from.as_ref(), frame)
            }
            ClientMessage::LogAppend(append) => {
                let id = append.id;
                self.write_log(id, &append.payload, |room, payload| LogRequest::Append {
                    room,
                    payload,
                    id,
                })
            }
            ClientMessage::LogSnapshot(snapshot) => {
                let (base, upto, id) = (snapshot.base, snapshot.upto, snapshot.id);
                self.write_log(id, &snapshot.payload, |room, payload| {
                    LogRequest::Snapshot {
                        room,
                        base,
                        upto,
                        payload,
                        id,
                    }
                })
            }
            ClientMessage::LogRead(read) => {
                let room = self.inside()?.room.clone();
                self.needs_log()?;
                let after = read.after;
                Ok(Decision::Log(LogRequest::Read { room, after }))
            }
            ClientMessage::Ping(_) => Ok(Decision::Answer(ServerMessage::Pong(Pong {}))),
            ClientMessage::Pong(_) => Ok(Decision::Nothing),
            other => Err(Refusal::new(
                ErrorCode::UnknownType,
                format!("this server does not take {}", other.to_json()),
            )),
        }
    }

    fn join<'f>(&self, join: Join) -> Result<Decision<'f>, Refusal> {
        if let State::Entering(place) | State::Inside(place) = &self.state {
            let Place { room, agent, .. } = place;
            return Err(Refusal::new(
                ErrorCode::AlreadyJoined,
                format!("this socket is in the room {room:?} as {agent:?}"),
            ));
        }
        if let Some(version) = join.protocol
            && version > limits::PROTOCOL_VERSION
        {
            let known = limits::PROTOCOL_VERSION;
            let message = format!("protocol {version} is newer than this server's {known}");
            return Err(Refusal::new(ErrorCode::UnsupportedProtocol, message));
        }
        let room = self.room_for(join.room.as_ref())?;
        Ok(Decision::Join(room, Box::new(join)))
    }

    fn room_for(&self, asked: Option<&RoomId>) -> Result<RoomId, Refusal> {
        match (&self.address_room, asked) {
            (Some(Err(error)), _) => Err(Refusal::new(
                ErrorCode::InvalidRoom,
                format!("in the address: {error}"),
            )),
            (Some(Ok(address)), Some(asked)) if address != asked => Err(Refusal::new(
                ErrorCode::InvalidRoom,
                format!("the address names the room {address:?}, the join {asked:?}"),
            )),
            (Some(Ok(room)), _) => Ok(room.clone()),
            (None, asked) => Ok(asked.cloned().unwrap_or_default()),
        }
    }

    /// Forwards a frame unchanged, after checking that its sender is not forged.
    fn forward<'f>(
        &'f self,
        kind: MessageKind,
        to: AgentId,
        from: Option<&AgentId>,
        frame: &'f str,
    ) -> Result<Decision<'f>, Refusal> {
        let Place { room, agent, .. } = self.inside()?;
        let frame = match from {
            Some(from) if from == agent => Cow::Borrowed(frame),
            Some(from) => {
                let message = format!("from is {from:?}, but this socket is {agent:?}");
                return Err(Refusal::new(ErrorCode::ForgedSender, message));
            }
            None => Cow::Owned(stamp(frame, agent)),
        };
        Ok(Decision::Forward(Forward {
            room,
            to,
            kind,
            frame,
        }))
    }

    fn write_log<'f>(
        &self,
        id: Option<u64>,
        payload: &str,
        request: impl FnOnce(RoomId, Vec<u8>) -> LogRequest,
    ) -> Result<Decision<'f>, Refusal> {
        let checked = || {
            let place = self.inside()?;
            self.needs_log()?;
            if place.permit.read_only {
                let message = "the token allows reading only".to_owned();
                return Err(Refusal::new(ErrorCode::Forbidden, message));
            }
            let payload = STANDARD.decode(payload).map_err(|error| {
                let message = format!("the payload is not base64: {error}");
                Refusal::new(ErrorCode::Malformed, message)
            })?;
            Ok(request(place.room.clone(), payload))
        };
        match checked() {
            Ok(request) => Ok(Decision::Log(request)),
            Err(refusal) => Err(Refusal { id, ..refusal }),
        }
    }

    fn needs_log(&self) -> Result<(), Refusal> {
        if self.log {
            return Ok(());
        }
        let message = "this server keeps no logs".to_owned();
        Err(Refusal::new(ErrorCode::NoLog, message))
    }

    fn inside(&self) -> Result<&Place, Refusal> {
        self.place()
            .ok_or_else(|| Refusal::new(ErrorCode::NotJoined, "send a join first".to_owned()))
    }

    fn may_send(&mut self, kind: MessageKind, size: usize, now: Duration) -> bool {
        let Rates {
            messages,
            message_bytes,
            relay_messages,
            relay_bytes,
            ..
        } = &mut self.rates;
        let (messages, bytes) = match kind {
            MessageKind::Relay | MessageKind::Log => (relay_messages, relay_bytes),
            _ => (messages, message_bytes),
        };
        messages.take(now) && bytes.take_many(size, now)
    }

    /// Drops a message beyond the rate limit; disconnects a client that continues after the error.
    fn rate_limited(
        &mut self,
        message: Option<ClientMessage>,
        size: usize,
        now: Duration,
    ) -> Decision<'static> {
        let peer = match message {
            Some(ClientMessage::Signal(signal)) => Some(signal.to),
            Some(ClientMessage::Relay(relay)) => Some(relay.to),
            _ => None,
        };
        let refusal = Refusal {
            code: ErrorCode::RateLimited,
            message: "more messages than may be sent in that time; this one was dropped".to_owned(),
            peer,
            id: None,
        };
        let Rates {
            excesses,
            excess_bytes,
            ..
        } = &mut self.rates;
        if excesses.take(now) && excess_bytes.take_many(size, now) {
            Decision::Refuse(refusal)
        } else {
            Decision::Disconnect(refusal, CloseCode::RateLimited)
        }
    }
}

impl MessageKind {
    fn of(message: &ClientMessage) -> Self {
        match message {
            ClientMessage::Join(_) => MessageKind::Join,
            ClientMessage::Leave(_) => MessageKind::Leave,
            ClientMessage::Signal(signal) => MessageKind::Signal(signal.kind),
            ClientMessage::Relay(_) => MessageKind::Relay,
            ClientMessage::LogAppend(_)
            | ClientMessage::LogRead(_)
            | ClientMessage::LogSnapshot(_) => MessageKind::Log,
            ClientMessage::Ping(_) | ClientMessage::Pong(_) => MessageKind::Ping,
            _ => MessageKind::Unreadable,
        }
    }
}

/// Adds the sender to a frame that names none. The frame is a JSON object with a `type`, so the new
/// field follows another one; as the last one it also overrides a `"from":null`.
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
