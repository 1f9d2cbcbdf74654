//! Prefix codes: each symbol has a code word of a whole number of bits, by how often it comes.
//!
//! The lengths of the code words are written before what is coded with them; the words follow from the
//! lengths: shorter ones come first, and among words of one length, smaller symbols.

use crate::sorting::sort;

/// The longest code word, in bits.
const LONGEST: usize = 12;

/// Writes bits, in each byte from the highest on.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    /// The last `count` bits of it, fewer than 32, are still to be written.
    last: u64,
    count: u32,
}

impl BitWriter {
    /// Writes the low `count` bits of `bits`, at most 32 and none above.
    #[inline(always)]
    pub(super) fn push(&mut self, bits: u32, count: u32) {
        self.last = self.last << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            let whole = (self.last >> self.count) as u32;
            self.out.extend_from_slice(&whole.to_be_bytes());
        }
    }

    /// Writes a number from 1 on: as many zeros as it has bits behind its highest, then these bits.
    fn push_gamma(&mut self, n: u32) {
        let bits = n.ilog2();
        self.push(0, bits);
        self.push(n, bits + 1);
    }

    /// All bytes; the last is filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        while self.count > 0 {
            let some = self.count.min(8);
            self.count -= some;
            let bits = (self.last >> self.count) as u8;
            self.out.push(bits << (8 - some));
        }
        self.out
    }
}

/// Reads what a [`BitWriter`] wrote. Behind the end there are zeros.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0 }
    }

    /// The next bits, at least 57, at the high end.
    #[inline(always)]
    fn window(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let bytes = match rest.first_chunk::<8>() {
            Some(bytes) => *bytes,
            None => last_bytes(rest),
        };
        u64::from_be_bytes(bytes) << (self.at % 8)
    }

    /// The next `count` bits, at most 32.
    #[inline(always)]
    pub(super) fn bits(&mut self, count: u32) -> u32 {
        let window = self.window();
        self.at += count as usize;
        // In two steps, as there may be none.
        (window >> 1 >> (63 - count)) as u32
    }

    /// A number that [`BitWriter::push_gamma`] wrote.
    fn gamma(&mut self) -> Option<u32> {
        let bits = self.window().leading_zeros();
        if bits > 31 {
            return None;
        }
        self.at += bits as usize;
        Some(self.bits(bits + 1))
    }

    /// How many bytes it has read from; more than there are if bits were missing.
    pub(super) fn at(&self) -> usize {
        self.at.div_ceil(8)
    }

    #[inline(always)]
    pub(super) fn ran_out(&self) -> bool {
        self.at > self.bytes.len() * 8
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at())
    }

    /// Whether it has read from all bytes, and no bit is set behind.
    pub(super) fn is_done(&self) -> bool {
        self.at() == self.bytes.len() && self.window() == 0
    }
}

#[cold]
fn last_bytes(rest: &[u8]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes
}

/// A code to write with: by symbol the word and its length.
#[derive(Debug)]
pub(super) struct Code {
    words: Vec<(u16, u8)>,
}

impl Code {
    /// The best code for symbols that come so often, as far as [`LONGEST`] allows, and its lengths in front of
    /// what will be coded with it.
    pub(super) fn begin(counts: &[u32], out: &mut BitWriter) -> Code {
        let lengths = lengths(counts);
        push_lengths(&lengths, out);
        let mut next = first_words(&lengths);
        let words = lengths.iter().map(|&length| {
            let word = &mut next[usize::from(length)];
            let this = *word;
            *word += 1;
            (this as u16, length)
        });
        Code {
            words: words.collect(),
        }
    }

    #[inline(always)]
    pub(super) fn push(&self, symbol: usize, out: &mut BitWriter) {
        let (word, length) = self.words[symbol];
        out.push(word.into(), length.into());
    }
}

/// The first word of each length, by how many symbols have each length.
fn first_words(lengths: &[u8]) -> [u32; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    let mut first = [0; LONGEST + 1];
    for length in 2..=LONGEST {
        first[length] = (first[length - 1] + counts[length - 1]) << 1;
    }
    first
}

/// The lengths of the words of symbols that come so often; 0 for those that never do.
fn lengths(counts: &[u32]) -> Vec<u8> {
    let mut symbols: Vec<(u32, u32)> = (0..).zip(counts).map(|(s, &count)| (count, s)).collect();
    symbols.retain(|&(count, _)| count > 0);
    sort(&mut symbols);
    let mut lengths = vec![0; counts.len()];
    if let [(_, only)] = symbols[..] {
        lengths[only as usize] = 1;
        return lengths;
    }
    loop {
        let depths = depths(&symbols);
        if depths.iter().all(|&depth| depth as usize <= LONGEST) {
            for (&(_, symbol), depth) in symbols.iter().zip(depths) {
                lengths[symbol as usize] = depth as u8;
            }
            return lengths;
        }
        // What is rare is taken for less rare: the order stays.
        for (count, _) in &mut symbols {
            *count = *count / 2 + 1;
        }
    }
}

