//! Numbers and texts as the library lib0 writes them.

use serde::de::IgnoredAny;

use crate::MAX_NUMBER;
use crate::error::UpdateError;

/// Values in values: more than any client makes, and little enough for the stack.
const MAX_DEPTH: usize = 64;

/// Reads from the front of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, UpdateError> {
        let (first, rest) = self.0.split_first().ok_or(UpdateError::TooShort)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Seven bits a byte, the lowest first; the highest bit says that there are more.
    pub(crate) fn number(&mut self) -> Result<u64, UpdateError> {
        let mut number = 0u64;
        for shift in (0..=49).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return if number <= MAX_NUMBER {
                    Ok(number)
                } else {
                    Err(UpdateError::NumberTooLarge)
                };
            }
        }
        Err(UpdateError::NumberTooLarge)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], UpdateError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(UpdateError::TooShort)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length and so many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], UpdateError> {
        let len = usize::try_from(self.number()?).map_err(|_| UpdateError::TooShort)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, UpdateError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| UpdateError::NotUtf8)
    }

    /// A text that clients parse as JSON.
    pub(crate) fn json(&mut self) -> Result<&'a str, UpdateError> {
        let text = self.text()?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| UpdateError::NotJson)?;
        Ok(text)
    }

    /// Reads over a value of the kinds that lib0 calls "any".
    pub(crate) fn value(&mut self) -> Result<(), UpdateError> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<(), UpdateError> {
        if depth > MAX_DEPTH {
            return Err(UpdateError::TooDeep(MAX_DEPTH));
        }
        match self.byte()? {
            // Undefined, null, false, true.
            127 | 126 | 121 | 120 => {}
            125 => self.integer()?,
            // Floats of 32 and of 64 bits, big integers.
            124 => drop(self.take(4)?),
            123 | 122 => drop(self.take(8)?),
            119 => drop(self.text()?),
            118 => {
                for _ in 0..self.number()? {
                    self.text()?;
                    self.value_at(depth + 1)?;
                }
            }
            117 => {
                for _ in 0..self.number()? {
                    self.value_at(depth + 1)?;
                }
            }
            116 => drop(self.bytes()?),
            other => return Err(UpdateError::UnknownValue(other)),
        }
        Ok(())
    }

    /// Reads over an integer with a sign: six bits in the first byte, seven in each further one.
    fn integer(&mut self) -> Result<(), UpdateError> {
        for _ in 0..8 {
            if self.byte()? < 0x80 {
                return Ok(());
            }
        }
        Err(UpdateError::NumberTooLarge)
    }
}

/// Writes a number as [`Reader::number`] reads it.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The length of a text in UTF-16 code units, in which Yjs counts.
pub(crate) fn utf16_len(text: &str) -> u64 {
    let units = |byte: &u8| match byte {
        0x80..=0xBF => 0,
        0xF0.. => 2,
        _ => 1,
    };
    text.as_bytes().iter().map(units).sum()
}

/// What is left of a text without its first `skip` UTF-16 code units. Where that cuts a pair of
/// surrogates, the half that stays is a replacement character, as in Yjs: the first value says so.
pub(crate) fn utf16_after(text: &str, skip: u64) -> (bool, &str) {
    let mut left = skip;
    for (at, char) in text.char_indices() {
        if left == 0 {
            return (false, text.get(at..).unwrap_or_default());
        }
        let units = char.len_utf16() as u64;
        if units > left {
            let rest = at + char.len_utf8();
            return (true, text.get(rest..).unwrap_or_default());
        }
        left -= units;
    }
    (false, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_and_cut_in_utf16() {
        for text in ["", "abc", "aé€😀b", "😀"] {
            let units: Vec<u16> = text.encode_utf16().collect();
            assert_eq!(utf16_len(text), units.len() as u64);
            for skip in 0..=units.len() {
                let (half, rest) = utf16_after(text, skip as u64);
                let expected = String::from_utf16_lossy(&units[skip..]);
                let replacement = if half { "\u{FFFD}" } else { "" };
                assert_eq!(format!("{replacement}{rest}"), expected, "{text} {skip}");
            }
        }
    }

    #[test]
    fn numbers_round_trip_up_to_the_largest_safe_integer() {
        for number in [0, 1, 127, 128, 1 << 32, MAX_NUMBER] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(Reader(&bytes).number(), Ok(number));
        }
        let mut bytes = Vec::new();
        put_number(&mut bytes, MAX_NUMBER + 1);
        assert_eq!(Reader(&bytes).number(), Err(UpdateError::NumberTooLarge));
        assert_eq!(
            Reader(&[0xFF; 9]).number(),
            Err(UpdateError::NumberTooLarge)
        );
    }

    #[test]
    fn values_that_nest_too_deep_are_refused() {
        let nested = |depth: usize| [[117, 1].repeat(depth), vec![126]].concat();
        assert_eq!(Reader(&nested(MAX_DEPTH)).value(), Ok(()));
        let deep = nested(1_000_000);
        assert_eq!(Reader(&deep).value(), Err(UpdateError::TooDeep(MAX_DEPTH)));
    }
}
