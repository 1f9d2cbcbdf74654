//! Places in the sequence.

/// A place in the sequence: before the char `offset` of item `index` of a leaf. `index` may be the
/// number of items of the leaf, for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::walker) struct Place {
    pub(in crate::walker) leaf: u32,
    pub(in crate::walker) index: usize,
    pub(in crate::walker) offset: u32,
}

impl Place {
    /// The place of the item after this one, or the end of the leaf.
    pub(in crate::walker) fn behind(self) -> Place {
        Place {
            index: self.index + 1,
            offset: 0,
            ..self
        }
    }
}
