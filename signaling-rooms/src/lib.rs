//! The rules of the signaling server's rooms, without I/O: admission, notifications and their
//! order, and the answer to a message that is refused.
//!
//! The crate opens no socket, reads no clock and draws no random number. Time is a parameter: a
//! [`Duration`](std::time::Duration) since any moment of the caller's choice. It builds for
//! `wasm32-unknown-unknown`.
//!
//! * [`Rooms`] has the rooms and their members. Joining and leaving return [`Effect`]s, which the
//!   caller carries out in order.
//! * [`Client`] is the server's side of one socket. It takes frames, and each becomes one [`Decision`].
//! * [`RoomServer`] is the two together with a log in memory: a whole server for tests that run in virtual
//!   time. Inputs go in, outputs are drained.
//!
//! The crate `signaling-server` drives [`Client`] and [`Rooms`] from sockets: each client is owned by the
//! task of its socket, and the rooms are behind one lock, which is not held while a frame is read. Its
//! store keeps the logs by the rules of [`LogHead`].
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use signaling_protocol::{AgentId, ClientMessage, Join, ServerMessage};
//! use signaling_rooms::{ConnectionId, Input, Output, RoomServer, Settings};
//!
//! let mut server = RoomServer::new(Settings::default());
//! let (alice, bob) = (ConnectionId(1), ConnectionId(2));
//! let now = Duration::ZERO;
//! for (connection, name) in [(alice, "alice"), (bob, "bob")] {
//!     let join = ClientMessage::from(Join::new(AgentId::parse(name)?)).to_json();
//!     server.handle(connection, Input::Connected { room: None }, now);
//!     server.handle(connection, Input::Text(&join), now);
//! }
//! let mut told = Vec::new();
//! while let Some(output) = server.poll_output() {
//!     if let Output::Send(to, frame) = output {
//!         told.push((to, ServerMessage::parse(&frame)?));
//!     }
//! }
//! let kinds = told.iter().map(|(to, message)| (*to, message.to_json())).collect::<Vec<_>>();
//! assert_eq!(kinds, [
//!     (alice, r#"{"type":"peer_list","peers":[]}"#.to_owned()),
//!     (alice, r#"{"type":"peer_joined","peerId":"bob"}"#.to_owned()),
//!     (bob, r#"{"type":"peer_list","peers":["alice"]}"#.to_owned()),
//! ]);
//!
//! server.handle(alice, Input::Disconnected, now);
//! let left = r#"{"type":"peer_left","peerId":"alice"}"#;
//! assert_eq!(server.poll_output(), Some(Output::Send(bob, left.into())));
//! assert_eq!(server.poll_output(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Duplicated rules
//!
//! Several server processes that share rooms over Redis decide joins and departures inside Redis:
//! `signaling-server/src/bus/scripts.rs` has the rules of [`Rooms::join`] and [`Rooms::leave`] in Lua, and
//! `bus/directory.rs` the effects. A change of these rules has to be made in both places. [`Client`] serves
//! both.
//!
//! # Pitfalls
//!
//! * The driver enforces the limits of the connection: frames that are too big, clients that do not
//!   read, clients that answer no ping. [`RoomServer`] only enforces the first.
//! * [`Effect`]s of one call belong together. Where several threads share [`Rooms`], carry them out
//!   before the lock is given back, or clients see joins and departures in different orders.

#![forbid(unsafe_code)]

mod client;
mod log;
mod memory;
mod rate;
mod refusal;
mod rooms;
mod server;

pub use client::{Client, ClientLimits, Decision, Forward, LogRequest, MessageKind, Permit, Place};
pub use log::{LOG_PAGE_BYTES, LogError, LogHead, LogPage, LogQuotas, entry_cost};
pub use rate::Rate;
pub use refusal::Refusal;
pub use rooms::{
    ConnectionId, Departure, Effect, JoinRefusal, Newcomer, RoomLimits, Rooms, Welcome,
};
pub use server::{Input, Output, RoomServer, Settings};

/// A server that shuts down asks its clients to reconnect at random times within this many
/// milliseconds.
pub const RECONNECT_SPREAD_MS: u64 = 5_000;
