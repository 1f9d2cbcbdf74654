//! The text file on the disk: what it holds, whether that has changed, and how it is replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::draft::Draft;

/// A file that was changed so recently may change again without its time of change showing it.
const COARSE: Duration = Duration::from_secs(2);

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds, as the file system says.
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file was changed so long ago that its next change will show.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        let modified = u64::try_from(self.modified.0).unwrap_or(0);
        now > modified.saturating_add(COARSE.as_secs())
    }
}

/// What was read, and the state of the file it was read from.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// Reads an open file from its beginning; `None` if it changed meanwhile.
pub(crate) fn read(file: &mut File) -> io::Result<Option<Content>> {
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    io::Seek::rewind(file)?;
    file.read_to_end(&mut bytes)?;
    let is_same = Stamp::of(&file.metadata()?) == stamp && bytes.len() as u64 == stamp.len;
    Ok(is_same.then_some(Content { bytes, stamp }))
}

/// The state of an open file.
pub(crate) fn stamp(file: &File) -> io::Result<Stamp> {
    Ok(Stamp::of(&file.metadata()?))
}

/// How many symbolic links a path may lead through, as Linux has it.
const MAX_LINKS: u32 = 40;

/// The path that the file at `path` has, or would have: without symbolic links.
fn resolve(path: &Path, links: u32) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let no_name = || io::Error::new(io::ErrorKind::InvalidFilename, "it has no file name");
    let name = path.file_name().ok_or_else(no_name)?;
    if !path
        .as_os_str()
        .as_encoded_bytes()
        .ends_with(name.as_encoded_bytes())
    {
        // `name/` and `name/.` are folders.
        return Err(no_name());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = fs::canonicalize(folder).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the folder {}: {error}", folder.display()),
        )
    })?;
    match fs::read_link(path) {
        // A link to a file that is not there yet.
        Ok(target) if links > 0 => resolve(&folder.join(target), links - 1),
        Ok(_) => Err(io::Error::other("too many symbolic links")),
        Err(_) => Ok(folder.join(name)),
    }
}

/// A text file by its name.
#[derive(Debug)]
pub(crate) struct TextFile {
    path: PathBuf,
    /// What the file system said of the file when it was there last.
    known: Option<Metadata>,
}

impl TextFile {
    /// The file at `path`, which need not be there yet; where that is a symbolic link, the file that it
    /// leads to.
    ///
    /// # Errors
    /// If the folder is not there, or what is there is no regular file.
    pub(crate) fn at(path: &Path) -> io::Result<TextFile> {
        let path = resolve(path, MAX_LINKS)?;
        let known = fs::metadata(&path).ok();
        if known.as_ref().is_some_and(|known| !known.is_file()) {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(TextFile { path, known })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the file; `None` where there is none.
    pub(crate) fn stamp(&mut self) -> io::Result<Option<Stamp>> {
        match fs::metadata(&self.path) {
            Ok(metadata) => {
                let stamp = Stamp::of(&metadata);
                self.known = Some(metadata);
                Ok(Some(stamp))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the file; `None` if it is not there, or changed meanwhile.
    pub(crate) fn read(&self) -> io::Result<Option<Content>> {
        // Opening a pipe would wait for a program at its other end.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        match options
            .read(true)
            .custom_flags(nonblocking)
            .open(&self.path)
        {
            Ok(file) if !file.metadata()?.is_file() => {
                Err(io::Error::other("it is not a regular file"))
            }
            Ok(mut file) => read(&mut file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a file with `text` in the place of the one that is there, and returns the state of the new
    /// one, and the old one; does nothing where that is not in the state `expected`. The new one is on
    /// the disk, with the permission bits of the old one.
    pub(crate) fn exchange(
        &mut self,
        text: &str,
        expected: Stamp,
    ) -> io::Result<Option<(Stamp, File)>> {
        let like = fs::metadata(&self.path)?;
        if !like.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let draft = Draft::write(&self.path, text.as_bytes(), Some(&like))?;
        if self.stamp()? != Some(expected) {
            return Ok(None);
        }
        let stamp = Stamp::of(draft.metadata());
        Ok(Some((stamp, draft.exchange()?)))
    }

    /// Makes the file and returns its state; `None` if there is one. Where there was one before, the new
    /// one has its permission bits.
    pub(crate) fn create(&self, text: &str) -> io::Result<Option<Stamp>> {
        let draft = Draft::write(&self.path, text.as_bytes(), self.known.as_ref())?;
        let stamp = Stamp::of(draft.metadata());
        match draft.create() {
            Ok(()) => Ok(Some(stamp)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts `bytes` into a new file beside this one, and returns its name.
    pub(crate) fn rescue(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let mut number = 1;
        loop {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".rescued-{number}"));
            let path = PathBuf::from(name);
            match Draft::write(&path, bytes, self.known.as_ref())?.create() {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}
