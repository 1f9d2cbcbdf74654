//! The functions of the WebAssembly module that `document.js` calls. They take and return plain
//! numbers, so that an edit costs no more than its call.
//!
//! Text comes in through the input buffer, a piece of memory that JavaScript writes UTF-8 to; a function
//! that takes text also takes how many bytes of it there are. So do bytes. Text or bytes that are returned
//! lie there as the reply. A negative result is a failure, whose code and message, in two lines, are the
//! reply.
//!
//! `unsafe` here and below is nothing but the claim that no two functions are exported under one name.
#![allow(unsafe_code)]

mod anchors;
mod exchange;
mod files;
mod history;
mod merging;
mod undo;

use std::cell::RefCell;
use std::rc::Rc;

use crdt_core::Document;

use crate::edit::{self, Edited};
use crate::error::BindingError;
use crate::memory;
use crate::merge::push_changes;
use crate::registry::{self, Entry};
use crate::version::Version;

struct Buffers {
    /// What JavaScript passes in.
    input: Vec<u8>,
    /// What it gets back.
    reply: Vec<u8>,
    /// What the last edit really changed, where that is not what was asked for.
    edited: Edited,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const {
        RefCell::new(Buffers {
            input: Vec::new(),
            reply: Vec::new(),
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

/// Whether memory ran out since this was asked last. JavaScript calls it after a trap.
#[unsafe(no_mangle)]
extern "C" fn crdt_exhausted() -> i32 {
    let ran_out = memory::ran_out();
    if ran_out {
        registry::recover();
    }
    i32::from(ran_out)
}

/// Makes room for `bytes` bytes of text, and returns where; 0 where there is no memory for them. What
/// was there stays.
#[unsafe(no_mangle)]
extern "C" fn crdt_input(bytes: usize) -> *mut u8 {
    BUFFERS.with_borrow_mut(|buffers| {
        let more = bytes.saturating_sub(buffers.input.len());
        if buffers.input.try_reserve_exact(more).is_err() {
            return std::ptr::null_mut();
        }
        buffers.input.resize(buffers.input.len() + more, 0);
        buffers.input.as_mut_ptr()
    })
}

/// Where the reply lies.
#[unsafe(no_mangle)]
extern "C" fn crdt_reply() -> *const u8 {
    BUFFERS.with_borrow(|buffers| buffers.reply.as_ptr())
}

/// How many bytes the reply has.
#[unsafe(no_mangle)]
extern "C" fn crdt_reply_length() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.reply.len())
}

/// Clears both buffers, and frees the memory of large texts. The input buffer is elsewhere then.
#[unsafe(no_mangle)]
extern "C" fn crdt_clear() {
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.input = Vec::new();
        buffers.reply = Vec::new();
    });
}

/// Where the last edit was really made.
#[unsafe(no_mangle)]
extern "C" fn crdt_edited_position() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.edited.position)
}

/// How much the last edit really deleted.
#[unsafe(no_mangle)]
extern "C" fn crdt_edited_length() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.edited.deleted)
}

/// Creates a document for the agent whose name is in the input buffer. Returns its handle, or 0.
#[unsafe(no_mangle)]
extern "C" fn crdt_create(agent: usize) -> u32 {
    added(Document::new(Input::of(agent).text()).map_err(BindingError::from))
}

