//! Bounds that both ends know, so that a client can refuse early what a server would refuse.

/// The version of the protocol that this crate speaks; `join` may name the sender's.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest agent id, in bytes of UTF-8.
pub const MAX_AGENT_ID_BYTES: usize = 128;

/// Longest room id, in bytes of UTF-8.
pub const MAX_ROOM_ID_BYTES: usize = 128;

/// Longest session secret, in bytes of UTF-8.
pub const MAX_SESSION_SECRET_BYTES: usize = 128;

/// Longest join token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// How many capabilities a client may name.
pub const MAX_CAPABILITIES: usize = 16;

/// Longest name of a capability, in bytes of UTF-8.
pub const MAX_CAPABILITY_BYTES: usize = 32;

/// The largest message that a server takes by default, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The room of a client that names none.
pub const DEFAULT_ROOM: &str = "default";
