//! The whole server without I/O: the messages to each client, in order.

use std::time::Duration;

use signaling_protocol::{ErrorCode, RoomId};
use signaling_rooms::{
    ClientLimits, ConnectionId, Input, LogQuotas, Output, Permit, Refusal, RoomLimits, RoomServer,
    Settings,
};

const START: Duration = Duration::from_secs(100);

/// A server, and its outputs as short lines: `<connection> <frame>` or
/// `<connection> closed <reason>`.
struct Bench {
    server: RoomServer,
    now: Duration,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            server: RoomServer::new(settings),
            now: START,
        }
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.server.poll_output())
            .map(|output| match output {
                Output::Send(ConnectionId(to), frame) => format!("{to} {frame}"),
                Output::Close(ConnectionId(to), code) => format!("{to} closed {}", code.reason()),
            })
            .collect()
    }

    fn input(&mut self, connection: u64, input: Input<'_>) -> Vec<String> {
        self.server
            .handle(ConnectionId(connection), input, self.now);
        self.outputs()
    }

    fn send(&mut self, connection: u64, frame: &str) -> Vec<String> {
        self.input(connection, Input::Text(frame))
    }

    fn join(&mut self, connection: u64, agent: &str) -> Vec<String> {
        assert!(
            self.input(connection, Input::Connected { room: None })
                .is_empty()
        );
        self.send(
            connection,
            &format!(r#"{{"type":"join","agentId":"{agent}"}}"#),
        )
    }

    /// The code of the only output, which has to be an error for this connection.
    fn refusal(&mut self, connection: u64, frame: &str) -> String {
        let outputs = self.send(connection, frame);
        let [output] = outputs.as_slice() else {
            panic!("{outputs:?}");
        };
        let frame = output.strip_prefix(&format!("{connection} ")).unwrap();
        let error: serde_json::Value = serde_json::from_str(frame).unwrap();
        assert_eq!(error["type"], "error");
        error["code"].as_str().unwrap().to_owned()
    }
}

fn pair() -> Bench {
    let mut bench = Bench::new(Settings::default());
    bench.join(1, "alice");
    bench.join(2, "bob");
    bench
}

