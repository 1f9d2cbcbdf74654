//! All clients with event streams, and how requests reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};
use signaling_protocol::CloseCode;
use tokio::sync::{mpsc, oneshot};

use super::body::Post;
use super::refused::Refused;

/// The bytes of randomness in a session's secret.
const SECRET_BYTES: usize = 16;

/// All clients that have an event stream.
#[derive(Default)]
pub(crate) struct Sessions {
    by_secret: Mutex<HashMap<Arc<str>, Way>>,
}

/// The way to one session.
#[derive(Clone)]
pub(super) struct Way {
    /// The part of the address that names the room, as the client wrote it.
    pub(super) path: Arc<str>,
    pub(super) requests: mpsc::Sender<Request>,
}

/// What a request asks of a session.
pub(super) enum Request {
    /// To take messages. The answer is how many were taken since the session began.
    Post(Post, oneshot::Sender<Result<u64, Refused>>),
    /// To send what comes after an event to another request.
    Resume {
        after: u64,
        stream: mpsc::Sender<Bytes>,
        answer: oneshot::Sender<Result<(), Refused>>,
    },
    /// To end, as a message is too big or no text.
    End(CloseCode),
}

/// A session's place among all; dropping it takes the session out.
pub(super) struct Place<'s> {
    pub(super) sessions: &'s Sessions,
    pub(super) secret: Arc<str>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.secret);
    }
}

impl Sessions {
    /// A secret that nobody can guess; `None` where the system has no randomness.
    pub(super) fn new_secret() -> Option<Arc<str>> {
        let mut bytes = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    pub(super) fn open(&self, secret: &Arc<str>, way: Way) {
        self.lock().insert(secret.clone(), way);
    }

    /// The session that has this secret and this address.
    pub(super) fn find(&self, secret: &str, path: &str) -> Result<Way, Refused> {
        let way = self.lock().get(secret).cloned();
        way.filter(|way| *way.path == *path)
            .ok_or(Refused::UnknownSession)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Way>> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.by_secret
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// Takes a request to the session, and brings its answer.
    pub(super) async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, Refused>>,
    ) -> Result<T, Refused> {
        let sent = self.requests.send(request).await;
        sent.map_err(|_| Refused::UnknownSession)?;
        answer.await.unwrap_or(Err(Refused::UnknownSession))
    }
}
