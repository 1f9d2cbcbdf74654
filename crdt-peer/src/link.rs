//! Links to rooms, as the app makes them: `https://host/#room=garden&key=…`, with `read=…` in place of the key
//! in a read-only link. In older links the room stands in the query: `https://host/?room=garden#key=…`.

use signaling_protocol::RoomId;
use thiserror::Error;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::seal::{READ_TEXT, RoomSecret, public_in};

/// Where a room is, and what its members share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomLink {
    /// The signaling server, as an address with `ws` or `wss`.
    pub(crate) server: String,
    /// The room's own name, which the server does not learn if there is a secret.
    pub(crate) room: RoomId,
    /// The secret of the room.
    pub(crate) secret: Option<RoomSecret>,
    /// What the server asks for to let us in.
    pub(crate) token: Option<String>,
}

/// Text that is no link to a room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum LinkError {
    #[error("{0:?} is no address of the form https://host/#room=name&key=secret")]
    NoAddress(String),
    #[error("the address begins with {0}://, and not with http:// or https://")]
    Scheme(String),
    #[error("the address names no room: copy the link from the app with \"Copy link\"")]
    NoRoom,
    #[error("the room's name cannot be used: {0}")]
    Room(String),
    #[error("the key in the address was cut short: copy the whole link")]
    Key,
    #[error("the link was changed on the way: copy the whole link again")]
    Changed,
}

/// The names of the parameters of a link.
const NAMES: [&str; 5] = ["room", "key", "read", "token", "server"];

/// What stands in a link before a secret.
const SECRETS: [&str; 2] = ["key", "read"];

/// A key has at least as many chars as 16 bytes have in base64.
const MIN_KEY: usize = 22;

impl RoomLink {
    /// Reads a link.
    ///
    /// # Errors
    /// [`LinkError`]
    pub(crate) fn parse(link: &str) -> Result<RoomLink, LinkError> {
        let no_address = || LinkError::NoAddress(link.to_owned());
        let (address, fragment) = link.split_once('#').unwrap_or((link, ""));
        let uri: Uri = address.trim().parse().map_err(|_| no_address())?;
        let host = uri.authority().ok_or_else(no_address)?;
        let scheme = match uri.scheme_str() {
            Some("http") => "ws",
            Some("https") => "wss",
            other => return Err(LinkError::Scheme(other.unwrap_or_default().to_owned())),
        };
        let (query, fragment) = (uri.query().unwrap_or_default(), fragment.trim());
        let room = value(fragment, "room").or_else(|| value(query, "room"));
        if is_changed(fragment, room.as_deref()) {
            return Err(LinkError::Changed);
        }
        let room = RoomId::parse(&room.ok_or(LinkError::NoRoom)?)
            .map_err(|error| LinkError::Room(error.to_string()))?;
        let server = value(query, "server");
        Ok(RoomLink {
            server: server.unwrap_or_else(|| format!("{scheme}://{host}/ws")),
            room,
            secret: secret_in(fragment)?,
            token: value(fragment, "token"),
        })
    }

    /// Whether the link lets nobody write.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self.secret, Some(RoomSecret::Read(_)))
    }
}

