//! A whole document as bytes: sections, each with its checksum, of which a reader opens only those
//! it needs. docs/file-format.md is the normative description.

mod base;
mod columns;
mod numbers;
mod sections;
mod times;

use std::ops::Range;

use super::entropy::{FullModel, LightModel};
use super::reader::Reader;
use super::varint::push;
use crate::error::{DecodeError, LoadError};
use crate::history::History;
use crate::version::{MAX_AGENTS, MAX_CHARS, MAX_EVENTS, check_agent_name};
use base::BaseHead;
use columns::Counts;
use sections::{Codec, SectionWriter, Sections, Type};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaveOptions {
    /// What to spare: time or space.
    pub preset: Preset,
    /// Leaves out the text: a reader replays the history to get it. Smaller only by little, except
    /// with [`Preset::Fast`], and slower to open by far.
    pub without_text: bool,
}

/// What a written document spares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// Time, to write and to read: everything at the speed of memory.
    Fast,
    /// Opens as quickly as `Fast`, because the text is; the history is packed tightly.
    #[default]
    Balanced,
    /// Space: the text is packed tightly too, and takes its time to open.
    Small,
}

/// What a file may claim, before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadLimits {
    /// The most text, in bytes: of the document, and of all that was ever inserted.
    pub text: usize,
    /// The most memory that the history may take besides its text, in bytes.
    pub history: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        LoadLimits {
            text: 256 << 20,
            history: 512 << 20,
        }
    }
}

/// An agent that has events, as the head of a file lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentHead {
    pub(crate) name: String,
    /// Sorted, neither empty nor adjacent.
    pub(crate) held: Vec<Range<u32>>,
}

impl AgentHead {
    /// Whether the event `seq` is one of them.
    pub(crate) fn holds(&self, seq: u32) -> bool {
        let at = self.held.partition_point(|range| range.end <= seq);
        self.held.get(at).is_some_and(|range| range.start <= seq)
    }
}

/// What a file says without its history being decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many events the file has, without those that were let go.
    pub(crate) events: u32,
    /// The length of the text, in chars.
    pub(crate) chars: u32,
    /// The length of all inserted text, in bytes.
    pub(crate) inserted: u32,
    /// Agent and sequence number, in the order of the events in the file.
    pub(crate) frontier: Vec<(u32, u32)>,
    /// With the events that were let go.
    pub(crate) agents: Vec<AgentHead>,
    /// Where the history of a shallow document begins.
    base: Option<BaseHead>,
    counts: Counts,
}

impl Head {
    /// How many local versions the history takes: its events, and the chars that it begins with.
    pub(crate) fn lvs(&self) -> u32 {
        self.events + self.base.as_ref().map_or(0, |base| base.chars)
    }

    /// How many events the document has, those that were let go included.
    pub(crate) fn event_count(&self) -> u64 {
        let all = self.agents.iter().flat_map(|agent| &agent.held);
        all.map(|range| u64::from(range.end - range.start)).sum()
    }
}

/// The inserted text of a file.
#[derive(Debug)]
pub(crate) enum Inserted<'a> {
    /// All of it, in the order of the events.
    All(&'a str),
    /// Only what is not part of the text, in the order of the events.
    Deleted(&'a str),
}

/// Writes a document; with `text`, its text is part of it.
pub(crate) fn write(
    history: &History,
    chars: u32,
    text: Option<&str>,
    inserted: &Inserted<'_>,
    preset: Preset,
) -> Vec<u8> {
    let (ids, agents) = columns::agents(history);
    let counts = columns::count(history);
    let mut head = Vec::new();
    let inserted_len = history.ops.text_len() as u64;
    for n in [
        u64::from(history.len() - history.graph.start()),
        u64::from(chars),
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

    let mut out = SectionWriter::new(graph.base().is_some());
    out.bytes(Type::Head, &head, false);
    let mut model = (preset == Preset::Small).then(|| FullModel::new(history.ops.text_len()));
    let full = |model: &mut FullModel, kind, text: &str, out: &mut SectionWriter| {
        let packed = model.encode(text.as_bytes());
        out.text(kind, Codec::Model, text.len(), &packed);
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
            let packed = LightModel::new(rest.len()).encode(rest.as_bytes());
            out.text(kind, Codec::LightModel, rest.len(), &packed);
        }
    }
    if let Some(base) = graph.base() {
        let base = base::write(&graph.agents, base, &ids, &agents);
        out.bytes(Type::Base, &base, false);
    }
    let times = times::write(history, &agents);
    if !times.is_empty() {
        out.bytes(Type::Times, &times, true);
    }
    out.finish()
}

/// Writes ranges that are sorted, neither empty nor adjacent.
fn push_ranges(out: &mut Vec<u8>, ranges: &[Range<u32>]) {
    push(out, ranges.len() as u64);
    let mut at = 0;
    for range in ranges {
        push(out, u64::from(range.start - at));
        push(out, u64::from(range.end - range.start));
        at = range.end;
    }
}

/// What is where in a file whose head was read and whose checksums are right. The bytes of the file
/// are kept by who asks for more.
#[derive(Debug, Clone)]
pub(crate) struct File {
    sections: Sections,
    head: Head,
    limits: LoadLimits,
}

/// The history of a file, and the text of its inserts, still to be put into it.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) history: History,
    /// All inserted text, or with `survivors` only what is not in the text.
    pub(crate) inserted: String,
    /// The text, if the inserted text has to be completed from it.
    pub(crate) survivors: Option<String>,
}

