//! Decoded incoming events: runs of one agent in a few flat lists.

use std::ops::Range;
use std::sync::Arc;

use crate::hashing::Map;
use crate::op_log::{Kind, Run};
use crate::version::{EventId, MAX_CHARS};

/// Decoded pieces. Agents are indices into `names`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    pub(crate) names: Vec<Arc<str>>,
    pub(super) heads: Vec<Head>,
    pub(crate) parents: Vec<(u32, u32)>,
    pub(crate) runs: Vec<Run>,
    /// The concatenated text of all insert runs.
    pub(crate) text: String,
    /// The events that the pieces build on.
    pub(crate) base: Vec<BaseEvent>,
}

/// An event that others build on, and the upper half of its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BaseEvent {
    /// The number of its agent, or in a batch the index in the list of names.
    pub(crate) agent: u32,
    pub(crate) seq: u32,
    pub(crate) digest: u32,
}

/// The origin of the positions of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// The start of the text.
    Start,
    /// The cursor after the previous event, which is an ancestor. Positions wrap below 0.
    EventBefore,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Head {
    pub(super) agent: u32,
    pub(super) seq: u32,
    pub(super) len: u32,
    pub(super) origin: Origin,
    pub(super) time: Option<u64>,
    pub(super) parents: Range<u32>,
    pub(super) runs: Range<u32>,
    pub(super) text: Range<usize>,
}

/// Where a piece starts in the lists of a batch, while it is being decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    parents: u32,
    runs: u32,
    text: usize,
}

impl Batch {
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            parents: self.parents.len() as u32,
            runs: self.runs.len() as u32,
            text: self.text.len(),
        }
    }

    /// The runs that were added to the list since `mark`.
    pub(crate) fn runs_since(&self, mark: &Mark) -> &[Run] {
        &self.runs[mark.runs as usize..]
    }

    /// Makes a piece of the runs that were added to the lists since `mark`: the events
    /// `seq..seq + len`.
    pub(crate) fn push(&mut self, mark: Mark, (agent, seq, len): (u32, u32, u32), origin: Origin) {
        let end = self.mark();
        self.heads.push(Head {
            agent,
            seq,
            len,
            origin,
            time: None,
            parents: mark.parents..end.parents,
            runs: mark.runs..end.runs,
            text: mark.text..end.text,
        });
    }

    /// Sets the time of the first event of the last piece.
    pub(crate) fn set_time(&mut self, time: Option<u64>) {
        if let Some(head) = self.heads.last_mut() {
            head.time = time;
        }
    }

    /// The number of its events, including repeated ones.
    pub(crate) fn events(&self) -> u64 {
        self.heads.iter().map(|head| u64::from(head.len)).sum()
    }

    /// The pieces, in the order in which they were decoded.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.heads.iter().map(|head| Piece {
            names: &self.names,
            agent: head.agent,
            seq: head.seq,
            len: head.len,
            origin: head.origin,
            time: head.time,
            cursor: None,
            parents: &self.parents[head.parents.start as usize..head.parents.end as usize],
            runs: &self.runs[head.runs.start as usize..head.runs.end as usize],
            text: self.text.get(head.text.clone()).unwrap_or_default(),
        })
    }

    /// Bytes of memory that its lists take, with the allocator's overhead, and the names, which may
    /// be shared.
    pub(crate) fn memory(&self) -> usize {
        const ALLOCATED: usize = 16;
        let names = self.names.iter().map(|name| 2 * ALLOCATED + name.len());
        5 * ALLOCATED
            + names.sum::<usize>()
            + self.names.capacity() * size_of::<Arc<str>>()
            + self.room()
    }

    /// Empties it, and keeps the memory of its lists.
    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.heads.clear();
        self.parents.clear();
        self.runs.clear();
        self.text.clear();
        self.base.clear();
    }

    /// The capacity of its lists in bytes, without the names.
    pub(crate) fn room(&self) -> usize {
        self.heads.capacity() * size_of::<Head>()
            + self.parents.capacity() * size_of::<(u32, u32)>()
            + self.runs.capacity() * size_of::<Run>()
            + self.text.capacity()
            + self.base.capacity() * size_of::<BaseEvent>()
    }

    /// Frees the unused capacity of its lists.
    fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.heads.shrink_to_fit();
        self.parents.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

