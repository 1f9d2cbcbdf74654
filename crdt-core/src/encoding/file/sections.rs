//! The outermost form of a file: a magic number, a version, and sections.

use std::ops::Range;

use xxhash_rust::xxh64::xxh64;

use super::super::entropy::{Apart, take_apart};
use super::super::reader::Reader;
use super::super::varint::push;
use crate::error::{DecodeError, LoadError};

const MAGIC: &[u8; 4] = b"CRDT";
/// The version that is written. It introduced ends and later events.
const VERSION: u8 = 2;
const FIRST: u8 = 1;
/// The kinds of files: a document with its whole history, and one whose history begins later.
const WHOLE: u8 = 1;
const SHALLOW: u8 = 2;
/// Added to the kind if the file has later events.
const GROWN: u8 = 4;
const CHECKSUM: usize = 4;

/// Readers may skip unknown types from here on.
const OPTIONAL: u8 = 0x80;

/// The sections of a document, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Head = 1,
    Text = 2,
    Graph = 3,
    Ops = 4,
    Inserted = 5,
    Deleted = 6,
    Base = 7,
    Later = 8,
    Times = 0x81,
}

impl Type {
    fn of(kind: u8) -> Option<Type> {
        let all = [
            Type::Head,
            Type::Text,
            Type::Graph,
            Type::Ops,
            Type::Inserted,
            Type::Deleted,
            Type::Base,
            Type::Later,
            Type::Times,
        ];
        all.into_iter().find(|&known| known as u8 == kind)
    }

    /// Its index among all known types.
    fn place(self) -> usize {
        match self {
            Type::Times => TYPES - 1,
            other => other as usize - 1,
        }
    }
}

const TYPES: usize = 9;

/// How the body of a section is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Raw = 0,
    Lz4 = 1,
    Model = 2,
    /// The same, with fewer contexts. Only for text.
    LightModel = 3,
    /// Copies of earlier bytes, and the bytes between them as in [`Codec::Model`]. Only for text.
    ModelApart = 4,
    /// The same, with these bytes as in [`Codec::LightModel`].
    LightModelApart = 5,
}

/// The maximum expansion of an LZ4 block, approximately.
const LZ4_RATIO: usize = 255;

/// With copies, the most unpacked bytes for each byte of a section.
const APART_RATIO: usize = 4096;

/// Whether a section of `packed` bytes with copies may have a text of `len` bytes.
pub(super) fn may_make(packed: usize, len: usize) -> bool {
    len <= packed.saturating_mul(APART_RATIO)
}

pub(super) struct SectionWriter {
    out: Vec<u8>,
}

