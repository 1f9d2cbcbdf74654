//! The frames that any client may rely on, letter for letter, and what may be added to them.

use serde_json::{Value, json};
use signaling_protocol::{
    AgentId, ClientMessage, ErrorCode, ErrorReply, GoingAway, Join, LogRead, OpaqueJson,
    ParseError, PeerJoined, PeerLeft, PeerList, Relay, RoomId, ServerMessage, SessionSecret,
    SignalKind, limits,
};

fn agent(text: &str) -> AgentId {
    AgentId::parse(text).unwrap()
}

fn parse_error(frame: &str) -> ParseError {
    ClientMessage::parse(frame).unwrap_err()
}

/// The three signals of the contract, with bodies as browsers write them.
const SIGNALS: [(SignalKind, &str); 3] = [
    (
        SignalKind::Offer,
        r#"{"type":"offer","to":"bob","from":"alice","offer":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"}}"#,
    ),
    (
        SignalKind::Answer,
        r#"{"type":"answer","to":"bob","from":"alice","answer":{"type":"answer","sdp":"v=0\r\n"}}"#,
    ),
    (
        SignalKind::IceCandidate,
        r#"{"type":"ice_candidate","to":"bob","from":"alice","candidate":{"candidate":"candidate:1 1 udp 2122 x.local 50000 typ host","sdpMid":"0","sdpMLineIndex":0}}"#,
    ),
];

#[test]
fn a_join_with_nothing_but_the_id_is_the_contract() {
    let frame = r#"{"type":"join","agentId":"user-123"}"#;
    let ClientMessage::Join(join) = ClientMessage::parse(frame).unwrap() else {
        panic!("no join")
    };
    assert_eq!(join.agent_id, agent("user-123"));
    assert!(join.room.is_none() && join.session.is_none() && join.token.is_none());
    assert_eq!(
        ClientMessage::from(Join::new(agent("user-123"))).to_json(),
        frame
    );
}

#[test]
fn a_join_carries_its_additions() {
    let join = Join {
        room: Some(RoomId::parse("garden").unwrap()),
        session: Some(SessionSecret::parse("s3cret").unwrap()),
        token: Some("t".into()),
        capabilities: vec!["relay".into()],
        protocol: Some(limits::PROTOCOL_VERSION),
        ..Join::new(agent("a"))
    };
    let frame = ClientMessage::from(join).to_json();
    assert_eq!(
        serde_json::from_str::<Value>(&frame).unwrap(),
        json!({"type":"join","agentId":"a","room":"garden","session":"s3cret","token":"t",
               "capabilities":["relay"],"protocol":1})
    );
    let ClientMessage::Join(back) = ClientMessage::parse(&frame).unwrap() else {
        panic!("no join")
    };
    assert_eq!(back.room.unwrap().as_str(), "garden");
    assert_eq!(back.session.unwrap().reveal(), "s3cret");
    assert_eq!(back.capabilities, ["relay"]);
}

#[test]
fn the_three_signals_are_the_contract_in_both_directions() {
    for (kind, frame) in SIGNALS {
        let ClientMessage::Signal(sent) = ClientMessage::parse(frame).unwrap() else {
            panic!("{frame} is no signal")
        };
        assert_eq!(
            (sent.kind, &sent.to, &sent.from),
            (kind, &agent("bob"), &Some(agent("alice")))
        );
        assert_eq!(ClientMessage::from(sent.clone()).to_json(), frame);
        assert_eq!(
            ServerMessage::parse(frame).unwrap(),
            ServerMessage::Signal(sent)
        );
    }
}

#[test]
fn a_signal_may_lack_from_and_may_name_a_page_load() {
    let frame = r#"{"session":"17","candidate":null,"to":"bob","type":"ice_candidate"}"#;
    let ClientMessage::Signal(signal) = ClientMessage::parse(frame).unwrap() else {
        panic!("no signal")
    };
    assert_eq!(signal.from, None);
    assert_eq!(signal.body.as_str(), "null");
    assert_eq!(signal.session.as_deref(), Some("17"));
    let number = r#"{"type":"offer","to":"b","offer":1,"session":17}"#;
    assert!(
        ClientMessage::parse(number).is_ok(),
        "a page load named by a number is let through"
    );
}

