//! Which web pages may open a socket, and whose address a request came from.

use std::net::{IpAddr, SocketAddr};

use warp::http::header::{HeaderMap, ORIGIN};

/// Whether the page that asks is one of those allowed; any is where the list is empty. A client that
/// names no origin is no browser, and what it says of itself would prove nothing.
pub(crate) fn allowed(headers: &HeaderMap, allow_list: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    allow_list.is_empty()
        || origin.to_str().is_ok_and(|origin| {
            allow_list
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin))
        })
}

/// The address to hold a client to, or `None` for this machine. Behind a proxy that is trusted it is
/// the last one in `X-Forwarded-For`: the one that the proxy itself saw and no client can forge.
pub(crate) fn address(
    peer: SocketAddr,
    headers: &HeaderMap,
    trust_forwarded: bool,
) -> Option<IpAddr> {
    let forwarded = || {
        let last = headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()?
            .to_str()
            .ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    let address = if trust_forwarded { forwarded() } else { None }.unwrap_or(peer.ip());
    (!address.to_canonical().is_loopback()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_listed_origins_are_allowed_once_there_is_a_list() {
        let listed = ["https://edit.example.org".to_owned()];
        let page = |origin| headers(&[("origin", origin)]);
        assert!(allowed(&page("https://edit.example.org"), &listed));
        assert!(allowed(&page("https://Edit.example.org"), &listed));
        for other in [
            "https://edit.example.org.evil.test",
            "http://edit.example.org",
            "null",
        ] {
            assert!(!allowed(&page(other), &listed), "{other}");
            assert!(allowed(&page(other), &[]), "{other}");
        }
        assert!(allowed(&HeaderMap::new(), &listed));
    }

    #[test]
    fn the_address_is_the_one_the_proxy_saw_if_it_is_trusted() {
        let peer: SocketAddr = "192.0.2.9:1".parse().unwrap();
        let told = headers(&[("x-forwarded-for", "1.1.1.1, 198.51.100.7")]);
        assert_eq!(
            address(peer, &told, false),
            Some("192.0.2.9".parse().unwrap())
        );
        assert_eq!(
            address(peer, &told, true),
            Some("198.51.100.7".parse().unwrap())
        );
        let twice = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "198.51.100.8"),
        ]);
        assert_eq!(
            address(peer, &twice, true),
            Some("198.51.100.8".parse().unwrap())
        );
        let garbled = headers(&[("x-forwarded-for", "unknown")]);
        assert_eq!(
            address(peer, &garbled, true),
            Some("192.0.2.9".parse().unwrap())
        );
        let local: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(address(local, &HeaderMap::new(), true), None);
    }
}
