//! Memory that decoding reuses for the next patch: most patches are a keystroke, and allocating
//! would take longer than reading it.

use std::sync::Arc;

use super::patch;
use super::patch_names::{Names, Places};
use super::reader::Reader;
use crate::error::DecodeError;
use crate::merge::Batch;

/// The approximate limit of the kept memory, in bytes.
const KEPT: usize = 1 << 14;

/// Decodes patches, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    batch: Batch,
    /// The names of the previous patch, most of which occur again.
    names: Vec<Arc<str>>,
    places: Places,
}

/// A clone starts empty: the content is only a cache.
impl Clone for Decoder {
    fn clone(&self) -> Self {
        Decoder::default()
    }
}

impl Decoder {
    /// Reads a self-contained patch, with a decoder that is not used again.
    pub(crate) fn decode_whole(mut self, bytes: &[u8]) -> Result<Batch, DecodeError> {
        self.decode(bytes, None)?;
        Ok(self.batch)
    }

    /// Reads a patch, self-contained or without the names `known`. O(patch), independent of the
    /// number of known names.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        known: Option<&[&str]>,
    ) -> Result<&Batch, DecodeError> {
        std::mem::swap(&mut self.names, &mut self.batch.names);
        self.batch.clear();
        self.places.clear();
        let known_names = known.unwrap_or_default();
        let names = Names::new(known_names, &mut self.places, &self.names);
        let reader = Reader::new(bytes);
        match known {
            None => patch::decode(reader, names, &mut self.batch)?,
            Some(_) => patch::decode_pieces(reader, names, &mut self.batch)?,
        }
        Ok(&self.batch)
    }

    /// Frees the kept memory if it is large.
    pub(crate) fn shrink(&mut self) {
        let names = (self.names.len() + self.batch.names.len()) * 64;
        if names + self.batch.room() + self.places.room() > KEPT {
            *self = Decoder::default();
        }
    }
}
