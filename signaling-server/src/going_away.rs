//! What clients receive when the server ends.

use signaling_protocol::{GoingAway, ServerMessage};
use signaling_rooms::RECONNECT_SPREAD_MS;

use crate::metrics::Kind;
use crate::outbox::Outbound;

/// Tells a client to come back, at a time that differs from the others'.
pub(crate) fn going_away() -> Outbound {
    let reconnect_after_ms = fastrand::u64(0..=RECONNECT_SPREAD_MS);
    let message = ServerMessage::GoingAway(GoingAway { reconnect_after_ms });
    Outbound::text(Kind::Announcement, message.to_json())
}
