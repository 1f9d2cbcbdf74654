//! The network: drives a room, which does no I/O itself, from the objects of the browser.
//!
//! [`session`] is the path of everything that happens, from the driver that hears of it to the room,
//! and from the room to the driver or the listener that what follows is for. Each driver knows one
//! kind of host object, see [`driver`]. JavaScript sees [`network_sync`].

mod bridge;
mod broadcast_channel;
mod cipher;
mod clock;
mod data_channel;
mod driver;
mod drivers;
pub(crate) mod error;
mod host;
mod listeners;
mod network_sync;
mod news;
mod options;
mod page_lifecycle;
mod peer_connection;
mod promises;
mod room_keys;
mod session;
mod user_transport;
mod web_crypto;
mod websocket;

pub use network_sync::NetworkSync;
