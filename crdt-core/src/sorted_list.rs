//! Sorted lists that may be long and grow anywhere.

/// Elements a chunk holds before it is split. Few in builds with debug assertions.
const CHUNK: usize = if cfg!(debug_assertions) { 4 } else { 512 };

/// A sorted list, stored in chunks. The caller names a place by a predicate, `is_before`, that is true for
/// exactly the elements before it. A search takes O(log n); an insertion moves at most one chunk of elements.
#[derive(Debug, Clone)]
pub(crate) struct SortedList<T>(
    /// None is empty.
    Vec<Vec<T>>,
);

impl<T> Default for SortedList<T> {
    fn default() -> Self {
        SortedList(Vec::new())
    }
}

impl<T> SortedList<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// The chunk with the last element that `is_before` accepts, or the first chunk, and how many
    /// elements of it come before.
    fn place(&self, is_before: impl Fn(&T) -> bool) -> (usize, usize) {
        let starts_before = |chunk: &Vec<T>| chunk.first().is_some_and(&is_before);
        let i = match self.0.len() {
            1 => 0,
            _ => self.0.partition_point(starts_before).saturating_sub(1),
        };
        let chunk = self.0.get(i);
        (i, chunk.map_or(0, |chunk| chunk.partition_point(is_before)))
    }

    /// The first element that `is_before` rejects.
    pub(crate) fn first_from(&self, is_before: impl Fn(&T) -> bool) -> Option<&T> {
        let (i, at) = self.place(is_before);
        let here = self.0.get(i)?.get(at);
        here.or_else(|| self.0.get(i + 1)?.first())
    }

    /// The same, to be changed.
    pub(crate) fn first_from_mut(&mut self, is_before: impl Fn(&T) -> bool) -> Option<&mut T> {
        let (i, at) = self.place(is_before);
        match self.0.get(i)?.len() {
            len if at < len => self.0[i].get_mut(at),
            _ => self.0.get_mut(i + 1)?.first_mut(),
        }
    }

    /// The last element that `is_before` accepts.
    pub(crate) fn last_before(&self, is_before: impl Fn(&T) -> bool) -> Option<&T> {
        let (i, at) = self.place(is_before);
        self.0.get(i)?.get(at.checked_sub(1)?)
    }

    /// Inserts an element after those that `is_before` accepts.
    pub(crate) fn insert(&mut self, new: T, is_before: impl Fn(&T) -> bool) {
        let place = self.place(is_before);
        self.insert_at(place, new);
    }

    /// The same; returns the last element that `is_before` accepts.
    pub(crate) fn insert_after(&mut self, new: T, is_before: impl Fn(&T) -> bool) -> Option<T>
    where
        T: Copy,
    {
        let (i, at) = self.place(is_before);
        let before = at.checked_sub(1).map(|before| self.0[i][before]);
        self.insert_at((i, at), new);
        before
    }

    fn insert_at(&mut self, (i, at): (usize, usize), new: T) {
        let last = self.0.len().saturating_sub(1);
        match self.0.get_mut(i) {
            None => self.0.push(vec![new]),
            // A list that is built in order has full chunks.
            Some(_) if at == CHUNK && i == last => self.0.push(vec![new]),
            Some(chunk) => {
                chunk.insert(at, new);
                if chunk.len() > CHUNK {
                    let tail = chunk.split_off(CHUNK / 2);
                    self.0.insert(i + 1, tail);
                }
            }
        }
    }

    /// Removes the first element that `is_before` rejects, if `is_it` accepts it.
    pub(crate) fn remove(
        &mut self,
        is_before: impl Fn(&T) -> bool,
        is_it: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let (mut i, mut at) = self.place(is_before);
        if at == self.0.get(i)?.len() {
            (i, at) = (i + 1, 0);
        }
        let chunk = self.0.get_mut(i)?;
        if !chunk.get(at).is_some_and(is_it) {
            return None;
        }
        let taken = chunk.remove(at);
        if chunk.is_empty() {
            self.0.remove(i);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    #[test]
    fn chunks_form_a_sorted_list() {
        for seed in 1..200 {
            let mut shapes = Shapes(seed);
            let mut chunks = SortedList::default();
            let mut model: Vec<u32> = Vec::new();
            for n in 0..120 {
                let x = if seed % 3 == 0 { n } else { shapes.below(60) };
                let at = model.partition_point(|&y| y < x);
                assert_eq!(chunks.first_from(|&y| y < x), model.get(at));
                assert_eq!(chunks.last_before(|&y| y < x), model[..at].last());
                assert_eq!(
                    chunks.first_from_mut(|&y| y < x).copied(),
                    model.get(at).copied()
                );
                if shapes.below(3) > 0 {
                    let before = chunks.insert_after(x, |&y| y < x);
                    assert_eq!(before.as_ref(), model[..at].last());
                    model.insert(at, x);
                } else {
                    let there = model.get(at) == Some(&x);
                    assert_eq!(chunks.remove(|&y| y < x, |&y| y == x), there.then_some(x));
                    if there {
                        model.remove(at);
                    }
                }
                assert!(chunks.iter().eq(&model));
                assert!(chunks.0.iter().all(|c| !c.is_empty() && c.len() <= CHUNK));
                assert_eq!(chunks.is_empty(), model.is_empty());
            }
        }
    }
}
