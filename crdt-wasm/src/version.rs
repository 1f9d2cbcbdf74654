//! Versions of a document as JavaScript holds them: opaque bytes.
//!
//! The bytes are the frontier in its JSON form. A version of a document as it stands also says which
//! events the document holds, behind a zero byte: so what it lacks can be told by a replica that does
//! not know its last events.

use crdt_core::{DecodeError, Document, EventId, Frontier, MergeError, VersionSummary};

use crate::error::BindingError;

pub(crate) struct Version {
    pub(crate) heads: Frontier,
    holds: Option<VersionSummary>,
}

impl Version {
    /// The version that the bytes say.
    pub(crate) fn read(bytes: &[u8]) -> Result<Version, BindingError> {
        let malformed = |reason| BindingError::Version(DecodeError::Bytes { offset: 0, reason });
        let (heads, holds) = match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => (&bytes[..end], bytes.get(end + 1..)),
            None => (bytes, None),
        };
        let heads = str::from_utf8(heads)
            .ok()
            .and_then(|json| Frontier::from_json(json).ok());
        let holds = holds.map(VersionSummary::decode).transpose();
        let holds = holds.map_err(BindingError::Version)?;
        let heads = heads.ok_or_else(|| malformed("these are no version"))?;
        let held = |id: &EventId| holds.as_ref().is_none_or(|holds| holds.contains(id));
        if !heads.ids().iter().all(held) {
            return Err(malformed(
                "a version that does not hold its own last events",
            ));
        }
        Ok(Version { heads, holds })
    }

    /// The version of the document as it stands.
    pub(crate) fn of(document: &Document) -> Vec<u8> {
        let mut bytes = document.frontier().to_json().into_bytes();
        bytes.push(0);
        bytes.extend(document.summary().encode());
        bytes
    }

    /// All events of the version, as far as they are known.
    ///
    /// # Errors
    /// Where the document's history is damaged.
    pub(crate) fn events(self, document: &Document) -> Result<VersionSummary, BindingError> {
        match self.holds {
            Some(holds) => Ok(holds),
            None => Ok(document.summary_of(&self.heads).map_err(MergeError::from)?),
        }
    }
}

/// How two versions stand to each other, as `document.js` numbers it: equal, before, after, concurrent.
pub(crate) fn compare(document: &Document, a: Version, b: Version) -> Result<i32, BindingError> {
    if a.heads == b.heads {
        return Ok(0);
    }
    for version in [&a, &b] {
        let unknown = |id: &&EventId| version.holds.is_none() && !document.contains(id);
        if let Some(id) = version.heads.ids().iter().find(unknown) {
            return Err(crdt_core::HistoryError::Unknown {
                agent: id.agent.clone(),
                seq: id.seq,
            }
            .into());
        }
    }
    let (a, b) = (a.events(document)?, b.events(document)?);
    Ok(match (b.is_superset(&a), a.is_superset(&b)) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    })
}