/// Takes a new document in, and returns its handle; 0 where there is none.
#[inline(never)]
fn added(document: Result<Document, BindingError>) -> u32 {
    let checked = document.and_then(|document| memory::check().map(|()| document));
    checked.map(registry::add).unwrap_or_else(|error| {
        fail(&error);
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_free(handle: u32) -> i32 {
    status(registry::remove(handle))
}

/// The document's wrapper is gone.
#[unsafe(no_mangle)]
extern "C" fn crdt_forget(handle: u32) {
    registry::forget(handle);
}

/// The length of the text in UTF-16 units.
#[unsafe(no_mangle)]
extern "C" fn crdt_length(handle: u32) -> i32 {
    number(registry::get(handle).map(|entry| entry.salvage(|document| document.len_utf16() as i32)))
}

/// Inserts one character, which is no surrogate.
#[unsafe(no_mangle)]
extern "C" fn crdt_insert_char(handle: u32, position: usize, scalar: u32) -> i32 {
    let char = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
    edit(handle, (position, 0), |entry| {
        let mut bytes = [0; 4];
        let text = &*char.encode_utf8(&mut bytes);
        let edited = entry.write(|document| edit::insert(document, position, text))?;
        entry.note_edit(edited, text);
        Ok(edited)
    })
}

/// Inserts the text in the input buffer.
#[unsafe(no_mangle)]
extern "C" fn crdt_insert(handle: u32, position: usize, bytes: usize) -> i32 {
    // A listener of the edit may use the input buffer: the text is put back before.
    edit(handle, (position, 0), |entry| {
        let input = Input::of(bytes);
        let text = input.text();
        memory::check_for(bytes)?;
        let edited = entry.write(|document| edit::insert(document, position, text))?;
        entry.note_edit(edited, text);
        Ok(edited)
    })
}

#[unsafe(no_mangle)]
extern "C" fn crdt_delete(handle: u32, position: usize, length: usize) -> i32 {
    edit(handle, (position, length), |entry| {
        let edited = entry.write(|document| edit::delete(document, position, length))?;
        entry.note_edit(edited, "");
        Ok(edited)
    })
}

/// The text from one position to another.
#[unsafe(no_mangle)]
extern "C" fn crdt_slice(handle: u32, from: usize, to: usize) -> i32 {
    let text = registry::get(handle)
        .and_then(|entry| entry.salvage(|document| edit::slice(document, from, to)));
    status(text.map(|text| set_reply(text.into_bytes())))
}

/// The agent in whose name the document is edited.
#[unsafe(no_mangle)]
extern "C" fn crdt_agent(handle: u32) -> i32 {
    ask(handle, &mut |document| Ok(document.agent().into()))
}

/// Sets the time of the edits that follow, in milliseconds since 1970.
#[unsafe(no_mangle)]
extern "C" fn crdt_set_time(handle: u32, millis: f64) -> i32 {
    let set = registry::get(handle).and_then(|entry| {
        entry.write(|document| {
            document.set_time(millis as u64);
            Ok(())
        })
    });
    status(set)
}

/// How many events the document consists of.
#[unsafe(no_mangle)]
extern "C" fn crdt_event_count(handle: u32) -> i32 {
    number(
        registry::get(handle).map(|entry| entry.salvage(|document| document.event_count() as i32)),
    )
}

/// Begins edits that are made all or not at all: checks that there is memory for them, whose insertions take so
/// many bytes, and lets them use the reserve until `crdt_end_edits`.
#[unsafe(no_mangle)]
extern "C" fn crdt_begin_edits(bytes: usize) -> i32 {
    status(memory::check_for(bytes).map(|()| memory::trust(true)))
}

#[unsafe(no_mangle)]
extern "C" fn crdt_end_edits() {
    memory::trust(false);
}

/// Says whether somebody listens (1), and whether what becomes of the text is to be noted down for
/// `crdt_take_changes` (2).
#[unsafe(no_mangle)]
extern "C" fn crdt_listen(handle: u32, how: u32) -> i32 {
    status(registry::get(handle).map(|entry| entry.listen(how & 1 != 0, how & 2 != 0)))
}

/// What became of the text since this was called last, as a JSON list. After a failure it can be had later.
#[unsafe(no_mangle)]
extern "C" fn crdt_take_changes(handle: u32) -> i32 {
    let changes = registry::get(handle).and_then(|entry| entry.take_journal());
    status(changes.map(|changes| set_reply(json_changes(&changes))))
}

fn json_changes(changes: &[edit::TextChange]) -> Vec<u8> {
    let mut out = String::from("[");
    push_changes(&mut out, changes);
    out.push(']');
    out.into_bytes()
}

/// Makes an edit, and compares it with what was asked for.
#[inline(always)]
fn edit(
    handle: u32,
    (position, deleted): (usize, usize),
    edit: impl FnOnce(&Entry) -> Result<Edited, BindingError>,
) -> i32 {
    let edited = registry::get(handle).and_then(|entry| {
        let edited = edit(&entry)?;
        entry.each_watcher(|watcher| watcher.edited());
        Ok(edited)
    });
    match edited {
        Ok(edited) if edited == (Edited { position, deleted }) => DONE,
        Ok(edited) => {
            BUFFERS.with_borrow_mut(|buffers| buffers.edited = edited);
            ADJUSTED
        }
        Err(error) => fail(&error),
    }
}

/// What JavaScript passed in, which goes back to the input buffer afterwards.
struct Input {
    buffer: Vec<u8>,
    length: usize,
}

impl Input {
    /// The first `length` bytes in the input buffer, which is free for others meanwhile.
    #[inline(never)]
    fn of(length: usize) -> Input {
        let buffer = BUFFERS.with_borrow_mut(|buffers| std::mem::take(&mut buffers.input));
        Input { buffer, length }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// The encoders of JavaScript write well-formed UTF-8 only.
    fn text(&self) -> &str {
        str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// The first `at` bytes, and the rest.
    fn parts(&self, at: usize) -> (&[u8], &[u8]) {
        self.bytes().split_at_checked(at).unwrap_or_default()
    }

    fn version(&self) -> Result<Version, BindingError> {
        Version::read(self.bytes())
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let input = std::mem::take(&mut self.buffer);
        BUFFERS.with_borrow_mut(|buffers| buffers.input = input);
    }
}

/// Answers with what `act` says of the document.
#[inline(never)]
fn ask(handle: u32, act: &mut dyn FnMut(&Document) -> Result<Vec<u8>, BindingError>) -> i32 {
    let reply = checked(handle).and_then(|entry| entry.read(act));
    status(reply.map(set_reply))
}

/// Returns the number that `act` makes of the document.
#[inline(never)]
fn count(handle: u32, act: &mut dyn FnMut(&Document) -> Result<i32, BindingError>) -> i32 {
    number(checked(handle).and_then(|entry| entry.read(act)))
}

/// The document, if there is memory to answer with.
#[inline(never)]
fn checked(handle: u32) -> Result<Rc<Entry>, BindingError> {
    memory::check()?;
    registry::get(handle)
}

/// Makes edits by the document itself, and reports them. Returns what `act` does.
#[inline(never)]
fn edit_by(handle: u32, act: &mut dyn FnMut(&Entry) -> Result<i32, BindingError>) -> i32 {
    number(registry::get(handle).and_then(|entry| {
        let done = act(&entry)?;
        entry.each_watcher(|watcher| watcher.edited());
        Ok(done)
    }))
}

fn set_reply(reply: Vec<u8>) {
    BUFFERS.with_borrow_mut(|buffers| buffers.reply = reply);
}

fn status(result: Result<(), BindingError>) -> i32 {
    number(result.map(|()| DONE))
}

fn number(result: Result<i32, BindingError>) -> i32 {
    result.unwrap_or_else(|error| fail(&error))
}

#[cold]
fn fail(error: &BindingError) -> i32 {
    set_reply(format!("{}\n{error}", error.code()).into_bytes());
    FAILED
}
