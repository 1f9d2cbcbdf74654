//! A client's place in a room of Yjs clients.

use std::sync::Arc;
use std::time::Instant;

use signaling_protocol::RoomId;

use super::rooms::SharedRoom;
use crate::hub::Hub;
use crate::outbox::Outbox;

/// A place in a room, which is kept as long as there is work for the room. Dropping it gives it back.
pub(super) struct Seat {
    pub(super) hub: Arc<Hub>,
    pub(super) id: RoomId,
    pub(super) room: SharedRoom<Arc<Outbox>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.hub.since_start(Instant::now());
        self.hub.yjs.rooms().give_back_place(&self.id, now);
    }
}
