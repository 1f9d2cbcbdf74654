//! The admin address of the real binary: who may use it, and what it does to a server that runs.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

use crate::event_streams::Client;
use crate::support::{Folder, Peer, soon};

const TOKEN: &str = "an operator's token of thirty-two bytes";

/// The binary, with an admin address.
struct Running {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
    admin: String,
}

impl Running {
    async fn start(flags: &[&str]) -> Self {
        let own = ["--port", "0", "--admin-address", "127.0.0.1:0"];
        let token = flags.contains(&"--admin-token-file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_signaling-server"));
        command.args(own).args(flags).env("RUST_LOG", "info");
        if !token {
            command.env("ADMIN_TOKEN", TOKEN);
        }
        let mut process = command
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut running = Self {
            process,
            log,
            address: String::new(),
            admin: String::new(),
        };
        let line = running.line_with("listening on ").await;
        running.address = line.rsplit_once("://").unwrap().1.trim().to_owned();
        let line = running.line_with("the operator is served at ").await;
        running.admin = line.rsplit_once("://").unwrap().1.trim().to_owned();
        running
    }

    /// The next line of the log with these words.
    async fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = soon("a line of the log", self.log.next_line()).await;
            let line = line.unwrap().expect("the log goes on");
            if line.contains(words) {
                return line;
            }
        }
    }

    async fn connect(&self, path: &str) -> Peer {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        let handshake = tokio_tungstenite::client_async(url, stream);
        let (socket, _) = soon("the handshake", handshake).await.unwrap();
        Peer { socket }
    }

    async fn join(&self, room: &str, agent: &str) -> Peer {
        let mut peer = self.connect(&format!("/ws/{room}")).await;
        peer.send(json!({"type":"join","agentId":agent})).await;
        assert_eq!(peer.receive().await["type"], "peer_list");
        peer
    }

    /// A request to the admin address: status and body.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, String) {
        let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n{body}",
            body.len(),
            bearer.unwrap_or_default()
        );
        http(&self.admin, &request).await
    }

    /// A command that is to succeed, and what it prints.
    async fn command(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments, TOKEN).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command that is to fail, and its words.
    async fn refused(&self, arguments: &[&str], token: &str) -> String {
        let output = self.output(arguments, token).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    async fn output(&self, arguments: &[&str], token: &str) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .args(arguments)
            .env("ADMIN_URL", format!("http://{}", self.admin))
            .env("ADMIN_TOKEN", token)
            .output();
        soon("the command", output).await.unwrap()
    }

    async fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args([name, &id]).status().await;
        assert!(sent.unwrap().success());
    }
}

async fn http(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("the answer", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

async fn write(peer: &mut Peer, payloads: &[&str]) {
    for payload in payloads {
        peer.send(json!({"type":"log_append","payload":payload}))
            .await;
        assert_eq!(peer.receive().await["type"], "log_ack");
    }
}

async fn payloads(peer: &mut Peer) -> Vec<Value> {
    peer.send(json!({"type":"log_read"})).await;
    let page = peer.receive().await;
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["payload"].clone()).collect()
}

#[tokio::test]
async fn every_request_shows_the_token_and_figures_are_nowhere_else() {
    let running = Running::start(&[]).await;
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/stats"),
        ("GET", "/clients"),
        ("GET", "/logs"),
        ("GET", "/backup"),
        ("POST", "/kick"),
        ("POST", "/drain"),
        ("POST", "/delete"),
        ("GET", "/nothing"),
    ] {
        for token in [
            None,
            Some(""),
            Some(&TOKEN[1..]),
            Some("another token of thirty-two bytes!"),
        ] {
            let (status, body) = running.ask(method, path, token, "{}").await;
            assert_eq!(status, 401, "{path} {token:?}");
            assert!(body.contains("error"), "{body}");
        }
    }
    let ask = async |method, path, body| running.ask(method, path, Some(TOKEN), body).await;
    let (status, text) = ask("GET", "/metrics", "").await;
    assert!(
        status == 200 && text.contains("signaling_build_info"),
        "{text}"
    );
    let (status, text) = ask("GET", "/stats", "").await;
    assert!(status == 200 && text.contains("max_rooms"), "{text}");
    for (method, path, body, expected) in [
        ("POST", "/metrics", "", 405),
        ("GET", "/drain", "", 405),
        ("GET", "/nothing", "", 404),
        ("POST", "/kick", "{}", 400),
        ("POST", "/kick", r#"{"romm":"x"}"#, 400),
        ("POST", "/kick", "nonsense", 400),
        // There is no store.
        ("GET", "/logs", "", 409),
        ("GET", "/backup", "", 409),
    ] {
        let (status, text) = ask(method, path, body).await;
        assert_eq!(status, expected, "{path} {body}");
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"].is_string());
    }
    // Everybody's address has no figures, and no operator's requests.
    for path in ["/metrics", "/stats", "/clients", "/logs", "/backup"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
        );
        assert_eq!(http(&running.address, &request).await.0, 404, "{path}");
    }
    let ready = "GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(http(&running.address, ready).await.0, 200);
}

