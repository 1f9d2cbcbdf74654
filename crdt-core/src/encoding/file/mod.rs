//! A whole document as bytes: sections, each with its checksum, of which a reader opens only those
//! it needs. docs/file-format.md is the normative description.

mod base;
mod columns;
mod ends;
mod head;
mod numbers;
mod options;
mod sections;
mod timestamps;

pub(crate) use ends::{End, MOST_ENDS};
pub(crate) use head::Head;
pub use options::{LoadLimits, Preset, SaveOptions};

use super::entropy::{FullModel, LightModel, put_together};
use super::varint::push;
use crate::error::{DecodeError, LoadError};
use crate::history::History;
use ends::push_ends;
use head::{push_ranges, read_head};
use sections::{Codec, SectionWriter, Sections, Type};

/// The inserted text of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Inserted<'a> {
    /// All of it, in the order of the events.
    All(&'a str),
    /// Only what is not part of the text, in the order of the events.
    Deleted(&'a str),
}

/// The content of a file besides the history.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// The length of the text, in chars.
    pub(crate) chars: u32,
    /// The text, unless it is left out.
    pub(crate) text: Option<&'a str>,
    pub(crate) inserted: Inserted<'a>,
    /// The states after the agents' last events, in the order of the agents that have events; empty
    /// if they are left out.
    pub(crate) ends: &'a [End],
}

/// Writes a document.
pub(crate) fn write(history: &History, contents: &Contents<'_>, preset: Preset) -> Vec<u8> {
    let Contents {
        chars,
        text,
        inserted,
        ends,
    } = contents;
    let (ids, agents) = columns::agents(history);
    let counts = columns::count(history);
    let mut head = Vec::new();
    let inserted_len = history.ops.text_len() as u64;
    for n in [
        u64::from(history.len() - history.graph.start()),
        u64::from(*chars),
        inserted_len,
        u64::from(counts.pieces),
        u64::from(counts.parents),
        u64::from(counts.rows),
    ] {
        push(&mut head, n);
    }
    let graph = &history.graph;
    let frontier = graph.ids(graph.frontier());
    push(&mut head, frontier.len() as u64);
    for (agent, seq) in frontier {
        push(&mut head, u64::from(ids[agent as usize]));
        push(&mut head, u64::from(seq));
    }
    push(&mut head, agents.len() as u64);
    for &agent in &agents {
        let name = graph.agents.name(agent);
        push(&mut head, name.len() as u64);
        head.extend_from_slice(name.as_bytes());
        push_ranges(&mut head, graph.agents.held(agent));
    }
    push_ends(&mut head, ends);

    let mut out = SectionWriter::new(graph.base().is_some());
    out.bytes(Type::Head, &head, false);
    let mut model = (preset == Preset::Small).then(|| FullModel::new(history.ops.text_len()));
    let full = |model: &mut FullModel, kind, text: &str, out: &mut SectionWriter| {
        let codecs = (Codec::Model, Codec::ModelApart);
        if !out.text(kind, codecs, text, |bytes| model.encode(bytes)) {
            // The model learns nothing from it: this is the first text, or none follows.
            *model = FullModel::new(history.ops.text_len());
        }
    };
    match (text, &mut model) {
        (None, _) => {}
        (Some(text), Some(model)) => full(model, Type::Text, text, &mut out),
        (Some(text), None) => out.bytes(Type::Text, text.as_bytes(), preset != Preset::Fast),
    }
    let modelled = preset != Preset::Fast;
    columns::write_graph(history, &ids, modelled, &mut out);
    columns::write_ops(history, modelled, &mut out);
    let (kind, rest) = match inserted {
        Inserted::All(rest) => (Type::Inserted, rest),
        Inserted::Deleted(rest) => (Type::Deleted, rest),
    };
    match (preset, &mut model) {
        (_, Some(model)) => full(model, kind, rest, &mut out),
        (Preset::Fast, None) => out.bytes(kind, rest.as_bytes(), true),
        (_, None) => {
            let codecs = (Codec::LightModel, Codec::LightModelApart);
            out.text(kind, codecs, rest, |bytes| {
                LightModel::new(bytes.len()).encode(bytes)
            });
        }
    }
    if let Some(base) = graph.base() {
        let base = base::write(&graph.agents, base, &ids, &agents);
        out.bytes(Type::Base, &base, false);
    }
    let timestamps = timestamps::write(history, &agents);
    if !timestamps.is_empty() {
        out.bytes(Type::Times, &timestamps, true);
    }
    out.finish()
}

/// The layout of a file whose head was read and whose checksums are right. The caller keeps the
/// bytes of the file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    sections: Sections,
    head: Head,
    limits: LoadLimits,
}

/// The history of a file, and the text of its inserts, which is not part of it yet.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) history: History,
    /// All inserted text, or with `survivors` only the text that is deleted.
    pub(crate) inserted: String,
    /// The text, if the inserted text has to be completed from it.
    pub(crate) survivors: Option<String>,
}

