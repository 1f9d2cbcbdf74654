//! Clients of the signaling protocol whose networks break WebSockets: an HTTP client that knows nothing of this
//! server's code.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{Server, soon};

const PATH: &str = "/sse/garden";

/// An answer of which the body has not been read.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Answer {
    async fn json(mut self) -> Value {
        let body = soon("the body", (&mut self.body).collect()).await.unwrap();
        serde_json::from_slice(&body.to_bytes()).unwrap()
    }
}

async fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let response = soon("the answer", sender.send_request(request))
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap().to_owned();
        (name.to_string(), value)
    });
    Answer {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body,
        connection,
    }
}

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// An event stream that is being read.
pub(crate) struct Stream {
    answer: Answer,
    text: String,
    comments: usize,
}

impl Stream {
    /// The next event; `None` once the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let mut event = Event::default();
                let mut data: Vec<&str> = Vec::new();
                for line in block.lines() {
                    let (field, value) = line.split_once(':').unwrap();
                    let value = value.strip_prefix(' ').unwrap_or(value);
                    match field {
                        "" => self.comments += 1,
                        "id" => event.id = value.to_owned(),
                        "event" => event.kind = value.to_owned(),
                        "data" => data.push(value),
                        "retry" => assert!(value.parse::<u32>().unwrap() > 0),
                        other => panic!("the field {other:?} in {block:?}"),
                    }
                }
                event.data = data.join("\n");
                if event != Event::default() {
                    return Some(event);
                }
            }
            let frame = soon("an event", self.answer.body.frame()).await?;
            let Ok(data) = frame.ok()?.into_data() else {
                continue;
            };
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    pub(crate) async fn message(&mut self) -> Value {
        let event = self.next().await.expect("a message, not the end");
        assert_eq!(event.kind, "", "{event:?}");
        event.json()
    }

    /// The number of the close event, and the end of the stream after it.
    pub(crate) async fn closed_with(&mut self) -> Value {
        let close = loop {
            let event = self.next().await.expect("a close event before the end");
            if event.kind == "close" {
                break event.json();
            }
        };
        assert_eq!(self.next().await, None);
        close["code"].clone()
    }
}

/// A client with an event stream.
pub(crate) struct Client {
    server: SocketAddr,
    headers: Vec<(&'static str, &'static str)>,
    secret: String,
    pub(crate) stream: Stream,
}

async fn get(server: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    ask(server, "GET", PATH, headers, "").await
}

impl Client {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::open_with(server, &[]).await
    }

    async fn open_with(server: &Server, headers: &[(&'static str, &'static str)]) -> Self {
        Self::open_at(server.address, headers).await
    }

    pub(crate) async fn open_at(
        server: SocketAddr,
        headers: &[(&'static str, &'static str)],
    ) -> Self {
        let answer = get(server, headers).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let mut stream = Stream {
            answer,
            text: String::new(),
            comments: 0,
        };
        let first = stream.next().await.unwrap();
        assert_eq!(first.kind, "session");
        let secret = first.json()["session"].as_str().unwrap().to_owned();
        assert_eq!((first.id, secret.len()), (format!("{secret}.0"), 22));
        Self {
            server,
            headers: headers.to_vec(),
            secret,
            stream,
        }
    }

    async fn join(server: &Server, agent: &str) -> Self {
        let mut client = Self::open(server).await;
        let taken = client.post(&[json!({"type":"join","agentId":agent})]).await;
        assert_eq!(taken, (200, json!({"taken":1})));
        assert_eq!(client.stream.message().await["type"], "peer_list");
        client
    }

    pub(crate) async fn post(&self, messages: &[Value]) -> (u16, Value) {
        self.post_with(json!({}), messages).await
    }

    /// The same, with more in the first line.
    async fn post_with(&self, mut head: Value, messages: &[Value]) -> (u16, Value) {
        head["session"] = self.secret.clone().into();
        let lines = messages.iter().map(|message| format!("\n{message}"));
        self.post_text(&format!("{head}{}", lines.collect::<String>()))
            .await
    }

    async fn post_text(&self, body: &str) -> (u16, Value) {
        let answer = ask(self.server, "POST", PATH, &self.headers, body).await;
        (answer.status, answer.json().await)
    }

    /// Asks for the events after one: the answer's status, and the new stream.
    async fn resume(&self, after: u64) -> Result<Stream, (u16, Value)> {
        let id = format!("{}.{after}", self.secret);
        let answer = get(self.server, &[("last-event-id", &id)]).await;
        match answer.status {
            200 => Ok(Stream {
                answer,
                text: String::new(),
                comments: 0,
            }),
            status => Err((status, answer.json().await)),
        }
    }
}

