//! The logs in their tables, and what may be done to them.

use std::path::Path;

use bytes::Bytes;
use redb::backends::InMemoryBackend;
use redb::{AccessGuard, Builder, ReadableDatabase, ReadableTable, Table, TableDefinition};

use signaling_rooms::{LogError, LogHead, LogQuotas, entry_cost};

use super::error::StoreError;
use super::write::{LogName, Page, Write};

/// Entries by log and number.
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");

/// What is known of each log: the number of its snapshot, of its last entry, and its size.
const HEADS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("heads");

/// The size of all logs, under one key.
const TOTAL: TableDefinition<'_, (), u64> = TableDefinition::new("total");

/// The disk's pages that are kept in memory.
const CACHE_BYTES: usize = 32 << 20;

pub(super) struct Database {
    db: redb::Database,
    quotas: LogQuotas,
}

impl Database {
    /// Opens the file, or makes it, and makes sure that it is whole.
    pub(super) fn open(path: &Path, quotas: LogQuotas) -> Result<Self, StoreError> {
        let unusable = |source: redb::Error| StoreError::Unusable {
            path: path.to_owned(),
            reason: source.to_string(),
        };
        let mut db = builder()
            .create(path)
            .map_err(|error| unusable(error.into()))?;
        if !db
            .check_integrity()
            .map_err(|error| unusable(error.into()))?
        {
            tracing::warn!(
                "{} was not closed in order; it was repaired",
                path.display()
            );
        }
        Self::with(db, quotas).map_err(unusable)
    }

    /// Logs that are gone with the process.
    pub(super) fn in_memory(quotas: LogQuotas) -> Result<Self, StoreError> {
        builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(redb::Error::from)
            .and_then(|db| Self::with(db, quotas))
            .map_err(|error| StoreError::Memory {
                reason: error.to_string(),
            })
    }

    pub(super) fn with(db: redb::Database, quotas: LogQuotas) -> Result<Self, redb::Error> {
        // Makes the tables, so that readers find them.
        let transaction = db.begin_write()?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(HEADS)?;
        transaction.open_table(TOTAL)?;
        transaction.commit()?;
        Ok(Self { db, quotas })
    }

    /// Carries out all of them in one transaction and returns when they are on the disk: the number
    /// of each entry, or why it was refused. A failure of the disk refuses all of them.
    pub(super) fn write(&self, batch: &[Write]) -> Vec<Result<u64, LogError>> {
        self.try_write(batch).unwrap_or_else(|error| {
            let reason = error.to_string();
            batch
                .iter()
                .map(|_| {
                    Err(LogError::Unavailable {
                        reason: reason.clone(),
                    })
                })
                .collect()
        })
    }

    fn try_write(&self, batch: &[Write]) -> Result<Vec<Result<u64, LogError>>, redb::Error> {
        let transaction = self.db.begin_write()?;
        let mut results = Vec::with_capacity(batch.len());
        {
            let mut tables = Tables {
                entries: transaction.open_table(ENTRIES)?,
                heads: transaction.open_table(HEADS)?,
                total: transaction.open_table(TOTAL)?,
                quotas: self.quotas,
            };
            for write in batch {
                results.push(match write {
                    Write::Append { log, payload } => tables.append(log, payload)?,
                    Write::Snapshot {
                        log,
                        base,
                        upto,
                        payload,
                    } => tables.snapshot(log, *base, *upto, payload)?,
                    Write::Forget { log } => tables.forget(log)?,
                });
            }
        }
        transaction.commit()?;
        Ok(results)
    }

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    pub(super) fn read(
        &self,
        log: &LogName,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, LogError> {
        self.try_read(log, after, max_bytes)
            .map_err(|error| LogError::Unavailable {
                reason: error.to_string(),
            })
    }

    fn try_read(&self, log: &LogName, after: u64, max_bytes: usize) -> Result<Page, redb::Error> {
        let transaction = self.db.begin_read()?;
        let heads = transaction.open_table(HEADS)?;
        let mut page = Page::new(head(heads.get(log.as_str())?));
        let Some(first) = after.checked_add(1) else {
            return Ok(page);
        };
        let entries = transaction.open_table(ENTRIES)?;
        for entry in entries.range((log.as_str(), first)..=(log.as_str(), u64::MAX))? {
            let (key, payload) = entry?;
            let (_, seq) = key.value();
            if !page.add(seq, payload.value(), max_bytes, Bytes::copy_from_slice) {
                break;
            }
        }
        Ok(page)
    }
}

fn builder() -> Builder {
    let mut builder = redb::Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

struct Tables<'t> {
    entries: Table<'t, (&'static str, u64), &'static [u8]>,
    heads: Table<'t, &'static str, (u64, u64, u64)>,
    total: Table<'t, (), u64>,
    quotas: LogQuotas,
}

impl Tables<'_> {
    fn append(
        &mut self,
        log: &LogName,
        payload: &[u8],
    ) -> Result<Result<u64, LogError>, redb::Error> {
        let head = match self.head(log)?.append(payload, self.total()?, &self.quotas) {
            Ok((head, total)) => {
                self.total.insert((), total)?;
                head
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.entries.insert((log.as_str(), head.last), payload)?;
        self.set_head(log, head)?;
        Ok(Ok(head.last))
    }

    fn snapshot(
        &mut self,
        log: &LogName,
        base: u64,
        upto: u64,
        payload: &[u8],
    ) -> Result<Result<u64, LogError>, redb::Error> {
        let head = self.head(log)?;
        if let Err(conflict) = head.check_snapshot(base, upto) {
            return Ok(Err(conflict));
        }
        let covered = (log.as_str(), 0)..=(log.as_str(), upto);
        let mut freed = 0;
        for entry in self.entries.range(covered.clone())? {
            freed += entry_cost(entry?.1.value());
        }
        let head = match head.snapshot(upto, payload, freed, self.total()?, &self.quotas) {
            Ok((head, total)) => {
                self.total.insert((), total)?;
                head
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.entries.retain_in(covered, |_, _| false)?;
        self.entries.insert((log.as_str(), upto), payload)?;
        self.set_head(log, head)?;
        Ok(Ok(upto))
    }

    fn forget(&mut self, log: &LogName) -> Result<Result<u64, LogError>, redb::Error> {
        let head = self.head(log)?;
        self.entries
            .retain_in((log.as_str(), 0)..=(log.as_str(), u64::MAX), |_, _| false)?;
        self.heads.remove(log.as_str())?;
        let total = self.total()?.saturating_sub(head.bytes);
        self.total.insert((), total)?;
        Ok(Ok(head.last))
    }

    fn total(&self) -> Result<u64, redb::Error> {
        Ok(self.total.get(())?.map_or(0, |total| total.value()))
    }

    fn head(&self, log: &LogName) -> Result<LogHead, redb::Error> {
        Ok(head(self.heads.get(log.as_str())?))
    }

    fn set_head(&mut self, log: &LogName, head: LogHead) -> Result<(), redb::Error> {
        self.heads
            .insert(log.as_str(), (head.base, head.last, head.bytes))?;
        Ok(())
    }
}

/// The head of a log as it stands in the table; that of an empty log where it is missing.
fn head(found: Option<AccessGuard<'_, (u64, u64, u64)>>) -> LogHead {
    found.map_or_else(LogHead::default, |found| {
        let (base, last, bytes) = found.value();
        LogHead { base, last, bytes }
    })
}
