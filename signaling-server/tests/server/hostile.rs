//! Broken, early, giant and forged frames: each is answered, and nobody else notices.

use futures_util::SinkExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, Utf8Bytes};

use crate::support::{Peer, Server, soon};

/// Two peers exchange a signal each way: the server works for them as before.
async fn still_talk(alice: &mut Peer, bob: &mut Peer) {
    alice
        .send(json!({"type":"offer","to":"bob","from":"alice","offer":{}}))
        .await;
    assert_eq!(bob.receive().await["type"], "offer");
    bob.send(json!({"type":"answer","to":"alice","from":"bob","answer":{}}))
        .await;
    assert_eq!(alice.receive().await["type"], "answer");
}

async fn pair(server: &Server) -> (Peer, Peer) {
    let mut alice = server.join("alice").await;
    let bob = server.join("bob").await;
    alice.receive().await;
    (alice, bob)
}

#[tokio::test]
async fn malformed_frames_are_answered_and_the_socket_lives() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let mut peer = server.connect("/").await;
    let cases = [
        ("x", "malformed"),
        ("", "malformed"),
        ("{", "malformed"),
        ("null", "malformed"),
        ("[1]", "malformed"),
        (r#"{"agentId":"a"}"#, "malformed"),
        (r#"{"type":"join"}"#, "malformed"),
        (r#"{"type":"join","agentId":5}"#, "malformed"),
        (r#"{"type":"join","agentId":""}"#, "invalid_id"),
        (r#"{"type":"join","agentId":"a","room":""}"#, "invalid_room"),
        (
            r#"{"type":"join","agentId":"a","protocol":2}"#,
            "unsupported_protocol",
        ),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"peer_left","peerId":"bob"}"#, "unknown_type"),
        (
            r#"{"type":"offer","to":"bob","from":"a","offer":{}}"#,
            "not_joined",
        ),
        (r#"{"type":"relay","to":"bob","payload":""}"#, "not_joined"),
        (r#"{"type":"leave"}"#, "not_joined"),
    ];
    for (frame, code) in cases {
        peer.send_text(frame).await;
        assert_eq!(peer.receive_error().await, code, "{frame}");
    }
    peer.send_text(&"[".repeat(100_000)).await;
    assert_eq!(peer.receive_error().await, "malformed");
    peer.socket
        .send(Message::binary(vec![0, 159, 146, 150]))
        .await
        .unwrap();
    assert_eq!(peer.receive_error().await, "binary_frame");

    peer.send(json!({"type":"join","agentId":"carol"})).await;
    assert_eq!(peer.receive().await["peers"], json!(["alice", "bob"]));
    peer.send(json!({"type":"join","agentId":"carol"})).await;
    assert_eq!(peer.receive_error().await, "already_joined");
    assert_eq!(alice.receive().await["peerId"], "carol");
    assert_eq!(bob.receive().await["peerId"], "carol");
    still_talk(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let server = Server::start(&["--max-message-size", "5000"]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let frame = |size: usize| {
        let mut frame = json!({"type":"relay","to":"bob","from":"alice","payload":""}).to_string();
        let missing = size - frame.len();
        frame.insert_str(
            frame.find(r#"payload":""#).unwrap() + 10,
            &"A".repeat(missing),
        );
        frame
    };
    let largest = frame(5000);
    alice.send_text(&largest).await;
    assert_eq!(bob.receive_text().await, largest);

    // One byte more, and far more than fits into any buffer on the way.
    for size in [5001, 3_000_000] {
        let mut peer = server.connect("/").await;
        let _ = peer.socket.send(Message::text(frame(size))).await;
        assert_eq!(peer.receive_error().await, "message_too_big");
        assert_eq!(
            peer.closed_with().await,
            (1009, "message_too_big".to_owned())
        );
    }
    still_talk(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn fragments_are_put_together_and_count_as_one_message() {
    let server = Server::start(&["--max-message-size", "5000"]).await;
    let mut peer = server.connect("/").await;
    let text = |part: &str, first: bool, last: bool| {
        let kind = if first { Data::Text } else { Data::Continue };
        let part = Utf8Bytes::from(part);
        Message::Frame(Frame::message(part, OpCode::Data(kind), last))
    };
    peer.socket
        .send(text(r#"{"type":"jo"#, true, false))
        .await
        .unwrap();
    peer.socket
        .send(Message::Ping("between".into()))
        .await
        .unwrap();
    peer.socket
        .send(text(r#"in","agentId":"a"}"#, false, true))
        .await
        .unwrap();
    assert_eq!(peer.receive().await["type"], "peer_list");

    peer.socket.send(text("{", true, false)).await.unwrap();
    for _ in 0..6 {
        let _ = peer
            .socket
            .send(text(&" ".repeat(1000), false, false))
            .await;
    }
    assert_eq!(peer.receive_error().await, "message_too_big");
    assert_eq!(peer.closed_with().await.0, 1009);
}

#[tokio::test]
async fn bytes_that_are_no_websocket_close_that_socket_alone() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let handshake = "GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let long_ping = [&[0x89, 0xFE, 0, 126, 0, 0, 0, 0][..], &[b'x'; 126]].concat();
    let cases: [(&[u8], u16); 4] = [
        // Not UTF-8, in a masked text frame.
        (&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28], 1007),
        // Unmasked.
        (&[0x81, 0x01, b'x'], 1002),
        // Reserved bits and an unknown opcode.
        (&[0xFF, 0x80, 0, 0, 0, 0], 1002),
        // A ping of 126 bytes, which is one too many.
        (&long_ping, 1002),
    ];
    for (bytes, code) in cases {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Sent together: what follows the handshake at once is not lost either.
        stream
            .write_all(&[handshake.as_bytes(), bytes].concat())
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the handshake", stream.read_u8()).await.unwrap());
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        let mut peer = Peer::over(stream).await;
        assert_eq!(peer.closed_with().await.0, code, "{bytes:?}");
    }
    still_talk(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn who_does_not_read_is_disconnected_and_slows_nobody() {
    let server = Server::start(&[
        "--max-message-size",
        "100000",
        "--max-queued-messages",
        "64",
    ])
    .await;
    let (mut alice, mut bob) = pair(&server).await;
    let mut sleeper = server.join("sleeper").await;
    alice.receive().await;
    bob.receive().await;

    // The kernel's buffers take some megabytes before the queue begins to fill.
    let payload = "A".repeat(90_000);
    let relay = json!({"type":"relay","to":"sleeper","from":"alice","payload":payload}).to_string();
    let gone = loop {
        alice.send_text(&relay).await;
        still_talk_meanwhile(&mut alice, &mut bob).await;
        if let Some(message) = alice_was_told(&mut alice).await {
            break message;
        }
    };
    assert_eq!(gone, json!({"type":"peer_left","peerId":"sleeper"}));
    let end = loop {
        match soon(
            "the end",
            futures_util::StreamExt::next(&mut sleeper.socket),
        )
        .await
        {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break None,
        }
    };
    // It reads too late for the close frame if its buffers stayed full.
    assert!(end.is_none_or(|code| code == 4001), "{end:?}");
}

/// Bob answers Alice while the sleeper's queue fills.
async fn still_talk_meanwhile(alice: &mut Peer, bob: &mut Peer) {
    alice
        .send(json!({"type":"offer","to":"bob","from":"alice","offer":{}}))
        .await;
    loop {
        match bob.receive().await["type"].as_str() {
            Some("offer") => return,
            Some("peer_left") => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// What Alice heard before the answer to her ping, if anything.
async fn alice_was_told(alice: &mut Peer) -> Option<serde_json::Value> {
    alice.send(json!({"type":"ping"})).await;
    let first = alice.receive().await;
    if first["type"] == "pong" {
        None
    } else {
        Some(first)
    }
}
