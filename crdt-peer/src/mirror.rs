//! Keeps a text file and a document alike: what others write in the room goes into the file, and what
//! is edited in the file into the room.
//!
//! The file is looked at several times a second ([`POLL_MILLIS`]) rather than watched: that works on
//! every file system, network ones and those shared with containers included, costs one system call a
//! look, and sees an editor that replaces the file just as one that writes into it.
//!
//! An edit of the file is the difference to the text that the file was last given, and is made as by
//! somebody who saw that version and nothing later. So it does not matter what the room did meanwhile.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crdt_core::{Document, Frontier, HistoryError};
use crdt_sync::Millis;
use thiserror::Error;

use crate::edits::{Edit, edits};
use crate::text_file::{Content, Stamp, TextFile, read, stamp};

/// How often [`Mirror::poll`] is to be called, in milliseconds. A file that changed is read when it is
/// the same at two looks, so that a file is not read while it is being written.
pub(crate) const POLL_MILLIS: Millis = 200;

/// How long a file may be missing or empty before it is taken for that, in milliseconds: many programs
/// empty or remove a file before they write it.
const GRACE_MILLIS: Millis = 2_000;

/// How long a file that was replaced is watched for a program that had it open, in milliseconds.
const LINGER_MILLIS: Millis = 10_000;

/// The most text that a file may have, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Why file and document are not alike, or were not for a moment. The document is kept.
#[derive(Debug, Error)]
pub(crate) enum MirrorError {
    #[error(
        "{} is not UTF-8 from byte {offset} on: until it is, its edits stay out of the room, and the room's out of it",
        path.display()
    )]
    NotUtf8 { path: PathBuf, offset: usize },
    #[error(
        "{} has {len} bytes, more than the {MAX_BYTES} that a document takes: its edits stay out of the room, and the room's out of it",
        path.display()
    )]
    TooLarge { path: PathBuf, len: u64 },
    #[error("{} is gone: it is written again with the text of the room", path.display())]
    Gone { path: PathBuf },
    #[error(
        "{} was edited, and --read-only keeps edits out of the room: move it away to have it follow the room again",
        path.display()
    )]
    ReadOnly { path: PathBuf },
    #[error(
        "another program wrote into {} while it was replaced; what it wrote is in {}",
        path.display(), copy.display()
    )]
    Rescued { path: PathBuf, copy: PathBuf },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Edits that were found, to be made with [`rebase`](crate::rebase::rebase).
#[derive(Debug)]
pub(crate) struct FileEdits {
    /// What they are edits of.
    pub(crate) version: Frontier,
    pub(crate) edits: Vec<Edit>,
    text: String,
    place: Place,
}

/// Where edits were found, and the state that the file was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    File(Stamp),
    /// In one of the files that were replaced.
    Replaced(usize, Stamp),
}

/// A text that a file has, and the version of the document that has it, too.
#[derive(Debug, Clone, Default)]
struct Base {
    version: Frontier,
    text: String,
}

/// A file that was replaced, which a program may still have open.
#[derive(Debug)]
struct Replaced {
    file: File,
    base: Base,
    /// Its state when it was last found to have the text of `base`.
    seen: Option<Stamp>,
    /// Its state at the last look.
    last: Option<Stamp>,
    until: Millis,
}

/// The mirror of one document in one file.
#[derive(Debug)]
pub(crate) struct Mirror {
    file: TextFile,
    is_read_only: bool,
    base: Base,
    /// The versions one of which the file has, unless it was edited.
    mirrored: Vec<Frontier>,
    /// The state of the file when it was last found to have the text of `base`.
    seen: Option<Stamp>,
    /// Another state, and since when it is.
    changing: Option<(Option<Stamp>, Millis)>,
    replaced: Vec<Replaced>,
    /// The file must not be given a text now.
    is_blocked: bool,
    /// The error that was reported last, while it lasts.
    told: String,
}

