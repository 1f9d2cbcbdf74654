//! What one batch does to the tables.
//!
//! The heads and owners concerned are read at once, and the rules applied to them here; what they become
//! is written at the end, with all entries in one statement. So a batch of any length takes a few round
//! trips.

use std::collections::HashMap;

use bytes::Bytes;
use signaling_rooms::{LogError, LogHead, entry_cost};
use tokio_postgres::Client;

use super::answer::{Failure, count, head_of, number};
use super::schema;
use crate::store::logs::{self, NOBODY, USE_INTERVAL};
use crate::store::write::{LogName, StoreQuotas, Write};

/// A log as it is after what was done so far.
#[derive(Clone, Copy, Default)]
struct Known {
    head: LogHead,
    owner: u128,
    /// When it was last in use, in seconds since 1970; `None` where there is no such log.
    used: Option<u64>,
    /// Whether the table has something else.
    changed: bool,
}

/// A transaction that owns the lock which serialises all writers.
pub(super) struct Transaction<'c> {
    client: &'c Client,
    quotas: StoreQuotas,
    now: u64,
    bytes: u64,
    logs: u64,
    known: HashMap<String, Known>,
    /// The bytes of the owners concerned.
    owned: HashMap<u128, u64>,
    /// Entries that are not yet in the table.
    entries: Vec<(String, u64, Bytes)>,
}

impl<'c> Transaction<'c> {
    /// Takes the lock. The transaction of the database has begun.
    pub(super) async fn begin(
        client: &'c Client,
        quotas: StoreQuotas,
        now: u64,
    ) -> Result<Self, Failure> {
        let lock = "SELECT bytes, logs FROM signaling_store FOR UPDATE";
        let store = client.query_one(lock, &[]).await?;
        Ok(Self {
            client,
            quotas,
            now,
            bytes: count(&store, 0)?,
            logs: count(&store, 1)?,
            known: HashMap::new(),
            owned: HashMap::new(),
            entries: Vec::new(),
        })
    }

    /// Reads what is known of the logs that a batch names, and of their owners.
    pub(super) async fn load(
        &mut self,
        batch: &[Write],
        owner: impl Fn(Option<std::net::IpAddr>) -> u128,
    ) -> Result<(), Failure> {
        let (mut names, mut owners) = (Vec::new(), Vec::new());
        for write in batch {
            match write {
                Write::Append { log, from, .. } => {
                    names.push(log.as_str());
                    owners.push(owner(*from));
                }
                Write::Snapshot { log, .. } | Write::Forget { log } => names.push(log.as_str()),
                Write::Touch { logs } => names.extend(logs.iter().map(LogName::as_str)),
                Write::Expire { .. } => {}
            }
        }
        self.load_logs(names, owners).await
    }

    async fn load_logs(
        &mut self,
        mut names: Vec<&str>,
        mut owners: Vec<u128>,
    ) -> Result<(), Failure> {
        names.retain(|name| !self.known.contains_key(*name));
        names.sort_unstable();
        names.dedup();
        let select = "SELECT name, base, last, bytes, owner, used FROM signaling_logs \
                      WHERE name = ANY($1)";
        for row in self.client.query(select, &[&names]).await? {
            let known = Known {
                head: head_of(&row, 1)?,
                owner: schema::id(row.try_get(4)?)?,
                used: Some(count(&row, 5)?),
                changed: false,
            };
            owners.push(known.owner);
            self.known.insert(row.try_get(0)?, known);
        }
        owners.retain(|owner| *owner != NOBODY && !self.owned.contains_key(owner));
        owners.sort_unstable();
        owners.dedup();
        if owners.is_empty() {
            return Ok(());
        }
        let keys: Vec<[u8; 16]> = owners.iter().map(|owner| owner.to_be_bytes()).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let select = "SELECT owner, bytes FROM signaling_owners WHERE owner = ANY($1)";
        for row in self.client.query(select, &[&keys]).await? {
            self.owned
                .insert(schema::id(row.try_get(0)?)?, count(&row, 1)?);
        }
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        log: &LogName,
        payload: &Bytes,
        from: u128,
    ) -> Result<u64, LogError> {
        let before = self.get(log.as_str());
        let (head, bytes) = before.head.append(payload, self.bytes, &self.quotas.logs)?;
        let owner = before.used.map_or(from, |_| before.owner);
        self.charge(owner, before.head.bytes, head.bytes)?;
        let last_use = before.used;
        let used = last_use.filter(|last| self.now.saturating_sub(*last) < USE_INTERVAL);
        self.bytes = bytes;
        self.logs += u64::from(last_use.is_none());
        let used = Some(used.unwrap_or(self.now));
        self.set(
            log.as_str(),
            Known {
                head,
                owner,
                used,
                changed: true,
            },
        );
        self.entries
            .push((log.as_str().to_owned(), head.last, payload.clone()));
        Ok(head.last)
    }

