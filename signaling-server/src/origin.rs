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

/// The address to hold a client to, or `None` for this machine. Behind `proxies` proxies that are
/// trusted, each of which adds whom it speaks for to `X-Forwarded-For`, it is the one that the first of
/// them saw: that many from the end, where no client can forge it.
pub(crate) fn address(peer: SocketAddr, headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let forwarded = || {
        let lines = headers.get_all("x-forwarded-for").iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        // A client that came past the first proxies is the first of fewer.
        let first = hops.len().saturating_sub(proxies);
        hop(hops.get(first)?)
    };
    let address = (proxies > 0).then(forwarded).flatten();
    let address = address.unwrap_or(peer.ip()).to_canonical();
    (!address.is_loopback()).then_some(address)
}

/// The address of a hop as proxies write it: alone, with a port, in brackets, in quotes.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
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
        assert_eq!(address(peer, &told, 0), Some("192.0.2.9".parse().unwrap()));
        assert_eq!(
            address(peer, &told, 1),
            Some("198.51.100.7".parse().unwrap())
        );
        let twice = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "198.51.100.8"),
        ]);
        assert_eq!(
            address(peer, &twice, 1),
            Some("198.51.100.8".parse().unwrap())
        );
        let garbled = headers(&[("x-forwarded-for", "unknown")]);
        assert_eq!(
            address(peer, &garbled, 1),
            Some("192.0.2.9".parse().unwrap())
        );
        let local: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(address(local, &HeaderMap::new(), 1), None);
    }

    #[test]
    fn each_trusted_proxy_is_one_from_the_end() {
        let peer: SocketAddr = "192.0.2.9:1".parse().unwrap();
        let told = headers(&[
            ("x-forwarded-for", "1.1.1.1, 198.51.100.7"),
            ("x-forwarded-for", "203.0.113.5"),
        ]);
        for (proxies, expected) in [
            (1, "203.0.113.5"),
            (2, "198.51.100.7"),
            (3, "1.1.1.1"),
            (9, "1.1.1.1"),
        ] {
            assert_eq!(
                address(peer, &told, proxies),
                Some(expected.parse().unwrap())
            );
        }
        for (text, expected) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("\"[2001:db8::7]:1\"", "2001:db8::7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            let told = headers(&[("x-forwarded-for", text)]);
            assert_eq!(address(peer, &told, 1), Some(expected.parse().unwrap()));
        }
    }
}
