//! The body of a request with messages: a line that says whose they are, then each message on a line of its own.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use futures_util::{Stream, StreamExt, pin_mut};
use serde::Deserialize;
use tokio::time::timeout;

use super::refused::Refused;
use crate::budget::{Booking, Budget};
use crate::unfinished::ALLOWANCE;

/// The longest first line, in bytes.
const HEAD_BYTES: usize = 512;

/// The first line of a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Head {
    /// The secret of the session.
    pub(crate) session: String,
    /// The number of the first message; the first of a session is 1. Without it they are taken as they come.
    #[serde(default)]
    pub(crate) number: Option<u64>,
    /// The number of the last event that the client has.
    #[serde(default)]
    pub(crate) seen: u64,
    /// The session ends after these messages.
    #[serde(default)]
    pub(crate) close: bool,
}

/// Messages of a client, of which some may have been taken out.
pub(crate) struct Post {
    pub(crate) head: Head,
    body: String,
    /// Where the next line begins.
    at: usize,
    /// Counts the body until it is dropped.
    _meter: Meter,
}

/// Counts what was read of a body, among what all clients may leave unfinished.
pub(crate) struct Meter {
    read: usize,
    booking: Booking,
    /// Names the body where it waits.
    id: u64,
}

impl Meter {
    /// Nothing yet, for a client of an address. `None` stands for this machine, which has no share of its own.
    pub(crate) fn new(budget: &Arc<Budget>, address: Option<IpAddr>) -> Self {
        Self {
            read: 0,
            booking: Booking::new(budget.clone(), address),
            id: budget.new_waiter(),
        }
    }

    /// Waits until more may be read.
    async fn may_read_on(&self) {
        let poll = poll_fn(|cx| {
            if self.read < ALLOWANCE || self.booking.may_grow(self.id, cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        poll.await;
    }

    fn count(&mut self, bytes: usize) {
        self.read += bytes;
        let beyond = self.read.saturating_sub(ALLOWANCE);
        self.booking.raise_to(beyond);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.booking.no_longer_waits(self.id);
    }
}

impl Post {
    /// Takes the next message out. Empty lines are none.
    pub(crate) fn next_message(&mut self) -> Option<&str> {
        loop {
            let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
            let line = rest.split('\n').next()?;
            let (from, to) = (self.at, self.at + line.len());
            self.at = to + 1;
            if !line.trim().is_empty() {
                return self.body.get(from..to);
            }
        }
    }
}

/// Why no messages can be taken from a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The client learns it, and its session goes on.
    Refused(Refused),
    /// The body is larger than a message may be.
    TooBig { session: String },
    /// What follows the first line is no UTF-8.
    NoText { session: String },
    /// The client has gone.
    Gone,
}

/// How much a body may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) message_bytes: usize,
    pub(crate) patience: Duration,
}

/// Reads a body to its end.
pub(crate) async fn read<S, B, E>(body: S, meter: Meter, limits: Limits) -> Result<Post, Unread>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let reading = read_all(body, meter, limits.message_bytes);
    let late = Err(Unread::Refused(Refused::MessageTimeout));
    timeout(limits.patience, reading).await.unwrap_or(late)
}

async fn read_all<S, B, E>(body: S, mut meter: Meter, largest: usize) -> Result<Post, Unread>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    pin_mut!(body);
    let mut bytes = Vec::new();
    let mut head: Option<(Head, usize)> = None;
    loop {
        meter.may_read_on().await;
        let Some(part) = body.next().await else {
            break;
        };
        let mut part = part.map_err(|_| Unread::Gone)?;
        meter.count(part.remaining());
        while part.has_remaining() {
            let chunk = part.chunk();
            let length = chunk.len();
            bytes.extend_from_slice(chunk);
            part.advance(length);
        }
        if head.is_none() {
            head = read_head(&bytes)?;
        }
        if let Some((head, at)) = &head
            && bytes.len() - at > largest
        {
            let session = head.session.clone();
            return Err(Unread::TooBig { session });
        }
    }
    let (head, at) = match head {
        Some(head) => head,
        None => (parse_head(&bytes)?, bytes.len()),
    };
    match String::from_utf8(bytes) {
        Ok(body) => Ok(Post {
            head,
            body,
            at,
            _meter: meter,
        }),
        Err(_) => Err(Unread::NoText {
            session: head.session,
        }),
    }
}

