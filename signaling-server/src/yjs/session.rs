//! The server's side of one Yjs client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use signaling_protocol::{CloseCode, RoomId};
use signaling_rooms::{ConnectionId, Rate};
use signaling_yjs::{StateVector, scan};

use super::bounds::{SLOWEST_BYTES_PER_SECOND, bounds};
use super::document::{Sender, Taken, Work};
use super::message::{self, FrameError, Incoming, Presence};
use super::rooms::Admitted;
use super::seat::Seat;
use super::work::{outbound, publish, refuse, submit, tell};
use crate::connection::{Opened, Session, Wire};
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::{Note, Outbox};
use crate::roster::{Dialect, Stay};
use crate::token::{Access, Grant};

/// Changes up to this size are taken at once, in microseconds.
const SMALL_CHANGE: usize = 16 * 1024;

/// A Yjs client in its room. Dropping it takes it out.
pub(crate) struct YjsClient {
    hub: Arc<Hub>,
    connection: ConnectionId,
    outbox: Arc<Outbox>,
    address: Option<IpAddr>,
    grant: Option<Grant>,
    room: RoomId,
    /// The place that the client has in the room; `None` for a client that was refused, whose frames are ignored.
    seat: Option<Arc<Seat>>,
    /// The largest message that the socket takes.
    largest: usize,
    messages: Rate,
    bytes: Rate,
    /// A change is being taken; nothing is read meanwhile.
    is_busy: bool,
    /// Whether the client asked what it lacks, and was not told yet.
    is_asking: bool,
    has_asked: bool,
}

impl YjsClient {
    /// Lets a client into a room, or answers why it cannot come in and closes. `largest` is the size of its
    /// largest message.
    pub(crate) fn new(
        hub: Arc<Hub>,
        opened: Opened,
        room: Result<&str, String>,
        token: Option<&str>,
        largest: usize,
    ) -> Self {
        let entry = room.and_then(|room| may_enter(&hub, room, token));
        let Opened {
            connection,
            address,
            outbox,
        } = opened;
        let config = &hub.config;
        let messages = Rate::new(config.relay_messages_per_second, 1);
        let most = u32::try_from(largest).unwrap_or(u32::MAX);
        let bytes = Rate::new(config.relay_bytes_per_second, most);
        let (room, grant, refusal) = match entry {
            Ok((room, grant)) => (room, grant, None),
            Err(refusal) => (RoomId::default(), None, Some(refusal)),
        };
        let mut client = Self {
            hub,
            connection,
            outbox,
            address,
            grant,
            room,
            seat: None,
            largest,
            messages,
            bytes,
            is_busy: false,
            is_asking: false,
            has_asked: false,
        };
        match refusal.map_or_else(|| client.join(), Err) {
            Ok(seat) => client.seat = Some(seat),
            Err(refusal) => {
                client.deny(&refusal);
                client.outbox.close(CloseCode::Refused);
            }
        }
        client
    }

    fn join(&self) -> Result<Arc<Seat>, String> {
        if !self.hub.limiter.may_join(self.address) {
            return Err("too many joins from this address; try again later".to_owned());
        }
        let yjs = &self.hub.yjs;
        let room = {
            let mut rooms = yjs.rooms();
            let admitted = rooms.take_place(&self.room, self.address);
            let Admitted { room, evicted } = admitted.map_err(|refusal| refusal.to_string())?;
            // Asked for while nobody can open the room again, so that no new log is forgotten.
            yjs.forget_logs(evicted.as_slice());
            room
        };
        let seat = Arc::new(Seat {
            hub: self.hub.clone(),
            id: self.room.clone(),
            room,
        });
        let presences = seat.room.lock().enter(self.connection, self.outbox.clone());
        if !presences.is_empty() {
            self.send(Kind::Presence, message::presence(&presences));
        }
        if yjs.was_too_large(&self.room, self.address) {
            self.deny(&self.too_large());
        }
        let stay = Stay {
            dialect: Dialect::Yjs,
            room: self.room.clone(),
            agent: None,
        };
        self.hub.roster.enter(self.connection, stay);
        tracing::debug!(room = %self.room, "joined");
        Ok(seat)
    }

    fn carry_out(&mut self, seat: &Arc<Seat>, incoming: Incoming, now: Instant) {
        match incoming {
            Incoming::Step1(state) => self.answer(seat, &state, now),
            Incoming::Update(_) if self.may_only_read() => {
                self.deny("the token allows reading only");
            }
            Incoming::Update(update) => self.take(seat, update, now),
            Incoming::Awareness(presences) => self.take_presence(seat, presences, now),
            Incoming::QueryAwareness => {
                let presences = seat.room.lock().all_presences();
                self.send(Kind::Presence, message::presence(&presences));
            }
            Incoming::Auth => self.deny("a token belongs in the address, as the parameter `token`"),
            Incoming::Unknown => {}
        }
    }

    /// Tells the client what it lacks, and asks it for what is missing here.
    fn answer(&mut self, seat: &Arc<Seat>, state: &[u8], now: Instant) {
        if self.is_asking {
            return;
        }
        // The first answer is for free. Another one costs what is read for it.
        let cost = usize::try_from(seat.room.lock().document.log_bytes()).unwrap_or(usize::MAX);
        let at = self.hub.since_start(now);
        if std::mem::replace(&mut self.has_asked, true) && !self.bytes.take_many(cost, at) {
            return;
        }
        match StateVector::decode(state) {
            Ok(state) => {
                let too_large = self.hub.yjs.was_too_large(&self.room, self.address);
                self.is_asking = true;
                let ask = !self.may_only_read() && !too_large;
                let client = self.outbox.clone();
                let address = self.address;
                let work = Work::Answer {
                    state,
                    client,
                    address,
                    ask,
                };
                submit(seat, work);
            }
            Err(error) => {
                tracing::debug!("a state vector was refused: {error}");
                self.outbox.close(CloseCode::UnsupportedData);
            }
        }
    }

