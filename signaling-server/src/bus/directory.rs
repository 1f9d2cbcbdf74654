//! Who is in which room on which process: a plain state machine, fed with events from the bus.
//!
//! It knows every member of each room in which this process has one.

use std::collections::{BTreeMap, HashMap};

use signaling_protocol::{
    AgentId, CloseCode, PeerJoined, PeerLeft, PeerList, RoomId, ServerMessage,
};

use super::event::{Event, Member, NodeId, Place, Refused};

/// What has to be done after an event, in this order.
#[derive(Debug, PartialEq)]
pub(super) enum Effect<H> {
    /// Send a message to a client of this process.
    Tell(H, ServerMessage),
    /// A client is in; here is who else is there.
    Enter(H, AgentId, PeerList),
    /// A client is not let in.
    TurnAway(H, Refused),
    /// Close a client's socket.
    Close(H, CloseCode),
    /// Pass a message on to a client of this process.
    Deliver(H, Box<Event>),
    /// Send an event to another process.
    Send(NodeId, Event),
}

/// How to reach a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<H> {
    /// By its socket, here.
    Here(H),
    /// By another process.
    There(NodeId),
}

pub(super) struct Directory<H> {
    me: NodeId,
    /// The clients of this process that are in a room or about to enter one.
    locals: HashMap<u64, H>,
    rooms: HashMap<RoomId, BTreeMap<AgentId, Member>>,
}

