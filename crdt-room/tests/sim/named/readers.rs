//! Read-only members: they follow the room, and their edits reach no other member, whatever their
//! program does.

use std::collections::BTreeSet;

use crdt_room::{LinkKind, Purpose, TransportState};
use crdt_sync::{INTRODUCTION, SEALED};

use super::{PATIENCE, connect_all, ends_well, link, opened, until_text};
use crate::cable::Manners;
use crate::driver::{exchange, header, link_header};
use crate::hand::Habit;
use crate::page::Profile;
use crate::world::World;

/// Long enough for every possible attempt.
const LATER: u64 = 60_000;

/// Alice and bob may write, rita has the read-only link; all by one kind of link.
fn with_rita(kind: LinkKind, adjust: impl Fn(&mut Profile)) -> World {
    opened(&["alice", "bob", "rita"], |profile| {
        profile.secret = Some("rose");
        profile.links = vec![kind];
        if kind == LinkKind::Broadcast {
            profile.browser = 0;
        }
        if profile.agent == "rita" {
            profile.reads = true;
            adjust(profile);
        }
    })
}

fn reads(profile: &mut Profile) {
    profile.secret = Some("rose");
    profile.reads = profile.agent.starts_with('r');
}

#[test]
fn a_reader_follows_and_is_seen() {
    for kind in LinkKind::CHOICES {
        let mut world = with_rita(kind, |_| {});
        connect_all(&mut world);
        world.type_in(0, "for all");
        until_text(&mut world, 2, "for all");
        world.show(0, "cursor", Some("1"));
        world.show(2, "cursor", Some("2"));
        world.converge(PATIENCE);
        assert!(world.pages[2].status().read_only);
        assert!(!world.pages[0].status().read_only);
        assert!(link(&world, 0, "rita").read_only);
        assert!(!link(&world, 0, "bob").read_only);
        assert!(!link(&world, 2, "alice").read_only);
        // The returning member gets missed edits from a writer.
        world.disconnect(2);
        world.type_in(1, ", later");
        world.connect(2);
        until_text(&mut world, 2, "for all, later");
        world.converge(PATIENCE);
        ends_well(world);
    }
}

#[test]
fn a_reader_is_shown_as_one_over_a_transport() {
    let mut world = opened(&["alice", "rita"], |profile| {
        profile.servers.clear();
        reads(profile);
    });
    world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.type_in(0, "for all");
    until_text(&mut world, 1, "for all");
    assert!(link(&world, 0, "rita").read_only);
    assert!(!link(&world, 1, "alice").read_only);
}

#[test]
fn edits_of_a_reader_stay_local() {
    for kind in LinkKind::CHOICES {
        let mut world = with_rita(kind, |_| {});
        world.type_in(2, "mine ");
        connect_all(&mut world);
        world.type_in(0, "for all");
        world.until("the text at rita's", PATIENCE, |world| {
            world.pages[2].text().contains("for all")
        });
        world.type_in(2, "!");
        world.run(LATER);
        for page in 0..2 {
            assert_eq!(world.pages[page].text(), "for all");
            assert!(link(&world, page, "rita").synced);
            assert_eq!(world.pages[page].codes(), [""; 0]);
        }
        // No other page has "mine " and "!", and the status says so.
        for peer in ["alice", "bob"] {
            let link = link(&world, 2, peer);
            assert_eq!((link.ahead, link.synced), (Some(6), false), "{kind:?}");
        }
        assert_eq!(world.pages[2].status().shared, [""; 0]);
    }
}

#[test]
fn a_reader_that_edits_nothing_holds_what_the_others_hold() {
    for kind in LinkKind::CHOICES {
        let mut world = with_rita(kind, |_| {});
        connect_all(&mut world);
        world.type_in(0, "for all");
        world.type_in(1, "and so on");
        world.converge(PATIENCE);
        world.run(LATER);
        for peer in ["alice", "bob"] {
            let link = link(&world, 2, peer);
            assert_eq!((link.ahead, link.synced), (Some(0), true), "{kind:?}");
        }
        assert_eq!(world.pages[2].status().shared, ["alice", "bob"]);
    }
}

/// Rita's program sends what she writes, as a changed one may.
#[test]
fn changes_of_a_reader_are_refused_and_it_is_named() {
    for kind in LinkKind::CHOICES {
        let mut world = with_rita(kind, |profile| profile.lies = true);
        connect_all(&mut world);
        world.type_in(0, "for all");
        until_text(&mut world, 2, "for all");
        world.run(1_000);
        assert!(link(&world, 0, "rita").read_only, "she has proved nothing");
        world.type_in(2, " forged");
        world.run(LATER);
        for page in 0..2 {
            assert_eq!(world.pages[page].text(), "for all", "{kind:?}");
            assert_eq!(world.pages[page].status().peers.len(), 1);
            let problem = link(&world, page, "rita").problem.unwrap_or_default();
            assert!(problem.contains("proved that it may write"), "{problem}");
        }
        world.type_in(1, ", still");
        until_text(&mut world, 0, "for all, still");
    }
}

