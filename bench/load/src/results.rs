//! What was measured, kept as one file for each part and server, so that parts may be run at
//! different times and one page be written of all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A folder of results.
pub(crate) struct Results {
    folder: PathBuf,
    taken: Taken,
}

/// When and of which commit a figure was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) date: String,
    pub(crate) commit: String,
}

/// A result, and when it was taken.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept<T> {
    pub(crate) taken: Taken,
    pub(crate) result: T,
}

impl Results {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            taken: Taken {
                date: first_line("date", &["-u", "+%F"]),
                commit: first_line("git", &["describe", "--always", "--dirty"]),
            },
        })
    }

    pub(crate) fn keep(&self, part: &str, server: &str, result: impl Serialize) -> io::Result<()> {
        let kept = Kept {
            taken: self.taken.clone(),
            result,
        };
        let text = serde_json::to_string_pretty(&kept)?;
        fs::write(self.file(part, server), text)
    }

    /// A result; `None` where that part was not measured.
    pub(crate) fn find<T: DeserializeOwned>(
        &self,
        part: &str,
        server: &str,
    ) -> io::Result<Option<Kept<T>>> {
        match fs::read(self.file(part, server)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file for a while.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    fn file(&self, part: &str, server: &str) -> PathBuf {
        self.folder.join(format!("{part}-{server}.json"))
    }
}

/// The first line that a program prints, or its name where it does not run.
pub(crate) fn first_line(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(
        |_| program.to_string_lossy().into_owned(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    text.lines().next().unwrap_or_default().to_owned()
}
