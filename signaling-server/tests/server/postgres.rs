//! Logs in a real PostgreSQL server, which each test starts for itself or shares with others.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::bus::{Redis, ready};
use crate::log::{a_killed_server_has_kept_what_it_acknowledged, read};
use crate::postgres_server::Postgres;
use crate::support::{Folder, Peer, Server, soon};

async fn append(peer: &mut Peer, payload: &str) -> Value {
    peer.send(json!({"type":"log_append","payload":payload}))
        .await;
    peer.receive().await
}

async fn snapshot(peer: &mut Peer, base: u64, upto: u64, payload: &str) -> Value {
    peer.send(json!({"type":"log_snapshot","base":base,"upto":upto,"payload":payload}))
        .await;
    peer.receive().await
}

#[tokio::test]
async fn servers_on_a_bus_share_the_logs() {
    let postgres = Postgres::shared();
    let store = postgres.store();
    let redis = Redis::start().await;
    let flags = ["--store", &store];
    let (one, two) = (redis.server(&flags).await, redis.server(&flags).await);
    let mut alice = one.join("alice").await;
    let mut bob = two.join("bob").await;
    assert_eq!(alice.receive().await["peerId"], "bob");
    for seq in [1, 3, 5] {
        assert_eq!(append(&mut alice, "AA==").await["seq"], seq);
        assert_eq!(append(&mut bob, "AQ==").await["seq"], seq + 1);
    }
    // Of two snapshots of the same entries the later one is refused.
    assert_eq!(snapshot(&mut bob, 0, 4, "AAE=").await["seq"], 4);
    assert_eq!(
        snapshot(&mut alice, 0, 6, "////").await["code"],
        "log_conflict"
    );
    let kept = [(4, "AAE="), (5, "AA=="), (6, "AQ==")];
    let kept = kept.map(|(seq, payload)| (seq, payload.to_owned()));
    assert_eq!(read(&mut alice).await, kept);
    one.stop().await;
    let three = redis.server(&flags).await;
    let mut carol = three.join("carol").await;
    assert_eq!(read(&mut carol).await, kept);
}

#[tokio::test]
async fn a_file_is_refused_beside_a_bus() {
    let redis = Redis::start().await;
    let folder = Folder::new();
    let file = folder.path().join("logs");
    let file = file.to_str().unwrap();
    let url = redis.url();
    let server = Server::start(&["--bus", &url, "--store", file]).await;
    let error = server.result().await.unwrap_err().to_string();
    assert!(
        error.contains(file) && error.contains("PostgreSQL"),
        "{error}"
    );
}

#[tokio::test]
async fn a_killed_server_has_lost_nothing_in_the_database() {
    let postgres = Postgres::shared();
    let store = postgres.store();
    a_killed_server_has_kept_what_it_acknowledged(Path::new(&store)).await;
}

#[tokio::test]
async fn a_killed_database_has_lost_nothing_and_is_found_again() {
    let postgres = Postgres::start();
    let store = postgres.store();
    let server = Server::start(&["--store", &store]).await;
    let mut alice = server.join("alice").await;
    let mut acknowledged: Vec<u64> = Vec::new();
    for round in 1..=2 {
        let before = acknowledged.len();
        let (mut sent, mut answered, mut refused) = (0, 0, false);
        while !refused || answered < sent {
            // Many are on their way at any time, so that the end comes in the middle of writing.
            while !refused && sent - answered < 40 {
                alice
                    .send(json!({"type":"log_append","payload":"AAAA"}))
                    .await;
                sent += 1;
            }
            let answer = alice.receive().await;
            answered += 1;
            if answer["type"] == "log_ack" {
                acknowledged.push(answer["seq"].as_u64().unwrap());
            } else {
                assert_eq!(answer["code"], "store_unavailable", "{answer}");
                refused = true;
            }
            if acknowledged.len() == before + 50 * round {
                postgres.kill();
            }
        }
        let (status, _, body) = server.get("/ready", "").await;
        assert_eq!(status, 503, "{body}");
        postgres.run();
        ready(&server).await;
        let kept: Vec<u64> = read(&mut alice).await.iter().map(|(seq, _)| *seq).collect();
        assert!(
            acknowledged.iter().all(|seq| kept.contains(seq)),
            "{acknowledged:?} {kept:?}"
        );
        let next = append(&mut alice, "AAAA").await["seq"].as_u64().unwrap();
        assert_eq!(Some(next - 1), kept.last().copied());
        acknowledged.push(next);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused_without_its_password() {
    for store in [
        "postgres://edit:hunter2@127.0.0.1:1/logs",
        "postgres://edit:hunter2@%2Fno%2Fsuch%2Ffolder/logs",
    ] {
        let server = Server::start(&["--store", store]).await;
        let error = server.result().await.unwrap_err().to_string();
        assert!(
            error.contains("cannot keep logs: the store postgres://"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    let postgres = Postgres::start();
    let store = postgres.store();
    Server::start(&["--store", &store]).await.stop().await;
    let (_, schema) = store.rsplit_once("%3D").unwrap();
    let later = format!("UPDATE {schema}.signaling_store SET version = 99");
    assert!(postgres.sql(&later));
    let error = Server::start(&["--store", &store]).await.result().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the version 99"), "{error}");
}

#[tokio::test]
async fn an_operator_looks_after_logs_while_a_server_uses_them() {
    let postgres = Postgres::shared();
    let store = postgres.store();
    let server = Server::start(&["--store", &store]).await;
    let mut alice = server.connect("/ws/garden").await;
    alice.send(json!({"type":"join","agentId":"alice"})).await;
    alice.receive().await;
    append(&mut alice, "AAEC").await;
    append(&mut alice, "AQ==").await;
    let rooms = async |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .arg("rooms")
            .args(arguments)
            .env("STORE", &store)
            .output();
        let output = soon("the command", output).await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = rooms(&["list"]).await;
    assert!(
        listed.starts_with("132\t2\t") && listed.ends_with("\troom/garden\n"),
        "{listed}"
    );
    let shown = rooms(&["show", "room/garden"]).await;
    assert!(shown.contains("entries\t2\n"), "{shown}");
    let exported = rooms(&["export", "room/garden"]).await;
    assert_eq!(exported.lines().count(), 2);
    assert!(
        exported.starts_with(r#"{"payload":"AAEC","seq":1}"#),
        "{exported}"
    );
    rooms(&["delete", "room/garden"]).await;
    assert_eq!(rooms(&["list"]).await, "");
    assert!(rooms(&["compact"]).await.ends_with(" after\n"));
    assert_eq!(append(&mut alice, "AA==").await["seq"], 1);
}

#[tokio::test]
async fn servers_that_write_at_once_wait_for_each_other_and_lose_nothing() {
    let postgres = Postgres::shared();
    let store = postgres.store();
    let flags = ["--store", &store];
    let (one, two) = (Server::start(&flags).await, Server::start(&flags).await);
    let mut peers = [one.join("alice").await, two.join("alice").await];
    for _ in 0..100 {
        for peer in &mut peers {
            peer.send(json!({"type":"log_append","payload":"AAAA"}))
                .await;
        }
    }
    let mut numbers = Vec::new();
    for _ in 0..100 {
        for peer in &mut peers {
            numbers.push(peer.receive().await["seq"].as_u64().unwrap());
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    assert_eq!(read(&mut peers[0]).await.len(), 200);
}
