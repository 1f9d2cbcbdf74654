use std::io;
use std::path::PathBuf;

/// Why there can be no logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be used.
    #[error("the store {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The database cannot be used.
    #[cfg(feature = "postgres")]
    #[error("the store {address}: {reason}")]
    Database {
        /// The database's address, without a password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A store that one process uses cannot be combined with a bus, which joins several.
    #[error(
        "the store {store} belongs to one process: beside a bus the store has to be a PostgreSQL server"
    )]
    OfOneProcess {
        /// Where the logs were to be kept.
        store: String,
    },
    /// The store in memory cannot be made.
    #[error("the store in memory: {reason}")]
    Memory {
        /// What went wrong.
        reason: String,
    },
    /// Neither a store nor a server is named.
    #[error("name a store by --store, or a running server by --admin-url and --admin-token")]
    Unnamed,
    /// There is no such log.
    #[error("there is no log {name:?} in the store: `rooms list` prints the names there are")]
    UnknownLog {
        /// The name that was given.
        name: String,
    },
    /// A backup is not whole.
    #[error("the backup cannot be used, line {line}: {reason}")]
    Backup {
        /// The last line that was read, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A backup is taken by an empty store alone.
    #[error("the store has logs: a backup is restored into one that has none")]
    NotEmpty,
    /// Space cannot be given back while a backup is being read.
    #[error("a backup is being made: compact the store once it is done")]
    InUse,
    /// The disk failed.
    #[error("the store failed: {reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
    /// The thread that writes cannot be started.
    #[error("the store's thread: {0}")]
    Thread(#[source] io::Error),
}

impl StoreError {
    pub(super) fn failed(reason: impl ToString) -> Self {
        Self::Failed {
            reason: reason.to_string(),
        }
    }
}
