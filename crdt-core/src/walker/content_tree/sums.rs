//! The numbers of chars of each kind in a subtree, and the search by them.

use super::item::{DELETED, in_prepare, is_inserted};

/// The sums of a subtree, in chars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::walker) struct Sums {
    pub(in crate::walker) prepare: u32,
    pub(in crate::walker) effect: u32,
    /// Chars of the base text or, if there is none, chars that are not inserted in the prepare
    /// version.
    pub(in crate::walker) other: u32,
    /// Chars that are inserted in the prepare version, deleted or not.
    pub(in crate::walker) inserted: u32,
}

impl Sums {
    /// The sums of an item, except [`Sums::other`].
    pub(super) fn of(state: u32, len: u32) -> Sums {
        Sums {
            prepare: if in_prepare(state) { len } else { 0 },
            effect: if state & DELETED == 0 { len } else { 0 },
            other: 0,
            inserted: if is_inserted(state) { len } else { 0 },
        }
    }

    /// The change of the sums when an item changes its state, without branches; not
    /// [`Sums::other`].
    #[inline]
    pub(super) fn change(old: u32, new: u32, len: u32) -> Sums {
        let change = |is: fn(u32) -> bool| {
            let by = u32::from(is(new)).wrapping_sub(u32::from(is(old)));
            by.wrapping_mul(len)
        };
        Sums {
            prepare: change(in_prepare),
            effect: change(|state| state & DELETED == 0),
            other: 0,
            inserted: change(is_inserted),
        }
    }

    pub(super) fn add(&mut self, other: Sums) {
        self.prepare = self.prepare.wrapping_add(other.prepare);
        self.effect = self.effect.wrapping_add(other.effect);
        self.other = self.other.wrapping_add(other.other);
        self.inserted = self.inserted.wrapping_add(other.inserted);
    }
}

/// The sums of a node's children, each kind contiguous: a search reads only one kind.
#[derive(Debug, Clone)]
pub(in crate::walker) struct SumsOf<const N: usize> {
    pub(super) prepare: [u32; N],
    pub(super) effect: [u32; N],
    pub(super) other: [u32; N],
    pub(super) inserted: [u32; N],
}

impl<const N: usize> SumsOf<N> {
    pub(super) fn new() -> Self {
        SumsOf {
            prepare: [0; N],
            effect: [0; N],
            other: [0; N],
            inserted: [0; N],
        }
    }

    pub(super) fn get(&self, i: usize) -> Sums {
        Sums {
            prepare: self.prepare[i],
            effect: self.effect[i],
            other: self.other[i],
            inserted: self.inserted[i],
        }
    }

    pub(super) fn set(&mut self, i: usize, sums: Sums) {
        self.prepare[i] = sums.prepare;
        self.effect[i] = sums.effect;
        self.other[i] = sums.other;
        self.inserted[i] = sums.inserted;
    }

    pub(super) fn add(&mut self, i: usize, sums: Sums) {
        let mut all = self.get(i);
        all.add(sums);
        self.set(i, all);
    }

    /// Makes a place at `i`, before those up to `len`.
    pub(super) fn open(&mut self, i: usize, len: usize) {
        self.prepare.copy_within(i..len, i + 1);
        self.effect.copy_within(i..len, i + 1);
        self.other.copy_within(i..len, i + 1);
        self.inserted.copy_within(i..len, i + 1);
    }

    pub(super) fn total(&self, len: usize) -> Sums {
        Sums {
            prepare: sum(&self.prepare[..len]),
            effect: sum(&self.effect[..len]),
            other: sum(&self.other[..len]),
            inserted: sum(&self.inserted[..len]),
        }
    }
}

pub(super) fn sum(counts: &[u32]) -> u32 {
    counts.iter().fold(0, |all, &n| all.wrapping_add(n))
}

/// The first of `counts` that reaches beyond `left`, or the last; subtracts the counts before it
/// from `left`.
#[inline]
pub(super) fn descend(counts: &[u32], left: &mut u32) -> usize {
    let mut i = 0;
    while i + 1 < counts.len() && counts[i] <= *left {
        *left -= counts[i];
        i += 1;
    }
    i
}
