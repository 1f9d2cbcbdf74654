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
    /// A store that one process uses cannot stand beside a bus, which joins several.
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
