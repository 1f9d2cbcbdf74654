//! What tells apart the sockets, calls, transports and keys that a driver keeps for a room.

/// A signaling socket. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// A transport of the user's own, by a number that the driver chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub u32);

/// One start of a transport of the user's own. Numbers are not used again, so that late events of an
/// earlier start are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u32);

/// A call of `Connect`, by a number that the driver chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// What a sealed message is for. Each purpose has a key of its own, derived from the room's secret unless
/// said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Messages of the sync engine that go through the relay.
    Relay,
    /// Offers, answers and candidates.
    Signal,
    /// What the ends of a link prove to each other before anything else is said on it.
    Link,
    /// Entries of the room's log at the servers.
    Log,
    /// Messages on a link, once its ends have agreed on a key. This one does not follow from the room's secret.
    Message(LinkKey),
}

/// A key that the two ends of a link agreed on, by a number that the room chooses. Numbers are not used
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey(pub u32);
