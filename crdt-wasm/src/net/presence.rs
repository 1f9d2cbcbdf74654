//! Presence: what the peers should know of each other for as long as they are there.

use std::collections::BTreeMap;

use js_sys::{JSON, Object, Reflect};
use signaling_protocol::AgentId;
use wasm_bindgen::JsValue;

use super::core::Core;
use super::listeners::EventName;
use super::session::Session;
use crate::argument;
use crate::error::BindingError;

/// Our own fields, as JSON, kept over reconnects.
pub(crate) type Fields = BTreeMap<String, String>;

/// A value as JSON text; `None` takes the field away.
pub(crate) fn encode(value: &JsValue) -> Result<Option<String>, BindingError> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let json = JSON::stringify(value)
        .ok()
        .and_then(|json| json.as_string());
    match json {
        Some(json) => Ok(Some(json)),
        None => Err(argument::bad(
            "value",
            "something that JSON can hold",
            value,
        )),
    }
}

impl Core {
    /// Sets a field, or takes it away, and shows it to the peers.
    pub(super) fn set_presence(&mut self, session: &Session, field: String, value: Option<String>) {
        let refused = self.show_presence(session, &field, value.as_deref());
        if let Err(error) = refused {
            self.tell_error(session, error);
            return;
        }
        match value {
            Some(value) => self.presence.insert(field, value),
            None => self.presence.remove(&field),
        };
    }

    /// Shows what was set before to the peers of a new connection.
    pub(super) fn show_all_presence(&mut self, session: &Session) {
        for (field, value) in self.presence.clone() {
            if let Err(error) = self.show_presence(session, &field, Some(&value)) {
                self.tell_error(session, error);
            }
        }
    }

    /// Tells listeners of a peer's fields.
    pub(super) fn tell_presence(
        &self,
        session: &Session,
        of: u64,
        agent: &str,
        fields: Vec<(String, Option<String>)>,
        left: bool,
    ) {
        let values = Object::new();
        for (name, json) in fields {
            // A peer may send what is no JSON; that shows as a field that is gone.
            let value = json
                .and_then(|json| JSON::parse(&json).ok())
                .unwrap_or(JsValue::NULL);
            set(&values, &name, &value);
        }
        let payload = Object::new();
        set(&payload, "session", &format!("{of:016x}").into());
        // The engine knows whose edits they make; the room knows them by their id.
        let peer = self.peers.with_page(of).map_or(agent, AgentId::as_str);
        set(&payload, "peer", &peer.into());
        set(&payload, "fields", &values);
        set(&payload, "left", &left.into());
        session
            .listeners()
            .queue(EventName::Presence, payload.into());
    }
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // `Reflect.set` on a plain object of ours fails for no name.
    let _ = Reflect::set(object, &name.into(), value);
}
