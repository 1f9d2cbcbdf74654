//! The class that JavaScript sees.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use crdt_room::{Call, Room, RoomError};
use js_sys::{Function, JSON, Promise};
use signaling_protocol::{AgentId, RoomId};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::error::NetworkError;
use super::host;
use super::listeners::EventName;
use super::options::{self, Options, addresses};
use super::promises::Deferred;
use super::room_keys;
use super::session::{Event, Session};
use super::user_transport;
use crate::error::BindingError;
use crate::object::plain;
use crate::{argument, memory, registry};

/// Keeps a document in sync with everyone in a room, over WebRTC data channels from browser to
/// browser. A signaling server introduces them to each other, and sees nothing of the text.
///
/// Edits made through any function of this package on the document's handle go out by themselves.
/// While it is connected it stays alive even if nobody holds it; `disconnect()` or `free()` end it.
#[wasm_bindgen]
pub struct NetworkSync {
    session: Rc<Session>,
}

#[wasm_bindgen]
impl NetworkSync {
    /// Prepares the sync of one document; nothing is sent before `connect`.
    ///
    /// `agentId` is the name under which the others in the room know this page: 1 to 128 bytes of
    /// UTF-8 without control characters, and nobody else's.
    ///
    /// @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_id`
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "number")] handle: &JsValue,
        #[wasm_bindgen(js_name = agentId, unchecked_param_type = "string")] agent_id: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "NetworkSyncOptions | null")]
        options: &JsValue,
    ) -> Result<NetworkSync, JsValue> {
        Ok(Self::create(handle, agent_id, options)?)
    }

    /// A key for a new room: 16 random bytes, as base64url.
    ///
    /// @throws {CrdtError} `random_unavailable`
    #[wasm_bindgen(js_name = newKey)]
    pub fn new_key() -> Result<String, JsValue> {
        let bytes = host::random_bytes::<16>();
        let bytes = bytes.ok_or(BindingError::from(NetworkError::NoRandom))?;
        Ok(BASE64URL.encode(bytes))
    }

    /// What a read-only link to a room holds: the option `readKey` of those who may follow the room and
    /// not change it. It follows from the room's `key` and name, and nothing leads back from it to the key.
    ///
    /// The promise is rejected with a `CrdtError`: `weak_key`, `bad_argument`, `bad_id`, or
    /// `cipher_unavailable` where the page has no WebCrypto.
    #[wasm_bindgen(js_name = readKey, unchecked_return_type = "Promise<string>")]
    pub fn read_key(
        #[wasm_bindgen(unchecked_param_type = "string")] key: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "string | null")] room: &JsValue,
    ) -> Promise {
        let checked = argument::string("key", key)
            .and_then(options::write_key)
            .and_then(|key| Ok((key, options::room("room", room)?)));
        keys_promise(checked, async |(key, room)| {
            room_keys::read_key(&key, &name_of(room)).await
        })
    }

    /// The name by which the signaling servers know a room with a key: for tokens, and for finding a room in
    /// a server's figures. The servers cannot tell the room's own name from it.
    ///
    /// The promise is rejected like that of `readKey`.
    #[wasm_bindgen(js_name = roomAtServer, unchecked_return_type = "Promise<string>")]
    pub fn room_at_server(
        #[wasm_bindgen(
            unchecked_param_type = "{ room?: string; key: string } | { room?: string; readKey: string }"
        )]
        of: &JsValue,
    ) -> Promise {
        let missing = || argument::bad("of", "an object with key or readKey", of);
        let checked = options::secret("of", of)
            .and_then(|secret| secret.ok_or_else(missing))
            .and_then(|secret| Ok((secret, options::room("room", &options::field(of, "room"))?)));
        keys_promise(checked, async |(secret, room)| {
            let room = room_keys::room_at_server(&secret, &name_of(room)).await?;
            Ok(room.to_string())
        })
    }

    /// Joins the room through the signaling server at `urls` (`ws:` or `wss:`), or through several at
    /// once, starts the transports that were added, and links the pages of this browser that are in the
    /// room, for which no server is needed. Without `urls`, the option `signaling` names the servers;
    /// without both, transports and pages of this browser alone are used, the latter where the option
    /// `room` names the room.
    ///
    /// Of several servers each is joined, and each is come back to by itself: who can reach any one of
    /// them meets everybody who can reach the same one. A peer met through two is one peer.
    ///
    /// The promise is fulfilled when the first server has let this page in, or none can be reached for
    /// now: these are tried again, as long as it takes, and the status says `reconnecting` and why. Peers
    /// are linked by themselves, as the `peers` and `status` events tell. It is rejected with a
    /// `CrdtError` that says what to do when waiting cannot help.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn connect(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "string | string[] | null")] urls: &JsValue,
    ) -> Promise {
        match memory::check().and_then(|()| addresses("urls", urls)) {
            Ok(urls) => {
                let (promise, done) = Deferred::new();
                self.session.dispatch(Event::Connect { urls, done });
                promise
            }
            Err(error) => Promise::reject(&error.into()),
        }
    }

    /// Uses a transport of your own to reach one peer, beside or in place of those that are built in.
    /// Several may be added; adding one twice is adding it once. It is started at once if this is
    /// connected, otherwise by `connect`, and stopped by `disconnect`.
    ///
    /// @throws {CrdtError} `bad_argument`, `destroyed`
    #[wasm_bindgen(js_name = addTransport)]
    pub fn add_transport(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Transport")] transport: &JsValue,
    ) -> Result<(), JsValue> {
        self.session.check_alive()?;
        let transport = user_transport::read(transport)?;
        self.session.dispatch(Event::AddTransport(transport));
        Ok(())
    }

    /// Stops a transport and forgets it; does nothing for one that was not added.
    ///
    /// @throws {CrdtError} `bad_argument`, `destroyed`
    #[wasm_bindgen(js_name = removeTransport)]
    pub fn remove_transport(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Transport")] transport: &JsValue,
    ) -> Result<(), JsValue> {
        self.session.check_alive()?;
        let transport = user_transport::read(transport)?;
        self.session.dispatch(Event::RemoveTransport(transport));
        Ok(())
    }

    /// Leaves the room and closes every connection. The document stays as it is, and `connect` may
    /// be called again.
    pub fn disconnect(&self) {
        self.session.call(Call::Disconnect);
    }

    /// Sends the edits of this task to the peers now: all of them, while by itself the first goes at
    /// once and what follows it closely at the end of the task.
    #[wasm_bindgen(js_name = broadcastOperations)]
    pub fn broadcast_operations(&self) {
        self.session.flush_edits();
    }

    /// Sets the one function that gets the whole text after each merge, or none with `null`.
    #[wasm_bindgen(js_name = setTextChangeCallback)]
    pub fn set_text_change_callback(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "((text: string) => void) | null")]
        callback: &JsValue,
    ) -> Result<(), JsValue> {
        self.session.check_alive()?;
        self.session
            .listeners()
            .set_text(optional_callback(callback)?);
        Ok(())
    }

    /// Sets the one function that gets the replacements each merge makes in the text, or none with
    /// `null`. Edits made through this package's own functions are not reported.
    #[wasm_bindgen(js_name = onChange)]
    pub fn on_change(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "((changes: TextChange[]) => void) | null")]
        callback: &JsValue,
    ) -> Result<(), JsValue> {
        self.session.check_alive()?;
        self.session
            .listeners()
            .set_changes(optional_callback(callback)?);
        Ok(())
    }

    /// Adds a listener for an event, and returns a function that takes it away again; adding it twice is
    /// adding it once.
    ///
    /// Listeners are called when the work that caused the event is done, in order; they may call
    /// anything here.
    #[wasm_bindgen(skip_typescript)]
    pub fn on(&self, event: &JsValue, callback: &JsValue) -> Result<JsValue, JsValue> {
        self.session.check_alive()?;
        let event = event_name(event)?;
        let callback = required_callback(callback)?;
        self.session.listeners().add(event, callback.clone());
        let session = Rc::downgrade(&self.session);
        let stop = move || {
            if let Some(session) = session.upgrade() {
                session.listeners().remove(event, &callback);
            }
        };
        Ok(Closure::<dyn FnMut()>::new(stop).into_js_value())
    }

    /// Takes a listener away.
    #[wasm_bindgen(skip_typescript)]
    pub fn off(&self, event: &JsValue, callback: &JsValue) -> Result<(), JsValue> {
        self.session
            .listeners()
            .remove(event_name(event)?, &required_callback(callback)?);
        Ok(())
    }

    /// Sets a field of what the peers see of us: a name, a colour, a selection. The value is any that
    /// JSON can hold; `null` takes the field away. It stays over reconnects.
    ///
    /// @throws {CrdtError} `bad_argument`, `destroyed`; `presence_too_large` for more than 65,536 UTF-16 units
    /// of JSON: less that is too much for a room is an `error` event
    #[wasm_bindgen(js_name = setPresence)]
    pub fn set_presence(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] field: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "unknown")] value: &JsValue,
    ) -> Result<(), JsValue> {
        self.session.check_alive()?;
        let field = argument::string("field", field)?;
        let value = presence_value(value)?;
        self.session.call(Call::SetPresence { field, value });
        Ok(())
    }

    /// How things stand now, with what is under way at this moment. The event `status` reports changes from
    /// the last such event: a view that follows it shows the payload, and does not ask here in between.
    #[wasm_bindgen(js_name = getStatus, unchecked_return_type = "NetworkStatus")]
    pub fn get_status(&self) -> JsValue {
        self.session.status()
    }

    /// Names the stage at which the connection fails, and what to do about it.
    #[wasm_bindgen(unchecked_return_type = "Diagnosis")]
    pub fn doctor(&self) -> JsValue {
        plain(&self.session.ask(Room::doctor))
    }

    /// Disconnects for good and releases every listener; never throws. A second call does nothing.
    /// After it, calls that would have an effect are errors (`destroyed`).
    pub fn destroy(&self) {
        self.session.dispatch(Event::Destroy);
    }

    /// The same as `destroy`.
    pub fn free(&self) {
        self.session.dispatch(Event::Destroy);
    }
}

