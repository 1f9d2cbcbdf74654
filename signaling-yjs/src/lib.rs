//! Yjs updates as bytes: what a server needs to keep documents and to bring clients up to date, without
//! building a document.
//!
//! An update (the format that Yjs calls V1) is a list of structs by client and clock, and a set of what is
//! deleted. Three types to know:
//!
//! * [`scan`] checks an update and returns its [`Summary`]: which structs and deletions it has.
//! * [`StateVector`] says how far a client is; [`merge`] puts updates together and leaves out what a state
//!   vector covers.
//! * [`IdSet`] is a set of clocks by client, which says whether an update brings anything new.
//!
//! ```
//! use signaling_yjs::{StateVector, merge, scan};
//!
//! // A client's first two insertions into a text, as Yjs sends them.
//! let first = [1, 1, 7, 0, 4, 1, 1, b't', 2, b'a', b'b', 0];
//! let second = [1, 1, 7, 2, 0x84, 7, 1, 1, b'c', 0];
//! let all = merge([&first[..], &second], &StateVector::default())?;
//! assert_eq!(all, [1, 1, 7, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 0]);
//!
//! let state = scan(&first)?.structs.state_vector();
//! assert_eq!(merge([&all[..]], &state)?, second);
//! # Ok::<(), signaling_yjs::UpdateError>(())
//! ```
//!
//! # Bounds
//!
//! Updates come from anybody. Every length is checked against the bytes that are left, nothing is
//! allocated by what is claimed, nesting is bounded, and structs are read one at a time: all functions
//! take time and memory in proportion to their input. What a Yjs client could not read, as text that is not
//! UTF-8, is an [`UpdateError`].
//!
//! The crate `yrs` has functions of the same purpose and is what the tests compare with. It is not used
//! here because it builds every struct in memory, reads nested values without a bound on their depth, and
//! reads one value too many of JSON contents.

#![forbid(unsafe_code)]

mod error;
mod id_set;
mod merge;
mod reader;
mod state_vector;
mod structs;
mod update;

pub use error::UpdateError;
pub use id_set::IdSet;
pub use merge::merge;
pub use state_vector::StateVector;
pub use update::{Summary, scan};

/// The update that changes nothing.
pub const EMPTY_UPDATE: &[u8] = &[0, 0];

/// The largest clock or client: JavaScript's largest safe integer.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
