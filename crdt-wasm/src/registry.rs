//! The documents of this page or process, by handle.
//!
//! No borrow of the registry or of a document outlives a function here, and none is held while
//! JavaScript runs: whatever has to call out does so after these functions return.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crdt_core::{Document, Splice, UndoManager};

use crate::delta::Delta;
use crate::document_cell::DocumentCell;
use crate::edit::{Edited, TextChange};
use crate::error::BindingError;
use crate::javascript::next_block;
use crate::memory;

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
    document: DocumentCell,
    watchers: RefCell<Rc<Vec<Weak<dyn Watcher>>>>,
    live: Cell<bool>,
    /// Nobody can name it any more.
    forgotten: Cell<bool>,
    /// Whether somebody in JavaScript listens.
    listened: Cell<bool>,
    /// What became of the text since JavaScript asked last, where that is wanted.
    journal: RefCell<Option<Delta>>,
    /// By number.
    undo_managers: RefCell<Vec<(u32, UndoManager)>>,
}

/// How many handles are taken at once for this copy of the package; `js/memory.js` knows it too.
const BLOCK: u32 = 1 << 20;

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

/// Takes the document in. Handles are never given out twice, so a stale one stays dead, nor by two
/// copies of the package on one page, so that one does not take another's for its own.
pub(crate) fn add(document: Document) -> u32 {
    let last = REGISTRY.with_borrow(|registry| registry.last_handle);
    let handle = if last % BLOCK == BLOCK - 1 || last == 0 {
        next_block() * BLOCK + 1
    } else {
        last + 1
    };
    let entry = Rc::new(Entry {
        handle,
        document: DocumentCell::new(document),
        watchers: RefCell::default(),
        live: Cell::new(true),
        forgotten: Cell::new(false),
        listened: Cell::new(false),
        journal: RefCell::default(),
        undo_managers: RefCell::default(),
    });
    REGISTRY.with_borrow_mut(|registry| {
        registry.last_handle = handle;
        let (Ok(place) | Err(place)) = registry.place_of(handle);
        registry.entries.insert(place, entry);
    });
    handle
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

/// Gives the document up that nobody can name any more, unless a network uses it: then that keeps it,
/// for as long as it lives.
pub(crate) fn forget(handle: u32) {
    if let Ok(entry) = get(handle) {
        entry.forgotten.set(true);
    }
    REGISTRY.with_borrow_mut(|registry| {
        registry
            .entries
            .retain(|entry| !entry.forgotten.get() || entry.is_watched());
    });
}

/// Gives back what calls borrowed that a trap ended: see [`DocumentCell::recover`].
pub(crate) fn recover() {
    REGISTRY.with_borrow(|registry| {
        for entry in &registry.entries {
            entry.recover();
        }
    });
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
        self.document.read(read).ok_or_else(|| self.busy())?
    }

    /// Runs `write` on the document. It must not call into JavaScript.
    #[inline(always)]
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut Document) -> Result<T, BindingError>,
    ) -> Result<T, BindingError> {
        memory::check()?;
        self.document.write(write).ok_or_else(|| self.busy())?
    }

    /// Runs `read` on the document even if a trap ended the call that was changing it: see
    /// [`DocumentCell::salvage`].
    pub(crate) fn salvage<T>(&self, read: impl FnOnce(&Document) -> T) -> T {
        self.document.salvage(read)
    }

    /// After a trap; a change whose listeners or undo managers were not served in full is not complete.
    fn recover(&self) {
        let is_held =
            self.journal.try_borrow_mut().is_err() || self.undo_managers.try_borrow_mut().is_err();
        self.document.recover(is_held);
    }

    /// Whether somebody listens, and whether what becomes of the text is to be noted down for them.
    pub(crate) fn listen(&self, listened: bool, keep: bool) {
        self.listened.set(listened);
        let mut journal = self.journal.borrow_mut();
        if keep != journal.is_some() {
            *journal = keep.then(Delta::default);
        }
    }

    /// Takes what was noted down, if there is memory to hand it on; otherwise it stays.
    pub(crate) fn take_journal(&self) -> Result<Vec<TextChange>, BindingError> {
        let mut journal = self.journal.try_borrow_mut().map_err(|_| self.busy())?;
        memory::check_for(journal.as_ref().map_or(0, Delta::bytes))?;
        let delta = journal.as_mut().map(std::mem::take);
        Ok(delta.map_or_else(Vec::new, Delta::into_changes))
    }

    /// Notes down a local edit.
    #[inline(always)]
    pub(crate) fn note_edit(&self, edited: Edited, inserted: &str) {
        if let Some(journal) = self.journal.borrow_mut().as_mut() {
            journal.push_units(edited.position, edited.deleted, inserted);
        }
    }

    /// Notes down one of the splices of a merge, an undo and the like.
    pub(crate) fn note_splice(&self, splice: &Splice<'_>) {
        if let Some(journal) = self.journal.borrow_mut().as_mut() {
            journal.push(splice);
        }
    }

    /// Notes down what a merge made of the text.
    pub(crate) fn note_changes(&self, changes: &[TextChange]) {
        if let Some(journal) = self.journal.borrow_mut().as_mut() {
            for change in changes {
                journal.push_units(change.position, change.deleted, &change.inserted);
            }
        }
    }

    /// Notes down what a call merged, and tells those who watch.
    pub(crate) fn merged(&self, changes: &[TextChange]) {
        self.note_changes(changes);
        self.each_watcher(|watcher| watcher.merged(changes));
    }

    /// Notes down what the network made of the text. Returns the handle if there are listeners, which are to be
    /// called once nothing is borrowed.
    #[cfg(feature = "network")]
    pub(crate) fn received(&self, changes: &[TextChange]) -> Option<u32> {
        self.note_changes(changes);
        self.listened.get().then_some(self.handle)
    }

    /// Whether the document is saved on the device: a `SavedState` of the TypeScript types, or `null`.
    #[cfg(feature = "network")]
    pub(crate) fn saved(&self) -> wasm_bindgen::JsValue {
        crate::javascript::saved_of(self.handle)
    }

    /// Takes an undo manager in, and returns its number, which is no other's.
    pub(crate) fn add_undo_manager(&self, manager: UndoManager) -> u32 {
        let mut managers = self.undo_managers.borrow_mut();
        let number = managers.last().map_or(1, |(last, _)| last + 1);
        managers.push((number, manager));
        number
    }

    /// Gives an undo manager up.
    pub(crate) fn remove_undo_manager(&self, number: u32) {
        self.undo_managers
            .borrow_mut()
            .retain(|(known, _)| *known != number);
    }

    /// Runs `act` on an undo manager and its document. It must not call into JavaScript.
    #[inline(never)]
    pub(crate) fn with_undo_manager(
        &self,
        number: u32,
        act: &mut dyn FnMut(&mut UndoManager, &mut Document) -> Result<i32, BindingError>,
    ) -> Result<i32, BindingError> {
        let mut managers = self.undo_managers.try_borrow_mut();
        let managers = managers.as_mut().map_err(|_| self.busy())?;
        let manager = managers.iter_mut().find(|(known, _)| *known == number);
        let (_, manager) = manager.ok_or(BindingError::NoUndoManager)?;
        self.write(|document| act(manager, document))
    }

    fn is_watched(&self) -> bool {
        let watchers = self.watchers.borrow();
        watchers.iter().any(|watcher| watcher.strong_count() > 0)
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
    fn what_nobody_can_name_goes_with_its_last_watcher() {
        struct Deaf;
        impl Watcher for Deaf {
            fn edited(&self) {}
            fn merged(&self, _: &[TextChange]) {}
            fn freed(&self) {}
        }
        let (watched, alone, kept) = (add(document()), add(document()), add(document()));
        let watcher: Rc<dyn Watcher> = Rc::new(Deaf);
        get(watched)
            .expect("just added")
            .watch(Rc::downgrade(&watcher));
        forget(watched);
        forget(alone);
        assert!(get(watched).is_ok() && get(alone).is_err() && get(kept).is_ok());
        drop(watcher);
        forget(kept);
        assert!(get(watched).is_err() && get(kept).is_err());
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
