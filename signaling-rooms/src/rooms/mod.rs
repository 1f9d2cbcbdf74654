//! The rooms and their members.
//!
//! A member is reached through a handle that the caller chooses: in the server a queue towards the
//! client, in the tests a word. The returned effects name the handles to notify, in the required
//! order.

use std::collections::{BTreeMap, HashMap, btree_map, hash_map};
use std::net::IpAddr;
use std::time::Duration;

use signaling_protocol::{
    AgentId, CloseCode, IceServer, PeerJoined, PeerLeft, PeerList, RoomId, ServerMessage,
    SessionSecret,
};

/// One socket, unique within the process. Distinguishes a member from an earlier one of the same
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(
    /// A number that no other socket of the process has.
    pub u64,
);

/// The limits of the rooms.
#[derive(Debug, Clone, Copy)]
pub struct RoomLimits {
    /// The number of rooms, including empty ones that are still kept.
    pub rooms: usize,
    /// The number of rooms made by clients of one address; 0 is no limit.
    pub rooms_per_address: usize,
    /// The number of clients in one room.
    pub clients_per_room: usize,
    /// How long a room is kept after its last client has left.
    pub empty_for: Duration,
    /// How long a name is kept for a client with a session secret whose socket was lost.
    pub keep_name_for: Duration,
}

impl RoomLimits {
    /// The default limits of a server.
    pub const DEFAULT: Self = Self {
        rooms: 1000,
        rooms_per_address: 100,
        clients_per_room: 100,
        empty_for: Duration::from_secs(30 * 60),
        keep_name_for: Duration::from_secs(30),
    };
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// All rooms of a server, with their members.
///
/// A look-up takes O(log n) steps in the number n of clients in the room; a join or a departure
/// O(n), since it is announced to every member.
#[derive(Debug)]
pub struct Rooms<H> {
    limits: RoomLimits,
    rooms: HashMap<RoomId, Room<H>>,
    /// The number of rooms that were made by clients of each address.
    made: HashMap<IpAddr, usize>,
    members: usize,
    /// Whether the server is shutting down.
    ending: bool,
}

#[derive(Debug)]
struct Room<H> {
    members: BTreeMap<AgentId, Member<H>>,
    /// The address of the client that made it.
    maker: Option<IpAddr>,
    /// The names of clients whose sockets were lost, for as long as they are kept for them.
    kept: BTreeMap<AgentId, KeptName>,
    /// Since when it is empty; an empty room is kept for a while, for members that come back.
    empty_since: Option<Duration>,
}

#[derive(Debug)]
struct KeptName {
    session: SessionSecret,
    until: Duration,
}

/// How a client leaves its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It sent `leave`, or closed its socket.
    Left,
    /// Its socket was lost, or closed by the server: the client may come back, and its name is kept for
    /// a while, if it has a session secret.
    Lost,
}

#[derive(Debug)]
struct Member<H> {
    connection: ConnectionId,
    handle: H,
    session: Option<SessionSecret>,
    read_only: bool,
    capabilities: Box<[String]>,
}

/// A client that asks to enter a room.
#[derive(Debug, Clone)]
pub struct Newcomer<H> {
    /// Its name in the room.
    pub agent: AgentId,
    /// Its socket.
    pub connection: ConnectionId,
    /// How it is reached.
    pub handle: H,
    /// The secret with which it gets its name back on another socket.
    pub session: Option<SessionSecret>,
    /// Its address, for the limit of rooms by address; `None` if that does not apply.
    pub address: Option<IpAddr>,
    /// It may see but not change.
    pub read_only: bool,
    /// Its optional capabilities.
    pub capabilities: Vec<String>,
}

/// A successful join.
#[derive(Debug, PartialEq, Eq)]
struct Joined<H> {
    /// All other members.
    others: Vec<H>,
    /// Their ids, in order.
    peers: Vec<AgentId>,
    /// The read-only members, including the newcomer if it is one.
    read_only: Vec<AgentId>,
    /// The capabilities of the members that named some.
    capabilities: BTreeMap<AgentId, Vec<String>>,
    /// The socket on which the same client was in the room until now, to be closed.
    replaced: Option<H>,
}

