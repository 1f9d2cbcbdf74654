//! What a broken or hostile peer can do: its own link is closed, or the message refused. No other peer
//! is affected, nothing is lost, and memory stays bounded.

use std::hash::{BuildHasher, RandomState};

use crdt_core::session::NamedPatches;
use crdt_core::{Document, PendingLimits, VersionSummary};
use crdt_sync::{
    CloseReason, Config, Engine, Incoming, LinkId, LinkOptions, OutdatedSide, Outgoing, Output,
    WireError,
};

const EVIL: LinkId = LinkId(1);
const GOOD: LinkId = LinkId(2);

/// A replica between an honest peer and one whose messages the test chooses.
struct Room {
    doc: Document,
    engine: Engine,
    honest: (Document, Engine),
    now: u64,
    told: Vec<Output>,
    /// What the replica sent to the hostile peer.
    sent: Vec<Vec<u8>>,
    /// Whether the hostile peer's transport sends its messages.
    reads: bool,
}

impl Room {
    fn new() -> Room {
        let doc = |name: &str| Document::new(name).expect("a valid name");
        let engine = |name: &str, session| Engine::new(Config::default(), name, session);
        let mut room = Room {
            doc: doc("victim"),
            engine: engine("victim", 1),
            honest: (doc("honest"), engine("honest", 2)),
            now: 0,
            told: Vec::new(),
            sent: Vec::new(),
            reads: true,
        };
        for link in [EVIL, GOOD] {
            room.engine
                .link_up(link, LinkOptions::default(), 0, &room.doc);
        }
        let (doc, engine) = &mut room.honest;
        engine.link_up(GOOD, LinkOptions::default(), 0, doc);
        room.settle();
        room
    }

    /// A room in which the hostile peer has said a proper hello.
    fn met() -> Room {
        let mut room = Room::new();
        room.evil(&hello(3, "evil", &VersionSummary::new()));
        room
    }

    fn evil(&mut self, bytes: &[u8]) {
        self.engine
            .receive(EVIL, Incoming::Binary(bytes), self.now, &mut self.doc);
        self.settle();
    }

    fn evil_text(&mut self, text: &str) {
        self.engine
            .receive(EVIL, Incoming::Text(text), self.now, &mut self.doc);
        self.settle();
    }

    /// Delivers everything, with a perfect link between the honest two.
    fn settle(&mut self) {
        let mut idle = false;
        while !idle {
            idle = true;
            let now = self.now;
            while let Some(output) = self.engine.poll_output() {
                idle = false;
                match output {
                    Output::Send {
                        link: GOOD,
                        message,
                        ..
                    } => {
                        self.engine.buffered_amount(GOOD, 0, now, &self.doc);
                        let (doc, engine) = &mut self.honest;
                        deliver(engine, doc, &message, now);
                    }
                    Output::Send { message, .. } => {
                        if self.reads {
                            self.engine.buffered_amount(EVIL, 0, now, &self.doc);
                        }
                        if let Outgoing::Binary(bytes) = message {
                            self.sent.push(bytes);
                        }
                    }
                    other => self.told.push(other),
                }
            }
            while let Some(output) = self.honest.1.poll_output() {
                idle = false;
                if let Output::Send { message, .. } = output {
                    self.honest.1.buffered_amount(GOOD, 0, now, &self.honest.0);
                    deliver(&mut self.engine, &mut self.doc, &message, now);
                }
            }
        }
    }

    /// Lets time pass, timer by timer.
    fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let next = [self.engine.next_timeout(), self.honest.1.next_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.engine.tick(self.now, &mut self.doc);
            let (doc, engine) = &mut self.honest;
            engine.tick(self.now, doc);
            self.settle();
        }
        self.now = end;
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.told.iter().find_map(|told| match told {
            Output::Close { link, reason } => {
                assert_eq!(*link, EVIL, "an honest link was closed: {reason}");
                Some(reason)
            }
            _ => None,
        })
    }

    fn held(&self) -> usize {
        self.engine
            .peers(&self.doc)
            .map(|peer| peer.bytes_held)
            .sum()
    }

    /// The two honest replicas continue as if nothing had happened.
    fn assert_unharmed(&mut self) {
        self.now += 1_000;
        let (doc, engine) = &mut self.honest;
        doc.insert(0, "still here. ").expect("within the text");
        engine.local_edit(self.now, doc);
        self.settle();
        self.now += 1_000;
        self.doc.insert(0, "me too. ").expect("within the text");
        self.engine.local_edit(self.now, &self.doc);
        self.settle();
        self.wait(5_000);
        assert_eq!(self.doc.text(), self.honest.0.text());
        assert_eq!(self.doc.summary(), self.honest.0.summary());
        assert!(
            self.doc.text().contains("still here. "),
            "the honest edit arrived"
        );
        self.closed();
    }
}

