//! Yjs documents, with the real packages `yjs` and `y-websocket` as clients, and with hand-made
//! frames for what those never send.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Folder, Peer, Server, soon};

/// Installs the packages where they are missing, once for all tests.
async fn packages() -> &'static Path {
    static READY: OnceCell<()> = OnceCell::const_new();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yjs"));
    READY
        .get_or_init(|| async {
            if !folder.join("node_modules/.package-lock.json").exists() {
                let install = ["ci", "--no-audit", "--no-fund"];
                let status = Command::new("npm")
                    .args(install)
                    .current_dir(folder)
                    .status()
                    .await;
                assert!(status.expect("npm is needed for this test").success());
            }
        })
        .await;
    folder
}

/// Runs Yjs clients and returns the text that they end with.
async fn clients(task: &str, server: &Server) -> String {
    let url = format!("ws://{}/yjs", server.address);
    let output = Command::new("node")
        .args(["clients.mjs", task, &url])
        .current_dir(packages().await)
        .kill_on_drop(true)
        .output()
        .await
        .expect("node is needed for this test");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn yjs_clients_converge_and_a_restart_keeps_their_document() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = [
        "--store",
        store.to_str().unwrap(),
        "--relay-messages-per-second",
        "0",
    ];
    let server = Server::start(&flags).await;
    let text = clients("edit", &server).await;
    server.stop().await;

    let server = Server::start(&flags).await;
    assert_eq!(clients("read", &server).await, text);
    server.stop().await;
}

#[tokio::test]
async fn without_a_store_the_document_is_in_memory() {
    let server = Server::start(&["--relay-messages-per-second", "0"]).await;
    let text = clients("edit", &server).await;
    assert_eq!(clients("read", &server).await, text);
}

pub(crate) async fn send(peer: &mut Peer, frame: &[u8]) {
    soon(
        "room to send",
        peer.socket.send(Message::binary(frame.to_vec())),
    )
    .await
    .unwrap();
}

