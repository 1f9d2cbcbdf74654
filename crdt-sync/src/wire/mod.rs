//! Messages as bytes. `docs/wire-protocol.md` describes them; the two are to change together.

mod fragment;
mod json;
mod message;
mod packed;
mod reader;

pub(crate) use fragment::{Reassembly, fragments};
pub(crate) use json::JsonMessage;
pub(crate) use message::{Check, Hello, Message, PresenceUpdate};
pub(crate) use packed::{changes, unpack};
pub(crate) use reader::{Reader, push_bytes, push_varint};

/// The protocol version spoken here, and the oldest that can be understood.
pub(crate) const VERSION: u32 = 1;
/// See [`VERSION`].
pub(crate) const OLDEST: u32 = 1;

/// The capability of whoever takes compressed changes.
pub(crate) const TAKES_PACKED: u64 = 1 << 0;

/// The capability of whoever says how much of what it was sent has come.
pub(crate) const GIVES_RECEIPTS: u64 = 1 << 1;

/// First bytes of messages.
pub(crate) mod kind {
    pub(crate) const HELLO: u8 = 0x01;
    pub(crate) const FRAGMENT: u8 = 0x02;
    pub(crate) const SUMMARY: u8 = 0x03;
    pub(crate) const SYNCED: u8 = 0x04;
    pub(crate) const PING: u8 = 0x05;
    pub(crate) const PONG: u8 = 0x06;
    pub(crate) const GOODBYE: u8 = 0x07;
    pub(crate) const NEIGHBOURS: u8 = 0x08;
    pub(crate) const PRESENCE: u8 = 0x09;
    pub(crate) const PRESENCE_GONE: u8 = 0x0a;
    pub(crate) const PRESENCE_VECTOR: u8 = 0x0b;
    /// A patch of the core between two ends that know each other's names.
    pub(crate) const CHANGES: u8 = 0x10;
    /// The same, compressed.
    pub(crate) const PACKED_CHANGES: u8 = 0x11;
    pub(crate) const RECEIPT: u8 = 0x40;
    /// From here on, an unknown message is passed over; below 0x40, it is an error.
    pub(crate) const OPTIONAL: u8 = 0x41;
}
