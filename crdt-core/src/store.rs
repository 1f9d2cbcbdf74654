//! Who owns the history of a document: there from the start, or still packed in the file that the
//! document was opened from, until somebody needs it.
//!
//! While it is packed, the head of the file answers what it can, and local edits are noted down, to
//! be appended when the history is unpacked.

use std::sync::OnceLock;

use crate::causal_graph::{AgentIdx, Diff};
use crate::encoding::file::{self, File, Head, Inserted, LoadLimits, SaveOptions, Unpacked};
use crate::error::{EditError, LoadError};
use crate::history::History;
use crate::op_log::{OpLog, Run, prefix_len};
use crate::pieces::{Pieces, Span};
use crate::rope::{Draft, Rope};
use crate::sorting::sort_by;
use crate::version::{EventId, Frontier, MAX_EVENTS, VersionSummary};
use crate::walker::{Transformed, WalkError, Walker};

/// The history of a document, unpacked by [`Store::unpacked`] when somebody needs it.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a document, and every keystroke goes to the large one"
)]
pub(crate) enum Store {
    Ready(History),
    Packed(Box<Packed>),
}

/// A history in a file, and what was done since the file was opened.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    file: File,
    /// In whose name local edits are made.
    agent: String,
    /// Local edits, as operations without ids: they follow all that is in the file.
    edits: OpLog,
    /// The sequence number of the first of them.
    next_seq: u32,
    /// [`Packed::unpack`]: named only where a file is opened, so that it is no part of a program that
    /// opens none.
    unpack: fn(&Packed) -> Result<History, LoadError>,
    unpacked: OnceLock<Result<History, LoadError>>,
    /// When local edits were made: from which sequence number on.
    times: Vec<(u32, u64)>,
}

impl Default for Store {
    fn default() -> Self {
        Store::Ready(History::default())
    }
}

impl Store {
    /// The history in `bytes`, packed, for edits in the name of `agent`, and the text it makes.
    pub(crate) fn open(
        agent: &str,
        bytes: &[u8],
        limits: &LoadLimits,
    ) -> Result<(Store, Rope), LoadError> {
        let file = File::parse(bytes, limits)?;
        let Some(text) = file.text(bytes)? else {
            return Store::completed(file.unpack(bytes)?, file.head(), u64::MAX);
        };
        let rope = Rope::of(&text);
        if rope.size().chars() != file.head().chars {
            return Err(LoadError::Inconsistent {
                reason: "the text is not as long as the head says",
            });
        }
        let own = file.head().agents.iter().find(|own| own.name == agent);
        let next_seq = own
            .and_then(|own| own.held.last())
            .map_or(0, |range| range.end);
        let packed = Packed {
            bytes: bytes.to_vec(),
            file,
            agent: agent.to_owned(),
            edits: OpLog::default(),
            next_seq,
            unpack: Packed::unpack,
            unpacked: OnceLock::new(),
            times: Vec::new(),
        };
        Ok((Store::Packed(Box::new(packed)), rope))
    }

    /// The history in `bytes`, unpacked, and the text it makes, which has to be the text in the
    /// file if there is one.
    pub(crate) fn open_verified(
        bytes: &[u8],
        limits: &LoadLimits,
    ) -> Result<(Store, Rope), LoadError> {
        let file = File::parse(bytes, limits)?;
        let (store, rope) = Store::completed(file.unpack(bytes)?, file.head(), limits.work)?;
        if let Some(text) = file.text(bytes)? {
            compare_text(&rope, &text)?;
        }
        Ok((store, rope))
    }

    /// Completes what was unpacked, and makes its text.
    fn completed(unpacked: Unpacked, head: &Head, work: u64) -> Result<(Store, Rope), LoadError> {
        let mut rope = Rope::default();
        let history = complete(unpacked, head, work, Some(&mut rope))?;
        Ok((Store::Ready(history), rope))
    }

