use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::*;
use crdt_sync::negotiation::Description;

/// Long enough that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

const LOW_WATER: usize = 64 * 1024;

struct End {
    connection: Connection,
    events: UnboundedReceiver<ConnectionEvent>,
    /// Channel events that came while something else was waited for.
    early: Vec<(usize, ChannelEvent)>,
    ops: u32,
}

impl End {
    fn new(stun_servers: Vec<String>) -> End {
        let (sender, events) = mpsc::unbounded_channel();
        let tell = move |event| drop(sender.send(event));
        End {
            connection: Connection::new(stun_servers, LOW_WATER, tell),
            events,
            early: Vec::new(),
            ops: 0,
        }
    }

    async fn next(&mut self) -> ConnectionEvent {
        let next = timeout(PATIENCE, self.events.recv()).await;
        next.expect("an event comes in time")
            .expect("the connection is there")
    }

    /// Carries out a step and returns what it made.
    async fn step(&mut self, step: impl FnOnce(Op) -> Action) -> Result<Option<String>, String> {
        self.ops += 1;
        let op = Op(self.ops);
        self.connection.step(step(op));
        loop {
            match self.next().await {
                ConnectionEvent::Stepped(ended, outcome) if ended == op => return outcome,
                ConnectionEvent::Channel(number, event) => self.early.push((number, event)),
                _ => {}
            }
        }
    }

    async fn set_local(&mut self, description: Description) {
        let set = self.step(|op| Action::SetLocal { op, description }).await;
        assert_eq!(set, Ok(None));
    }

    async fn set_remote(&mut self, description: Description) {
        let set = self.step(|op| Action::SetRemote { op, description }).await;
        assert_eq!(set, Ok(None));
    }

    async fn offer(&mut self, ice_restart: bool) -> Description {
        let made = self
            .step(|op| Action::CreateOffer { op, ice_restart })
            .await;
        let offer = Description::Offer(made.unwrap().unwrap());
        self.set_local(offer.clone()).await;
        offer
    }

    async fn answer(&mut self, offer: Description) -> Description {
        self.set_remote(offer).await;
        let made = self.step(|op| Action::CreateAnswer { op }).await;
        let answer = Description::Answer(made.unwrap().unwrap());
        self.set_local(answer.clone()).await;
        answer
    }

    /// Waits for an event of a channel.
    async fn channel(&mut self) -> (usize, ChannelEvent) {
        if !self.early.is_empty() {
            return self.early.remove(0);
        }
        loop {
            if let ConnectionEvent::Channel(number, event) = self.next().await {
                return (number, event);
            }
        }
    }

    async fn until(&mut self, wanted: &ConnectionEvent) {
        while self.next().await != *wanted {}
    }
}

async fn connected() -> (End, End) {
    let (mut left, mut right) = (End::new(Vec::new()), End::new(Vec::new()));
    assert_eq!(left.connection.open_channel("crdt-sync"), 0);
    assert_eq!(left.connection.open_channel("crdt-presence"), 1);
    let offer = left.offer(false).await;
    let answer = right.answer(offer).await;
    left.set_remote(answer).await;
    for end in [&mut left, &mut right] {
        let mut open = vec![end.channel().await, end.channel().await];
        open.sort_by_key(|(number, _)| *number);
        assert_eq!(open, [(0, ChannelEvent::Open), (1, ChannelEvent::Open)]);
    }
    (left, right)
}

fn binary(byte: u8, len: usize) -> Outgoing {
    Outgoing::Binary(vec![byte; len])
}

#[tokio::test]
async fn two_connect_and_exchange_messages() {
    let (mut left, mut right) = connected().await;
    left.connection.send(0, binary(1, 3));
    left.connection.send(0, Outgoing::Text("é".to_owned()));
    left.connection.send(1, binary(2, 16 * 1024));
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(right.channel().await);
    }
    came.sort_by_key(|(number, _)| *number);
    let expected = [
        (0, ChannelEvent::Binary(vec![1; 3])),
        (0, ChannelEvent::Text("é".to_owned())),
        (1, ChannelEvent::Binary(vec![2; 16 * 1024])),
    ];
    assert_eq!(came, expected);
    right.connection.send(1, binary(3, 1));
    assert_eq!(left.channel().await, (1, ChannelEvent::Binary(vec![3])));

    // Dropped, it says so to the other.
    drop(left);
    let closed = [right.channel().await, right.channel().await];
    assert!(closed.contains(&(0, ChannelEvent::Closed)), "{closed:?}");
    assert!(closed.contains(&(1, ChannelEvent::Closed)), "{closed:?}");
}

