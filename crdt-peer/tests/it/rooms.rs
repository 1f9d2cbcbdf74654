//! Members that find each other, by direct connections and by the relay.

use crate::support::{Folder, Peer, Server, until};

/// Ways that lead from one member to another, as `--links` names them.
const WAYS: [&str; 2] = ["direct", "relay"];

#[tokio::test]
async fn edits_of_files_go_both_ways_and_outlive_the_server() {
    for way in WAYS {
        let mut server = Server::start().await;
        let link = server.link("garden");
        let (ann, ben) = (Folder::with("one\n"), Folder::new());
        let links = ["--links", way];
        let first = Peer::join(&link, &ann, &links);
        // It has the room to itself, so that its text is the room's.
        ann.keeps("one").await;
        let second = Peer::join(&link, &ben, &links);
        ben.has("one\n").await;
        ben.save("one\ntwo\n");
        ann.has("one\ntwo\n").await;

        server = server.restart().await;
        ann.save("zero\none\ntwo\n");
        ben.has("zero\none\ntwo\n").await;

        let (cleo, third) = (Folder::new(), server.link("garden"));
        let third = Peer::join(&third, &cleo, &links);
        cleo.has("zero\none\ntwo\n").await;
        cleo.save("zero\none\ntwo\nthree\n");
        for folder in [&ann, &ben] {
            folder.has("zero\none\ntwo\nthree\n").await;
        }
        for peer in [first, second, third] {
            let (code, said) = peer.stop().await;
            assert_eq!(code, Some(0), "{way}: {said}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn what_was_edited_apart_comes_together() {
    let server = Server::start().await;
    let link = server.link("garden");
    let (ann, ben) = (Folder::with("one\ntwo\n"), Folder::new());
    let first = Peer::join(&link, &ann, &[]);
    ann.keeps("one").await;
    let second = Peer::join(&link, &ben, &[]);
    ben.has("one\ntwo\n").await;

    // One is killed, and its file edited; the other goes on.
    first.kill().await;
    ann.save("zero\none\ntwo\n");
    ben.save("one\ntwo\nthree\n");
    let first = Peer::join(&link, &ann, &[]);
    for folder in [&ann, &ben] {
        folder.has("zero\none\ntwo\nthree\n").await;
    }
    for peer in [first, second] {
        assert_eq!(peer.stop().await.0, Some(0));
    }
}

#[tokio::test]
async fn once_brings_both_up_to_date_and_ends() {
    let server = Server::start().await;
    let link = server.link("garden");
    let (ann, ben) = (Folder::with("one\n"), Folder::new());
    // Alone, it only keeps its own.
    let (code, said) = Peer::join(&link, &ann, &["--once"]).end().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("WARN") && said.contains("nobody else has the text"),
        "{said}"
    );
    let stays = Peer::join(&link, &ann, &[]);
    for (way, text) in WAYS.into_iter().zip(["one\n", "one\ntwo\n"]) {
        let once = ["--once", "--links", way];
        let (code, said) = Peer::join(&link, &ben, &once).end().await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(ben.text(), text);
        ben.save("one\ntwo\n");
    }
    ann.has("one\ntwo\n").await;
    // What cannot succeed is not waited for.
    ben.save("mine\n");
    let read_only = ["--once", "--read-only"];
    let (code, said) = Peer::join(&link, &ben, &read_only).end().await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("ERROR") && said.contains("keeps edits out"),
        "{said}"
    );
    ben.save("one\ntwo\n");
    assert_eq!(stays.stop().await.0, Some(0));

    server.stop().await;
    let (code, said) = Peer::join(&link, &ben, &["--once"]).end().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot be reached"), "{said}");
}

#[tokio::test]
async fn what_one_leaves_at_the_server_another_finds_there() {
    let store = Folder::new();
    let server = Server::with_store(store.path()).await;
    let link = server.link("garden");
    let once = async |folder: &Folder, link: &str| {
        let (code, said) = Peer::join(link, folder, &["--once"]).end().await;
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("nobody else has the text"), "{said}");
    };
    let (ann, ben, ray) = (Folder::with("one\n"), Folder::new(), Folder::new());
    once(&ann, &link).await;
    once(&ben, &link).await;
    assert_eq!(ben.text(), "one\n");
    ben.save("one\ntwo\n");
    once(&ben, &link).await;
    // A server that ends and begins again has it on its disk, and a reader takes it from there as well.
    server.stop().await;
    let server = Server::with_store(store.path()).await;
    once(&ray, &server.read_link()).await;
    once(&ann, &server.link("garden")).await;
    for folder in [&ann, &ray] {
        assert_eq!(folder.text(), "one\ntwo\n");
    }
    server.stop().await;
}

