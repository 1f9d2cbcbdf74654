//! Completing an unpacked history: replays it, and assigns their text to the inserts.

use crate::causal_graph::Diff;
use crate::encoding::file::{Head, Unpacked};
use crate::error::LoadError;
use crate::history::History;
use crate::op_log::{OpLog, prefix_len};
use crate::pieces::{Pieces, Span};
use crate::rope::{Draft, Rope};
use crate::sorting::sort_by;
use crate::version::EventId;
use crate::walker::{Transformed, WalkError, Walker};

/// The number of steps that each event allows: searches pass the whole graph twice before they
/// build the jumps.
const STEPS_OF_AN_EVENT: u64 = 4;

/// Checks what was unpacked by replaying it, and puts the text of the inserts where it belongs.
/// Makes the text in `rope`, if it is wanted. Takes at most `work` steps, and what each run allows.
pub(crate) fn complete(
    unpacked: Unpacked,
    head: &Head,
    work: u64,
    rope: Option<&mut Rope>,
) -> Result<History, LoadError> {
    let Unpacked {
        mut history,
        inserted,
        survivors,
    } = unpacked;
    let mut scratch = Diff::default();
    let mut checked: &[u32] = &[];
    for (run, parents) in history.graph.graph.runs_in(0..history.len()) {
        let parents = parents.unwrap_or_default();
        // With many simultaneous writers, consecutive events have the same parents.
        let is_checked = parents.len() < 2 || parents == checked;
        checked = parents;
        if !is_checked && !history.graph.graph.is_reduced(parents, &mut scratch) {
            return Err(impossible(
                &history,
                run.start,
                "one of its parents is an ancestor of another",
            ));
        }
        let allowed = STEPS_OF_AN_EVENT * u64::from(head.lvs());
        if scratch.steps > work.saturating_add(allowed) {
            return Err(LoadError::TooExpensive { limit: work });
        }
    }
    let Some(text) = survivors else {
        set_text(&mut history, inserted, head)?;
        match rope {
            Some(rope) => {
                let mut draft = Draft::with_capacity(head.chars.min(head.inserted) as usize);
                walk(&history, head.chars, work, &mut |edits| {
                    edit(&mut draft, &history.ops, edits);
                })?;
                *rope = draft.finish();
            }
            None => walk(&history, head.chars, work, &mut |_| {})?,
        }
        return Ok(history);
    };
    let mut pieces = Pieces::default();
    walk(&history, head.chars, work, &mut |edits| pieces.edit(edits))?;
    let inserted = with_survivors(&history, &inserted, &text, &pieces)?;
    set_text(&mut history, inserted, head)?;
    if let Some(rope) = rope {
        // The inserts get their text from there.
        *rope = Rope::of(&text);
    }
    Ok(history)
}

/// Checks that the text of a history is the one in its file.
pub(crate) fn compare_text(made: &Rope, text: &str) -> Result<(), LoadError> {
    if made.is_text(text) {
        return Ok(());
    }
    Err(LoadError::Inconsistent {
        reason: "the text is not the one that the history makes",
    })
}

/// Sets the text of all inserts.
fn set_text(history: &mut History, inserted: String, head: &Head) -> Result<(), LoadError> {
    if inserted.len() != head.inserted as usize {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is not as long as the head says",
        });
    }
    if !history.ops.set_text(inserted) {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is not as long as the inserts",
        });
    }
    Ok(())
}

fn impossible(history: &History, lv: u32, reason: &'static str) -> LoadError {
    let EventId { agent, seq } = history.graph.event_id(lv);
    LoadError::Event { agent, seq, reason }
}

/// The text of a history.
pub(crate) fn replay(history: &History) -> Result<Rope, LoadError> {
    let mut draft = Draft::default();
    let columns = (&history.graph, &history.ops);
    let walked = Walker::default().replay_all(columns, u64::MAX, &mut |edits| {
        edit(&mut draft, &history.ops, edits);
    });
    walked.map_err(|_| LoadError::Inconsistent {
        reason: "the history cannot be replayed",
    })?;
    Ok(draft.finish())
}

/// Applies edits to a text.
fn edit(draft: &mut Draft, ops: &OpLog, edits: &[Transformed]) {
    for edit in edits {
        match edit {
            Transformed::Insert { pos, part } => {
                draft.insert(*pos, ops.text_of(part), part.run.len);
            }
            Transformed::Delete { pos, len } => draft.delete(*pos, *len),
        }
    }
}

