//! The names in a patch: each is written once, and referred to by a number.

use std::sync::Arc;

use super::reader::Reader;
use crate::error::DecodeError;
use crate::merge::Batch;

/// Up to this number, names are searched one by one.
const FEW: usize = 8;

/// The list of names of a patch: those that both ends know, and those that it adds. A batch has only
/// those that occur.
pub(super) struct Names<'a> {
    known: &'a [&'a str],
    added: u64,
    places: &'a mut Places,
    before: &'a [Arc<str>],
}

impl<'a> Names<'a> {
    /// The list of a patch without the names `known`. `before`: the names of the previous patch.
    pub(super) fn new(
        known: &'a [&'a str],
        places: &'a mut Places,
        before: &'a [Arc<str>],
    ) -> Names<'a> {
        Names {
            known,
            added: 0,
            places,
            before,
        }
    }

    /// The index in the batch of the name at `place`. The place after the last one adds the name
    /// that follows.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        batch: &mut Batch,
        place: u64,
    ) -> Result<u32, DecodeError> {
        let found = match self.known {
            // If no name is known, each occurs when it is added.
            [] => (place < batch.names.len() as u64).then_some(place as u32),
            _ => self.places.find(place),
        };
        match found {
            Some(index) => Ok(index),
            None => self.add(reader, batch, place),
        }
    }

    fn add(
        &mut self,
        reader: &mut Reader<'_>,
        batch: &mut Batch,
        place: u64,
    ) -> Result<u32, DecodeError> {
        let error = reader.error("an agent that is not in the list of names");
        let known = usize::try_from(place).ok();
        let name = match known.and_then(|place| self.known.get(place)) {
            Some(name) => name,
            None if place == self.known.len() as u64 + self.added => {
                self.added += 1;
                reader.text()?
            }
            None => return Err(error),
        };
        let index = batch.names.len();
        batch.names.push(match self.before.get(index) {
            Some(before) if **before == *name => before.clone(),
            _ => Arc::from(name),
        });
        if !self.known.is_empty() {
            self.places.push(place, index as u32);
        }
        Ok(index as u32)
    }
}

/// The places of the list of names that occur in a patch, and their indices in its batch.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order of the batch.
    used: Vec<u64>,
    /// For each place its index in the batch, once there are more than a few. Stale entries of
    /// another patch do not agree with `used`.
    table: Vec<u32>,
}

impl Places {
    pub(super) fn clear(&mut self) {
        self.used.clear();
    }

    fn find(&self, place: u64) -> Option<u32> {
        if self.used.len() <= FEW {
            let found = self.used.iter().position(|&used| used == place);
            return found.map(|index| index as u32);
        }
        let &index = self.table.get(usize::try_from(place).ok()?)?;
        (self.used.get(index as usize) == Some(&place)).then_some(index)
    }

    /// Adds a place, which is one of the list or the next one after it.
    fn push(&mut self, place: u64, index: u32) {
        self.used.push(place);
        match self.used.len() {
            ..=FEW => {}
            many if many == FEW + 1 => {
                for index in 0..many {
                    self.set(self.used[index], index as u32);
                }
            }
            _ => self.set(place, index),
        }
    }

    fn set(&mut self, place: u64, index: u32) {
        let place = place as usize;
        if place >= self.table.len() {
            self.table.resize(place + 1, 0);
        }
        self.table[place] = index;
    }

    /// The capacity of its lists in bytes.
    pub(super) fn room(&self) -> usize {
        self.used.capacity() * size_of::<u64>() + self.table.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_where_they_were_added_in_patch_after_patch() {
        let mut places = Places::default();
        for (count, step) in [(3, 5), (40, 3), (9, 1), (40, 1), (2, 7)] {
            places.clear();
            for index in 0..count {
                assert_eq!(places.find(index * step), None);
                places.push(index * step, index as u32);
                for before in 0..=index {
                    assert_eq!(places.find(before * step), Some(before as u32));
                }
            }
            assert_eq!(places.find(count * step), None);
            assert_eq!(places.find(u64::MAX), None);
        }
    }
}