/// A run of events of one agent, in which the only parent of each event but the first is the event
/// before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) names: &'a [Arc<str>],
    pub(crate) agent: u32,
    pub(crate) seq: u32,
    /// In events; the sum of the runs' lengths.
    pub(crate) len: u32,
    pub(crate) origin: Origin,
    /// The time of its first event, if given.
    pub(crate) time: Option<u64>,
    /// The cursor after the previous event, if the positions count from it.
    cursor: Option<i64>,
    pub(crate) parents: &'a [(u32, u32)],
    runs: &'a [Run],
    text: &'a str,
}

impl<'a> Piece<'a> {
    pub(crate) fn agent_name(&self) -> &'a Arc<str> {
        &self.names[self.agent as usize]
    }

    pub(crate) fn seq_end(&self) -> u32 {
        self.seq + self.len
    }

    pub(crate) fn id(&self) -> EventId {
        EventId::new(&**self.agent_name(), self.seq)
    }

    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The same piece with positions that count from the start of the text, if they count from the
    /// cursor after the previous event.
    pub(crate) fn counted_from(self, cursor: i64) -> Piece<'a> {
        Piece {
            origin: Origin::Start,
            cursor: Some(cursor),
            ..self
        }
    }

    /// The cursor after event number `k`, relative to the cursor before the piece, if the positions
    /// are.
    pub(crate) fn cursor_after(&self, k: u32) -> Option<i64> {
        let mut start = 0;
        for run in self.runs {
            let pos = i64::from(run.pos as i32);
            if k - start < run.len {
                let k = i64::from(k - start);
                return Some(match run.kind {
                    Kind::Insert => pos + k + 1,
                    Kind::Delete => pos,
                    Kind::Backspace => pos + i64::from(run.len) - 1 - k,
                });
            }
            start += run.len;
        }
        None
    }

    /// A copy of `len` events from `from` on, as a separate batch. Only whole pieces may have
    /// another origin than the start of the text.
    pub(crate) fn to_batch(self, from: u32, len: u32) -> Batch {
        let mut batch = Batch {
            names: vec![self.agent_name().clone()],
            ..Batch::default()
        };
        let mark = batch.mark();
        if from == 0 {
            let mut places: Map<u64, u64> = Map::default();
            places.insert(self.agent.into(), 0);
            for &(name, seq) in self.parents {
                let place = *places.entry(name.into()).or_insert_with(|| {
                    batch.names.push(self.names[name as usize].clone());
                    batch.names.len() as u64 - 1
                });
                batch.parents.push((place as u32, seq));
            }
        } else {
            batch.parents.push((0, self.seq + from - 1));
        }
        for (run, text) in self.runs_in(from, len) {
            batch.runs.push(run);
            batch.text.push_str(text);
        }
        batch.push(mark, (0, self.seq + from, len), self.origin);
        batch.set_time(self.time.filter(|_| from == 0));
        batch.shrink();
        batch
    }

    /// The runs of the events `from..from + len`, with their inserted text.
    pub(crate) fn runs_in(
        &self,
        from: u32,
        len: u32,
    ) -> impl Iterator<Item = (Run, &'a str)> + use<'a> {
        let end = from + len;
        let mut at = 0;
        let mut text = self.text;
        let cursor = self.cursor;
        self.runs.iter().filter_map(move |run| {
            let start = at;
            at += run.len;
            let mut own = "";
            if run.kind == Kind::Insert {
                (own, text) = split_text(text, run.len);
            }
            let (low, high) = (from.max(start), end.min(at));
            if low >= high {
                return None;
            }
            let run = cursor.map_or(*run, |cursor| counted_from(run, cursor));
            if high - low == run.len {
                return Some((run, own));
            }
            own = split_text(own, low - start).1;
            own = split_text(own, high - low).0;
            Some((run.part(low - start, high - low), own))
        })
    }
}

/// Converts a run whose position counts from `cursor` to one that counts from the start of the
/// text. A position that is out of range ends up past the end of every text.
fn counted_from(run: &Run, cursor: i64) -> Run {
    let pos = i64::from(run.pos as i32) + cursor;
    let pos = u32::try_from(pos).map_or(MAX_CHARS, |pos| pos.min(MAX_CHARS));
    Run { pos, ..*run }
}

/// The first `chars` chars of `text`, and the rest.
pub(crate) fn split_text(text: &str, chars: u32) -> (&str, &str) {
    let chars = chars as usize;
    let at = if text.as_bytes().get(..chars).is_some_and(<[u8]>::is_ascii) {
        chars
    } else {
        let mut starts = text.char_indices().map(|(at, _)| at);
        starts.nth(chars).unwrap_or(text.len())
    };
    text.split_at_checked(at).unwrap_or((text, ""))
}