#[tokio::test]
async fn an_admin_address_without_a_token_is_refused_at_the_start() {
    for (flag, value, missing) in [
        ("--admin-address", "127.0.0.1:0", "--admin-token"),
        ("--admin-token", TOKEN, "--admin-address"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .args(["--port", "0", flag, value])
            .output();
        let output = soon("the end", output).await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains(missing) && !words.contains(TOKEN), "{words}");
    }
}

#[tokio::test]
async fn logs_are_looked_after_while_the_server_runs() {
    let folder = Folder::new();
    let store = folder.path().join("logs").display().to_string();
    let running = Running::start(&["--store", &store]).await;
    let mut alice = running.join("garden", "alice").await;
    write(&mut alice, &["AAEC", "/+7d"]).await;
    let mut bob = running.join("kitchen", "bob").await;
    write(&mut bob, &["AA=="]).await;

    let listed = running.command(&["rooms", "list"]).await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!((lines[0][1], lines[0][3]), ("2", "room/garden"));
    assert_eq!((lines[1][1], lines[1][3]), ("1", "room/kitchen"));
    let shown = running.command(&["rooms", "show", "room/garden"]).await;
    assert!(shown.contains("entries\t2\n"), "{shown}");
    let exported = running.command(&["rooms", "export", "room/garden"]).await;
    assert_eq!(
        exported,
        "{\"payload\":\"AAEC\",\"seq\":1}\n{\"payload\":\"/+7d\",\"seq\":2}\n"
    );
    let compacted = running.command(&["rooms", "compact"]).await;
    assert!(compacted.contains("bytes before"), "{compacted}");

    // All or none, and the server goes on with what is left.
    let unknown = ["rooms", "delete", "room/garden", "room/cellar"];
    let words = running.refused(&unknown, TOKEN).await;
    assert!(words.contains("room/cellar"), "{words}");
    assert_eq!(payloads(&mut alice).await, ["AAEC", "/+7d"]);
    let wrong = &TOKEN[1..];
    assert!(
        running
            .refused(&["rooms", "list"], wrong)
            .await
            .contains("token")
    );
    running.command(&["rooms", "delete", "room/garden"]).await;
    assert_eq!(payloads(&mut alice).await, [Value::Null; 0]);
    assert_eq!(payloads(&mut bob).await, ["AA=="]);
    write(&mut alice, &["AQ=="]).await;
    assert_eq!(payloads(&mut alice).await, ["AQ=="]);
}