/// The first value of a name in a query or a fragment, unless it is empty.
fn value(parameters: &str, name: &str) -> Option<String> {
    let mut all = form_urlencoded::parse(parameters.as_bytes());
    all.find(|(found, value)| found == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// Whether the key of a link stands in its room's name, or in a parameter of another name, since some program
/// encoded or changed the link. Such a link would lead to a room without a key.
fn is_changed(fragment: &str, room: Option<&str>) -> bool {
    let before_sign = |part: &str| part.split_once('=').map(|(name, _)| name.to_owned());
    let room = decoded_again(room.unwrap_or_default());
    let mut in_room = room.split(['&', '#']).skip(1).filter_map(before_sign);
    let is_secret = |name: &str| {
        let name = decoded_again(name);
        let mut parts = name.split(['&', '#']);
        parts.any(|part| {
            let name = before_sign(part).unwrap_or_else(|| part.to_owned());
            SECRETS.iter().any(|secret| name.ends_with(secret))
        })
    };
    let mut names = form_urlencoded::parse(fragment.as_bytes()).map(|(name, _)| name);
    in_room.any(|name| NAMES.contains(&name.as_str()))
        || names.any(|name| !NAMES.contains(&&*name) && is_secret(&name))
}

/// The text in small letters, with the signs between parameters decoded that were encoded more than once.
fn decoded_again(text: &str) -> String {
    let text = text.to_lowercase();
    let text = text.replace("%26", "&").replace("%23", "#");
    text.replace("%3d", "=").replace("&amp;", "&")
}

fn secret_in(fragment: &str) -> Result<Option<RoomSecret>, LinkError> {
    let has =
        |name: &str| form_urlencoded::parse(fragment.as_bytes()).any(|(found, _)| found == name);
    if has("key") {
        let key = value(fragment, "key").filter(|key| is_whole(key));
        return key.map(RoomSecret::Write).map(Some).ok_or(LinkError::Key);
    }
    if has("read") {
        let is_read_key = |text: &String| text.len() == READ_TEXT && public_in(text).is_some();
        let text = value(fragment, "read").filter(is_read_key);
        return text.map(RoomSecret::Read).map(Some).ok_or(LinkError::Key);
    }
    Ok(None)
}

fn is_whole(key: &str) -> bool {
    let is_digit = |byte: u8| byte == b'-' || byte == b'_' || byte.is_ascii_alphanumeric();
    key.len() >= MIN_KEY && key.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrst-_";

    #[test]
    fn the_links_of_the_app_are_understood() {
        for (link, server, room, key) in [
            (
                format!("https://write.example/#room=amber-birch-1234&key={KEY}"),
                "wss://write.example/ws",
                "amber-birch-1234",
                Some(KEY),
            ),
            (
                format!("https://write.example/?room=amber-birch-1234#key={KEY}"),
                "wss://write.example/ws",
                "amber-birch-1234",
                Some(KEY),
            ),
            (
                "http://localhost:8080/?room=other#room=gr%C3%BCn".to_owned(),
                "ws://localhost:8080/ws",
                "grün",
                None,
            ),
            (
                "http://localhost:8080/?room=room+1".to_owned(),
                "ws://localhost:8080/ws",
                "room 1",
                None,
            ),
            (
                format!("  https://[::1]:8443/app/?x=1&room=gr%C3%BCn&room=no#key={KEY}\n"),
                "wss://[::1]:8443/ws",
                "grün",
                Some(KEY),
            ),
            (
                "https://a.example/?server=wss%3A%2F%2Fb.example%2Fws&room=r#other".to_owned(),
                "wss://b.example/ws",
                "r",
                None,
            ),
        ] {
            let expected = RoomLink {
                server: server.to_owned(),
                room: RoomId::parse(room).unwrap(),
                secret: key.map(|key| RoomSecret::Write(key.to_owned())),
                token: None,
            };
            assert_eq!(RoomLink::parse(&link), Ok(expected), "{link}");
        }
    }

    #[test]
    fn a_read_only_link_lets_nobody_write() {
        let read = "r".repeat(READ_TEXT);
        let link = format!("https://a.example/#room=r&read={read}&token=a.b.c");
        let link = RoomLink::parse(&link).unwrap();
        assert!(link.is_read_only());
        assert_eq!(link.secret, Some(RoomSecret::Read(read)));
        assert_eq!(link.token.as_deref(), Some("a.b.c"));
        let writers = format!("https://a.example/#room=r&key={KEY}");
        assert!(!RoomLink::parse(&writers).unwrap().is_read_only());
    }

    #[test]
    fn a_link_that_was_changed_on_the_way_opens_no_room_without_a_key() {
        for changed in [
            format!("#room=garden%26key={KEY}"),
            format!("#room=garden&amp;key={KEY}"),
            format!("#room=garden&KEY={KEY}"),
            format!("#room=garden%26amp;key={KEY}"),
            format!("#room=garden%2526read%253D{KEY}"),
            format!("#room=garden%26Read%3D{KEY}"),
            format!("?room=garden%23key={KEY}"),
            format!("?room=garden#key%3D{KEY}"),
            format!("#room%3Dgarden%26key%3D{KEY}"),
        ] {
            let link = format!("https://a.example/{changed}");
            assert_eq!(RoomLink::parse(&link), Err(LinkError::Changed), "{link}");
        }
        for room in ["monkey", "salt & pepper", "a&b=c", "key=x", "a&keys=b"] {
            let name: String = form_urlencoded::byte_serialize(room.as_bytes()).collect();
            let link = format!("https://a.example/#room={name}&key={KEY}");
            let link = RoomLink::parse(&link).unwrap();
            assert_eq!(link.room.to_string(), room);
        }
    }

    #[test]
    fn other_text_is_refused_with_the_reason() {
        let long = format!("https://a.example/?room={}", "x".repeat(200));
        let error = |link: &str| RoomLink::parse(link).unwrap_err();
        assert!(matches!(error("nonsense link"), LinkError::NoAddress(_)));
        assert!(matches!(error(""), LinkError::NoAddress(_)));
        assert!(matches!(error("/?room=x"), LinkError::NoAddress(_)));
        assert_eq!(
            error("ftp://a/?room=x"),
            LinkError::Scheme("ftp".to_owned())
        );
        assert_eq!(error("https://a.example/"), LinkError::NoRoom);
        assert_eq!(error("https://a.example/?room="), LinkError::NoRoom);
        for cut in ["key=short", "key=", "read=short", "read="] {
            assert_eq!(error(&format!("https://a/?room=x#{cut}")), LinkError::Key);
            assert_eq!(error(&format!("https://a/#room=x&{cut}")), LinkError::Key);
        }
        assert!(matches!(error(&long), LinkError::Room(_)));
        assert!(matches!(error("https://a/?room=%07"), LinkError::Room(_)));
    }
}
