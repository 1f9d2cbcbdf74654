//! The addresses of the server, as warp filters.

#[cfg(feature = "yjs")]
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::Instrument as _;
use warp::http::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use warp::http::{Response, StatusCode};
use warp::hyper::body::Bytes;
use warp::path::FullPath;
#[cfg(feature = "yjs")]
use warp::path::Tail;
use warp::reject::Rejection;
use warp::reply::Reply;
use warp::{Filter, reply};

use crate::assets;
use crate::connection::{self, Opened, Session};
use crate::figures;
use crate::foreign::{self, PeerJsClient};
use crate::hub::Hub;
use crate::limits::Admission;
use crate::metrics::Rejected;
use crate::requests::{
    AddressRoom, ClientAddress, address_room, json_reply, may_ask, problem, turned_away,
};
#[cfg(not(feature = "yjs"))]
use crate::signaling::SignalingClient;
use crate::sse;
use crate::stream::HttpIo;
#[cfg(feature = "yjs")]
use crate::ws_client::WsClient;
#[cfg(feature = "yjs")]
use crate::yjs::{TopicsClient, YjsClient};

/// Everything the server answers.
pub(crate) fn routes(
    hub: Arc<Hub>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone {
    let readable = warp::get().or(warp::head()).unify();

    let sockets = warp::get().and(socket_path()).and(handshake()).and_then({
        let hub = hub.clone();
        move |room: AddressRoom, handshake: Handshake| {
            let hub = hub.clone();
            async move {
                socket(hub, handshake, |hub, opened| {
                    #[cfg(feature = "yjs")]
                    let client = WsClient::new(hub, opened, room);
                    #[cfg(not(feature = "yjs"))]
                    let client = SignalingClient::new(hub, opened, room);
                    client
                })
            }
        }
    });

    // The room may have slashes, as y-websocket writes it into the address as it is.
    #[cfg(feature = "yjs")]
    let yjs = warp::get()
        .and(warp::path("yjs"))
        .and(warp::path::tail())
        .and(token())
        .and(handshake())
        .and_then({
            let hub = hub.clone();
            move |room: Tail, token: Option<String>, handshake: Handshake| {
                let hub = hub.clone();
                async move {
                    socket(hub, handshake, move |hub, opened| {
                        let room = percent_decode_str(room.as_str()).decode_utf8_lossy();
                        let largest = hub.config.yjs_message_bytes;
                        YjsClient::new(hub, opened, Ok(&*room), token.as_deref(), largest)
                    })
                }
            }
        });

    let streams = sse::routes(hub.clone());

    let peerjs = warp::get()
        .and(warp::path::full())
        .and(handshake())
        .and_then({
            let hub = hub.clone();
            move |path: FullPath, handshake: Handshake| {
                let hub = hub.clone();
                async move {
                    if !foreign::is_peerjs(path.as_str()) {
                        return Err(warp::reject::not_found());
                    }
                    let words = problem(StatusCode::NOT_FOUND, foreign::USE_NETWORK_SYNC);
                    let begin = |_, opened| PeerJsClient::new(opened);
                    Ok::<_, Rejection>(socket(hub, handshake, begin).unwrap_or(words))
                }
            }
        });

    #[cfg(feature = "yjs")]
    let topics = warp::get()
        .and(warp::path!("y-webrtc"))
        .and(token())
        .and(handshake())
        .and_then({
            let hub = hub.clone();
            move |token, handshake: Handshake| {
                let hub = hub.clone();
                async move {
                    socket(hub, handshake, |hub, opened| {
                        TopicsClient::new(hub, opened, token)
                    })
                }
            }
        });

    let health = readable
        .and(warp::path!("health"))
        .map(|| json_reply(&json!({ "status": "ok" })));

    // Where there is an admin address, it has the figures.
    let figures = {
        let are_here = hub.admin_token.is_none();
        readable.and_then(move || async move {
            if are_here {
                Ok(())
            } else {
                Err(warp::reject::not_found())
            }
        })
    };
    let stats = {
        let hub = hub.clone();
        let stats = figures.and(warp::path!("stats")).untuple_one();
        stats.map(move || json_reply(&figures::stats(&hub)))
    };

    let ready = {
        let hub = hub.clone();
        readable.and(warp::path!("ready")).map(move || {
            if hub.draining.is_cancelled() {
                problem(StatusCode::SERVICE_UNAVAILABLE, "the server is ending")
            } else if hub.store.as_ref().is_some_and(|store| store.has_failed()) {
                problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store cannot be written",
                )
            } else if hub.bus.as_ref().is_some_and(|bus| !bus.is_ready()) {
                problem(StatusCode::SERVICE_UNAVAILABLE, "the bus cannot be reached")
            } else {
                json_reply(&json!({ "status": "ready" }))
            }
        })
    };

    let metrics = figures.and(warp::path!("metrics")).untuple_one();
    let metrics = metrics.map(move || {
        let text = figures::metrics(&hub);
        reply::with_header(text, CONTENT_TYPE, figures::OPEN_METRICS)
    });

    let app = readable
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and_then(|path: FullPath, headers: HeaderMap| async move {
            let path = path.as_str().trim_start_matches('/');
            let path = percent_decode_str(path).decode_utf8_lossy();
            assets::serve(&path, &headers).ok_or_else(warp::reject::not_found)
        });

    #[cfg(feature = "yjs")]
    let sockets = sockets.or(yjs).or(topics);

    sockets
        .or(streams)
        .or(peerjs)
        .or(health)
        .or(ready)
        .or(stats)
        .or(metrics)
        .or(app)
        .recover(|rejection| async move { Ok(explain(&rejection)) })
}