/// A backup has what was acknowledged when it was asked for, and a store takes it whole or not at all.
#[tokio::test]
async fn a_backup_is_made_while_the_server_runs_and_restored() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let running = Running::start(&["--store", &path("logs")]).await;
    let mut alice = running.join("garden", "alice").await;
    write(&mut alice, &["AAEC", "/+7d", "AQ=="]).await;
    let snapshot = json!({"type":"log_snapshot","base":0,"upto":2,"payload":"Ag=="});
    alice.send(snapshot).await;
    assert_eq!(alice.receive().await["type"], "log_ack");
    let backup = running.command(&["rooms", "backup"]).await;
    write(&mut alice, &["BBBB"]).await;
    assert_eq!(backup.lines().count(), 5, "{backup}");

    let restore = async |store: &str, backup: &str| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .args(["rooms", "restore", "--store", store])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = process.stdin.take().unwrap();
        // A command that refuses may be gone before it has read all of it.
        let _ = input.write_all(backup.as_bytes()).await;
        drop(input);
        soon("the command", process.wait_with_output())
            .await
            .unwrap()
    };
    // Damage is found out, and nothing of it is kept.
    let lines: Vec<&str> = backup.lines().collect();
    let damaged = [
        lines[..4].join("\n"),
        [lines[0], lines[1], lines[3], lines[4]].join("\n"),
        backup.replace("AQ==", "AA=="),
        backup.replace("\"last\":3", "\"last\":4"),
        format!("{backup}{}", lines[4]),
        lines[1..].join("\n"),
        "nonsense".to_owned(),
        String::new(),
    ];
    for (index, damaged) in damaged.iter().enumerate() {
        let store = path(&format!("damaged{index}"));
        let output = restore(&store, damaged).await;
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{damaged}");
        assert!(words.contains("backup"), "{words}");
        let restored = restore(&store, &backup).await;
        assert!(restored.status.success(), "{index}");
    }
    let again = restore(&path("damaged0"), &backup).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("has logs"));

    let other = Running::start(&["--store", &path("damaged0")]).await;
    assert_eq!(other.command(&["rooms", "backup"]).await, backup);
    let mut bob = other.join("garden", "bob").await;
    assert_eq!(payloads(&mut bob).await, ["Ag==", "AQ=="]);
}

#[tokio::test]
async fn clients_are_listed_and_closed_by_room_agent_and_address() {
    let running = Running::start(&["--trust-forwarded-for"]).await;
    let mut alice = running.join("garden", "alice").await;
    let mut bob = running.join("garden", "bob").await;
    let mut carol = running.join("kitchen", "carol").await;
    let mut yjs = running.connect("/yjs/garden").await;
    alice.receive().await;
    let listed = running.command(&["clients"]).await;
    let listed: Vec<Value> = listed
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(listed.len(), 4);
    let of_bob = json!([{"dialect":"signaling","room":"garden","agent":"bob"}]);
    assert_eq!(listed[1]["rooms"], of_bob);
    assert_eq!(
        listed[3]["rooms"],
        json!([{"dialect":"yjs","room":"garden"}])
    );

    let kicked = running
        .command(&["kick", "--room", "garden", "--agent", "bob"])
        .await;
    assert_eq!(kicked, "1 clients were closed\n");
    assert_eq!(bob.closed_with().await, (4006, "refused".to_owned()));
    assert_eq!(alice.receive().await["type"], "peer_left");
    let kicked = running.command(&["kick", "--room", "garden"]).await;
    assert_eq!(kicked, "2 clients were closed\n");
    assert_eq!(alice.closed_with().await.0, 4006);
    assert_eq!(yjs.closed_with().await.0, 4006);
    let kicked = running.command(&["kick", "--address", "192.0.2.1"]).await;
    assert_eq!(kicked, "0 clients were closed\n");
    let kicked = running.command(&["kick", "--address", "127.0.0.1"]).await;
    assert_eq!(kicked, "1 clients were closed\n");
    assert_eq!(carol.closed_with().await.0, 4006);
    let words = running.refused(&["kick"], TOKEN).await;
    assert!(words.contains("name a room"), "{words}");
}

