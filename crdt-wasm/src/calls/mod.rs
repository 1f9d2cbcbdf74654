//! The functions of the WebAssembly module that `document.js` calls. They take and return plain
//! numbers, so that an edit costs no more than its call.
//!
//! Text comes in through the desk, a piece of memory that JavaScript writes UTF-8 to; a function
//! that takes text is told how many bytes of it there are. Text that is returned lies there as the
//! reply. A negative result is a failure, whose code and message, in two lines, are the reply.
//!
//! `unsafe` here is nothing but the claim that no two functions are exported under one name.
#![allow(unsafe_code)]

use std::cell::RefCell;

use crdt_core::{Document, Frontier, MergeError};

use crate::edit::{self, Edited};
use crate::error::BindingError;
use crate::{merge, registry};

struct Desk {
    /// What JavaScript passes in.
    input: Vec<u8>,
    /// What it gets back.
    reply: String,
    /// What the last edit really changed, where that is not what was asked for.
    edited: Edited,
}

thread_local! {
    static DESK: RefCell<Desk> = const {
        RefCell::new(Desk {
            input: Vec::new(),
            reply: String::new(),
            edited: Edited {
                position: 0,
                deleted: 0,
            },
        })
    };
}

const DONE: i32 = 0;
/// The edit was made, but not quite as it was asked for.
const ADJUSTED: i32 = 1;
const FAILED: i32 = -1;

/// Makes room for `bytes` bytes of text, and returns where. What was there stays.
#[unsafe(no_mangle)]
extern "C" fn crdt_desk(bytes: usize) -> *mut u8 {
    DESK.with_borrow_mut(|desk| {
        if desk.input.len() < bytes {
            desk.input.resize(bytes, 0);
        }
        desk.input.as_mut_ptr()
    })
}

/// Where the reply lies.
#[unsafe(no_mangle)]
extern "C" fn crdt_reply() -> *const u8 {
    DESK.with_borrow(|desk| desk.reply.as_ptr())
}

/// How many bytes the reply has.
#[unsafe(no_mangle)]
extern "C" fn crdt_reply_length() -> usize {
    DESK.with_borrow(|desk| desk.reply.len())
}

/// Clears the desk, and gives the memory of large texts back. The desk is elsewhere then.
#[unsafe(no_mangle)]
extern "C" fn crdt_clear() {
    DESK.with_borrow_mut(|desk| {
        desk.input = Vec::new();
        desk.reply = String::new();
    });
}

/// Where the last edit was really made.
#[unsafe(no_mangle)]
extern "C" fn crdt_edited_position() -> usize {
    DESK.with_borrow(|desk| desk.edited.position)
}

/// How much the last edit really deleted.
#[unsafe(no_mangle)]
extern "C" fn crdt_edited_length() -> usize {
    DESK.with_borrow(|desk| desk.edited.deleted)
}

