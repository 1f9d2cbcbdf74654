//! Older versions: their text, the difference between two of them, the history as runs, and
//! reverting to one.

use std::ops::Range;

use crate::document::Document;
use crate::error::{HistoryError, LoadError};
use crate::history::History;
use crate::op_log::{Kind, Texts};
use crate::sorting::sort;
use crate::splice::{Splice, TextLen};
use crate::version::{EventId, Frontier, Lv};
use crate::walker::{CharIndex, CharRun};

/// The kind of operation of a [`HistoryRun`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EditKind {
    /// The first event inserts a char at the position, each further one after the previous char.
    Insert,
    /// Each event deletes the char at the position.
    Delete,
    /// The last event deletes the char at the position, each earlier one the char after that: a run
    /// of backspaces.
    Backspace,
}

/// A run of events of one agent: one edit, or several that continue each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRun<'a> {
    /// The agent that made them.
    pub agent: &'a str,
    /// Their sequence numbers.
    pub seqs: Range<u32>,
    /// The version in which the first of them was made; the only parent of each further one is the
    /// one before it.
    pub parents: Frontier,
    /// The kind of their operations.
    pub kind: EditKind,
    /// The position, in chars of the text at the parents.
    pub pos: usize,
    /// The inserted text; empty for deletes.
    pub text: &'a str,
}