impl File {
    pub(crate) fn parse(bytes: &[u8], limits: &LoadLimits) -> Result<File, LoadError> {
        let sections = Sections::parse(bytes)?;
        let mut head = read_head(&mut sections.reader(bytes, Type::Head)?, sections.has_ends)?;
        if sections.has(Type::Base) {
            let mut reader = sections.reader(bytes, Type::Base)?;
            head.base = Some(base::read(&mut reader, &head)?);
        }
        head.check_counts(&sections.reader(bytes, Type::Head)?)?;
        let refuse = |what, claimed: u32, limit| match claimed as usize > limit {
            true => Err(LoadError::TooLarge {
                what,
                claimed: claimed as usize,
                limit,
            }),
            false => Ok(()),
        };
        refuse("the inserted text, in bytes", head.inserted, limits.text)?;
        refuse("the number of events", head.events, limits.events)?;
        let memory = head.counts.memory();
        if memory > limits.history as u64 {
            return Err(LoadError::TooLarge {
                what: "the history, in bytes of memory",
                claimed: usize::try_from(memory).unwrap_or(usize::MAX),
                limit: limits.history,
            });
        }
        let file = File {
            sections,
            head,
            limits: *limits,
        };
        if file.sections.has(Type::Later) && !file.can_grow(bytes) {
            let reader = file.sections.reader(bytes, Type::Later)?;
            return Err(reader.error("later events in a file that has none").into());
        }
        Ok(file)
    }

    /// Whether it has the form of [`Preset::Balanced`], to which later events can be added.
    pub(crate) fn can_grow(&self, bytes: &[u8]) -> bool {
        let is_packed = |kind, packed: &[Codec]| {
            let body = self.sections.body(bytes, kind);
            body.is_ok_and(|(codec, _)| packed.contains(&codec))
        };
        self.head.ends.is_some() && is_packed(Type::Text, &[Codec::Raw, Codec::Lz4])
    }

    /// The events that follow all of the file: a patch that leaves out the names in the head.
    pub(crate) fn later<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, LoadError> {
        match self.sections.has(Type::Later) {
            true => Ok(Some(self.sections.reader(bytes, Type::Later)?.rest())),
            false => Ok(None),
        }
    }

    /// The file with these events after its own, replacing its present later events.
    pub(crate) fn with_later(&self, bytes: &[u8], events: &[u8]) -> Vec<u8> {
        self.sections.with_later(bytes, events)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The text, if the file has it.
    pub(crate) fn text(&self, bytes: &[u8]) -> Result<Option<String>, LoadError> {
        match self.sections.has(Type::Text) {
            true => self.text_of(bytes, Type::Text, &mut None).map(Some),
            false => Ok(None),
        }
    }

    /// Unpacks a text. One `model` reads all texts that the full model packed, in the order of the
    /// sections.
    fn text_of(
        &self,
        bytes: &[u8],
        kind: Type,
        model: &mut Option<FullModel>,
    ) -> Result<String, LoadError> {
        let (codec, mut reader) = self.sections.body(bytes, kind)?;
        let not_text = reader.error("text is not UTF-8");
        let bytes = match codec {
            Codec::Raw => reader.rest().to_vec(),
            Codec::Lz4 => sections::unpack(&mut reader, self.limits.text)?,
            _ => {
                let all = reader.left();
                let len = sections::claimed_len(&mut reader, self.limits.text)?;
                let not_copies =
                    reader.error("copies that do not make a text of the length it claims");
                let (copies, packed) = match codec {
                    Codec::ModelApart | Codec::LightModelApart => {
                        if !sections::may_make(all, len) {
                            return Err(not_copies.into());
                        }
                        let (count, bytes) = (reader.small()?, reader.count(1)?);
                        let packed = sections::claimed_len(&mut reader, len)?;
                        (Some((count, reader.take(bytes)?)), packed)
                    }
                    _ => (None, len),
                };
                let start = reader.offset();
                let bytes = match codec {
                    Codec::Model | Codec::ModelApart => {
                        let all = self.head.inserted as usize;
                        let model = model.get_or_insert_with(|| FullModel::new(all));
                        model.decode(reader.rest(), packed)
                    }
                    _ => LightModel::new(packed).decode(reader.rest(), packed),
                };
                let bytes = bytes.map_err(|at| DecodeError::Bytes {
                    offset: start + at,
                    reason: "packed text that is cut, or too long",
                })?;
                match copies {
                    Some(copies) => put_together(copies, &bytes, len).ok_or(not_copies)?,
                    None => bytes,
                }
            }
        };
        if bytes.len() > self.limits.text {
            return Err(LoadError::TooLarge {
                what: "a text, in bytes",
                claimed: bytes.len(),
                limit: self.limits.text,
            });
        }
        Ok(String::from_utf8(bytes).map_err(|_| not_text)?)
    }

    /// Decodes the history. This checks the form only: not that parents are reduced, nor positions,
    /// nor the text.
    pub(crate) fn unpack(&self, bytes: &[u8]) -> Result<Unpacked, LoadError> {
        let mut history = columns::read_graph(&self.sections, bytes, &self.head)?;
        columns::read_ops(&self.sections, bytes, &self.head, &mut history)?;
        history.timestamps = timestamps::read(&self.sections, bytes, &self.head, &self.limits)?;
        let dedup = self.sections.has(Type::Deleted);
        let kind = if dedup { Type::Deleted } else { Type::Inserted };
        let mut model = None;
        let (codec, _) = self.sections.body(bytes, kind)?;
        let goes_on = matches!(codec, Codec::Model | Codec::ModelApart);
        let text = match self.sections.has(Type::Text) && (dedup || goes_on) {
            true => Some(self.text_of(bytes, Type::Text, &mut model)?),
            false => None,
        };
        let inserted = self.text_of(bytes, kind, &mut model)?;
        Ok(Unpacked {
            history,
            inserted,
            survivors: text.filter(|_| dedup),
        })
    }
}
