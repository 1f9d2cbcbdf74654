//! A stream that gives up on a client that does not read what it asked for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The bytes that a client has to take within the patience, while there is as much for it.
const LEAST_PROGRESS: usize = 16 * 1024;

/// Fails with [`io::ErrorKind::TimedOut`] when a client whose buffers are full takes less than
/// [`LEAST_PROGRESS`] within the patience.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs while the client is behind.
    alarm: Option<Pin<Box<Sleep>>>,
    /// What the client has taken since the alarm was set.
    taken: usize,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            alarm: None,
            taken: 0,
        }
    }

    /// The stream, without the patience.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// The client's buffers are full: pending, until the patience ends.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.alarm.is_none() {
            self.taken = 0;
        }
        let patience = self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(patience)));
        alarm
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The client took some bytes; where they are enough, its time begins anew.
    fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= LEAST_PROGRESS {
            self.taken = 0;
            if let Some(alarm) = &mut self.alarm {
                alarm.as_mut().reset(Instant::now() + self.patience);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => this.wait(cx),
            Poll::Ready(result) => {
                if let Ok(written) = result {
                    this.took(written);
                }
                Poll::Ready(result)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Pending => this.wait(cx),
            Poll::Ready(result) => {
                // Everything is with the kernel: the client is not behind.
                this.alarm = None;
                Poll::Ready(result)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_shutdown(cx) {
            Poll::Pending => this.wait(cx),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_too_little_is_given_up() {
        let (ours, mut theirs) = duplex(1_000);
        let mut ours = Patient::new(ours, PATIENCE);
        let reader = async {
            loop {
                // A few bytes at a time, so that something moves all the while.
                tokio::time::sleep(Duration::from_secs(1)).await;
                if theirs.read_exact(&mut [0; 100]).await.is_err() {
                    break;
                }
            }
        };
        let start = Instant::now();
        let content = vec![0; 1_000_000];
        let written = tokio::select! {
            written = ours.write_all(&content) => written,
            () = reader => panic!("the reader ends only after the writer"),
        };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_goes_on_reading_gets_everything() {
        let (ours, mut theirs) = duplex(LEAST_PROGRESS);
        let mut ours = Patient::new(ours, PATIENCE);
        let size = 20 * LEAST_PROGRESS;
        let reader = async {
            let mut read = 0;
            while read < size {
                tokio::time::sleep(PATIENCE / 2).await;
                theirs.read_exact(&mut [0; LEAST_PROGRESS]).await.unwrap();
                read += LEAST_PROGRESS;
            }
        };
        let content = vec![0; size];
        let writer = async {
            ours.write_all(&content).await.unwrap();
            ours.flush().await.unwrap();
        };
        tokio::join!(reader, writer);
        // What comes later has its own time.
        tokio::time::sleep(PATIENCE * 2).await;
        let late = async {
            tokio::time::sleep(PATIENCE / 2).await;
            theirs.read_exact(&mut vec![0; size]).await.unwrap();
        };
        let (written, ()) = tokio::join!(ours.write_all(&content), late);
        written.unwrap();
    }
}
