//! Branches: documents that begin at a version of another one, and merge like other replicas.

use crate::document::Document;
use crate::encoding::patch;
use crate::error::{BranchError, HistoryError, MergeError};
use crate::merge::MergeReport;
use crate::splice::Splice;
use crate::version::Frontier;

impl Document {
    /// A separate document with exactly the history up to `version`. Its edits are made under the
    /// name `agent`, which no other replica may use.
    ///
    /// It is a replica like any other: [`Document::merge_from`] merges its edits back, and it can
    /// be saved, or synchronised over a network. O(events of the version).
    ///
    /// ```
    /// use crdt_core::Document;
    ///
    /// let mut main = Document::new("alice")?;
    /// main.insert(0, "Chapter one")?;
    /// let draft = main.frontier();
    /// main.insert(11, "!")?;
    /// let mut branch = main.branch(&draft, "alice/idea")?;
    /// branch.delete(0, 8)?;
    /// assert_eq!(branch.text(), "one");
    /// main.merge_from(&branch, &mut |_| {})?;
    /// assert_eq!(main.text(), "one!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BranchError::AgentName`], and [`BranchError::History`] for a version with events that have
    /// not arrived, or for an unusable history.
    pub fn branch(&self, version: &Frontier, agent: &str) -> Result<Document, BranchError> {
        let mut branch = Document::new(agent)?;
        let version = self.version_lvs(version)?;
        let history = self.whole_history().map_err(HistoryError::from)?;
        branch.begin_like(history);
        let mut events = history.graph.graph.diff(&version, &[]).only_a;
        for range in &mut events {
            range.start = range.start.max(history.graph.start());
        }
        events.retain(|range| !range.is_empty());
        branch.merge_patch(&patch::encode(history, &events, &[]))?;
        Ok(branch)
    }

    /// Merges the events that `other` has and this document lacks, and calls `changed` with every
    /// change of the text. Events that `other` holds back because their parents are missing are not
    /// merged.
    ///
    /// # Errors
    /// Any [`MergeError`]; the document is then unchanged.
    pub fn merge_from(
        &mut self,
        other: &Document,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        let patch = other.encode_since(&self.summary())?;
        self.merge_patch_with(&patch, changed)
    }
}
