//! What a client says to each of the servers, so that all of them do the same work: let a client
//! into a room, and carry a message of the same size from one client to one other.

use crate::websocket::{TextFrame, find};

/// The number of bytes that a message carries from peer to peer: about an ICE candidate, encrypted.
pub(crate) const PAYLOAD_BYTES: usize = 192;

/// Stands before the time in a payload, and nowhere else in a message. Base64, as a payload has to be.
const MARK: &[u8] = b"++++";

/// Hexadecimal digits of the time, in nanoseconds.
const STAMP_DIGITS: usize = 16;

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Signaling,
    YWebrtc,
    PeerJs,
}

/// Who a client is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) room: String,
    pub(crate) name: String,
    /// What a client of y-webrtc subscribes to, and is reached by: that server knows topics alone,
    /// and sends what is published to all who subscribe to it. Where clients write to one peer, a
    /// topic for each client is the least work that it can do.
    pub(crate) topic: String,
}

/// A message to one peer, which carries the time at which it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    frame: TextFrame,
    stamp: usize,
}

impl Dialect {
    /// Where a client knocks.
    pub(crate) fn path(self, me: &Identity) -> String {
        match self {
            Dialect::Signaling => format!("/ws/{}", me.room),
            Dialect::YWebrtc => "/".to_owned(),
            Dialect::PeerJs => format!("/peerjs?key=peerjs&id={0}&token={0}", me.name),
        }
    }

    /// What it says first; nothing where the address says it all.
    ///
    /// y-webrtc's server does not answer a subscription; the ping behind it tells when it has been
    /// taken.
    pub(crate) fn greeting(self, me: &Identity) -> Vec<String> {
        match self {
            // The session lets a client that comes back on another socket in at once.
            Dialect::Signaling => vec![format!(
                r#"{{"type":"join","agentId":"{0}","session":"the secret of {0}"}}"#,
                me.name
            )],
            Dialect::YWebrtc => vec![
                format!(r#"{{"type":"subscribe","topics":["{}"]}}"#, me.topic),
                r#"{"type":"ping"}"#.to_owned(),
            ],
            Dialect::PeerJs => Vec::new(),
        }
    }

    /// Whether a text lets the client in.
    pub(crate) fn is_welcome(self, text: &[u8]) -> bool {
        let beginning: &[u8] = match self {
            Dialect::Signaling => br#"{"type":"peer_list""#,
            Dialect::YWebrtc => br#"{"type":"pong""#,
            Dialect::PeerJs => br#"{"type":"OPEN""#,
        };
        text.starts_with(beginning)
    }

    /// Whether a text says that something was refused. That a peer is not there is none: clients
    /// that come and go write to others that do the same.
    pub(crate) fn is_refusal(self, text: &[u8]) -> bool {
        if text.starts_with(br#"{"type":"error","code":"peer_unavailable""#) {
            return false;
        }
        let beginnings: &[&[u8]] = match self {
            Dialect::Signaling => &[br#"{"type":"error""#, br#"{"type":"going_away""#],
            Dialect::YWebrtc => &[],
            Dialect::PeerJs => &[
                br#"{"type":"ERROR""#,
                br#"{"type":"ID-TAKEN""#,
                br#"{"type":"EXPIRE""#,
                br#"{"type":"LEAVE""#,
            ],
        };
        beginnings
            .iter()
            .any(|beginning| text.starts_with(beginning))
    }

    /// A message from one client to another.
    pub(crate) fn message(self, from: &Identity, to: &Identity) -> Message {
        let payload = format!(
            "{}{}",
            String::from_utf8_lossy(MARK),
            "A".repeat(PAYLOAD_BYTES - MARK.len())
        );
        let text = match self {
            Dialect::Signaling => format!(
                r#"{{"type":"relay","to":"{}","from":"{}","payload":"{payload}"}}"#,
                to.name, from.name
            ),
            Dialect::YWebrtc => format!(
                r#"{{"type":"publish","topic":"{}","data":"{payload}"}}"#,
                to.topic
            ),
            Dialect::PeerJs => format!(
                r#"{{"type":"CANDIDATE","dst":"{}","payload":"{payload}"}}"#,
                to.name
            ),
        };
        let mark = find(text.as_bytes(), MARK).unwrap_or_default();
        Message {
            frame: TextFrame::new(&text),
            stamp: mark + MARK.len(),
        }
    }
}

impl Message {
    /// The frame, with the time in it.
    pub(crate) fn stamped(&mut self, nanoseconds: u64) -> &[u8] {
        let mut digits = [0; STAMP_DIGITS];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let value = (nanoseconds >> (4 * place)) as u8 & 0xF;
            *digit = if value < 10 {
                b'0' + value
            } else {
                b'a' + value - 10
            };
        }
        self.frame.overwrite(self.stamp, &digits);
        self.frame.bytes()
    }
}

/// The time in a message from another client; `None` for everything else that a server sends.
pub(crate) fn stamp_of(text: &[u8]) -> Option<u64> {
    let mark = text.iter().position(|byte| *byte == MARK[0])?;
    let digits = text.get(mark..)?.strip_prefix(MARK)?.get(..STAMP_DIGITS)?;
    digits.iter().try_fold(0, |number: u64, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_what_a_server_makes_of_a_message() {
        for text in [
            r#"{"type":"relay","to":"a","payload":"++++0000000000abcdefAAAA"}"#,
            r#"{"type":"publish","data":"++++0000000000abcdef","clients":1}"#,
        ] {
            assert_eq!(stamp_of(text.as_bytes()), Some(0xab_cdef));
        }
        for text in [r#"{"type":"peer_list","peers":[]}"#, "++++12", "+"] {
            assert_eq!(stamp_of(text.as_bytes()), None);
        }
    }
}
