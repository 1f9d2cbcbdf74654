//! Operations as bytes: the events that one replica has and another lacks.
//!
//! A patch is a sequence of pieces: runs of events of one agent, in which the only parent of each
//! event but the first is the event before it. All numbers are varints.
//!
//! ```text
//! head       kind (0 insert, 1 delete, 2 backspace, 3 several operations)
//!            + 4 if the parents are given, + 8 if the first operation is away from the cursor,
//!            + 16 if the only operation has more than one event, + 32 * agent
//! seq        of the first event
//! parents    if given: 4 * count of those that are not the event before, + 2 if positions count
//!            from the start, + 1 if the event before is one, too; then each other one: agent, seq
//! operation  its length, if it has more than one event; its distance to the cursor, signed, if it
//!            is away from it
//! or several when the first event was made, if the head has 8 there; count, then each operation:
//!            length * 4 + kind, then its distance to the cursor, signed
//! text       of all inserts: as many UTF-8 chars as they insert
//! ```
//!
//! The event before is the event of the same agent with the preceding seq; if the parents are not
//! given, it is the only parent. The cursor is the position after it, or the start of the text if
//! the flag is set; each operation moves the cursor. The cursor follows from the event graph, and
//! no patch depends on an earlier one, so a patch that is lost or arrives twice does no harm.
//! Still, a keystroke that continues the previous one needs no position.
//!
//! An agent is an index into a list of names. Two ends that share a list (`known`) start with it;
//! the index after the last one adds a name: its length in bytes and its UTF-8 follow. The pieces
//! are in the order of the sender's history: parents first.
//!
//! A self-contained patch has a version byte before it: 2, or 4 if it builds on events that are not
//! in it. In that case their number follows, and the agent, seq and digest (4 bytes) of each: see
//! `digests`. Version 3 had different digests, which are not compared.

use std::ops::Range;

use super::patch_names::Names;
use super::reader::Reader;
use super::varint::{push, push_signed};
use crate::causal_graph::AgentIdx;
use crate::error::DecodeError;
use crate::hashing::Map;
use crate::history::History;
use crate::merge::{BaseEvent, Batch, Keystroke, Origin};
use crate::op_log::{Kind, OpLog, Run};
use crate::version::{Lv, MAX_CHARS};

/// The version of a patch that builds on no other events, and of one that does.
const WHOLE: u8 = 2;
const VERSION: u8 = 4;
/// The version of one that does, with digests of an older kind.
const OTHER_DIGESTS: u8 = 3;

/// The bits of a piece's head.
const KIND: u64 = 3;
const PARENTS: u64 = 1 << 2;
const AWAY: u64 = 1 << 3;
const LONG: u64 = 1 << 4;
const AGENT_SHIFT: u32 = 5;

/// The bits of the number before given parents.
const BEFORE: u64 = 1;
const FROM_START: u64 = 1 << 1;

/// The number of events within which the agent's previous event is searched among the ancestors, in
/// linear time. After a longer absence positions count from the start.
const LOOK_BACK: Lv = 256;

/// In a part of a patch, the most events of one piece.
const LONGEST_IN_PART: Lv = 4096;

/// The kind of a piece of several operations, and of a piece with a time. The bit for a single
/// operation away from the cursor then means that the piece has a time.
const SEVERAL: u64 = 3;
const TIMED: u64 = AWAY;

/// The fewest bytes of a parent, of one of several operations, and of an event that the patch
/// builds on.
const PARENT_BYTES: usize = 2;
const OP_BYTES: usize = 2;
const BASE_BYTES: usize = 6;

/// Writes the events `ranges` (ascending), which build on `base`, as a self-contained patch.
pub(crate) fn encode(history: &History, ranges: &[Range<Lv>], base: &[BaseEvent]) -> Vec<u8> {
    let mut names = Places::new(&[]);
    let mut out = vec![if base.is_empty() { WHOLE } else { VERSION }];
    if !base.is_empty() {
        push(&mut out, base.len() as u64);
    }
    for base in base {
        names.push(history, base.agent, &mut out);
        push(&mut out, base.seq.into());
        out.extend(base.digest.to_le_bytes());
    }
    encode_pieces(history, ranges, &mut names, usize::MAX, &mut out);
    out
}

