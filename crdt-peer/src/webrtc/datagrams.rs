//! The UDP sockets of a connection: one for each address of the machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The most addresses that are used. A machine with containers has many.
const MAX_ADDRESSES: usize = 8;

/// Datagrams that wait to be taken; beyond that they wait in the system, and are lost at last.
const MAX_WAITING: usize = 256;

/// How long to wait after an error, so that one that stays costs nothing.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// Longer ones are none that were sent by WebRTC.
const MAX_DATAGRAM: usize = 2048;

/// A datagram that came.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    /// The own address that it came to.
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// The sockets; dropped, they close.
#[derive(Debug)]
pub(super) struct Datagrams {
    sockets: BTreeMap<SocketAddr, Arc<UdpSocket>>,
    received: Receiver<Datagram>,
    _readers: JoinSet<()>,
}

impl Datagrams {
    /// Opens a socket on every address of the machine that others may reach it by, and on loopback.
    ///
    /// # Errors
    /// If the addresses cannot be listed, or none can be used.
    pub(super) async fn open() -> io::Result<Datagrams> {
        let (sender, received) = mpsc::channel(MAX_WAITING);
        let mut sockets = BTreeMap::new();
        let mut readers = JoinSet::new();
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses()? {
            let socket = match UdpSocket::bind((address, 0)).await {
                Ok(socket) => Arc::new(socket),
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let to = socket.local_addr()?;
            let (reader, sender) = (Arc::clone(&socket), sender.clone());
            readers.spawn(async move {
                let mut buffer = vec![0; MAX_DATAGRAM];
                loop {
                    // An error is that of a datagram sent before, such as that nobody is there.
                    let Ok((len, from)) = reader.recv_from(&mut buffer).await else {
                        sleep(AFTER_ERROR).await;
                        continue;
                    };
                    let bytes = buffer[..len].to_vec();
                    if sender.send(Datagram { from, to, bytes }).await.is_err() {
                        return;
                    }
                }
            });
            sockets.insert(to, socket);
        }
        if sockets.is_empty() {
            return Err(failure);
        }
        Ok(Datagrams {
            sockets,
            received,
            _readers: readers,
        })
    }

    /// The own addresses, with their ports.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.keys().copied()
    }

    /// The sockets that reach more than this machine.
    pub(super) fn outward(&self) -> Vec<Arc<UdpSocket>> {
        let outward = self
            .sockets
            .iter()
            .filter(|(address, _)| !address.ip().is_loopback());
        outward.map(|(_, socket)| Arc::clone(socket)).collect()
    }

    /// Waits for a datagram.
    pub(super) async fn receive(&mut self) -> Option<Datagram> {
        self.received.recv().await
    }

    /// Sends a datagram from one of the own addresses. One that cannot be sent is lost like any other.
    pub(super) async fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = self.sockets.get(&from) {
            let _ = socket.send_to(bytes, to).await;
        }
    }
}

/// The machine's addresses, those first that others reach.
fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut all: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|address| match address {
            IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
            IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
        })
        .collect();
    all.sort_by_key(|address| (address.is_loopback(), address.is_ipv6(), *address));
    all.dedup();
    // Loopback is never left out.
    let (loopback, mut outward): (Vec<_>, Vec<_>) = all.into_iter().partition(IpAddr::is_loopback);
    outward.truncate(MAX_ADDRESSES);
    outward.extend(loopback.into_iter().take(MAX_ADDRESSES));
    Ok(outward)
}