/// Creates a document for the agent whose name is on the desk. Returns its handle, or 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_create(agent: usize) -> u32 {
    let created = with_text(agent, |agent| Ok(registry::add(Document::new(agent)?)));
    created.unwrap_or_else(|error| {
        fail(&error);
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_free(handle: u32) -> i32 {
    status(registry::remove(handle))
}

/// The length of the text in UTF-16 units.
#[unsafe(no_mangle)]
extern "C" fn crdt_length(handle: u32) -> i32 {
    let length = registry::get(handle).and_then(|entry| entry.read(|doc| Ok(doc.len_utf16())));
    match length {
        Ok(length) => length as i32,
        Err(error) => fail(&error),
    }
}

#[unsafe(no_mangle)]
extern "C" fn crdt_text(handle: u32) -> i32 {
    answer(read(handle, Document::text))
}

/// Inserts one character, which is no surrogate.
#[unsafe(no_mangle)]
extern "C" fn crdt_insert_char(handle: u32, position: usize, scalar: u32) -> i32 {
    let char = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
    edit(handle, (position, 0), |document| {
        edit::insert(document, position, char.encode_utf8(&mut [0; 4]))
    })
}

/// Inserts the text on the desk.
#[unsafe(no_mangle)]
extern "C" fn crdt_insert(handle: u32, position: usize, bytes: usize) -> i32 {
    // Whoever hears of the edit may use the desk: the text is put back before.
    edit(handle, (position, 0), |document| {
        with_text(bytes, |text| edit::insert(document, position, text))
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_delete(handle: u32, position: usize, length: usize) -> i32 {
    edit(handle, (position, length), |document| {
        edit::delete(document, position, length)
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_operations(handle: u32) -> i32 {
    answer(registry::get(handle).and_then(|entry| {
        entry.read(|document| Ok(document.operations_json().map_err(MergeError::from)?))
    }))
}

/// The operations that are not at or before the frontier on the desk.
#[unsafe(no_mangle)]
extern "C" fn crdt_operations_since(handle: u32, frontier: usize) -> i32 {
    answer(with_text(frontier, |frontier| {
        registry::get(handle)?.read(|document| {
            let operations = document.operations_after_json(&Frontier::from_json(frontier)?);
            Ok(operations.map_err(MergeError::from)?)
        })
    }))
}

#[unsafe(no_mangle)]
extern "C" fn crdt_frontier(handle: u32) -> i32 {
    answer(read(handle, |document| document.frontier().to_json()))
}

/// Merges the operations on the desk; behind them lies the sender's frontier, if there is one.
#[unsafe(no_mangle)]
extern "C" fn crdt_merge(handle: u32, operations: usize, frontier: usize) -> i32 {
    let merged = registry::get(handle).and_then(|entry| {
        let report = with_text(operations + frontier, |text| {
            let (operations, frontier) = text.split_at_checked(operations).unwrap_or((text, ""));
            let frontier = Some(frontier).filter(|frontier| !frontier.is_empty());
            entry.write(|document| merge::merge(document, operations, frontier))
        })?;
        let reply = report.to_json();
        // Their listeners may do anything, also use the desk.
        entry.each_watcher(|watcher| watcher.merged(&report.changes));
        Ok(reply)
    });
    answer(merged)
}

fn read(handle: u32, read: impl FnOnce(&Document) -> String) -> Result<String, BindingError> {
    registry::get(handle)?.read(|document| Ok(read(document)))
}

/// Makes an edit, and compares it with what was asked for.
#[inline(always)]
fn edit(
    handle: u32,
    (position, deleted): (usize, usize),
    edit: impl FnOnce(&mut Document) -> Result<Edited, BindingError>,
) -> i32 {
    let edited = registry::get(handle).and_then(|entry| {
        let edited = entry.write(edit)?;
        entry.each_watcher(|watcher| watcher.edited());
        Ok(edited)
    });
    match edited {
        Ok(edited) if edited == (Edited { position, deleted }) => DONE,
        Ok(edited) => {
            DESK.with_borrow_mut(|desk| desk.edited = edited);
            ADJUSTED
        }
        Err(error) => fail(&error),
    }
}

/// Calls `take` with the first `bytes` bytes on the desk, which is free for others meanwhile.
fn with_text<T>(bytes: usize, take: impl FnOnce(&str) -> T) -> T {
    let input = DESK.with_borrow_mut(|desk| std::mem::take(&mut desk.input));
    // The encoders of JavaScript write well-formed UTF-8 only.
    let text = input
        .get(..bytes)
        .and_then(|text| str::from_utf8(text).ok());
    let taken = take(text.unwrap_or_default());
    DESK.with_borrow_mut(|desk| desk.input = input);
    taken
}

fn answer(reply: Result<String, BindingError>) -> i32 {
    status(reply.map(|reply| DESK.with_borrow_mut(|desk| desk.reply = reply)))
}

fn status(result: Result<(), BindingError>) -> i32 {
    match result {
        Ok(()) => DONE,
        Err(error) => fail(&error),
    }
}

#[cold]
fn fail(error: &BindingError) -> i32 {
    let reply = format!("{}\n{error}", error.code());
    DESK.with_borrow_mut(|desk| desk.reply = reply);
    FAILED
}
