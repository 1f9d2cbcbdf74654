//! Undo managers, each by its number at its document.
#![allow(unsafe_code)]

use crdt_core::{Splice, UndoManager};

use super::{edit_by, number, status};
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
    status(registry::get(handle).and_then(|entry| {
        entry.with_undo_manager(manager, |manager, document| {
            if skip != 0 {
                manager.skip(document);
            } else {
                manager.checkpoint(document);
            }
            Ok(())
        })
    }))
}

/// Whether there is something to undo (1) or to redo (2).
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_can(handle: u32, manager: u32) -> i32 {
    number(registry::get(handle).and_then(|entry| {
        entry.with_undo_manager(manager, |manager, document| {
            let redo = 2 * i32::from(manager.can_redo(document));
            Ok(i32::from(manager.can_undo(document)) + redo)
        })
    }))
}

/// How many groups there are to undo, or to redo.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_depth(handle: u32, manager: u32, redo: u32) -> u32 {
    let depth = registry::get(handle).and_then(|entry| {
        entry.with_undo_manager(manager, |manager, _| {
            Ok(if redo != 0 {
                manager.redo_depth()
            } else {
                manager.undo_depth()
            })
        })
    });
    depth.map_or(0, |depth| depth as u32)
}

/// Undoes a group, or redoes one. Returns 1 if there was one that had an effect, otherwise 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_undo_step(handle: u32, manager: u32, redo: u32) -> i32 {
    edit_by(handle, &mut |entry| {
        entry.with_undo_manager(manager, |manager, document| {
            let changed = &mut |splice: Splice<'_>| entry.note_splice(&splice);
            Ok(i32::from(if redo != 0 {
                manager.redo(document, changed)?
            } else {
                manager.undo(document, changed)?
            }))
        })
    })
}