impl NetworkSync {
    fn create(
        handle: &JsValue,
        agent_id: &JsValue,
        options: &JsValue,
    ) -> Result<NetworkSync, BindingError> {
        memory::check()?;
        let entry = registry::get(argument::handle(handle)?)?;
        let name = argument::string("agentId", agent_id)?;
        let agent = AgentId::parse(&name).map_err(NetworkError::from)?;
        let options = Options::read(options)?;
        Ok(NetworkSync {
            session: Session::new(entry, agent, options)?,
        })
    }
}

/// A promise of what is derived from keys, once the arguments are `checked`.
fn keys_promise<T: 'static>(
    checked: Result<T, BindingError>,
    derive: impl AsyncFnOnce(T) -> Result<String, JsValue> + 'static,
) -> Promise {
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => return Promise::reject(&error.into()),
    };
    wasm_bindgen_futures::future_to_promise(async move {
        let derived = derive(checked).await.map_err(|thrown| {
            let reason = host::message_of(&thrown);
            BindingError::from(NetworkError::from(RoomError::NoCipher { reason }))
        });
        Ok(derived?.into())
    })
}

fn name_of(room: Option<RoomId>) -> String {
    room.map(|room| room.to_string()).unwrap_or_default()
}

#[wasm_bindgen(typescript_custom_section)]
const FURTHER_TYPES: &'static str = r#"
/**
 * Runs a connection of two documents in memory, so that the browser compiles what the first connection needs: call
 * it when the page is idle, while nobody else is in the room. Each message of it is a task of its own, and nothing
 * leaves the page.
 *
 * ```js
 * await sync.connect();
 * requestIdleCallback(() => warmUp());
 * ```
 *
 * The promise is fulfilled when it is done, whatever happens; before `init` it is rejected (`not_loaded`).
 */
