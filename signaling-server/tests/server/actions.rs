//! Clients that ask for a Yjs document by a message at `/ws`.

use serde_json::json;

use crate::support::Server;
use crate::yjs::{NOTHING_HERE, NOTHING_LACKING, ask, receive, send, sync, synced, taken, typed};

fn join(room: &str) -> serde_json::Value {
    json!({"action":"join","room":room})
}

#[tokio::test]
async fn a_message_opens_a_document_and_binary_messages_follow_it() {
    let server = Server::start(&[]).await;
    let (mut anna, _) = synced(&server).await;
    send(&mut anna, &sync(2, &typed(7, 0, "anna"))).await;
    taken(&mut anna).await;
    let mut ben = server.connect("/ws").await;
    ben.send(join("r")).await;
    let (question, answer) = ask(&mut ben, &[0]).await;
    assert_eq!(question, sync(0, &[1, 7, 4]));
    assert_eq!(answer, sync(1, &typed(7, 0, "anna")));
    send(&mut ben, &sync(2, &typed(8, 0, "ben"))).await;
    assert_eq!(receive(&mut anna).await, sync(2, &typed(8, 0, "ben")));
    // The address may name the room as well.
    let mut cleo = server.connect("/ws/r").await;
    cleo.send(join("r")).await;
    send(&mut cleo, NOTHING_HERE).await;
    assert_eq!(receive(&mut cleo).await[..2], [0, 0]);
    assert_eq!(receive(&mut cleo).await[..2], [0, 1]);
    // From then on there are no text messages.
    cleo.send(join("r")).await;
    assert_eq!(cleo.closed_with().await.0, 1003);
    taken(&mut anna).await;
}

#[tokio::test]
async fn only_the_first_message_decides_and_others_are_as_before() {
    let server = Server::start(&[]).await;
    let mut peer = server.connect("/ws").await;
    peer.send(json!({"type":"ping"})).await;
    assert_eq!(peer.receive().await["type"], "pong");
    peer.send(join("r")).await;
    assert_eq!(peer.receive_error().await, "malformed");
    for other in [
        json!({"action":"leave","room":"r"}),
        json!({"action":"join"}),
    ] {
        let mut peer = server.connect("/ws").await;
        peer.send(other).await;
        assert_eq!(peer.receive_error().await, "malformed");
        peer.send(json!({"type":"join","agentId":"alice"})).await;
        assert_eq!(peer.receive().await["type"], "peer_list");
        peer.close().await;
    }
    let mut peer = server.connect("/ws").await;
    send(&mut peer, NOTHING_HERE).await;
    assert_eq!(peer.closed_with().await.0, 4006);
}

#[tokio::test]
async fn a_client_that_may_not_come_in_gets_the_reason() {
    let flags = [
        "--token-secret",
        crate::tokens::SECRET,
        "--max-message-size",
        "1000",
    ];
    let server = Server::start(&flags).await;
    let token = crate::tokens::token("r", "write", 60);
    for (path, message) in [
        ("/ws", join("r")),
        ("/ws", json!({"action":"join","room":"r","token":"x.y.z"})),
        ("/ws", json!({"action":"join","room":"other","token":token})),
        (
            "/ws/other",
            json!({"action":"join","room":"r","token":token}),
        ),
        ("/ws", json!({"action":"join","room":"","token":token})),
    ] {
        let mut peer = server.connect(path).await;
        peer.send(message.clone()).await;
        assert_eq!(receive(&mut peer).await[..2], [2, 0], "{message}");
        assert_eq!(peer.closed_with().await.0, 4006, "{message}");
    }
    let mut peer = server.connect("/ws").await;
    peer.send(json!({"action":"join","room":"r","token":token}))
        .await;
    assert_eq!(ask(&mut peer, &[0]).await.1, NOTHING_LACKING);
    // The limit of the address holds.
    send(&mut peer, &sync(2, &typed(7, 0, &"x".repeat(1_000)))).await;
    let denied = receive(&mut peer).await;
    assert!(String::from_utf8_lossy(&denied).contains("1000 bytes"));
    assert_eq!(peer.closed_with().await.0, 1009);
}
