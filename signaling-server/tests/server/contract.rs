//! The contract of the wire: shapes, order, and the rules that keep peers apart.

use serde_json::json;

use crate::support::{Server, an_id_is_kept_for_its_client};

#[tokio::test]
async fn two_peers_meet_signal_and_part() {
    let server = Server::start(&[]).await;
    let mut alice = server.connect("/").await;
    alice
        .send_text(r#"{"type":"join","agentId":"alice"}"#)
        .await;
    assert_eq!(
        alice.receive_text().await,
        r#"{"type":"peer_list","peers":[]}"#
    );

    let mut bob = server.connect("/ws").await;
    bob.send_text(r#"{"type":"join","agentId":"bob"}"#).await;
    assert_eq!(
        alice.receive_text().await,
        r#"{"type":"peer_joined","peerId":"bob"}"#
    );
    assert_eq!(
        bob.receive_text().await,
        r#"{"type":"peer_list","peers":["alice"]}"#
    );

    // Signals arrive as they were sent, letter for letter, fields of the peers' own included.
    let signals = [
        r#"{"type":"offer","to":"bob","from":"alice","offer":{"type":"offer","sdp":"v=0\r\n"}}"#,
        r#"{"type": "offer", "offer": {"b":1,"a":2.50}, "to":"bob","session":"17","from":"alice"}"#,
        r#"{"type":"ice_candidate","to":"bob","from":"alice","candidate":{"candidate":""}}"#,
        r#"{"type":"ice_candidate","to":"bob","from":"alice","candidate":null}"#,
        r#"{"type":"relay","to":"bob","from":"alice","payload":"AAEC"}"#,
    ];
    for signal in signals {
        alice.send_text(signal).await;
        assert_eq!(bob.receive_text().await, signal);
    }
    let answer = r#"{"type":"answer","to":"alice","from":"bob","answer":{"type":"answer"}}"#;
    bob.send_text(answer).await;
    assert_eq!(alice.receive_text().await, answer);

    bob.close().await;
    assert_eq!(
        alice.receive_text().await,
        r#"{"type":"peer_left","peerId":"bob"}"#
    );
}

#[tokio::test]
async fn the_others_are_told_of_a_newcomer_who_gets_their_names_in_order() {
    let server = Server::start(&[]).await;
    let mut carol = server.join("carol").await;
    let mut alice = server.join("alice").await;
    assert_eq!(
        carol.receive().await,
        json!({"type":"peer_joined","peerId":"alice"})
    );
    let mut bob = server.connect("/").await;
    bob.send(json!({"type":"join","agentId":"bob","capabilities":["relay"],"protocol":1}))
        .await;
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_list","peers":["alice","carol"]})
    );
    let told = json!({"type":"peer_joined","peerId":"bob","capabilities":["relay"]});
    assert_eq!(alice.receive().await, told);
    assert_eq!(carol.receive().await, told);
    let mut dave = server.connect("/").await;
    dave.send(json!({"type":"join","agentId":"dave"})).await;
    assert_eq!(
        dave.receive().await["capabilities"],
        json!({"bob":["relay"]})
    );
}

#[tokio::test]
async fn rooms_do_not_see_each_other() {
    let server = Server::start(&[]).await;
    let mut in_default = server.join("same-name").await;
    let mut by_path = server.connect("/ws/caf%C3%A9%20%F0%9F%A6%80").await;
    by_path
        .send(json!({"type":"join","agentId":"same-name"}))
        .await;
    assert_eq!(
        by_path.receive().await,
        json!({"type":"peer_list","peers":[]})
    );
    let mut by_join = server.connect("/").await;
    by_join
        .send(json!({"type":"join","agentId":"other","room":"café 🦀"}))
        .await;
    assert_eq!(
        by_join.receive().await,
        json!({"type":"peer_list","peers":["same-name"]})
    );
    assert_eq!(
        by_path.receive().await,
        json!({"type":"peer_joined","peerId":"other"})
    );

    by_join
        .send(json!({"type":"offer","to":"same-name","from":"other","offer":{}}))
        .await;
    assert_eq!(by_path.receive().await["from"], "other");
    in_default.hears_nothing().await;
}

#[tokio::test]
async fn the_room_in_the_address_and_in_the_join_have_to_agree() {
    let server = Server::start(&[]).await;
    let mut peer = server.connect("/ws/garden").await;
    peer.send(json!({"type":"join","agentId":"a","room":"kitchen"}))
        .await;
    assert_eq!(peer.receive_error().await, "invalid_room");
    peer.send(json!({"type":"join","agentId":"a","room":"garden"}))
        .await;
    assert_eq!(peer.receive().await["type"], "peer_list");

    let mut peer = server.connect("/ws/a%0Ab").await;
    peer.send(json!({"type":"join","agentId":"a"})).await;
    assert_eq!(peer.receive_error().await, "invalid_room");
}

#[tokio::test]
async fn nobody_speaks_for_another() {
    let server = Server::start(&[]).await;
    let mut bob = server.join("bob").await;
    let mut mallory = server.join("mallory").await;
    bob.receive().await;
    mallory
        .send(json!({"type":"offer","to":"bob","from":"alice","offer":{}}))
        .await;
    assert_eq!(mallory.receive_error().await, "forged_sender");
    mallory
        .send(json!({"type":"relay","to":"bob","from":"bob","payload":""}))
        .await;
    assert_eq!(mallory.receive_error().await, "forged_sender");
    bob.hears_nothing().await;

    mallory
        .send(json!({"type":"offer","to":"bob","offer":{}}))
        .await;
    let stamped = json!({"type":"offer","to":"bob","from":"mallory","offer":{}});
    assert_eq!(bob.receive().await, stamped);
}

#[tokio::test]
async fn a_taken_id_is_refused_and_its_owner_undisturbed() {
    let server = Server::start(&[]).await;
    let mut alice = server.connect("/").await;
    alice
        .send(json!({"type":"join","agentId":"alice","session":"s3cret"}))
        .await;
    alice.receive().await;
    for session in [json!(null), json!("guess")] {
        let mut other = server.connect("/").await;
        other
            .send(json!({"type":"join","agentId":"alice","session":session}))
            .await;
        assert_eq!(other.receive_error().await, "agent_id_taken");
        // The refused one may try again under another name.
        other.send(json!({"type":"join","agentId":"alice-2"})).await;
        assert_eq!(other.receive().await["peers"], json!(["alice"]));
        assert_eq!(alice.receive().await["peerId"], "alice-2");
        other.close().await;
        assert_eq!(alice.receive().await["type"], "peer_left");
    }
    alice.hears_nothing().await;
}

#[tokio::test]
async fn a_client_come_back_takes_its_id_over_without_having_left() {
    let server = Server::start(&[]).await;
    let mut bob = server.join("bob").await;
    let join = json!({"type":"join","agentId":"alice","session":"s3cret"});
    let mut before = server.connect("/").await;
    before.send(join.clone()).await;
    before.receive().await;
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_joined","peerId":"alice"})
    );

    let mut after = server.connect("/").await;
    after.send(join).await;
    assert_eq!(
        after.receive().await,
        json!({"type":"peer_list","peers":["bob"]})
    );
    assert_eq!(before.closed_with().await, (4002, "replaced".to_owned()));
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_joined","peerId":"alice","rejoined":true})
    );
    drop(before);
    bob.send(json!({"type":"offer","to":"alice","from":"bob","offer":{}}))
        .await;
    assert_eq!(after.receive().await["from"], "bob");
    bob.hears_nothing().await;

    after.close().await;
    assert_eq!(
        bob.receive().await,
        json!({"type":"peer_left","peerId":"alice"})
    );
}

