//! Secrets in the configuration, which do not show up in logs.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::from_file::InFile;

/// A secret shared with another program. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret as it is.
    ///
    /// # Errors
    /// When it is too short to resist guessing.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() < SHORTEST {
            return Err(format!("a secret needs {SHORTEST} bytes at least"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether some text is the secret. The time that this takes depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl InFile for Secret {
    /// Reads a secret, without the line's end.
    fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::parse(text.trim_end_matches(['\r', '\n']))
    }
}

/// The address of a Redis server, which may hold a password. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct BusUrl(String);

impl BusUrl {
    /// Takes an address as it is.
    ///
    /// # Errors
    /// When it is no address of a Redis server. The error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match redis::parse_redis_url(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => {
                Err("such an address is like redis://127.0.0.1:6379 or rediss://host:6380".into())
            }
        }
    }

    /// The address itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusUrl(…)")
    }
}

/// The output of SHA-256 is as long; RFC 7518 asks for no less.
const SHORTEST: usize = 32;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
