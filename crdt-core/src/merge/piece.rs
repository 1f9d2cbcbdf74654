//! Events on their way in: a run of one agent, not yet part of the history.

use std::sync::Arc;

use crate::op_log::{Kind, Run};
use crate::version::EventId;

/// A run of events of one agent, each but the first having the one before it as its only parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) agent: Arc<str>,
    pub(crate) seq: u32,
    /// In events; the sum of the runs' lengths.
    pub(crate) len: u32,
    pub(crate) parents: Vec<(Arc<str>, u32)>,
    pub(crate) runs: Vec<Run>,
    /// What all insert runs insert, one behind the other.
    pub(crate) text: String,
}

impl Piece {
    pub(crate) fn seq_end(&self) -> u32 {
        self.seq + self.len
    }

    pub(crate) fn id(&self) -> EventId {
        EventId::new(&*self.agent, self.seq)
    }

    /// Bytes of memory that holding it takes, about.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Piece>()
            + self.parents.len() * size_of::<(Arc<str>, u32)>()
            + self.runs.len() * size_of::<Run>()
            + self.text.len()
            + self.agent.len()
    }

    /// The events `from..from + len` of it.
    pub(crate) fn part(&self, from: u32, len: u32) -> Piece {
        if from == 0 && len == self.len {
            return self.clone();
        }
        let mut part = Piece {
            agent: self.agent.clone(),
            seq: self.seq + from,
            len,
            parents: if from == 0 {
                self.parents.clone()
            } else {
                vec![(self.agent.clone(), self.seq + from - 1)]
            },
            runs: Vec::new(),
            text: String::new(),
        };
        for (run, text) in self.runs_in(from, len) {
            part.runs.push(run);
            part.text.push_str(text);
        }
        part
    }

    /// The runs of the events `from..from + len`, with what they insert.
    pub(crate) fn runs_in(&self, from: u32, len: u32) -> impl Iterator<Item = (Run, &str)> {
        let end = from + len;
        let mut at = 0;
        let mut text = self.text.as_str();
        self.runs.iter().filter_map(move |run| {
            let start = at;
            at += run.len;
            let mut own = "";
            if run.kind == Kind::Insert {
                (own, text) = text.split_at(byte_of_char(text, run.len));
            }
            let (low, high) = (from.max(start), end.min(at));
            if low >= high {
                return None;
            }
            if !own.is_empty() {
                own = &own[byte_of_char(own, low - start)..];
                own = &own[..byte_of_char(own, high - low)];
            }
            Some((run.part(low - start, high - low), own))
        })
    }
}

/// Where the char number `n` of `text` starts, in bytes; the end if there are no more than `n`.
fn byte_of_char(text: &str, n: u32) -> usize {
    if text.len() == n as usize {
        return text.len();
    }
    text.char_indices().nth(n as usize).map_or(text.len(), |(i, _)| i)
}
