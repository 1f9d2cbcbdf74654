//! Edits that were made of an older text of a document.

use crdt_core::{BranchError, Document, EditError, Frontier, MergeError};
use thiserror::Error;

use crate::edits::Edit;

/// Edits that cannot be made. The document is as it was.
#[derive(Debug, Error)]
pub(crate) enum RebaseError {
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// Makes `edits`, which were made of the text at `version`, as if by somebody who had not seen what
/// came after. Returns the version whose text is that text with the edits.
///
/// O(edits) where nothing came after, and O(events of the document) else.
///
/// # Errors
/// [`RebaseError`]
pub(crate) fn rebase(
    document: &mut Document,
    version: &Frontier,
    edits: &[Edit],
) -> Result<Frontier, RebaseError> {
    let mut branch = document.branch(version, document.agent())?;
    if branch.event_count_of(document.agent()) < document.event_count_of(document.agent()) {
        // Two events of one name and number would be two for one.
        let agent = another_agent(document);
        branch = document.branch(version, &agent)?;
    }
    for edit in edits {
        branch.delete(edit.position, edit.deleted)?;
        branch.insert(edit.position, &edit.inserted)?;
    }
    document.merge_from(&branch, &mut |_| {})?;
    Ok(branch.frontier())
}

/// A name under which nobody has edited the document: only this replica makes names from its own.
fn another_agent(document: &Document) -> String {
    let name = |number: usize| format!("{}.{number}", document.agent());
    let mut number = 1;
    while document.event_count_of(&name(number)) > 0 {
        number += 1;
    }
    name(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::edits;

    #[test]
    fn edits_of_an_older_text_and_later_ones_of_others_both_hold() {
        let mut document = Document::new("peer").unwrap();
        document.insert(0, "one two three\n").unwrap();
        let version = document.frontier();
        let before = document.text();
        let mut other = document.branch(&version, "other").unwrap();
        other.delete(0, 4).unwrap();
        other.insert(10, "four\n").unwrap();
        document.merge_from(&other, &mut |_| {}).unwrap();
        let after = "one 2 three\n";
        let edited = rebase(&mut document, &version, &edits(&before, after)).unwrap();
        assert_eq!(document.text(), "2 three\nfour\n");
        assert_eq!(document.text_at(&edited).unwrap(), after);
        assert_eq!(document.event_count_of("peer.1"), 0);
    }

    #[test]
    fn edits_of_a_text_before_own_ones_get_a_name_of_their_own() {
        let mut document = Document::new("peer").unwrap();
        document.insert(0, "text").unwrap();
        let version = document.frontier();
        document.insert(4, " of mine").unwrap();
        for word in ["late ", "later "] {
            let after = format!("{word}text");
            let edited = rebase(&mut document, &version, &edits("text", &after)).unwrap();
            assert_eq!(document.text_at(&edited).unwrap(), after);
        }
        assert!(document.event_count_of("peer.2") > 0);
        let mut copy = Document::new("copy").unwrap();
        copy.merge_json(&document.operations_json().unwrap())
            .unwrap();
        assert_eq!(copy.text(), document.text());
    }
}
