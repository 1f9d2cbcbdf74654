//! A whole server without I/O, for tests that run rooms in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use signaling_protocol::{CloseCode, GoingAway, IceServer, Join, RoomId, ServerMessage};

use crate::client::{Client, ClientLimits, Decision, Forward, Permit, Place};
use crate::log::LogQuotas;
use crate::memory::MemoryLogs;
use crate::refusal::Refusal;
use crate::rooms::{ConnectionId, Departure, Effect, Newcomer, RoomLimits, Rooms, Welcome};

/// An event of one connection.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A socket is open. `room` is the room in its address, if it has one.
    Connected {
        /// The room in the address.
        room: Option<&'a RoomId>,
    },
    /// A text frame arrived.
    Text(&'a str),
    /// A binary frame arrived.
    Binary(&'a [u8]),
    /// The client closed its socket.
    Disconnected,
    /// The socket is lost: the client's name is kept for it for a while, if it has a session secret.
    Lost,
}

/// An action of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a text frame, which [`ServerMessage::parse`] reads.
    Send(ConnectionId, Arc<str>),
    /// Close the socket after sending earlier frames. There are no further outputs for this
    /// connection, and its further frames are ignored.
    Close(ConnectionId, CloseCode),
}

/// The settings of a [`RoomServer`]. The default is that of the binary: no log, and everyone may
/// write.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The limits of the rooms.
    pub rooms: RoomLimits,
    /// The limits of clients.
    pub clients: ClientLimits,
    /// The quotas of the logs; `None` for a server without logs.
    pub log: Option<LogQuotas>,
    /// The ICE servers for newcomers.
    pub ice_servers: Vec<IceServer>,
    /// The time between 1970 and the zero of the clock that is passed in; permits end by it.
    pub clock_zero: Duration,
}

/// Decides what a client may do in a room, or refuses it.
type Authority = Box<dyn Fn(&RoomId, &Join) -> Result<Permit, Refusal> + Send>;

/// A server without I/O: [`handle`](Self::handle) takes inputs, [`poll_output`](Self::poll_output)
/// returns outputs. It drives [`Client`] and [`Rooms`] like the binary, with one owner instead of
/// locks. The same inputs at the same times give the same outputs.
pub struct RoomServer {
    settings: Settings,
    authority: Authority,
    clients: BTreeMap<ConnectionId, Client>,
    rooms: Rooms<ConnectionId>,
    logs: Option<MemoryLogs>,
    output: VecDeque<Output>,
}

