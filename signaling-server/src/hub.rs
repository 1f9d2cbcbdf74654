//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::limits::Door;
use crate::metrics::Metrics;
use crate::outbox::{Bounds, Outbox};
use crate::rooms::{ConnectionId, RoomLimits, Rooms};
use crate::secret::Secret;
use crate::store::{Store, StoreError};
use crate::token::Tokens;
use crate::turn::IceServers;

/// The process's shared state: rooms, limits, and the tasks to wait for at the end.
pub(crate) struct Hub {
    pub(crate) config: Config,
    /// Cancelled when the server ends: every socket closes itself then.
    pub(crate) ending: CancellationToken,
    /// Every upgraded socket's task; hyper does not know of them any more.
    pub(crate) sockets: TaskTracker,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) door: Arc<Door>,
    /// What checks join tokens; everybody may come in where there is none.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) ice_servers: IceServers,
    /// The rooms' logs, where they are kept.
    pub(crate) store: Option<Store>,
    rooms: Mutex<Rooms<Arc<Outbox>>>,
    last_connection: AtomicU64,
}

impl Hub {
    pub(crate) fn new(config: Config) -> Result<Self, StoreError> {
        let limits = RoomLimits {
            rooms: config.max_rooms,
            clients_per_room: config.max_clients_per_room,
            empty_for: config.room_timeout(),
        };
        let metrics = Arc::new(Metrics::new());
        let door = Door::new(
            config.max_connections,
            config.max_connections_per_address,
            config.handshakes_per_minute,
            metrics.connections.clone(),
        );
        let tokens = config
            .token_secret()
            .map(|secret| Tokens::new(secret.reveal()));
        let ice_servers = IceServers::new(
            config.stun_url.clone(),
            config.turn_url.clone(),
            config.turn_secret().map(Secret::reveal),
            config.turn_lifetime(),
        );
        let store = match &config.store {
            Some(path) => Some(Store::open(path, config.quotas())?),
            None => None,
        };
        Ok(Self {
            config,
            metrics,
            door: Arc::new(door),
            tokens,
            ice_servers,
            store,
            ending: CancellationToken::new(),
            sockets: TaskTracker::new(),
            rooms: Mutex::new(Rooms::new(limits)),
            last_connection: AtomicU64::new(0),
        })
    }

    /// The rooms. The lock is held for look-ups and for filling outboxes, never across I/O.
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms<Arc<Outbox>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn new_outbox(&self) -> Arc<Outbox> {
        let bounds = Bounds {
            messages: self.config.max_queued_messages,
            bytes: self.config.max_queued_bytes(),
        };
        Arc::new(Outbox::new(bounds, self.metrics.clone()))
    }
}
