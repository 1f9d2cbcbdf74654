//! Entries of a log: parts of the history that are stored for later readers, which may have no
//! events yet.
//!
//! An entry is a message of changes as on a link, but its patch is self-contained: it names its
//! agents and has the digests of the events that it builds on.
//! [`Engine::take_entry`](crate::Engine::take_entry) merges one.

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EncodeError, VersionSummary};

use crate::wire;

/// This number of events always fits into one entry.
const FEW_EVENTS: u64 = 64;

/// The events `events` of a document as an entry, or the first of them if they take more than about
/// `enough` bytes. Also returns which these are, if they are not all. O(ranges of the events +
/// output).
///
/// # Errors
/// See [`Document::encode_of`].
///
/// ```
/// use crdt_core::Document;
/// use crdt_sync::{Config, Engine, encode_entry};
///
/// let mut ann = Document::new("ann")?;
/// ann.insert(0, "to be kept")?;
/// let (entry, part) = encode_entry(&ann, &ann.summary(), 64 * 1024)?;
/// assert_eq!(part, None);
///
/// let mut bob = Document::new("bob")?;
/// let mut engine = Engine::new(Config::default(), "bob", 1);
/// let cut = &entry[..entry.len() - 1];
/// assert!(engine.take_entry(cut, 0, &mut bob).is_err() && bob.is_empty());
/// let report = engine.take_entry(&entry, 0, &mut bob)?;
/// assert_eq!(bob.text(), "to be kept");
/// assert_eq!(report.events, ann.summary());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_entry(
    doc: &Document,
    events: &VersionSummary,
    enough: usize,
) -> Result<(Vec<u8>, Option<VersionSummary>), EncodeError> {
    let part = if events.event_count() > FEW_EVENTS {
        doc.encode_part_named(events, &[], enough)?.1
    } else {
        None
    };
    let written = part.as_ref().unwrap_or(events);
    let entry = wire::changes(&doc.encode_of(written)?, true);
    Ok((entry, part))
}
