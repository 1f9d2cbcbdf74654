//! The options of `NetworkSync`, checked.

use crdt_room::LinkKind;
use js_sys::{Array, Object, Reflect};
use signaling_protocol::RoomId;
use wasm_bindgen::{JsCast, JsValue};

use super::error::{MIN_KEY, NetworkError};
use super::room_keys::{READ_TEXT, RoomSecret, public_in};
use crate::argument;
use crate::error::BindingError;

/// What the caller may choose; `NetworkSyncOptions` in the TypeScript types.
pub(super) struct Options {
    /// The room to join; without it, the one in the address, else the server's default.
    pub(super) room: Option<RoomId>,
    /// The signaling servers to use where `connect` names none.
    pub(super) signaling: Vec<String>,
    /// RTCIceServer objects, as RTCPeerConnection takes them.
    pub(super) ice_servers: Array,
    /// The kinds of link that may be used.
    pub(super) links: Vec<LinkKind>,
    /// The secret of the room, which all that goes through servers is encrypted with.
    pub(super) secret: Option<RoomSecret>,
    /// This page follows the room, and changes nothing.
    pub(super) is_read_only: bool,
    /// What the server asks for to let this page in.
    pub(super) token: Option<String>,
}

/// The options there are.
const NAMES: [&str; 8] = [
    "room",
    "signaling",
    "iceServers",
    "links",
    "key",
    "readKey",
    "readOnly",
    "token",
];

impl Options {
    /// Reads the options; left out, each has its default.
    pub(super) fn read(value: &JsValue) -> Result<Options, BindingError> {
        if value.is_undefined() || value.is_null() {
            return Ok(Options {
                room: None,
                signaling: Vec::new(),
                ice_servers: Array::new(),
                links: LinkKind::CHOICES.to_vec(),
                secret: None,
                is_read_only: false,
                token: None,
            });
        }
        if !value.is_object() {
            return Err(argument::bad("options", "an object", value));
        }
        known(value)?;
        let room = room("options.room", &field(value, "room"))?;
        let secret = secret("options", value)?;
        let is_read_only = match &secret {
            Some(RoomSecret::Read(_)) => true,
            _ => optional_flag("options.readOnly", &field(value, "readOnly"))?,
        };
        Ok(Options {
            room,
            signaling: addresses("options.signaling", &field(value, "signaling"))?,
            ice_servers: ice_servers(&field(value, "iceServers"))?,
            links: links(&field(value, "links"))?,
            secret,
            is_read_only,
            token: argument::optional_string("options.token", &field(value, "token"))?,
        })
    }
}

/// Refuses options that have a property of another name: it would be misspelt.
fn known(options: &JsValue) -> Result<(), NetworkError> {
    let keys = Object::keys(options.unchecked_ref::<Object>());
    let mut keys = keys.iter().filter_map(|key| key.as_string());
    match keys.find(|key| !NAMES.contains(&&**key)) {
        Some(name) => Err(NetworkError::UnknownOption {
            name,
            known: NAMES.join(", "),
        }),
        None => Ok(()),
    }
}

/// Addresses: none, one as a string, or an array of them. One that comes twice counts once.
pub(super) fn addresses(name: &'static str, value: &JsValue) -> Result<Vec<String>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(Vec::new());
    }
    if !Array::is_array(value) {
        if !value.is_string() {
            let expected = "a string or an array of strings";
            return Err(argument::bad(name, expected, value));
        }
        return Ok(vec![argument::string(name, value)?]);
    }
    let mut all = Vec::new();
    for one in Array::from(value).iter() {
        let one = argument::string(name, &one)?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Ok(all)
}

/// The secret of a room in an object with `key` or `readKey`.
pub(super) fn secret(
    name: &'static str,
    value: &JsValue,
) -> Result<Option<RoomSecret>, BindingError> {
    let key = given("key", value)?;
    let read_key = given("readKey", value)?;
    match (key, read_key) {
        (Some(_), Some(_)) => Err(BindingError::BadArgument {
            name,
            expected: "an object with one of key and readKey",
            got: "one with both".to_owned(),
        }),
        (Some(key), None) => write_key(key).map(RoomSecret::Write).map(Some),
        (None, Some(text)) => {
            let is_whole = public_in(&text).is_some() && text.len() == READ_TEXT;
            let read_key = is_whole.then(|| RoomSecret::Read(text.clone()));
            read_key.map(Some).ok_or_else(|| BindingError::BadArgument {
                name: "readKey",
                expected: "what NetworkSync.readKey gave, as a whole",
                got: format!("{} characters", text.chars().count()),
            })
        }
        (None, None) => Ok(None),
    }
}

/// A text, or `None` where there is none. An empty one is what is left of a link that was cut short: it is
/// checked like every other, and does not open a room without a key.
fn given(name: &'static str, object: &JsValue) -> Result<Option<String>, BindingError> {
    let value = field(object, name);
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    argument::string(name, &value).map(Some)
}

/// The secret of a room that lets its holder write, unless it is too short to be one.
pub(super) fn write_key(key: String) -> Result<String, BindingError> {
    let length = key.chars().count();
    if length < MIN_KEY {
        return Err(NetworkError::WeakKey { length }.into());
    }
    // It is part of the secret, and would open another room.
    if key.trim() != key {
        return Err(NetworkError::SpacedKey.into());
    }
    Ok(key)
}

/// The name of a room; `None` where there is none.
pub(super) fn room(name: &'static str, value: &JsValue) -> Result<Option<RoomId>, BindingError> {
    let room = argument::optional_string(name, value)?;
    let room = room.map(|name| RoomId::parse(&name)).transpose();
    Ok(room.map_err(NetworkError::from)?)
}

fn optional_flag(name: &'static str, value: &JsValue) -> Result<bool, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(false);
    }
    value
        .as_bool()
        .ok_or_else(|| argument::bad(name, "true or false", value))
}

fn links(value: &JsValue) -> Result<Vec<LinkKind>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(LinkKind::CHOICES.to_vec());
    }
    if !Array::is_array(value) {
        return Err(argument::bad("options.links", "an array", value));
    }
    Array::from(value)
        .iter()
        .map(|name| {
            let name = argument::string("options.links[]", &name)?;
            LinkKind::CHOICES
                .into_iter()
                .find(|kind| kind.as_str() == name)
                .ok_or_else(|| BindingError::BadArgument {
                    name: "options.links[]",
                    expected: "broadcast, webrtc or relay",
                    got: format!("{name:?}"),
                })
        })
        .collect()
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
pub(super) fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
