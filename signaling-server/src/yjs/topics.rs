//! Clients of y-webrtc, which meet here and exchange documents among themselves.
//!
//! A client subscribes to topics, and what it publishes goes to all subscribers of the topic, itself
//! included, as y-webrtc's own server has it. What is published is not looked into.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use signaling_protocol::{CloseCode, ErrorCode, RoomId};
use signaling_rooms::{ConnectionId, Rate};

use super::rooms::{Admitted, SharedRoom};
use super::work::tell;
use crate::connection::{Opened, Session};
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::{Note, Outbound, Outbox};
use crate::roster::{Dialect, Stay};

/// The most topics of one client: a page has one for each document that is open.
const MAX_TOPICS: usize = 64;

/// What a client sends. Further fields are for the other clients.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Incoming {
    Subscribe { topics: Vec<String> },
    Unsubscribe { topics: Vec<String> },
    Publish { topic: String },
    Ping,
}

/// A y-webrtc client. Dropping it takes it out of its topics.
pub(crate) struct TopicsClient {
    hub: Arc<Hub>,
    connection: ConnectionId,
    outbox: Arc<Outbox>,
    address: Option<IpAddr>,
    token: Option<String>,
    /// When the first of the tokens ends by which the client subscribed, in seconds since 1970.
    until: Option<u64>,
    topics: BTreeMap<RoomId, SharedRoom<Arc<Outbox>>>,
    messages: Rate,
    bytes: Rate,
}

impl TopicsClient {
    pub(crate) fn new(hub: Arc<Hub>, opened: Opened, token: Option<String>) -> Self {
        let config = &hub.config;
        let largest = u32::try_from(config.max_message_size).unwrap_or(u32::MAX);
        let client = Self {
            messages: Rate::new(config.messages_per_second, 1),
            bytes: Rate::new(config.message_bytes_per_second, largest),
            connection: opened.connection,
            outbox: opened.outbox,
            address: opened.address,
            token,
            until: None,
            topics: BTreeMap::new(),
            hub,
        };
        if client.hub.bus.is_some() {
            let why = "y-webrtc clients are not served by servers that share a bus";
            client.refuse(ErrorCode::TryLater, why);
            client.outbox.close(CloseCode::Refused);
        }
        client
    }

    fn subscribe(&mut self, topic: &str) -> Result<(), (ErrorCode, String)> {
        let id = RoomId::parse(topic);
        let id = id.map_err(|error| (ErrorCode::InvalidRoom, error.to_string()))?;
        if self.topics.contains_key(&id) {
            return Ok(());
        }
        if self.topics.len() >= MAX_TOPICS {
            let why = format!("a client may have {MAX_TOPICS} topics at most");
            return Err((ErrorCode::LimitExceeded, why));
        }
        if !self.hub.limiter.may_join(self.address) {
            let why = "too many joins from this address; try again later".to_owned();
            return Err((ErrorCode::RateLimited, why));
        }
        if let Some(tokens) = &self.hub.tokens {
            let grant = tokens.get().check_room(self.token.as_deref(), &id);
            let grant = grant.map_err(|error| (ErrorCode::Unauthorized, error.to_string()))?;
            self.until = Some(self.until.map_or(grant.exp, |until| until.min(grant.exp)));
        }
        let admitted = self.hub.yjs.topics().take_place(&id, self.address);
        let Admitted { room, .. } =
            admitted.map_err(|refusal| (ErrorCode::TooManyRooms, refusal.to_string()))?;
        room.lock().enter(self.connection, self.outbox.clone());
        let stay = Stay {
            dialect: Dialect::YWebrtc,
            room: id.clone(),
            agent: None,
        };
        self.hub.roster.enter(self.connection, stay);
        self.topics.insert(id, room);
        Ok(())
    }

    fn unsubscribe(&mut self, topic: &str) {
        let id = RoomId::parse(topic).ok();
        if let Some((id, room)) = id.and_then(|id| self.topics.remove_entry(&id)) {
            self.leave(&id, &room);
        }
    }

    fn leave(&self, id: &RoomId, room: &SharedRoom<Arc<Outbox>>) {
        room.lock().leave(self.connection);
        self.hub.roster.leave(self.connection, Dialect::YWebrtc, id);
        let now = self.hub.since_start(Instant::now());
        self.hub.yjs.topics().give_back_place(id, now);
    }

    /// Passes a message on to everyone who has the topic, as it came.
    fn publish(&self, topic: &str, frame: &str, now: Instant) {
        let id = RoomId::parse(topic).ok();
        let room = id.and_then(|id| self.topics.get(&id));
        let Some(room) = room else {
            return self.refuse(ErrorCode::NotJoined, "subscribe to the topic first");
        };
        let everyone = room.lock().everyone();
        let outbound = Outbound {
            since: Some(now),
            ..Outbound::text(Kind::Relay, frame.to_owned())
        };
        tell(&everyone, &outbound);
    }

    /// Tells the client what is not done; y-webrtc takes no notice of it.
    fn refuse(&self, code: ErrorCode, why: &str) {
        tracing::debug!(%code, why, "refused");
        self.hub.metrics.refused(code);
        let error = json!({"type": "error", "code": code, "message": why});
        self.outbox
            .push(Outbound::text(Kind::Error, error.to_string()));
    }
}

impl Session for TopicsClient {
    fn receive_text(&mut self, frame: &str, now: Instant) {
        let parsed = serde_json::from_str(frame);
        let kind = match &parsed {
            Ok(Incoming::Subscribe { .. }) => Kind::Join,
            Ok(Incoming::Unsubscribe { .. }) => Kind::Leave,
            Ok(Incoming::Publish { .. }) => Kind::Relay,
            Ok(Incoming::Ping) => Kind::Ping,
            Err(_) => Kind::Unreadable,
        };
        self.hub.metrics.received(kind, frame.len());
        let at = self.hub.since_start(now);
        if !self.messages.take(at) || !self.bytes.take_many(frame.len(), at) {
            return self.outbox.close(CloseCode::RateLimited);
        }
        match parsed {
            Ok(Incoming::Subscribe { topics }) => {
                for topic in topics {
                    if let Err((code, why)) = self.subscribe(&topic) {
                        // What is wrong with one is likely wrong with all.
                        return self.refuse(code, &why);
                    }
                }
            }
            Ok(Incoming::Unsubscribe { topics }) => {
                for topic in topics {
                    self.unsubscribe(&topic);
                }
            }
            Ok(Incoming::Publish { topic }) => self.publish(&topic, frame, now),
            Ok(Incoming::Ping) => {
                let pong = json!({"type": "pong"});
                self.outbox
                    .push(Outbound::text(Kind::Ping, pong.to_string()));
            }
            Err(error) => self.refuse(ErrorCode::Malformed, &error.to_string()),
        }
    }

    fn receive_binary(&mut self, frame: Bytes, _now: Instant) {
        self.hub.metrics.received(Kind::Unreadable, frame.len());
        self.outbox.close(CloseCode::UnsupportedData);
    }

    fn message_too_big(&self) {
        let max = self.hub.config.max_message_size;
        let why = format!("a message may have {max} bytes at most");
        self.refuse(ErrorCode::MessageTooBig, &why);
    }

    fn going_away(&self) {}

    fn has_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        self.until.is_some_and(|until| until <= now)
    }

    fn noted(&mut self, _note: Note) {}
}

impl Drop for TopicsClient {
    fn drop(&mut self) {
        for (id, room) in std::mem::take(&mut self.topics) {
            self.leave(&id, &room);
        }
    }
}
