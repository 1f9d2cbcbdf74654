//! The way to the signaling servers: joining, coming back, and what they tell.

use std::rc::Rc;

use crdt_sync::backoff::Backoff;
use js_sys::Array;
use signaling_protocol::limits::PROTOCOL_VERSION;
use signaling_protocol::{
    AgentId, ClientMessage, CloseCode, ErrorCode, ErrorReply, Join, Leave, ParseError, Pong,
    ServerMessage,
};

use super::browser::{now, random_fraction};
use super::core::Core;
use super::error::NetworkError;
use super::options::LinkKind;
use super::page;
use super::peers::Newcomer;
use super::relay;
use super::session::{Event, Session};
use super::socket::{Socket, SocketEvent};
use super::status::{Phase, Problem, ServerStatus};
use crate::object::plain;

/// How long the server has to let us in, in seconds.
const JOIN_SECONDS: u64 = 10;

/// One of the servers, by its place in the list given to `connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerId(usize);

/// The signaling servers, all of them in use at once: who reaches any one of them meets everybody
/// who reaches the same one.
#[derive(Default)]
pub(crate) struct Signaling {
    servers: Vec<Server>,
    /// Counts sockets, so that a late event of an earlier one is known as such.
    attempts: u32,
}

/// The connection to one server, or the wait for the next.
struct Server {
    url: String,
    stage: Stage,
    /// The number of its socket.
    attempt: u32,
    backoff: Backoff,
    /// It has let us in before.
    was_joined: bool,
    /// Why it is not joined.
    error: Option<NetworkError>,
    /// What it offers for finding paths.
    ice_servers: Array,
}

enum Stage {
    /// A socket is open or opening, and the room has not let us in yet.
    Joining { socket: Rc<Socket>, until: u64 },
    /// In the room.
    Joined { socket: Rc<Socket> },
    /// Lost; the next attempt comes at this time.
    Waiting { until: u64 },
    /// Not tried again: it refuses us.
    Ended,
}

impl Server {
    fn new(url: String) -> Server {
        Server {
            url,
            stage: Stage::Waiting { until: 0 },
            attempt: 0,
            backoff: Backoff::default(),
            was_joined: false,
            error: None,
            ice_servers: Array::new(),
        }
    }

    fn socket(&self) -> Option<&Rc<Socket>> {
        match &self.stage {
            Stage::Joining { socket, .. } | Stage::Joined { socket } => Some(socket),
            Stage::Waiting { .. } | Stage::Ended => None,
        }
    }

    fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined { .. })
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
            state,
            error: self.error.as_ref().map(Problem::from),
        }
    }
}

impl Signaling {
    pub(super) fn new(urls: &[String]) -> Signaling {
        Signaling {
            servers: urls.iter().cloned().map(Server::new).collect(),
            attempts: 0,
        }
    }

    /// When something has to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        let of = |server: &Server| match &server.stage {
            Stage::Joining { until, .. } | Stage::Waiting { until } => Some(*until),
            Stage::Joined { .. } | Stage::Ended => None,
        };
        self.servers.iter().filter_map(of).min()
    }

    /// Sends a message to one server; without a socket it is lost, and the next join starts afresh
    /// anyway.
    pub(super) fn send(&self, to: ServerId, message: &ClientMessage) {
        if let Some(socket) = self.servers.get(to.0).and_then(Server::socket) {
            socket.send(&message.to_json());
        }
    }

    /// Says to every server that we leave, and closes.
    pub(super) fn leave(&mut self) {
        for server in &mut self.servers {
            if let Stage::Joined { socket } = &server.stage {
                socket.send(&ClientMessage::Leave(Leave {}).to_json());
            }
            server.stage = Stage::Ended;
        }
    }

    /// The socket to a server, while there is one.
    pub(super) fn socket(&self, id: ServerId) -> Option<Rc<Socket>> {
        self.servers.get(id.0).and_then(Server::socket).cloned()
    }

    /// Whether this server has let us in.
    pub(super) fn is_joined(&self, id: ServerId) -> bool {
        self.servers.get(id.0).is_some_and(Server::is_joined)
    }

    /// Whether any server has let us in.
    pub(super) fn is_any_joined(&self) -> bool {
        self.servers.iter().any(Server::is_joined)
    }

    /// The address of the first server that has let us in, else of the first.
    pub(super) fn url(&self) -> Option<&str> {
        let joined = self.servers.iter().find(|server| server.is_joined());
        let server = joined.or(self.servers.first())?;
        Some(&server.url)
    }

    pub(super) fn status(&self) -> Vec<ServerStatus> {
        self.servers.iter().map(Server::status).collect()
    }

    /// What all servers offer for finding paths.
    pub(super) fn ice_servers(&self) -> Array {
        let mut all = Array::new();
        for server in &self.servers {
            all = all.concat(&server.ice_servers);
        }
        all
    }

    fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.servers.len()).map(ServerId)
    }

    /// The server whose present socket has this number.
    fn of_attempt(&self, attempt: u32) -> Option<ServerId> {
        let is_it = |server: &Server| server.attempt == attempt && server.socket().is_some();
        self.servers.iter().position(is_it).map(ServerId)
    }
}

