//! Merging of operations in the JSON form, with a report in JavaScript's terms.

use crdt_core::{Document, EventId, Frontier};
use serde::Serialize;

use crate::delta::Delta;
use crate::edit::TextChange;
use crate::error::BindingError;

/// What a merge did; `MergeReport` in the TypeScript types.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MergeReport {
    pub(crate) applied: usize,
    pub(crate) duplicate: usize,
    pub(crate) pending: usize,
    pub(crate) dropped: usize,
    pub(crate) missing: Vec<(String, u32)>,
    pub(crate) changes: Vec<TextChange>,
}

/// Merges `operations`, or leaves the document as it is and says why.
///
/// With the sender's `frontier`, the report also names what of it is still not here.
pub(crate) fn merge(
    document: &mut Document,
    operations: &str,
    frontier: Option<&str>,
) -> Result<MergeReport, BindingError> {
    let frontier = frontier.map(Frontier::from_json).transpose()?;
    let was_empty = document.is_empty();
    let mut delta = Delta::default();
    let report = document.merge_json_with(operations, &mut |splice| {
        if !was_empty {
            delta.push(&splice);
        }
    })?;
    let changes = if was_empty {
        whole_text(document)
    } else {
        delta.into_changes()
    };
    let mut missing = report.missing;
    let not_led_to = frontier
        .iter()
        .flat_map(|frontier| frontier.ids())
        .filter(|id| !document.contains(id));
    missing.extend(not_led_to.cloned());
    missing.sort();
    missing.dedup();
    Ok(MergeReport {
        applied: report.applied,
        duplicate: report.duplicate,
        pending: report.pending,
        dropped: report.dropped,
        missing: missing.into_iter().map(pair).collect(),
        changes,
    })
}

/// The one insertion that makes an empty text this one: what a newcomer's first merge comes to.
pub(crate) fn whole_text(document: &Document) -> Vec<TextChange> {
    let text = document.text();
    if text.is_empty() {
        return Vec::new();
    }
    vec![TextChange {
        position: 0,
        deleted: 0,
        inserted: text,
    }]
}

fn pair(id: EventId) -> (String, u32) {
    (id.agent.to_string(), id.seq)
}
