//! Logs in a PostgreSQL server, which processes share.
//!
//! One connection does everything, since one thread uses it. What is written first locks the one row
//! of `signaling_store`, so processes write one after another and never wait for each other in a
//! circle; as with a file, up to a whole batch shares a commit. A connection that fails in any way is
//! dropped, whereby the server takes back what was not committed, and a new one is made when it is
//! needed.

mod answer;
mod reading;
mod restoring;
mod schema;
mod session;
mod transaction;

use std::cell::{Cell, RefCell};
use std::io::BufRead;

use signaling_rooms::LogError;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::Config;

use self::answer::{Failure, PATIENCE, number};
use self::reading::Reading;
use self::session::{Session, connect};
use self::transaction::Transaction;
use super::backup::{Extent, Snapshot};
use super::error::StoreError;
use super::location::PostgresUrl;
use super::logs::{Logs, USE_INTERVAL, owner, refuse_all, since_1970};
use super::write::{LogName, Page, StoreQuotas, StoredLog, Write};

/// Begins a transaction that sees the tables as they are at one moment.
const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Logs in a PostgreSQL server.
pub(super) struct Postgres {
    runtime: Runtime,
    config: Config,
    address: String,
    session: RefCell<Option<Session>>,
    quotas: StoreQuotas,
    /// The size of all logs and their number, as they were when this process wrote last.
    size: Cell<(u64, u64)>,
    /// The time in seconds since 1970.
    clock: fn() -> u64,
}

/// Has a transaction last as long as whoever reads or writes a backup takes.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = 0";

impl Postgres {
    /// Connects to the server, and makes the tables where there are none. Not to be called on a thread that
    /// runs tasks.
    pub(super) fn open(url: &PostgresUrl, quotas: StoreQuotas) -> Result<Self, StoreError> {
        crate::tls::choose_provider();
        let address = url.to_string();
        let unusable = |reason: String| StoreError::Database {
            address: address.clone(),
            reason,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unusable(error.to_string()))?;
        let mut config = url.config().clone();
        config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE);
        if config.get_application_name().is_none() {
            config.application_name("signaling-server");
        }
        let opened = runtime.block_on(within(async {
            let session = connect(&config).await?;
            let size = schema::size(&session.client).await?;
            Ok((session, size))
        }));
        let (session, size) = opened.map_err(|failure| unusable(failure.to_string()))?;
        Ok(Self {
            runtime,
            config,
            address,
            session: RefCell::new(Some(session)),
            quotas,
            size: Cell::new(size),
            clock: since_1970,
        })
    }

    /// Has time be what a test says.
    #[cfg(test)]
    pub(super) fn with_clock(self, clock: fn() -> u64) -> Self {
        Self { clock, ..self }
    }

    /// Begins a transaction on a connection that works, which is made anew where the last one is lost.
    async fn begin(&self, begin: &str) -> Result<Session, Failure> {
        let kept = self.session.take();
        if let Some(session) = kept.filter(|session| !session.client.is_closed())
            && session.client.batch_execute(begin).await.is_ok()
        {
            return Ok(session);
        }
        let session = connect(&self.config).await?;
        session.client.batch_execute(begin).await?;
        Ok(session)
    }

    /// Ends a transaction. What has failed before has dropped the connection.
    async fn commit(&self, session: Session) -> Result<(), Failure> {
        session.client.batch_execute("COMMIT").await?;
        self.session.replace(Some(session));
        Ok(())
    }

    async fn try_write(&self, batch: &[Write]) -> Result<Vec<Result<u64, LogError>>, Failure> {
        let session = self.begin("BEGIN").await?;
        let (salt, now) = (session.salt, (self.clock)());
        let mut transaction = Transaction::begin(&session.client, self.quotas, now).await?;
        let owner = |address| owner(salt, address);
        transaction.load(batch, owner).await?;
        let mut results = Vec::with_capacity(batch.len());
        for write in batch {
            results.push(match write {
                Write::Append { log, payload, from } => {
                    transaction.append(log, payload, owner(*from))
                }
                Write::Snapshot {
                    log,
                    base,
                    upto,
                    payload,
                } => transaction.snapshot(log, *base, *upto, payload).await?,
                Write::Forget { log } => Ok(transaction.forget(log.as_str()).await?),
                Write::Touch { logs } => {
                    transaction.touch(logs);
                    Ok(0)
                }
                Write::Expire { before } => Ok(transaction.expire(*before).await?),
            });
        }
        let size = transaction.finish().await?;
        self.commit(session).await?;
        self.size.set(size);
        Ok(results)
    }

    async fn try_read(&self, log: &LogName, after: u64, max: usize) -> Result<Page, Failure> {
        let session = self.begin(READING).await?;
        let page = reading::page(&session.client, log.as_str(), after, max).await?;
        self.commit(session).await?;
        Ok(page)
    }

    async fn try_note_use(&self, log: &LogName) -> Result<(), Failure> {
        let session = self.begin("BEGIN").await?;
        let now = (self.clock)();
        let (now, noted) = (number(now)?, number(now.saturating_sub(USE_INTERVAL))?);
        session
            .client
            .execute(
                "UPDATE signaling_logs SET used = $2 WHERE name = $1 AND used <= $3",
                &[&log.as_str(), &now, &noted],
            )
            .await?;
        self.commit(session).await
    }

    async fn try_find(&self, name: &str) -> Result<Option<StoredLog>, Failure> {
        let session = self.begin(READING).await?;
        let found = reading::find(&session.client, name).await?;
        self.commit(session).await?;
        Ok(found)
    }

    async fn try_list(&self) -> Result<Vec<StoredLog>, Failure> {
        let session = self.begin(READING).await?;
        let logs = reading::list(&session.client).await?;
        self.commit(session).await?;
        Ok(logs)
    }

    /// A connection of its own, whose transaction may last.
    async fn try_snapshot(config: &Config) -> Result<Session, Failure> {
        let session = connect(config).await?;
        session.client.batch_execute(PATIENT).await?;
        session.client.batch_execute(READING).await?;
        // The transaction sees what there is when it reads first.
        schema::size(&session.client).await?;
        Ok(session)
    }

    async fn try_compact(&self) -> Result<(u64, u64), Failure> {
        // This is not done within a transaction.
        let session = self.begin("").await?;
        let before = schema::disk_space(&session.client).await?;
        schema::compact(&session.client).await?;
        let after = schema::disk_space(&session.client).await?;
        self.session.replace(Some(session));
        Ok((before, after))
    }

    async fn try_measure(&self) -> Result<(), Failure> {
        let session = self.begin("BEGIN READ ONLY").await?;
        self.size.set(schema::size(&session.client).await?);
        self.commit(session).await
    }

    /// Does something on the runtime of this thread, within the time that the server has.
    fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.runtime.block_on(within(work))
    }

    fn failed(&self, failure: &Failure) -> StoreError {
        StoreError::Database {
            address: self.address.clone(),
            reason: failure.to_string(),
        }
    }
}

