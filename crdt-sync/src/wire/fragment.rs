//! Messages that are longer than a transport's frame.
//!
//! A fragment is `kind, message number, index, count` and a part of the message. All fragments of a
//! message but the last are of one length. They are put together in any order.

use super::kind;
use super::reader::{Reader, push_varint};
use crate::error::WireError;
use crate::sorted_map::SortedMap;
use crate::time::Millis;

/// Bytes before the part: one for the kind, at most five for each number.
const HEADER: usize = 16;

/// The fewest bytes in a part that is not the last.
const MIN_PART: u64 = 256;

/// The most messages that may be incomplete at a time.
const MAX_OPEN: usize = 4;

/// Cuts a message that is longer than a frame into frames of at most `max_frame` bytes.
pub(crate) fn fragments(
    message: &[u8],
    number: u32,
    max_frame: usize,
) -> impl Iterator<Item = Vec<u8>> {
    let part = max_frame.saturating_sub(HEADER).max(MIN_PART as usize);
    let parts = message.chunks(part);
    let count = parts.len() as u64;
    let frame = move |(index, part): (usize, &[u8])| {
        let mut out = Vec::with_capacity(part.len() + HEADER);
        out.push(kind::FRAGMENT);
        push_varint(&mut out, u64::from(number));
        push_varint(&mut out, index as u64);
        push_varint(&mut out, count);
        out.extend_from_slice(part);
        out
    };
    parts.enumerate().map(frame)
}

/// Reassembles fragments. Keeps received fragments and never reserves memory by claimed sizes.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    open: SortedMap<u32, Incomplete>,
    bytes: usize,
}

#[derive(Debug)]
struct Incomplete {
    count: u32,
    parts: SortedMap<u32, Vec<u8>>,
    bytes: usize,
    last: Millis,
}

impl Reassembly {
    /// Takes the body of a fragment; returns the message if this completes one.
    pub(crate) fn take(
        &mut self,
        body: &[u8],
        max_message: usize,
        now: Millis,
    ) -> Result<Option<Vec<u8>>, WireError> {
        let mut reader = Reader::new(body);
        let number = reader.small("the number of a message")?;
        let index = reader.small("the index of a fragment")?;
        let count = reader.small("the number of fragments")?;
        let part = reader.rest();
        let bound = max_message as u64;
        if index >= count {
            let what = "the index of a fragment";
            return Err(WireError::Invalid {
                what,
                found: u64::from(index),
            });
        }
        let claimed = u64::from(count - 1) * MIN_PART;
        let held = (self.bytes + part.len()) as u64;
        for claimed in [claimed, held] {
            if claimed > bound {
                let what = "the length of a fragmented message";
                return Err(WireError::TooLarge {
                    what,
                    claimed,
                    bound,
                });
            }
        }
        if index + 1 < count && (part.len() as u64) < MIN_PART {
            let what = "the length of a fragment";
            return Err(WireError::Invalid {
                what,
                found: part.len() as u64,
            });
        }
        if !self.open.contains_key(&number) && self.open.len() >= MAX_OPEN {
            let what = "the number of incomplete messages";
            return Err(WireError::TooLarge {
                what,
                claimed: 1 + MAX_OPEN as u64,
                bound: MAX_OPEN as u64,
            });
        }
        let message = self.open.get_or_insert_with(number, || Incomplete {
            count,
            parts: SortedMap::new(),
            bytes: 0,
            last: now,
        });
        if message.count != count {
            let what = "the number of fragments";
            return Err(WireError::Invalid {
                what,
                found: u64::from(count),
            });
        }
        if !message.parts.contains_key(&index) {
            message.parts.insert(index, part.to_vec());
            message.bytes += part.len();
            message.last = now;
            self.bytes += part.len();
        }
        if message.parts.len() < count as usize {
            return Ok(None);
        }
        let complete = self.open.remove(&number).map(|message| {
            self.bytes -= message.bytes;
            let mut whole = Vec::with_capacity(message.bytes);
            message
                .parts
                .values()
                .for_each(|part| whole.extend_from_slice(part));
            whole
        });
        Ok(complete)
    }

