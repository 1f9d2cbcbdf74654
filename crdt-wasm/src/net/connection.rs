//! One RTCPeerConnection, for as long as it is kept.

use std::cell::Cell;

use crdt_sync::negotiation::{ConnectionState, Description};
use js_sys::{Array, JSON, JsString, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcConfiguration, RtcDataChannel, RtcDataChannelEvent, RtcDataChannelInit, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState,
};

use super::browser::Listener;

#[wasm_bindgen]
extern "C" {
    // `web_sys` wants its own dictionaries here, while ours come from the wire as they are.
    #[wasm_bindgen(extends = RtcPeerConnection)]
    #[derive(Clone)]
    type Rtc;

    #[wasm_bindgen(method, catch, js_name = createOffer)]
    fn offer(this: &Rtc, options: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = createAnswer)]
    fn answer(this: &Rtc) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setLocalDescription)]
    fn set_local(this: &Rtc, description: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setRemoteDescription)]
    fn set_remote(this: &Rtc, description: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = addIceCandidate)]
    fn add_candidate(this: &Rtc, candidate: &JsValue) -> Result<Promise, JsValue>;
}

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// How many connections this page has open through this package.
pub(crate) fn open_connections() -> usize {
    OPEN.get()
}

/// What a connection tells.
pub(crate) enum ConnectionEvent {
    NegotiationNeeded,
    /// A local candidate, as JSON.
    Candidate(String),
    State(ConnectionState),
    /// The other side opened a channel.
    Channel(RtcDataChannel),
}

/// The connection; dropped, it closes and is silent.
pub(crate) struct Connection {
    raw: Rtc,
    _listeners: [Listener; 4],
}

impl Connection {
    /// Makes a connection that uses `ice_servers`, an array of RTCIceServer.
    pub(crate) fn new(
        ice_servers: &Array,
        tell: impl Fn(ConnectionEvent) + Clone + 'static,
    ) -> Result<Connection, JsValue> {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(ice_servers);
        let raw: Rtc = RtcPeerConnection::new_with_configuration(&configuration)?.unchecked_into();
        OPEN.set(OPEN.get() + 1);
        let listeners = [
            Listener::new(&raw, "negotiationneeded", {
                let tell = tell.clone();
                move |_| tell(ConnectionEvent::NegotiationNeeded)
            }),
            Listener::new(&raw, "icecandidate", {
                let tell = tell.clone();
                move |event| {
                    let event = event.unchecked_into::<RtcPeerConnectionIceEvent>();
                    // No candidate means that there are no more, which the peer need not know.
                    let json = event
                        .candidate()
                        .and_then(|found| JSON::stringify(&found).ok());
                    if let Some(json) = json {
                        tell(ConnectionEvent::Candidate(json.into()));
                    }
                }
            }),
            Listener::new(&raw, "connectionstatechange", {
                let (raw, tell) = (raw.clone(), tell.clone());
                move |_| tell(ConnectionEvent::State(state(raw.connection_state())))
            }),
            Listener::new(&raw, "datachannel", move |event| {
                let event = event.unchecked_into::<RtcDataChannelEvent>();
                tell(ConnectionEvent::Channel(event.channel()));
            }),
        ];
        Ok(Connection {
            raw,
            _listeners: listeners,
        })
    }

    /// Opens a channel: ordered and reliable.
    pub(crate) fn open_channel(&self, label: &str) -> RtcDataChannel {
        let init = RtcDataChannelInit::new();
        init.set_ordered(true);
        self.raw
            .create_data_channel_with_data_channel_dict(label, &init)
    }

    /// The connection for use across an await, when this guard may be gone meanwhile.
    pub(crate) fn steps(&self) -> Steps {
        Steps(self.raw.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.raw.close();
        OPEN.set(OPEN.get().saturating_sub(1));
    }
}

/// The steps of a negotiation, which the browser answers later.
pub(crate) struct Steps(Rtc);

impl Steps {
    /// Makes an offer, and returns its SDP.
    pub(crate) async fn create_offer(&self, ice_restart: bool) -> Result<String, JsValue> {
        let options = object([("iceRestart", ice_restart.into())]);
        sdp_of(&JsFuture::from(self.0.offer(&options)?).await?)
    }

    /// Makes an answer, and returns its SDP.
    pub(crate) async fn create_answer(&self) -> Result<String, JsValue> {
        sdp_of(&JsFuture::from(self.0.answer()?).await?)
    }

    pub(crate) async fn set_local(&self, description: &Description) -> Result<(), JsValue> {
        JsFuture::from(self.0.set_local(&dictionary(description))?)
            .await
            .map(drop)
    }

    /// Takes an own offer back.
    pub(crate) async fn roll_back(&self) -> Result<(), JsValue> {
        let description = object([("type", "rollback".into())]);
        JsFuture::from(self.0.set_local(&description)?)
            .await
            .map(drop)
    }

    pub(crate) async fn set_remote(&self, description: &Description) -> Result<(), JsValue> {
        JsFuture::from(self.0.set_remote(&dictionary(description))?)
            .await
            .map(drop)
    }

    /// Adds one of the other side's candidates, given as JSON.
    pub(crate) async fn add_candidate(&self, json: &str) -> Result<(), JsValue> {
        JsFuture::from(self.0.add_candidate(&JSON::parse(json)?)?)
            .await
            .map(drop)
    }
}

fn dictionary(description: &Description) -> JsValue {
    let (kind, sdp) = match description {
        Description::Offer(sdp) => ("offer", sdp),
        Description::Answer(sdp) => ("answer", sdp),
    };
    object([("type", kind.into()), ("sdp", sdp.into())])
}

fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // A plain new object takes any property.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

fn sdp_of(description: &JsValue) -> Result<String, JsValue> {
    let sdp = Reflect::get(description, &"sdp".into())?;
    Ok(sdp.dyn_into::<JsString>()?.into())
}

fn state(state: RtcPeerConnectionState) -> ConnectionState {
    match state {
        RtcPeerConnectionState::Connecting => ConnectionState::Connecting,
        RtcPeerConnectionState::Connected => ConnectionState::Connected,
        RtcPeerConnectionState::Disconnected => ConnectionState::Disconnected,
        RtcPeerConnectionState::Failed => ConnectionState::Failed,
        RtcPeerConnectionState::Closed => ConnectionState::Closed,
        _ => ConnectionState::New,
    }
}
