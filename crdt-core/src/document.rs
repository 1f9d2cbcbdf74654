//! One replica of a document.

use crate::causal_graph::AgentIdx;
use crate::char_cache::CharCache;
use crate::digests::Digests;
use crate::encoding::decoder::Decoder;
use crate::encoding::file::{LoadLimits, SaveOptions};
use crate::encoding::{json, patch};
use crate::error::{AgentNameError, EditError, EncodeError, LoadError, MergeError};
use crate::history::History;
use crate::merge::{
    Agents, Batch, ChangeSink, Intake, Limits, MergeLimits, MergeReport, MergeRules, Pending,
    PendingLimits, Scratch, append_keystroke, apply_edits, changes, check_size, take_in, transform,
};
use crate::op_log::{Kind, Run};
use crate::own_names::OwnNames;
use crate::rope::Rope;
use crate::sorting::sort;
use crate::splice::Splice;
use crate::store::Store;
use crate::version::{EventId, Frontier, Lv, MAX_CHARS, VersionSummary, check_agent_name};
use crate::walker::{CharIndex, Strategy, StrategyCounts, Transformed, Walker};

/// The most missing events that a report names: every keystroke makes a report.
const MOST_MISSING: usize = 64;

pub(crate) const NO_RULES: MergeRules<'_> = MergeRules {
    withheld: &[],
    unshared: None,
    keeps_conflicts: false,
};

/// One replica of a text document: its history, and the resulting text.
///
/// Positions and lengths are in Unicode scalars ("chars").
#[derive(Debug, Clone)]
pub struct Document {
    agent: String,
    /// The index of the replica's own agent, once it has edited.
    agent_idx: Option<AgentIdx>,
    own: OwnNames,
    history: Store,
    rope: Rope,
    walker: Walker,
    pending: Pending,
    limits: Limits,
    transformed: Vec<Transformed>,
    scratch: Scratch,
    /// The place of every char, for anchors, older versions, authors and undo.
    chars: CharCache,
    digests: Digests,
    decoder: Decoder,
}

/// A value that changes whenever the history, the text or the held-back events change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    agent: String,
    events: usize,
    /// The number of pieces that were ever held back, and of events that are now.
    pending: (u64, usize),
}

