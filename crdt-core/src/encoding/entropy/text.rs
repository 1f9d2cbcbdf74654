//! Text: every bit of every byte is predicted from the bytes before it.
//!
//! Each of several contexts (the last 1, 2, 3, 4 and 6 bytes, and the letters of the word so far)
//! has learned a probability for the bit; a small network, trained on the fly, combines them. Fewer
//! contexts are faster.

use super::range::{Decoder, Encoder};

/// Predicts from the last 1, 2 and 3 bytes.
pub(crate) type LightModel = Model<3>;

/// Predicts from all contexts.
pub(crate) type FullModel = Model<6>;

/// The learning rate. Weights are in 2^16ths.
const LEARNING: i32 = 10;

/// Six times this, times the largest input, is below 2^31.
const MAX_WEIGHT: i32 = (1 << 17) - 1;

/// The minimum and maximum size of a context's table, in groups of slots, as a power of 2.
const MIN_BITS: u32 = 10;
const MAX_BITS: u32 = 16;

/// The logistic function, and its inverse, both in 256ths and 4096ths.
#[derive(Debug)]
struct Logistic {
    stretch: Box<[i16; 4096]>,
}

/// 4096 / (1 + e^-x) for x = -8, -7.5 .. 8.
const SQUASH: [i32; 33] = [
    1, 2, 4, 6, 10, 17, 27, 45, 73, 120, 194, 311, 488, 747, 1101, 1546, 2048, 2549, 2994, 3348,
    3607, 3784, 3901, 3975, 4022, 4050, 4068, 4078, 4085, 4089, 4092, 4093, 4095,
];

/// A probability in 4096ths from its logit in 256ths.
#[inline]
fn squash(x: i32) -> i32 {
    let x = x.clamp(-2047, 2047) + 2048;
    let (i, rest) = ((x >> 7) as usize, x & 127);
    (SQUASH[i] * (128 - rest) + SQUASH[i + 1] * rest + 64) >> 7
}

impl Logistic {
    fn new() -> Logistic {
        let mut stretch = Box::new([2047_i16; 4096]);
        let mut next = 0;
        for x in -2047..=2047 {
            let p = squash(x);
            while next <= p {
                stretch[next as usize] = x as i16;
                next += 1;
            }
        }
        Logistic { stretch }
    }
}

/// The adaptation of a slot towards a coded bit, in 2^16ths, by the number of bits before.
const RATE: [i32; 16] = {
    let mut rate = [0; 16];
    let mut n = 0;
    while n < 16 {
        rate[n] = 131_072 / (2 * n as i32 + 3);
        n += 1;
    }
    rate
};

/// A probability of a 1 in 4096ths in the high bits, and the number of learned bits in the low
/// four.
type Slot = u16;
const UNKNOWN: Slot = 2048 << 4;

#[inline]
fn learn(slot: &mut Slot, bit: bool) {
    let seen = usize::from(*slot & 15);
    let p = i32::from(*slot >> 4);
    let target = if bit { 4095 } else { 0 };
    let p = p + (((target - p) * RATE[seen] + 0x8000) >> 16);
    *slot = (p as u16) << 4 | (seen as u16 + 1).min(15);
}

/// The slots that predict half a byte in one context: one for each value of the bits before.
type Group = [Slot; 16];

/// Where bits come from, or go to.
enum Coder<'a, 'b> {
    /// The bits of a byte.
    Write(&'a mut Encoder, u8),
    Read(&'a mut Decoder<'b>),
}

impl Coder<'_, '_> {
    /// The bit at index `k` of the byte, which is a 1 with the probability `p`, in 2^16ths.
    #[inline(always)]
    fn next(&mut self, p: u32, k: u32) -> bool {
        match self {
            Coder::Write(encoder, byte) => {
                let bit = *byte >> k & 1 == 1;
                encoder.code(bit, p);
                bit
            }
            Coder::Read(decoder) => decoder.decode(p),
        }
    }
}

/// The state learned from the text so far, in the first `N` contexts.
#[derive(Debug)]
pub(crate) struct Model<const N: usize> {
    logistic: Logistic,
    groups: Vec<Group>,
    /// The right shift that turns a 32-bit hash into the index of a group in a table.
    shift: u32,
    /// Weights of the contexts, by the bits of the byte so far.
    weights: Vec<[i32; N]>,
    contexts: [u32; N],
    /// The last eight bytes, the latest lowest.
    last: u64,
    word: u32,
}

impl<const N: usize> Model<N> {
    /// A model for texts of `len` bytes in total. The reader has to pass the same length.
    pub(crate) fn new(len: usize) -> Self {
        let bits = (len as u64 / 8 + 1).ilog2().clamp(MIN_BITS, MAX_BITS);
        let mut model = Model {
            logistic: Logistic::new(),
            groups: vec![[UNKNOWN; 16]; N << bits],
            shift: 32 - bits,
            weights: vec![[120_000 / N as i32; N]; 256],
            contexts: [0; N],
            last: 0,
            word: 0,
        };
        model.set_contexts();
        model
    }

