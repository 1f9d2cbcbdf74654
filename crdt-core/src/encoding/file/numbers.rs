//! Columns of numbers, plain or modelled, with one interface, so that the order of the columns is
//! defined once.

use super::super::entropy::{NumberDecoder, NumberEncoder};
use super::super::reader::Reader;
use super::super::varint::push;
use super::sections::{Codec, SectionWriter, Sections, Type, unpack};
use crate::error::{DecodeError, LoadError};

/// Writes numbers. The context groups similar numbers: the reader passes the same one.
pub(super) enum Sink {
    Plain(Vec<u8>),
    /// The plain form, too: if a history repeats itself, that packs into fewer bytes.
    Modelled(Vec<u8>, NumberEncoder),
}

impl Sink {
    pub(super) fn new(modelled: bool, contexts: usize) -> Sink {
        if modelled {
            Sink::Modelled(Vec::new(), NumberEncoder::new(contexts))
        } else {
            Sink::Plain(Vec::new())
        }
    }

    pub(super) fn push(&mut self, context: usize, n: u32) {
        match self {
            Sink::Plain(out) => push(out, n.into()),
            Sink::Modelled(out, coder) => {
                push(out, n.into());
                coder.push(context, n);
            }
        }
    }

    pub(super) fn push_signed(&mut self, context: usize, n: i64) {
        // The numbers are differences of two below 2^31.
        self.push(context, (n << 1 ^ n >> 63) as u32);
    }

    pub(super) fn finish(self, kind: Type, out: &mut SectionWriter) {
        match self {
            Sink::Plain(bytes) => out.bytes(kind, &bytes, true),
            Sink::Modelled(bytes, coder) => {
                let packed = coder.finish();
                if !out.shorter(kind, &bytes, packed.len()) {
                    out.modelled(kind, &packed);
                }
            }
        }
    }
}

/// Reads numbers that a [`Sink`] wrote, in the same contexts.
pub(super) enum Source<'a> {
    Plain {
        reader: Reader<'a>,
        /// The offset of errors, if it is not that of the reader.
        offset: Option<usize>,
    },
    Modelled {
        coder: NumberDecoder<'a>,
        start: usize,
    },
}

impl Source<'_> {
    /// The number of bytes that are left, packed.
    pub(super) fn left(&self) -> usize {
        match self {
            Source::Plain { reader, .. } => reader.left(),
            Source::Modelled { coder, .. } => coder.left(),
        }
    }

    /// The next number. The context is only computed if it is needed.
    #[inline]
    pub(super) fn next(&mut self, context: impl FnOnce() -> usize) -> Result<u32, DecodeError> {
        if let Source::Plain { reader, .. } = self
            && let Some(n) = reader.short()
        {
            return Ok(n.into());
        }
        self.next_long(context())
    }

    #[inline(never)]
    fn next_long(&mut self, context: usize) -> Result<u32, DecodeError> {
        let n = match self {
            Source::Plain { reader, .. } => reader.varint().ok().and_then(|n| n.try_into().ok()),
            Source::Modelled { coder, .. } => coder.next(context),
        };
        match n {
            Some(n) => Ok(n),
            None => Err(self.error("a column that is cut, or a number out of range")),
        }
    }

    #[inline]
    pub(super) fn signed(&mut self, context: impl FnOnce() -> usize) -> Result<i64, DecodeError> {
        let n = self.next(context)?;
        Ok(i64::from(n >> 1) ^ -i64::from(n & 1))
    }

    pub(super) fn error(&self, reason: &'static str) -> DecodeError {
        let offset = match self {
            Source::Plain { reader, offset } => offset.unwrap_or(reader.offset()),
            Source::Modelled { coder, start } => start + coder.at(),
        };
        DecodeError::Bytes { offset, reason }
    }

    fn end(&self) -> Result<(), DecodeError> {
        let is_done = match self {
            Source::Plain { reader, .. } => reader.left() == 0,
            Source::Modelled { coder, .. } => coder.is_done(),
        };
        if is_done {
            Ok(())
        } else {
            Err(self.error("a column is longer than it should be"))
        }
    }
}

/// Reads a section of numbers: `take` has to read all of them. `most` limits their unpacked length
/// in bytes.
pub(super) fn read<T>(
    sections: &Sections,
    bytes: &[u8],
    (kind, contexts, most): (Type, usize, usize),
    take: impl FnOnce(&mut Source<'_>) -> Result<T, DecodeError>,
) -> Result<T, LoadError> {
    let (codec, mut reader) = sections.body(bytes, kind)?;
    let start = reader.offset();
    let unpacked;
    let mut source = match codec {
        Codec::Raw => Source::Plain {
            reader,
            offset: None,
        },
        Codec::Lz4 => {
            unpacked = unpack(&mut reader, most)?;
            Source::Plain {
                reader: Reader::new(&unpacked),
                offset: Some(start),
            }
        }
        Codec::Model => Source::Modelled {
            coder: NumberDecoder::new(reader.rest(), contexts),
            start,
        },
        Codec::LightModel | Codec::ModelApart | Codec::LightModelApart => {
            return Err(reader.error("numbers are never packed like this").into());
        }
    };
    let out = take(&mut source)?;
    source.end()?;
    Ok(out)
}
