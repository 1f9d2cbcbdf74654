//! The signaling servers: joining the room at each, and coming back.

use crdt_sync::backoff::Backoff;
use crdt_sync::{Millis, SortedMap};
use signaling_protocol::{
    AgentId, ClientMessage, CloseCode, ErrorCode, ErrorReply, IceServer, Join, Leave, LogAck,
    LogEntries, ParseError, PeerJoined, PeerList, Ping, Pong, Relay, ServerMessage, Signal,
};

use crate::error::RoomError;
use crate::ids::SocketId;
use crate::input::SocketEvent;
use crate::options::Carrier;
use crate::output::{Output, SocketCommand};
use crate::status::{Phase, Problem, ServerStatus};

/// How long a server has to let us in, in seconds.
const JOIN_SECONDS: u64 = 10;

/// How long a join that was sent on a socket may arrive after we closed the socket. It may come behind that
/// of the next socket, which is then replaced by it.
const STRAY_MILLIS: Millis = 10_000;

/// One of the servers, by its place in the list given to `Connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerId(usize);

impl ServerId {
    /// This browser, whose pages name themselves to each other. It is no server that anything is sent to.
    pub(crate) const BROWSER: ServerId = ServerId(usize::MAX);
}

/// What the servers told, and what is to be done about them.
#[derive(Debug)]
pub(crate) enum SignalingAction {
    Do(Output),
    /// A server let us in; `is_back`: not for the first time.
    Entered {
        server: ServerId,
        list: PeerList,
        is_back: bool,
    },
    PeerJoined(ServerId, PeerJoined),
    PeerLeft(ServerId, AgentId),
    Signal(ServerId, Signal),
    Relayed(Relay),
    /// A server says something of the room's log.
    Log(ServerId, LogNews),
    /// Something was refused, and the server stays.
    Refused(RoomError),
    /// A server was lost; `is_over`: it is not tried again.
    Lost {
        server: ServerId,
        error: RoomError,
        is_over: bool,
    },
}

/// What a server says of its log.
#[derive(Debug)]
pub(crate) enum LogNews {
    Entries(LogEntries),
    Ack(LogAck),
    /// It refused something, maybe the message that has this id.
    Refused {
        code: ErrorCode,
        message: String,
        id: Option<u64>,
    },
}

/// All signaling servers. They are in use at the same time: a member that reaches any one of them meets
/// everybody who reaches the same one.
#[derive(Debug, Default)]
pub(crate) struct Signaling {
    servers: Vec<Server>,
    /// Where no WebSocket can be opened an event stream is tried.
    has_event_streams: bool,
    /// Numbers the sockets.
    last_socket: u32,
    /// The servers to which we closed a socket, and until when what was said on it may still arrive there.
    strays: SortedMap<String, Millis>,
}

/// The connection to one server, or the wait for the next attempt.
#[derive(Debug)]
struct Server {
    url: String,
    stage: Stage,
    /// What the last socket was.
    carrier: Carrier,
    backoff: Backoff,
    /// It let us in before.
    was_joined: bool,
    /// Why it is not joined.
    error: Option<RoomError>,
    /// What it offers for finding ways through the networks.
    ice_servers: Vec<IceServer>,
    /// It let us in for reading only.
    is_read_only: bool,
    /// The bytes that wait in its socket, as last reported.
    buffered: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A socket is open or opening, and the room has not let us in yet.
    Joining {
        socket: SocketId,
        until: Millis,
        /// The socket is open, and the join waits for the room's key.
        waits: bool,
    },
    /// In the room. After a change of networks the socket may be dead without a word: the server is asked
    /// for an answer, and has until then.
    Joined {
        socket: SocketId,
        answer_until: Option<Millis>,
    },
    /// Lost; the next attempt comes at this time.
    Waiting { until: Millis },
    /// Not tried again.
    Ended,
}

impl Server {
    fn new(url: &str) -> Server {
        Server {
            url: url.to_owned(),
            stage: Stage::Ended,
            carrier: Carrier::WebSocket,
            backoff: Backoff::default(),
            was_joined: false,
            error: None,
            ice_servers: Vec::new(),
            is_read_only: false,
            buffered: 0,
        }
    }

    fn socket(&self) -> Option<SocketId> {
        match self.stage {
            Stage::Joining { socket, .. } | Stage::Joined { socket, .. } => Some(socket),
            Stage::Waiting { .. } | Stage::Ended => None,
        }
    }

    fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined { .. })
    }

    fn answered(&mut self) {
        if let Stage::Joined { answer_until, .. } = &mut self.stage {
            *answer_until = None;
        }
    }

    fn wait_for_key(&mut self) {
        if let Stage::Joining { waits, .. } = &mut self.stage {
            *waits = true;
        }
    }

    /// When something has to have happened.
    fn deadline(&self) -> Option<Millis> {
        match self.stage {
            Stage::Joining { until, .. } | Stage::Waiting { until } => Some(until),
            Stage::Joined { answer_until, .. } => answer_until,
            Stage::Ended => None,
        }
    }

    fn command(&self, command: SocketCommand) -> Option<Output> {
        let socket = self.socket()?;
        Some(Output::Socket { socket, command })
    }

    fn send(&self, message: &ClientMessage) -> Option<Output> {
        self.command(SocketCommand::Send(message.to_json()))
    }

    fn status(&self) -> ServerStatus {
        let state = match self.stage {
            Stage::Joined { .. } => Phase::Connected,
            Stage::Ended => Phase::Error,
            _ if self.was_joined || self.error.is_some() => Phase::Reconnecting,
            _ => Phase::Connecting,
        };
        ServerStatus {
            url: self.url.clone(),
            carrier: self.carrier,
            state,
            error: self.error.as_ref().map(Problem::from),
        }
    }
}

impl Signaling {
    /// No servers yet. `has_event_streams`: event streams may stand in for WebSockets.
    pub(crate) fn new(has_event_streams: bool) -> Signaling {
        Signaling {
            has_event_streams,
            ..Signaling::default()
        }
    }

    /// Opens a socket to every one of these servers, in place of those there were.
    pub(crate) fn connect(&mut self, urls: &[String], now: Millis) -> Vec<Output> {
        self.servers = urls.iter().map(|url| Server::new(url)).collect();
        self.ids()
            .map(|server| self.open(server, Carrier::WebSocket, now))
            .collect()
    }

    /// Says to every server that we leave, and closes the sockets. The servers stay in the status,
    /// as ended.
    pub(crate) fn leave(&mut self, now: Millis) -> Vec<Output> {
        let mut outputs = Vec::new();
        for id in self.ids() {
            let server = self.servers.get(id.0).filter(|server| server.is_joined());
            outputs.extend(server.and_then(|server| server.send(&ClientMessage::Leave(Leave {}))));
            outputs.extend(self.close(id, now));
            if let Some(server) = self.servers.get_mut(id.0) {
                server.stage = Stage::Ended;
            }
        }
        outputs
    }

    /// Closes the socket to a server, where there is one.
    fn close(&mut self, id: ServerId, now: Millis) -> Option<Output> {
        let server = self.servers.get(id.0)?;
        let close = server.command(SocketCommand::Close)?;
        self.strays.retain(|_, until| *until > now);
        let until = now.saturating_add(STRAY_MILLIS);
        self.strays.insert(server.url.clone(), until);
        Some(close)
    }

    /// Forgets every server.
    pub(crate) fn clear(&mut self) {
        self.servers.clear();
    }

    /// Takes what a socket reports. `join` makes the message that asks a server to let us in; `None`: the
    /// room's key is not there yet, and [`join_waiting`](Self::join_waiting) follows.
    pub(crate) fn handle(
        &mut self,
        socket: SocketId,
        event: SocketEvent,
        me: &AgentId,
        join: impl FnOnce() -> Option<Join>,
        now: Millis,
        random: f64,
    ) -> Vec<SignalingAction> {
        let Some(id) = self.server_of(socket) else {
            return Vec::new();
        };
        let Some(server) = self.servers.get_mut(id.0) else {
            return Vec::new();
        };
        match event {
            SocketEvent::Opened => match join() {
                Some(join) => {
                    let sent = server.send(&ClientMessage::Join(join));
                    sent.into_iter().map(SignalingAction::Do).collect()
                }
                None => {
                    server.wait_for_key();
                    Vec::new()
                }
            },
            SocketEvent::Text(text) => {
                server.answered();
                match ServerMessage::parse(&text) {
                    Ok(message) => self.message(id, message, me, now, random),
                    // A newer server says things that an older client need not know.
                    Err(ParseError::UnknownType { .. }) => Vec::new(),
                    Err(error) => vec![SignalingAction::Refused(RoomError::Unreadable(error))],
                }
            }
            SocketEvent::Closed { code, reason } => {
                let url = server.url.clone();
                let error = if CloseCode::from_number(code).is_some() {
                    RoomError::Closed {
                        number: code,
                        reason,
                    }
                } else if server.is_joined() {
                    RoomError::BrokeOff { url }
                } else {
                    RoomError::Unreachable { url }
                };
                vec![self.lost(id, error, now, random)]
            }
            SocketEvent::Refused { reason } => {
                let error = RoomError::BadUrl {
                    url: server.url.clone(),
                    reason,
                };
                vec![self.lost(id, error, now, random)]
            }
            SocketEvent::Buffered(_) => Vec::new(),
        }
    }