impl File {
    pub(crate) fn parse(bytes: &[u8], limits: &LoadLimits) -> Result<File, LoadError> {
        let sections = Sections::parse(bytes)?;
        let mut head = read_head(&mut sections.reader(bytes, Type::Head)?)?;
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
        let memory = head.counts.memory();
        if memory > limits.history as u64 {
            return Err(LoadError::TooLarge {
                what: "the history, in bytes of memory",
                claimed: usize::try_from(memory).unwrap_or(usize::MAX),
                limit: limits.history,
            });
        }
        Ok(File {
            sections,
            head,
            limits: *limits,
        })
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

    /// Unpacks a text. All that the full model packed goes through one `model`, in the order of the
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
            Codec::Model | Codec::LightModel => {
                let len = sections::claimed_len(&mut reader, self.limits.text)?;
                let start = reader.offset();
                let bytes = if codec == Codec::Model {
                    let all = self.head.inserted as usize;
                    let model = model.get_or_insert_with(|| FullModel::new(all));
                    model.decode(reader.rest(), len)
                } else {
                    LightModel::new(len).decode(reader.rest(), len)
                };
                bytes.map_err(|at| DecodeError::Bytes {
                    offset: start + at,
                    reason: "packed text that is cut, or too long",
                })?
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

    /// Decodes the history. What it says was checked for its form, not for what it makes: neither
    /// that parents are reduced, nor positions, nor text.
    pub(crate) fn unpack(&self, bytes: &[u8]) -> Result<Unpacked, LoadError> {
        let mut history = columns::read_graph(&self.sections, bytes, &self.head)?;
        columns::read_ops(&self.sections, bytes, &self.head, &mut history)?;
        history.times = times::read(&self.sections, bytes, &self.head, &self.limits)?;
        let dedup = self.sections.has(Type::Deleted);
        let kind = if dedup { Type::Deleted } else { Type::Inserted };
        let mut model = None;
        let (codec, _) = self.sections.body(bytes, kind)?;
        let text = match self.sections.has(Type::Text) && (dedup || codec == Codec::Model) {
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

impl Head {
    /// Whether the event is part of the document.
    fn holds(&self, &(agent, seq): &(u32, u32)) -> bool {
        let agent = self.agents.get(agent as usize);
        agent.is_some_and(|agent| agent.holds(seq))
    }

    /// Checks that the frontier and the numbers of events fit together. Errors are said to be where
    /// `reader` is.
    fn check_counts(&self, reader: &Reader<'_>) -> Result<(), DecodeError> {
        let trimmed = self.base.as_ref().map_or(0, BaseHead::events);
        let none = u64::from(self.events) + trimmed == 0;
        if !self.frontier.iter().all(|id| self.holds(id)) || self.frontier.is_empty() != none {
            return Err(reader.error("the frontier names events that are not there"));
        }
        if self.event_count() != u64::from(self.events) + trimmed {
            return Err(reader.error("the agents' events are not all events"));
        }
        if u64::from(self.lvs()) > u64::from(MAX_EVENTS) {
            return Err(reader.error("more than the format allows"));
        }
        Ok(())
    }
}

fn read_head(reader: &mut Reader<'_>) -> Result<Head, LoadError> {
    let (events, chars) = (reader.small()?, reader.small()?);
    let too_large = reader.error("more than the format allows");
    if events > MAX_EVENTS || chars > MAX_CHARS {
        return Err(too_large.into());
    }
    let inserted = u32::try_from(reader.varint()?).map_err(|_| too_large.clone())?;
    let counts = Counts {
        pieces: reader.small()?,
        parents: reader.small()?,
        rows: reader.small()?,
    };
    if counts.pieces > events || counts.rows > events {
        return Err(too_large.into());
    }
    let count = reader.count(2)?;
    let mut frontier = Vec::new();
    for _ in 0..count {
        frontier.push((reader.small()?, reader.small()?));
    }
    let too_many = reader.error("more agents than a document may know");
    let count = reader.count(4)?;
    if count > MAX_AGENTS as usize {
        return Err(too_many.into());
    }
    let mut agents: Vec<AgentHead> = Vec::new();
    for _ in 0..count {
        let error = reader.error("an agent name is empty or too long");
        let name = reader.text()?;
        if check_agent_name(name).is_err() {
            return Err(error.into());
        }
        let held = read_ranges(reader)?;
        if held.is_empty() {
            return Err(reader.error("an agent without events").into());
        }
        agents.push(AgentHead {
            name: name.to_owned(),
            held,
        });
    }
    reader.end()?;
    Ok(Head {
        events,
        chars,
        inserted,
        frontier,
        agents,
        base: None,
        counts,
    })
}

fn read_ranges(reader: &mut Reader<'_>) -> Result<Vec<Range<u32>>, DecodeError> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    let mut at = 0_u32;
    for i in 0..reader.count(2)? {
        let error = reader.error("a range is empty, adjacent or out of range");
        let (gap, len) = (reader.small()?, reader.small()?);
        let start = at.saturating_add(gap);
        let end = start.saturating_add(len);
        if len == 0 || (i > 0 && gap == 0) || end >= 1 << 31 {
            return Err(error);
        }
        ranges.push(start..end);
        at = end;
    }
    Ok(ranges)
}