export function warmUp(): Promise<void>;

export interface NetworkSync {
  /** Adds a listener for an event, and returns a function that takes it away again; adding it twice is adding it once. Listeners are called when the work that caused the event is done, in order; they may call anything here. */
  on<K extends keyof NetworkSyncEvents>(event: K, callback: (payload: NetworkSyncEvents[K]) => void): () => void;
  /** Takes a listener away. */
  off<K extends keyof NetworkSyncEvents>(event: K, callback: (payload: NetworkSyncEvents[K]) => void): void;
}
"#;

fn event_name(value: &JsValue) -> Result<EventName, BindingError> {
    let name = argument::string("event", value)?;
    EventName::parse(&name).ok_or(BindingError::BadArgument {
        name: "event",
        expected: "the name of an event: status, peers, synced, change, presence, outdated, \
                   diverged, error",
        got: format!("{name:?}"),
    })
}

fn required_callback(value: &JsValue) -> Result<Function, BindingError> {
    value
        .dyn_ref::<Function>()
        .cloned()
        .ok_or_else(|| argument::bad("callback", "a function", value))
}

fn optional_callback(value: &JsValue) -> Result<Option<Function>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    required_callback(value).map(Some)
}

/// A value of presence as JSON text; `None` removes the field.
fn presence_value(value: &JsValue) -> Result<Option<String>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let json = JSON::stringify(value).ok();
    match json.filter(|json| json.is_string()) {
        Some(json) if argument::is_too_long(&json) => {
            let reason = "a value has more than 65,536 UTF-16 units".to_owned();
            Err(NetworkError::from(RoomError::Presence { reason }).into())
        }
        Some(json) => Ok(Some(json.into())),
        None => Err(argument::bad(
            "value",
            "something that JSON can hold",
            value,
        )),
    }
}