    /// Sends the join to the servers whose sockets opened before the room's key was there.
    pub(crate) fn join_waiting(&mut self, join: &Join) -> Vec<Output> {
        let mut outputs = Vec::new();
        for server in &mut self.servers {
            if let Stage::Joining { waits, .. } = &mut server.stage
                && std::mem::take(waits)
            {
                outputs.extend(server.send(&ClientMessage::Join(join.clone())));
            }
        }
        outputs
    }

    /// Tries every server again that waits for its next attempt.
    pub(crate) fn retry_now(&mut self, now: Millis) -> Vec<Output> {
        let waits = |server: &Server| matches!(server.stage, Stage::Waiting { .. });
        self.open_where(waits, now)
    }

    /// Asks every server that let us in for an answer, since the network may have changed under its socket.
    pub(crate) fn probe(&mut self, now: Millis) -> Vec<Output> {
        let mut outputs = Vec::new();
        for server in &mut self.servers {
            if let Stage::Joined { answer_until, .. } = &mut server.stage {
                *answer_until = Some(now.saturating_add(JOIN_SECONDS * 1000));
                outputs.extend(server.send(&ClientMessage::Ping(Ping {})));
            }
        }
        outputs
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Millis, random: f64) -> Vec<SignalingAction> {
        let is_due =
            |server: &Server| matches!(server.stage, Stage::Waiting { until } if until <= now);
        let opened = self.open_where(is_due, now);
        let mut actions: Vec<_> = opened.into_iter().map(SignalingAction::Do).collect();
        for id in self.ids() {
            let Some(server) = self.servers.get(id.0) else {
                continue;
            };
            if server.deadline().is_some_and(|until| until <= now) {
                let error = RoomError::TimedOut {
                    url: server.url.clone(),
                    seconds: JOIN_SECONDS,
                };
                let close = self.close(id, now);
                actions.extend(close.map(SignalingAction::Do));
                actions.push(self.lost(id, error, now, random));
            }
        }
        actions
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.servers.iter().filter_map(Server::deadline).min()
    }

    /// Sends a message to one server; `None`: there is no socket, and the next join starts afresh.
    pub(crate) fn send(&self, to: ServerId, message: &ClientMessage) -> Option<Output> {
        self.servers.get(to.0)?.send(message)
    }

    /// Asks how many bytes wait in the socket to a server.
    pub(crate) fn ask_buffered(&self, of: ServerId) -> Option<Output> {
        self.servers.get(of.0)?.command(SocketCommand::AskBuffered)
    }

    /// So many bytes wait in a socket. Returns the server that it leads to.
    pub(crate) fn set_buffered(&mut self, socket: SocketId, bytes: usize) -> Option<ServerId> {
        let id = self.server_of(socket)?;
        self.servers.get_mut(id.0)?.buffered = bytes;
        Some(id)
    }

    /// How many bytes wait in the socket to a server, as last reported.
    pub(crate) fn buffered(&self, of: ServerId) -> usize {
        self.servers.get(of.0).map_or(0, |server| server.buffered)
    }

    pub(crate) fn is_joined(&self, id: ServerId) -> bool {
        self.servers.get(id.0).is_some_and(Server::is_joined)
    }

    pub(crate) fn is_any_joined(&self) -> bool {
        self.servers.iter().any(Server::is_joined)
    }

    /// Whether no server is tried any more.
    pub(crate) fn is_over(&self) -> bool {
        let is_over = |server: &Server| server.stage == Stage::Ended;
        self.servers.iter().all(is_over)
    }

