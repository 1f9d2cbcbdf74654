//! Links to rooms, as the app makes them: `https://host/?room=garden#key=…`.

use signaling_protocol::RoomId;
use thiserror::Error;
use tokio_tungstenite::tungstenite::http::Uri;

/// Where a room is, and what its members share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomLink {
    /// The signaling server, as an address with `ws` or `wss`.
    pub(crate) server: String,
    pub(crate) room: RoomId,
    /// The secret of the room, for the relay.
    pub(crate) key: Option<String>,
}

/// Text that is no link to a room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum LinkError {
    #[error("{0:?} is no address of the form https://host/?room=name#key=secret")]
    NoAddress(String),
    #[error("the address begins with {0}://, and not with http:// or https://")]
    Scheme(String),
    #[error("the address names no room: copy the link from the app with \"Copy link\"")]
    NoRoom,
    #[error("the room's name cannot be used: {0}")]
    Room(String),
    #[error("the key in the address was cut short: copy the whole link")]
    Key,
}

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
        let (mut room, mut server) = (None, None);
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let value = Some(value.into_owned()).filter(|value| !value.is_empty());
            match &*name {
                "room" => room = room.or(value),
                "server" => server = server.or(value),
                _ => {}
            }
        }
        let room = RoomId::parse(&room.ok_or(LinkError::NoRoom)?)
            .map_err(|error| LinkError::Room(error.to_string()))?;
        let key = fragment.trim().strip_prefix("key=");
        let is_whole = |key: &str| {
            key.len() >= MIN_KEY
                && key
                    .bytes()
                    .all(|byte| byte == b'-' || byte == b'_' || byte.is_ascii_alphanumeric())
        };
        if key.is_some_and(|key| !is_whole(key)) {
            return Err(LinkError::Key);
        }
        Ok(RoomLink {
            server: server.unwrap_or_else(|| format!("{scheme}://{host}/ws")),
            room,
            key: key.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrst-_";

    #[test]
    fn the_links_of_the_app_are_understood() {
        for (link, server, room, key) in [
            (
                format!("https://write.example/?room=amber-birch-1234#key={KEY}"),
                "wss://write.example/ws",
                "amber-birch-1234",
                Some(KEY),
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
                key: key.map(str::to_owned),
            };
            assert_eq!(RoomLink::parse(&link), Ok(expected), "{link}");
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
        assert_eq!(error("https://a/?room=x#key=short"), LinkError::Key);
        assert!(matches!(error(&long), LinkError::Room(_)));
        assert!(matches!(error("https://a/?room=%07"), LinkError::Room(_)));
    }
}
