//! The admin address: figures, and what an operator does to a server that runs.
//!
//! `server` answers, `client` asks, and `wire` is what they say to each other. Every request shows the
//! operator's token.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod wire;

pub use client::{AdminError, AdminUrl};
