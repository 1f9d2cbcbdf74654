//! A binary range coder: 32 bits of range, carries resolved on the way out.

/// Below this the range is multiplied by 256, a byte at a time.
const BOTTOM: u32 = 1 << 24;

/// A probability that a bit is 1, learned from the bits coded with it: quickly at first, slower
/// with every bit, down to a rate of one part in [`LIMIT`] and a half.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bit {
    /// The probability of a 1 in 2^16ths, less a half: all zeros is "unknown".
    p: i16,
    seen: u16,
}

/// Where learning stops to slow down.
const LIMIT: usize = 60;

/// The adaptation towards a coded bit, in 2^16ths, by the number of bits before.
const RATE: [i32; LIMIT + 1] = {
    let mut rate = [0; LIMIT + 1];
    let mut n = 0;
    while n <= LIMIT {
        rate[n] = 131_072 / (2 * n as i32 + 3);
        n += 1;
    }
    rate
};

impl Bit {
    /// The probability of a 1, in 2^16ths; never 0.
    fn probability(self) -> u32 {
        (i32::from(self.p) + 32_768).clamp(24, 65_512) as u32
    }

    fn learn(&mut self, bit: bool) {
        let target = if bit { 32_767 } else { -32_768 };
        let p = i32::from(self.p);
        self.p = (p + (((target - p) * RATE[self.seen as usize]) >> 16)) as i16;
        self.seen = (self.seen + 1).min(LIMIT as u16);
    }
}

#[derive(Debug)]
pub(super) struct Encoder {
    low: u64,
    range: u32,
    /// The last byte that a carry may still change, and how many bytes of 0xff follow it.
    cache: u8,
    pending: usize,
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder {
            low: 0,
            range: u32::MAX,
            cache: 0,
            pending: 0,
            out: Vec::new(),
        }
    }

    /// Codes a bit that is 1 with the probability `p`, in 2^16ths, neither 0 nor all.
    #[inline]
    pub(super) fn code(&mut self, bit: bool, p: u32) {
        let ones = (self.range >> 16) * p;
        if bit {
            self.range = ones;
        } else {
            self.low += u64::from(ones);
            self.range -= ones;
        }
        while self.range < BOTTOM {
            self.range <<= 8;
            self.shift();
        }
    }

    pub(super) fn learned(&mut self, bit: bool, model: &mut Bit) {
        self.code(bit, model.probability());
        model.learn(bit);
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > u64::from(u32::MAX) {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            let between = 0xff_u8.wrapping_add(carry);
            self.out.extend(std::iter::repeat_n(between, self.pending));
            self.pending = 0;
            self.cache = (self.low >> 24) as u8;
        } else {
            self.pending += 1;
        }
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        // The first byte was only reserved for a carry that cannot occur.
        self.out.remove(0);
        self.out
    }
}

/// Reads the output of an [`Encoder`], given the same probabilities.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    code: u32,
    range: u32,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        let mut decoder = Decoder {
            code: 0,
            range: u32::MAX,
            bytes,
            at: 0,
        };
        for _ in 0..4 {
            decoder.shift();
        }
        decoder
    }

    #[inline]
    fn shift(&mut self) {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.code = self.code << 8 | u32::from(byte);
        self.at += 1;
    }

    #[inline]
    pub(super) fn decode(&mut self, p: u32) -> bool {
        let ones = (self.range >> 16) * p;
        let bit = self.code < ones;
        if bit {
            self.range = ones;
        } else {
            self.code -= ones;
            self.range -= ones;
        }
        while self.range < BOTTOM {
            self.range <<= 8;
            self.shift();
        }
        bit
    }

    pub(super) fn learned(&mut self, model: &mut Bit) -> bool {
        let bit = self.decode(model.probability());
        model.learn(bit);
        bit
    }

    /// The offset of the next byte; beyond the end if bytes were missing.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn ran_out(&self) -> bool {
        self.at > self.bytes.len()
    }

    /// Whether it has read exactly all bytes.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}
