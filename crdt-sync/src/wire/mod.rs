//! Messages as bytes. `docs/wire-protocol.md` describes them; change both together.

mod fragment;
mod json;
pub(crate) mod kind;
mod message;
mod packed;
mod reader;
mod version;

pub(crate) use fragment::{Reassembly, fragments};
pub(crate) use json::JsonMessage;
pub(crate) use message::{Check, Hello, Message, PresenceUpdate};
pub(crate) use packed::{changes, unpack};
pub(crate) use version::{GIVES_DIGESTS, GIVES_RECEIPTS, OLDEST, TAKES_PACKED, VERSION};
