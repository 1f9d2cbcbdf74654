//! Who edits which Yjs document, and their presence: a plain state machine without I/O.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use signaling_protocol::RoomId;
use signaling_rooms::{ConnectionId, RoomLimits};

use super::message::Presence;

/// A browser tab has one presence; this leaves room for tests that run several in one.
const MAX_PRESENCES: usize = 16;

/// A name, a colour and a selection have a few hundred bytes; larger states are not taken.
const MAX_PRESENCE_BYTES: usize = 16 * 1024;

/// All rooms of Yjs clients.
pub(crate) struct YjsRooms<H> {
    limits: RoomLimits,
    rooms: HashMap<RoomId, Room<H>>,
    members: usize,
}

struct Room<H> {
    members: BTreeMap<ConnectionId, H>,
    presences: BTreeMap<u64, Owned>,
    empty_since: Option<Duration>,
}

/// A presence, and the connection that it goes away with.
struct Owned {
    presence: Presence,
    owner: ConnectionId,
}

/// A client is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The presence of those who are there.
    pub(super) presences: Vec<Presence>,
    /// The empty room that had to go for this one.
    pub(super) evicted: Option<RoomId>,
}

/// Why somebody cannot come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the room has {max} clients, as many as it may")]
    RoomFull { max: usize },
    #[error("there are {max} rooms, as many as there may be")]
    TooManyRooms { max: usize },
}

impl<H: Clone> YjsRooms<H> {
    pub(crate) fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            members: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// Lets a client in. Where there are too many rooms, the one that has been empty longest goes.
    pub(super) fn join(
        &mut self,
        room: &RoomId,
        connection: ConnectionId,
        handle: H,
    ) -> Result<Joined, Refusal> {
        let mut evicted = None;
        if !self.rooms.contains_key(room) && self.rooms.len() >= self.limits.rooms {
            let max = self.limits.rooms;
            let oldest = self.longest_empty().ok_or(Refusal::TooManyRooms { max })?;
            self.rooms.remove(&oldest);
            evicted = Some(oldest);
        }
        let max = self.limits.clients_per_room;
        let room = self.rooms.entry(room.clone()).or_insert_with(|| Room {
            members: BTreeMap::new(),
            presences: BTreeMap::new(),
            empty_since: None,
        });
        if room.members.len() >= max {
            return Err(Refusal::RoomFull { max });
        }
        room.empty_since = None;
        if room.members.insert(connection, handle).is_none() {
            self.members += 1;
        }
        let presences = room
            .presences
            .values()
            .map(|owned| owned.presence.clone())
            .collect();
        Ok(Joined { presences, evicted })
    }

