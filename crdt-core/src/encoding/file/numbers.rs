//! Columns of numbers, plain or modelled, behind one face: what is written where is said once.

use super::super::entropy::{NumberDecoder, NumberEncoder};
use super::super::reader::Reader;
use super::super::varint::push;
use super::sections::{Codec, SectionWriter, Sections, Type, unpack};
use crate::error::{DecodeError, LoadError};

/// Takes numbers. The context is what the number is expected to resemble: who reads gives the same.
pub(super) enum Sink {
    Plain(Vec<u8>),
    Modelled(NumberEncoder),
}

impl Sink {
    pub(super) fn new(modelled: bool, contexts: usize) -> Sink {
        if modelled {
            Sink::Modelled(NumberEncoder::new(contexts))
        } else {
            Sink::Plain(Vec::new())
        }
    }

    pub(super) fn push(&mut self, context: usize, n: u32) {
        match self {
            Sink::Plain(out) => push(out, n.into()),
            Sink::Modelled(coder) => coder.push(context, n),
        }
    }

    pub(super) fn push_signed(&mut self, context: usize, n: i64) {
        // The numbers are differences of two below 2^31.
        self.push(context, (n << 1 ^ n >> 63) as u32);
    }

    pub(super) fn finish(self, kind: Type, out: &mut SectionWriter) {
        match self {
            Sink::Plain(bytes) => out.bytes(kind, &bytes, true),
            Sink::Modelled(coder) => out.modelled(kind, &coder.finish()),
        }
    }
}

/// Gives numbers that a [`Sink`] took.
pub(super) trait Source {
    fn next(&mut self, context: usize) -> Result<u32, DecodeError>;
    fn error(&self, reason: &'static str) -> DecodeError;
    fn is_done(&self) -> bool;

    fn signed(&mut self, context: usize) -> Result<i64, DecodeError> {
        let n = self.next(context)?;
        Ok(i64::from(n >> 1) ^ -i64::from(n & 1))
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.is_done() {
            Ok(())
        } else {
            Err(self.error("a column is longer than it should be"))
        }
    }
}

pub(super) struct Plain<'a> {
    reader: Reader<'a>,
    /// Where errors are said to be, if not where they are in the reader.
    offset: Option<usize>,
}

impl Source for Plain<'_> {
    #[inline]
    fn next(&mut self, _: usize) -> Result<u32, DecodeError> {
        let n = self
            .reader
            .varint()
            .map_err(|error| match (error, self.offset) {
                (DecodeError::Bytes { reason, .. }, Some(offset)) => {
                    DecodeError::Bytes { offset, reason }
                }
                (error, _) => error,
            })?;
        u32::try_from(n).map_err(|_| self.error("a number is out of range"))
    }

    fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError::Bytes {
            offset: self.offset.unwrap_or(self.reader.offset()),
            reason,
        }
    }

    fn is_done(&self) -> bool {
        self.reader.left() == 0
    }
}

pub(super) struct Modelled<'a> {
    coder: NumberDecoder<'a>,
    start: usize,
}

impl Source for Modelled<'_> {
    #[inline]
    fn next(&mut self, context: usize) -> Result<u32, DecodeError> {
        match self.coder.next(context) {
            Some(n) => Ok(n),
            None => Err(self.error("packed numbers that are cut or out of range")),
        }
    }

    fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError::Bytes {
            offset: self.start + self.coder.at(),
            reason,
        }
    }

    fn is_done(&self) -> bool {
        self.coder.is_done()
    }
}

/// What is done with the numbers of a section, however they are packed.
pub(super) trait Consume {
    type Out;
    fn consume(self, numbers: &mut impl Source) -> Result<Self::Out, DecodeError>;
}

/// Reads a section of numbers, all of them. `most` is how many bytes they may have, unpacked.
pub(super) fn read<C: Consume>(
    sections: &Sections,
    bytes: &[u8],
    (kind, contexts, most): (Type, usize, usize),
    consume: C,
) -> Result<C::Out, LoadError> {
    fn all<C: Consume>(mut numbers: impl Source, consume: C) -> Result<C::Out, DecodeError> {
        let out = consume.consume(&mut numbers)?;
        numbers.end()?;
        Ok(out)
    }
    let (codec, mut reader) = sections.body(bytes, kind)?;
    let start = reader.offset();
    Ok(match codec {
        Codec::Raw => all(
            Plain {
                reader,
                offset: None,
            },
            consume,
        )?,
        Codec::Lz4 => {
            let unpacked = unpack(&mut reader, most)?;
            let reader = Reader::new(&unpacked);
            all(
                Plain {
                    reader,
                    offset: Some(start),
                },
                consume,
            )?
        }
        Codec::Model => {
            let coder = NumberDecoder::new(reader.rest(), contexts);
            all(Modelled { coder, start }, consume)?
        }
        Codec::LightModel => Err(reader.error("numbers are never packed like this"))?,
    })
}