#[tokio::test]
async fn clients_with_event_streams_are_kicked_with_a_stream_or_without_and_drained() {
    let running = Running::start(&[]).await;
    let address = running.address.parse().unwrap();
    let mut clients = Vec::new();
    for agent in ["ann", "ben", "cid"] {
        let mut client = Client::open_at(address, &[]).await;
        client.post(&[json!({"type":"join","agentId":agent})]).await;
        assert_eq!(client.stream.message().await["type"], "peer_list");
        clients.push(client);
    }
    let [mut ann, ben, mut cid]: [Client; 3] = clients.try_into().ok().unwrap();
    let listed = running.command(&["clients"]).await;
    assert_eq!(listed.matches(r#""room":"garden""#).count(), 3, "{listed}");
    let Client { stream, .. } = ben;
    drop(stream);
    for agent in ["ann", "ben"] {
        let kicked = running.command(&["kick", "--agent", agent]).await;
        assert_eq!(kicked, "1 clients were closed\n");
    }
    assert_eq!(ann.stream.closed_with().await, 4006);
    for gone in ["ann", "ben"] {
        while cid.stream.message().await != json!({"type":"peer_left","peerId":gone}) {}
    }
    running.command(&["drain"]).await;
    assert_eq!(cid.stream.message().await["type"], "going_away");
    assert_eq!(cid.stream.closed_with().await, 1001);
}

#[tokio::test]
async fn a_drained_server_sends_its_clients_away_and_takes_no_more() {
    let running = Running::start(&[]).await;
    let mut alice = running.join("garden", "alice").await;
    running.command(&["drain"]).await;
    assert_eq!(alice.receive().await["type"], "going_away");
    assert_eq!(alice.closed_with().await.0, 1001);
    for path in ["/ready", "/ws"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, close\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(http(&running.address, &request).await.0, 503, "{path}");
    }
    // The operator is still served, and may say it again.
    running.command(&["drain"]).await;
    let (status, _) = running.ask("GET", "/metrics", Some(TOKEN), "").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn secrets_are_read_again_when_told_and_bad_files_keep_the_old_ones() {
    const OTHER: &str = "another token of thirty-two bytes!";
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("admin"), TOKEN).unwrap();
    std::fs::write(path("join"), crate::tokens::SECRET).unwrap();
    let (admin, join) = (path("admin"), path("join"));
    let flags = ["--admin-token-file", &admin, "--token-secret-file", &join];
    let mut running = Running::start(&flags).await;
    let joins = async |running: &Running| {
        let token = crate::tokens::token("garden", "write", 60);
        let mut peer = running.connect("/ws/garden").await;
        peer.send(json!({"type":"join","agentId":"alice","token":token}))
            .await;
        peer.receive().await["type"] == "peer_list"
    };
    let status =
        async |running: &Running, token| running.ask("GET", "/stats", Some(token), "").await.0;
    assert!(joins(&running).await);

    // Both files are bad: too short, and gone.
    std::fs::write(path("admin"), "short").unwrap();
    std::fs::remove_file(path("join")).unwrap();
    running.signal("-HUP").await;
    let line = running.line_with("join tokens in use stay").await;
    assert!(line.contains(&join), "{line}");
    let line = running.line_with("admin address in use stay").await;
    assert!(line.contains(&admin) && line.contains("32 bytes"), "{line}");
    assert!(joins(&running).await);
    assert_eq!(status(&running, TOKEN).await, 200);

    std::fs::write(path("admin"), OTHER).unwrap();
    std::fs::write(path("join"), OTHER).unwrap();
    running.signal("-HUP").await;
    let line = running.line_with("join tokens again").await;
    assert!(!line.contains(OTHER), "{line}");
    running.line_with("admin address again").await;
    assert!(!joins(&running).await);
    assert_eq!(status(&running, TOKEN).await, 401);
    assert_eq!(status(&running, OTHER).await, 200);
}
