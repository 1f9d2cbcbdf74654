//! Merging of remote events: compares and skips known ones, holds back those with missing parents,
//! and appends the rest to the history as one unit, or not at all.

mod batch;
pub(crate) mod changes;
mod keystroke;
mod limits;
mod parts;
mod pending;
mod report;
mod rules;
mod transform;

pub(crate) use batch::{BaseEvent, Batch, Origin, Piece, split_text};
pub(crate) use changes::{ChangeSink, ChangedRange, apply_edits};
pub(crate) use keystroke::{Keystroke, append_keystroke};
pub use limits::MergeLimits;
pub(crate) use parts::Parts;
use pending::Held;
pub(crate) use pending::Pending;
pub use pending::PendingLimits;
pub use report::MergeReport;
pub use rules::{Exceptions, MergeRules};
pub(crate) use transform::transform;

use std::sync::Arc;

use crate::causal_graph::{AgentIdx, Diff};
use crate::error::MergeError;
use crate::history::History;
use crate::sorting::sort;
use crate::version::{EventId, Lv, MAX_AGENTS, MAX_EVENTS, check_agent_name};

/// Steps of walks over the graph that each piece allows beyond the limit to work.
const STEPS_A_PIECE: u64 = 256;

/// The limits of a document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) merge: MergeLimits,
    pub(crate) pending: PendingLimits,
}

/// Memory that one merge leaves to the next: most merges are a single keystroke.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The parents of the current piece.
    parents: Vec<Lv>,
    /// Walks over the graph, and the number of steps that the walks of one unit have taken.
    walk: Diff,
}

/// A clone starts empty: the content is only a cache.
impl Clone for Scratch {
    fn clone(&self) -> Self {
        Scratch::default()
    }
}

/// The result of merging the pieces of one unit.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Events appended to the history.
    pub(crate) applied: usize,
    /// Events that were known, with the same content.
    pub(crate) duplicate: usize,
    /// Pieces whose parents are not known.
    pub(crate) waiting: Pending,
    /// Events of pieces that were dropped because too many wait.
    pub(crate) dropped: usize,
    /// The runs of appended events for which held-back events may wait: agent, first seq, length.
    pub(crate) appended: Vec<(Arc<str>, u32, u32)>,
    /// The exceptions that the rules made.
    pub(crate) exceptions: Exceptions,
    /// The times of appended events: agent, sequence number, time.
    pub(crate) timestamps: Vec<(AgentIdx, u32, u64)>,
    /// Whether events that were held back earlier may wait for the new ones.
    awaited: bool,
    limits: Limits,
    scratch: Scratch,
    /// The number of pieces that were appended.
    pieces: u64,
}

impl Intake {
    /// An empty result. `awaited` is whether events are held back that may wait for the new ones.
    pub(crate) fn new(limits: &Limits, awaited: bool, scratch: &mut Scratch) -> Intake {
        let mut scratch = std::mem::take(scratch);
        scratch.walk.steps = 0;
        Intake {
            awaited,
            limits: *limits,
            scratch,
            ..Intake::default()
        }
    }

    /// The memory for the next merge.
    pub(crate) fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// Whether all events were appended or known.
    pub(crate) fn is_whole(&self) -> bool {
        let excepted = self.exceptions.withheld.len() + self.exceptions.conflicts.len();
        self.waiting.is_empty() && self.dropped + excepted == 0
    }

    /// Leaves events of a piece out, from the seq `seq` on.
    fn withhold(&mut self, piece: &Piece<'_>, seq: u32) -> Result<(), MergeError> {
        let id = EventId::new(&**piece.agent_name(), seq);
        self.exceptions.withheld.push(id);
        Ok(())
    }

    /// Ignores an error for which the rules make an exception.
    fn except(&mut self, error: MergeError, rules: &MergeRules<'_>) -> Result<(), MergeError> {
        match error {
            MergeError::Conflict { agent, seq } if rules.keeps_conflicts => {
                self.exceptions.conflicts.push(EventId { agent, seq });
                Ok(())
            }
            error => Err(error),
        }
    }
}

