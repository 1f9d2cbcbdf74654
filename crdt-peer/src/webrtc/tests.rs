use std::time::Duration;

use crdt_room::ConnectionEvent;
use crdt_sync::negotiation::{ConnectionState, Description, Op};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::*;

/// Long enough that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

const LOW_WATER: usize = 64 * 1024;

struct End {
    connection: Connection,
    reports: Receiver<(LinkId, Report)>,
    /// What came while the end of a step was waited for.
    early: Vec<Report>,
    ops: u32,
}

impl End {
    fn new() -> End {
        let (sender, reports) = mpsc::channel(16);
        End {
            connection: Connection::new(LinkId(7), &[], LOW_WATER, sender),
            reports,
            early: Vec::new(),
            ops: 0,
        }
    }

    async fn next(&mut self) -> Report {
        let next = timeout(PATIENCE, self.reports.recv()).await;
        let (link, report) = next.expect("in time").expect("the connection is there");
        assert_eq!(link, LinkId(7));
        report
    }

    /// Carries out a step and returns what it made.
    async fn step(
        &mut self,
        step: impl FnOnce(Op) -> ConnectionCommand,
    ) -> Result<Option<String>, String> {
        self.ops += 1;
        let op = Op(self.ops);
        self.connection.command(step(op));
        loop {
            match self.next().await {
                Report::Event(ConnectionEvent::Created { op: of, sdp }) if of == op => {
                    return Ok(Some(sdp));
                }
                Report::Event(ConnectionEvent::Done { op: of }) if of == op => return Ok(None),
                Report::Event(ConnectionEvent::Failed { op: of, message }) if of == op => {
                    return Err(message);
                }
                other => self.early.push(other),
            }
        }
    }

    async fn set_local(&mut self, description: Description) {
        let step = |op| ConnectionCommand::SetLocal { op, description };
        assert_eq!(self.step(step).await, Ok(None));
    }

    async fn set_remote(&mut self, description: Description) {
        let step = |op| ConnectionCommand::SetRemote { op, description };
        assert_eq!(self.step(step).await, Ok(None));
    }

    async fn offer(&mut self, ice_restart: bool) -> Description {
        let step = |op| ConnectionCommand::CreateOffer { op, ice_restart };
        let offer = Description::Offer(self.step(step).await.unwrap().unwrap());
        self.set_local(offer.clone()).await;
        offer
    }

    async fn answer(&mut self, offer: Description) -> Description {
        self.set_remote(offer).await;
        let step = |op| ConnectionCommand::CreateAnswer { op };
        let answer = Description::Answer(self.step(step).await.unwrap().unwrap());
        self.set_local(answer.clone()).await;
        answer
    }

    /// Waits for a report that is wanted.
    async fn until<T>(&mut self, mut wanted: impl FnMut(&Report) -> Option<T>) -> T {
        let mut early = std::mem::take(&mut self.early).into_iter();
        loop {
            let report = match early.next() {
                Some(report) => report,
                None => self.next().await,
            };
            if let Some(found) = wanted(&report) {
                self.early = early.collect();
                return found;
            }
        }
    }

    async fn sees(&mut self, event: ConnectionEvent) {
        let event = Report::Event(event);
        self.until(|report| (*report == event).then_some(())).await;
    }

    async fn message(&mut self) -> Outgoing {
        self.until(|report| match report {
            Report::Message(message) => Some(message.clone()),
            Report::Event(_) => None,
        })
        .await
    }
}

async fn connected() -> (End, End) {
    let (mut left, mut right) = (End::new(), End::new());
    let open = ConnectionCommand::OpenChannels { presence: true };
    left.connection.command(open);
    let offer = left.offer(false).await;
    let answer = right.answer(offer).await;
    left.set_remote(answer).await;
    left.sees(ConnectionEvent::ChannelOpened).await;
    right.sees(ConnectionEvent::ChannelAdded).await;
    right.sees(ConnectionEvent::ChannelOpened).await;
    (left, right)
}

fn binary(byte: u8, len: usize) -> Outgoing {
    Outgoing::Binary(vec![byte; len])
}