impl Mirror {
    /// A mirror of `document`, of which the file was last given one of the versions `mirrored`; without
    /// any, the first of all, which has no text.
    ///
    /// # Errors
    /// [`MirrorError::Read`].
    pub(crate) fn new(
        file: TextFile,
        document: &mut Document,
        mirrored: &[Frontier],
        is_read_only: bool,
    ) -> Result<Mirror, MirrorError> {
        let content = file.read().map_err(|source| MirrorError::Read {
            path: file.path().to_owned(),
            source,
        })?;
        let text = content.and_then(|content| String::from_utf8(content.bytes).ok());
        let mut best: Option<(usize, Base)> = None;
        for version in mirrored.iter().rev() {
            // A version that the document does not have is none that the file was given.
            let Ok(base) = text_at(document, version) else {
                continue;
            };
            let distance = text.as_deref().map_or(0, |text| distance(&base, text));
            if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                let version = version.clone();
                best = Some((
                    distance,
                    Base {
                        version,
                        text: base,
                    },
                ));
            }
        }
        let base = best.map(|(_, base)| base).unwrap_or_default();
        document.release_caches();
        Ok(Mirror {
            file,
            is_read_only,
            mirrored: vec![base.version.clone()],
            base,
            seen: None,
            changing: None,
            replaced: Vec::new(),
            is_blocked: false,
            told: String::new(),
        })
    }

    /// The versions of the document one of which the file has, unless it was edited since: to be kept
    /// with the document, for the next [`Mirror::new`].
    pub(crate) fn mirrored(&self) -> &[Frontier] {
        &self.mirrored
    }

    /// Looks whether the file was edited. The edits are found again at every look until they are
    /// [taken](Mirror::taken).
    ///
    /// # Errors
    /// [`MirrorError`], once while it lasts.
    pub(crate) fn poll(&mut self, now: Millis) -> Result<Option<FileEdits>, MirrorError> {
        let result = match self.poll_replaced(now) {
            Ok(None) => self.poll_file(now),
            result => result,
        };
        let told = match &result {
            Ok(_) if self.is_blocked => return result,
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        if !told.is_empty() && told == self.told {
            return Ok(None);
        }
        self.told = told;
        result
    }

    /// Notes that edits were made in the document, which has the text with them at `version`.
    pub(crate) fn taken(&mut self, found: FileEdits, version: Frontier) {
        let base = Base {
            version,
            text: found.text,
        };
        match found.place {
            Place::File(stamp) => {
                self.mirrored = vec![base.version.clone()];
                self.base = base;
                self.seen = Some(stamp);
                self.changing = None;
            }
            Place::Replaced(index, stamp) => {
                if let Some(replaced) = self.replaced.get_mut(index) {
                    (replaced.base, replaced.seen) = (base, Some(stamp));
                }
            }
        }
    }

    /// Whether the file is to be given the text of the document: it has another version, or is missing,
    /// and nobody is at work on it.
    pub(crate) fn is_behind(&self, document: &Document) -> bool {
        let is_another = self.seen.is_none() || document.frontier() != self.base.version;
        !self.is_blocked && self.changing.is_none() && is_another
    }

    /// Whether nothing was seen of the file that was not looked at yet.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.changing.is_none() && (self.seen.is_some() || self.is_blocked)
    }

    /// Notes that the file is about to be given the document as it is. Before [`Mirror::write`], the
    /// document has to be kept with [`Mirror::mirrored`].
    pub(crate) fn prepare(&mut self, document: &Document) {
        self.mirrored = vec![self.base.version.clone(), document.frontier()];
        self.mirrored.dedup();
    }

    /// Gives the file the text of the document, unless it was edited meanwhile, which the next look
    /// finds.
    ///
    /// # Errors
    /// [`MirrorError::Write`]; the file is as it was.
    pub(crate) fn write(&mut self, document: &Document, now: Millis) -> Result<(), MirrorError> {
        let new = Base::of(document);
        if self.seen.is_some() && new.text == self.base.text {
            self.base = new;
            return Ok(());
        }
        let written = match self.seen {
            Some(stamp) => (self.file.exchange(&new.text, stamp))
                .map(|written| written.map(|(stamp, before)| (stamp, Some(before)))),
            None => (self.file.create(&new.text)).map(|written| written.map(|stamp| (stamp, None))),
        };
        let (stamp, before) = match written {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                let path = self.file.path().to_owned();
                return Err(MirrorError::Write { path, source });
            }
        };
        self.seen = Some(stamp);
        let base = std::mem::replace(&mut self.base, new);
        if let Some(file) = before {
            self.replaced.push(Replaced {
                file,
                base,
                seen: None,
                last: None,
                until: now.saturating_add(LINGER_MILLIS),
            });
        }
        Ok(())
    }

    fn poll_file(&mut self, now: Millis) -> Result<Option<FileEdits>, MirrorError> {
        let stamp = match self.file.stamp() {
            Ok(stamp) => stamp,
            Err(source) => return Err(self.cannot_read(source)),
        };
        let is_same = self.seen.is_some() && stamp == self.seen;
        if is_same {
            (self.changing, self.is_blocked) = (None, false);
            if stamp.is_some_and(|stamp| stamp.is_settled()) {
                return Ok(None);
            }
        } else if !self.has_settled(stamp, now) {
            return Ok(None);
        }
        let Some(stamp) = stamp else {
            return self.gone();
        };
        if stamp.len() > MAX_BYTES {
            self.is_blocked = true;
            return Err(MirrorError::TooLarge {
                path: self.file.path().to_owned(),
                len: stamp.len(),
            });
        }
        match self.file.read() {
            Ok(Some(content)) => self.compare(content),
            Ok(None) => Ok(None),
            Err(source) => Err(self.cannot_read(source)),
        }
    }

    /// Whether the file has been in a new state for so long that it is to be looked at.
    fn has_settled(&mut self, stamp: Option<Stamp>, now: Millis) -> bool {
        let since = match self.changing {
            Some((state, since)) if state == stamp => since,
            _ => {
                self.changing = Some((stamp, now));
                return false;
            }
        };
        let may_be_unfinished = stamp.is_none_or(|stamp| stamp.len() == 0);
        // One that was not there before is not missing.
        let is_new = self.seen.is_none() && stamp.is_none();
        is_new || !may_be_unfinished || now.saturating_sub(since) >= GRACE_MILLIS
    }

    fn gone(&mut self) -> Result<Option<FileEdits>, MirrorError> {
        (self.changing, self.is_blocked) = (None, false);
        match self.seen.take() {
            None => Ok(None),
            Some(_) => Err(MirrorError::Gone {
                path: self.file.path().to_owned(),
            }),
        }
    }

    fn compare(&mut self, content: Content) -> Result<Option<FileEdits>, MirrorError> {
        let text = match String::from_utf8(content.bytes) {
            Ok(text) => text,
            Err(error) => {
                self.is_blocked = true;
                return Err(MirrorError::NotUtf8 {
                    path: self.file.path().to_owned(),
                    offset: error.utf8_error().valid_up_to(),
                });
            }
        };
        self.is_blocked = self.is_read_only && text != self.base.text;
        if self.is_blocked {
            let path = self.file.path().to_owned();
            return Err(MirrorError::ReadOnly { path });
        }
        if text == self.base.text {
            (self.seen, self.changing) = (Some(content.stamp), None);
            return Ok(None);
        }
        Ok(Some(FileEdits {
            version: self.base.version.clone(),
            edits: edits(&self.base.text, &text),
            text,
            place: Place::File(content.stamp),
        }))
    }

    /// Looks whether a program has written into a file that was replaced.
    fn poll_replaced(&mut self, now: Millis) -> Result<Option<FileEdits>, MirrorError> {
        self.replaced.retain(|replaced| replaced.until > now);
        for (index, replaced) in self.replaced.iter_mut().enumerate() {
            // What cannot be read was written by nobody.
            let Ok(stamp) = stamp(&replaced.file) else {
                continue;
            };
            let is_at_rest = replaced.last.replace(stamp) == Some(stamp);
            if replaced.seen == Some(stamp) || !is_at_rest {
                continue;
            }
            let Ok(Some(content)) = read(&mut replaced.file) else {
                continue;
            };
            // An empty one is about to be written, or to be removed.
            if content.bytes.is_empty() || content.bytes == replaced.base.text.as_bytes() {
                replaced.seen = Some(content.stamp);
                continue;
            }
            match String::from_utf8(content.bytes) {
                Ok(text) if !self.is_read_only => {
                    return Ok(Some(FileEdits {
                        version: replaced.base.version.clone(),
                        edits: edits(&replaced.base.text, &text),
                        text,
                        place: Place::Replaced(index, content.stamp),
                    }));
                }
                other => {
                    let bytes = other.map_or_else(|error| error.into_bytes(), String::into_bytes);
                    let path = self.file.path().to_owned();
                    return match self.file.rescue(&bytes) {
                        Ok(copy) => {
                            replaced.seen = Some(content.stamp);
                            Err(MirrorError::Rescued { path, copy })
                        }
                        Err(source) => {
                            // Not released before it is safe.
                            replaced.until = now.saturating_add(LINGER_MILLIS);
                            Err(MirrorError::Write { path, source })
                        }
                    };
                }
            }
        }
        Ok(None)
    }

    fn cannot_read(&mut self, source: io::Error) -> MirrorError {
        self.is_blocked = true;
        let path = self.file.path().to_owned();
        MirrorError::Read { path, source }
    }
}

impl Base {
    fn of(document: &Document) -> Base {
        Base {
            version: document.frontier(),
            text: document.text(),
        }
    }
}

fn text_at(document: &Document, version: &Frontier) -> Result<String, HistoryError> {
    if *version == document.frontier() {
        return Ok(document.text());
    }
    document.text_at(version)
}

/// How many chars differ between two texts.
fn distance(before: &str, after: &str) -> usize {
    edits(before, after)
        .iter()
        .map(|edit| edit.deleted + edit.inserted.chars().count())
        .sum()
}

#[cfg(test)]
mod tests;
