//! Yjs documents, for clients of the package y-websocket.
//!
//! Yjs has no encryption, so this part of the server reads updates as far as bringing clients up to date
//! needs: by the crate `signaling-yjs`, which knows the format of updates and builds no documents. A
//! client that comes gets what it lacks and is asked for what the server lacks; only what is new is
//! kept in the room's log and passed on; long logs are put together into one update.
//!
//! `session` is the server's side of one client, `rooms` who is where, `document` the work that waits
//! for a room's document, `index` what the document has, and `work` what is done on threads of its own.
//! `topics` introduces clients of the package y-webrtc to each other.

mod document;
mod hub;
mod index;
mod memory;
mod message;
mod rooms;
mod seat;
mod session;
mod topics;
mod work;

pub(crate) use hub::YjsHub;
pub(crate) use session::YjsClient;
pub(crate) use topics::TopicsClient;

use crate::config::Config;
use crate::outbox::Bounds;

/// All clients together may leave so many messages of the largest size unfinished, and one address one.
const UNFINISHED_MESSAGES: usize = 2;

/// Work on documents may take so many times the largest message.
const WORK_MESSAGES: usize = 4;

/// A client has to send a large message at this rate, in bytes a second, or faster.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// How much may wait for a Yjs client.
fn bounds(config: &Config) -> Bounds {
    Bounds {
        messages: config.max_queued_messages,
        bytes: config.max_queued_bytes(),
        long_bytes: config.yjs_message_bytes,
    }
}
