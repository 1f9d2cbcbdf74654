//! Encoding the events of a replica as JSON and as patches.

use std::ops::Range;

use crate::digests::Digests;
use crate::document::Document;
use crate::encoding::{json, patch};
use crate::error::EncodeError;
use crate::history::History;
use crate::sorting::sort;
use crate::version::{EventId, Frontier, Lv, VersionSummary};

/// Events, ascending, or why they cannot be encoded.
type Lvs = Result<Vec<Range<Lv>>, EncodeError>;

impl Document {
    /// All events, in the canonical JSON form: byte for byte the same on every replica with
    /// the same events. A shallow document has only those after its
    /// [start](Document::history_start).
    ///
    /// # Errors
    /// [`EncodeError::CorruptHistory`].
    pub fn operations_json(&self) -> Result<String, EncodeError> {
        let history = self.whole_history()?;
        Ok(self.to_json(history, &history.after(&[])))
    }

    /// The events that are not at or before those of `frontier`, in the canonical JSON form;
    /// unknown ids are ignored.
    ///
    /// # Errors
    /// See [`Document::encode_since`].
    pub fn operations_after_json(&self, frontier: &Frontier) -> Result<String, EncodeError> {
        let history = self.whole_history()?;
        let graph = &history.graph;
        let ids = frontier.ids().iter();
        let mut lvs: Vec<Lv> = ids.filter_map(|id| graph.find(id)).collect();
        sort(&mut lvs);
        // Every event of a shallow document follows all dropped events.
        if lvs.is_empty() && graph.base().is_some() && !graph.base_is_within(frontier) {
            let EventId { agent, seq } = graph.begin_id();
            return Err(EncodeError::TooOld { agent, seq });
        }
        Ok(self.to_json(history, &history.after(&lvs)))
    }

    /// The events that `have` does not contain, in the canonical JSON form.
    ///
    /// # Errors
    /// See [`Document::encode_since`].
    pub fn operations_since_json(&self, have: &VersionSummary) -> Result<String, EncodeError> {
        let (history, lvs, digests) = self.found(&|history| history.missing_from(have))?;
        let base = digests.base_of(history, &lvs);
        Ok(json::encode(history, &lvs, &base))
    }

    /// The events `events`, as far as they are part of the document, in the canonical JSON form.
    ///
    /// # Errors
    /// See [`Document::encode_of`].
    pub fn operations_of_json(&self, events: &VersionSummary) -> Result<String, EncodeError> {
        let (history, lvs, digests) = self.found(&|history| history.lvs_of(events))?;
        let base = digests.base_of(history, &lvs);
        Ok(json::encode(history, &lvs, &base))
    }

    /// The events that `have` does not contain, as a binary patch. Held-back events are not part of
    /// it. O(agents + output).
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if a shallow document has dropped events that `have` does not
    /// contain, [`EncodeError::CorruptHistory`].
    ///
    /// ```
    /// # use crdt_core::Document;
    /// let mut alice = Document::new("alice")?;
    /// let mut bob = Document::new("bob")?;
    /// alice.insert(0, "Hello")?;
    /// bob.merge_patch(&alice.encode_since(&bob.summary())?)?;
    /// assert_eq!(bob.text(), "Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode_since(&self, have: &VersionSummary) -> Result<Vec<u8>, EncodeError> {
        let (history, lvs, digests) = self.found(&|history| history.missing_from(have))?;
        let base = digests.base_of(history, &lvs);
        Ok(patch::encode(history, &lvs, &base))
    }

    /// The events `events`, as far as they are part of the document, as a binary patch: with
    /// [`Document::summary_since`], the new events. O(events' ranges + output), independent of the
    /// number of agents.
    ///
    /// # Errors
    /// [`EncodeError::TooOld`] if a shallow document has dropped any of them,
    /// [`EncodeError::CorruptHistory`].
    pub fn encode_of(&self, events: &VersionSummary) -> Result<Vec<u8>, EncodeError> {
        let (history, lvs, digests) = self.found(&|history| history.lvs_of(events))?;
        let base = digests.base_of(history, &lvs);
        Ok(patch::encode(history, &lvs, &base))
    }

    /// The events `lvs`, with the events that they build on.
    fn to_json(&self, history: &History, lvs: &[Range<Lv>]) -> String {
        json::encode(history, lvs, &self.digests().base_of(history, lvs))
    }

    /// The history that contains some events, with its digests: the events after a file, whose
    /// history then stays packed, or the whole history.
    pub(crate) fn found(
        &self,
        find: &dyn Fn(&History) -> Lvs,
    ) -> Result<(&History, Vec<Range<Lv>>, &Digests), EncodeError> {
        if let Some((history, digests)) = self.store().later()
            && let Ok(lvs) = find(history)
        {
            return Ok((history, lvs, digests));
        }
        let history = self.whole_history()?;
        Ok((history, find(history)?, self.digests()))
    }
}
