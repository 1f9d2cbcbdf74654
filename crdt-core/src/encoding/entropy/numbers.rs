//! Columns of numbers, each number coded with the statistics of its context.
//!
//! A number below 16 is coded directly; a larger one by the index of its highest bit, the bit below
//! that, and the rest of its bits, of which the highest is learned and the others are not.

use super::range::{Bit, Decoder, Encoder};

/// The numbers from here on are coded by their magnitude.
const SMALL: u32 = 16;

/// The learned bits of one context.
#[derive(Debug, Clone)]
struct Context {
    large: Bit,
    /// Bits of a small number by the bits before, from the highest on.
    small: [Bit; 16],
    magnitude: [Bit; 64],
    next: [Bit; 64],
}

impl Default for Context {
    fn default() -> Self {
        Context {
            large: Bit::default(),
            small: [Bit::default(); 16],
            magnitude: [Bit::default(); 64],
            next: [Bit::default(); 64],
        }
    }
}

/// The magnitude class of a large number, and the number of its remaining bits.
fn class(n: u32) -> (u32, u32) {
    let top = n.ilog2();
    ((top - 4) << 1 | (n >> (top - 1) & 1), top - 1)
}

#[derive(Debug)]
pub(crate) struct NumberEncoder {
    coder: Encoder,
    contexts: Vec<Context>,
}

impl NumberEncoder {
    pub(crate) fn new(contexts: usize) -> NumberEncoder {
        NumberEncoder {
            coder: Encoder::new(),
            contexts: vec![Context::default(); contexts],
        }
    }

    pub(crate) fn push(&mut self, context: usize, n: u32) {
        let NumberEncoder { coder, contexts } = self;
        let context = &mut contexts[context];
        coder.learned(n >= SMALL, &mut context.large);
        if n < SMALL {
            tree(coder, &mut context.small, n, 4);
            return;
        }
        let (class, rest) = class(n);
        tree(coder, &mut context.magnitude, class, 6);
        for k in (0..rest).rev() {
            let bit = n >> k & 1 == 1;
            if k + 1 == rest {
                coder.learned(bit, &mut context.next[class as usize]);
            } else {
                coder.code(bit, 1 << 15);
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.coder.finish()
    }
}

/// Codes the low `bits` bits of `n`, each in the context of those before it.
fn tree(coder: &mut Encoder, models: &mut [Bit], n: u32, bits: u32) {
    let mut node = 1;
    for k in (0..bits).rev() {
        let bit = n >> k & 1;
        coder.learned(bit == 1, &mut models[node]);
        node = node << 1 | bit as usize;
    }
}

#[derive(Debug)]
pub(crate) struct NumberDecoder<'a> {
    coder: Decoder<'a>,
    contexts: Vec<Context>,
}

impl<'a> NumberDecoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], contexts: usize) -> NumberDecoder<'a> {
        NumberDecoder {
            coder: Decoder::new(bytes),
            contexts: vec![Context::default(); contexts],
        }
    }

    /// The next number; `None` if the bytes ran out.
    pub(crate) fn next(&mut self, context: usize) -> Option<u32> {
        let NumberDecoder { coder, contexts } = self;
        let context = &mut contexts[context];
        let n = if !coder.learned(&mut context.large) {
            untree(coder, &mut context.small, 4)
        } else {
            let class = untree(coder, &mut context.magnitude, 6);
            let top = 4 + (class >> 1);
            if top > 31 {
                return None;
            }
            let mut n = 2 | class & 1;
            for k in (0..top - 1).rev() {
                let bit = if k + 2 == top {
                    coder.learned(&mut context.next[class as usize])
                } else {
                    coder.decode(1 << 15)
                };
                n = n << 1 | u32::from(bit);
            }
            n
        };
        (!coder.ran_out()).then_some(n)
    }

    pub(crate) fn at(&self) -> usize {
        self.coder.at()
    }

    pub(crate) fn left(&self) -> usize {
        self.coder.left()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.coder.is_done()
    }
}

fn untree(coder: &mut Decoder<'_>, models: &mut [Bit], bits: u32) -> u32 {
    let mut node = 1_usize;
    for _ in 0..bits {
        let bit = coder.learned(&mut models[node]);
        node = node << 1 | usize::from(bit);
    }
    node as u32 - (1 << bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_truncation_is_detected() {
        let edges = (0..32).flat_map(|k| [1_u32 << k, (1 << k) - 1, (1 << k) + 1]);
        let numbers: Vec<u32> = edges
            .chain([0, u32::MAX, u32::MAX - 1])
            .chain((0..500).map(|n| n * n % 23))
            .collect();
        let mut encoder = NumberEncoder::new(3);
        for (i, &n) in numbers.iter().enumerate() {
            encoder.push(i % 3, n);
        }
        let bytes = encoder.finish();
        let mut decoder = NumberDecoder::new(&bytes, 3);
        for (i, &n) in numbers.iter().enumerate() {
            assert_eq!(decoder.next(i % 3), Some(n));
        }
        assert!(decoder.is_done());
        for end in 0..bytes.len() {
            let mut decoder = NumberDecoder::new(&bytes[..end], 3);
            let read = (0..numbers.len()).map_while(|i| decoder.next(i % 3));
            assert!(read.count() < numbers.len() || !decoder.is_done());
        }
    }
}
