//! Version summaries as bytes. All numbers are varints:
//!
//! ```text
//! agents   count, in byte order of their names, then each:
//!   name   length in bytes, UTF-8
//!   ranges count, then each: distance from the end of the one before (to 0), length
//! ```

use super::reader::Reader;
use super::varint::push;
use crate::error::DecodeError;
use crate::version::VersionSummary;

impl VersionSummary {
    /// The summary as bytes: the same for the same events.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, self.iter().count() as u64);
        for (agent, ranges) in self.iter() {
            push(&mut out, agent.len() as u64);
            out.extend_from_slice(agent.as_bytes());
            push(&mut out, ranges.len() as u64);
            let mut at = 0;
            for range in ranges {
                push(&mut out, u64::from(range.start - at));
                push(&mut out, u64::from(range.end - range.start));
                at = range.end;
            }
        }
        out
    }

    /// Reads what [`VersionSummary::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<VersionSummary, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut summary = VersionSummary::new();
        for _ in 0..reader.count(2)? {
            let agent = reader.text()?;
            if !summary.ranges(agent).is_empty() {
                return Err(reader.error("an agent comes twice"));
            }
            let mut at = 0_u32;
            for _ in 0..reader.count(2)? {
                let error = reader.error("a range is empty or out of range");
                let start = at.checked_add(reader.small()?);
                let end = start.and_then(|start| start.checked_add(reader.small().ok()?));
                let (Some(start), Some(end)) = (start, end) else {
                    return Err(error);
                };
                if start >= end || end >= 1 << 31 {
                    return Err(error);
                }
                summary.insert(agent, start..end);
                at = end;
            }
        }
        reader.end()?;
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_round_trip_and_truncated_ones_are_refused() {
        let mut summary = VersionSummary::new();
        summary.insert("alice", 0..12);
        summary.insert("é", 3..4);
        summary.insert("é", 1000..2_000_000_000);
        for summary in [summary, VersionSummary::new()] {
            let bytes = summary.encode();
            assert_eq!(VersionSummary::decode(&bytes).as_ref(), Ok(&summary));
            assert_eq!(
                VersionSummary::from_json(&summary.to_json()).as_ref(),
                Ok(&summary)
            );
            for end in 0..bytes.len() {
                assert!(
                    VersionSummary::decode(&bytes[..end]).is_err(),
                    "cut at {end}"
                );
            }
            assert!(VersionSummary::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
        assert!(
            VersionSummary::decode(&[200, 1]).is_err(),
            "a claimed count"
        );
    }
}
