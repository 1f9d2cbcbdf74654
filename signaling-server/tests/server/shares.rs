//! One address takes its share of rooms and joins, and leaves the rest to others.

use serde_json::json;

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Folder, Peer, Server};
use crate::yjs;

/// A socket that a proxy passes on from an address.
pub(crate) async fn connect_from(server: &Server, address: &str, path: &str) -> Peer {
    let handshake = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         x-forwarded-for: {address}\r\n\r\n"
    );
    let (status, stream) = server.half_open(&handshake).await;
    assert_eq!(status, "101");
    Peer::over(stream).await
}

/// Tries to join a room as one of its kind: the peer, or the code of the refusal.
pub(crate) async fn open_room(server: &Server, address: &str, room: &str) -> Result<Peer, String> {
    let mut peer = connect_from(server, address, &format!("/ws/{room}")).await;
    peer.send(json!({"type":"join","agentId":address})).await;
    let answer = peer.receive().await;
    match answer["type"].as_str() {
        Some("peer_list") => Ok(peer),
        _ => Err(answer["code"].as_str().unwrap_or_default().to_owned()),
    }
}

#[tokio::test]
async fn one_address_does_not_take_all_rooms() {
    let server = Server::start(&[
        "--trust-forwarded-for",
        "--max-rooms",
        "12",
        "--max-rooms-per-address",
        "5",
    ])
    .await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let mut held = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2"] {
        for number in 0..5 {
            let room = format!("{address}-{number}");
            held.push(open_room(&server, address, &room).await.unwrap());
        }
        let refused = open_room(&server, address, &format!("{address}-more")).await;
        assert_eq!(refused.err().as_deref(), Some("too_many_rooms"));
        // It enters the rooms of others.
        held.push(open_room(&server, address, "quiet").await.unwrap());
        let besieged = vec![round_trip(&mut alice, &mut bob).await];
        unharmed(alone, besieged);
    }
    held.push(open_room(&server, "192.0.2.3", "new").await.unwrap());
}

#[tokio::test]
async fn one_address_does_not_take_all_rooms_of_yjs_clients() {
    let server = Server::start(&["--trust-forwarded-for", "--max-rooms-per-address", "2"]).await;
    let mut held = Vec::new();
    for room in ["one", "two"] {
        held.push(connect_from(&server, "192.0.2.1", &format!("/yjs/{room}")).await);
    }
    let mut refused = connect_from(&server, "192.0.2.1", "/yjs/three").await;
    assert_eq!(yjs::receive(&mut refused).await[..2], [2, 0]);
    assert_eq!(refused.closed_with().await, (4006, "refused".to_owned()));
    let mut other = connect_from(&server, "192.0.2.2", "/yjs/three").await;
    yjs::send(&mut other, &[3]).await;
    assert_eq!(yjs::receive(&mut other).await, [1, 1, 0]);
    // An empty room of the address makes place for its next one.
    held.remove(0).close().await;
    loop {
        let mut next = connect_from(&server, "192.0.2.1", "/yjs/four").await;
        yjs::send(&mut next, &[3]).await;
        if yjs::receive(&mut next).await == [1, 1, 0] {
            break;
        }
    }
}

#[tokio::test]
async fn one_address_does_not_fill_the_store() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let server = Server::start(&[
        "--trust-forwarded-for",
        "--store",
        store.to_str().unwrap(),
        "--store-address-bytes",
        "100000",
    ])
    .await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let append = json!({"type":"log_append","payload":"A".repeat(40_000)});
    let (mut held, mut written) = (Vec::new(), 0);
    let refused = loop {
        let room = format!("room-{}", held.len());
        let mut peer = open_room(&server, "192.0.2.1", &room).await.unwrap();
        peer.send(append.clone()).await;
        let answer = peer.receive().await;
        held.push(peer);
        if answer["type"] != "log_ack" {
            break answer;
        }
        written += 1;
        assert!(written < 100, "there is no limit");
    };
    assert_eq!(
        (refused["code"].as_str(), written),
        (Some("quota_exceeded"), 3)
    );
    unharmed(alone, vec![round_trip(&mut alice, &mut bob).await]);
    let mut other = open_room(&server, "192.0.2.2", "other").await.unwrap();
    other.send(append).await;
    assert_eq!(other.receive().await["type"], "log_ack");
}

#[tokio::test]
async fn one_address_joins_no_more_often_than_it_may() {
    let server = Server::start(&["--trust-forwarded-for", "--joins-per-minute", "10"]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let mut peer = connect_from(&server, "192.0.2.1", "/ws/busy").await;
    let mut joined = 0;
    let refused = loop {
        peer.send(json!({"type":"join","agentId":"a"})).await;
        let answer = peer.receive().await;
        if answer["type"] != "peer_list" {
            break answer;
        }
        joined += 1;
        assert!(joined < 100, "there is no limit");
        peer.send(json!({"type":"leave"})).await;
    };
    assert_eq!(refused["code"], "rate_limited");
    assert!(joined >= 10, "{joined}");
    unharmed(alone, vec![round_trip(&mut alice, &mut bob).await]);
    open_room(&server, "192.0.2.2", "busy").await.unwrap();
}
