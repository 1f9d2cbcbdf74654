//! What is read of the tables, within a transaction that sees one moment.

use bytes::Bytes;
use signaling_rooms::LogHead;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Row};

use super::answer::{Failure, count, head_of, number};
use super::schema;
use super::session::Session;
use crate::store::backup::Snapshot;
use crate::store::error::StoreError;
use crate::store::write::{Page, StoredLog};

/// How many entries a page has at most.
const PAGE_ENTRIES: usize = 4096;

/// The columns of `signaling_logs` that [`stored`] takes.
const COLUMNS: &str = "name, base, last, bytes, used, owner";

/// The tables as they were at one moment, on a connection of their own.
pub(super) struct Reading {
    // Dropped before the runtime that it works on.
    pub(super) session: Session,
    pub(super) runtime: Runtime,
}

impl Snapshot for Reading {
    fn salt(&self) -> u128 {
        self.session.salt
    }

    fn logs(&mut self) -> Result<Vec<StoredLog>, StoreError> {
        let logs = self.runtime.block_on(list(&self.session.client));
        logs.map_err(StoreError::failed)
    }

    fn page(&mut self, name: &str, after: u64, max_bytes: usize) -> Result<Page, StoreError> {
        let page = page(&self.session.client, name, after, max_bytes);
        self.runtime.block_on(page).map_err(StoreError::failed)
    }
}

pub(super) async fn find(client: &Client, name: &str) -> Result<Option<StoredLog>, Failure> {
    let select = format!("SELECT {COLUMNS} FROM signaling_logs WHERE name = $1");
    let row = client.query_opt(&select, &[&name]).await?;
    row.map(|row| stored(&row)).transpose()
}

pub(super) async fn list(client: &Client) -> Result<Vec<StoredLog>, Failure> {
    let select = format!("SELECT {COLUMNS} FROM signaling_logs");
    let rows = client.query(&select, &[]).await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<StoredLog, Failure> {
    let (used, owner) = (count(row, 4)?, schema::id(row.try_get(5)?)?);
    Ok(StoredLog::new(
        row.try_get(0)?,
        head_of(row, 1)?,
        owner,
        used,
    ))
}

/// The entries of a log after a number, as many as fit into `max` bytes, but one at least.
pub(super) async fn page(
    client: &Client,
    name: &str,
    after: u64,
    max: usize,
) -> Result<Page, Failure> {
    let head = "SELECT base, last, bytes FROM signaling_logs WHERE name = $1";
    let head = client.query_opt(head, &[&name]).await?;
    let head = head.map_or_else(|| Ok(LogHead::default()), |row| head_of(&row, 0))?;
    let mut page = Page::new(head);
    if after >= head.last {
        return Ok(page);
    }
    let after = number(after)?;
    let sizes = "SELECT seq, octet_length(payload) FROM signaling_entries \
                 WHERE log = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let sizes = client
        .query(sizes, &[&name, &after, &(PAGE_ENTRIES as i64 + 1)])
        .await?;
    let upto = page_end(&sizes, max)?;
    let entries = "SELECT seq, payload FROM signaling_entries \
                   WHERE log = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
    for row in client.query(entries, &[&name, &after, &upto]).await? {
        let payload: &[u8] = row.try_get(1)?;
        page.add(count(&row, 0)?, payload, usize::MAX, Bytes::copy_from_slice);
    }
    page.more = sizes
        .last()
        .is_some_and(|last| last.get::<_, i64>(0) > upto);
    Ok(page)
}

/// The number of the last entry that a page has, of those whose numbers and sizes are given.
fn page_end(sizes: &[Row], max_bytes: usize) -> Result<i64, Failure> {
    let (mut upto, mut bytes) = (0, 0usize);
    for (index, row) in sizes.iter().enumerate() {
        let size: i32 = row.try_get(1)?;
        bytes = bytes.saturating_add(usize::try_from(size).map_err(|_| Failure::Number)?);
        if index == PAGE_ENTRIES || index > 0 && bytes > max_bytes {
            break;
        }
        upto = row.try_get(0)?;
    }
    Ok(upto)
}
