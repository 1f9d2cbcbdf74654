//! Values that are replaced while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

/// Something that is replaced as a whole. A user of the old value goes on with it.
pub(crate) struct Reloadable<T>(RwLock<Arc<T>>);

impl<T> Reloadable<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        let value = self.0.read().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }

    pub(crate) fn set(&self, value: T) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(value);
    }
}
