//! A map with little code.

use std::borrow::Borrow;
use std::fmt;
use std::iter::Flatten;

/// Entries a chunk holds before it is split. Few in builds with debug assertions.
const CHUNK: usize = if cfg!(debug_assertions) { 4 } else { 256 };

/// Insertions move pointers, not entries.
type Chunk<K, V> = Vec<Box<(K, V)>>;

/// A map, sorted by key, for tables of the members of a room and the like. It compiles to a
/// fraction of what a B-tree takes for each type of key and value. A lookup takes O(log n). An
/// insertion or a removal moves at most the pointers of one chunk, and occasionally those to the
/// chunks.
#[derive(Clone)]
pub struct SortedMap<K, V> {
    /// None is empty.
    chunks: Vec<Chunk<K, V>>,
    len: usize,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap::new()
    }
}

impl<K, V> SortedMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        SortedMap {
            chunks: Vec::new(),
            len: 0,
        }
    }

    /// The number of entries. O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry. O(1).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let entries = self.chunks.iter().flatten();
        entries.map(|entry| (&entry.0, &entry.1))
    }

    /// All entries, by key, with values that can be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        let entries = self.chunks.iter_mut().flatten();
        entries.map(|entry| {
            let (key, value) = &mut **entry;
            (&*key, value)
        })
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.chunks.iter().flatten().map(|entry| &entry.0)
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.chunks.iter().flatten().map(|entry| &entry.1)
    }

    /// All values, by key, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.chunks.iter_mut().flatten().map(|entry| &mut entry.1)
    }

    /// Keeps the entries for which `keep` is true. O(n).
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for chunk in &mut self.chunks {
            chunk.retain_mut(|entry| {
                let (key, value) = &mut **entry;
                keep(key, value)
            });
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.len = self.chunks.iter().map(Vec::len).sum();
    }

    /// Removes the entry with the lowest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.take_at(0, 0))
    }

    fn take_at(&mut self, chunk: usize, at: usize) -> (K, V) {
        let entry = self.chunks[chunk].remove(at);
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        *entry
    }

    fn put_at(&mut self, chunk: usize, at: usize, entry: Box<(K, V)>) {
        self.len += 1;
        let last = self.chunks.len().saturating_sub(1);
        match self.chunks.get_mut(chunk) {
            None => self.chunks.push(vec![entry]),
            // A map that is built in order has full chunks.
            Some(_) if at == CHUNK && chunk == last => self.chunks.push(vec![entry]),
            Some(entries) => {
                entries.insert(at, entry);
                if entries.len() > CHUNK {
                    let tail = entries.split_off(CHUNK / 2);
                    self.chunks.insert(chunk + 1, tail);
                }
            }
        }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The chunk of a key, and its place in there, or the place where it would be.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let starts_before = |chunk: &Chunk<K, V>| chunk[0].0.borrow() <= key;
        let chunk = self.chunks.partition_point(starts_before).saturating_sub(1);
        let entries: &[Box<(K, V)>] = self.chunks.get(chunk).map_or(&[], Vec::as_slice);
        let at = entries.binary_search_by(|entry| entry.0.borrow().cmp(key));
        (chunk, at)
    }

    /// The value of a key. O(log n).
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = self.place(key);
        let at = at.ok()?;
        Some(&self.chunks[chunk][at].1)
    }

    /// The value of a key, to be changed. O(log n).
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = self.place(key);
        let at = at.ok()?;
        Some(&mut self.chunks[chunk][at].1)
    }

    /// Whether the key has a value. O(log n).
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).1.is_ok()
    }

    /// Sets the value of a key, and returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (chunk, at) = self.place(&key);
        match at {
            Ok(at) => Some(std::mem::replace(&mut self.chunks[chunk][at].1, value)),
            Err(at) => {
                self.put_at(chunk, at, Box::new((key, value)));
                None
            }
        }
    }

    /// The value of a key; `make` creates it if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (mut chunk, at) = self.place(&key);
        let at = at.unwrap_or_else(|mut at| {
            self.put_at(chunk, at, Box::new((key, make())));
            // If the chunk was split, the entry may be in the next one.
            let here = self.chunks[chunk].len();
            if at >= here {
                (chunk, at) = (chunk + 1, at - here);
            }
            at
        });
        &mut self.chunks[chunk][at].1
    }

    /// Removes a key, and returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = self.place(key);
        Some(self.take_at(chunk, at.ok()?).1)
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SortedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of several values for one key, the last one counts.
impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SortedMap::new();
        map.extend(entries);
        map
    }
}

/// Of several values for one key, the last one counts.
impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = Entries<K, V>;

    fn into_iter(self) -> Entries<K, V> {
        Entries(self.chunks.into_iter().flatten())
    }
}

/// The entries of a [`SortedMap`], by key.
pub struct Entries<K, V>(Flatten<std::vec::IntoIter<Chunk<K, V>>>);

impl<K, V> Iterator for Entries<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        self.0.next().map(|entry| *entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_agrees_with_a_btree_map() {
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut map = SortedMap::new();
            let mut model = BTreeMap::new();
            assert_eq!(map.get(&0), None);
            assert_eq!(map.get_mut(&0), None);
            assert_eq!(map.remove(&0), None);
            assert_eq!(map.pop_first(), None);
            assert!(!map.contains_key(&0));
            for value in 0..200_u32 {
                let key = random.u32(..40);
                match random.u32(..8) {
                    0..=2 => assert_eq!(map.insert(key, value), model.insert(key, value)),
                    3 => assert_eq!(map.remove(&key), model.remove(&key)),
                    4 => assert_eq!(map.pop_first(), model.pop_first()),
                    5 => assert_eq!(
                        map.get_or_insert_with(key, || value),
                        model.entry(key).or_insert(value)
                    ),
                    6 => {
                        map.values_mut().for_each(|value| *value += 1);
                        model.values_mut().for_each(|value| *value += 1);
                        for (key, value) in map.iter_mut() {
                            *value += key;
                        }
                        model.iter_mut().for_each(|(key, value)| *value += key);
                    }
                    _ => {
                        map.retain(|at, value| (*at + *value) % 7 != key % 7);
                        model.retain(|at, value| (*at + *value) % 7 != key % 7);
                    }
                }
                assert_eq!(map.get(&key), model.get(&key));
                assert_eq!(map.get_mut(&key), model.get_mut(&key));
                assert_eq!(map.contains_key(&key), model.contains_key(&key));
                assert!(map.iter().eq(&model) && map.keys().eq(model.keys()));
                assert!(map.values().eq(model.values()));
                assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
                assert_eq!(format!("{map:?}"), format!("{model:?}"));
                assert!(
                    map.chunks
                        .iter()
                        .all(|chunk| (1..=CHUNK).contains(&chunk.len()))
                );
            }
            let again: SortedMap<u32, u32> = model.iter().rev().map(|(k, v)| (*k, *v)).collect();
            assert_eq!(again, map);
            assert!(map.into_iter().eq(model));
        }
    }
}