impl Logs for Postgres {
    fn write(&self, batch: &[Write]) -> Vec<Result<u64, LogError>> {
        let written = self.run(self.try_write(batch));
        written.unwrap_or_else(|failure| refuse_all(batch, &failure.to_string()))
    }

    fn read(&self, log: &LogName, after: u64, max_bytes: usize) -> Result<Page, LogError> {
        let page = self.run(self.try_read(log, after, max_bytes));
        page.map_err(|failure| LogError::Unavailable {
            reason: failure.to_string(),
        })
    }

    fn note_use(&self, log: &LogName) {
        if let Err(failure) = self.run(self.try_note_use(log)) {
            tracing::warn!("the use of a log cannot be noted: {failure}");
        }
    }

    fn size(&self) -> Option<(u64, u64)> {
        Some(self.size.get())
    }

    fn has_recovered(&self) -> bool {
        self.run(self.try_measure()).is_ok()
    }

    fn list(&self) -> Result<Vec<StoredLog>, StoreError> {
        let logs = self.run(self.try_list());
        logs.map_err(|failure| self.failed(&failure))
    }

    fn find(&self, name: &str) -> Result<Option<StoredLog>, StoreError> {
        let found = self.run(self.try_find(name));
        found.map_err(|failure| self.failed(&failure))
    }

    fn compact(&mut self) -> Result<(u64, u64), StoreError> {
        // This takes as long as there is much to do.
        let compacted = self.runtime.block_on(self.try_compact());
        compacted.map_err(|failure| self.failed(&failure))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + Send>, StoreError> {
        let unusable = |reason: String| StoreError::Database {
            address: self.address.clone(),
            reason,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unusable(error.to_string()))?;
        let session = runtime.block_on(within(Self::try_snapshot(&self.config)));
        let session = session.map_err(|failure| unusable(failure.to_string()))?;
        Ok(Box::new(Reading { session, runtime }))
    }

    fn restore(&mut self, backup: &mut dyn BufRead) -> Result<Extent, StoreError> {
        let session = self.run(async {
            let session = self.begin(PATIENT).await?;
            session.client.batch_execute("BEGIN").await?;
            Ok(session)
        });
        let session = session.map_err(|failure| self.failed(&failure))?;
        let extent = restoring::restore(&self.runtime, &session.client, backup)?;
        // The connection is not used again: it knows another salt.
        let committed = self.run(async { Ok(session.client.batch_execute("COMMIT").await?) });
        committed.map_err(|failure| self.failed(&failure))?;
        Ok(extent)
    }
}

async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or(Err(Failure::Silent))
}
