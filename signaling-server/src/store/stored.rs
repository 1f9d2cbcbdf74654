//! The logs of a store, for an operator.

use std::io::BufRead;

use signaling_rooms::LogError;

use super::backup::{Extent, Snapshot};
use super::database::Database;
use super::error::StoreError;
use super::location::StoreLocation;
use super::logs::{Logs, UNBOUNDED};
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

    pub(crate) fn find(&self, name: &str) -> Result<StoredLog, StoreError> {
        find(&*self.0, name)
    }

    /// Deletes all of them in one transaction, or none where one does not exist. What they were.
    pub(crate) fn delete(&self, names: &[String]) -> Result<Vec<StoredLog>, StoreError> {
        delete(&*self.0, names)
    }

    /// All logs as they are now, for a backup.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot + Send>, StoreError> {
        self.0.snapshot()
    }

    /// Gives unused space back: the space that is used, in bytes, before and after.
    pub(crate) fn compact(mut self) -> Result<(u64, u64), StoreError> {
        self.0.compact()
    }

    /// Opens a store, which is made where there is none, and takes a backup over, all of it or nothing.
    pub(crate) fn restore(
        location: &StoreLocation,
        backup: &mut dyn BufRead,
    ) -> Result<Extent, StoreError> {
        let mut logs: Box<dyn Logs> = match location {
            StoreLocation::File(path) => Box::new(Database::open(path, UNBOUNDED)?),
            #[cfg(feature = "postgres")]
            StoreLocation::Postgres(url) => Box::new(Postgres::open(url, UNBOUNDED)?),
        };
        logs.restore(backup)
    }
}

pub(super) fn find(logs: &dyn Logs, name: &str) -> Result<StoredLog, StoreError> {
    let unknown = || StoreError::UnknownLog {
        name: name.to_owned(),
    };
    logs.find(name)?.ok_or_else(unknown)
}

pub(super) fn delete(logs: &dyn Logs, names: &[String]) -> Result<Vec<StoredLog>, StoreError> {
    let found: Result<Vec<_>, _> = names.iter().map(|name| find(logs, name)).collect();
    let found = found?;
    let names = names.iter().map(|name| LogName::stored(name));
    let batch: Vec<Write> = names.map(|log| Write::Forget { log }).collect();
    let results: Result<Vec<u64>, LogError> = logs.write(&batch).into_iter().collect();
    results.map_err(StoreError::failed)?;
    Ok(found)
}
