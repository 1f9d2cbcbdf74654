//! The way to the signaling server: joining, coming back, and what it tells.

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
use super::status::Phase;
use crate::object::plain;

/// How long the server has to let us in, in seconds.
const JOIN_SECONDS: u64 = 10;

/// The connection to the server, or the wait for the next.
#[derive(Default)]
pub(crate) struct Signaling {
    stage: Stage,
    /// Counts sockets, so that a late event of an earlier one is known as such.
    attempt: u32,
    backoff: Backoff,
}

#[derive(Default)]
enum Stage {
    /// Not wanted.
    #[default]
    Idle,
    /// A socket is open or opening, and the room has not let us in yet.
    Joining { socket: Socket, until: u64 },
    /// In the room.
    Joined { socket: Socket },
    /// Lost; the next attempt comes at this time.
    Waiting { until: u64 },
}

impl Signaling {
    /// When something has to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        match &self.stage {
            Stage::Joining { until, .. } | Stage::Waiting { until } => Some(*until),
            Stage::Idle | Stage::Joined { .. } => None,
        }
    }

    /// Sends a message; without a socket it is lost, and the next join starts afresh anyway.
    pub(super) fn send(&self, message: &ClientMessage) {
        if let Stage::Joining { socket, .. } | Stage::Joined { socket } = &self.stage {
            socket.send(&message.to_json());
        }
    }

    /// Says that we leave, and closes.
    pub(super) fn leave(&mut self) {
        if matches!(self.stage, Stage::Joined { .. }) {
            self.send(&ClientMessage::Leave(Leave {}));
        }
        self.stage = Stage::Idle;
        self.backoff.reset();
    }

    /// How many bytes wait to be sent.
    pub(super) fn buffered(&self) -> usize {
        match &self.stage {
            Stage::Joining { socket, .. } | Stage::Joined { socket } => socket.buffered(),
            Stage::Idle | Stage::Waiting { .. } => 0,
        }
    }

    /// Whether we are in the room.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined { .. })
    }
}

impl Core {
    /// Opens a socket to the server.
    pub(super) fn open_socket(&mut self, session: &Session) {
        let Some(url) = self.url.clone() else {
            return;
        };
        self.signaling.attempt = self.signaling.attempt.wrapping_add(1);
        let attempt = self.signaling.attempt;
        let tell = session.teller(move |event| Event::Socket { attempt, event });
        match Socket::open(&url, tell) {
            Ok(socket) => {
                self.signaling.stage = Stage::Joining {
                    socket,
                    until: now() + JOIN_SECONDS * 1000,
                };
            }
            Err(thrown) => {
                let reason = super::message_of(&thrown);
                self.give_up(session, &NetworkError::BadUrl { url, reason });
            }
        }
    }

    /// Ends the wait for the next attempt, or does nothing where there is none.
    pub(super) fn retry_signaling_now(&mut self, session: &Session) {
        if matches!(self.signaling.stage, Stage::Waiting { .. }) {
            self.open_socket(session);
        }
    }

    pub(super) fn tick_signaling(&mut self, session: &Session) {
        if self.signaling.deadline().is_none_or(|at| at > now()) {
            return;
        }
        match self.signaling.stage {
            Stage::Waiting { .. } => self.open_socket(session),
            Stage::Joining { .. } => {
                let error = NetworkError::TimedOut {
                    url: self.url.clone().unwrap_or_default(),
                    seconds: JOIN_SECONDS,
                };
                self.signaling_lost(session, error);
            }
            Stage::Idle | Stage::Joined { .. } => {}
        }
    }

    pub(super) fn on_socket(&mut self, session: &Session, attempt: u32, event: SocketEvent) {
        if attempt != self.signaling.attempt {
            return;
        }
        match event {
            SocketEvent::Open => self.send_join(session),
            SocketEvent::Text(text) => match ServerMessage::parse(&text) {
                Ok(message) => self.on_message(session, message),
                // A newer server says things that an older client need not know.
                Err(ParseError::UnknownType { .. }) => {}
                Err(error) => {
                    let error = NetworkError::Unreadable(error);
                    self.tell_error(session, error);
                }
            },
            SocketEvent::Closed { code, reason } => {
                let url = self.url.clone().unwrap_or_default();
                let error = if CloseCode::from_number(code).is_some() {
                    NetworkError::Closed {
                        number: code,
                        reason,
                    }
                } else if self.signaling.is_joined() {
                    NetworkError::BrokeOff { url }
                } else {
                    NetworkError::Unreachable { url }
                };
                self.signaling_lost(session, error);
            }
        }
    }

    fn send_join(&self, session: &Session) {
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
        self.signaling.send(&ClientMessage::Join(join));
    }

    /// The socket is of no more use. What was never in the room gives up; what was comes back.
    fn signaling_lost(&mut self, session: &Session, error: NetworkError) {
        if self.phase == Phase::Connecting || error.is_final() {
            self.give_up(session, &error);
            return;
        }
        let delay = self.signaling.backoff.next(random_fraction());
        self.signaling.stage = Stage::Waiting {
            until: now() + delay,
        };
        self.interrupted(&error);
    }

    fn on_message(&mut self, session: &Session, message: ServerMessage) {
        match message {
            ServerMessage::PeerList(list) => {
                let ice_servers: Array =
                    wasm_bindgen::JsCast::unchecked_into(plain(&list.ice_servers));
                self.peers.set_server_ice(ice_servers);
                let is_back = self.phase == Phase::Reconnecting;
                self.enter_room();
                let nothing = Vec::new();
                let newcomer = |id: &AgentId| {
                    let capabilities = list.capabilities.get(id).unwrap_or(&nothing);
                    Newcomer::new(id.clone(), capabilities)
                };
                let present: Vec<Newcomer> = list.peers.iter().map(newcomer).collect();
                self.on_peer_list(session, present, is_back);
            }
            ServerMessage::PeerJoined(joined) => {
                let newcomer = Newcomer::new(joined.peer_id, &joined.capabilities);
                self.on_peer_joined(session, newcomer);
            }
            ServerMessage::PeerLeft(left) => self.on_peer_left(session, &left.peer_id),
            ServerMessage::Signal(signal) => self.on_signal(session, &signal),
            ServerMessage::Relay(message) => self.on_relayed(session, message),
            ServerMessage::Error(reply) => self.on_refusal(session, reply),
            ServerMessage::Ping(_) => self.signaling.send(&ClientMessage::Pong(Pong {})),
            _ => {}
        }
    }

    fn enter_room(&mut self) {
        self.signaling.stage = match std::mem::take(&mut self.signaling.stage) {
            Stage::Joining { socket, .. } => Stage::Joined { socket },
            other => other,
        };
        self.signaling.backoff.reset();
        self.joined();
    }

    fn on_refusal(&mut self, session: &Session, reply: ErrorReply) {
        if let (ErrorCode::PeerUnavailable, Some(peer)) = (reply.code, &reply.peer_id) {
            // It left while a signal to it was on its way; `peer_joined` tells when it is back.
            self.on_peer_left(session, peer);
            return;
        }
        let error = NetworkError::Refused {
            code: reply.code,
            message: reply.message,
        };
        if self.signaling.is_joined() {
            self.tell_error(session, error);
        } else {
            self.signaling_lost(session, error);
        }
    }
}