/// Appends the pieces of `batch` to the history, in an order in which parents come first. Pieces
/// that wait for a parent that is neither known nor among them end up in [`Intake::waiting`].
///
/// On an error the history may contain a part of them: the caller rolls it back.
pub(crate) fn take_in(
    history: &mut History,
    (batch, agents): (&Batch, &mut Agents),
    rules: &MergeRules<'_>,
    intake: &mut Intake,
) -> Result<(), MergeError> {
    check_size(batch, &intake.limits)?;
    for piece in batch.pieces() {
        let from = intake.appended.len();
        take_piece(history, piece, agents, rules, intake)?;
        append_woken(history, from, rules, intake)?;
    }
    Ok(())
}

/// Checks that a batch has no more events than one message may.
pub(crate) fn check_size(batch: &Batch, limits: &Limits) -> Result<(), MergeError> {
    let most = limits.merge.message_events;
    if batch.events() > most as u64 {
        return Err(MergeError::TooLarge {
            what: "the events of one message",
            limit: most,
        });
    }
    Ok(())
}

/// Appends the pieces that waited for the events appended since `from`, and those that waited for
/// these.
fn append_woken(
    history: &mut History,
    from: usize,
    rules: &MergeRules<'_>,
    intake: &mut Intake,
) -> Result<(), MergeError> {
    let mut from = from;
    while from < intake.appended.len() && !intake.waiting.is_empty() {
        let (agent, seq, len) = intake.appended[from].clone();
        from += 1;
        for held in intake.waiting.wake(&agent, seq..seq + len) {
            let mut agents = Agents::new(&held.piece);
            for piece in held.piece.pieces() {
                take_piece(history, piece, &mut agents, rules, intake)?;
            }
        }
    }
    Ok(())
}

/// The numbers of a batch's agents, looked up once.
pub(crate) struct Agents {
    /// For the first names: most batches have no more.
    first: [Option<AgentIdx>; 4],
    others: Vec<Option<AgentIdx>>,
}

impl Agents {
    pub(crate) fn new(batch: &Batch) -> Self {
        let first = [None; 4];
        let others = batch.names.len().saturating_sub(first.len());
        Agents {
            first,
            others: vec![None; others],
        }
    }

    /// The entry of the name at an index of the batch.
    fn at(&mut self, name: u32) -> &mut Option<AgentIdx> {
        let name = name as usize;
        match name.checked_sub(self.first.len()) {
            None => &mut self.first[name],
            Some(other) => &mut self.others[other],
        }
    }

    /// The number of the agent whose name is at an index of `names`, the names of the batch.
    pub(crate) fn find(
        &mut self,
        history: &History,
        names: &[Arc<str>],
        name: u32,
    ) -> Option<AgentIdx> {
        let known = self.at(name);
        if known.is_none() {
            *known = history.graph.agents.find_agent(&names[name as usize]);
        }
        *known
    }
}

