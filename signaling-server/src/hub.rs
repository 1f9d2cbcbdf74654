//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signaling_rooms::{ConnectionId, Rooms};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::bus::Bus;
use crate::config::Config;
use crate::greeter::Greeter;
use crate::limits::ConnectionLimiter;
use crate::metrics::{Census, Metrics};
use crate::outbox::{Bounds, Outbox};
use crate::reloadable::Reloadable;
use crate::roster::Roster;
use crate::secret::Secret;
use crate::sse::sessions::Sessions;
use crate::store::{LogName, Store, StoreError, StoredLog, Write};
use crate::token::Tokens;
#[cfg(feature = "yjs")]
use crate::yjs::hub::YjsHub;

/// The process's shared state: rooms, limits, and the tasks to wait for at the end.
pub(crate) struct Hub {
    pub(crate) config: Config,
    /// Cancelled when the server ends.
    pub(crate) ending: CancellationToken,
    /// Cancelled when the server takes no more clients: every socket closes itself then.
    pub(crate) draining: CancellationToken,
    /// Every upgraded socket's task; hyper does not know of them any more.
    pub(crate) sockets: TaskTracker,
    /// The clients that have event streams in place of WebSockets.
    pub(crate) sse: Sessions,
    /// The open sockets, for the operator.
    pub(crate) roster: Roster,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limiter: ConnectionLimiter,
    /// What clients may leave unfinished.
    pub(crate) unfinished: Arc<Budget>,
    /// What may wait for clients.
    pub(crate) waiting: Arc<Budget>,
    /// What checks join tokens; everybody may come in where there is none.
    pub(crate) tokens: Option<Reloadable<Tokens>>,
    /// What requests to the admin address have to show, where there is one.
    pub(crate) admin_token: Option<Reloadable<Secret>>,
    pub(crate) greeter: Greeter,
    /// The rooms' logs, where they are kept.
    pub(crate) store: Option<Arc<Store>>,
    /// What Yjs clients share.
    #[cfg(feature = "yjs")]
    pub(crate) yjs: YjsHub,
    /// What joins this process with others, where there are others. It has the rooms then.
    pub(crate) bus: Option<Bus>,
    rooms: Mutex<Rooms<Arc<Outbox>>>,
    last_connection: AtomicU64,
    /// The zero of the clock that the rooms know.
    started: Instant,
}

impl Hub {
    pub(crate) fn new(config: Config, bus: Option<Bus>) -> Result<Self, StoreError> {
        let limits = config.room_limits();
        let metrics = Arc::new(Metrics::new());
        let limiter = ConnectionLimiter::new(
            config.max_connections,
            config.max_connections_per_address,
            config.handshakes_per_minute,
            config.joins_per_minute,
            metrics.requests.clone(),
            metrics.connections.clone(),
        );
        let unfinished = Budget::new(
            config.max_unfinished_bytes,
            metrics.unfinished_bytes.clone(),
        );
        let waiting = Budget::new(config.max_waiting_bytes, metrics.waiting_bytes.clone());
        let tokens = config.tokens().map(Reloadable::new);
        let ice_servers = Reloadable::new(config.ice_servers());
        let admin_token = config.admin_token().cloned().map(Reloadable::new);
        let store = match &config.store {
            Some(location) if bus.is_some() && !location.is_shared() => {
                let store = location.to_string();
                return Err(StoreError::OfOneProcess { store });
            }
            Some(location) => {
                let store = Store::open(location, config.quotas(), metrics.store.clone())?;
                Some(Arc::new(store))
            }
            None => None,
        };
        #[cfg(feature = "yjs")]
        let yjs = YjsHub::new(&config, &metrics, store.as_ref())?;
        Ok(Self {
            config,
            metrics,
            limiter,
            unfinished: Arc::new(unfinished),
            waiting: Arc::new(waiting),
            tokens,
            admin_token,
            greeter: Greeter {
                log: store.is_some(),
                ice_servers,
            },
            store,
            ending: CancellationToken::new(),
            draining: CancellationToken::new(),
            roster: Roster::default(),
            sockets: TaskTracker::new(),
            sse: Sessions::default(),
            #[cfg(feature = "yjs")]
            yjs,
            bus,
            rooms: Mutex::new(Rooms::new(limits)),
            last_connection: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    /// The rooms. The lock is held for look-ups and for filling outboxes, never across I/O.
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms<Arc<Outbox>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rooms this process knows, and how many clients in them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        if let Some(bus) = &self.bus {
            return bus.counts();
        }
        let rooms = self.rooms();
        (rooms.room_count(), rooms.client_count())
    }

    /// The same, and those of Yjs.
    pub(crate) fn census(&self) -> Census {
        let (rooms, clients) = self.counts();
        #[cfg(feature = "yjs")]
        let (yjs_rooms, yjs_clients) = self.yjs.counts();
        #[cfg(not(feature = "yjs"))]
        let (yjs_rooms, yjs_clients) = (0, 0);
        Census {
            rooms,
            clients,
            yjs_rooms,
            yjs_clients,
        }
    }

    /// A moment as the rooms know it.
    pub(crate) fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.started)
    }

    /// Takes no more clients, and has every socket close itself. Departures are no longer announced.
    pub(crate) fn drain(&self) {
        self.rooms().end();
        self.draining.cancel();
    }

    /// The same, and ends all other connections.
    pub(crate) fn end(&self) {
        self.drain();
        self.ending.cancel();
        self.sockets.close();
    }

    /// Forgets rooms that have been empty for long.
    pub(crate) fn remove_expired_rooms(&self, now: Instant) {
        let now = self.since_start(now);
        self.rooms().remove_expired(now);
        #[cfg(feature = "yjs")]
        self.yjs.remove_expired_rooms(now);
    }

    /// Removes logs that nobody has used for as long as the operator says.
    pub(crate) fn expire_logs(&self, since_1970: Duration) {
        let (Some(store), Some(after)) = (&self.store, self.config.store_expiry()) else {
            return;
        };
        let logs = match &self.bus {
            Some(bus) => bus.occupied().iter().map(LogName::signaling).collect(),
            None => self.rooms().occupied().map(LogName::signaling).collect(),
        };
        let logs: Vec<LogName> = logs;
        #[cfg(feature = "yjs")]
        let logs = [logs, self.yjs.logs_in_use()].concat();
        store.write(Write::Touch { logs }, |_| {});
        let before = since_1970.saturating_sub(after).as_secs();
        store.write(Write::Expire { before }, |result| match result {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} logs that nobody used were deleted"),
            Err(error) => tracing::warn!("unused logs cannot be deleted: {error}"),
        });
    }

    /// Deletes logs for good, all or none. What they were.
    pub(crate) async fn delete_logs(
        &self,
        store: &Store,
        names: Vec<String>,
    ) -> Result<Vec<StoredLog>, StoreError> {
        let deleted = store.delete(names).await?;
        #[cfg(feature = "yjs")]
        for room in deleted
            .iter()
            .filter_map(|log| LogName::yjs_room(&log.name))
        {
            self.yjs.log_deleted(&room);
        }
        Ok(deleted)
    }

    pub(crate) fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// How much may wait for a client.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            messages: self.config.max_queued_messages,
            bytes: self.config.max_queued_bytes(),
            long_bytes: 0,
        }
    }
}