#[tokio::test]
async fn two_connect_and_exchange_messages() {
    let (mut left, mut right) = connected().await;
    let text = Outgoing::Text("\u{e9}".to_owned());
    let large = binary(2, 16 * 1024);
    for message in [binary(1, 3), text, large] {
        left.connection.send(Channel::Sync, message.clone());
        assert_eq!(right.message().await, message);
    }
    right.connection.send(Channel::Presence, binary(3, 1));
    assert_eq!(left.message().await, binary(3, 1));

    // Closed, it sends what it was given, and says so to the other.
    left.connection.send(Channel::Sync, binary(4, 1));
    left.connection.close().await.unwrap();
    assert_eq!(right.message().await, binary(4, 1));
    right.sees(ConnectionEvent::ChannelClosed).await;
}

#[tokio::test]
async fn what_waits_is_counted_and_its_end_is_reported() {
    const MESSAGES: usize = 200;
    let (mut left, mut right) = connected().await;
    let message = binary(9, 16 * 1024);
    // At once, and while those before are on their way.
    for in_one_go in [true, false] {
        let mut peak = 0;
        for _ in 0..MESSAGES {
            left.connection.send(Channel::Sync, message.clone());
            peak = peak.max(left.connection.buffered());
            if !in_one_go {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..MESSAGES {
            assert_eq!(right.message().await, message);
        }
        assert!(peak > 1024 * 1024 || !in_one_go);
        if peak > 2 * LOW_WATER {
            let waiting = left
                .until(|report| match report {
                    Report::Event(ConnectionEvent::Buffered(waiting)) => Some(*waiting),
                    _ => None,
                })
                .await;
            assert!(waiting <= LOW_WATER);
        }
        assert!(left.connection.buffered() <= LOW_WATER);
    }
}

#[tokio::test]
async fn an_ice_restart_keeps_the_channels() {
    let (mut left, mut right) = connected().await;
    for restarts in 1..3 {
        let offer = right.offer(true).await;
        let answer = left.answer(offer).await;
        right.set_remote(answer).await;
        left.connection.send(Channel::Sync, binary(restarts, 1));
        assert_eq!(right.message().await, binary(restarts, 1));
    }
}

#[tokio::test]
async fn an_offer_taken_back_gives_way_to_the_peers() {
    let (mut left, mut right) = (End::new(), End::new());
    for end in [&mut left, &mut right] {
        let open = ConnectionCommand::OpenChannels { presence: false };
        end.connection.command(open);
    }
    let offer = left.offer(false).await;
    right.offer(false).await;
    let back = right.step(|op| ConnectionCommand::Rollback { op }).await;
    assert_eq!(back, Ok(None));
    let answer = right.answer(offer).await;
    left.set_remote(answer).await;
    // Each has its own channel and the other's.
    for end in [&mut left, &mut right] {
        end.sees(ConnectionEvent::ChannelOpened).await;
        end.sees(ConnectionEvent::ChannelOpened).await;
    }
}

#[tokio::test]
async fn states_are_those_of_a_page() {
    let (mut left, mut right) = (End::new(), End::new());
    let open = ConnectionCommand::OpenChannels { presence: false };
    left.connection.command(open);
    let offer = left.offer(false).await;
    let answer = right.answer(offer).await;
    left.set_remote(answer).await;
    for state in [ConnectionState::Connecting, ConnectionState::Connected] {
        left.sees(ConnectionEvent::State(state)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_an_error_and_no_more() {
    let mut end = End::new();
    for sdp in ["", "v=0\r\n", "nonsense"] {
        for description in [
            Description::Offer(sdp.to_owned()),
            Description::Answer(sdp.to_owned()),
        ] {
            let step = |op| ConnectionCommand::SetRemote { op, description };
            assert!(end.step(step).await.is_err(), "{sdp:?}");
        }
    }
    let answer = end.step(|op| ConnectionCommand::CreateAnswer { op }).await;
    assert!(answer.is_err());
    for candidate in [
        "",
        "{}",
        "null",
        r#"{"candidate":""}"#,
        r#"{"candidate":"candidate:1 1 udp 1 abc.local 5 typ host"}"#,
    ] {
        let candidate = candidate.to_owned();
        let add = ConnectionCommand::AddCandidate { candidate };
        end.connection.command(add);
    }
    end.connection.send(Channel::Sync, binary(1, 1));
    let failed = |report: &Report| match report {
        Report::Event(ConnectionEvent::SendFailed { reason }) => Some(reason.clone()),
        _ => None,
    };
    assert!(end.until(failed).await.contains("not open"));
    let open = ConnectionCommand::OpenChannels { presence: true };
    end.connection.command(open);
    end.offer(false).await;
}
