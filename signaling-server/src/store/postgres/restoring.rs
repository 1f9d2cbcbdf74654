//! Takes a backup over into the tables.

use std::collections::HashMap;
use std::io::BufRead;

use tokio::runtime::Runtime;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::answer::{Failure, number};
use crate::store::backup::{self, Extent, Target};
use crate::store::error::StoreError;
use crate::store::logs::NOBODY;
use crate::store::write::StoredLog;

/// How many bytes of entries go to the server at a time.
const BATCH_BYTES: usize = 1 << 20;

/// How many entries go to the server at a time.
const BATCH_ENTRIES: usize = 4096;

/// Writes a backup to the tables, within a transaction of the database that has begun. How much it has.
pub(super) fn restore(
    runtime: &Runtime,
    client: &Client,
    backup: &mut dyn BufRead,
) -> Result<Extent, StoreError> {
    let mut tables = Tables {
        runtime,
        client,
        entries: Vec::new(),
        bytes: 0,
        size: (0, 0),
        owned: HashMap::new(),
    };
    let has_logs = runtime.block_on(has_logs(client));
    if has_logs.map_err(StoreError::failed)? {
        return Err(StoreError::NotEmpty);
    }
    let extent = backup::read(backup, &mut tables)?;
    tables.flush().map_err(StoreError::failed)?;
    let finished = runtime.block_on(tables.finish());
    finished.map_err(StoreError::failed)?;
    Ok(extent)
}

/// Keeps all other writers out, and looks whether there are logs.
async fn has_logs(client: &Client) -> Result<bool, Failure> {
    let lock = "SELECT EXISTS (SELECT FROM signaling_logs) FROM signaling_store FOR UPDATE";
    Ok(client.query_one(lock, &[]).await?.try_get(0)?)
}

struct Tables<'c> {
    runtime: &'c Runtime,
    client: &'c Client,
    /// Entries that are not yet in the table, and their size.
    entries: Vec<(String, i64, Vec<u8>)>,
    bytes: usize,
    /// The size of all logs, and their number.
    size: (u64, u64),
    owned: HashMap<u128, u64>,
}

impl Tables<'_> {
    fn flush(&mut self) -> Result<(), Failure> {
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let logs: Vec<&str> = entries.iter().map(|(log, ..)| log.as_str()).collect();
        let seqs: Vec<i64> = entries.iter().map(|(_, seq, _)| *seq).collect();
        let payloads: Vec<&[u8]> = entries.iter().map(|(.., payload)| &payload[..]).collect();
        let insert = "INSERT INTO signaling_entries (log, seq, payload) \
                      SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])";
        self.execute(insert, &[&logs, &seqs, &payloads])
    }

    fn put_log(&mut self, log: &StoredLog) -> Result<(), Failure> {
        let (bytes, logs) = &mut self.size;
        *bytes = bytes.saturating_add(log.bytes);
        *logs += 1;
        if log.owner != NOBODY {
            let owned = self.owned.entry(log.owner).or_default();
            *owned = owned.saturating_add(log.bytes);
        }
        let insert = "INSERT INTO signaling_logs (name, base, last, bytes, owner, used) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let (base, last) = (number(log.base)?, number(log.last)?);
        let (bytes, used) = (number(log.bytes)?, number(log.used)?);
        let owner = &log.owner.to_be_bytes()[..];
        self.execute(insert, &[&log.name, &base, &last, &bytes, &owner, &used])
    }

    fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), Failure> {
        let done = self.client.execute(statement, values);
        self.runtime.block_on(done)?;
        Ok(())
    }

    async fn finish(&self) -> Result<(), Failure> {
        let insert = "INSERT INTO signaling_owners (owner, bytes) VALUES ($1, $2)";
        for (owner, bytes) in &self.owned {
            let (owner, bytes) = (&owner.to_be_bytes()[..], number(*bytes)?);
            self.client.execute(insert, &[&owner, &bytes]).await?;
        }
        let (bytes, logs) = (number(self.size.0)?, number(self.size.1)?);
        let update = "UPDATE signaling_store SET bytes = $1, logs = $2";
        self.client.execute(update, &[&bytes, &logs]).await?;
        Ok(())
    }
}

impl Target for Tables<'_> {
    fn salt(&mut self, salt: u128) -> Result<(), StoreError> {
        let salt = &salt.to_be_bytes()[..];
        let updated = self.execute("UPDATE signaling_store SET salt = $1", &[&salt]);
        updated.map_err(StoreError::failed)
    }

    fn entry(&mut self, log: &str, seq: u64, payload: &[u8]) -> Result<(), StoreError> {
        let seq = number(seq);
        let taken = seq.and_then(|seq| {
            self.bytes = self.bytes.saturating_add(payload.len());
            self.entries.push((log.to_owned(), seq, payload.to_vec()));
            if self.bytes >= BATCH_BYTES || self.entries.len() >= BATCH_ENTRIES {
                self.flush()?;
            }
            Ok(())
        });
        taken.map_err(StoreError::failed)
    }

    fn log(&mut self, log: &StoredLog) -> Result<(), StoreError> {
        self.put_log(log).map_err(StoreError::failed)
    }
}
