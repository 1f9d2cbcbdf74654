//! An eg-walker text CRDT: the event graph is stored, and replayed only where edits were concurrent.
//!
//! It implements Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker" (EuroSys 2025).
//! A [`Document`] is one replica: it is edited locally, encodes the events that others lack, and
//! merges the events of others. Replicas that have the same events have the same text, whatever the
//! order of arrival, and however often the events arrived.
//!
//! ```
//! use crdt_core::Document;
//!
//! let mut alice = Document::new("alice")?;
//! let mut bob = Document::new("bob")?;
//! alice.insert(0, "Hello")?;
//! bob.merge_json(&alice.operations_json()?)?;
//!
//! // Both type at once, and exchange what the other lacks.
//! alice.insert(5, " world")?;
//! bob.insert(0, "> ")?;
//! let (to_bob, to_alice) = (alice.encode_since(&bob.summary())?, bob.encode_since(&alice.summary())?);
//! bob.merge_patch(&to_bob)?;
//! alice.merge_patch(&to_alice)?;
//! assert_eq!(alice.text(), "> Hello world");
//! assert_eq!(bob.text(), alice.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The main types are [`Document`]; [`VersionSummary`], a set of events; [`Splice`], a change that
//! a merge makes to the text.
//!
//! Pitfalls:
//! - No two replicas may edit under one agent name. [`Document::new_replica`] makes a unique name;
//!   [`Document::rename`] replaces a name that turns out to be in use.
//! - Positions and lengths are in Unicode scalars. [`Document::utf16_to_char`] and
//!   [`Document::char_to_utf16`] convert from and to the units of JavaScript strings.
//! - Events are held back while their parents or earlier events of their agent are missing, within
//!   [`PendingLimits`]; see [`MergeReport::pending`]. [`MergeLimits`] limits the events and the
//!   work of one message.

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod anchor;
mod anchors;
mod blame;
mod branch;
mod causal_graph;
mod char_cache;
mod digests;
mod document;
mod edits;
mod encoding;
mod error;
mod exports;
mod hashing;
mod history;
mod merge;
mod merging;
mod op_log;
mod own_names;
mod packed;
mod pieces;
mod rename;
mod rope;
pub mod session;
mod shallow;
mod sorted_list;
mod sorting;
mod splice;
mod store;
mod text;
mod timestamps;
mod timing;
mod undo;
mod unpack;
mod version;
mod versions;
mod walker;

pub use anchor::{Anchor, Bias};
pub use blame::Authored;
pub use document::Document;
pub use encoding::file::{LoadLimits, Preset, SaveOptions};
pub use error::{
    AgentNameError, AnchorError, BranchError, DecodeError, EditError, EncodeError, HistoryError,
    LoadError, MergeError, RenameError,
};
pub use merge::{MergeLimits, MergeReport, PendingLimits};
pub use merging::Merging;
pub use rope::Chunks;
pub use splice::{Splice, TextLen};
pub use text::Lines;
pub use undo::UndoManager;
pub use version::{EventId, Frontier, VersionSummary, person_of, replica_name};
pub use versions::{EditKind, HistoryRun};
pub use walker::{Strategy, StrategyCounts};
