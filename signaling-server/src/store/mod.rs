//! The rooms' logs: opaque updates, kept in a file of this process (`database`), or in a PostgreSQL server
//! that several processes share (`postgres`). Both do what [`Logs`] says.
//!
//! One thread writes. It takes what waits for it all at once and commits it in one transaction, then
//! answers: so what was acknowledged is never lost, and a busy server needs few fsyncs. Reads
//! pass through the same queue, so a reader sees everything that was written before it asked.

pub(crate) mod backup;
pub(crate) mod database;
mod error;
mod location;
mod logs;
#[cfg(feature = "postgres")]
mod postgres;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use signaling_rooms::LogError;

use self::backup::Snapshot;
use self::database::Database;
pub use self::error::StoreError;
pub use self::location::StoreLocation;
use self::logs::Logs;
#[cfg(feature = "postgres")]
use self::postgres::Postgres;
pub(crate) use self::stored::StoredLogs;
use self::write::StoreQuotas;
pub(crate) use self::write::{LogName, Page, StoredLog, Write};
use crate::metrics::StoreMetrics;

/// How many jobs may wait for the thread.
const QUEUE: usize = 1024;

/// How much may wait to be written, in bytes; one write of any size may wait alone.
pub(crate) const WAITING_BYTES: usize = 64 << 20;

/// How many writes share one fsync at most.
const BATCH: usize = 256;

/// How long to wait, after a failure, before looking whether the logs can be used again.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);

type Reply<T> = Box<dyn FnOnce(Result<T, LogError>) + Send>;

enum Job {
    Write(Write, Reply<u64>),
    Read {
        log: LogName,
        after: u64,
        max_bytes: usize,
        reply: Reply<Page>,
    },
    /// Something that is done between writes.
    Look(Look),
    Stop(tokio::sync::oneshot::Sender<()>),
}

type Look = Box<dyn FnOnce(Result<&mut dyn Logs, LogError>) + Send>;

/// The logs, to be used from any thread. Answers come on the store's own thread and must not block.
pub(crate) struct Store {
    jobs: mpsc::SyncSender<Job>,
    failed: Arc<AtomicBool>,
    /// The bytes that wait to be written.
    waiting: Arc<AtomicUsize>,
}

impl Store {
    /// The logs that are there, or none yet.
    pub(crate) fn open(
        location: &StoreLocation,
        quotas: StoreQuotas,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let location = location.clone();
        Self::start(move || open(&location, quotas), metrics)
    }

    /// Logs in memory, gone with the process.
    #[cfg(any(feature = "yjs", test))]
    pub(crate) fn in_memory(quotas: StoreQuotas) -> Result<Self, StoreError> {
        let open = move || Ok(Box::new(Database::in_memory(quotas)?) as Box<dyn Logs>);
        Self::start(open, StoreMetrics::default())
    }

