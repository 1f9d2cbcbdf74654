//! Undo managers, each by its number at its document.
#![allow(unsafe_code)]

use crdt_core::{Document, Splice, UndoManager};

use super::{DONE, edit_by, number};
use crate::error::BindingError;
use crate::registry;

/// An undo manager of the edits that are made from now on. Returns its number.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_create(handle: u32) -> i32 {
    number(registry::get(handle).and_then(|entry| {
        let manager = entry.read(|document| Ok(UndoManager::new(document)))?;
        Ok(entry.add_undo_manager(manager) as i32)
    }))
}

#[unsafe(no_mangle)]
extern "C" fn crdt_undo_free(handle: u32, manager: u32) {
    if let Ok(entry) = registry::get(handle) {
        entry.remove_undo_manager(manager);
    }
}

/// Ends a group; with `skip`, what was edited since the last one is in none.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_checkpoint(handle: u32, manager: u32, skip: u32) -> i32 {
    with(handle, manager, &mut |manager, document| {
        if skip != 0 {
            manager.skip(document);
        } else {
            manager.checkpoint(document);
        }
        Ok(DONE)
    })
}

/// Whether there is something to undo (1) or to redo (2).
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_can(handle: u32, manager: u32) -> i32 {
    with(handle, manager, &mut |manager, document| {
        let redo = 2 * i32::from(manager.can_redo(document));
        Ok(i32::from(manager.can_undo(document)) + redo)
    })
}

/// How many groups there are to undo, or to redo.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_depth(handle: u32, manager: u32, redo: u32) -> i32 {
    with(handle, manager, &mut |manager, _| {
        let depth = if redo != 0 {
            manager.redo_depth()
        } else {
            manager.undo_depth()
        };
        Ok(depth as i32)
    })
}

fn with(
    handle: u32,
    manager: u32,
    act: &mut dyn FnMut(&mut UndoManager, &mut Document) -> Result<i32, BindingError>,
) -> i32 {
    number(registry::get(handle).and_then(|entry| entry.with_undo_manager(manager, act)))
}

/// Undoes a group, or redoes one. Returns 1 if there was one that had an effect, otherwise 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_step(handle: u32, manager: u32, redo: u32) -> i32 {
    edit_by(handle, &mut |entry| {
        entry.with_undo_manager(manager, &mut |manager, document| {
            let changed = &mut |splice: Splice<'_>| entry.note_splice(&splice);
            Ok(i32::from(if redo != 0 {
                manager.redo(document, changed)?
            } else {
                manager.undo(document, changed)?
            }))
        })
    })
}