/// An effect; the driver carries effects out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<H> {
    /// Send a message to these clients.
    Tell(Vec<H>, ServerMessage),
    /// Close a client's socket.
    Close(H, CloseCode),
}

/// The data that a newcomer receives with the list of members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Whether the server keeps a log of the room.
    pub log: bool,
    /// Servers that help to find a path between peers.
    pub ice_servers: Vec<IceServer>,
}

/// Why a client is not admitted to a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRefusal {
    /// Another client has the name.
    #[error("someone else in the room has the agent id {agent:?}")]
    AgentIdTaken {
        /// The name.
        agent: AgentId,
    },
    /// The room is full.
    #[error("the room has {max} clients, as many as it may")]
    RoomFull {
        /// The limit.
        max: usize,
    },
    /// Clients of the same address have made the maximum number of rooms, and none of them is
    /// empty.
    #[error("{max} rooms were made from this address, as many as may be")]
    TooManyRoomsOfAddress {
        /// The limit.
        max: usize,
    },
    /// The maximum number of rooms exists, and none of them is empty.
    #[error("there are {max} rooms, as many as there may be")]
    TooManyRooms {
        /// The limit.
        max: usize,
    },
}

impl<H: Clone> Rooms<H> {
    /// No rooms yet.
    #[must_use]
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            made: HashMap::new(),
            members: 0,
            ending: false,
        }
    }

    /// The number of rooms, including empty ones that are still kept.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms with members.
    pub fn occupied(&self) -> impl Iterator<Item = &RoomId> {
        let occupied = |(id, room): (_, &Room<H>)| (!room.members.is_empty()).then_some(id);
        self.rooms.iter().filter_map(occupied)
    }

    /// The number of clients in rooms.
    #[must_use]
    pub fn client_count(&self) -> usize {
        self.members
    }

    /// Admits a client. The others get [`PeerJoined`], then the newcomer gets [`PeerList`].
    ///
    /// A taken agent id is refused, unless the newcomer has the session secret of the member that
    /// has the id: then it is the same client, which takes its place over. Its old socket is closed
    /// first. An id that is kept for a client whose socket was lost is refused in the same way.
    ///
    /// # Errors
    /// If the id is taken, or a limit is reached. In that case nothing changes.
    pub fn join(
        &mut self,
        room: &RoomId,
        newcomer: Newcomer<H>,
        welcome: Welcome,
        now: Duration,
    ) -> Result<Vec<Effect<H>>, JoinRefusal> {
        let handle = newcomer.handle.clone();
        let mut announcement = PeerJoined {
            peer_id: newcomer.agent.clone(),
            rejoined: false,
            read_only: newcomer.read_only,
            capabilities: newcomer.capabilities.clone(),
        };
        let joined = self.admit(room, newcomer, now)?;
        announcement.rejoined = joined.replaced.is_some();
        let list = PeerList {
            peers: joined.peers,
            read_only: joined.read_only,
            capabilities: joined.capabilities,
            log: welcome.log,
            ice_servers: welcome.ice_servers,
        };
        let mut effects = Vec::with_capacity(3);
        if let Some(old) = joined.replaced {
            effects.push(Effect::Close(old, CloseCode::Replaced));
        }
        if !joined.others.is_empty() {
            let announcement = ServerMessage::PeerJoined(announcement);
            effects.push(Effect::Tell(joined.others, announcement));
        }
        effects.push(Effect::Tell(vec![handle], ServerMessage::PeerList(list)));
        Ok(effects)
    }

    /// Removes a client. The remaining members get [`PeerLeft`], unless the server shuts down: then
    /// all clients are asked to reconnect, their links outlive the server, and nobody has left.
    ///
    /// There is no effect if the place no longer belongs to that connection: the same client has
    /// taken it over, and has not left.
    pub fn leave(
        &mut self,
        room: &RoomId,
        agent: &AgentId,
        connection: ConnectionId,
        departure: Departure,
        now: Duration,
    ) -> Option<Effect<H>> {
        let others = self.remove(room, agent, connection, departure, now);
        if others.is_empty() || self.ending {
            return None;
        }
        let peer_id = agent.clone();
        Some(Effect::Tell(
            others,
            ServerMessage::PeerLeft(PeerLeft { peer_id }),
        ))
    }

    /// Begins the shutdown of the server: departures are no longer announced.
    pub fn end(&mut self) {
        self.ending = true;
    }

    fn admit(
        &mut self,
        room: &RoomId,
        newcomer: Newcomer<H>,
        now: Duration,
    ) -> Result<Joined<H>, JoinRefusal> {
        self.make_place(room, newcomer.address, now)?;
        let max = self.limits.clients_per_room;
        let made = &mut self.made;
        let room = self.rooms.entry(room.clone()).or_insert_with(|| {
            let maker = newcomer.address;
            if let Some(address) = maker {
                *made.entry(address).or_default() += 1;
            }
            Room {
                members: BTreeMap::new(),
                kept: BTreeMap::new(),
                maker,
                empty_since: None,
            }
        });
        let full = room.members.len() >= max;
        let Newcomer {
            agent,
            connection,
            handle,
            session,
            read_only,
            capabilities,
            ..
        } = newcomer;
        let member = Member {
            connection,
            handle,
            session,
            read_only,
            capabilities: capabilities.into_boxed_slice(),
        };

        if let Some(kept) = room.kept.get(&agent) {
            let is_its_own = member
                .session
                .as_ref()
                .is_some_and(|session| session.matches(&kept.session));
            if now < kept.until && !is_its_own {
                return Err(JoinRefusal::AgentIdTaken { agent });
            }
        }
        let replaced = match room.members.entry(agent.clone()) {
            btree_map::Entry::Occupied(mut taken) if taken.get().is_same_client(&member) => {
                Some(taken.insert(member).handle)
            }
            btree_map::Entry::Occupied(_) => return Err(JoinRefusal::AgentIdTaken { agent }),
            btree_map::Entry::Vacant(_) if full => return Err(JoinRefusal::RoomFull { max }),
            btree_map::Entry::Vacant(place) => {
                place.insert(member);
                self.members += 1;
                None
            }
        };
        room.kept.remove(&agent);
        room.empty_since = None;

        let others = || room.members.iter().filter(|(id, _)| **id != agent);
        let all = room.members.iter();
        Ok(Joined {
            others: others().map(|(_, member)| member.handle.clone()).collect(),
            peers: others().map(|(id, _)| id.clone()).collect(),
            read_only: all
                .filter(|(_, member)| member.read_only)
                .map(|(id, _)| id.clone())
                .collect(),
            capabilities: others()
                .filter(|(_, member)| !member.capabilities.is_empty())
                .map(|(id, member)| (id.clone(), member.capabilities.to_vec()))
                .collect(),
            replaced,
        })
    }

    /// Removes a client and returns the remaining members, if the place belonged to that
    /// connection.
    fn remove(
        &mut self,
        room: &RoomId,
        agent: &AgentId,
        connection: ConnectionId,
        departure: Departure,
        now: Duration,
    ) -> Vec<H> {
        let hash_map::Entry::Occupied(mut entry) = self.rooms.entry(room.clone()) else {
            return Vec::new();
        };
        let room = entry.get_mut();
        if room
            .members
            .get(agent)
            .is_none_or(|member| member.connection != connection)
        {
            return Vec::new();
        }
        let member = room.members.remove(agent);
        self.members -= 1;
        if departure == Departure::Lost
            && let Some(session) = member.and_then(|member| member.session)
        {
            let until = now.saturating_add(self.limits.keep_name_for);
            room.keep_name(agent, KeptName { session, until }, &self.limits, now);
        }
        if room.members.is_empty() {
            if self.limits.empty_for.is_zero() && room.kept.is_empty() {
                let room = entry.remove();
                forget_made(&mut self.made, room.maker);
            } else {
                room.empty_since = Some(now);
            }
            return Vec::new();
        }
        room.members
            .values()
            .map(|member| member.handle.clone())
            .collect()
    }

    /// The handle of a member of a room.
    #[must_use]
    pub fn find(&self, room: &RoomId, agent: &AgentId) -> Option<&H> {
        Some(&self.rooms.get(room)?.members.get(agent)?.handle)
    }

    /// Removes the rooms that have been empty for long enough. Takes time in proportion to the number
    /// of rooms.
    pub fn remove_expired(&mut self, now: Duration) {
        let limit = self.limits.empty_for;
        let made = &mut self.made;
        self.rooms.retain(|_, room| {
            room.kept.retain(|_, kept| now < kept.until);
            let stays = room
                .empty_since
                .is_none_or(|since| now.saturating_sub(since) < limit || !room.kept.is_empty());
            if !stays {
                forget_made(made, room.maker);
            }
            stays
        });
    }

    /// Ensures that the room exists or may be made; removes the room that has been empty longest if
    /// necessary, so that empty rooms never keep a client out.
    fn make_place(
        &mut self,
        room: &RoomId,
        address: Option<IpAddr>,
        now: Duration,
    ) -> Result<(), JoinRefusal> {
        if self.rooms.contains_key(room) {
            return Ok(());
        }
        let max = self.limits.rooms_per_address;
        let is_full = |rooms: &Self| {
            let made = address.and_then(|address| rooms.made.get(&address));
            max != 0 && made.is_some_and(|made| *made >= max)
        };
        if is_full(self) {
            self.remove_expired(now);
        }
        if is_full(self) && !self.remove_longest_empty(|room| room.maker == address) {
            return Err(JoinRefusal::TooManyRoomsOfAddress { max });
        }
        let max = self.limits.rooms;
        if self.rooms.len() >= max {
            self.remove_expired(now);
        }
        if self.rooms.len() >= max && !self.remove_longest_empty(|_| true) {
            return Err(JoinRefusal::TooManyRooms { max });
        }
        Ok(())
    }

    /// Removes the longest empty of the rooms that `is_meant` accepts; returns whether there was
    /// one.
    fn remove_longest_empty(&mut self, is_meant: impl Fn(&Room<H>) -> bool) -> bool {
        let longest = self
            .rooms
            .iter()
            .filter(|(_, room)| is_meant(room))
            .filter_map(|(id, room)| Some((room.empty_since?, id)))
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id.clone());
        let Some(room) = longest.and_then(|id| self.rooms.remove(&id)) else {
            return false;
        };
        forget_made(&mut self.made, room.maker);
        true
    }
}

/// Records that a room of this maker was removed.
fn forget_made(made: &mut HashMap<IpAddr, usize>, maker: Option<IpAddr>) {
    if let Some(address) = maker
        && let hash_map::Entry::Occupied(mut count) = made.entry(address)
    {
        *count.get_mut() = count.get().saturating_sub(1);
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl<H> Room<H> {
    /// Keeps a name; if there are too many, it replaces the one that would expire first.
    fn keep_name(&mut self, agent: &AgentId, name: KeptName, limits: &RoomLimits, now: Duration) {
        if name.until <= now {
            return;
        }
        self.kept.retain(|_, kept| now < kept.until);
        if self.kept.len() >= limits.clients_per_room {
            let first = self.kept.iter().min_by_key(|(_, kept)| kept.until);
            if let Some(agent) = first.map(|(agent, _)| agent.clone()) {
                self.kept.remove(&agent);
            }
        }
        self.kept.insert(agent.clone(), name);
    }
}

impl<H> Member<H> {
    fn is_same_client(&self, other: &Member<H>) -> bool {
        match (&self.session, &other.session) {
            (Some(mine), Some(theirs)) => mine.matches(theirs),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
