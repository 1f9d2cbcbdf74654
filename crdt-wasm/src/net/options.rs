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
    /// The signaling servers to use where `connect` names none.
    pub(crate) signaling: Vec<String>,
    /// RTCIceServer objects, as RTCPeerConnection takes them.
    pub(crate) ice_servers: Array,
    /// Which ways to a peer may be used.
    links: Vec<LinkKind>,
    /// The secret that the members of the room share, which the relay is encrypted with.
    pub(crate) key: Option<String>,
    /// What lets us into the room, where the server asks for it.
    pub(crate) token: Option<String>,
}

/// A way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// Between pages of one browser.
    Broadcast,
    /// A direct connection.
    WebRtc,
    /// Through the signaling socket, encrypted.
    Relay,
    /// By a transport of the user's own. Whether there is one says whether it may be used.
    Custom,
}

impl LinkKind {
    /// Those that may be chosen among.
    const ALL: [LinkKind; 3] = [LinkKind::Broadcast, LinkKind::WebRtc, LinkKind::Relay];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            LinkKind::Broadcast => "broadcast",
            LinkKind::WebRtc => "webrtc",
            LinkKind::Relay => "relay",
            LinkKind::Custom => "custom",
        }
    }
}

impl Options {
    /// Reads the options; left out, each has its default.
    pub(crate) fn read(value: &JsValue) -> Result<Options, BindingError> {
        if value.is_undefined() || value.is_null() {
            return Ok(Options {
                room: None,
                signaling: Vec::new(),
                ice_servers: Array::new(),
                links: LinkKind::ALL.to_vec(),
                key: None,
                token: None,
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
            signaling: addresses("options.signaling", &field(value, "signaling"))?,
            ice_servers: ice_servers(&field(value, "iceServers"))?,
            links: links(&field(value, "links"))?,
            key: argument::optional_string("options.key", &field(value, "key"))?,
            token: argument::optional_string("options.token", &field(value, "token"))?,
        })
    }

    /// Whether this way may be used.
    pub(crate) fn allows(&self, kind: LinkKind) -> bool {
        self.links.contains(&kind)
    }
}

/// Addresses: none, one as a string, or an array of them. One that comes twice counts once.
pub(crate) fn addresses(name: &'static str, value: &JsValue) -> Result<Vec<String>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(Vec::new());
    }
    if !Array::is_array(value) {
        let one = value.as_string();
        return match one {
            Some(one) => Ok(vec![one]),
            None => Err(argument::bad(
                name,
                "a string or an array of strings",
                value,
            )),
        };
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

fn links(value: &JsValue) -> Result<Vec<LinkKind>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(LinkKind::ALL.to_vec());
    }
    if !Array::is_array(value) {
        return Err(argument::bad("options.links", "an array", value));
    }
    Array::from(value)
        .iter()
        .map(|name| {
            let name = argument::string("options.links[]", &name)?;
            LinkKind::ALL
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
fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
