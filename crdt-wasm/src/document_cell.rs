//! A document that one call at a time borrows, like a `RefCell`, except that a call that a trap ended does not
//! keep what it only read.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};

use crdt_core::Document;

pub(crate) struct DocumentCell {
    document: UnsafeCell<Document>,
    /// How many calls read the document; [`CHANGED`] while one changes it.
    readers: Cell<u32>,
}

const CHANGED: u32 = u32::MAX;

impl DocumentCell {
    pub(crate) fn new(document: Document) -> DocumentCell {
        DocumentCell {
            document: UnsafeCell::new(document),
            readers: Cell::new(0),
        }
    }

    /// Calls `read`; `None` inside of [`DocumentCell::write`], or after a trap ended a change.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Document) -> T) -> Option<T> {
        let readers = self.readers.get();
        if readers >= CHANGED - 1 {
            return None;
        }
        self.readers.set(readers + 1);
        // SAFETY: nothing changes the document while `readers` is above zero and not `CHANGED`.
        let value = read(unsafe { &*self.document.get() });
        self.readers.set(readers);
        Some(value)
    }

    /// Calls `write`; `None` inside of another call, or after a trap ended a change.
    #[inline(always)]
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Document) -> T) -> Option<T> {
        if self.readers.get() != 0 {
            return None;
        }
        self.readers.set(CHANGED);
        // SAFETY: `readers` was zero, so no other borrow exists, and while it is `CHANGED` none is made.
        let value = write(unsafe { &mut *self.document.get() });
        self.readers.set(0);
        Some(value)
    }

    /// Calls `read` even after a trap ended a change: the text is still there, whatever the document lacks of
    /// what was being done.
    pub(crate) fn salvage<T>(&self, read: impl FnOnce(&Document) -> T) -> T {
        // SAFETY: no change calls out, so one that has not ended was ended by a trap.
        read(unsafe { &*self.document.get() })
    }

    /// Gives back what calls borrowed that a trap ended. A document that was being changed stays borrowed, as
    /// does one whose change `was_changing` says was not complete.
    ///
    /// Called while no call is under way in this module but those that wait for JavaScript, which borrow
    /// nothing.
    pub(crate) fn recover(&self, was_changing: bool) {
        let readers = self.readers.get();
        if was_changing {
            self.readers.set(CHANGED);
        } else if readers != 0 && readers != CHANGED {
            self.readers.set(0);
            self.write(Document::release_caches);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> DocumentCell {
        DocumentCell::new(Document::new("alice").expect("a valid name"))
    }

    fn insert(document: &mut Document) {
        document.insert(0, "x").expect("it is in range");
    }

    #[test]
    fn reads_go_beside_reads_and_changes_alone() {
        let cell = cell();
        assert_eq!(cell.read(|_| cell.read(Document::len_chars)), Some(Some(0)));
        assert_eq!(cell.read(|_| cell.write(insert)), Some(None));
        assert_eq!(cell.write(|_| cell.write(insert)), Some(None));
        assert_eq!(cell.write(|_| cell.read(Document::len_chars)), Some(None));
        assert_eq!(cell.write(insert), Some(()));
        assert_eq!(cell.read(Document::len_chars), Some(1));
    }

    #[test]
    fn what_a_trap_ended_keeps_a_document_only_if_it_changed_it() {
        let cell = cell();
        cell.readers.set(1);
        assert_eq!(cell.write(insert), None);
        cell.recover(false);
        assert_eq!(cell.write(insert), Some(()));

        cell.readers.set(CHANGED);
        cell.recover(false);
        assert_eq!(cell.write(insert), None);
        assert_eq!(cell.read(Document::len_chars), None);
        assert_eq!(cell.salvage(Document::len_chars), 1);
    }

    #[test]
    fn a_change_that_was_not_noted_down_keeps_the_document() {
        let cell = cell();
        cell.recover(true);
        assert_eq!(cell.write(insert), None);
        assert_eq!(cell.salvage(Document::len_chars), 0);
    }
}
