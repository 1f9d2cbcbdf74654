//! Refuses clients of other servers, in their own protocols, and names what to use here.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;
use signaling_protocol::CloseCode;

use crate::connection::{Opened, Session};
use crate::metrics::Kind;
use crate::outbox::{Note, Outbound, Outbox};

/// The refusal of y-websocket and Hocuspocus clients at an address that is not for documents.
const USE_YJS: &str = "this address is not for Yjs documents: use WebsocketProvider of the package \
                       y-websocket with the address /yjs";

/// The refusal of PeerJS clients.
pub(crate) const USE_NETWORK_SYNC: &str = "this server does not speak the protocol of PeerJS: use \
    NetworkSync of the package crdt-wasm, or y-webrtc with the address /y-webrtc";

/// The first message of Hocuspocus and y-websocket clients.
const SYNC: u8 = 0;
const AUTH: u8 = 2;

/// The longest name of a document that is looked for, in bytes.
const MAX_NAME: usize = 0x7F;

/// The answer to a binary frame of a y-websocket or Hocuspocus client: that it may not come in, and why.
/// `None` for other frames.
pub(crate) fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    match frame {
        // How far somebody is: a state vector.
        [SYNC, 0, len, ..] if *len > 0 => Some(denied(&[], 0)),
        // Hocuspocus has the name of the document before each message.
        [len, rest @ ..] if (1..=MAX_NAME).contains(&usize::from(*len)) => {
            let (name, message) = rest.split_at_checked(usize::from(*len))?;
            std::str::from_utf8(name).ok()?;
            matches!(message, [SYNC..=AUTH, _, ..]).then(|| denied(&frame[..=name.len()], 1))
        }
        _ => None,
    }
}

/// A message that denies permission, behind `before`; the protocols have different numbers for it.
fn denied(before: &[u8], permission_denied: u8) -> Vec<u8> {
    let mut answer = before.to_vec();
    // The reason is longer than what one byte of its length can say.
    let (low, high) = (USE_YJS.len() as u8 | 0x80, (USE_YJS.len() >> 7) as u8);
    answer.extend([AUTH, permission_denied, low, high]);
    answer.extend(USE_YJS.as_bytes());
    answer
}

/// A PeerJS client: it gets the reason for the refusal, and is closed.
pub(crate) struct PeerJsClient(Arc<Outbox>);

impl PeerJsClient {
    pub(crate) fn new(opened: Opened) -> Self {
        let error = json!({"type": "ERROR", "payload": {"msg": USE_NETWORK_SYNC}});
        let outbox = opened.outbox;
        outbox.push(Outbound::text(Kind::Error, error.to_string()));
        outbox.close(CloseCode::Refused);
        Self(outbox)
    }
}

impl Session for PeerJsClient {
    fn receive_text(&mut self, _frame: &str, _now: Instant) {}

    fn receive_binary(&mut self, _frame: Bytes, _now: Instant) {
        self.0.close(CloseCode::Refused);
    }

    fn message_too_big(&self) {}

    fn going_away(&self) {}

    fn has_expired(&self) -> bool {
        false
    }

    fn noted(&mut self, _note: Note) {}
}

/// Whether a path is one that PeerJS clients ask for.
pub(crate) fn is_peerjs(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.any(|part| part == "peerjs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yjs_clients_are_answered_in_their_own_protocol() {
        let answered = answer(&[0, 0, 1, 0]).unwrap();
        assert_eq!(answered[..2], [AUTH, 0]);
        assert!(answered.ends_with(USE_YJS.as_bytes()));
        let length = usize::from(answered[2] & 0x7F) | usize::from(answered[3]) << 7;
        assert_eq!(length, USE_YJS.len());
        // A token, as Hocuspocus sends it first.
        let answered = answer(b"\x06garden\x02\x00\x05token").unwrap();
        assert!(answered.starts_with(b"\x06garden\x02\x01"));
        assert!(answered.ends_with(USE_YJS.as_bytes()));
    }

    #[test]
    fn other_frames_are_of_nobody_that_is_known() {
        for frame in [
            &[][..],
            &[0],
            &[0, 0, 0],
            &[9, 1, 2],
            &[1, 0xFF, 2, 0],
            &[1, b'a', 9, 0],
        ] {
            assert_eq!(answer(frame), None, "{frame:?}");
        }
        assert!(
            is_peerjs("/peerjs/peerjs/id") && is_peerjs("/app/peerjs") && !is_peerjs("/ws/peer")
        );
    }
}