/// Forged changes of one reader do not reach another one either, and no member forwards them.
#[test]
fn a_reader_accepts_nothing_from_a_reader() {
    let mut world = opened(&["alice", "rita", "rob"], |profile| {
        reads(profile);
        profile.lies = profile.agent == "rita";
    });
    connect_all(&mut world);
    world.type_in(1, "forged ");
    world.type_in(0, "for all");
    until_text(&mut world, 2, "for all");
    world.run(LATER);
    assert_eq!(world.pages[0].text(), "for all");
    assert_eq!(world.pages[2].text(), "for all");
}

/// In a room that is not a full mesh, no path depends on readers.
#[test]
fn a_large_room_of_readers_and_writers_holds_the_same() {
    let names: Vec<String> = (0..14)
        .map(|number| format!("{}{number}", if number % 3 == 0 { "a" } else { "r" }))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = opened(&names, reads);
    connect_all(&mut world);
    for page in (0..14).step_by(3) {
        world.type_in(page, "word ");
    }
    let all = "word ".repeat(5);
    for page in 0..14 {
        until_text(&mut world, page, &all);
    }
    world.run(LATER);
    for page in &world.pages {
        assert_eq!(page.codes(), [""; 0], "{}", page.picture());
    }
}

#[test]
fn a_transport_of_ones_own_carries_nothing_before_both_ends_have_proved_the_key() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.servers.clear();
        profile.secret = Some("rose");
    });
    let hand = world.hold(0, Habit::Connects);
    world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.type_in(0, "a secret");
    until_text(&mut world, 1, "a secret");
    // The other end of this one speaks like a page without a key: a hello that asks for everything.
    world.say(hand, &[1, 1, 1, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 1, b'x', 0]);
    world.run(LATER);
    let got = &world.hands[&hand].got;
    assert!(
        got.iter().all(|message| message[0] == INTRODUCTION),
        "{got:?}"
    );
    let transports = world.pages[0].status().transports;
    assert_eq!(transports[0].state, TransportState::Connecting);
    let problem = transports[0].problem.clone().unwrap_or_default();
    assert!(problem.contains("has not proved"), "{problem}");
    assert_eq!(transports[1].state, TransportState::Open);
    assert_eq!(world.pages[1].text(), "a secret");
}

#[test]
fn a_page_without_the_key_shows_why_a_transport_to_one_with_it_carries_nothing() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.servers.clear();
        profile.secret = (profile.agent == "alice").then_some("rose");
    });
    world.plug(0, 1, Manners::default());
    connect_all(&mut world);
    world.type_in(0, "a secret");
    world.run(LATER);
    assert_eq!(world.pages[1].text(), "");
    let problem = |page: usize| {
        let transports = world.pages[page].status().transports;
        transports[0].problem.clone().unwrap_or_default()
    };
    assert!(problem(0).contains("has not proved"), "{}", problem(0));
    assert!(problem(1).contains("opened without one"), "{}", problem(1));
}

/// A proof that was made for one link is not valid on another one.
#[test]
fn a_proof_that_is_repeated_proves_nothing() {
    let mut world = opened(&["alice"], |profile| {
        profile.servers.clear();
        profile.secret = Some("rose");
    });
    let hand = world.hold(0, Habit::Connects);
    connect_all(&mut world);
    world.run(100);
    let theirs = [7; 12];
    let question = |from: [u8; 12]| [&[INTRODUCTION][..], &from, &[0]].concat();
    world.say(hand, &question(theirs));
    world.run(100);
    // What alice proved, said back to her under another number, and under her own.
    let proof = world.hands[&hand].got.last().expect("a proof").clone();
    assert_eq!(proof[13], 1);
    let alices: [u8; 12] = proof[1..13].try_into().expect("a number");
    for from in [alices, [8; 12], theirs] {
        let sealed = &proof[26..];
        let echo = [&[INTRODUCTION][..], &from, &[1], &alices, sealed].concat();
        world.say(hand, &echo);
        world.run(100);
    }
    assert_eq!(
        world.pages[0].status().transports[0].state,
        TransportState::Connecting
    );
    // And one by somebody who has the key of readers, and puts a changing message behind it.
    let mallory = Impostor::new(&world, theirs, alices);
    let context = format!("\n\n\n\n{}\n{}", mallory.name, mallory.alice);
    let mut sealed = header("rose", Purpose::Link, false, &context);
    sealed.extend(exchange(Impostor::LOAD));
    let proof = [&[INTRODUCTION][..], &theirs, &[1], &alices, &sealed].concat();
    world.say(hand, &question(theirs));
    world.run(1_000);
    world.say(hand, &proof);
    world.run(1_000);
    assert_eq!(
        world.pages[0].status().transports[0].state,
        TransportState::Open
    );
    // A hello like alice's own, of another session and name.
    let hello = world.hands[&hand].first(SEALED).expect("a hello");
    let mut hello = mallory.open(hello);
    assert_eq!(hello[0], 1);
    hello[5..13].copy_from_slice(&[9; 8]);
    hello[14..19].copy_from_slice(b"mallo");
    world.say(hand, &mallory.seal(1, &hello));
    world.run(100);
    assert_eq!(world.pages[0].status().peers, ["mallo"]);
    world.say(hand, &mallory.seal(2, &[0x10, 0]));
    world.run(100);
    assert_eq!(world.pages[0].codes(), ["transport_failed"]);
    let run = world.hands[&hand].run;
    assert_eq!(run, None, "it is stopped");
    world.run(PATIENCE);
    let problem = world.pages[0].status().transports[0].problem.clone();
    let problem = problem.unwrap_or_default();
    assert!(problem.contains("proved that it may write"), "{problem}");
}

