//! Hostile presence in a room of Yjs clients, and others who notice nothing of it.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::bystanders::{pair, round_trip, unharmed};
use crate::support::{Server, soon};
use crate::yjs::{NOTHING_LACKING, receive, send, synced};

fn number(frame: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        frame.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    frame.push(number as u8);
}

/// An awareness frame with the states of clients from `first` on.
fn awareness(first: usize, states: &[Vec<u8>]) -> Vec<u8> {
    let mut inner = Vec::new();
    number(&mut inner, states.len());
    for (index, state) in states.iter().enumerate() {
        number(&mut inner, first + index);
        number(&mut inner, 1);
        number(&mut inner, state.len());
        inner.extend(state);
    }
    let mut frame = vec![1];
    number(&mut frame, inner.len());
    frame.extend(inner);
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_with_countless_presences_end_their_senders_connection_alone() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = pair(&server).await;
    let alone = round_trip(&mut alice, &mut bob).await;
    let (mut anna, _) = synced(&server).await;
    let frame = awareness(1_000, &vec![Vec::new(); 200_000]);
    assert!(frame.len() < 1 << 20);
    let flood = async {
        for _ in 0..20 {
            let mut peer = server.connect("/yjs/r").await;
            let _ = soon(
                "room to send",
                peer.socket.send(Message::binary(frame.clone())),
            )
            .await;
            assert_eq!(peer.closed_with().await.0, 1003);
        }
    };
    let mut besieged = Vec::new();
    let bystanders = async {
        for _ in 0..2 {
            besieged.push(round_trip(&mut alice, &mut bob).await);
        }
    };
    tokio::join!(flood, bystanders);
    unharmed(alone, besieged);
    let own = awareness(7, &[b"{}".to_vec()]);
    send(&mut anna, &own).await;
    assert_eq!(receive(&mut anna).await, own);
}

#[tokio::test]
async fn large_presences_do_not_keep_others_out_of_a_room() {
    let server = Server::start(&["--max-clients-per-room", "12"]).await;
    let mut hostile = Vec::new();
    for first in 1..=9 {
        let (mut peer, _) = synced(&server).await;
        let states = vec![format!("{:?}", "x".repeat(16 * 1024 - 100)).into_bytes(); 16];
        for (index, state) in states.iter().enumerate() {
            send(
                &mut peer,
                &awareness(first * 1_000 + index, std::slice::from_ref(state)),
            )
            .await;
        }
        // They read what they receive, so that they are not closed for that.
        let (mut writer, mut reader) = peer.socket.split();
        let reading = tokio::spawn(async move {
            let mut frames = 0;
            while let Some(Ok(frame)) = reader.next().await {
                frames += usize::from(frame.is_binary());
            }
            frames
        });
        writer.send(Message::binary(vec![3])).await.unwrap();
        hostile.push((writer, reading));
    }
    for name in [7, 8] {
        let mut newcomer = server.connect("/yjs/r").await;
        let own = awareness(name, &[b"{}".to_vec()]);
        send(&mut newcomer, &own).await;
        // It receives its own presence among others, so it is in.
        while receive(&mut newcomer).await != own {}
        send(&mut newcomer, &[0, 0, 1, 0]).await;
        while receive(&mut newcomer).await != NOTHING_LACKING {}
    }
    for (mut writer, reading) in hostile {
        let _ = writer.close().await;
        assert!(soon("the end", reading).await.unwrap() > 0);
    }
}
