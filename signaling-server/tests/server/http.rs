//! What the server answers without an upgrade.

use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test]
async fn the_app_is_served_with_the_headers_it_needs() {
    let server = Server::start(&[]).await;
    let (status, head, body) = server.get("/", "").await;
    assert_eq!(status, 200);
    assert!(body.to_lowercase().contains("<html"), "{body}");
    assert!(head.contains("content-type: text/html; charset=utf-8"));
    assert!(head.contains("x-content-type-options: nosniff"));
    let policy = head
        .lines()
        .find(|line| line.starts_with("content-security-policy:"))
        .unwrap();
    for needed in [
        "script-src 'self' 'wasm-unsafe-eval'",
        "connect-src 'self' ws: wss: http: https:",
    ] {
        assert!(policy.contains(needed), "{policy}");
    }
    assert!(!policy.contains("'unsafe-eval'"));

    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let (status, _, body) = server.get("/", &format!("if-none-match: {tag}\r\n")).await;
    assert_eq!((status, body.as_str()), (304, ""));
}

#[tokio::test]
async fn health_and_stats_are_told_as_json() {
    let server = Server::start(&["--max-rooms", "7", "--max-clients-per-room", "3"]).await;
    let (status, _, body) = server.get("/health", "").await;
    assert_eq!(
        (status, serde_json::from_str(&body).unwrap()),
        (200, json!({"status":"ok"}))
    );

    let _alice = server.join("alice").await;
    let _bob = server.join("bob").await;
    let (status, _, body) = server.get("/stats", "").await;
    let stats: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        (&stats["rooms"], &stats["total_clients"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&stats["max_rooms"], &stats["max_clients_per_room"]),
        (&json!(7), &json!(3))
    );
}

#[tokio::test]
async fn readiness_is_told() {
    let server = Server::start(&[]).await;
    let (status, _, body) = server.get("/ready", "").await;
    assert_eq!(
        (status, serde_json::from_str(&body).unwrap()),
        (200, json!({"status":"ready"}))
    );
}

#[tokio::test]
async fn what_happens_is_counted_for_prometheus() {
    let server = Server::start(&[]).await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    alice.receive().await;
    let offer = r#"{"type":"offer","to":"bob","from":"alice","offer":{}}"#;
    alice.send_text(offer).await;
    bob.receive().await;
    alice.send_text("x").await;
    alice.receive_error().await;
    bob.hears_nothing().await;

    let (status, head, text) = server.get("/metrics", "").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    let size = offer.len();
    for line in [
        "signaling_connections 2",
        "signaling_rooms 1",
        "signaling_clients 2",
        "signaling_queued_messages 0",
        "signaling_forward_latency_seconds_count 1",
        r#"signaling_messages_total{direction="in",kind="offer"} 1"#,
        r#"signaling_messages_total{direction="out",kind="offer"} 1"#,
        &format!(r#"signaling_message_bytes_total{{direction="in",kind="offer"}} {size}"#),
        r#"signaling_messages_total{direction="in",kind="unreadable"} 1"#,
        r#"signaling_refusals_total{reason="malformed"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let server = Server::start(&[]).await;
    for path in [
        "/nothing",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/ws/a/b",
        "/ws",
    ] {
        let (status, _, body) = server.get(path, "").await;
        assert_eq!(status, 404, "{path}");
        assert!(
            serde_json::from_str::<Value>(&body).unwrap()["error"].is_string(),
            "{path}"
        );
    }
    let post = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert!(server.raw(post).await.starts_with("HTTP/1.1 405 "));
    assert!(
        server
            .raw("nonsense\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
}

#[tokio::test]
async fn a_handshake_that_lacks_something_is_refused() {
    let server = Server::start(&[]).await;
    let upgrade = "upgrade: websocket\r\n";
    let request = |rest: &str| {
        format!("GET /ws HTTP/1.1\r\nhost: x\r\nconnection: close, Upgrade\r\n{upgrade}{rest}\r\n")
    };
    let no_key = server.raw(&request("sec-websocket-version: 13\r\n")).await;
    assert!(no_key.starts_with("HTTP/1.1 400 "), "{no_key}");
    let old = server
        .raw(&request(
            "sec-websocket-version: 8\r\nsec-websocket-key: AA==\r\n",
        ))
        .await;
    assert!(old.starts_with("HTTP/1.1 426 "), "{old}");
    assert!(
        old.to_lowercase().contains("sec-websocket-version: 13"),
        "{old}"
    );
}
