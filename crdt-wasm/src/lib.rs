//! Collaborative text documents for JavaScript: the npm package `crdt-wasm`.
//!
//! The same documents can be reached in two ways: the flat API names them by integer handle
//! (`create_document`, `insert`, `merge_operations`, …), the class `Document` wraps a handle.
//! `NetworkSync` keeps a document in sync with everyone in a room over WebRTC; any other network
//! layer can exchange operations and frontiers, as below. Without the feature `network` the package
//! is a document alone.
//!
//! ```js
//! import init, { Document } from "crdt-wasm";
//!
//! await init();
//! const doc = new Document("alice");
//! doc.insert(0, "Hello");
//! send({ ops: doc.getOperationsJson(), frontier: doc.getFrontierJson() });
//! ```
//!
//! Rules that hold everywhere:
//!
//! * Positions and lengths are UTF-16 code units, as JavaScript counts. A position inside a surrogate
//!   pair is rounded down to insert, and widened to the whole pair to delete. A lone surrogate in a
//!   text becomes U+FFFD. Every edit returns what it really changed.
//! * What goes wrong is thrown as an `Error` with a stable `code`; the document is then as before,
//!   and everything can be used on.
//! * Nothing is borrowed while JavaScript runs, so a callback may call anything.

#[cfg(feature = "network")]
mod argument;
mod delta;
mod document_cell;
mod edit;
mod error;
mod exports;
mod javascript;
mod memory;
mod merge;
#[cfg(feature = "network")]
mod net;
#[cfg(feature = "network")]
mod object;
mod registry;
mod types;
mod version;

#[cfg(feature = "network")]
pub use net::NetworkSync;
