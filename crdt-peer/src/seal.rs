//! Encryption of what goes through signaling servers, as pages do it with WebCrypto: AES-256-GCM with
//! keys that HKDF-SHA-256 derives from the secret of the room's members.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_room::Purpose;
use thiserror::Error;

/// The keys of a room: one for each purpose.
#[derive(Debug)]
pub(crate) struct RoomKeys {
    relay: Key,
    signal: Key,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key(LessSafeKey);

/// A message that cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SealError {
    #[error("the system gives no random numbers")]
    NoRandom,
    #[error("the payload is not sealed")]
    NotSealed,
    #[error("the payload was sealed with another key, or for another receiver")]
    Foreign,
    #[error("the message cannot be encrypted")]
    Cipher,
}

impl RoomKeys {
    /// Derives the keys of a room from the secret that its members share.
    pub(crate) fn derive(secret: &str, room: &str) -> Result<RoomKeys, SealError> {
        Ok(RoomKeys {
            relay: Key::derive(Purpose::Relay, secret, room)?,
            signal: Key::derive(Purpose::Signal, secret, room)?,
        })
    }

    /// The key for a purpose.
    pub(crate) fn of(&self, purpose: Purpose) -> &Key {
        match purpose {
            Purpose::Relay => &self.relay,
            Purpose::Signal => &self.signal,
        }
    }
}

impl Key {
    fn derive(purpose: Purpose, secret: &str, room: &str) -> Result<Key, SealError> {
        let label: &[u8] = match purpose {
            Purpose::Relay => b"crdt-wasm relay 1",
            Purpose::Signal => b"crdt-wasm signal 1",
        };
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, label);
        let pseudo_random = salt.extract(secret.as_bytes());
        let info = [room.as_bytes()];
        let key = pseudo_random
            .expand(&info, &AES_256_GCM)
            .map_err(|_| SealError::Cipher)?;
        Ok(Key(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// Encrypts, bound to `context`, into base64.
    pub(crate) fn seal(&self, plain: &[u8], context: &str) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        self.seal_with(nonce, plain, context)
    }

    /// Decrypts what [`seal`](Self::seal) made with the same key and context.
    pub(crate) fn open(&self, sealed: &str, context: &str) -> Result<Vec<u8>, SealError> {
        let bytes = BASE64.decode(sealed).map_err(|_| SealError::NotSealed)?;
        let (nonce, cipher) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::NotSealed)?;
        let mut plain = cipher.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut plain)
            .map_err(|_| SealError::Foreign)?;
        let len = opened.len();
        plain.truncate(len);
        Ok(plain)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        plain: &[u8],
        context: &str,
    ) -> Result<String, SealError> {
        let mut cipher = plain.to_vec();
        let aad = Aad::from(context.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut cipher)
            .map_err(|_| SealError::Cipher)?;
        Ok(BASE64.encode([&nonce[..], &cipher].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Salt, secret, room, context, plain text, and what WebCrypto makes of them: with Node,
    ///
    /// ```js
    /// const text = (s) => new TextEncoder().encode(s);
    /// const base = await crypto.subtle.importKey("raw", text(secret), "HKDF", false, ["deriveKey"]);
    /// const key = await crypto.subtle.deriveKey(
    ///   { name: "HKDF", hash: "SHA-256", salt: text(salt), info: text(room) },
    ///   base, { name: "AES-GCM", length: 256 }, false, ["encrypt"]);
    /// const iv = Uint8Array.from({ length: 12 }, (_, i) => 17 * i);
    /// const sealed = new Uint8Array(await crypto.subtle.encrypt(
    ///   { name: "AES-GCM", iv, additionalData: text(context) }, key, text(plain)));
    /// console.log(Buffer.concat([iv, sealed]).toString("base64"));
    /// ```
    const VECTORS: [(Purpose, [&str; 5]); 4] = [
        (
            Purpose::Relay,
            [
                "kkkkkkkkkkkkkkkkkkkkkk",
                "room 1",
                "ann\n0000000000000001\nbob\nffffffffffffffff",
                "",
                "ABEiM0RVZneImaq7QNDSpCtmKeIgriwUjFpmIg==",
            ],
        ),
        (
            Purpose::Relay,
            [
                "s\u{e9}cret \u{1f98a}",
                "gr\u{fc}ner Garten",
                "a\n0123456789abcdef\nb\n0000000000000000",
                "Hello, \u{1f98a}",
                "ABEiM0RVZneImaq7PWSWfvgra23wJoEEpppUzuzW/Qy2pRAzs+VT",
            ],
        ),
        (
            Purpose::Relay,
            [
                "another",
                "",
                "",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "ABEiM0RVZneImaq756izrgtj6oT7YNRVmKccApSPBAbyN8puSDb/b4R0bPmF++KO17X35X+r4XoLIyvgudg55HFjBY4=",
            ],
        ),
        (
            Purpose::Signal,
            [
                "s\u{e9}cret \u{1f98a}",
                "gr\u{fc}ner Garten",
                "a\n0123456789abcdef\nb\n0000000000000000",
                "Hello, \u{1f98a}",
                "ABEiM0RVZneImaq7lWKceO4H7QWF/H/scVG4yu6NIEAx9N3Ch/Sq",
            ],
        ),
    ];

    #[test]
    fn what_pages_seal_is_opened_and_sealed_alike() {
        let mut nonce = [0; NONCE_LEN];
        for (index, byte) in nonce.iter_mut().enumerate() {
            *byte = 17 * index as u8;
        }
        for (purpose, [secret, room, context, plain, sealed]) in VECTORS {
            let keys = RoomKeys::derive(secret, room).unwrap();
            let key = keys.of(purpose);
            assert_eq!(key.open(sealed, context).unwrap(), plain.as_bytes());
            let again = key.seal_with(nonce, plain.as_bytes(), context).unwrap();
            assert_eq!(again, sealed);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let keys = RoomKeys::derive("secret", "room").unwrap();
        let key = keys.of(Purpose::Relay);
        let sealed = key.seal(b"plain", "context").unwrap();
        assert_eq!(key.open(&sealed, "context").unwrap(), b"plain");
        assert_ne!(sealed, key.seal(b"plain", "context").unwrap());
        assert_eq!(key.open(&sealed, "other"), Err(SealError::Foreign));
        let others = RoomKeys::derive("secret", "other room").unwrap();
        for other in [others.of(Purpose::Relay), keys.of(Purpose::Signal)] {
            assert_eq!(other.open(&sealed, "context"), Err(SealError::Foreign));
        }
        for not_sealed in ["", "AAAA", "not base64!"] {
            assert_eq!(key.open(not_sealed, ""), Err(SealError::NotSealed));
        }
        // A nonce without anything, and one with less than a tag.
        for short in ["AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(key.open(short, ""), Err(SealError::Foreign));
        }
    }
}
