//! `signaling-server rooms`: the logs in a store. A file is used by no server meanwhile.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use time::OffsetDateTime;

use crate::command_line::{RoomsCommand, StoreArgument};
use crate::store::{StoreError, StoredLog, StoredLogs};

/// How many bytes of entries are read at a time.
const PAGE_BYTES: usize = 1 << 20;

/// Why a command on the rooms of a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomsError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such log.
    #[error("there is no log {name:?} in the store: `rooms list` prints the names there are")]
    Unknown {
        /// The name that was given.
        name: String,
    },
    /// What was asked for cannot be printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

/// Carries out a command, and prints to `out` what it finds.
///
/// # Errors
/// Any [`RoomsError`].
pub fn carry_out(command: &RoomsCommand, out: &mut dyn Write) -> Result<(), RoomsError> {
    match command {
        RoomsCommand::List(store) => {
            let mut logs = open(store)?.list()?;
            logs.sort_by(|a, b| a.name.cmp(&b.name));
            for log in logs {
                let StoredLog { name, bytes, .. } = &log;
                writeln!(out, "{bytes}\t{}\t{}\t{name}", log.entries(), day(&log))?;
            }
        }
        RoomsCommand::Show { name, store } => {
            let log = find(&open(store)?, name)?;
            writeln!(out, "name\t{}", log.name)?;
            writeln!(out, "bytes\t{}", log.bytes)?;
            writeln!(out, "entries\t{}", log.entries())?;
            writeln!(out, "snapshot\t{}", log.base)?;
            writeln!(out, "last\t{}", log.last)?;
            writeln!(out, "used\t{}", day(&log))?;
        }
        RoomsCommand::Export { name, store } => {
            let logs = open(store)?;
            find(&logs, name)?;
            let (mut after, mut more) = (0, true);
            while more {
                let page = logs.read(name, after, PAGE_BYTES)?;
                for (seq, payload) in &page.entries {
                    let entry = json!({"seq": seq, "payload": STANDARD.encode(payload)});
                    writeln!(out, "{entry}")?;
                    after = *seq;
                }
                more = page.more;
            }
        }
        RoomsCommand::Delete { names, store } => {
            let logs = open(store)?;
            let found: Result<Vec<StoredLog>, RoomsError> =
                names.iter().map(|name| find(&logs, name)).collect();
            let found = found?;
            logs.delete(names)?;
            for log in found {
                writeln!(out, "deleted {} ({} bytes)", log.name, log.bytes)?;
            }
        }
        RoomsCommand::Compact(store) => {
            let (before, after) = open(store)?.compact()?;
            writeln!(out, "{before} bytes before, {after} after")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn open(store: &StoreArgument) -> Result<StoredLogs, StoreError> {
    StoredLogs::open(&store.store)
}

fn find(logs: &StoredLogs, name: &str) -> Result<StoredLog, RoomsError> {
    let found = logs.list()?.into_iter().find(|log| log.name == name);
    found.ok_or_else(|| RoomsError::Unknown {
        name: name.to_owned(),
    })
}

/// The day of the last use, as ISO 8601 writes it.
fn day(log: &StoredLog) -> String {
    let used = i64::try_from(log.used).ok();
    let used = used.and_then(|used| OffsetDateTime::from_unix_timestamp(used).ok());
    used.map_or_else(String::new, |used| used.date().to_string())
}
