//! What all Yjs clients share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signaling_protocol::RoomId;
use signaling_rooms::RoomLimits;

use super::bounds::{UNFINISHED_MESSAGES, WORK_MESSAGES};
use super::index::Ranges;
use super::memory::Memory;
use super::rooms::YjsRooms;
use crate::budget::Budget;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::store::{LogName, Store, StoreError, Write};

/// How long a client is not asked for what was too large to be sent.
const NOT_ASKED_FOR: Duration = Duration::from_secs(10 * 60);

/// How many clients are remembered that sent something too large; beyond, all are forgotten.
const MOST_TOO_LARGE: usize = 4096;

/// The rooms, where their logs are, and what bounds the work on them.
pub(crate) struct YjsHub {
    rooms: Mutex<YjsRooms<Arc<Outbox>>>,
    /// The topics of y-webrtc clients, which have no documents here.
    topics: Mutex<YjsRooms<Arc<Outbox>>>,
    /// The logs: in the store, or in memory where there is none.
    pub(super) store: Arc<Store>,
    in_memory: bool,
    pub(super) memory: Memory,
    pub(super) ranges: Ranges,
    /// What clients may leave unfinished.
    pub(super) unfinished: Arc<Budget>,
    /// Who sent a message that was too large, and when: asked for it again, it would come back for ever.
    too_large: Mutex<HashMap<(RoomId, Option<IpAddr>), Instant>>,
}

impl YjsHub {
    pub(crate) fn new(
        config: &Config,
        metrics: &Metrics,
        store: Option<&Arc<Store>>,
    ) -> Result<Self, StoreError> {
        let in_memory = store.is_none();
        let store = match store {
            Some(store) => store.clone(),
            None => Arc::new(Store::in_memory(config.memory_quotas())?),
        };
        let largest = config.yjs_message_bytes;
        let unfinished = Budget::with_share(
            largest.saturating_mul(UNFINISHED_MESSAGES),
            largest,
            metrics.yjs_unfinished_bytes.clone(),
        );
        let limits = config.room_limits();
        let rooms = YjsRooms::new(limits, config.max_queued_bytes());
        let empty_for = Duration::ZERO;
        let topics = RoomLimits {
            empty_for,
            ..limits
        };
        Ok(Self {
            rooms: Mutex::new(rooms),
            topics: Mutex::new(YjsRooms::new(topics, config.max_queued_bytes())),
            store,
            in_memory,
            memory: Memory::new(largest.saturating_mul(WORK_MESSAGES), config.threads()),
            ranges: Ranges::default(),
            unfinished: Arc::new(unfinished),
            too_large: Mutex::default(),
        })
    }

    /// The rooms. The lock is never held across I/O.
    pub(super) fn rooms(&self) -> MutexGuard<'_, YjsRooms<Arc<Outbox>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topics of y-webrtc clients.
    pub(super) fn topics(&self) -> MutexGuard<'_, YjsRooms<Arc<Outbox>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rooms there are, and how many clients in them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let rooms = self.rooms();
        (rooms.len(), rooms.members())
    }

    /// Forgets rooms that have been empty for long, and with them logs that are in memory only.
    pub(crate) fn remove_expired_rooms(&self, now: Duration) {
        self.topics().remove_expired(now);
        let gone = self.rooms().remove_expired(now);
        self.forget_logs(&gone);
        let mut too_large = self.too_large();
        too_large.retain(|_, at| at.elapsed() < NOT_ASKED_FOR);
    }

    /// The logs of the rooms that somebody is in.
    pub(crate) fn logs_in_use(&self) -> Vec<LogName> {
        self.rooms().occupied().map(LogName::yjs).collect()
    }

    /// The log of a room was deleted: what is known of it is read again.
    pub(crate) fn log_deleted(&self, room: &RoomId) {
        let room = self.rooms().find(room);
        if let Some(room) = room {
            room.lock().document.forget();
        }
    }

    /// Forgets the logs of rooms that are no more, where they are in memory only.
    pub(super) fn forget_logs(&self, rooms: &[RoomId]) {
        if self.in_memory {
            for room in rooms {
                let log = LogName::yjs(room);
                self.store.write(Write::Forget { log }, |_| {});
            }
        }
    }

    /// A client of an address sent something that was too large for a message.
    pub(super) fn note_too_large(&self, room: RoomId, address: Option<IpAddr>) {
        let mut too_large = self.too_large();
        if too_large.len() >= MOST_TOO_LARGE {
            too_large.clear();
        }
        too_large.insert((room, address), Instant::now());
    }

    /// Whether a client of an address sent something to a room lately that was too large.
    pub(super) fn was_too_large(&self, room: &RoomId, address: Option<IpAddr>) -> bool {
        let at = self.too_large().get(&(room.clone(), address)).copied();
        at.is_some_and(|at| at.elapsed() < NOT_ASKED_FOR)
    }

    fn too_large(&self) -> MutexGuard<'_, HashMap<(RoomId, Option<IpAddr>), Instant>> {
        self.too_large
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
