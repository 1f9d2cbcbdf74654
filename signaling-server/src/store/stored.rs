//! The logs of a store, for an operator.

use signaling_rooms::LogError;

use super::database::Database;
use super::error::StoreError;
use super::location::StoreLocation;
use super::logs::Logs;
#[cfg(feature = "postgres")]
use super::logs::UNBOUNDED;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
use super::write::{LogName, Page, StoredLog, Write};

/// A store's file, opened by nobody else, or a database, which servers may use meanwhile.
pub(crate) struct StoredLogs(Box<dyn Logs>);

impl StoredLogs {
    /// # Errors
    /// [`StoreError::Unusable`] for a file that is missing, is no store, or is in use by a server;
    /// `StoreError::Database` for a database that cannot be used.
    pub(crate) fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        Ok(Self(match location {
            StoreLocation::File(path) => Box::new(Database::open_existing(path)?),
            #[cfg(feature = "postgres")]
            StoreLocation::Postgres(url) => Box::new(Postgres::open(url, UNBOUNDED)?),
        }))
    }

    pub(crate) fn list(&self) -> Result<Vec<StoredLog>, StoreError> {
        self.0.list()
    }

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    pub(crate) fn read(
        &self,
        name: &str,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let page = self.0.read(&LogName::stored(name), after, max_bytes);
        page.map_err(StoreError::failed)
    }

    /// Deletes all of them in one transaction.
    pub(crate) fn delete(&self, names: &[String]) -> Result<(), StoreError> {
        let names = names.iter().map(|name| LogName::stored(name));
        let batch: Vec<Write> = names.map(|log| Write::Forget { log }).collect();
        let results: Result<Vec<u64>, LogError> = self.0.write(&batch).into_iter().collect();
        results.map(drop).map_err(StoreError::failed)
    }

    /// Gives unused space back: the space that is used, in bytes, before and after.
    pub(crate) fn compact(mut self) -> Result<(u64, u64), StoreError> {
        self.0.compact()
    }
}
