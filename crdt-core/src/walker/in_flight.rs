//! Zones in which a few write at once, each lacking only the latest that the others wrote.
//!
//! That is what a live session makes. Its events form a few chains, one for each who writes, so a
//! version is a number per chain, and whether it has an event is a comparison: nothing retreats or
//! advances. Kept are the pieces of text that are new to somebody, in the order of the text. All
//! between them is known to all, and only counted.
//!
//! It gives up where the order of concurrent inserts at one place, or a char that two delete at
//! once, asks for the [tracker](super::tracker); where there are many chains; and where a version
//! lacks what all chains had, or reaches past its end. Who gives up has changed nothing that counts.

use std::ops::Range;

use super::Transformed;
use crate::causal_graph::{AgentIdx, CausalGraph};
use crate::op_log::{Kind, OpLog, Run};
use crate::version::{Lv, MAX_CHARS, NONE};

/// The most chains.
const CHAINS: usize = 4;
/// How many pieces there may be before those known to all are let go, and after.
const PRUNE_AT: usize = 12;
const MOST_PIECES: usize = 40;
/// The most stretches of chains that are remembered; of more, the older half is forgotten.
const MOST_STRETCHES: usize = 512;

/// A version: per chain, the end of the events of it that the version has.
type Known = [Lv; CHAINS];

/// Consecutive events of one chain. Its end is the start of the next.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: Lv,
    chain: usize,
    /// What its events know of the other chains.
    known: Known,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    /// Who made its first events.
    agent: AgentIdx,
    /// The version of its last event.
    known: Known,
}

/// Events that did the same to neighbouring chars: one event a char, consecutive ones.
#[derive(Debug, Clone, Copy)]
struct Events {
    /// [`NONE`] if there are none.
    first: Lv,
    chain: u8,
    /// The first of them did it to the last char.
    backwards: bool,
}

impl Events {
    const NONE: Events = Events {
        first: NONE,
        chain: 0,
        backwards: false,
    };

    fn is_none(&self) -> bool {
        self.first == NONE
    }

    /// Whether `known` has the events; all or none of them.
    fn within(&self, known: &Known) -> bool {
        self.first < self.end_in(known)
    }

    /// Up to which event `known` has their chain.
    fn end_in(&self, known: &Known) -> Lv {
        known[usize::from(self.chain) % CHAINS]
    }

    /// How many of the first chars are on one side of what `known` has of `len` events, if not all
    /// are.
    fn cut(&self, len: u32, known: &Known) -> Option<u32> {
        let had = self.end_in(known).wrapping_sub(self.first);
        if self.first == NONE || had.wrapping_sub(1) >= len - 1 {
            return None;
        }
        Some(if self.backwards { len - had } else { had })
    }

    /// Those of the first `at` of `len` chars, and those of the others.
    fn split(self, len: u32, at: u32) -> (Events, Events) {
        if self.is_none() {
            return (self, self);
        }
        let (left, right) = match self.backwards {
            false => (self.first, self.first + at),
            true => (self.first + (len - at), self.first),
        };
        (
            Events {
                first: left,
                ..self
            },
            Events {
                first: right,
                ..self
            },
        )
    }
}

/// Neighbouring chars to which the same happened.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// How many chars known to all stand between the piece before and this one.
    gap: u32,
    len: u32,
    /// None if all know of it.
    inserted: Events,
    /// None if they are there.
    deleted: Events,
}

impl Piece {
    /// Whether the version knows of it, be it that it is deleted there.
    fn is_known(&self, known: &Known) -> bool {
        self.inserted.is_none() || self.inserted.within(known)
    }

    fn is_visible(&self, known: &Known) -> bool {
        self.is_known(known) && !self.deleted.within(known)
    }

    /// How many chars of the text as it stands it is.
    fn width(&self) -> u32 {
        if self.deleted.is_none() { self.len } else { 0 }
    }
}

/// It cannot be told without the tracker.
struct GaveUp;

