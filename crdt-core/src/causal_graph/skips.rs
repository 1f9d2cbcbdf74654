//! Jumps over entries of the graph that a walk does not need to visit.
//!
//! A walk whose target is far below its position on a branch would visit every entry in between. An
//! entry with a single parent leads to only one entry, and so on, up to an entry with several
//! parents or none: a chain. Each entry of a chain links to one far down, so that any entry of it
//! is found in O(log n) (skew-binary jumps, Myers 1983).

use crate::version::Lv;

/// For each entry of the graph, the jumps down its chain.
#[derive(Debug, Clone, Default)]
pub(super) struct Skips(Vec<Skip>);

#[derive(Debug, Clone, Copy)]
struct Skip {
    /// The number of entries that are below it in its chain.
    depth: u32,
    /// The next entry of the chain; itself for the lowest one.
    next: u32,
    /// An entry further down; itself for the lowest one.
    far: u32,
}

impl Skips {
    /// Adds an entry. If it has exactly one parent, `next` is the entry that contains this parent.
    pub(super) fn push(&mut self, next: Option<usize>) {
        let own = self.0.len() as u32;
        let Some(next) = next else {
            self.0.push(Skip {
                depth: 0,
                next: own,
                far: own,
            });
            return;
        };
        let one = self.0[next];
        let two = self.0[one.far as usize];
        let three = self.0[two.far as usize];
        let equal = one.depth - two.depth == two.depth - three.depth;
        self.0.push(Skip {
            depth: one.depth + 1,
            next: next as u32,
            far: if equal { two.far } else { next as u32 },
        });
    }

    /// Forgets all entries but the first `entries`.
    pub(super) fn truncate(&mut self, entries: usize) {
        self.0.truncate(entries);
    }

    /// The lowest entry of the chain of `entry` that starts above `lv`; `entry` does.
    pub(super) fn lowest_above(
        &self,
        lv: Lv,
        entry: usize,
        start_of: impl Fn(usize) -> Lv,
    ) -> usize {
        let mut at = entry;
        loop {
            let Skip { next, far, .. } = self.0[at];
            let is_below = |to: usize| to != at && start_of(to) > lv;
            at = match (far as usize, next as usize) {
                (far, _) if is_below(far) => far,
                (_, next) if is_below(next) => next,
                _ => return at,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    #[test]
    fn the_lowest_entry_above_a_place_is_found() {
        for seed in 1..100 {
            let mut shapes = Shapes(seed);
            let mut skips = Skips::default();
            let mut next: Vec<Option<usize>> = Vec::new();
            for entry in 0..100_u32 {
                let below = shapes.below(entry.clamp(1, 4)) + 1;
                let has_next = entry > 0 && shapes.below(30) > 0;
                next.push(has_next.then(|| (entry - below.min(entry)) as usize));
                skips.push(next[entry as usize]);
            }
            for _ in 0..100 {
                let from = 1 + shapes.below(99);
                let above = shapes.below(from);
                let mut expected = from as usize;
                while let Some(next) = next[expected].filter(|&next| next as u32 > above) {
                    expected = next;
                }
                let found = skips.lowest_above(above, from as usize, |entry| entry as Lv);
                assert_eq!(found, expected, "seed {seed}");
            }
        }
    }
}
