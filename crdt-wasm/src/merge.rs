//! Merging of operations, with a report in JavaScript's terms.

use std::fmt::Write;

use crate::delta::Delta;
use crate::edit::TextChange;
use crate::error::BindingError;
use crdt_core::{Document, EventId, Frontier, MergeError, Splice};

/// What a merge did; `MergeReport` in the TypeScript types.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MergeReport {
    pub(crate) applied: usize,
    pub(crate) duplicate: usize,
    pub(crate) pending: usize,
    pub(crate) dropped: usize,
    pub(crate) missing: Frontier,
    pub(crate) changes: Vec<TextChange>,
}

impl MergeReport {
    pub(crate) fn new(report: crdt_core::MergeReport, changes: Vec<TextChange>) -> MergeReport {
        MergeReport {
            applied: report.applied,
            duplicate: report.duplicate,
            pending: report.pending,
            dropped: report.dropped,
            missing: report.missing.into_iter().collect(),
            changes,
        }
    }

    /// As JSON, which `document.js` makes an object of.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "{{\"applied\":{},\"duplicate\":{},\"pending\":{},\"dropped\":{},\"missing\":[",
            self.applied, self.duplicate, self.pending, self.dropped
        );
        for (i, EventId { agent, seq }) in self.missing.ids().iter().enumerate() {
            out.push_str(if i > 0 { ",[" } else { "[" });
            push_string(&mut out, agent);
            let _ = write!(out, ",{seq}]");
        }
        out.push_str("],\"changes\":[");
        push_changes(&mut out, &self.changes);
        out.push_str("]}");
        out
    }
}

/// Changes of the text as JSON, without the brackets of the list.
pub(crate) fn push_changes(out: &mut String, changes: &[TextChange]) {
    for (i, change) in changes.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let (position, deleted) = (change.position, change.deleted);
        let _ = write!(
            out,
            "{comma}{{\"position\":{position},\"deleted\":{deleted},\"inserted\":"
        );
        push_string(out, &change.inserted);
        out.push('}');
    }
}

/// A string as JSON.
#[inline(never)]
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for piece in text.split_inclusive(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
        match piece.as_bytes().last() {
            Some(&last @ (b'"' | b'\\' | 0..=0x1f)) => {
                out.push_str(piece.get(..piece.len() - 1).unwrap_or_default());
                out.push_str("\\u00");
                for digit in [last >> 4, last & 15] {
                    out.extend(char::from_digit(u32::from(digit), 16));
                }
            }
            _ => out.push_str(piece),
        }
    }
    out.push('"');
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
    let mut report = merge_with(document, |document, changed| {
        document.merge_json_with(operations, changed)
    })?;
    let not_led_to = frontier
        .iter()
        .flat_map(|frontier| frontier.ids())
        .filter(|id| !document.contains(id));
    report.missing = report
        .missing
        .ids()
        .iter()
        .chain(not_led_to)
        .cloned()
        .collect();
    Ok(report)
}

/// Merges a binary patch, or leaves the document as it is and says why.
pub(crate) fn merge_bytes(
    document: &mut Document,
    patch: &[u8],
) -> Result<MergeReport, BindingError> {
    merge_with(document, |document, changed| {
        document.merge_patch_with(patch, changed)
    })
}

fn merge_with(
    document: &mut Document,
    merge: impl FnOnce(
        &mut Document,
        &mut dyn FnMut(Splice<'_>),
    ) -> Result<crdt_core::MergeReport, MergeError>,
) -> Result<MergeReport, BindingError> {
    let was_empty = document.is_empty();
    let mut delta = Delta::default();
    let report = merge(document, &mut |splice| {
        if !was_empty {
            delta.push(&splice);
        }
    })?;
    let changes = if was_empty {
        whole_text(document)
    } else {
        delta.into_changes()
    };
    Ok(MergeReport::new(report, changes))
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