impl SectionWriter {
    pub(super) fn new(shallow: bool) -> SectionWriter {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[VERSION, if shallow { SHALLOW } else { WHOLE }]);
        SectionWriter { out }
    }

    fn section(&mut self, kind: Type, codec: Codec, body: &[&[u8]]) {
        push_section(&mut self.out, kind, codec, body);
    }

    /// Writes bytes, packed with LZ4 if `pack` and if that makes them shorter.
    pub(super) fn bytes(&mut self, kind: Type, bytes: &[u8], pack: bool) {
        if pack {
            let packed = lz4_flex::block::compress(bytes);
            let len = len_bytes(bytes.len());
            if len.len() + packed.len() < bytes.len() {
                self.section(kind, Codec::Lz4, &[&len, &packed]);
                return;
            }
        }
        self.section(kind, Codec::Raw, &[bytes]);
    }

    /// Writes bytes packed with LZ4 if that takes less than `len` bytes; returns whether it does.
    pub(super) fn shorter(&mut self, kind: Type, bytes: &[u8], len: usize) -> bool {
        let packed = lz4_flex::block::compress(bytes);
        let claimed = len_bytes(bytes.len());
        let is_shorter = claimed.len() + packed.len() < len;
        if is_shorter {
            self.section(kind, Codec::Lz4, &[&claimed, &packed]);
        }
        is_shorter
    }

    /// Writes a text, packed with `encode` unless LZ4 is shorter; says whether `encode` packed it.
    /// The codecs are those of the output of `encode` for all bytes, and for the bytes between
    /// copies.
    pub(super) fn text(
        &mut self,
        kind: Type,
        (whole, apart): (Codec, Codec),
        text: &str,
        encode: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> bool {
        let bytes = text.as_bytes();
        let mut body = len_bytes(bytes.len());
        let codec = match take_apart(bytes) {
            None => {
                body.extend_from_slice(&encode(bytes));
                whole
            }
            Some(Apart {
                count,
                copies,
                rest,
            }) => {
                push(&mut body, count.into());
                push(&mut body, copies.len() as u64);
                push(&mut body, rest.len() as u64);
                body.extend_from_slice(&copies);
                body.extend_from_slice(&encode(&rest));
                apart
            }
        };
        if codec == apart && !may_make(body.len(), bytes.len()) {
            self.bytes(kind, bytes, true);
            return false;
        }
        let is_packed = !self.shorter(kind, bytes, body.len());
        if is_packed {
            self.section(kind, codec, &[&body]);
        }
        is_packed
    }

    /// Writes numbers that a model has packed.
    pub(super) fn modelled(&mut self, kind: Type, packed: &[u8]) {
        self.section(kind, Codec::Model, &[packed]);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }
}

fn push_section(out: &mut Vec<u8>, kind: Type, codec: Codec, body: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(&[kind as u8, codec as u8]);
    let len: usize = body.iter().map(|part| part.len()).sum();
    push(out, len as u64);
    body.iter().for_each(|part| out.extend_from_slice(part));
    let sum = checksum(&out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

fn len_bytes(len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, len as u64);
    out
}

fn checksum(bytes: &[u8]) -> u32 {
    xxh64(bytes, 0) as u32
}

/// The positions of the sections of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Sections {
    bodies: [Option<(u8, Range<usize>)>; TYPES],
    /// Whether the head has the field `ends`.
    pub(super) has_ends: bool,
    /// The section of later events, or the place where it would be.
    later: Range<usize>,
    end: usize,
}

impl Sections {
    /// Finds the sections and checks their checksums.
    pub(super) fn parse(bytes: &[u8]) -> Result<Sections, LoadError> {
        let mut reader = Reader::new(bytes);
        let not_ours = reader.error("not a document file");
        if reader.take(MAGIC.len()).map_err(|_| not_ours.clone())? != MAGIC {
            return Err(not_ours.into());
        }
        let version = reader.byte()?;
        if !(FIRST..=VERSION).contains(&version) {
            return Err(LoadError::Decode(DecodeError::Version {
                found: version.into(),
                known: VERSION.into(),
            }));
        }
        let error = reader.error("a kind of file that is not known here");
        let form = reader.byte()?;
        let is_grown = version > FIRST && form & GROWN != 0;
        let form = if is_grown { form - GROWN } else { form };
        if form != WHOLE && form != SHALLOW {
            return Err(error.into());
        }
        let mut sections = Sections {
            has_ends: version > FIRST,
            later: bytes.len()..bytes.len(),
            end: bytes.len(),
            ..Sections::default()
        };
        let mut last = 0;
        while reader.left() > 0 {
            let start = reader.offset();
            let disorder = reader.error("a section that comes twice or in the wrong order");
            let unknown = reader.error("a section that is not known here");
            let (kind, codec) = (reader.byte()?, reader.byte()?);
            if kind <= last {
                return Err(disorder.into());
            }
            last = kind;
            let len = reader.count(1)?;
            let body = reader.offset();
            reader.take(len)?;
            let end = reader.offset();
            let sum = reader.take(CHECKSUM)?;
            if sum != checksum(&bytes[start..end]).to_le_bytes() {
                return Err(LoadError::Checksum { offset: start });
            }
            if kind >= Type::Later as u8 && start < sections.later.start {
                let end = if kind == Type::Later as u8 {
                    end + CHECKSUM
                } else {
                    start
                };
                sections.later = start..end;
            }
            match Type::of(kind) {
                Some(kind) => sections.bodies[kind.place()] = Some((codec, body..end)),
                None if kind >= OPTIONAL => {}
                None => return Err(unknown.into()),
            }
        }
        if sections.has(Type::Inserted) == sections.has(Type::Deleted)
            || (sections.has(Type::Deleted) && !sections.has(Type::Text))
        {
            return Err(reader
                .error("the inserted text is missing, or there twice")
                .into());
        }
        if sections.has(Type::Later) != is_grown {
            return Err(reader
                .error("later events are missing, or do not belong here")
                .into());
        }
        if sections.has(Type::Base) != (form == SHALLOW) {
            return Err(reader
                .error("where the history begins is missing, or does not belong here")
                .into());
        }
        Ok(sections)
    }

