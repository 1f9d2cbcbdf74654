//! The text of a document: a B-tree of gap buffers, with sizes in bytes, chars, UTF-16 units and
//! lines, so that a place in any of them is found in O(log n).

mod chunks;
mod draft;
mod leaf;
mod tree;

pub use chunks::Chunks;
pub(crate) use draft::Draft;
pub(crate) use leaf::Unit;
pub(crate) use tree::Rope;
