//! Events whose parents have not arrived yet, held back in a bounded buffer.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use super::batch::Batch;
use crate::hashing::Map;
use crate::sorted_list::SortedList;
use crate::sorting::{sort, sort_by};
use crate::version::EventId;

/// The limits of held-back events: pieces, and bytes of memory. The oldest are dropped first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingLimits {
    /// The most runs of events.
    pub pieces: usize,
    /// The most memory, in bytes.
    pub bytes: usize,
}

impl PendingLimits {
    /// Sets [`PendingLimits::pieces`].
    #[must_use]
    pub const fn pieces(self, pieces: usize) -> PendingLimits {
        PendingLimits { pieces, ..self }
    }

    /// Sets [`PendingLimits::bytes`].
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> PendingLimits {
        PendingLimits { bytes, ..self }
    }
}

impl Default for PendingLimits {
    fn default() -> Self {
        PendingLimits {
            pieces: 100_000,
            bytes: 16 << 20,
        }
    }
}

/// The index of a piece in the order of arrival.
type Ticket = u64;

/// A piece that is held back, as a separate batch, and the event that it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) piece: Batch,
    pub(crate) parent: (Arc<str>, u32),
    /// In events.
    pub(crate) len: u32,
}

impl Held {
    /// The memory that it takes, in bytes, with its entries in the tables of [`Pending`].
    fn memory(&self) -> usize {
        // Hash tables are less than half full at worst, just after they have grown; the chunks of sorted
        // lists a quarter, just after they were split.
        const ENTRIES: usize = 3 * (size_of::<(Ticket, Held)>() + size_of::<(u64, Ticket)>())
            + 4 * size_of::<Waiting>();
        // The name of the parent's agent may be kept only for this piece, with its two counts.
        let name = self.parent.0.len() + size_of::<[usize; 2]>();
        ENTRIES + name + self.piece.memory()
    }
}

/// The agent and the number of an event that is waited for, and the piece that waits.
type Waiting = (Arc<str>, u32, Ticket);

/// Pieces, each under one parent that it waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    pieces: Map<Ticket, Held>,
    /// By the awaited event, oldest first.
    waiting: SortedList<Waiting>,
    /// The hash of each piece, to detect one that arrives again.
    seen: Map<u64, Ticket>,
    /// No piece that is held has a ticket before this one.
    oldest: Ticket,
    next: Ticket,
    events: usize,
    bytes: usize,
}

impl Pending {
    /// The number of events that are held back.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The number of pieces that were ever held back.
    pub(crate) fn held_ever(&self) -> u64 {
        self.next
    }

    /// The first `most` of the events that are waited for, sorted. O(most).
    pub(crate) fn missing(&self, most: usize) -> Vec<EventId> {
        let mut missing: Vec<EventId> = Vec::new();
        for (agent, seq, _) in self.waiting.iter() {
            let is_last = |last: &EventId| *last.agent == **agent && last.seq == *seq;
            if missing.last().is_some_and(is_last) {
                continue;
            }
            if missing.len() == most {
                break;
            }
            missing.push(EventId::new(&**agent, *seq));
        }
        missing
    }

    /// Holds a piece back until its parent arrives. The same piece is held once. O(log n + size of
    /// the piece).
    pub(crate) fn hold(&mut self, held: Held) {
        let hash = self.seen.hasher().hash_one(&held);
        match self.seen.get(&hash) {
            Some(ticket) if self.pieces.get(ticket) == Some(&held) => return,
            // The hash refers to another piece that is held; this one has no entry.
            Some(_) => {}
            None => drop(self.seen.insert(hash, self.next)),
        }
        let (agent, seq) = held.parent.clone();
        let waiting = (agent, seq, self.next);
        let before = waiting.clone();
        self.waiting.insert(waiting, |other| *other < before);
        self.events += held.len as usize;
        self.bytes += held.memory();
        self.pieces.insert(self.next, held);
        self.next += 1;
    }

