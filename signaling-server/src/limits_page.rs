//! Compares docs/limits.md with the limits that the program has.

use clap::Parser as _;

use crate::budget::ADDRESS_SHARE;
use crate::config::Config;
use crate::http::HEAD_BUFFER;
use crate::store::WAITING_BYTES;
use crate::store::database::CACHE_BYTES;
use crate::yjs::limits::{MOST_RANGES, RANGE_BYTES, UNFINISHED_MESSAGES, WORK_MESSAGES};
use crate::yjs::limits::{WORK_ADDRESS_PART, presence_bytes};
use crate::{outbox, pieces, sse, unfinished};

const PAGE: &str = include_str!("../../docs/limits.md");

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a socket in a room takes in bytes, and a connection with half a request: measured, and rounded up.
const SOCKET: usize = 8 * KIB;
const HALF_REQUEST: usize = 24 * KIB;

/// What a socket keeps after large messages: a read buffer of two pieces, and a write buffer of two parts.
const BUFFERS: usize = 2 * pieces::PIECE + 2 * outbox::PART;

fn config(arguments: &str) -> Config {
    Config::try_parse_from(arguments.split_whitespace()).unwrap()
}

/// A size as the page writes it.
fn size(bytes: impl TryInto<usize, Error: std::fmt::Debug>) -> String {
    let bytes = bytes.try_into().unwrap();
    match bytes {
        _ if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        _ if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        _ => format!("{} KiB", bytes / KIB),
    }
}

/// Bytes in MiB, to the nearest.
fn mib(bytes: usize) -> usize {
    (bytes + MIB / 2) / MIB
}

/// The cells of the rows of a section of the page.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let heading = format!("\n## {section}\n");
    let (_, text) = PAGE.split_once(&heading).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(2);
    lines
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_page_has_the_limits_of_one_client() {
    let config = config("signaling-server");
    let expected = [
        ("`--max-message-size`", size(config.max_message_size)),
        ("`--yjs-message-bytes`", size(config.yjs_message_bytes)),
        ("a piece of a frame", size(pieces::PIECE)),
        ("a part of a message", size(outbox::PART)),
        ("the head of a request", size(HEAD_BUFFER)),
        ("unfinished, for each client", size(unfinished::ALLOWANCE)),
        ("waiting, for each client", size(outbox::ALLOWANCE)),
        ("kept of an event stream", size(sse::KEPT_BYTES)),
        (
            "`--max-queued-messages`",
            config.max_queued_messages.to_string(),
        ),
    ];
    let rows = rows("What one client can hold");
    let found: Vec<_> = rows.iter().map(|row| (row[0], row[1].to_owned())).collect();
    assert_eq!(found, expected);
    for (flag, seconds) in [
        ("client-timeout", config.client_timeout_seconds),
        ("handshake-timeout", config.handshake_timeout_seconds),
        ("stall-timeout", config.stall_timeout_seconds),
    ] {
        let words = format!("{seconds} s (`--{flag}-seconds`)");
        assert!(PAGE.replace('\n', " ").contains(&words), "{words}");
    }
    let overhead = format!("{} bytes for each message", outbox::OVERHEAD);
    assert!(PAGE.contains(&overhead));
}

#[test]
fn the_page_has_the_limits_of_one_address_and_of_all() {
    let config = config("signaling-server");
    let shared = |bytes: usize| (size(bytes / ADDRESS_SHARE), size(bytes));
    let logs = config.memory_quotas();
    let work = config.yjs_message_bytes * WORK_MESSAGES;
    let nothing = String::new;
    let expected = [
        (
            "`--max-connections-per-address`, `--max-connections`",
            (
                config.max_connections_per_address.to_string(),
                config.max_connections.to_string(),
            ),
        ),
        (
            "`--max-rooms-per-address`, `--max-rooms`",
            (
                config.max_rooms_per_address.to_string(),
                config.max_rooms.to_string(),
            ),
        ),
        (
            "`--max-unfinished-bytes`",
            shared(config.max_unfinished_bytes),
        ),
        ("`--max-waiting-bytes`", shared(config.max_waiting_bytes)),
        (
            "unfinished messages of Yjs clients",
            (
                size(config.yjs_message_bytes),
                size(config.yjs_message_bytes * UNFINISHED_MESSAGES),
            ),
        ),
        (
            "work on documents of Yjs clients",
            (size(work / WORK_ADDRESS_PART), size(work)),
        ),
        (
            "logs of Yjs clients in memory, without `--store`",
            (size(logs.address_bytes), size(logs.logs.total_bytes)),
        ),
        (
            "writes that wait for the store",
            (nothing(), size(WAITING_BYTES)),
        ),
        ("cache of a store's file", (nothing(), size(CACHE_BYTES))),
        (
            "`--store-address-bytes`, `--store-total-bytes`, on the disk",
            (
                size(config.store_address_bytes),
                size(config.store_total_bytes),
            ),
        ),
    ];
    let rows = rows("What one address can hold, and all together");
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row[0], (row[1].to_owned(), row[2].to_owned())))
        .collect();
    assert_eq!(found, expected);
    let ranges = format!(
        "takes {RANGE_BYTES} bytes for each range, of which there are {MOST_RANGES} at most"
    );
    let presences = mib(config.max_connections * presence_bytes(&config));
    let presences = format!("{} sockets fill {presences} MiB", config.max_connections);
    for words in [ranges, presences] {
        assert!(PAGE.replace('\n', " ").contains(&words), "{words}");
    }
}

