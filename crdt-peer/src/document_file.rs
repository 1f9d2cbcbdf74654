//! The document of a text file, kept beside it with its whole history.
//!
//! `notes.txt.crdt` is the document as a whole, `notes.txt.crdt-journal` what has become part of it
//! since, and `notes.txt.crdt-lock` is locked by the one process that may write them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crdt_core::{
    Document, EncodeError, Frontier, LoadError, MergeError, SaveOptions, VersionSummary,
};
use thiserror::Error;

use crate::draft::Draft;
use crate::journal::{Journal, JournalError};

/// A journal that is shorter than this is not worth a new file, in bytes.
const MIN_JOURNAL: u64 = 256 * 1024;

/// The files of one document, for as long as this process may write them.
#[derive(Debug)]
pub(crate) struct DocumentFile {
    text: PathBuf,
    whole: PathBuf,
    journal_path: PathBuf,
    /// `None` before the first save, and after an error: then the next save is one of the whole.
    journal: Option<Journal>,
    /// The length of the document as a whole, in bytes.
    whole_len: u64,
    /// What is on the disk.
    kept: VersionSummary,
    kept_events: usize,
    mirrored: Vec<Frontier>,
    _lock: File,
}

/// What was on the disk.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) document: Document,
    /// The versions one of which the text file was last given; none where it never was.
    pub(crate) mirrored: Vec<Frontier>,
    /// The journal ended in the middle of a record; a copy of it is here.
    pub(crate) torn: Option<PathBuf>,
}

/// A document that cannot be opened or kept. Nothing that is on the disk was changed.
#[derive(Debug, Error)]
pub(crate) enum DocumentFileError {
    #[error("{} is in use by another crdt-peer ({holder}): only one may keep a file at a time", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("cannot lock {}: {source}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{} is damaged ({reason}) and was left as it is: put a copy from a backup in its place, \
         or move it away, with its journal, to get the document from the other members of the room",
        path.display()
    )]
    Damaged { path: PathBuf, reason: LoadError },
    #[error(
        "{} is damaged at byte {offset} and was left as it is: put a copy from a backup in its place, \
         or move it away to do without the changes that it holds",
        path.display()
    )]
    JournalDamaged { path: PathBuf, offset: u64 },
    #[error(
        "{} does not go with {} ({reason}); both were left as they are: put the journal's own \
         document back, or move the journal away to do without the changes that it holds",
        path.display(), whole.display()
    )]
    JournalForeign {
        path: PathBuf,
        whole: PathBuf,
        reason: String,
    },
    #[error("the document cannot be written: {0}")]
    History(#[from] EncodeError),
}

impl DocumentFile {
    /// Locks the document of the text file `text` and opens it, to be edited in the name of `agent`;
    /// an empty one where there is none.
    ///
    /// # Errors
    /// [`DocumentFileError`]; the files are as they were.
    pub(crate) fn open(
        text: &Path,
        agent: &str,
    ) -> Result<(DocumentFile, Kept), DocumentFileError> {
        let lock = lock(&beside(text, "crdt-lock"))?;
        let (whole, journal_path) = (beside(text, "crdt"), beside(text, "crdt-journal"));
        let bytes = match fs::read(&whole) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(DocumentFileError::Read {
                    path: whole,
                    source,
                });
            }
        };
        let whole_len = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let opened = load(agent, bytes.as_deref());
        let mut document = opened.map_err(|reason| DocumentFileError::Damaged {
            path: whole.clone(),
            reason,
        })?;
        let (mut mirrored, mut torn, mut journal) = (Vec::new(), None, None);
        let found = Journal::read(&journal_path).map_err(|error| match error {
            JournalError::Io(source) => DocumentFileError::Read {
                path: journal_path.clone(),
                source,
            },
            JournalError::Damaged { offset } => DocumentFileError::JournalDamaged {
                path: journal_path.clone(),
                offset,
            },
        })?;
        if let Some(found) = found {
            if bytes.is_none() {
                return Err(DocumentFileError::JournalForeign {
                    path: journal_path,
                    whole,
                    reason: "the document is missing".to_owned(),
                });
            }
            for record in &found.records {
                mirrored = replay(&mut document, record).map_err(|reason| {
                    DocumentFileError::JournalForeign {
                        path: journal_path.clone(),
                        whole: whole.clone(),
                        reason,
                    }
                })?;
            }
            let write = |source| DocumentFileError::Write {
                path: journal_path.clone(),
                source,
            };
            if found.is_torn {
                let copy = beside(text, "crdt-journal-torn");
                fs::copy(&journal_path, &copy).map_err(write)?;
                torn = Some(copy);
            }
            journal = Some(Journal::open(&journal_path, &found).map_err(write)?);
        }
        for path in [&whole, &journal_path] {
            follow_mode(text, path);
        }
        let file = DocumentFile {
            text: text.to_owned(),
            whole,
            journal_path,
            journal,
            whole_len,
            kept: document.summary(),
            kept_events: document.event_count(),
            mirrored: mirrored.clone(),
            _lock: lock,
        };
        let kept = Kept {
            document,
            mirrored,
            torn,
        };
        Ok((file, kept))
    }

    /// Brings all events of the document to the disk, and the versions one of which the text file is
    /// given; they are there when this returns. Costs as much as what is new, and now and then as much
    /// as the whole.
    ///
    /// # Errors
    /// [`DocumentFileError::Write`] and [`DocumentFileError::History`]; what was on the disk still is,
    /// and the next call tries again.
    pub(crate) fn keep(
        &mut self,
        document: &Document,
        mirrored: &[Frontier],
    ) -> Result<(), DocumentFileError> {
        let events = document.event_count();
        if events == self.kept_events && mirrored == self.mirrored {
            return Ok(());
        }
        let Some(journal) = &mut self.journal else {
            return self.keep_whole(document, mirrored);
        };
        let record = encode(mirrored, &document.encode_since(&self.kept)?);
        if let Err(source) = journal.append(&record) {
            self.journal = None;
            return Err(DocumentFileError::Write {
                path: self.journal_path.clone(),
                source,
            });
        }
        let is_long = journal.len() > MIN_JOURNAL.max(self.whole_len);
        self.note(document, mirrored);
        if is_long {
            self.keep_whole(document, mirrored)?;
        }
        Ok(())
    }

    /// Writes the document as a whole, and begins a new journal.
    ///
    /// # Errors
    /// See [`DocumentFile::keep`].
    pub(crate) fn keep_whole(
        &mut self,
        document: &Document,
        mirrored: &[Frontier],
    ) -> Result<(), DocumentFileError> {
        let bytes = document
            .save(&SaveOptions::default())
            .map_err(EncodeError::CorruptHistory)?;
        let write = |path: &Path, source| DocumentFileError::Write {
            path: path.to_owned(),
            source,
        };
        // What is there already decides who may read it, and at first the text file.
        follow_mode(&self.text, &self.whole);
        let like = fs::metadata(&self.whole).or_else(|_| fs::metadata(&self.text));
        let like = like.ok();
        Draft::write(&self.whole, &bytes, like.as_ref())
            .and_then(Draft::replace)
            .map_err(|source| write(&self.whole, source))?;
        self.whole_len = bytes.len() as u64;
        // Until it is replaced, the old journal says again what the document holds, which does no harm.
        let first = Journal::with(&encode(mirrored, &[]));
        self.journal = first
            .and_then(|first| {
                Draft::write(&self.journal_path, &first, like.as_ref())?.replace()?;
                Journal::open_new(&self.journal_path, first.len() as u64).map(Some)
            })
            .map_err(|source| write(&self.journal_path, source))?;
        self.note(document, mirrored);
        Ok(())
    }

    fn note(&mut self, document: &Document, mirrored: &[Frontier]) {
        self.kept = document.summary();
        self.kept_events = document.event_count();
        self.mirrored = mirrored.to_vec();
    }
}

