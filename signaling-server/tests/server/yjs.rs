//! Yjs documents, with the real packages `yjs` and `y-websocket` as clients, and with hand-made
//! frames for what those never send.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Folder, Peer, Server, soon};

/// Installs the packages where they are missing or old, once for all tests.
pub(crate) async fn packages() -> &'static Path {
    static READY: OnceCell<()> = OnceCell::const_new();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yjs"));
    READY
        .get_or_init(|| async {
            let changed = |name: &str| std::fs::metadata(folder.join(name)).ok()?.modified().ok();
            if changed("node_modules/.package-lock.json") < changed("package-lock.json") {
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

/// Each comes back with the whole document, and one of them with a word more.
#[tokio::test]
async fn forty_clients_that_come_back_at_once_are_sent_only_what_they_lack() {
    let server = Server::start(&[]).await;
    let text = clients("return", &server).await;
    assert_eq!(clients("read", &server).await, text);
    // The document goes out once, to the reader; the rest is the words of forty for each other.
    let sent = r#"signaling_message_bytes_total{direction="out",kind="yjs"}"#;
    let (sent, document) = (server.metric(sent).await, text.len() as f64);
    assert!(
        (document..4.0 * document).contains(&sent),
        "{sent} for {document}"
    );
}

/// As much as a document may have; `YJS_MEGABYTES` makes it 50 and more.
#[tokio::test]
async fn a_large_document_comes_and_goes_at_default_settings() {
    let server = Server::start(&[]).await;
    let text = clients("large", &server).await;
    assert_eq!(clients("read", &server).await, text);
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

pub(crate) const NOTHING_HERE: &[u8] = &[0, 0, 1, 0];
pub(crate) const NOTHING_LACKING: &[u8] = &[0, 1, 2, 0, 0];
const NOBODY: &[u8] = &[1, 1, 0];

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The change by which a client, whose number is below 128, writes text behind what it wrote.
pub(crate) fn typed(client: u8, clock: usize, text: &str) -> Vec<u8> {
    let mut update = vec![1, 1, client];
    number(&mut update, clock);
    if clock == 0 {
        update.extend([4, 1, 1, b't']);
    } else {
        update.extend([0x84, client]);
        number(&mut update, clock - 1);
    }
    number(&mut update, text.len());
    update.extend(text.as_bytes());
    update.push(0);
    update
}

/// A frame of the sync protocol: 0 says how far somebody is, 1 answers that, 2 brings a change.
pub(crate) fn sync(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, kind];
    number(&mut frame, content.len());
    frame.extend(content);
    frame
}

/// Asks what a client in a state lacks: the state of the server, and what is lacking.
pub(crate) async fn ask(peer: &mut Peer, state: &[u8]) -> (Vec<u8>, Vec<u8>) {
    send(peer, &sync(0, state)).await;
    // Who is there may come before.
    let mut question = receive(peer).await;
    while question[0] == 1 {
        question = receive(peer).await;
    }
    assert_eq!(question[..2], [0, 0], "{question:?}");
    (question, receive(peer).await)
}

/// A client that has said that it has nothing, and what it got for that.
pub(crate) async fn synced(server: &Server) -> (Peer, Vec<u8>) {
    let mut peer = server.connect("/yjs/r").await;
    let (_, answer) = ask(&mut peer, &[0]).await;
    assert_eq!(answer[..2], [0, 1], "{answer:?}");
    (peer, answer)
}

/// Waits until the server has taken everything that this client sent, which hears nothing meanwhile: it
/// answers in order, here that nobody has said who they are.
pub(crate) async fn taken(peer: &mut Peer) {
    send(peer, &[3]).await;
    assert_eq!(receive(peer).await, NOBODY);
}

#[tokio::test]
async fn a_newcomer_gets_what_it_lacks_and_is_asked_for_the_rest() {
    let server = Server::start(&[]).await;
    let (mut anna, answer) = synced(&server).await;
    assert_eq!(answer, NOTHING_LACKING);
    for (clock, text) in ["a", "b", "c"].into_iter().enumerate() {
        send(&mut anna, &sync(2, &typed(7, clock, text))).await;
    }
    taken(&mut anna).await;

    // All changes come as one.
    let mut ben = server.connect("/yjs/r").await;
    let (question, answer) = ask(&mut ben, &[0]).await;
    assert_eq!(question, sync(0, &[1, 7, 3]));
    assert_eq!(answer, sync(1, &typed(7, 0, "abc")));
    // A client that has some of it gets the rest.
    let mut cleo = server.connect("/yjs/r").await;
    let (_, answer) = ask(&mut cleo, &[1, 7, 2]).await;
    assert_eq!(answer, sync(1, &typed(7, 2, "c")));

    // Each may come back with everything: what is known is not passed on.
    for peer in [&mut anna, &mut ben, &mut cleo] {
        send(peer, &sync(1, &typed(7, 0, "abc"))).await;
        taken(peer).await;
    }
    send(&mut ben, &sync(1, &typed(8, 0, "news"))).await;
    for peer in [&mut anna, &mut cleo] {
        assert_eq!(receive(peer).await, sync(2, &typed(8, 0, "news")));
    }
    taken(&mut ben).await;
}

#[tokio::test]
async fn what_is_no_document_changes_nothing_and_is_answered_in_words() {
    let server = Server::start(&[]).await;
    let (mut anna, _) = synced(&server).await;
    send(&mut anna, &sync(2, &typed(7, 0, "text"))).await;
    taken(&mut anna).await;
    let (mut ben, _) = synced(&server).await;
    for content in [
        &[7][..],
        &[0],
        &[1, 1, 7, 0, 99, 0],
        b"\x01\x01\x07\0\x04\x01\x01t\x01\xFF\0",
    ] {
        for kind in [1, 2] {
            send(&mut ben, &sync(kind, content)).await;
            let said = String::from_utf8_lossy(&receive(&mut ben).await).into_owned();
            assert!(said.contains("a change was not taken"), "{said}");
        }
    }
    // An answer of three bytes does not take the place of anything.
    send(&mut ben, &sync(1, &[0, 0])).await;
    // Broken presence, a token that stands in the wrong place, and kinds of a later time.
    send(&mut ben, &[1, 3, 9, 9, 9]).await;
    send(&mut ben, &[1, 5, 1, 7, 1, 1, b'{']).await;
    send(&mut ben, &[0, 7]).await;
    send(&mut ben, &[4, 1, 2, 3]).await;
    taken(&mut ben).await;
    send(&mut ben, &[2, 0, 0]).await;
    assert_eq!(receive(&mut ben).await[..2], [2, 0]);
    taken(&mut ben).await;
    taken(&mut anna).await;
    let (_, answer) = synced(&server).await;
    assert_eq!(answer, sync(1, &typed(7, 0, "text")));
}

#[tokio::test]
async fn a_large_change_is_taken_in_order_and_only_what_is_new_is_passed_on() {
    let server = Server::start(&[]).await;
    let (mut anna, _) = synced(&server).await;
    let (mut ben, _) = synced(&server).await;
    let text = "x".repeat(3 << 20);
    send(&mut anna, &sync(2, &typed(7, 0, &text))).await;
    send(&mut anna, &sync(2, &typed(7, text.len(), "end"))).await;
    assert_eq!(receive(&mut ben).await, sync(2, &typed(7, 0, &text)));
    assert_eq!(
        receive(&mut ben).await,
        sync(2, &typed(7, text.len(), "end"))
    );
    // The document comes back with one word more.
    let longer = format!("{text}end of it");
    send(&mut ben, &sync(1, &typed(7, 0, &longer))).await;
    assert_eq!(
        receive(&mut anna).await,
        sync(2, &typed(7, text.len() + 3, " of it"))
    );
    let (_, answer) = synced(&server).await;
    assert_eq!(answer, sync(1, &typed(7, 0, &longer)));
}

#[tokio::test]
async fn a_long_log_is_put_together() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = [
        "--store",
        store.to_str().unwrap(),
        "--relay-messages-per-second",
        "0",
    ];
    let server = Server::start(&flags).await;
    let (mut anna, _) = synced(&server).await;
    let text = "x".repeat(1_000);
    for at in 0..600 {
        send(&mut anna, &sync(2, &typed(7, at * text.len(), &text))).await;
    }
    // Before that the log is short, too.
    taken(&mut anna).await;
    let short = async {
        loop {
            let metrics = server.get("/metrics", "").await.2;
            // Some 64 bytes are counted for each entry.
            let bytes = metrics
                .lines()
                .find_map(|line| line.strip_prefix("signaling_store_bytes "));
            if bytes.unwrap().parse::<usize>().unwrap() < 600 * (text.len() + 32) {
                let (_, answer) = synced(&server).await;
                if answer.len() > 600 * text.len() {
                    break answer;
                }
            }
        }
    };
    let answer = soon("a short log", short).await;
    assert_eq!(answer, sync(1, &typed(7, 0, &text.repeat(600))));
    server.stop().await;
    let server = Server::start(&flags).await;
    assert_eq!(synced(&server).await.1, answer);
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_in_words_and_not_in_a_loop() {
    let server = Server::start(&["--yjs-message-bytes", "1000"]).await;
    let mut peer = server.connect("/yjs/r").await;
    let (_, _) = ask(&mut peer, &[0]).await;
    send(&mut peer, &sync(1, &typed(7, 0, &"x".repeat(2_000)))).await;
    let denied = receive(&mut peer).await;
    assert_eq!(denied[..2], [2, 0]);
    assert!(String::from_utf8_lossy(&denied).contains("1000 bytes"));
    assert_eq!(peer.closed_with().await.0, 1009);
    // Back again it receives the same, and is not asked for it: what it has stays with it.
    let mut peer = server.connect("/yjs/r").await;
    assert_eq!(receive(&mut peer).await, denied);
    send(&mut peer, NOTHING_HERE).await;
    assert_eq!(receive(&mut peer).await, NOTHING_LACKING);
    send(&mut peer, &sync(2, &typed(8, 0, "small"))).await;
    taken(&mut peer).await;
    let (_, answer) = ask(&mut server.connect("/yjs/other").await, &[0]).await;
    assert_eq!(answer, NOTHING_LACKING);
}

#[tokio::test]
async fn a_full_log_is_answered_in_words_and_nothing_is_lost_from_it() {
    let server = Server::start(&["--store-room-bytes", "2000"]).await;
    let (mut anna, _) = synced(&server).await;
    send(&mut anna, &sync(2, &typed(7, 0, &"x".repeat(1_000)))).await;
    taken(&mut anna).await;
    send(&mut anna, &sync(2, &typed(7, 1_000, &"y".repeat(1_000)))).await;
    let said = receive(&mut anna).await;
    assert_eq!(said[..2], [2, 0]);
    assert!(String::from_utf8_lossy(&said).contains("2000 bytes"));
    // The client stays, and the others get what is there.
    send(&mut anna, &sync(2, &typed(7, 2_000, "z"))).await;
    taken(&mut anna).await;
    let (_, answer) = synced(&server).await;
    assert_eq!(answer, sync(1, &typed(7, 0, &"x".repeat(1_000))));
}

/// Without a store the logs are in memory; those of rooms that somebody is in stay there.
#[tokio::test]
async fn a_room_keeps_its_document_whatever_others_open() {
    let server = Server::start(&["--max-rooms", "2"]).await;
    let (mut anna, _) = synced(&server).await;
    send(&mut anna, &sync(2, &typed(7, 0, "mine"))).await;
    taken(&mut anna).await;
    for room in 0..5 {
        let mut peer = server.connect(&format!("/yjs/other{room}")).await;
        let (_, answer) = ask(&mut peer, &[0]).await;
        assert_eq!(answer, NOTHING_LACKING);
        send(&mut peer, &sync(2, &typed(7, 0, "theirs"))).await;
        taken(&mut peer).await;
        peer.close().await;
        let gone = async { while server.metric("signaling_yjs_clients").await > 1.0 {} };
        soon("the end of the client", gone).await;
    }
    let (mut ben, answer) = synced(&server).await;
    assert_eq!(answer, sync(1, &typed(7, 0, "mine")));
    // An empty room whose place was taken is gone with its document.
    taken(&mut ben).await;
    let mut peer = server.connect("/yjs/other0").await;
    assert_eq!(ask(&mut peer, &[0]).await.1, NOTHING_LACKING);
}

#[tokio::test]
async fn other_frames_close_that_client_alone() {
    let server = Server::start(&[]).await;
    let (mut anna, _) = synced(&server).await;
    for frame in [&[][..], &[0], &[0, 2, 200], &[0, 0, 1, 9], &[255; 12]] {
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
    taken(&mut anna).await;
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
    assert_eq!(receive(&mut reader).await, NOTHING_LACKING);
    // A reader is not asked, and what it writes is not taken.
    send(&mut reader, &sync(2, &typed(7, 0, "text"))).await;
    assert_eq!(receive(&mut reader).await[..2], [2, 0]);
    let mut late = server.connect(&format!("/yjs/r?token={good}")).await;
    send(&mut late, NOTHING_HERE).await;
    assert_eq!(receive(&mut late).await, NOTHING_LACKING);
}
