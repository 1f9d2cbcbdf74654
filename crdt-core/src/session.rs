//! Patches between two permanently connected replicas, for sync engines.
//!
//! Both ends of a link keep the same list of agent names. Patches that leave those names out are
//! shorter: a keystroke takes five bytes. For all other purposes use [`Document::encode_since`] and
//! [`Document::merge_patch`].

use crate::document::{Document, NO_RULES};
use crate::encoding::{json, patch};
use crate::error::{EncodeError, MergeError};
use crate::merge::{Batch, ChangeSink, ChangedRange, MergeReport};
pub use crate::merge::{Exceptions, MergeRules};
use crate::splice::Splice;
use crate::version::VersionSummary;

/// Patches without the agent names that both ends know.
///
/// ```
/// use crdt_core::Document;
/// use crdt_core::session::NamedPatches;
///
/// let mut alice = Document::new("alice")?;
/// let mut bob = Document::new("bob")?;
/// let known = ["alice"];
/// alice.insert(0, "H")?;
/// let patch = alice.encode_since_named(&bob.summary(), &known)?;
/// bob.merge_patch_named_with(&patch, &known, &mut |_| {})?;
/// assert_eq!(bob.text(), "H");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait NamedPatches {
    /// Like [`Document::encode_since`], for a reader that has the same list of agent names `known`.
    ///
    /// # Errors
    /// See [`Document::encode_since`].
    fn encode_since_named(
        &self,
        have: &VersionSummary,
        known: &[&str],
    ) -> Result<Vec<u8>, EncodeError>;

    /// The events `events`, as far as they are part of the document, for a reader that has the same
    /// list of agent names `known` and all events that these depend on. Encodes about `enough`
    /// bytes of the first of them, in an order in which no event depends on a later one. Also
    /// returns which events these are, if they are not all. O(events' ranges + output), independent
    /// of the number of agents.
    ///
    /// # Errors
    /// See [`Document::encode_of`].
    fn encode_part_named(
        &self,
        events: &VersionSummary,
        known: &[&str],
        enough: usize,
    ) -> Result<(Vec<u8>, Option<VersionSummary>), EncodeError>;

    /// Appends the last event of the document to `out`, as [`NamedPatches::encode_part_named`]
    /// writes it, if it is a keystroke that follows the previous event of its agent, and `known`
    /// names that agent. Otherwise writes nothing. Returns whether it wrote the event.
    fn encode_keystroke_named(&self, known: &[&str], out: &mut Vec<u8>) -> bool;

    /// Merges a patch that was made with the same names, and calls `changed` with every change of the
    /// text. See [`Document::merge_patch`].
    ///
    /// # Errors
    /// See [`Document::merge_patch`].
    fn merge_patch_named_with(
        &mut self,
        patch: &[u8],
        known: &[&str],
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError>;

    /// Like [`NamedPatches::merge_patch_named_with`], with exceptions.
    ///
    /// # Errors
    /// See [`Document::merge_patch`].
    fn merge_patch_named_by(
        &mut self,
        patch: &[u8],
        known: &[&str],
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError>;

    /// Like [`Document::merge_json_with`], with exceptions.
    ///
    /// # Errors
    /// See [`Document::merge_patch`].
    fn merge_json_by(
        &mut self,
        operations: &str,
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError>;

    /// Like [`Document::merge_patch_with`], with exceptions, and also returns the events of the
    /// patch. With `as_one`, all changes are reported together, as
    /// [`NamedPatches::merge_patch_named_as_one`] does.
    ///
    /// # Errors
    /// See [`Document::merge_patch`]; `changed` is not called then.
    fn merge_patch_by(
        &mut self,
        patch: &[u8],
        rules: &MergeRules<'_>,
        as_one: bool,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(MergeReport, VersionSummary), MergeError>;

    /// Like [`NamedPatches::merge_patch_named_by`], but reports all changes together: calls
    /// `changed` once, with one equivalent replacement, or not at all. For a text of which this
    /// replica has little yet. O(length of the text) more than a merge.
    ///
    /// # Errors
    /// See [`Document::merge_patch`]; `changed` is not called then.
    fn merge_patch_named_as_one(
        &mut self,
        patch: &[u8],
        known: &[&str],
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError>;
}

impl NamedPatches for Document {
    fn encode_since_named(
        &self,
        have: &VersionSummary,
        known: &[&str],
    ) -> Result<Vec<u8>, EncodeError> {
        let (history, lvs, _) = self.found(&|history| history.missing_from(have))?;
        let mut out = Vec::new();
        patch::encode_named(history, &lvs, known, &mut out);
        Ok(out)
    }

    fn encode_part_named(
        &self,
        events: &VersionSummary,
        known: &[&str],
        enough: usize,
    ) -> Result<(Vec<u8>, Option<VersionSummary>), EncodeError> {
        let (history, lvs, _) = self.found(&|history| history.lvs_of(events))?;
        let mut out = Vec::new();
        let end = patch::encode_part(history, &lvs, known, enough, &mut out);
        let part = end.map(|end| {
            let written = lvs.iter().map(|range| range.start..range.end.min(end));
            history.graph.summary_in(written)
        });
        Ok((out, part))
    }

    fn encode_keystroke_named(&self, known: &[&str], out: &mut Vec<u8>) -> bool {
        let store = self.store();
        let later = store.later().map(|(history, _)| history);
        let whole = (!store.is_packed()).then(|| store.latest());
        let written = later.or(whole);
        written
            .and_then(|history| patch::encode_keystroke(history, known, out))
            .is_some()
    }

    fn merge_patch_named_with(
        &mut self,
        patch: &[u8],
        known: &[&str],
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        self.merge_patch_named_by(patch, known, &NO_RULES, changed)
    }

    fn merge_patch_named_by(
        &mut self,
        patch: &[u8],
        known: &[&str],
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        if let Some(report) = self.merge_keystroke(patch, known, rules, changed) {
            return Ok(report);
        }
        self.merge_decoded(patch, Some(known), |doc, batch| {
            doc.merge_batch(batch, &mut ChangeSink::Each(changed), rules)
        })
    }

    fn merge_json_by(
        &mut self,
        operations: &str,
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        let batch = json::decode(operations)?;
        self.merge_batch(&batch, &mut ChangeSink::Each(changed), rules)
    }

    fn merge_patch_by(
        &mut self,
        patch: &[u8],
        rules: &MergeRules<'_>,
        as_one: bool,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<(MergeReport, VersionSummary), MergeError> {
        self.merge_decoded(patch, None, |doc, batch| {
            let report = if as_one {
                doc.merge_batch_as_one(batch, rules, changed)?
            } else {
                doc.merge_batch(batch, &mut ChangeSink::Each(changed), rules)?
            };
            let mut events = VersionSummary::new();
            for piece in batch.pieces() {
                events.insert(piece.agent_name(), piece.seq..piece.seq_end());
            }
            Ok((report, events))
        })
    }

    fn merge_patch_named_as_one(
        &mut self,
        patch: &[u8],
        known: &[&str],
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        self.merge_decoded(patch, Some(known), |doc, batch| {
            doc.merge_batch_as_one(batch, rules, changed)
        })
    }
}

impl Document {
    /// Merges a batch, and calls `changed` with one replacement for all changes of the text, or not at all.
    fn merge_batch_as_one(
        &mut self,
        batch: &Batch,
        rules: &MergeRules<'_>,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        let mut sink = ChangeSink::Joined(ChangedRange::new(self.rope()));
        let report = self.merge_batch(batch, &mut sink, rules);
        if let ChangeSink::Joined(range) = sink {
            range.report(self.rope(), changed);
        }
        report
    }
}
