//! Yjs documents, for clients of the package y-websocket.
//!
//! Yjs has no encryption, so this part of the server reads updates as far as bringing clients up to date
//! needs: by the crate `signaling-yjs`, which knows the format of updates and builds no documents. A
//! client that comes gets what it lacks and is asked for what the server lacks; only what is new is
//! kept in the room's log and passed on; long logs are put together into one update.
//!
//! `session` is the server's side of one client, `rooms` the clients of each room, `document` the work that waits
//! for a room's document, `index` what the document has, and `work` what is done on threads of its own.
//! `topics` introduces clients of the package y-webrtc to each other. `bounds` is how much clients may use.

mod bounds;
mod document;
pub(crate) mod hub;
mod index;
mod memory;
mod message;
mod rooms;
mod seat;
mod session;
mod topics;
mod work;

pub(crate) use session::YjsClient;
pub(crate) use topics::TopicsClient;

#[cfg(test)]
pub(crate) mod limits {
    //! Limits that docs/limits.md names.

    pub(crate) use super::bounds::{UNFINISHED_MESSAGES, WORK_MESSAGES};
    pub(crate) use super::index::{MAX_RANGES as MOST_RANGES, RANGE_BYTES};
    pub(crate) use super::memory::ADDRESS_PART as WORK_ADDRESS_PART;
    use super::rooms::PresenceLimits;
    use crate::config::Config;

    /// What the presences of one client may take in a full room.
    pub(crate) fn presence_bytes(config: &Config) -> usize {
        PresenceLimits::new(&config.room_limits(), config.max_queued_bytes()).client
    }
}
