//! Values that stand in files of their own, which may be read again.

/// Something that a file holds alone.
pub trait InFile: Sized {
    /// Reads a file.
    ///
    /// # Errors
    /// In words, when the file cannot be read, or holds something else.
    fn read(path: &str) -> Result<Self, String>;
}

/// What a file held when it was read last, and the file's path.
#[derive(Debug, Clone)]
pub struct FromFile<T> {
    path: String,
    value: T,
}

impl<T: InFile> FromFile<T> {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`InFile::read`].
    pub fn read(path: &str) -> Result<Self, String> {
        Ok(Self {
            path: path.to_owned(),
            value: T::read(path)?,
        })
    }

    /// What the file holds now.
    ///
    /// # Errors
    /// As [`InFile::read`]; the error begins with the path.
    pub fn read_again(&self) -> Result<Self, String> {
        Self::read(&self.path).map_err(|error| format!("{}: {error}", self.path))
    }
}

impl<T> FromFile<T> {
    /// What the file held when it was read last.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }
}