    pub(super) fn has(&self, kind: Type) -> bool {
        self.bodies[kind.place()].is_some()
    }

    /// The file `bytes` with these events after its own, replacing its present later events.
    pub(super) fn with_later(&self, bytes: &[u8], events: &[u8]) -> Vec<u8> {
        let (before, behind) = (&bytes[..self.later.start], &bytes[self.later.end..]);
        let mut out = Vec::with_capacity(before.len() + events.len() + 16 + behind.len());
        out.extend_from_slice(before);
        let kind = &mut out[MAGIC.len() + 1];
        *kind &= !GROWN;
        if !events.is_empty() {
            *kind |= GROWN;
            push_section(&mut out, Type::Later, Codec::Raw, &[events]);
        }
        out.extend_from_slice(behind);
        out
    }

    /// The codec of a section, and a reader of its body.
    pub(super) fn body<'a>(
        &self,
        bytes: &'a [u8],
        kind: Type,
    ) -> Result<(Codec, Reader<'a>), DecodeError> {
        let Some((codec, body)) = &self.bodies[kind.place()] else {
            return Err(DecodeError::Bytes {
                offset: self.end,
                reason: "a section is missing",
            });
        };
        let reader = Reader::within(bytes, body.clone());
        let codec = match codec {
            0 => Codec::Raw,
            1 => Codec::Lz4,
            2 => Codec::Model,
            3 => Codec::LightModel,
            4 => Codec::ModelApart,
            5 => Codec::LightModelApart,
            _ => return Err(reader.error("a way of packing that is not known here")),
        };
        Ok((codec, reader))
    }

    /// A reader of a section that is never packed.
    pub(super) fn reader<'a>(
        &self,
        bytes: &'a [u8],
        kind: Type,
    ) -> Result<Reader<'a>, DecodeError> {
        match self.body(bytes, kind)? {
            (Codec::Raw, reader) => Ok(reader),
            (_, reader) => Err(reader.error("this section is never packed")),
        }
    }
}

/// The claimed length of packed data after unpacking.
pub(super) fn claimed_len(reader: &mut Reader<'_>, limit: usize) -> Result<usize, LoadError> {
    let claimed = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
    if claimed > limit {
        return Err(LoadError::TooLarge {
            what: "an unpacked section, in bytes",
            claimed,
            limit,
        });
    }
    Ok(claimed)
}

/// Unpacks the LZ4 block that follows.
pub(super) fn unpack(reader: &mut Reader<'_>, limit: usize) -> Result<Vec<u8>, LoadError> {
    let error = reader.error("not an LZ4 block of the length it claims");
    let len = claimed_len(reader, limit)?;
    let packed = reader.rest();
    if len > packed.len().saturating_mul(LZ4_RATIO) {
        return Err(error.into());
    }
    match lz4_flex::block::decompress(packed, len) {
        Ok(bytes) if bytes.len() == len => Ok(bytes),
        _ => Err(error.into()),
    }
}
