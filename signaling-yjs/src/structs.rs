//! One struct of an update: an item, something that was collected as garbage, or a gap.

use crate::MAX_NUMBER;
use crate::error::UpdateError;
use crate::reader::{Reader, put_number, utf16_after, utf16_len};

const GARBAGE: u8 = 0;
const DELETED: u8 = 1;
const JSON: u8 = 2;
const BINARY: u8 = 3;
const STRING: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
const ANY: u8 = 8;
const DOCUMENT: u8 = 9;
const SKIP: u8 = 10;

/// The bits of the first byte that say what the struct is.
const KIND: u8 = 0x1F;
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_PARENT_SUB: u8 = 0x20;

/// XML elements and hooks have names; the types after XML texts are unknown.
const XML_ELEMENT: u64 = 3;
const XML_HOOK: u64 = 5;
const LAST_TYPE: u64 = 6;

/// A client and a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) client: u64,
    pub(crate) clock: u64,
}

/// A struct as it stands in an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Struct<'a> {
    pub(crate) clock: u64,
    /// How many clocks it takes.
    pub(crate) len: u64,
    pub(crate) body: Body<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Nothing is known of these clocks.
    Gap,
    Garbage,
    Item(Item<'a>),
}

/// An item, of which only what a merge needs was read apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    info: u8,
    pub(crate) origin: Option<Id>,
    pub(crate) right_origin: Option<Id>,
    /// Everything before the content.
    pub(crate) head: &'a [u8],
    content: &'a [u8],
    /// The content, where it is text.
    pub(crate) text: Option<&'a str>,
}

impl<'a> Struct<'a> {
    pub(crate) fn end(&self) -> u64 {
        self.clock + self.len
    }

    /// Reads the struct of a client that begins at a clock.
    pub(crate) fn read(reader: &mut Reader<'a>, clock: u64) -> Result<Self, UpdateError> {
        let start = reader.0;
        let info = reader.byte()?;
        let (len, body) = match info & KIND {
            GARBAGE => (reader.number()?, Body::Garbage),
            SKIP => (reader.number()?, Body::Gap),
            kind => {
                let origin = (info & HAS_ORIGIN != 0).then(|| id(reader)).transpose()?;
                let right_origin = (info & HAS_RIGHT_ORIGIN != 0)
                    .then(|| id(reader))
                    .transpose()?;
                if origin.is_none() && right_origin.is_none() {
                    parent(reader, info)?;
                }
                let content = reader.0;
                let (len, text) = read_content(reader, kind)?;
                let item = Item {
                    info,
                    origin,
                    right_origin,
                    head: before(start, content),
                    content: before(content, reader.0),
                    text,
                };
                (len, Body::Item(item))
            }
        };
        if clock.checked_add(len).is_none_or(|end| end > MAX_NUMBER) {
            return Err(UpdateError::NumberTooLarge);
        }
        Ok(Self { clock, len, body })
    }

    /// Writes the struct of `client`, but for its first `skip` clocks. A gap has none to write.
    pub(crate) fn write(&self, client: u64, skip: u64, out: &mut Vec<u8>) {
        match &self.body {
            Body::Gap => put_gap(out, self.len - skip),
            Body::Garbage => {
                out.push(GARBAGE);
                put_number(out, self.len - skip);
            }
            Body::Item(item) if skip == 0 => {
                out.extend_from_slice(item.head);
                out.extend_from_slice(item.content);
            }
            Body::Item(item) => {
                item.write_head_after(client, self.clock + skip, out);
                item.write_content_after(self.len, skip, out);
            }
        }
    }
}

impl Item<'_> {
    /// Writes what stands before the content for the part of the item that begins at `clock`, which is not
    /// its first: it was inserted behind the clock before.
    pub(crate) fn write_head_after(&self, client: u64, clock: u64, out: &mut Vec<u8>) {
        out.push(self.info | HAS_ORIGIN);
        put_number(out, client);
        put_number(out, clock - 1);
        if let Some(right) = self.right_origin {
            put_number(out, right.client);
            put_number(out, right.clock);
        }
    }

    fn write_content_after(&self, len: u64, skip: u64, out: &mut Vec<u8>) {
        let left = len - skip;
        match self.info & KIND {
            DELETED => put_number(out, left),
            STRING => {
                let (half, rest) = utf16_after(self.text.unwrap_or_default(), skip);
                put_text(out, half, &[rest]);
            }
            kind => {
                // Contents of other kinds that have parts are a number and so many values.
                let mut reader = Reader(self.content);
                let counted = reader.number();
                let skipped = counted.and_then(|_| {
                    (0..skip).try_for_each(|_| match kind {
                        JSON => reader.text().map(drop),
                        _ => reader.value(),
                    })
                });
                debug_assert!(skipped.is_ok(), "the content was read before");
                put_number(out, left);
                out.extend_from_slice(reader.0);
            }
        }
    }
}

/// Writes that nothing is known of `len` clocks.
pub(crate) fn put_gap(out: &mut Vec<u8>, len: u64) {
    out.push(SKIP);
    put_number(out, len);
}

/// Writes a text in parts, with a replacement character before them where `half`.
pub(crate) fn put_text(out: &mut Vec<u8>, half: bool, parts: &[&str]) {
    let replacement = if half { "\u{FFFD}" } else { "" };
    let len: usize = parts.iter().map(|part| part.len()).sum();
    put_number(out, (replacement.len() + len) as u64);
    out.extend_from_slice(replacement.as_bytes());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn id(reader: &mut Reader<'_>) -> Result<Id, UpdateError> {
    let (client, clock) = (reader.number()?, reader.number()?);
    Ok(Id { client, clock })
}

/// Reads over the parent of an item that has no neighbour to take it from.
fn parent(reader: &mut Reader<'_>, info: u8) -> Result<(), UpdateError> {
    if reader.number()? == 1 {
        reader.text()?;
    } else {
        id(reader)?;
    }
    if info & HAS_PARENT_SUB != 0 {
        reader.text()?;
    }
    Ok(())
}

/// Reads over a content: how many clocks it takes, and its text if it is one.
fn read_content<'a>(
    reader: &mut Reader<'a>,
    kind: u8,
) -> Result<(u64, Option<&'a str>), UpdateError> {
    match kind {
        DELETED => return Ok((reader.number()?, None)),
        STRING => {
            let text = reader.text()?;
            return Ok((utf16_len(text), Some(text)));
        }
        JSON => {
            let count = reader.number()?;
            for _ in 0..count {
                let mut value = *reader;
                if value.text()? == "undefined" {
                    *reader = value;
                } else {
                    reader.json()?;
                }
            }
            return Ok((count, None));
        }
        ANY => {
            let count = reader.number()?;
            for _ in 0..count {
                reader.value()?;
            }
            return Ok((count, None));
        }
        BINARY => drop(reader.bytes()?),
        EMBED => drop(reader.json()?),
        FORMAT => {
            reader.text()?;
            reader.json()?;
        }
        TYPE => match reader.number()? {
            XML_ELEMENT | XML_HOOK => drop(reader.text()?),
            kind if kind > LAST_TYPE => return Err(UpdateError::UnknownType(kind)),
            _ => {}
        },
        DOCUMENT => {
            reader.text()?;
            reader.value()?;
        }
        other => return Err(UpdateError::UnknownContent(other)),
    }
    Ok((1, None))
}

/// The bytes from `start` to where `rest`, a later part of the same bytes, begins.
fn before<'a>(start: &'a [u8], rest: &[u8]) -> &'a [u8] {
    start.get(..start.len() - rest.len()).unwrap_or_default()
}
