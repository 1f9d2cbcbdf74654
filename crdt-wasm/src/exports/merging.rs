//! Merges in pieces, each by its number.
#![allow(unsafe_code)]

use std::cell::RefCell;

use crdt_core::{Merging, Splice};

use super::{Input, number, set_reply};
use crate::delta::Delta;
use crate::error::BindingError;
use crate::memory;
use crate::merge::{MergeReport, whole_text};
use crate::registry::{self, Entry};

/// How many events a piece has: what takes about a millisecond where few of them are concurrent.
const EVENTS: u32 = 2048;

/// All is merged, and the report is the reply. Less is how much is merged, in thousandths.
const MERGED: i32 = 1000;

/// A merge that is under way.
struct Task {
    number: u32,
    merging: Merging,
    /// What it makes of the text, while it is made in a copy of the document.
    delta: Option<Delta>,
    was_empty: bool,
}

thread_local! {
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

/// Starts to merge the patch in the input buffer. Returns the number of the merge.
#[unsafe(no_mangle)]
extern "C" fn crdt_merging_start(handle: u32, patch: usize) -> i32 {
    let input = Input::of(patch);
    let task = registry::get(handle).and_then(|entry| {
        memory::check_for(patch)?;
        entry.read(|document| {
            Ok(Task {
                number: 0,
                merging: Merging::new(document, input.bytes())?,
                delta: Some(Delta::default()),
                was_empty: document.is_empty(),
            })
        })
    });
    number(task.map(|task| {
        TASKS.with_borrow_mut(|tasks| {
            let number = tasks.last().map_or(1, |last| last.number + 1);
            tasks.push(Task { number, ..task });
            number as i32
        })
    }))
}

/// Merges the next events. Returns how much is merged, see [`MERGED`]. After an error the merge is over.
#[unsafe(no_mangle)]
extern "C" fn crdt_merging_step(handle: u32, merge: u32) -> i32 {
    let Some(mut task) = take(merge) else {
        return MERGED;
    };
    number(registry::get(handle).and_then(|entry| {
        let more = step(&entry, &mut task)?;
        let report = task.merging.report();
        if !more {
            let report = MergeReport::new(report.clone(), Vec::new());
            set_reply(report.to_json().into_bytes());
            return Ok(MERGED);
        }
        let (done, events) = task.merging.progress();
        TASKS.with_borrow_mut(|tasks| {
            let place = tasks.partition_point(|other| other.number < merge);
            tasks.insert(place, task);
        });
        Ok((done * (MERGED as u64 - 1) / events.max(1)) as i32)
    }))
}

/// Gives a merge up.
#[unsafe(no_mangle)]
extern "C" fn crdt_merging_end(merge: u32) {
    drop(take(merge));
}

fn take(number: u32) -> Option<Task> {
    TASKS.with_borrow_mut(|tasks| {
        let place = tasks.iter().position(|task| task.number == number)?;
        Some(tasks.remove(place))
    })
}

/// Merges the next events of a task; says whether there are more.
fn step(entry: &Entry, task: &mut Task) -> Result<bool, BindingError> {
    let was_empty = task.was_empty;
    if let Some(delta) = task.delta.as_mut() {
        memory::check()?;
        let more = task.merging.prepare(EVENTS, &mut |splice: Splice<'_>| {
            if !was_empty {
                delta.push(&splice);
            }
        })?;
        if more {
            return Ok(true);
        }
        let delta = task.delta.take().unwrap_or_default();
        let changes = entry.write(|document| {
            let is_in_place = task.merging.finish(document);
            Ok(is_in_place.then(|| match was_empty {
                true => whole_text(document),
                false => delta.into_changes(),
            }))
        })?;
        return Ok(match changes {
            Some(changes) => {
                entry.merged(&changes);
                false
            }
            None => true,
        });
    }
    let mut delta = Delta::default();
    let more = entry.write(|document| {
        let changed = &mut |splice: Splice<'_>| delta.push(&splice);
        Ok(task.merging.apply(document, EVENTS, changed)?)
    })?;
    entry.merged(&delta.into_changes());
    Ok(more)
}
