//! A new file, written beside the one that it is to replace.
//!
//! A reader of the target sees the old content or the new one, never a part, and after a crash one of
//! the two is there.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// A complete file on the disk, under a name of its own. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    target: PathBuf,
    metadata: Metadata,
    placed: bool,
}

impl Draft {
    /// Writes `bytes` to the disk. The file gets the permission bits of `like`, and its owner where
    /// the process may give files away.
    pub(crate) fn write(target: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<Draft> {
        let path = path_for(target);
        // Left behind by a process that was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if like.is_some() {
            options.mode(0o600);
        }
        let mut file = options.open(&path)?;
        // From here on, dropping the draft removes the file.
        let mut draft = Draft {
            metadata: file.metadata()?,
            path,
            target: target.to_owned(),
            placed: false,
        };
        file.write_all(bytes)?;
        if let Some(like) = like {
            // Only root may give a file to somebody else; others keep it as their own.
            let _ = std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()));
            file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        }
        file.sync_all()?;
        draft.metadata = file.metadata()?;
        Ok(draft)
    }

    /// What the file system says of the file, which stays so when it comes into place.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Replaces the target, or becomes it where there is none.
    pub(crate) fn replace(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.placed = true;
        sync_folder(&self.target)
    }

    /// Becomes the target, unless there is one: then the error is `AlreadyExists`.
    pub(crate) fn create(mut self) -> io::Result<()> {
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // A file system without this kind of rename can still link.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&self.path, &self.target)?;
                fs::remove_file(&self.path)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.placed = true;
        sync_folder(&self.target)
    }

    /// Replaces the target, which has to be there, and returns the file that was there at the very
    /// moment: whatever another program put there last is not lost. That file has no name any more.
    ///
    /// On a file system that cannot exchange two files, it is the one that was there just before.
    pub(crate) fn exchange(mut self) -> io::Result<File> {
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => {
                let before = File::open(&self.target)?;
                self.replace()?;
                return Ok(before);
            }
            Err(error) => return Err(error.into()),
        }
        // The name of the draft is now that of the file before.
        let before = File::open(&self.path);
        sync_folder(&self.target)?;
        let before = before?;
        fs::remove_file(&self.path)?;
        self.placed = true;
        Ok(before)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed is removed by the next draft.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The name of the draft for a target.
fn path_for(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".crdt-new");
    target.with_file_name(name)
}

/// Makes the names in the folder of a file durable.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_replaces_its_target_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("notes");
        Draft::write(&target, b"one", None)
            .unwrap()
            .create()
            .unwrap();
        fs::write(path_for(&target), "left behind").unwrap();
        Draft::write(&target, b"two", None)
            .unwrap()
            .replace()
            .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        drop(Draft::write(&target, b"three", None).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["notes"]);
    }

    #[test]
    fn an_exchange_returns_what_was_there_at_that_moment() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("notes");
        fs::write(&target, "before").unwrap();
        let draft = Draft::write(&target, b"after", None).unwrap();
        fs::write(folder.path().join("other"), "an editor saved").unwrap();
        fs::rename(folder.path().join("other"), &target).unwrap();
        let mut before = draft.exchange().unwrap();
        let mut text = String::new();
        before.read_to_string(&mut text).unwrap();
        assert_eq!(text, "an editor saved");
        assert_eq!(fs::read(&target).unwrap(), b"after");
        assert_eq!(names(folder.path()), ["notes"]);
    }

    #[test]
    fn create_leaves_a_file_that_is_there_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("notes");
        let draft = Draft::write(&target, b"ours", None).unwrap();
        fs::write(&target, "theirs").unwrap();
        let error = draft.create().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["notes"]);
    }

    #[test]
    fn permission_bits_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("notes");
        fs::write(&target, "x").unwrap();
        for mode in [0o640, 0o604, 0o755] {
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
            let like = fs::metadata(&target).unwrap();
            let draft = Draft::write(&target, b"y", Some(&like)).unwrap();
            draft.exchange().unwrap();
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, mode);
        }
    }
}