#[test]
fn frames_are_forwarded_unchanged_with_their_senders_name() {
    let mut bench = pair();
    let named = r#"{"type":"offer","to":"bob","from":"alice","offer":{"sdp":"x"},"more":[1, 2]}"#;
    assert_eq!(bench.send(1, named), [format!("2 {named}")]);
    let unnamed = r#"{"type":"relay","to":"bob","payload":"AA=="}"#;
    assert_eq!(
        bench.send(1, unnamed),
        [r#"2 {"type":"relay","to":"bob","payload":"AA==","from":"alice"}"#]
    );
    let forged = r#"{"type":"offer","to":"bob","from":"carol","offer":{}}"#;
    assert_eq!(bench.refusal(1, forged), "forged_sender");
    assert_eq!(
        bench.send(1, r#"{"type":"answer","to":"carol","answer":{}}"#),
        [
            r#"1 {"type":"error","code":"peer_unavailable","message":"\"carol\" is not in the room","peerId":"carol"}"#
        ]
    );
}

#[test]
fn invalid_messages_are_answered_and_change_nothing() {
    let mut bench = pair();
    bench.input(3, Input::Connected { room: None });
    for (frame, code) in [
        ("{", "malformed"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"leave"}"#, "not_joined"),
        (r#"{"type":"relay","to":"bob","payload":""}"#, "not_joined"),
        (r#"{"type":"join","agentId":""}"#, "invalid_id"),
        (
            r#"{"type":"join","agentId":"c","protocol":99}"#,
            "unsupported_protocol",
        ),
        (r#"{"type":"join","agentId":"alice"}"#, "agent_id_taken"),
    ] {
        assert_eq!(bench.refusal(3, frame), code, "{frame}");
    }
    assert_eq!(
        bench.refusal(1, r#"{"type":"join","agentId":"a"}"#),
        "already_joined"
    );
    assert_eq!(bench.refusal(1, r#"{"type":"log_read"}"#), "no_log");
    let refused = bench.input(3, Input::Binary(&[1, 2]));
    assert!(refused[0].contains("binary_frame"), "{refused:?}");
    assert_eq!(
        bench.send(3, r#"{"type":"ping"}"#),
        [r#"3 {"type":"pong"}"#]
    );
    assert_eq!(bench.server.rooms().client_count(), 2);
}

#[test]
fn a_client_that_returns_with_its_secret_takes_its_place_over() {
    let mut bench = Bench::new(Settings::default());
    let join = r#"{"type":"join","agentId":"alice","session":"s3cret"}"#;
    bench.input(1, Input::Connected { room: None });
    bench.send(1, join);
    bench.join(2, "bob");
    bench.input(3, Input::Connected { room: None });
    assert_eq!(
        bench.send(3, join),
        [
            "1 closed replaced",
            r#"2 {"type":"peer_joined","peerId":"alice","rejoined":true}"#,
            r#"3 {"type":"peer_list","peers":["bob"]}"#,
        ]
    );
    // Frames of the old socket are ignored.
    assert_eq!(bench.send(1, r#"{"type":"ping"}"#), [""; 0]);
    assert_eq!(bench.input(1, Input::Disconnected), [""; 0]);
    assert_eq!(
        bench.input(3, Input::Disconnected),
        [r#"2 {"type":"peer_left","peerId":"alice"}"#]
    );
}

#[test]
fn nobody_takes_the_name_of_a_client_that_is_about_to_come_back() {
    let mut bench = Bench::new(Settings::default());
    let join = |secret| format!(r#"{{"type":"join","agentId":"alice","session":"{secret}"}}"#);
    bench.input(1, Input::Connected { room: None });
    bench.send(1, &join("s3cret"));
    bench.input(1, Input::Lost);
    bench.input(2, Input::Connected { room: None });
    assert_eq!(bench.refusal(2, &join("guess")), "agent_id_taken");
    bench.input(3, Input::Connected { room: None });
    assert_eq!(
        bench.send(3, &join("s3cret")),
        [r#"3 {"type":"peer_list","peers":[]}"#]
    );
}

#[test]
fn the_room_in_the_address_is_used() {
    let mut bench = Bench::new(Settings::default());
    let room = RoomId::parse("garden").unwrap();
    bench.input(1, Input::Connected { room: Some(&room) });
    let other = r#"{"type":"join","agentId":"a","room":"shed"}"#;
    assert_eq!(bench.refusal(1, other), "invalid_room");
    bench.send(1, r#"{"type":"join","agentId":"a"}"#);
    bench.input(2, Input::Connected { room: None });
    assert_eq!(
        bench.send(2, r#"{"type":"join","agentId":"b","room":"garden"}"#)[1],
        r#"2 {"type":"peer_list","peers":["a"]}"#
    );
}

#[test]
fn too_many_messages_are_refused_and_then_end_the_connection() {
    let mut bench = Bench::new(Settings {
        clients: ClientLimits {
            messages_per_second: 5,
            message_bytes: 1_000,
            ..ClientLimits::default()
        },
        ..Settings::default()
    });
    bench.join(1, "alice");
    bench.join(2, "bob");
    let offer = r#"{"type":"offer","to":"bob","offer":{}}"#;
    let heard: Vec<_> = (0..60).flat_map(|_| bench.send(1, offer)).collect();
    let carried = heard.iter().filter(|line| line.starts_with("2 ")).count();
    // The join took one of the burst; the last line but one is what bob receives.
    assert_eq!(carried, 20);
    assert!(heard[19].contains(r#""code":"rate_limited""#), "{heard:?}");
    assert!(heard[19].contains(r#""peerId":"bob""#));
    assert_eq!(
        heard[heard.len() - 2..],
        [
            "1 closed rate_limited",
            r#"2 {"type":"peer_left","peerId":"alice"}"#
        ]
    );
    let too_big = format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(1_000));
    let heard = bench.send(2, &too_big);
    assert!(heard[0].contains("message_too_big") && heard[1] == "2 closed message_too_big");
}

#[test]
fn large_messages_count_against_their_sender() {
    let mut bench = pair();
    let offer = format!(
        r#"{{"type":"offer","to":"bob","offer":"{}"}}"#,
        "x".repeat(1_000_000)
    );
    let mut carried = 0;
    let closed = (0..100).find_map(|_| {
        let heard = bench.send(1, &offer);
        carried += heard.iter().filter(|line| line.contains("xxx")).count();
        heard
            .contains(&"1 closed rate_limited".to_owned())
            .then_some(heard)
    });
    // One fits into the burst, and the connection ends after as much as a relay might have sent.
    assert_eq!(carried, 1);
    assert_eq!(
        closed.unwrap().last().unwrap(),
        r#"2 {"type":"peer_left","peerId":"alice"}"#
    );
    // Small amounts do not count as excess.
    let mut bench = pair();
    let small = format!(
        r#"{{"type":"offer","to":"bob","offer":"{}"}}"#,
        "x".repeat(10_000)
    );
    for _ in 0..500 {
        assert!(bench.send(1, &small)[0].starts_with("2 "));
        bench.now += Duration::from_millis(40);
    }
}

#[test]
fn rooms_are_bounded_and_empty_ones_expire() {
    let limits = RoomLimits {
        rooms: 1,
        clients_per_room: 1,
        empty_for: Duration::from_secs(60),
        ..RoomLimits::DEFAULT
    };
    let mut bench = Bench::new(Settings {
        rooms: limits,
        ..Settings::default()
    });
    bench.join(1, "alice");
    bench.input(2, Input::Connected { room: None });
    let (full, many) = (
        r#"{"type":"join","agentId":"bob"}"#,
        r#"{"type":"join","agentId":"bob","room":"shed"}"#,
    );
    assert_eq!(bench.refusal(2, full), "room_full");
    assert_eq!(bench.refusal(2, many), "too_many_rooms");
    bench.send(1, r#"{"type":"leave"}"#);
    assert_eq!(bench.server.rooms().room_count(), 1);
    bench.now += limits.empty_for;
    bench.server.tick(bench.now);
    assert_eq!(bench.server.rooms().room_count(), 0);
}

#[test]
fn permits_are_reported_and_expire() {
    let until = 1_000_010;
    let mut bench = Bench::new(Settings {
        clock_zero: Duration::from_secs(1_000_000),
        log: Some(LogQuotas {
            room_bytes: 1_000,
            total_bytes: 1_000,
        }),
        ..Settings::default()
    });
    bench.now = Duration::ZERO;
    bench.server = bench
        .server
        .with_authority(move |_, join| match join.token.as_deref() {
            Some("read") => Ok(Permit {
                read_only: true,
                until: Some(until),
            }),
            Some("write") => Ok(Permit::default()),
            _ => Err(Refusal::new(ErrorCode::Unauthorized, "no token".to_owned())),
        });
    bench.input(1, Input::Connected { room: None });
    bench.input(2, Input::Connected { room: None });
    assert_eq!(
        bench.refusal(1, r#"{"type":"join","agentId":"a"}"#),
        "unauthorized"
    );
    bench.send(1, r#"{"type":"join","agentId":"a","token":"read"}"#);
    assert_eq!(
        bench.send(2, r#"{"type":"join","agentId":"b","token":"write"}"#)[1],
        r#"2 {"type":"peer_list","peers":["a"],"readOnly":["a"],"log":true}"#
    );
    let append = r#"{"type":"log_append","payload":"AA==","id":7}"#;
    assert_eq!(bench.refusal(1, append), "forbidden");
    assert_eq!(
        bench.send(2, append),
        [r#"2 {"type":"log_ack","seq":1,"id":7}"#]
    );
    bench.now = Duration::from_secs(9);
    bench.server.tick(bench.now);
    assert_eq!(bench.outputs(), [""; 0]);
    bench.now = Duration::from_secs(10);
    bench.server.tick(bench.now);
    assert_eq!(
        bench.outputs(),
        [
            "1 closed token_expired",
            r#"2 {"type":"peer_left","peerId":"a"}"#
        ]
    );
}

#[test]
fn logs_are_numbered_replaced_and_bounded() {
    let mut bench = Bench::new(Settings {
        log: Some(LogQuotas {
            room_bytes: 300,
            total_bytes: 1_000,
        }),
        ..Settings::default()
    });
    bench.join(1, "a");
    for (payload, seq) in [("AA==", 1), ("AQ==", 2), ("Ag==", 3)] {
        let append = format!(r#"{{"type":"log_append","payload":"{payload}"}}"#);
        let ack = format!(r#"1 {{"type":"log_ack","seq":{seq}}}"#);
        assert_eq!(bench.send(1, &append), [ack]);
    }
    let snapshot = |base: u64, upto: u64| {
        format!(r#"{{"type":"log_snapshot","base":{base},"upto":{upto},"payload":"AAE="}}"#)
    };
    assert_eq!(bench.refusal(1, &snapshot(1, 2)), "log_conflict");
    assert_eq!(bench.refusal(1, &snapshot(0, 4)), "log_conflict");
    assert_eq!(
        bench.send(1, &snapshot(0, 2)),
        [r#"1 {"type":"log_ack","seq":2}"#]
    );
    assert_eq!(bench.refusal(1, &snapshot(0, 3)), "log_conflict");
    assert_eq!(
        bench.send(1, r#"{"type":"log_read"}"#),
        [
            r#"1 {"type":"log_entries","base":2,"last":3,"entries":[{"seq":2,"payload":"AAE="},{"seq":3,"payload":"Ag=="}],"more":false}"#
        ]
    );
    let large = format!(
        r#"{{"type":"log_append","payload":"{}"}}"#,
        "A".repeat(1_000)
    );
    assert_eq!(bench.refusal(1, &large), "quota_exceeded");
    assert_eq!(
        bench.refusal(1, r#"{"type":"log_append","payload":"!"}"#),
        "malformed"
    );
}

#[test]
fn all_clients_are_asked_to_return_and_nobody_has_left() {
    let mut bench = pair();
    bench.server.end(|ConnectionId(id)| id * 10, bench.now);
    assert_eq!(
        bench.outputs(),
        [
            r#"1 {"type":"going_away","reconnectAfterMs":10}"#,
            "1 closed going_away",
            r#"2 {"type":"going_away","reconnectAfterMs":20}"#,
            "2 closed going_away",
        ]
    );
}