    /// Writes the document whose text is `rope`.
    pub(crate) fn save(&self, rope: &Rope, options: &SaveOptions) -> Result<Vec<u8>, LoadError> {
        let history = self.unpacked()?;
        let chars = rope.size().chars();
        if options.without_text {
            let all = Inserted::All(history.ops.text());
            return Ok(file::write(history, chars, None, &all, options.preset));
        }
        let text = rope.to_text();
        if options.preset == file::Preset::Fast {
            let all = Inserted::All(history.ops.text());
            return Ok(file::write(
                history,
                chars,
                Some(&text),
                &all,
                options.preset,
            ));
        }
        let mut pieces = Pieces::default();
        walk(history, chars, u64::MAX, &mut |edits| pieces.edit(edits))?;
        let deleted = deleted_text(history, &pieces);
        let deleted = Inserted::Deleted(&deleted);
        Ok(file::write(
            history,
            chars,
            Some(&text),
            &deleted,
            options.preset,
        ))
    }

    /// The history; unpacks it, if it still is packed. Once it is unpacked, this costs nothing.
    pub(crate) fn unpacked(&self) -> Result<&History, LoadError> {
        match self {
            Store::Ready(history) => Ok(history),
            Store::Packed(packed) => packed.history(),
        }
    }

    /// The history if it is there without unpacking.
    pub(crate) fn ready(&self) -> Option<&History> {
        match self {
            Store::Ready(history) => Some(history),
            Store::Packed(_) => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn ready_mut(&mut self) -> Option<&mut History> {
        if let Store::Packed(packed) = self
            && matches!(packed.unpacked.get(), Some(Ok(_)))
            && let Some(Ok(history)) = packed.unpacked.take()
        {
            *self = Store::Ready(history);
        }
        match self {
            Store::Ready(history) => Some(history),
            Store::Packed(_) => None,
        }
    }

    /// The history if it is there, and ends with events of `agent` that another event can follow as
    /// it is: see [`CausalGraph::grow`](crate::causal_graph::CausalGraph::grow).
    #[inline]
    pub(crate) fn growing_mut(&mut self, agent: Option<AgentIdx>) -> Option<&mut History> {
        match self {
            Store::Ready(history) if history.graph.can_grow(agent) => Some(history),
            _ => None,
        }
    }

    /// The history, to change it.
    pub(crate) fn history_mut(&mut self) -> Result<&mut History, LoadError> {
        if self.ready_mut().is_none() {
            self.unpacked()?;
        }
        self.ready_mut().ok_or(LoadError::Inconsistent {
            reason: "the history cannot be unpacked",
        })
    }

    /// Notes down a local edit of a history that is packed.
    pub(crate) fn defer(&mut self, run: Run, text: &str) -> Result<(), EditError> {
        let Store::Packed(packed) = self else {
            return Ok(());
        };
        let noted = packed.edits.len();
        for (what, len) in [
            ("the number of events", packed.file.head().lvs() + noted),
            ("the events of one agent", packed.next_seq + noted),
        ] {
            if run.len >= MAX_EVENTS.saturating_sub(len) {
                return Err(EditError::TooLarge {
                    what,
                    limit: MAX_EVENTS as usize,
                });
            }
        }
        packed.edits.push(run, text, noted > 0);
        Ok(())
    }

    /// The next edits in the name of `own` are made at `time`.
    pub(crate) fn set_next_time(&mut self, own: &str, time: u64) {
        if let Some(history) = self.ready_mut() {
            let agent = history.graph.agents.agent(own);
            let next = history.graph.agents.next_seq(agent);
            history.times.set_next(agent, next, time);
        } else if let Store::Packed(packed) = self {
            let next = packed.next_seq + packed.edits.len();
            packed.times.retain(|&(seq, _)| seq < next);
            if packed.times.last().is_none_or(|&(_, last)| last != time) {
                packed.times.push((next, time));
            }
        }
    }

    /// The length of all inserted text, in bytes.
    #[inline]
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Store::Ready(history) => history.ops.text_len(),
            Store::Packed(packed) => packed.file.head().inserted as usize + packed.edits.text_len(),
        }
    }

    /// How many events there are.
    pub(crate) fn event_count(&self) -> usize {
        match self {
            Store::Ready(history) => {
                let graph = &history.graph;
                let before = graph.base().map_or(0, |base| base.events as usize);
                before + (graph.len() - graph.start()) as usize
            }
            Store::Packed(packed) => {
                let head = packed.file.head();
                head.event_count() as usize + packed.edits.len() as usize
            }
        }
    }

    /// The sequence number that follows all that are known of the own agent.
    pub(crate) fn next_seq(&self, own: &str) -> u32 {
        match self {
            Store::Ready(history) => history.next_seq(own),
            Store::Packed(packed) => packed.next_seq + packed.edits.len(),
        }
    }

