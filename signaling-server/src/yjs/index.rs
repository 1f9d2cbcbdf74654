//! What the log of a document has, so that nothing known is kept or passed on twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signaling_yjs::{StateVector, Summary};

/// The most separate ranges of structs that a document may have: one for each client, and one more for
/// each gap.
const MAX_STRUCT_RANGES: usize = 1 << 18;

/// The most ranges of deletions that the index of a document has.
const MAX_DELETED_RANGES: usize = 1 << 20;

/// The most ranges that the indexes of all documents have together. They take [`RANGE_BYTES`] each.
pub(crate) const MAX_RANGES: usize = 1 << 23;

/// What a range takes in memory.
#[cfg(test)]
pub(crate) const RANGE_BYTES: usize = 16;

/// An index up to this size takes a change in microseconds.
const SMALL: usize = 1 << 14;

/// How many ranges the indexes of all documents have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges(Arc<AtomicUsize>);

/// What a document has. Dropping it gives its ranges back.
#[derive(Debug)]
pub(super) struct Index {
    known: Summary,
    /// Whether deletions are noted. Where there are too many, every deletion counts as new.
    deletions: bool,
    counted: usize,
    all: Ranges,
}

/// A document has structs of too many clients, or too many gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document would have more than {MAX_STRUCT_RANGES} clients and gaps")]
pub(super) struct TooManyRanges;

impl Index {
    pub(super) fn new(all: Ranges) -> Self {
        Self {
            known: Summary::default(),
            deletions: true,
            counted: 0,
            all,
        }
    }

    /// Whether an update brings something that the document does not have.
    pub(super) fn lacks(&self, update: &Summary) -> bool {
        let deleted = if self.deletions {
            self.known.deleted.contains(&update.deleted)
        } else {
            update.deleted.is_empty()
        };
        !(deleted && self.known.structs.contains(&update.structs))
    }

    /// Notes that the document has what an update has.
    pub(super) fn take(&mut self, update: &Summary) -> Result<(), TooManyRanges> {
        if self.known.structs.ranges() + update.structs.ranges() > MAX_STRUCT_RANGES {
            return Err(TooManyRanges);
        }
        self.known.structs.extend(&update.structs);
        if self.deletions {
            self.known.deleted.extend(&update.deleted);
        }
        self.count();
        Ok(())
    }

    pub(super) fn state(&self) -> StateVector {
        self.known.structs.state_vector()
    }

    /// Whether a change can be taken at once.
    pub(super) fn is_small(&self) -> bool {
        self.counted <= SMALL
    }

    fn count(&mut self) {
        let ranges = self.known.ranges();
        let added = ranges.wrapping_sub(self.counted);
        let all = self.all.0.fetch_add(added, Ordering::Relaxed);
        self.counted = ranges;
        let too_many = self.known.deleted.ranges() > MAX_DELETED_RANGES
            || all.wrapping_add(added) > MAX_RANGES;
        if self.deletions && too_many {
            self.deletions = false;
            self.known.deleted = Default::default();
            self.count();
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use signaling_yjs::scan;

    use super::*;

    #[test]
    fn what_is_known_is_not_new_and_ranges_are_given_back() {
        let all = Ranges::default();
        let mut index = Index::new(all.clone());
        // Garbage of one client, and a deletion in it.
        let first = scan(&[1, 1, 7, 0, 0, 5, 1, 7, 1, 2, 1]).unwrap();
        assert!(index.lacks(&first));
        index.take(&first).unwrap();
        assert!(!index.lacks(&first) && index.is_small());
        assert_eq!(all.0.load(Ordering::Relaxed), 2);
        assert_eq!(index.state().get(7), 5);
        let deletion = scan(&[0, 1, 7, 1, 3, 1]).unwrap();
        assert!(index.lacks(&deletion));
        index.take(&deletion).unwrap();
        assert_eq!(all.0.load(Ordering::Relaxed), 2);
        drop(index);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn documents_with_too_many_deletions_note_none() {
        let all = Ranges(Arc::new(AtomicUsize::new(MAX_RANGES)));
        let mut index = Index::new(all.clone());
        let deletion = scan(&[1, 1, 7, 0, 0, 5, 1, 7, 1, 2, 1]).unwrap();
        index.take(&deletion).unwrap();
        assert!(index.lacks(&deletion));
        assert_eq!(all.0.load(Ordering::Relaxed), MAX_RANGES + 1);
    }
}