/// Replays a history with a text of `chars` chars, and passes on its edits.
fn walk(
    history: &History,
    chars: u32,
    work: u64,
    edit: &mut dyn FnMut(&[Transformed]),
) -> Result<(), LoadError> {
    let columns = (&history.graph, &history.ops);
    match Walker::default().replay_all(columns, work, edit) {
        Ok(len) if len == chars => Ok(()),
        Ok(_) => Err(LoadError::Inconsistent {
            reason: "the text is not as long as the one that the history makes",
        }),
        Err(WalkError::TooExpensive) => Err(LoadError::TooExpensive { limit: work }),
        Err(WalkError::TooLong) => Err(LoadError::Inconsistent {
            reason: "the history makes a text beyond the longest",
        }),
        Err(WalkError::PastEnd { lv, .. }) => {
            Err(impossible(history, lv, "its position is past the end"))
        }
    }
}

/// Sorts spans, with the places of their text, by the events that inserted them.
fn by_event(mut spans: Vec<(Span, usize)>) -> Vec<(Span, usize)> {
    sort_by(&mut spans, |(a, _), (b, _)| a.lv.cmp(&b.lv));
    spans
}

/// The inserted text that is not part of the text of `chars` chars any more, in the order of the events.
/// Replays the history.
pub(crate) fn deleted_text(history: &History, chars: u32) -> Result<String, LoadError> {
    let mut pieces = Pieces::default();
    walk(history, chars, u64::MAX, &mut |edits| pieces.edit(edits))?;
    Ok(deleted_by(history, &pieces))
}

fn deleted_by(history: &History, pieces: &Pieces) -> String {
    let alive = by_event(pieces.spans().map(|span| (span, 0)).collect());
    let mut out = String::new();
    let mut at = 0;
    // The next part is in the row of the previous one, or soon after it.
    let mut row = 0;
    let mut push_inserted = |lvs| {
        for part in history.ops.parts_near(lvs, row) {
            row = part.row as usize;
            out.push_str(history.ops.text_of(&part));
        }
    };
    for (span, _) in alive {
        push_inserted(at..span.lv);
        at = span.lv + span.len;
    }
    push_inserted(at..history.len());
    out
}

/// Takes chars off the front of a text.
struct Front<'a>(&'a str);

impl<'a> Front<'a> {
    fn take(&mut self, chars: u32) -> Result<&'a str, LoadError> {
        let split = prefix_len(self.0, chars).and_then(|end| self.0.split_at_checked(end));
        let Some((taken, rest)) = split else {
            return Err(LoadError::Inconsistent {
                reason: "the inserted text is shorter than the inserts",
            });
        };
        self.0 = rest;
        Ok(taken)
    }
}

/// The text of all inserts: `deleted` has the deleted chars, and `pieces` the event that inserted
/// each char of `text`.
fn with_survivors(
    history: &History,
    deleted: &str,
    text: &str,
    pieces: &Pieces,
) -> Result<String, LoadError> {
    let mut all = String::with_capacity(deleted.len() + text.len());
    let mut deleted = Front(deleted);
    // The starts of the spans in the text, in bytes.
    let mut rest = Front(text);
    let mut alive = Vec::new();
    for span in pieces.spans() {
        alive.push((span, text.len() - rest.0.len()));
        rest.take(span.len)?;
    }
    let text_is_longer = !rest.0.is_empty();
    let mut alive = by_event(alive).into_iter().peekable();
    for part in history.ops.parts_in(0..history.len()) {
        if !part.run.is_insert() {
            continue;
        }
        let (mut at, end) = (part.lv, part.lv + part.run.len);
        while at < end {
            // A span ends with its row at the latest if the next row does not continue the insert;
            // otherwise it is taken in parts.
            let (span, from) = match alive.peek_mut() {
                Some(next) if next.0.lv < end => next,
                _ => break,
            };
            all.push_str(deleted.take(span.lv - at)?);
            let here = span.len.min(end - span.lv);
            let mut front = Front(text.get(*from..).unwrap_or_default());
            all.push_str(front.take(here)?);
            at = span.lv + here;
            *from = text.len() - front.0.len();
            *span = Span {
                lv: at,
                len: span.len - here,
            };
            if span.len == 0 {
                alive.next();
            }
        }
        all.push_str(deleted.take(end - at)?);
    }
    if text_is_longer || !deleted.0.is_empty() {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is longer than the inserts",
        });
    }
    Ok(all)
}
