//! Two who just want to talk while others misbehave.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Peer, Server};

/// The median time in which a message goes from one to the other and its answer comes back.
pub(crate) async fn round_trip(alice: &mut Peer, bob: &mut Peer) -> Duration {
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        alice
            .send(json!({"type":"offer","to":"bob","from":"alice","offer":{}}))
            .await;
        assert_eq!(said(bob).await, "offer");
        bob.send(json!({"type":"answer","to":"alice","from":"bob","answer":{}}))
            .await;
        assert_eq!(said(alice).await, "answer");
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

/// What a peer says next; who comes into the room and goes again is passed over.
async fn said(peer: &mut Peer) -> String {
    loop {
        match peer.receive().await["type"].as_str() {
            Some("peer_joined" | "peer_left") => {}
            other => return other.unwrap_or_default().to_owned(),
        }
    }
}

pub(crate) async fn pair(server: &Server) -> (Peer, Peer) {
    let mut peers = Vec::new();
    for name in ["alice", "bob"] {
        let mut peer = server.connect("/ws/quiet").await;
        peer.send(json!({"type":"join","agentId":name})).await;
        peer.receive().await;
        peers.push(peer);
    }
    let bob = peers.remove(1);
    let mut alice = peers.remove(0);
    assert_eq!(alice.receive().await["type"], "peer_joined");
    (alice, bob)
}

/// Asserts that bystanders are served about as fast under attack as before. Other tests, and the
/// attackers' own work, take their share of the machine meanwhile, so the bound is a wide one.
pub(crate) fn unharmed(alone: Duration, mut besieged: Vec<Duration>) {
    besieged.sort();
    let floor = alone.max(Duration::from_micros(200));
    let median = besieged[besieged.len() / 2];
    assert!(
        median < floor * 50,
        "{alone:?} alone, {besieged:?} under attack"
    );
}
