//! The state of a file's agents at its end. Later events may refer to it, so that the history of
//! the file need not be unpacked to merge them.

use super::super::reader::Reader;
use super::super::varint::push;
use crate::error::DecodeError;
use crate::version::MAX_CHARS;

/// The state after the last event of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The cursor.
    pub(crate) cursor: u32,
    /// The digest of the event.
    pub(crate) digest: u64,
}

/// The most agents for which a file has ends: it has those of all agents, or of none.
pub(crate) const MOST_ENDS: usize = 256;

/// Writes the ends of all agents, or of none.
pub(super) fn push_ends(out: &mut Vec<u8>, ends: &[End]) {
    push(out, u64::from(!ends.is_empty()));
    for end in ends {
        push(out, end.cursor.into());
        out.extend_from_slice(&end.digest.to_le_bytes());
    }
}

/// Reads the output of [`push_ends`] for this number of agents.
pub(super) fn read_ends(
    reader: &mut Reader<'_>,
    agents: usize,
) -> Result<Option<Vec<End>>, DecodeError> {
    let unknown = reader.error("ends of no known form");
    match reader.byte()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(unknown),
    }
    let mut ends = Vec::new();
    for _ in 0..agents {
        let error = reader.error("a cursor beyond the longest text");
        let cursor = reader.small()?;
        if cursor > MAX_CHARS {
            return Err(error);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(reader.take(8)?);
        ends.push(End {
            cursor,
            digest: u64::from_le_bytes(digest),
        });
    }
    Ok(Some(ends))
}
