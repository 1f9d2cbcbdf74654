//! The sync engine: keeps replicas of a document equal over any transport, without doing I/O itself.
//!
//! [`Engine`] is one replica's side of a room. Its inputs are transports that open and close,
//! messages that arrive, local edits and time; its results are [`Output`]s: messages to send,
//! changes of the text, events about peers. It has no clock, no randomness and no threads, so the
//! same code runs over WebRTC, a relay, a `BroadcastChannel` and in tests in virtual time.
//!
//! [`negotiation`] establishes and maintains one peer-to-peer connection, [`backoff`] paces
//! reconnects, and [`mesh`] decides which members connect to each other in large rooms.

pub mod backoff;
mod config;
mod digest;
mod engine;
mod entry;
mod error;
pub mod mesh;
pub mod negotiation;
mod presence;
mod sorted_map;
mod sorted_set;
mod time;
mod types;
mod wire;

pub use config::Config;
pub use engine::Engine;
pub use entry::encode_entry;
pub use error::{CloseReason, PresenceError, WireError};
pub use sorted_map::SortedMap;
pub use sorted_set::SortedSet;
pub use time::Millis;
pub use types::{
    Access, Channel, Divergence, EntryReport, Incoming, LinkId, LinkOptions, OutdatedSide,
    Outgoing, Output, OwnedSplice, PeerStatus, Speech,
};
pub use wire::kind::{GOODBYE, INTRODUCTION, SEALED};