/// `/`, `/ws`, `/ws/` and `/ws/<room>`.
fn socket_path() -> impl Filter<Extract = (AddressRoom,), Error = Rejection> + Clone {
    let root = warp::path::end().map(|| None);
    let plain = warp::path!("ws").map(|| None);
    let room = warp::path!("ws" / String).map(|room: String| Some(address_room(&room)));
    root.or(plain).unify().or(room).unify()
}

/// The token of a client that can set no header, as in a browser: the parameter `token` of the address.
#[cfg(feature = "yjs")]
fn token() -> impl Filter<Extract = (Option<String>,), Error = Rejection> + Clone {
    warp::query::<HashMap<String, String>>()
        .map(|mut query: HashMap<String, String>| query.remove("token"))
}

/// What every request has that may open a socket.
struct Handshake {
    headers: HeaderMap,
    upgrade: Option<OnUpgrade>,
    address: SocketAddr,
}

fn handshake() -> impl Filter<Extract = (Handshake,), Error = Rejection> + Clone {
    warp::header::headers_cloned()
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::get::<ClientAddress>())
        .map(|headers, upgrade, ClientAddress(address)| Handshake {
            headers,
            upgrade,
            address,
        })
}

/// Answers a WebSocket handshake and leaves the socket to a task of its own. What is no handshake is for another
/// route.
fn socket<C: Session + Send + 'static>(
    hub: Arc<Hub>,
    handshake: Handshake,
    begin: impl FnOnce(Arc<Hub>, Opened) -> C + Send + 'static,
) -> Result<Response<Bytes>, Rejection> {
    let Handshake {
        headers,
        upgrade,
        address,
    } = handshake;
    let (Some(upgrade), true) = (upgrade, asks_for_websocket(&headers)) else {
        return Err(warp::reject::not_found());
    };
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY) else {
        return Ok(problem(
            StatusCode::BAD_REQUEST,
            "the handshake has no Sec-WebSocket-Key",
        ));
    };
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut refusal = problem(
            StatusCode::UPGRADE_REQUIRED,
            "WebSocket version 13 is needed",
        );
        refusal
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Ok(refusal);
    }
    let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) else {
        return Ok(problem(
            StatusCode::BAD_REQUEST,
            "the Sec-WebSocket-Key cannot be answered",
        ));
    };

    let admission = match admit(&hub, &headers, address) {
        Ok(admission) => admission,
        Err(why) => {
            hub.metrics.rejected(why);
            return Ok(turned_away(why));
        }
    };

    let (connection, sockets) = (hub.new_connection(), hub.sockets.clone());
    // All lines of the log about a client carry its number and its address.
    let client = tracing::info_span!("client", number = connection.0, %address);
    let serving = async move {
        match upgrade.await.map(|upgraded| upgraded.downcast::<HttpIo>()) {
            Ok(Ok(parts)) => {
                tracing::debug!("a socket opened");
                let io = parts.io.into_inner().into_inner();
                connection::serve(io, parts.read_buf, hub, connection, admission, begin).await;
                tracing::debug!("a socket closed");
            }
            Ok(Err(_)) => tracing::error!("an upgraded socket is of a foreign kind"),
            Err(error) => tracing::debug!("a socket was lost while it was upgraded: {error}"),
        }
    };
    sockets.spawn(serving.instrument(client));

    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

fn admit(hub: &Hub, headers: &HeaderMap, peer: SocketAddr) -> Result<Admission, Rejected> {
    hub.limiter.enter(may_ask(hub, headers, peer)?)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let names = |name, wanted: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    names(CONNECTION, "upgrade") && names(UPGRADE, "websocket")
}

/// What to say to a request that no route took.
fn explain(rejection: &Rejection) -> Response<Bytes> {
    if rejection.is_not_found() {
        problem(StatusCode::NOT_FOUND, "there is nothing at this address")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not for this address",
        )
    } else {
        problem(StatusCode::BAD_REQUEST, "the request makes no sense here")
    }
}