impl Document {
    /// The history, as runs of events in the local order of arrival: parents first.
    ///
    /// The events are the same on every replica; their order, and the runs, may differ. O(runs) in
    /// all, plus unpacking a history that is still packed.
    ///
    /// # Errors
    /// [`HistoryError::CorruptHistory`].
    ///
    /// ```
    /// use crdt_core::{Document, EditKind};
    ///
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello")?;
    /// doc.delete(0, 1)?;
    /// let kinds: Vec<EditKind> = doc.history()?.map(|run| run.kind).collect();
    /// assert_eq!(kinds, [EditKind::Insert, EditKind::Delete]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history(&self) -> Result<impl Iterator<Item = HistoryRun<'_>>, HistoryError> {
        let history = self.whole_history()?;
        let (graph, ops) = (&history.graph, &history.ops);
        let by_agent = graph
            .graph
            .runs_in(graph.start()..history.len())
            .flat_map(move |(run, _)| graph.agents.runs_in(run));
        Ok(by_agent.flat_map(move |(lvs, agent, seq)| {
            let first = lvs.start;
            ops.parts_in(lvs).map(move |part| {
                let seq = seq + (part.lv - first);
                HistoryRun {
                    agent: graph.agents.name(agent),
                    seqs: seq..seq + part.run.len,
                    parents: graph
                        .graph
                        .with_parents(part.lv, |parents| graph.public_frontier(parents)),
                    kind: match part.run.kind {
                        Kind::Insert => EditKind::Insert,
                        Kind::Delete => EditKind::Delete,
                        Kind::Backspace => EditKind::Backspace,
                    },
                    pos: part.run.pos as usize,
                    text: ops.text_of(&part),
                }
            })
        }))
    }

    /// The text at a version. `version` may contain events that are ancestors of others.
    ///
    /// Builds the index that [`Document::anchor_at`] describes, and moves it to the version: O(d
    /// log n) for a version that differs from the previously used one by d events, plus O(n) for
    /// the text.
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] for an event that has not arrived, [`HistoryError::TooOld`] in a
    /// shallow document, [`HistoryError::CorruptHistory`].
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello")?;
    /// let before = doc.frontier();
    /// doc.insert(5, " world")?;
    /// assert_eq!(doc.text_at(&before)?, "Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn text_at(&self, version: &Frontier) -> Result<String, HistoryError> {
        let version = self.version_lvs(version)?;
        Ok(self.with_chars(|history, chars| {
            chars.move_to((&history.graph, &history.ops), &version);
            let mut texts = Texts::new(&history.ops);
            let mut text = String::new();
            for run in chars.runs(None).filter(|run| run.in_version) {
                texts.read(run.lv..run.lv + run.len, |piece| text.push_str(piece));
            }
            text
        })?)
    }

    /// Calls `changed` with the splices that turn the text at `from` into the text at `to`, from
    /// left to right; the position of each refers to the text after the ones before it. Costs as
    /// much as [`Document::text_at`] for both.
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] for an event that has not arrived, [`HistoryError::TooOld`] in a
    /// shallow document, [`HistoryError::CorruptHistory`].
    pub fn diff(
        &self,
        from: &Frontier,
        to: &Frontier,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(), HistoryError> {
        let (from, to) = (self.version_lvs(from)?, self.version_lvs(to)?);
        Ok(self.diff_lvs(&from, &to, changed)?)
    }

    /// Restores the text of `version`, with new events of the own agent that undo the difference:
    /// later edits of all agents are removed from the text, and stay in the history. Calls
    /// `changed` with every change of the text.
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] for an event that has not arrived, [`HistoryError::TooOld`] in a
    /// shallow document, [`HistoryError::Edit`] if the new events do not fit,
    /// [`HistoryError::CorruptHistory`]; the document is then unchanged.
    pub fn revert_to(
        &mut self,
        version: &Frontier,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(), HistoryError> {
        let to = self.version_lvs(version)?;
        let from = self.whole_history()?.graph.frontier().to_vec();
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        self.diff_lvs(&from, &to, &mut |splice| {
            let inserted = splice.inserted.to_owned();
            edits.push((splice.pos.chars, splice.deleted.chars, inserted));
        })?;
        let (mut deleted, mut inserted, mut bytes) = (0, 0, 0);
        for (_, len, text) in &edits {
            deleted += len;
            inserted += text.chars().count();
            bytes += text.len();
        }
        self.check_room(deleted, inserted, bytes)?;
        for (pos, len, text) in &edits {
            self.replace(*pos, *len, text, changed)?;
        }
        Ok(())
    }

    /// The events of a version, sorted, without those that are ancestors of others.
    pub(crate) fn version_lvs(&self, version: &Frontier) -> Result<Vec<Lv>, HistoryError> {
        let graph = &self.whole_history()?.graph;
        let mut lvs = Vec::with_capacity(version.ids().len());
        for id in version.ids() {
            match graph.find(id) {
                Some(lv) => lvs.push(lv),
                // All events of the history follow it.
                None if graph.knows(id) => {}
                None => {
                    return Err(HistoryError::Unknown {
                        agent: id.agent.clone(),
                        seq: id.seq,
                    });
                }
            }
        }
        if lvs.is_empty()
            && let Some(base) = graph.base()
        {
            if graph.base_is_within(version) {
                return Ok(base.top().to_vec());
            }
            let EventId { agent, seq } = graph.begin_id();
            return Err(HistoryError::TooOld { agent, seq });
        }
        sort(&mut lvs);
        let later = |i: usize| lvs.get(i + 1..).unwrap_or_default();
        let reduced = lvs.iter().enumerate();
        Ok(reduced
            .filter(|&(i, &lv)| !graph.graph.contains(later(i), lv))
            .map(|(_, &lv)| lv)
            .collect())
    }

    fn diff_lvs(
        &self,
        from: &[Lv],
        to: &[Lv],
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(), LoadError> {
        self.with_chars(|history, chars| diff(history, chars, (from, to), changed))
    }
}

/// Calls `changed` with the splices that turn the text at `from` into the text at `to`.
fn diff(
    history: &History,
    chars: &mut CharIndex,
    (from, to): (&[Lv], &[Lv]),
    changed: &mut dyn FnMut(Splice<'_>),
) {
    let log = (&history.graph, &history.ops);
    chars.move_to(log, from);
    let old: Vec<CharRun> = chars.runs(None).filter(|run| run.in_version).collect();
    chars.move_to(log, to);
    // The chars are in the same order, but may be split into different runs.
    let mut old = old.into_iter().peekable();
    let mut texts = Texts::new(&history.ops);
    let mut out = Splices {
        at: TextLen::default(),
        deleted: TextLen::default(),
        inserted: String::new(),
        changed,
    };
    for run in chars.runs(None) {
        let (mut lv, end) = (run.lv, run.lv + run.len);
        while lv < end {
            let (was, until) = match old.peek() {
                Some(old) if old.lv <= lv && lv < old.lv + old.len => (true, old.lv + old.len),
                Some(old) if lv < old.lv => (false, old.lv),
                _ => (false, end),
            };
            let until = until.min(end);
            texts.read(lv..until, |text| match (was, run.in_version) {
                (true, true) => out.keep(text),
                (true, false) => out.deleted = out.deleted.plus(TextLen::of(text)),
                (false, true) => out.inserted.push_str(text),
                (false, false) => {}
            });
            lv = until;
            old.next_if(|old| old.lv + old.len == lv);
        }
    }
    out.flush();
}

/// Joins the deletions and insertions at one place.
struct Splices<'a> {
    at: TextLen,
    deleted: TextLen,
    inserted: String,
    changed: &'a mut dyn FnMut(Splice<'_>),
}

impl Splices<'_> {
    fn keep(&mut self, text: &str) {
        self.flush();
        self.at = self.at.plus(TextLen::of(text));
    }

    fn flush(&mut self) {
        if self.deleted == TextLen::default() && self.inserted.is_empty() {
            return;
        }
        (self.changed)(Splice {
            pos: self.at,
            deleted: std::mem::take(&mut self.deleted),
            inserted: &self.inserted,
        });
        self.at = self.at.plus(TextLen::of(&self.inserted));
        self.inserted.clear();
    }
}
