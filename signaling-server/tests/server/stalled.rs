//! Clients that ask for something and do not read it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Server, soon};

/// More requests than there is room for answers on the way.
const REQUESTS: usize = 3_000;

/// Asks again and again, and reads nothing.
async fn ask_without_reading(server: &Server, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {from}\r\n\r\n");
    let _ = stream.write_all(request.repeat(REQUESTS).as_bytes()).await;
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_answers_takes_places_for_a_while_only() {
    let server = Server::start(&[
        "--trust-forwarded-for",
        "--max-connections-per-address",
        "10",
        "--stall-timeout-seconds",
        "8",
    ])
    .await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(soon("room to ask", ask_without_reading(&server, "192.0.2.1")).await);
    }
    // The address has as much as it may, and others are served.
    let request = |address: &str| {
        format!(
            "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             x-forwarded-for: {address}\r\n\r\n"
        )
    };
    let full = async { while server.ask(&request("192.0.2.1")).await.0 != 429 {} };
    soon("the address's places to be taken", full).await;
    assert_eq!(server.ask(&request("192.0.2.2")).await.0, 200);
    let mut besieged = Vec::new();
    for _ in 0..3 {
        besieged.push(round_trip(&mut alice, &mut bob).await);
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    unharmed(alone, besieged);
    let stalled = r#"signaling_refusals_total{reason="stalled"}"#;
    let all_gone = async {
        while server.metric(stalled).await < 10.0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon("the end of the stalled connections", all_gone).await;
    assert_eq!(server.ask(&request("192.0.2.1")).await.0, 200);
    drop(held);
}

#[tokio::test]
async fn who_reads_no_answers_does_not_hold_up_the_end() {
    let server =
        Server::start(&["--stall-timeout-seconds", "1000", "--drain-seconds", "1000"]).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(soon("room to ask", ask_without_reading(&server, "192.0.2.1")).await);
    }
    server.stop().await;
}
