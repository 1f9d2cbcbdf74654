//! Who edits which Yjs document, and their presence: a plain state machine without I/O.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use signaling_protocol::RoomId;
use signaling_rooms::{ConnectionId, RoomLimits};

use super::document::Document;
use super::message::Presence;

/// A browser tab has one presence; this leaves room for tests that run several in one.
const MAX_PRESENCES: usize = 16;

/// What a presence costs beside its state, in bytes.
const PRESENCE_OVERHEAD: usize = 32;

/// A name, a colour and a selection have a few hundred bytes. A client always has so many for its
/// presences, as long as the room has them.
const LEAST_PRESENCE_BYTES: usize = 2 * 1024;

/// The most that the presences of one client may have.
const MOST_PRESENCE_BYTES: usize = 16 * 1024;

/// How much presence there may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PresenceLimits {
    pub(crate) client: usize,
    room: usize,
}

/// All rooms of Yjs clients. What grows with the number of clients in a room is done under that room's
/// own lock, so rooms do not wait for each other.
pub(crate) struct YjsRooms<H> {
    limits: RoomLimits,
    presence: PresenceLimits,
    rooms: HashMap<RoomId, Entry<H>>,
    /// How many rooms were made by clients of each address.
    made: HashMap<IpAddr, usize>,
    members: usize,
}

struct Entry<H> {
    room: SharedRoom<H>,
    members: usize,
    /// The address of the client that made it.
    maker: Option<IpAddr>,
    empty_since: Option<Duration>,
}

/// A room, and the lock that everything in it happens under.
pub(crate) struct SharedRoom<H>(Arc<Mutex<Room<H>>>);

impl<H> Clone for SharedRoom<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> SharedRoom<H> {
    /// The room. The lock is never held across I/O.
    pub(super) fn lock(&self) -> MutexGuard<'_, Room<H>> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who edits one document, and their presence.
pub(super) struct Room<H> {
    limits: PresenceLimits,
    members: BTreeMap<ConnectionId, Member<H>>,
    presences: BTreeMap<u64, Owned>,
    /// The cost of all presences.
    bytes: usize,
    pub(super) document: Document,
}

struct Member<H> {
    handle: H,
    /// How many presences are this client's, and their cost.
    presences: usize,
    bytes: usize,
}

/// A presence, and the connection that it goes away with.
struct Owned {
    presence: Presence,
    owner: ConnectionId,
}

/// A client may come in.
pub(super) struct Admitted<H> {
    pub(super) room: SharedRoom<H>,
    /// The empty room that had to go for this one.
    pub(super) evicted: Option<RoomId>,
}

/// Why somebody cannot come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the room has {max} clients, as many as it may")]
    RoomFull { max: usize },
    #[error("{max} rooms were made from this address, as many as may be")]
    TooManyRoomsOfAddress { max: usize },
    #[error("there are {max} rooms, as many as there may be")]
    TooManyRooms { max: usize },
}

impl PresenceLimits {
    /// `queue_bytes` may wait for one client.
    pub(crate) fn new(limits: &RoomLimits, queue_bytes: usize) -> Self {
        let room = queue_bytes / 2;
        let share = room / limits.clients_per_room.max(1);
        let client = share.clamp(LEAST_PRESENCE_BYTES, MOST_PRESENCE_BYTES);
        Self { client, room }
    }
}

