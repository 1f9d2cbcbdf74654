//! The network glue: it drives the sync engine from WebSocket, RTCPeerConnection and timers.
//!
//! What is pure lives below (`crdt-sync`, `signaling-protocol`); here is only what touches the
//! host. One session is one queue of events, see [`session`].

mod browser;
mod bus;
mod channel;
mod connection;
mod core;
mod crossing;
mod custom;
mod doctor;
mod envelope;
mod error;
mod links;
mod listeners;
mod network_sync;
mod options;
mod pace;
mod page;
mod peers;
mod presence;
mod pump;
mod rehearsal;
mod relay;
mod seal;
mod session;
mod signal;
mod signaling;
mod socket;
mod status;
mod transport;
mod wire;

pub(crate) use error::NetworkError;
pub use network_sync::NetworkSync;

use wasm_bindgen::{JsCast, JsValue};

/// What a thrown value says.
fn message_of(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{thrown:?}"),
    }
}
