//! An item of the sequence: adjacent chars in the same state.

/// Ids from here on name the chars of the base text, in document order.
pub(in crate::walker) const BASE: u32 = 1 << 31;
/// The assumed length of the base text, in chars. The part beyond its real length is the end of the
/// document.
pub(in crate::walker) const BASE_LEN: u32 = 1 << 30;

/// In an item's state: some event has deleted it, so it is gone from the effect version.
pub(in crate::walker) const DELETED: u32 = 1 << 31;

/// A run of chars with consecutive ids and the same state. All but the first have the char before
/// them as their left origin, and all have the same right origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::walker) struct Item {
    pub(in crate::walker) id: u32,
    pub(in crate::walker) len: u32,
    /// In the low 31 bits 0 for "not inserted yet", 1 for visible, n + 1 for deleted n times, all
    /// in the prepare version; the highest bit is [`DELETED`].
    pub(in crate::walker) state: u32,
    pub(in crate::walker) origin_left: u32,
    pub(in crate::walker) origin_right: u32,
}

impl Item {
    pub(super) fn tail(&self, from: u32) -> Item {
        Item {
            id: self.id + from,
            len: self.len - from,
            origin_left: self.id + from - 1,
            ..*self
        }
    }
}

/// Whether an item with this state is visible in the prepare version.
pub(in crate::walker) fn in_prepare(state: u32) -> bool {
    state & !DELETED == 1
}

/// Whether an item with this state is inserted in the prepare version, deleted or not.
pub(in crate::walker) fn is_inserted(state: u32) -> bool {
    state & !DELETED != 0
}

/// Whether `next` continues `item`, so that both can be one.
pub(super) fn joins(item: &Item, next: &Item) -> bool {
    item.id + item.len == next.id
        && item.state == next.state
        && next.origin_left == next.id.wrapping_sub(1)
        && item.origin_right == next.origin_right
}