impl<H: Clone> YjsRooms<H> {
    /// `queue_bytes` may wait for one client; half of it is the most that the presences in a room may
    /// have, for a newcomer gets all of them.
    pub(crate) fn new(limits: RoomLimits, queue_bytes: usize) -> Self {
        Self {
            limits,
            presence: PresenceLimits::new(&limits, queue_bytes),
            rooms: HashMap::new(),
            made: HashMap::new(),
            members: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms that somebody is in.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = &RoomId> {
        let occupied = |(id, entry): (_, &Entry<H>)| (entry.members > 0).then_some(id);
        self.rooms.iter().filter_map(occupied)
    }

    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// A room that exists.
    pub(super) fn find(&self, room: &RoomId) -> Option<SharedRoom<H>> {
        Some(self.rooms.get(room)?.room.clone())
    }

    /// Takes a place in a room; the client then enters it by [`Room::enter`]. Where there are too many
    /// rooms, in all or of one address, the one that has been empty longest goes.
    pub(super) fn take_place(
        &mut self,
        room: &RoomId,
        address: Option<IpAddr>,
    ) -> Result<Admitted<H>, Refusal> {
        let mut evicted = None;
        if !self.rooms.contains_key(room) {
            let share = self.limits.rooms_per_address;
            let made = address.and_then(|address| self.made.get(&address));
            if share != 0 && made.is_some_and(|made| *made >= share) {
                let refusal = Refusal::TooManyRoomsOfAddress { max: share };
                let own = self.longest_empty(|entry| entry.maker == address);
                evicted = Some(own.ok_or(refusal)?);
            } else if self.rooms.len() >= self.limits.rooms {
                let max = self.limits.rooms;
                let any = self.longest_empty(|_| true);
                evicted = Some(any.ok_or(Refusal::TooManyRooms { max })?);
            }
            if let Some(evicted) = &evicted {
                self.remove(evicted);
            }
            if let Some(address) = address {
                *self.made.entry(address).or_default() += 1;
            }
        }
        let max = self.limits.clients_per_room;
        let presence = self.presence;
        let entry = self.rooms.entry(room.clone()).or_insert_with(|| Entry {
            room: SharedRoom(Arc::new(Mutex::new(Room::new(presence)))),
            members: 0,
            maker: address,
            empty_since: None,
        });
        if entry.members >= max {
            return Err(Refusal::RoomFull { max });
        }
        entry.empty_since = None;
        entry.members += 1;
        self.members += 1;
        let room = entry.room.clone();
        Ok(Admitted { room, evicted })
    }

    /// Gives the place of a client back that has left the room by [`Room::leave`].
    pub(super) fn give_back_place(&mut self, room: &RoomId, now: Duration) {
        let Some(entry) = self.rooms.get_mut(room) else {
            return;
        };
        entry.members = entry.members.saturating_sub(1);
        self.members = self.members.saturating_sub(1);
        if entry.members == 0 {
            entry.empty_since = Some(now);
        }
    }

    fn remove(&mut self, room: &RoomId) {
        let maker = self.rooms.remove(room).and_then(|entry| entry.maker);
        if let Some(address) = maker
            && let hash_map::Entry::Occupied(mut count) = self.made.entry(address)
        {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn longest_empty(&self, is_meant: impl Fn(&Entry<H>) -> bool) -> Option<RoomId> {
        let empty = self
            .rooms
            .iter()
            .filter(|(_, entry)| is_meant(entry))
            .filter_map(|(id, entry)| Some((entry.empty_since?, id)));
        empty
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id.clone())
    }

    /// Removes the rooms that have been empty for long enough, and returns them.
    pub(crate) fn remove_expired(&mut self, now: Duration) -> Vec<RoomId> {
        let limit = self.limits.empty_for;
        let expired = |entry: &Entry<H>| {
            entry
                .empty_since
                .is_some_and(|since| now.saturating_sub(since) >= limit)
        };
        let gone: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, entry)| expired(entry))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }
}

impl<H: Clone> Room<H> {
    fn new(limits: PresenceLimits) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            presences: BTreeMap::new(),
            bytes: 0,
            document: Document::default(),
        }
    }

    /// Lets a client in that has a place, and returns the presence of those who are there.
    pub(super) fn enter(&mut self, connection: ConnectionId, handle: H) -> Vec<Presence> {
        let member = Member {
            handle,
            presences: 0,
            bytes: 0,
        };
        self.members.insert(connection, member);
        self.all_presences()
    }

    /// Takes a client out: who stays, and the presences to take away from them.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> (Vec<H>, Vec<Presence>) {
        if self.members.remove(&connection).is_none() {
            return (Vec::new(), Vec::new());
        }
        let (mut gone, mut freed) = (Vec::new(), 0);
        self.presences.retain(|_, owned| {
            if owned.owner == connection {
                gone.push(owned.presence.left());
                freed += cost(&owned.presence);
            }
            owned.owner != connection
        });
        self.bytes = self.bytes.saturating_sub(freed);
        if self.members.is_empty() {
            // The next client has it read from the log again.
            self.document.forget();
        }
        (self.everyone(), gone)
    }

    /// Takes presences from a client and returns those that are news, for everyone in the room.
    ///
    /// Clients repeat to the server what they hear of each other, so what is not newer stops here.
    /// Only the owner of a presence can take it away; a newer one from another connection is that of a
    /// client come back. What a client or the room has no room for is not taken.
    pub(super) fn update_presence(
        &mut self,
        connection: ConnectionId,
        presences: Vec<Presence>,
    ) -> Vec<Presence> {
        let mut news = Vec::new();
        for presence in presences {
            let known = self.presences.get(&presence.client);
            let is_news = match known {
                Some(known) if presence.has_left() => {
                    known.owner == connection && presence.clock >= known.presence.clock
                }
                Some(known) => presence.clock > known.presence.clock,
                None => !presence.has_left(),
            };
            if is_news && (presence.has_left() || self.has_room_for(connection, &presence)) {
                self.forget(presence.client);
                if !presence.has_left() {
                    self.keep(connection, &presence);
                }
                news.push(presence);
            }
        }
        news
    }

    /// Whether a presence fits, in the place of the one that it replaces.
    fn has_room_for(&self, connection: ConnectionId, presence: &Presence) -> bool {
        let Some(member) = self.members.get(&connection) else {
            return false;
        };
        let known = self.presences.get(&presence.client);
        let freed = known.map_or(0, |known| cost(&known.presence));
        let own = known.is_some_and(|known| known.owner == connection);
        let (presences, bytes) = if own {
            (member.presences - 1, member.bytes - freed)
        } else {
            (member.presences, member.bytes)
        };
        presences < MAX_PRESENCES
            && bytes + cost(presence) <= self.limits.client
            && self.bytes - freed + cost(presence) <= self.limits.room
    }

    fn keep(&mut self, owner: ConnectionId, presence: &Presence) {
        // Copied, so that what is kept does not keep the frame that it came in.
        let presence = Presence {
            state: Bytes::copy_from_slice(&presence.state),
            ..*presence
        };
        let cost = cost(&presence);
        self.bytes += cost;
        if let Some(member) = self.members.get_mut(&owner) {
            member.presences += 1;
            member.bytes += cost;
        }
        self.presences
            .insert(presence.client, Owned { presence, owner });
    }

    fn forget(&mut self, client: u64) {
        let Some(Owned { presence, owner }) = self.presences.remove(&client) else {
            return;
        };
        let cost = cost(&presence);
        self.bytes -= cost;
        if let Some(member) = self.members.get_mut(&owner) {
            member.presences -= 1;
            member.bytes -= cost;
        }
    }

    /// The presence of everyone in the room.
    pub(super) fn all_presences(&self) -> Vec<Presence> {
        let presences = self.presences.values();
        presences.map(|owned| owned.presence.clone()).collect()
    }

    /// Everyone in the room but one.
    pub(super) fn others(&self, connection: ConnectionId) -> Vec<H> {
        let others = self.members.iter().filter(|(id, _)| **id != connection);
        others.map(|(_, member)| member.handle.clone()).collect()
    }

    /// Everyone in the room.
    pub(super) fn everyone(&self) -> Vec<H> {
        let members = self.members.values();
        members.map(|member| member.handle.clone()).collect()
    }
}

