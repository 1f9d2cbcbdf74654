//! Who is kept out, and who is slowed down or disconnected for asking too much.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Server, soon};

fn handshake(headers: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
    )
}

#[tokio::test]
async fn only_listed_pages_may_connect() {
    let server = Server::start(&["--allow-origin", "https://a.test,https://b.test"]).await;
    for (origin, status) in [
        ("origin: https://a.test\r\n", "101"),
        ("origin: https://b.test\r\n", "101"),
        ("origin: https://c.test\r\n", "403"),
        ("", "101"),
    ] {
        assert_eq!(
            server.status_of(&handshake(origin)).await,
            status,
            "{origin:?}"
        );
    }
    assert_eq!(
        server
            .metric(r#"signaling_refusals_total{reason="origin"}"#)
            .await,
        1.0
    );
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let server = Server::start(&[
        "--trust-forwarded-for",
        "--max-connections-per-address",
        "2",
    ])
    .await;
    let from = |address: &str| handshake(&format!("x-forwarded-for: {address}\r\n"));
    let mut held = Vec::new();
    for _ in 0..2 {
        let (status, stream) = server.half_open(&from("192.0.2.1")).await;
        assert_eq!(status, "101");
        held.push(stream);
    }
    assert_eq!(server.status_of(&from("192.0.2.1")).await, "429");
    assert_eq!(server.status_of(&from("192.0.2.2")).await, "101");
    let (status, head, _) = server.ask(&from("192.0.2.1")).await;
    assert!(status == 429 && head.contains("retry-after: "), "{head}");
    let refused = server.metric(r#"signaling_refusals_total{reason="too_many_from_address"}"#);
    assert_eq!(refused.await, 2.0);

    // A place is free again once the server has seen a socket close.
    held.pop();
    while server.status_of(&from("192.0.2.1")).await != "101" {}
}

#[tokio::test]
async fn all_places_may_be_taken() {
    let server = Server::start(&["--max-connections", "1"]).await;
    let alice = server.join("alice").await;
    assert_eq!(server.status_of(&handshake("")).await, "503");
    alice.close().await;
    while server.status_of(&handshake("")).await != "101" {}
}

#[tokio::test]
async fn who_connects_and_says_nothing_takes_a_place_for_a_while_only() {
    let flags = ["--max-connections", "3", "--handshake-timeout-seconds", "1"];
    let server = Server::start(&flags).await;
    let alice = server.join("alice").await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // The fourth is turned away at once, the others when their time is up.
    let mut late = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    let end = soon("the end", late.read_to_end(&mut answer)).await;
    assert!(matches!(end, Ok(0)) || end.is_err(), "{end:?}");
    for stream in &mut silent {
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
    }
    server.join("bob").await;
    drop(alice);
    for (reason, count) in [("too_many_connections", 1.0), ("handshake_timeout", 3.0)] {
        let name = format!(r#"signaling_refusals_total{{reason="{reason}"}}"#);
        assert_eq!(server.metric(&name).await, count, "{reason}");
    }
}

#[tokio::test]
async fn a_flood_is_refused_and_then_disconnected_while_others_talk() {
    let server = Server::start(&["--messages-per-second", "5"]).await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    alice.receive().await;
    let mut flooder = server.join("flooder").await;
    alice.receive().await;
    bob.receive().await;

    // A burst of four seconds' worth passes, as much again is refused, then it is over.
    for _ in 0..400 {
        flooder
            .try_send(json!({"type":"offer","to":"alice","from":"flooder","offer":1}))
            .await;
    }
    let mut refused = 0;
    while let Some(message) = flooder.try_receive().await {
        assert_eq!(
            (&message["code"], &message["peerId"]),
            (&json!("rate_limited"), &json!("alice"))
        );
        refused += 1;
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(
        server
            .metric(r#"signaling_closes_total{reason="rate_limited"}"#)
            .await,
        1.0
    );

    let mut carried = 0;
    while alice.receive().await["type"] == "offer" {
        carried += 1;
    }
    assert!((19..200).contains(&carried), "{carried}");
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_left","peerId":"flooder"})
    );
    bob.send(json!({"type":"offer","to":"alice","from":"bob","offer":{}}))
        .await;
    assert_eq!(alice.receive().await["from"], "bob");
}

#[tokio::test]
async fn a_flood_of_large_signals_costs_the_sender_its_connection_and_not_the_receiver() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let mut slow = server.connect("/ws/quiet").await;
    slow.send(json!({"type":"join","agentId":"slow"})).await;
    let mut flooder = server.connect("/ws/quiet").await;
    flooder
        .send(json!({"type":"join","agentId":"flooder"}))
        .await;
    // The receiver reads nothing meanwhile.
    let offer = json!({"type":"offer","to":"slow","offer":"x".repeat(1_000_000)}).to_string();
    let flood = async {
        for _ in 0..200 {
            let frame = Message::text(offer.clone());
            if soon("room to send", flooder.socket.send(frame))
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let mut besieged = Vec::new();
    let bystanders = async {
        for _ in 0..2 {
            besieged.push(round_trip(&mut alice, &mut bob).await);
        }
    };
    tokio::join!(flood, bystanders);
    unharmed(alone, besieged);
    let closed = r#"signaling_closes_total{reason="rate_limited"}"#;
    let cut_off = async {
        while server.metric(closed).await == 0.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the flooder's end", cut_off).await;
    let mut heard = 0;
    while slow.receive().await["type"] != "peer_left" {
        heard += 1;
    }
    assert!(
        heard <= 4,
        "the list, one newcomer and at most two offers: {heard}"
    );
    slow.hears_nothing().await;
}

#[tokio::test]
async fn relay_has_limits_of_its_own() {
    let server = Server::start(&[
        "--relay-messages-per-second",
        "5",
        "--relay-bytes-per-second",
        "1000",
        "--max-message-size",
        "4000",
    ])
    .await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    alice.receive().await;

    // By bytes: the largest message passes, and then none for a while.
    let relay = |size| json!({"type":"relay","to":"alice","from":"bob","payload":"A".repeat(size)});
    bob.send(relay(3900)).await;
    assert_eq!(alice.receive().await["type"], "relay");
    bob.send(relay(3900)).await;
    assert_eq!(bob.receive_error().await, "rate_limited");
    // By number.
    for _ in 0..40 {
        bob.send(relay(0)).await;
    }
    assert_eq!(bob.receive_error().await, "rate_limited");
    // Signals still pass.
    bob.send(json!({"type":"offer","to":"alice","from":"bob","offer":{}}))
        .await;
    while alice.receive().await["type"] != "offer" {}
}

#[tokio::test]
async fn what_waits_for_all_clients_together_is_bounded() {
    let server = Server::start(&["--max-waiting-bytes", "1000"]).await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    let relay = |size: usize| {
        let payload = "A".repeat(size);
        json!({"type":"relay","to":"bob","from":"alice","payload":payload})
    };
    // What waits for one client is 16 KiB without asking anybody.
    for size in [16_000, 17_000] {
        alice.send(relay(size)).await;
        assert_eq!(bob.receive().await["type"], "relay");
    }
    alice.send(relay(18_000)).await;
    assert_eq!(bob.closed_with().await, (4001, "slow_consumer".to_owned()));
    assert_eq!(server.metric("signaling_waiting_bytes").await, 0.0);
}
