//! Common types of reading and writing a log.

use crdt_core::VersionSummary;
use crdt_sync::Millis;

use crate::signaling::ServerId;

/// The form of the entries that this version writes and reads.
pub(super) const FORM: u8 = 1;

/// The contexts to which sealed entries are bound.
pub(super) const ENTRY: &str = "entry";
pub(super) const SNAPSHOT: &str = "snapshot";

/// The approximate limit of an entry before compression, in bytes: in base64 it fits into a message
/// of a server with default limits.
pub(super) const ENTRY_BYTES: usize = 256 * 1024;

/// This member's role at a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// It may not write.
    #[default]
    Reader,
    /// It writes if the writer does not.
    Follower,
    /// It writes.
    Writer,
}

/// An entry that is opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) server: ServerId,
    pub(super) generation: u64,
    pub(super) seq: u64,
    pub(super) tail: Tail,
}

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Entry {
        events: VersionSummary,
    },
    Snapshot {
        events: VersionSummary,
        base: u64,
        upto: u64,
    },
}

/// An entry that is sealed.
#[derive(Debug)]
pub(super) struct Sealing {
    pub(super) server: ServerId,
    pub(super) id: u64,
}

/// Something that is written and not acknowledged yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: u64,
    pub(super) write: Write,
    pub(super) until: Millis,
    /// Once it is sealed.
    pub(super) tail: Option<(Tail, usize)>,
}

/// The most bytes of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryBytes(pub(super) usize);

impl Default for EntryBytes {
    fn default() -> Self {
        EntryBytes(ENTRY_BYTES)
    }
}

/// The end of a payload, which identifies it: each ends with random bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    len: usize,
    end: String,
}

impl Tail {
    pub(super) fn of(payload: &str) -> Tail {
        const END: usize = 24;
        let start = payload.len().saturating_sub(END);
        let end = payload.get(start..).unwrap_or(payload);
        Tail {
            len: payload.len(),
            end: end.to_owned(),
        }
    }
}

/// A read of the entries after one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) after: u64,
    /// The last entry that was read is requested as well, to check that this is still the same log.
    pub(super) checks: bool,
}

/// A read that is not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) until: Millis,
    pub(super) checks: bool,
}

/// The bytes in a log: those of small entries, including a reader's overhead for each, and the
/// others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    small: usize,
    large: usize,
}

impl Size {
    /// A reader's overhead for an entry, in bytes.
    const EACH: usize = 2 * 1024;

    /// The size from which on an entry is large.
    const LARGE: usize = 64 * 1024;

    /// The fewest bytes in small entries for which a snapshot is worthwhile.
    const LITTLE: usize = 128 * 1024;

    pub(super) fn add(&mut self, len: usize) {
        if len < Size::LARGE {
            self.small += len + Size::EACH;
        } else {
            self.large += len;
        }
    }

    /// The log begins with a snapshot of this length.
    pub(super) fn begin(len: usize) -> Size {
        Size {
            small: 0,
            large: len,
        }
    }

    pub(super) fn is_worth_a_snapshot(&self) -> bool {
        self.small > self.large + Size::LITTLE
    }
}
