//! A server that introduces browsers to each other: rooms, and relay of join, offer, answer and ICE
//! candidates.
//!
//! The messages are those of the crate `signaling-protocol`; the server carries what peers send
//! each other as it came and never reads a document. One call runs it:
//!
//! ```
//! use clap::Parser;
//! use signaling_server::{Config, run};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let config = Config::try_parse_from(["signaling-server", "--port", "0"])?;
//! let listener = tokio::net::TcpListener::bind(config.address()).await?;
//! let shutdown = async { /* a signal, in a real program */ };
//! run(listener, config, shutdown).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it hangs together
//!
//! [`run`] accepts connections and hands each to hyper, which asks the warp filters of `routes`.
//! An upgraded socket becomes a `connection`: one task that reads frames, writes what waits in the
//! client's `outbox`, and pings. What a frame means, and who is where, is decided by the
//! crate `signaling-rooms`, which does no I/O; `signaling` carries it out. A client never waits for
//! another: what one sends lands in the bounded outbox of the other, and a client that does not empty it is
//! disconnected.
//!
//! `sse` speaks the same protocol with clients whose networks break WebSockets: over requests and an event stream.
//!
//! `command_line` says what the binary can do; `health`, `rooms_command` and `admin_command` are what it does
//! beside serving.
//!
//! `admin` is the operator's own address, with `figures` and the `roster` of open sockets; `reload` reads secrets
//! and certificates again.
//!
//! `store` keeps the rooms' logs on a thread of its own, `yjs` speaks to Yjs clients, and `bus` joins
//! several processes into one, where the rooms of `signaling-rooms` are replaced by what the processes share.

mod admin;
mod admin_command;
mod assets;
mod budget;
mod bus;
mod command_line;
mod config;
mod connection;
mod error;
mod figures;
mod foreign;
mod from_file;
mod going_away;
mod greeter;
pub mod health;
mod http;
mod hub;
mod limits;
#[cfg(all(test, feature = "yjs"))]
mod limits_page;
mod metrics;
mod open_files;
mod origin;
mod outbox;
mod patience;
mod pieces;
mod refusal;
mod reload;
mod reloadable;
mod requests;
mod rooms_command;
mod roster;
mod routes;
mod secret;
mod server;
mod signaling;
mod sse;
mod store;
mod stream;
mod tls;
mod token;
mod turn;
mod unfinished;
#[cfg(feature = "yjs")]
mod ws_client;
#[cfg(feature = "yjs")]
mod yjs;

pub use admin::{AdminError, AdminUrl};
pub use bus::BusError;
pub use command_line::{
    AdminArgument, Command, CommandLine, LogsArgument, RoomsCommand, StoreArgument,
};
pub use config::{Config, LogFormat};
pub use error::RunError;
pub use from_file::{FromFile, InFile};
pub use rooms_command::{RoomsError, carry_out};
pub use secret::{BusUrl, Secret};
pub use server::{run, run_reloading};
pub use store::{StoreError, StoreLocation};
pub use tls::TlsError;
pub use token::PublicKey;
