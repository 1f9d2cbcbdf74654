//! The index of all chars, which a document keeps once it was needed.

use std::sync::{Mutex, PoisonError};

use crate::walker::CharIndex;

/// An index that read-only methods may bring up to date, too. It is lent rather than locked while
/// it is used: a second reader, such as a callback of the first one, builds its own index.
#[derive(Debug, Default)]
pub(crate) struct CharCache(Mutex<Option<Box<CharIndex>>>);

impl CharCache {
    pub(crate) fn get_mut(&mut self) -> &mut CharIndex {
        let kept = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_default()
    }

    /// Calls `read` with the index, or with an empty one while it is lent.
    pub(crate) fn lend<T>(&self, read: impl FnOnce(&mut CharIndex) -> T) -> T {
        let mut chars = self.kept().take().unwrap_or_default();
        let value = read(&mut chars);
        *self.kept() = Some(chars);
        value
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Box<CharIndex>>> {
        // Nothing that panics runs while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for CharCache {
    fn clone(&self) -> Self {
        CharCache(Mutex::new(self.kept().clone()))
    }
}
