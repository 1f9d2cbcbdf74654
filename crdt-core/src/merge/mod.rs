//! How remote events come in: known ones are compared and skipped, those with missing parents are
//! held back, the rest is appended to the history as one unit, or not at all.

mod pending;
mod piece;

pub(crate) use pending::Pending;
pub use pending::PendingLimits;
pub(crate) use piece::Piece;

use std::sync::Arc;

use crate::error::MergeError;
use crate::history::History;
use crate::version::{Lv, MAX_EVENTS, check_agent_name};

/// Events may have at most this many parents.
const MAX_PARENTS: usize = 1024;
/// A document may know at most this many agents.
const MAX_AGENTS: u32 = 1 << 20;

/// What became of the pieces of one unit.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Events appended to the history.
    pub(crate) applied: usize,
    /// Events that were known, with the same content.
    pub(crate) duplicate: usize,
    /// Pieces whose parents are not known.
    pub(crate) waiting: Pending,
    /// The runs of events that were appended: agent, first seq, length.
    pub(crate) appended: Vec<(Arc<str>, u32, u32)>,
}

/// Appends `pieces` to the history, in an order in which parents come first. What waits for a
/// parent that is neither known nor among them ends up in [`Intake::waiting`].
///
/// On an error the history may hold a part of them: the caller rolls it back.
pub(crate) fn take_in(
    history: &mut History,
    pieces: impl IntoIterator<Item = Piece>,
) -> Result<Intake, MergeError> {
    let mut intake = Intake::default();
    let mut stack = Vec::new();
    for piece in pieces {
        stack.push(piece);
        while let Some(piece) = stack.pop() {
            let from = intake.appended.len();
            take_piece(history, piece, &mut intake)?;
            if !intake.waiting.is_empty() {
                for (agent, seq, len) in &intake.appended[from..] {
                    stack.extend(intake.waiting.wake(agent, *seq..seq + len));
                }
            }
        }
    }
    Ok(intake)
}

/// Splits a piece into what is known and what is new.
fn take_piece(history: &mut History, piece: Piece, intake: &mut Intake) -> Result<(), MergeError> {
    check_piece(&piece)?;
    let Some(agent) = history.graph.agents.find_agent(&piece.agent) else {
        return append(history, piece, intake);
    };
    let mut at = piece.seq;
    while at < piece.seq_end() {
        let agents = &history.graph.agents;
        let known = agents.seq_runs(agent).get(agents.first_run_ending_after(agent, at)).copied();
        let end = match known {
            Some(run) if run.seq <= at => {
                let end = run.seq_end().min(piece.seq_end());
                compare(history, &piece, at, run.lv + (at - run.seq)..run.lv + (end - run.seq))?;
                intake.duplicate += (end - at) as usize;
                end
            }
            Some(run) if run.seq < piece.seq_end() => {
                append(history, piece.part(at - piece.seq, run.seq - at), intake)?;
                run.seq
            }
            _ if at == piece.seq => return append(history, piece, intake),
            _ => {
                append(history, piece.part(at - piece.seq, piece.seq_end() - at), intake)?;
                piece.seq_end()
            }
        };
        at = end;
    }
    Ok(())
}

/// What can be said of a piece by itself.
fn check_piece(piece: &Piece) -> Result<(), MergeError> {
    check_agent_name(&piece.agent)?;
    if piece.parents.len() > MAX_PARENTS {
        return Err(MergeError::TooLarge { what: "the parents of one event", limit: MAX_PARENTS });
    }
    let own = piece.seq..piece.seq_end();
    for (agent, seq) in &piece.parents {
        check_agent_name(agent)?;
        if *agent == piece.agent && own.contains(seq) {
            let id = piece.id();
            return Err(MergeError::Cycle { agent: id.agent, seq: id.seq });
        }
    }
    Ok(())
}

/// Checks that the known events `lvs` are the events of `piece` from `seq` on.
fn compare(
    history: &History,
    piece: &Piece,
    seq: u32,
    lvs: std::ops::Range<Lv>,
) -> Result<(), MergeError> {
    let graph = &history.graph;
    let conflict = |seq: u32| MergeError::Conflict { agent: piece.agent.to_string(), seq };
    let find = |agent: &str, seq| graph.agents.lv_of(graph.agents.find_agent(agent)?, seq);

    // Parents: those of the piece for its first event, the event before for all others.
    for (run, _) in graph.graph.runs_in(lvs.clone()) {
        let at = seq + (run.start - lvs.start);
        let mut expected: Vec<Option<Lv>> = if at == piece.seq {
            piece.parents.iter().map(|(agent, seq)| find(agent, *seq)).collect()
        } else {
            vec![find(&piece.agent, at - 1)]
        };
        expected.sort_unstable();
        let same = graph.graph.with_parents(run.start, |known| {
            known.iter().copied().map(Some).eq(expected.iter().copied())
        });
        if !same {
            return Err(conflict(at));
        }
    }

    // Operations, cut into stretches that lie in one run on either side.
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
            rest = if n < b.len { Some((b.part(n, b.len - n), tail_b)) } else { incoming.next() };
        }
    }
    Ok(())
}

fn split_text(text: &str, chars: u32) -> (&str, &str) {
    let at = text.char_indices().nth(chars as usize).map_or(text.len(), |(i, _)| i);
    text.split_at(at)
}

/// Appends a piece of new events, or puts it aside if a parent is missing.
fn append(history: &mut History, piece: Piece, intake: &mut Intake) -> Result<(), MergeError> {
    let mut parents = Vec::with_capacity(piece.parents.len());
    for parent in &piece.parents {
        let agents = &history.graph.agents;
        match agents.find_agent(&parent.0).and_then(|agent| agents.lv_of(agent, parent.1)) {
            Some(lv) => parents.push(lv),
            None => {
                let parent = parent.clone();
                intake.waiting.hold(piece, parent);
                return Ok(());
            }
        }
    }
    parents.sort_unstable();
    let reduced = parents.len() < 2
        || (parents.windows(2).all(|w| w[0] != w[1]) && history.graph.graph.is_reduced(&parents));
    if !reduced {
        let id = piece.id();
        return Err(MergeError::Parents { agent: id.agent, seq: id.seq });
    }
    let room = MAX_EVENTS - history.graph.len();
    if piece.len >= room {
        return Err(MergeError::TooLarge {
            what: "the number of events",
            limit: MAX_EVENTS as usize,
        });
    }
    if history.ops.text_len() + piece.text.len() > u32::MAX as usize {
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
    let agent = history.graph.agents.agent(&piece.agent);
    history.append(agent, piece.seq, &parents, piece.runs_in(0, piece.len));
    intake.applied += piece.len as usize;
    intake.appended.push((piece.agent, piece.seq, piece.len));
    Ok(())
}
