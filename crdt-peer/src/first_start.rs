//! How a text file and a room begin with each other, where it is not known which version of the
//! document the file was last given: at the first start.
//!
//! Whichever text were taken for an edit of the other would be lost or doubled. So one of them has to be
//! empty, or both the same.

use std::path::PathBuf;

use crdt_core::{Document, Frontier};
use thiserror::Error;

use crate::mirror::{Mirror, MirrorError};
use crate::text_file::TextFile;

/// A file and a room that cannot begin with each other. Both are as they were.
#[derive(Debug, Error)]
pub(crate) enum FirstStartError {
    #[error(
        "{} has a text and the room has another one: move the file away to get the room's text, and \
         add to that what is missing",
        path.display()
    )]
    TwoTexts { path: PathBuf },
    #[error(transparent)]
    MirrorError(#[from] MirrorError),
    #[error("{} is not UTF-8: only text can be shared", path.display())]
    NotUtf8 { path: PathBuf },
}

/// What is known of the document beside the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Members of the room may have more of it.
    Partial,
    /// It has what the members of the room have, as far as anybody is there.
    Full,
}

/// The mirror of a document in a file, once it is known how they begin.
///
/// # Errors
/// [`FirstStartError`]
pub(crate) fn reconcile(
    path: &std::path::Path,
    document: &mut Document,
    knowledge: Knowledge,
    is_read_only: bool,
) -> Result<Option<Mirror>, FirstStartError> {
    let at = || {
        TextFile::at(path).map_err(|source| MirrorError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let file = at()?;
    let content = file.read().map_err(|source| MirrorError::Read {
        path: file.path().to_owned(),
        source,
    })?;
    let text = content.map_or(Ok(String::new()), |content| {
        String::from_utf8(content.bytes)
    });
    let text = text.map_err(|_| FirstStartError::NotUtf8 {
        path: file.path().to_owned(),
    })?;
    let version = if text.is_empty() {
        Frontier::default()
    } else if text == document.text() {
        document.frontier()
    } else if knowledge == Knowledge::Partial {
        return Ok(None);
    } else if document.is_empty() {
        Frontier::default()
    } else {
        let path = file.path().to_owned();
        return Err(FirstStartError::TwoTexts { path });
    };
    Ok(Some(Mirror::new(file, document, &[version], is_read_only)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn document(text: &str) -> Document {
        let mut document = Document::new("other").unwrap();
        document.insert(0, text).unwrap();
        document
    }

    /// How a file with this text, or none, and a document begin.
    fn begun(
        file: Option<&str>,
        text: &str,
        knowledge: Knowledge,
    ) -> Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        if let Some(file) = file {
            fs::write(&path, file).unwrap();
        }
        let mut document = document(text);
        let mirror =
            reconcile(&path, &mut document, knowledge, false).map_err(|error| error.to_string())?;
        let Some(mut mirror) = mirror else {
            return Ok(None);
        };
        for now in (0..20).map(|look| look * 200) {
            if let Some(found) = mirror.poll(now).unwrap() {
                let version =
                    crate::rebase::rebase(&mut document, &found.version, &found.edits).unwrap();
                mirror.taken(found, version);
            }
            if mirror.is_behind(&document) {
                mirror.prepare(&document);
                mirror.write(&document, now).unwrap();
            }
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), document.text());
        Ok(Some(document.text()))
    }

    #[test]
    fn neither_text_is_lost_or_doubled() {
        use Knowledge::{Full, Partial};
        for (file, text, knowledge, expected) in [
            (None, "", Partial, Some("")),
            (None, "room", Partial, Some("room")),
            (Some(""), "room", Partial, Some("room")),
            (Some("same"), "same", Partial, Some("same")),
            (Some("file"), "", Partial, None),
            (Some("file"), "", Full, Some("file")),
            (Some("file"), "room", Partial, None),
        ] {
            let begun = begun(file, text, knowledge);
            assert_eq!(begun, Ok(expected.map(str::to_owned)), "{file:?} {text:?}");
        }
        let error = begun(Some("file"), "room", Full).unwrap_err();
        assert!(error.contains("the room has another one"), "{error}");
    }
}
