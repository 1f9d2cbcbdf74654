//! Encryption of what goes through signaling servers, and proofs for links, as pages do both with WebCrypto:
//! AES-256-GCM with keys that HKDF-SHA-256 derives from the secret of the room's members, Ed25519, and ECDH on
//! the curve P-256 for the keys of links.
//!
//! From the secret of those who may write follow, one way, the seed of their signatures and a read key. The
//! text that stands for both the read key and the public key of the writers is what a read-only link
//! holds, and all that members share is derived from that text.

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::signature::{self, ED25519, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use crdt_room::writer_proof::{self, SIGNATURE, is_marked, signed_bytes};
use crdt_room::{LinkKey, Purpose};
use signaling_protocol::RoomId;
use thiserror::Error;

/// The label of the key for the room's name at the servers, of the read key, and of the seed of signatures.
const ROOM: &[u8] = b"crdt-wasm room 1";
const READ: &[u8] = b"crdt-wasm read 1";
const WRITE: &[u8] = b"crdt-wasm write 1";

/// The labels of the keys that members share, and of those that the ends of a link agree on.
const RELAY: &[u8] = b"crdt-wasm relay 1";
const SIGNAL: &[u8] = b"crdt-wasm signal 1";
const LINK: &[u8] = b"crdt-wasm link 1";
const LOG: &[u8] = b"crdt-wasm log 1";
const LINK_KEY: &[u8] = b"crdt-wasm link key 1";

/// Bytes of a read key, of a public key, and of a seed.
const READ_KEY: usize = 16;
const PUBLIC_KEY: usize = 32;
const SEED: usize = 32;

/// The length of what a read-only link holds, in characters.
pub(crate) const READ_TEXT: usize = 64;

/// What a member holds of its room.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum RoomSecret {
    /// It may write.
    Write(String),
    /// It may read.
    Read(String),
}

impl std::fmt::Debug for RoomSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RoomSecret::Write(_) => "Write",
            RoomSecret::Read(_) => "Read",
        })
    }
}

/// The keys of a room: one for each purpose.
#[derive(Debug)]
pub(crate) struct RoomKeys {
    relay: Key,
    signal: Key,
    link: Key,
    log: Key,
    /// The public key of those who may write.
    writers: [u8; PUBLIC_KEY],
    signer: Option<Ed25519KeyPair>,
    /// For agreeing on keys of links; new with each connection to the room.
    exchange: PrivateKey,
    public_value: Vec<u8>,
    link_keys: HashMap<LinkKey, Key>,
    /// The name of the room at the servers.
    room: RoomId,
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
    #[error("the read key is cut short")]
    ReadKey,
    #[error("a signature is wrong")]
    Signature,
    #[error("what the other end of a link named is no public value")]
    PublicValue,
    #[error("the link has no key")]
    NoLinkKey,
}

impl RoomKeys {
    /// Derives the keys of the room that is called `name`.
    pub(crate) fn derive(secret: &RoomSecret, name: &str) -> Result<RoomKeys, SealError> {
        let (text, signer) = match secret {
            RoomSecret::Write(secret) => {
                let (text, signer) = read_text(secret, name)?;
                (text, Some(signer))
            }
            RoomSecret::Read(text) => (text.clone(), None),
        };
        let writers = public_in(&text).ok_or(SealError::ReadKey)?;
        let room: [u8; 16] = expand(ROOM, &text, name)?;
        let exchange = PrivateKey::generate(&ECDH_P256).map_err(|_| SealError::NoRandom)?;
        let room: String = room.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(RoomKeys {
            relay: Key::derive(RELAY, text.as_bytes(), name)?,
            signal: Key::derive(SIGNAL, text.as_bytes(), name)?,
            link: Key::derive(LINK, text.as_bytes(), name)?,
            log: Key::derive(LOG, text.as_bytes(), name)?,
            writers,
            signer,
            public_value: exchange
                .compute_public_key()
                .map_err(|_| SealError::Cipher)?
                .as_ref()
                .to_vec(),
            exchange,
            link_keys: HashMap::new(),
            room: RoomId::parse(&room).map_err(|_| SealError::Cipher)?,
        })
    }

    /// The name of the room at the servers.
    pub(crate) fn room(&self) -> &RoomId {
        &self.room
    }

