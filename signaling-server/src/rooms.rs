//! Who is in which room: a plain state machine without I/O, clock or locks.
//!
//! A member is reached through a handle of the caller's choice: the server's is a queue towards the
//! client, the tests' is a word. What is returned names the handles that have to be told, in the
//! order in which that has to happen.

use std::collections::{BTreeMap, HashMap, btree_map, hash_map};
use std::time::{Duration, Instant};

use signaling_protocol::{AgentId, RoomId, SessionSecret};

/// One socket, for as long as the process lives. Tells a member from an earlier one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// How much the rooms may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomLimits {
    pub(crate) rooms: usize,
    pub(crate) clients_per_room: usize,
    pub(crate) empty_for: Duration,
}

/// All rooms of the process.
pub(crate) struct Rooms<H> {
    limits: RoomLimits,
    rooms: HashMap<RoomId, Room<H>>,
    members: usize,
}

struct Room<H> {
    members: BTreeMap<AgentId, Member<H>>,
    /// Since when nobody is in it; such a room is kept for a while, for who comes back.
    empty_since: Option<Instant>,
}

struct Member<H> {
    connection: ConnectionId,
    handle: H,
    session: Option<SessionSecret>,
    read_only: bool,
    capabilities: Box<[String]>,
}

/// Who wants to come in.
pub(crate) struct Newcomer<H> {
    pub(crate) agent: AgentId,
    pub(crate) connection: ConnectionId,
    pub(crate) handle: H,
    pub(crate) session: Option<SessionSecret>,
    pub(crate) read_only: bool,
    pub(crate) capabilities: Vec<String>,
}

/// A join that went well. Tell the others first, then the newcomer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined<H> {
    /// Everyone else in the room.
    pub(crate) others: Vec<H>,
    /// Their ids, in order.
    pub(crate) peers: Vec<AgentId>,
    /// Those of them who may see but not change.
    pub(crate) read_only: Vec<AgentId>,
    /// What those of them that said so can do.
    pub(crate) capabilities: BTreeMap<AgentId, Vec<String>>,
    /// The socket on which the same client was in the room until now, to be closed.
    pub(crate) replaced: Option<H>,
}

/// Why somebody cannot come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinRefusal {
    #[error("someone else in the room has the agent id {agent:?}")]
    AgentIdTaken { agent: AgentId },
    #[error("the room has {max} clients, as many as it may")]
    RoomFull { max: usize },
    #[error("there are {max} rooms, as many as there may be")]
    TooManyRooms { max: usize },
}

