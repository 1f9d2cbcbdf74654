//! Rooms whose server keeps a log: a newcomer to an empty room has the text.

use crdt_room::LinkKind;
use signaling_rooms::{LogQuotas, Settings};

use super::{PATIENCE, connect_all, ends_well, until_text};
use crate::hostile::Malice;
use crate::page::Profile;
use crate::world::World;

/// Within this time edits are in the log, those of the writing member and those of the others.
const WRITTEN: u64 = 2_000;
const SEEN: u64 = 6_000;

const PLENTY: LogQuotas = LogQuotas {
    room_bytes: 1 << 26,
    total_bytes: 1 << 30,
};

/// A server that keeps logs, and pages with a key, each in a browser of its own.
fn kept(names: &[&str], adjust: impl Fn(&mut Profile)) -> World {
    kept_within(names, PLENTY, adjust)
}

fn kept_within(names: &[&str], quotas: LogQuotas, adjust: impl Fn(&mut Profile)) -> World {
    let mut world = World::new(names.len() as u64);
    world.add_server(Settings {
        log: Some(quotas),
        ..Settings::default()
    });
    for (browser, name) in names.iter().enumerate() {
        let mut profile = Profile::new(name, browser);
        profile.secret = Some("rose");
        adjust(&mut profile);
        world.open(profile);
    }
    world
}

/// A text in which nothing repeats.
fn noise(chars: usize) -> String {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + (state >> 24) as u8 % 90)
    };
    (0..chars).map(next).collect()
}

fn ahead(world: &World, page: usize) -> Option<u64> {
    world.pages[page].status().kept.ahead
}

fn until_kept(world: &mut World, page: usize, at_most: u64) {
    world.until("everything is kept", at_most, |world| {
        ahead(world, page) == Some(0)
    });
}

#[test]
fn a_joiner_of_an_empty_room_receives_the_text() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    world.type_in(0, "to be kept");
    until_kept(&mut world, 0, WRITTEN);
    world.kill(0);
    world.run(PATIENCE);
    world.connect(1);
    until_text(&mut world, 1, "to be kept");
    until_kept(&mut world, 1, SEEN);
    world.reload(0, "alice-2");
    world.connect(0);
    until_text(&mut world, 0, "to be kept");
    ends_well(world);
}

/// One member writes for all; the others see that their edits are in the log.
#[test]
fn one_member_writes_for_all_and_another_one_when_it_leaves() {
    let mut world = kept(&["alice", "bob", "carol"], |_| {});
    connect_all(&mut world);
    world.converge(PATIENCE);
    for round in 0..5 {
        for page in 0..3 {
            world.type_in(page, "word ");
            world.run(300);
        }
        assert_eq!(world.writers("rose"), ["alice"], "round {round}");
    }
    for page in 0..3 {
        until_kept(&mut world, page, SEEN);
    }
    let entries = world.entries("rose");
    assert!(entries <= 6, "{entries} entries in 5 seconds");
    world.disconnect(0);
    world.run(1_000);
    world.type_in(2, "without her");
    until_kept(&mut world, 2, SEEN);
    assert_eq!(world.writers("rose"), ["alice", "bob"]);
    assert_eq!(world.doubled("rose"), 0);
    world.connect(0);
    ends_well(world);
}

/// The member that is to write has no link to the others, or does not do it.
#[test]
fn other_members_write_if_the_writer_does_not() {
    let mut world = kept(&["alice", "bob"], |profile| {
        profile.links = vec![LinkKind::WebRtc];
    });
    world.block(0, 1);
    connect_all(&mut world);
    world.type_in(1, "of bob");
    world.until("bob writes himself", 30_000, |world| {
        ahead(world, 1) == Some(0)
    });
    world.type_in(0, "of alice ");
    until_kept(&mut world, 0, SEEN);
    until_text(&mut world, 0, "of alice of bob");
}

#[test]
fn unacknowledged_entries_are_written_again_but_not_twice() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    world.run(1_000);
    for round in 0..10 {
        world.type_in(0, "word ");
        // The entry arrives or not, and so does the answer.
        world.run(60 + 10 * round);
        world.change_network(0);
        world.run(5_000);
    }
    until_kept(&mut world, 0, PATIENCE);
    world.kill(0);
    world.connect(1);
    until_text(&mut world, 1, &"word ".repeat(10));
}

#[test]
fn a_server_that_ends_and_comes_back_has_what_it_acknowledged() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    for gracefully in [true, false] {
        world.type_in(0, "word ");
        until_kept(&mut world, 0, PATIENCE);
        world.stop_server(0, gracefully);
        world.type_in(0, "offline ");
        world.run(3_000);
        world.start_server(0);
    }
    until_kept(&mut world, 0, PATIENCE);
    world.kill(0);
    world.connect(1);
    until_text(&mut world, 1, &"word offline ".repeat(2));
    ends_well(world);
}

