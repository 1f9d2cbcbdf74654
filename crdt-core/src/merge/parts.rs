//! A batch in parts: merging them one after the other is equivalent to merging the whole.

use super::batch::{Batch, Origin, split_text};
use crate::op_log::Kind;

/// Cuts a batch into parts, each a separate batch, in the order of the events. The cuts are between
/// runs.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    batch: Batch,
    at: Progress,
    /// For each name of the batch the last part that has it, and its index there.
    places: Vec<(u32, u32)>,
    /// The number of parts so far, including this one.
    number: u32,
}

/// The progress of cutting the batch.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    piece: usize,
    /// In the list of the batch.
    run: usize,
    /// In the text of the batch, in bytes.
    text: usize,
    /// Events of the piece that are in earlier parts.
    events: u32,
    /// The cursor after them, relative to the cursor before the piece.
    cursor: i64,
    /// Events of all pieces that are in earlier parts.
    done: u64,
}

impl Parts {
    pub(crate) fn new(batch: Batch) -> Parts {
        Parts {
            at: Progress::default(),
            places: vec![(0, 0); batch.names.len()],
            number: 0,
            batch,
        }
    }

    /// Starts again with the first part.
    pub(crate) fn restart(&mut self) {
        self.at = Progress::default();
    }

    /// The number of events that the parts had so far.
    pub(crate) fn done(&self) -> u64 {
        self.at.done
    }

    /// The number of events that all parts have.
    pub(crate) fn events(&self) -> u64 {
        self.batch.events()
    }

    /// The next part, of at least `events` events if there are so many, or one run more; `None`
    /// after the last. The first part has the events that the batch builds on. O(size of the part).
    pub(crate) fn next(&mut self, events: u32) -> Option<Batch> {
        self.batch.heads.get(self.at.piece)?;
        self.number += 1;
        let mut part = Batch::default();
        if self.at.done == 0 {
            for at in 0..self.batch.base.len() {
                let mut base = self.batch.base[at];
                base.agent = self.place_of(base.agent, &mut part);
                part.base.push(base);
            }
        }
        let mut room = events.max(1);
        while room > 0 && self.at.piece < self.batch.heads.len() {
            room = room.saturating_sub(self.take(room, &mut part));
        }
        Some(part)
    }

    /// Adds events of the current piece to a part: `enough`, or not many more. Returns how many.
    fn take(&mut self, enough: u32, part: &mut Batch) -> u32 {
        let head = self.batch.heads[self.at.piece].clone();
        let mark = part.mark();
        let agent = self.place_of(head.agent, part);
        let mut at = self.at;
        if at.events == 0 {
            (at.run, at.text) = (head.runs.start as usize, head.text.start);
            at.cursor = 0;
            for place in head.parents.clone() {
                let (name, seq) = self.batch.parents[place as usize];
                let parent = (self.place_of(name, part), seq);
                part.parents.push(parent);
            }
        } else {
            part.parents.push((agent, head.seq + at.events - 1));
        }
        let from = at;
        while at.run < head.runs.end as usize && at.events - from.events < enough {
            let mut run = self.batch.runs[at.run];
            if run.kind == Kind::Insert {
                let rest = self.batch.text.get(at.text..head.text.end);
                let (own, _) = split_text(rest.unwrap_or_default(), run.len);
                part.text.push_str(own);
                at.text += own.len();
            }
            if head.origin == Origin::EventBefore {
                let pos = i64::from(run.pos as i32);
                at.cursor = match run.kind {
                    Kind::Insert => pos + i64::from(run.len),
                    Kind::Delete | Kind::Backspace => pos,
                };
                // Positions that are out of range stay out of range.
                run.pos = i32::try_from(pos - from.cursor).unwrap_or(i32::MAX) as u32;
            }
            part.runs.push(run);
            at.events += run.len;
            at.run += 1;
        }
        let len = at.events - from.events;
        part.push(mark, (agent, head.seq + from.events, len), head.origin);
        if from.events == 0 {
            part.set_time(head.time);
        }
        at.done += u64::from(len);
        if at.run >= head.runs.end as usize {
            (at.piece, at.events) = (at.piece + 1, 0);
        }
        self.at = at;
        len
    }

    /// The place of a name of the batch in the list of the current part.
    fn place_of(&mut self, name: u32, part: &mut Batch) -> u32 {
        let place = &mut self.places[name as usize];
        if place.0 != self.number {
            *place = (self.number, part.names.len() as u32);
            part.names.push(self.batch.names[name as usize].clone());
        }
        place.1
    }
}
