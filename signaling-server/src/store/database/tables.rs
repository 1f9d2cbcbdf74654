//! The tables of a file.

use redb::{AccessGuard, TableDefinition};
use signaling_rooms::LogHead;

/// Entries by log and number.
pub(super) const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");

/// What is known of each log: the number of its snapshot, of its last entry, and its size.
pub(super) const HEADS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("heads");

/// The size of all logs, under one key.
pub(super) const TOTAL: TableDefinition<'_, (), u64> = TableDefinition::new("total");

/// The owner of each log, and when it was last in use, in seconds since 1970.
pub(super) const USES: TableDefinition<'_, &str, (u128, u64)> = TableDefinition::new("uses");

/// The size of each owner's logs.
pub(super) const OWNED: TableDefinition<'_, u128, u64> = TableDefinition::new("owned");

/// A random number, under one key, without which owners cannot be told from addresses.
pub(super) const SALT: TableDefinition<'_, (), u128> = TableDefinition::new("salt");

/// The version of the tables, under one key. Files that have none are of the time before it was noted, and
/// differ from version 1 in tables alone that are made where they are missing.
pub(super) const VERSION: TableDefinition<'_, (), u64> = TableDefinition::new("version");

/// The head of a log as it stands in the table; that of an empty log where it is missing.
pub(super) fn head(found: Option<AccessGuard<'_, (u64, u64, u64)>>) -> LogHead {
    found.map_or_else(LogHead::default, |found| {
        let (base, last, bytes) = found.value();
        LogHead { base, last, bytes }
    })
}