/// How deep each leaf stands in the tree in which the two lightest are joined again and again; the leaves are
/// given by their weights, ascending.
fn depths(leaves: &[(u32, u32)]) -> Vec<u32> {
    let joints = leaves.len().saturating_sub(1);
    // Nodes made are as heavy as those before, or heavier.
    let mut weights: Vec<u64> = Vec::with_capacity(joints);
    let mut parents = vec![0; leaves.len() + joints];
    let (mut leaf, mut joint) = (0, 0);
    for made in 0..joints {
        let mut weight = 0;
        for _ in 0..2 {
            let light = leaves.get(leaf).map(|&(count, _)| u64::from(count));
            match (light, weights.get(joint)) {
                (Some(light), next) if next.is_none_or(|&next| light <= next) => {
                    parents[leaf] = made;
                    weight += light;
                    leaf += 1;
                }
                (_, next) => {
                    parents[leaves.len() + joint] = made;
                    weight += next.copied().unwrap_or_default();
                    joint += 1;
                }
            }
        }
        weights.push(weight);
    }
    let mut depths = vec![0; joints];
    for i in (0..joints.saturating_sub(1)).rev() {
        depths[i] = depths[parents[leaves.len() + i]] + 1;
    }
    let leaves = parents[..leaves.len()].iter();
    leaves.map(|&parent| depths[parent] + 1).collect()
}

/// Writes lengths: how many there are up to the last that is not 0, each in four bits; a 0 with how many follow
/// it in a row.
fn push_lengths(lengths: &[u8], out: &mut BitWriter) {
    let used = lengths.iter().rposition(|&length| length > 0);
    let used = &lengths[..used.map_or(0, |last| last + 1)];
    out.push_gamma(used.len() as u32 + 1);
    let mut at = 0;
    while at < used.len() {
        out.push(used[at].into(), 4);
        let zeros = used[at..].iter().take_while(|&&length| length == 0).count();
        if zeros > 0 {
            out.push_gamma(zeros as u32);
        }
        at += zeros.max(1);
    }
}

/// A code to read with: by the next bits the symbol, and the length of its word.
#[derive(Debug)]
pub(super) struct Table {
    /// Of each symbol its number, and in the four low bits the length.
    entries: Vec<u16>,
    /// How many bits say which entry it is.
    bits: u32,
}

impl Table {
    /// Reads the code for `symbols` symbols; `None` if it is none.
    pub(super) fn read(symbols: usize, reader: &mut BitReader<'_>) -> Option<Table> {
        let count = reader.gamma()? as usize - 1;
        if count > symbols {
            return None;
        }
        let mut lengths = Vec::with_capacity(count);
        while lengths.len() < count {
            let length = reader.bits(4) as u8;
            if usize::from(length) > LONGEST {
                return None;
            }
            let times = if length == 0 { reader.gamma()? } else { 1 };
            if times as usize > count - lengths.len() {
                return None;
            }
            lengths.resize(lengths.len() + times as usize, length);
        }
        Table::of(&lengths)
    }

    fn of(lengths: &[u8]) -> Option<Table> {
        let bits = lengths.iter().copied().max().unwrap_or(0).into();
        let mut next = first_words(lengths);
        // No word: no symbol can be read.
        let mut entries = vec![0_u16; 1_usize << bits];
        for (symbol, &length) in lengths.iter().enumerate() {
            if length == 0 {
                continue;
            }
            let word = &mut next[usize::from(length)];
            let spare = bits - u32::from(length);
            let (start, end) = ((*word as usize) << spare, (*word as usize + 1) << spare);
            entries
                .get_mut(start..end)?
                .fill((symbol as u16) << 4 | u16::from(length));
            *word += 1;
        }
        Some(Table { entries, bits })
    }

    /// The next symbol; `None` if the bits are no word.
    #[inline(always)]
    pub(super) fn next(&self, reader: &mut BitReader<'_>) -> Option<usize> {
        let index = (reader.window() >> 1 >> (63 - self.bits)) as usize;
        let entry = self.entries.get(index).copied().unwrap_or_default();
        reader.at += usize::from(entry & 15);
        (entry != 0).then_some(usize::from(entry >> 4))
    }
}