/// Splits a piece into known and new events.
fn take_piece(
    history: &mut History,
    piece: Piece<'_>,
    agents: &mut Agents,
    rules: &MergeRules<'_>,
    intake: &mut Intake,
) -> Result<(), MergeError> {
    check_piece(&piece)?;
    let agent = agents.find(history, piece.names, piece.agent);
    let withheld = rules.first_withheld(piece.agent_name());
    let unplaced = |intake: &mut Intake| match hold_unplaced(history, piece, agent, intake) {
        Err(error) => intake.except(error, rules),
        done => done,
    };
    let piece = match piece.origin {
        Origin::EventBefore => match cursor_before(history, &piece, agent) {
            Some(cursor) => piece.counted_from(cursor),
            None if withheld < piece.seq_end() => {
                return intake.withhold(&piece, piece.seq.max(withheld));
            }
            None => return unplaced(intake),
        },
        Origin::Start => piece,
    };
    let Some(agent) = agent else {
        let len = withheld.saturating_sub(piece.seq).min(piece.len);
        if len < piece.len {
            intake.withhold(&piece, piece.seq + len)?;
        }
        if len == 0 {
            return Ok(());
        }
        return append(history, piece, (0, len), agents, rules, intake);
    };
    let mut at = piece.seq;
    while at < piece.seq_end() {
        let ids = &history.graph.agents;
        let known = ids.run_from(agent, at);
        let trimmed = ids.next_trimmed(agent, at).cloned();
        let end = match known {
            _ if trimmed.as_ref().is_some_and(|range| range.start <= at) => {
                // The content of a dropped event cannot be compared.
                let end = trimmed.map_or(at, |range| range.end).min(piece.seq_end());
                intake.duplicate += (end - at) as usize;
                end
            }
            Some(run) if run.seq <= at => {
                let end = run.seq_end().min(piece.seq_end());
                let lvs = run.lv + (at - run.seq)..run.lv + (end - run.seq);
                if let Err(error) = compare(history, &piece, agents, at, lvs) {
                    intake.except(error, rules)?;
                }
                intake.duplicate += (end - at) as usize;
                end
            }
            known => {
                let end = known.map_or(piece.seq_end(), |run| run.seq.min(piece.seq_end()));
                let end = trimmed.map_or(end, |range| range.start.min(end));
                let free = end.min(withheld.max(at));
                if free > at {
                    append(
                        history,
                        piece,
                        (at - piece.seq, free - at),
                        agents,
                        rules,
                        intake,
                    )?;
                }
                if free < end {
                    intake.withhold(&piece, free)?;
                }
                end
            }
        };
        at = end;
    }
    Ok(())
}

/// The cursor after the event before a piece, if it is known.
fn cursor_before(history: &History, piece: &Piece<'_>, agent: Option<AgentIdx>) -> Option<i64> {
    let agent = agent?;
    let before = piece.seq.checked_sub(1)?;
    let graph = &history.graph;
    if let Some(before) = graph.agents.lv_of(agent, before) {
        return Some(history.ops.cursor_after(before).into());
    }
    // For dropped events, the base has the cursor after the last event of each range. A piece that
    // starts before that event gives the distance by which it moved the cursor; a piece that ends
    // before it is known.
    let end = graph.agents.trimmed_until(agent, before)?;
    let cursor = i64::from(graph.base()?.cursor_at(agent, end));
    let inside = piece.seq < end && end < piece.seq_end();
    let moved = inside.then(|| piece.cursor_after(end - 1 - piece.seq));
    Some(cursor - moved.flatten().unwrap_or(0))
}

/// Holds back a piece whose positions count from the event before it, which is not known.
fn hold_unplaced(
    history: &History,
    piece: Piece<'_>,
    agent: Option<AgentIdx>,
    intake: &mut Intake,
) -> Result<(), MergeError> {
    let ids = &history.graph.agents;
    let known = agent.and_then(|agent| ids.run_from(agent, piece.seq));
    if let Some(known) = known.filter(|known| known.seq < piece.seq_end()) {
        // A replica that has an event has its ancestors: these are different events.
        return Err(MergeError::Conflict {
            agent: piece.agent_name().to_string(),
            seq: known.seq.max(piece.seq),
        });
    }
    let before = (piece.agent, piece.seq.wrapping_sub(1));
    hold(piece, (0, piece.len), before, intake);
    Ok(())
}

fn hold(piece: Piece<'_>, (from, len): (u32, u32), (name, seq): (u32, u32), intake: &mut Intake) {
    intake.waiting.hold(Held {
        piece: piece.to_batch(from, len),
        parent: (piece.names[name as usize].clone(), seq),
        len,
    });
    intake.dropped += intake.waiting.shrink(&intake.limits.pending);
}

