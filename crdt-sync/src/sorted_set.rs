//! A set with little code.

use std::borrow::Borrow;
use std::collections::BinaryHeap;

/// A set as a sorted list, for names of members and the like. It compiles to a fraction of what a
/// B-tree takes for each type. A lookup takes O(log n). An insertion or a removal moves the
/// elements after it: collect a large set from an iterator, which takes O(n log n) in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedSet<T>(Vec<T>);

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        SortedSet::new()
    }
}

impl<T> SortedSet<T> {
    /// An empty set.
    pub const fn new() -> Self {
        SortedSet(Vec::new())
    }

    /// The number of elements. O(1).
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element. O(1).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements, ascending.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T: Ord> SortedSet<T> {
    /// Whether the element is there. O(log n).
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place(element).is_ok()
    }

    /// Inserts an element; returns whether it is new. O(n), and O(log n) after all others.
    pub fn insert(&mut self, element: T) -> bool {
        match self.place(&element) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, element);
                true
            }
        }
    }

    /// Removes an element; returns whether it was in the set. O(n).
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self.place(element) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// The elements that `other` does not have, ascending. O(n log n).
    pub fn difference<'a>(&'a self, other: &'a SortedSet<T>) -> impl Iterator<Item = &'a T> {
        self.0.iter().filter(|&element| !other.contains(element))
    }

    fn place<Q: Ord + ?Sized>(&self, element: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|other| other.borrow().cmp(element))
    }
}

/// O(n log n) for n elements in total, in any order.
impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        // A heap sorts in less code than a slice does.
        let mut heap = BinaryHeap::from(std::mem::take(&mut self.0));
        heap.extend(elements);
        self.0 = heap.into_sorted_vec();
        self.0.dedup();
    }
}

/// O(n log n), in any order.
impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut set = SortedSet::new();
        set.extend(elements);
        set
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_agrees_with_a_btree_set() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % 40
        };
        let (mut set, mut model) = (SortedSet::new(), BTreeSet::new());
        for _ in 0..1000 {
            let element = next();
            assert_eq!(set.contains(&element), model.contains(&element));
            if next() % 3 == 0 {
                assert_eq!(set.remove(&element), model.remove(&element));
            } else {
                assert_eq!(set.insert(element), model.insert(element));
            }
            assert!(set.iter().eq(&model));
            assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        }
        let others: Vec<u32> = (0..20).rev().map(|i| 2 * i).collect();
        let (other, of_model) = (
            others.iter().copied().collect(),
            others.iter().copied().collect(),
        );
        assert!(set.difference(&other).eq(model.difference(&of_model)));
        let mut both = set.clone();
        both.extend(others);
        assert!(both.iter().eq(model.union(&of_model)));
        assert!(set.into_iter().eq(model));
    }
}
