//! Compressed changes: most of a long history is typed text.
//!
//! LZ4, block format: packing and unpacking are negligible compared with the cost of a data
//! channel, and halve the bytes. The code is the safe implementation of `lz4_flex`, since the bytes
//! are not trusted.

use super::kind;
use super::reader::{Reader, push_varint};
use crate::error::WireError;

/// Shorter changes are sent unpacked.
const MIN_LEN: usize = 512;

/// The most unpacked bytes for each byte of an LZ4 block.
const MAX_RATIO: u64 = 255;

const WHAT: &str = "the length of compressed changes";

/// The message with a patch, packed if the peer `takes_packed` changes and that is worthwhile.
pub(crate) fn changes(patch: &[u8], takes_packed: bool) -> Vec<u8> {
    if takes_packed && patch.len() >= MIN_LEN {
        let packed = lz4_flex::block::compress(patch);
        if packed.len() < patch.len() - patch.len() / 8 {
            let mut message = vec![kind::PACKED_CHANGES];
            push_varint(&mut message, patch.len() as u64);
            message.extend(packed);
            return message;
        }
    }
    [&[kind::CHANGES], patch].concat()
}

/// The patch in the body of a message of packed changes, of at most `bound` bytes.
///
/// A separate function: browsers recompile a hot function with optimisations, and a small one takes
/// little time.
#[inline(never)]
pub(crate) fn unpack(body: &[u8], bound: usize) -> Result<Vec<u8>, WireError> {
    let mut reader = Reader::new(body);
    let len = reader.bounded(WHAT, bound as u64)?;
    let packed = reader.rest();
    let most = (packed.len() as u64).saturating_mul(MAX_RATIO);
    if len > most {
        return Err(WireError::TooLarge {
            what: WHAT,
            claimed: len,
            bound: most,
        });
    }
    match lz4_flex::block::decompress(packed, len as usize) {
        Ok(patch) if patch.len() as u64 == len => Ok(patch),
        Ok(patch) => Err(WireError::Invalid {
            what: WHAT,
            found: patch.len() as u64,
        }),
        Err(error) => Err(WireError::Packed {
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worthwhile_changes_are_packed_and_round_trip() {
        let long = b"one line, and one line, ".repeat(100);
        let message = changes(&long, true);
        assert_eq!(message[0], kind::PACKED_CHANGES);
        assert!(message.len() < long.len() / 8, "{} bytes", message.len());
        assert_eq!(unpack(&message[1..], long.len()), Ok(long.clone()));

        assert_eq!(changes(&long, false)[1..], long);
        assert_eq!(changes(&long[..MIN_LEN - 1], true)[0], kind::CHANGES);
        // Nothing in here repeats.
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(4096)
        .collect();
        assert_eq!(changes(&noise, true)[0], kind::CHANGES);
    }

    #[test]
    fn claimed_lengths_are_checked_before_memory_is_reserved() {
        let message = changes(&b"text ".repeat(1000), true);
        let body = &message[1..];
        assert_eq!(
            unpack(body, 4999).map_err(|error| error.code()),
            Err("message_too_large")
        );
        // The maximum allowed length, from a handful of bytes.
        let mut bomb = Vec::new();
        push_varint(&mut bomb, 1 << 26);
        bomb.extend([0x1f, b'x', 1, 0, 0xff]);
        assert_eq!(
            unpack(&bomb, 1 << 26).map_err(|error| error.code()),
            Err("message_too_large")
        );
    }

    #[test]
    fn broken_blocks_are_refused() {
        let text = b"text and more text, and more ".repeat(100);
        let message = changes(&text, true);
        let body = &message[1..];
        for len in 0..body.len() {
            assert!(unpack(&body[..len], 1 << 20).is_err(), "cut to {len} bytes");
        }
        // Changing any byte after the length, which takes two, gives an error, or a result of that
        // length.
        for at in 2..body.len() {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut broken = body.to_vec();
                broken[at] ^= flip;
                if let Ok(patch) = unpack(&broken, 1 << 20) {
                    assert_eq!(patch.len(), text.len(), "byte {at} ^ {flip}");
                }
            }
        }
        assert_eq!(
            unpack(&[4, 0x40, b'a', b'b', b'c', b'd', 9, 0], 100).map_err(|error| error.code()),
            Err("message_bad_packing")
        );
    }
}