/// Writes the events `ranges` (ascending) for a reader that knows the names `known`.
pub(crate) fn encode_named(
    history: &History,
    ranges: &[Range<Lv>],
    known: &[&str],
    out: &mut Vec<u8>,
) {
    encode_part(history, ranges, known, usize::MAX, out);
}

/// Like [`encode_named`], but ends when `out` has about `enough` bytes. Returns the local version
/// before which all of `ranges` is written, if it did not reach the end.
pub(crate) fn encode_part(
    history: &History,
    ranges: &[Range<Lv>],
    known: &[&str],
    enough: usize,
    out: &mut Vec<u8>,
) -> Option<Lv> {
    encode_pieces(history, ranges, &mut Places::new(known), enough, out)
}

fn encode_pieces(
    history: &History,
    ranges: &[Range<Lv>],
    names: &mut Places<'_>,
    enough: usize,
    out: &mut Vec<u8>,
) -> Option<Lv> {
    let longest = if enough < usize::MAX {
        LONGEST_IN_PART
    } else {
        Lv::MAX
    };
    let graph = &history.graph;
    for range in ranges {
        for (run, _) in graph.graph.runs_in(range.clone()) {
            for (lvs, agent, mut seq) in graph.agents.runs_in(run) {
                let mut at = lvs.start;
                while at < lvs.end {
                    if out.len() >= enough {
                        return Some(at);
                    }
                    let len = longest.min(lvs.end - at);
                    // A piece starts at each event with a new time.
                    let one_time = history.timestamps.runs(agent, seq..seq + len).next();
                    let len = one_time.map_or(len, |(seqs, _)| seqs.end - seqs.start);
                    encode_piece(history, names, out, (at..at + len, agent, seq));
                    at += len;
                    seq += len;
                }
            }
        }
    }
    None
}

/// The indices of agents in the list of names.
struct Places<'a> {
    known: &'a [&'a str],
    /// The length of the list.
    count: u64,
    /// The agents looked up so far, and all known ones once there were many.
    index: Map<u64, u64>,
    /// The number of agents that are searched in the list one by one before all of it is indexed.
    few: u32,
}

impl<'a> Places<'a> {
    /// The list that begins with the names `known`.
    fn new(known: &'a [&'a str]) -> Self {
        const FEW: u32 = 8;
        Places {
            known,
            count: known.len() as u64,
            index: Map::default(),
            few: FEW,
        }
    }

    /// The index of an agent among the known names.
    fn known_place(&mut self, history: &History, agent: AgentIdx) -> Option<u64> {
        let agents = &history.graph.agents;
        if let Some(few) = self.few.checked_sub(1) {
            self.few = few;
            let name = agents.name(agent);
            let place = self.known.iter().position(|&known| known == name)?;
            return Some(place as u64);
        }
        for (i, name) in std::mem::take(&mut self.known).iter().enumerate() {
            if let Some(agent) = agents.find_agent(name) {
                self.index.entry(agent.into()).or_insert(i as u64);
            }
        }
        self.index.get(&agent.into()).copied()
    }

    /// Writes the index of an agent, and its name if the reader does not have it yet.
    fn push(&mut self, history: &History, agent: AgentIdx, out: &mut Vec<u8>) {
        let (place, name) = self.place(history, agent);
        push(out, place);
        push_name(out, name);
    }

    /// The place of an agent, and its name if the reader does not have it yet.
    fn place<'h>(&mut self, history: &'h History, agent: AgentIdx) -> (u64, Option<&'h str>) {
        if let Some(&place) = self.index.get(&agent.into()) {
            return (place, None);
        }
        let (place, new) = match self.known_place(history, agent) {
            Some(place) => (place, None),
            None => {
                self.count += 1;
                (self.count - 1, Some(history.graph.agents.name(agent)))
            }
        };
        self.index.insert(agent.into(), place);
        (place, new)
    }
}

