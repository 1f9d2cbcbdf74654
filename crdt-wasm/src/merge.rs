//! Merging of operations in the JSON form, with a report in JavaScript's terms.

use std::fmt::Write;

use crate::delta::Delta;
use crate::edit::TextChange;
use crate::error::BindingError;
use crdt_core::{Document, EventId, Frontier};

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
    /// As JSON, which `document.js` makes an object of.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        let numbers = [
            ("{\"applied\":", self.applied),
            (",\"duplicate\":", self.duplicate),
            (",\"pending\":", self.pending),
            (",\"dropped\":", self.dropped),
        ];
        for (name, number) in numbers {
            out.push_str(name);
            push_number(&mut out, number);
        }
        out.push_str(",\"missing\":[");
        for (i, EventId { agent, seq }) in self.missing.ids().iter().enumerate() {
            out.push_str(if i > 0 { ",[" } else { "[" });
            push_string(&mut out, agent);
            out.push(',');
            push_number(&mut out, *seq as usize);
            out.push(']');
        }
        out.push_str("],\"changes\":[");
        for (i, change) in self.changes.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            out.push_str("{\"position\":");
            push_number(&mut out, change.position);
            out.push_str(",\"deleted\":");
            push_number(&mut out, change.deleted);
            out.push_str(",\"inserted\":");
            push_string(&mut out, &change.inserted);
            out.push('}');
        }
        out.push_str("]}");
        out
    }
}

fn push_number(out: &mut String, number: usize) {
    // Writing to a string does not fail.
    let _ = write!(out, "{number}");
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let _ = write!(out, "\\u{:04x}", from.as_bytes()[0]);
        rest = &from[1..];
    }
    out.push_str(rest);
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
    let not_led_to = frontier
        .iter()
        .flat_map(|frontier| frontier.ids())
        .filter(|id| !document.contains(id));
    let missing = report.missing.iter().chain(not_led_to).cloned().collect();
    Ok(MergeReport {
        applied: report.applied,
        duplicate: report.duplicate,
        pending: report.pending,
        dropped: report.dropped,
        missing,
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
