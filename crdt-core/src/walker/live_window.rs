//! Zones in which a few agents write at once, each lacking only the latest events of the others.
//!
//! A live session makes such zones. Its events form a few chains, one for each writer, so a version
//! is a number per chain, and testing whether it has an event is a comparison: nothing retreats or
//! advances. The window keeps the pieces of text that some writer does not have yet, in the order
//! of the text. Everybody knows the text between them, which is only counted.
//!
//! It gives up if the order of concurrent inserts at one place, or a char that two agents delete
//! concurrently, needs the [tracker](super::tracker); if there are many chains; and if a version
//! lacks events that all chains had, or reaches past its end. Giving up leaves no observable
//! change.

mod known;
mod pieces;

use std::ops::Range;

use super::edit::Transformed;
use crate::causal_graph::{AgentIdx, CausalGraph};
use crate::op_log::OpLog;
use crate::version::{Lv, MAX_CHARS};
use known::{CHAINS, GaveUp, Known};
use pieces::Pieces;

/// The most pieces before those known to all are dropped, and after. Few in builds with debug
/// assertions.
const PRUNE_AT: usize = if cfg!(debug_assertions) { 2 } else { 12 };
const MOST_PIECES: usize = 40;
/// The most stretches of chains that are remembered; beyond that, the older half is forgotten.
const MOST_STRETCHES: usize = 512;

/// Consecutive events of one chain. Its end is the start of the next.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: Lv,
    chain: usize,
    /// The events of the other chains that its events know.
    known: Known,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    /// The agent of its first events.
    agent: AgentIdx,
    /// The version of its last event.
    known: Known,
}

/// The end of a zone, up to an event.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveWindow {
    /// The start of the zone.
    base: Lv,
    applied: Lv,
    gave_up: bool,
    chains: Vec<Chain>,
    stretches: Vec<Stretch>,
    /// The version that all chains know, as far as dropped pieces are concerned.
    settled: Known,
    pieces: Pieces,
}