fn push_name(out: &mut Vec<u8>, name: Option<&str>) {
    if let Some(name) = name {
        push(out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
}

fn encode_piece(
    history: &History,
    names: &mut Places<'_>,
    out: &mut Vec<u8>,
    (lvs, agent, seq): (Range<Lv>, AgentIdx, u32),
) {
    let graph = &history.graph;
    let mut ops = history.ops.parts_in(lvs.clone()).map(|part| part.run);
    let (Some(first), more) = (ops.next(), ops.next()) else {
        return;
    };
    let time = history.timestamps.stamps(agent, seq..seq + 1).first();
    let is_single = more.is_none() && time.is_none();
    graph.graph.with_parents(lvs.start, |parents| {
        let at_base = history.cursor_at_base(agent, seq, parents);
        let before = seq.checked_sub(1);
        let before = before.and_then(|before| graph.agents.lv_of(agent, before));
        let is_parent = at_base.is_some() || before.is_some_and(|lv| parents.contains(&lv));
        let continues = at_base.is_some() || is_parent && parents.len() == 1;
        // A replica that has this event also has the one before it.
        let before = before.filter(|&before| {
            let is_near = before < lvs.start && lvs.start - before <= LOOK_BACK;
            is_parent || is_near && graph.graph.contains(parents, before)
        });
        let start = at_base.or(before.map(|before| history.ops.cursor_after(before)));
        let (kind, distance) = operation(&first, start.unwrap_or(0));
        let mut head = if is_single { kind } else { SEVERAL };
        head |= if continues { 0 } else { PARENTS };
        if is_single {
            head |= if distance != 0 { AWAY } else { 0 };
            head |= if first.len > 1 { LONG } else { 0 };
        } else {
            head |= if time.is_some() { TIMED } else { 0 };
        }
        let (place, name) = names.place(history, agent);
        push(out, place << AGENT_SHIFT | head);
        push_name(out, name);
        push(out, seq.into());
        if !continues {
            let mut others = graph.ids(parents);
            if is_parent {
                others.retain(|&(by, at)| by != agent || at + 1 != seq);
            }
            let from_start = if start.is_none() { FROM_START } else { 0 };
            let is_parent = if is_parent { BEFORE } else { 0 };
            push(out, (others.len() as u64) << 2 | from_start | is_parent);
            for (by, at) in others {
                names.push(history, by, out);
                push(out, at.into());
            }
        }
        if is_single {
            if head & LONG != 0 {
                push(out, first.len.into());
            }
            if head & AWAY != 0 {
                push_signed(out, distance);
            }
            return;
        }
        if let Some(&(_, time)) = time {
            push(out, time);
        }
        push(out, history.ops.row_count(lvs.clone()) as u64);
        push_several(&history.ops, lvs.clone(), start.unwrap_or(0), out);
    });
    push_text(&history.ops, lvs, out);
}

/// Writes several operations. A separate function, for the reason given at [`read_several`].
#[cfg_attr(target_family = "wasm", inline(never))]
fn push_several(ops: &OpLog, lvs: Range<Lv>, cursor: u32, out: &mut Vec<u8>) {
    let mut cursor = cursor;
    for part in ops.parts_in(lvs) {
        let (kind, distance) = operation(&part.run, cursor);
        push(out, u64::from(part.run.len) << 2 | kind);
        push_signed(out, distance);
        cursor = part.run.ends().1;
    }
}

#[cfg_attr(target_family = "wasm", inline(never))]
fn push_text(ops: &OpLog, lvs: Range<Lv>, out: &mut Vec<u8>) {
    for part in ops.parts_in(lvs) {
        out.extend_from_slice(ops.text_of(&part).as_bytes());
    }
}

/// The encoded kind of a run, and the distance of its start from the cursor. A single delete is a
/// backspace if the cursor is after the char.
fn operation(run: &Run, cursor: u32) -> (u64, i64) {
    let (start, _) = run.ends();
    match run.kind {
        Kind::Delete if run.len == 1 && run.pos + 1 == cursor => (2, 0),
        kind => (kind as u64, i64::from(start) - i64::from(cursor)),
    }
}

/// Reads a self-contained patch into an empty batch.
pub(super) fn decode(
    mut reader: Reader<'_>,
    mut names: Names<'_>,
    batch: &mut Batch,
) -> Result<(), DecodeError> {
    match reader.byte()? {
        WHOLE => {}
        VERSION => decode_base(&mut reader, &mut names, batch)?,
        OTHER_DIGESTS => {
            decode_base(&mut reader, &mut names, batch)?;
            batch.base.clear();
        }
        version => {
            return Err(DecodeError::Version {
                found: version.into(),
                known: VERSION.into(),
            });
        }
    }
    decode_pieces(reader, names, batch)
}

fn decode_base(
    reader: &mut Reader<'_>,
    names: &mut Names<'_>,
    batch: &mut Batch,
) -> Result<(), DecodeError> {
    for _ in 0..reader.count(BASE_BYTES)? {
        let place = reader.varint()?;
        let agent = names.read(reader, batch, place)?;
        let seq = reader.small()?;
        let digest = <[u8; 4]>::try_from(reader.take(4)?);
        let digest = digest.map_err(|_| reader.error("a digest is cut off"))?;
        let digest = u32::from_le_bytes(digest);
        batch.base.push(BaseEvent { agent, seq, digest });
    }
    Ok(())
}

/// Reads pieces to the end.
pub(super) fn decode_pieces(
    mut reader: Reader<'_>,
    mut names: Names<'_>,
    batch: &mut Batch,
) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        decode_piece(&mut reader, &mut names, batch)?;
    }
    Ok(())
}