/// The end of a zone, up to an event.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight {
    /// Where the zone starts.
    base: Lv,
    applied: Lv,
    gave_up: bool,
    chains: Vec<Chain>,
    stretches: Vec<Stretch>,
    /// What is known to all as far as pieces are concerned that were let go.
    settled: Known,
    pieces: Vec<Piece>,
}

impl InFlight {
    /// Transforms the part of a zone from `from` on, for a text of `len` chars that holds everything
    /// before, as far as it can. Appends the edits to `out`; returns up to which event it came, and
    /// the length of the text there.
    pub(super) fn transform(
        &mut self,
        history: (&CausalGraph, &OpLog),
        zone: &Range<Lv>,
        from: Lv,
        len: u32,
        out: &mut Vec<Transformed>,
    ) -> (Lv, u32) {
        if self.base != zone.start || self.applied > from {
            // Who reaches back ever further would have everything replayed every time.
            self.gave_up = zone.start < self.base && zone.start < from;
            self.reset(zone.start);
        }
        if self.gave_up {
            return (from, len);
        }
        // Events that are in the text already count from a length that is enough for all.
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

    /// Lets go of everything.
    pub(super) fn forget(&mut self) {
        *self = InFlight::default();
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
                    let pos = self.insert(part.lv, part.run, chain as u8, &known, at.1);
                    pos.map(|pos| {
                        out.push(Transformed::Insert { pos, part });
                        at.1 + part.run.len
                    })
                } else {
                    self.delete(part.lv, part.run, chain as u8, &known, at.1, out)
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

    /// Notes down a stretch on top of the version `known`; says to which chain it belongs, and gives
    /// the version of its last event.
    fn begin(
        &mut self,
        graph: &CausalGraph,
        run: Range<Lv>,
        known: Known,
    ) -> Result<(usize, Known), GaveUp> {
        // It continues a chain all of which it knows, if possible one of its own author.
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
            self.cut_pieces(&of_others);
        }
        Ok((chain, known))
    }

    /// Cuts pieces of which a version knows a part, so that it knows all or nothing of each.
    fn cut_pieces(&mut self, known: &Known) {
        let mut i = 0;
        while i < self.pieces.len() {
            let piece = &self.pieces[i];
            match piece
                .inserted
                .cut(piece.len, known)
                .or_else(|| piece.deleted.cut(piece.len, known))
            {
                Some(at) => self.split(i, at),
                None => i += 1,
            }
        }
    }

    /// Splits a piece behind its first `at` chars.
    fn split(&mut self, i: usize, at: u32) {
        let piece = self.pieces[i];
        let inserted = piece.inserted.split(piece.len, at);
        let deleted = piece.deleted.split(piece.len, at);
        self.pieces[i] = Piece {
            len: at,
            inserted: inserted.0,
            deleted: deleted.0,
            ..piece
        };
        let right = Piece {
            gap: 0,
            len: piece.len - at,
            inserted: inserted.1,
            deleted: deleted.1,
        };
        self.pieces.insert(i + 1, right);
    }

    /// Inserts at a position of the version `known` of the text, which has `text_len` chars as it
    /// stands; gives the position there.
    fn insert(
        &mut self,
        lv: Lv,
        run: Run,
        chain: u8,
        known: &Known,
        text_len: u32,
    ) -> Result<u32, GaveUp> {
        let mut left = run.pos;
        let mut before = 0;
        let mut i = 0;
        while let Some(piece) = self.pieces.get(i) {
            if left < piece.gap {
                break;
            }
            before += piece.gap;
            left -= piece.gap;
            if left == 0 {
                // It goes right behind what is before it, unless the piece, concurrent to it, does.
                if !piece.is_known(known) {
                    return Err(GaveUp);
                }
                before -= piece.gap;
                left = piece.gap;
                break;
            }
            if piece.is_visible(known) {
                if left < piece.len {
                    before += left.min(piece.width());
                    self.split(i, left);
                    i += 1;
                    left = 0;
                    break;
                }
                left -= piece.len;
            }
            before += piece.width();
            i += 1;
        }
        let pos = before.saturating_add(left);
        if pos > text_len {
            return Err(GaveUp);
        }
        if let Some(next) = self.pieces.get_mut(i) {
            next.gap -= left;
        }
        let inserted = Events {
            first: lv,
            chain,
            backwards: false,
        };
        if left == 0
            && let Some(last) = i.checked_sub(1).map(|i| &mut self.pieces[i])
            && last.inserted.first.wrapping_add(last.len) == lv
            && last.inserted.chain == chain
            && last.deleted.is_none()
        {
            last.len += run.len;
            return Ok(pos);
        }
        let piece = Piece {
            gap: left,
            len: run.len,
            inserted,
            deleted: Events::NONE,
        };
        self.pieces.insert(i, piece);
        Ok(pos)
    }

    /// Deletes at a position of the version `known`; gives the length of the text then.
    fn delete(
        &mut self,
        lv: Lv,
        run: Run,
        chain: u8,
        known: &Known,
        text_len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, GaveUp> {
        let mut text_len = text_len;
        let mut left = run.pos;
        let mut before = 0;
        let mut i = 0;
        let mut done = 0;
        let events = |done: u32, len: u32| {
            let backwards = run.kind == Kind::Backspace;
            let after = if backwards {
                run.len - done - len
            } else {
                done
            };
            Events {
                first: lv + after,
                chain,
                backwards,
            }
        };
        while done < run.len {
            let piece = self.pieces.get(i).copied();
            let gap = match &piece {
                Some(piece) => piece.gap,
                None => text_len - before,
            };
            if left < gap {
                let len = (run.len - done).min(gap - left);
                let gone = Piece {
                    gap: left,
                    len,
                    inserted: Events::NONE,
                    deleted: events(done, len),
                };
                self.pieces.insert(i, gone);
                if let Some(next) = self.pieces.get_mut(i + 1) {
                    next.gap -= left + len;
                }
                before += left;
                out.push(Transformed::Delete { pos: before, len });
                text_len -= len;
                left = 0;
                done += len;
                i += 1;
                continue;
            }
            let piece = piece.ok_or(GaveUp)?;
            before += gap;
            left -= gap;
            if piece.is_visible(known) {
                if left < piece.len {
                    if !piece.deleted.is_none() {
                        return Err(GaveUp);
                    }
                    let len = (run.len - done).min(piece.len - left);
                    if left > 0 {
                        self.split(i, left);
                        before += left;
                        left = 0;
                        i += 1;
                    }
                    if len < self.pieces[i].len {
                        self.split(i, len);
                    }
                    self.pieces[i].deleted = events(done, len);
                    out.push(Transformed::Delete { pos: before, len });
                    text_len -= len;
                    done += len;
                    i += 1;
                    continue;
                }
                left -= piece.len;
            }
            before += piece.width();
            i += 1;
        }
        Ok(text_len)
    }

    /// Lets go of the pieces that all chains know of.
    fn prune(&mut self) -> Result<(), GaveUp> {
        // Who has not written yet may know nothing.
        if self.chains.len() > 1 {
            let mut all = self.chains[0].known;
            for chain in &self.chains {
                for (all, known) in all.iter_mut().zip(chain.known) {
                    *all = known.min(*all);
                }
            }
            self.settled = all;
            let settled = |events: &Events, len: u32| {
                events.is_none() || events.first + len <= events.end_in(&all)
            };
            let mut gap = 0;
            self.pieces.retain_mut(|piece| {
                gap += piece.gap;
                if settled(&piece.inserted, piece.len) && settled(&piece.deleted, piece.len) {
                    gap += piece.width();
                    return false;
                }
                piece.gap = std::mem::take(&mut gap);
                true
            });
        }
        if self.pieces.len() > MOST_PIECES {
            Err(GaveUp)
        } else {
            Ok(())
        }
    }
}
