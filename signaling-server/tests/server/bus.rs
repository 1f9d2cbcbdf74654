//! Several servers as one, over a real Redis server that each test starts for itself.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;
use tokio_tungstenite::client_async;

use crate::event_streams::Client;
use crate::shares::open_room;
use crate::support::{Folder, Peer, Server, an_id_is_kept_for_its_client, soon};

pub(crate) struct Redis {
    folder: Folder,
    process: Option<Child>,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let mut redis = Self {
            folder: Folder::new(),
            process: None,
        };
        redis.run().await;
        redis
    }

    async fn run(&mut self) {
        let socket = self.folder.path().join("redis");
        let process = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocket",
            ])
            .arg(&socket)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is needed for this test (Debian's package redis-server)");
        self.process = Some(process);
        let listening = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon("Redis", listening).await;
    }

    async fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().await.unwrap();
        let _ = std::fs::remove_file(self.folder.path().join("redis"));
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "redis+unix://{}",
            self.folder.path().join("redis").display()
        )
    }

    /// A server on this bus, once it is ready.
    pub(crate) async fn server(&self, flags: &[&str]) -> Server {
        let url = self.url();
        let server = Server::start(&[&["--bus", &url], flags].concat()).await;
        ready(&server).await;
        server
    }
}

pub(crate) async fn ready(server: &Server) {
    let ready = async {
        while server.get("/ready", "").await.0 != 200 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("a ready server", ready).await;
}

#[tokio::test]
async fn peers_of_different_servers_meet_signal_and_part() {
    let redis = Redis::start().await;
    let (one, two) = (redis.server(&[]).await, redis.server(&[]).await);
    let mut alice = one.connect("/ws").await;
    alice
        .send(json!({"type":"join","agentId":"alice","room":"café \"🦀\""}))
        .await;
    assert_eq!(
        alice.receive_text().await,
        r#"{"type":"peer_list","peers":[]}"#
    );
    let mut bob = two.connect("/ws/caf%C3%A9%20%22%F0%9F%A6%80%22").await;
    bob.send(json!({"type":"join","agentId":"bob","capabilities":["relay"]}))
        .await;
    assert_eq!(
        bob.receive_text().await,
        r#"{"type":"peer_list","peers":["alice"]}"#
    );
    let told = json!({"type":"peer_joined","peerId":"bob","capabilities":["relay"]});
    assert_eq!(alice.receive().await, told);

    let offer = r#"{"type":"offer", "to":"bob","from":"alice","offer":{"sdp":"v=0\r\n"},"x":"é"}"#;
    alice.send_text(offer).await;
    assert_eq!(bob.receive_text().await, offer);
    let relay = r#"{"type":"relay","to":"alice","from":"bob","payload":"AAEC"}"#;
    bob.send_text(relay).await;
    assert_eq!(alice.receive_text().await, relay);
    // A third one, on the first server, hears the others' capabilities.
    let mut carol = one.connect("/ws").await;
    carol
        .send(json!({"type":"join","agentId":"carol","room":"café \"🦀\""}))
        .await;
    let list = carol.receive().await;
    assert_eq!(
        (&list["peers"], &list["capabilities"]),
        (&json!(["alice", "bob"]), &json!({"bob":["relay"]}))
    );
    assert_eq!(bob.receive().await["peerId"], "carol");
    assert_eq!(alice.receive().await["peerId"], "carol");

    bob.close().await;
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_left","peerId":"bob"})
    );
    assert_eq!(
        carol.receive().await,
        json!({"type":"peer_left","peerId":"bob"})
    );
    alice.send_text(offer).await;
    assert_eq!(alice.receive_error().await, "peer_unavailable");
}

#[tokio::test]
async fn a_client_with_an_event_stream_waits_for_its_place_as_others_do() {
    let redis = Redis::start().await;
    let (one, two) = (redis.server(&[]).await, redis.server(&[]).await);
    let mut bob = two.connect("/ws/garden").await;
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    assert_eq!(bob.receive().await["type"], "peer_list");
    let mut alice = Client::open(&one).await;
    // What is right behind the join is not early.
    let join = json!({"type":"join","agentId":"alice"});
    let relay = json!({"type":"relay","to":"bob","payload":"up"});
    assert_eq!(alice.post(&[join, relay]).await.0, 200);
    assert_eq!(alice.stream.message().await["peers"], json!(["bob"]));
    assert_eq!(bob.receive().await["type"], "peer_joined");
    assert_eq!(bob.receive().await["payload"], "up");
    bob.send(json!({"type":"relay","to":"alice","payload":"down"}))
        .await;
    assert_eq!(alice.stream.message().await["payload"], "down");
}