    pub(super) async fn snapshot(
        &mut self,
        log: &LogName,
        base: u64,
        upto: u64,
        payload: &Bytes,
    ) -> Result<Result<u64, LogError>, Failure> {
        let before = self.get(log.as_str());
        if let Err(conflict) = before.head.check_snapshot(base, upto) {
            return Ok(Err(conflict));
        }
        self.flush_entries().await?;
        let (name, last) = (log.as_str(), number(upto)?);
        let overhead = number(entry_cost(&[]))?;
        let freed = "SELECT coalesce(sum(octet_length(payload) + $3::bigint), 0)::bigint \
                     FROM signaling_entries WHERE log = $1 AND seq <= $2";
        let freed = self
            .client
            .query_one(freed, &[&name, &last, &overhead])
            .await?;
        let freed = count(&freed, 0)?;
        let quotas = &self.quotas.logs;
        let replaced = before
            .head
            .snapshot(upto, payload, freed, self.bytes, quotas);
        let (head, bytes) = match replaced {
            Ok(replaced) => replaced,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Err(refusal) = self.charge(before.owner, before.head.bytes, head.bytes) {
            return Ok(Err(refusal));
        }
        self.bytes = bytes;
        let delete = "DELETE FROM signaling_entries WHERE log = $1 AND seq <= $2";
        self.client.execute(delete, &[&name, &last]).await?;
        self.entries.push((name.to_owned(), upto, payload.clone()));
        self.set(
            name,
            Known {
                head,
                changed: true,
                ..before
            },
        );
        Ok(Ok(upto))
    }

    pub(super) async fn forget(&mut self, log: &str) -> Result<u64, Failure> {
        let before = self.get(log);
        self.flush_entries().await?;
        let delete = "DELETE FROM signaling_entries WHERE log = $1";
        self.client.execute(delete, &[&log]).await?;
        // A log that goes is never refused.
        let _ = self.charge(before.owner, before.head.bytes, 0);
        self.bytes = self.bytes.saturating_sub(before.head.bytes);
        self.logs = self.logs.saturating_sub(u64::from(before.used.is_some()));
        self.set(
            log,
            Known {
                changed: true,
                ..Known::default()
            },
        );
        Ok(before.head.last)
    }

    pub(super) fn touch(&mut self, logs: &[LogName]) {
        for log in logs {
            let known = self.get(log.as_str());
            if known
                .used
                .is_some_and(|last| self.now.saturating_sub(last) >= USE_INTERVAL)
            {
                let used = Some(self.now);
                self.set(
                    log.as_str(),
                    Known {
                        used,
                        changed: true,
                        ..known
                    },
                );
            }
        }
    }

    /// How many logs went that were not in use since a time.
    pub(super) async fn expire(&mut self, before: u64) -> Result<u64, Failure> {
        self.flush_logs().await?;
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let select = "SELECT name FROM signaling_logs WHERE used < $1";
        let rows = self.client.query(select, &[&before]).await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let names = names?;
        self.load_logs(names.iter().map(String::as_str).collect(), Vec::new())
            .await?;
        for name in &names {
            self.forget(name).await?;
        }
        Ok(names.len() as u64)
    }

    /// Writes all that was done; the size of all logs and their number.
    pub(super) async fn finish(mut self) -> Result<(u64, u64), Failure> {
        self.flush_entries().await?;
        self.flush_logs().await?;
        self.flush_owners().await?;
        let (bytes, logs) = (number(self.bytes)?, number(self.logs)?);
        let update = "UPDATE signaling_store SET bytes = $1, logs = $2 \
                      WHERE bytes <> $1 OR logs <> $2";
        self.client.execute(update, &[&bytes, &logs]).await?;
        Ok((self.bytes, self.logs))
    }

    async fn flush_entries(&mut self) -> Result<(), Failure> {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(());
        }
        let logs: Vec<&str> = entries.iter().map(|(log, ..)| log.as_str()).collect();
        let seqs: Result<Vec<i64>, _> = entries.iter().map(|(_, seq, _)| number(*seq)).collect();
        let payloads: Vec<&[u8]> = entries.iter().map(|(.., payload)| &payload[..]).collect();
        let insert = "INSERT INTO signaling_entries (log, seq, payload) \
                      SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])";
        self.client
            .execute(insert, &[&logs, &seqs?, &payloads])
            .await?;
        Ok(())
    }

