//! The documents of this page or process, by handle.
//!
//! No borrow of the registry or of a document outlives a function here, and none is held while
//! JavaScript runs: whatever has to call out does so after these functions return.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crdt_core::Document;

use crate::edit::TextChange;
use crate::error::BindingError;

/// What wants to know of a document's changes: the network sync attached to it.
pub(crate) trait Watcher {
    /// Edits were made through the API of this package.
    fn edited(&self);
    /// Operations were merged through `merge_operations`; `changes` is what became of the text.
    fn merged(&self, changes: &[TextChange]);
    /// The handle was freed.
    fn freed(&self);
}

/// A document and who watches it.
pub(crate) struct Entry {
    handle: u32,
    document: RefCell<Document>,
    watchers: RefCell<Rc<Vec<Weak<dyn Watcher>>>>,
    live: Cell<bool>,
}

struct Registry {
    last_handle: u32,
    /// In the order of their handles.
    entries: Vec<Rc<Entry>>,
}

impl Registry {
    fn place_of(&self, handle: u32) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&handle, |entry| entry.handle)
    }
}

thread_local! {
    static REGISTRY: RefCell<Registry> = const {
        RefCell::new(Registry {
            last_handle: 0,
            entries: Vec::new(),
        })
    };
}

/// Takes the document in. Handles are never given out twice, so a stale one stays dead.
pub(crate) fn add(document: Document) -> u32 {
    REGISTRY.with_borrow_mut(|registry| {
        registry.last_handle = registry.last_handle.wrapping_add(1).max(1);
        let handle = registry.last_handle;
        let entry = Entry {
            handle,
            document: RefCell::new(document),
            watchers: RefCell::default(),
            live: Cell::new(true),
        };
        let (Ok(place) | Err(place)) = registry.place_of(handle);
        registry.entries.insert(place, Rc::new(entry));
        handle
    })
}

/// The document behind a live handle.
#[inline(always)]
pub(crate) fn get(handle: u32) -> Result<Rc<Entry>, BindingError> {
    REGISTRY
        .with_borrow(|registry| {
            let place = registry.place_of(handle).ok()?;
            registry.entries.get(place).cloned()
        })
        .ok_or_else(|| BindingError::DeadHandle {
            handle: handle.to_string(),
        })
}

/// Gives the document up and tells who watches it.
pub(crate) fn remove(handle: u32) -> Result<(), BindingError> {
    let entry = get(handle)?;
    REGISTRY.with_borrow_mut(|registry| {
        if let Ok(place) = registry.place_of(handle) {
            registry.entries.remove(place);
        }
    });
    entry.live.set(false);
    entry.each_watcher(|watcher| watcher.freed());
    Ok(())
}

impl Entry {
    /// Whether the handle still stands.
    #[cfg(any(test, feature = "network"))]
    pub(crate) fn is_live(&self) -> bool {
        self.live.get()
    }

    /// Runs `read` on the document.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Document) -> Result<T, BindingError>,
    ) -> Result<T, BindingError> {
        let document = self.document.try_borrow().map_err(|_| self.busy())?;
        read(&document)
    }

    /// Runs `write` on the document. It must not call into JavaScript.
    #[inline(always)]
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut Document) -> Result<T, BindingError>,
    ) -> Result<T, BindingError> {
        let mut document = self.document.try_borrow_mut().map_err(|_| self.busy())?;
        write(&mut document)
    }

    /// Registers a watcher for as long as it lives.
    #[cfg(any(test, feature = "network"))]
    pub(crate) fn watch(&self, watcher: Weak<dyn Watcher>) {
        let mut watchers = self.watchers.borrow_mut();
        let watchers = Rc::make_mut(&mut watchers);
        watchers.retain(|known| known.strong_count() > 0);
        watchers.push(watcher);
    }

    /// Calls `tell` for every watcher that lives; they may call back into this entry.
    #[inline(always)]
    pub(crate) fn each_watcher(&self, tell: impl Fn(&dyn Watcher)) {
        let watchers = Rc::clone(&self.watchers.borrow());
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            tell(&*watcher);
        }
    }

    /// The error of a handle that does not stand any more.
    #[cfg(feature = "network")]
    pub(crate) fn dead(&self) -> BindingError {
        BindingError::DeadHandle {
            handle: self.handle.to_string(),
        }
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

    #[test]
    fn watchers_hear_and_are_forgotten_when_dropped() {
        struct Counter(Cell<u32>);
        impl Watcher for Counter {
            fn edited(&self) {
                self.0.set(self.0.get() + 1);
            }
            fn merged(&self, _: &[TextChange]) {}
            fn freed(&self) {
                self.0.set(self.0.get() + 100);
            }
        }
        let handle = add(document());
        let entry = get(handle).expect("just added");
        let kept = Rc::new(Counter(Cell::new(0)));
        let dropped = Rc::new(Counter(Cell::new(0)));
        for counter in [&kept, &dropped] {
            let watcher: Rc<dyn Watcher> = Rc::clone(counter) as Rc<dyn Watcher>;
            entry.watch(Rc::downgrade(&watcher));
        }
        drop(dropped);
        entry.each_watcher(|watcher| watcher.edited());
        assert_eq!(remove(handle), Ok(()));
        assert_eq!(kept.0.get(), 101);
        assert!(!entry.is_live());
    }
}