#[tokio::test]
async fn an_id_is_taken_on_all_servers_and_taken_over_across_them() {
    let redis = Redis::start().await;
    let (one, two) = (redis.server(&[]).await, redis.server(&[]).await);
    let mut bob = two.join("bob").await;
    let mut before = one.connect("/").await;
    before
        .send(json!({"type":"join","agentId":"alice","session":"s3cret"}))
        .await;
    before.receive().await;
    assert_eq!(bob.receive().await["peerId"], "alice");

    let mut after = two.connect("/").await;
    after
        .send(json!({"type":"join","agentId":"alice","session":"guess"}))
        .await;
    assert_eq!(after.receive_error().await, "agent_id_taken");
    after.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(after.receive_error().await, "agent_id_taken");
    // A message right behind the join is not early.
    after
        .send(json!({"type":"join","agentId":"alice","session":"s3cret"}))
        .await;
    after
        .send(json!({"type":"offer","to":"bob","offer":{}}))
        .await;
    assert_eq!(
        after.receive().await,
        json!({"type":"peer_list","peers":["bob"]})
    );
    assert_eq!(before.closed_with().await, (4002, "replaced".to_owned()));
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_joined","peerId":"alice","rejoined":true})
    );
    assert_eq!(bob.receive().await["from"], "alice");
    bob.hears_nothing().await;
    after.close().await;
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_left","peerId":"alice"})
    );
}

#[tokio::test]
async fn the_id_of_a_client_whose_socket_was_lost_is_kept_for_it_on_all_servers() {
    let redis = Redis::start().await;
    let (one, two) = (redis.server(&[]).await, redis.server(&[]).await);
    an_id_is_kept_for_its_client(&one, &two).await;
}

#[tokio::test]
async fn one_address_has_its_share_of_the_rooms_of_all_servers() {
    let redis = Redis::start().await;
    let flags = ["--trust-forwarded-for", "--max-rooms-per-address", "2"];
    let (one, two) = (redis.server(&flags).await, redis.server(&flags).await);
    let here = "192.0.2.1";
    let first = open_room(&one, here, "one").await.unwrap();
    let _second = open_room(&two, here, "two").await.unwrap();
    for server in [&one, &two] {
        let refused = open_room(server, here, "three").await.err();
        assert_eq!(refused.as_deref(), Some("too_many_rooms"));
    }
    let _other = open_room(&one, "192.0.2.2", "three").await.unwrap();
    // With Redis a room is gone once nobody is in it.
    first.close().await;
    while open_room(&two, here, "four").await.is_err() {}
}

#[tokio::test]
async fn limits_hold_for_all_servers_together() {
    let redis = Redis::start().await;
    let flags = ["--max-rooms", "2", "--max-clients-per-room", "2"];
    let (one, two) = (redis.server(&flags).await, redis.server(&flags).await);
    let _alice = one.join("alice").await;
    let _bob = two.join("bob").await;
    for server in [&one, &two] {
        let mut late = server.connect("/").await;
        late.send(json!({"type":"join","agentId":"late"})).await;
        assert_eq!(late.receive_error().await, "room_full");
    }
    let mut carol = two.connect("/").await;
    carol
        .send(json!({"type":"join","agentId":"carol","room":"second"}))
        .await;
    assert_eq!(carol.receive().await["type"], "peer_list");
    let mut dave = one.connect("/").await;
    dave.send(json!({"type":"join","agentId":"dave","room":"third"}))
        .await;
    assert_eq!(dave.receive_error().await, "too_many_rooms");
    carol.close().await;
    loop {
        dave.send(json!({"type":"join","agentId":"dave","room":"third"}))
            .await;
        if dave.receive().await["type"] == "peer_list" {
            break;
        }
    }
}

/// The others as a client sees them: from its list, and from what it heard since.
async fn view(peer: &mut Peer, seen: &mut BTreeSet<String>, expected: usize) {
    while seen.len() != expected {
        let message = peer.receive().await;
        match message["type"].as_str() {
            Some("peer_list") => {
                let peers = message["peers"].as_array().unwrap();
                seen.extend(peers.iter().map(|peer| peer.as_str().unwrap().to_owned()));
            }
            Some("peer_joined") => {
                assert!(
                    seen.insert(message["peerId"].as_str().unwrap().to_owned()),
                    "{message}"
                );
            }
            Some("peer_left") => {
                assert!(
                    seen.remove(message["peerId"].as_str().unwrap()),
                    "{message}"
                );
            }
            _ => panic!("unexpected {message}"),
        }
    }
}

