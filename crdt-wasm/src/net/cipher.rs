//! Encryption of what goes through signaling servers: AES-GCM by WebCrypto, with keys that all who hold
//! the room's secret derive from it. A server sees the sender, the receiver and the size of each message, and nothing else.

use std::cell::OnceCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crdt_room::{CipherCommand, CipherEvent, Input, Purpose};
use js_sys::{Array, Object, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::driver::Tell;
use super::host::{self, object};

#[wasm_bindgen]
extern "C" {
    // Bound by hand: `web_sys` reaches WebCrypto through a window only.
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &str,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = deriveKey, catch)]
    fn derive_key(
        algorithm: &Object,
        base: &JsValue,
        derived: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = deriveBits, catch)]
    fn derive_bits(algorithm: &Object, base: &JsValue, bits: u32) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn encrypt(algorithm: &Object, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn decrypt(algorithm: &Object, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Bytes of the nonce, which goes in front of the ciphertext.
const NONCE: usize = 12;

/// A secret serves several purposes; the labels keep their keys apart.
const RELAY: &[u8] = b"crdt-wasm relay 1";
const SIGNAL: &[u8] = b"crdt-wasm signal 1";
const CHANNEL: &[u8] = b"crdt-wasm channel 1";

/// Bits of the secret in the names of broadcast channels.
const CHANNEL_BITS: u32 = 128;

/// The secret of a session's room, and what was derived from it.
pub(super) struct Cipher {
    secret: String,
    room: String,
    /// The keys, once they are there. Jobs report for as long as this is kept.
    keys: Rc<OnceCell<RoomKeys>>,
    tell: Tell,
}

/// The keys of a room.
struct RoomKeys {
    relay: Key,
    signal: Key,
}

impl Cipher {
    pub(super) fn new(secret: Option<String>, room: Option<String>, tell: Tell) -> Cipher {
        Cipher {
            secret: secret.unwrap_or_default(),
            room: room.unwrap_or_default(),
            keys: Rc::default(),
            tell,
        }
    }

    pub(super) fn run(&mut self, command: CipherCommand) {
        match command {
            CipherCommand::DeriveKey => self.derive(),
            CipherCommand::Seal {
                purpose,
                job,
                plain,
                context,
            } => {
                if let Some(key) = self.key(purpose) {
                    self.begin(async move {
                        let sealed = key.seal(&plain, &context).await;
                        CipherEvent::Sealed {
                            purpose,
                            job,
                            result: sealed.map_err(|thrown| host::message_of(&thrown)),
                        }
                    });
                }
            }
            CipherCommand::Open {
                purpose,
                job,
                sealed,
                context,
            } => {
                if let Some(key) = self.key(purpose) {
                    self.begin(async move {
                        let plain = key.open(&sealed, &context).await.ok();
                        CipherEvent::Opened {
                            purpose,
                            job,
                            plain,
                        }
                    });
                }
            }
            CipherCommand::Forget => self.keys = Rc::default(),
        }
    }

    fn derive(&mut self) {
        self.keys = Rc::default();
        let slot = Rc::downgrade(&self.keys);
        let (secret, room) = (self.secret.clone(), self.room.clone());
        self.begin(async move {
            match derive(&secret, &room).await {
                Ok((keys, channel_secret)) => {
                    // The slot is empty: each is filled once.
                    let _ = slot.upgrade().map(|slot| slot.set(keys));
                    CipherEvent::Ready { channel_secret }
                }
                Err(thrown) => CipherEvent::Unavailable {
                    reason: host::message_of(&thrown),
                },
            }
        });
    }

    fn key(&self, purpose: Purpose) -> Option<Key> {
        let keys = self.keys.get()?;
        Some(match purpose {
            Purpose::Relay => keys.relay.clone(),
            Purpose::Signal => keys.signal.clone(),
        })
    }

    /// Begins a job, whose end is reported unless the keys are forgotten before.
    fn begin(&self, job: impl Future<Output = CipherEvent> + 'static) {
        let (keys, tell) = (Rc::downgrade(&self.keys), Rc::clone(&self.tell));
        wasm_bindgen_futures::spawn_local(async move {
            let event = job.await;
            if keys.strong_count() > 0 {
                tell(Input::Cipher(event));
            }
        });
    }
}

/// Derives the keys for a room from the secret that its members share, and the secret in the names of its
/// broadcast channels. Fails where the page is not in a secure context, since WebCrypto is missing there.
async fn derive(secret: &str, room: &str) -> Result<(RoomKeys, String), JsValue> {
    let bytes = Uint8Array::from(secret.as_bytes());
    let usages = Array::of2(&"deriveKey".into(), &"deriveBits".into());
    let base = JsFuture::from(import_key("raw", &bytes, "HKDF", false, &usages)?).await?;
    let keys = RoomKeys {
        relay: Key::derive(&base, RELAY, room).await?,
        signal: Key::derive(&base, SIGNAL, room).await?,
    };
    let bits = derive_bits(&hkdf(CHANNEL, room), &base, CHANNEL_BITS)?;
    let channel = Uint8Array::new(&JsFuture::from(bits).await?).to_vec();
    let digits = channel.iter().map(|byte| format!("{byte:02x}"));
    Ok((keys, digits.collect()))
}

/// A key for one purpose.
#[derive(Clone, Debug)]
struct Key(JsValue);

impl Key {
    async fn derive(base: &JsValue, salt: &[u8], room: &str) -> Result<Key, JsValue> {
        let derived = object([("name", "AES-GCM".into()), ("length", 256.into())]);
        let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
        let key = derive_key(&hkdf(salt, room), base, &derived, false, &usages)?;
        Ok(Key(JsFuture::from(key).await?))
    }

    /// Encrypts, bound to `context`, into base64.
    async fn seal(&self, plain: &[u8], context: &str) -> Result<String, JsValue> {
        let nonce: [u8; NONCE] =
            host::random_bytes().ok_or_else(|| js_sys::Error::new("no source of random bytes"))?;
        let algorithm = gcm(&nonce, context);
        let sealed = encrypt(&algorithm, &self.0, &Uint8Array::from(plain))?;
        let sealed = Uint8Array::new(&JsFuture::from(sealed).await?).to_vec();
        Ok(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Decrypts what [`seal`](Self::seal) made with the same key and context.
    async fn open(&self, sealed: &str, context: &str) -> Result<Vec<u8>, JsValue> {
        let malformed = || JsValue::from(js_sys::Error::new("the payload is not sealed"));
        let bytes = BASE64.decode(sealed).map_err(|_| malformed())?;
        let (nonce, cipher) = bytes.split_first_chunk::<NONCE>().ok_or_else(malformed)?;
        let plain = decrypt(&gcm(nonce, context), &self.0, &Uint8Array::from(cipher))?;
        Ok(Uint8Array::new(&JsFuture::from(plain).await?).to_vec())
    }
}

fn hkdf(salt: &[u8], room: &str) -> Object {
    object([
        ("name", "HKDF".into()),
        ("hash", "SHA-256".into()),
        ("salt", Uint8Array::from(salt).into()),
        ("info", Uint8Array::from(room.as_bytes()).into()),
    ])
}

fn gcm(nonce: &[u8; NONCE], context: &str) -> Object {
    object([
        ("name", "AES-GCM".into()),
        ("iv", Uint8Array::from(&nonce[..]).into()),
        (
            "additionalData",
            Uint8Array::from(context.as_bytes()).into(),
        ),
    ])
}