/// A text that does not fit into a small store, also when it is compressed.
fn long_text() -> String {
    (1..2000u32)
        .map(|n| format!("{:x}\n", n.wrapping_mul(2_654_435_761)))
        .collect()
}

#[tokio::test]
async fn once_fails_where_the_server_refuses_what_is_left_there() {
    let store = Folder::new();
    let server = Server::with_small_store(store.path()).await;
    let folder = Folder::with(&long_text());
    let peer = Peer::join(&server.link("garden"), &folder, &["--once"]);
    let (code, said) = peer.end().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("not everything went through")
            && said.contains("the server does not keep everything: "),
        "{said}"
    );
    server.stop().await;
}

#[tokio::test]
async fn once_fails_where_the_server_goes_and_stays_away() {
    let store = Folder::new();
    // It never has everything, however late it ends.
    let server = Server::with_small_store(store.path()).await;
    let folder = Folder::with(&long_text());
    let peer = Peer::join(&server.link("garden"), &folder, &["--once"]);
    peer.says("in the room").await;
    server.stop().await;
    let (code, said) = peer.end().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("not everything went through") && said.contains("cannot be reached"),
        "{said}"
    );
}

#[tokio::test]
async fn read_only_follows_and_sends_nothing() {
    let server = Server::start().await;
    let link = server.link("garden");
    let (ann, ben) = (Folder::with("one\n"), Folder::new());
    let first = Peer::join(&link, &ann, &[]);
    let second = Peer::join(&link, &ben, &["--read-only"]);
    ben.has("one\n").await;
    ben.save("mine\n");
    second.says("--read-only keeps edits out of the room").await;
    ann.save("one\ntwo\n");
    ben.keeps("two").await;
    assert_eq!(ben.text(), "mine\n");
    std::fs::rename(ben.file(), ben.path().join("moved")).unwrap();
    ben.has("one\ntwo\n").await;
    assert_eq!(ann.text(), "one\ntwo\n");
    for peer in [first, second] {
        assert_eq!(peer.stop().await.0, Some(0));
    }
}

#[tokio::test]
async fn with_a_read_only_link_nothing_is_sent_and_the_text_follows() {
    let server = Server::start().await;
    for way in WAYS {
        let (ann, ben) = (Folder::with("one\n"), Folder::new());
        let links = ["--links", way];
        let first = Peer::join(&server.link("garden"), &ann, &links);
        let second = Peer::join(&server.read_link(), &ben, &links);
        ben.has("one\n").await;
        ben.save("mine\n");
        second.says("--read-only keeps edits out of the room").await;
        ann.save("one\ntwo\n");
        ben.keeps("two").await;
        std::fs::rename(ben.file(), ben.path().join("moved")).unwrap();
        ben.has("one\ntwo\n").await;
        assert_eq!(ann.text(), "one\ntwo\n");
        for peer in [first, second] {
            assert_eq!(peer.stop().await.0, Some(0));
        }
    }
}

#[tokio::test]
async fn two_texts_that_know_nothing_of_each_other_are_left_alone() {
    let server = Server::start().await;
    let link = server.link("garden");
    let (ann, ben, cleo) = (
        Folder::with("one\n"),
        Folder::with("other\n"),
        Folder::with("one\n"),
    );
    let first = Peer::join(&link, &ann, &[]);
    ann.keeps("one").await;
    let (code, said) = Peer::join(&link, &ben, &[]).end().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("move the file away"), "{said}");
    assert_eq!(ben.text(), "other\n");
    // The same text is no other one.
    let third = Peer::join(&link, &cleo, &[]);
    cleo.keeps("[[\"crdt-peer-").await;
    cleo.save("one\ntwo\n");
    ann.has("one\ntwo\n").await;
    // Moved away, the room's text takes its place.
    std::fs::rename(ben.file(), ben.path().join("moved")).unwrap();
    let second = Peer::join(&link, &ben, &[]);
    ben.has("one\ntwo\n").await;
    for peer in [first, second, third] {
        assert_eq!(peer.stop().await.0, Some(0));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let server = Server::start().await;
    let link = server.link("garden");
    let address = server.stop().await;
    let folder = Folder::with("one\n");
    let peer = Peer::join(&link, &folder, &[]);
    peer.says("it is tried again").await;
    let again = tokio::net::TcpListener::bind(address).await.unwrap();
    // The listeners there have been called.
    until("it calls again", || again.local_addr().is_ok()).await;
    let _ = again.accept().await.unwrap();
    assert_eq!(peer.stop().await.0, Some(0));
}
