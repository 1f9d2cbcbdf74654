//! The client of a socket at `/ws`: it speaks the signaling protocol, unless its first message asks for a Yjs
//! document, as clients do that have one address for everything.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;
use signaling_protocol::{IdError, RoomId};

use crate::connection::{Opened, Session};
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::Note;
use crate::signaling::SignalingClient;
use crate::yjs::YjsClient;

/// A client of either protocol.
pub(crate) struct WsClient {
    dialect: Dialect,
    /// Until the first message has come.
    undecided: Option<Box<Undecided>>,
}

enum Dialect {
    Signaling(SignalingClient),
    Yjs(YjsClient),
}

/// What a client is made of.
struct Undecided {
    hub: Arc<Hub>,
    opened: Opened,
    address_room: Option<Result<RoomId, IdError>>,
}

/// A message that asks for a Yjs document. Binary messages of y-websocket's protocol follow it.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Action {
    Join {
        room: String,
        #[serde(default)]
        token: Option<String>,
    },
}

impl WsClient {
    pub(crate) fn new(
        hub: Arc<Hub>,
        opened: Opened,
        address_room: Option<Result<RoomId, IdError>>,
    ) -> Self {
        let signaling = SignalingClient::new(hub.clone(), opened.clone(), address_room.clone());
        let undecided = Undecided {
            hub,
            opened,
            address_room,
        };
        Self {
            dialect: Dialect::Signaling(signaling),
            undecided: Some(Box::new(undecided)),
        }
    }

    fn session(&self) -> &dyn Session {
        match &self.dialect {
            Dialect::Signaling(client) => client,
            Dialect::Yjs(client) => client,
        }
    }

    fn session_mut(&mut self) -> &mut dyn Session {
        match &mut self.dialect {
            Dialect::Signaling(client) => client,
            Dialect::Yjs(client) => client,
        }
    }
}

impl Undecided {
    fn into_yjs(self, room: &str, token: Option<&str>) -> YjsClient {
        let room = match self.address_room {
            Some(Err(error)) => Err(format!("in the address: {error}")),
            Some(Ok(address)) if address.as_str() != room => Err(format!(
                "the address names the room {address:?}, the message {room:?}"
            )),
            _ => Ok(room),
        };
        let largest = self.hub.config.max_message_size;
        YjsClient::new(self.hub, self.opened, room, token, largest)
    }
}

impl Session for WsClient {
    fn receive_text(&mut self, frame: &str, now: Instant) {
        if let Some(undecided) = self.undecided.take()
            && let Ok(Action::Join { room, token }) = serde_json::from_str(frame)
        {
            let metrics = undecided.hub.metrics.clone();
            metrics.received(Kind::Join, frame.len());
            self.dialect = Dialect::Yjs(undecided.into_yjs(&room, token.as_deref()));
            return;
        }
        self.session_mut().receive_text(frame, now);
    }

    fn receive_binary(&mut self, frame: Bytes, now: Instant) {
        self.undecided = None;
        self.session_mut().receive_binary(frame, now);
    }

    fn message_too_big(&self) {
        self.session().message_too_big();
    }

    fn going_away(&self) {
        self.session().going_away();
    }

    fn lost(&mut self) {
        self.session_mut().lost();
    }

    fn has_expired(&self) -> bool {
        self.session().has_expired()
    }

    fn is_waiting(&self) -> bool {
        self.session().is_waiting()
    }

    fn noted(&mut self, note: Note) {
        self.session_mut().noted(note);
    }
}
