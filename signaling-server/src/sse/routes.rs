//! `/sse` and `/sse/<room>`: the requests of clients with event streams.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use serde_json::json;
use signaling_protocol::CloseCode;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;
use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use warp::http::{Response, StatusCode};
use warp::reject::Rejection;
use warp::reply::{self, Reply};
use warp::{Filter, filters};

use super::body::{self, Limits, Meter, Post, Unread};
use super::events::read_event_id;
use super::refused::Refused;
use super::session::{self, Opening};
use super::sessions::{Request, Sessions};
use crate::hub::Hub;
use crate::limits::{Admission, RequestPlaces, network};
use crate::metrics::Rejected;
use crate::requests::{ClientAddress, address_room, json_reply, may_ask, turned_away};

const LAST_EVENT_ID: &str = "last-event-id";

/// Keeps nginx from gathering events before it passes them on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How long a browser need not ask again what a page may do, in seconds.
const PREFLIGHT_SECONDS: &str = "86400";

/// Everything at these addresses.
pub(crate) fn routes(
    hub: Arc<Hub>,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone {
    let hub = warp::any().map(move || hub.clone());
    let asked = warp::header::headers_cloned()
        .and(filters::ext::get::<ClientAddress>())
        .and(filters::ext::get::<RequestPlaces>())
        .map(|headers, ClientAddress(address), places| Asked {
            headers,
            address,
            places,
        });
    let request = path().and(hub).and(asked);

    // The path comes first: what is at no other address is not found, whatever the method.
    let stream = request.clone().and(warp::get()).then(stream);
    let post = request
        .clone()
        .and(warp::post())
        .and(warp::body::stream())
        .then(async |path: String, hub: Arc<Hub>, asked: Asked, body| {
            take(&path, &hub, &asked, body).await
        });
    let preflight = request
        .and(warp::options())
        .map(|_, hub: Arc<Hub>, asked: Asked| preflight(&hub, &asked));
    stream.or(post).unify().or(preflight).unify()
}

/// `/sse` and `/sse/`, without a room in the address, and `/sse/<room>`. The part that names the room, as it is
/// written.
fn path() -> impl Filter<Extract = (String,), Error = Rejection> + Clone {
    let plain = warp::path!("sse").map(String::new);
    let room = warp::path!("sse" / String);
    plain.or(room).unify()
}

/// What every request has.
struct Asked {
    headers: HeaderMap,
    address: SocketAddr,
    places: RequestPlaces,
}

impl Asked {
    /// Lets the page that asked read the answer.
    fn answered(&self, mut response: reply::Response) -> reply::Response {
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.headers.get(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        response
    }
}

/// Answers a request that is not let in. A page that may not use the server learns nothing of it.
fn turn_away(hub: &Hub, asked: &Asked, why: Rejected) -> reply::Response {
    hub.metrics.rejected(why);
    let response = turned_away(why).into_response();
    match why {
        Rejected::Origin => response,
        _ => asked.answered(response),
    }
}

fn refuse(hub: &Hub, refused: &Refused) -> Response<Bytes> {
    hub.metrics.refused_as(refused.code());
    let mut response = json_reply(&json!({ "error": refused.to_string(), "code": refused.code() }));
    *response.status_mut() = refused.status();
    response
}

/// Opens an event stream, or goes on with one.
async fn stream(path: String, hub: Arc<Hub>, asked: Asked) -> reply::Response {
    let address = match may_ask(&hub, &asked.headers, asked.address) {
        Ok(address) => address,
        Err(why) => return turn_away(&hub, &asked, why),
    };
    let events = match asked.headers.get(LAST_EVENT_ID) {
        Some(id) => match hub.limiter.may_open(address) {
            Ok(()) => resume(&hub, &path, id).await,
            Err(why) => return turn_away(&hub, &asked, why),
        },
        None => match hub.limiter.enter(address) {
            Ok(admission) => begin(&hub, path, asked.address, admission),
            Err(why) => return turn_away(&hub, &asked, why),
        },
    };
    match events {
        Ok(events) => {
            asked.places.give_back();
            asked.answered(stream_of(events))
        }
        Err(refused) => asked.answered(refuse(&hub, &refused).into_response()),
    }
}

fn begin(
    hub: &Arc<Hub>,
    path: String,
    address: SocketAddr,
    admission: Admission,
) -> Result<mpsc::Receiver<Bytes>, Refused> {
    let secret = Sessions::new_secret().ok_or(Refused::NoRandomness)?;
    let connection = hub.new_connection();
    let client = tracing::info_span!("client", number = connection.0, %address);
    let opening = Opening {
        secret,
        room: (!path.is_empty()).then(|| address_room(&path)),
        path: path.into(),
        connection,
        admission,
    };
    let (events, serving) = session::open(hub, opening);
    let serving = async move {
        tracing::debug!("an event stream opened");
        serving.await;
        tracing::debug!("a session with an event stream ended");
    };
    hub.sockets.spawn(serving.instrument(client));
    Ok(events)
}

async fn resume(hub: &Hub, path: &str, id: &HeaderValue) -> Result<mpsc::Receiver<Bytes>, Refused> {
    let id = id.to_str().ok().and_then(read_event_id);
    let (secret, after) = id.ok_or(Refused::UnknownSession)?;
    let way = hub.sse.find(secret, path)?;
    let (stream, events) = mpsc::channel(1);
    let (answer, answered) = oneshot::channel();
    let request = Request::Resume {
        after,
        stream,
        answer,
    };
    way.ask(request, answered).await?;
    Ok(events)
}

/// Takes messages of a client.
async fn take<S, B>(path: &str, hub: &Hub, asked: &Asked, body: S) -> reply::Response
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let address = match may_ask(hub, &asked.headers, asked.address) {
        Ok(address) => address,
        Err(why) => return turn_away(hub, asked, why),
    };
    let meter = Meter::new(&hub.unfinished, address.map(network));
    let limits = Limits {
        message_bytes: hub.config.max_message_size,
        patience: hub.config.message_timeout(),
    };
    let taken = match body::read(body, meter, limits).await {
        Ok(post) => post_to(hub, path, post).await,
        Err(unread) => Err(give_up(hub, path, unread, limits).await),
    };
    let response = match taken {
        Ok(taken) => json_reply(&json!({ "taken": taken })),
        Err(refused) => refuse(hub, &refused),
    };
    asked.answered(response.into_response())
}

async fn post_to(hub: &Hub, path: &str, post: Post) -> Result<u64, Refused> {
    let way = hub.sse.find(&post.head.session, path)?;
    let (answer, answered) = oneshot::channel();
    way.ask(Request::Post(post, answer), answered).await
}

/// Ends the session whose body cannot be taken, as a WebSocket is closed then. What the request is refused for.
async fn give_up(hub: &Hub, path: &str, unread: Unread, limits: Limits) -> Refused {
    let (session, code, refused) = match unread {
        Unread::Refused(refused) => return refused,
        Unread::TooBig { session } => {
            let largest = limits.message_bytes;
            let refused = Refused::MessageTooBig { largest };
            (session, CloseCode::MessageTooBig, refused)
        }
        Unread::NoText { session } => {
            let refused = Refused::Malformed("the body is not UTF-8".to_owned());
            (session, CloseCode::InvalidText, refused)
        }
        Unread::Gone => return Refused::Malformed("the body broke off".to_owned()),
    };
    match hub.sse.find(&session, path) {
        Ok(way) => {
            // A session that has ended meanwhile needs no end.
            let _ = way.requests.send(Request::End(code)).await;
            refused
        }
        Err(unknown) => unknown,
    }
}

/// What a page of another origin may do here.
fn preflight(hub: &Hub, asked: &Asked) -> reply::Response {
    if let Err(why) = may_ask(hub, &asked.headers, asked.address) {
        return turn_away(hub, asked, why);
    }
    let mut response =
        asked.answered(reply::with_status("", StatusCode::NO_CONTENT).into_response());
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type, last-event-id"),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer that is an event stream.
fn stream_of(events: mpsc::Receiver<Bytes>) -> reply::Response {
    let mut response = reply::stream(Events(events)).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // The connection has no place any more.
        (CONNECTION, "close"),
        (ACCEL_BUFFERING, "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body of an event stream.
struct Events(mpsc::Receiver<Bytes>);

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_recv(cx).map(|part| part.map(Ok))
    }
}