/// Numbers below this are symbols of their own.
const DIRECT: u32 = 64;

/// How many symbols numbers have.
pub(super) const NUMBERS: usize = DIRECT as usize + 52;

/// The symbol of a number, and how many of its low bits follow: of one from [`DIRECT`] on, all below the two
/// highest.
#[inline(always)]
pub(super) fn symbol(n: u32) -> (usize, u32) {
    if n < DIRECT {
        return (n as usize, 0);
    }
    let top = n.ilog2();
    let class = (top - 6) << 1 | (n >> (top - 1) & 1);
    ((DIRECT + class) as usize, top - 1)
}

/// Writes the bits of a number that follow its symbol.
#[inline(always)]
pub(super) fn push_low(n: u32, count: u32, out: &mut BitWriter) {
    out.push(n & ((1 << count) - 1), count);
}

/// The number of a symbol below [`NUMBERS`], with the bits that follow it.
#[inline(always)]
pub(super) fn number(symbol: usize, reader: &mut BitReader<'_>) -> u32 {
    let symbol = symbol as u32;
    if symbol < DIRECT {
        return symbol;
    }
    let class = symbol - DIRECT;
    let low = 5 + (class >> 1);
    (2 | class & 1) << low | reader.bits(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(counts: &[u32]) {
        let symbols = (0..counts.len()).filter(|&s| counts[s] > 0);
        let mut out = BitWriter::default();
        let code = Code::begin(counts, &mut out);
        symbols.clone().for_each(|s| code.push(s, &mut out));
        let bytes = out.finish();
        let mut reader = BitReader::new(&bytes);
        let table = Table::read(counts.len(), &mut reader).unwrap();
        for s in symbols {
            assert_eq!(table.next(&mut reader), Some(s), "{counts:?}");
        }
        assert!(reader.is_done());
    }

    #[test]
    fn codes_come_back() {
        round_trip(&[]);
        round_trip(&[0, 0, 5]);
        round_trip(&[1, 1]);
        round_trip(&[0, 7, 0, 3, 0, 0, 1]);
        // Words would be longer than allowed.
        let mut fibonacci = vec![1, 1];
        for i in 2..40 {
            fibonacci.push(fibonacci[i - 1] + fibonacci[i - 2]);
        }
        round_trip(&fibonacci);
        round_trip(&[3; 372]);
        round_trip(&(0..372).map(|n| n * n % 97).collect::<Vec<u32>>());
    }

    #[test]
    fn words_are_as_short_as_can_be() {
        let bits = |counts: &[u32]| {
            let all = lengths(counts).into_iter().zip(counts);
            all.map(|(length, count)| u32::from(length) * count)
                .sum::<u32>()
        };
        assert_eq!(bits(&[1, 1, 2, 4]), 3 + 3 + 4 + 4);
        assert_eq!(bits(&[5, 5, 5, 5]), 40);
        assert_eq!(bits(&[45, 13, 12, 16, 9, 5]), 224);
    }

    #[test]
    fn what_is_no_code_is_refused() {
        // More words than there are.
        assert!(Table::of(&[1, 1, 1]).is_none());
        assert!(Table::of(&[1, 2, 2, 12]).is_none());
        // Fewer: a word that is missing is none.
        let table = Table::of(&[0, 2, 2]).unwrap();
        assert_eq!(table.next(&mut BitReader::new(&[0b0100_0000])), Some(2));
        assert_eq!(table.next(&mut BitReader::new(&[0b1100_0000])), None);
        assert_eq!(
            Table::of(&[]).unwrap().next(&mut BitReader::new(&[0])),
            None
        );
        assert!(Table::read(3, &mut BitReader::new(&[])).is_none());
        assert!(Table::read(3, &mut BitReader::new(&[0xff; 9])).is_some());
        assert!(Table::read(3, &mut BitReader::new(&[0, 0, 0, 0, 1])).is_none());
    }

    #[test]
    fn numbers_come_back() {
        let edges = (0..32).flat_map(|k| [1_u32 << k, (1 << k) - 1, (1 << k) + 1]);
        let numbers: Vec<u32> = edges.chain([u32::MAX, u32::MAX - 1]).collect();
        let mut out = BitWriter::default();
        for &n in &numbers {
            push_low(n, symbol(n).1, &mut out);
        }
        let bytes = out.finish();
        let mut reader = BitReader::new(&bytes);
        for &n in &numbers {
            assert!(symbol(n).0 < NUMBERS);
            assert_eq!(number(symbol(n).0, &mut reader), n);
        }
    }
}
