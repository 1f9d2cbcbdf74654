//! The names under which a replica has edited, in order.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers the events that a replica made, in the order in which it made them, under all of its
/// names.
#[derive(Debug)]
pub(crate) struct OwnNames {
    /// At least one; the current name is the last.
    names: Vec<OwnName>,
    /// Another replica may have the events of the current name below this seq. Atomic, because
    /// encoding takes `&Document`.
    shared: AtomicU32,
}

impl Clone for OwnNames {
    fn clone(&self) -> Self {
        OwnNames {
            names: self.names.clone(),
            shared: AtomicU32::new(self.first_unshared()),
        }
    }
}

#[derive(Debug, Clone)]
struct OwnName {
    agent: String,
    /// The number of its first event, and that event's seq.
    first: u32,
    seq: u32,
}

impl OwnNames {
    pub(crate) fn new(agent: &str) -> OwnNames {
        let agent = agent.to_owned();
        OwnNames {
            names: vec![OwnName {
                agent,
                first: 0,
                seq: 0,
            }],
            shared: AtomicU32::new(0),
        }
    }

    /// Records that another replica may have the events of the current name below `seq`.
    pub(crate) fn mark_shared(&self, seq: u32) {
        self.shared.fetch_max(seq, Ordering::Relaxed);
    }

    /// The seq of the current name from which on no other replica has its events.
    pub(crate) fn first_unshared(&self) -> u32 {
        self.shared.load(Ordering::Relaxed)
    }

    /// The number of the event with the seq `seq` of the current name.
    pub(crate) fn number(&self, seq: u32) -> u32 {
        let last = self.names.last();
        last.map_or(seq, |name| name.first + seq.saturating_sub(name.seq))
    }

    /// Moves the events from the seq `from` of the current name on to `agent`, from its first.
    pub(crate) fn rename(&mut self, from: u32, agent: &str) {
        let first = self.number(from);
        self.names.retain(|name| name.first < first);
        self.names.push(OwnName {
            agent: agent.to_owned(),
            first,
            seq: 0,
        });
        self.shared = AtomicU32::new(0);
    }

    /// The ids of the events with these numbers: names, each with a range of seqs.
    pub(crate) fn ids(&self, numbers: Range<u32>) -> impl Iterator<Item = (&str, Range<u32>)> {
        let ends = self.names.iter().skip(1).map(|next| next.first);
        let ends = ends.chain(std::iter::once(u32::MAX));
        self.names.iter().zip(ends).filter_map(move |(name, end)| {
            let (start, end) = (numbers.start.max(name.first), numbers.end.min(end));
            let seq = |number: u32| name.seq + (number - name.first);
            (start < end).then(|| (&*name.agent, seq(start)..seq(end)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_when_names_change() {
        let mut own = OwnNames::new("a");
        assert_eq!(own.number(5), 5);
        own.rename(3, "b");
        assert_eq!((own.number(0), own.number(2)), (3, 5));
        own.rename(2, "c");
        assert_eq!(own.number(1), 6);
        let ids: Vec<_> = own.ids(1..7).collect();
        assert_eq!(ids, [("a", 1..3), ("b", 0..2), ("c", 0..2)]);
        assert_eq!(own.ids(4..5).collect::<Vec<_>>(), [("b", 1..2)]);
        own.rename(0, "d");
        assert_eq!(own.ids(1..7).last(), Some(("d", 0..2)));
    }
}