impl LiveWindow {
    /// Transforms the part of a zone that starts at `from`, as far as possible. The text has `len`
    /// chars and contains all earlier events. Appends the edits to `out`; returns the event that it
    /// reached, and the length of the text there.
    pub(super) fn transform(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: &Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> (Lv, u32) {
        if self.base != zone.start || self.applied > from {
            // A peer whose events reach back ever further would cause a full replay every time.
            self.gave_up = zone.start < self.base && zone.start < from;
            self.reset(zone.start);
        }
        if self.gave_up {
            return (from, len);
        }
        // Replayed events that are already in the text start with a length that is large enough for
        // all.
        let mut unknown = (self.applied, MAX_CHARS);
        let known = self.applied..from;
        let mut silent = Vec::new();
        let caught_up = self.stretches_of(history, known, 256, &mut unknown, &mut silent);
        let mut at = (from, len);
        if caught_up.is_ok() {
            let new = from..zone.end;
            self.gave_up = self
                .stretches_of(history, new, usize::MAX, &mut at, out)
                .is_err();
        } else {
            self.gave_up = true;
        }
        self.applied = at.0;
        at
    }

    /// Drops everything.
    pub(super) fn forget(&mut self) {
        *self = LiveWindow::default();
    }

    fn reset(&mut self, base: Lv) {
        self.base = base;
        self.applied = base;
        self.chains.clear();
        self.stretches.clear();
        self.pieces.clear();
        self.settled = Known::default();
    }

    /// Applies the events `range`, as at most `most` stretches. `at` is the first of them and the
    /// length of the text before it, and is kept up to date.
    fn stretches_of(
        &mut self,
        history: (&CausalGraph, &OpLog),
        range: Range<Lv>,
        most: usize,
        at: &mut (Lv, u32),
        out: &mut Vec<Transformed>,
    ) -> Result<(), GaveUp> {
        let (graph, ops) = history;
        let mut row = usize::MAX;
        for (n, (run, parents)) in graph.graph.runs_in(range).enumerate() {
            if n == most {
                return Err(GaveUp);
            }
            let before = [run.start.wrapping_sub(1)];
            let known = self.version(parents.unwrap_or(&before))?;
            let (chain, known) = self.begin(graph, run.clone(), known)?;
            for part in ops.parts_near(run, row) {
                row = part.row as usize;
                let made = out.len();
                let len = if part.run.is_insert() {
                    let pos = self.pieces.insert(part.lv, part.run, chain, &known, at.1);
                    pos.map(|pos| {
                        out.push(Transformed::Insert { pos, part });
                        at.1 + part.run.len
                    })
                } else {
                    self.pieces
                        .delete(part.lv, part.run, chain, &known, at.1, out)
                };
                match len {
                    Ok(len) if len <= MAX_CHARS || most < usize::MAX => {
                        *at = (part.lv + part.run.len, len);
                    }
                    _ => {
                        out.truncate(made);
                        return Err(GaveUp);
                    }
                }
                if self.pieces.len() > MOST_PIECES {
                    self.prune()?;
                }
            }
            if self.pieces.len() > PRUNE_AT {
                self.prune()?;
            }
        }
        Ok(())
    }

    /// The version that the events `parents` name.
    fn version(&self, parents: &[Lv]) -> Result<Known, GaveUp> {
        let mut known = Known::default();
        for &parent in parents.iter().filter(|&&p| p >= self.base) {
            let mut latest_first = self.stretches.iter().rev();
            let stretch = latest_first.find(|s| s.start <= parent).ok_or(GaveUp)?;
            for (known, of_parent) in known.iter_mut().zip(stretch.known) {
                *known = of_parent.max(*known);
            }
            known[stretch.chain] = known[stretch.chain].max(parent + 1);
        }
        let lacks_settled = known.iter().zip(&self.settled).any(|(a, b)| a < b);
        if lacks_settled {
            Err(GaveUp)
        } else {
            Ok(known)
        }
    }

    /// Records a stretch that follows the version `known`; returns its chain, and the version of
    /// its last event.
    fn begin(
        &mut self,
        graph: &CausalGraph,
        run: Range<Lv>,
        known: Known,
    ) -> Result<(usize, Known), GaveUp> {
        // It continues a chain that it knows completely, if possible one of its own author.
        let mut on_top = (0..self.chains.len()).filter(|&c| self.chains[c].known[c] == known[c]);
        let agent = |lv| graph.agents.id_of(lv).0;
        let chain = match (on_top.next(), on_top.next()) {
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                let own = agent(run.start);
                let mut all = [first, second].into_iter().chain(on_top);
                all.find(|&c| self.chains[c].agent == own).unwrap_or(first)
            }
            (None, _) if self.chains.len() < CHAINS => {
                self.chains.push(Chain {
                    agent: agent(run.start),
                    known,
                });
                self.chains.len() - 1
            }
            (None, _) => return Err(GaveUp),
        };
        if self.stretches.len() == MOST_STRETCHES {
            self.stretches.drain(..MOST_STRETCHES / 2);
        }
        self.stretches.push(Stretch {
            start: run.start,
            chain,
            known,
        });
        let of_others = known;
        let mut known = known;
        known[chain] = run.end;
        self.chains[chain].known = known;
        if self.chains.len() > 1 {
            self.pieces.cut(&of_others);
        }
        Ok((chain, known))
    }

    /// Drops the pieces that all chains know.
    fn prune(&mut self) -> Result<(), GaveUp> {
        // An agent that has not written yet may know nothing.
        if self.chains.len() > 1 {
            let mut all = self.chains[0].known;
            for chain in &self.chains {
                for (all, known) in all.iter_mut().zip(chain.known) {
                    *all = known.min(*all);
                }
            }
            self.settled = all;
            self.pieces.let_go(&all);
        }
        if self.pieces.len() > MOST_PIECES {
            Err(GaveUp)
        } else {
            Ok(())
        }
    }
}