    /// How many local versions there are.
    pub(crate) fn lvs(&self) -> u32 {
        match self {
            Store::Ready(history) => history.len(),
            Store::Packed(packed) => packed.file.head().lvs() + packed.edits.len(),
        }
    }

    /// The version at which the history begins.
    pub(crate) fn start(&self) -> Frontier {
        match self {
            Store::Ready(history) => history.start(),
            Store::Packed(packed) => packed.public_frontier(packed.file.head().start()),
        }
    }

    pub(crate) fn frontier(&self) -> Frontier {
        match self {
            Store::Ready(history) => history.graph.public_frontier(history.graph.frontier()),
            Store::Packed(packed) => packed.frontier(),
        }
    }

    pub(crate) fn summary(&self) -> VersionSummary {
        match self {
            Store::Ready(history) => history.graph.summary(),
            Store::Packed(packed) => packed.summary(),
        }
    }

    /// The events beyond the first `events`. Of a packed or shallow history that had more at first they
    /// are all.
    pub(crate) fn summary_since(&self, events: usize) -> VersionSummary {
        let later = self.event_count().saturating_sub(events) as u32;
        match self {
            Store::Ready(history) => {
                let graph = &history.graph;
                let start = graph.len().checked_sub(later);
                match start.filter(|start| *start >= graph.start()) {
                    Some(start) if start > 0 || graph.base().is_some() => {
                        graph.summary_in(std::iter::once(start..graph.len()))
                    }
                    // All of them: by the agent, and not by the run.
                    _ => graph.summary(),
                }
            }
            Store::Packed(packed) => match packed.edits.len().checked_sub(later) {
                Some(start) => {
                    let mut summary = VersionSummary::new();
                    let seqs = packed.next_seq + start..packed.next_seq + packed.edits.len();
                    summary.insert(&packed.agent, seqs);
                    summary
                }
                None => packed.summary(),
            },
        }
    }

    pub(crate) fn contains(&self, id: &EventId) -> bool {
        match self {
            Store::Ready(history) => history.graph.knows(id),
            Store::Packed(packed) => packed.contains(id),
        }
    }
}

impl Packed {
    fn history(&self) -> Result<&History, LoadError> {
        let unpacked = self.unpacked.get_or_init(|| (self.unpack)(self));
        unpacked.as_ref().map_err(Clone::clone)
    }

    fn unpack(&self) -> Result<History, LoadError> {
        let unpacked = self.file.unpack(&self.bytes)?;
        // The inserts either have their text from the text of the file, or have to make it.
        let text = match unpacked.survivors {
            Some(_) => None,
            None => self.file.text(&self.bytes)?,
        };
        let mut made = text.as_ref().map(|_| Rope::default());
        let mut history = complete(unpacked, self.file.head(), u64::MAX, made.as_mut())?;
        if let (Some(made), Some(text)) = (made, text) {
            compare_text(&made, &text)?;
        }
        if self.edits.len() > 0 {
            let agent = history.graph.agents.agent(&self.agent);
            for part in self.edits.parts_in(0..self.edits.len()) {
                history
                    .append_local(agent, part.run, self.edits.text_of(&part))
                    .map_err(|_| LoadError::Inconsistent {
                        reason: "there are more events than the head says",
                    })?;
            }
        }
        for &(seq, time) in &self.times {
            let agent = history.graph.agents.agent(&self.agent);
            history.times.set_next(agent, seq, time);
        }
        Ok(history)
    }

    /// The latest of the local edits.
    fn last_edit(&self) -> Option<EventId> {
        let last = self.edits.len().checked_sub(1)?;
        Some(EventId::new(&*self.agent, self.next_seq + last))
    }

    fn frontier(&self) -> Frontier {
        match self.last_edit() {
            Some(id) => Frontier::new([id]),
            None => self.public_frontier(&self.file.head().frontier),
        }
    }

    /// A version that the head of the file names.
    fn public_frontier(&self, ids: &[(u32, u32)]) -> Frontier {
        let agents = &self.file.head().agents;
        let ids = ids.iter();
        ids.map(|&(agent, seq)| EventId::new(&*agents[agent as usize].name, seq))
            .collect()
    }

