//! An eg-walker text CRDT: the event graph is stored, and replayed only where edits were concurrent.
