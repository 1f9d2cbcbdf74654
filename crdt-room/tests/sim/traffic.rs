//! Counters of the messages between pages and to the servers.

use crdt_sync::{Outgoing, SEALED};

/// The first byte of a ping, and of a pong.
const HEARTBEATS: [u8; 2] = [0x05, 0x06];

/// The first byte of a receipt.
const RECEIPT: u8 = 0x40;

/// A relayed message begins with its kind and the numbers of two relay links.
const RELAY_HEADER: usize = 9;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Messages between pages that are neither heartbeats nor receipts.
    pub(crate) speech: u64,
    pub(crate) receipts: u64,
    /// Frames to servers other than relayed messages.
    pub(crate) signals: u64,
    pub(crate) heartbeats: u64,
    pub(crate) bytes: u64,
    /// Messages that went through a server.
    pub(crate) relayed: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, message: &Outgoing) {
        match message {
            Outgoing::Binary(bytes) => self.count_bytes(bytes),
            Outgoing::Text(text) => {
                self.bytes += text.len() as u64;
                if text.contains(r#""type":"frontier""#) {
                    self.heartbeats += 1;
                } else {
                    self.speech += 1;
                }
            }
        }
    }

    pub(crate) fn count_bytes(&mut self, message: &[u8]) {
        // Sealed messages were counted before.
        if message.first() == Some(&SEALED) {
            return;
        }
        self.bytes += message.len() as u64;
        match message.first() {
            Some(kind) if HEARTBEATS.contains(kind) => self.heartbeats += 1,
            Some(&RECEIPT) => self.receipts += 1,
            _ => self.speech += 1,
        }
    }

    /// A message on its way into the cipher, for a link whose ends have agreed on a key.
    pub(crate) fn count_sealed(&mut self, plain: &[u8]) {
        match plain.split_first() {
            Some((0, text)) => {
                let text = String::from_utf8_lossy(text);
                self.count(&Outgoing::Text(text.into_owned()));
            }
            Some((_, bytes)) => self.count_bytes(bytes),
            None => self.speech += 1,
        }
    }

    /// A message on its way into the cipher, for the relay.
    pub(crate) fn count_relayed(&mut self, plain: &[u8]) {
        self.relayed += 1;
        match plain.first().map(|kind| kind & 0x7f) {
            Some(3) => {
                let text = String::from_utf8_lossy(&plain[RELAY_HEADER..]);
                self.count(&Outgoing::Text(text.into_owned()));
            }
            Some(4) => self.count_bytes(&plain[RELAY_HEADER..]),
            _ => self.speech += 1,
        }
    }
}