/// Reads a patch that is one keystroke; `None` for any other patch, valid or not.
pub(crate) fn decode_keystroke(bytes: &[u8]) -> Option<Keystroke<'_>> {
    let mut reader = Reader::new(bytes);
    let head = reader.varint().ok()?;
    let kind = kind_of(head & KIND).filter(|_| head & (PARENTS | LONG) == 0)?;
    let seq = reader.small().ok()?;
    let distance = if head & AWAY != 0 {
        reader.signed().ok()?
    } else {
        0
    };
    let text = std::str::from_utf8(reader.rest()).ok()?;
    let chars = usize::from(kind == Kind::Insert);
    (text.chars().take(2).count() == chars).then_some(Keystroke {
        agent: usize::try_from(head >> AGENT_SHIFT).ok()?,
        seq,
        kind,
        distance,
        text,
    })
}

/// Appends the last event of a history as a patch that [`decode_keystroke`] reads, byte for byte as
/// [`encode_named`] writes it, if its only parent is its agent's previous event and a reader needs
/// nothing else. Otherwise writes nothing.
pub(crate) fn encode_keystroke(history: &History, known: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let graph = &history.graph;
    let last = graph.len().checked_sub(1);
    let last = last.filter(|&last| last >= graph.start())?;
    let (agent, seq, _) = graph.agents.id_of(last);
    let before = graph.agents.lv_of(agent, seq.checked_sub(1)?)?;
    let follows = graph
        .graph
        .with_parents(last, |parents| parents == [before]);
    if !follows || !history.timestamps.stamps(agent, seq..seq + 1).is_empty() {
        return None;
    }
    let name = graph.agents.name(agent);
    let place = known.iter().position(|&known| known == name)? as u64;
    let run = history.ops.event(last)?;
    let (kind, distance) = operation(&run, history.ops.cursor_after(before));
    let is_away = if distance == 0 { 0 } else { AWAY };
    push(out, place << AGENT_SHIFT | is_away | kind);
    push(out, seq.into());
    if distance != 0 {
        push_signed(out, distance);
    }
    if run.is_insert() {
        // The last inserted text is at the end.
        let text = history.ops.text();
        let (at, _) = text.char_indices().next_back()?;
        out.extend_from_slice(&text.as_bytes()[at..]);
    }
    Some(())
}

