//! Branches: documents that begin at some version of another one, and merge like any replicas.

use crate::document::Document;
use crate::encoding::patch;
use crate::error::{BranchError, HistoryError, MergeError};
use crate::merge::MergeReport;
use crate::splice::Splice;
use crate::version::Frontier;

impl Document {
    /// A document of its own that holds exactly the history up to `version`, to be edited in the
    /// name of `agent`, which nobody else may use.
    ///
    /// It is a replica like any other: what is done on it comes back with [`Document::merge_from`],
    /// and it may be saved, or kept equal to others over a network. O(events of the version).
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
    /// not arrived here or a history that cannot be used.
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

    /// Merges what `other` has and this document lacks, and calls `changed` with every change of
    /// the text. What `other` holds back because its parents are missing is not merged.
    ///
    /// # Errors
    /// Any [`MergeError`]; the document is as it was then.
    pub fn merge_from(
        &mut self,
        other: &Document,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<MergeReport, MergeError> {
        let patch = other.encode_since(&self.summary())?;
        self.merge_patch_with(&patch, changed)
    }
}
