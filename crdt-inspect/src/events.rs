//! The events of a document, one by one, and as a list for people.

use std::fmt;
use std::io::{self, Write};

use crdt_core::{Document, EditKind, EventId, HistoryError, HistoryRun};

use crate::Failure;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) parents: Parents,
    /// The char that it inserts; `None` for a deletion.
    pub(crate) inserted: Option<char>,
    /// Where, in chars of the text at the parents.
    pub(crate) pos: usize,
}

/// What an event builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parents {
    /// The event before it of its agent, and nothing else.
    Previous,
    /// These, sorted.
    These(Vec<EventId>),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inserted {
            Some(char) => write!(f, "inserts {char:?} at {}", self.pos)?,
            None => write!(f, "deletes the char at {}", self.pos)?,
        }
        match &self.parents {
            Parents::Previous => write!(f, ", after the event before it"),
            Parents::These(ids) => write!(f, ", after {}", list(ids)),
        }
    }
}

/// The events in the order in which they arrived: parents first.
pub(crate) fn of(document: &Document) -> Result<impl Iterator<Item = Event>, HistoryError> {
    Ok(document.history()?.flat_map(|run| events_of(&run)))
}

fn events_of(run: &HistoryRun<'_>) -> Vec<Event> {
    let count = run.seqs.len();
    let mut chars = run.text.chars();
    let event = |(i, seq): (usize, u32)| Event {
        id: EventId::new(run.agent, seq),
        parents: parents_of(run, seq),
        inserted: chars.next(),
        pos: match run.kind {
            EditKind::Insert => run.pos + i,
            EditKind::Delete => run.pos,
            EditKind::Backspace => run.pos + (count - 1 - i),
        },
    };
    run.seqs.clone().enumerate().map(event).collect()
}

fn parents_of(run: &HistoryRun<'_>, seq: u32) -> Parents {
    let is_previous = |id: &EventId| id.agent == run.agent && id.seq.checked_add(1) == Some(seq);
    match run.parents.ids() {
        _ if seq > run.seqs.start => Parents::Previous,
        [id] if is_previous(id) => Parents::Previous,
        ids => Parents::These(ids.to_vec()),
    }
}

/// Prints a summary, and a line for each run.
pub(crate) fn print(document: &Document, out: &mut impl Write) -> Result<(), Failure> {
    let summary = document.summary();
    let (mut runs, mut inserted, mut deleted) = (0_u64, 0_u64, 0_u64);
    for run in document.history()? {
        runs += 1;
        match run.kind {
            EditKind::Insert => inserted += run.seqs.len() as u64,
            EditKind::Delete | EditKind::Backspace => deleted += run.seqs.len() as u64,
        }
    }
    writeln!(
        out,
        "{} events in {runs} runs: {inserted} chars inserted, {deleted} deletions",
        document.event_count()
    )?;
    writeln!(
        out,
        "text: {} chars, {} bytes",
        document.len_chars(),
        document.text().len()
    )?;
    writeln!(out, "version: {}", list(document.frontier().ids()))?;
    for (agent, ranges) in summary.iter() {
        let events: u64 = ranges
            .iter()
            .map(|range| u64::from(range.end - range.start))
            .sum();
        writeln!(out, "agent {agent:?}: {events} events")?;
    }
    writeln!(out)?;
    for run in document.history()? {
        print_run(&run, out)?;
    }
    Ok(())
}

fn print_run(run: &HistoryRun<'_>, out: &mut impl Write) -> io::Result<()> {
    let last = run.seqs.end.saturating_sub(1);
    write!(out, "{}:{}", run.agent, run.seqs.start)?;
    if last > run.seqs.start {
        write!(out, "..={last}")?;
    }
    match run.kind {
        EditKind::Insert => write!(out, " at {} inserts {:?}", run.pos, run.text)?,
        EditKind::Delete => write!(out, " at {} deletes {} chars", run.pos, run.seqs.len())?,
        EditKind::Backspace => write!(out, " at {} backspaces {} chars", run.pos, run.seqs.len())?,
    }
    match parents_of(run, run.seqs.start) {
        Parents::Previous => writeln!(out),
        Parents::These(ids) => writeln!(out, ", after {}", list(&ids)),
    }
}

/// Ids for people.
pub(crate) fn list(ids: &[EventId]) -> String {
    if ids.is_empty() {
        return "nothing".to_owned();
    }
    let name = |id: &EventId| format!("{}:{}", id.agent, id.seq);
    ids.iter().map(name).collect::<Vec<_>>().join(" ")
}
