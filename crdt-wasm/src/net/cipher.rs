//! Encryption of what goes through signaling servers, and proofs for links: with keys that all who hold
//! the room's secret derive from it. A server sees the sender, the receiver and the size of each message,
//! and nothing else.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use crdt_room::writer_proof::{self, is_marked, signed_bytes};
use crdt_room::{CipherCommand, CipherEvent, Input, LinkKey, Purpose};
use crdt_sync::SortedMap;
use signaling_protocol::RoomId;
use wasm_bindgen::prelude::*;

use super::driver::Tell;
use super::host;
use super::room_keys::{RoomKeys, RoomSecret};
use super::web_crypto::{Key, Signer, Verifier};

/// The secret of a session's room, and what was derived from it.
pub(super) struct Cipher {
    secret: Option<RoomSecret>,
    room: String,
    /// The keys, once they are there. Jobs report for as long as this is kept.
    keys: Rc<OnceCell<RoomKeys>>,
    /// The keys of links; empty while their ends agree.
    link_keys: Rc<RefCell<SortedMap<LinkKey, Option<Key>>>>,
    tell: Tell,
}

/// What a job works with.
struct Tools {
    purpose: Purpose,
    key: Key,
    room: RoomId,
    verifier: Verifier,
    signer: Option<Signer>,
}

impl Cipher {
    pub(super) fn new(secret: Option<RoomSecret>, room: Option<String>, tell: Tell) -> Cipher {
        Cipher {
            secret,
            room: room.unwrap_or_default(),
            keys: Rc::default(),
            link_keys: Rc::default(),
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
                sign,
            } => {
                if let Some(tools) = self.tools(purpose) {
                    self.begin(async move {
                        let sealed = tools.seal(&plain, &context, sign).await;
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
                if let Some(tools) = self.tools(purpose) {
                    self.begin(async move {
                        let opened = tools.open(&sealed, &context).await.ok().flatten();
                        let is_signed = opened.as_ref().is_some_and(|(_, is_signed)| *is_signed);
                        CipherEvent::Opened {
                            purpose,
                            job,
                            plain: opened.map(|(plain, _)| plain),
                            is_signed,
                        }
                    });
                }
            }
            CipherCommand::Agree {
                key,
                theirs,
                context,
            } => self.agree(key, theirs, &context),
            CipherCommand::Discard { key } => {
                self.link_keys.borrow_mut().remove(&key);
            }
            CipherCommand::Forget => {
                self.keys = Rc::default();
                self.link_keys = Rc::default();
            }
        }
    }

    /// Agrees on the key of a link. What is discarded meanwhile is not reported.
    fn agree(&mut self, key: LinkKey, theirs: Vec<u8>, context: &str) {
        let Some(keys) = self.keys.get() else {
            return;
        };
        let agreed = keys.agree(theirs, context);
        let (link_keys, tell) = (Rc::clone(&self.link_keys), Rc::clone(&self.tell));
        link_keys.borrow_mut().insert(key, None);
        let link_keys = Rc::downgrade(&link_keys);
        wasm_bindgen_futures::spawn_local(async move {
            let agreed = agreed.await.map_err(|thrown| host::message_of(&thrown));
            let Some(link_keys) = link_keys.upgrade() else {
                return;
            };
            let result = match link_keys.borrow_mut().get_mut(&key) {
                Some(slot) => agreed.map(|agreed| *slot = Some(agreed)),
                None => return,
            };
            tell(Input::Cipher(CipherEvent::Agreed { key, result }));
        });
    }

    fn derive(&mut self) {
        self.keys = Rc::default();
        let Some(secret) = self.secret.clone() else {
            return;
        };
        let slot = Rc::downgrade(&self.keys);
        let room = self.room.clone();
        self.begin(async move {
            match RoomKeys::derive(&secret, &room).await {
                Ok(keys) => {
                    let ready = CipherEvent::Ready {
                        channel_secret: keys.channel_secret.clone(),
                        room: keys.room.clone(),
                        exchange: keys.public_value().to_vec(),
                    };
                    // The slot is empty: each is filled once.
                    let _ = slot.upgrade().map(|slot| slot.set(keys));
                    ready
                }
                Err(thrown) => CipherEvent::Unavailable {
                    reason: host::message_of(&thrown),
                },
            }
        });
    }

    fn tools(&self, purpose: Purpose) -> Option<Tools> {
        let keys = self.keys.get()?;
        let key = match purpose {
            Purpose::Message(key) => self.link_keys.borrow().get(&key)?.clone()?,
            _ => keys.of(purpose)?,
        };
        Some(Tools {
            purpose,
            key,
            room: keys.room.clone(),
            verifier: keys.verifier(),
            signer: keys.signer(),
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

impl Tools {
    async fn seal(&self, plain: &[u8], context: &str, sign: bool) -> Result<Vec<u8>, JsValue> {
        if !is_marked(self.purpose) {
            return self.key.seal(plain, context).await;
        }
        let signature = match self.signer.as_ref().filter(|_| sign) {
            Some(signer) => {
                let bytes = signed_bytes(self.purpose, &self.room, context, plain);
                Some(signer.sign(&bytes).await?)
            }
            None => None,
        };
        let marked = writer_proof::wrap(signature.as_ref(), plain);
        self.key.seal(&marked, context).await
    }

    /// The message, and whether it is signed; `None` where the mark or the signature is wrong.
    async fn open(&self, sealed: &[u8], context: &str) -> Result<Option<(Vec<u8>, bool)>, JsValue> {
        let opened = self.key.open(sealed, context).await?;
        if !is_marked(self.purpose) {
            return Ok(Some((opened, false)));
        }
        let Some((signature, plain)) = writer_proof::unwrap(&opened) else {
            return Ok(None);
        };
        if let Some(signature) = signature {
            let bytes = signed_bytes(self.purpose, &self.room, context, plain);
            if !self.verifier.is_signed(signature, &bytes).await? {
                return Ok(None);
            }
        }
        Ok(Some((plain.to_vec(), signature.is_some())))
    }
}
