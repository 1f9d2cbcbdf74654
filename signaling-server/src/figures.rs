//! What `/stats` and `/metrics` say.

use serde_json::{Value, json};

use crate::hub::Hub;

/// The form of the metrics.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Rooms, clients and limits.
pub(crate) fn stats(hub: &Hub) -> Value {
    let census = hub.census();
    json!({
        "rooms": census.rooms,
        "total_clients": census.clients,
        "max_rooms": hub.config.max_rooms,
        "max_clients_per_room": hub.config.max_clients_per_room,
        "connections": hub.metrics.connections.get(),
        "queued_messages": hub.metrics.queued_messages.get(),
        "yjs_rooms": census.yjs_rooms,
        "yjs_clients": census.yjs_clients,
    })
}

/// All counters, for Prometheus.
pub(crate) fn metrics(hub: &Hub) -> String {
    hub.metrics.text(hub.census())
}
