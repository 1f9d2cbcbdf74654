//! One WebSocket to a signaling server, as a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crdt_room::{SocketEvent, SocketId};
use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore};
use signaling_protocol::limits::DEFAULT_MAX_MESSAGE_BYTES;
use tokio::sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

/// The number of a close for which the other side gave none.
const NO_CLOSE_FRAME: u16 = 1006;

/// How long a server may take to accept a socket. Rooms have given up by then.
const CONNECT: Duration = Duration::from_secs(15);

/// No server sends more in one message.
const MAX_MESSAGE_BYTES: usize = 2 * DEFAULT_MAX_MESSAGE_BYTES;

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
    task: JoinHandle<()>,
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

    /// Opens a socket. What happens to it is reported under its number.
    pub(crate) fn open(
        &self,
        socket: SocketId,
        url: &str,
        reports: Sender<(SocketId, SocketEvent)>,
    ) -> Socket {
        let (frames, waiting) = mpsc::unbounded_channel();
        let buffered = Arc::new(AtomicUsize::new(0));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let (url, left) = (url.to_owned(), Arc::clone(&buffered));
        let reporter = Reporter { socket, reports };
        let task = tokio::spawn(async move {
            let ended = match run(&url, connector, waiting, &left, &reporter).await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::debug!("the socket to {url} failed: {error}");
                    let (code, reason) = (NO_CLOSE_FRAME, error.to_string());
                    SocketEvent::Closed { code, reason }
                }
            };
            reporter.report(ended).await;
        });
        Socket {
            frames,
            buffered,
            task,
        }
    }
}

impl Socket {
    /// Sends a text frame; what a socket that is not open any more is given is lost, as its close tells.
    pub(crate) fn send(&self, text: String) {
        self.buffered.fetch_add(text.len(), Ordering::Relaxed);
        // A socket whose task has ended has reported so.
        let _ = self.frames.send(text);
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Closes the socket, and returns the task that sends what was given to it before.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.task
    }
}

/// Where a socket reports to.
#[derive(Debug)]
struct Reporter {
    socket: SocketId,
    reports: Sender<(SocketId, SocketEvent)>,
}

impl Reporter {
    async fn report(&self, event: SocketEvent) {
        // Nobody listens any more where the owner is about to end.
        let _ = self.reports.send((self.socket, event)).await;
    }
}

type Stream = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The life of a socket; how it ended is returned.
async fn run(
    url: &str,
    connector: Connector,
    mut waiting: UnboundedReceiver<String>,
    buffered: &AtomicUsize,
    reporter: &Reporter,
) -> Result<SocketEvent, tungstenite::Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let connecting = connect_async_tls_with_config(url, Some(config), true, Some(connector));
    let connected = timeout(CONNECT, connecting).await;
    let connected = connected.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?;
    let (mut stream, _): (Stream, _) = match connected {
        Err(tungstenite::Error::Url(error)) => {
            let reason = error.to_string();
            return Ok(SocketEvent::Refused { reason });
        }
        connected => connected?,
    };
    reporter.report(SocketEvent::Opened).await;
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
                    return Ok(closed(None));
                }
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let text = text.as_str().to_owned();
                    reporter.report(SocketEvent::Text(text)).await;
                }
                // The library has answered already.
                Some(Ok(Message::Close(frame))) => return Ok(closed(frame)),
                // Binary frames are no part of the protocol; pings are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(closed(None)),
            },
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> SocketEvent {
    match frame {
        Some(frame) => SocketEvent::Closed {
            code: frame.code.into(),
            reason: frame.reason.to_string(),
        },
        None => SocketEvent::Closed {
            code: NO_CLOSE_FRAME,
            reason: String::new(),
        },
    }
}
