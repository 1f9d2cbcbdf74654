//! What goes over the network of a world, counted.

use crdt_sync::Outgoing;

#[derive(Debug, Default, Clone)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Without heartbeats and receipts.
    pub(crate) speech: u64,
    pub(crate) speech_bytes: u64,
    /// Messages that say what has come; the others do without them.
    pub(crate) receipts: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, message: &Outgoing) {
        let kind = match message {
            Outgoing::Binary(bytes) => bytes.first().copied(),
            Outgoing::Text(_) => None,
        };
        let heartbeat = match message {
            Outgoing::Binary(_) => matches!(kind, Some(0x05 | 0x06)),
            Outgoing::Text(text) => text.contains(r#""type":"frontier""#),
        };
        let receipt = kind == Some(0x40);
        let len = message.len() as u64;
        self.messages += 1;
        self.bytes += len;
        self.receipts += u64::from(receipt);
        if !heartbeat && !receipt {
            self.speech += 1;
            self.speech_bytes += len;
        }
    }
}
