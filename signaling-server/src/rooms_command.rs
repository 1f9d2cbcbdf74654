//! `signaling-server rooms`: the logs in a store that no server uses, or in that of a running server.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};

use crate::admin::client::{AdminClient, AdminError};
use crate::admin::wire::{Compacted, Entries, Entry, LogInfo};
use crate::command_line::{LogsArgument, RoomsCommand};
use crate::store::backup::{self, BackupError, Extent};
use crate::store::{StoreError, StoredLogs};

/// How many bytes of entries are read at a time.
const PAGE_BYTES: usize = 1 << 20;

/// Why a command on the rooms of a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomsError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server cannot be asked, or refuses.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The server cannot be asked for want of a runtime.
    #[error("cannot ask: {0}")]
    Runtime(#[source] io::Error),
    /// What was asked for cannot be printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

impl From<BackupError> for RoomsError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => Self::Store(error),
            BackupError::Output(error) => Self::Output(error),
        }
    }
}

/// Carries out a command: reads a backup from `input`, and prints to `out` what it finds.
///
/// # Errors
/// Any [`RoomsError`].
pub fn carry_out(
    command: &RoomsCommand,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), RoomsError> {
    match command {
        RoomsCommand::List(logs) => {
            let mut logs = Logs::open(logs)?.list()?;
            logs.sort_by(|a, b| a.name.cmp(&b.name));
            for log in logs {
                let day = day(log.used);
                let LogInfo {
                    name,
                    bytes,
                    entries,
                    ..
                } = log;
                writeln!(out, "{bytes}\t{entries}\t{day}\t{name}")?;
            }
        }
        RoomsCommand::Show { name, logs } => {
            let log = Logs::open(logs)?.find(name)?;
            writeln!(out, "name\t{}", log.name)?;
            writeln!(out, "bytes\t{}", log.bytes)?;
            writeln!(out, "entries\t{}", log.entries)?;
            writeln!(out, "snapshot\t{}", log.snapshot)?;
            writeln!(out, "last\t{}", log.last)?;
            writeln!(out, "used\t{}", day(log.used))?;
        }
        RoomsCommand::Export { name, logs } => {
            let logs = Logs::open(logs)?;
            logs.find(name)?;
            let (mut after, mut more) = (0, true);
            while more {
                let page = logs.entries(name, after)?;
                for entry in &page.entries {
                    let line = serde_json::to_string(entry).map_err(io::Error::other)?;
                    writeln!(out, "{line}")?;
                    after = entry.seq;
                }
                more = page.more;
            }
        }
        RoomsCommand::Delete { names, logs } => {
            for log in Logs::open(logs)?.delete(names)? {
                writeln!(out, "deleted {} ({} bytes)", log.name, log.bytes)?;
            }
        }
        RoomsCommand::Compact(logs) => {
            let Compacted { before, after } = Logs::open(logs)?.compact()?;
            writeln!(out, "{before} bytes before, {after} after")?;
        }
        RoomsCommand::Backup(logs) => Logs::open(logs)?.backup(out)?,
        RoomsCommand::Restore(store) => {
            let Extent { logs, entries } = StoredLogs::restore(&store.store, input)?;
            writeln!(out, "restored {logs} logs with {entries} entries")?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Where the logs are looked after.
enum Logs {
    Store(StoredLogs),
    /// With the runtime that it is asked on.
    Server(AdminClient, Runtime),
}

impl Logs {
    fn open(logs: &LogsArgument) -> Result<Self, RoomsError> {
        match logs {
            LogsArgument {
                admin_url: Some(url),
                admin_token: Some(token),
                ..
            } => {
                let runtime = Builder::new_current_thread().enable_all().build();
                let client = AdminClient::new(url.clone(), token.clone());
                Ok(Self::Server(client, runtime.map_err(RoomsError::Runtime)?))
            }
            LogsArgument { store, .. } => {
                let store = store.as_ref().ok_or(StoreError::Unnamed)?;
                Ok(Self::Store(StoredLogs::open(store)?))
            }
        }
    }

    fn list(&self) -> Result<Vec<LogInfo>, RoomsError> {
        match self {
            Self::Store(logs) => Ok(logs.list()?.into_iter().map(LogInfo::from).collect()),
            Self::Server(server, runtime) => Ok(runtime.block_on(server.list())?),
        }
    }

    fn find(&self, name: &str) -> Result<LogInfo, RoomsError> {
        match self {
            Self::Store(logs) => Ok(logs.find(name)?.into()),
            Self::Server(server, runtime) => Ok(runtime.block_on(server.find(name))?),
        }
    }

    fn entries(&self, name: &str, after: u64) -> Result<Entries, RoomsError> {
        match self {
            Self::Store(logs) => {
                let page = logs.read(name, after, PAGE_BYTES)?;
                let entries = page.entries.iter().map(|(seq, payload)| Entry {
                    payload: STANDARD.encode(payload),
                    seq: *seq,
                });
                Ok(Entries {
                    entries: entries.collect(),
                    more: page.more,
                })
            }
            Self::Server(server, runtime) => Ok(runtime.block_on(server.entries(name, after))?),
        }
    }

    fn delete(&self, names: &[String]) -> Result<Vec<LogInfo>, RoomsError> {
        match self {
            Self::Store(logs) => {
                let deleted = logs.delete(names)?;
                Ok(deleted.into_iter().map(LogInfo::from).collect())
            }
            Self::Server(server, runtime) => Ok(runtime.block_on(server.delete(names))?),
        }
    }

    fn compact(self) -> Result<Compacted, RoomsError> {
        match self {
            Self::Store(logs) => {
                let (before, after) = logs.compact()?;
                Ok(Compacted { before, after })
            }
            Self::Server(server, runtime) => Ok(runtime.block_on(server.compact())?),
        }
    }

    fn backup(&self, out: &mut dyn Write) -> Result<(), RoomsError> {
        match self {
            Self::Store(logs) => {
                backup::write(&mut *logs.snapshot()?, out)?;
                Ok(())
            }
            Self::Server(server, runtime) => Ok(runtime.block_on(server.backup(out))?),
        }
    }
}

/// A day, as ISO 8601 writes it, that is given in seconds since 1970.
fn day(used: u64) -> String {
    let used = i64::try_from(used).ok();
    let used = used.and_then(|used| OffsetDateTime::from_unix_timestamp(used).ok());
    used.map_or_else(String::new, |used| used.date().to_string())
}
