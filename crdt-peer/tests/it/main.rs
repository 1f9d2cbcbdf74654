//! The program itself, against the real signaling server.

mod files;
mod rooms;
mod support;
