//! What clients may leave unfinished: the parts of messages whose ends have not come.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::budget::{Booking, Budget};

/// Every client may leave so many bytes unfinished without asking anybody. Most messages are smaller.
pub(crate) const ALLOWANCE: usize = 16 * 1024;

/// A stream whose reader says when a message is complete. While a client has more unfinished than its
/// allowance, and its address or all clients together have as much as they may, nothing is read from
/// it.
pub(crate) struct Metered<S> {
    stream: S,
    /// What was read since the last message was complete.
    read: usize,
    /// How much of it counts against the budget.
    booking: Booking,
    /// Names the stream where it waits.
    id: u64,
}

/// Counts what is read from the socket of a client. `None` stands for this machine, which has no
/// share of its own.
pub(crate) fn meter<S>(stream: S, budget: &Arc<Budget>, address: Option<IpAddr>) -> Metered<S> {
    Metered {
        stream,
        read: 0,
        booking: Booking::new(budget.clone(), address),
        id: budget.new_waiter(),
    }
}

impl<S> Metered<S> {
    /// The stream, to read what is thrown away.
    pub(crate) fn unmetered(&mut self) -> &mut S {
        &mut self.stream
    }

    /// A message is complete. It counts until what is returned is dropped.
    pub(crate) fn message_done(&mut self) -> Booking {
        self.read = 0;
        self.booking.take()
    }

    /// So many of the bytes that were read were no part of a message.
    pub(crate) fn not_message(&mut self, bytes: usize) {
        self.read = self.read.saturating_sub(bytes);
    }

    /// What was read of a message that is not complete, in bytes.
    pub(crate) fn unfinished(&self) -> usize {
        self.read
    }

    /// Whether a message has begun and is not complete.
    pub(crate) fn has_unfinished(&self) -> bool {
        self.read > 0
    }
}

impl<S> Drop for Metered<S> {
    fn drop(&mut self) {
        self.booking.no_longer_waits(self.id);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read >= ALLOWANCE && !this.booking.may_grow(this.id, cx) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.read += buffer.filled().len() - before;
        this.booking.raise_to(this.read.saturating_sub(ALLOWANCE));
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::unconstrained;

    use super::*;

    const KIB: usize = 1024;

    fn client(
        budget: &Arc<Budget>,
        address: Option<&str>,
    ) -> (Metered<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1024 * KIB);
        let address = address.map(|address| address.parse().unwrap());
        (meter(ours, budget, address), theirs)
    }

    /// Reads as much as may be read now.
    fn read(stream: &mut Metered<DuplexStream>) -> usize {
        let mut total = 0;
        let mut buffer = vec![0; KIB];
        while let Some(Ok(size @ 1..)) = unconstrained(stream.read(&mut buffer)).now_or_never() {
            total += size;
        }
        total
    }

    #[tokio::test]
    async fn all_together_leave_no_more_unfinished_than_they_may() {
        let gauge = Gauge::default();
        let budget = Arc::new(Budget::new(64 * KIB, gauge.clone()));
        let mut clients: Vec<_> = (0..4).map(|_| client(&budget, None)).collect();
        let mut total = 0;
        for (stream, peer) in &mut clients {
            peer.write_all(&vec![0; 50 * KIB]).await.unwrap();
            total += read(stream);
        }
        assert_eq!(total, 64 * KIB + 4 * ALLOWANCE);
        assert_eq!(gauge.get(), 64 * KIB as i64);
        // What is finished makes room, and so does a client that is gone.
        clients[0].0.message_done();
        let mut woken = read(&mut clients[2].0);
        drop(clients.remove(1));
        woken += clients
            .iter_mut()
            .map(|(stream, _)| read(stream))
            .sum::<usize>();
        // Both had everything between them, so that much is read now.
        assert_eq!(woken, 64 * KIB);
        drop(clients);
        assert_eq!((gauge.get(), budget.waiters()), (0, 0));
    }

    #[tokio::test]
    async fn one_address_leaves_room_for_others_and_a_waiting_client_is_woken() {
        let budget = Arc::new(Budget::new(64 * KIB, Gauge::default()));
        let (mut first, mut peer) = client(&budget, Some("192.0.2.1"));
        peer.write_all(&vec![0; 200 * KIB]).await.unwrap();
        assert_eq!(read(&mut first), 16 * KIB + ALLOWANCE);
        let (mut second, mut peer) = client(&budget, Some("192.0.2.1"));
        peer.write_all(&vec![0; 200 * KIB]).await.unwrap();
        assert_eq!(read(&mut second), ALLOWANCE);
        let (mut other, mut peer) = client(&budget, Some("192.0.2.2"));
        peer.write_all(&vec![0; 10 * KIB + ALLOWANCE])
            .await
            .unwrap();
        assert_eq!(read(&mut other), 10 * KIB + ALLOWANCE);
        let mut buffer = [0; 16];
        let waiting = second.read_exact(&mut buffer);
        let finishing = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (read, ()) = tokio::join!(waiting, finishing);
        read.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_message_is_not_unfinished() {
        let budget = Arc::new(Budget::new(64 * KIB, Gauge::default()));
        let (mut stream, mut peer) = client(&budget, None);
        assert!(!stream.has_unfinished());
        peer.write_all(&[0; 6]).await.unwrap();
        read(&mut stream);
        assert!(stream.has_unfinished());
        stream.not_message(6);
        assert!(!stream.has_unfinished());
    }
}
