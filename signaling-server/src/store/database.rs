//! The logs in the tables of a file, and what may be done to them.

mod reading;
mod restoring;
mod tables;

use std::io::BufRead;
use std::path::{Path, PathBuf};

#[cfg(any(feature = "yjs", test))]
use redb::backends::InMemoryBackend;
use redb::{
    Builder, CompactionError, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableError,
};
use signaling_rooms::{LogError, LogHead, entry_cost};

use self::reading::Reading;
use self::tables::{ENTRIES, HEADS, OWNED, SALT, TOTAL, USES, VERSION, head};
use super::backup::{Extent, Snapshot};
use super::error::StoreError;
use super::logs::{self, Logs, NOBODY, UNBOUNDED, USE_INTERVAL, owner, refuse_all, since_1970};
use super::write::{LogName, Page, StoreQuotas, StoredLog, Write};

/// The version that this program reads and writes. A program refuses a file that a later one has
/// changed.
const CURRENT_VERSION: u64 = 1;

/// The disk's pages that are kept in memory.
pub(crate) const CACHE_BYTES: usize = 32 << 20;

pub(super) struct Database {
    db: redb::Database,
    /// The file, where there is one.
    path: Option<PathBuf>,
    quotas: StoreQuotas,
    salt: u128,
    /// The time in seconds since 1970.
    clock: fn() -> u64,
}

impl Database {
    /// Opens the file, or makes it, and makes sure that it is whole.
    pub(super) fn open(path: &Path, quotas: StoreQuotas) -> Result<Self, StoreError> {
        let unusable = |source: redb::Error| StoreError::Unusable {
            path: path.to_owned(),
            reason: source.to_string(),
        };
        let db = builder().create(path);
        let mut db = db.map_err(|error| unusable(error.into()))?;
        if !db
            .check_integrity()
            .map_err(|error| unusable(error.into()))?
        {
            tracing::warn!(
                "{} was not closed in order; it was repaired",
                path.display()
            );
        }
        let version = version(&db).map_err(unusable)?;
        if let Some(found) = version.filter(|found| *found > CURRENT_VERSION) {
            return Err(StoreError::Unusable {
                path: path.to_owned(),
                reason: format!(
                    "it has the version {found}, and this program knows {CURRENT_VERSION}"
                ),
            });
        }
        let database = Self::with(db, quotas).map_err(unusable)?;
        Ok(Self {
            path: Some(path.to_owned()),
            ..database
        })
    }

    /// Opens a file that is there, to look after it.
    pub(super) fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let there = std::fs::metadata(path);
        there.map_err(|error| StoreError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::open(path, UNBOUNDED)
    }

    /// Logs that are gone with the process.
    #[cfg(any(feature = "yjs", test))]
    pub(super) fn in_memory(quotas: StoreQuotas) -> Result<Self, StoreError> {
        builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(redb::Error::from)
            .and_then(|db| Self::with(db, quotas))
            .map_err(|error| StoreError::Memory {
                reason: error.to_string(),
            })
    }

