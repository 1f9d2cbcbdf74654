//! One WebSocket to a signaling server, as a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore};
use signaling_protocol::limits::DEFAULT_MAX_MESSAGE_BYTES;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

/// The number of a close for which the other side gave none.
pub(crate) const NO_CLOSE_FRAME: u16 = 1006;

/// What a socket tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SocketEvent {
    Open,
    /// A text frame.
    Text(String),
    /// It is closed, or never opened; the last event.
    Closed {
        /// The number in the close frame; [`NO_CLOSE_FRAME`] when there was none.
        code: u16,
        reason: String,
    },
}

/// Makes sockets. Certificates are checked against those that the system trusts.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    tls: Arc<ClientConfig>,
}

/// The socket; dropped, it closes and is silent.
#[derive(Debug)]
pub(crate) struct Socket {
    frames: UnboundedSender<String>,
    buffered: Arc<AtomicUsize>,
    task: Option<AbortHandle>,
}

impl Sockets {
    /// Reads the system's certificates; those that cannot be read are left out. About a tenth of a
    /// second.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new() -> Result<Sockets, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!("a certificate of the system cannot be read: {error}");
        }
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Sockets { tls: Arc::new(tls) })
    }

    /// Opens a socket. What happens to it is told to `tell`, in order, until that says to stop.
    pub(crate) fn open(
        &self,
        url: &str,
        tell: impl Fn(SocketEvent) + Send + Sync + 'static,
    ) -> Socket {
        let (frames, waiting) = mpsc::unbounded_channel();
        let buffered = Arc::new(AtomicUsize::new(0));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let (url, left) = (url.to_owned(), Arc::clone(&buffered));
        let task = tokio::spawn(async move {
            let (code, reason) = match run(&url, connector, waiting, &left, &tell).await {
                Ok(closed) => closed,
                Err(error) => (NO_CLOSE_FRAME, error.to_string()),
            };
            tell(SocketEvent::Closed { code, reason });
        });
        Socket {
            frames,
            buffered,
            task: Some(task.abort_handle()),
        }
    }
}

impl Socket {
    /// Sends a text frame; what a socket that is not open any more is given is lost, as its close tells.
    pub(crate) fn send(&self, text: String) {
        self.buffered.fetch_add(text.len(), Ordering::Relaxed);
        // A socket whose task has ended has told so.
        let _ = self.frames.send(text);
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Closes the socket once what was given to it is sent. Its close is told as usual.
    pub(crate) fn finish(mut self) {
        self.task = None;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

type Stream = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The life of a socket; how it was closed is returned.
async fn run(
    url: &str,
    connector: Connector,
    mut waiting: UnboundedReceiver<String>,
    buffered: &AtomicUsize,
    tell: &impl Fn(SocketEvent),
) -> Result<(u16, String), tungstenite::Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * DEFAULT_MAX_MESSAGE_BYTES))
        .max_frame_size(Some(2 * DEFAULT_MAX_MESSAGE_BYTES));
    let (mut stream, _): (Stream, _) =
        connect_async_tls_with_config(url, Some(config), true, Some(connector)).await?;
    tell(SocketEvent::Open);
    loop {
        tokio::select! {
            frame = waiting.recv() => match frame {
                Some(text) => {
                    let len = text.len();
                    stream.send(Message::text(text)).await?;
                    buffered.fetch_sub(len, Ordering::Relaxed);
                }
                None => {
                    stream.close(None).await?;
                    return Ok((NO_CLOSE_FRAME, String::new()));
                }
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => tell(SocketEvent::Text(text.as_str().to_owned())),
                Some(Ok(Message::Close(frame))) => {
                    // The library has answered already.
                    let closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    return Ok(closed.unwrap_or((NO_CLOSE_FRAME, String::new())));
                }
                // Binary frames are no part of the protocol; pings are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok((NO_CLOSE_FRAME, String::new())),
            },
        }
    }
}
