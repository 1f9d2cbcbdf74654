//! Backups: all logs of one moment as lines of JSON, which any place for logs can take.
//!
//! The first line is the head, then come the logs, each followed by its entries, and the last line has
//! the numbers of both and a hash of all lines before it. So a backup that was cut off or damaged is
//! found out.

use std::io::{self, BufRead, Lines, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use signaling_rooms::{LogHead, entry_cost};

use super::error::StoreError;
use super::write::{Page, StoredLog};

/// The version of the form.
const VERSION: u32 = 1;

/// How many bytes of entries are read at a time.
const PAGE_BYTES: usize = 1 << 20;

/// The logs as they were at one moment, whatever is written meanwhile.
pub(crate) trait Snapshot {
    /// The number without which owners of logs cannot be told from addresses.
    fn salt(&self) -> u128;

    /// All logs, in no order.
    fn logs(&mut self) -> Result<Vec<StoredLog>, StoreError>;

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    fn page(&mut self, name: &str, after: u64, max_bytes: usize) -> Result<Page, StoreError>;
}

/// An empty place that takes the parts of a backup, and keeps them once all have come.
pub(super) trait Target {
    /// The salt of the owners; comes first.
    fn salt(&mut self, salt: u128) -> Result<(), StoreError>;

    /// An entry of a log.
    fn entry(&mut self, log: &str, seq: u64, payload: &[u8]) -> Result<(), StoreError>;

    /// A log; comes once all of its entries have come.
    fn log(&mut self, log: &StoredLog) -> Result<(), StoreError>;
}

/// How much a backup has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) logs: u64,
    pub(crate) entries: u64,
}

/// Why a backup cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Backup {
        version: u32,
        salt: String,
    },
    Log(Head),
    Entry {
        seq: u64,
        payload: String,
    },
    End {
        logs: u64,
        entries: u64,
        sha256: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Head {
    name: String,
    base: u64,
    last: u64,
    used: u64,
    owner: String,
}

/// Writes all logs of a snapshot, in the order of their names.
pub(crate) fn write(
    snapshot: &mut dyn Snapshot,
    out: &mut dyn Write,
) -> Result<Extent, BackupError> {
    let mut writer = Writer {
        out,
        hash: Context::new(&SHA256),
    };
    writer.line(&Line::Backup {
        version: VERSION,
        salt: hex(snapshot.salt()),
    })?;
    let mut logs = snapshot.logs()?;
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    let mut extent = Extent::default();
    for log in logs {
        extent.logs += 1;
        writer.line(&Line::Log(Head {
            name: log.name.clone(),
            base: log.base,
            last: log.last,
            used: log.used,
            owner: hex(log.owner),
        }))?;
        let (mut after, mut more) = (0, true);
        while more {
            let page = snapshot.page(&log.name, after, PAGE_BYTES)?;
            for (seq, payload) in page.entries {
                extent.entries += 1;
                after = seq;
                let payload = STANDARD.encode(payload);
                writer.line(&Line::Entry { seq, payload })?;
            }
            more = page.more;
        }
    }
    let end = Line::End {
        logs: extent.logs,
        entries: extent.entries,
        sha256: hash_text(writer.hash.clone()),
    };
    writer.line(&end)?;
    writer.out.flush()?;
    Ok(extent)
}

struct Writer<'w> {
    out: &'w mut dyn Write,
    hash: Context,
}

impl Writer<'_> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text)
    }
}

/// Reads a backup and makes sure that it is whole. Where it is not, the target has to forget what it took.
///
/// # Errors
/// [`StoreError::Backup`], and whatever the target says.
pub(super) fn read(
    backup: &mut dyn BufRead,
    target: &mut dyn Target,
) -> Result<Extent, StoreError> {
    let mut reader = Reader {
        lines: backup.lines(),
        hash: Context::new(&SHA256),
        number: 0,
    };
    let Some(Line::Backup { version, salt }) = reader.next()? else {
        return Err(reader.damaged("it does not begin like a backup"));
    };
    if version != VERSION {
        let why = format!("it has the version {version}, and this program knows {VERSION}");
        return Err(reader.damaged(&why));
    }
    target.salt(reader.id(&salt)?)?;
    let mut extent = Extent::default();
    let mut name = String::new();
    loop {
        let before = reader.hash.clone();
        match reader.next()? {
            Some(Line::Log(head)) if head.name > name => {
                let mut log = reader.head(&head)?;
                for seq in log.base.max(1)..=log.last {
                    let payload = reader.entry(seq)?;
                    log.bytes = log.bytes.saturating_add(entry_cost(&payload));
                    target.entry(&log.name, seq, &payload)?;
                    extent.entries += 1;
                }
                target.log(&log)?;
                extent.logs += 1;
                name = log.name;
            }
            Some(Line::End {
                logs,
                entries,
                sha256,
            }) => {
                let said = Extent { logs, entries };
                if said != extent || sha256 != hash_text(before) || reader.next()?.is_some() {
                    return Err(reader.damaged("it is not what was written"));
                }
                return Ok(extent);
            }
            Some(_) => return Err(reader.damaged("the line is out of place")),
            None => return Err(reader.damaged("the end is missing")),
        }
    }
}

struct Reader<R> {
    lines: Lines<R>,
    hash: Context,
    number: u64,
}

impl<R: BufRead> Reader<R> {
    fn next(&mut self) -> Result<Option<Line>, StoreError> {
        let Some(text) = self.lines.next() else {
            return Ok(None);
        };
        self.number += 1;
        let text = text.map_err(|error| self.damaged(&error.to_string()))?;
        self.hash.update(text.as_bytes());
        self.hash.update(b"\n");
        let line = serde_json::from_str(&text);
        line.map(Some)
            .map_err(|error| self.damaged(&error.to_string()))
    }

    fn head(&self, head: &Head) -> Result<StoredLog, StoreError> {
        let (base, last) = (head.base, head.last);
        if base > last || last == 0 {
            return Err(self.damaged("the log has numbers that make no sense"));
        }
        let bytes = 0;
        let owner = self.id(&head.owner)?;
        let numbers = LogHead { base, last, bytes };
        Ok(StoredLog::new(&head.name, numbers, owner, head.used))
    }

    fn entry(&mut self, expected: u64) -> Result<Vec<u8>, StoreError> {
        match self.next()? {
            Some(Line::Entry { seq, payload }) if seq == expected => {
                let payload = STANDARD.decode(payload);
                payload.map_err(|error| self.damaged(&error.to_string()))
            }
            _ => Err(self.damaged(&format!("the entry {expected} is missing"))),
        }
    }

    fn id(&self, text: &str) -> Result<u128, StoreError> {
        u128::from_str_radix(text, 16).map_err(|error| self.damaged(&error.to_string()))
    }

    fn damaged(&self, why: &str) -> StoreError {
        StoreError::Backup {
            line: self.number,
            reason: why.to_owned(),
        }
    }
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

fn hash_text(hash: Context) -> String {
    let hash = hash.finish();
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
