//! What an operator does beside serving: the commands of the binary.

use std::path::Path;
use std::process::Output;

use serde_json::json;
use tokio::process::Command;

use crate::support::{Folder, Server, soon};

async fn command(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .args(arguments)
        .output();
    soon("the command", output).await.unwrap()
}

/// What a command on the rooms of a store prints.
async fn rooms(store: &Path, arguments: &[&str]) -> String {
    let store = store.to_str().unwrap();
    let output = command(&[&["rooms"], arguments, &["--store", store]].concat()).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

async fn refused(arguments: &[&str]) -> String {
    let output = command(arguments).await;
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

async fn write(server: &Server, room: &str, payloads: &[&str]) {
    let mut peer = server.connect(&format!("/ws/{room}")).await;
    peer.send(json!({"type":"join","agentId":"alice"})).await;
    peer.receive().await;
    for payload in payloads {
        peer.send(json!({"type":"log_append","payload":payload}))
            .await;
        assert_eq!(peer.receive().await["type"], "log_ack");
    }
    peer.close().await;
}

#[tokio::test]
async fn logs_are_listed_copied_and_deleted() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let path = store.to_str().unwrap();
    let server = Server::start(&["--store", path]).await;
    write(&server, "garden", &["AAEC", "/+7d"]).await;
    write(&server, "kitchen", &["AA=="]).await;

    let in_use = refused(&["rooms", "list", "--store", path]).await;
    assert!(in_use.contains(path) && in_use.contains("open"), "{in_use}");
    server.stop().await;

    let listed = rooms(&store, &["list"]).await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert_eq!((lines[0][1], lines[0][3]), ("2", "room/garden"));
    assert_eq!((lines[1][1], lines[1][3]), ("1", "room/kitchen"));
    assert!(lines[0][2].starts_with("20") && lines[0][2].len() == 10);
    let shown = rooms(&store, &["show", "room/garden"]).await;
    assert!(shown.contains("entries\t2\n"), "{shown}");
    let exported = rooms(&store, &["export", "room/garden"]).await;
    assert_eq!(
        exported,
        "{\"payload\":\"AAEC\",\"seq\":1}\n{\"payload\":\"/+7d\",\"seq\":2}\n"
    );

    // All or none.
    let unknown = [
        "rooms",
        "delete",
        "room/garden",
        "room/cellar",
        "--store",
        path,
    ];
    assert!(refused(&unknown).await.contains("room/cellar"));
    assert_eq!(rooms(&store, &["list"]).await, listed);
    let deleted = rooms(&store, &["delete", "room/garden"]).await;
    assert!(deleted.starts_with("deleted room/garden"), "{deleted}");
    let compacted = rooms(&store, &["compact"]).await;
    assert!(compacted.contains("bytes before"), "{compacted}");

    let server = Server::start(&["--store", path]).await;
    let mut peer = server.connect("/ws/garden").await;
    peer.send(json!({"type":"join","agentId":"bob"})).await;
    peer.receive().await;
    peer.send(json!({"type":"log_read"})).await;
    assert_eq!(peer.receive().await["entries"], json!([]));
    let mut peer = server.connect("/ws/kitchen").await;
    peer.send(json!({"type":"join","agentId":"bob"})).await;
    peer.receive().await;
    peer.send(json!({"type":"log_read"})).await;
    assert_eq!(peer.receive().await["entries"][0]["payload"], "AA==");
}

/// A command looks after a store; it does not make one.
#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let folder = Folder::new();
    let missing = folder.path().join("missing");
    let why = refused(&["rooms", "list", "--store", missing.to_str().unwrap()]).await;
    assert!(why.contains("missing") && !missing.exists(), "{why}");
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "no store").unwrap();
    refused(&["rooms", "compact", "--store", other.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "no store");
}

#[tokio::test]
async fn the_health_check_asks_the_server_with_the_same_settings() {
    let server = Server::start(&[]).await;
    let port = server.address.port().to_string();
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let output = command(&["--host", host, "--port", &port, "health"]).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{host}: {error}");
    }
    server.stop().await;
    let gone = refused(&["--port", &port, "health"]).await;
    assert!(gone.contains(&port), "{gone}");
}

#[tokio::test]
async fn the_health_check_knows_the_certificate() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |cert: &str, key: &str| {
        let names = vec!["edit.example.org".to_owned()];
        let identity = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(path(cert), identity.cert.pem()).unwrap();
        std::fs::write(path(key), identity.signing_key.serialize_pem()).unwrap();
    };
    write("cert.pem", "key.pem");
    write("other.pem", "other-key.pem");
    let tls = |cert: &str, key: &str| [path(cert), path(key)];
    let [cert, key] = tls("cert.pem", "key.pem");
    let server = Server::start(&["--tls-cert", &cert, "--tls-key", &key]).await;
    let port = server.address.port().to_string();
    let ask = async |cert: &str, key: &str| {
        let settings = ["--port", &port, "--tls-cert", cert, "--tls-key", key];
        command(&[&settings[..], &["health"]].concat()).await
    };
    assert!(ask(&cert, &key).await.status.success());
    let [other, other_key] = tls("other.pem", "other-key.pem");
    assert!(!ask(&other, &other_key).await.status.success());
}

/// The unit as systemd reads it, once the binary is where the unit expects it.
#[tokio::test]
async fn systemd_takes_the_unit() {
    let folder = Folder::new();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("signaling-server.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let installed = "ExecStart=/usr/local/bin/signaling-server";
    assert!(unit.contains(installed));
    let built = format!("ExecStart={}", env!("CARGO_BIN_EXE_signaling-server"));
    let copy = folder.path().join("signaling-server.service");
    std::fs::write(&copy, unit.replace(installed, &built)).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&copy)
        .output();
    let verified = soon("systemd-analyze", verified).await;
    let verified = verified.expect("systemd-analyze is needed for this test (Debian's systemd)");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
}
