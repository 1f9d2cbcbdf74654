//! The signaling messages, validated ids, shared limits and close codes, for both ends of the socket.
//!
//! A browser and the server exchange JSON text frames over one WebSocket. This crate is the one
//! definition of those frames: the server parses [`ClientMessage`] and writes [`ServerMessage`],
//! the browser the other way round. It does no I/O and builds for `wasm32-unknown-unknown`.
//!
//! # The mesh, and who speaks when
//!
//! * A client sends [`Join`]. The others in the room get [`PeerJoined`], then the newcomer gets
//!   [`PeerList`], which names the others and not itself.
//! * Of two peers the one whose id sorts lower **by UTF-16 code unit** offers, the other is the
//!   polite side: [`AgentId::offers_to`].
//! * Signals ([`Signal`]: offer, answer, ICE candidate) are carried as sent. Their bodies are
//!   [`OpaqueJson`] and nobody between the two peers looks inside.
//! * Peers without a direct link send each other [`Relay`]; where the server keeps a log, an update
//!   for late joiners is a [`LogAppend`]. Both hold ciphertext only.
//! * [`PeerLeft`] says that a client has left.
//!
//! # Example
//!
//! ```
//! use signaling_protocol::{AgentId, ClientMessage, Join, ServerMessage};
//!
//! let me = AgentId::parse("user-123")?;
//! let frame = ClientMessage::from(Join::new(me)).to_json();
//! assert_eq!(frame, r#"{"type":"join","agentId":"user-123"}"#);
//!
//! let reply = ServerMessage::parse(r#"{"type":"peer_list","peers":["bob"]}"#)?;
//! assert!(matches!(reply, ServerMessage::PeerList(list) if list.peers.len() == 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Traps
//!
//! * `Join::session` is a secret between one client and the server. The `session` of a [`Signal`]
//!   is a public number of a page load, seen by the other peer. Never send the one as the other.
//! * Unknown fields are ignored; an unknown `type` is [`ParseError::UnknownType`], which the server
//!   answers and a client skips. That is how the protocol grows.

mod client;
mod code;
mod error;
mod fields;
mod id;
mod join;
mod json;
pub mod limits;
mod log;
mod server;
mod signal;

pub use client::{ClientMessage, Leave};
pub use code::{CloseCode, ErrorCode};
pub use error::{IdError, ParseError};
pub use id::{AgentId, RoomId, SessionSecret};
pub use join::Join;
pub use json::OpaqueJson;
pub use log::{LogAck, LogAppend, LogEntries, LogEntry, LogRead, LogSnapshot};
pub use server::{
    ErrorReply, GoingAway, IceServer, PeerJoined, PeerLeft, PeerList, Ping, Pong, ServerMessage,
};
pub use signal::{Relay, Signal, SignalKind};
