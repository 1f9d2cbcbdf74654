//! Text in a hurry: what it repeats is copied, and all else coded by how often it comes behind what comes
//! before it.

use super::matches::{Match, SHORTEST, find};
use super::prefix::{BitReader, BitWriter, Code, NUMBERS, Table, number, push_low, symbol};

/// Symbols: the bytes, and behind them the lengths of matches less [`SHORTEST`].
const BYTES: usize = 256;
const SYMBOLS: usize = BYTES + NUMBERS;

/// The classes of bytes: a symbol is coded by the class of the byte before it.
const CLASSES: usize = 9;

/// The class of each byte.
const CLASS: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' => 1,
            b'a' | b'e' | b'i' | b'o' | b'u' | b'y' => 2,
            b'a'..=b'm' => 3,
            b'n'..=b'z' => 4,
            b'A'..=b'Z' => 5,
            b'0'..=b'9' => 6,
            0x80..=0xbf => 7,
            0xc0..=0xff => 8,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[inline(always)]
fn class(byte: u8) -> usize {
    usize::from(CLASS[usize::from(byte)])
}

/// The symbol of a match's length, and of how far back it begins.
fn symbols(found: &Match) -> (u32, u32) {
    let back = found.at - found.from - 1;
    ((found.len - SHORTEST) as u32, back as u32)
}

/// Packs a text. O(bytes).
pub(crate) fn pack(text: &[u8]) -> Vec<u8> {
    let mut counts = vec![[0_u32; SYMBOLS]; CLASSES];
    let mut backs = [0; NUMBERS];
    let mut matches = Vec::new();
    let mut before = 0;
    let mut done = 0;
    let literals = |bytes: &[u8], before: &mut u8, counts: &mut [[u32; SYMBOLS]]| {
        for &byte in bytes {
            counts[class(*before)][usize::from(byte)] += 1;
            *before = byte;
        }
    };
    find(text, usize::MAX, |found| {
        literals(&text[done..found.at], &mut before, &mut counts);
        let (len, back) = symbols(&found);
        counts[class(before)][BYTES + symbol(len).0] += 1;
        backs[symbol(back).0] += 1;
        done = found.at + found.len;
        before = text[done - 1];
        matches.push(found);
    });
    literals(&text[done..], &mut before, &mut counts);

    let mut out = BitWriter::default();
    let codes: Vec<Code> = counts.iter().map(|c| Code::begin(c, &mut out)).collect();
    let back_code = Code::begin(&backs, &mut out);
    let (mut before, mut done) = (0, 0);
    let literals = |bytes: &[u8], before: &mut u8, out: &mut BitWriter| {
        for &byte in bytes {
            codes[class(*before)].push(usize::from(byte), out);
            *before = byte;
        }
    };
    for found in &matches {
        literals(&text[done..found.at], &mut before, &mut out);
        let (len, back) = symbols(found);
        let (len_symbol, low) = symbol(len);
        codes[class(before)].push(BYTES + len_symbol, &mut out);
        push_low(len, low, &mut out);
        let (back_symbol, low) = symbol(back);
        back_code.push(back_symbol, &mut out);
        push_low(back, low, &mut out);
        done = found.at + found.len;
        before = text[done - 1];
    }
    literals(&text[done..], &mut before, &mut out);
    out.finish()
}

/// Unpacks `len` bytes that [`pack`] packed; `None` if `bytes` are something else. O(bytes + `len`).
pub(crate) fn unpack(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut reader = BitReader::new(bytes);
    let mut tables = Vec::with_capacity(CLASSES);
    for _ in 0..CLASSES {
        tables.push(Table::read(SYMBOLS, &mut reader)?);
    }
    let backs = Table::read(NUMBERS, &mut reader)?;
    let mut out: Vec<u8> = Vec::new();
    let mut before = 0;
    while out.len() < len {
        let symbol = tables[class(before)].next(&mut reader)?;
        if symbol < BYTES {
            before = symbol as u8;
            out.push(before);
            continue;
        }
        let copied = SHORTEST + number(symbol - BYTES, &mut reader) as usize;
        let back = number(backs.next(&mut reader)?, &mut reader) as usize + 1;
        let from = out.len().checked_sub(back)?;
        if copied > len - out.len() || reader.ran_out() {
            return None;
        }
        copy_within(&mut out, from, copied);
        before = *out.last()?;
    }
    reader.is_done().then_some(out)
}

/// Appends `len` bytes that come from `from` on, which may be some of those appended.
pub(super) fn copy_within(out: &mut Vec<u8>, from: usize, len: usize) {
    let mut left = len;
    while left > 0 {
        let some = left.min(out.len() - from);
        out.extend_from_within(from..from + some);
        left -= some;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_what_is_cut_is_noticed() {
        let words: Vec<u8> = (0..3000_u32)
            .flat_map(|n| format!("word{} ", n * n % 9973).into_bytes())
            .collect();
        let all: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let texts: [&[u8]; 7] = [
            b"",
            b"a",
            b"the quick brown fox jumps over the lazy dog, the lazy dog, the lazy fox",
            "größer, höher, 字字字 🦀🦀".as_bytes(),
            &[7; 5000],
            &words,
            &all,
        ];
        for text in texts {
            let bytes = pack(text);
            assert_eq!(unpack(&bytes, text.len()).as_deref(), Some(text));
            assert_eq!(unpack(&[&bytes[..], &[0]].concat(), text.len()), None);
            for end in 0..bytes.len() {
                assert_eq!(unpack(&bytes[..end], text.len()), None);
            }
        }
        assert!(pack(&words).len() < words.len() / 3);
    }

    #[test]
    fn damaged_bytes_never_harm() {
        let text = b"some words, some more words, words and words".repeat(9);
        let bytes = pack(&text);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let unpacked = unpack(&bytes, text.len());
            assert!(unpacked.is_none_or(|unpacked| unpacked.len() == text.len()));
        }
    }
}