    /// The public value for agreeing on keys of links.
    pub(crate) fn public_value(&self) -> &[u8] {
        &self.public_value
    }

    /// Agrees on the key of a link with its other end.
    pub(crate) fn agree(
        &mut self,
        key: LinkKey,
        theirs: &[u8],
        context: &str,
    ) -> Result<(), SealError> {
        let public = UnparsedPublicKey::new(&ECDH_P256, theirs);
        let info = format!("{}\n{context}", self.room);
        let shared = agree(&self.exchange, public, SealError::PublicValue, |shared| {
            Key::derive(LINK_KEY, shared, &info)
        });
        self.link_keys.insert(key, shared?);
        Ok(())
    }

    /// Forgets the key of a link.
    pub(crate) fn discard(&mut self, key: LinkKey) {
        self.link_keys.remove(&key);
    }

    /// Encrypts, bound to `context`; signs before that where it is to, and may.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        plain: &[u8],
        context: &str,
        sign: bool,
    ) -> Result<Vec<u8>, SealError> {
        if !is_marked(purpose) {
            return self.of(purpose)?.seal(plain, context);
        }
        let signature = self.signer.as_ref().filter(|_| sign).map(|signer| {
            let bytes = signed_bytes(purpose, &self.room, context, plain);
            signer.sign(&bytes)
        });
        let signature = signature.map(|made| <[u8; SIGNATURE]>::try_from(made.as_ref()));
        let signature = signature.transpose().map_err(|_| SealError::Signature)?;
        let marked = writer_proof::wrap(signature.as_ref(), plain);
        self.of(purpose)?.seal(&marked, context)
    }

    /// Decrypts what [`seal`](Self::seal) made for the same purpose and context, and says whether it is
    /// signed.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        sealed: &[u8],
        context: &str,
    ) -> Result<(Vec<u8>, bool), SealError> {
        let opened = self.of(purpose)?.open(sealed, context)?;
        if !is_marked(purpose) {
            return Ok((opened, false));
        }
        let (signature, plain) = writer_proof::unwrap(&opened).ok_or(SealError::NotSealed)?;
        if let Some(signature) = signature {
            let bytes = signed_bytes(purpose, &self.room, context, plain);
            let public = signature::UnparsedPublicKey::new(&ED25519, &self.writers);
            let checked = public.verify(&bytes, signature);
            checked.map_err(|_| SealError::Signature)?;
        }
        Ok((plain.to_vec(), signature.is_some()))
    }

    /// The key for a purpose.
    fn of(&self, purpose: Purpose) -> Result<&Key, SealError> {
        match purpose {
            Purpose::Relay => Ok(&self.relay),
            Purpose::Signal => Ok(&self.signal),
            Purpose::Link => Ok(&self.link),
            Purpose::Log => Ok(&self.log),
            Purpose::Message(key) => self.link_keys.get(&key).ok_or(SealError::NoLinkKey),
        }
    }
}

/// What a read-only link to a room holds, and the signatures of those who may write.
fn read_text(secret: &str, name: &str) -> Result<(String, Ed25519KeyPair), SealError> {
    let seed: [u8; SEED] = expand(WRITE, secret, name)?;
    let signer = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SealError::Signature)?;
    let key: [u8; READ_KEY] = expand(READ, secret, name)?;
    let text = BASE64URL.encode([&key[..], signer.public_key().as_ref()].concat());
    Ok((text, signer))
}

/// The public key in what a read-only link holds; `None` for a text of another form.
pub(crate) fn public_in(text: &str) -> Option<[u8; PUBLIC_KEY]> {
    let bytes = BASE64URL.decode(text).ok()?;
    let (_, public) = bytes.split_first_chunk::<READ_KEY>()?;
    public.try_into().ok()
}

/// Bytes for the purpose that a label names.
fn expand<const N: usize>(label: &[u8], secret: &str, name: &str) -> Result<[u8; N], SealError> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, label);
    let pseudo_random = salt.extract(secret.as_bytes());
    let info = [name.as_bytes()];
    let mut bytes = [0; N];
    pseudo_random
        .expand(&info, Length(N))
        .and_then(|made| made.fill(&mut bytes))
        .map_err(|_| SealError::Cipher)?;
    Ok(bytes)
}

