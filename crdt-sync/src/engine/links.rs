//! The links of an engine.

use super::link::Link;
use crate::types::LinkId;

/// All links, by ascending number. There are few, and every keystroke iterates over them: a list is
/// faster than a tree.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    fn place_of(&self, id: LinkId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |link| link.id)
    }

    /// Adds a link; replaces one with the same number.
    pub(super) fn add(&mut self, link: Link) {
        match self.place_of(link.id) {
            Ok(place) => self.0[place] = link,
            Err(place) => self.0.insert(place, link),
        }
    }

    pub(super) fn contains(&self, id: LinkId) -> bool {
        self.place_of(id).is_ok()
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        let place = self.place_of(id).ok()?;
        self.0.get(place)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let place = self.place_of(id).ok()?;
        self.0.get_mut(place)
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let place = self.place_of(id).ok()?;
        Some(self.0.remove(place))
    }

    pub(super) fn take_all(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Link> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Link> {
        self.0.iter_mut()
    }

    /// Their numbers, for loops that change the list.
    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.0.iter().map(|link| link.id).collect()
    }
}