/// The first line, and where what follows it begins; `None`: it has not come to its end.
fn read_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unread> {
    let line = bytes.iter().take(HEAD_BYTES + 1).position(|b| *b == b'\n');
    match line {
        Some(end) => Ok(Some((parse_head(&bytes[..end])?, end + 1))),
        None if bytes.len() > HEAD_BYTES => {
            let words = format!("the first line is longer than {HEAD_BYTES} bytes");
            Err(Unread::Refused(Refused::Malformed(words)))
        }
        None => Ok(None),
    }
}

fn parse_head(line: &[u8]) -> Result<Head, Unread> {
    serde_json::from_slice(line).map_err(|error| {
        let words = format!("the first line names no session: {error}");
        Unread::Refused(Refused::Malformed(words))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::stream;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    const LIMITS: Limits = Limits {
        message_bytes: 100,
        patience: Duration::from_secs(1),
    };

    async fn read_parts(parts: &[&[u8]]) -> Result<Post, Unread> {
        let meter = Meter::new(&Arc::new(Budget::new(1 << 20, Gauge::default())), None);
        let parts: Vec<Bytes> = parts.iter().map(|part| part.to_vec().into()).collect();
        let body = stream::iter(parts.into_iter().map(Ok::<_, Infallible>));
        read(body, meter, LIMITS).await
    }

    async fn unread(parts: &[&[u8]]) -> Unread {
        read_parts(parts).await.err().unwrap()
    }

    #[tokio::test]
    async fn messages_come_out_in_order() {
        let parts: [&[u8]; 4] = [
            b"{\"session\":\"s\",\"num",
            b"ber\":4,\"seen\":2}\n{\"a\":1}\r",
            b"\n\n \n{\"b\"",
            b":2}",
        ];
        let mut post = read_parts(&parts).await.ok().unwrap();
        let head = Head {
            session: "s".to_owned(),
            number: Some(4),
            seen: 2,
            close: false,
        };
        assert_eq!(post.head, head);
        assert_eq!(post.next_message(), Some("{\"a\":1}\r"));
        assert_eq!(post.next_message(), Some("{\"b\":2}"));
        assert_eq!(post.next_message(), None);
        assert_eq!(post.next_message(), None);
        let mut alone = read_parts(&[b"{\"session\":\"s\",\"close\":true}"])
            .await
            .unwrap();
        assert!(alone.head.close && alone.next_message().is_none());
    }

    #[tokio::test]
    async fn other_bodies_are_refused() {
        let session = || "s".to_owned();
        let mut big = b"{\"session\":\"s\"}\n".to_vec();
        big.resize(big.len() + 101, b' ');
        let read = unread(&[&big]).await;
        assert_eq!(read, Unread::TooBig { session: session() });
        let read = unread(&[b"{\"session\":\"s\"}\n\xFF"]).await;
        assert_eq!(read, Unread::NoText { session: session() });
        for senseless in [&b""[..], b"\n{}", b"{}", b"[]\n", &[b' '; 600], &[0xFF; 9]] {
            let read = unread(&[senseless]).await;
            assert!(
                matches!(read, Unread::Refused(Refused::Malformed(_))),
                "{read:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_an_end_is_given_up() {
        let meter = Meter::new(&Arc::new(Budget::new(1 << 20, Gauge::default())), None);
        let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let read = read(begun.chain(stream::pending()), meter, LIMITS).await;
        let late = Unread::Refused(Refused::MessageTimeout);
        assert_eq!(read.err(), Some(late));
    }
}
