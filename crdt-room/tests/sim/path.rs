//! The path between two peer connections: ICE, states, data channels.

use crdt_room::ConnectionEvent;
use crdt_sync::negotiation::ConnectionState;
use crdt_sync::{Channel, Outgoing};

use crate::arrival::Arrival;
use crate::connection::{Connection, DataChannel};
use crate::world::World;

/// The times for which a path is dead before its ends report `disconnected`, and `failed`.
const DISCONNECTED_AFTER: u64 = 5_000;
const FAILED_AFTER: u64 = 15_000;

impl World {
    /// The other end, once both have the descriptions of one exchange.
    fn partner(&self, id: u32) -> Option<u32> {
        let mine = self.connections.get(&id)?;
        if let Some((other, _)) = mine.path.found {
            return self.connections.contains_key(&other).then_some(other);
        }
        let (local, remote) = (mine.local.as_ref()?, mine.remote.as_ref()?);
        let is_it = |(_, other): &(&u32, &Connection)| {
            other.local.as_ref() == Some(remote) && other.remote.as_ref() == Some(local)
        };
        self.connections.iter().find(is_it).map(|(other, _)| *other)
    }

    fn networks(&self, a: u32, b: u32) -> [u32; 2] {
        [a, b].map(|id| self.pages[self.connections[&id].load.page].network)
    }

    /// Whether what a connection sends arrives.
    fn carries(&self, id: u32) -> bool {
        let Some((other, networks)) = self.connections.get(&id).and_then(|c| c.path.found) else {
            return false;
        };
        let Some(partner) = self.connections.get(&other) else {
            return false;
        };
        let pages = [self.connections[&id].load.page, partner.load.page];
        self.is_reachable(pages[0], pages[1]) && self.networks(id, other) == networks
    }

