//! Asks STUN servers by which addresses they see this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::net::{UdpSocket, lookup_host};

const DEFAULT_PORT: u16 = 3478;

/// When a server is asked, in milliseconds after the time before.
const ASKED_AFTER: [u64; 4] = [0, 500, 1_000, 2_000];

// RFC 8489: the types of messages, the cookie in each of them, and the attribute with the address.
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// What tells the answers to one question from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question([u8; 12]);

impl Question {
    /// A question that differs from all others, unless the system gives no random numbers.
    pub(super) fn new() -> Question {
        let mut id = [0; 12];
        // A guessable question lets others answer, who can only name an address that leads nowhere.
        let _ = rand::fill(&mut id);
        Question(id)
    }

    /// The address that a server answered to, if the datagram is the answer.
    pub(super) fn answer(self, datagram: &[u8]) -> Option<SocketAddr> {
        let (head, mut rest) = datagram.split_first_chunk::<20>()?;
        let asked = [&SUCCESS[..], &head[2..4], &COOKIE, &self.0].concat();
        if head[..] != asked[..] {
            return None;
        }
        while let Some((attribute, after)) = rest.split_first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([attribute[2], attribute[3]]));
            let value = after.get(..len)?;
            if attribute[..2] == XOR_MAPPED_ADDRESS {
                return self.address(value);
            }
            rest = after.get(len.next_multiple_of(4)..)?;
        }
        None
    }

    /// An address as it stands in an answer: family, port and address, combined with cookie and id.
    fn address(self, value: &[u8]) -> Option<SocketAddr> {
        let (&[_, family, high, low], address) = value.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes([high ^ COOKIE[0], low ^ COOKIE[1]]);
        let mask = [&COOKIE[..], &self.0].concat();
        let plain: Vec<u8> = address.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        let address: IpAddr = match family {
            1 => Ipv4Addr::from(<[u8; 4]>::try_from(plain).ok()?).into(),
            2 => Ipv6Addr::from(<[u8; 16]>::try_from(plain).ok()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(address, port))
    }
}

/// Asks each server from each socket, several times, since datagrams get lost.
pub(super) async fn ask(servers: Vec<String>, sockets: Vec<Arc<UdpSocket>>, question: Question) {
    let request = [&REQUEST[..], &[0, 0], &COOKIE, &question.0].concat();
    let mut addresses = Vec::new();
    for server in &servers {
        let Some(host) = host_of(server) else {
            continue;
        };
        match lookup_host(host).await {
            Ok(found) => addresses.extend(found),
            Err(error) => tracing::debug!("the STUN server {server} is not found: {error}"),
        }
    }
    for wait in ASKED_AFTER {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        for socket in &sockets {
            let is_v4 = socket.local_addr().is_ok_and(|own| own.is_ipv4());
            for server in addresses.iter().filter(|server| server.is_ipv4() == is_v4) {
                // One that cannot be asked is no candidate.
                let _ = socket.send_to(&request, server).await;
            }
        }
    }
}

/// Host and port of an address such as `stun:stun.example:3478`; `None` for TURN and others.
fn host_of(url: &str) -> Option<(&str, u16)> {
    let rest = url.strip_prefix("stun:")?;
    let rest = rest.split('?').next()?;
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host, port.parse().ok()?))
        }
        _ => Some((
            rest.trim_start_matches('[').trim_end_matches(']'),
            DEFAULT_PORT,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_servers_are_read() {
        for (url, host) in [
            ("stun:stun.example", Some(("stun.example", 3478))),
            ("stun:stun.example:19302", Some(("stun.example", 19302))),
            ("stun:[2001:db8::1]:5000", Some(("2001:db8::1", 5000))),
            ("stun:[2001:db8::1]", Some(("2001:db8::1", 3478))),
            ("stun:a:b", None),
            ("turn:turn.example", None),
            ("turns:turn.example:443?transport=tcp", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }

    #[tokio::test]
    async fn a_server_says_by_which_address_it_is_reached() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let url = format!("stun:{}", server.local_addr().unwrap());
        let question = Question::new();
        let asking = tokio::spawn(ask(vec![url], vec![Arc::clone(&client)], question));
        let mut buffer = [0; 100];
        let (len, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(len, 20);
        assert_eq!(client.local_addr().unwrap(), from);
        asking.abort();
    }

    #[test]
    fn answers_are_told_from_anything_else() {
        // The samples of RFC 5769, 2.2 and 2.3, without what signs them.
        let question = Question(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
        let head =
            b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
            \x80\x22\x00\x0btest vector ";
        let v4 = b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
        let v6 = b"\x00\x20\x00\x14\x00\x02\xa1\x47\
            \x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";
        for (attribute, address) in [
            (&v4[..], "192.0.2.1:32853"),
            (&v6[..], "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
        ] {
            let whole = [&head[..], attribute].concat();
            assert_eq!(question.answer(&whole), address.parse().ok());
            assert_eq!(Question::new().answer(&whole), None);
            for len in 0..whole.len() {
                assert_eq!(question.answer(&whole[..len]), None, "{len}");
            }
        }
    }
}
