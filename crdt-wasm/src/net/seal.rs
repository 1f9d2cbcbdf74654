//! Encryption of what goes through the relay: AES-GCM by WebCrypto, with a key that all who hold
//! the room's secret derive from it. The server sees who sends how much to whom, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::browser::random_bytes;

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

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn encrypt(algorithm: &Object, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn decrypt(algorithm: &Object, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Bytes of the nonce, which goes in front of the ciphertext.
const NONCE: usize = 12;

/// A secret serves one purpose here; the label keeps keys for others apart.
const SALT: &[u8] = b"crdt-wasm relay 1";

/// The key of a room.
#[derive(Clone)]
pub(crate) struct RoomKey(JsValue);

impl RoomKey {
    /// Derives the key for a room from the secret that its members share. Fails where the page is
    /// not in a secure context, since WebCrypto is missing there.
    pub(crate) async fn derive(secret: &str, room: &str) -> Result<RoomKey, JsValue> {
        let bytes = Uint8Array::from(secret.as_bytes());
        let usages = Array::of1(&"deriveKey".into());
        let base = JsFuture::from(import_key("raw", &bytes, "HKDF", false, &usages)?).await?;
        let algorithm = object([
            ("name", "HKDF".into()),
            ("hash", "SHA-256".into()),
            ("salt", Uint8Array::from(SALT).into()),
            ("info", Uint8Array::from(room.as_bytes()).into()),
        ]);
        let derived = object([("name", "AES-GCM".into()), ("length", 256.into())]);
        let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
        let key = derive_key(&algorithm, &base, &derived, false, &usages)?;
        Ok(RoomKey(JsFuture::from(key).await?))
    }

    /// Encrypts, bound to `context`, into base64.
    pub(crate) async fn seal(&self, plain: &[u8], context: &str) -> Result<String, JsValue> {
        let nonce: [u8; NONCE] =
            random_bytes().ok_or_else(|| js_sys::Error::new("no source of random bytes"))?;
        let algorithm = gcm(&nonce, context);
        let sealed = encrypt(&algorithm, &self.0, &Uint8Array::from(plain))?;
        let sealed = Uint8Array::new(&JsFuture::from(sealed).await?).to_vec();
        Ok(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Decrypts what [`seal`](Self::seal) made with the same key and context.
    pub(crate) async fn open(&self, sealed: &str, context: &str) -> Result<Vec<u8>, JsValue> {
        let malformed = || JsValue::from(js_sys::Error::new("the payload is not sealed"));
        let bytes = BASE64.decode(sealed).map_err(|_| malformed())?;
        let (nonce, cipher) = bytes.split_first_chunk::<NONCE>().ok_or_else(malformed)?;
        let plain = decrypt(&gcm(nonce, context), &self.0, &Uint8Array::from(cipher))?;
        Ok(Uint8Array::new(&JsFuture::from(plain).await?).to_vec())
    }
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

fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // A plain new object takes any property.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object
}
