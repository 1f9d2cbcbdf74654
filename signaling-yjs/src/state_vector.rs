use std::collections::BTreeMap;

use crate::error::UpdateError;
use crate::reader::{Reader, put_number};

/// How far somebody is: for each client the first clock that is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateVector(BTreeMap<u64, u64>);

impl StateVector {
    /// Reads a state vector. Takes time and memory in proportion to the bytes.
    ///
    /// # Errors
    /// An [`UpdateError`] for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, UpdateError> {
        let mut reader = Reader(bytes);
        let mut clocks = BTreeMap::new();
        for _ in 0..reader.number()? {
            let (client, clock) = (reader.number()?, reader.number()?);
            clocks.insert(client, clock);
        }
        match reader.0.len() {
            0 => Ok(Self(clocks)),
            more => Err(UpdateError::TooLong(more)),
        }
    }

    /// The state vector as bytes, the highest client first as Yjs writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.0.len() as u64);
        for (client, clock) in self.0.iter().rev() {
            put_number(&mut out, *client);
            put_number(&mut out, *clock);
        }
        out
    }

    /// The first clock of a client that is missing.
    #[must_use]
    pub fn get(&self, client: u64) -> u64 {
        self.0.get(&client).copied().unwrap_or_default()
    }

    /// Notes that all clocks of a client before `clock` are there.
    pub fn set(&mut self, client: u64, clock: u64) {
        self.0.insert(client, clock);
    }
}
