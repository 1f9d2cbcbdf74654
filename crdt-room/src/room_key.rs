//! The room's key: whether there is one, and whether it can be used.

use signaling_protocol::RoomId;

/// The state of the key of a room.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum RoomKey {
    /// The room has none.
    #[default]
    None,
    /// The driver derives it.
    Deriving,
    /// It can be used. The servers know the room by a name that is derived from the key.
    Ready { room: RoomId },
    /// It cannot be used: the host cannot encrypt.
    Unavailable { reason: String },
}

impl RoomKey {
    /// Whether the room has a key, usable or not.
    pub(crate) fn is_there(&self) -> bool {
        *self != RoomKey::None
    }

    /// Whether it is not known yet if the key can be used.
    pub(crate) fn is_deriving(&self) -> bool {
        *self == RoomKey::Deriving
    }

    /// Whether messages can be sealed with it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self, RoomKey::Ready { .. })
    }

    /// The name of the room at the servers, if it is derived from the key.
    pub(crate) fn room(&self) -> Option<&RoomId> {
        match self {
            RoomKey::Ready { room } => Some(room),
            RoomKey::None | RoomKey::Deriving | RoomKey::Unavailable { .. } => None,
        }
    }

    /// Why the key cannot be used.
    pub(crate) fn problem(&self) -> Option<&str> {
        match self {
            RoomKey::Unavailable { reason } => Some(reason),
            RoomKey::None | RoomKey::Deriving | RoomKey::Ready { .. } => None,
        }
    }

    /// Whether signals can be exchanged with a member that seals its own (`member_seals`), or does
    /// not.
    pub(crate) fn fits(&self, member_seals: bool) -> bool {
        match self {
            RoomKey::None => !member_seals,
            RoomKey::Ready { .. } => member_seals,
            RoomKey::Deriving | RoomKey::Unavailable { .. } => false,
        }
    }
}
