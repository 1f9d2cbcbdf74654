//! A merge in pieces, for programs that must stay responsive.

use crate::document::{Document, NO_RULES, State};
use crate::encoding::decoder::Decoder;
use crate::error::MergeError;
use crate::merge::{ChangeSink, MergeReport, Parts};
use crate::splice::Splice;

/// The merge of a patch in pieces, between which the document can be used.
///
/// The patch is first merged into a copy of the document, by [`Merging::prepare`]. If the patch is
/// refused, the document is unchanged. If the document has not changed meanwhile,
/// [`Merging::finish`] replaces it with the copy. Otherwise [`Merging::apply`] merges the patch,
/// which is then known to be valid, again into the document itself, and every state in between is a
/// valid state of the document.
///
/// The work limit of a merge applies to each piece. A piece takes long if its events are concurrent
/// to many others: those are replayed at once, as in every merge.
///
/// ```
/// use crdt_core::{Document, Merging};
///
/// let mut alice = Document::new("alice")?;
/// let mut bob = Document::new("bob")?;
/// alice.insert(0, "Hello")?;
/// let mut merging = Merging::new(&bob, &alice.encode_since(&bob.summary())?)?;
/// while merging.prepare(1000, &mut |_| {})? {
///     // Do something else.
/// }
/// if !merging.finish(&mut bob) {
///     while merging.apply(&mut bob, 1000, &mut |_| {})? {}
/// }
/// assert_eq!((merging.report().applied, bob.text().as_str()), (5, "Hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Merging {
    parts: Parts,
    copy: Option<Document>,
    /// The state of the document of which the copy was made.
    of: State,
    report: MergeReport,
}

impl Merging {
    /// Decodes a patch, and copies the document. O(document and patch).
    ///
    /// # Errors
    /// [`MergeError::Decode`]; [`MergeError::TooLarge`] if the patch has more events than a message
    /// may have.
    pub fn new(document: &Document, patch: &[u8]) -> Result<Merging, MergeError> {
        let batch = Decoder::default().decode_whole(patch)?;
        document.check_size(&batch)?;
        Ok(Merging {
            parts: Parts::new(batch),
            of: document.state(),
            copy: Some(document.clone()),
            report: MergeReport::default(),
        })
    }

    /// Merges the next events into the copy: `events` of them, or one run more. Calls `changed` with the
    /// changes that the document sees when [`Merging::finish`] succeeds. Returns whether there are more.
    ///
    /// # Errors
    /// Any [`MergeError`]; the document is then unchanged, and the merge is over.
    pub fn prepare(
        &mut self,
        events: u32,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<bool, MergeError> {
        let Some(copy) = self.copy.as_mut() else {
            return Ok(false);
        };
        merge_next(&mut self.parts, copy, events, changed, &mut self.report)
    }

    /// Replaces the document with the copy, if the document has not changed. Returns whether it
    /// did: otherwise drops the copy, and [`Merging::apply`] is the next step. O(1), plus freeing
    /// either.
    ///
    /// Before the last [`Merging::prepare`], only the events so far are merged.
    pub fn finish(&mut self, document: &mut Document) -> bool {
        let is_same = document.state() == self.of;
        match self.copy.take() {
            Some(copy) if is_same => {
                document.turn_into(copy);
                true
            }
            _ => {
                self.report = MergeReport::default();
                self.parts.restart();
                false
            }
        }
    }

    /// Merges the next events into the document itself, and calls `changed` with every change of its text.
    /// Returns whether there are more.
    ///
    /// # Errors
    /// Any [`MergeError`]; its cause can only be events that were merged from elsewhere meanwhile.
    /// The events of earlier calls stay.
    pub fn apply(
        &mut self,
        document: &mut Document,
        events: u32,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<bool, MergeError> {
        merge_next(&mut self.parts, document, events, changed, &mut self.report)
    }

    /// The number of events of the patch that are merged, into the copy or into the document
    /// itself, and their total number.
    pub fn progress(&self) -> (u64, u64) {
        (self.parts.done(), self.parts.events())
    }

    /// The report of the events merged so far.
    pub fn report(&self) -> &MergeReport {
        &self.report
    }
}

fn merge_next(
    parts: &mut Parts,
    document: &mut Document,
    events: u32,
    changed: &mut dyn FnMut(Splice<'_>),
    report: &mut MergeReport,
) -> Result<bool, MergeError> {
    if let Some(part) = parts.next(events) {
        let more = document.merge_batch(&part, &mut ChangeSink::Each(changed), &NO_RULES)?;
        *report = MergeReport {
            applied: report.applied + more.applied,
            duplicate: report.duplicate + more.duplicate,
            dropped: report.dropped + more.dropped,
            ..more
        };
    }
    Ok(parts.done() < parts.events())
}
