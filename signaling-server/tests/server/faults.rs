//! All kinds of hostile clients at once, and two who just want to talk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Peer, Server, soon};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// At most so many each: all together they leave ports to the tests beside them.
const ATTACKS: usize = 2_000;

/// Random bytes behind a good handshake, and in place of one.
async fn noise(address: std::net::SocketAddr, random: &mut fastrand::Rng) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    if random.bool() {
        stream.write_all(HANDSHAKE.as_bytes()).await?;
    }
    let bytes: Vec<u8> = (0..random.usize(1..2000)).map(|_| random.u8(..)).collect();
    stream.write_all(&bytes).await?;
    if random.bool() {
        stream.shutdown().await?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
    }
    Ok(())
}

/// Well-formed WebSocket messages without sense, too many of them, too large, in another's name.
async fn nonsense(
    address: std::net::SocketAddr,
    random: &mut fastrand::Rng,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let stream = TcpStream::connect(address).await?;
    let path = *random
        .choice(&["/", "/ws/quiet", "/yjs/quiet"])
        .unwrap_or(&"/");
    let (mut socket, _) = client_async(format!("ws://{address}{path}"), stream).await?;
    let frames = [
        Message::text("x"),
        Message::text("{".repeat(2000)),
        Message::text(r#"{"type":"join","agentId":"alice"}"#),
        Message::text(r#"{"type":"join","agentId":"alice","session":"guess"}"#),
        Message::text(r#"{"type":"join","agentId":"mallory"}"#),
        Message::text(r#"{"type":"offer","to":"alice","from":"bob","offer":{}}"#),
        Message::text(r#"{"type":"relay","to":"bob","from":"alice","payload":"AA=="}"#),
        Message::binary(vec![0, 0, 1, 0]),
        Message::binary(vec![255; 100]),
        Message::text("A".repeat(200_000)),
    ];
    for _ in 0..random.usize(1..60) {
        let frame = random.choice(&frames).cloned().unwrap_or(Message::text(""));
        socket.send(frame).await?;
    }
    // Some never read, some read to the end, some are gone at once.
    if random.bool() {
        while let Some(Ok(_)) = socket.next().await {}
    }
    Ok(())
}

/// A socket on its way to the quiet room, and what it sends.
async fn knock(server: &Server, frames: &[Message]) -> Peer {
    let mut peer = server.connect("/ws/quiet").await;
    for frame in frames {
        // The server may have closed it by then.
        let _ = soon("room to send", peer.socket.send(frame.clone())).await;
    }
    peer
}

/// What is counted of the attacks below.
const COUNTED: [&str; 18] = [
    r#"signaling_refusals_total{reason="malformed"}"#,
    r#"signaling_refusals_total{reason="binary_frame"}"#,
    r#"signaling_refusals_total{reason="unknown_type"}"#,
    r#"signaling_refusals_total{reason="invalid_id"}"#,
    r#"signaling_refusals_total{reason="not_joined"}"#,
    r#"signaling_refusals_total{reason="agent_id_taken"}"#,
    r#"signaling_refusals_total{reason="forged_sender"}"#,
    r#"signaling_refusals_total{reason="peer_unavailable"}"#,
    r#"signaling_refusals_total{reason="message_too_big"}"#,
    r#"signaling_refusals_total{reason="rate_limited"}"#,
    r#"signaling_refusals_total{reason="malformed_request"}"#,
    r#"signaling_refusals_total{reason="handshake_timeout"}"#,
    r#"signaling_closes_total{reason="message_too_big"}"#,
    r#"signaling_closes_total{reason="rate_limited"}"#,
    r#"signaling_closes_total{reason="unsupported_data"}"#,
    r#"signaling_closes_total{reason="protocol_error"}"#,
    r#"signaling_closes_total{reason="invalid_text"}"#,
    r#"signaling_closes_total{reason="idle_timeout"}"#,
];

/// Every kind of attack once, until each has been counted.
async fn each_attack(server: &Server) {
    let joined_as = |name: &str, frame: &str| {
        let join = format!(r#"{{"type":"join","agentId":"{name}"}}"#);
        [Message::text(join), Message::text(frame)]
    };
    let forged = r#"{"type":"offer","to":"alice","from":"bob","offer":{}}"#;
    let nobody = r#"{"type":"relay","to":"nobody","payload":""}"#;
    let taken = r#"{"type":"join","agentId":"alice"}"#;
    let mut held = vec![
        knock(server, &[Message::text("{")]).await,
        knock(server, &[Message::binary(vec![7; 100])]).await,
        knock(server, &[Message::text(r#"{"type":"dance"}"#)]).await,
        knock(server, &[Message::text(r#"{"type":"join","agentId":""}"#)]).await,
        knock(server, &[Message::text(r#"{"type":"leave"}"#)]).await,
        knock(server, &[Message::text(taken)]).await,
        knock(server, &[Message::text("A".repeat(200_000))]).await,
        knock(server, &joined_as("forger", forged)).await,
        knock(server, &joined_as("caller", nobody)).await,
        // As often as anybody may, as often again to be told so, and on.
        knock(server, &vec![Message::text(r#"{"type":"ping"}"#); 5_000]).await,
    ];
    // Text where only binary is taken.
    held.push(server.connect("/yjs/quiet").await);
    if let Some(yjs) = held.last_mut() {
        yjs.send_text("text").await;
    }
    // Frames that are none, a request that is none, requests that do not end, and a socket that is
    // opened and never heard of again.
    let mut silent = Vec::new();
    for bytes in [
        [HANDSHAKE.as_bytes(), &[0x81, 0x01, b'x']].concat(),
        [HANDSHAKE.as_bytes(), &[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28]].concat(),
        b"nonsense\r\n\r\n".to_vec(),
        HANDSHAKE.as_bytes()[..60].to_vec(),
        Vec::new(),
        HANDSHAKE.as_bytes().to_vec(),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        silent.push(stream);
    }
    for name in COUNTED {
        let seen = async {
            while server.metric(name).await == 0.0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon(name, seen).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_are_noticed_by_nobody_else() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let flags = [
        "--max-message-size",
        "100000",
        "--handshake-timeout-seconds",
        "1",
        "--client-timeout-seconds",
        "3",
    ];
    let server = Server::start(&flags).await;
    let (mut alice, mut bob) = pair(&server).await;
    let quiet = round_trip(&mut alice, &mut bob).await;

    let over = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = (0..8)
        .map(|index| {
            let (over, address) = (over.clone(), server.address);
            let mut random = fastrand::Rng::with_seed(seed.wrapping_add(index));
            tokio::spawn(async move {
                let mut attacks = 0;
                while attacks < ATTACKS && !over.load(Ordering::Relaxed) {
                    // Being refused or cut off is what an attacker has to expect.
                    let attack = async {
                        if index % 2 == 0 {
                            let _ = noise(address, &mut random).await;
                        } else {
                            let _ = nonsense(address, &mut random).await;
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_millis(200), attack).await;
                    attacks += 1;
                    // An attack that cannot even begin takes no time: without a pause, attackers
                    // without a port left for them would let nobody else have the processor.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                attacks
            })
        })
        .collect();
    let (mut besieged, mut attacks) = (Vec::new(), 0);
    let named = async {
        each_attack(&server).await;
        over.store(true, Ordering::Relaxed);
    };
    let bystanders = async {
        while besieged.len() < 5 || !over.load(Ordering::Relaxed) {
            besieged.push(round_trip(&mut alice, &mut bob).await);
            // Bystanders stay within what each client may send in a second.
            tokio::time::sleep(Duration::from_millis(450)).await;
        }
    };
    tokio::join!(named, bystanders);
    for attacker in attackers {
        attacks += soon("an attacker's end", attacker).await.unwrap();
    }
    assert!(attacks >= 8, "{attacks}");

    println!("{quiet:?} alone, {besieged:?} under {attacks} attacks");
    unharmed(quiet, besieged);
    assert_eq!(server.get("/health", "").await.0, 200);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_an_end_is_cut_off() {
    let server = Server::start(&["--handshake-timeout-seconds", "1"]).await;
    for beginning in [
        "",
        "GET /ws HT",
        "GET /ws HTTP/1.1\r\nhost: x\r\nx-",
        &HANDSHAKE[..60],
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon("the end", stream.read_to_end(&mut answer))
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    // A head without end is cut off by its size.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
    for _ in 0..100 {
        if stream
            .write_all(format!("x: {}\r\n", "y".repeat(1000)).as_bytes())
            .await
            .is_err()
        {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = soon("the end", stream.read_to_end(&mut answer)).await;
    assert_eq!(server.get("/health", "").await.0, 200);
}