#[tokio::test]
async fn all_agree_on_who_is_there_however_many_come_and_go_at_once() {
    let redis = Redis::start().await;
    let servers = [
        redis.server(&[]).await,
        redis.server(&[]).await,
        redis.server(&[]).await,
    ];
    let mut peers = Vec::new();
    for index in 0..18 {
        let mut peer = servers[index % 3].connect("/").await;
        peer.send(json!({"type":"join","agentId":format!("peer-{index}")}))
            .await;
        peers.push((peer, BTreeSet::new()));
    }
    for (index, (peer, seen)) in peers.iter_mut().enumerate() {
        view(peer, seen, 17).await;
        assert!(!seen.contains(&format!("peer-{index}")));
    }
    // Every third one leaves, the rest agree on who is left.
    for index in (0..18).step_by(3).rev() {
        peers.remove(index).0.close().await;
    }
    for (peer, seen) in &mut peers {
        view(peer, seen, 11).await;
        peer.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_server_that_dies_takes_only_its_own_clients_along() {
    let redis = Redis::start().await;
    let one = redis.server(&["--client-timeout-seconds", "2"]).await;
    let mut alice = one.join("alice").await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--client-timeout-seconds",
            "2",
        ])
        .args(["--bus", &redis.url()])
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let (mut address, mut on_the_bus) = (None, false);
    while address.is_none() || !on_the_bus {
        let line = soon("the first lines", log.next_line())
            .await
            .unwrap()
            .unwrap();
        on_the_bus |= line.contains("on the bus");
        address = line
            .split_once("listening on http://")
            .map(|(_, at)| at.to_owned())
            .or(address);
    }
    let address = address.unwrap();
    let stream = TcpStream::connect(address.trim()).await.unwrap();
    let (socket, _) = client_async(format!("ws://{}/", address.trim()), stream)
        .await
        .unwrap();
    let mut bob = Peer { socket };
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    assert_eq!(bob.receive().await["peers"], json!(["alice"]));
    assert_eq!(alice.receive().await["peerId"], "bob");

    process.kill().await.unwrap();
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_left","peerId":"bob"})
    );
    // Its place is free.
    one.join("bob").await;
}

#[tokio::test]
async fn when_redis_is_lost_clients_are_asked_to_come_back_and_can() {
    let mut redis = Redis::start().await;
    let server = redis.server(&[]).await;
    let mut alice = server.join("alice").await;
    redis.kill().await;
    assert_eq!(alice.receive().await["type"], "going_away");
    assert_eq!(alice.closed_with().await, (1001, "going_away".to_owned()));
    assert_eq!(server.get("/ready", "").await.0, 503);
    let mut early = server.connect("/").await;
    early.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(early.receive_error().await, "try_later");

    redis.run().await;
    ready(&server).await;
    early.send(json!({"type":"join","agentId":"alice"})).await;
    assert_eq!(early.receive().await["type"], "peer_list");
}

#[tokio::test]
async fn a_server_does_not_start_without_its_bus() {
    let error = Server::start(&["--bus", "redis+unix:///no/such/socket"])
        .await
        .result()
        .await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("cannot use the bus"), "{error}");
}

/// Redis over TLS, trusted by a certificate that the operator gives to the system.
#[tokio::test]
async fn redis_may_be_reached_over_tls_with_a_password() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let names = vec!["localhost".to_owned()];
    let identity = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(path("cert.pem"), identity.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), identity.signing_key.serialize_pem()).unwrap();
    let start = async || {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--bind", "127.0.0.1", "--tls-port", &port])
            .args(["--tls-cert-file", &path("cert.pem")])
            .args(["--tls-key-file", &path("key.pem")])
            .args(["--tls-auth-clients", "no", "--requirepass", "hunter2"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("Ready to accept connections") {
                return Some((process, log, port));
            }
        }
        // Somebody else took the port meanwhile.
        None
    };
    let started = async {
        loop {
            if let Some(started) = start().await {
                return started;
            }
        }
    };
    let (_redis, _log, port) = soon("Redis", started).await;
    let server = |password: &str, trusted: &str| {
        Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .env("BUS", format!("rediss://:{password}@localhost:{port}/"))
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR")
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let mut process = server("hunter2", &path("cert.pem"));
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let on_the_bus = async {
        let mut said = Vec::new();
        while let Some(line) = log.next_line().await.unwrap() {
            assert!(!line.contains("hunter2"), "{line}");
            if line.contains("on the bus") {
                return;
            }
            said.push(line);
        }
        panic!("it ended: {said:?}");
    };
    soon("the bus", on_the_bus).await;

    for (password, trusted) in [("another", path("cert.pem")), ("hunter2", path("none.pem"))] {
        let refused = server(password, &trusted).wait_with_output();
        let refused = soon("the end", refused).await.unwrap();
        let log = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && log.contains("Redis"), "{log}");
        assert!(!log.contains(password), "{log}");
    }
}