/// A server that lost its log gets it again.
#[test]
fn a_lost_log_is_written_again() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    for _ in 0..5 {
        world.type_in(0, "word ");
        until_kept(&mut world, 0, WRITTEN);
    }
    world.stop_server(0, true);
    world.lose_logs(0);
    world.start_server(0);
    world.run(10_000);
    until_kept(&mut world, 0, PATIENCE);
    world.kill(0);
    world.connect(1);
    until_text(&mut world, 1, &"word ".repeat(5));
}

#[test]
fn a_long_log_becomes_a_snapshot() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    for _ in 0..150 {
        world.type_in(0, "word ");
        world.run(1_100);
    }
    until_kept(&mut world, 0, WRITTEN);
    let entries = world.entries("rose");
    assert!(entries < 80, "{entries} entries");
    world.kill(0);
    world.connect(1);
    until_text(&mut world, 1, &"word ".repeat(150));
    assert_eq!(world.pages[1].status().kept.skipped, 0);
    ends_well(world);
}

/// What does not fit into one entry goes in several, and a snapshot of it as well.
#[test]
fn a_long_history_goes_in_parts() {
    let mut world = kept(&["alice", "bob"], |_| {});
    let text = noise(1_000_000);
    world.type_in(0, &text);
    world.connect(0);
    until_kept(&mut world, 0, PATIENCE);
    assert!(world.entries("rose") > 3);
    world.connect(1);
    world.block(0, 1);
    world.kill(0);
    until_text(&mut world, 1, &text);
    let mut text = text;
    // Far more small entries than large bytes.
    for _ in 0..800 {
        world.type_in(1, "word ");
        text.push_str("word ");
        world.run(1_100);
    }
    until_kept(&mut world, 1, SEEN);
    let entries = world.entries("rose");
    assert!(entries < 500, "{entries} entries");
    world.kill(1);
    world.reload(0, "alice-2");
    world.connect(0);
    until_text(&mut world, 0, &text);
}

/// A reader cannot write: its entries in the log are skipped, and it cannot remove entries for
/// long.
#[test]
fn entries_of_a_reader_are_skipped() {
    let mut world = kept(&["alice", "anna", "bob"], |profile| {
        profile.reads = profile.agent == "alice";
        profile.lies = profile.reads;
    });
    world.connect(1);
    world.type_in(1, "for all ");
    until_kept(&mut world, 1, WRITTEN);
    // She comes first by name, so her program acts as the writer.
    world.connect(0);
    until_text(&mut world, 0, "for all ");
    for _ in 0..20 {
        world.type_in(0, "forged ");
        world.run(1_100);
    }
    world.type_in(1, "still ");
    world.until("anna writes all the same", PATIENCE, |world| {
        ahead(world, 1) == Some(0)
    });
    assert_eq!(world.pages[1].text(), "for all still ");
    world.kill(0);
    world.kill(1);
    world.connect(2);
    until_text(&mut world, 2, "for all still ");
    assert!(world.pages[2].status().kept.skipped > 0);
}

#[test]
fn a_reader_writes_nothing_and_reads_the_log() {
    let mut world = kept(&["alice", "rita"], |profile| {
        profile.reads = profile.agent == "rita";
    });
    world.connect(0);
    world.type_in(0, "for all");
    until_kept(&mut world, 0, WRITTEN);
    world.kill(0);
    world.connect(1);
    until_text(&mut world, 1, "for all");
    world.run(PATIENCE);
    assert_eq!(world.writers("rose"), ["alice"]);
    ends_well(world);
}

/// A full log is reported, and replaced by a snapshot if that helps.
#[test]
fn a_full_log_is_reported() {
    let quotas = LogQuotas {
        room_bytes: 4_000,
        ..PLENTY
    };
    let mut world = kept_within(&["alice", "bob"], quotas, |_| {});
    world.connect(0);
    for _ in 0..60 {
        world.type_in(0, "word ");
        world.run(1_100);
    }
    world.until("a snapshot makes room", PATIENCE, |world| {
        ahead(world, 0) == Some(0)
    });
    let text = noise(20_000);
    world.type_in(0, &text);
    world.run(PATIENCE);
    let kept = world.pages[0].status().kept;
    assert!(kept.ahead > Some(0), "{kept:?}");
    let problem = kept.problem.unwrap_or_default();
    assert!(problem.contains("would hold more than"), "{problem}");
    assert_eq!(world.pages[0].codes(), [""; 0]);
}

/// A server that only accepts small messages gets small entries.
#[test]
fn entries_are_as_large_as_the_server_takes_them() {
    let mut world = World::new(1);
    let mut settings = Settings {
        log: Some(PLENTY),
        ..Settings::default()
    };
    settings.clients.message_bytes = 64 * 1024;
    world.add_server(settings);
    let mut profile = Profile::new("alice", 0);
    profile.secret = Some("rose");
    world.open(profile.clone());
    profile.agent = "bob".to_owned();
    world.open(profile);
    let text = noise(500_000);
    world.type_in(0, &text);
    world.connect(0);
    until_kept(&mut world, 0, PATIENCE);
    world.disconnect(0);
    world.run(PATIENCE);
    world.connect(1);
    until_text(&mut world, 1, &text);
    ends_well(world);
}

