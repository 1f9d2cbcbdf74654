//! Takes a backup over into the tables of a file.

use std::io::BufRead;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::tables::{ENTRIES, HEADS, OWNED, SALT, TOTAL, USES};
use crate::store::backup::{self, Extent, Target};
use crate::store::error::StoreError;
use crate::store::logs::NOBODY;
use crate::store::write::StoredLog;

/// Writes a backup to the tables: how much it has, and the salt of its owners. Nothing is kept unless the
/// transaction is committed.
pub(super) fn restore(
    transaction: &WriteTransaction,
    backup: &mut dyn BufRead,
) -> Result<(Extent, u128), StoreError> {
    let open = || -> Result<Tables<'_>, redb::Error> {
        Ok(Tables {
            entries: transaction.open_table(ENTRIES)?,
            heads: transaction.open_table(HEADS)?,
            total: transaction.open_table(TOTAL)?,
            uses: transaction.open_table(USES)?,
            owned: transaction.open_table(OWNED)?,
            salts: transaction.open_table(SALT)?,
            salt: 0,
        })
    };
    let mut tables = open().map_err(StoreError::failed)?;
    if !tables.heads.is_empty().map_err(StoreError::failed)? {
        return Err(StoreError::NotEmpty);
    }
    let extent = backup::read(backup, &mut tables)?;
    Ok((extent, tables.salt))
}

struct Tables<'t> {
    entries: Table<'t, (&'static str, u64), &'static [u8]>,
    heads: Table<'t, &'static str, (u64, u64, u64)>,
    total: Table<'t, (), u64>,
    uses: Table<'t, &'static str, (u128, u64)>,
    owned: Table<'t, u128, u64>,
    salts: Table<'t, (), u128>,
    salt: u128,
}

impl Tables<'_> {
    fn put_log(&mut self, log: &StoredLog) -> Result<(), redb::Error> {
        let name = log.name.as_str();
        self.heads.insert(name, (log.base, log.last, log.bytes))?;
        self.uses.insert(name, (log.owner, log.used))?;
        let total = self.total.get(())?.map_or(0, |total| total.value());
        self.total.insert((), total.saturating_add(log.bytes))?;
        if log.owner != NOBODY {
            let owned = self.owned.get(log.owner)?.map_or(0, |owned| owned.value());
            self.owned
                .insert(log.owner, owned.saturating_add(log.bytes))?;
        }
        Ok(())
    }
}

impl Target for Tables<'_> {
    fn salt(&mut self, salt: u128) -> Result<(), StoreError> {
        self.salt = salt;
        let put = self.salts.insert((), salt);
        put.map(drop).map_err(StoreError::failed)
    }

    fn entry(&mut self, log: &str, seq: u64, payload: &[u8]) -> Result<(), StoreError> {
        let put = self.entries.insert((log, seq), payload);
        put.map(drop).map_err(StoreError::failed)
    }

    fn log(&mut self, log: &StoredLog) -> Result<(), StoreError> {
        self.put_log(log).map_err(StoreError::failed)
    }
}
