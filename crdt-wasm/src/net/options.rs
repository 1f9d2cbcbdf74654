//! The options of `NetworkSync`, checked.

use js_sys::{Array, Reflect};
use signaling_protocol::RoomId;
use wasm_bindgen::JsValue;

use super::error::NetworkError;
use crate::argument;
use crate::error::BindingError;

/// What the caller may choose; `NetworkSyncOptions` in the TypeScript types.
pub(crate) struct Options {
    /// The room to join; without it, the one in the address, else the server's default.
    pub(crate) room: Option<RoomId>,
    /// RTCIceServer objects, as RTCPeerConnection takes them.
    pub(crate) ice_servers: Array,
}

impl Options {
    /// Reads the options; left out, each has its default.
    pub(crate) fn read(value: &JsValue) -> Result<Options, BindingError> {
        if value.is_undefined() || value.is_null() {
            return Ok(Options {
                room: None,
                ice_servers: Array::new(),
            });
        }
        if !value.is_object() {
            return Err(argument::bad("options", "an object", value));
        }
        let room = argument::optional_string("options.room", &field(value, "room"))?
            .map(|name| RoomId::parse(&name).map_err(NetworkError::from))
            .transpose()?;
        Ok(Options {
            room,
            ice_servers: ice_servers(&field(value, "iceServers"))?,
        })
    }
}

fn ice_servers(value: &JsValue) -> Result<Array, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(Array::new());
    }
    if !Array::is_array(value) {
        return Err(argument::bad("options.iceServers", "an array", value));
    }
    let servers = Array::from(value);
    for server in servers.iter() {
        let urls = field(&server, "urls");
        if !urls.is_string() && !Array::is_array(&urls) {
            return Err(argument::bad(
                "options.iceServers[].urls",
                "a string or an array of strings",
                &urls,
            ));
        }
    }
    Ok(servers)
}

/// A property, or `undefined` where the value has none.
fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
