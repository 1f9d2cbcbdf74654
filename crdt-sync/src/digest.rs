//! Hashes with which two replicas compare their states. Not for security.

use crdt_core::Frontier;

/// FNV-1a, 64 bits.
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    pub(crate) fn value(&self) -> u64 {
        self.0
    }
}

/// Equal on two replicas that have the same events: a frontier determines all events before it.
pub(crate) fn of_frontier(frontier: &Frontier) -> u64 {
    let mut digest = Digest::new();
    for id in frontier.ids() {
        digest.number(id.agent.len() as u64);
        digest.bytes(id.agent.as_bytes());
        digest.number(u64::from(id.seq));
    }
    digest.value()
}
