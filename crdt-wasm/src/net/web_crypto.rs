//! WebCrypto: keys that are derived, AES-GCM, Ed25519, and ECDH. Where a browser has no Ed25519, a library does
//! that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::host::{self, object};

#[wasm_bindgen]
extern "C" {
    // Bound by hand: `web_sys` reaches WebCrypto through a window only.
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = generateKey, catch)]
    fn generate_key(
        algorithm: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = exportKey, catch)]
    fn export_key(format: &str, key: &JsValue) -> Result<Promise, JsValue>;

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

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn sign(algorithm: &str, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn verify(
        algorithm: &str,
        key: &JsValue,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

#[wasm_bindgen(module = "/src/js/ed25519.js")]
extern "C" {
    #[wasm_bindgen(js_name = publicKeyOf)]
    fn public_key_of(seed: &Uint8Array) -> Promise;

    #[wasm_bindgen(js_name = signWith)]
    fn sign_with(seed: &Uint8Array, data: &Uint8Array) -> Promise;

    #[wasm_bindgen(js_name = isSigned)]
    fn is_signed(signature: &Uint8Array, data: &Uint8Array, public: &Uint8Array) -> Promise;
}

/// Bytes of the nonce, which goes in front of the ciphertext.
const NONCE: usize = 12;

const ED25519: &str = "Ed25519";
const ECDH: &str = "ECDH";

/// The length of an Ed25519 seed, and of a public key, in bytes.
pub(super) const SEED: usize = 32;

/// What stands before the seed in a private key of the form PKCS #8 (RFC 8410).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A new key pair of the curve P-256, for agreeing on keys. All browsers with WebCrypto have it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    secret: JsValue,
    public: Vec<u8>,
}

impl Exchange {
    pub(super) async fn new() -> Result<Exchange, JsValue> {
        let usages = Array::of1(&"deriveBits".into());
        let pair = JsFuture::from(generate_key(&ecdh(), false, &usages)?).await?;
        let public = Reflect::get(&pair, &"publicKey".into())?;
        let public = JsFuture::from(export_key("raw", &public)?).await?;
        Ok(Exchange {
            secret: Reflect::get(&pair, &"privateKey".into())?,
            public: Uint8Array::new(&public).to_vec(),
        })
    }

    /// The public value: 65 bytes.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The key that both ends derive, bound to `info`. Fails where `theirs` is no public value.
    pub(super) async fn agree(
        &self,
        theirs: &[u8],
        label: &[u8],
        info: &str,
    ) -> Result<Key, JsValue> {
        let theirs = Uint8Array::from(theirs);
        let public = import_key("raw", &theirs, &ecdh(), false, &Array::new())?;
        let public = JsFuture::from(public).await?;
        let algorithm = object([("name", ECDH.into()), ("public", public)]);
        let shared = JsFuture::from(derive_bits(&algorithm, &self.secret, 256)?).await?;
        let base = Base::new(&Uint8Array::new(&shared).to_vec(), info).await?;
        base.key(label).await
    }
}

fn ecdh() -> Object {
    object([("name", ECDH.into()), ("namedCurve", "P-256".into())])
}

/// A secret that keys are derived from, by HKDF-SHA-256.
pub(super) struct Base {
    key: JsValue,
    /// What all derived keys are bound to.
    info: Vec<u8>,
}

impl Base {
    /// Fails where the page is not in a secure context, since WebCrypto is missing there.
    pub(super) async fn new(secret: &[u8], info: &str) -> Result<Base, JsValue> {
        let bytes = Uint8Array::from(secret);
        let usages = Array::of2(&"deriveKey".into(), &"deriveBits".into());
        let key =
            JsFuture::from(import_key("raw", &bytes, &"HKDF".into(), false, &usages)?).await?;
        let info = info.as_bytes().to_vec();
        Ok(Base { key, info })
    }

    /// The key for the purpose that a label names.
    pub(super) async fn key(&self, label: &[u8]) -> Result<Key, JsValue> {
        let derived = object([("name", "AES-GCM".into()), ("length", 256.into())]);
        let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
        let key = derive_key(&self.hkdf(label), &self.key, &derived, false, &usages)?;
        Ok(Key(JsFuture::from(key).await?))
    }

    /// Bytes for the purpose that a label names.
    pub(super) async fn bytes<const N: usize>(&self, label: &[u8]) -> Result<[u8; N], JsValue> {
        let bits = derive_bits(&self.hkdf(label), &self.key, 8 * N as u32)?;
        let mut bytes = [0; N];
        Uint8Array::new(&JsFuture::from(bits).await?).copy_to(&mut bytes);
        Ok(bytes)
    }

    fn hkdf(&self, label: &[u8]) -> Object {
        object([
            ("name", "HKDF".into()),
            ("hash", "SHA-256".into()),
            ("salt", Uint8Array::from(label).into()),
            ("info", Uint8Array::from(&self.info[..]).into()),
        ])
    }
}

/// A key for one purpose.
#[derive(Clone, Debug)]
pub(super) struct Key(JsValue);

impl Key {
    /// Encrypts, bound to `context`.
    pub(super) async fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, JsValue> {
        let nonce: [u8; NONCE] =
            host::random_bytes().ok_or_else(|| js_sys::Error::new("no source of random bytes"))?;
        let algorithm = gcm(&nonce, context);
        let sealed = encrypt(&algorithm, &self.0, &Uint8Array::from(plain))?;
        let sealed = Uint8Array::new(&JsFuture::from(sealed).await?).to_vec();
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made with the same key and context.
    pub(super) async fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, JsValue> {
        let malformed = || JsValue::from(js_sys::Error::new("the payload is not sealed"));
        let (nonce, cipher) = sealed.split_first_chunk::<NONCE>().ok_or_else(malformed)?;
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

/// A secret that signs.
#[derive(Clone, Debug)]
pub(super) enum Signer {
    /// A key of WebCrypto.
    Platform(JsValue),
    /// The seed, for the library.
    Library(Uint8Array),
}

impl Signer {
    pub(super) async fn new(seed: &[u8; SEED]) -> Result<Signer, JsValue> {
        let pkcs8 = Uint8Array::from(&[&PKCS8[..], seed].concat()[..]);
        // The public key can be had of an extractable one only.
        let usages = Array::of1(&"sign".into());
        let key = import_key("pkcs8", &pkcs8, &ED25519.into(), true, &usages);
        Ok(match settled(key).await {
            Ok(key) => Signer::Platform(key),
            Err(_) => Signer::Library(Uint8Array::from(&seed[..])),
        })
    }

    /// The public key that goes with it.
    pub(super) async fn public(&self) -> Result<[u8; SEED], JsValue> {
        match self {
            Signer::Platform(key) => {
                let jwk = JsFuture::from(export_key("jwk", key)?).await?;
                let text = Reflect::get(&jwk, &"x".into())?.as_string();
                let bytes = text.and_then(|text| BASE64URL.decode(text).ok());
                let public = bytes.and_then(|bytes| bytes.try_into().ok());
                public.ok_or_else(|| js_sys::Error::new("Ed25519 has no public key here").into())
            }
            Signer::Library(seed) => of_length(loaded(public_key_of(seed)).await?),
        }
    }

    pub(super) async fn sign<const N: usize>(&self, bytes: &[u8]) -> Result<[u8; N], JsValue> {
        let bytes = Uint8Array::from(bytes);
        let signature = match self {
            Signer::Platform(key) => JsFuture::from(sign(ED25519, key, &bytes)?).await?,
            Signer::Library(seed) => loaded(sign_with(seed, &bytes)).await?,
        };
        of_length(signature)
    }
}

/// A public key, which tells what its secret signed.
#[derive(Clone, Debug)]
pub(super) enum Verifier {
    /// A key of WebCrypto.
    Platform(JsValue),
    /// The key, for the library.
    Library(Uint8Array),
}

impl Verifier {
    pub(super) async fn new(public: &[u8; SEED]) -> Verifier {
        let usages = Array::of1(&"verify".into());
        let bytes = Uint8Array::from(&public[..]);
        let key = import_key("raw", &bytes, &ED25519.into(), false, &usages);
        match settled(key).await {
            Ok(key) => Verifier::Platform(key),
            Err(_) => Verifier::Library(bytes),
        }
    }

    pub(super) async fn is_signed(&self, signature: &[u8], bytes: &[u8]) -> Result<bool, JsValue> {
        let (signature, bytes) = (Uint8Array::from(signature), Uint8Array::from(bytes));
        let outcome = match self {
            Verifier::Platform(key) => {
                JsFuture::from(verify(ED25519, key, &signature, &bytes)?).await?
            }
            Verifier::Library(public) => loaded(is_signed(&signature, &bytes, public)).await?,
        };
        Ok(outcome.is_truthy())
    }
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}

/// What the library says, or that it cannot be loaded.
async fn loaded(promise: Promise) -> Result<JsValue, JsValue> {
    JsFuture::from(promise).await.map_err(|thrown| {
        let reason = host::message_of(&thrown);
        let message = format!(
            "this browser has no Ed25519, and the library that is to stand in for it failed: {reason}"
        );
        js_sys::Error::new(&message).into()
    })
}

fn of_length<const N: usize>(bytes: JsValue) -> Result<[u8; N], JsValue> {
    let bytes = Uint8Array::new(&bytes).to_vec().try_into();
    bytes.map_err(|_| js_sys::Error::new("Ed25519 gave bytes of another length").into())
}
