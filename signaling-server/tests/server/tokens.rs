//! Join tokens and TURN credentials over the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Folder, Server};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn token(room: &str, access: &str, seconds: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"room":room,"access":access,"exp":now + seconds});
    let signed = format!(
        "{}.{}",
        part(json!({"alg":"HS256","typ":"JWT"})),
        part(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
    )
}

#[tokio::test]
async fn only_bearers_of_a_token_come_in_and_readers_are_known_as_such() {
    let server = Server::start(&["--token-secret", SECRET]).await;
    let mut alice = server.connect("/").await;
    for (token, code) in [
        (json!(null), "unauthorized"),
        (json!("x.y.z"), "unauthorized"),
        (json!(token("kitchen", "write", 60)), "forbidden"),
    ] {
        alice
            .send(json!({"type":"join","agentId":"alice","room":"garden","token":token}))
            .await;
        assert_eq!(alice.receive_error().await, code);
    }
    let good = token("garden", "write", 60);
    alice
        .send(json!({"type":"join","agentId":"alice","room":"garden","token":good}))
        .await;
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_list","peers":[]})
    );

    let mut reader = server.connect("/ws/garden").await;
    let read = token("garden", "read", 60);
    reader
        .send(json!({"type":"join","agentId":"reader","token":read}))
        .await;
    reader.receive().await;
    let told = json!({"type":"peer_joined","peerId":"reader","readOnly":true});
    assert_eq!(alice.receive().await, told);
    let mut bob = server.connect("/ws/garden").await;
    bob.send(json!({"type":"join","agentId":"bob","token":good}))
        .await;
    assert_eq!(bob.receive().await["readOnly"], json!(["reader"]));
}

#[tokio::test]
async fn readers_read_the_log_and_do_not_write_it() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let flags = ["--token-secret", SECRET, "--store", store.to_str().unwrap()];
    let server = Server::start(&flags).await;
    let mut peers = Vec::new();
    for access in ["write", "read"] {
        let mut peer = server.connect("/ws/garden").await;
        let token = token("garden", access, 60);
        peer.send(json!({"type":"join","agentId":access,"token":token}))
            .await;
        assert_eq!(peer.receive().await["log"], true);
        peers.push(peer);
    }
    let [writer, reader] = &mut peers[..] else {
        unreachable!("two were made")
    };
    writer.receive().await;
    writer
        .send(json!({"type":"log_append","payload":"AAEC","id":1}))
        .await;
    assert_eq!(writer.receive().await["type"], "log_ack");
    for refused in [
        json!({"type":"log_append","payload":"/w==","id":2}),
        json!({"type":"log_snapshot","base":0,"upto":1,"payload":"/w==","id":2}),
    ] {
        reader.send(refused).await;
        let error = reader.receive().await;
        assert_eq!(
            (&error["code"], &error["id"]),
            (&json!("forbidden"), &json!(2))
        );
    }
    reader.send(json!({"type":"log_read"})).await;
    let log = reader.receive().await;
    assert_eq!(log["entries"], json!([{"seq":1,"payload":"AAEC"}]));
    // It still finds its way to the others.
    reader
        .send(json!({"type":"offer","to":"write","offer":{}}))
        .await;
    assert_eq!(writer.receive().await["from"], "read");
}

#[tokio::test]
async fn who_came_in_by_a_token_goes_when_it_expires() {
    let server = Server::start(&["--token-secret", SECRET, "--client-timeout-seconds", "2"]).await;
    let mut alice = server.connect("/").await;
    let short = token("default", "write", 2);
    alice
        .send(json!({"type":"join","agentId":"alice","token":short}))
        .await;
    assert_eq!(alice.receive().await["type"], "peer_list");
    assert_eq!(
        alice.closed_with().await,
        (4005, "token_expired".to_owned())
    );
}

#[tokio::test]
async fn newcomers_get_credentials_for_the_turn_server() {
    let flags = [
        "--stun-url",
        "stun:s.test",
        "--turn-url",
        "turn:t.test,turns:t.test",
        "--turn-secret",
        SECRET,
    ];
    let server = Server::start(&flags).await;
    let mut alice = server.connect("/").await;
    alice.send(json!({"type":"join","agentId":"alice"})).await;
    let list = alice.receive().await;
    assert_eq!(list["iceServers"][0], json!({"urls":["stun:s.test"]}));
    let turn = &list["iceServers"][1];
    assert_eq!(turn["urls"], json!(["turn:t.test", "turns:t.test"]));
    assert!(turn["username"].as_str().unwrap().ends_with(":alice"));
    assert_eq!(turn["credential"].as_str().unwrap().len(), 28);
}
