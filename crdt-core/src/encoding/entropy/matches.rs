//! What in a text repeats something before it: a greedy search that looks one byte further before it takes what
//! it found.

/// Bytes as those before the match and the match, which may overlap what it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// Where it starts, and where the bytes start that it repeats.
    pub(super) at: usize,
    pub(super) from: usize,
    pub(super) len: usize,
}

/// No match is shorter.
pub(super) const SHORTEST: usize = 4;

/// The bytes at the end of which none is part of a match, and those in which none starts: as LZ4 asks for.
const TAIL: usize = 5;
const LAST: usize = 12;

/// The table of places has 2 to the power of at least and at most so many.
const MIN_BITS: u32 = 8;
const MAX_BITS: u32 = 15;

/// A match of so many bytes is taken at once.
const LONG: usize = 32;

/// After so many places in vain, two to the power of this, each step goes one byte further.
const PATIENCE: u32 = 6;

/// The places of bytes seen before, by a hash of five of them.
struct Places {
    table: Vec<u32>,
    bits: u32,
    farthest: usize,
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u64::from_le_bytes(rest.copied().unwrap_or_default())
}

impl Places {
    /// Where at least [`SHORTEST`] of the bytes at `at` were seen last, if that is near enough.
    #[inline(always)]
    fn replace(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let key = eight(bytes, at);
        let hash = (key << 24).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - self.bits);
        let place = &mut self.table[hash as usize];
        let from = *place as usize;
        *place = at as u32;
        let is_same = eight(bytes, from) as u32 == key as u32;
        (is_same && from < at && at - from <= self.farthest).then_some(from)
    }
}

/// How many of the bytes from `at` on, as far as `end`, are those from `from` on.
#[inline(always)]
fn same(bytes: &[u8], from: usize, at: usize, end: usize) -> usize {
    let mut len = 0;
    while at + len + 8 <= end {
        let other = eight(bytes, from + len) ^ eight(bytes, at + len);
        if other != 0 {
            return len + (other.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    while at + len < end && bytes[from + len] == bytes[at + len] {
        len += 1;
    }
    len
}

/// Calls `found` with all matches in `bytes`, ascending, none from farther back than `farthest`. O(bytes).
pub(super) fn find(bytes: &[u8], farthest: usize, mut found: impl FnMut(Match)) {
    if u32::try_from(bytes.len()).is_err() {
        return;
    }
    let bits = (bytes.len() as u64 + 1).ilog2().clamp(MIN_BITS, MAX_BITS);
    let mut places = Places {
        table: vec![0; 1 << bits],
        bits,
        farthest,
    };
    let end = bytes.len().saturating_sub(TAIL);
    let last = bytes.len().saturating_sub(LAST);
    // The first byte is where an empty place points to.
    let (mut at, mut done, mut misses) = (1, 0, 0_u32);
    while at < last {
        let Some(mut from) = places.replace(bytes, at) else {
            misses += 1;
            at += 1 + (misses >> PATIENCE) as usize;
            continue;
        };
        misses = 0;
        let length =
            |from: usize, at: usize| SHORTEST + same(bytes, from + SHORTEST, at + SHORTEST, end);
        let mut len = length(from, at);
        while len < LONG && at + 1 < last {
            let next = places.replace(bytes, at + 1);
            let next = next.map(|from| (length(from, at + 1), from));
            let Some(longer) = next.filter(|&(longer, _)| longer > len) else {
                break;
            };
            (len, from) = longer;
            at += 1;
        }
        while at > done && from > 0 && bytes[at - 1] == bytes[from - 1] {
            (at, from, len) = (at - 1, from - 1, len + 1);
        }
        found(Match { at, from, len });
        at += len;
        done = at;
        if at < last {
            places.replace(bytes, at - 2);
        }
    }
}

/// The bytes as an LZ4 block.
pub(crate) fn lz4_block(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let mut done = 0;
    find(bytes, 0xffff, |found| {
        let Match { at, from, len } = found;
        push_lz4(&bytes[done..at], len - SHORTEST, &mut out);
        out.extend_from_slice(&((at - from) as u16).to_le_bytes());
        push_rest(len - SHORTEST, &mut out);
        done = at + len;
    });
    push_lz4(&bytes[done..], 0, &mut out);
    out
}

/// The token of a sequence and its literals.
fn push_lz4(literals: &[u8], len: usize, out: &mut Vec<u8>) {
    out.push((literals.len().min(15) << 4 | len.min(15)) as u8);
    push_rest(literals.len(), out);
    out.extend_from_slice(literals);
}

/// What of a length is beyond what its half of a token says.
fn push_rest(len: usize, out: &mut Vec<u8>) {
    if let Some(mut rest) = len.checked_sub(15) {
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_what_the_library_reads() {
        let words: Vec<u8> = (0..3000_u32)
            .flat_map(|n| format!("{} ", n * n % 9973).into_bytes())
            .collect();
        let mixed: Vec<u8> = (0..200_000_u64)
            .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
            .collect();
        let far = [&words[..2000], &mixed[..70_000], &words[..2000]].concat();
        let texts: [&[u8]; 8] = [
            b"",
            b"a",
            b"aaaaaaaaaaaa",
            &[7; 5000],
            &words,
            &words.repeat(40),
            &mixed,
            &far,
        ];
        for text in texts {
            let block = lz4_block(text);
            let back = lz4_flex::block::decompress(&block, text.len());
            assert_eq!(back.as_deref().ok(), Some(text));
            assert!(block.len() <= text.len() + text.len() / 255 + 16);
        }
        assert!(lz4_block(&words.repeat(40)).len() < words.len());
        for end in 0..100 {
            let block = lz4_block(&words[..end]);
            let back = lz4_flex::block::decompress(&block, end);
            assert_eq!(back.as_deref().ok(), Some(&words[..end]));
        }
    }
}