/// The status says what is not stored, and why.
#[test]
fn the_status_says_why_nothing_is_stored() {
    let mut world = kept(&["alice", "bob"], |profile| {
        profile.secret = (profile.agent == "alice").then_some("rose");
    });
    connect_all(&mut world);
    world.type_in(1, "of bob");
    world.run(PATIENCE);
    let kept = world.pages[1].status().kept;
    assert_eq!(kept.ahead, None);
    assert!(kept.problem.unwrap_or_default().contains("no key"));
    world.stop_server(0, false);
    world.run(PATIENCE);
    let kept = world.pages[0].status().kept;
    assert!(
        kept.problem
            .unwrap_or_default()
            .contains("no signaling server")
    );
    let mut world = super::connected(&["alice"], |profile| profile.secret = Some("rose"));
    world.type_in(0, "of alice");
    world.run(PATIENCE);
    let kept = world.pages[0].status().kept;
    assert_eq!(kept.ahead, None);
    assert!(kept.problem.unwrap_or_default().contains("keeps no"));
}

/// A server that reassembles logs cannot add foreign content to a room, or remove content that
/// members have.
#[test]
fn a_server_that_shuffles_logs_gets_nothing_in() {
    let mut world = kept(&["alice", "bob", "mallory"], |profile| {
        if profile.agent == "mallory" {
            profile.secret = Some("tulip");
        }
    });
    world.connect(0);
    world.connect(2);
    for round in 0..5 {
        world.type_in(0, &format!("{round} "));
        world.type_in(2, "of another room ");
        world.run(1_500);
    }
    world.malice = Some(Malice::shuffling());
    // Mallory's page asks first, so the server has entries of another room to mix in.
    world.change_network(2);
    world.run(40_000);
    world.connect(1);
    until_text(&mut world, 1, "0 1 2 3 4 ");
    assert!(world.pages[1].status().kept.skipped > 0);
    world.change_network(0);
    world.run(40_000);
    world.type_in(0, "5 ");
    until_text(&mut world, 1, "0 1 2 3 4 5 ");
    assert!(
        world
            .malice
            .as_ref()
            .is_some_and(|malice| malice.forged > 0)
    );
    world.malice = None;
    world.change_network(0);
    world.change_network(1);
    world.run(PATIENCE);
    until_kept(&mut world, 0, PATIENCE);
    world.kill(0);
    world.kill(1);
    world.reload(1, "bob-2");
    world.connect(1);
    until_text(&mut world, 1, "0 1 2 3 4 5 ");
}

/// A page that lost what it had stored comes back under its old name, and edits before it has read the log.
#[test]
fn a_name_that_is_in_the_log_already_is_given_up() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    world.type_in(0, "of her first life ");
    until_kept(&mut world, 0, WRITTEN);
    world.kill(0);
    world.reload(0, "alice");
    world.type_in(0, "of her second ");
    world.connect(0);
    until_kept(&mut world, 0, PATIENCE);
    let text = world.pages[0].text();
    assert!(
        text.contains("of her first life ") && text.contains("of her second "),
        "{text}"
    );
    assert_ne!(world.pages[0].document.agent(), "alice");
    world.connect(1);
    until_text(&mut world, 1, &text);
    assert_eq!(world.pages[1].told.diverged, 0);
    ends_well(world);
}

/// The same page after it stored everything: what is in the log and what is here are one.
#[test]
fn stored_events_in_the_log_are_merged_once() {
    let mut world = kept(&["alice", "bob"], |_| {});
    world.connect(0);
    world.type_in(0, "once, ");
    until_kept(&mut world, 0, WRITTEN);
    world.store(0);
    world.kill(0);
    world.reload(0, "alice");
    world.type_in(0, "and on");
    world.connect(0);
    until_kept(&mut world, 0, PATIENCE);
    assert_eq!(world.pages[0].text(), "once, and on");
    world.connect(1);
    until_text(&mut world, 1, "once, and on");
    ends_well(world);
}

/// Two servers that keep logs, of which each member uses one alone or both.
#[test]
fn each_server_keeps_what_its_members_have() {
    let mut world = kept(&["alice", "bob", "carol"], |_| {});
    world.add_server(Settings {
        log: Some(PLENTY),
        ..Settings::default()
    });
    world.pages[0].profile.servers = vec![0, 1];
    world.connect(0);
    world.type_in(0, "at both");
    until_kept(&mut world, 0, WRITTEN);
    world.run(SEEN);
    world.kill(0);
    world.run(PATIENCE);
    world.pages[1].profile.servers = vec![1];
    world.connect(1);
    until_text(&mut world, 1, "at both");
    world.connect(2);
    until_text(&mut world, 2, "at both");
    ends_well(world);
}