fn load(agent: &str, bytes: Option<&[u8]>) -> Result<Document, LoadError> {
    let Some(bytes) = bytes else {
        return Ok(Document::new(agent)?);
    };
    let document = Document::load(agent, bytes)?;
    document.check_history()?;
    Ok(document)
}

/// Takes permissions from a file that the text file does not give: users that may not read the text may not
/// read its history either.
fn follow_mode(text: &Path, path: &Path) {
    let mode = |path: &Path| fs::metadata(path).map(|file| file.mode() & 0o777);
    if let (Ok(text), Ok(mode)) = (mode(text), mode(path)) {
        // This process has to be able to write it, also where it may not write the text.
        let allowed = mode & (text | 0o700);
        if allowed != mode {
            // A file of somebody else keeps what its owner gave it.
            let _ = fs::set_permissions(path, Permissions::from_mode(allowed));
        }
    }
}

/// `notes.txt` and `crdt` make `notes.txt.crdt`.
fn beside(text: &Path, extension: &str) -> PathBuf {
    let mut name = text.file_name().map(OsStr::to_owned).unwrap_or_default();
    name.push(".");
    name.push(extension);
    text.with_file_name(name)
}

fn lock(path: &Path) -> Result<File, DocumentFileError> {
    let failed = |source| DocumentFileError::Lock {
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The name of the holder is a courtesy; without it the message says less.
            let _ = file.read_to_string(&mut holder);
            return Err(DocumentFileError::InUse {
                path: path.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // A full disk must not keep a program from starting that only reads.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "process {}", std::process::id()));
    Ok(file)
}

/// A record: the length of the versions' JSON (4 bytes, little-endian), one version a line, a patch.
fn encode(mirrored: &[Frontier], patch: &[u8]) -> Vec<u8> {
    let versions: Vec<String> = mirrored.iter().map(Frontier::to_json).collect();
    let versions = versions.join("\n");
    let len = u32::try_from(versions.len()).unwrap_or(u32::MAX);
    [&len.to_le_bytes()[..], versions.as_bytes(), patch].concat()
}

/// Makes the events of a record part of the document, and returns the record's versions.
fn replay(document: &mut Document, record: &[u8]) -> Result<Vec<Frontier>, String> {
    let malformed = || "a record is not of the known form".to_owned();
    let (len, rest) = record.split_first_chunk::<4>().ok_or_else(malformed)?;
    let (versions, patch) = rest
        .split_at_checked(u32::from_le_bytes(*len) as usize)
        .ok_or_else(malformed)?;
    if !patch.is_empty() {
        let report = document
            .merge_patch(patch)
            .map_err(|error: MergeError| error.to_string())?;
        if report.pending > 0 {
            return Err("it continues a newer document".to_owned());
        }
    }
    let versions = std::str::from_utf8(versions).map_err(|_| malformed())?;
    versions
        .lines()
        .map(|line| Frontier::from_json(line).map_err(|error| error.to_string()))
        .collect()
}

#[cfg(test)]
mod tests;