fn deliver(engine: &mut Engine, doc: &mut Document, message: &Outgoing, now: u64) {
    let message = match message {
        Outgoing::Text(text) => Incoming::Text(text),
        Outgoing::Binary(bytes) => Incoming::Binary(bytes),
    };
    engine.receive(GOOD, message, now, doc);
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn hello(session: u64, agent: &str, summary: &VersionSummary) -> Vec<u8> {
    let mut out = vec![0x01, 1, 1, 0, 0];
    out.extend(session.to_le_bytes());
    out.extend(varint(agent.len() as u64));
    out.extend(agent.as_bytes());
    let summary = summary.encode();
    out.extend(varint(summary.len() as u64));
    out.extend(summary);
    out
}

fn changes(patch: &[u8]) -> Vec<u8> {
    [&[0x10], patch].concat()
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Messages of every kind, as an honest peer would send them.
fn valid_messages() -> Vec<Vec<u8>> {
    let mut doc = Document::new("evil").expect("a valid name");
    doc.insert(0, "some text 🙂").expect("within the text");
    doc.delete(2, 3).expect("within the text");
    let patch = doc
        .encode_since_named(&VersionSummary::new(), &["evil", "victim"])
        .unwrap();
    let summary = doc.summary().encode();
    let check = |kind: u8| [&[kind, 5][..], &[7; 24]].concat();
    vec![
        hello(3, "evil", &doc.summary()),
        changes(&patch),
        [&[0x03, 1, summary.len() as u8][..], &summary].concat(),
        vec![0x04],
        check(0x05),
        check(0x06),
        [&[0x08, 1][..], &[9; 8]].concat(),
        [
            &[0x09][..],
            &[9; 8],
            &[2, 0, 1, b'x', 1, b'n', 0, 1, 2, b'4', b'2'],
        ]
        .concat(),
        [&[0x0a, 1][..], &[9; 8], &[2]].concat(),
        [&[0x0b, 1, 1][..], &[9; 8], &[2]].concat(),
        [&[0x02, 1, 0, 2][..], &[5; 300]].concat(),
        vec![0x55, 1, 2, 3],
        vec![0x07],
    ]
}

#[test]
fn random_and_damaged_messages_are_harmless() {
    let seed: u64 = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(1) % 1_000_000_000);
    println!("SEED={seed}");
    let valid = valid_messages();
    let mut refused = 0;
    for run in 0..1_500 {
        let mut rng = Rng((seed + run).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut room = if run % 2 == 0 {
            Room::new()
        } else {
            Room::met()
        };
        for _ in 0..12 {
            let mut bytes = valid[rng.below(valid.len())].clone();
            match rng.below(5) {
                0 => bytes = (0..rng.below(60)).map(|_| rng.next() as u8).collect(),
                1 => bytes.truncate(rng.below(bytes.len())),
                2 => {
                    let at = rng.below(bytes.len());
                    bytes[at] ^= 1 << rng.below(8);
                }
                3 => {
                    let at = rng.below(bytes.len());
                    bytes.splice(at..at, (0..rng.below(9)).map(|_| rng.next() as u8));
                }
                _ => {}
            }
            room.evil(&bytes);
            room.now += rng.next() % 3_000;
        }
        refused += usize::from(room.closed().is_some());
        room.assert_unharmed();
    }
    println!("{refused} of 1500 hostile links were closed");
    assert!(refused > 300);
}

#[test]
fn a_message_cut_short_at_any_stage_closes_its_link_or_waits() {
    for message in valid_messages() {
        for cut in 0..message.len() {
            for mut room in [Room::new(), Room::met()] {
                room.evil(&message[..cut]);
                if let Some(reason) = room.closed() {
                    assert!(!reason.code().is_empty() && !reason.to_string().is_empty());
                }
            }
        }
    }
    let mut room = Room::met();
    room.evil(&[]);
    assert!(matches!(
        room.closed(),
        Some(CloseReason::Malformed(WireError::Truncated { len: 0, .. }))
    ));
    room.assert_unharmed();
}

#[test]
fn fragments_that_never_complete_are_given_up() {
    let mut room = Room::met();
    let fragment = [&[0x02, 1, 0, 40][..], &[0; 16_000]].concat();
    room.evil(&fragment);
    assert_eq!((room.closed(), room.held()), (None, 16_000));
    // Heartbeats keep the link alive meanwhile.
    for nonce in 0..40 {
        room.evil(&[&[0x06, nonce][..], &[0; 16]].concat());
        room.wait(1_000);
    }
    let expected = CloseReason::FragmentTimeout {
        received: 1,
        expected: 40,
    };
    assert_eq!(room.closed(), Some(&expected));
    assert_eq!(room.held(), 0);
    room.assert_unharmed();
}

#[test]
fn claimed_lengths_reserve_nothing() {
    let hundred_mb = varint(100_000_000);
    let with = |head: &[u8]| [head, &hundred_mb, &[0; 300]].concat();
    let cases = [
        with(&[0x02, 1, 0]),
        with(&[0x03, 0]),
        with(&[0x08]),
        with(&[0x0b, 0]),
        with(&[0x10, 0]),
        with(&[0x10]),
        with(&[0x11]),
        with(&[&[0x09][..], &[9; 8], &[2, 0]].concat()),
        with(&[&[0x01, 1, 1, 0, 0][..], &[9; 8]].concat()),
    ];
    for (i, case) in cases.iter().enumerate() {
        let mut room = Room::met();
        room.evil(case);
        assert!(room.closed().is_some(), "case {i}");
        assert_eq!(room.held(), 0);
        room.assert_unharmed();
    }
}

#[test]
fn more_fragments_than_a_message_may_have_are_refused() {
    let mut room = Room::new();
    // Before a hello, only short messages are reassembled.
    for index in 0..400_u64 {
        if room.closed().is_some() {
            break;
        }
        room.evil(&[&[0x02, 1][..], &varint(index), &varint(400), &[0; 16_000]].concat());
        assert!(room.held() <= 4 * 1024 * 1024);
    }
    assert!(matches!(
        room.closed(),
        Some(CloseReason::Malformed(WireError::TooLarge { .. }))
    ));
    room.assert_unharmed();
}

#[test]
fn a_peer_that_claims_events_it_lacks_changes_nothing() {
    let mut claims = VersionSummary::new();
    claims.insert("evil", 0..1_000_000);
    claims.insert("honest", 0..500);
    claims.insert("victim", 0..500);
    let mut room = Room::new();
    room.evil(&hello(3, "evil", &claims));
    let renamed = |told: &Output| matches!(told, Output::Renamed { .. });
    assert!(
        room.told.iter().any(renamed),
        "it claims to know edits of ours"
    );
    room.assert_unharmed();
    let before = room.sent.len();
    room.wait(600_000);
    let asked = room.sent[before..].iter().filter(|m| m[0] == 0x03).count();
    assert!(
        asked < 20,
        "asked {asked} times in ten minutes for what does not come"
    );
    assert!(
        room.engine
            .peers(&room.doc)
            .all(|peer| peer.synced == (peer.link == GOOD))
    );
    room.assert_unharmed();
}

#[test]
fn a_peer_that_uses_an_id_again_loses_its_link() {
    let mut one = Document::new("evil").expect("a valid name");
    one.insert(0, "one").expect("within the text");
    let mut other = Document::new("evil").expect("a valid name");
    other.insert(0, "two").expect("within the text");
    let names = ["evil", "victim"];
    let mut room = Room::met();
    room.evil(&changes(
        &one.encode_since_named(&VersionSummary::new(), &names)
            .unwrap(),
    ));
    let before = room.doc.text();
    room.evil(&changes(
        &other
            .encode_since_named(&VersionSummary::new(), &names)
            .unwrap(),
    ));
    let reason = room.closed().expect("closed");
    assert_eq!(reason.code(), "conflicting_event");
    assert_eq!(room.doc.text(), before);
    room.assert_unharmed();
}

#[test]
fn a_peer_that_asks_and_never_reads_takes_no_memory() {
    let mut room = Room::met();
    room.reads = false;
    room.doc
        .insert(0, &"text ".repeat(400_000))
        .expect("within the text");
    room.engine.local_edit(room.now, &room.doc);
    room.settle();
    let summary = VersionSummary::new().encode();
    let ask = [&[0x03, 1, summary.len() as u8][..], &summary].concat();
    for i in 0..20_000_u32 {
        room.evil(&ask);
        room.evil(&[&[0x05, (i % 100) as u8][..], &[0; 16]].concat());
        assert!(room.held() < 3_000_000, "{} bytes held", room.held());
    }
    let given: usize = room.sent.iter().map(Vec::len).sum();
    assert!(given < 4_000_000, "{given} bytes given to the transport");
    room.wait(60_000);
    assert!(room.closed().is_some());
    room.assert_unharmed();
}

#[test]
fn events_in_transit_are_not_sent_again() {
    let mut room = Room::met();
    room.reads = false;
    room.sent.clear();
    room.doc
        .insert(0, &"x".repeat(10_000))
        .expect("within the text");
    room.engine.local_edit(room.now, &room.doc);
    room.settle();
    let large = |room: &Room| room.sent.iter().filter(|m| m.len() > 10_000).count();
    assert_eq!(large(&room), 1);
    // The peer wrote this before the text reached it.
    let summary = VersionSummary::new().encode();
    let nothing = [&[0x03, 0, summary.len() as u8][..], &summary].concat();
    room.now += 100;
    room.evil(&nothing);
    room.wait(1_000);
    assert_eq!(large(&room), 1);
    // Once the transport is empty, it says that the text was lost.
    room.reads = true;
    room.engine.buffered_amount(EVIL, 0, room.now, &room.doc);
    room.evil(&nothing);
    assert_eq!(large(&room), 2);
}

#[test]
fn dropped_events_are_requested_again() {
    let mut room = Room::met();
    room.doc
        .set_pending_limits(PendingLimits::default().pieces(0).bytes(1_000));
    let mut doc = Document::new("evil").expect("a valid name");
    doc.insert(0, "a").expect("within the text");
    let names = ["evil", "victim"];
    let mut pieces = Vec::new();
    for _ in 0..50 {
        let before = doc.summary();
        doc.insert(0, "b").expect("within the text");
        pieces.push(changes(&doc.encode_since_named(&before, &names).unwrap()));
    }
    for piece in pieces.iter().rev() {
        room.evil(piece);
        assert_eq!(room.doc.pending_events(), 0);
    }
    room.sent.clear();
    room.wait(1_000);
    let asked = room.sent.iter().filter(|message| message[0] == 0x03);
    assert_eq!(asked.count(), 1);
    let all = doc
        .encode_since_named(&VersionSummary::new(), &names)
        .unwrap();
    room.evil(&changes(&all));
    assert_eq!(room.doc.text(), doc.text());
    room.assert_unharmed();
}

#[test]
fn a_flood_of_presence_closes_its_link() {
    let mut room = Room::met();
    for counter in 1..2_000 {
        let mut update = vec![0x09];
        update.extend(3_u64.to_le_bytes());
        update.extend(varint(counter));
        update.extend([0, 4, b'e', b'v', b'i', b'l']);
        room.evil(&update);
    }
    assert_eq!(
        room.closed(),
        Some(&CloseReason::PresenceFlood { per_second: 100 })
    );
    room.assert_unharmed();
}

#[test]
fn invented_sessions_are_bounded() {
    let mut room = Room::met();
    for session in 1_000..100_000_u64 {
        let mut update = vec![0x09];
        update.extend(session.to_le_bytes());
        update.extend([1, 0, 1, b'x']);
        room.evil(&update);
        room.now += 20;
    }
    let shown = room
        .told
        .iter()
        .filter(|told| matches!(told, Output::Presence { .. }))
        .count();
    assert_eq!(shown, Config::default().max_presence_sessions);
    room.assert_unharmed();
}

#[test]
fn no_other_peer_can_change_the_presence_of_a_linked_session() {
    let mut room = Room::met();
    let (_, engine) = &mut room.honest;
    engine
        .set_presence("name", Some("\"Honest\""), 0)
        .expect("short");
    room.wait(1_000);
    let mut forged = vec![0x09];
    forged.extend(2_u64.to_le_bytes());
    forged.extend([100, 0, 6]);
    forged.extend(b"honest");
    forged.extend([4, b'n', b'a', b'm', b'e', 0, 1, 6]);
    forged.extend(b"\"Evil\"");
    room.evil(&forged);
    let mut gone = vec![0x0a, 1];
    gone.extend(2_u64.to_le_bytes());
    gone.push(1);
    room.evil(&gone);
    let forged = |told: &Output| match told {
        Output::Presence { fields, .. } => {
            fields.iter().any(|f| f.1.as_deref() == Some("\"Evil\""))
        }
        Output::PresenceLeft { .. } => true,
        _ => false,
    };
    assert!(!room.told.iter().any(forged));
    room.assert_unharmed();
}

#[test]
fn other_protocol_versions_are_distinguished() {
    for (message, side, theirs) in [
        (vec![0x01, 9, 8], OutdatedSide::Here, 9),
        (vec![0x01, 0, 0], OutdatedSide::Peer, 0),
    ] {
        let mut room = Room::new();
        room.evil(&message);
        let outdated = Output::Outdated {
            link: EVIL,
            side,
            ours: 1,
            theirs,
        };
        assert!(room.told.contains(&outdated), "{:?}", room.told);
        assert_eq!(
            room.closed(),
            Some(&CloseReason::Outdated { ours: 1, theirs })
        );
        room.assert_unharmed();
    }
}

#[test]
fn a_compatible_later_version_is_accepted() {
    let mut room = Room::new();
    let mut later = hello(3, "evil", &VersionSummary::new());
    (later[1], later[2]) = (7, 1);
    later.extend(b"something new");
    room.evil(&later);
    assert!(
        room.told
            .iter()
            .any(|told| matches!(told, Output::PeerUp { link: EVIL, .. }))
    );
    room.assert_unharmed();
}

#[test]
fn a_link_to_oneself_is_closed() {
    let mut room = Room::new();
    room.evil(&hello(1, "victim", &VersionSummary::new()));
    assert_eq!(room.closed(), Some(&CloseReason::OwnSession));
    room.assert_unharmed();
}

#[test]
fn bad_json_is_refused_and_the_link_stays_open() {
    let mut room = Room::new();
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "nonsense",
        &deep,
        r#"{"type":"ops","sender":"evil","ops":"nonsense"}"#,
        r#"{"type":"ops","sender":"evil","ops":"{\"v\":1,\"frontier\":[],\"txns\":[{\"agent\":\"evil\",\"seq\":0,\"parents\":[],\"ops\":[[\"d\",0,1]]}]}"}"#,
        r#"{"type":"frontier","sender":"evil","frontier":"7"}"#,
    ] {
        let before = room.told.len();
        room.evil_text(text);
        let refused = |told: &Output| matches!(told, Output::Refused { link: EVIL, .. });
        assert!(room.told[before..].iter().any(refused), "{text:.80}");
    }
    assert_eq!(room.closed(), None);
    room.evil_text(
        r#"{"type":"ops","sender":"evil","ops":"{\"v\":1,\"frontier\":[[\"evil\",1]],\"txns\":[{\"agent\":\"evil\",\"seq\":0,\"parents\":[],\"ops\":[[\"i\",0,\"ok\"]]}]}"}"#,
    );
    assert_eq!(room.doc.text(), "ok");
    room.assert_unharmed();
}