    fn longest_empty(&self) -> Option<RoomId> {
        let empty = self
            .rooms
            .iter()
            .filter_map(|(id, room)| Some((room.empty_since?, id)));
        empty
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id.clone())
    }

    /// Takes a client out: who stays, and the presences to take away from them.
    pub(super) fn leave(
        &mut self,
        room: &RoomId,
        connection: ConnectionId,
        now: Duration,
    ) -> (Vec<H>, Vec<Presence>) {
        let Some(room) = self.rooms.get_mut(room) else {
            return (Vec::new(), Vec::new());
        };
        if room.members.remove(&connection).is_none() {
            return (Vec::new(), Vec::new());
        }
        self.members -= 1;
        if room.members.is_empty() {
            room.empty_since = Some(now);
        }
        let gone = room
            .presences
            .values()
            .filter(|owned| owned.owner == connection);
        let gone = gone.map(|owned| owned.presence.left()).collect();
        room.presences.retain(|_, owned| owned.owner != connection);
        (room.members.values().cloned().collect(), gone)
    }

    /// Takes presences from a client and returns those that are news, for everyone in the room.
    ///
    /// Clients repeat to the server what they hear of each other, so what is not newer stops here.
    /// Only who owns a presence can take it away; a newer one from another connection is that of a
    /// client come back.
    pub(super) fn update_presence(
        &mut self,
        room: &RoomId,
        connection: ConnectionId,
        presences: Vec<Presence>,
    ) -> Vec<Presence> {
        let Some(room) = self.rooms.get_mut(room) else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for presence in presences {
            if presence.state.len() > MAX_PRESENCE_BYTES {
                continue;
            }
            let owned_already = room
                .presences
                .values()
                .filter(|owned| owned.owner == connection)
                .count();
            match room.presences.get(&presence.client) {
                Some(known) if presence.clock < known.presence.clock => {}
                Some(known) if presence.has_left() => {
                    if known.owner == connection {
                        room.presences.remove(&presence.client);
                        news.push(presence);
                    }
                }
                Some(known) if presence.clock == known.presence.clock => {}
                None if presence.has_left() || owned_already >= MAX_PRESENCES => {}
                _ => {
                    // Copied, so that what is kept does not keep the frame that it came in.
                    let kept = Presence {
                        state: Bytes::copy_from_slice(&presence.state),
                        ..presence
                    };
                    let owned = Owned {
                        presence: kept,
                        owner: connection,
                    };
                    room.presences.insert(presence.client, owned);
                    news.push(presence);
                }
            }
        }
        news
    }

    /// The presence of everyone in the room.
    pub(super) fn presences(&self, room: &RoomId) -> Vec<Presence> {
        let room = self.rooms.get(room);
        room.map(|room| {
            room.presences
                .values()
                .map(|owned| owned.presence.clone())
                .collect()
        })
        .unwrap_or_default()
    }

    /// Everyone in the room but one.
    pub(super) fn others(&self, room: &RoomId, connection: ConnectionId) -> Vec<H> {
        let Some(room) = self.rooms.get(room) else {
            return Vec::new();
        };
        let others = room.members.iter().filter(|(id, _)| **id != connection);
        others.map(|(_, handle)| handle.clone()).collect()
    }

    /// Everyone in the room.
    pub(super) fn everyone(&self, room: &RoomId) -> Vec<H> {
        let room = self.rooms.get(room);
        room.map(|room| room.members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Removes the rooms that have been empty for long enough, and returns them.
    pub(crate) fn remove_expired(&mut self, now: Duration) -> Vec<RoomId> {
        let limit: Duration = self.limits.empty_for;
        let expired = |room: &Room<H>| {
            room.empty_since
                .is_some_and(|since| now.saturating_sub(since) >= limit)
        };
        let gone: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, room)| expired(room))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            self.rooms.remove(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some time after the beginning of the clock.
    const START: Duration = Duration::from_secs(1_000);

    fn rooms() -> (YjsRooms<u64>, RoomId) {
        let empty_for = Duration::from_secs(60);
        let limits = RoomLimits {
            rooms: 1,
            clients_per_room: 3,
            empty_for,
            ..RoomLimits::DEFAULT
        };
        (YjsRooms::new(limits), RoomId::parse("r").unwrap())
    }

    fn presence(client: u64, clock: u64, state: &'static str) -> Presence {
        Presence {
            client,
            clock,
            state: Bytes::from_static(state.as_bytes()),
        }
    }

    #[test]
    fn only_news_is_passed_on_and_told_to_who_comes_later() {
        let (mut rooms, room) = rooms();
        let (one, two) = (ConnectionId(1), ConnectionId(2));
        assert_eq!(rooms.join(&room, one, 1).unwrap().presences, []);
        let first = presence(10, 1, "{}");
        let news = rooms.update_presence(&room, one, vec![first.clone()]);
        assert_eq!(news, std::slice::from_ref(&first));
        let told = rooms.join(&room, two, 2).unwrap().presences;
        assert_eq!(told, std::slice::from_ref(&first));
        // The other repeats what it heard.
        assert_eq!(rooms.update_presence(&room, two, vec![first.clone()]), []);
        let older = presence(10, 0, "{\"old\":1}");
        assert_eq!(rooms.update_presence(&room, one, vec![older]), []);
        assert_eq!(rooms.presences(&room), [first]);
        assert_eq!(
            (rooms.others(&room, one), rooms.everyone(&room)),
            (vec![2], vec![1, 2])
        );
    }

    #[test]
    fn a_presence_goes_with_its_owner_and_no_one_else_can_take_it() {
        let (mut rooms, room) = rooms();
        let (one, two) = (ConnectionId(1), ConnectionId(2));
        rooms.join(&room, one, 1).unwrap();
        rooms.join(&room, two, 2).unwrap();
        rooms.update_presence(&room, one, vec![presence(10, 1, "{}")]);
        assert_eq!(
            rooms.update_presence(&room, two, vec![presence(10, 2, "null")]),
            []
        );
        assert_eq!(rooms.presences(&room).len(), 1);
        let (stay, gone) = rooms.leave(&room, one, START);
        assert_eq!((stay, gone), (vec![2], vec![presence(10, 2, "null")]));
        assert_eq!(rooms.leave(&room, one, START), (vec![], vec![]));
        assert_eq!(rooms.presences(&room), []);
    }

    #[test]
    fn a_client_come_back_owns_its_presence_again() {
        let (mut rooms, room) = rooms();
        let (before, after) = (ConnectionId(1), ConnectionId(2));
        rooms.join(&room, before, 1).unwrap();
        rooms.update_presence(&room, before, vec![presence(10, 5, "{}")]);
        rooms.join(&room, after, 2).unwrap();
        let news = vec![presence(10, 6, "{}")];
        assert_eq!(rooms.update_presence(&room, after, news.clone()), news);
        assert_eq!(rooms.leave(&room, before, START).1, []);
        assert_eq!(rooms.leave(&room, after, START).1.len(), 1);
    }

    #[test]
    fn rooms_clients_and_presences_are_bounded() {
        let (mut rooms, room) = rooms();
        for connection in 1..=3 {
            rooms
                .join(&room, ConnectionId(connection), connection)
                .unwrap();
        }
        let full = rooms.join(&room, ConnectionId(4), 4);
        assert_eq!(full, Err(Refusal::RoomFull { max: 3 }));
        let other = RoomId::parse("s").unwrap();
        let too_many = rooms.join(&other, ConnectionId(4), 4);
        assert_eq!(too_many, Err(Refusal::TooManyRooms { max: 1 }));
        let many = (0..100).map(|client| presence(client, 1, "{}")).collect();
        assert_eq!(
            rooms.update_presence(&room, ConnectionId(1), many).len(),
            MAX_PRESENCES
        );
        let large = Presence {
            state: Bytes::from(vec![b'x'; MAX_PRESENCE_BYTES + 1]),
            ..presence(200, 1, "")
        };
        let news = rooms.update_presence(&room, ConnectionId(2), vec![large]);
        assert_eq!(news, []);
        assert_eq!((rooms.len(), rooms.members()), (1, 3));
        for connection in 1..=3 {
            rooms.leave(&room, ConnectionId(connection), START);
        }
        let joined = rooms.join(&other, ConnectionId(4), 4).unwrap();
        assert_eq!(joined.evicted, Some(room));
    }

    #[test]
    fn an_empty_room_expires() {
        let (mut rooms, room) = rooms();
        let start = START;
        rooms.join(&room, ConnectionId(1), 1).unwrap();
        rooms.leave(&room, ConnectionId(1), start);
        assert_eq!(rooms.remove_expired(start + Duration::from_secs(59)), []);
        assert_eq!(
            rooms.remove_expired(start + Duration::from_secs(60)),
            [room]
        );
        assert_eq!(rooms.len(), 0);
    }
}
