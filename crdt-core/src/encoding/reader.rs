//! Reading untrusted bytes: every length is checked against the remaining bytes before anything is
//! read or reserved.

use crate::error::DecodeError;

/// A place in a slice of bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// A reader of the part `range` of `bytes`; offsets count from the start of `bytes`.
    pub(super) fn within(bytes: &'a [u8], range: std::ops::Range<usize>) -> Self {
        Reader {
            bytes: &bytes[..range.end],
            at: range.start,
        }
    }

    /// The current offset, in bytes from the start.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Takes all remaining bytes.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    pub(super) fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError::Bytes {
            offset: self.at,
            reason,
        }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let &byte = self
            .bytes
            .get(self.at)
            .ok_or(self.error("the end came too early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self
            .at
            .checked_add(len)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(self.error("a length reaches past the end"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A number in the shortest form, if it takes one byte: most do.
    #[inline]
    pub(super) fn short(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied().filter(u8::is_ascii)?;
        self.at += 1;
        Some(byte)
    }

    /// A number in the shortest form.
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(n);
            }
        }
        Err(DecodeError::Bytes {
            offset: start,
            reason: "not a number in its shortest form",
        })
    }

    pub(super) fn signed(&mut self) -> Result<i64, DecodeError> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number below 2^31.
    pub(super) fn small(&mut self) -> Result<u32, DecodeError> {
        let error = self.error("a number is out of range");
        let n = self.varint()?;
        u32::try_from(n).ok().filter(|&n| n < 1 << 31).ok_or(error)
    }

    /// A count of following elements, each of which takes at least `size` bytes.
    pub(super) fn count(&mut self, size: usize) -> Result<usize, DecodeError> {
        self.count_and_bits(size, 0).map(|(count, _)| count)
    }

    /// The same, with `bits` other bits below the count.
    pub(super) fn count_and_bits(
        &mut self,
        size: usize,
        bits: u32,
    ) -> Result<(usize, u64), DecodeError> {
        let error = self.error("a count exceeds the bytes that are left");
        let n = self.varint()?;
        let count = usize::try_from(n >> bits).ok();
        let count = count.filter(|&n| n <= self.left() / size).ok_or(error)?;
        Ok((count, n & ((1 << bits) - 1)))
    }

    /// Text with its length in bytes before it.
    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let len = self.count(1)?;
        let error = self.error("text is not UTF-8");
        std::str::from_utf8(self.take(len)?).map_err(|_| error)
    }

    /// Text of exactly `chars` chars; any bytes may follow it.
    pub(super) fn chars(&mut self, chars: u64) -> Result<&'a str, DecodeError> {
        let too_short = self.error("the text is not as long as the inserts");
        let not_text = self.error("text is not UTF-8");
        let rest = &self.bytes[self.at..];
        let chars = usize::try_from(chars).ok().filter(|&n| n <= rest.len());
        let Some(chars) = chars else {
            return Err(too_short);
        };
        let len = if rest[..chars].is_ascii() {
            chars
        } else {
            bytes_of_chars(rest, chars).ok_or(too_short)?
        };
        std::str::from_utf8(self.take(len)?).map_err(|_| not_text)
    }

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.error("bytes follow the end"))
        }
    }
}

/// The number of bytes of the first `chars` chars, judged by their first bytes.
#[inline(never)]
fn bytes_of_chars(bytes: &[u8], chars: usize) -> Option<usize> {
    let mut len = 0;
    for _ in 0..chars {
        len += match bytes.get(len)? {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        };
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::super::varint;
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ];
        for n in numbers {
            let mut bytes = Vec::new();
            varint::push(&mut bytes, n);
            varint::push_signed(&mut bytes, n as i64);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Ok(n));
            assert_eq!(reader.signed(), Ok(n as i64));
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn truncated_overlong_and_too_large_numbers_are_refused() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0xff; 11],
            &[0xff, 0x80, 0x00],
        ] {
            assert!(Reader::new(bytes).varint().is_err(), "{bytes:?}");
        }
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(Reader::new(&too_large).varint().is_err());
        assert!(Reader::new(&[5, b'a']).text().is_err());
        assert!(Reader::new(&[1, 0xff]).text().is_err());
    }

    #[test]
    fn text_is_taken_by_its_chars() {
        let text = "aé🦀b".as_bytes();
        for (chars, expected) in [(0, ""), (1, "a"), (2, "aé"), (3, "aé🦀"), (4, "aé🦀b")] {
            let mut reader = Reader::new(text);
            assert_eq!(reader.chars(chars), Ok(expected));
            assert_eq!(reader.left(), text.len() - expected.len());
        }
        assert_eq!(
            Reader::new(&[b'a', 0x80]).chars(1),
            Ok("a"),
            "bytes of something else follow"
        );
        assert!(Reader::new(text).chars(5).is_err());
        assert!(
            Reader::new(&text[1..2]).chars(1).is_err(),
            "a char that is cut"
        );
        assert!(
            Reader::new(&text[2..]).chars(1).is_err(),
            "starts inside a char"
        );
        assert!(Reader::new(b"").chars(u64::MAX).is_err());
    }
}
