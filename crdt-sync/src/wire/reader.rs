//! Reading and writing numbers, strings and version summaries.

use crdt_core::VersionSummary;

use crate::error::WireError;

/// The longest agent name, in bytes.
const MAX_NAME: u64 = 128;

/// Reads a message from front to back. Every length is checked against the remaining bytes before
/// memory is reserved for it.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader {
            rest: bytes,
            len: bytes.len(),
        }
    }

    /// The unread rest.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that everything has been read.
    pub(crate) fn end(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(WireError::Trailing { extra }),
        }
    }

    pub(crate) fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(WireError::Truncated {
            what,
            len: self.len,
        })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, WireError> {
        let truncated = WireError::Truncated {
            what,
            len: self.len,
        };
        self.take(1, what)?.first().copied().ok_or(truncated)
    }

    /// An unsigned LEB128 number. Longer than needed, or beyond 64 bits, is an error.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let beyond = shift > 57 && bits >> (64 - shift) != 0;
            if beyond || (shift > 0 && byte == 0) {
                return Err(WireError::Invalid {
                    what,
                    found: u64::from(byte),
                });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Invalid { what, found: value })
    }

    /// A number of at most `bound`.
    pub(crate) fn bounded(&mut self, what: &'static str, bound: u64) -> Result<u64, WireError> {
        let claimed = self.varint(what)?;
        if claimed > bound {
            return Err(WireError::TooLarge {
                what,
                claimed,
                bound,
            });
        }
        Ok(claimed)
    }

    pub(crate) fn small(&mut self, what: &'static str) -> Result<u32, WireError> {
        let found = self.varint(what)?;
        u32::try_from(found).map_err(|_| WireError::Invalid { what, found })
    }

    /// Eight bytes, least significant first.
    pub(crate) fn fixed(&mut self, what: &'static str) -> Result<u64, WireError> {
        let bytes = self.take(8, what)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A string of at most `bound` bytes.
    pub(crate) fn text(&mut self, what: &'static str, bound: u64) -> Result<&'a str, WireError> {
        let len = self.bounded(what, bound)?;
        let bytes = self.take(len as usize, what)?;
        std::str::from_utf8(bytes).map_err(|_| WireError::NotUtf8 { what })
    }

    /// An agent name.
    pub(crate) fn agent(&mut self) -> Result<&'a str, WireError> {
        let name = self.text("an agent name", MAX_NAME)?;
        if name.is_empty() {
            return Err(WireError::Invalid {
                what: "the length of an agent name",
                found: 0,
            });
        }
        Ok(name)
    }

    /// A version summary, with its length before it.
    pub(crate) fn summary(&mut self) -> Result<VersionSummary, WireError> {
        let len = self.varint("the length of a summary")?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(VersionSummary::decode(self.take(len, "a summary")?)?)
    }
}

pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn push_summary(out: &mut Vec<u8>, summary: &VersionSummary) {
    push_bytes(out, &summary.encode());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, 1 << 31, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.varint("n"), Ok(value));
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn overlong_and_oversized_numbers_are_refused() {
        let eleven = [0xff; 11];
        let high = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for bytes in [&[0x80, 0x00][..], &eleven, &high] {
            assert!(matches!(
                Reader::new(bytes).varint("n"),
                Err(WireError::Invalid { .. })
            ));
        }
        let cut = Reader::new(&[0x80]).varint("n");
        assert_eq!(cut, Err(WireError::Truncated { what: "n", len: 1 }));
    }

    #[test]
    fn summaries_come_back() {
        let mut summary = VersionSummary::new();
        summary.insert("alice", 0..12);
        summary.insert("bob", 3..4);
        summary.insert("bob", 700..1 << 30);
        let mut out = Vec::new();
        push_summary(&mut out, &summary);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.summary(), Ok(summary));
        assert!(reader.is_empty());
        for cut in 0..out.len() {
            assert!(Reader::new(&out[..cut]).summary().is_err());
        }
    }

    #[test]
    fn a_summary_may_not_claim_more_than_its_bytes() {
        let mut claims_length = Vec::new();
        push_varint(&mut claims_length, 100_000_000);
        let cut = Reader::new(&claims_length).summary();
        assert!(matches!(cut, Err(WireError::Truncated { .. })));
        let mut claims_agents = Vec::new();
        push_bytes(&mut claims_agents, &claims_length);
        let bad = Reader::new(&claims_agents).summary();
        assert!(matches!(bad, Err(WireError::Summary(_))));
    }
}