fn relay(to: &str, payload: &str) -> Value {
    json!({"type":"relay","to":to,"payload":payload})
}

#[tokio::test]
async fn a_client_meets_those_with_websockets() {
    let server = Server::start(&[]).await;
    let mut alice = Client::open(&server).await;
    // Several messages in one body, in order: the second needs the first.
    let lines = [
        json!({"type":"join","agentId":"alice"}),
        json!({"type":"ping"}),
    ];
    assert_eq!(alice.post(&lines).await, (200, json!({"taken":2})));
    assert_eq!(alice.stream.message().await["peers"], json!([]));
    assert_eq!(alice.stream.message().await, json!({"type":"pong"}));

    let mut bob = server.connect("/ws/garden").await;
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    assert_eq!(bob.receive().await["peers"], json!(["alice"]));
    let joined = json!({"type":"peer_joined","peerId":"bob"});
    assert_eq!(alice.stream.message().await, joined);

    // A message over several lines is the same message.
    bob.send_text("{\"type\":\"offer\",\n \"to\":\"alice\",\r\n\"offer\":{\"sdp\":\"v=0\"}}")
        .await;
    let offer = json!({"type":"offer","to":"alice","from":"bob","offer":{"sdp":"v=0"}});
    assert_eq!(alice.stream.message().await, offer);
    let answer = json!({"type":"answer","to":"bob","answer":{"sdp":"v=1"}});
    let candidate = json!({"type":"ice_candidate","to":"bob","candidate":null});
    alice.post(&[answer, candidate]).await;
    assert_eq!(bob.receive().await["answer"]["sdp"], "v=1");
    assert_eq!(bob.receive().await["type"], "ice_candidate");
    alice.post(&[relay("bob", "up")]).await;
    assert_eq!(bob.receive().await["payload"], "up");
    bob.send(relay("alice", "down")).await;
    assert_eq!(alice.stream.message().await["payload"], "down");

    // A client of its own kind.
    let mut carol = Client::join(&server, "carol").await;
    assert_eq!(bob.receive().await["peerId"], "carol");
    assert_eq!(alice.stream.message().await["peerId"], "carol");
    alice.post(&[relay("carol", "here")]).await;
    assert_eq!(carol.stream.message().await["payload"], "here");

    // One that leaves by its last body is gone at once, and its name is free.
    let left = alice.post_with(json!({"close":true}), &[]).await;
    assert_eq!(left.0, 200);
    assert_eq!(alice.stream.next().await, None);
    let gone = json!({"type":"peer_left","peerId":"alice"});
    assert_eq!(bob.receive().await, gone);
    assert_eq!(alice.post(&[]).await.1["code"], "unknown_session");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_sent_twice_is_taken_once() {
    let server = Server::start(&[]).await;
    let alice = Client::join(&server, "alice").await;
    let mut bob = Client::join(&server, "bob").await;
    let numbered = |number: u64| json!({ "number": number });
    let [one, two] = ["one", "two"].map(|text| relay("bob", text));
    for _ in 0..2 {
        let taken = alice
            .post_with(numbered(2), std::slice::from_ref(&one))
            .await;
        assert_eq!(taken, (200, json!({"taken":2})));
    }
    // Of a body that overlaps, what is new is taken.
    let taken = alice.post_with(numbered(2), &[one, two]).await;
    assert_eq!(taken, (200, json!({"taken":3})));
    let (status, refused) = alice.post_with(numbered(5), &[relay("bob", "late")]).await;
    assert_eq!((status, &refused["code"]), (409, &json!("message_gap")));
    alice.post(&[relay("bob", "end")]).await;
    for expected in ["one", "two", "end"] {
        assert_eq!(bob.stream.message().await["payload"], expected);
    }
}

#[tokio::test]
async fn a_lost_stream_is_resumed_without_a_gap() {
    let server = Server::start(&[]).await;
    let mut bob = Client::join(&server, "bob").await;
    let mut alice = Client::join(&server, "alice").await;
    assert_eq!(bob.stream.message().await["peerId"], "alice");
    bob.post(&[relay("alice", "first")]).await;
    let seen = alice.stream.next().await.unwrap();
    assert_eq!(seen.id, format!("{}.2", alice.secret));

    // The connection breaks, and what is said meanwhile waits.
    alice.stream.answer.connection.abort();
    bob.post(&[relay("alice", "second"), relay("alice", "third")])
        .await;
    alice.stream = alice.resume(2).await.unwrap();
    assert_eq!(alice.stream.message().await["payload"], "second");
    assert_eq!(alice.stream.message().await["payload"], "third");

    // A second stream takes the place of the first, which ends.
    let mut second = alice.resume(3).await.unwrap();
    assert_eq!(second.message().await["payload"], "third");
    assert_eq!(alice.stream.next().await, None);
    bob.post(&[relay("alice", "fourth")]).await;
    assert_eq!(second.message().await["payload"], "fourth");

    // Who says what it has seen cannot have that again.
    let head = json!({"seen":4});
    assert_eq!(alice.post_with(head, &[]).await.0, 200);
    for (after, words) in [(3, "resume_too_late"), (99, "resume_too_late")] {
        let (status, refused) = alice.resume(after).await.err().unwrap();
        assert_eq!((status, &refused["code"]), (410, &json!(words)));
        assert!(!refused["error"].as_str().unwrap().is_empty());
    }
    // A refused resume leaves the stream as it was, and nobody else may resume it.
    bob.post(&[relay("alice", "fifth")]).await;
    assert_eq!(second.message().await["payload"], "fifth");
    for id in [format!("{}.4", &alice.secret[1..]), "x".to_owned()] {
        let answer = get(server.address, &[("last-event-id", &id)]).await;
        assert_eq!(answer.status, 410);
        assert_eq!(answer.json().await["code"], "unknown_session");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_lost_stream_is_bounded() {
    let server = Server::start(&[]).await;
    let mut alice = Client::join(&server, "alice").await;
    let bob = Client::join(&server, "bob").await;
    assert_eq!(alice.stream.message().await["peerId"], "bob");
    alice.stream.answer.connection.abort();
    let payload = "x".repeat(30_000);
    for _ in 0..4 {
        assert_eq!(bob.post(&[relay("alice", &payload)]).await.0, 200);
    }
    let resumed = alice.resume(2).await;
    assert_eq!(resumed.err().unwrap().1["code"], "resume_too_late");
    let mut rest = alice.resume(4).await.unwrap();
    assert_eq!(rest.message().await["payload"], payload);
}

#[tokio::test]
async fn a_stream_that_is_not_resumed_in_time_is_given_up() {
    let server = Server::start(&["--client-timeout-seconds", "3"]).await;
    let alice = Client::open(&server).await;
    let join = json!({"type":"join","agentId":"alice","session":"s3cret"});
    alice.post(&[join]).await;
    let mut bob = server.connect("/ws/garden").await;
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    assert_eq!(bob.receive().await["peers"], json!(["alice"]));
    alice.stream.answer.connection.abort();
    let gone = json!({"type":"peer_left","peerId":"alice"});
    assert_eq!(bob.receive().await, gone);
    let resumed = alice.resume(1).await;
    assert_eq!(resumed.err().unwrap().1["code"], "unknown_session");
    // Its name is kept for it, as after the loss of a WebSocket.
    let other = Client::open(&server).await;
    other
        .post(&[json!({"type":"join","agentId":"alice"})])
        .await;
    let mut other = other.stream;
    assert_eq!(other.message().await["code"], "agent_id_taken");
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_one_that_answers_is_not() {
    let server = Server::start(&["--client-timeout-seconds", "1"]).await;
    let mut silent = Client::join(&server, "silent").await;
    let mut alive = Client::join(&server, "alive").await;
    let mut closed = false;
    while !closed {
        assert_eq!(alive.post(&[]).await.0, 200);
        closed = server
            .metric(r#"signaling_closes_total{reason="idle_timeout"}"#)
            .await
            > 0.0;
    }
    assert_eq!(silent.stream.closed_with().await, 4004);
    assert_eq!(alive.stream.message().await["peerId"], "silent");
    assert!(alive.stream.comments + silent.stream.comments > 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_the_session_goes_on() {
    let server = Server::start(&["--message-timeout-seconds", "1"]).await;
    let mut alice = Client::join(&server, "alice").await;
    let head = json!({"session": alice.secret});
    for (body, status, code) in [
        (String::new(), 400, "malformed"),
        ("{}\n".to_owned(), 400, "malformed"),
        ("x".repeat(10_000), 400, "malformed"),
        (r#"{"session":"guess"}"#.to_owned(), 410, "unknown_session"),
    ] {
        let (answer, refused) = alice.post_text(&body).await;
        assert_eq!((answer, &refused["code"]), (status, &json!(code)), "{body}");
        assert!(!refused["error"].as_str().unwrap().is_empty());
    }
    // The secret is good at its own address only.
    let answer = ask(
        server.address,
        "POST",
        "/sse/kitchen",
        &[],
        &head.to_string(),
    )
    .await;
    assert_eq!(answer.status, 410);
    // A body that does not come to its end is given up.
    let unfinished = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\nconnection: close\r\n\r\n{head}\n"
    );
    let (status, _, body) = server.ask(&unfinished).await;
    let refused: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &refused["code"]), (408, &json!("message_timeout")));
    assert_eq!(server.metric("signaling_unfinished_bytes").await, 0.0);
    for (method, status) in [("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)] {
        let answer = ask(server.address, method, PATH, &[], "").await;
        assert_eq!(answer.status, status, "{method}");
    }
    // What is no message is answered in the protocol.
    let (status, taken) = alice.post_text(&format!("{head}\nx\n\n{{}}")).await;
    assert_eq!((status, taken), (200, json!({"taken":3})));
    for _ in 0..2 {
        assert_eq!(alice.stream.message().await["code"], "malformed");
    }
    alice.post(&[json!({"type":"ping"})]).await;
    assert_eq!(alice.stream.message().await["type"], "pong");
    // A room that no room may be called is refused by the join.
    let answer = ask(server.address, "GET", "/sse/%00", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn limits_are_those_of_websockets() {
    let server = Server::start(&[
        "--trust-forwarded-for",
        "--max-connections-per-address",
        "2",
        "--max-message-size",
        "1000",
        "--messages-per-second",
        "5",
        "--max-clients-per-room",
        "1",
    ])
    .await;
    let one = [("x-forwarded-for", "192.0.2.1")];
    let mut alice = Client::open_with(&server, &one).await;
    let mut other = Client::open_with(&server, &one).await;
    let third = get(server.address, &one).await;
    assert_eq!(third.status, 429);
    assert!(
        third.json().await["error"]
            .as_str()
            .unwrap()
            .contains("address")
    );
    // The streams of an address take no places of its other requests.
    let joins = ["alice", "bob"].map(|agent| json!({"type":"join","agentId":agent}));
    alice.post(&joins[..1]).await;
    assert_eq!(alice.stream.message().await["type"], "peer_list");
    other.post(&joins[1..]).await;
    assert_eq!(other.stream.message().await["code"], "room_full");

    // Rates: each message too many is refused, then the client is disconnected.
    let pings = vec![json!({"type":"ping"}); 30];
    let (status, refused) = alice.post(&pings).await;
    assert_eq!((status, &refused["code"]), (200, &Value::Null));
    let ended = async { while alice.post(&pings).await.0 == 200 {} };
    soon("the end of the session", ended).await;
    let mut refusals = 0;
    loop {
        let event = alice.stream.next().await.unwrap();
        if event.kind == "close" {
            assert_eq!(event.json(), json!({"code":4003,"reason":"rate_limited"}));
            break;
        }
        refusals += usize::from(event.json()["code"] == "rate_limited");
    }
    assert!(refusals > 1);

    // A message that is too big ends the session, as it does a WebSocket.
    let (status, refused) = other.post(&[json!("x".repeat(2_000))]).await;
    assert_eq!((status, &refused["code"]), (413, &json!("message_too_big")));
    assert_eq!(other.stream.message().await["code"], "message_too_big");
    assert_eq!(other.stream.closed_with().await, 1009);

    // Their places are free.
    let text = Client::open_with(&server, &one).await;
    let head = json!({"session": text.secret}).to_string();
    let body = [head.as_bytes(), b"\n\xFF"].concat();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = server
        .raw_bytes(&[request.as_bytes(), &body].concat())
        .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut text = text.stream;
    assert_eq!(text.closed_with().await, 1007);
}

#[tokio::test]
async fn new_streams_and_resumed_ones_count_as_handshakes() {
    let server = Server::start(&["--trust-forwarded-for", "--handshakes-per-minute", "2"]).await;
    let one = [("x-forwarded-for", "192.0.2.1")];
    let alice = Client::open_with(&server, &one).await;
    let id = format!("{}.0", alice.secret);
    let resume = [("x-forwarded-for", "192.0.2.1"), ("last-event-id", &id)];
    assert_eq!(get(server.address, &resume).await.status, 200);
    assert_eq!(get(server.address, &resume).await.status, 429);
    assert_eq!(get(server.address, &one).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_dropped() {
    let server = Server::start(&["--max-queued-messages", "8"]).await;
    let mut alice = server.connect("/ws/garden").await;
    alice.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(alice.receive().await["type"], "peer_list");
    let slow = Client::open(&server).await;
    slow.post(&[json!({"type":"join","agentId":"slow"})]).await;
    assert_eq!(alice.receive().await["peerId"], "slow");
    // The stream is not read from here on.
    let message = relay("slow", &"x".repeat(500_000));
    let left = async {
        loop {
            alice.send(message.clone()).await;
            alice.send(json!({"type":"ping"})).await;
            let answer = alice.receive().await;
            if answer["type"] != "pong" {
                break answer;
            }
        }
    };
    let left = soon("the end of the slow client", left).await;
    assert_eq!(left, json!({"type":"peer_left","peerId":"slow"}));
    let reason = r#"signaling_closes_total{reason="slow_consumer"}"#;
    assert_eq!(server.metric(reason).await, 1.0);
    assert_eq!(slow.post(&[]).await.0, 410);
}

#[tokio::test]
async fn only_listed_pages_may_use_it() {
    let server = Server::start(&["--allow-origin", "https://a.test"]).await;
    let listed = [("origin", "https://a.test")];
    let alice = Client::open_with(&server, &listed).await;
    let allowed = "access-control-allow-origin";
    assert_eq!(alice.stream.answer.headers[allowed], "https://a.test");
    let head = json!({"session": alice.secret}).to_string();
    let answer = ask(server.address, "POST", PATH, &listed, &head).await;
    assert_eq!(
        (answer.status, &*answer.headers[allowed]),
        (200, "https://a.test")
    );
    // The page may read a refusal, too.
    let answer = ask(server.address, "POST", PATH, &listed, "").await;
    assert_eq!(
        (answer.status, &*answer.headers[allowed]),
        (400, "https://a.test")
    );
    let answer = ask(server.address, "OPTIONS", PATH, &listed, "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.headers["access-control-allow-headers"].contains("last-event-id"));
    assert!(answer.headers["access-control-allow-methods"].contains("POST"));

    let foreign = [("origin", "https://evil.test")];
    for (method, body) in [("GET", ""), ("POST", &*head), ("OPTIONS", "")] {
        let answer = ask(server.address, method, PATH, &foreign, body).await;
        assert_eq!(answer.status, 403, "{method}");
        assert!(!answer.headers.contains_key(allowed));
    }
    let refused = r#"signaling_refusals_total{reason="origin"}"#;
    assert_eq!(server.metric(refused).await, 3.0);
    // Without a list every page may; a client without an origin is no page.
    assert_eq!(get(server.address, &[]).await.status, 200);
}

#[tokio::test]
async fn the_end_of_the_server_is_said() {
    let server = Server::start(&[]).await;
    let Client { mut stream, .. } = Client::join(&server, "alice").await;
    let end = async {
        assert_eq!(stream.message().await["type"], "going_away");
        assert_eq!(stream.closed_with().await, 1001);
    };
    tokio::join!(server.stop(), end);
}
