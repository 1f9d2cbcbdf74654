//! Ids of the sockets, calls, transports and keys that a driver keeps for a room.

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

/// The purpose of a sealed message. Each purpose has its own key, derived from the room's secret
/// unless noted otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Messages of the sync engine that go through the relay.
    Relay,
    /// Offers, answers and candidates.
    Signal,
    /// The proofs that the ends of a link exchange before any other message.
    Link,
    /// Entries of the room's log at the servers.
    Log,
    /// Messages on a link, once its ends have agreed on a key. This key is not derived from the
    /// room's secret.
    Message(LinkKey),
}

/// A key that the two ends of a link agreed on, by a number that the room chooses. Numbers are not used
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey(pub u32);
