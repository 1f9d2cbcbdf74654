//! What an operator's tools read: metrics, and the log as JSON.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::{Folder, Peer, Server, soon};

#[tokio::test]
async fn the_metrics_tell_of_the_store_and_the_process() {
    let folder = Folder::new();
    let store = folder.path().join("logs");
    let server = Server::start(&["--store", store.to_str().unwrap()]).await;
    for metric in ["signaling_store_bytes", "signaling_store_logs"] {
        assert!(server.metric(metric).await.abs() < 0.5, "{metric}");
    }
    let mut peer = server.join("alice").await;
    for _ in 0..2 {
        peer.send(json!({"type":"log_append","payload":"AAEC"}))
            .await;
        assert_eq!(peer.receive().await["type"], "log_ack");
    }
    assert!((server.metric("signaling_store_logs").await - 1.0).abs() < 0.5);
    assert!(server.metric("signaling_store_bytes").await >= 6.0);
    assert!(server.metric("signaling_store_commit_seconds_count").await >= 2.0);
    assert!(server.metric("process_start_time_seconds").await > 1.7e9);
    if cfg!(target_os = "linux") {
        assert!(server.metric("process_resident_memory_bytes").await > 1e6);
        assert!(server.metric("process_open_fds").await > 2.0);
        assert!(server.metric("process_threads").await >= 1.0);
    }
    let (_, _, text) = server.get("/metrics", "").await;
    let build = format!(
        "signaling_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(text.contains(&build), "{text}");
}

#[tokio::test]
async fn a_log_of_json_ties_the_lines_of_a_client_together() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--log-format",
            "json",
            "-v",
        ])
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut line_with = async |message: &str| loop {
        let line = soon("a line", log.next_line()).await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let text = line["fields"]["message"].as_str().unwrap();
        if text.starts_with(message) {
            return line;
        }
    };
    let first = line_with("listening on http://").await;
    assert_eq!(first["level"], "INFO");
    assert!(first["timestamp"].is_string());
    let text = first["fields"]["message"].as_str().unwrap();
    let address = text.strip_prefix("listening on http://").unwrap();

    let mut numbers = Vec::new();
    for agent in ["alice", "bob"] {
        let stream = TcpStream::connect(address).await.unwrap();
        let client = stream.local_addr().unwrap().to_string();
        let handshake = tokio_tungstenite::client_async(format!("ws://{address}/"), stream);
        let (socket, _) = soon("the handshake", handshake).await.unwrap();
        let mut peer = Peer { socket };
        peer.send(json!({"type":"join","agentId":agent})).await;
        let opened = line_with("a socket opened").await;
        let joined = line_with("joined").await;
        assert_eq!(joined["fields"]["agent"], agent);
        for line in [&opened, &joined] {
            let span = &line["spans"][0];
            assert_eq!(
                (&span["name"], &span["address"]),
                (&json!("client"), &json!(client))
            );
        }
        assert_eq!(opened["spans"][0]["number"], joined["spans"][0]["number"]);
        numbers.push(joined["spans"][0]["number"].as_u64().unwrap());
        peer.close().await;
        line_with("a socket closed").await;
    }
    assert_ne!(numbers[0], numbers[1]);
}