#[tokio::test]
async fn a_signal_for_a_peer_that_is_gone_is_answered_at_once() {
    let server = Server::start(&[]).await;
    let mut alice = server.join("alice").await;
    let bob = server.join("bob").await;
    alice.receive().await;
    bob.close().await;
    assert_eq!(alice.receive().await["type"], "peer_left");
    for message in [
        json!({"type":"offer","to":"bob","from":"alice","offer":{}}),
        json!({"type":"relay","to":"bob","from":"alice","payload":""}),
    ] {
        alice.send(message).await;
        let error = alice.receive().await;
        assert_eq!(
            (&error["code"], &error["peerId"]),
            (&json!("peer_unavailable"), &json!("bob"))
        );
    }
}

#[tokio::test]
async fn who_leaves_may_join_again_on_the_same_socket() {
    let server = Server::start(&[]).await;
    let mut alice = server.join("alice").await;
    let mut bob = server.join("bob").await;
    alice.receive().await;
    bob.send(json!({"type":"leave"})).await;
    assert_eq!(
        alice.receive().await,
        json!({"type":"peer_left","peerId":"bob"})
    );
    bob.send(json!({"type":"leave"})).await;
    assert_eq!(bob.receive_error().await, "not_joined");
    bob.send(json!({"type":"join","agentId":"bobby"})).await;
    assert_eq!(bob.receive().await["peers"], json!(["alice"]));
    assert_eq!(alice.receive().await["peerId"], "bobby");
}

#[tokio::test]
async fn rooms_and_the_clients_in_them_are_bounded() {
    let server = Server::start(&["--max-rooms", "1", "--max-clients-per-room", "1"]).await;
    let alice = server.join("alice").await;
    let mut bob = server.connect("/").await;
    bob.send(json!({"type":"join","agentId":"bob"})).await;
    assert_eq!(bob.receive_error().await, "room_full");
    bob.send(json!({"type":"join","agentId":"bob","room":"another"}))
        .await;
    assert_eq!(bob.receive_error().await, "too_many_rooms");
    alice.close().await;
    // Her place is free once the server has seen her go.
    loop {
        bob.send(json!({"type":"join","agentId":"bob"})).await;
        if bob.receive().await["type"] == "peer_list" {
            break;
        }
    }
}

#[tokio::test]
async fn the_id_of_a_client_whose_socket_was_lost_is_kept_for_it() {
    let server = Server::start(&[]).await;
    an_id_is_kept_for_its_client(&server, &server).await;
}
