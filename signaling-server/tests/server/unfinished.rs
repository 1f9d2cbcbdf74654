//! Clients that begin large messages and do not end them.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, sleep};

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Server, soon};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

const LIMIT: usize = 4 << 20;

/// A text frame of 1 MiB, of which the end is missing; in two fragments with a ping between them.
fn beginning() -> Vec<u8> {
    let part = 500_000u64;
    let mut bytes = vec![0x01, 0xFF];
    bytes.extend(part.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.resize(bytes.len() + part as usize, b' ');
    bytes.extend([0x89, 0x80, 0, 0, 0, 0]);
    bytes.extend([0x80, 0xFF]);
    bytes.extend(part.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.resize(bytes.len() + part as usize - 1, b' ');
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_messages_are_bounded_in_bytes_and_in_time() {
    let server = Server::start(&[
        "--max-unfinished-bytes",
        &LIMIT.to_string(),
        "--message-timeout-seconds",
        "3",
        "--client-timeout-seconds",
        "12",
    ])
    .await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let frame = beginning();
    let mut attackers = Vec::new();
    for _ in 0..30 {
        let (status, stream) = server.half_open(HANDSHAKE).await;
        assert_eq!(status, "101");
        let (mut reading, mut writing) = stream.into_split();
        let frame = frame.clone();
        let writer = tokio::spawn(async move {
            // What the server does not read fills the buffers on the way.
            let _ = writing.write_all(&frame).await;
            writing
        });
        let reader = tokio::spawn(async move {
            let mut answer = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer).await;
            answer
        });
        attackers.push((writer, reader));
    }
    let mut besieged = Vec::new();
    let mut most = 0.0f64;
    while most < LIMIT as f64 || besieged.len() < 3 {
        besieged.push(round_trip(&mut alice, &mut bob).await);
        most = most.max(server.metric("signaling_unfinished_bytes").await);
        sleep(Duration::from_millis(450)).await;
    }
    unharmed(alone, besieged);
    // Each goes beyond the limit by one small read at most.
    assert!(most < LIMIT as f64 * 1.1, "{most}");
    for (writer, reader) in attackers {
        let answer = soon("the end", reader).await.unwrap();
        let reason = b"message_timeout";
        let told = answer.windows(reason.len()).any(|part| part == reason);
        assert!(
            told || answer.is_empty(),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        writer.abort();
    }
    let given_back = async { while server.metric("signaling_unfinished_bytes").await > 0.0 {} };
    soon("the budget to be given back", given_back).await;
    let closed = r#"signaling_closes_total{reason="message_timeout"}"#;
    assert_eq!(server.metric(closed).await, 30.0);
    // A large message that ends is taken as before.
    let large = "x".repeat(900_000);
    alice
        .send(json!({"type":"relay","to":"bob","payload":large}))
        .await;
    loop {
        let heard = bob.receive().await;
        if heard["type"] == "relay" {
            assert_eq!(heard["payload"], large);
            break;
        }
    }
}