    async fn flush_logs(&mut self) -> Result<(), Failure> {
        let (mut names, mut gone) = (Vec::new(), Vec::new());
        let (mut bases, mut lasts, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut owners, mut uses) = (Vec::new(), Vec::new());
        for (name, known) in &mut self.known {
            if !std::mem::take(&mut known.changed) {
                continue;
            }
            let Some(used) = known.used else {
                gone.push(name.as_str());
                continue;
            };
            names.push(name.as_str());
            bases.push(number(known.head.base)?);
            lasts.push(number(known.head.last)?);
            sizes.push(number(known.head.bytes)?);
            owners.push(known.owner.to_be_bytes());
            uses.push(number(used)?);
        }
        if !gone.is_empty() {
            let delete = "DELETE FROM signaling_logs WHERE name = ANY($1)";
            self.client.execute(delete, &[&gone]).await?;
        }
        if !names.is_empty() {
            let owners: Vec<&[u8]> = owners.iter().map(|owner| &owner[..]).collect();
            let upsert = "INSERT INTO signaling_logs (name, base, last, bytes, owner, used) \
                          SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], \
                                               $4::bigint[], $5::bytea[], $6::bigint[]) \
                          ON CONFLICT (name) DO UPDATE SET base = EXCLUDED.base, \
                          last = EXCLUDED.last, bytes = EXCLUDED.bytes, \
                          owner = EXCLUDED.owner, used = EXCLUDED.used";
            let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&names, &bases, &lasts, &sizes, &owners, &uses];
            self.client.execute(upsert, &columns).await?;
        }
        Ok(())
    }

    async fn flush_owners(&mut self) -> Result<(), Failure> {
        let (mut owners, mut sizes, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, bytes) in &self.owned {
            if *bytes == 0 {
                gone.push(owner.to_be_bytes());
            } else {
                owners.push(owner.to_be_bytes());
                sizes.push(number(*bytes)?);
            }
        }
        if !gone.is_empty() {
            let gone: Vec<&[u8]> = gone.iter().map(|owner| &owner[..]).collect();
            let delete = "DELETE FROM signaling_owners WHERE owner = ANY($1)";
            self.client.execute(delete, &[&gone]).await?;
        }
        if !owners.is_empty() {
            let owners: Vec<&[u8]> = owners.iter().map(|owner| &owner[..]).collect();
            let upsert = "INSERT INTO signaling_owners (owner, bytes) \
                          SELECT * FROM unnest($1::bytea[], $2::bigint[]) \
                          ON CONFLICT (owner) DO UPDATE SET bytes = EXCLUDED.bytes";
            self.client.execute(upsert, &[&owners, &sizes]).await?;
        }
        Ok(())
    }

    /// Books the bytes of one of an owner's logs, if they may be as many.
    fn charge(&mut self, owner: u128, before: u64, after: u64) -> Result<(), LogError> {
        if owner == NOBODY {
            return Ok(());
        }
        let owned = self.owned.get(&owner).copied().unwrap_or_default();
        let owned = logs::charge(owned, before, after, self.quotas.address_bytes)?;
        self.owned.insert(owner, owned);
        Ok(())
    }

    fn get(&self, log: &str) -> Known {
        self.known.get(log).copied().unwrap_or_default()
    }

    fn set(&mut self, log: &str, known: Known) {
        self.known.insert(log.to_owned(), known);
    }
}