    /// Whether every server failed since `Connect`, for good or not.
    pub(crate) fn has_failed(&self) -> bool {
        self.servers.iter().all(|server| server.error.is_some())
    }

    /// The address of the first server that let us in, else of the first.
    pub(crate) fn url(&self) -> Option<&str> {
        let joined = self.servers.iter().find(|server| server.is_joined());
        let server = joined.or(self.servers.first())?;
        Some(&server.url)
    }

    pub(crate) fn status(&self) -> Vec<ServerStatus> {
        self.servers.iter().map(Server::status).collect()
    }

    /// Whether a server let us in for reading only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.servers.iter().any(|server| server.is_read_only)
    }

    /// What all servers offer for finding ways through the networks.
    pub(crate) fn ice_servers(&self) -> Vec<IceServer> {
        let all = self.servers.iter();
        all.flat_map(|server| server.ice_servers.clone()).collect()
    }

    fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.servers.len()).map(ServerId)
    }

    /// The server whose present socket this is.
    fn server_of(&self, socket: SocketId) -> Option<ServerId> {
        let is_it = |server: &Server| server.socket() == Some(socket);
        self.servers.iter().position(is_it).map(ServerId)
    }

    fn open_where(&mut self, which: impl Fn(&Server) -> bool, now: Millis) -> Vec<Output> {
        let mut outputs = Vec::new();
        for id in self.ids() {
            if self.servers.get(id.0).is_some_and(&which) {
                outputs.push(self.open(id, Carrier::WebSocket, now));
            }
        }
        outputs
    }

    fn open(&mut self, id: ServerId, carrier: Carrier, now: Millis) -> Output {
        self.last_socket = self.last_socket.wrapping_add(1);
        let socket = SocketId(self.last_socket);
        let mut url = String::new();
        if let Some(server) = self.servers.get_mut(id.0) {
            let until = now.saturating_add(JOIN_SECONDS * 1000);
            server.stage = Stage::Joining {
                socket,
                until,
                waits: false,
            };
            server.buffered = 0;
            server.carrier = carrier;
            url.clone_from(&server.url);
        }
        Output::Socket {
            socket,
            command: SocketCommand::Open { url, carrier },
        }
    }

    /// The socket to a server is of no more use. The server is tried again unless it refuses us for good. A
    /// name that is taken may still be held by a socket of our own that the server has not missed yet: it is
    /// tried again where a server let us in before, and for as long as another one may. So is a server at
    /// which a socket that we closed took the place of the present one. Where no WebSocket could be opened, an
    /// event stream is tried at once; the attempt after that begins with a WebSocket again.
    fn lost(
        &mut self,
        id: ServerId,
        error: RoomError,
        now: Millis,
        random: f64,
    ) -> SignalingAction {
        if self.may_fall_back(id, &error) {
            return SignalingAction::Do(self.open(id, Carrier::EventStream, now));
        }
        let mut others = self.servers.iter().enumerate();
        let may_be_ours = others.any(|(other, server)| {
            server.was_joined || other != id.0 && server.stage != Stage::Ended
        });
        let url = self.servers.get(id.0).map(|server| &server.url);
        let has_stray = url.and_then(|url| self.strays.get(url));
        let has_stray = has_stray.is_some_and(|until| now < *until);
        let is_own_doing = is_taken(&error) && may_be_ours || is_replaced(&error) && has_stray;
        let is_over = error.is_final() && !is_own_doing;
        if let Some(server) = self.servers.get_mut(id.0) {
            server.error = Some(error.clone());
            server.stage = if is_over {
                Stage::Ended
            } else {
                let until = now.saturating_add(server.backoff.next(random));
                Stage::Waiting { until }
            };
        }
        SignalingAction::Lost {
            server: id,
            error,
            is_over,
        }
    }

    /// Whether a WebSocket led to no server that let us in, and something else may.
    fn may_fall_back(&self, id: ServerId, error: &RoomError) -> bool {
        let is_silent = matches!(
            error,
            RoomError::Unreachable { .. } | RoomError::TimedOut { .. }
        );
        let is_websocket = |server: &Server| {
            server.carrier.is_websocket() && matches!(server.stage, Stage::Joining { .. })
        };
        self.has_event_streams && is_silent && self.servers.get(id.0).is_some_and(is_websocket)
    }

    fn message(
        &mut self,
        id: ServerId,
        message: ServerMessage,
        me: &AgentId,
        now: Millis,
        random: f64,
    ) -> Vec<SignalingAction> {
        match message {
            ServerMessage::PeerList(list) => self.entered(id, list, me).into_iter().collect(),
            ServerMessage::PeerJoined(joined) => vec![SignalingAction::PeerJoined(id, joined)],
            ServerMessage::PeerLeft(left) => vec![SignalingAction::PeerLeft(id, left.peer_id)],
            ServerMessage::Signal(signal) => vec![SignalingAction::Signal(id, signal)],
            ServerMessage::Relay(relayed) => vec![SignalingAction::Relayed(relayed)],
            ServerMessage::LogEntries(entries) => {
                vec![SignalingAction::Log(id, LogNews::Entries(entries))]
            }
            ServerMessage::LogAck(ack) => vec![SignalingAction::Log(id, LogNews::Ack(ack))],
            ServerMessage::Error(reply) => self.refused(id, reply, now, random),
            ServerMessage::Ping(_) => {
                let pong = self.send(id, &ClientMessage::Pong(Pong {}));
                pong.into_iter().map(SignalingAction::Do).collect()
            }
            _ => Vec::new(),
        }
    }

    fn entered(
        &mut self,
        id: ServerId,
        mut list: PeerList,
        me: &AgentId,
    ) -> Option<SignalingAction> {
        let server = self.servers.get_mut(id.0)?;
        let socket = server.socket()?;
        server.is_read_only = list.read_only.contains(me);
        server.stage = Stage::Joined {
            socket,
            answer_until: None,
        };
        server.ice_servers = std::mem::take(&mut list.ice_servers);
        server.error = None;
        server.backoff.reset();
        let is_back = std::mem::replace(&mut server.was_joined, true);
        Some(SignalingAction::Entered {
            server: id,
            list,
            is_back,
        })
    }

    fn refused(
        &mut self,
        id: ServerId,
        reply: ErrorReply,
        now: Millis,
        random: f64,
    ) -> Vec<SignalingAction> {
        if let (ErrorCode::PeerUnavailable, Some(peer)) = (reply.code, &reply.peer_id) {
            // It left while a signal to it was on its way; `peer_joined` tells when it is back.
            return vec![SignalingAction::PeerLeft(id, peer.clone())];
        }
        let of_log = LogNews::Refused {
            code: reply.code,
            message: reply.message.clone(),
            id: reply.id,
        };
        if self.is_joined(id) && is_about_log(&reply) {
            return vec![SignalingAction::Log(id, of_log)];
        }
        let error = RoomError::Refused {
            code: reply.code,
            message: reply.message,
        };
        if self.is_joined(id) {
            // Of a message that is too big the server has not read which it was.
            let of_log = (reply.code == ErrorCode::MessageTooBig).then_some(of_log);
            let of_log = of_log.map(|news| SignalingAction::Log(id, news));
            return of_log
                .into_iter()
                .chain([SignalingAction::Refused(error)])
                .collect();
        }
        let server = self.servers.get(id.0);
        let close = server.and_then(|server| server.command(SocketCommand::Close));
        let mut actions: Vec<_> = close.into_iter().map(SignalingAction::Do).collect();
        actions.push(self.lost(id, error, now, random));
        actions
    }
}

/// Whether an answer is about the room's log: no other message has a number, or ends in one of these codes
/// once the server let us in.
fn is_about_log(reply: &ErrorReply) -> bool {
    let codes = [
        ErrorCode::NoLog,
        ErrorCode::LogConflict,
        ErrorCode::QuotaExceeded,
        ErrorCode::StoreUnavailable,
    ];
    reply.id.is_some() || codes.contains(&reply.code)
}

/// Whether another socket with our secret took the place of ours.
fn is_replaced(error: &RoomError) -> bool {
    let replaced = CloseCode::Replaced.number();
    matches!(error, RoomError::Closed { number, .. } if *number == replaced)
}

/// Whether a server says that the name is taken.
fn is_taken(error: &RoomError) -> bool {
    matches!(
        error,
        RoomError::Refused {
            code: ErrorCode::AgentIdTaken,
            ..
        }
    )
}
