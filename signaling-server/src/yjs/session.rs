//! The server's side of one Yjs client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use signaling_protocol::{CloseCode, RoomId};
use signaling_rooms::{ConnectionId, LogError, Rate};
use tokio_tungstenite::tungstenite::Message;

use super::message::{self, FrameError, Incoming, Presence};
use super::rooms::{Admitted, SharedRoom};
use crate::connection::{Opened, Session};
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::{Letter, Note, Outbox};
use crate::store::{LogName, Store, Write};
use crate::token::{Access, Grant};

/// How much of a log waits for a client at a time; the next part is read when that is sent.
const PAGE_BYTES: usize = 256 * 1024;

/// After so many changes from one client it is asked for everything it has, to shorten the log.
const CHANGES_TO_A_SNAPSHOT: u32 = 500;

/// A Yjs client in its room. Dropping it takes it out.
pub(crate) struct YjsClient {
    hub: Arc<Hub>,
    connection: ConnectionId,
    outbox: Arc<Outbox>,
    address: Option<IpAddr>,
    room: RoomId,
    grant: Option<Grant>,
    /// The room that the client is in. One that was not let in is told why, and not listened to.
    place: Option<SharedRoom<Arc<Outbox>>>,
    messages: Rate,
    bytes: Rate,
    replay: Replay,
    /// What the client was asked for and has not answered yet.
    asked: Option<Asked>,
    /// Changes from this client since it was asked.
    changes: u32,
}

/// How far a client has been brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replay {
    /// The client has not said what it has.
    NotBegun,
    /// The log is being sent. `empty` where the client had nothing of its own.
    Running { empty: bool },
    /// The client has the log, and gets what is new.
    Done,
}

/// What the answer of a client will cover.
struct Asked {
    base: u64,
    upto: u64,
    /// The log's only entry, where it has no more. The same answer changes nothing.
    only: Option<Bytes>,
    /// The client had nothing of its own, so there is no news in its answer.
    no_news: bool,
}

impl YjsClient {
    /// Lets a client in, or tells it why it cannot come in and closes.
    pub(crate) fn new(
        hub: Arc<Hub>,
        opened: Opened,
        entry: Result<(RoomId, Option<Grant>), String>,
    ) -> Self {
        let Opened {
            connection,
            address,
            outbox,
        } = opened;
        let config = &hub.config;
        let largest = u32::try_from(config.max_message_size).unwrap_or(u32::MAX);
        let messages = Rate::new(config.relay_messages_per_second, 1);
        let bytes = Rate::new(config.relay_bytes_per_second, largest);
        let (room, grant, refusal) = match entry {
            Ok((room, grant)) => (room, grant, None),
            Err(refusal) => (RoomId::default(), None, Some(refusal)),
        };
        let mut client = Self {
            hub,
            connection,
            outbox,
            address,
            room,
            grant,
            place: None,
            messages,
            bytes,
            replay: Replay::NotBegun,
            asked: None,
            changes: 0,
        };
        match refusal.map_or_else(|| client.join(), Err) {
            Ok(place) => client.place = Some(place),
            Err(refusal) => {
                client.send(Kind::Error, message::denied(&refusal));
                client.outbox.close(CloseCode::Refused);
            }
        }
        client
    }

    fn join(&self) -> Result<SharedRoom<Arc<Outbox>>, String> {
        if !self.hub.door.may_join(self.address) {
            return Err("too many joins from this address; try again later".to_owned());
        }
        let room = {
            let mut rooms = self.hub.yjs_rooms();
            let admitted = rooms.take_place(&self.room, self.address);
            let Admitted { room, evicted } = admitted.map_err(|refusal| refusal.to_string())?;
            // Asked for while nobody can open the room again, so that no new log is forgotten.
            self.hub.forget_logs(evicted.as_slice());
            room
        };
        let presences = room.lock().enter(self.connection, self.outbox.clone());
        if !presences.is_empty() {
            self.send(Kind::Presence, message::presence(&presences));
        }
        Ok(room)
    }