/// A holder of the read key at the other end of alice's transport.
struct Impostor {
    /// What stands for the two ends in what messages are bound to.
    name: String,
    alice: String,
    /// The key that they agreed on.
    key: (u32, u32, String),
}

impl Impostor {
    /// The page load that its public value stands for: a higher number than that of any page.
    const LOAD: u32 = u32::MAX;

    fn new(world: &World, theirs: [u8; 12], alices: [u8; 12]) -> Impostor {
        let number = |nonce: [u8; 12]| {
            let (page, link) = nonce.split_at(8);
            let page = u64::from_le_bytes(page.try_into().expect("8 bytes"));
            let link = u32::from_le_bytes(link.try_into().expect("4 bytes"));
            format!("{page:016x}-{link:08x}")
        };
        let (name, alice) = (number(theirs), number(alices));
        let load = world.pages[0].held.key.expect("a key").number;
        let (low, high) = (
            name.clone().min(alice.clone()),
            name.clone().max(alice.clone()),
        );
        let key = (load, Impostor::LOAD, format!("{low}\n{high}"));
        Impostor { name, alice, key }
    }

    fn seal(&self, number: u64, message: &[u8]) -> Vec<u8> {
        let header = link_header(&self.key, &format!("{}\n{number}", self.name));
        let number = number.to_le_bytes();
        [&[SEALED][..], &number, &header, &[1], message].concat()
    }

    /// The first message of alice's.
    fn open(&self, message: &[u8]) -> Vec<u8> {
        let header = link_header(&self.key, &format!("{}\n1", self.alice));
        let sealed = &message[9..];
        let plain = sealed.strip_prefix(&header[..]).expect("it opens");
        plain[1..].to_vec()
    }
}

/// An intermediary on a transport has the read key, as the server of a relay may.
#[test]
fn an_intermediary_with_the_read_key_changes_nothing() {
    let mut world = opened(&["alice", "bob"], |profile| {
        profile.servers.clear();
        profile.secret = Some("rose");
    });
    let hands = [0, 1].map(|page| world.hold(page, Habit::Connects));
    connect_all(&mut world);
    world.type_in(0, "a word");
    let mut passed = [0, 0];
    // Forwards the messages of both ends, and then tries every attack with each message.
    let mut pass = |world: &mut World, mischief: bool| {
        for round in 0..200 {
            for (end, hand) in hands.iter().enumerate() {
                let Some(message) = world.hands[hand].got.get(passed[end]).cloned() else {
                    continue;
                };
                passed[end] += 1;
                let other = hands[1 - end];
                world.say(other, &message);
                if mischief && message[0] == SEALED {
                    let mut changed = message.clone();
                    changed[message.len() - 1] ^= 1;
                    let mut renumbered = message.clone();
                    renumbered[1] += 100;
                    let bare = message[9..].to_vec();
                    for forged in [&message, &changed, &renumbered, &bare] {
                        world.say(other, forged);
                    }
                    world.say(*hand, &message);
                    // A change in the clear, as one of the engine.
                    world.say(other, &[0x10, 0]);
                }
            }
            world.run(20 + round % 3);
        }
    };
    pass(&mut world, false);
    assert_eq!(world.pages[1].text(), "a word");
    world.type_in(0, " and more");
    world.type_in(1, ", too");
    pass(&mut world, true);
    for page in &world.pages {
        assert_eq!(page.text(), "a word and more, too");
        assert_eq!(page.codes(), [""; 0]);
        let transports = page.status().transports;
        assert_eq!(transports[0].state, TransportState::Open);
    }
    for hand in hands {
        let got = world.hands[&hand].got.iter();
        let kinds: BTreeSet<u8> = got.map(|message| message[0]).collect();
        assert_eq!(Vec::from_iter(kinds), [INTRODUCTION, SEALED]);
    }
}

/// All honest clients enforce the read-only admission of a server.
#[test]
fn a_member_admitted_as_read_only_is_a_reader() {
    for secret in [None, Some("rose")] {
        let mut world = opened(&["alice", "rita"], |profile| {
            profile.secret = secret;
            profile.token = (profile.agent == "rita").then_some("read");
        });
        connect_all(&mut world);
        world.type_in(0, "for all");
        until_text(&mut world, 1, "for all");
        world.converge(PATIENCE);
        assert!(world.pages[1].status().read_only);
        assert!(link(&world, 0, "rita").read_only);
        world.type_in(1, " mine");
        world.run(LATER);
        assert_eq!(world.pages[0].text(), "for all");
        assert_eq!(world.pages[0].codes(), [""; 0]);
    }
}
