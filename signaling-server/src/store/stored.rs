//! The logs of a store that no server uses.

use std::path::Path;

use signaling_rooms::LogError;

use super::database::Database;
use super::error::StoreError;
use super::write::{LogName, Page, StoredLog, Write};

/// A store's file, opened by nobody else.
pub(crate) struct StoredLogs(Database);

impl StoredLogs {
    /// # Errors
    /// [`StoreError::Unusable`] for a file that is missing, is no store, or is in use by a server.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Database::open_existing(path)?))
    }

    pub(crate) fn list(&self) -> Result<Vec<StoredLog>, StoreError> {
        self.0.list().map_err(failed)
    }

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    pub(crate) fn read(
        &self,
        name: &str,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let page = self.0.read(&LogName::stored(name), after, max_bytes);
        page.map_err(|error| failed(error.to_string()))
    }

    /// Deletes all of them in one transaction.
    pub(crate) fn delete(&self, names: &[String]) -> Result<(), StoreError> {
        let names = names.iter().map(|name| LogName::stored(name));
        let batch: Vec<Write> = names.map(|log| Write::Forget { log }).collect();
        let results: Result<Vec<u64>, LogError> = self.0.write(&batch).into_iter().collect();
        results.map(drop).map_err(|error| failed(error.to_string()))
    }

    /// Gives unused space back to the disk.
    pub(crate) fn compact(self) -> Result<(), StoreError> {
        self.0.compact().map_err(failed)
    }
}

fn failed(reason: impl ToString) -> StoreError {
    StoreError::Failed {
        reason: reason.to_string(),
    }
}
