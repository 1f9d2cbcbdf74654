//! What is spoken here: versions of the protocol, and capabilities.

/// The protocol version spoken here, and the oldest that can be understood.
pub(crate) const VERSION: u32 = 1;
/// See [`VERSION`].
pub(crate) const OLDEST: u32 = 1;

/// The capability of a peer that takes compressed changes.
pub(crate) const TAKES_PACKED: u64 = 1 << 0;

/// The capability of a peer that sends receipts for changes.
pub(crate) const GIVES_RECEIPTS: u64 = 1 << 1;

/// The capability of a peer that answers which event it has under an id. `1 << 2` stood for digests of another kind.
pub(crate) const GIVES_DIGESTS: u64 = 1 << 3;