    fn summary(&self) -> VersionSummary {
        let mut summary = VersionSummary::new();
        for agent in &self.file.head().agents {
            for range in &agent.held {
                summary.insert(&agent.name, range.clone());
            }
        }
        summary.insert(&self.agent, self.next_seq..self.next_seq + self.edits.len());
        summary
    }

    fn contains(&self, id: &EventId) -> bool {
        let edits = self.next_seq..self.next_seq + self.edits.len();
        let mut agents = self.file.head().agents.iter();
        (id.agent == self.agent && edits.contains(&id.seq))
            || agents
                .find(|agent| agent.name == id.agent)
                .is_some_and(|agent| agent.holds(id.seq))
    }
}

/// Checks what was unpacked by replaying it, and puts the text of the inserts where it belongs.
/// Makes the text in `rope`, if it is wanted. Takes at most `work` steps, and what each run allows.
fn complete(
    unpacked: Unpacked,
    head: &Head,
    work: u64,
    rope: Option<&mut Rope>,
) -> Result<History, LoadError> {
    let Unpacked {
        mut history,
        inserted,
        survivors,
    } = unpacked;
    let mut scratch = Diff::default();
    let mut checked: &[u32] = &[];
    for (run, parents) in history.graph.graph.runs_in(0..history.len()) {
        let parents = parents.unwrap_or_default();
        // Where many write at once, one event after the other has the same parents.
        let is_checked = parents.len() < 2 || parents == checked;
        checked = parents;
        if !is_checked && !history.graph.graph.is_reduced(parents, &mut scratch) {
            return Err(impossible(
                &history,
                run.start,
                "one of its parents is an ancestor of another",
            ));
        }
        if scratch.steps > work.saturating_add(u64::from(head.lvs())) {
            return Err(LoadError::TooExpensive { limit: work });
        }
    }
    let Some(text) = survivors else {
        set_text(&mut history, inserted, head)?;
        match rope {
            Some(rope) => {
                let mut draft = Draft::with_capacity(head.chars.min(head.inserted) as usize);
                walk(&history, head.chars, work, &mut |edits| {
                    edit(&mut draft, &history.ops, edits);
                })?;
                *rope = draft.finish();
            }
            None => walk(&history, head.chars, work, &mut |_| {})?,
        }
        return Ok(history);
    };
    let mut pieces = Pieces::default();
    walk(&history, head.chars, work, &mut |edits| pieces.edit(edits))?;
    let inserted = with_survivors(&history, &inserted, &text, &pieces)?;
    set_text(&mut history, inserted, head)?;
    if let Some(rope) = rope {
        // The inserts have their text from there.
        *rope = Rope::of(&text);
    }
    Ok(history)
}

/// Checks that the text that a history makes is the one that its file has.
fn compare_text(made: &Rope, text: &str) -> Result<(), LoadError> {
    if made.is_text(text) {
        return Ok(());
    }
    Err(LoadError::Inconsistent {
        reason: "the text is not the one that the history makes",
    })
}

/// Sets the text of all inserts.
fn set_text(history: &mut History, inserted: String, head: &Head) -> Result<(), LoadError> {
    if inserted.len() != head.inserted as usize {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is not as long as the head says",
        });
    }
    if !history.ops.set_text(inserted) {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is not as long as the inserts",
        });
    }
    Ok(())
}

fn impossible(history: &History, lv: u32, reason: &'static str) -> LoadError {
    let EventId { agent, seq } = history.graph.event_id(lv);
    LoadError::Event { agent, seq, reason }
}

/// The text that a history makes.
pub(crate) fn replay(history: &History) -> Result<Rope, LoadError> {
    let mut draft = Draft::default();
    let columns = (&history.graph, &history.ops);
    let walked = Walker::default().replay_all(columns, u64::MAX, &mut |edits| {
        edit(&mut draft, &history.ops, edits);
    });
    walked.map_err(|_| LoadError::Inconsistent {
        reason: "the history cannot be replayed",
    })?;
    Ok(draft.finish())
}

/// Makes edits to a text.
fn edit(draft: &mut Draft, ops: &OpLog, edits: &[Transformed]) {
    for edit in edits {
        match edit {
            Transformed::Insert { pos, part } => {
                draft.insert(*pos, ops.text_of(part), part.run.len);
            }
            Transformed::Delete { pos, len } => draft.delete(*pos, *len),
        }
    }
}