impl<H: Clone> Directory<H> {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            locals: HashMap::new(),
            rooms: HashMap::new(),
        }
    }

    pub(super) fn me(&self) -> &NodeId {
        &self.me
    }

    pub(super) fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms in which this process has clients.
    pub(super) fn occupied(&self) -> impl Iterator<Item = &RoomId> {
        self.rooms.keys()
    }

    /// How many clients of this process are in a room.
    pub(super) fn locals(&self) -> usize {
        self.locals.len()
    }

    /// A client of this process wants to enter a room; the bus will say whether it may.
    pub(super) fn expect(&mut self, connection: u64, handle: H) {
        self.locals.insert(connection, handle);
    }

    /// A client of this process is gone, or has asked to leave. The bus says so to the others.
    pub(super) fn forget(&mut self, connection: u64) {
        self.locals.remove(&connection);
    }

    pub(super) fn find(&self, room: &RoomId, agent: &AgentId) -> Option<Route<H>> {
        let member = self.rooms.get(room)?.get(agent)?;
        if member.node == self.me {
            Some(Route::Here(self.locals.get(&member.connection)?.clone()))
        } else {
            Some(Route::There(member.node.clone()))
        }
    }

    /// Begins anew under another name, and returns the clients that were here.
    pub(super) fn reset(&mut self, me: NodeId) -> Vec<H> {
        self.me = me;
        self.rooms.clear();
        self.locals.drain().map(|(_, handle)| handle).collect()
    }

    pub(super) fn apply(&mut self, event: Event) -> Vec<Effect<H>> {
        match event {
            Event::Joined {
                room,
                member,
                replaced,
                others,
            } => self.joined(room, member, replaced, others),
            Event::Refused { connection, why } => {
                let refused = self.locals.remove(&connection);
                refused
                    .map(|handle| Effect::TurnAway(handle, why))
                    .into_iter()
                    .collect()
            }
            Event::Left {
                room,
                agent,
                connection,
                node,
            } => self.left(&room, agent, &Place { node, connection }),
            Event::Deliver {
                ref room,
                ref to,
                ref from,
                ..
            } => match self.find(room, to) {
                Some(Route::Here(handle)) => vec![Effect::Deliver(handle, Box::new(event))],
                _ => {
                    let (connection, to) = (from.connection, to.clone());
                    vec![Effect::Send(
                        from.node.clone(),
                        Event::Unavailable { connection, to },
                    )]
                }
            },
            Event::Unavailable { connection, .. } => {
                let sender = self.locals.get(&connection).cloned();
                sender
                    .map(|handle| Effect::Deliver(handle, Box::new(event)))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn joined(
        &mut self,
        room_id: RoomId,
        member: Member,
        replaced: Option<Place>,
        others: Vec<Member>,
    ) -> Vec<Effect<H>> {
        let mine = member.node == self.me;
        if !mine && !self.rooms.contains_key(&room_id) {
            return self.close_replaced(replaced).into_iter().collect();
        }
        let room = self.rooms.entry(room_id.clone()).or_default();
        for other in others {
            room.entry(other.agent.clone()).or_insert(other);
        }
        let agent = member.agent.clone();
        room.insert(agent.clone(), member.clone());

        let mut effects: Vec<_> = self.close_replaced(replaced.clone()).into_iter().collect();
        let told = ServerMessage::PeerJoined(PeerJoined {
            peer_id: agent.clone(),
            rejoined: replaced.is_some(),
            read_only: member.read_only,
            capabilities: member.capabilities.clone(),
        });
        let here = self.here(&room_id, &agent);
        effects.extend(
            here.into_iter()
                .map(|handle| Effect::Tell(handle, told.clone())),
        );
        if mine && let Some(handle) = self.locals.get(&member.connection) {
            effects.push(Effect::Enter(
                handle.clone(),
                agent.clone(),
                self.list(&room_id, &agent),
            ));
        }
        self.drop_if_foreign(&room_id);
        effects
    }

    fn left(&mut self, room_id: &RoomId, agent: AgentId, place: &Place) -> Vec<Effect<H>> {
        let Some(room) = self.rooms.get_mut(room_id) else {
            return Vec::new();
        };
        let its_own = room.get(&agent).is_some_and(|member| {
            member.node == place.node && member.connection == place.connection
        });
        if !its_own {
            return Vec::new();
        }
        room.remove(&agent);
        let told = ServerMessage::PeerLeft(PeerLeft {
            peer_id: agent.clone(),
        });
        let here = self.here(room_id, &agent);
        self.drop_if_foreign(room_id);
        here.into_iter()
            .map(|handle| Effect::Tell(handle, told.clone()))
            .collect()
    }

    fn close_replaced(&mut self, replaced: Option<Place>) -> Option<Effect<H>> {
        let place = replaced.filter(|place| place.node == self.me)?;
        let handle = self.locals.remove(&place.connection)?;
        Some(Effect::Close(handle, CloseCode::Replaced))
    }

    /// The clients of this process in a room, but one.
    fn here(&self, room: &RoomId, but: &AgentId) -> Vec<H> {
        let members = self.rooms.get(room).into_iter().flatten();
        members
            .filter(|(agent, member)| *agent != but && member.node == self.me)
            .filter_map(|(_, member)| self.locals.get(&member.connection).cloned())
            .collect()
    }

    fn list(&self, room: &RoomId, but: &AgentId) -> PeerList {
        let others = || {
            let members = self.rooms.get(room).into_iter().flatten();
            members.filter(|(agent, _)| *agent != but)
        };
        let all = self.rooms.get(room).into_iter().flatten();
        PeerList {
            peers: others().map(|(agent, _)| agent.clone()).collect(),
            read_only: all
                .filter(|(_, member)| member.read_only)
                .map(|(agent, _)| agent.clone())
                .collect(),
            capabilities: others()
                .filter(|(_, member)| !member.capabilities.is_empty())
                .map(|(agent, member)| (agent.clone(), member.capabilities.clone()))
                .collect(),
            log: false,
            ice_servers: Vec::new(),
        }
    }

    /// Forgets a room in which this process has nobody any more: it will hear no more of it.
    fn drop_if_foreign(&mut self, room: &RoomId) {
        let me = &self.me;
        if self
            .rooms
            .get(room)
            .is_some_and(|room| room.values().all(|member| member.node != *me))
        {
            self.rooms.remove(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId(name.to_owned())
    }

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    fn member(name: &str, at: &str, connection: u64) -> Member {
        Member {
            agent: agent(name),
            node: node(at),
            connection,
            read_only: false,
            capabilities: Vec::new(),
        }
    }

    fn joined(who: Member, replaced: Option<Place>, others: Vec<Member>) -> Event {
        Event::Joined {
            room: room(),
            member: who,
            replaced,
            others,
        }
    }

    fn left(name: &str, at: &str, connection: u64) -> Event {
        Event::Left {
            room: room(),
            agent: agent(name),
            connection,
            node: node(at),
        }
    }

    /// What each handle hears, in short.
    fn heard(effects: &[Effect<&'static str>]) -> Vec<String> {
        effects
            .iter()
            .map(|effect| match effect {
                Effect::Tell(handle, message) => format!("{handle} {}", message.to_json()),
                Effect::Enter(handle, _, list) => format!("{handle} enters {:?}", list.peers),
                Effect::TurnAway(handle, why) => format!("{handle} turned away {why:?}"),
                Effect::Close(handle, code) => format!("{handle} closed {}", code.reason()),
                Effect::Deliver(handle, _) => format!("{handle} gets a message"),
                Effect::Send(node, _) => format!("to {}", node.0),
            })
            .collect()
    }

    /// Alice is here, Bob is elsewhere.
    fn two() -> Directory<&'static str> {
        let mut directory = Directory::new(node("here"));
        directory.expect(1, "alice");
        let bob = member("bob", "there", 7);
        let effects = directory.apply(joined(member("alice", "here", 1), None, vec![bob]));
        assert_eq!(heard(&effects), [r#"alice enters ["bob"]"#]);
        directory
    }

    #[test]
    fn members_elsewhere_are_known_and_reached_by_their_process() {
        let directory = two();
        assert_eq!(
            directory.find(&room(), &agent("bob")),
            Some(Route::There(node("there")))
        );
        assert_eq!(
            directory.find(&room(), &agent("alice")),
            Some(Route::Here("alice"))
        );
        assert_eq!(directory.find(&room(), &agent("carol")), None);
    }

    #[test]
    fn who_comes_and_goes_elsewhere_is_told_here() {
        let mut directory = two();
        let effects = directory.apply(joined(member("carol", "there", 8), None, vec![]));
        assert_eq!(
            heard(&effects),
            [r#"alice {"type":"peer_joined","peerId":"carol"}"#]
        );
        let effects = directory.apply(left("bob", "there", 7));
        assert_eq!(
            heard(&effects),
            [r#"alice {"type":"peer_left","peerId":"bob"}"#]
        );
        assert_eq!(directory.apply(left("bob", "there", 7)), []);
    }

    #[test]
    fn a_client_come_back_on_another_process_closes_its_socket_here_unheard() {
        let mut directory = two();
        directory.expect(2, "dave");
        directory.apply(joined(member("dave", "here", 2), None, vec![]));
        let old = Place {
            node: node("here"),
            connection: 1,
        };
        let effects = directory.apply(joined(member("alice", "there", 9), Some(old), vec![]));
        assert_eq!(
            heard(&effects),
            [
                "alice closed replaced",
                r#"dave {"type":"peer_joined","peerId":"alice","rejoined":true}"#
            ]
        );
        assert_eq!(directory.apply(left("alice", "here", 1)), []);
        assert_eq!(
            directory.find(&room(), &agent("alice")),
            Some(Route::There(node("there")))
        );
    }

    #[test]
    fn a_room_in_which_nobody_is_here_is_forgotten() {
        let mut directory = two();
        directory.forget(1);
        assert_eq!(directory.apply(left("alice", "here", 1)), []);
        assert_eq!((directory.rooms(), directory.locals()), (0, 0));
        assert_eq!(
            directory.apply(joined(member("carol", "there", 8), None, vec![])),
            []
        );
        assert_eq!(directory.rooms(), 0);
        // The last one here goes to another process with its place.
        let mut directory = two();
        let old = Place {
            node: node("here"),
            connection: 1,
        };
        let effects = directory.apply(joined(member("alice", "there", 9), Some(old), vec![]));
        assert_eq!(heard(&effects), ["alice closed replaced"]);
        assert_eq!(directory.rooms(), 0);
    }

    #[test]
    fn a_refused_client_is_told_and_one_that_is_gone_does_no_harm() {
        let mut directory = Directory::new(node("here"));
        directory.expect(1, "alice");
        let refusal = Event::Refused {
            connection: 1,
            why: Refused::RoomFull,
        };
        assert_eq!(
            heard(&directory.apply(refusal.clone())),
            ["alice turned away RoomFull"]
        );
        assert_eq!(directory.apply(refusal), []);
        // Gone before the bus had answered.
        assert_eq!(
            directory.apply(joined(member("bob", "here", 2), None, vec![])),
            []
        );
        assert_eq!(directory.apply(left("bob", "here", 2)), []);
        assert_eq!(directory.rooms(), 0);
    }

    #[test]
    fn messages_are_delivered_or_answered() {
        let mut directory = two();
        let deliver = |to: &str| Event::Deliver {
            room: room(),
            to: agent(to),
            from: Place {
                node: node("there"),
                connection: 7,
            },
            kind: super::super::event::Delivery::Relay,
            frame: String::new(),
        };
        assert_eq!(
            heard(&directory.apply(deliver("alice"))),
            ["alice gets a message"]
        );
        let gone = Event::Unavailable {
            connection: 7,
            to: agent("carol"),
        };
        assert_eq!(
            directory.apply(deliver("carol")),
            [Effect::Send(node("there"), gone)]
        );
        let told = Event::Unavailable {
            connection: 1,
            to: agent("bob"),
        };
        assert_eq!(heard(&directory.apply(told)), ["alice gets a message"]);
    }

    #[test]
    fn a_process_that_lost_the_bus_begins_anew() {
        let mut directory = two();
        assert_eq!(directory.reset(node("anew")), ["alice"]);
        assert_eq!((directory.rooms(), directory.me()), (0, &node("anew")));
    }
}