#[tokio::test]
async fn what_waits_is_counted_and_its_end_is_told() {
    let (mut left, mut right) = connected().await;
    const MESSAGES: usize = 200;
    const LEN: usize = 16 * 1024;
    for _ in 0..MESSAGES {
        left.connection.send(0, binary(9, LEN));
    }
    assert!(left.connection.buffered() > MAX_AHEAD);
    for _ in 0..MESSAGES {
        let came = right.channel().await;
        assert_eq!(came, (0, ChannelEvent::Binary(vec![9; LEN])));
    }
    assert_eq!(left.channel().await, (0, ChannelEvent::Drained));
    assert!(left.connection.buffered() <= LOW_WATER);
}

/// More than `str0m` takes at once.
const MAX_AHEAD: usize = 1024 * 1024;

#[tokio::test]
async fn an_ice_restart_keeps_the_channels() {
    let (mut left, mut right) = connected().await;
    for restarts in 1..3 {
        let offer = right.offer(true).await;
        let answer = left.answer(offer).await;
        right.set_remote(answer).await;
        left.connection.send(0, binary(restarts, 1));
        let came = right.channel().await;
        assert_eq!(came, (0, ChannelEvent::Binary(vec![restarts])));
    }
}

#[tokio::test]
async fn an_offer_taken_back_gives_way_to_the_peers() {
    let (mut left, mut right) = (End::new(Vec::new()), End::new(Vec::new()));
    left.connection.open_channel("crdt-sync");
    right.connection.open_channel("crdt-sync");
    let offer = left.offer(false).await;
    right.offer(false).await;
    let back = right.step(|op| Action::Rollback { op }).await;
    assert_eq!(back, Ok(None));
    let answer = right.answer(offer).await;
    left.set_remote(answer).await;
    // Each has its own channel and the other's.
    for end in [&mut left, &mut right] {
        let mut open = vec![end.channel().await.0, end.channel().await.0];
        open.sort_unstable();
        assert_eq!(open, [0, 1]);
    }
}

#[tokio::test]
async fn states_are_those_of_a_page() {
    let (mut left, mut right) = (End::new(Vec::new()), End::new(Vec::new()));
    left.connection.open_channel("crdt-sync");
    let offer = left.offer(false).await;
    let answer = right.answer(offer).await;
    left.ops += 1;
    let op = Op(left.ops);
    left.connection.step(Action::SetRemote {
        op,
        description: answer,
    });
    left.until(&ConnectionEvent::State(ConnectionState::Connecting))
        .await;
    left.until(&ConnectionEvent::State(ConnectionState::Connected))
        .await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_an_error_and_no_more() {
    let mut end = End::new(Vec::new());
    for sdp in ["", "v=0\r\n", "nonsense"] {
        for description in [
            Description::Offer(sdp.to_owned()),
            Description::Answer(sdp.to_owned()),
        ] {
            let set = end.step(|op| Action::SetRemote { op, description }).await;
            assert!(set.is_err(), "{sdp:?}");
        }
    }
    assert!(end.step(|op| Action::CreateAnswer { op }).await.is_err());
    for candidate in [
        "",
        "{}",
        "null",
        r#"{"candidate":""}"#,
        r#"{"candidate":"candidate:1 1 udp 1 abc.local 5 typ host"}"#,
    ] {
        let candidate = candidate.to_owned();
        end.connection.step(Action::AddCandidate { candidate });
    }
    end.connection.send(7, binary(1, 1));
    end.connection.open_channel("crdt-sync");
    end.offer(false).await;
}