    /// Whether nothing is incomplete.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The time at which the next incomplete message is dropped.
    pub(crate) fn timeout(&self, patience: Millis) -> Option<Millis> {
        self.open
            .values()
            .map(|message| message.last.saturating_add(patience))
            .min()
    }

    /// Drops messages without progress; returns the received and the announced number of fragments
    /// of one.
    pub(crate) fn expire(&mut self, patience: Millis, now: Millis) -> Option<(u32, u32)> {
        let mut given_up = None;
        let bytes = &mut self.bytes;
        self.open.retain(|_, message| {
            let keep = now < message.last.saturating_add(patience);
            if !keep {
                *bytes -= message.bytes;
                given_up = Some((message.parts.len() as u32, message.count));
            }
            keep
        });
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    fn long(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 7) as u8).collect()
    }

    fn body(frame: &[u8]) -> &[u8] {
        assert_eq!(frame[0], kind::FRAGMENT);
        &frame[1..]
    }

    #[test]
    fn messages_are_reassembled_from_reordered_and_duplicated_fragments() {
        for len in [1_025, 2_048, 100_000] {
            let mut frames: Vec<_> = fragments(&long(len), 7, 1_024).collect();
            assert!(frames.iter().all(|frame| frame.len() <= 1_024));
            frames.reverse();
            let doubled = frames.iter().flat_map(|frame| [frame, frame]);
            let mut reassembly = Reassembly::default();
            let whole: Vec<_> = doubled
                .filter_map(|frame| reassembly.take(body(frame), MAX, 0).expect("valid"))
                .collect();
            assert_eq!(whole, [long(len)]);
        }
    }

    #[test]
    fn a_claim_reserves_nothing_and_is_bounded() {
        let mut reassembly = Reassembly::default();
        let mut claim = vec![1, 0];
        push_varint(&mut claim, 100_000_000 / MIN_PART);
        claim.extend([0; MIN_PART as usize]);
        assert!(matches!(
            reassembly.take(&claim, MAX, 0),
            Err(WireError::TooLarge { .. })
        ));
        assert_eq!(reassembly.bytes(), 0);
        assert_eq!(reassembly.take(&claim, 200_000_000, 0), Ok(None));
        assert_eq!(reassembly.bytes(), MIN_PART as usize);
    }

    #[test]
    fn too_many_bytes_are_refused_without_a_claim() {
        let frames: Vec<_> = fragments(&long(40_000), 0, 16_384).collect();
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.take(body(&frames[0]), 20_000, 0), Ok(None));
        assert!(reassembly.take(body(&frames[1]), 20_000, 0).is_err());
    }

    #[test]
    fn odd_fragments_are_refused() {
        let part = [0; MIN_PART as usize];
        let with = |head: &[u8]| [head, &part].concat();
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.take(&with(&[0, 0, 3]), MAX, 0), Ok(None));
        assert!(
            reassembly.take(&with(&[0, 1, 4]), MAX, 0).is_err(),
            "another count"
        );
        assert!(
            reassembly.take(&with(&[0, 3, 3]), MAX, 0).is_err(),
            "index past the end"
        );
        assert!(
            reassembly.take(&[0, 1, 3, 9], MAX, 0).is_err(),
            "a tiny part in the middle"
        );
        for number in 1..4 {
            assert_eq!(reassembly.take(&with(&[number, 0, 3]), MAX, 0), Ok(None));
        }
        assert!(
            reassembly.take(&with(&[4, 0, 3]), MAX, 0).is_err(),
            "too many at a time"
        );
    }

    #[test]
    fn stalled_messages_are_dropped() {
        let frames: Vec<_> = fragments(&long(10_000), 3, 1_024).collect();
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.take(body(&frames[0]), MAX, 0), Ok(None));
        assert_eq!(reassembly.take(body(&frames[1]), MAX, 900), Ok(None));
        assert_eq!(reassembly.timeout(1_000), Some(1_900));
        assert_eq!(reassembly.expire(1_000, 1_899), None);
        assert_eq!(
            reassembly.expire(1_000, 1_900),
            Some((2, frames.len() as u32))
        );
        assert_eq!((reassembly.is_empty(), reassembly.bytes()), (true, 0));
    }
}
