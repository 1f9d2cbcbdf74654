//! What all routes share: which requests are let in, and the answers that are a few words.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use signaling_protocol::{IdError, RoomId};
use warp::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use warp::http::{Response, StatusCode};

use crate::hub::Hub;
use crate::metrics::Rejected;
use crate::origin;

/// How long to ask a refused client to stay away.
const RETRY_AFTER_SECONDS: &str = "10";

/// The address of the client, put into each request by the acceptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

/// The room in an address, where it has one.
pub(crate) type AddressRoom = Option<Result<RoomId, IdError>>;

/// The room that a part of an address names.
pub(crate) fn address_room(part: &str) -> Result<RoomId, IdError> {
    RoomId::parse(&percent_decode_str(part).decode_utf8_lossy())
}

/// Whether a page may use this server now. The address that its request counts for.
pub(crate) fn may_ask(
    hub: &Hub,
    headers: &HeaderMap,
    peer: SocketAddr,
) -> Result<Option<IpAddr>, Rejected> {
    if hub.draining.is_cancelled() {
        return Err(Rejected::Ending);
    }
    if !origin::allowed(headers, &hub.config.allow_origin) {
        return Err(Rejected::Origin);
    }
    Ok(origin::address(peer, headers, hub.config.proxies()))
}

/// The answer to a request that is not let in.
pub(crate) fn turned_away(why: Rejected) -> Response<Bytes> {
    let (status, message) = match why {
        Rejected::Origin => (
            StatusCode::FORBIDDEN,
            "this page may not connect to this server",
        ),
        Rejected::TooManyFromAddress => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections from this address",
        ),
        Rejected::HandshakeRate => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many new connections from this address",
        ),
        Rejected::TooManyConnections => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the server has as many connections as it may",
        ),
        Rejected::Ending => (StatusCode::SERVICE_UNAVAILABLE, "the server is ending"),
        // These come before there is a request to answer.
        Rejected::HandshakeTimeout
        | Rejected::Stalled
        | Rejected::MalformedRequest
        | Rejected::TlsHandshake => (StatusCode::BAD_REQUEST, "the request makes no sense here"),
    };
    let mut response = problem(status, message);
    if why != Rejected::Origin {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

/// An answer that says in words what is wrong.
pub(crate) fn problem(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = json_reply(&json!({ "error": message }));
    *response.status_mut() = status;
    response
}

pub(crate) fn json_reply(value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
