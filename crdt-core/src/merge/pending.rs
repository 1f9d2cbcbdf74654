//! Events whose parents have not arrived yet, held back in a bounded buffer.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::piece::Piece;
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
        PendingLimits { pieces: 100_000, bytes: 16 << 20 }
    }
}

/// Where a piece stands in the order of arrival.
type Ticket = u64;

/// Pieces, each under one parent that it waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    pieces: BTreeMap<Ticket, (Piece, (Arc<str>, u32))>,
    waiting: HashMap<Arc<str>, BTreeMap<u32, Vec<Ticket>>>,
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
        let mut missing: Vec<EventId> = self
            .waiting
            .iter()
            .flat_map(|(agent, seqs)| seqs.keys().map(|&seq| EventId::new(&**agent, seq)))
            .collect();
        missing.sort_unstable();
        missing
    }

    /// Holds `piece` back until `parent` arrives. The same piece is held once.
    pub(crate) fn hold(&mut self, piece: Piece, parent: (Arc<str>, u32)) {
        let seqs = self.waiting.entry(parent.0.clone()).or_default();
        let tickets = seqs.entry(parent.1).or_default();
        if tickets.iter().any(|t| self.pieces.get(t).is_some_and(|(held, _)| *held == piece)) {
            return;
        }
        tickets.push(self.next);
        self.events += piece.len as usize;
        self.bytes += piece.memory();
        self.pieces.insert(self.next, (piece, parent));
        self.next += 1;
    }

    /// Lets the oldest go until `limits` are kept; says how many events went.
    pub(crate) fn shrink(&mut self, limits: &PendingLimits) -> usize {
        let before = self.events;
        while self.pieces.len() > limits.pieces || self.bytes > limits.bytes {
            let Some((&oldest, _)) = self.pieces.first_key_value() else {
                break;
            };
            self.take(oldest);
        }
        before - self.events
    }

    fn take(&mut self, ticket: Ticket) -> Option<Piece> {
        let (piece, (agent, seq)) = self.pieces.remove(&ticket)?;
        self.events -= piece.len as usize;
        self.bytes -= piece.memory();
        if let Some(seqs) = self.waiting.get_mut(&agent) {
            if let Some(tickets) = seqs.get_mut(&seq) {
                tickets.retain(|&t| t != ticket);
                if tickets.is_empty() {
                    seqs.remove(&seq);
                }
            }
            if seqs.is_empty() {
                self.waiting.remove(&agent);
            }
        }
        Some(piece)
    }

    /// Takes out the pieces that wait for one of the events `range` of `agent`, oldest first.
    pub(crate) fn wake(&mut self, agent: &str, range: Range<u32>) -> Vec<Piece> {
        let Some(seqs) = self.waiting.get(agent) else {
            return Vec::new();
        };
        let mut tickets: Vec<Ticket> =
            seqs.range(range).flat_map(|(_, t)| t.iter().copied()).collect();
        tickets.sort_unstable();
        tickets.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }

    /// Takes everything out, oldest first, each with the parent it waits for.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Piece, (Arc<str>, u32))> {
        std::mem::take(self).pieces.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_log::{Kind, Run};

    fn piece(seq: u32) -> Piece {
        let run = Run::new(Kind::Delete, 0, 1);
        Piece {
            agent: "a".into(),
            seq,
            len: 1,
            parents: vec![("b".into(), seq)],
            runs: vec![run],
            text: String::new(),
        }
    }

    #[test]
    fn pieces_wake_once_and_the_oldest_go_first() {
        let mut pending = Pending::default();
        for seq in 0..4 {
            pending.hold(piece(seq), ("b".into(), seq));
            pending.hold(piece(seq), ("b".into(), seq));
        }
        assert_eq!(pending.events(), 4);
        assert_eq!(pending.shrink(&PendingLimits { pieces: 3, bytes: usize::MAX }), 1);
        assert_eq!(pending.missing(), [1, 2, 3].map(|seq| EventId::new("b", seq)));
        assert_eq!(pending.wake("b", 0..3), [piece(1), piece(2)]);
        assert_eq!(pending.wake("b", 0..3), []);
        assert_eq!(pending.drain().map(|(p, _)| p).collect::<Vec<_>>(), [piece(3)]);
        assert!(pending.is_empty() && pending.events() == 0 && pending.bytes == 0);
    }
}