pub(crate) async fn receive(peer: &mut Peer) -> Vec<u8> {
    loop {
        match soon("a frame", peer.socket.next()).await.unwrap().unwrap() {
            Message::Binary(frame) => return frame.to_vec(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("expected a binary frame, got {other:?}"),
        }
    }
}

const NOTHING_HERE: &[u8] = &[0, 0, 1, 0];
const ALL_SENT: &[u8] = &[0, 1, 2, 0, 0];
const WHAT_HAVE_YOU: &[u8] = &[0, 0, 1, 0];

/// A client that has said that it has nothing, and read the log that it got for that.
pub(crate) async fn synced(server: &Server) -> (Peer, Vec<Vec<u8>>) {
    let mut peer = server.connect("/yjs/r").await;
    send(&mut peer, NOTHING_HERE).await;
    let mut log = Vec::new();
    loop {
        let frame = receive(&mut peer).await;
        if frame == ALL_SENT {
            break;
        }
        log.push(frame);
    }
    assert_eq!(receive(&mut peer).await, WHAT_HAVE_YOU);
    (peer, log)
}

/// Waits until the server has taken everything that this client sent: it answers in order, here that
/// nobody has said who they are.
async fn taken(peer: &mut Peer) {
    send(peer, &[3]).await;
    assert_eq!(receive(peer).await, [1, 1, 0]);
}

#[tokio::test]
async fn the_answer_to_the_empty_state_vector_takes_the_logs_place() {
    let server = Server::start(&[]).await;
    let (mut first, log) = synced(&server).await;
    assert!(log.is_empty());
    for update in [[0, 2, 1, 7], [0, 2, 1, 8], [0, 2, 1, 9]] {
        send(&mut first, &update).await;
    }
    taken(&mut first).await;
    let (mut second, log) = synced(&server).await;
    assert_eq!(log, [[0, 2, 1, 7], [0, 2, 1, 8], [0, 2, 1, 9]]);
    send(&mut first, &[0, 2, 1, 10]).await;
    assert_eq!(receive(&mut second).await, [0, 2, 1, 10]);
    send(&mut second, &[0, 1, 3, 7, 8, 9]).await;
    taken(&mut second).await;

    // What came after the question is kept beside the answer.
    let (_third, log) = synced(&server).await;
    assert_eq!(log, [vec![0, 2, 3, 7, 8, 9], vec![0, 2, 1, 10]]);
    // The answer was no news to the first, which had it all.
    send(&mut second, &[0, 2, 1, 11]).await;
    assert_eq!(receive(&mut first).await, [0, 2, 1, 11]);
}

#[tokio::test]
async fn an_answer_with_news_reaches_the_others() {
    let server = Server::start(&[]).await;
    let (mut first, _) = synced(&server).await;
    send(&mut first, &[0, 2, 1, 7]).await;
    taken(&mut first).await;
    let mut back = server.connect("/yjs/r").await;
    send(&mut back, &[0, 0, 3, 1, 5, 9]).await;
    assert_eq!(receive(&mut back).await, [0, 2, 1, 7]);
    assert_eq!(receive(&mut back).await, ALL_SENT);
    assert_eq!(receive(&mut back).await, WHAT_HAVE_YOU);
    send(&mut back, &[0, 1, 2, 7, 5]).await;
    assert_eq!(receive(&mut first).await, [0, 2, 2, 7, 5]);
}

#[tokio::test]
async fn a_long_log_is_sent_page_by_page() {
    let server = Server::start(&["--relay-bytes-per-second", "0"]).await;
    let (mut writer, _) = synced(&server).await;
    // Ten megabytes: far more than may wait for a client at a time.
    let mut update = vec![0, 2, 0xC0, 0x9A, 0x0C];
    update.resize(5 + 200_000, 3);
    for _ in 0..50 {
        send(&mut writer, &update).await;
    }
    // The last one is in the log once the others are told of it.
    let (_late, log) = loop {
        let (late, log) = synced(&server).await;
        if log.len() == 50 {
            break (late, log);
        }
    };
    assert!(log.iter().all(|frame| *frame == update));
}

#[tokio::test]
async fn other_frames_close_that_client_alone() {
    let server = Server::start(&[]).await;
    let (mut anna, _) = synced(&server).await;
    let (mut ben, _) = synced(&server).await;
    for frame in [
        &[][..],
        &[0],
        &[0, 7],
        &[0, 2, 200],
        &[1, 3, 9, 9, 9],
        &[2, 0, 0],
        &[255; 12],
    ] {
        let mut peer = server.connect("/yjs/r").await;
        send(&mut peer, frame).await;
        assert_eq!(
            peer.closed_with().await,
            (1003, "unsupported_data".to_owned()),
            "{frame:?}"
        );
    }
    let mut peer = server.connect("/yjs/r").await;
    peer.send_text("text").await;
    assert_eq!(peer.closed_with().await.0, 1003);
    // What clients agreed upon among themselves is passed on.
    send(&mut anna, &[4, 1, 2, 3]).await;
    assert_eq!(receive(&mut ben).await, [4, 1, 2, 3]);
}

#[tokio::test]
async fn a_client_that_may_not_come_in_is_told_why() {
    let secret = "0123456789abcdef0123456789abcdef";
    let server = Server::start(&["--token-secret", secret]).await;
    for path in ["/yjs/r", "/yjs/r?token=x.y.z", "/yjs/"] {
        let mut peer = server.connect(path).await;
        let denied = receive(&mut peer).await;
        assert_eq!(denied[..2], [2, 0], "{path}");
        assert_eq!(
            peer.closed_with().await,
            (4006, "refused".to_owned()),
            "{path}"
        );
    }
    let good = crate::tokens::token("r", "read", 60);
    let mut reader = server.connect(&format!("/yjs/r?token={good}")).await;
    send(&mut reader, NOTHING_HERE).await;
    assert_eq!(receive(&mut reader).await, ALL_SENT);
    // A reader is not asked, and what it writes is not taken.
    send(&mut reader, &[0, 2, 1, 7]).await;
    assert_eq!(receive(&mut reader).await[..2], [2, 0]);
    let mut late = server.connect(&format!("/yjs/r?token={good}")).await;
    send(&mut late, NOTHING_HERE).await;
    assert_eq!(receive(&mut late).await, ALL_SENT);
}
