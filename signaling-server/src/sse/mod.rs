//! The signaling protocol over plain HTTP, for clients whose networks break WebSockets: what the server says
//! comes as an event stream, and what the client says as bodies of requests.
//!
//! `routes` answers the requests, `body` reads what a client sends, and `sessions` finds whose it is. `session` is one
//! client: a task around the same [`SignalingClient`](crate::signaling::SignalingClient) that a WebSocket has.
//! `events` writes the stream, and keeps what may have to be sent again.

mod body;
mod events;
mod refused;
mod routes;
mod session;
pub(crate) mod sessions;

#[cfg(all(test, feature = "yjs"))]
pub(crate) use self::events::KEPT_BYTES;
pub(crate) use self::routes::routes;
