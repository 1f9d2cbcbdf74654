//! The keys of a room, all derived from one secret.
//!
//! From the secret of those who may write follow, one way, the seed of their signatures and a read key. The
//! text that stands for both the read key and the public key of the writers is what a read-only link
//! holds, and all that members share is derived from that text: whoever has another public key is in
//! another room.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use crdt_room::Purpose;
use signaling_protocol::RoomId;
use wasm_bindgen::prelude::*;

use super::host;
use super::web_crypto::{Base, Exchange, Key, SEED, Signer, Verifier};

/// A secret serves several purposes; the labels keep their keys apart.
const READ: &[u8] = b"crdt-wasm read 1";
const WRITE: &[u8] = b"crdt-wasm write 1";
const RELAY: &[u8] = b"crdt-wasm relay 1";
const SIGNAL: &[u8] = b"crdt-wasm signal 1";
const LINK: &[u8] = b"crdt-wasm link 1";
const LOG: &[u8] = b"crdt-wasm log 1";
const CHANNEL: &[u8] = b"crdt-wasm channel 1";
const ROOM: &[u8] = b"crdt-wasm room 1";
const LINK_KEY: &[u8] = b"crdt-wasm link key 1";

/// Bytes of the read key, before the public key in a read-only link.
const READ_KEY: usize = 16;

/// The length of what a read-only link holds, in characters.
pub(super) const READ_TEXT: usize = 64;

/// What a member holds of its room.
#[derive(Clone, Debug)]
pub(super) enum RoomSecret {
    /// It may write.
    Write(String),
    /// It may read. The text is checked to be of the right form.
    Read(String),
}

/// The keys of a room.
pub(super) struct RoomKeys {
    relay: Key,
    signal: Key,
    link: Key,
    log: Key,
    verifier: Verifier,
    signer: Option<Signer>,
    /// New with each connection to the room.
    exchange: Exchange,
    /// The name of the room at the servers.
    pub(super) room: RoomId,
    /// The secret in the names of its broadcast channels.
    pub(super) channel_secret: String,
}

impl RoomKeys {
    /// Derives the keys of the room that is called `name`. Fails where the page is not in a secure context.
    pub(super) async fn derive(secret: &RoomSecret, name: &str) -> Result<RoomKeys, JsValue> {
        let (text, signer) = match secret {
            RoomSecret::Write(secret) => {
                let (text, signer) = read_text(secret, name).await?;
                (text, Some(signer))
            }
            RoomSecret::Read(text) => (text.clone(), None),
        };
        let public =
            public_in(&text).ok_or_else(|| js_sys::Error::new("the read key is cut short"))?;
        let base = secure(Base::new(text.as_bytes(), name).await)?;
        Ok(RoomKeys {
            relay: base.key(RELAY).await?,
            signal: base.key(SIGNAL).await?,
            link: base.key(LINK).await?,
            log: base.key(LOG).await?,
            verifier: Verifier::new(&public).await,
            signer,
            exchange: Exchange::new().await?,
            room: room_of(&base).await?,
            channel_secret: hexadecimal(&base.bytes::<16>(CHANNEL).await?),
        })
    }

    /// The key for a purpose, where it follows from the secret.
    pub(super) fn of(&self, purpose: Purpose) -> Option<Key> {
        match purpose {
            Purpose::Relay => Some(self.relay.clone()),
            Purpose::Signal => Some(self.signal.clone()),
            Purpose::Link => Some(self.link.clone()),
            Purpose::Log => Some(self.log.clone()),
            Purpose::Message(_) => None,
        }
    }

    /// The public value for agreeing on keys of links.
    pub(super) fn public_value(&self) -> &[u8] {
        self.exchange.public()
    }

    /// Agrees on the key of a link with its other end.
    pub(super) fn agree(
        &self,
        theirs: Vec<u8>,
        context: &str,
    ) -> impl Future<Output = Result<Key, JsValue>> + 'static {
        let (exchange, info) = (self.exchange.clone(), format!("{}\n{context}", self.room));
        async move { exchange.agree(&theirs, LINK_KEY, &info).await }
    }

    pub(super) fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    pub(super) fn signer(&self) -> Option<Signer> {
        self.signer.clone()
    }
}

/// What a read-only link to a room holds, and the signatures of those who may write.
async fn read_text(secret: &str, name: &str) -> Result<(String, Signer), JsValue> {
    let base = secure(Base::new(secret.as_bytes(), name).await)?;
    let signer = Signer::new(&base.bytes(WRITE).await?).await?;
    let key: [u8; READ_KEY] = base.bytes(READ).await?;
    let text = BASE64URL.encode([&key[..], &signer.public().await?].concat());
    Ok((text, signer))
}

/// What a read-only link to a room holds.
pub(super) async fn read_key(secret: &str, name: &str) -> Result<String, JsValue> {
    Ok(read_text(secret, name).await?.0)
}

/// The name of a room at the servers.
pub(super) async fn room_at_server(secret: &RoomSecret, name: &str) -> Result<RoomId, JsValue> {
    let text = match secret {
        RoomSecret::Write(secret) => read_key(secret, name).await?,
        RoomSecret::Read(text) => text.clone(),
    };
    room_of(&secure(Base::new(text.as_bytes(), name).await)?).await
}

async fn room_of(base: &Base) -> Result<RoomId, JsValue> {
    let name = hexadecimal(&base.bytes::<16>(ROOM).await?);
    RoomId::parse(&name).map_err(|error| js_sys::Error::new(&error.to_string()).into())
}

/// The public key in what a read-only link holds; `None` for a text of another form.
pub(super) fn public_in(text: &str) -> Option<[u8; SEED]> {
    let bytes = BASE64URL.decode(text).ok()?;
    let (_, public) = bytes.split_first_chunk::<READ_KEY>()?;
    public.try_into().ok()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what is missing where WebCrypto is.
fn secure<T>(result: Result<T, JsValue>) -> Result<T, JsValue> {
    result.map_err(|thrown| {
        let reason = host::message_of(&thrown);
        let message = format!(
            "nothing can be encrypted here, which in a browser needs https or localhost: {reason}"
        );
        js_sys::Error::new(&message).into()
    })
}
