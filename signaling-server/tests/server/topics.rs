//! Topics of y-webrtc clients, with the real packages `yjs` and `y-webrtc` as clients, and by hand.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{Peer, Server, soon};
use crate::yjs;

/// A real client, and what it prints.
async fn client(
    server: &Server,
    name: &str,
    password: Option<&str>,
) -> (Child, BufReader<ChildStdout>) {
    let url = format!("ws://{}/y-webrtc", server.address);
    let other = if name == "anna" { "ben" } else { "anna" };
    let mut child = Command::new("node")
        .args(["webrtc.mjs", &url, name, other])
        .args(password)
        .current_dir(yjs::packages().await)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node is needed for this test");
    let printed = BufReader::new(child.stdout.take().unwrap());
    (child, printed)
}

#[tokio::test]
async fn y_webrtc_clients_meet_and_connect_with_a_password_and_without() {
    let server = Server::start(&[]).await;
    for password in [None, Some("secret")] {
        // Two y-webrtc clients that announce themselves at the same time both offer, and may wait half a minute for
        // an attempt to fail. So the second starts when the first is there.
        let mut watcher = subscribed(&server, &["team/garden plan"]).await;
        let mut clients = vec![client(&server, "anna", password).await];
        assert_eq!(watcher.receive().await["type"], "publish");
        clients.push(client(&server, "ben", password).await);
        for (_, printed) in &mut clients {
            let mut line = String::new();
            soon("the other's text", printed.read_line(&mut line))
                .await
                .unwrap();
            assert!(line.contains("<anna>") && line.contains("<ben>"), "{line}");
        }
    }
}

async fn subscribed(server: &Server, topics: &[&str]) -> Peer {
    let mut peer = server.connect("/y-webrtc").await;
    peer.send(json!({"type":"subscribe","topics":topics})).await;
    hears_nothing(&mut peer).await;
    peer
}

/// Asserts that nothing is on its way: the server answers in order.
async fn hears_nothing(peer: &mut Peer) {
    peer.send(json!({"type":"ping"})).await;
    assert_eq!(peer.receive().await, json!({"type":"pong"}));
}

fn published(topic: &str, data: &str) -> Value {
    json!({"type":"publish","topic":topic,"data":data})
}

#[tokio::test]
async fn what_is_published_goes_to_all_who_have_the_topic() {
    let server = Server::start(&[]).await;
    let mut anna = subscribed(&server, &["garden", "kitchen"]).await;
    let mut ben = subscribed(&server, &["garden"]).await;
    let mut cleo = subscribed(&server, &["cellar"]).await;
    anna.send(published("garden", "hello")).await;
    for peer in [&mut anna, &mut ben] {
        assert_eq!(peer.receive().await, published("garden", "hello"));
        hears_nothing(peer).await;
    }
    hears_nothing(&mut cleo).await;
    ben.send(json!({"type":"unsubscribe","topics":["garden","unknown"]}))
        .await;
    hears_nothing(&mut ben).await;
    anna.send(published("garden", "again")).await;
    assert_eq!(anna.receive().await, published("garden", "again"));
    hears_nothing(&mut ben).await;
    // Only subscribers may publish.
    ben.send(published("garden", "spam")).await;
    assert_eq!(ben.receive_error().await, "not_joined");
    hears_nothing(&mut anna).await;
}

#[tokio::test]
async fn what_is_refused_is_said() {
    let server = Server::start(&["--max-rooms-per-address", "2", "--trust-forwarded-for"]).await;
    let mut peer = crate::shares::connect_from(&server, "192.0.2.1", "/y-webrtc").await;
    for (message, code) in [
        (json!({"type":"shout"}), "malformed"),
        (json!({"type":"subscribe","topics":[""]}), "invalid_room"),
        (
            json!({"type":"subscribe","topics":["a", "b", "c"]}),
            "too_many_rooms",
        ),
    ] {
        peer.send(message).await;
        assert_eq!(peer.receive_error().await, code);
    }
    // The two that there was room for stand.
    peer.send(published("b", "hello")).await;
    assert_eq!(peer.receive().await["data"], "hello");
    let mut other = crate::shares::connect_from(&server, "192.0.2.2", "/y-webrtc").await;
    other.send(json!({"type":"subscribe","topics":["c"]})).await;
    hears_nothing(&mut other).await;
    // A topic that nobody has is no room.
    drop(peer);
    let mut again = crate::shares::connect_from(&server, "192.0.2.1", "/y-webrtc").await;
    loop {
        again
            .send(json!({"type":"subscribe","topics":["d", "e"]}))
            .await;
        again.send(json!({"type":"ping"})).await;
        if again.receive().await["type"] == "pong" {
            break;
        }
        assert_eq!(again.receive().await["type"], "pong");
    }
}

#[tokio::test]
async fn topics_ask_for_tokens_and_rates_hold() {
    let secret = "0123456789abcdef0123456789abcdef";
    let flags = ["--token-secret", secret, "--messages-per-second", "5"];
    let server = Server::start(&flags).await;
    let mut peer = server.connect("/y-webrtc").await;
    peer.send(json!({"type":"subscribe","topics":["r"]})).await;
    assert_eq!(peer.receive_error().await, "unauthorized");
    let token = crate::tokens::token("r", "write", 60);
    let mut peer = server.connect(&format!("/y-webrtc?token={token}")).await;
    peer.send(json!({"type":"subscribe","topics":["r"]})).await;
    peer.send(json!({"type":"subscribe","topics":["s"]})).await;
    assert_eq!(peer.receive_error().await, "unauthorized");
    peer.send(published("r", "hello")).await;
    assert_eq!(peer.receive().await["data"], "hello");
    for _ in 0..30 {
        peer.try_send(json!({"type":"ping"})).await;
    }
    assert_eq!(peer.closed_with().await.1, "rate_limited");
    let mut peer = server.connect("/y-webrtc").await;
    yjs::send(&mut peer, &[0, 0, 1, 0]).await;
    assert_eq!(peer.closed_with().await.0, 1003);
}