impl RoomServer {
    /// A server without clients, on which everyone may write.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            rooms: Rooms::new(settings.rooms),
            logs: settings.log.map(MemoryLogs::new),
            settings,
            authority: Box::new(|_, _| Ok(Permit::default())),
            clients: BTreeMap::new(),
            output: VecDeque::new(),
        }
    }

    /// Lets `authority` decide the permissions of each client; it receives the token in the join.
    #[must_use]
    pub fn with_authority(
        self,
        authority: impl Fn(&RoomId, &Join) -> Result<Permit, Refusal> + Send + 'static,
    ) -> Self {
        Self {
            authority: Box::new(authority),
            ..self
        }
    }

    /// Takes over the logs of a server that ended, like the binary with its file.
    #[must_use]
    pub fn with_logs_of(self, before: RoomServer) -> Self {
        Self {
            logs: before.logs,
            ..self
        }
    }

    /// Handles an event of a connection at the time `now`, which counts from any moment and never
    /// runs backwards. Events of connections that are not open are ignored.
    pub fn handle(&mut self, connection: ConnectionId, input: Input<'_>, now: Duration) {
        let max = self.settings.clients.message_bytes;
        if let Input::Connected { room } = input {
            let room = room.cloned().map(Ok);
            let client = Client::new(room, &self.settings.clients, self.logs.is_some());
            self.clients.insert(connection, client);
            return;
        }
        // Taken out while it is served, as each client of the binary is owned by a task.
        let Some(mut client) = self.clients.remove(&connection) else {
            return;
        };
        let too_big = || {
            let refusal = Refusal::message_too_big(max);
            Decision::Disconnect(refusal, CloseCode::MessageTooBig)
        };
        let decision = match input {
            Input::Text(frame) if frame.len() > max => too_big(),
            Input::Binary(frame) if frame.len() > max => too_big(),
            Input::Text(frame) => client.receive_text(frame, now).1,
            Input::Binary(frame) => client.receive_binary(frame.len(), now),
            Input::Connected { .. } | Input::Disconnected => {
                return self.leave(connection, &mut client, Departure::Left, now);
            }
            Input::Lost => {
                return self.leave(connection, &mut client, Departure::Lost, now);
            }
        };
        let mut closed_with = None;
        let entered = match decision {
            Decision::Nothing => None,
            Decision::Answer(message) => {
                self.send(connection, &message);
                None
            }
            Decision::Refuse(refusal) => {
                self.send(connection, &refusal.into());
                None
            }
            Decision::Disconnect(refusal, code) => {
                self.send(connection, &refusal.into());
                closed_with = Some(code);
                None
            }
            Decision::Join(room, join) => self.join(connection, room, *join, now),
            Decision::Leave(place) => {
                self.leave_place(connection, &place, Departure::Left, now);
                None
            }
            Decision::Forward(Forward {
                room, to, frame, ..
            }) => {
                match self.rooms.find(room, &to) {
                    Some(&receiver) => {
                        let frame = frame.into();
                        self.output.push_back(Output::Send(receiver, frame));
                    }
                    None => self.send(connection, &Refusal::unavailable(&to).into()),
                }
                None
            }
            Decision::Log(request) => {
                if let Some(logs) = &mut self.logs {
                    let answer = logs.answer(request);
                    self.send(connection, &answer);
                }
                None
            }
        };
        if let Some(place) = entered {
            client.enter(place);
        }
        self.clients.insert(connection, client);
        if let Some(code) = closed_with {
            self.close(connection, code, now);
        }
    }

    /// Removes rooms that have been empty for long, and closes the connections whose permit has
    /// ended. The exact time does not matter; the binary does this every few seconds.
    pub fn tick(&mut self, now: Duration) {
        self.rooms.remove_expired(now);
        let since_1970 = self.settings.clock_zero.saturating_add(now);
        let expired =
            |(id, client): (&ConnectionId, &Client)| client.has_expired(since_1970).then_some(*id);
        let expired: Vec<_> = self.clients.iter().filter_map(expired).collect();
        for connection in expired {
            self.close(connection, CloseCode::TokenExpired, now);
        }
    }

    /// Ends the server: every client learns when to come back, and its connection is closed.
    /// `reconnect_after_ms` returns a time for each; the binary draws it at random from
    /// [`RECONNECT_SPREAD_MS`](crate::RECONNECT_SPREAD_MS).
    pub fn end(&mut self, mut reconnect_after_ms: impl FnMut(ConnectionId) -> u64, now: Duration) {
        self.rooms.end();
        let connections: Vec<_> = self.clients.keys().copied().collect();
        for connection in connections {
            let reconnect_after_ms = reconnect_after_ms(connection);
            let going_away = ServerMessage::GoingAway(GoingAway { reconnect_after_ms });
            self.send(connection, &going_away);
            self.close(connection, CloseCode::GoingAway, now);
        }
    }

    /// The next output, in order; `None` if there is nothing to do until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// The number of entries in the log of a room.
    #[must_use]
    pub fn log_entries(&self, room: &RoomId) -> usize {
        let logs = self.logs.as_ref();
        logs.map_or(0, |logs| logs.entries(room))
    }

    /// The rooms and their members.
    #[must_use]
    pub fn rooms(&self) -> &Rooms<ConnectionId> {
        &self.rooms
    }

    fn join(
        &mut self,
        connection: ConnectionId,
        room: RoomId,
        join: Join,
        now: Duration,
    ) -> Option<Place> {
        let joined = (self.authority)(&room, &join).and_then(|permit| {
            let newcomer = Newcomer {
                agent: join.agent_id.clone(),
                connection,
                handle: connection,
                session: join.session,
                address: None,
                read_only: permit.read_only,
                capabilities: join.capabilities,
            };
            let welcome = Welcome {
                log: self.logs.is_some(),
                ice_servers: self.settings.ice_servers.clone(),
            };
            let effects = self.rooms.join(&room, newcomer, welcome, now)?;
            Ok((effects, permit))
        });
        match joined {
            Ok((effects, permit)) => {
                for effect in effects {
                    self.carry_out(effect, now);
                }
                let agent = join.agent_id;
                Some(Place {
                    room,
                    agent,
                    permit,
                })
            }
            Err(refusal) => {
                self.send(connection, &refusal.into());
                None
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<ConnectionId>, now: Duration) {
        match effect {
            Effect::Tell(receivers, message) => {
                let frame: Arc<str> = message.to_json().into();
                let sends = receivers
                    .into_iter()
                    .map(|receiver| Output::Send(receiver, frame.clone()));
                self.output.extend(sends);
            }
            Effect::Close(connection, code) => self.close(connection, code, now),
        }
    }

    fn send(&mut self, to: ConnectionId, message: &ServerMessage) {
        let frame = message.to_json().into();
        self.output.push_back(Output::Send(to, frame));
    }

    /// Closes a connection; the others are notified before its client has answered the close.
    fn close(&mut self, connection: ConnectionId, code: CloseCode, now: Duration) {
        if let Some(mut client) = self.clients.remove(&connection) {
            self.output.push_back(Output::Close(connection, code));
            self.leave(connection, &mut client, Departure::Lost, now);
        }
    }

    fn leave(
        &mut self,
        connection: ConnectionId,
        client: &mut Client,
        departure: Departure,
        now: Duration,
    ) {
        if let Some(place) = client.give_up_place() {
            self.leave_place(connection, &place, departure, now);
        }
    }

    fn leave_place(
        &mut self,
        connection: ConnectionId,
        place: &Place,
        departure: Departure,
        now: Duration,
    ) {
        let Place { room, agent, .. } = place;
        let effect = self.rooms.leave(room, agent, connection, departure, now);
        if let Some(effect) = effect {
            self.carry_out(effect, now);
        }
    }
}

impl fmt::Debug for RoomServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomServer")
            .field("clients", &self.clients)
            .field("rooms", &self.rooms)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