    pub(super) fn with(db: redb::Database, quotas: StoreQuotas) -> Result<Self, redb::Error> {
        // Makes the tables, so that readers find them.
        let transaction = db.begin_write()?;
        transaction
            .open_table(VERSION)?
            .insert((), CURRENT_VERSION)?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(TOTAL)?;
        transaction.open_table(OWNED)?;
        let salt = {
            let mut salts = transaction.open_table(SALT)?;
            let known = salts.get(())?.map(|salt| salt.value());
            let salt = known.unwrap_or_else(|| fastrand::u128(..));
            salts.insert((), salt)?;
            salt
        };
        {
            // Logs from before uses were noted count as used now.
            let heads = transaction.open_table(HEADS)?;
            let mut uses = transaction.open_table(USES)?;
            if heads.len()? != uses.len()? {
                for head in heads.iter()? {
                    let (log, _) = head?;
                    if uses.get(log.value())?.is_none() {
                        uses.insert(log.value(), (NOBODY, since_1970()))?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(Self {
            db,
            path: None,
            quotas,
            salt,
            clock: since_1970,
        })
    }

    /// Has time be what a test says.
    #[cfg(test)]
    pub(super) fn with_clock(self, clock: fn() -> u64) -> Self {
        Self { clock, ..self }
    }

    fn reading(&self) -> Result<Reading, redb::Error> {
        let transaction = self.db.begin_read()?;
        let salt = self.salt;
        Ok(Reading { transaction, salt })
    }

    fn try_write(&self, batch: &[Write]) -> Result<Vec<Result<u64, LogError>>, redb::Error> {
        let transaction = self.db.begin_write()?;
        let mut results = Vec::with_capacity(batch.len());
        {
            let mut tables = Tables {
                entries: transaction.open_table(ENTRIES)?,
                heads: transaction.open_table(HEADS)?,
                total: transaction.open_table(TOTAL)?,
                uses: transaction.open_table(USES)?,
                owned: transaction.open_table(OWNED)?,
                quotas: self.quotas,
                now: (self.clock)(),
            };
            for write in batch {
                results.push(match write {
                    Write::Append { log, payload, from } => {
                        tables.append(log, payload, owner(self.salt, *from))?
                    }
                    Write::Snapshot {
                        log,
                        base,
                        upto,
                        payload,
                    } => tables.snapshot(log, *base, *upto, payload)?,
                    Write::Forget { log } => tables.forget(log.as_str())?,
                    Write::Touch { logs } => tables.touch(logs)?,
                    Write::Expire { before } => tables.expire(*before)?,
                });
            }
        }
        transaction.commit()?;
        Ok(results)
    }
}

impl Logs for Database {
    fn write(&self, batch: &[Write]) -> Vec<Result<u64, LogError>> {
        let written = self.try_write(batch);
        written.unwrap_or_else(|error| refuse_all(batch, &error.to_string()))
    }

    fn read(&self, log: &LogName, after: u64, max_bytes: usize) -> Result<Page, LogError> {
        let page = self.reading();
        page.and_then(|reading| reading.page(log.as_str(), after, max_bytes))
            .map_err(|error| LogError::Unavailable {
                reason: error.to_string(),
            })
    }

    fn note_use(&self, log: &LogName) {
        let now = (self.clock)();
        let last_use = || -> Result<Option<u64>, redb::Error> {
            let uses = self.db.begin_read()?.open_table(USES)?;
            Ok(uses.get(log.as_str())?.map(|uses| uses.value().1))
        };
        if let Ok(Some(last)) = last_use()
            && now.saturating_sub(last) >= USE_INTERVAL
        {
            self.write(&[Write::Touch {
                logs: vec![log.clone()],
            }]);
        }
    }

    fn size(&self) -> Option<(u64, u64)> {
        let transaction = self.db.begin_read().ok()?;
        let total = transaction.open_table(TOTAL).ok()?;
        let bytes = total.get(()).ok()?.map_or(0, |bytes| bytes.value());
        let logs = transaction.open_table(HEADS).ok()?.len().ok()?;
        Some((bytes, logs))
    }

    /// A file whose disk has failed has to be opened anew.
    fn has_recovered(&self) -> bool {
        false
    }

    fn find(&self, name: &str) -> Result<Option<StoredLog>, StoreError> {
        let found = self.reading().and_then(|reading| reading.find(name));
        found.map_err(StoreError::failed)
    }

    fn list(&self) -> Result<Vec<StoredLog>, StoreError> {
        let list = self.reading().and_then(|reading| reading.list());
        list.map_err(StoreError::failed)
    }

    fn compact(&mut self) -> Result<(u64, u64), StoreError> {
        let size = |path: &Option<PathBuf>| {
            let file = path.as_ref().and_then(|path| std::fs::metadata(path).ok());
            file.map_or(0, |file| file.len())
        };
        let before = size(&self.path);
        self.db.compact().map_err(|error| match error {
            CompactionError::TransactionInProgress => StoreError::InUse,
            error => StoreError::failed(error),
        })?;
        Ok((before, size(&self.path)))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + Send>, StoreError> {
        let reading = self.reading().map_err(StoreError::failed)?;
        Ok(Box::new(reading))
    }

    fn restore(&mut self, backup: &mut dyn BufRead) -> Result<Extent, StoreError> {
        let transaction = self.db.begin_write().map_err(StoreError::failed)?;
        let (extent, salt) = restoring::restore(&transaction, backup)?;
        transaction.commit().map_err(StoreError::failed)?;
        self.salt = salt;
        Ok(extent)
    }
}

/// The version of the tables in a file, where it is noted. Nothing is written.
fn version(db: &redb::Database) -> Result<Option<u64>, redb::Error> {
    let transaction = db.begin_read()?;
    match transaction.open_table(VERSION) {
        Ok(versions) => Ok(versions.get(())?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
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
    uses: Table<'t, &'static str, (u128, u64)>,
    owned: Table<'t, u128, u64>,
    quotas: StoreQuotas,
    now: u64,
}

impl Tables<'_> {
    fn append(
        &mut self,
        log: &LogName,
        payload: &[u8],
        from: u128,
    ) -> Result<Result<u64, LogError>, redb::Error> {
        let before = self.head(log)?;
        let total = self.total()?;
        let appended = before.append(payload, total, &self.quotas.logs);
        let (head, total) = match appended {
            Ok(appended) => appended,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let known = self.uses.get(log.as_str())?.map(|uses| uses.value());
        let owner = known.map_or(from, |(owner, _)| owner);
        if let Err(refusal) = self.charge(owner, before.bytes, head.bytes)? {
            return Ok(Err(refusal));
        }
        if known.is_none_or(|(_, last)| self.now.saturating_sub(last) >= USE_INTERVAL) {
            self.uses.insert(log.as_str(), (owner, self.now))?;
        }
        self.total.insert((), total)?;
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
        let before = self.head(log)?;
        if let Err(conflict) = before.check_snapshot(base, upto) {
            return Ok(Err(conflict));
        }
        let covered = (log.as_str(), 0)..=(log.as_str(), upto);
        let mut freed = 0;
        for entry in self.entries.range(covered.clone())? {
            freed += entry_cost(entry?.1.value());
        }
        let total = self.total()?;
        let replaced = before.snapshot(upto, payload, freed, total, &self.quotas.logs);
        let (head, total) = match replaced {
            Ok(replaced) => replaced,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let owner = self.owner_of(log.as_str())?;
        if let Err(refusal) = self.charge(owner, before.bytes, head.bytes)? {
            return Ok(Err(refusal));
        }
        self.total.insert((), total)?;
        self.entries.retain_in(covered, |_, _| false)?;
        self.entries.insert((log.as_str(), upto), payload)?;
        self.set_head(log, head)?;
        Ok(Ok(upto))
    }

    fn forget(&mut self, log: &str) -> Result<Result<u64, LogError>, redb::Error> {
        let head = head(self.heads.get(log)?);
        let owner = self.owner_of(log)?;
        // A log that goes is never refused.
        let _ = self.charge(owner, head.bytes, 0)?;
        self.entries
            .retain_in((log, 0)..=(log, u64::MAX), |_, _| false)?;
        self.heads.remove(log)?;
        self.uses.remove(log)?;
        let total = self.total()?.saturating_sub(head.bytes);
        self.total.insert((), total)?;
        Ok(Ok(head.last))
    }

    fn touch(&mut self, logs: &[LogName]) -> Result<Result<u64, LogError>, redb::Error> {
        for log in logs {
            let known = self.uses.get(log.as_str())?.map(|uses| uses.value());
            if let Some((owner, last)) = known
                && self.now.saturating_sub(last) >= USE_INTERVAL
            {
                self.uses.insert(log.as_str(), (owner, self.now))?;
            }
        }
        Ok(Ok(0))
    }

    fn expire(&mut self, before: u64) -> Result<Result<u64, LogError>, redb::Error> {
        let mut expired = Vec::new();
        for uses in self.uses.iter()? {
            let (log, uses) = uses?;
            if uses.value().1 < before {
                expired.push(log.value().to_owned());
            }
        }
        for log in &expired {
            let _ = self.forget(log)?;
        }
        Ok(Ok(expired.len() as u64))
    }

    /// Books the bytes of one of an owner's logs, if they may be as many.
    fn charge(
        &mut self,
        owner: u128,
        before: u64,
        after: u64,
    ) -> Result<Result<(), LogError>, redb::Error> {
        if owner == NOBODY {
            return Ok(Ok(()));
        }
        let owned = self.owned.get(owner)?.map_or(0, |owned| owned.value());
        let owned = match logs::charge(owned, before, after, self.quotas.address_bytes) {
            Ok(owned) => owned,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if owned == 0 {
            self.owned.remove(owner)?;
        } else {
            self.owned.insert(owner, owned)?;
        }
        Ok(Ok(()))
    }

    fn owner_of(&self, log: &str) -> Result<u128, redb::Error> {
        let uses = self.uses.get(log)?;
        Ok(uses.map_or(NOBODY, |uses| uses.value().0))
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