/// Checks of a piece that do not need the history.
fn check_piece(piece: &Piece<'_>) -> Result<(), MergeError> {
    check_agent_name(piece.agent_name())?;
    let own = piece.seq..piece.seq_end();
    for (agent, seq) in piece.parents {
        let name = &piece.names[*agent as usize];
        check_agent_name(name)?;
        if name == piece.agent_name() && own.contains(seq) {
            let id = piece.id();
            return Err(MergeError::Cycle {
                agent: id.agent,
                seq: id.seq,
            });
        }
    }
    Ok(())
}

/// Checks that the known events `lvs` are the events of `piece` from `seq` on.
fn compare(
    history: &History,
    piece: &Piece<'_>,
    agents: &mut Agents,
    seq: u32,
    lvs: std::ops::Range<Lv>,
) -> Result<(), MergeError> {
    let graph = &history.graph;
    let conflict = |seq: u32| MergeError::Conflict {
        agent: piece.agent_name().to_string(),
        seq,
    };

    // Parents: those of the piece for its first event, the event before for all others.
    let mut expected = Vec::new();
    for (run, _) in graph.graph.runs_in(lvs.clone()) {
        let at = seq + (run.start - lvs.start);
        let before = [(piece.agent, at.wrapping_sub(1))];
        let named = if at == piece.seq {
            piece.parents
        } else {
            &before
        };
        let parents = find_parents(history, piece, agents, named, &mut expected);
        let same = parents.is_ok()
            && graph
                .graph
                .with_parents(run.start, |known| known == expected);
        if !same {
            return Err(conflict(at));
        }
    }

    // Operations, cut into stretches that are in one run on either side.
    let len = lvs.end - lvs.start;
    let mut incoming = piece.runs_in(seq - piece.seq, len);
    let mut rest = incoming.next();
    for part in history.ops.parts_in(lvs.clone()) {
        let mut known = Some((part.run, history.ops.text_of(&part)));
        while let (Some((a, text_a)), Some((b, text_b))) = (known, rest) {
            let n = a.len.min(b.len);
            let at = seq + (part.lv - lvs.start) + (part.run.len - a.len);
            let (head_a, tail_a) = split_text(text_a, n);
            let (head_b, tail_b) = split_text(text_b, n);
            if a.part(0, n) != b.part(0, n) || head_a != head_b {
                return Err(conflict(at));
            }
            known = (n < a.len).then(|| (a.part(n, a.len - n), tail_a));
            rest = if n < b.len {
                Some((b.part(n, b.len - n), tail_b))
            } else {
                incoming.next()
            };
        }
    }
    Ok(())
}

/// Why parents cannot be found.
enum NoParents {
    /// This one is not known.
    Missing((u32, u32)),
    /// They are before the base of a shallow history.
    TooOld,
}

/// Finds the local versions of the events `named`, sorted.
fn find_parents(
    history: &History,
    piece: &Piece<'_>,
    agents: &mut Agents,
    named: &[(u32, u32)],
    parents: &mut Vec<Lv>,
) -> Result<(), NoParents> {
    parents.clear();
    let mut missing = None;
    let mut trimmed: Vec<(AgentIdx, u32)> = Vec::new();
    let graph = &history.graph;
    for &(name, seq) in named {
        let agent = agents.find(history, piece.names, name);
        match agent.and_then(|agent| graph.agents.lv_of(agent, seq)) {
            Some(lv) => parents.push(lv),
            None => match agent.filter(|&a| graph.agents.trimmed_until(a, seq).is_some()) {
                Some(agent) => trimmed.push((agent, seq)),
                None => missing = missing.or(Some((name, seq))),
            },
        }
    }
    // Events that follow any event of the base follow all of it; nothing is concurrent to it.
    if let Some(base) = graph.base().filter(|_| parents.is_empty())
        && (named.is_empty() || !trimmed.is_empty())
    {
        sort(&mut trimmed);
        if missing.is_some() || trimmed != base.frontier {
            return Err(NoParents::TooOld);
        }
        parents.extend_from_slice(base.top());
        return Ok(());
    }
    if !trimmed.is_empty() {
        return Err(NoParents::TooOld);
    }
    sort(parents);
    missing.map_or(Ok(()), |parent| Err(NoParents::Missing(parent)))
}

