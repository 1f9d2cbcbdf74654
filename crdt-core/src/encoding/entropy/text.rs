//! Text: every bit of every byte is predicted from the bytes before it.
//!
//! Each of several contexts (the last 1, 2, 3, 4 and 6 bytes, and the letters of the word so far)
//! has learned a probability for the bit; a small network, trained as it goes, weighs them against
//! each other.

use super::range::{Decoder, Encoder};

/// How many contexts there are.
const ORDERS: usize = 6;

/// Weights are in 2^16ths; this much, less the rounding, is learned from an error.
const LEARNING: i32 = 10;

/// Tables have as many slots as a power of two between these; there is one a context.
const MIN_BITS: u32 = 12;
const MAX_BITS: u32 = 20;

/// Codes `text`, in the context of `before`, which the decoder has to have too.
pub(crate) fn encode_text(before: &[u8], text: &[u8]) -> Vec<u8> {
    let mut model = Model::new(before.len() + text.len());
    model.learn_from(before);
    let mut encoder = Encoder::new();
    for &byte in text {
        model.byte(|p, k| {
            let bit = byte >> k & 1 == 1;
            encoder.code(bit, p);
            bit
        });
    }
    encoder.finish()
}

/// Reads `len` bytes that [`encode_text`] wrote. `Err` has the place in `bytes` where they ran out,
/// or where bytes are left over.
pub(crate) fn decode_text(before: &[u8], bytes: &[u8], len: usize) -> Result<Vec<u8>, usize> {
    let mut model = Model::new(before.len() + len);
    model.learn_from(before);
    let mut decoder = Decoder::new(bytes);
    let mut out = Vec::new();
    for _ in 0..len {
        out.push(model.byte(|p, _| decoder.decode(p)));
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

/// The logistic function, and its inverse, both in 256ths and 4096ths.
#[derive(Debug)]
struct Logistic {
    stretch: Vec<i16>,
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
        let mut stretch = vec![2047_i16; 4096];
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

/// How far a slot goes towards a bit that came, in 2^16ths, by how many came before.
const RATE: [i32; 16] = {
    let mut rate = [0; 16];
    let mut n = 0;
    while n < 16 {
        rate[n] = 131_072 / (2 * n as i32 + 3);
        n += 1;
    }
    rate
};

/// A probability of a 1 in 2^22ths, and in the low bits how often it was learned from.
type Slot = u32;
const UNKNOWN: Slot = 1 << 31;

#[inline]
fn learn(slot: &mut Slot, bit: bool) {
    let seen = (*slot & 15) as usize;
    let p = (*slot >> 16) as i32;
    let target = if bit { 65_535 } else { 0 };
    let p = p + (((target - p) * RATE[seen]) >> 16);
    *slot = (p as u32) << 16 | (seen as u32 + 1).min(15);
}

struct Model {
    logistic: Logistic,
    tables: [Vec<Slot>; ORDERS],
    mask: u32,
    /// Weights of the contexts, by the bits of the byte so far.
    weights: Vec<[i32; ORDERS]>,
    contexts: [u32; ORDERS],
    /// The last eight bytes, the latest lowest.
    last: u64,
    word: u32,
}

impl Model {
    fn new(len: usize) -> Model {
        let bits = ((2 * len as u64) | 1).ilog2().clamp(MIN_BITS, MAX_BITS);
        let slots = 1_usize << bits;
        let mut model = Model {
            logistic: Logistic::new(),
            tables: std::array::from_fn(|_| vec![UNKNOWN; slots]),
            mask: slots as u32 - 1,
            weights: vec![[20_000; ORDERS]; 256],
            contexts: [0; ORDERS],
            last: 0,
            word: 0,
        };
        model.set_contexts();
        model
    }

    fn learn_from(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(|_, k| byte >> k & 1 == 1);
        }
    }

    /// The next byte: `next` gets the probability of a 1, in 2^16ths, and the place of each bit
    /// from the highest on, and says what it is.
    #[inline]
    fn byte(&mut self, mut next: impl FnMut(u32, u32) -> bool) -> u8 {
        let mut node = 1_u32;
        for k in (0..8).rev() {
            let mut inputs = [0_i32; ORDERS];
            let mut places = [0_usize; ORDERS];
            let weights = &mut self.weights[node as usize];
            let mut dot = 0_i64;
            for i in 0..ORDERS {
                // The four bits of half a byte lie next to each other.
                let half = if k >= 4 { 0 } else { node >> (3 - k) };
                let base = self.contexts[i].wrapping_add(half.wrapping_mul(0x9e37_79b1));
                let base = (base ^ base >> 15).wrapping_mul(0x85eb_ca6b) >> 8;
                let low = if k >= 4 {
                    node
                } else {
                    (node & ((1 << (3 - k)) - 1)) | 1 << (3 - k)
                };
                let place = ((base << 4 | low) & self.mask) as usize;
                places[i] = place;
                let p = self.tables[i][place] >> 20;
                inputs[i] = i32::from(self.logistic.stretch[p as usize]);
                dot += i64::from(inputs[i]) * i64::from(weights[i]);
            }
            let p = squash((dot >> 16) as i32);
            let bit = next((p as u32).clamp(1, 4095) << 4, k);
            let error = (i32::from(bit) << 12) - p;
            for i in 0..ORDERS {
                weights[i] += (inputs[i] * error * LEARNING + 0x8000) >> 16;
                learn(&mut self.tables[i][places[i]], bit);
            }
            node = node << 1 | u32::from(bit);
        }
        let byte = node as u8;
        self.last = self.last << 8 | u64::from(byte);
        self.word = if byte.is_ascii_alphabetic() || byte >= 0x80 {
            (self.word.wrapping_add(u32::from(byte) + 1)).wrapping_mul(0x2f0b_4c47)
        } else {
            0
        };
        self.set_contexts();
        byte
    }

    fn set_contexts(&mut self) {
        let hash = |n: u64, order: u32| {
            let n = (n.wrapping_add(u64::from(order))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (n >> 32) as u32
        };
        for (i, bytes) in [1, 2, 3, 4, 6].into_iter().enumerate() {
            self.contexts[i] = hash(self.last & ((1 << (8 * bytes)) - 1), bytes);
        }
        self.contexts[5] = hash(u64::from(self.word) << 8 | (self.last & 0xff), 9);
    }
}
