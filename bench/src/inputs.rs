//! The inputs of a cell: a trace in a subject's own encoding, made once by its `prepare` cell and
//! kept.

use std::path::{Path, PathBuf};

use crate::trace::Res;

/// A trace in the bytes of one subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// The text at its end.
    pub(crate) text: String,
    /// The whole history, as sent to a newcomer.
    pub(crate) history: Vec<u8>,
    /// The file.
    pub(crate) saved: Vec<u8>,
    /// The history as one update a transaction; empty for sequential traces.
    pub(crate) updates: Vec<Vec<u8>>,
}

/// Where they are kept.
pub(crate) fn path(folder: &Path, subject: &str, trace: &str) -> PathBuf {
    folder.join(format!("{subject}-{}.bin", trace.replace([':', '*'], "-")))
}

impl Inputs {
    pub(crate) fn write(&self, path: &Path) -> Res<()> {
        let mut out = Vec::new();
        let mut part = |bytes: &[u8]| {
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(bytes);
        };
        part(self.text.as_bytes());
        part(&self.history);
        part(&self.saved);
        self.updates.iter().for_each(|update| part(update));
        // Renamed when complete: the cell may be cut off.
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, out)?;
        std::fs::rename(&unfinished, path)?;
        Ok(())
    }

    pub(crate) fn read(path: &Path) -> Res<Inputs> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut rest = bytes.as_slice();
        let mut parts = Vec::new();
        while let Some((len, tail)) = rest.split_first_chunk::<8>() {
            let len = u64::from_le_bytes(*len) as usize;
            let (part, tail) = tail.split_at_checked(len).ok_or("the inputs end early")?;
            parts.push(part.to_vec());
            rest = tail;
        }
        let mut parts = parts.into_iter();
        let mut next = || parts.next().ok_or("the inputs end early");
        Ok(Inputs {
            text: String::from_utf8(next()?)?,
            history: next()?,
            saved: next()?,
            updates: parts.collect(),
        })
    }
}