    /// Opens the logs on the thread that will use them.
    fn start(
        open: impl FnOnce() -> Result<Box<dyn Logs>, StoreError> + Send + 'static,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let failed = Arc::new(AtomicBool::new(false));
        let has_failed = failed.clone();
        let (tell, opened) = mpsc::channel();
        let run = move || match open() {
            Ok(logs) => {
                let worker = Worker {
                    logs,
                    queue,
                    failed: has_failed,
                    metrics,
                };
                worker.measure();
                let _ = tell.send(Ok(()));
                worker.run();
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(run)
            .map_err(StoreError::Thread)?;
        opened
            .recv()
            .unwrap_or_else(|_| Err(StoreError::failed("its thread ended")))?;
        Ok(Self {
            jobs,
            failed,
            waiting: Arc::default(),
        })
    }

    /// Whether nothing can be written: until the server is started anew where a disk has failed, and
    /// until the database answers again where it was lost.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Writes, and answers with the entry's number once it is committed.
    pub(crate) fn write(
        &self,
        write: Write,
        reply: impl FnOnce(Result<u64, LogError>) + Send + 'static,
    ) {
        let bytes = write.bytes();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let waiting = self.waiting.clone();
        let reply = move |result| {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            reply(result);
        };
        if before > 0 && before.saturating_add(bytes) > WAITING_BYTES {
            reply(Err(LogError::Busy));
        } else {
            self.send(Job::Write(write, Box::new(reply)));
        }
    }

    /// Reads the entries after a number, as many as fit into `max_bytes`, but one at least.
    pub(crate) fn read(
        &self,
        log: LogName,
        after: u64,
        max_bytes: usize,
        reply: impl FnOnce(Result<Page, LogError>) + Send + 'static,
    ) {
        self.send(Job::Read {
            log,
            after,
            max_bytes,
            reply: Box::new(reply),
        });
    }

    /// All logs.
    pub(crate) async fn list(&self) -> Result<Vec<StoredLog>, StoreError> {
        self.look(|logs| logs.list()).await
    }

    /// What is known of one log.
    pub(crate) async fn find(&self, name: String) -> Result<StoredLog, StoreError> {
        self.look(move |logs| stored::find(logs, &name)).await
    }

    /// Deletes all of them in one transaction, or none where one does not exist. What they were.
    pub(crate) async fn delete(&self, names: Vec<String>) -> Result<Vec<StoredLog>, StoreError> {
        self.look(move |logs| stored::delete(logs, &names)).await
    }

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    pub(crate) async fn page(
        &self,
        name: String,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        self.look(move |logs| {
            let page = logs.read(&LogName::stored(&name), after, max_bytes);
            page.map_err(StoreError::failed)
        })
        .await
    }

    /// Gives unused space back: the space that is used, in bytes, before and after. Everything else that is
    /// asked of the store waits meanwhile.
    pub(crate) async fn compact(&self) -> Result<(u64, u64), StoreError> {
        self.look(|logs| logs.compact()).await
    }

    /// All logs as they are now, for a backup.
    pub(crate) async fn snapshot(&self) -> Result<Box<dyn Snapshot + Send>, StoreError> {
        self.look(|logs| logs.snapshot()).await
    }

    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Logs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.send(Job::Look(Box::new(move |logs| {
            let _ = done.send(logs.map_err(StoreError::failed).and_then(work));
        })));
        let ended = |_| Err(StoreError::failed("its thread ended"));
        result.await.unwrap_or_else(ended)
    }

    /// Waits until everything that was asked for before is done, and ends the thread.
    pub(crate) async fn finish(&self) {
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.jobs.try_send(Job::Stop(done)).is_ok() {
            let _ = finished.await;
        }
    }

    fn send(&self, job: Job) {
        let refused = match self.jobs.try_send(job) {
            Ok(()) => return,
            Err(mpsc::TrySendError::Full(job)) => (job, LogError::Busy),
            Err(mpsc::TrySendError::Disconnected(job)) => (
                job,
                LogError::Unavailable {
                    reason: "the server is ending".to_owned(),
                },
            ),
        };
        match refused {
            (Job::Write(_, reply), error) => reply(Err(error)),
            (Job::Read { reply, .. }, error) => reply(Err(error)),
            (Job::Look(look), error) => look(Err(error)),
            (Job::Stop(_), _) => {}
        }
    }
}

/// The thread's side.
struct Worker {
    logs: Box<dyn Logs>,
    queue: mpsc::Receiver<Job>,
    failed: Arc<AtomicBool>,
    metrics: StoreMetrics,
}

impl Worker {
    fn run(mut self) {
        let (mut writes, mut replies) = (Vec::new(), Vec::new());
        while let Some(mut next) = self.wait() {
            while let Some(job) = next {
                match job {
                    Job::Write(write, reply) => {
                        writes.push(write);
                        replies.push(reply);
                    }
                    Job::Read {
                        log,
                        after,
                        max_bytes,
                        reply,
                    } => {
                        self.write(&mut writes, &mut replies);
                        reply(self.logs.read(&log, after, max_bytes));
                        self.logs.note_use(&log);
                    }
                    Job::Look(look) => {
                        self.write(&mut writes, &mut replies);
                        look(Ok(&mut *self.logs));
                        self.measure();
                    }
                    Job::Stop(done) => {
                        self.write(&mut writes, &mut replies);
                        // Before the caller goes on the file is closed, and more is refused.
                        drop((self.logs, self.queue));
                        let _ = done.send(());
                        return;
                    }
                }
                next = if writes.len() < BATCH {
                    self.queue.try_recv().ok()
                } else {
                    None
                };
            }
            self.write(&mut writes, &mut replies);
        }
    }

    /// Waits for a job, or for as long as a pause; `None` once nobody can have a job any more.
    fn wait(&self) -> Option<Option<Job>> {
        if !self.failed.load(Ordering::Relaxed) {
            return self.queue.recv().ok().map(Some);
        }
        match self.queue.recv_timeout(RECOVERY_PAUSE) {
            Ok(job) => Some(Some(job)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.note(!self.logs.has_recovered(), "it does not answer");
                Some(None)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Notes whether the logs can be written.
    fn note(&self, failed: bool, reason: &str) {
        match (self.failed.swap(failed, Ordering::Relaxed), failed) {
            (false, true) => tracing::error!("the store cannot be written: {reason}"),
            (true, false) => tracing::info!("the store can be written again"),
            _ => {}
        }
    }

    /// Notes how much there is.
    fn measure(&self) {
        if let Some((bytes, logs)) = self.logs.size() {
            let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics.bytes.set(gauge(bytes));
            self.metrics.logs.set(gauge(logs));
        }
    }

    fn write(&self, writes: &mut Vec<Write>, replies: &mut Vec<Reply<u64>>) {
        if writes.is_empty() {
            return;
        }
        let begun = Instant::now();
        let results = self.logs.write(writes);
        self.metrics.commit.observe(begun.elapsed().as_secs_f64());
        self.measure();
        writes.clear();
        match results.first() {
            Some(Err(LogError::Unavailable { reason })) => self.note(true, reason),
            _ => self.note(false, ""),
        }
        for (reply, result) in replies.drain(..).zip(results) {
            reply(result);
        }
    }
}

fn open(location: &StoreLocation, quotas: StoreQuotas) -> Result<Box<dyn Logs>, StoreError> {
    Ok(match location {
        StoreLocation::File(path) => Box::new(Database::open(path, quotas)?),
        #[cfg(feature = "postgres")]
        StoreLocation::Postgres(url) => Box::new(Postgres::open(url, quotas)?),
    })
}