    /// Codes a text, and learns from it.
    pub(crate) fn encode(&mut self, text: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        for &byte in text {
            self.byte(&mut Coder::Write(&mut encoder, byte));
        }
        encoder.finish()
    }

    /// Reads `len` bytes that [`Model::encode`] wrote. `Err` has the offset in `bytes` at which
    /// they ran out, or at which bytes are left over.
    pub(crate) fn decode(&mut self, bytes: &[u8], len: usize) -> Result<Vec<u8>, usize> {
        let mut decoder = Decoder::new(bytes);
        let mut out = Vec::new();
        for _ in 0..len {
            out.push(self.byte(&mut Coder::Read(&mut decoder)));
            if decoder.ran_out() {
                return Err(bytes.len());
            }
        }
        if decoder.is_done() {
            Ok(out)
        } else {
            Err(decoder.at())
        }
    }

    /// The next byte.
    fn byte(&mut self, coder: &mut Coder<'_, '_>) -> u8 {
        let high = self.half(1, 4, coder);
        let byte = self.half(high, 0, coder) as u8;
        self.last = self.last << 8 | u64::from(byte);
        self.word = if byte.is_ascii_alphabetic() || byte >= 0x80 {
            (self.word.wrapping_add(u32::from(byte) + 1)).wrapping_mul(0x2f0b_4c47)
        } else {
            0
        };
        self.set_contexts();
        byte
    }

    /// Half a byte, after the bits `before` of the byte, which have a 1 in front; `low` bits follow
    /// the half. Not inlined: it is most of the code, and would be duplicated.
    #[inline(never)]
    fn half(&mut self, before: u32, low: u32, coder: &mut Coder<'_, '_>) -> u32 {
        let mut groups: [Group; N] = [[0; 16]; N];
        let mut places = [0_usize; N];
        for i in 0..N {
            let hash =
                (self.contexts[i] ^ before.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
            places[i] = (i << (32 - self.shift)) + (hash >> self.shift) as usize;
            groups[i] = self.groups[places[i]];
        }
        let mut slot = 1_usize;
        for k in (0..4).rev() {
            let node = (before << (3 - k)) as usize & 0xff | slot & ((1 << (3 - k)) - 1);
            let weights = &mut self.weights[node];
            let mut inputs = [0_i32; N];
            let mut dot = 0_i32;
            for i in 0..N {
                let p = groups[i][slot] >> 4;
                inputs[i] = i32::from(self.logistic.stretch[usize::from(p)]);
                dot += inputs[i] * weights[i];
            }
            let p = squash(dot >> 16);
            let bit = coder.next((p as u32).clamp(1, 4095) << 4, low + k);
            let error = ((i32::from(bit) << 12) - p) * LEARNING;
            for i in 0..N {
                let weight = weights[i] + ((inputs[i] * error + 0x8000) >> 16);
                weights[i] = weight.clamp(-MAX_WEIGHT, MAX_WEIGHT);
                learn(&mut groups[i][slot], bit);
            }
            slot = slot << 1 | usize::from(bit);
        }
        for i in 0..N {
            self.groups[places[i]] = groups[i];
        }
        before << 4 | slot as u32 & 15
    }

    fn set_contexts(&mut self) {
        let hash = |n: u64, order: u32| {
            let n = (n.wrapping_add(u64::from(order))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (n >> 32) as u32
        };
        for (i, context) in self.contexts.iter_mut().enumerate() {
            *context = match [1, 2, 3, 4, 6].get(i) {
                Some(&bytes) => hash(self.last & ((1 << (8 * bytes)) - 1), bytes),
                None => hash(u64::from(self.word) << 8 | (self.last & 0xff), 9),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip_and_truncation_is_detected() {
        let texts: [&[u8]; 4] = [
            b"the quick brown fox jumps over the lazy dog, the lazy dog, the lazy fox",
            b"",
            "größer, höher, 字字字 🦀🦀".as_bytes(),
            &[0, 255, 128, 7, 255, 255],
        ];
        let len = texts.iter().map(|text| text.len()).sum();
        let (mut writer, mut reader) = (FullModel::new(len), FullModel::new(len));
        for text in texts {
            let bytes = writer.encode(text);
            assert_eq!(reader.decode(&bytes, text.len()).as_deref(), Ok(text));
        }
        let text = texts[0].repeat(20);
        let bytes = LightModel::new(text.len()).encode(&text);
        assert!(bytes.len() < text.len() / 8, "{}", bytes.len());
        for end in 0..bytes.len() {
            let read = LightModel::new(text.len()).decode(&bytes[..end], text.len());
            assert_eq!(read, Err(end));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(
            LightModel::new(text.len())
                .decode(&longer, text.len())
                .is_err()
        );
    }

    #[test]
    fn stretching_undoes_squashing() {
        let logistic = Logistic::new();
        for p in 1..4095 {
            let back = squash(i32::from(logistic.stretch[p as usize]));
            assert!((back - p).abs() <= 16, "{p}: {back}");
        }
    }
}
