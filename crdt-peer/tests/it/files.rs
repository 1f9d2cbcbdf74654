//! What the files of a member can meet with.

use std::fs;

use tokio::process::Command;

use crate::support::{Folder, Peer, Server};

#[tokio::test]
async fn two_processes_cannot_have_one_file() {
    let server = Server::start().await;
    let link = server.link("garden");
    let folder = Folder::with("one\n");
    let first = Peer::join(&link, &folder, &[]);
    first.says("in the room").await;
    let (code, said) = Peer::join(&link, &folder, &[]).end().await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("in use by another crdt-peer (process"),
        "{said}"
    );
    assert_eq!(first.stop().await.0, Some(0));
    let second = Peer::join(&link, &folder, &[]);
    second.says("in the room").await;
    assert_eq!(second.stop().await.0, Some(0));
}

#[tokio::test]
async fn a_damaged_document_is_named_and_left_as_it_is() {
    let server = Server::start().await;
    let link = server.link("garden");
    let folder = Folder::with("one\n");
    assert_eq!(
        Peer::join(&link, &folder, &["--once"]).end().await.0,
        Some(0)
    );
    let document = folder.path().join("notes.txt.crdt");
    let mut bytes = fs::read(&document).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&document, bytes).unwrap();
    let before = folder.content();
    let (code, said) = Peer::join(&link, &folder, &[]).end().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("notes.txt.crdt is damaged"), "{said}");
    assert_eq!(folder.content(), before);
}

#[tokio::test]
async fn a_full_disk_stops_nothing_for_good_and_loses_nothing() {
    let server = Server::start().await;
    let link = server.link("garden");
    let (ann, ben) = (Folder::with("one\n"), Folder::new());
    let first = Peer::join(&link, &ann, &[]);
    ann.keeps("one").await;

    // No file of this one may grow beyond 8 KiB, as if the disk were full then.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_crdt-peer"));
    command.args(["join", &link, "--file"]).arg(ben.file());
    let second = Peer::start(command);
    ben.has("one\n").await;
    let mut random = fastrand::Rng::with_seed(5);
    let line = |random: &mut fastrand::Rng| -> String {
        (0..79)
            .map(|_| random.alphanumeric())
            .chain(['\n'])
            .collect()
    };
    let large: String = (0..800).map(|_| line(&mut random)).collect();
    ann.save(&large);
    second.says("the write is repeated every 5 s").await;
    assert!(second.said().contains("cannot write"), "{}", second.said());
    assert_eq!(ben.text(), "one\n");
    // Told to end, it says that it could not keep what came; the files are as they were.
    let (code, said) = second.stop().await;
    assert_eq!(code, Some(1), "{said}");
    let before = ben.content();
    assert!(before.iter().all(|(_, bytes)| bytes.len() < 8 << 10));

    // With room again everything comes.
    let second = Peer::join(&link, &ben, &[]);
    ben.has(&large).await;
    for peer in [first, second] {
        assert_eq!(peer.stop().await.0, Some(0));
    }
}
