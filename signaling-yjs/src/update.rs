//! A whole update: its structs by client, and what it deletes.

use crate::MAX_NUMBER;
use crate::error::UpdateError;
use crate::id_set::IdSet;
use crate::reader::{Reader, put_number};
use crate::structs::{Body, Struct};

/// The most separate ranges, of structs or of deletions, that are taken at once; they take 24 bytes each
/// while they are sorted.
const MAX_RANGES: usize = 1 << 22;

/// The most clients that an update may have structs of; a merge takes some 300 bytes for each.
pub(crate) const MAX_CLIENTS: usize = 1 << 18;

/// What an update has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The structs, without gaps.
    pub structs: IdSet,
    /// What it deletes.
    pub deleted: IdSet,
}

impl Summary {
    /// Whether the update changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.structs.is_empty() && self.deleted.is_empty()
    }

    /// Whether everything in `other` is in this one.
    #[must_use]
    pub fn contains(&self, other: &Summary) -> bool {
        self.structs.contains(&other.structs) && self.deleted.contains(&other.deleted)
    }

    /// Takes over everything in `other`.
    pub fn extend(&mut self, other: &Summary) {
        self.structs.extend(&other.structs);
        self.deleted.extend(&other.deleted);
    }

    /// The number of ranges in both sets, each of which takes 16 bytes.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.structs.ranges() + self.deleted.ranges()
    }
}

/// Checks an update, and says what it has. Takes time in proportion to its bytes, and memory to
/// the number of its ranges.
///
/// # Errors
/// An [`UpdateError`] for bytes that a Yjs client could not read.
pub fn scan(update: &[u8]) -> Result<Summary, UpdateError> {
    let mut structs: Vec<(u64, u64, u64)> = Vec::new();
    let mut reader = Reader(update);
    for _ in 0..clients(&mut reader)? {
        let mut section = Section::read(&mut reader)?;
        while let Some(next) = section.next()? {
            if matches!(next.body, Body::Gap) {
                continue;
            }
            let count = structs.len();
            match structs.last_mut() {
                Some(last) if last.0 == section.client && last.2 == next.clock => {
                    last.2 = next.end();
                }
                _ if count >= MAX_RANGES => return Err(UpdateError::TooManyRanges(MAX_RANGES)),
                _ => structs.push((section.client, next.clock, next.end())),
            }
        }
        reader = section.reader;
    }
    let mut deleted = Vec::new();
    read_deleted(reader, &mut deleted)?;
    Ok(Summary {
        structs: IdSet::new(structs),
        deleted: IdSet::new(deleted),
    })
}

/// The number of clients that an update has structs of, which stands at its beginning.
pub(crate) fn clients(reader: &mut Reader<'_>) -> Result<usize, UpdateError> {
    let count = usize::try_from(reader.number()?).ok();
    let count = count.filter(|count| *count <= MAX_CLIENTS);
    count.ok_or(UpdateError::TooManyClients(MAX_CLIENTS))
}

/// The structs of one client in an update, which are read one at a time.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    pub(crate) client: u64,
    /// The clock of the next struct.
    clock: u64,
    /// How many structs are left.
    left: u64,
    pub(crate) reader: Reader<'a>,
}

impl<'a> Section<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, UpdateError> {
        let (left, client, clock) = (reader.number()?, reader.number()?, reader.number()?);
        let reader = *reader;
        Ok(Self {
            client,
            clock,
            left,
            reader,
        })
    }

    /// The next struct that has a length.
    pub(crate) fn next(&mut self) -> Result<Option<Struct<'a>>, UpdateError> {
        while self.left > 0 {
            self.left -= 1;
            let next = Struct::read(&mut self.reader, self.clock)?;
            self.clock = next.end();
            if next.len > 0 {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }
}

/// Reads what an update deletes, which stands at its end.
pub(crate) fn read_deleted(
    mut reader: Reader<'_>,
    deleted: &mut Vec<(u64, u64, u64)>,
) -> Result<(), UpdateError> {
    for _ in 0..reader.number()? {
        let client = reader.number()?;
        for _ in 0..reader.number()? {
            let (clock, len) = (reader.number()?, reader.number()?);
            let end = clock.checked_add(len).filter(|end| *end <= MAX_NUMBER);
            let end = end.ok_or(UpdateError::NumberTooLarge)?;
            if deleted.len() >= MAX_RANGES {
                return Err(UpdateError::TooManyRanges(MAX_RANGES));
            }
            deleted.push((client, clock, end));
        }
    }
    match reader.0.len() {
        0 => Ok(()),
        more => Err(UpdateError::TooLong(more)),
    }
}

/// Writes what is deleted.
pub(crate) fn put_deleted(out: &mut Vec<u8>, deleted: &IdSet) {
    put_number(out, deleted.iter().len() as u64);
    for (client, ranges) in deleted.iter() {
        put_number(out, client);
        put_number(out, ranges.len() as u64);
        for (start, end) in ranges {
            put_number(out, *start);
            put_number(out, end - start);
        }
    }
}
