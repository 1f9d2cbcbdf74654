//! What can go wrong with the network.

use crdt_room::RoomError;
use signaling_protocol::IdError;
use thiserror::Error;

/// The shortest key, in characters: 16 random bytes as base64url.
pub(crate) const MIN_KEY: usize = 22;

/// A failure of the network or of what it needs.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum NetworkError {
    #[error(transparent)]
    Room(#[from] RoomError),
    #[error("this environment has no source of random bytes (crypto.getRandomValues)")]
    NoRandom,
    #[error("{0}")]
    BadId(#[from] IdError),
    #[error(
        "options.key has {length} characters, and needs {MIN_KEY} at least: take 16 random bytes, as base64url"
    )]
    WeakKey { length: usize },
    #[error("options.key begins or ends with white space: give the key alone")]
    SpacedKey,
    #[error("there is no option {name}: there are {known}")]
    UnknownOption { name: String, known: String },
}

impl NetworkError {
    /// The stable name of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            NetworkError::Room(error) => error.code(),
            NetworkError::NoRandom => "random_unavailable",
            NetworkError::BadId(_) => "bad_id",
            NetworkError::WeakKey { .. } => "weak_key",
            NetworkError::SpacedKey | NetworkError::UnknownOption { .. } => "bad_argument",
        }
    }
}
