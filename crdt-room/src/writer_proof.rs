//! The bytes that drivers sign and seal, so that all of them use the same form.
//!
//! A message of [`Purpose::Signal`], [`Purpose::Link`] or [`Purpose::Log`] is sealed together with
//! a mark: whether it is signed with the secret of writers. A signature covers the message and its
//! whole context, so that it is not valid elsewhere.

use signaling_protocol::RoomId;

use crate::ids::Purpose;

/// The length of an Ed25519 signature, in bytes.
pub const SIGNATURE: usize = 64;

const UNSIGNED: u8 = 0;
const SIGNED: u8 = 1;

/// The bytes that a signature covers. The name of a room does not contain the separator; a context
/// does not either, or has the number of parts that its purpose fixes.
pub fn signed_bytes(purpose: Purpose, room: &RoomId, context: &str, plain: &[u8]) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Relay => "relay",
        Purpose::Signal => "signal",
        Purpose::Link => "link",
        Purpose::Log => "log",
        Purpose::Message(_) => "message",
    };
    let head = format!("crdt-wasm writer 1\n{purpose}\n{room}\n{context}\n");
    [head.as_bytes(), plain].concat()
}

/// Puts the mark, and the signature if there is one, in front of a message that is to be sealed.
pub fn wrap(signature: Option<&[u8; SIGNATURE]>, plain: &[u8]) -> Vec<u8> {
    match signature {
        Some(signature) => [&[SIGNED][..], signature, plain].concat(),
        None => [&[UNSIGNED][..], plain].concat(),
    }
}

/// The signature, if there is one, and the message; `None` for anything else.
pub fn unwrap(opened: &[u8]) -> Option<(Option<&[u8; SIGNATURE]>, &[u8])> {
    match opened.split_first()? {
        (&UNSIGNED, plain) => Some((None, plain)),
        (&SIGNED, rest) => {
            let (signature, plain) = rest.split_first_chunk()?;
            Some((Some(signature), plain))
        }
        _ => None,
    }
}

/// Whether messages of a purpose carry the mark.
pub fn is_marked(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Signal | Purpose::Link | Purpose::Log => true,
        Purpose::Relay | Purpose::Message(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_round_trips() {
        let signature = [7; SIGNATURE];
        for plain in [&b""[..], b"\x01", b"a message"] {
            assert_eq!(unwrap(&wrap(None, plain)), Some((None, plain)));
            let signed = wrap(Some(&signature), plain);
            assert_eq!(unwrap(&signed), Some((Some(&signature), plain)));
            assert!(unwrap(&signed[..SIGNATURE]).is_none());
        }
        assert_eq!(unwrap(b""), None);
        assert_eq!(unwrap(b"\x02plain"), None);
    }

    #[test]
    fn a_signature_is_valid_for_one_purpose_room_and_context() {
        let room = |name: &str| RoomId::parse(name).expect("a valid name");
        let all = [
            signed_bytes(Purpose::Signal, &room("a"), "b", b"c"),
            signed_bytes(Purpose::Link, &room("a"), "b", b"c"),
            signed_bytes(Purpose::Log, &room("a"), "b", b"c"),
            signed_bytes(Purpose::Signal, &room("b"), "b", b"c"),
            signed_bytes(Purpose::Signal, &room("a"), "c", b"c"),
            signed_bytes(Purpose::Signal, &room("a"), "b", b"d"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one));
        }
    }
}
