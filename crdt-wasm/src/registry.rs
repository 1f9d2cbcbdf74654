//! The documents of this page or process, by handle.
//!
//! No borrow of the registry or of a document outlives a function here, and none is held while
//! JavaScript runs: whatever has to call out does so after these functions return.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crdt_core::Document;

use crate::error::BindingError;

/// A document under its handle.
pub(crate) struct Entry {
    handle: u32,
    document: RefCell<Document>,
}

#[derive(Default)]
struct Registry {
    last_handle: u32,
    entries: BTreeMap<u32, Rc<Entry>>,
}

thread_local! {
    static REGISTRY: RefCell<Registry> = RefCell::default();
}

/// Takes the document in. Handles are never given out twice, so a stale one stays dead.
pub(crate) fn add(document: Document) -> u32 {
    REGISTRY.with_borrow_mut(|registry| {
        registry.last_handle = registry.last_handle.wrapping_add(1).max(1);
        let handle = registry.last_handle;
        let entry = Entry {
            handle,
            document: RefCell::new(document),
        };
        registry.entries.insert(handle, Rc::new(entry));
        handle
    })
}

/// The document behind a live handle.
pub(crate) fn get(handle: u32) -> Result<Rc<Entry>, BindingError> {
    REGISTRY
        .with_borrow(|registry| registry.entries.get(&handle).cloned())
        .ok_or_else(|| BindingError::DeadHandle {
            handle: handle.to_string(),
        })
}

/// Gives the document up.
pub(crate) fn remove(handle: u32) -> Result<(), BindingError> {
    let entry = get(handle)?;
    REGISTRY.with_borrow_mut(|registry| registry.entries.remove(&entry.handle));
    Ok(())
}

impl Entry {
    /// Runs `read` on the document.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Document) -> Result<T, BindingError>,
    ) -> Result<T, BindingError> {
        let document = self.document.try_borrow().map_err(|_| self.busy())?;
        read(&document)
    }

    /// Runs `write` on the document. It must not call into JavaScript.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut Document) -> Result<T, BindingError>,
    ) -> Result<T, BindingError> {
        let mut document = self.document.try_borrow_mut().map_err(|_| self.busy())?;
        write(&mut document)
    }

    fn busy(&self) -> BindingError {
        BindingError::Busy {
            handle: self.handle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document::new("alice").expect("a valid name")
    }

    #[test]
    fn a_freed_handle_stays_dead() {
        let first = add(document());
        assert!(get(first).is_ok());
        assert_eq!(remove(first), Ok(()));
        let second = add(document());
        assert_ne!(first, second);
        assert_eq!(
            remove(first).map_err(|error| error.code()),
            Err("dead_handle")
        );
        assert!(get(second).is_ok());
    }

    #[test]
    fn a_call_inside_a_call_is_refused_not_a_panic() {
        let handle = add(document());
        let entry = get(handle).expect("just added");
        let inner = entry.write(|_| entry.read(|document| Ok(document.text())));
        assert_eq!(inner.map_err(|error| error.code()), Err("document_busy"));
        assert_eq!(
            entry.read(|document| Ok(document.text())),
            Ok(String::new())
        );
    }
}