impl Key {
    /// The key that a label names, from a secret, bound to `info`.
    fn derive(label: &[u8], secret: &[u8], info: &str) -> Result<Key, SealError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, label);
        let pseudo_random = salt.extract(secret);
        let info = [info.as_bytes()];
        let key = pseudo_random
            .expand(&info, &AES_256_GCM)
            .map_err(|_| SealError::Cipher)?;
        Ok(Key(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// Encrypts, bound to `context`.
    fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        self.seal_with(nonce, plain, context)
    }

    /// Decrypts what [`seal`](Self::seal) made with the same key and context.
    fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let (nonce, cipher) = sealed
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
    ) -> Result<Vec<u8>, SealError> {
        let mut cipher = plain.to_vec();
        let aad = Aad::from(context.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut cipher)
            .map_err(|_| SealError::Cipher)?;
        Ok([&nonce[..], &cipher].concat())
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    fn bytes(base64: &str) -> Vec<u8> {
        BASE64.decode(base64).unwrap()
    }

    /// The nonce of all vectors.
    fn nonce() -> [u8; NONCE_LEN] {
        std::array::from_fn(|index| 17 * index as u8)
    }

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
    const VECTORS: [(&[u8], [&str; 5]); 4] = [
        (
            RELAY,
            [
                "kkkkkkkkkkkkkkkkkkkkkk",
                "room 1",
                "ann\n0000000000000001\nbob\nffffffffffffffff",
                "",
                "ABEiM0RVZneImaq7QNDSpCtmKeIgriwUjFpmIg==",
            ],
        ),
        (
            RELAY,
            [
                "s\u{e9}cret \u{1f98a}",
                "gr\u{fc}ner Garten",
                "a\n0123456789abcdef\nb\n0000000000000000",
                "Hello, \u{1f98a}",
                "ABEiM0RVZneImaq7PWSWfvgra23wJoEEpppUzuzW/Qy2pRAzs+VT",
            ],
        ),
        (
            RELAY,
            [
                "another",
                "",
                "",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "ABEiM0RVZneImaq756izrgtj6oT7YNRVmKccApSPBAbyN8puSDb/b4R0bPmF++KO17X35X+r4XoLIyvgudg55HFjBY4=",
            ],
        ),
        (
            SIGNAL,
            [
                "s\u{e9}cret \u{1f98a}",
                "gr\u{fc}ner Garten",
                "a\n0123456789abcdef\nb\n0000000000000000",
                "Hello, \u{1f98a}",
                "ABEiM0RVZneImaq7lWKceO4H7QWF/H/scVG4yu6NIEAx9N3Ch/Sq",
            ],
        ),
    ];

    /// Secret, room, what a read-only link holds, the room's name at the servers, and a signed message for
    /// a link in the context `a\nb`, as pages make them: with Node,
    ///
    /// ```js
    /// const bits = async (secret, label, n) => new Uint8Array(await crypto.subtle.deriveBits(
    ///   { name: "HKDF", hash: "SHA-256", salt: text(label), info: text(room) },
    ///   await crypto.subtle.importKey("raw", text(secret), "HKDF", false, ["deriveBits"]), n));
    /// const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
    /// const pkcs8 = Buffer.concat([prefix, await bits(secret, "crdt-wasm write 1", 256)]);
    /// const signer = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
    /// const { x } = await crypto.subtle.exportKey("jwk", signer);
    /// const readKey = await bits(secret, "crdt-wasm read 1", 128);
    /// const read = Buffer.concat([readKey, Buffer.from(x, "base64url")]).toString("base64url");
    /// const atServer = Buffer.from(await bits(read, "crdt-wasm room 1", 128)).toString("hex");
    /// const signed = text(`crdt-wasm writer 1\nlink\n${atServer}\na\nb\nHello, 🦊`);
    /// const signature = await crypto.subtle.sign("Ed25519", signer, signed);
    /// // Sealed like the messages above, with 1 and the signature in front of the text.
    /// ```
    const WRITERS: [[&str; 5]; 2] = [
        [
            "kkkkkkkkkkkkkkkkkkkkkk",
            "room 1",
            "rqFi_pBYtD8X1tgI2FaFxzyliOxe5pihLid8EEWauO91lqrtitVenfXY35BxGNGK",
            "59f1a46678bd3113f3f8c9f84a453bc3",
            "ABEiM0RVZneImaq7ShUH5qNNblcH69XFY/Wkfm9U2D/6UCCJl43AlBLPb+vSoy3Np+aI0Rp36MOGcQi/8VnQub/8\
             DpHU3VERMUYlX/7dztSf0Pr544oBGJpxmpDTsKO4xnA9X4Hoxso=",
        ],
        [
            "s\u{e9}cret \u{1f98a}",
            "gr\u{fc}ner Garten",
            "4jupYKMiOnWQil1HIhHFqx7ooh0PezxIfUMd96vVG3UVxeFPN9jz9FckUQtxMOYO",
            "f8f7f39bdedf91ea0fd627c089e2eb65",
            "ABEiM0RVZneImaq7c+4wKG6nTHAPCTQ6hCcg7IczWOS//JiwBTljhhz7Q2VPQWycAV/uJwRqnrOdV1i79IqFkly7\
             4p+TOhnTDUDk4LcNUXowMEor4KXTpLBXDCPgVOlZLb+Pwoi8c80=",
        ],
    ];

    fn writer() -> RoomSecret {
        RoomSecret::Write("secret".to_owned())
    }

    #[test]
    fn what_writers_of_pages_sign_is_known_as_signed() {
        for [secret, name, read, room, sealed] in WRITERS {
            let writers = RoomKeys::derive(&RoomSecret::Write(secret.to_owned()), name).unwrap();
            let (text, _) = read_text(secret, name).unwrap();
            assert_eq!((text.as_str(), writers.room().as_str()), (read, room));
            let readers = RoomKeys::derive(&RoomSecret::Read(text), name).unwrap();
            assert_eq!(readers.room(), writers.room());
            let expected = Ok(("Hello, \u{1f98a}".as_bytes().to_vec(), true));
            for keys in [&writers, &readers] {
                assert_eq!(keys.open(Purpose::Link, &bytes(sealed), "a\nb"), expected);
            }
            // A read-only member seals as well, and cannot sign.
            for (keys, is_signed) in [(&writers, true), (&readers, false)] {
                let sealed = keys.seal(Purpose::Signal, b"plain", "c", true).unwrap();
                let opened = writers.open(Purpose::Signal, &sealed, "c");
                assert_eq!(opened, Ok((b"plain".to_vec(), is_signed)));
            }
        }
    }

    #[test]
    fn a_signature_that_is_wrong_opens_nothing() {
        let keys = RoomKeys::derive(&writer(), "room").unwrap();
        let forged = writer_proof::wrap(Some(&[7; SIGNATURE]), b"plain");
        let sealed = keys.of(Purpose::Link).unwrap().seal(&forged, "a").unwrap();
        let opened = keys.open(Purpose::Link, &sealed, "a");
        assert_eq!(opened, Err(SealError::Signature));
        let unmarked = keys.of(Purpose::Link).unwrap().seal(b"", "a").unwrap();
        let opened = keys.open(Purpose::Link, &unmarked, "a");
        assert_eq!(opened, Err(SealError::NotSealed));
        let cut = RoomSecret::Read("r".repeat(READ_TEXT - 24));
        let derived = RoomKeys::derive(&cut, "room").map(|_| ());
        assert_eq!(derived, Err(SealError::ReadKey));
    }

    #[test]
    fn what_pages_seal_is_opened_and_sealed_alike() {
        for (label, [secret, room, context, plain, sealed]) in VECTORS {
            let (key, sealed) = (
                Key::derive(label, secret.as_bytes(), room).unwrap(),
                bytes(sealed),
            );
            assert_eq!(key.open(&sealed, context).unwrap(), plain.as_bytes());
            let again = key.seal_with(nonce(), plain.as_bytes(), context).unwrap();
            assert_eq!(again, sealed);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let keys = RoomKeys::derive(&writer(), "room").unwrap();
        let key = keys.of(Purpose::Relay).unwrap();
        let sealed = key.seal(b"plain", "context").unwrap();
        assert_eq!(key.open(&sealed, "context").unwrap(), b"plain");
        assert_ne!(sealed, key.seal(b"plain", "context").unwrap());
        assert_eq!(key.open(&sealed, "other"), Err(SealError::Foreign));
        let others = RoomKeys::derive(&writer(), "other room").unwrap();
        for other in [others.of(Purpose::Relay), keys.of(Purpose::Signal)] {
            let other = other.unwrap();
            assert_eq!(other.open(&sealed, "context"), Err(SealError::Foreign));
        }
        for not_sealed in [&[][..], &[0; NONCE_LEN - 1]] {
            assert_eq!(key.open(not_sealed, ""), Err(SealError::NotSealed));
        }
        // A nonce without anything, and one with less than a tag.
        for short in [&[0; NONCE_LEN][..], &[0; NONCE_LEN + 3]] {
            assert_eq!(key.open(short, ""), Err(SealError::Foreign));
        }
    }

    /// What pages agree on with the secret `01` × 32 here and `02` × 32 there, in the room that the servers know
    /// as `room 1`: the public value of the other end, and a message. With Node,
    ///
    /// ```js
    /// const curve = { name: "ECDH", namedCurve: "P-256" };
    /// const other = await crypto.subtle.importKey("raw", publicValue, curve, false, []);
    /// const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: other }, secret, 256);
    /// const base = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
    /// // Derived and sealed like the messages above: the salt is "crdt-wasm link key 1", the info
    /// // "room 1\na\nb", the context "a\n1".
    /// ```
    const AGREED: [&str; 2] = [
        "BFUPRxAD89+Xw99QaseX9nIfsaH7e49vg9IkSYplyI4kE2CT1wEuUJpzcVy9CwCjzA/0tcAbP/oZarH7MnA2uOY=",
        "ABEiM0RVZneImaq7OneVSwABweeKANPHnNQt97E6rjtn+YIjWDDD",
    ];

    #[test]
    fn both_ends_of_a_link_and_pages_agree_on_one_key() {
        let [public_value, sealed] = AGREED.map(bytes);
        let mut ann = RoomKeys::derive(&writer(), "room").unwrap();
        ann.room = RoomId::parse("room 1").unwrap();
        ann.exchange = PrivateKey::from_private_key(&ECDH_P256, &[1; 32]).unwrap();
        let (key, purpose) = (LinkKey(7), Purpose::Message(LinkKey(7)));
        assert_eq!(
            ann.open(purpose, &sealed, "a\n1"),
            Err(SealError::NoLinkKey)
        );
        assert_eq!(ann.agree(key, &public_value, "a\nb"), Ok(()));
        let opened = ("Hello, \u{1f98a}".as_bytes().to_vec(), false);
        assert_eq!(ann.open(purpose, &sealed, "a\n1"), Ok(opened));
        assert_eq!(ann.open(purpose, &sealed, "a\n2"), Err(SealError::Foreign));

        let mut bob = RoomKeys::derive(&writer(), "room").unwrap();
        let mut eve = RoomKeys::derive(&writer(), "room").unwrap();
        let mut ann = RoomKeys::derive(&writer(), "room").unwrap();
        assert_eq!(ann.agree(key, bob.public_value(), "c"), Ok(()));
        assert_eq!(bob.agree(key, ann.public_value(), "c"), Ok(()));
        assert_eq!(eve.agree(key, ann.public_value(), "c"), Ok(()));
        let sealed = ann.seal(purpose, b"plain", "1", false).unwrap();
        assert_eq!(
            bob.open(purpose, &sealed, "1"),
            Ok((b"plain".to_vec(), false))
        );
        assert_eq!(eve.open(purpose, &sealed, "1"), Err(SealError::Foreign));
        bob.discard(key);
        assert_eq!(bob.open(purpose, &sealed, "1"), Err(SealError::NoLinkKey));
    }

    #[test]
    fn what_is_no_public_value_leads_to_no_key() {
        let mut keys = RoomKeys::derive(&writer(), "room").unwrap();
        let mut off_the_curve = keys.public_value().to_vec();
        off_the_curve[64] ^= 1;
        for theirs in [&[][..], &[0], &[4; 65], &off_the_curve] {
            assert_eq!(
                keys.agree(LinkKey(1), theirs, ""),
                Err(SealError::PublicValue)
            );
        }
    }
}