    /// Whether a connection between two pages is up.
    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        let leads = |(id, end): (&u32, &Connection)| {
            let other = end.path.found.map(|(other, _)| other);
            let other = other.and_then(|other| self.connections.get(&other));
            end.load.page == a && other.is_some_and(|o| o.load.page == b) && self.carries(*id)
        };
        self.connections.iter().any(leads)
    }

    /// Whether the two ends can find each other: one of them knows a present way to the other.
    fn is_through(&self, id: u32) -> Option<u32> {
        let other = self.partner(id)?;
        if self.carries(id) {
            return Some(other);
        }
        let [mine, theirs] = [&self.connections[&id], &self.connections[&other]];
        if !self.is_reachable(mine.load.page, theirs.load.page) {
            return None;
        }
        let agree = mine.remote.is_some()
            && mine.local == theirs.remote
            && mine.remote == theirs.local
            && mine.is_stable();
        let knows = |from: u32, to: u32| {
            let to = &self.connections[&to];
            let network = self.pages[to.load.page].network;
            let ice = to.local.as_ref().map_or(0, |sdp| sdp.ice);
            self.connections[&from].candidates.contains(&(ice, network))
        };
        (agree && (knows(id, other) || knows(other, id))).then_some(other)
    }

    /// Looks at the path of a connection, after something changed.
    pub(crate) fn review(&mut self, id: u32) {
        let through = self.is_through(id);
        if let Some(other) = through.or_else(|| self.partner(id)) {
            self.review_end(other, through.is_some());
        }
        self.review_end(id, through.is_some());
    }

    pub(crate) fn review_connections(&mut self) {
        let all: Vec<u32> = self.connections.keys().copied().collect();
        for id in all {
            self.review(id);
        }
    }

    fn review_end(&mut self, id: u32, is_through: bool) {
        let connection = self.connection(id);
        let has_both = connection.local.is_some() && connection.remote.is_some();
        let path = &mut connection.path;
        match (is_through, connection.state) {
            (_, ConnectionState::Failed | ConnectionState::Closed) => {}
            (true, ConnectionState::Connected) => {
                path.watch += 1;
                self.renew_path(id);
            }
            (true, _) => {
                if !std::mem::replace(&mut path.is_checked, true) {
                    let late = self.rng.u64(1..=200);
                    self.after(late, move |world| world.come_up(id));
                }
            }
            (false, ConnectionState::Connected) => {
                path.watch += 1;
                let watch = path.watch;
                self.change_later(id, watch, DISCONNECTED_AFTER, ConnectionState::Disconnected);
                self.change_later(id, watch, FAILED_AFTER, ConnectionState::Failed);
            }
            (false, ConnectionState::New) if has_both => {
                path.watch += 1;
                let watch = path.watch;
                self.set_state(id, ConnectionState::Connecting);
                self.change_later(id, watch, FAILED_AFTER, ConnectionState::Failed);
            }
            (false, _) => {}
        }
    }

    /// Changes the state after a time, unless the path came back or changed by then.
    fn change_later(&mut self, id: u32, watch: u32, delay: u64, state: ConnectionState) {
        self.after(delay, move |world| {
            let connection = world.connections.get(&id);
            let is_due = connection.is_some_and(|connection| connection.path.watch == watch);
            if is_due && world.is_through(id).is_none() {
                world.set_state(id, state);
            }
        });
    }

    fn set_state(&mut self, id: u32, state: ConnectionState) {
        let connection = self.connection(id);
        if connection.state != state {
            connection.state = state;
            let (load, link) = (connection.load, connection.link);
            let event = ConnectionEvent::State(state);
            self.arrive(0, load, Arrival::Connection(link, event));
        }
    }

    fn come_up(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.path.is_checked = false;
        if self.is_through(id).is_none() {
            self.review(id);
            return;
        }
        self.connection(id).path.watch += 1;
        if self.connection(id).state == ConnectionState::New {
            self.set_state(id, ConnectionState::Connecting);
        }
        self.set_state(id, ConnectionState::Connected);
        self.renew_path(id);
    }

    /// The two ends are through to each other: what waited goes on, and channels open.
    fn renew_path(&mut self, id: u32) {
        let Some(other) = self.is_through(id) else {
            return;
        };
        let networks = self.networks(id, other);
        self.connection(id).path.found = Some((other, networks));
        if self.connection(other).state != ConnectionState::Connected {
            return;
        }
        self.connection(other).path.found = Some((id, [networks[1], networks[0]]));
        for end in [id, other] {
            let stuck = std::mem::take(&mut self.connection(end).path.stuck);
            for (channel, message) in stuck {
                self.land(end, channel, message);
            }
            self.open_channels(end);
        }
    }

    /// Announces the channels that were made at one end to the other one.
    fn open_channels(&mut self, id: u32) {
        for place in 0..self.connection(id).channels.len() {
            let channel = &mut self.connection(id).channels[place];
            if std::mem::take(&mut channel.is_new) {
                let stream = channel.stream;
                let announced = self.arrival_time(id, 0);
                self.at(announced, move |world| {
                    world.meet_channel(id, place, stream)
                });
            }
        }
    }

    /// A channel is announced at the other end, and opens there; the first end learns of that.
    fn meet_channel(&mut self, id: u32, place: usize, stream: Channel) {
        let Some(other) = self.partner(id) else {
            return;
        };
        self.connection(other).channels.push(DataChannel {
            stream,
            is_open: true,
            is_new: false,
        });
        // The answer goes first, whatever the page sends at once.
        let answered = self.arrival_time(other, 0);
        self.at(answered, move |world| {
            let Some(connection) = world.connections.get_mut(&id) else {
                return;
            };
            connection.channels[place].is_open = true;
            if stream == Channel::Sync {
                world.tell_end(id, ConnectionEvent::ChannelOpened);
            }
        });
        self.tell_end(other, ConnectionEvent::ChannelAdded);
        if stream == Channel::Sync {
            self.tell_end(other, ConnectionEvent::ChannelOpened);
        }
    }

    fn tell_end(&mut self, id: u32, event: ConnectionEvent) {
        if let Some(connection) = self.connections.get(&id) {
            let (load, link) = (connection.load, connection.link);
            self.deliver(load, Arrival::Connection(link, event));
        }
    }

    /// When something that is sent now arrives, behind what was sent before.
    fn arrival_time(&mut self, id: u32, len: usize) -> u64 {
        let (trip, now) = (self.trip(), self.now);
        let load = self.connection(id).load;
        let uplink = self.pages[load.page].uplink;
        let path = &mut self.connection(id).path;
        let start = path.free_at.max(now);
        path.free_at = match uplink {
            None => start,
            Some(rate) => start + (len as u64).div_ceil(rate),
        };
        path.arrives_at = path.arrives_at.max(path.free_at + trip);
        path.arrives_at
    }

    pub(crate) fn send_direct(&mut self, id: u32, stream: Channel, message: Outgoing) {
        let connection = self.connection(id);
        let is_open = connection
            .channels
            .iter()
            .any(|channel| channel.is_open && channel.stream == Channel::Sync);
        if !is_open {
            let (load, link) = (connection.load, connection.link);
            let reason = "the data channel is not open".to_owned();
            let failed = ConnectionEvent::SendFailed { reason };
            self.arrive(0, load, Arrival::Connection(link, failed));
            return;
        }
        self.traffic.count(&message);
        let len = message.len();
        self.connection(id).path.buffered += len;
        let at = self.arrival_time(id, len);
        self.at(at, move |world| world.land(id, stream, message));
    }

    /// A message comes to the end of its way, or waits for the path.
    fn land(&mut self, id: u32, stream: Channel, message: Outgoing) {
        if !self.connections.contains_key(&id) {
            return;
        }
        if !self.carries(id) || !self.connection(id).path.stuck.is_empty() {
            self.connection(id).path.stuck.push_back((stream, message));
            return;
        }
        let len = message.len();
        if let Some(other) = self.partner(id) {
            let end = &self.connections[&other];
            let (load, link) = (end.load, end.link);
            self.deliver(load, Arrival::Message(link, message));
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let before = connection.path.buffered;
        let after = before - len;
        connection.path.buffered = after;
        if before > connection.low_water && after <= connection.low_water {
            self.tell_end(id, ConnectionEvent::Buffered(after));
        }
    }

    /// One end closes: the other one's channels close if the path works, and its state follows.
    pub(crate) fn close_connection(&mut self, id: u32) {
        let partner = self.partner(id).filter(|_| self.carries(id));
        let trip = self.trip();
        self.connections.remove(&id);
        let Some(other) = partner else {
            self.review_connections();
            return;
        };
        self.after(trip, move |world| {
            let Some(connection) = world.connections.get_mut(&other) else {
                return;
            };
            let mut closed = 0;
            for channel in &mut connection.channels {
                if std::mem::take(&mut channel.is_open) && channel.stream == Channel::Sync {
                    closed += 1;
                }
            }
            for _ in 0..closed {
                world.tell_end(other, ConnectionEvent::ChannelClosed);
            }
        });
        self.review_connections();
    }

    /// A page is gone without a message.
    pub(crate) fn drop_connections(&mut self, page: usize) {
        self.connections
            .retain(|_, connection| connection.load.page != page);
        self.review_connections();
    }
}
