//! Events whose parents have not arrived yet, held back in a bounded buffer.

use std::ops::Range;
use std::sync::Arc;

use super::batch::Batch;
use crate::hashing::Map;
use crate::sorting::{sort, sort_by};
use crate::version::EventId;

/// How much is held back at most: pieces, and bytes of memory. The oldest go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingLimits {
    /// The most runs of events.
    pub pieces: usize,
    /// The most memory, in bytes.
    pub bytes: usize,
}

impl Default for PendingLimits {
    fn default() -> Self {
        PendingLimits {
            pieces: 100_000,
            bytes: 16 << 20,
        }
    }
}

/// Where a piece stands in the order of arrival.
type Ticket = u64;

/// A piece that is held back, as a batch of its own, and the event that it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) piece: Batch,
    pub(crate) parent: (Arc<str>, u32),
    /// In events.
    pub(crate) len: u32,
}

/// Pieces, each under one parent that it waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    pieces: Map<Ticket, Held>,
    waiting: Map<(Arc<str>, u32), Vec<Ticket>>,
    /// No piece that is held has a ticket before this one.
    oldest: Ticket,
    next: Ticket,
    events: usize,
    bytes: usize,
}

impl Pending {
    /// How many events are held back.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The events that are waited for.
    pub(crate) fn missing(&self) -> Vec<EventId> {
        let parents = self.waiting.keys();
        let mut missing: Vec<EventId> = parents
            .map(|(agent, seq)| EventId::new(&**agent, *seq))
            .collect();
        sort(&mut missing);
        missing
    }

    /// Holds a piece back until its parent arrives. The same piece is held once.
    pub(crate) fn hold(&mut self, held: Held) {
        let tickets = self.waiting.entry(held.parent.clone()).or_default();
        if tickets.iter().any(|t| self.pieces.get(t) == Some(&held)) {
            return;
        }
        tickets.push(self.next);
        self.events += held.len as usize;
        self.bytes += held.piece.memory();
        self.pieces.insert(self.next, held);
        self.next += 1;
    }

    /// Lets the oldest go until `limits` are kept; says how many events went.
    pub(crate) fn shrink(&mut self, limits: &PendingLimits) -> usize {
        let before = self.events;
        while self.pieces.len() > limits.pieces || self.bytes > limits.bytes {
            if self.oldest == self.next {
                break;
            }
            self.take(self.oldest);
            self.oldest += 1;
        }
        before - self.events
    }

    fn take(&mut self, ticket: Ticket) -> Option<Held> {
        let held = self.pieces.remove(&ticket)?;
        self.events -= held.len as usize;
        self.bytes -= held.piece.memory();
        if let Some(tickets) = self.waiting.get_mut(&held.parent) {
            tickets.retain(|&t| t != ticket);
            if tickets.is_empty() {
                self.waiting.remove(&held.parent);
            }
        }
        Some(held)
    }

    /// Takes out the pieces that wait for one of the events `range` of `agent`, oldest first.
    pub(crate) fn wake(&mut self, agent: &str, range: Range<u32>) -> Vec<Held> {
        let mut tickets: Vec<Ticket> = Vec::new();
        // Gone through is what is less: the events, or what waits.
        if range.len() < self.waiting.len() {
            let mut parent = (Arc::from(agent), 0);
            for seq in range {
                parent.1 = seq;
                tickets.extend(self.waiting.get(&parent).into_iter().flatten());
            }
        } else {
            for ((name, seq), waiting) in &self.waiting {
                if range.contains(seq) && **name == *agent {
                    tickets.extend(waiting);
                }
            }
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
            pending.missing(),
            [1, 2, 3].map(|seq| EventId::new("b", seq))
        );
        assert_eq!(pending.wake("a", 0..9), []);
        assert_eq!(pending.wake("b", 2..3), [held(2)]);
        pending.hold(held(2));
        assert_eq!(pending.wake("b", 0..3), [held(1), held(2)]);
        assert_eq!(pending.wake("b", 0..3), []);
        assert_eq!(pending.drain().collect::<Vec<_>>(), [held(3)]);
        assert!(pending.is_empty() && pending.events() == 0 && pending.bytes == 0);
    }
}