/// What a presence counts, in bytes.
fn cost(presence: &Presence) -> usize {
    presence.state.len() + PRESENCE_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some time after the beginning of the clock.
    const START: Duration = Duration::from_secs(1_000);

    /// What may wait for a client: three clients in a room share half of it.
    const QUEUE: usize = 6 * 3_000;

    fn rooms() -> (YjsRooms<u64>, RoomId) {
        let limits = RoomLimits {
            rooms: 1,
            clients_per_room: 3,
            empty_for: Duration::from_secs(60),
            ..RoomLimits::DEFAULT
        };
        (YjsRooms::new(limits, QUEUE), RoomId::parse("r").unwrap())
    }

    /// A room with clients whose handles are their numbers.
    fn room(clients: u64) -> SharedRoom<u64> {
        let (mut rooms, id) = rooms();
        let room = rooms.take_place(&id, None).unwrap().room;
        for client in 1..=clients {
            room.lock().enter(ConnectionId(client), client);
        }
        room
    }

    fn presence(client: u64, clock: u64, state: &'static str) -> Presence {
        Presence {
            client,
            clock,
            state: Bytes::from_static(state.as_bytes()),
        }
    }

    fn large(client: u64, clock: u64, bytes: usize) -> Presence {
        Presence {
            state: Bytes::from(vec![b'x'; bytes]),
            ..presence(client, clock, "")
        }
    }

    const ONE: ConnectionId = ConnectionId(1);
    const TWO: ConnectionId = ConnectionId(2);

    #[test]
    fn only_news_is_passed_on_and_told_to_who_comes_later() {
        let room = room(1);
        let mut room = room.lock();
        let first = presence(10, 1, "{}");
        let news = room.update_presence(ONE, vec![first.clone()]);
        assert_eq!(news, std::slice::from_ref(&first));
        let told = room.enter(TWO, 2);
        assert_eq!(told, std::slice::from_ref(&first));
        // The other repeats what it heard.
        assert_eq!(room.update_presence(TWO, vec![first.clone()]), []);
        let older = presence(10, 0, "{\"old\":1}");
        assert_eq!(room.update_presence(ONE, vec![older]), []);
        assert_eq!(room.all_presences(), [first]);
        assert_eq!((room.others(ONE), room.everyone()), (vec![2], vec![1, 2]));
    }

    #[test]
    fn a_presence_goes_with_its_owner_and_no_one_else_can_take_it() {
        let room = room(2);
        let mut room = room.lock();
        room.update_presence(ONE, vec![presence(10, 1, "{}")]);
        let stolen = room.update_presence(TWO, vec![presence(10, 2, "null")]);
        assert_eq!((stolen, room.all_presences().len()), (vec![], 1));
        let (stay, gone) = room.leave(ONE);
        assert_eq!((stay, gone), (vec![2], vec![presence(10, 2, "null")]));
        assert_eq!(room.leave(ONE), (vec![], vec![]));
        assert_eq!((room.all_presences(), room.bytes), (vec![], 0));
    }

    #[test]
    fn a_client_come_back_owns_its_presence_again() {
        let room = room(2);
        let mut room = room.lock();
        room.update_presence(ONE, vec![presence(10, 5, "{}")]);
        let news = vec![presence(10, 6, "{}")];
        assert_eq!(room.update_presence(TWO, news.clone()), news);
        assert_eq!(room.leave(ONE).1, []);
        assert_eq!(room.leave(TWO).1.len(), 1);
        assert_eq!(room.bytes, 0);
    }

    #[test]
    fn presences_are_bounded_by_number_and_bytes_for_a_client_and_for_a_room() {
        let room = room(9);
        let mut room = room.lock();
        let many = (0..100).map(|client| presence(client, 1, "{}")).collect();
        assert_eq!(room.update_presence(ONE, many).len(), MAX_PRESENCES);
        // One that is there may change, and one that goes makes room.
        let change = vec![presence(0, 2, "{}"), presence(200, 1, "{}")];
        assert_eq!(room.update_presence(ONE, change).len(), 1);
        let swap = vec![presence(0, 3, "null"), presence(200, 1, "{}")];
        assert_eq!(room.update_presence(ONE, swap).len(), 2);

        let share = 3_000 - PRESENCE_OVERHEAD;
        assert_eq!(
            room.update_presence(TWO, vec![large(300, 1, share + 1)]),
            []
        );
        assert_eq!(
            room.update_presence(TWO, vec![large(300, 1, share)]).len(),
            1
        );
        assert_eq!(room.update_presence(TWO, vec![presence(301, 1, "{}")]), []);
        assert_eq!(room.update_presence(TWO, vec![large(300, 2, 10)]).len(), 1);
        // All together have no more than half of what may wait for a newcomer.
        for connection in 3..=9 {
            let own = large(1_000 + connection, 1, share);
            room.update_presence(ConnectionId(connection), vec![own]);
        }
        let sum: usize = room.all_presences().iter().map(cost).sum();
        assert_eq!(room.bytes, sum);
        assert!((QUEUE / 3..=QUEUE / 2).contains(&sum), "{sum}");
    }

    #[test]
    fn random_presences_are_counted_right() {
        let seed = fastrand::u64(..);
        println!("SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let room = room(4);
        let mut room = room.lock();
        for _ in 0..5_000 {
            let connection = ConnectionId(random.u64(1..=4));
            let (client, clock) = (random.u64(..20), random.u64(..50));
            match random.u8(..20) {
                0 => {
                    room.leave(connection);
                    room.enter(connection, connection.0);
                }
                1..5 => {
                    room.update_presence(connection, vec![presence(client, clock, "null")]);
                }
                _ => {
                    let presence = large(client, clock, random.usize(..4_000));
                    room.update_presence(connection, vec![presence]);
                }
            }
            let all: usize = room.all_presences().iter().map(cost).sum();
            let by_member: usize = room.members.values().map(|member| member.bytes).sum();
            let number: usize = room.members.values().map(|member| member.presences).sum();
            assert_eq!((room.bytes, by_member), (all, all));
            assert_eq!(number, room.presences.len());
        }
    }

    #[test]
    fn rooms_and_clients_are_bounded() {
        let (mut rooms, room) = rooms();
        for _ in 0..3 {
            rooms.take_place(&room, None).unwrap();
        }
        let full = rooms.take_place(&room, None).err();
        assert_eq!(full, Some(Refusal::RoomFull { max: 3 }));
        let other = RoomId::parse("s").unwrap();
        let too_many = rooms.take_place(&other, None).err();
        assert_eq!(too_many, Some(Refusal::TooManyRooms { max: 1 }));
        assert_eq!((rooms.len(), rooms.members()), (1, 3));
        for _ in 0..3 {
            rooms.give_back_place(&room, START);
        }
        assert_eq!(rooms.take_place(&other, None).unwrap().evicted, Some(room));
    }

    #[test]
    fn one_address_makes_no_more_rooms_than_its_share() {
        let limits = RoomLimits {
            rooms: 9,
            rooms_per_address: 1,
            ..RoomLimits::DEFAULT
        };
        let mut rooms: YjsRooms<u64> = YjsRooms::new(limits, QUEUE);
        let id = |name: &str| RoomId::parse(name).unwrap();
        let (here, there) = (
            "192.0.2.1".parse::<IpAddr>().ok(),
            "192.0.2.2".parse::<IpAddr>().ok(),
        );
        rooms.take_place(&id("one"), here).unwrap();
        let refused = rooms.take_place(&id("two"), here).err();
        assert_eq!(refused, Some(Refusal::TooManyRoomsOfAddress { max: 1 }));
        rooms.take_place(&id("two"), there).unwrap();
        rooms.take_place(&id("two"), here).unwrap();
        rooms.give_back_place(&id("one"), START);
        let admitted = rooms.take_place(&id("three"), here).unwrap();
        assert_eq!(admitted.evicted, Some(id("one")));
        rooms.give_back_place(&id("three"), START);
        assert_eq!(
            rooms.remove_expired(START + limits.empty_for),
            [id("three")]
        );
        assert_eq!(rooms.made.get(&here.unwrap()), None);
    }

    #[test]
    fn an_empty_room_expires() {
        let (mut rooms, room) = rooms();
        rooms.take_place(&room, None).unwrap();
        rooms.give_back_place(&room, START);
        assert_eq!(rooms.remove_expired(START + Duration::from_secs(59)), []);
        assert_eq!(
            rooms.remove_expired(START + Duration::from_secs(60)),
            [room]
        );
        assert_eq!(rooms.len(), 0);
    }
}
