//! What every place for logs can do, and the rules that do not depend on the place.

use std::io::BufRead;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest;
use signaling_rooms::{LogError, LogQuotas};

use super::backup::{Extent, Snapshot};
use super::error::StoreError;
use super::write::{LogName, Page, StoreQuotas, StoredLog, Write};

/// The owner of logs that count for no address.
pub(super) const NOBODY: u128 = 0;

/// The time of a log's last use is written no more often than this, in seconds.
pub(super) const USE_INTERVAL: u64 = 24 * 60 * 60;

/// No limits, for operators.
pub(super) const UNBOUNDED: StoreQuotas = StoreQuotas {
    logs: LogQuotas {
        room_bytes: u64::MAX,
        total_bytes: u64::MAX,
    },
    address_bytes: u64::MAX,
};

/// A place for logs, used by one thread.
pub(crate) trait Logs {
    /// Carries out all of them in one transaction and returns when they are committed: the number
    /// of each entry, or why it was refused. A failure of the place refuses all of them.
    fn write(&self, batch: &[Write]) -> Vec<Result<u64, LogError>>;

    /// The entries of a log after a number, as many as fit into `max_bytes`, but one at least.
    fn read(&self, log: &LogName, after: u64, max_bytes: usize) -> Result<Page, LogError>;

    /// Notes that a log is in use, if that was not noted for long.
    fn note_use(&self, log: &LogName);

    /// The size of all logs in bytes, and their number, where they are known.
    fn size(&self) -> Option<(u64, u64)>;

    /// Whether a place that has failed can be used again.
    fn has_recovered(&self) -> bool;

    /// What is known of one log.
    fn find(&self, name: &str) -> Result<Option<StoredLog>, StoreError>;

    /// All logs, in no order.
    fn list(&self) -> Result<Vec<StoredLog>, StoreError>;

    /// Gives unused space back. The space that is used, in bytes, before and after.
    fn compact(&mut self) -> Result<(u64, u64), StoreError>;

    /// The logs as they are now, for a backup.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + Send>, StoreError>;

    /// Takes a backup over, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] where there are logs already.
    fn restore(&mut self, backup: &mut dyn BufRead) -> Result<Extent, StoreError>;
}

/// The bytes of an owner's logs once one of them has `after` bytes in place of `before`.
///
/// # Errors
/// When they would be more than they may, and grow.
pub(super) fn charge(owned: u64, before: u64, after: u64, max: u64) -> Result<u64, LogError> {
    let owned = owned.saturating_sub(before).saturating_add(after);
    if after > before && owned > max {
        return Err(LogError::AddressQuota { max });
    }
    Ok(owned)
}

/// The answer to every write of a batch that failed as a whole.
pub(super) fn refuse_all(batch: &[Write], reason: &str) -> Vec<Result<u64, LogError>> {
    let refusal = LogError::Unavailable {
        reason: reason.to_owned(),
    };
    batch.iter().map(|_| Err(refusal.clone())).collect()
}

/// What stands for an address in a store, which need not know it.
pub(super) fn owner(salt: u128, address: Option<IpAddr>) -> u128 {
    let Some(address) = address else {
        return NOBODY;
    };
    let text = format!("{salt:032x}{address}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let (first, _) = hash.as_ref().split_at(size_of::<u128>());
    let owner = first.try_into().map_or(NOBODY, u128::from_le_bytes);
    owner.max(1)
}

/// The time in seconds since 1970.
pub(super) fn since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
