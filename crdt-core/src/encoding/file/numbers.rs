//! Columns of numbers, plain or modelled, behind one face: what is written where is said once.

use super::super::entropy::{CodeDecoder, CodeEncoder, NumberDecoder, NumberEncoder};
use super::super::reader::Reader;
use super::super::varint::push;
use super::sections::{Codec, SectionWriter, Sections, Type, unpack};
use crate::error::{DecodeError, LoadError};

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Modelled,
    Coded,
}

/// Takes numbers. The context is what the number is expected to resemble: the reader gives the same.
pub(super) enum Sink {
    Plain(Vec<u8>),
    /// Plain too: where a history repeats itself, that is packed in fewer bytes.
    Modelled(Vec<u8>, NumberEncoder),
    Coded(Vec<u8>, CodeEncoder),
}

impl Sink {
    pub(super) fn new(form: Form, contexts: usize) -> Sink {
        match form {
            Form::Plain => Sink::Plain(Vec::new()),
            Form::Modelled => Sink::Modelled(Vec::new(), NumberEncoder::new(contexts)),
            Form::Coded => Sink::Coded(Vec::new(), CodeEncoder::new(contexts)),
        }
    }

    pub(super) fn push(&mut self, context: usize, n: u32) {
        match self {
            Sink::Plain(out) => push(out, n.into()),
            Sink::Modelled(out, coder) => {
                push(out, n.into());
                coder.push(context, n);
            }
            Sink::Coded(out, coder) => {
                push(out, n.into());
                coder.push(context, n);
            }
        }
    }

    pub(super) fn push_signed(&mut self, context: usize, n: i64) {
        self.push(context, zigzag(n));
    }

    pub(super) fn finish(self, kind: Type, out: &mut SectionWriter) {
        let (bytes, codec, packed) = match self {
            Sink::Plain(bytes) => return out.bytes(kind, &bytes, true),
            Sink::Modelled(bytes, coder) => (bytes, Codec::Model, coder.finish()),
            Sink::Coded(bytes, coder) => (bytes, Codec::Coded, coder.finish()),
        };
        if !out.shorter(kind, &bytes, packed.len()) {
            out.numbers(kind, codec, &packed);
        }
    }
}

/// Gives numbers that a [`Sink`] took, in the same contexts.
pub(super) enum Source<'a> {
    Plain {
        reader: Reader<'a>,
        /// Where errors are said to be, if not where they are in the reader.
        offset: Option<usize>,
    },
    Modelled {
        coder: NumberDecoder<'a>,
        start: usize,
    },
    Coded {
        coder: CodeDecoder<'a>,
        start: usize,
    },
}

/// A difference of two numbers below 2^31 without its sign.
pub(super) fn zigzag(n: i64) -> u32 {
    (n << 1 ^ n >> 63) as u32
}

impl Source<'_> {
    /// Whether prefix codes are read.
    pub(super) fn is_coded(&self) -> bool {
        matches!(self, Source::Coded { .. })
    }

    /// How many bytes are left, packed.
    pub(super) fn left(&self) -> usize {
        match self {
            Source::Plain { reader, .. } => reader.left(),
            Source::Modelled { coder, .. } => coder.left(),
            Source::Coded { coder, .. } => coder.left(),
        }
    }

    /// The next number. The context is only asked for where it is needed.
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
            Source::Coded { coder, .. } => coder.next(context),
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
            Source::Coded { coder, start } => start + coder.at(),
        };
        DecodeError::Bytes { offset, reason }
    }

    fn end(&self) -> Result<(), DecodeError> {
        let is_done = match self {
            Source::Plain { reader, .. } => reader.left() == 0,
            Source::Modelled { coder, .. } => coder.is_done(),
            Source::Coded { coder, .. } => coder.is_done(),
        };
        if is_done {
            Ok(())
        } else {
            Err(self.error("a column is longer than it should be"))
        }
    }
}

/// Reads a section of numbers: `take` has to take all of them. The contexts are those of models and of prefix
/// codes; `most` is how many bytes the numbers may have, unpacked.
pub(super) fn read<T>(
    sections: &Sections,
    bytes: &[u8],
    (kind, (contexts, coded), most): (Type, (usize, usize), usize),
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
        Codec::Coded => {
            let error = reader.error("no codes for the numbers");
            let coder = CodeDecoder::new(reader.rest(), coded).ok_or(error)?;
            Source::Coded { coder, start }
        }
        Codec::LightModel | Codec::ModelApart | Codec::LightModelApart => {
            return Err(reader.error("numbers are never packed like this").into());
        }
    };
    let out = take(&mut source)?;
    source.end()?;
    Ok(out)
}
