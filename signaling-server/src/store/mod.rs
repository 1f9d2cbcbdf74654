//! The rooms' logs: opaque updates, kept in an embedded database.
//!
//! One thread writes. It takes what waits for it all at once and brings it to the disk by one fsync,
//! then answers: so what was acknowledged is never lost, and a busy server needs few fsyncs. Reads
//! pass through the same queue, so a reader sees everything that was written before it asked.

mod database;
mod error;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use signaling_rooms::LogError;

use self::database::Database;
pub use self::error::StoreError;
pub(crate) use self::stored::StoredLogs;
use self::write::StoreQuotas;
pub(crate) use self::write::{LogName, Page, StoredLog, Write};
use crate::metrics::StoreMetrics;

/// How many jobs may wait for the thread.
const QUEUE: usize = 1024;

/// How much may wait to be written, in bytes; one write of any size may wait alone.
const WAITING_BYTES: usize = 64 << 20;

/// How many writes share one fsync at most.
const BATCH: usize = 256;

type Reply<T> = Box<dyn FnOnce(Result<T, LogError>) + Send>;

enum Job {
    Write(Write, Reply<u64>),
    Read {
        log: LogName,
        after: u64,
        max_bytes: usize,
        reply: Reply<Page>,
    },
    Stop(tokio::sync::oneshot::Sender<()>),
}

/// The logs, to be used from any thread. Answers come on the store's own thread and must not block.
pub(crate) struct Store {
    jobs: mpsc::SyncSender<Job>,
    failed: Arc<AtomicBool>,
    /// The bytes that wait to be written.
    waiting: Arc<AtomicUsize>,
}

impl Store {
    /// Logs in a file.
    pub(crate) fn open(
        path: &Path,
        quotas: StoreQuotas,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        Self::start(Database::open(path, quotas)?, metrics)
    }

    /// Logs in memory, gone with the process.
    #[cfg(any(feature = "yjs", test))]
    pub(crate) fn in_memory(quotas: StoreQuotas) -> Result<Self, StoreError> {
        Self::start(Database::in_memory(quotas)?, StoreMetrics::default())
    }

    fn start(database: Database, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let failed = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            database,
            queue,
            failed: failed.clone(),
            metrics,
        };
        worker.measure();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run())
            .map_err(StoreError::Thread)?;
        Ok(Self {
            jobs,
            failed,
            waiting: Arc::default(),
        })
    }

    /// Whether the disk has failed, so that nothing can be written until the server is started anew.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Writes, and answers with the entry's number once it is on the disk.
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
            (Job::Stop(_), _) => {}
        }
    }
}

/// The thread's side.
struct Worker {
    database: Database,
    queue: mpsc::Receiver<Job>,
    failed: Arc<AtomicBool>,
    metrics: StoreMetrics,
}

impl Worker {
    fn run(self) {
        let (mut writes, mut replies) = (Vec::new(), Vec::new());
        while let Ok(job) = self.queue.recv() {
            let mut next = Some(job);
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
                        reply(self.database.read(&log, after, max_bytes));
                        self.database.note_use(&log);
                    }
                    Job::Stop(done) => {
                        self.write(&mut writes, &mut replies);
                        // Before the caller goes on the file is closed, and more is refused.
                        drop((self.database, self.queue));
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

    /// Notes how much there is.
    fn measure(&self) {
        if let Ok((bytes, logs)) = self.database.size() {
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
        let results = self.database.write(writes);
        self.metrics.commit.observe(begun.elapsed().as_secs_f64());
        self.measure();
        writes.clear();
        if let Some(Err(LogError::Unavailable { reason })) = results.first()
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::error!("the store cannot be written: {reason}");
        }
        for (reply, result) in replies.drain(..).zip(results) {
            reply(result);
        }
    }
}
