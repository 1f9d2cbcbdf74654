//! Counters of the messages on the network of a world.

use crdt_sync::Outgoing;

#[derive(Debug, Default, Clone)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Without heartbeats and receipts.
    pub(crate) speech: u64,
    pub(crate) speech_bytes: u64,
    /// Receipts.
    pub(crate) receipts: u64,
    pub(crate) receipt_bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, message: &Outgoing) {
        let (heartbeat, receipt) = match message {
            Outgoing::Binary(bytes) => match bytes.first() {
                Some(0x05 | 0x06) => (true, false),
                Some(0x40) => (false, true),
                _ => (false, false),
            },
            Outgoing::Text(text) => (text.contains(r#""type":"frontier""#), false),
        };
        let len = message.len() as u64;
        self.messages += 1;
        self.bytes += len;
        if receipt {
            self.receipts += 1;
            self.receipt_bytes += len;
        } else if !heartbeat {
            self.speech += 1;
            self.speech_bytes += len;
        }
    }
}
