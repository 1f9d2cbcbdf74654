//! The links that the sync engine knows of, and what each of them runs over.

use crdt_sync::LinkId;
use signaling_protocol::AgentId;

use crate::ids::{RunId, TransportId};
use crate::options::LinkKind;

/// What a link runs over.
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

    /// The peer at the other end; `None` where the engine alone knows it.
    pub(crate) fn peer(&self) -> Option<&AgentId> {
        match self {
            Route::Direct(peer) | Route::Broadcast { peer, .. } | Route::Relay(peer) => Some(peer),
            Route::Transport { .. } => None,
        }
    }
}

/// Gives links their numbers, none of them twice.
#[derive(Debug, Default)]
pub(crate) struct LinkNumbers(u32);

impl LinkNumbers {
    pub(crate) fn next(&mut self) -> LinkId {
        self.0 = self.0.wrapping_add(1);
        LinkId(self.0)
    }
}

/// The open links. They are few, and every message looks one up: a list is faster than a map.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<(LinkId, Route)>);

impl Links {
    pub(crate) fn add(&mut self, link: LinkId, route: Route) {
        self.0.push((link, route));
    }

    /// Removes a link. Returns whether there was one.
    pub(crate) fn remove(&mut self, link: LinkId) -> bool {
        let place = self.0.iter().position(|(id, _)| *id == link);
        place.map(|place| self.0.swap_remove(place)).is_some()
    }

    pub(crate) fn route(&self, link: LinkId) -> Option<&Route> {
        let mut all = self.0.iter();
        all.find(|(id, _)| *id == link).map(|(_, route)| route)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Route)> {
        self.0.iter().map(|(link, route)| (*link, route))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