/// Replays a history, which makes a text of `chars` chars, and hands on the edits that make it.
fn walk(
    history: &History,
    chars: u32,
    work: u64,
    edit: &mut dyn FnMut(&[Transformed]),
) -> Result<(), LoadError> {
    let columns = (&history.graph, &history.ops);
    match Walker::default().replay_all(columns, work, edit) {
        Ok(len) if len == chars => Ok(()),
        Ok(_) => Err(LoadError::Inconsistent {
            reason: "the text is not as long as the one that the history makes",
        }),
        Err(WalkError::TooExpensive) => Err(LoadError::TooExpensive { limit: work }),
        Err(WalkError::TooLong) => Err(LoadError::Inconsistent {
            reason: "the history makes a text beyond the longest",
        }),
        Err(WalkError::PastEnd { lv, .. }) => {
            Err(impossible(history, lv, "its position is past the end"))
        }
    }
}

/// Sorts spans, with where their text is, by the events that inserted them.
fn by_event(mut spans: Vec<(Span, usize)>) -> Vec<(Span, usize)> {
    sort_by(&mut spans, |(a, _), (b, _)| a.lv.cmp(&b.lv));
    spans
}

/// The inserted text that is not part of the text any more, in the order of the events.
fn deleted_text(history: &History, pieces: &Pieces) -> String {
    let alive = by_event(pieces.spans().map(|span| (span, 0)).collect());
    let mut out = String::new();
    let mut at = 0;
    for (span, _) in alive {
        push_inserted(history, at..span.lv, &mut out);
        at = span.lv + span.len;
    }
    push_inserted(history, at..history.len(), &mut out);
    out
}

fn push_inserted(history: &History, lvs: std::ops::Range<u32>, out: &mut String) {
    for part in history.ops.parts_in(lvs) {
        out.push_str(history.ops.text_of(&part));
    }
}

/// Takes chars off the front of a text.
struct Front<'a>(&'a str);

impl<'a> Front<'a> {
    fn take(&mut self, chars: u32) -> Result<&'a str, LoadError> {
        let split = prefix_len(self.0, chars).and_then(|end| self.0.split_at_checked(end));
        let Some((taken, rest)) = split else {
            return Err(LoadError::Inconsistent {
                reason: "the inserted text is shorter than the inserts",
            });
        };
        self.0 = rest;
        Ok(taken)
    }
}

/// The text of all inserts, of which `deleted` has what is not part of `text` any more, and `pieces`
/// says which event inserted which char of `text`.
fn with_survivors(
    history: &History,
    deleted: &str,
    text: &str,
    pieces: &Pieces,
) -> Result<String, LoadError> {
    let mut all = String::with_capacity(deleted.len() + text.len());
    let mut deleted = Front(deleted);
    // Where the spans start in the text, in bytes.
    let mut rest = Front(text);
    let mut alive = Vec::new();
    for span in pieces.spans() {
        alive.push((span, text.len() - rest.0.len()));
        rest.take(span.len)?;
    }
    let text_is_longer = !rest.0.is_empty();
    let mut alive = by_event(alive).into_iter().peekable();
    for part in history.ops.parts_in(0..history.len()) {
        if !part.run.is_insert() {
            continue;
        }
        let (mut at, end) = (part.lv, part.lv + part.run.len);
        while at < end {
            // A span ends with its row at the latest where the next row does not go on inserting
            // behind it; else it is taken in parts.
            let (span, from) = match alive.peek_mut() {
                Some(next) if next.0.lv < end => next,
                _ => break,
            };
            all.push_str(deleted.take(span.lv - at)?);
            let here = span.len.min(end - span.lv);
            let mut front = Front(text.get(*from..).unwrap_or_default());
            all.push_str(front.take(here)?);
            at = span.lv + here;
            *from = text.len() - front.0.len();
            *span = Span {
                lv: at,
                len: span.len - here,
            };
            if span.len == 0 {
                alive.next();
            }
        }
        all.push_str(deleted.take(end - at)?);
    }
    if text_is_longer || !deleted.0.is_empty() {
        return Err(LoadError::Inconsistent {
            reason: "the inserted text is longer than the inserts",
        });
    }
    Ok(all)
}
