//! The server as its clients meet it: real sockets on a free port, real WebSocket clients.

mod actions;
mod admin;
mod bus;
mod bystanders;
mod contract;
mod event_streams;
mod faults;
mod foreign;
mod hostile;
mod http;
mod lifecycle;
mod limits;
mod log;
mod operator;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../postgres/mod.rs"]
mod postgres_server;
mod presence;
mod shares;
mod stalled;
mod support;
mod tls;
mod tokens;
mod topics;
mod unfinished;
mod watching;
mod yjs;
