//! What is read of the tables: all of it as it was at one moment.

use bytes::Bytes;
use redb::{AccessGuard, ReadTransaction, ReadableTable};

use super::tables::{ENTRIES, HEADS, USES, head};
use crate::store::backup::Snapshot;
use crate::store::error::StoreError;
use crate::store::logs::NOBODY;
use crate::store::write::{Page, StoredLog};

/// A file as it was at one moment.
pub(super) struct Reading {
    pub(super) transaction: ReadTransaction,
    pub(super) salt: u128,
}

impl Reading {
    pub(super) fn find(&self, name: &str) -> Result<Option<StoredLog>, redb::Error> {
        let uses = self.transaction.open_table(USES)?;
        let heads = self.transaction.open_table(HEADS)?;
        let uses = uses.get(name)?;
        Ok(heads.get(name)?.map(|found| stored(name, found, uses)))
    }

    pub(super) fn list(&self) -> Result<Vec<StoredLog>, redb::Error> {
        let uses = self.transaction.open_table(USES)?;
        let mut logs = Vec::new();
        for entry in self.transaction.open_table(HEADS)?.iter()? {
            let (name, found) = entry?;
            logs.push(stored(name.value(), found, uses.get(name.value())?));
        }
        Ok(logs)
    }

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    pub(super) fn page(
        &self,
        name: &str,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, redb::Error> {
        let heads = self.transaction.open_table(HEADS)?;
        let mut page = Page::new(head(heads.get(name)?));
        let Some(first) = after.checked_add(1) else {
            return Ok(page);
        };
        let entries = self.transaction.open_table(ENTRIES)?;
        for entry in entries.range((name, first)..=(name, u64::MAX))? {
            let (key, payload) = entry?;
            let (_, seq) = key.value();
            if !page.add(seq, payload.value(), max_bytes, Bytes::copy_from_slice) {
                break;
            }
        }
        Ok(page)
    }
}

impl Snapshot for Reading {
    fn salt(&self) -> u128 {
        self.salt
    }

    fn logs(&mut self) -> Result<Vec<StoredLog>, StoreError> {
        self.list().map_err(StoreError::failed)
    }

    fn page(&mut self, name: &str, after: u64, max_bytes: usize) -> Result<Page, StoreError> {
        Reading::page(self, name, after, max_bytes).map_err(StoreError::failed)
    }
}

fn stored(
    name: &str,
    found: AccessGuard<'_, (u64, u64, u64)>,
    uses: Option<AccessGuard<'_, (u128, u64)>>,
) -> StoredLog {
    let (owner, used) = uses.map_or((NOBODY, 0), |uses| uses.value());
    StoredLog::new(name, head(Some(found)), owner, used)
}
