//! The room's log over the wire, and what becomes of it when the server ends, cleanly or not.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::client_async;

use crate::support::{Folder, Peer, Server, soon};

const BINARY: &str = env!("CARGO_BIN_EXE_signaling-server");

/// The payloads and numbers of a whole log, read page by page.
pub(crate) async fn read(peer: &mut Peer) -> Vec<(u64, String)> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        peer.send(json!({"type":"log_read","after":after})).await;
        let page = peer.receive().await;
        assert_eq!(page["type"], "log_entries", "{page}");
        for entry in page["entries"].as_array().unwrap() {
            after = entry["seq"].as_u64().unwrap();
            entries.push((after, entry["payload"].as_str().unwrap().to_owned()));
        }
        if page["more"] == false {
            return entries;
        }
    }
}

#[tokio::test]
async fn without_a_store_there_is_no_log() {
    let server = Server::start(&[]).await;
    let mut alice = server.join("alice").await;
    alice
        .send(json!({"type":"log_append","payload":"AA==","id":1}))
        .await;
    let error = alice.receive().await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("no_log"), &json!(1))
    );
    alice.send(json!({"type":"log_read"})).await;
    assert_eq!(alice.receive_error().await, "no_log");
}

#[tokio::test]
async fn who_comes_when_nobody_is_there_still_gets_the_log() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = ["--store", store.to_str().unwrap()];
    let server = Server::start(&flags).await;
    let mut alice = server.connect("/ws/garden").await;
    alice.send(json!({"type":"log_read"})).await;
    assert_eq!(alice.receive_error().await, "not_joined");
    alice.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_list","peers":[],"log":true})
    );
    for (id, payload) in [(10, "AAEC"), (11, "/+7d"), (12, "")] {
        alice
            .send(json!({"type":"log_append","payload":payload,"id":id}))
            .await;
        assert_eq!(
            alice.receive().await,
            json!({"type":"log_ack","seq":id - 9,"id":id})
        );
    }
    alice
        .send(json!({"type":"log_append","payload":"not base64!","id":13}))
        .await;
    let error = alice.receive().await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("malformed"), &json!(13))
    );
    alice.close().await;
    server.stop().await;

    let server = Server::start(&flags).await;
    let mut bob = server.connect("/ws/garden").await;
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    bob.receive().await;
    let kept = [
        (1, "AAEC".to_owned()),
        (2, "/+7d".to_owned()),
        (3, String::new()),
    ];
    assert_eq!(read(&mut bob).await, kept);
    // Another room has another log.
    let mut carol = server.join("carol").await;
    assert_eq!(read(&mut carol).await, []);
}

#[tokio::test]
async fn of_two_snapshots_at_once_the_second_is_refused_and_nothing_is_lost() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let server = Server::start(&["--store", store.to_str().unwrap()]).await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    alice.receive().await;
    for payload in ["AA==", "AQ==", "Ag=="] {
        alice
            .send(json!({"type":"log_append","payload":payload}))
            .await;
        alice.receive().await;
    }
    alice
        .send(json!({"type":"log_snapshot","base":0,"upto":2,"payload":"AAE=","id":1}))
        .await;
    assert_eq!(
        alice.receive().await,
        json!({"type":"log_ack","seq":2,"id":1})
    );
    bob.send(json!({"type":"log_snapshot","base":0,"upto":3,"payload":"////","id":2}))
        .await;
    let error = bob.receive().await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("log_conflict"), &json!(2))
    );
    assert_eq!(
        read(&mut bob).await,
        [(2, "AAE=".to_owned()), (3, "Ag==".to_owned())]
    );
}

#[tokio::test]
async fn quotas_refuse_and_long_logs_come_in_pages() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = [
        "--store",
        store.to_str().unwrap(),
        "--store-room-bytes",
        "1000000",
    ];
    let server = Server::start(&flags).await;
    let mut alice = server.join("alice").await;
    let payload = "A".repeat(300_000);
    for _ in 0..4 {
        alice
            .send(json!({"type":"log_append","payload":payload}))
            .await;
        assert_eq!(alice.receive().await["type"], "log_ack");
    }
    alice
        .send(json!({"type":"log_append","payload":payload}))
        .await;
    assert_eq!(alice.receive_error().await, "quota_exceeded");
    alice.send(json!({"type":"log_read"})).await;
    let page = alice.receive().await;
    assert_eq!((&page["more"], &page["last"]), (&json!(true), &json!(4)));
    assert_eq!(read(&mut alice).await.len(), 4);
}

/// Runs the binary with a store: the process, its address, and a peer.
async fn binary(store: &Path) -> (Child, String, Peer) {
    start(Command::new(BINARY), store).await
}

/// The same where no file may grow beyond 8 MiB, which is how a full disk looks to the server.
async fn binary_on_a_small_disk(store: &Path) -> (Child, String, Peer) {
    let mut shell = Command::new("sh");
    let script = r#"trap "" XFSZ; ulimit -f 16384; exec "$0" "$@""#;
    shell.args(["-c", script, BINARY]);
    start(shell, store).await
}

