//! Variable-length integers: seven bits a byte, least significant first, the highest bit set on
//! all but the last byte (LEB128).

/// Appends `n`.
pub(super) fn push(out: &mut Vec<u8>, n: u64) {
    let mut n = n;
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a signed number: small magnitudes become small numbers.
pub(super) fn push_signed(out: &mut Vec<u8>, n: i64) {
    push(out, (n << 1 ^ n >> 63) as u64);
}
