//! The step of a merge between the history and the text: the walker's result, with errors that name events.

use crate::error::MergeError;
use crate::history::{History, Savepoint};
use crate::version::{EventId, MAX_CHARS};
use crate::walker::{Transformed, WalkError, Walker};

/// Transforms the events since `before` into edits of the current text, which has `chars` chars.
/// Takes at most `work` steps, plus those that each run allows, and stores the remaining number
/// there.
pub(crate) fn transform(
    walker: &mut Walker,
    history: &History,
    (before, chars): (Savepoint, u32),
    work: &mut u64,
    edits: &mut Vec<Transformed>,
) -> Result<(), MergeError> {
    if history.len() == before.lv {
        return Ok(());
    }
    let columns = (&history.graph, &history.ops);
    let limit = *work;
    let walked = walker.transform(columns, (before.lv, chars), limit, edits);
    *work = limit.min(walker.steps_left());
    match walked {
        Ok(_) => Ok(()),
        Err(WalkError::TooExpensive) => Err(MergeError::TooExpensive { limit }),
        Err(WalkError::TooLong) => Err(MergeError::TooLarge {
            what: "the text, in chars",
            limit: MAX_CHARS as usize,
        }),
        Err(WalkError::PastEnd { lv, position, len }) => {
            let EventId { agent, seq } = history.graph.event_id(lv);
            Err(MergeError::Position {
                agent,
                seq,
                position: position as usize,
                len: len as usize,
            })
        }
    }
}