    fn carry_out(
        &mut self,
        room: &SharedRoom<Arc<Outbox>>,
        incoming: Incoming,
        frame: Bytes,
        now: Instant,
    ) {
        match incoming {
            Incoming::Step1 { empty } => self.begin_replay(empty),
            Incoming::Update(_) | Incoming::Step2(_) if self.may_only_read() => {
                self.send(
                    Kind::Error,
                    message::denied("the token allows reading only"),
                );
            }
            Incoming::Update(update) => self.take_change(room, update, now),
            Incoming::Step2(update) => match self.asked.take() {
                Some(asked) => self.take_answer(room, asked, update, now),
                None => self.take_change(room, update, now),
            },
            Incoming::Awareness(presences) => self.take_presence(room, presences, now),
            Incoming::QueryAwareness => {
                let presences = room.lock().all_presences();
                self.send(Kind::Presence, message::presence(&presences));
            }
            Incoming::Custom => {
                let others = room.lock().others(self.connection);
                tell(&others, &letter(Kind::Yjs, frame, Some(now)));
            }
        }
    }

    /// Sends the client the log, page by page.
    fn begin_replay(&mut self, empty: bool) {
        if !matches!(self.replay, Replay::Running { .. }) {
            self.replay = Replay::Running { empty };
            self.read_on(0);
        }
    }

    /// Sends a page of the log; a note behind it asks for the next one, or says that it was the last.
    fn read_on(&self, after: u64) {
        let outbox = self.outbox.clone();
        self.store()
            .read(self.log(), after, PAGE_BYTES, move |result| match result {
                Ok(page) => {
                    for (_, update) in &page.entries {
                        outbox.push(letter(Kind::Yjs, message::update(update), None));
                    }
                    if let (true, Some((last, _))) = (page.more, page.entries.last()) {
                        return outbox.note(Note::ReadOn { after: *last });
                    }
                    outbox.push(letter(Kind::Yjs, message::all_sent(), None));
                    let only = match page.entries.as_slice() {
                        [(_, update)] if after == 0 => Some(update.clone()),
                        _ => None,
                    };
                    outbox.note(Note::Replayed {
                        base: page.base,
                        upto: page.last,
                        only,
                    });
                }
                Err(error) => outbox.close(close_code(&error)),
            });
    }

    /// Asks the client for everything it has, unless it is still to answer an earlier question.
    fn ask(&mut self, asked: Asked) {
        if self.asked.is_none() && !self.may_only_read() {
            self.asked = Some(asked);
            self.changes = 0;
            self.send(Kind::Yjs, message::ask_for_all());
        }
    }

    /// Puts the client's whole document in place of the part of the log that it covers.
    fn take_answer(
        &mut self,
        room: &SharedRoom<Arc<Outbox>>,
        asked: Asked,
        update: Bytes,
        now: Instant,
    ) {
        if message::is_empty(&update) || asked.only.as_ref() == Some(&update) {
            return;
        }
        if asked.upto == 0 {
            return self.take_change(room, update, now);
        }
        let (hub, outbox, log) = (self.hub.clone(), self.outbox.clone(), self.log());
        let payload = Bytes::copy_from_slice(&update);
        let from = self.address;
        let Asked {
            base,
            upto,
            no_news,
            ..
        } = asked;
        let snapshot = Write::Snapshot {
            log: log.clone(),
            base,
            upto,
            payload: payload.clone(),
        };
        let news = letter(Kind::Yjs, message::update(&update), Some(now));
        let members = room.lock();
        if !no_news {
            tell(&members.others(self.connection), &news);
        }
        self.store().write(snapshot, move |result| match result {
            Ok(_) => {}
            // Somebody else's answer came first. What is new in this one must not be lost.
            Err(LogError::Conflict { .. }) if no_news => {}
            Err(LogError::Conflict { .. }) => {
                hub.yjs_store()
                    .write(Write::Append { log, payload, from }, move |result| {
                        if let Err(error) = result {
                            outbox.close(close_code(&error));
                        }
                    });
            }
            Err(error) => outbox.close(close_code(&error)),
        });
    }

    /// Passes a change on and keeps it. Both happen while the room is locked: so whoever joins gets it
    /// either from here or from the log, and what is in the log is on its way to everyone, which is
    /// what makes the answer of any one of them a snapshot.
    fn take_change(&mut self, room: &SharedRoom<Arc<Outbox>>, update: Bytes, now: Instant) {
        if message::is_empty(&update) {
            return;
        }
        let outbox = self.outbox.clone();
        let payload = Bytes::copy_from_slice(&update);
        let news = letter(Kind::Yjs, message::update(&update), Some(now));
        {
            let members = room.lock();
            tell(&members.others(self.connection), &news);
            self.store().write(
                Write::Append {
                    log: self.log(),
                    payload,
                    from: self.address,
                },
                move |result| {
                    if let Err(error) = result {
                        outbox.close(close_code(&error));
                    }
                },
            );
        }
        self.changes += 1;
        if self.changes >= CHANGES_TO_A_SNAPSHOT && self.replay == Replay::Done {
            self.changes = 0;
            let outbox = self.outbox.clone();
            self.store().read(self.log(), u64::MAX, 0, move |result| {
                if let Ok(page) = result {
                    outbox.note(Note::Grown {
                        base: page.base,
                        upto: page.last,
                    });
                }
            });
        }
    }

