//! The open sockets, and which rooms their clients are in, for the operator.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use signaling_protocol::{AgentId, CloseCode, RoomId};
use signaling_rooms::ConnectionId;

use crate::limits::network;
use crate::outbox::Outbox;

/// The protocol by which a client is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// That of `signaling-protocol`.
    Signaling,
    /// That of y-websocket.
    #[cfg(feature = "yjs")]
    Yjs,
    /// That of y-webrtc, whose rooms are topics.
    #[cfg(feature = "yjs")]
    YWebrtc,
}

/// A room that a client is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Stay {
    pub(crate) dialect: Dialect,
    pub(crate) room: RoomId,
    /// The client's name, where its protocol has names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<AgentId>,
}

/// An open socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    /// Its number, which its lines in the log carry.
    pub(crate) number: u64,
    /// The address that it counts for; `None` for this machine.
    pub(crate) address: Option<IpAddr>,
    /// The rooms that its client is in.
    pub(crate) rooms: Vec<Stay>,
}

/// Which clients are meant: those to which everything applies that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whom {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
}

/// All open sockets.
#[derive(Default)]
pub(crate) struct Roster {
    sockets: Mutex<HashMap<ConnectionId, Entry>>,
}

struct Entry {
    address: Option<IpAddr>,
    outbox: Arc<Outbox>,
    rooms: Vec<Stay>,
}

/// A socket's line in the roster, which goes when this is dropped.
pub(crate) struct Line<'r> {
    roster: &'r Roster,
    connection: ConnectionId,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.roster.lock().remove(&self.connection);
    }
}

impl Roster {
    /// A socket is open.
    pub(crate) fn open(
        &self,
        connection: ConnectionId,
        address: Option<IpAddr>,
        outbox: Arc<Outbox>,
    ) -> Line<'_> {
        let entry = Entry {
            address,
            outbox,
            rooms: Vec::new(),
        };
        self.lock().insert(connection, entry);
        Line {
            roster: self,
            connection,
        }
    }

    /// A client is in a room.
    pub(crate) fn enter(&self, connection: ConnectionId, stay: Stay) {
        if let Some(entry) = self.lock().get_mut(&connection) {
            entry.rooms.push(stay);
        }
    }

    /// A client has left a room.
    pub(crate) fn leave(&self, connection: ConnectionId, dialect: Dialect, room: &RoomId) {
        if let Some(entry) = self.lock().get_mut(&connection) {
            let left = |stay: &Stay| stay.dialect == dialect && stay.room == *room;
            entry.rooms.retain(|stay| !left(stay));
        }
    }

    /// All sockets, in the order in which they were opened. Takes time in proportion to their number.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let sockets = self.lock();
        let listed = sockets.iter().map(|(connection, entry)| Listed {
            number: connection.0,
            address: entry.address,
            rooms: entry.rooms.clone(),
        });
        let mut listed: Vec<Listed> = listed.collect();
        drop(sockets);
        listed.sort_by_key(|listed| listed.number);
        listed
    }

    /// Closes the sockets that are meant. The number of them.
    pub(crate) fn kick(&self, whom: &Whom) -> usize {
        let outboxes: Vec<Arc<Outbox>> = {
            let sockets = self.lock();
            let meant = sockets.values().filter(|entry| whom.means(entry));
            meant.map(|entry| entry.outbox.clone()).collect()
        };
        for outbox in &outboxes {
            outbox.close(CloseCode::Refused);
        }
        outboxes.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Entry>> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Whom {
    /// Whether nothing is named.
    pub(crate) fn is_anybody(&self) -> bool {
        *self == Self::default()
    }

    fn means(&self, entry: &Entry) -> bool {
        let at_address = self.address.is_none_or(|address| {
            let address = address.to_canonical();
            match entry.address {
                Some(counted) => network(address) == counted,
                None => address.is_loopback(),
            }
        });
        let in_room = |stay: &Stay| {
            self.room.as_ref().is_none_or(|room| stay.room == *room)
                && self
                    .agent
                    .as_ref()
                    .is_none_or(|agent| stay.agent.as_ref() == Some(agent))
        };
        let anywhere = self.room.is_none() && self.agent.is_none();
        at_address && (anywhere || entry.rooms.iter().any(in_room))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::budget::{Booking, Budget};
    use crate::metrics::Metrics;
    use crate::outbox::Bounds;

    fn outbox() -> Arc<Outbox> {
        let bounds = Bounds {
            messages: 1,
            bytes: 1,
            long_bytes: 0,
        };
        let budget = Budget::new(0, Gauge::default());
        let booking = Booking::new(Arc::new(budget), None);
        Arc::new(Outbox::new(bounds, booking, Arc::new(Metrics::new())))
    }

    fn stay(room: &str, agent: &str) -> Stay {
        Stay {
            dialect: Dialect::Signaling,
            room: RoomId::parse(room).unwrap(),
            agent: AgentId::parse(agent).ok(),
        }
    }

    fn whom(room: &str, agent: &str, address: &str) -> Whom {
        Whom {
            room: RoomId::parse(room).ok().filter(|_| !room.is_empty()),
            agent: AgentId::parse(agent).ok(),
            address: address.parse().ok(),
        }
    }

    #[test]
    fn those_are_meant_to_whom_everything_applies() {
        let roster = Roster::default();
        let address = |text: &str| Some(network(text.parse().unwrap()));
        let one = roster.open(ConnectionId(1), address("192.0.2.1"), outbox());
        let _two = roster.open(ConnectionId(2), address("2001:db8:1:2::9"), outbox());
        let _here = roster.open(ConnectionId(3), None, outbox());
        roster.enter(ConnectionId(1), stay("garden", "alice"));
        roster.enter(ConnectionId(1), stay("kitchen", "alice"));
        roster.enter(ConnectionId(2), stay("garden", "bob"));
        for (expected, whom) in [
            (2, whom("garden", "", "")),
            (1, whom("garden", "alice", "")),
            (0, whom("kitchen", "bob", "")),
            (1, whom("", "bob", "")),
            (1, whom("", "", "2001:db8:1:2::1")),
            (0, whom("garden", "", "198.51.100.1")),
            (1, whom("garden", "", "::ffff:192.0.2.1")),
            (1, whom("", "", "127.0.0.1")),
        ] {
            assert_eq!(roster.kick(&whom), expected, "{whom:?}");
        }
        roster.leave(
            ConnectionId(1),
            Dialect::Signaling,
            &RoomId::parse("garden").unwrap(),
        );
        assert_eq!(roster.list()[0].rooms, [stay("kitchen", "alice")]);
        drop(one);
        let numbers: Vec<u64> = roster.list().iter().map(|listed| listed.number).collect();
        assert_eq!(numbers, [2, 3]);
    }
}