    /// Keeps what is new in a change, and passes it on.
    fn take(&mut self, seat: &Arc<Seat>, update: Bytes, now: Instant) {
        let from = Sender {
            connection: self.connection,
            outbox: self.outbox.clone(),
            address: self.address,
            at: now,
        };
        if update.len() <= SMALL_CHANGE {
            let summary = match scan(&update) {
                Ok(summary) => summary,
                Err(error) => return refuse(&self.outbox, &error),
            };
            if summary.is_empty() {
                return;
            }
            let mut room = seat.room.lock();
            if room.document.is_full(now) {
                return;
            }
            match room.document.take(&summary) {
                Taken::Known => return,
                Taken::New => {
                    let frame = message::update(&update).into();
                    return publish(seat, &mut room, &update, frame, &from);
                }
                Taken::Refused(error) => return refuse(&self.outbox, &error),
                Taken::Busy => {}
            }
        } else if seat.room.lock().document.is_full(now) {
            return;
        }
        self.is_busy = true;
        submit(seat, Work::Take { update, from });
    }

    fn take_presence(&self, seat: &Arc<Seat>, presences: Vec<Presence>, now: Instant) {
        // The sender hears itself too: y-websocket takes a connection for dead on which nothing
        // comes, not even that.
        let (news, everyone) = {
            let mut members = seat.room.lock();
            let news = members.update_presence(self.connection, presences);
            (news, members.everyone())
        };
        if !news.is_empty() {
            let frame = message::presence(&news);
            tell(&everyone, &outbound(Kind::Presence, frame, Some(now)));
        }
    }

    fn may_only_read(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| grant.access == Access::Read)
    }

    fn too_large(&self) -> String {
        let max = self.largest;
        format!("a message was larger than the {max} bytes that this server takes")
    }

    /// Tells the client in words what is not done.
    fn deny(&self, reason: &str) {
        self.send(Kind::Error, message::denied(reason));
    }

    fn send(&self, kind: Kind, frame: Bytes) {
        self.outbox.push(outbound(kind, frame, None));
    }
}

/// Whether a Yjs client may come in, and what it may do there; else why not.
fn may_enter(
    hub: &Hub,
    room: &str,
    token: Option<&str>,
) -> Result<(RoomId, Option<Grant>), String> {
    if hub.bus.is_some() {
        // The log of a document is kept by one process: on several it would come apart.
        return Err("Yjs documents are not served by servers that share a bus".to_owned());
    }
    let room = RoomId::parse(room).map_err(|error| error.to_string())?;
    let Some(tokens) = &hub.tokens else {
        return Ok((room, None));
    };
    let grant = tokens.get().check_room(token, &room);
    let grant = grant.map_err(|error| error.to_string())?;
    Ok((room, Some(grant)))
}

impl Session for YjsClient {
    fn wire(hub: &Hub) -> Wire {
        Wire {
            message_bytes: hub.config.yjs_message_bytes,
            unfinished: hub.yjs.unfinished.clone(),
            bounds: bounds(&hub.config),
            slowest: Some(SLOWEST_BYTES_PER_SECOND),
        }
    }

    fn receive_text(&mut self, frame: &str, _now: Instant) {
        self.hub.metrics.received(Kind::Unreadable, frame.len());
        self.outbox.close(CloseCode::UnsupportedData);
    }

    fn receive_binary(&mut self, frame: Bytes, now: Instant) {
        let size = frame.len();
        let parsed = message::parse(frame);
        let kind = match &parsed {
            Ok(Incoming::Awareness(_) | Incoming::QueryAwareness) => Kind::Presence,
            Ok(_) => Kind::Yjs,
            Err(_) => Kind::Unreadable,
        };
        self.hub.metrics.received(kind, size);
        let Some(seat) = self.seat.clone() else {
            return;
        };
        // A change that is dropped would be missing until the client connects anew, so that is what
        // it has to do.
        let at = self.hub.since_start(now);
        if !self.messages.take(at) || !self.bytes.take_many(size, at) {
            return self.outbox.close(CloseCode::RateLimited);
        }
        match parsed {
            Ok(incoming) => self.carry_out(&seat, incoming, now),
            Err(FrameError::Presence(error)) if !error.is_too_many() => {
                tracing::debug!("a presence was dropped: {error}");
            }
            Err(error) => {
                tracing::debug!("a frame was refused: {error}");
                self.outbox.close(CloseCode::UnsupportedData);
            }
        }
    }

    fn message_too_big(&self) {
        if self.seat.is_some() {
            let hub = &self.hub.yjs;
            hub.note_too_large(self.room.clone(), self.address);
        }
        self.deny(&self.too_large());
    }

    fn going_away(&self) {}

    fn is_waiting(&self) -> bool {
        self.is_busy
    }

    fn has_expired(&self) -> bool {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.grant
            .as_ref()
            .is_some_and(|grant| grant.exp <= since_1970.as_secs())
    }

    fn noted(&mut self, note: Note) {
        match note {
            Note::Taken => self.is_busy = false,
            Note::Answered => self.is_asking = false,
            Note::Entered | Note::TurnedAway => {}
        }
    }
}

impl Drop for YjsClient {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else {
            return;
        };
        let (stay, gone) = seat.room.lock().leave(self.connection);
        if !gone.is_empty() {
            let frame = message::presence(&gone);
            tell(&stay, &outbound(Kind::Presence, frame, None));
        }
    }
}
