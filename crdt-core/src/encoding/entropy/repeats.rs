//! Long repeats: bytes as copies of earlier bytes, and the bytes between the copies, which a text
//! model packs.

use super::numbers::{NumberDecoder, NumberEncoder};

/// The shortest copy: a model packs a shorter stretch in as few bits.
const SHORTEST: usize = 32;

/// The number of bytes that a search compares.
const KEY: usize = 16;

/// Bytes are split into copies and the rest if copies cover at least this fraction of them.
const WORTH: usize = 16;

/// Contexts of the numbers of a copy: the number of bytes between it and the previous one, its
/// length beyond the shortest, and the distance to its source.
const BETWEEN: usize = 0;
const LEN: usize = 1;
const BACK: usize = 2;
const CONTEXTS: usize = 3;

/// Bytes, split into copies and the rest.
#[derive(Debug)]
pub(crate) struct Apart {
    /// The number of copies.
    pub(crate) count: u32,
    /// The copies, packed.
    pub(crate) copies: Vec<u8>,
    /// All other bytes.
    pub(crate) rest: Vec<u8>,
}

/// The place of a key in a table of `1 << bits` places.
fn place(key: &[u8], bits: u32) -> usize {
    let half = |at: usize| {
        let bytes = key.get(at..at + 8).and_then(|half| half.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    let mixed =
        half(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(8).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
}

/// Splits bytes into copies and the rest, if that is worthwhile. O(bytes).
pub(crate) fn take_apart(bytes: &[u8]) -> Option<Apart> {
    if u32::try_from(bytes.len()).is_err() {
        return None;
    }
    let bits = (bytes.len() as u64 + 1).ilog2().clamp(8, 18);
    let mut places = vec![u32::MAX; 1 << bits];
    let mut encoder = NumberEncoder::new(CONTEXTS);
    let (mut count, mut rest) = (0, Vec::new());
    let (mut at, mut done) = (0, 0);
    while at + KEY <= bytes.len() {
        let place = &mut places[place(&bytes[at..at + KEY], bits)];
        let from = std::mem::replace(place, at as u32) as usize;
        let same = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let ahead = match from < at {
            true => same(&bytes[from..], &bytes[at..]),
            false => 0,
        };
        if ahead < KEY {
            at += 1;
            continue;
        }
        let before = bytes[..from].iter().rev().zip(bytes[done..at].iter().rev());
        let before = before.take_while(|(a, b)| a == b).count();
        if before + ahead < SHORTEST {
            at += 1;
            continue;
        }
        let start = at - before;
        encoder.push(BETWEEN, (start - done) as u32);
        encoder.push(LEN, (before + ahead - SHORTEST) as u32);
        encoder.push(BACK, (at - from - 1) as u32);
        rest.extend_from_slice(&bytes[done..start]);
        count += 1;
        done = at + ahead;
        at = done;
    }
    rest.extend_from_slice(&bytes[done..]);
    let copied = bytes.len() - rest.len();
    (copied > bytes.len() / WORTH).then(|| Apart {
        count,
        copies: encoder.finish(),
        rest,
    })
}

/// Joins `rest` and `count` copies to `len` bytes; `None` if they do not have that length.
pub(crate) fn put_together(
    (count, copies): (u32, &[u8]),
    rest: &[u8],
    len: usize,
) -> Option<Vec<u8>> {
    let mut decoder = NumberDecoder::new(copies, CONTEXTS);
    let (mut out, mut rest) = (Vec::new(), rest);
    for _ in 0..count {
        let (between, tail) = rest.split_at_checked(decoder.next(BETWEEN)? as usize)?;
        out.extend_from_slice(between);
        rest = tail;
        let copied = SHORTEST.checked_add(decoder.next(LEN)? as usize)?;
        let back = (decoder.next(BACK)? as usize).checked_add(1)?;
        let from = out.len().checked_sub(back)?;
        if copied > len.checked_sub(out.len())? {
            return None;
        }
        // A copy may overlap itself.
        let mut left = copied;
        while left > 0 {
            let some = left.min(out.len() - from);
            out.extend_from_within(from..from + some);
            left -= some;
        }
    }
    out.extend_from_slice(rest);
    (decoder.is_done() && out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(bytes: &[u8]) -> Apart {
        let apart = take_apart(bytes).unwrap();
        let together =
            |count, copies: &[u8], rest: &[u8]| put_together((count, copies), rest, bytes.len());
        assert_eq!(
            together(apart.count, &apart.copies, &apart.rest).as_deref(),
            Some(bytes)
        );
        assert_eq!(together(apart.count + 1, &apart.copies, &apart.rest), None);
        assert_eq!(together(apart.count, &apart.copies, &apart.rest[1..]), None);
        for end in 0..apart.copies.len() {
            assert_eq!(
                together(apart.count, &apart.copies[..end], &apart.rest),
                None
            );
        }
        apart
    }

    #[test]
    fn repetitions_are_copied_and_round_trip() {
        let words: Vec<u8> = (0..3000_u32)
            .flat_map(|n| format!("{} ", n * n % 9973).into_bytes())
            .collect();
        assert!(take_apart(&words[..200]).is_none());
        assert!(take_apart(b"").is_none());
        let apart = taken_apart(&words.repeat(5));
        assert!(apart.rest.len() <= words.len() + SHORTEST);
        assert!(apart.copies.len() < 100 * 5);
        // One that repeats itself.
        let apart = taken_apart(&[7; 5000]);
        assert!(apart.rest.len() < SHORTEST && apart.count == 1);
        let apart = taken_apart(&[&words[..], b"between", &words[100..2000], b"behind"].concat());
        assert!(apart.rest.ends_with(b"behind"));
    }
}