#[test]
fn bodies_keep_the_bytes_they_were_written_with() {
    let frame = r#"{"type":"offer","to":"b","offer":{"z":1, "a":1.50e0,"s":"\u00e9"}}"#;
    let ClientMessage::Signal(signal) = ClientMessage::parse(frame).unwrap() else {
        panic!("no signal")
    };
    assert_eq!(signal.body.as_str(), r#"{"z":1, "a":1.50e0,"s":"\u00e9"}"#);
    assert_eq!(
        signal.body.to_value().unwrap(),
        json!({"z":1,"a":1.5,"s":"é"})
    );
    let value = json!({"sdp":"x"});
    assert_eq!(
        OpaqueJson::try_from(&value).unwrap().to_value().unwrap(),
        value
    );
    assert!(OpaqueJson::parse("{").is_err());
}

#[test]
fn the_servers_announcements_are_the_contract() {
    let cases = [
        (
            r#"{"type":"peer_joined","peerId":"bob"}"#,
            ServerMessage::PeerJoined(PeerJoined {
                peer_id: agent("bob"),
                rejoined: false,
                read_only: false,
                capabilities: vec![],
            }),
        ),
        (
            r#"{"type":"peer_list","peers":["alice","bob"]}"#,
            ServerMessage::PeerList(PeerList {
                peers: vec![agent("alice"), agent("bob")],
                read_only: vec![],
                capabilities: Default::default(),
                log: false,
                ice_servers: vec![],
            }),
        ),
        (
            r#"{"type":"peer_left","peerId":"bob"}"#,
            ServerMessage::PeerLeft(PeerLeft {
                peer_id: agent("bob"),
            }),
        ),
        (
            r#"{"type":"error","code":"peer_unavailable","message":"gone","peerId":"bob"}"#,
            ServerMessage::Error(ErrorReply {
                code: ErrorCode::PeerUnavailable,
                message: "gone".into(),
                peer_id: Some(agent("bob")),
                id: None,
            }),
        ),
        (
            r#"{"type":"going_away","reconnectAfterMs":250}"#,
            ServerMessage::GoingAway(GoingAway {
                reconnect_after_ms: 250,
            }),
        ),
        (
            r#"{"type":"relay","to":"bob","from":"alice","payload":"AAEC"}"#,
            ServerMessage::Relay(Relay {
                to: agent("bob"),
                from: Some(agent("alice")),
                payload: "AAEC".into(),
            }),
        ),
    ];
    for (frame, message) in cases {
        assert_eq!(message.to_json(), frame);
        assert_eq!(ServerMessage::parse(frame).unwrap(), message);
    }
}

#[test]
fn additions_to_the_announcements_are_read_back() {
    let list = ServerMessage::PeerList(PeerList {
        peers: vec![agent("alice")],
        read_only: vec![agent("alice")],
        capabilities: [(agent("alice"), vec!["relay".to_owned()])].into(),
        log: true,
        ice_servers: vec![signaling_protocol::IceServer {
            urls: vec!["turn:turn.example.org".into()],
            username: Some("1700000000:alice".into()),
            credential: Some("c".into()),
        }],
    });
    assert_eq!(ServerMessage::parse(&list.to_json()).unwrap(), list);
}

#[test]
fn the_logs_messages_round_trip() {
    let sent = [
        r#"{"type":"log_append","payload":"AAEC","id":7}"#,
        r#"{"type":"log_append","payload":"AAEC"}"#,
        r#"{"type":"log_read","after":3}"#,
        r#"{"type":"log_snapshot","base":1,"upto":4,"payload":"AA==","id":8}"#,
    ];
    for frame in sent {
        assert_eq!(ClientMessage::parse(frame).unwrap().to_json(), frame);
    }
    let whole = ClientMessage::parse(r#"{"type":"log_read"}"#).unwrap();
    assert!(matches!(
        whole,
        ClientMessage::LogRead(LogRead { after: 0 })
    ));
    let told = [
        r#"{"type":"log_ack","seq":5,"id":7}"#,
        r#"{"type":"log_entries","base":4,"last":5,"entries":[{"seq":4,"payload":"AA=="}],"more":true}"#,
        r#"{"type":"error","code":"log_conflict","message":"m","id":8}"#,
    ];
    for frame in told {
        assert_eq!(ServerMessage::parse(frame).unwrap().to_json(), frame);
    }
    for frame in [
        r#"{"type":"log_append"}"#,
        r#"{"type":"log_append","payload":7}"#,
        r#"{"type":"log_read","after":-1}"#,
        r#"{"type":"log_snapshot","upto":4,"payload":""}"#,
    ] {
        assert_eq!(parse_error(frame).code(), ErrorCode::Malformed, "{frame}");
    }
}

#[test]
fn a_field_of_one_message_is_no_business_of_another() {
    let frame = r#"{"type":"offer","to":"b","offer":{},"room":1,"token":[],"payload":{},"id":"x"}"#;
    assert!(ClientMessage::parse(frame).is_ok());
    assert!(ServerMessage::parse(frame).is_ok());
}

#[test]
fn short_messages_round_trip() {
    for frame in [
        r#"{"type":"leave"}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"pong"}"#,
    ] {
        assert_eq!(ClientMessage::parse(frame).unwrap().to_json(), frame);
    }
    for frame in [r#"{"type":"ping"}"#, r#"{"type":"pong"}"#] {
        assert_eq!(ServerMessage::parse(frame).unwrap().to_json(), frame);
    }
}

#[test]
fn unknown_fields_are_ignored_and_unknown_types_named() {
    assert!(ClientMessage::parse(r#"{"type":"ping","new":{"deep":[1]}}"#).is_ok());
    let list = r#"{"type":"peer_list","peers":[],"new":1}"#;
    assert!(matches!(
        ServerMessage::parse(list).unwrap(),
        ServerMessage::PeerList(_)
    ));

    let error = parse_error(r#"{"type":"dance"}"#);
    assert_eq!(
        error,
        ParseError::UnknownType {
            found: "dance".into()
        }
    );
    assert_eq!(error.code(), ErrorCode::UnknownType);
    let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(1000));
    assert_eq!(
        parse_error(&long),
        ParseError::UnknownType {
            found: "é".repeat(64)
        }
    );
}

#[test]
fn what_is_no_message_is_refused_with_a_code() {
    for frame in [
        "",
        "x",
        "[]",
        "null",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"join","agentId":7}"#,
    ] {
        assert_eq!(parse_error(frame).code(), ErrorCode::Malformed, "{frame}");
        assert!(ServerMessage::parse(frame).is_err(), "{frame}");
    }
    let twice = r#"{"type":"offer","to":"b","from":"a","from":"c","offer":1}"#;
    assert_eq!(
        parse_error(twice).code(),
        ErrorCode::Malformed,
        "two senders are one too many"
    );
    assert_eq!(
        parse_error(r#"{"type":"join"}"#),
        ParseError::MissingField {
            message: "join",
            field: "agentId"
        }
    );
    assert_eq!(
        parse_error(r#"{"type":"answer","to":"b"}"#),
        ParseError::MissingField {
            message: "answer",
            field: "answer"
        }
    );
    assert_eq!(
        parse_error(r#"{"type":"ice_candidate","candidate":{}}"#),
        ParseError::MissingField {
            message: "ice_candidate",
            field: "to"
        }
    );
    assert_eq!(
        parse_error(r#"{"type":"relay","to":"b"}"#),
        ParseError::MissingField {
            message: "relay",
            field: "payload"
        }
    );
}

#[test]
fn fields_are_bounded() {
    let code = |value: Value| parse_error(&value.to_string()).code();
    assert_eq!(
        code(json!({"type":"join","agentId":""})),
        ErrorCode::InvalidId
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a".repeat(129)})),
        ErrorCode::InvalidId
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a","room":""})),
        ErrorCode::InvalidRoom
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a","session":""})),
        ErrorCode::InvalidId
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a","token":"t".repeat(4097)})),
        ErrorCode::LimitExceeded
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a","capabilities":vec!["c"; 17]})),
        ErrorCode::LimitExceeded
    );
    assert_eq!(
        code(json!({"type":"join","agentId":"a","capabilities":["c".repeat(33)]})),
        ErrorCode::LimitExceeded
    );
    assert_eq!(
        code(json!({"type":"offer","to":"","offer":{}})),
        ErrorCode::InvalidId
    );
    assert_eq!(
        code(json!({"type":"offer","to":"b","from":"\u{0}","offer":{}})),
        ErrorCode::InvalidId
    );
}
