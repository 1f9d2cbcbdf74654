//! Columns of numbers in a hurry: each context has a code of its own, made by how often each number comes in it.

use super::prefix::{BitReader, BitWriter, Code, NUMBERS, Table, number, push_low, symbol};

/// Takes all numbers before it packs them.
#[derive(Debug)]
pub(crate) struct CodeEncoder {
    counts: Vec<[u32; NUMBERS]>,
    numbers: Vec<(u32, u32)>,
}

impl CodeEncoder {
    pub(crate) fn new(contexts: usize) -> CodeEncoder {
        CodeEncoder {
            counts: vec![[0; NUMBERS]; contexts],
            numbers: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, context: usize, n: u32) {
        self.counts[context][symbol(n).0] += 1;
        self.numbers.push((context as u32, n));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = BitWriter::default();
        let codes = self.counts.iter().map(|c| Code::begin(c, &mut out));
        let codes: Vec<Code> = codes.collect();
        for (context, n) in self.numbers {
            let (symbol, low) = symbol(n);
            codes[context as usize].push(symbol, &mut out);
            push_low(n, low, &mut out);
        }
        out.finish()
    }
}

/// Gives numbers that a [`CodeEncoder`] took, in the same contexts. Each takes a bit at least.
#[derive(Debug)]
pub(crate) struct CodeDecoder<'a> {
    reader: BitReader<'a>,
    tables: Vec<Table>,
}

impl<'a> CodeDecoder<'a> {
    /// `None` if the bytes do not begin with codes.
    pub(crate) fn new(bytes: &'a [u8], contexts: usize) -> Option<CodeDecoder<'a>> {
        let mut reader = BitReader::new(bytes);
        let tables = (0..contexts).map(|_| Table::read(NUMBERS, &mut reader));
        let tables = tables.collect::<Option<Vec<Table>>>()?;
        Some(CodeDecoder { reader, tables })
    }

    /// The next number; `None` if the bytes ran out, or are no number.
    #[inline]
    pub(crate) fn next(&mut self, context: usize) -> Option<u32> {
        let symbol = self.tables[context].next(&mut self.reader)?;
        let n = number(symbol, &mut self.reader);
        (!self.reader.ran_out()).then_some(n)
    }

    /// How far it has read, in bytes.
    pub(crate) fn at(&self) -> usize {
        self.reader.at()
    }

    pub(crate) fn left(&self) -> usize {
        self.reader.left()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.reader.is_done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_cut_bytes_are_noticed() {
        let edges = (0..32).flat_map(|k| [1_u32 << k, (1 << k) - 1, (1 << k) + 1]);
        let numbers: Vec<u32> = edges
            .chain([0, u32::MAX, u32::MAX - 1])
            .chain((0..500).map(|n| n * n % 23))
            .collect();
        let mut encoder = CodeEncoder::new(4);
        for (i, &n) in numbers.iter().enumerate() {
            encoder.push(i % 3, n);
        }
        let bytes = encoder.finish();
        let mut decoder = CodeDecoder::new(&bytes, 4).unwrap();
        for (i, &n) in numbers.iter().enumerate() {
            assert_eq!(decoder.next(i % 3), Some(n));
        }
        assert!(decoder.is_done());
        for end in 0..bytes.len() {
            let Some(mut decoder) = CodeDecoder::new(&bytes[..end], 4) else {
                continue;
            };
            let read = (0..numbers.len()).map_while(|i| decoder.next(i % 3));
            assert!(read.count() < numbers.len() || !decoder.is_done());
        }
    }
}
