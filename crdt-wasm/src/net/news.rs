//! The news of a room as the events that JavaScript listens for.

use crdt_room::{News, Status};
use crdt_sync::{OutdatedSide, OwnedSplice};
use js_sys::{Array, JSON, Object};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use super::error::NetworkError;
use super::host;
use super::listeners::{EventName, Listeners};
use super::peer_connection;
use crate::delta::Delta;
use crate::edit::TextChange;
use crate::error::BindingError;
use crate::object::plain;
use crate::registry::Entry;

/// The payload of `peers`.
#[derive(Serialize)]
struct PeersChanged {
    peers: Vec<String>,
    joined: Vec<String>,
    left: Vec<String>,
}

/// The payload of `synced`.
#[derive(Serialize)]
struct Synced {
    peer: String,
}

/// The payload of `outdated`.
#[derive(Serialize)]
struct Outdated {
    peer: String,
    side: &'static str,
    ours: u32,
    theirs: u32,
}

/// The payload of `diverged`.
#[derive(Serialize)]
struct Diverged {
    peer: String,
    id: Option<(String, u32)>,
    frontier: String,
    ours: String,
    theirs: Option<String>,
}

/// Queues a piece of news for its listeners. `saved` tells whether the document is saved on the device.
#[inline(never)]
pub(super) fn queue(news: News, saved: &dyn Fn() -> JsValue, listeners: &Listeners) {
    match news {
        News::Status(status) => listeners.queue(EventName::Status, status_of(*status, &saved())),
        News::Peers {
            peers,
            joined,
            left,
        } => {
            let payload = PeersChanged {
                peers,
                joined,
                left,
            };
            listeners.queue(EventName::Peers, plain(&payload));
        }
        News::Synced { peer } => listeners.queue(EventName::Synced, plain(&Synced { peer })),
        News::Presence {
            session,
            peer,
            fields,
            left,
        } => {
            let payload = presence(session, &peer, fields, left);
            listeners.queue(EventName::Presence, payload.into());
        }
        News::Outdated {
            peer,
            side,
            ours,
            theirs,
        } => {
            let payload = Outdated {
                peer,
                side: match side {
                    OutdatedSide::Here => "here",
                    OutdatedSide::Peer => "peer",
                },
                ours,
                theirs,
            };
            listeners.queue(EventName::Outdated, plain(&payload));
        }
        News::Diverged {
            peer,
            id,
            frontier,
            ours,
            theirs,
        } => {
            let payload = Diverged {
                peer,
                id: id.map(|id| (id.agent, id.seq)),
                frontier,
                ours: format!("{ours:016x}"),
                theirs: theirs.map(|theirs| format!("{theirs:016x}")),
            };
            listeners.queue(EventName::Diverged, plain(&payload));
        }
        News::Error(error) => {
            let error = BindingError::from(NetworkError::from(error));
            listeners.queue(EventName::Error, error.into());
        }
        // These two go other ways: to the promise, and by `queue_changes`.
        News::ConnectEnded { .. } | News::Changed { .. } => {}
    }
}

/// Queues changes of the text for their listeners.
pub(super) fn queue_changes(changes: Vec<TextChange>, entry: &Entry, listeners: &Listeners) {
    if changes.is_empty() {
        return;
    }
    if listeners.wants_changes() {
        listeners.queue_changes(changes);
    }
    if listeners.wants_text()
        && let Ok(text) = entry.read(|document| Ok(document.text()))
    {
        listeners.queue_text(&text);
    }
}

/// Folds the splices of a merge. A single one may be long, and is taken as it is.
pub(super) fn changes_of(splices: Vec<OwnedSplice>) -> Vec<TextChange> {
    if let [_] = splices.as_slice() {
        let one = splices.into_iter().map(|splice| TextChange {
            position: splice.pos.utf16,
            deleted: splice.deleted.utf16,
            inserted: splice.inserted,
        });
        return one.collect();
    }
    let mut delta = Delta::default();
    for splice in &splices {
        delta.push_parts(splice.pos, splice.deleted, &splice.inserted);
    }
    delta.into_changes()
}

/// A status as `NetworkStatus` of the TypeScript types. `saved`: whether the document is saved on the device.
pub(super) fn status_of(mut status: Status, saved: &JsValue) -> JsValue {
    // The limit on connections is one of the page, not of a room.
    status.open_connections = peer_connection::open_connections();
    let status = plain(&status);
    host::set(status.unchecked_ref(), "saved", saved);
    status
}

fn presence(session: u64, peer: &str, fields: Vec<(String, Option<String>)>, left: bool) -> Object {
    let pairs = Array::new();
    for (name, json) in fields {
        // A peer may send what is no JSON; that shows as a field that is gone.
        let value = json.and_then(|json| JSON::parse(&json).ok());
        pairs.push(&Array::of2(&name.into(), &value.unwrap_or(JsValue::NULL)));
    }
    // Unlike setting one field after the other, this takes `__proto__` for a name like any other.
    let values = Object::from_entries(&pairs).unwrap_or_else(|_| Object::new());
    host::object([
        ("session", format!("{session:016x}").into()),
        ("peer", peer.into()),
        ("fields", values.into()),
        ("left", left.into()),
    ])
}