    fn take_presence(
        &self,
        room: &SharedRoom<Arc<Outbox>>,
        presences: Vec<Presence>,
        now: Instant,
    ) {
        // The sender hears itself too: y-websocket takes a connection for dead on which nothing
        // comes, not even that.
        let (news, everyone) = {
            let mut members = room.lock();
            let news = members.update_presence(self.connection, presences);
            (news, members.everyone())
        };
        if !news.is_empty() {
            tell(
                &everyone,
                &letter(Kind::Presence, message::presence(&news), Some(now)),
            );
        }
    }

    fn may_only_read(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| grant.access == Access::Read)
    }

    fn store(&self) -> &Store {
        self.hub.yjs_store()
    }

    fn log(&self) -> LogName {
        LogName::yjs(&self.room)
    }

    fn send(&self, kind: Kind, frame: Bytes) {
        self.outbox.push(letter(kind, frame, None));
    }

    fn refuse(&self, error: FrameError) {
        tracing::debug!("a frame was refused: {error}");
        self.outbox.close(CloseCode::UnsupportedData);
    }
}

impl Session for YjsClient {
    fn receive_text(&mut self, frame: &str, _now: Instant) {
        self.hub.metrics.received(Kind::Unreadable, frame.len());
        self.outbox.close(CloseCode::UnsupportedData);
    }

    fn receive_binary(&mut self, frame: Bytes, now: Instant) {
        let parsed = message::parse(frame.clone());
        let kind = match &parsed {
            Ok(Incoming::Awareness(_) | Incoming::QueryAwareness) => Kind::Presence,
            Ok(_) => Kind::Yjs,
            Err(_) => Kind::Unreadable,
        };
        self.hub.metrics.received(kind, frame.len());
        let Some(room) = self.place.clone() else {
            return;
        };
        // A change that is dropped would be missing until the client connects anew, so that is what
        // it has to do.
        let at = self.hub.since_start(now);
        if !self.messages.take(at) || !self.bytes.take_many(frame.len(), at) {
            return self.outbox.close(CloseCode::RateLimited);
        }
        match parsed {
            Ok(incoming) => self.carry_out(&room, incoming, frame, now),
            Err(error) => self.refuse(error),
        }
    }

    fn message_too_big(&self) {}

    fn going_away(&self) {}

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
            Note::ReadOn { after } => self.read_on(after),
            Note::Replayed { base, upto, only } => {
                let no_news = self.replay == Replay::Running { empty: true };
                self.replay = Replay::Done;
                self.ask(Asked {
                    base,
                    upto,
                    only,
                    no_news,
                });
            }
            Note::Entered | Note::TurnedAway => {}
            Note::Grown { base, upto } => {
                self.ask(Asked {
                    base,
                    upto,
                    only: None,
                    no_news: true,
                });
            }
        }
    }
}

impl Drop for YjsClient {
    fn drop(&mut self) {
        let Some(room) = self.place.take() else {
            return;
        };
        let (stay, gone) = room.lock().leave(self.connection);
        let now = self.hub.since_start(Instant::now());
        self.hub.yjs_rooms().give_back_place(&self.room, now);
        if !gone.is_empty() {
            tell(
                &stay,
                &letter(Kind::Presence, message::presence(&gone), None),
            );
        }
    }
}

fn close_code(error: &LogError) -> CloseCode {
    match error {
        LogError::RoomQuota { .. }
        | LogError::TotalQuota { .. }
        | LogError::AddressQuota { .. } => CloseCode::QuotaExceeded,
        _ => CloseCode::StoreUnavailable,
    }
}

fn letter(kind: Kind, frame: Bytes, since: Option<Instant>) -> Letter {
    Letter {
        message: Message::Binary(frame),
        kind,
        since,
    }
}

fn tell(members: &[Arc<Outbox>], letter: &Letter) {
    for outbox in members {
        outbox.push(letter.clone());
    }
}
