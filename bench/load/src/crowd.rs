//! Many clients at once: how they come in, listen, and are counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::dialect::{Dialect, Identity};
use crate::process::Nodes;
use crate::progress::say;
use crate::websocket::{Frame, Reader, TextFrame, Writer, connect, put_pong, unexpected};

/// How many knock at the same time.
const AT_ONCE: usize = 512;

/// Who has not come in by then has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The clients come from so many addresses of the loopback network, which each have ports of their own.
const ADDRESSES: usize = 16;

/// Where clients go, and how they are spread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    pub(crate) servers: Nodes,
    pub(crate) clients: usize,
    pub(crate) per_room: usize,
    /// Tells the names of clients from those of others on the same server. A server may not have
    /// seen yet that those are gone.
    pub(crate) crowd: usize,
}

/// A client that is in.
pub(crate) struct Client {
    pub(crate) me: Identity,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

/// Those who came in, in the order of their numbers, and what kept the others out.
pub(crate) struct Crowd {
    pub(crate) clients: Vec<Client>,
    pub(crate) failures: Failures,
    pub(crate) took: Duration,
}

/// What went wrong, and how often.
pub(crate) type Failures = BTreeMap<String, u64>;

/// What is counted of clients that listen.
#[derive(Default)]
pub(crate) struct Tally {
    /// Messages from other clients.
    pub(crate) delivered: Cell<u64>,
    /// Clients that have heard from another one.
    pub(crate) reached: Cell<u64>,
    pub(crate) failures: RefCell<Failures>,
    /// Set when sockets are to close, so that their ends are no failures.
    pub(crate) over: Cell<bool>,
}

impl Tally {
    pub(crate) fn failed(&self, why: impl ToString) {
        if !self.over.get() {
            let mut failures = self.failures.borrow_mut();
            *failures.entry(why.to_string()).or_default() += 1;
        }
    }

    /// A server's refusal, as far as it does not differ between clients.
    pub(crate) fn refused(&self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let fields = text.split_inclusive(',').take(2);
        self.failed(fields.collect::<String>());
    }
}

impl Plan {
    pub(crate) fn identity(&self, number: usize) -> Identity {
        let room = format!("room{}", number / self.per_room);
        let name = format!("c{}-{number}", self.crowd);
        // In pairs clients write to one peer, in larger rooms to all.
        let topic = if self.per_room > 2 { &room } else { &name }.clone();
        Identity { room, name, topic }
    }

    /// Whom a client writes to: the next one in its room.
    pub(crate) fn peer_of(&self, number: usize) -> usize {
        let first = number - number % self.per_room;
        let members = self.per_room.min(self.clients - first);
        first + (number - first + 1) % members
    }

    /// Lets one client in.
    pub(crate) async fn admit(&self, number: usize) -> io::Result<Client> {
        let me = self.identity(number);
        match timeout(PATIENCE, self.knock(number, me)).await {
            Ok(client) => client,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn knock(&self, number: usize, me: Identity) -> io::Result<Client> {
        let path = self.dialect.path(&me);
        let (mut reader, writer) = connect(source(number), self.servers.of(number), &path).await?;
        let mut greeting = Vec::new();
        for text in self.dialect.greeting(&me) {
            greeting.extend_from_slice(TextFrame::new(&text).bytes());
        }
        writer.send(&greeting).await?;
        let (mut welcome, mut refused) = (false, None);
        while !welcome {
            reader
                .read(|frame| match frame {
                    Frame::Text(text) if self.dialect.is_welcome(text) => welcome = true,
                    Frame::Text(text) if self.dialect.is_refusal(text) => {
                        refused = Some(String::from_utf8_lossy(text).into_owned());
                    }
                    Frame::Close(code) => refused = Some(format!("closed with {code}")),
                    _ => {}
                })
                .await?;
            if let Some(refused) = refused.take() {
                return Err(unexpected(&refused));
            }
        }
        Ok(Client { me, reader, writer })
    }

    /// Lets all in, as fast as they can.
    pub(crate) async fn storm(self) -> Crowd {
        let start = Instant::now();
        let places = Rc::new(Semaphore::new(AT_ONCE));
        let mut knocking = JoinSet::new();
        for number in 0..self.clients {
            let places = places.clone();
            knocking.spawn_local(async move {
                let _place = places.acquire().await;
                (number, self.admit(number).await)
            });
        }
        let mut clients = Vec::with_capacity(self.clients);
        let mut failures = Failures::new();
        while let Some(done) = knocking.join_next().await {
            match done {
                Ok((number, Ok(client))) => clients.push((number, client)),
                Ok((_, Err(error))) => *failures.entry(error.to_string()).or_default() += 1,
                Err(error) => *failures.entry(error.to_string()).or_default() += 1,
            }
        }
        let took = start.elapsed();
        clients.sort_by_key(|(number, _)| *number);
        say(format!(
            "{} of {} clients in after {:.2} s",
            clients.len(),
            self.clients,
            took.as_secs_f64()
        ));
        Crowd {
            clients: clients.into_iter().map(|(_, client)| client).collect(),
            failures,
            took,
        }
    }
}

/// Reads on, answers pings, and counts, until the socket ends.
pub(crate) async fn listen(
    dialect: Dialect,
    reader: &mut Reader,
    writer: &Writer,
    tally: &Tally,
    mut message: impl FnMut(&[u8]) -> bool,
) {
    let mut pongs = Vec::new();
    let (mut reached, mut counted) = (false, false);
    loop {
        let mut closed = None;
        let read = reader
            .read(|frame| match frame {
                Frame::Text(text) if message(text) => {
                    tally.delivered.set(tally.delivered.get() + 1);
                    reached = true;
                }
                Frame::Text(text) if dialect.is_refusal(text) => {
                    tally.refused(text);
                }
                Frame::Text(_) | Frame::Pong => {}
                Frame::Ping(payload) => put_pong(&mut pongs, payload),
                Frame::Close(code) => closed = Some(code),
            })
            .await;
        if reached && !counted {
            tally.reached.set(tally.reached.get() + 1);
            counted = true;
        }
        if let Some(code) = closed {
            return tally.failed(format!("closed with {code}"));
        }
        if let Err(error) = read {
            return tally.failed(error);
        }
        if !pongs.is_empty() {
            if let Err(error) = writer.send(&pongs).await {
                return tally.failed(error);
            }
            pongs = Vec::new();
        }
    }
}

fn source(number: usize) -> IpAddr {
    let last = u8::try_from(2 + number % ADDRESSES).unwrap_or(2);
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn everybody_writes_to_one_other_in_the_room() {
        let plan = Plan {
            dialect: Dialect::Signaling,
            servers: Nodes::one(SocketAddr::from(([127, 0, 0, 1], 1))),
            clients: 8,
            per_room: 3,
            crowd: 0,
        };
        let peers: Vec<_> = (0..8).map(|number| plan.peer_of(number)).collect();
        assert_eq!(peers, [1, 2, 0, 4, 5, 3, 7, 6]);
        assert!((0..8).all(|n| plan.identity(n).room == plan.identity(plan.peer_of(n)).room));
    }
}
