//! Answers the operator.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::wire::{Compacted, Entries, Entry, Kicked, LogInfo, Names, Problem, decoded};
use crate::figures;
use crate::http::{ACCEPT_PAUSE, HEAD_BUFFER};
use crate::hub::Hub;
use crate::patience::Patient;
use crate::roster::Whom;
use crate::store::backup::{self, BackupError, Snapshot};
use crate::store::{Store, StoreError};

/// How many connections there may be at a time.
const CONNECTIONS: usize = 64;

/// The largest request, in bytes: names of logs to be deleted.
const REQUEST_BYTES: usize = 1 << 20;

/// How many bytes of entries an answer has.
const PAGE_BYTES: usize = 1 << 20;

/// A backup goes out in parts of this size, in bytes.
const BACKUP_PART: usize = 64 << 10;

/// How many parts of a backup wait for its reader.
const BACKUP_PARTS: usize = 4;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Why a request is not carried out.
enum Refusal {
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    Malformed(String),
    NoStore,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Serves the operator for as long as it is polled; `None` where there is no admin address.
pub(crate) async fn serve(listener: Option<TcpListener>, hub: &Arc<Hub>, requests: &TaskTracker) {
    let Some(listener) = listener else {
        return pending().await;
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = listener.accept().await;
        // The semaphore is never closed; connections wait for a place.
        let place = places.clone().acquire_owned().await;
        match accepted {
            Ok((stream, _)) => {
                let hub = hub.clone();
                requests.spawn(async move {
                    tokio::select! {
                        () = answer_all(stream, &hub) => {}
                        () = hub.ending.cancelled() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection of the operator: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer_all(stream: TcpStream, hub: &Arc<Hub>) {
    let service = hyper::service::service_fn(|request| async {
        let answer = answer(hub, request).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(Refusal::into_response))
    });
    let stream = Patient::new(stream, hub.config.stall_timeout());
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(hub.config.handshake_timeout())
        .max_buf_size(HEAD_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection of the operator ended: {error}");
    }
}

async fn answer(hub: &Arc<Hub>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    if !is_authorized(hub, request.headers()) {
        return Err(Refusal::Unauthorized);
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let method_is = |wanted: Method| {
        if method == wanted {
            Ok(())
        } else {
            Err(Refusal::MethodNotAllowed)
        }
    };
    match parts[..] {
        ["metrics"] => {
            method_is(Method::GET)?;
            let text = figures::metrics(hub);
            Ok(reply(StatusCode::OK, figures::OPEN_METRICS, text))
        }
        ["stats"] => {
            method_is(Method::GET)?;
            Ok(json_reply(&figures::stats(hub)))
        }
        ["clients"] => {
            method_is(Method::GET)?;
            Ok(json_reply(&hub.roster.list()))
        }
        ["kick"] => {
            method_is(Method::POST)?;
            let whom: Whom = parsed(request).await?;
            if whom.is_anybody() {
                let why = "name a room, an agent or an address".to_owned();
                return Err(Refusal::Malformed(why));
            }
            let kicked = hub.roster.kick(&whom);
            tracing::info!(?whom, kicked, "the operator closed clients");
            Ok(json_reply(&Kicked { kicked }))
        }
        ["drain"] => {
            method_is(Method::POST)?;
            tracing::info!("the operator has the server take no more clients");
            hub.drain();
            Ok(json_reply(&json!({})))
        }
        ["logs"] => {
            method_is(Method::GET)?;
            let logs = store(hub)?.list().await?;
            let logs: Vec<LogInfo> = logs.into_iter().map(LogInfo::from).collect();
            Ok(json_reply(&logs))
        }
        ["logs", name] => {
            let name = decoded(name).into_owned();
            if method == Method::DELETE {
                return delete(hub, vec![name]).await;
            }
            method_is(Method::GET)?;
            let log = store(hub)?.find(name).await?;
            Ok(json_reply(&LogInfo::from(log)))
        }
        ["logs", name, "entries"] => {
            method_is(Method::GET)?;
            entries(
                store(hub)?,
                decoded(name).into_owned(),
                request.uri().query(),
            )
            .await
        }
        ["delete"] => {
            method_is(Method::POST)?;
            let Names { names } = parsed(request).await?;
            delete(hub, names).await
        }
        ["compact"] => {
            method_is(Method::POST)?;
            let (before, after) = store(hub)?.compact().await?;
            tracing::info!(before, after, "the operator had the store compacted");
            Ok(json_reply(&Compacted { before, after }))
        }
        ["backup"] => {
            method_is(Method::GET)?;
            let snapshot = store(hub)?.snapshot().await?;
            Ok(stream_backup(snapshot))
        }
        _ => Err(Refusal::NotFound),
    }
}

fn is_authorized(hub: &Hub, headers: &HeaderMap) -> bool {
    let shown = headers
        .get(AUTHORIZATION)
        .and_then(|text| text.to_str().ok());
    let shown = shown.and_then(|text| text.strip_prefix("Bearer "));
    let token = hub.admin_token.as_ref();
    matches!((shown, token), (Some(shown), Some(token)) if token.get().matches(shown))
}

fn store(hub: &Hub) -> Result<&Store, Refusal> {
    hub.store.as_deref().ok_or(Refusal::NoStore)
}

async fn delete(hub: &Hub, names: Vec<String>) -> Result<Response<Body>, Refusal> {
    let deleted = hub.delete_logs(store(hub)?, names).await?;
    for log in &deleted {
        tracing::info!(
            log = log.name,
            bytes = log.bytes,
            "the operator deleted a log"
        );
    }
    let deleted: Vec<LogInfo> = deleted.into_iter().map(LogInfo::from).collect();
    Ok(json_reply(&deleted))
}

async fn entries(
    store: &Store,
    name: String,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let after = query.and_then(|query| query.strip_prefix("after="));
    let after = after.map_or(Ok(0), str::parse);
    let after = after.map_err(|error| Refusal::Malformed(format!("after: {error}")))?;
    store.find(name.clone()).await?;
    let page = store.page(name, after, PAGE_BYTES).await?;
    let entries = page.entries.iter().map(|(seq, payload)| Entry {
        seq: *seq,
        payload: STANDARD.encode(payload),
    });
    Ok(json_reply(&Entries {
        entries: entries.collect(),
        more: page.more,
    }))
}

/// Sends a backup as it is read. Where it cannot be read to its end, the answer breaks off, and with it the
/// last line is missing.
fn stream_backup(mut snapshot: Box<dyn Snapshot + Send>) -> Response<Body> {
    let (parts, mut received) = mpsc::channel(BACKUP_PARTS);
    spawn_blocking(move || {
        let out = Parts(parts.clone());
        let mut out = io::BufWriter::with_capacity(BACKUP_PART, out);
        let written = backup::write(&mut *snapshot, &mut out);
        match written {
            Ok(extent) => tracing::info!(?extent, "a backup was made"),
            Err(error) => {
                tracing::warn!("a backup was broken off: {error}");
                let error = match error {
                    BackupError::Output(error) => error,
                    BackupError::Store(error) => io::Error::other(error),
                };
                let _ = parts.blocking_send(Err(error));
            }
        }
    });
    let frames = futures_util::stream::poll_fn(move |cx| received.poll_recv(cx));
    let body = StreamBody::new(frames).boxed_unsync();
    let mut response = Response::new(body);
    let form = HeaderValue::from_static("application/jsonl");
    response.headers_mut().insert(CONTENT_TYPE, form);
    response
}

/// Takes the parts of a backup, and waits while its reader is behind.
struct Parts(mpsc::Sender<io::Result<Frame<Bytes>>>);

impl io::Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Frame::data(Bytes::copy_from_slice(bytes));
        let sent = self.0.blocking_send(Ok(part));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn parsed<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), REQUEST_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| Refusal::Malformed(error.to_string()))?;
    let parsed = serde_json::from_slice(&body.to_bytes());
    parsed.map_err(|error| Refusal::Malformed(error.to_string()))
}

fn json_reply(value: &impl Serialize) -> Response<Body> {
    // These are structs of texts and numbers, whose writing does not fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    reply(StatusCode::OK, "application/json", text)
}

fn reply(status: StatusCode, form: &'static str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let form = HeaderValue::from_static(form);
    response.headers_mut().insert(CONTENT_TYPE, form);
    response
}

impl Refusal {
    fn into_response(self) -> Response<Body> {
        let (status, error) = match self {
            Refusal::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "this address asks for the operator's token".to_owned(),
            ),
            Refusal::NotFound => (
                StatusCode::NOT_FOUND,
                "there is nothing at this address".to_owned(),
            ),
            Refusal::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is not for this address".to_owned(),
            ),
            Refusal::Malformed(why) => (StatusCode::BAD_REQUEST, why),
            Refusal::NoStore => (StatusCode::CONFLICT, "this server has no store".to_owned()),
            Refusal::Store(error) => {
                let status = match error {
                    StoreError::UnknownLog { .. } => StatusCode::NOT_FOUND,
                    StoreError::InUse => StatusCode::CONFLICT,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                };
                (status, error.to_string())
            }
        };
        // Written by serde, as words may hold anything.
        let text = serde_json::to_string(&Problem { error }).unwrap_or_default();
        let mut response = reply(status, "application/json", text);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
