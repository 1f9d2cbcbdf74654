//! The logs in their tables, and what may be done to them.

use std::path::Path;

use bytes::Bytes;
use redb::backends::InMemoryBackend;
use redb::{Builder, ReadableDatabase, ReadableTable, Table, TableDefinition};

use super::{LogError, LogName, Page, Quotas, StoreError, Write};

/// Entries by log and number.
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");

/// What is known of each log: the number of its snapshot, of its last entry, and its size.
const HEADS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("heads");

/// The size of all logs, under one key.
const TOTAL: TableDefinition<'_, (), u64> = TableDefinition::new("total");

/// Each entry costs this much beside its payload, so that empty ones are not for free.
const ENTRY_OVERHEAD: u64 = 64;

/// The disk's pages that are kept in memory.
const CACHE_BYTES: usize = 32 << 20;

/// What is known of a log.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    base: u64,
    last: u64,
    bytes: u64,
}

pub(super) struct Database {
    db: redb::Database,
    quotas: Quotas,
}

impl Database {
    /// Opens the file, or makes it, and makes sure that it is whole.
    pub(super) fn open(path: &Path, quotas: Quotas) -> Result<Self, StoreError> {
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
    pub(super) fn in_memory(quotas: Quotas) -> Result<Self, StoreError> {
        builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(redb::Error::from)
            .and_then(|db| Self::with(db, quotas))
            .map_err(|error| StoreError::Memory {
                reason: error.to_string(),
            })
    }

    pub(super) fn with(db: redb::Database, quotas: Quotas) -> Result<Self, redb::Error> {
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
        let head = heads
            .get(log.as_str())?
            .map(|head| Head::from(head.value()))
            .unwrap_or_default();
        let mut page = Page {
            base: head.base,
            last: head.last,
            entries: Vec::new(),
            more: false,
        };
        let Some(first) = after.checked_add(1) else {
            return Ok(page);
        };
        let entries = transaction.open_table(ENTRIES)?;
        let mut bytes = 0usize;
        for entry in entries.range((log.as_str(), first)..=(log.as_str(), u64::MAX))? {
            let (key, payload) = entry?;
            let payload = payload.value();
            if !page.entries.is_empty() && bytes.saturating_add(payload.len()) > max_bytes {
                page.more = true;
                break;
            }
            bytes = bytes.saturating_add(payload.len());
            page.entries
                .push((key.value().1, Bytes::copy_from_slice(payload)));
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
    quotas: Quotas,
}

impl Tables<'_> {
    fn append(
        &mut self,
        log: &LogName,
        payload: &[u8],
    ) -> Result<Result<u64, LogError>, redb::Error> {
        let head = self.head(log)?;
        let added = cost(payload);
        if let Err(refusal) = self.make_room(head.bytes, 0, added)? {
            return Ok(Err(refusal));
        }
        let seq = head.last + 1;
        self.entries.insert((log.as_str(), seq), payload)?;
        self.set_head(
            log,
            Head {
                last: seq,
                bytes: head.bytes + added,
                ..head
            },
        )?;
        Ok(Ok(seq))
    }

    fn snapshot(
        &mut self,
        log: &LogName,
        base: u64,
        upto: u64,
        payload: &[u8],
    ) -> Result<Result<u64, LogError>, redb::Error> {
        let head = self.head(log)?;
        if base != head.base || upto < head.base || upto > head.last || upto == 0 {
            return Ok(Err(LogError::Conflict {
                base: head.base,
                last: head.last,
            }));
        }
        let mut freed = 0;
        for entry in self
            .entries
            .range((log.as_str(), 0)..=(log.as_str(), upto))?
        {
            freed += cost(entry?.1.value());
        }
        let added = cost(payload);
        if let Err(refusal) = self.make_room(head.bytes, freed, added)? {
            return Ok(Err(refusal));
        }
        self.entries
            .retain_in((log.as_str(), 0)..=(log.as_str(), upto), |_, _| false)?;
        self.entries.insert((log.as_str(), upto), payload)?;
        let bytes = head.bytes.saturating_sub(freed) + added;
        self.set_head(
            log,
            Head {
                base: upto,
                bytes,
                ..head
            },
        )?;
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

    /// Books `added` bytes for `freed` ones, if both quotas allow it.
    fn make_room(
        &mut self,
        log_bytes: u64,
        freed: u64,
        added: u64,
    ) -> Result<Result<(), LogError>, redb::Error> {
        // What makes a log smaller is always welcome, even one that is over its quota.
        let grows = added > freed;
        if grows && log_bytes.saturating_sub(freed) + added > self.quotas.room_bytes {
            return Ok(Err(LogError::RoomQuota {
                max: self.quotas.room_bytes,
            }));
        }
        let total = self.total()?.saturating_sub(freed) + added;
        if grows && total > self.quotas.total_bytes {
            return Ok(Err(LogError::TotalQuota {
                max: self.quotas.total_bytes,
            }));
        }
        self.total.insert((), total)?;
        Ok(Ok(()))
    }

    fn total(&self) -> Result<u64, redb::Error> {
        Ok(self.total.get(())?.map_or(0, |total| total.value()))
    }

    fn head(&self, log: &LogName) -> Result<Head, redb::Error> {
        let head = self.heads.get(log.as_str())?;
        Ok(head
            .map(|head| Head::from(head.value()))
            .unwrap_or_default())
    }

    fn set_head(&mut self, log: &LogName, head: Head) -> Result<(), redb::Error> {
        self.heads
            .insert(log.as_str(), (head.base, head.last, head.bytes))?;
        Ok(())
    }
}

impl From<(u64, u64, u64)> for Head {
    fn from((base, last, bytes): (u64, u64, u64)) -> Self {
        Self { base, last, bytes }
    }
}

fn cost(payload: &[u8]) -> u64 {
    payload.len() as u64 + ENTRY_OVERHEAD
}
