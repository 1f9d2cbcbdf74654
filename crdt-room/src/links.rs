//! The links of the sync engine, and the route of each.

use crdt_sync::LinkId;
use signaling_protocol::AgentId;

use crate::ids::{RunId, TransportId};
use crate::options::LinkKind;

/// The route of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A peer connection.
    Direct(AgentId),
    /// The broadcast channel of a page.
    Broadcast {
        /// Whose page it is.
        peer: AgentId,
        /// The name of the channel.
        channel: String,
    },
    /// The encrypted relay.
    Relay(AgentId),
    /// A transport of the user's own.
    Transport {
        /// The transport.
        transport: TransportId,
        /// The start of it.
        run: RunId,
    },
}

impl Route {
    /// The kind of link.
    pub(crate) fn kind(&self) -> LinkKind {
        match self {
            Route::Direct(_) => LinkKind::WebRtc,
            Route::Broadcast { .. } => LinkKind::Broadcast,
            Route::Relay(_) => LinkKind::Relay,
            Route::Transport { .. } => LinkKind::Custom,
        }
    }

    /// The peer at the other end; `None` if only the engine knows it.
    pub(crate) fn peer(&self) -> Option<&AgentId> {
        match self {
            Route::Direct(peer) | Route::Broadcast { peer, .. } | Route::Relay(peer) => Some(peer),
            Route::Transport { .. } => None,
        }
    }
}

/// Assigns unique numbers to links.
#[derive(Debug, Default)]
pub(crate) struct LinkNumbers(u32);

impl LinkNumbers {
    pub(crate) fn next(&mut self) -> LinkId {
        self.0 = self.0.wrapping_add(1);
        LinkId(self.0)
    }
}

/// The open links. There are few, and every message looks one up: a list is faster than a map.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Link>);

/// An open link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) route: Route,
    /// The other end has proved that it may write, or the room has no key to prove it with.
    pub(crate) is_writer: bool,
}

impl Links {
    pub(crate) fn add(&mut self, id: LinkId, route: Route, is_writer: bool) {
        self.0.push(Link {
            id,
            route,
            is_writer,
        });
    }

    /// The other end of a link has proved whether it may write.
    pub(crate) fn set_writer(&mut self, id: LinkId, is_writer: bool) {
        if let Some(link) = self.0.iter_mut().find(|link| link.id == id) {
            link.is_writer = is_writer;
        }
    }

    /// Removes a link. Returns whether there was one.
    pub(crate) fn remove(&mut self, link: LinkId) -> bool {
        let place = self.0.iter().position(|known| known.id == link);
        place.map(|place| self.0.swap_remove(place)).is_some()
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.0.iter().find(|link| link.id == id)
    }

    pub(crate) fn route(&self, id: LinkId) -> Option<&Route> {
        self.get(id).map(|link| &link.route)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
