//! Beginnings and ends: the binary's signals, sockets that close and clients that fall silent.

use std::process::Stdio;

use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, soon};

type Log = Lines<BufReader<ChildStderr>>;

#[tokio::test]
async fn an_ending_server_closes_its_sockets_with_a_reason() {
    let server = Server::start(&[]).await;
    let mut joined = server.join("alice").await;
    let mut early = server.connect("/").await;
    let (_, told, second) = tokio::join!(server.stop(), joined.receive(), early.closed_with());
    assert_eq!(told["type"], "going_away");
    assert!(told["reconnectAfterMs"].as_u64().unwrap() <= 5_000);
    assert_eq!(joined.closed_with().await, (1001, "going_away".to_owned()));
    assert_eq!(second, (1001, "going_away".to_owned()));
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up_and_one_that_does_is_kept() {
    let server = Server::start(&["--client-timeout-seconds", "2"]).await;
    let mut alice = server.join("alice").await;
    let mut silent = server.join("silent").await;
    assert_eq!(alice.receive().await["peerId"], "silent");
    // Alice answers pings because she reads; the other one does not read.
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_left","peerId":"silent"})
    );
    let mut pinged = false;
    while let Some(Ok(frame)) = soon("the end", silent.socket.next()).await {
        pinged |= matches!(frame, Message::Ping(_));
    }
    assert!(pinged);
    alice.hears_nothing().await;
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs the binary, and returns the process and the address it listens on.
async fn binary(host: &str, variables: &[(&str, &str)]) -> (Child, String, Log) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .args(["--host", host, "--port", "0"])
        .envs(variables.iter().copied())
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let address = loop {
        let line = soon("the first line", log.next_line())
            .await
            .unwrap()
            .unwrap();
        if let Some((_, address)) = line.split_once("listening on http://") {
            break address.trim().to_owned();
        }
    };
    (process, address, log)
}

/// Deployments set variables to nothing to say nothing, and write booleans in many ways.
#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let variables = [
        ("MAX_ROOMS", ""),
        ("STORE", ""),
        ("BUS", ""),
        ("TLS_CERT", ""),
        ("TOKEN_SECRET", ""),
        ("TRUST_FORWARDED_FOR", "1"),
    ];
    let (_process, address, mut log) = binary("127.0.0.1", &variables).await;
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    // The log goes to a pipe: there are no colours in it.
    let line = soon("a line", log.next_line()).await.unwrap().unwrap();
    assert!(!line.contains('\u{1b}'), "{line:?}");

    let help = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .arg("--help")
        .env("TOKEN_SECRET", SECRET)
        .env("BUS", "redis://:hunter2@10.0.0.5/")
        .output()
        .await
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("TOKEN_SECRET") && !help.contains(SECRET));
    assert!(help.contains("BUS") && !help.contains("hunter2"));
}

/// It says so where anyone may come in from elsewhere, and only there.
#[tokio::test]
async fn the_log_tells_of_an_open_door() {
    for (host, secret, told) in [
        ("0.0.0.0", None, true),
        ("0.0.0.0", Some(("TOKEN_SECRET", SECRET)), false),
        ("127.0.0.1", None, false),
    ] {
        let (mut process, _, mut log) = binary(host, secret.as_slice()).await;
        let pid = process.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
        let mut warned = false;
        while let Some(line) = soon("the log", log.next_line()).await.unwrap() {
            warned |= line.contains("WARN") && line.contains("no token secret is set");
        }
        assert_eq!(warned, told, "{host} {secret:?}");
        soon("the end", process.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn the_binary_ends_cleanly_on_sigterm_and_on_sigint() {
    for signal in ["-TERM", "-INT"] {
        let (mut process, address, mut log) = binary("127.0.0.1", &[]).await;
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let url = format!("ws://{address}/");
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let pid = process.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        let told = soon("the announcement", socket.next())
            .await
            .unwrap()
            .unwrap();
        assert!(told.to_text().unwrap().contains("going_away"), "{told}");
        let end = soon("the close", socket.next()).await;
        let Some(Ok(Message::Close(Some(frame)))) = end else {
            panic!("{signal}: got {end:?}")
        };
        assert_eq!(u16::from(frame.code), 1001);
        // The closing handshake is finished by reading on.
        while let Some(Ok(_)) = soon("the end", socket.next()).await {}
        let status = soon("the process", process.wait()).await.unwrap();
        assert!(status.success(), "{signal}: {status}");
    }
}

#[tokio::test]
async fn the_binary_says_in_words_why_it_cannot_start() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = |arguments: Vec<String>| async move {
        Command::new(env!("CARGO_BIN_EXE_signaling-server"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .output()
            .await
            .unwrap()
    };
    let output = run(vec!["--port".to_owned(), port.clone()]).await;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && log.contains(&port), "{log}");

    let output = run(vec!["--max-rooms".to_owned(), "none".to_owned()]).await;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && log.contains("--max-rooms"),
        "{log}"
    );

    let output = Command::new(env!("CARGO_BIN_EXE_signaling-server"))
        .env("RUST_LOG", "signaling_server=loud")
        .output()
        .await
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && log.contains("RUST_LOG") && log.contains("loud"),
        "{log}"
    );
}