    /// Drops the oldest until `limits` are met; returns the number of dropped events.
    pub(crate) fn shrink(&mut self, limits: &PendingLimits) -> usize {
        let before = self.events;
        while self.pieces.len() > limits.pieces || self.bytes > limits.bytes {
            if self.oldest == self.next {
                break;
            }
            self.let_go(self.oldest);
            self.oldest += 1;
        }
        before - self.events
    }

    /// Drops the piece with this ticket, if it is still held.
    fn let_go(&mut self, ticket: Ticket) {
        let Some(held) = self.take(ticket) else {
            return;
        };
        let (agent, seq) = held.parent;
        let waiting = (agent, seq, ticket);
        let is_before = |other: &Waiting| *other < waiting;
        self.waiting.remove(is_before, |other| *other == waiting);
    }

    /// Takes a piece out of everything but the list of those that wait for the same event.
    fn take(&mut self, ticket: Ticket) -> Option<Held> {
        let held = self.pieces.remove(&ticket)?;
        self.events -= held.len as usize;
        self.bytes -= held.memory();
        let hash = self.seen.hasher().hash_one(&held);
        if self.seen.get(&hash) == Some(&ticket) {
            self.seen.remove(&hash);
        }
        Some(held)
    }

    /// Takes out the pieces that wait for one of the events `range` of `agent`, oldest first.
    /// O(log n) for each of them.
    pub(crate) fn wake(&mut self, agent: &Arc<str>, range: Range<u32>) -> Vec<Held> {
        let mut tickets: Vec<Ticket> = Vec::new();
        let is_before = |(of, seq, _): &Waiting| (of, *seq) < (agent, range.start);
        let is_woken = |(of, seq, _): &Waiting| of == agent && *seq < range.end;
        while let Some((.., ticket)) = self.waiting.remove(is_before, is_woken) {
            tickets.push(ticket);
        }
        sort(&mut tickets);
        tickets
            .into_iter()
            .filter_map(|ticket| self.take(ticket))
            .collect()
    }

    /// Takes everything out, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Held> {
        let pieces = std::mem::take(self).pieces;
        let mut pieces: Vec<(Ticket, Held)> = pieces.into_iter().collect();
        sort_by(&mut pieces, |(a, _), (b, _)| a.cmp(b));
        pieces.into_iter().map(|(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;
    use crate::op_log::{Kind, Run};

    fn held(seq: u32) -> Held {
        let mut piece = Batch::default();
        piece.names.push("a".into());
        let mark = piece.mark();
        piece.runs.push(Run::new(Kind::Delete, 0, 1));
        piece.push(mark, (0, seq, 1), Origin::Start);
        Held {
            piece,
            parent: ("b".into(), seq),
            len: 1,
        }
    }

    #[test]
    fn pieces_wake_once_and_the_oldest_go_first() {
        let mut pending = Pending::default();
        for seq in 0..4 {
            pending.hold(held(seq));
            pending.hold(held(seq));
        }
        assert_eq!(pending.events(), 4);
        assert_eq!(
            pending.shrink(&PendingLimits {
                pieces: 3,
                bytes: usize::MAX
            }),
            1
        );
        assert_eq!(
            pending.missing(9),
            [1, 2, 3].map(|seq| EventId::new("b", seq))
        );
        assert_eq!(pending.wake(&"a".into(), 0..9), []);
        assert_eq!(pending.wake(&"b".into(), 2..3), [held(2)]);
        pending.hold(held(2));
        assert_eq!(pending.wake(&"b".into(), 0..3), [held(1), held(2)]);
        assert_eq!(pending.wake(&"b".into(), 0..3), []);
        assert_eq!(pending.drain().collect::<Vec<_>>(), [held(3)]);
        assert!(pending.is_empty() && pending.events() == 0 && pending.bytes == 0);
    }
}
