//! One run of inserts or deletes, and the rule by which runs join.

use crate::version::MAX_CHARS;

/// The operation of a run's events. The `k`th event of a run at `pos`, `len` events long:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// inserts a char at `pos + k`;
    Insert,
    /// deletes the char at `pos`, every time;
    Delete,
    /// deletes the char at `pos + len - 1 - k` (a backspace run over `pos..pos + len`).
    Backspace,
}

/// The longest run, in events: its length shares 32 bits with its kind.
pub(crate) const MAX_RUN: u32 = (1 << 30) - 1;

/// A run of events with consecutive local versions. Positions and lengths are in chars.
///
/// A single delete is a [`Kind::Delete`]; it may become the start of a run in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) pos: u32,
    pub(crate) len: u32,
}

impl Run {
    pub(crate) fn new(kind: Kind, pos: u32, len: u32) -> Self {
        let kind = if kind == Kind::Backspace && len == 1 {
            Kind::Delete
        } else {
            kind
        };
        Run { kind, pos, len }
    }

    /// Checks the limits of every operation, in all encodings.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.len == 0 {
            return Err("an operation of no length");
        }
        if self.len > MAX_RUN || self.pos > MAX_CHARS {
            return Err("an operation that reaches past the longest text");
        }
        Ok(())
    }

    pub(crate) fn is_insert(&self) -> bool {
        self.kind == Kind::Insert
    }

    /// The largest end of the range that the run needs the text to have, in chars, where the text
    /// is the one before the run: `pos` for an insert, the end of the deleted range for a delete.
    pub(crate) fn extent(&self) -> u64 {
        match self.kind {
            Kind::Insert => u64::from(self.pos),
            Kind::Delete | Kind::Backspace => u64::from(self.pos) + u64::from(self.len),
        }
    }

    /// The author's cursor before and after the run, in chars.
    pub(crate) fn ends(&self) -> (u32, u32) {
        match self.kind {
            Kind::Insert => (self.pos, self.pos + self.len),
            Kind::Delete => (self.pos, self.pos),
            Kind::Backspace => (self.pos + self.len, self.pos),
        }
    }

    /// The position at which the first of the last `left` events of a run of deletes deletes a
    /// char.
    pub(crate) fn next_pos(&self, left: u32) -> u32 {
        match self.kind {
            Kind::Backspace => self.pos + left - 1,
            Kind::Insert | Kind::Delete => self.pos,
        }
    }

    /// The events `from..from + len` of this run, as a run.
    pub(crate) fn part(&self, from: u32, len: u32) -> Run {
        debug_assert!(len > 0 && from + len <= self.len);
        let pos = match self.kind {
            Kind::Insert => self.pos + from,
            Kind::Delete => self.pos,
            Kind::Backspace => self.pos + self.len - from - len,
        };
        Run::new(self.kind, pos, len)
    }

    /// Joins the whole of `next`, whose events follow this run's, if possible; returns whether it
    /// did.
    fn join_whole(&mut self, next: &Run) -> bool {
        if self.len + next.len > MAX_RUN {
            return false;
        }
        let joined = match (self.kind, next.kind) {
            (Kind::Insert, Kind::Insert) if next.pos == self.pos + self.len => *self,
            (Kind::Delete, Kind::Delete) if next.pos == self.pos => *self,
            (Kind::Delete, Kind::Delete | Kind::Backspace)
                if self.len == 1
                    && (next.len == 1 || next.kind == Kind::Backspace)
                    && next.pos + next.len == self.pos =>
            {
                Run {
                    kind: Kind::Backspace,
                    pos: next.pos,
                    len: self.len,
                }
            }
            (Kind::Backspace, Kind::Delete | Kind::Backspace)
                if (next.len == 1 || next.kind == Kind::Backspace)
                    && next.pos + next.len == self.pos =>
            {
                Run {
                    kind: Kind::Backspace,
                    pos: next.pos,
                    len: self.len,
                }
            }
            _ => return false,
        };
        *self = Run {
            len: joined.len + next.len,
            ..joined
        };
        true
    }

    /// Joins as many events of `next` as the greedy rule allows: as if the events came one by one,
    /// each joining the run before it if it can. Returns the rest of `next`, and the number of
    /// joined events.
    pub(crate) fn join(&mut self, next: Run) -> (Option<Run>, u32) {
        if self.join_whole(&next) {
            return (None, next.len);
        }
        // Runs in opposite directions can still share their first event.
        if next.len > 1 && !next.is_insert() && self.join_whole(&next.part(0, 1)) {
            return (Some(next.part(1, next.len - 1)), 1);
        }
        (Some(next), 0)
    }
}

/// Adds `next` to a list of runs by the greedy rule. The result depends only on the events, not on
/// their division into runs.
pub(crate) fn push_greedy(runs: &mut Vec<Run>, next: Run) {
    let mut rest = Some(next);
    if let Some(last) = runs.last_mut() {
        // At most two rounds: after a shared first event the rest starts a new run, or joins whole.
        while let Some(run) = rest {
            let (left, taken) = last.join(run);
            rest = left;
            if taken == 0 {
                break;
            }
        }
    }
    runs.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    fn events(run: Run) -> impl Iterator<Item = Run> {
        (0..run.len).map(move |k| run.part(k, 1))
    }

    #[test]
    fn joining_runs_is_joining_their_events_one_by_one() {
        let mut shapes = Shapes(7);
        for _ in 0..20_000 {
            let (mut whole, mut single) = (Vec::new(), Vec::new());
            let mut flat = Vec::new();
            for _ in 0..6 {
                let kind = [Kind::Insert, Kind::Delete, Kind::Backspace][shapes.below(3) as usize];
                let run = Run::new(kind, shapes.below(5), 1 + shapes.below(3));
                push_greedy(&mut whole, run);
                events(run).for_each(|event| push_greedy(&mut single, event));
                flat.extend(events(run));
            }
            assert_eq!(whole, single);
            assert_eq!(
                whole.iter().copied().flat_map(events).collect::<Vec<_>>(),
                flat
            );
        }
    }
}