impl Core {
    /// Opens a socket to every server.
    pub(super) fn open_sockets(&mut self, session: &Session) {
        for id in self.signaling.ids() {
            self.open_socket(session, id);
        }
    }

    fn open_socket(&mut self, session: &Session, id: ServerId) {
        self.signaling.attempts = self.signaling.attempts.wrapping_add(1);
        let attempt = self.signaling.attempts;
        let Some(server) = self.signaling.servers.get_mut(id.0) else {
            return;
        };
        server.attempt = attempt;
        let tell = session.teller(move |event| Event::Socket { attempt, event });
        match Socket::open(&server.url, tell) {
            Ok(socket) => {
                server.stage = Stage::Joining {
                    socket: Rc::new(socket),
                    until: now() + JOIN_SECONDS * 1000,
                };
            }
            Err(thrown) => {
                let (url, reason) = (server.url.clone(), super::message_of(&thrown));
                self.server_lost(session, id, NetworkError::BadUrl { url, reason });
            }
        }
    }

    /// Ends the wait for the next attempt, or does nothing where there is none.
    pub(super) fn retry_signaling_now(&mut self, session: &Session) {
        for id in self.signaling.ids() {
            let server = self.signaling.servers.get(id.0);
            if server.is_some_and(|server| matches!(server.stage, Stage::Waiting { .. })) {
                self.open_socket(session, id);
            }
        }
    }

    pub(super) fn tick_signaling(&mut self, session: &Session) {
        for id in self.signaling.ids() {
            let Some(server) = self.signaling.servers.get(id.0) else {
                return;
            };
            match server.stage {
                Stage::Waiting { until } if until <= now() => self.open_socket(session, id),
                Stage::Joining { until, .. } if until <= now() => {
                    let error = NetworkError::TimedOut {
                        url: server.url.clone(),
                        seconds: JOIN_SECONDS,
                    };
                    self.server_lost(session, id, error);
                }
                _ => {}
            }
        }
    }

    pub(super) fn on_socket(&mut self, session: &Session, attempt: u32, event: SocketEvent) {
        let Some(id) = self.signaling.of_attempt(attempt) else {
            return;
        };
        match event {
            SocketEvent::Open => self.send_join(session, id),
            SocketEvent::Text(text) => match ServerMessage::parse(&text) {
                Ok(message) => self.on_message(session, id, message),
                // A newer server says things that an older client need not know.
                Err(ParseError::UnknownType { .. }) => {}
                Err(error) => {
                    let error = NetworkError::Unreadable(error);
                    self.tell_error(session, error);
                }
            },
            SocketEvent::Closed { code, reason } => {
                let Some(server) = self.signaling.servers.get(id.0) else {
                    return;
                };
                let url = server.url.clone();
                let error = if CloseCode::from_number(code).is_some() {
                    NetworkError::Closed {
                        number: code,
                        reason,
                    }
                } else if server.is_joined() {
                    NetworkError::BrokeOff { url }
                } else {
                    NetworkError::Unreachable { url }
                };
                self.server_lost(session, id, error);
            }
        }
    }