/// What so many sockets, and as many connections with half a request, hold in MiB, by the rows of the sum.
fn sum(
    config: &Config,
    connections: usize,
    share: impl Fn(usize, usize) -> usize,
) -> Vec<Vec<usize>> {
    let each = |bytes: usize| mib(connections * bytes);
    let message = config.yjs_message_bytes;
    let logs = config.memory_quotas();
    let logs = share(
        usize::try_from(logs.address_bytes).unwrap(),
        usize::try_from(logs.logs.total_bytes).unwrap(),
    );
    let quarter = |bytes: usize| mib(share(bytes / ADDRESS_SHARE, bytes));
    let work = message * WORK_MESSAGES;
    vec![
        vec![each(SOCKET)],
        vec![each(BUFFERS)],
        vec![each(HALF_REQUEST)],
        vec![
            each(unfinished::ALLOWANCE),
            quarter(config.max_unfinished_bytes),
        ],
        vec![each(outbox::ALLOWANCE), quarter(config.max_waiting_bytes)],
        vec![
            mib(share(message, message * UNFINISHED_MESSAGES)),
            mib(share(work / WORK_ADDRESS_PART, work)),
            mib(logs),
        ],
        vec![each(presence_bytes(config)), mib(MOST_RANGES * RANGE_BYTES)],
        vec![mib(WAITING_BYTES), mib(CACHE_BYTES)],
    ]
}

fn text(parts: &[usize]) -> String {
    let parts: Vec<String> = parts.iter().map(usize::to_string).collect();
    parts.join(" + ")
}

#[test]
fn the_page_adds_up() {
    let config = config("signaling-server");
    let mut one = sum(&config, config.max_connections_per_address, |one, _| one);
    let mut all = sum(&config, config.max_connections, |_, all| all);
    for column in [&mut one, &mut all] {
        let total = column.iter().flatten().sum();
        column.push(vec![total]);
    }
    let rows = rows("The sum");
    let found: Vec<_> = rows.iter().map(|row| (row[1], row[2])).collect();
    let expected: Vec<_> = one
        .iter()
        .zip(&all)
        .map(|(one, all)| (text(one), text(all)))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(one, all)| (&one[..], &all[..]))
        .collect();
    assert_eq!(found, expected);
    let addresses = config.max_connections / config.max_connections_per_address;
    assert!(PAGE.contains(&format!("takes {addresses} addresses")));
}

#[test]
fn the_settings_for_a_small_machine_come_to_what_the_page_says() {
    let (_, rest) = PAGE.split_once("\n## A machine of 2 GB\n").unwrap();
    let command = rest.split("```").nth(1).unwrap();
    let command = command.trim_start_matches("sh").replace('\\', "");
    let config = config(&command);
    let parts = sum(&config, config.max_connections, |_, all| all);
    let total: usize = parts.iter().flatten().sum();
    let [
        sockets,
        buffers,
        requests,
        unfinished,
        waiting,
        yjs,
        presences,
        store,
    ] = &parts[..]
    else {
        panic!("{parts:?}");
    };
    let store: usize = store.iter().sum();
    let of_yjs: usize = yjs.iter().chain(presences).sum();
    let words = format!(
        "comes to {} MiB for sockets, {} for their buffers, {} for half requests, {} unfinished, {} waiting, {} \
         for Yjs clients, {} for presences and ranges, and {store} for the store: {total} MiB.",
        text(sockets),
        text(buffers),
        text(requests),
        text(unfinished),
        text(waiting),
        text(yjs),
        text(presences),
    );
    let page = PAGE.replace('\n', " ");
    assert!(page.contains(&words), "{words}");
    assert!(page.contains(&format!("their {of_yjs} MiB")), "{of_yjs}");
    let largest = size(config.yjs_message_bytes);
    assert!(page.contains(&format!("have {largest} at most with these settings")));
    assert!(total < 1200, "a third of 2 GB is left: {total}");
}
