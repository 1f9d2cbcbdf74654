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