    fn send_join(&self, session: &Session, id: ServerId) {
        let identity = session.identity();
        let mut join = Join::new(identity.agent.clone());
        join.room.clone_from(&session.options().room);
        join.token.clone_from(&session.options().token);
        join.session.clone_from(&identity.secret);
        join.capabilities = vec![page::capability(identity.page())];
        if self.relay.off.is_none() && session.options().allows(LinkKind::Relay) {
            join.capabilities.push(relay::CAPABILITY.to_owned());
        }
        join.protocol = Some(PROTOCOL_VERSION);
        self.signaling.send(id, &ClientMessage::Join(join));
    }

    /// The socket to a server is of no more use. It is tried again, unless it refuses us or no server
    /// at all has let us in since `connect`: who waits for that learns why.
    fn server_lost(&mut self, session: &Session, id: ServerId, error: NetworkError) {
        let Some(server) = self.signaling.servers.get_mut(id.0) else {
            return;
        };
        server.error = Some(error.clone());
        server.stage = if error.is_final() {
            Stage::Ended
        } else {
            let delay = server.backoff.next(random_fraction());
            Stage::Waiting {
                until: now() + delay,
            }
        };
        let servers = &self.signaling.servers;
        let all_ended = servers.iter().all(|s| matches!(s.stage, Stage::Ended));
        let all_failed = servers.iter().all(|server| server.error.is_some());
        if all_ended || all_failed && self.phase == Phase::Connecting {
            self.give_up(session, &error);
        } else if self.signaling.is_any_joined() {
            // The others carry on; what comes back by itself is no news but in the status.
            if error.is_final() {
                self.tell_error(session, error);
            }
        } else if self.phase != Phase::Connecting {
            self.interrupted(&error);
        }
    }

    fn on_message(&mut self, session: &Session, id: ServerId, message: ServerMessage) {
        match message {
            ServerMessage::PeerList(list) => {
                let ice_servers: Array =
                    wasm_bindgen::JsCast::unchecked_into(plain(&list.ice_servers));
                let is_back = self.enter_room(id, ice_servers);
                let nothing = Vec::new();
                let newcomer = |id: &AgentId| {
                    let capabilities = list.capabilities.get(id).unwrap_or(&nothing);
                    Newcomer::new(id.clone(), capabilities)
                };
                let present: Vec<Newcomer> = list.peers.iter().map(newcomer).collect();
                self.on_peer_list(session, id, present, is_back);
            }
            ServerMessage::PeerJoined(joined) => {
                let newcomer = Newcomer::new(joined.peer_id, &joined.capabilities);
                self.on_peer_joined(session, id, newcomer);
            }
            ServerMessage::PeerLeft(left) => self.on_peer_left(session, id, &left.peer_id),
            ServerMessage::Signal(signal) => self.on_signal(session, id, &signal),
            ServerMessage::Relay(message) => self.on_relayed(session, message),
            ServerMessage::Error(reply) => self.on_refusal(session, id, reply),
            ServerMessage::Ping(_) => self.signaling.send(id, &ClientMessage::Pong(Pong {})),
            _ => {}
        }
    }

    /// A server has let us in. Returns whether it had before.
    fn enter_room(&mut self, id: ServerId, ice_servers: Array) -> bool {
        let Some(server) = self.signaling.servers.get_mut(id.0) else {
            return false;
        };
        server.stage = match std::mem::replace(&mut server.stage, Stage::Ended) {
            Stage::Joining { socket, .. } => Stage::Joined { socket },
            other => other,
        };
        server.ice_servers = ice_servers;
        server.error = None;
        server.backoff.reset();
        let is_back = std::mem::replace(&mut server.was_joined, true);
        self.joined();
        is_back
    }

    fn on_refusal(&mut self, session: &Session, id: ServerId, reply: ErrorReply) {
        if let (ErrorCode::PeerUnavailable, Some(peer)) = (reply.code, &reply.peer_id) {
            // It left while a signal to it was on its way; `peer_joined` tells when it is back.
            self.on_peer_left(session, id, peer);
            return;
        }
        let error = NetworkError::Refused {
            code: reply.code,
            message: reply.message,
        };
        if self.signaling.is_joined(id) {
            self.tell_error(session, error);
        } else {
            self.server_lost(session, id, error);
        }
    }
}
