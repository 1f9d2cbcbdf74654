//! A server on a free port, and peers that talk to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use signaling_server::{Config, RunError, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Long enough that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that has to happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
}

impl Server {
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let config = Config::try_parse_from([&["signaling-server"], flags].concat()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(listener, config, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop,
            task,
        }
    }

    /// A WebSocket at a path of the server.
    pub(crate) async fn connect(&self, path: &str) -> Peer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        let (socket, _) = soon("the handshake", client_async(url, stream))
            .await
            .unwrap();
        Peer { socket }
    }

    /// A peer that has joined the default room, and has read its peer list.
    pub(crate) async fn join(&self, agent: &str) -> Peer {
        let mut peer = self.connect("/").await;
        peer.send(json!({"type":"join","agentId":agent})).await;
        assert_eq!(peer.receive().await["type"], "peer_list");
        peer
    }

    /// Sends a request as it is written and returns the whole answer.
    pub(crate) async fn raw(&self, request: &str) -> String {
        self.raw_bytes(request.as_bytes()).await
    }

    /// The same, for what is not text.
    pub(crate) async fn raw_bytes(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        soon("the answer", stream.read_to_end(&mut answer))
            .await
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Gets a path over HTTP: status, head, body.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> (u16, String, String) {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        self.ask(&request).await
    }

    /// Sends a request that closes its connection: status, head, body.
    pub(crate) async fn ask(&self, request: &str) -> (u16, String, String) {
        let request = request.replacen("connection: Upgrade", "connection: Upgrade, close", 1);
        let answer = self.raw(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Sends a handshake as it is written: the status, and the stream, to be kept or dropped.
    pub(crate) async fn half_open(&self, handshake: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the answer", stream.read_u8()).await.unwrap());
        }
        let status = String::from_utf8_lossy(&head)
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned();
        (status, stream)
    }

    pub(crate) async fn status_of(&self, handshake: &str) -> String {
        self.half_open(handshake).await.0
    }

    /// The value of a metric, by its name and labels as they are written; 0 where it is missing.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (status, _, text) = self.get("/metrics", "").await;
        assert_eq!(status, 200);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until the server ends by itself.
    pub(crate) async fn result(self) -> Result<(), RunError> {
        soon("the server's end", self.task).await.unwrap()
    }

    /// Has the server end, and waits until it did.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        soon("the server's end", self.task).await.unwrap().unwrap();
    }
}

/// A folder of its own, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "signaling-server-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Peer {
    /// A peer over a stream on which the handshake was made by hand.
    pub(crate) async fn over(stream: TcpStream) -> Self {
        let config = Some(WebSocketConfig::default());
        Self {
            socket: WebSocketStream::from_raw_socket(stream, Role::Client, config).await,
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        soon("room to send", self.socket.send(Message::text(text)))
            .await
            .unwrap();
    }

    /// The next text frame, as it came.
    pub(crate) async fn receive_text(&mut self) -> String {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    pub(crate) async fn receive(&mut self) -> Value {
        serde_json::from_str(&self.receive_text().await).unwrap()
    }

    /// Sends to a server that may have closed the socket already.
    pub(crate) async fn try_send(&mut self, message: Value) {
        let _ = soon(
            "room to send",
            self.socket.send(Message::text(message.to_string())),
        )
        .await;
    }

    /// The next text frame, or `None` once the socket is closed.
    pub(crate) async fn try_receive(&mut self) -> Option<Value> {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code of the next message, which has to be an error.
    pub(crate) async fn receive_error(&mut self) -> String {
        let message = self.receive().await;
        assert_eq!(message["type"], "error", "{message}");
        assert!(!message["message"].as_str().unwrap().is_empty());
        message["code"].as_str().unwrap().to_owned()
    }

    /// Asserts that nothing is on its way: the server answers in order, so what came before the
    /// answer to a ping would be read first.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(json!({"type":"ping"})).await;
        assert_eq!(self.receive().await, json!({"type":"pong"}));
    }

    /// Reads on to the close frame: its code and reason.
    pub(crate) async fn closed_with(&mut self) -> (u16, String) {
        loop {
            match soon("the close", self.socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) | None => panic!("closed without a code"),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("broke without a close frame: {error}"),
            }
        }
    }

    pub(crate) async fn close(mut self) {
        soon("the close", self.socket.close(None)).await.unwrap();
    }
}

/// A client joins at `one` and loses its socket: at `two` nobody else gets its agent id for a while, and the
/// client itself does.
pub(crate) async fn an_id_is_kept_for_its_client(one: &Server, two: &Server) {
    let mut bob = one.join("bob").await;
    let mut alice = one.connect("/").await;
    let join = |secret| json!({"type":"join","agentId":"alice","session":secret});
    alice.send(join("s3cret")).await;
    alice.receive().await;
    assert_eq!(bob.receive().await["type"], "peer_joined");
    // Dropped without a close frame, as when a network fails.
    drop(alice);
    assert_eq!(bob.receive().await["type"], "peer_left");
    let mut other = two.connect("/").await;
    other.send(join("guess")).await;
    assert_eq!(other.receive_error().await, "agent_id_taken");
    other.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(other.receive_error().await, "agent_id_taken");
    let mut back = two.connect("/").await;
    back.send(join("s3cret")).await;
    assert_eq!(back.receive().await["peers"], json!(["bob"]));
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_joined","peerId":"alice"})
    );
    // A client that closes its socket gives its id up.
    back.close().await;
    assert_eq!(bob.receive().await["type"], "peer_left");
    other.send(join("guess")).await;
    assert_eq!(other.receive().await["type"], "peer_list");
}
