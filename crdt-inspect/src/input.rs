//! Reads a document from whatever form it has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crdt_core::{Document, LoadError, MergeError, MergeReport};

/// The name under which documents are opened here; nothing is edited under it.
pub(crate) const AGENT: &str = "crdt-inspect";

/// A file that no document can be read from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{} cannot be read: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(
        "{} is neither a saved document ({file}), nor an update in bytes ({update}), nor operations as JSON ({json})",
        .path.display()
    )]
    Unknown {
        path: PathBuf,
        file: Box<LoadError>,
        update: Box<MergeError>,
        json: String,
    },
    #[error(
        "{} is an update to a document that is not here: its {events} events build on others, such as {missing}",
        .path.display()
    )]
    Incomplete {
        path: PathBuf,
        events: usize,
        missing: String,
    },
}

/// Reads a saved file, an update in bytes that builds on nothing, or operations as JSON.
pub(crate) fn read(path: &Path) -> Result<Document, InputError> {
    let bytes = fs::read(path).map_err(|error| InputError::File {
        path: path.to_owned(),
        error,
    })?;
    let not_a_file = match Document::load_verified(AGENT, &bytes, &crdt_core::LoadLimits::default())
    {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let mut document = empty();
    let not_an_update = match document.merge_patch(&bytes) {
        Ok(report) => return whole(path, document, &report),
        Err(error) => error,
    };
    let json = match std::str::from_utf8(&bytes) {
        Err(error) => error.to_string(),
        Ok(operations) => match document.merge_json(operations) {
            Ok(report) => return whole(path, document, &report),
            Err(error) => error.to_string(),
        },
    };
    Err(InputError::Unknown {
        path: path.to_owned(),
        file: Box::new(not_a_file),
        update: Box::new(not_an_update),
        json,
    })
}

fn whole(path: &Path, document: Document, report: &MergeReport) -> Result<Document, InputError> {
    if report.pending == 0 {
        return Ok(document);
    }
    let missing = document.missing().into_iter().next();
    Err(InputError::Incomplete {
        path: path.to_owned(),
        events: document.pending_events(),
        missing: missing.map_or_else(String::new, |id| format!("{}:{}", id.agent, id.seq)),
    })
}

/// A document without events.
pub(crate) fn empty() -> Document {
    Document::new(AGENT).expect("the name is valid")
}