/// Whether an event is part of the document, even if the document has dropped it.
fn is_known(history: &History, agent: Option<AgentIdx>, seq: u32) -> bool {
    let ids = &history.graph.agents;
    agent.is_some_and(|agent| {
        ids.lv_of(agent, seq).is_some() || ids.trimmed_until(agent, seq).is_some()
    })
}

/// Appends the events `from..from + len` of a piece, all of them new, or holds them back if a
/// parent or the agent's previous event is missing.
fn append(
    history: &mut History,
    piece: Piece<'_>,
    (from, len): (u32, u32),
    agents: &mut Agents,
    rules: &MergeRules<'_>,
    intake: &mut Intake,
) -> Result<(), MergeError> {
    let seq = piece.seq + from;
    let before = [(piece.agent, seq.wrapping_sub(1))];
    // An agent makes its events in order: events beyond a gap wait until it closes.
    if seq > 0
        && !is_known(
            history,
            agents.find(history, piece.names, piece.agent),
            seq - 1,
        )
    {
        hold(piece, (from, len), before[0], intake);
        return Ok(());
    }
    let named = if from == 0 { piece.parents } else { &before };
    if let Some((own, first)) = rules.unshared {
        let name = |place: u32| &*piece.names[place as usize];
        let mut known = named
            .iter()
            .filter(|&&(place, at)| at >= first && name(place) == own);
        if let Some(&(_, at)) = known.next() {
            let parent = EventId::new(own, at);
            intake.exceptions.withheld.push(parent);
            return Ok(());
        }
    }
    let mut parents = std::mem::take(&mut intake.scratch.parents);
    match find_parents(history, &piece, agents, named, &mut parents) {
        Ok(()) => {}
        Err(NoParents::Missing(parent)) => {
            hold(piece, (from, len), parent, intake);
            return Ok(());
        }
        Err(NoParents::TooOld) => {
            return Err(MergeError::TooOld {
                agent: piece.agent_name().to_string(),
                seq,
            });
        }
    }
    intake.pieces += 1;
    let reduced = parents.len() < 2
        || (parents.windows(2).all(|w| w[0] != w[1])
            && history
                .graph
                .graph
                .are_parents(&parents, &mut intake.scratch.walk));
    let work = intake.limits.merge.work;
    if intake.scratch.walk.steps > work.saturating_add(STEPS_A_PIECE * intake.pieces) {
        return Err(MergeError::TooExpensive { limit: work });
    }
    if !reduced {
        let id = piece.id();
        return Err(MergeError::Parents {
            agent: id.agent,
            seq: id.seq,
        });
    }
    let limit = intake
        .limits
        .merge
        .document_events
        .min(MAX_EVENTS as usize - 1);
    if u64::from(history.graph.len()) + u64::from(len) > limit as u64 {
        return Err(MergeError::TooLarge {
            what: "the number of events",
            limit,
        });
    }
    if history.ops.text_len() + piece.text_len() > u32::MAX as usize {
        return Err(MergeError::TooLarge {
            what: "the text of all inserts, in bytes",
            limit: u32::MAX as usize,
        });
    }
    if history.graph.agents.agent_count() >= MAX_AGENTS {
        return Err(MergeError::TooLarge {
            what: "the number of agents",
            limit: MAX_AGENTS as usize,
        });
    }
    // The piece's agent was searched before: if it was not found, it is new.
    let agent = *agents
        .at(piece.agent)
        .get_or_insert_with(|| history.graph.agents.add_agent(piece.agent_name()));
    history.append(agent, seq, &parents, piece.runs_in(from, len));
    if let Some(time) = piece.time.filter(|_| from == 0) {
        intake.timestamps.push((agent, seq, time));
    }
    intake.scratch.parents = parents;
    intake.applied += len as usize;
    if intake.awaited || !intake.waiting.is_empty() {
        let name = piece.agent_name().clone();
        intake.appended.push((name, seq, len));
    }
    Ok(())
}
