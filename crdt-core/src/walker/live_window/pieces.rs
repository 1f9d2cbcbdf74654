//! The pieces of a text that some agent does not have yet, in the order of the text.

use super::known::{CHAINS, GaveUp, Known};
use crate::op_log::{Kind, Run};
use crate::version::{Lv, NONE};
use crate::walker::edit::Transformed;

/// Consecutive events with the same operation on neighbouring chars: one event per char.
#[derive(Debug, Clone, Copy)]
struct Events {
    /// [`NONE`] if there are none.
    first: Lv,
    chain: u8,
    /// The first event applies to the last char.
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

    /// The end of their chain in `known`.
    fn end_in(&self, known: &Known) -> Lv {
        known[usize::from(self.chain) % CHAINS]
    }

    /// The number of first chars on one side of the end of `known` within `len` events, if it is
    /// inside.
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

/// Neighbouring chars with the same history.
#[derive(Debug, Clone, Copy)]
struct WindowPiece {
    /// The number of chars known to all between the previous piece and this one.
    gap: u32,
    len: u32,
    /// None if all agents know it.
    inserted: Events,
    /// None if they are not deleted.
    deleted: Events,
}

impl WindowPiece {
    /// Whether the version knows of it, even if it is deleted there.
    fn is_known(&self, known: &Known) -> bool {
        self.inserted.is_none() || self.inserted.within(known)
    }

    fn is_visible(&self, known: &Known) -> bool {
        self.is_known(known) && !self.deleted.within(known)
    }

    /// The number of its chars in the current text.
    fn width(&self) -> u32 {
        if self.deleted.is_none() { self.len } else { 0 }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(Vec<WindowPiece>);

impl Pieces {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Cuts pieces of which a version knows a part, so that it knows all or nothing of each.
    pub(super) fn cut(&mut self, known: &Known) {
        let mut i = 0;
        while i < self.0.len() {
            let piece = &self.0[i];
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

    /// Splits a piece after its first `at` chars.
    fn split(&mut self, i: usize, at: u32) {
        let piece = self.0[i];
        let inserted = piece.inserted.split(piece.len, at);
        let deleted = piece.deleted.split(piece.len, at);
        self.0[i] = WindowPiece {
            len: at,
            inserted: inserted.0,
            deleted: deleted.0,
            ..piece
        };
        let right = WindowPiece {
            gap: 0,
            len: piece.len - at,
            inserted: inserted.1,
            deleted: deleted.1,
        };
        self.0.insert(i + 1, right);
    }

    /// Inserts at a position of the version `known` of the text, which has `text_len` chars as it
    /// stands; returns the position there.
    pub(super) fn insert(
        &mut self,
        lv: Lv,
        run: Run,
        chain: usize,
        known: &Known,
        text_len: u32,
    ) -> Result<u32, GaveUp> {
        let mut left = run.pos;
        let mut before = 0;
        let mut i = 0;
        while let Some(piece) = self.0.get(i) {
            if left < piece.gap {
                break;
            }
            before += piece.gap;
            left -= piece.gap;
            if left == 0 {
                // It goes right after the text before it, unless the concurrent piece does.
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
        if let Some(next) = self.0.get_mut(i) {
            next.gap -= left;
        }
        let inserted = Events {
            first: lv,
            chain: chain as u8,
            backwards: false,
        };
        if left == 0
            && let Some(last) = i.checked_sub(1).map(|i| &mut self.0[i])
            && last.inserted.first.wrapping_add(last.len) == lv
            && last.inserted.chain == chain as u8
            && last.deleted.is_none()
        {
            last.len += run.len;
            return Ok(pos);
        }
        let piece = WindowPiece {
            gap: left,
            len: run.len,
            inserted,
            deleted: Events::NONE,
        };
        self.0.insert(i, piece);
        Ok(pos)
    }

    /// Deletes at a position of the version `known`; returns the length of the text then.
    pub(super) fn delete(
        &mut self,
        lv: Lv,
        run: Run,
        chain: usize,
        known: &Known,
        text_len: u32,
        out: &mut Vec<Transformed>,
    ) -> Result<u32, GaveUp> {
        let mut text_len = text_len;
        let mut left = run.pos;
        let mut before = 0;
        let mut i = 0;
        let mut done = 0;
        let all = Events {
            first: lv,
            chain: chain as u8,
            backwards: run.kind == Kind::Backspace,
        };
        let events = |from: u32, len: u32| all.split(run.len, from).1.split(run.len - from, len).0;
        while done < run.len {
            let piece = self.0.get(i).copied();
            let gap = match &piece {
                Some(piece) => piece.gap,
                None => text_len - before,
            };
            if left < gap {
                let len = (run.len - done).min(gap - left);
                let gone = WindowPiece {
                    gap: left,
                    len,
                    inserted: Events::NONE,
                    deleted: events(done, len),
                };
                self.0.insert(i, gone);
                if let Some(next) = self.0.get_mut(i + 1) {
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
                    if len < self.0[i].len {
                        self.split(i, len);
                    }
                    self.0[i].deleted = events(done, len);
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

    /// Drops the pieces that are within `known`, which all agents know.
    pub(super) fn let_go(&mut self, known: &Known) {
        let within = |events: &Events, len: u32| {
            events.is_none() || events.first + len <= events.end_in(known)
        };
        let mut gap = 0;
        self.0.retain_mut(|piece| {
            gap += piece.gap;
            if within(&piece.inserted, piece.len) && within(&piece.deleted, piece.len) {
                gap += piece.width();
                return false;
            }
            piece.gap = std::mem::take(&mut gap);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_split_as_the_chars_that_they_touch() {
        let of_chars = |events: Events, len: u32| -> Vec<Lv> {
            let mut all: Vec<Lv> = (events.first..events.first + len).collect();
            if events.backwards {
                all.reverse();
            }
            all
        };
        for (len, backwards) in (1..6).flat_map(|len| [(len, false), (len, true)]) {
            let events = Events {
                first: 10,
                chain: 1,
                backwards,
            };
            let all = of_chars(events, len);
            for at in 0..=len {
                let (left, right) = events.split(len, at);
                let parts = [of_chars(left, at), of_chars(right, len - at)].concat();
                assert_eq!(parts, all);
            }
            for end in 8..18 {
                let known = [99, end, 0, 0];
                let had: Vec<bool> = all.iter().map(|&lv| lv < end).collect();
                let at = events.cut(len, &known).unwrap_or(len) as usize;
                let (left, right) = had.split_at(at);
                assert!(
                    [left, right]
                        .iter()
                        .all(|part| part.windows(2).all(|w| w[0] == w[1]))
                );
                assert!(right.is_empty() || left[0] != right[0]);
                assert!(right.is_empty() == (events.cut(len, &known).is_none()));
            }
        }
    }
}
