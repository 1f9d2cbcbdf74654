//! The supported protocol versions and capabilities.

/// The protocol version of this implementation, and the oldest one that it understands.
pub(crate) const VERSION: u32 = 1;
/// See [`VERSION`].
pub(crate) const OLDEST: u32 = 1;

/// The capability of a peer that accepts packed changes.
pub(crate) const TAKES_PACKED: u64 = 1 << 0;

/// The capability of a peer that sends receipts for changes.
pub(crate) const GIVES_RECEIPTS: u64 = 1 << 1;

/// The capability of a peer that answers `ask digest`. `1 << 2` was used for another kind of
/// digest.
pub(crate) const GIVES_DIGESTS: u64 = 1 << 3;