impl<H: Clone> Rooms<H> {
    pub(crate) fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            members: 0,
        }
    }

    /// How many rooms there are, empty ones that are still kept included.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// How many clients are in some room.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// Lets a client in.
    ///
    /// An agent id that is taken is refused, unless the newcomer shows the session secret of the
    /// member that has it: then it is that client come back, and takes the place over.
    pub(crate) fn join(
        &mut self,
        room: &RoomId,
        newcomer: Newcomer<H>,
        now: Instant,
    ) -> Result<Joined<H>, JoinRefusal> {
        self.make_place(room, now)?;
        let max = self.limits.clients_per_room;
        let room = self.rooms.entry(room.clone()).or_insert_with(|| Room {
            members: BTreeMap::new(),
            empty_since: None,
        });
        let full = room.members.len() >= max;
        let Newcomer {
            agent,
            connection,
            handle,
            session,
            read_only,
            capabilities,
        } = newcomer;
        let member = Member {
            connection,
            handle,
            session,
            read_only,
            capabilities: capabilities.into_boxed_slice(),
        };

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
        room.empty_since = None;

        let others = || room.members.iter().filter(|(id, _)| **id != agent);
        Ok(Joined {
            others: others().map(|(_, member)| member.handle.clone()).collect(),
            peers: others().map(|(id, _)| id.clone()).collect(),
            read_only: others()
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

    /// Takes a client out and returns who has to be told.
    ///
    /// Nobody has to where the place is no longer that connection's: whoever took it over is the
    /// same client, and has not left.
    pub(crate) fn leave(
        &mut self,
        room: &RoomId,
        agent: &AgentId,
        connection: ConnectionId,
        now: Instant,
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
        room.members.remove(agent);
        self.members -= 1;
        if room.members.is_empty() {
            if self.limits.empty_for.is_zero() {
                entry.remove();
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

    /// How to reach a member of a room.
    pub(crate) fn find(&self, room: &RoomId, agent: &AgentId) -> Option<&H> {
        Some(&self.rooms.get(room)?.members.get(agent)?.handle)
    }

    /// Removes the rooms that have been empty for long enough.
    pub(crate) fn remove_expired(&mut self, now: Instant) {
        let limit = self.limits.empty_for;
        self.rooms.retain(|_, room| {
            room.empty_since
                .is_none_or(|since| now.saturating_duration_since(since) < limit)
        });
    }

    /// Makes sure that the room exists or may be made; the room that has been empty longest goes
    /// first, so that rooms nobody is in never keep anybody out.
    fn make_place(&mut self, room: &RoomId, now: Instant) -> Result<(), JoinRefusal> {
        if self.rooms.contains_key(room) || self.rooms.len() < self.limits.rooms {
            return Ok(());
        }
        self.remove_expired(now);
        if self.rooms.len() < self.limits.rooms {
            return Ok(());
        }
        let oldest = self
            .rooms
            .iter()
            .filter_map(|(id, room)| Some((room.empty_since?, id)))
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id.clone());
        match oldest {
            Some(id) => {
                self.rooms.remove(&id);
                Ok(())
            }
            None => Err(JoinRefusal::TooManyRooms {
                max: self.limits.rooms,
            }),
        }
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
mod tests {
    use super::*;

    type TestRooms = Rooms<&'static str>;

    fn rooms(rooms: usize, clients_per_room: usize) -> TestRooms {
        let empty_for = Duration::from_secs(60);
        Rooms::new(RoomLimits {
            rooms,
            clients_per_room,
            empty_for,
        })
    }

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    /// A newcomer whose handle is its name, with the secret after a slash if there is one.
    fn newcomer(name: &'static str, connection: u64) -> Newcomer<&'static str> {
        let (id, secret) = name.split_once('/').unzip();
        Newcomer {
            agent: agent(id.unwrap_or(name)),
            connection: ConnectionId(connection),
            handle: name,
            session: secret.map(|text| SessionSecret::parse(text).unwrap()),
            read_only: false,
            capabilities: Vec::new(),
        }
    }

    fn ids(peers: &[AgentId]) -> Vec<&str> {
        peers.iter().map(AgentId::as_str).collect()
    }

    #[test]
    fn a_newcomer_is_told_of_the_others_and_they_of_it() {
        let (mut rooms, now) = (rooms(9, 9), Instant::now());
        let first = rooms.join(&room("r"), newcomer("bob", 1), now).unwrap();
        assert!(first.others.is_empty() && first.peers.is_empty());
        rooms.join(&room("r"), newcomer("alice", 2), now).unwrap();
        rooms
            .join(&room("elsewhere"), newcomer("dave", 3), now)
            .unwrap();
        let third = rooms.join(&room("r"), newcomer("carol", 4), now).unwrap();
        assert_eq!(third.others, ["alice", "bob"]);
        assert_eq!(ids(&third.peers), ["alice", "bob"]);
        assert_eq!((rooms.len(), rooms.members()), (2, 4));
    }

    #[test]
    fn what_the_others_can_and_may_do_is_told() {
        let (mut rooms, now) = (rooms(9, 9), Instant::now());
        let mut able = newcomer("bob", 1);
        able.capabilities = vec!["relay".to_owned()];
        able.read_only = true;
        rooms.join(&room("r"), able, now).unwrap();
        rooms.join(&room("r"), newcomer("carol", 2), now).unwrap();
        let joined = rooms.join(&room("r"), newcomer("alice", 3), now).unwrap();
        assert_eq!(
            joined.capabilities,
            [(agent("bob"), vec!["relay".to_owned()])].into()
        );
        assert_eq!(joined.read_only, [agent("bob")]);
    }

    #[test]
    fn those_who_stay_are_told_of_who_leaves() {
        let (mut rooms, now) = (rooms(9, 9), Instant::now());
        for (name, connection) in [("a", 1), ("b", 2), ("c", 3)] {
            rooms
                .join(&room("r"), newcomer(name, connection), now)
                .unwrap();
        }
        assert_eq!(
            rooms.leave(&room("r"), &agent("b"), ConnectionId(2), now),
            ["a", "c"]
        );
        assert_eq!(rooms.find(&room("r"), &agent("b")), None);
        assert_eq!(rooms.find(&room("r"), &agent("c")), Some(&"c"));
        assert_eq!(rooms.members(), 2);
    }

    #[test]
    fn leaving_twice_or_from_nowhere_does_nothing() {
        let (mut rooms, now) = (rooms(9, 9), Instant::now());
        rooms.join(&room("r"), newcomer("a", 1), now).unwrap();
        rooms.join(&room("r"), newcomer("b", 2), now).unwrap();
        assert!(
            rooms
                .leave(&room("other"), &agent("a"), ConnectionId(1), now)
                .is_empty()
        );
        assert!(
            rooms
                .leave(&room("r"), &agent("z"), ConnectionId(1), now)
                .is_empty()
        );
        assert_eq!(
            rooms.leave(&room("r"), &agent("a"), ConnectionId(1), now),
            ["b"]
        );
        assert!(
            rooms
                .leave(&room("r"), &agent("a"), ConnectionId(1), now)
                .is_empty()
        );
        assert_eq!(rooms.members(), 1);
    }

    #[test]
    fn a_taken_id_is_refused_without_the_right_secret() {
        let (mut rooms, now) = (rooms(9, 9), Instant::now());
        rooms
            .join(&room("r"), newcomer("alice/secret", 1), now)
            .unwrap();
        rooms.join(&room("r"), newcomer("bob", 2), now).unwrap();
        let taken = |name| Err(JoinRefusal::AgentIdTaken { agent: agent(name) });
        assert_eq!(
            rooms.join(&room("r"), newcomer("alice", 3), now),
            taken("alice")
        );
        assert_eq!(
            rooms.join(&room("r"), newcomer("alice/guess", 4), now),
            taken("alice")
        );
        assert_eq!(
            rooms.join(&room("r"), newcomer("bob/any", 5), now),
            taken("bob")
        );
        assert_eq!(
            rooms.find(&room("r"), &agent("alice")),
            Some(&"alice/secret")
        );
        assert!(
            rooms
                .join(&room("other"), newcomer("alice", 6), now)
                .is_ok()
        );
    }

    #[test]
    fn the_same_client_come_back_takes_its_place_over_and_the_old_socket_leaves_unheard() {
        // The room is full, which does not keep out who is in it already.
        let (mut rooms, now) = (rooms(9, 2), Instant::now());
        rooms.join(&room("r"), newcomer("bob", 2), now).unwrap();
        rooms
            .join(&room("r"), newcomer("alice/secret", 1), now)
            .unwrap();
        let joined = rooms
            .join(&room("r"), newcomer("alice/secret", 3), now)
            .unwrap();
        assert_eq!(joined.replaced, Some("alice/secret"));
        assert_eq!(
            (joined.others, ids(&joined.peers)),
            (vec!["bob"], vec!["bob"])
        );
        assert_eq!(rooms.members(), 2);
        assert!(
            rooms
                .leave(&room("r"), &agent("alice"), ConnectionId(1), now)
                .is_empty()
        );
        assert!(rooms.find(&room("r"), &agent("alice")).is_some());
        assert_eq!(
            rooms.leave(&room("r"), &agent("alice"), ConnectionId(3), now),
            ["bob"]
        );
    }

    #[test]
    fn rooms_and_their_number_are_bounded() {
        let (mut rooms, now) = (rooms(1, 1), Instant::now());
        rooms.join(&room("r"), newcomer("a", 1), now).unwrap();
        assert_eq!(
            rooms.join(&room("r"), newcomer("b", 2), now),
            Err(JoinRefusal::RoomFull { max: 1 })
        );
        assert_eq!(
            rooms.join(&room("s"), newcomer("b", 2), now),
            Err(JoinRefusal::TooManyRooms { max: 1 })
        );
        assert_eq!((rooms.len(), rooms.members()), (1, 1));
    }

    #[test]
    fn an_empty_room_is_kept_for_a_while_and_then_removed() {
        let (mut rooms, start) = (rooms(9, 9), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        rooms.join(&room("r"), newcomer("a", 1), start).unwrap();
        rooms.leave(&room("r"), &agent("a"), ConnectionId(1), start);
        rooms.remove_expired(after(59));
        assert_eq!(rooms.len(), 1);
        rooms.join(&room("r"), newcomer("a", 2), after(59)).unwrap();
        rooms.remove_expired(after(600));
        assert_eq!(rooms.len(), 1, "someone is in it again");
        rooms.leave(&room("r"), &agent("a"), ConnectionId(2), after(600));
        rooms.remove_expired(after(660));
        assert_eq!(rooms.len(), 0);
    }

    #[test]
    fn the_room_that_was_empty_longest_makes_place() {
        let (mut rooms, start) = (rooms(2, 9), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        rooms.join(&room("old"), newcomer("a", 1), start).unwrap();
        rooms.join(&room("new"), newcomer("b", 2), start).unwrap();
        rooms.leave(&room("old"), &agent("a"), ConnectionId(1), after(1));
        rooms.leave(&room("new"), &agent("b"), ConnectionId(2), after(2));
        rooms
            .join(&room("next"), newcomer("c", 3), after(3))
            .unwrap();
        rooms
            .join(&room("new"), newcomer("b", 4), after(3))
            .unwrap();
        assert_eq!(
            rooms.join(&room("old"), newcomer("a", 5), after(3)),
            Err(JoinRefusal::TooManyRooms { max: 2 })
        );
    }
}