async fn start(mut command: Command, store: &Path) -> (Child, String, Peer) {
    let mut process = command
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--threads",
            "1",
            "--store",
        ])
        .arg(store)
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let address = loop {
        let line = soon("the first line", log.next_line())
            .await
            .unwrap()
            .unwrap();
        if let Some((_, address)) = line.split_once("listening on http://") {
            break address.trim().to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    let stream = TcpStream::connect(&address).await.unwrap();
    let (socket, _) = client_async(format!("ws://{address}/"), stream)
        .await
        .unwrap();
    let mut peer = Peer { socket };
    peer.send(json!({"type":"join","agentId":"alice"})).await;
    peer.receive().await;
    (process, address, peer)
}

/// What the server says of its readiness: status line and body.
async fn readiness(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    soon("the answer", read).await.unwrap();
    answer
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_and_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let (mut process, address, mut alice) = binary_on_a_small_disk(&store).await;
    assert!(readiness(&address).await.starts_with("HTTP/1.1 200 "));
    let payload = "A".repeat(64 * 1024);
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let id = acknowledged.len();
        let append = json!({"type":"log_append","payload":payload,"id":id});
        alice.send(append).await;
        let answer = alice.receive().await;
        assert_eq!(answer["id"], id);
        if answer["type"] != "log_ack" {
            break answer;
        }
        acknowledged.push(answer["seq"].as_u64().unwrap());
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    };
    assert_eq!(refusal["code"], "store_unavailable", "{refusal}");
    assert!(!acknowledged.is_empty());
    // An orchestrator hears of it, and so does whoever writes next; who only talks goes on.
    let ready = readiness(&address).await;
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("store"),
        "{ready}"
    );
    alice
        .send(json!({"type":"log_append","payload":"AA==","id":100_000}))
        .await;
    assert_eq!(alice.receive_error().await, "store_unavailable");
    alice.send(json!({"type":"ping"})).await;
    assert_eq!(alice.receive().await["type"], "pong");
    process.kill().await.unwrap();

    let (_process, address, mut bob) = binary(&store).await;
    assert!(readiness(&address).await.starts_with("HTTP/1.1 200 "));
    let kept: Vec<u64> = read(&mut bob)
        .await
        .into_iter()
        .map(|(seq, kept)| {
            assert_eq!(kept, payload);
            seq
        })
        .collect();
    assert!(
        acknowledged.iter().all(|seq| kept.contains(seq)),
        "{acknowledged:?} {kept:?}"
    );
}

#[tokio::test]
async fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    let folder = Folder::new();
    a_killed_server_has_kept_what_it_acknowledged(&folder.path().join("logs")).await;
}

/// Ends a server with an empty store by SIGKILL, in the middle of writing.
pub(crate) async fn a_killed_server_has_kept_what_it_acknowledged(store: &Path) {
    let mut acknowledged: Vec<u64> = Vec::new();
    for round in 0..3u64 {
        let (mut process, _, mut alice) = binary(store).await;
        let kept: Vec<u64> = read(&mut alice)
            .await
            .into_iter()
            .map(|(seq, _)| seq)
            .collect();
        assert!(
            acknowledged.iter().all(|seq| kept.contains(seq)),
            "{acknowledged:?} {kept:?}"
        );
        // Many are on their way at any time, so that the end comes in the middle of writing.
        for id in 0..200 {
            alice
                .send(json!({"type":"log_append","payload":"AAAA","id":id}))
                .await;
        }
        for _ in 0..10 + 20 * round {
            let ack: Value = alice.receive().await;
            assert_eq!(ack["type"], "log_ack");
            acknowledged.push(ack["seq"].as_u64().unwrap());
        }
        process.start_kill().unwrap();
        while let Some(ack) = alice.try_receive().await {
            acknowledged.push(ack["seq"].as_u64().unwrap());
        }
        soon("the end", process.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_is_none_or_is_in_use_is_refused_at_the_start() {
    let folder = Folder::new();
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, b"these are no logs".repeat(1000)).unwrap();
    let refused = |path: String| async move {
        Server::start(&["--store", &path])
            .await
            .result()
            .await
            .unwrap_err()
            .to_string()
    };
    let error = refused(garbage.to_str().unwrap().to_owned()).await;
    assert!(error.contains("garbage"), "{error}");
    let error = refused(folder.path().to_str().unwrap().to_owned()).await;
    assert!(error.contains("cannot keep logs"), "{error}");

    let store = folder.path().join("logs").to_str().unwrap().to_owned();
    let server = Server::start(&["--store", &store]).await;
    server.join("alice").await;
    let error = refused(store).await;
    assert!(error.contains("logs"), "{error}");
}

#[tokio::test]
async fn a_damaged_store_is_refused_or_repaired_but_never_served_wrong() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = ["--store", store.to_str().unwrap()];
    let server = Server::start(&flags).await;
    let mut alice = server.join("alice").await;
    let payload = "QUJD".repeat(10_000);
    for _ in 0..20 {
        alice
            .send(json!({"type":"log_append","payload":payload}))
            .await;
        alice.receive().await;
    }
    alice.close().await;
    server.stop().await;

    let whole = std::fs::read(&store).unwrap();
    for place in [0, whole.len() / 4, whole.len() / 2, whole.len() - 5000] {
        let mut damaged = whole.clone();
        damaged[place..place + 4096].fill(0xA5);
        std::fs::write(&store, &damaged).unwrap();
        let server = Server::start(&flags).await;
        let Ok(stream) = TcpStream::connect(server.address).await else {
            assert!(server.result().await.is_err());
            continue;
        };
        let url = format!("ws://{}/", server.address);
        match soon("the handshake or the end", client_async(url, stream)).await {
            Err(_) => assert!(server.result().await.is_err()),
            Ok((socket, _)) => {
                let mut peer = Peer { socket };
                peer.send(json!({"type":"join","agentId":"bob"})).await;
                peer.receive().await;
                for (_, kept) in read(&mut peer).await {
                    assert_eq!(kept, payload);
                }
                server.stop().await;
            }
        }
    }
}