#[cfg_attr(target_family = "wasm", inline(never))]
fn decode_piece(
    reader: &mut Reader<'_>,
    names: &mut Names<'_>,
    batch: &mut Batch,
) -> Result<(), DecodeError> {
    let mark = batch.mark();
    let head = reader.varint()?;
    let agent = names.read(reader, batch, head >> AGENT_SHIFT)?;
    let seq = reader.small()?;
    let origin = if head & PARENTS == 0 {
        let before = seq
            .checked_sub(1)
            .ok_or(reader.error("nothing comes before event 0"))?;
        batch.parents.push((agent, before));
        Origin::EventBefore
    } else {
        let error = reader.error("parents of no known form");
        let (others, form) = reader.count_and_bits(PARENT_BYTES, 2)?;
        let before = match (form & FROM_START, form & BEFORE, seq.checked_sub(1)) {
            (0, _, Some(before)) => Some(before),
            (FROM_START, 0, _) => None,
            _ => return Err(error),
        };
        if let Some(before) = before.filter(|_| form & BEFORE != 0) {
            batch.parents.push((agent, before));
        }
        for _ in 0..others {
            let place = reader.varint()?;
            let name = names.read(reader, batch, place)?;
            batch.parents.push((name, reader.small()?));
        }
        match before {
            Some(_) => Origin::EventBefore,
            None => Origin::Start,
        }
    };
    let mut time = None;
    if head & KIND == SEVERAL {
        if head & LONG != 0 {
            return Err(reader.error("a piece of no known form"));
        }
        if head & TIMED != 0 {
            time = Some(reader.varint()?);
        }
        let count = reader.count(OP_BYTES)?;
        read_several(reader, count, origin, &mut batch.runs)?;
    } else {
        let len = if head & LONG != 0 {
            reader.varint()?
        } else {
            1
        };
        let distance = if head & AWAY != 0 {
            reader.signed()?
        } else {
            0
        };
        let run = read_run((head & KIND, len, distance), origin, &mut 0);
        batch.runs.push(run.map_err(|reason| reader.error(reason))?);
    }
    let (mut len, mut chars) = (0_u64, 0_u64);
    for run in batch.runs_since(&mark) {
        len += u64::from(run.len);
        chars += if run.is_insert() { run.len.into() } else { 0 };
    }
    batch.text.push_str(reader.chars(chars)?);
    let error = reader.error("a piece has no events, or more than there are sequence numbers");
    let len = u32::try_from(len)
        .ok()
        .filter(|&n| n > 0 && seq.checked_add(n) < Some(1 << 31));
    batch.push(mark, (agent, seq, len.ok_or(error)?), origin);
    batch.set_time(time);
    Ok(())
}

/// Reads several operations. A separate function from the rest of a piece: browsers recompile a hot
/// function with optimisations, and a small one takes little time.
#[cfg_attr(target_family = "wasm", inline(never))]
fn read_several(
    reader: &mut Reader<'_>,
    count: usize,
    origin: Origin,
    runs: &mut Vec<Run>,
) -> Result<(), DecodeError> {
    let mut cursor = 0;
    for _ in 0..count {
        let len_kind = reader.varint()?;
        let distance = reader.signed()?;
        let run = read_run(
            (len_kind & KIND, len_kind >> 2, distance),
            origin,
            &mut cursor,
        );
        runs.push(run.map_err(|reason| reader.error(reason))?);
    }
    Ok(())
}

fn kind_of(number: u64) -> Option<Kind> {
    match number {
        0 => Some(Kind::Insert),
        1 => Some(Kind::Delete),
        2 => Some(Kind::Backspace),
        _ => None,
    }
}

/// The run of the given kind and length that starts at a distance from the cursor, which it moves.
fn read_run(
    (kind, len, distance): (u64, u64, i64),
    origin: Origin,
    cursor: &mut i64,
) -> Result<Run, &'static str> {
    const OUT_OF_RANGE: &str = "an operation is out of range";
    let kind = kind_of(kind).ok_or("an operation of no known kind")?;
    let len = u32::try_from(len).map_err(|_| OUT_OF_RANGE)?;
    Run { kind, pos: 0, len }.check()?;
    let start = cursor.checked_add(distance).ok_or(OUT_OF_RANGE)?;
    let pos = match kind {
        Kind::Backspace => start.checked_sub(len.into()).ok_or(OUT_OF_RANGE)?,
        _ => start,
    };
    let max = i64::from(MAX_CHARS);
    let min = match origin {
        Origin::Start => 0,
        Origin::EventBefore => -max,
    };
    if pos < min || pos > max {
        return Err(OUT_OF_RANGE);
    }
    *cursor = match kind {
        Kind::Insert => pos + i64::from(len),
        _ => pos,
    };
    // Below 0 it wraps, until the cursor is known.
    Ok(Run::new(kind, pos as u32, len))
}