impl Document {
    /// An empty document whose edits are made under exactly the name `agent`.
    ///
    /// No two replicas may edit under one name: the name with a sequence number is the identity of
    /// an event. [`Document::new_replica`] makes a unique name; [`Document::rename`] replaces a
    /// name that turns out to be in use.
    ///
    /// # Errors
    /// [`AgentNameError`] for a name that is empty or longer than 128 bytes.
    ///
    /// ```
    /// use crdt_core::Document;
    ///
    /// let doc = Document::new("alice")?;
    /// assert!(doc.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(agent: &str) -> Result<Document, AgentNameError> {
        check_agent_name(agent)?;
        Ok(Document {
            agent: agent.to_owned(),
            agent_idx: None,
            own: OwnNames::new(agent),
            history: Store::default(),
            rope: Rope::default(),
            walker: Walker::default(),
            pending: Pending::default(),
            limits: Limits::default(),
            transformed: Vec::new(),
            scratch: Scratch::default(),
            chars: CharCache::default(),
            digests: Digests::default(),
            decoder: Decoder::default(),
        })
    }

    /// Opens a file that [`Document::save`] wrote. Edits are made under the name `agent`.
    ///
    /// Verifies the checksums, and otherwise trusts the file: the text is available at once, and
    /// can be edited; the history stays packed until it is needed. Merging and encoding events that
    /// follow all of the file does not need it, and neither does saving again. If the history then
    /// turns out to be inconsistent, merges are refused with [`MergeError::CorruptHistory`], and
    /// its events cannot be encoded; [`Document::check_history`] checks that in advance. Use
    /// [`Document::load_verified`] for files from others.
    ///
    /// O(text). The history is unpacked when first needed: O(events) then.
    ///
    /// # Errors
    /// Any [`LoadError`].
    pub fn load(agent: &str, bytes: &[u8]) -> Result<Document, LoadError> {
        Document::load_within(agent, bytes, &LoadLimits::default())
    }

    /// [`Document::load`] with limits to the sizes that the file may claim.
    ///
    /// # Errors
    /// Any [`LoadError`]; [`LoadError::TooLarge`] if a limit is exceeded.
    pub fn load_within(
        agent: &str,
        bytes: &[u8],
        limits: &LoadLimits,
    ) -> Result<Document, LoadError> {
        let mut document = Document::new(agent)?;
        (document.history, document.rope) = Store::open(bytes, limits)?;
        document.mark_shared();
        Ok(document)
    }

    /// Opens a file from an untrusted source: replays its whole history, and checks that it gives
    /// the text of the file. O(events), and more where edits were concurrent.
    ///
    /// # Errors
    /// Any [`LoadError`].
    pub fn load_verified(
        agent: &str,
        bytes: &[u8],
        limits: &LoadLimits,
    ) -> Result<Document, LoadError> {
        let mut document = Document::new(agent)?;
        (document.history, document.rope) = Store::open_verified(bytes, limits)?;
        document.mark_shared();
        Ok(document)
    }

    /// The document as a file: its whole history and its text. Held-back events are not part of it.
    /// O(events); all presets except [`Preset::Fast`](crate::Preset::Fast) replay the history. With
    /// the default preset, a document that was opened from a file or saved before keeps its packed
    /// history, and a save takes O(file + later events), if all later events follow the packed
    /// ones.
    ///
    /// # Errors
    /// The error of [`Document::check_history`], if the document was opened from a file that turns
    /// out to be inconsistent.
    ///
    /// ```
    /// use crdt_core::{Document, SaveOptions};
    ///
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello")?;
    /// let file = doc.save(&SaveOptions::default())?;
    /// let opened = Document::load("bob", &file)?;
    /// assert_eq!(opened.text(), "Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, options: &SaveOptions) -> Result<Vec<u8>, LoadError> {
        self.history.save(&self.rope, options, &self.digests)
    }

    /// Unpacks the history of a document that was opened from a file, if it is still packed.
    ///
    /// # Errors
    /// The [`LoadError`] that makes the history unusable. The text can still be read and edited.
    pub fn check_history(&self) -> Result<(), LoadError> {
        self.history.unpacked().map(|_| ())
    }

    /// The agent name of local edits.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Inserts `text` at `pos`, in chars. O(1) at the place of the last edit, else O(log n); plus
    /// O(length of `text`).
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] past the end, [`EditError::TooLarge`] from 2^30 chars of text on
    /// or 2^31 events.
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "world")?;
    /// doc.insert(0, "Hello ")?;
    /// assert_eq!(doc.text(), "Hello world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&mut self, pos: usize, text: &str) -> Result<(), EditError> {
        if let &[byte] = text.as_bytes()
            && self.type_on(pos, byte, text)
        {
            return Ok(());
        }
        self.insert_text(pos, text)
    }

    /// Inserts an ASCII char if it continues the last edit of the rope, after local edits, and no
    /// limit is near; returns whether it did.
    #[inline]
    fn type_on(&mut self, pos: usize, byte: u8, text: &str) -> bool {
        let Some(history) = self.history.growing_mut(self.agent_idx) else {
            return false;
        };
        if pos >= MAX_CHARS as usize
            || self.rope.size().chars() >= MAX_CHARS
            || history.ops.text_len() >= u32::MAX as usize
            || !self.rope.type_byte(pos as u32, byte)
        {
            return false;
        }
        history.grow(Run::new(Kind::Insert, pos as u32, 1), text);
        true
    }

    #[inline(never)]
    fn insert_text(&mut self, pos: usize, text: &str) -> Result<(), EditError> {
        let size = self.rope.size();
        if pos > size.chars() as usize {
            return Err(EditError::OutOfBounds {
                position: pos,
                len: size.chars() as usize,
            });
        }
        let chars = text.chars().count();
        if size.chars() as usize + chars > MAX_CHARS as usize {
            return Err(EditError::TooLarge {
                what: "the text, in chars",
                limit: MAX_CHARS as usize,
            });
        }
        if self.history.text_len() + text.len() > u32::MAX as usize {
            return Err(EditError::TooLarge {
                what: "the text of all inserts, in bytes",
                limit: u32::MAX as usize,
            });
        }
        if chars == 0 {
            return Ok(());
        }
        let run = Run::new(Kind::Insert, pos as u32, chars as u32);
        self.append_local(run, text)?;
        self.rope.insert(pos as u32, text);
        Ok(())
    }

    /// Deletes `len` chars from `pos` on. O(1) at the place of the last edit, else O(log n); plus
    /// O(`len`).
    ///
    /// # Errors
    /// [`EditError::OutOfBounds`] if the range reaches past the end, [`EditError::TooLarge`] beyond
    /// 2^31 events.
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut doc = Document::new("alice")?;
    /// doc.insert(0, "Hello world")?;
    /// doc.delete(5, 6)?;
    /// assert_eq!(doc.text(), "Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn delete(&mut self, pos: usize, len: usize) -> Result<(), EditError> {
        if len == 1 && self.erase_on(pos) {
            return Ok(());
        }
        self.delete_range(pos, len)
    }

    /// Deletes an ASCII char if it is at the place of the last edit of the rope, after local edits,
    /// and no limit is near; returns whether it did.
    #[inline]
    fn erase_on(&mut self, pos: usize) -> bool {
        let Some(history) = self.history.growing_mut(self.agent_idx) else {
            return false;
        };
        if pos >= MAX_CHARS as usize || !self.rope.erase_byte(pos as u32) {
            return false;
        }
        history.grow(Run::new(Kind::Delete, pos as u32, 1), "");
        true
    }

    #[inline(never)]
    fn delete_range(&mut self, pos: usize, len: usize) -> Result<(), EditError> {
        let chars = self.len_chars();
        let end = pos.saturating_add(len);
        if end > chars {
            return Err(EditError::OutOfBounds {
                position: end,
                len: chars,
            });
        }
        if len == 0 {
            return Ok(());
        }
        self.append_local(Run::new(Kind::Delete, pos as u32, len as u32), "")?;
        self.rope.delete(pos as u32, len as u32);
        Ok(())
    }

    fn append_local(&mut self, run: Run, text: &str) -> Result<(), EditError> {
        self.settle();
        self.history.check_room(&self.agent, run.len)?;
        let history = self.history.latest_mut();
        let agents = &mut history.graph.agents;
        let agent = match self.agent_idx {
            Some(agent) => agent,
            None => *self.agent_idx.insert(agents.agent(&self.agent)),
        };
        history.append_local(agent, run, text)
    }

    /// The version of the document: the events without successors. O(events of the version).
    pub fn frontier(&self) -> Frontier {
        self.history.frontier()
    }

    /// All events of the document, as ranges per agent.
    pub fn summary(&self) -> VersionSummary {
        self.history.summary()
    }

    /// The events that have become part of the document since [`Document::event_count`] was
    /// `events`; all for 0. O(their runs), independent of the number of agents.
    ///
    /// If `events` is between 0 and the count after loading, the document never had that count:
    /// which of its first events are included is then unspecified.
    pub fn summary_since(&self, events: usize) -> VersionSummary {
        self.history.summary_since(events)
    }

    /// All events at or before those of `frontier`; unknown ids are ignored. Unpacks a history that
    /// is still packed.
    ///
    /// # Errors
    /// [`EncodeError::CorruptHistory`].
    pub fn summary_of(&self, frontier: &Frontier) -> Result<VersionSummary, EncodeError> {
        let graph = &self.history.unpacked()?.graph;
        let ids = frontier.ids().iter();
        let mut lvs: Vec<Lv> = ids.filter_map(|id| graph.find(id)).collect();
        sort(&mut lvs);
        if lvs.is_empty() && !graph.base_is_within(frontier) {
            return Ok(VersionSummary::new());
        }
        Ok(graph.summary_at(&lvs))
    }

    /// Whether the event is part of the document.
    pub fn contains(&self, id: &EventId) -> bool {
        self.history.contains(id)
    }

    /// The number of events of the document, including those that a shallow document has dropped.
    pub fn event_count(&self) -> usize {
        self.history.event_count()
    }

    /// The number of events of one agent: its first ones, without a gap. O(log agents).
    pub fn event_count_of(&self, agent: &str) -> usize {
        self.history.next_seq(agent) as usize
    }

    /// The number of events that are held back because events that they depend on are missing.
    pub fn pending_events(&self) -> usize {
        self.pending.events()
    }

    /// The events that held-back events wait for, sorted.
    pub fn missing(&self) -> Vec<EventId> {
        self.pending.missing(usize::MAX)
    }

    /// Limits the held-back events, and drops those beyond the limits. Returns the number of
    /// dropped events.
    pub fn set_pending_limits(&mut self, limits: PendingLimits) -> usize {
        self.limits.pending = limits;
        self.pending.shrink(&self.limits.pending)
    }

    /// Sets the limits of one merge. Merged events stay.
    pub fn set_merge_limits(&mut self, limits: MergeLimits) {
        self.limits.merge = limits;
    }

    /// Frees memory that only speeds up the next merge, the next [`Document::save`], and the next
    /// use of anchors, older versions, authors and undo.
    ///
    /// It also repairs a document after a trap in the middle of a method that takes `&self`, for example when
    /// WebAssembly runs out of memory: such a method changes nothing but caches.
    pub fn release_caches(&mut self) {
        self.history.release();
        self.digests.release();
        self.walker.forget();
        self.chars = CharCache::default();
        self.transformed = Vec::new();
        self.scratch = Scratch::default();
        self.decoder = Decoder::default();
    }

    /// Merges events in the JSON form. See [`Document::merge_patch`].
    ///
    /// # Errors
    /// See [`Document::merge_patch`].
    pub fn merge_json(&mut self, operations: &str) -> Result<MergeReport, MergeError> {
        self.merge_batch(&json::decode(operations)?, &mut ChangeSink::None, &NO_RULES)
    }

    /// Like [`Document::merge_json`], and calls `changed` with every change of the text.
    ///
    /// # Errors
    /// See [`Document::merge_patch`]; `changed` is not called then.
    pub fn merge_json_with(
        &mut self,
        operations: &str,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        let batch = json::decode(operations)?;
        self.merge_batch(&batch, &mut ChangeSink::Each(changed), &NO_RULES)
    }

    /// Merges the events of a binary patch.
    ///
    /// Skips known events, and holds back events whose parents are missing. The rest applies as a
    /// whole or not at all. O(log n) for an event that follows all others; events that are
    /// concurrent to others replay those (Eg-walker, section 3).
    ///
    /// # Errors
    /// Any [`MergeError`]; the document is then unchanged.
    pub fn merge_patch(&mut self, patch: &[u8]) -> Result<MergeReport, MergeError> {
        self.merge_decoded(patch, None, |doc, batch| {
            doc.merge_batch(batch, &mut ChangeSink::None, &NO_RULES)
        })
    }

    /// Like [`Document::merge_patch`], and calls `changed` with every change of the text.
    ///
    /// # Errors
    /// See [`Document::merge_patch`]; `changed` is not called then.
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut alice = Document::new("alice")?;
    /// let mut bob = Document::new("bob")?;
    /// alice.insert(0, "Hello")?;
    /// let patch = alice.encode_since(&bob.summary())?;
    /// let mut editor = String::new();
    /// bob.merge_patch_with(&patch, &mut |splice| {
    ///     // `pos` and `deleted` are counted in chars and in UTF-16 code units.
    ///     editor.insert_str(splice.pos.chars, splice.inserted);
    /// })?;
    /// assert_eq!(editor, "Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge_patch_with(
        &mut self,
        patch: &[u8],
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        self.merge_decoded(patch, None, |doc, batch| {
            doc.merge_batch(batch, &mut ChangeSink::Each(changed), &NO_RULES)
        })
    }

    /// Merges a patch of one event that follows all others; returns `None` for any other patch, and
    /// leaves the document unchanged.
    pub(crate) fn merge_keystroke(
        &mut self,
        patch: &[u8],
        known: &[&str],
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Option<MergeReport> {
        let keystroke = patch::decode_keystroke(patch)?;
        let is_taken =
            |name: &&str| *name != self.agent && keystroke.seq < rules.first_withheld(name);
        let name = known.get(keystroke.agent).copied().filter(is_taken)?;
        // Others may wait for this event.
        if self.history.is_packed() || !self.pending.is_empty() {
            return None;
        }
        let history = self.history.latest_mut();
        if history.len() as usize >= self.limits.merge.document_events {
            return None;
        }
        let chars = self.rope.size().chars();
        let run = append_keystroke(history, chars, name, &keystroke)?;
        self.walker.count(Strategy::Keystroke, 1);
        match run.kind {
            Kind::Insert => changes::insert(&mut self.rope, run.pos, keystroke.text, changed),
            _ => changes::delete(&mut self.rope, run.pos, run.len, changed),
        }
        Some(MergeReport {
            applied: 1,
            ..MergeReport::default()
        })
    }

    /// Checks that a batch does not have more events than one message may have.
    pub(crate) fn check_size(&self, batch: &Batch) -> Result<(), MergeError> {
        check_size(batch, &self.limits)
    }

    /// Becomes `copy`, a copy of this document that has merged more.
    pub(crate) fn turn_into(&mut self, copy: Document) {
        let limits = self.limits;
        *self = Document { limits, ..copy };
    }

    pub(crate) fn state(&self) -> State {
        State {
            agent: self.agent.clone(),
            events: self.event_count(),
            pending: (self.pending.held_ever(), self.pending.events()),
        }
    }

    /// The number of events that each [`Strategy`] has merged since the document was created or
    /// opened: for tests, and for tools that show how a history merges. Refused events count, too.
    /// O(1).
    pub fn strategy_counts(&self) -> StrategyCounts {
        self.walker.counts()
    }

    pub(crate) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The history; unpacks it, if it is still packed.
    pub(crate) fn whole_history(&self) -> Result<&History, LoadError> {
        self.history.unpacked()
    }

    /// The history, or the file that it is still packed in.
    pub(crate) fn store(&self) -> &Store {
        &self.history
    }

    pub(crate) fn rope(&self) -> &Rope {
        &self.rope
    }

    /// Sets the history of a document without any, and the resulting text.
    pub(crate) fn set_history(&mut self, history: Store, rope: Rope) {
        (self.history, self.rope) = (history, rope);
    }

    /// The history, unpacked, and the text, to change both.
    pub(crate) fn history_and_rope(&mut self) -> Result<(&mut History, &mut Rope), LoadError> {
        self.unpack()?;
        Ok((self.history.latest_mut(), &mut self.rope))
    }

    /// Unpacks the history, if it is still packed.
    fn unpack(&mut self) -> Result<(), LoadError> {
        self.history.unpacked()?;
        self.settle();
        Ok(())
    }

    /// Adopts a history that was unpacked since the last change. Called before every change.
    fn settle(&mut self) {
        if self.history.settle() {
            self.agent_idx = None;
            self.walker.forget();
        }
    }

    /// Records that the own events from the seq `from` on now belong to `agent`.
    pub(crate) fn renamed(&mut self, agent: &str, from: u32) {
        self.own.rename(from, agent);
        agent.clone_into(&mut self.agent);
        self.agent_idx = None;
        self.digests = Digests::default();
        self.release_caches();
    }

    pub(crate) fn own(&self) -> &OwnNames {
        &self.own
    }

    pub(crate) fn set_next_time(&mut self, time: u64) {
        self.settle();
        self.history.set_next_time(&self.agent, time);
    }

    /// The sequence number of the next local edit.
    pub(crate) fn next_seq(&self) -> u32 {
        self.history.next_seq(&self.agent)
    }

    /// The history, and the up-to-date place of every char of it. O(history) the first time, then
    /// as much as a merge of the events since.
    pub(crate) fn chars(&mut self) -> Result<(&History, &mut CharIndex), LoadError> {
        let history = self.history.unpacked()?;
        let chars = self.chars.get_mut();
        chars.catch_up((&history.graph, &history.ops));
        Ok((history, chars))
    }

    /// Calls `read` with what [`Document::chars`] returns.
    pub(crate) fn with_chars<T>(
        &self,
        read: impl FnOnce(&History, &mut CharIndex) -> T,
    ) -> Result<T, LoadError> {
        let history = self.history.unpacked()?;
        Ok(self.chars.lend(|chars| {
            chars.catch_up((&history.graph, &history.ops));
            read(history, chars)
        }))
    }

    /// Decodes a patch, self-contained or without the names `known`, and calls `merge` with its
    /// content.
    pub(crate) fn merge_decoded<T>(
        &mut self,
        patch: &[u8],
        known: Option<&[&str]>,
        merge: impl FnOnce(&mut Document, &Batch) -> Result<T, MergeError>,
    ) -> Result<T, MergeError> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let merged = match decoder.decode(patch, known) {
            Ok(batch) => merge(self, batch),
            Err(error) => Err(error.into()),
        };
        decoder.shrink();
        self.decoder = decoder;
        merged
    }

    pub(crate) fn merge_batch(
        &mut self,
        batch: &Batch,
        sink: &mut ChangeSink<'_>,
        rules: &MergeRules<'_>,
    ) -> Result<MergeReport, MergeError> {
        self.settle();
        if self.history.is_packed() {
            if let Some(report) = self.merge_later(batch, sink, rules) {
                return Ok(report);
            }
            self.unpack().map_err(MergeError::CorruptHistory)?;
        }
        let mut report = MergeReport::default();
        let mut agents = Agents::new(batch);
        if !batch.base.is_empty() && !rules.keeps_conflicts {
            let history = self.history.unpacked();
            let history = history.map_err(MergeError::CorruptHistory)?;
            self.digests.check_base(history, (batch, &mut agents))?;
        }
        let is_own = |name: &std::sync::Arc<str>| **name == *self.agent;
        let own =
            (!self.pending.is_empty() || batch.names.iter().any(is_own)).then(|| self.next_seq());
        // One limit for all of them.
        let mut work = self.limits.merge.work;
        let mut appended =
            self.merge_unit((batch, &mut agents), (sink, rules), &mut work, &mut report)?;
        // Pieces that were held back for these events are merged as separate units: an error in
        // them must not fail the merge of the present sender's events, and the rules for that
        // sender do not apply to them.
        let held_rules = MergeRules {
            withheld: &[],
            ..*rules
        };
        while let Some((agent, seq, len)) = appended.pop() {
            for held in self.pending.wake(&agent, seq..seq + len) {
                let piece = (&held.piece, &mut Agents::new(&held.piece));
                match self.merge_unit(piece, (sink, &held_rules), &mut work, &mut report) {
                    Ok(more) => appended.extend(more),
                    Err(_) => report.dropped += held.len as usize,
                }
            }
        }
        if own.is_some_and(|own| self.next_seq() != own) {
            self.mark_shared();
        }
        report.pending = self.pending.events();
        report.missing = self.pending.missing(MOST_MISSING);
        Ok(report)
    }

    /// Merges a batch of events that follow all of the file in which the history is packed; returns
    /// `None` for any other batch, and leaves the document unchanged.
    fn merge_later(
        &mut self,
        batch: &Batch,
        sink: &mut ChangeSink<'_>,
        rules: &MergeRules<'_>,
    ) -> Option<MergeReport> {
        if !self.pending.is_empty() || !self.history.takes(batch, &self.limits.merge) {
            return None;
        }
        let own = self.next_seq();
        let mut report = MergeReport::default();
        let history = self.history.latest_mut();
        let before = history.savepoint();
        let mut intake = Intake::new(&self.limits, false, &mut self.scratch);
        let edits = &mut self.transformed;
        edits.clear();
        let chars = self.rope.size().chars();
        let part = (batch, &mut Agents::new(batch));
        let unit = take_in(history, part, rules, &mut intake).and_then(|()| {
            let mut work = self.limits.merge.work;
            transform(&mut self.walker, history, (before, chars), &mut work, edits)
        });
        if unit.is_err() || !intake.is_whole() {
            history.roll_back(before);
            self.walker.forget();
            return None;
        }
        for &(agent, seq, time) in &intake.timestamps {
            history.timestamps.add(agent, seq, time);
        }
        apply_edits(&mut self.rope, &history.ops, edits.drain(..), sink);
        report.applied = intake.applied;
        report.duplicate = intake.duplicate;
        self.scratch = intake.into_scratch();
        if self.next_seq() != own {
            self.mark_shared();
        }
        Some(report)
    }

    /// Merges some pieces as one unit; returns the runs of events that were appended. Takes at most
    /// `work` steps, plus those that each run allows, and stores the remaining number there.
    fn merge_unit(
        &mut self,
        batch: (&Batch, &mut Agents),
        (sink, rules): (&mut ChangeSink<'_>, &MergeRules<'_>),
        work: &mut u64,
        report: &mut MergeReport,
    ) -> Result<Vec<(std::sync::Arc<str>, u32, u32)>, MergeError> {
        let history = self.history.latest_mut();
        let before = history.savepoint();
        let chars = self.rope.size().chars();
        self.transformed.clear();
        let is_awaited = !self.pending.is_empty();
        let mut intake = Intake::new(&self.limits, is_awaited, &mut self.scratch);
        let unit = take_in(history, batch, rules, &mut intake).and_then(|()| {
            let edits = &mut self.transformed;
            transform(&mut self.walker, history, (before, chars), work, edits)
        });
        if let Err(error) = unit {
            history.roll_back(before);
            return Err(error);
        }
        report.dropped += intake.dropped;
        for held in intake.waiting.drain() {
            self.pending.hold(held);
            report.dropped += self.pending.shrink(&self.limits.pending);
        }
        for &(agent, seq, time) in &intake.timestamps {
            history.timestamps.add(agent, seq, time);
        }
        let edits = self.transformed.drain(..);
        apply_edits(&mut self.rope, &history.ops, edits, sink);
        report.applied += intake.applied;
        report.duplicate += intake.duplicate;
        let exceptions = &mut report.exceptions;
        exceptions.withheld.append(&mut intake.exceptions.withheld);
        exceptions
            .conflicts
            .append(&mut intake.exceptions.conflicts);
        let appended = std::mem::take(&mut intake.appended);
        self.scratch = intake.into_scratch();
        Ok(appended)
    }
}
