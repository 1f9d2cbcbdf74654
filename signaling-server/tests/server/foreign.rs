//! Clients of other servers, which learn what to use here.

use crate::support::Server;
use crate::yjs;

#[tokio::test]
async fn yjs_clients_at_another_address_are_told_which_one_is_theirs() {
    let server = Server::start(&[]).await;
    let hocuspocus = b"\x06garden\x02\x00\x05token";
    for (path, first) in [("/", &hocuspocus[..]), ("/ws/garden", &[0, 0, 1, 0])] {
        let mut peer = server.connect(path).await;
        yjs::send(&mut peer, first).await;
        let answer = yjs::receive(&mut peer).await;
        let words = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            words.contains("y-websocket") && words.ends_with("/yjs"),
            "{words}"
        );
        assert_eq!(peer.closed_with().await.0, 4006);
    }
}

#[tokio::test]
async fn peerjs_clients_are_told_what_to_use() {
    let server = Server::start(&[]).await;
    let (status, _, body) = server.get("/peerjs/id?ts=1", "").await;
    assert!(status == 404 && body.contains("NetworkSync"), "{body}");
    let mut peer = server
        .connect("/peerjs?key=peerjs&id=a&token=b&version=1.5.5")
        .await;
    let error = peer.receive().await;
    assert_eq!(error["type"], "ERROR");
    assert!(
        error["payload"]["msg"]
            .as_str()
            .unwrap()
            .contains("NetworkSync")
    );
    assert_eq!(peer.closed_with().await.0, 4006);
}
