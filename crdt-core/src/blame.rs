//! The authors of the text.

use std::ops::Range;

use crate::document::Document;
use crate::error::{EditError, HistoryError};
use crate::history::History;
use crate::walker::CharIndex;

/// A piece of the text that one agent inserted with consecutive events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authored {
    /// Its place in the text, in chars.
    pub range: Range<usize>,
    /// The agent that inserted it.
    pub agent: String,
    /// The sequence numbers of the inserting events, one per char, in order.
    pub seqs: Range<u32>,
    /// The time of the events, if the agent set one: see [`Document::set_time`].
    pub time: Option<u64>,
}

impl Document {
    /// The authors and times of the chars `range` of the text: maximal pieces, in order.
    ///
    /// Text that an undo or a revert restored counts as inserted by the agent that restored it.
    ///
    /// Text older than the history of a shallow document is left out: its authors are not known.
    ///
    /// Builds the index that [`Document::anchor_at`] describes; then O(pieces + deleted pieces
    /// between them).
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] if the range reaches past the end,
    /// [`HistoryError::CorruptHistory`].
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello")?;
    /// let pieces = doc.blame(0..5)?;
    /// assert_eq!((pieces.len(), &*pieces[0].agent), (1, "alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blame(&self, range: Range<usize>) -> Result<Vec<Authored>, HistoryError> {
        let len = self.len_chars();
        if range.end > len {
            let position = range.end;
            return Err(EditError::OutOfBounds { position, len }.into());
        }
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        Ok(self.with_chars(|history, chars| authored(history, chars, range))?)
    }
}

/// The authors of the chars `range` of the text, all of which exist.
fn authored(history: &History, chars: &mut CharIndex, range: Range<usize>) -> Vec<Authored> {
    let mut out: Vec<Authored> = Vec::new();
    let agents = &history.graph.agents;
    let first = chars.char_at(range.start as u32);
    let mut at = range.start;
    for run in chars.runs(first).filter(|run| run.in_text) {
        let here = (run.len as usize).min(range.end - at) as u32;
        for (lvs, agent, seq) in agents.runs_in(run.lv..run.lv + here) {
            let n = lvs.end - lvs.start;
            if lvs.start < history.graph.start() {
                at += n as usize;
                continue;
            }
            let name = agents.name(agent);
            for (seqs, time) in history.timestamps.runs(agent, seq..seq + n) {
                let end = at + seqs.len();
                match out.last_mut() {
                    Some(last)
                        if last.range.end == at
                            && last.seqs.end == seqs.start
                            && last.agent == name
                            && last.time == time =>
                    {
                        last.range.end = end;
                        last.seqs.end = seqs.end;
                    }
                    _ => out.push(Authored {
                        range: at..end,
                        agent: name.to_owned(),
                        seqs,
                        time,
                    }),
                }
                at = end;
            }
        }
        if at == range.end {
            break;
        }
    }
    out
}
