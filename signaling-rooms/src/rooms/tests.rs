use super::*;

/// Some time after the beginning of the clock.
const START: Duration = Duration::from_secs(1_000);

type TestRooms = Rooms<&'static str>;

fn rooms(rooms: usize, clients_per_room: usize) -> TestRooms {
    let empty_for = Duration::from_secs(60);
    Rooms::new(RoomLimits {
        rooms,
        clients_per_room,
        empty_for,
        ..RoomLimits::DEFAULT
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
        address: None,
        read_only: false,
        capabilities: Vec::new(),
    }
}

fn ids(peers: &[AgentId]) -> Vec<&str> {
    peers.iter().map(AgentId::as_str).collect()
}

#[test]
fn a_newcomer_and_the_others_are_introduced() {
    let (mut rooms, now) = (rooms(9, 9), START);
    let first = rooms.admit(&room("r"), newcomer("bob", 1), now).unwrap();
    assert!(first.others.is_empty() && first.peers.is_empty());
    rooms.admit(&room("r"), newcomer("alice", 2), now).unwrap();
    rooms
        .admit(&room("elsewhere"), newcomer("dave", 3), now)
        .unwrap();
    let third = rooms.admit(&room("r"), newcomer("carol", 4), now).unwrap();
    assert_eq!(third.others, ["alice", "bob"]);
    assert_eq!(ids(&third.peers), ["alice", "bob"]);
    assert_eq!((rooms.room_count(), rooms.client_count()), (2, 4));
}

#[test]
fn capabilities_and_permissions_of_the_others_are_reported() {
    let (mut rooms, now) = (rooms(9, 9), START);
    let mut able = newcomer("bob", 1);
    able.capabilities = vec!["relay".to_owned()];
    able.read_only = true;
    let joined = rooms.admit(&room("r"), able, now).unwrap();
    assert_eq!(
        joined.read_only,
        [agent("bob")],
        "the list includes the newcomer"
    );
    rooms.admit(&room("r"), newcomer("carol", 2), now).unwrap();
    let joined = rooms.admit(&room("r"), newcomer("alice", 3), now).unwrap();
    assert_eq!(
        joined.capabilities,
        [(agent("bob"), vec!["relay".to_owned()])].into()
    );
    assert_eq!(joined.read_only, [agent("bob")]);
}

#[test]
fn remaining_members_are_notified_of_departures() {
    let (mut rooms, now) = (rooms(9, 9), START);
    for (name, connection) in [("a", 1), ("b", 2), ("c", 3)] {
        rooms
            .admit(&room("r"), newcomer(name, connection), now)
            .unwrap();
    }
    assert_eq!(
        rooms.remove(
            &room("r"),
            &agent("b"),
            ConnectionId(2),
            Departure::Left,
            now
        ),
        ["a", "c"]
    );
    assert_eq!(rooms.find(&room("r"), &agent("b")), None);
    assert_eq!(rooms.find(&room("r"), &agent("c")), Some(&"c"));
    assert_eq!(rooms.client_count(), 2);
}

#[test]
fn leaving_twice_or_from_nowhere_does_nothing() {
    let (mut rooms, now) = (rooms(9, 9), START);
    rooms.admit(&room("r"), newcomer("a", 1), now).unwrap();
    rooms.admit(&room("r"), newcomer("b", 2), now).unwrap();
    assert!(
        rooms
            .remove(
                &room("other"),
                &agent("a"),
                ConnectionId(1),
                Departure::Left,
                now
            )
            .is_empty()
    );
    assert!(
        rooms
            .remove(
                &room("r"),
                &agent("z"),
                ConnectionId(1),
                Departure::Left,
                now
            )
            .is_empty()
    );
    assert_eq!(
        rooms.remove(
            &room("r"),
            &agent("a"),
            ConnectionId(1),
            Departure::Left,
            now
        ),
        ["b"]
    );
    assert!(
        rooms
            .remove(
                &room("r"),
                &agent("a"),
                ConnectionId(1),
                Departure::Left,
                now
            )
            .is_empty()
    );
    assert_eq!(rooms.client_count(), 1);
}

#[test]
fn a_taken_id_is_refused_without_the_right_secret() {
    let (mut rooms, now) = (rooms(9, 9), START);
    rooms
        .admit(&room("r"), newcomer("alice/secret", 1), now)
        .unwrap();
    rooms.admit(&room("r"), newcomer("bob", 2), now).unwrap();
    let taken = |name| Err(JoinRefusal::AgentIdTaken { agent: agent(name) });
    assert_eq!(
        rooms.admit(&room("r"), newcomer("alice", 3), now),
        taken("alice")
    );
    assert_eq!(
        rooms.admit(&room("r"), newcomer("alice/guess", 4), now),
        taken("alice")
    );
    assert_eq!(
        rooms.admit(&room("r"), newcomer("bob/any", 5), now),
        taken("bob")
    );
    assert_eq!(
        rooms.find(&room("r"), &agent("alice")),
        Some(&"alice/secret")
    );
    assert!(
        rooms
            .admit(&room("other"), newcomer("alice", 6), now)
            .is_ok()
    );
}

#[test]
fn a_returning_client_takes_its_place_over_and_its_old_socket_leaves_silently() {
    // The room is full, which does not keep out a member that is already in it.
    let (mut rooms, now) = (rooms(9, 2), START);
    rooms.admit(&room("r"), newcomer("bob", 2), now).unwrap();
    rooms
        .admit(&room("r"), newcomer("alice/secret", 1), now)
        .unwrap();
    let joined = rooms
        .admit(&room("r"), newcomer("alice/secret", 3), now)
        .unwrap();
    assert_eq!(joined.replaced, Some("alice/secret"));
    assert_eq!(
        (joined.others, ids(&joined.peers)),
        (vec!["bob"], vec!["bob"])
    );
    assert_eq!(rooms.client_count(), 2);
    assert!(
        rooms
            .remove(
                &room("r"),
                &agent("alice"),
                ConnectionId(1),
                Departure::Left,
                now
            )
            .is_empty()
    );
    assert!(rooms.find(&room("r"), &agent("alice")).is_some());
    assert_eq!(
        rooms.remove(
            &room("r"),
            &agent("alice"),
            ConnectionId(3),
            Departure::Left,
            now
        ),
        ["bob"]
    );
}

#[test]
fn rooms_and_their_number_are_bounded() {
    let (mut rooms, now) = (rooms(1, 1), START);
    rooms.admit(&room("r"), newcomer("a", 1), now).unwrap();
    assert_eq!(
        rooms.admit(&room("r"), newcomer("b", 2), now),
        Err(JoinRefusal::RoomFull { max: 1 })
    );
    assert_eq!(
        rooms.admit(&room("s"), newcomer("b", 2), now),
        Err(JoinRefusal::TooManyRooms { max: 1 })
    );
    assert_eq!((rooms.room_count(), rooms.client_count()), (1, 1));
}

#[test]
fn an_empty_room_is_kept_for_a_while_and_then_removed() {
    let (mut rooms, start) = (rooms(9, 9), START);
    let after = |seconds| start + Duration::from_secs(seconds);
    rooms.admit(&room("r"), newcomer("a", 1), start).unwrap();
    rooms.remove(
        &room("r"),
        &agent("a"),
        ConnectionId(1),
        Departure::Left,
        start,
    );
    rooms.remove_expired(after(59));
    assert_eq!(rooms.room_count(), 1);
    rooms
        .admit(&room("r"), newcomer("a", 2), after(59))
        .unwrap();
    rooms.remove_expired(after(600));
    assert_eq!(rooms.room_count(), 1, "someone is in it again");
    rooms.remove(
        &room("r"),
        &agent("a"),
        ConnectionId(2),
        Departure::Left,
        after(600),
    );
    rooms.remove_expired(after(660));
    assert_eq!(rooms.room_count(), 0);
}

#[test]
fn the_longest_empty_room_is_removed_first() {
    let (mut rooms, start) = (rooms(2, 9), START);
    let after = |seconds| start + Duration::from_secs(seconds);
    rooms.admit(&room("old"), newcomer("a", 1), start).unwrap();
    rooms.admit(&room("new"), newcomer("b", 2), start).unwrap();
    rooms.remove(
        &room("old"),
        &agent("a"),
        ConnectionId(1),
        Departure::Left,
        after(1),
    );
    rooms.remove(
        &room("new"),
        &agent("b"),
        ConnectionId(2),
        Departure::Left,
        after(2),
    );
    rooms
        .admit(&room("next"), newcomer("c", 3), after(3))
        .unwrap();
    rooms
        .admit(&room("new"), newcomer("b", 4), after(3))
        .unwrap();
    assert_eq!(
        rooms.admit(&room("old"), newcomer("a", 5), after(3)),
        Err(JoinRefusal::TooManyRooms { max: 2 })
    );
}

#[test]
fn a_name_is_kept_for_a_client_whose_socket_was_lost() {
    let (mut rooms, start) = (rooms(9, 9), START);
    let after = |seconds| start + Duration::from_secs(seconds);
    let r = room("r");
    let taken = |name| Err(JoinRefusal::AgentIdTaken { agent: agent(name) });
    rooms.admit(&r, newcomer("bob", 1), start).unwrap();
    rooms.admit(&r, newcomer("alice/secret", 2), start).unwrap();
    let told = rooms.remove(&r, &agent("alice"), ConnectionId(2), Departure::Lost, start);
    assert_eq!(told, ["bob"]);
    assert_eq!(
        rooms.admit(&r, newcomer("alice/guess", 3), after(29)),
        taken("alice")
    );
    assert_eq!(
        rooms.admit(&r, newcomer("alice", 3), after(29)),
        taken("alice")
    );
    let back = rooms
        .admit(&r, newcomer("alice/secret", 4), after(29))
        .unwrap();
    assert_eq!((back.replaced, back.others), (None, vec!["bob"]));
    // A client that leaves gives its name up, and one without a secret cannot reclaim it.
    rooms.remove(
        &r,
        &agent("alice"),
        ConnectionId(4),
        Departure::Left,
        after(30),
    );
    assert!(
        rooms
            .admit(&r, newcomer("alice/other", 5), after(30))
            .is_ok()
    );
    rooms.remove(
        &r,
        &agent("bob"),
        ConnectionId(1),
        Departure::Lost,
        after(30),
    );
    assert!(rooms.admit(&r, newcomer("bob", 6), after(30)).is_ok());
    // Nobody waits for ever.
    rooms.remove(
        &r,
        &agent("alice"),
        ConnectionId(5),
        Departure::Lost,
        after(31),
    );
    assert!(
        rooms
            .admit(&r, newcomer("alice/third", 7), after(61))
            .is_ok()
    );
}

#[test]
fn kept_names_are_bounded_and_outlive_their_room_for_a_while() {
    let limits = RoomLimits {
        rooms: 9,
        clients_per_room: 2,
        empty_for: Duration::ZERO,
        ..RoomLimits::DEFAULT
    };
    let mut rooms: TestRooms = Rooms::new(limits);
    let r = room("r");
    for (name, at) in [("a/s", 0), ("b/s", 1), ("c/s", 2)] {
        let now = START + Duration::from_secs(at);
        rooms.admit(&r, newcomer(name, at), now).unwrap();
        rooms.remove(
            &r,
            &agent(&name[..1]),
            ConnectionId(at),
            Departure::Lost,
            now,
        );
    }
    let now = START + Duration::from_secs(3);
    assert_eq!(rooms.room_count(), 1);
    assert!(
        rooms.admit(&r, newcomer("a/x", 4), now).is_ok(),
        "the first to go"
    );
    assert!(rooms.admit(&r, newcomer("b/x", 5), now).is_err());
    rooms.remove(&r, &agent("a"), ConnectionId(4), Departure::Left, now);
    rooms.remove_expired(START + Duration::from_secs(32));
    assert_eq!(rooms.room_count(), 0);
}

#[test]
fn one_address_makes_no_more_rooms_than_its_share() {
    let limits = RoomLimits {
        rooms: 9,
        rooms_per_address: 2,
        ..RoomLimits::DEFAULT
    };
    let mut rooms: TestRooms = Rooms::new(limits);
    let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let from = |address, connection| Newcomer {
        address,
        ..newcomer("a", connection)
    };
    let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
    let after = |seconds| START + Duration::from_secs(seconds);
    rooms.admit(&room("one"), from(here, 1), START).unwrap();
    rooms.admit(&room("two"), from(here, 2), START).unwrap();
    assert_eq!(
        rooms.admit(&room("three"), from(here, 3), START),
        Err(JoinRefusal::TooManyRoomsOfAddress { max: 2 })
    );
    // Rooms of others are open, and others make rooms.
    rooms.admit(&room("other"), from(there, 4), START).unwrap();
    rooms.admit(&room("none"), from(None, 5), START).unwrap();
    let guest = Newcomer {
        address: here,
        ..newcomer("guest", 6)
    };
    rooms.admit(&room("other"), guest, START).unwrap();
    // An empty room of the address is removed for its next one, and for no other address.
    rooms.remove(
        &room("two"),
        &agent("a"),
        ConnectionId(2),
        Departure::Left,
        after(1),
    );
    rooms
        .admit(&room("three"), from(here, 3), after(2))
        .unwrap();
    assert_eq!(rooms.room_count(), 4);
    let full = rooms.admit(&room("two"), from(here, 2), after(3));
    assert_eq!(full, Err(JoinRefusal::TooManyRoomsOfAddress { max: 2 }));
    // A removed room no longer counts.
    rooms.remove(
        &room("three"),
        &agent("a"),
        ConnectionId(3),
        Departure::Left,
        after(4),
    );
    rooms.remove_expired(after(4) + limits.empty_for);
    assert_eq!(rooms.made.get(&here.unwrap()), Some(&1));
    rooms
        .admit(&room("two"), from(here, 2), after(9_999))
        .unwrap();
}
