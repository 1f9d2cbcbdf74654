//! Frontiers and version summaries as JSON: `[["alice",11],["bob",3]]`, sorted, and
//! `{"alice":[[0,12]],"bob":[[0,3],[5,9]]}`, half-open.

use std::fmt::Write;

use super::json_fields::{array, ids, number, write_ids};
use super::json_value::{Value, write_string};
use crate::error::DecodeError;
use crate::version::{EventId, Frontier, VersionSummary};

impl Frontier {
    /// The canonical JSON form, such as `[["alice",11],["bob",3]]`.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_ids(&mut out, self.ids());
        out
    }

    /// Reads the JSON form, in any order.
    pub fn from_json(text: &str) -> Result<Frontier, DecodeError> {
        let value = Value::parse(text)?;
        let ids = ids(Some(&value), || "frontier".to_owned())?;
        Ok(ids
            .into_iter()
            .map(|(agent, seq)| EventId::new(agent, seq))
            .collect())
    }
}

impl VersionSummary {
    /// The canonical JSON form, such as `{"alice":[[0,12]],"bob":[[0,3],[5,9]]}`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (i, (agent, ranges)) in self.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            write_string(&mut out, agent);
            out.push_str(":[");
            for (k, range) in ranges.iter().enumerate() {
                let comma = if k > 0 { "," } else { "" };
                let _ = write!(out, "{comma}[{},{}]", range.start, range.end);
            }
            out.push(']');
        }
        out.push('}');
        out
    }

    /// Reads the JSON form.
    pub fn from_json(text: &str) -> Result<VersionSummary, DecodeError> {
        let value = Value::parse(text)?;
        let Value::Object(agents) = &value else {
            return Err(DecodeError::shape("summary", "expected an object"));
        };
        let mut summary = VersionSummary::new();
        for (agent, ranges) in agents {
            let at = || {
                let mut at = String::from("summary[");
                write_string(&mut at, agent);
                at + "]"
            };
            for range in array(Some(ranges), at)? {
                let pair = array(Some(range), at)?;
                let (start, end) = (number(pair.first(), at)?, number(pair.get(1), at)?);
                if pair.len() != 2 || start >= end {
                    return Err(DecodeError::shape(
                        at(),
                        "expected [start, end] with start < end",
                    ));
                }
                summary.insert(agent, start..end);
            }
        }
        Ok(summary)
    }
}
