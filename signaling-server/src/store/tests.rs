use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::InMemoryBackend;
use redb::{ReadableTable, StorageBackend};

use signaling_protocol::ErrorCode;

use bytes::Bytes;
use signaling_protocol::RoomId;
use signaling_rooms::LogQuotas;

use super::*;

#[cfg(feature = "postgres")]
#[path = "../../tests/postgres/mod.rs"]
mod server;

const QUOTAS: StoreQuotas = quotas(10_000, 100_000);

const fn quotas(room_bytes: u64, total_bytes: u64) -> StoreQuotas {
    StoreQuotas {
        logs: LogQuotas {
            room_bytes,
            total_bytes,
        },
        address_bytes: u64::MAX,
    }
}

/// Opens empty logs.
type Open = fn(StoreQuotas) -> Box<dyn Logs>;

/// Opens empty logs for which time is what the function says.
type OpenAt = fn(StoreQuotas, fn() -> u64) -> Box<dyn Logs>;

/// Runs tests against each place for logs: those that get them by `Open`, then those by `OpenAt`.
macro_rules! of_every_place {
    ($($test:ident)* ; $($timed:ident)*) => {
        mod in_a_file {
            use super::{Database, Logs, StoreQuotas};

            fn open(quotas: StoreQuotas) -> Box<dyn Logs> {
                Box::new(Database::in_memory(quotas).unwrap())
            }

            fn open_at(quotas: StoreQuotas, clock: fn() -> u64) -> Box<dyn Logs> {
                Box::new(Database::in_memory(quotas).unwrap().with_clock(clock))
            }

            $(#[test] fn $test() { super::$test(open) })*
            $(#[test] fn $timed() { super::$timed(open_at) })*
        }

        #[cfg(feature = "postgres")]
        mod in_postgres {
            use std::cell::RefCell;
            use std::sync::Arc;

            use super::server;
            use super::{Logs, Postgres, StoreLocation, StoreQuotas};

            thread_local! {
                /// What the test of this thread uses, until it ends.
                static SERVER: RefCell<Option<Arc<server::Postgres>>> = const { RefCell::new(None) };
            }

            fn new(quotas: StoreQuotas) -> Postgres {
                let server = server::Postgres::shared();
                let address = server.store();
                SERVER.set(Some(server));
                match StoreLocation::parse(&address).unwrap() {
                    StoreLocation::Postgres(url) => Postgres::open(&url, quotas).unwrap(),
                    StoreLocation::File(path) => panic!("{path:?} is a file"),
                }
            }

            fn open(quotas: StoreQuotas) -> Box<dyn Logs> {
                Box::new(new(quotas))
            }

            fn open_at(quotas: StoreQuotas, clock: fn() -> u64) -> Box<dyn Logs> {
                Box::new(new(quotas).with_clock(clock))
            }

            $(#[test] fn $test() { super::$test(open) })*
            $(#[test] fn $timed() { super::$timed(open_at) })*
        }
    };
}

of_every_place! {
    entries_are_numbered_by_log_and_read_in_order
    a_log_is_read_page_by_page
    a_snapshot_replaces_what_it_covers_and_keeps_the_rest
    a_snapshot_that_does_not_know_the_log_is_refused
    quotas_hold_and_smaller_is_always_allowed
    random_writes_agree_with_a_model
    what_an_address_began_is_bounded_and_counted_right
    a_backup_has_one_moment_and_is_taken_by_an_empty_store
    ;
    logs_that_nobody_uses_expire
}

fn log(name: &str) -> LogName {
    LogName::signaling(&RoomId::parse(name).unwrap())
}

fn append(name: &str, payload: &str) -> Write {
    Write::Append {
        log: log(name),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        from: None,
    }
}

fn append_from(address: &str, name: &str, payload: &str) -> Write {
    Write::Append {
        log: log(name),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        from: Some(address.parse().unwrap()),
    }
}

fn snapshot(name: &str, base: u64, upto: u64, payload: &str) -> Write {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Write::Snapshot {
        log: log(name),
        base,
        upto,
        payload,
    }
}

fn all(database: &dyn Logs, name: &str) -> Vec<(u64, String)> {
    let page = database.read(&log(name), 0, usize::MAX).unwrap();
    assert!(!page.more);
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    page.entries
        .iter()
        .map(|(seq, payload)| (*seq, text(payload)))
        .collect()
}

fn entries(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected
        .iter()
        .map(|(seq, text)| (*seq, (*text).to_owned()))
        .collect()
}

fn entries_are_numbered_by_log_and_read_in_order(open: Open) {
    let database = open(QUOTAS);
    let written = database.write(&[
        append("r", "a"),
        append("s", "x"),
        append("r", "b"),
        append("r", "c"),
    ]);
    assert_eq!(written, [Ok(1), Ok(1), Ok(2), Ok(3)]);
    assert_eq!(
        all(&*database, "r"),
        entries(&[(1, "a"), (2, "b"), (3, "c")])
    );
    assert_eq!(all(&*database, "s"), entries(&[(1, "x")]));
    assert_eq!(all(&*database, "none"), []);
    let page = database.read(&log("r"), 2, usize::MAX).unwrap();
    assert_eq!((page.base, page.last, page.entries.len()), (0, 3, 1));
    assert!(
        database
            .read(&log("r"), u64::MAX, usize::MAX)
            .unwrap()
            .entries
            .is_empty()
    );
}

fn a_log_is_read_page_by_page(open: Open) {
    let database = open(QUOTAS);
    let texts = [
        "1234",
        "5678",
        "a long one that fills a page alone",
        "9",
        "0",
    ];
    database.write(&texts.map(|text| append("r", text)));
    let (mut read, mut after, mut pages) = (Vec::new(), 0, 0);
    loop {
        let page = database.read(&log("r"), after, 8).unwrap();
        pages += 1;
        after = page.entries.last().unwrap().0;
        read.extend(page.entries.into_iter().map(|(_, payload)| payload));
        if !page.more {
            break;
        }
    }
    assert_eq!(read, texts);
    assert_eq!(pages, 3);
}

fn a_snapshot_replaces_what_it_covers_and_keeps_the_rest(open: Open) {
    let database = open(QUOTAS);
    database.write(&["a", "b", "c"].map(|text| append("r", text)));
    assert_eq!(database.write(&[snapshot("r", 0, 2, "ab")]), [Ok(2)]);
    assert_eq!(all(&*database, "r"), entries(&[(2, "ab"), (3, "c")]));
    assert_eq!(database.write(&[append("r", "d")]), [Ok(4)]);
    assert_eq!(database.write(&[snapshot("r", 2, 4, "abcd")]), [Ok(4)]);
    assert_eq!(all(&*database, "r"), entries(&[(4, "abcd")]));
    assert_eq!(database.write(&[append("r", "e")]), [Ok(5)]);
}

fn a_snapshot_that_does_not_know_the_log_is_refused(open: Open) {
    let database = open(QUOTAS);
    assert_eq!(
        database.write(&[snapshot("r", 0, 0, "")]),
        [Err(LogError::Conflict { base: 0, last: 0 })]
    );
    database.write(&["a", "b", "c"].map(|text| append("r", text)));
    // The second of two that replace the same beginning comes too late.
    let both = database.write(&[snapshot("r", 0, 3, "first"), snapshot("r", 0, 2, "second")]);
    assert_eq!(both, [Ok(3), Err(LogError::Conflict { base: 3, last: 3 })]);
    for (base, upto) in [(3, 4), (3, 2), (2, 3), (4, 4)] {
        let refused = database.write(&[snapshot("r", base, upto, "x")]);
        assert_eq!(
            refused,
            [Err(LogError::Conflict { base: 3, last: 3 })],
            "{base} {upto}"
        );
    }
    assert_eq!(all(&*database, "r"), entries(&[(3, "first")]));
}

fn quotas_hold_and_smaller_is_always_allowed(open: Open) {
    let database = open(quotas(1000, 1500));
    let (half, third) = ("x".repeat(400), "x".repeat(300));
    assert_eq!(
        database.write(&[append("r", &half), append("r", &half)]),
        [Ok(1), Ok(2)]
    );
    assert_eq!(
        database.write(&[append("r", &third)]),
        [Err(LogError::RoomQuota { max: 1000 })]
    );
    assert_eq!(database.write(&[append("s", &third)]), [Ok(1)]);
    assert_eq!(
        database.write(&[append("t", &half)]),
        [Err(LogError::TotalQuota { max: 1500 })]
    );
    assert_eq!(database.write(&[snapshot("r", 0, 2, &half)]), [Ok(2)]);
    assert_eq!(database.write(&[append("t", &half)]), [Ok(1)]);
    assert_eq!(database.write(&[Write::Forget { log: log("t") }]), [Ok(1)]);
    assert_eq!(all(&*database, "t"), []);
    assert_eq!(database.write(&[append("u", &half)]), [Ok(1)]);
    // Many empty entries are not for free.
    let empty: Vec<_> = (0..100).map(|_| append("v", "")).collect();
    assert!(database.write(&empty).iter().any(Result::is_err));
}

/// Against a plain model: the same results, and the same logs, after every step.
fn random_writes_agree_with_a_model(open: Open) {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let database = open(quotas(u64::MAX, u64::MAX));
    let mut model: BTreeMap<&str, (u64, u64, BTreeMap<u64, String>)> = BTreeMap::new();
    for step in 0..300 {
        let name = random.choice(["a", "b", "ab"]).unwrap();
        let (base, last, kept) = model.entry(name).or_default();
        let text = format!("{step}");
        if random.u8(..4) > 0 {
            *last += 1;
            kept.insert(*last, text.clone());
            assert_eq!(database.write(&[append(name, &text)]), [Ok(*last)]);
        } else {
            let (from, upto) = (
                *base - u64::from(random.bool() && *base > 0),
                random.u64(0..=*last + 1),
            );
            let result = database.write(&[snapshot(name, from, upto, &text)]);
            if from == *base && upto >= *base && upto <= *last && upto > 0 {
                assert_eq!(result, [Ok(upto)]);
                kept.retain(|seq, _| *seq > upto);
                kept.insert(upto, text);
                *base = upto;
            } else {
                assert_eq!(
                    result,
                    [Err(LogError::Conflict {
                        base: *base,
                        last: *last
                    })]
                );
            }
        }
        for (name, (_, _, kept)) in &model {
            let expected: Vec<_> = kept
                .iter()
                .map(|(seq, text)| (*seq, text.clone()))
                .collect();
            assert_eq!(all(&*database, name), expected);
        }
    }
}

/// A disk that is full once it holds so many bytes.
#[derive(Debug)]
struct SmallDisk {
    disk: InMemoryBackend,
    size: Arc<AtomicU64>,
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.size.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }
}

/// A database on a disk that gets full, and unlimited otherwise.
fn on_a_small_disk() -> Database {
    let size = Arc::new(AtomicU64::new(u64::MAX));
    let disk = SmallDisk {
        disk: InMemoryBackend::new(),
        size: size.clone(),
    };
    let db = redb::Database::builder().create_with_backend(disk).unwrap();
    let unlimited = quotas(u64::MAX, u64::MAX);
    let database = Database::with(db, unlimited).unwrap();
    size.store(3 << 20, Ordering::Relaxed);
    database
}

#[test]
fn a_store_whose_disk_has_failed_says_so() {
    let store = Store::start(|| Ok(Box::new(on_a_small_disk())), StoreMetrics::default()).unwrap();
    let payload = "x".repeat(100_000);
    let (tell, told) = mpsc::channel();
    let write = || {
        let reply = tell.clone();
        store.write(append("r", &payload), move |result| {
            reply.send(result).unwrap();
        });
        told.recv().unwrap()
    };
    assert_eq!(write(), Ok(1));
    assert!(!store.has_failed());
    while write().is_ok() {}
    assert!(store.has_failed());
    assert!(matches!(write(), Err(LogError::Unavailable { .. })));
}

#[cfg(feature = "postgres")]
#[test]
fn a_store_whose_database_was_lost_works_once_it_is_back() {
    let postgres = server::Postgres::start();
    let location = StoreLocation::parse(&postgres.store()).unwrap();
    let store = Store::open(&location, QUOTAS, StoreMetrics::default()).unwrap();
    let (tell, told) = mpsc::channel();
    let write = || {
        let reply = tell.clone();
        store.write(append("r", "x"), move |result| reply.send(result).unwrap());
        told.recv().unwrap()
    };
    assert_eq!(write(), Ok(1));
    postgres.kill();
    assert!(matches!(write(), Err(LogError::Unavailable { .. })));
    assert!(store.has_failed());
    postgres.run();
    while store.has_failed() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(write(), Ok(2));
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing_acknowledged() {
    let database = on_a_small_disk();

    let payload = "x".repeat(100_000);
    let mut acknowledged = 0;
    let error = loop {
        match database.write(&[append("r", &payload)]).remove(0) {
            Ok(seq) => acknowledged = seq,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert!(acknowledged > 0);
    // Reading may fail as well once a disk has failed; what it gives is what was acknowledged.
    if let Ok(page) = database.read(&log("r"), 0, usize::MAX) {
        assert_eq!(page.last, acknowledged);
    }
}

#[test]
fn the_threads_answers_come_in_order_and_reads_see_what_was_written_before() {
    let store = Store::in_memory(QUOTAS).unwrap();
    let (tell, told) = mpsc::channel();
    for number in 1..=20u64 {
        let reply = tell.clone();
        let payload = Bytes::from(vec![0; number as usize]);
        store.write(
            Write::Append {
                log: log("r"),
                payload,
                from: None,
            },
            move |result| {
                reply.send((number, result.unwrap())).unwrap();
            },
        );
    }
    let (read, page) = mpsc::channel();
    store.read(log("r"), 0, usize::MAX, move |result| {
        read.send(result.unwrap()).unwrap()
    });
    assert_eq!(page.recv().unwrap().entries.len(), 20);
    drop(tell);
    let answers: Vec<_> = told.iter().collect();
    assert_eq!(
        answers,
        (1..=20).map(|number| (number, number)).collect::<Vec<_>>()
    );
    assert!(!store.has_failed());
}

#[test]
fn what_waits_for_a_slow_disk_is_bounded_and_what_was_written_does_not_count() {
    let unlimited = quotas(u64::MAX, u64::MAX);
    let store = Store::in_memory(unlimited).unwrap();
    let (release, held) = mpsc::channel::<()>();
    // The thread is busy with an answer while the rest is asked for.
    store.read(log("r"), 0, 0, move |_| held.recv().unwrap());
    let payload = Bytes::from(vec![0; WAITING_BYTES / 4]);
    let (tell, told) = mpsc::channel();
    let ask = |count: usize| {
        for _ in 0..count {
            let reply = tell.clone();
            let write = Write::Append {
                log: log("r"),
                payload: payload.clone(),
                from: None,
            };
            store.write(write, move |result| reply.send(result).unwrap());
        }
    };
    ask(6);
    let refused = [told.recv().unwrap(), told.recv().unwrap()];
    assert_eq!(refused, [Err(LogError::Busy), Err(LogError::Busy)]);
    release.send(()).unwrap();
    let written: Vec<_> = told.iter().take(4).collect();
    assert_eq!(written, [Ok(1), Ok(2), Ok(3), Ok(4)]);
    ask(1);
    assert_eq!(told.recv().unwrap(), Ok(5));
}

#[tokio::test]
async fn a_finished_store_has_written_everything_and_refuses_more() {
    let folder = std::env::temp_dir().join(format!("store-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("logs");
    let location = StoreLocation::File(path.clone());
    let store = Store::open(&location, QUOTAS, StoreMetrics::default()).unwrap();
    store.write(append("r", "kept"), |_| {});
    store.finish().await;
    let (tell, told) = mpsc::channel();
    store.write(append("r", "late"), move |result| {
        tell.send(result).unwrap()
    });
    assert!(matches!(
        told.recv().unwrap(),
        Err(LogError::Unavailable { .. })
    ));
    assert_eq!(
        all(&Database::open(&path, QUOTAS).unwrap(), "r"),
        entries(&[(1, "kept")])
    );
    std::fs::remove_dir_all(folder).unwrap();
}

fn what_an_address_began_is_bounded_and_counted_right(open: Open) {
    let database = open(StoreQuotas {
        address_bytes: 1_000,
        ..QUOTAS
    });
    let large = "x".repeat(400);
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    let refused = [Err(LogError::AddressQuota { max: 1_000 })];
    assert_eq!(database.write(&[append_from(here, "a", &large)]), [Ok(1)]);
    assert_eq!(database.write(&[append_from(here, "b", &large)]), [Ok(1)]);
    assert_eq!(database.write(&[append_from(here, "c", &large)]), refused);
    // They count for the address that began them, not for later writers.
    assert_eq!(database.write(&[append_from(there, "a", &large)]), refused);
    assert_eq!(database.write(&[append("a", &large)]), refused);
    // Others have their own share, and this machine has no limit.
    assert_eq!(database.write(&[append_from(there, "c", &large)]), [Ok(1)]);
    assert_eq!(database.write(&[append_from(here, "c", &large)]), [Ok(2)]);
    for seq in 1..=5 {
        assert_eq!(database.write(&[append("d", &large)]), [Ok(seq)]);
    }
    // What is made smaller or deleted counts no longer.
    assert_eq!(database.write(&[snapshot("a", 0, 1, "")]), [Ok(1)]);
    assert_eq!(database.write(&[append_from(here, "e", "small")]), [Ok(1)]);
    let grown = snapshot("a", 1, 1, &"x".repeat(600));
    assert_eq!(database.write(&[grown]), refused);
    assert_eq!(database.write(&[Write::Forget { log: log("b") }]), [Ok(1)]);
    assert_eq!(database.write(&[append_from(here, "f", &large)]), [Ok(1)]);
}

fn logs_that_nobody_uses_expire(open: OpenAt) {
    const DAY: u64 = 24 * 60 * 60;
    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(1_000 * DAY) };
    }
    let database = open(QUOTAS, || NOW.get());
    for name in ["read", "written", "open", "unused"] {
        database.write(&[append_from("192.0.2.1", name, "x")]);
    }
    NOW.set(NOW.get() + 10 * DAY);
    database.note_use(&log("read"));
    database.write(&[append("written", "y")]);
    let logs = vec![log("open"), log("no such log")];
    assert_eq!(database.write(&[Write::Touch { logs }]), [Ok(0)]);
    let before = NOW.get() - 5 * DAY;
    assert_eq!(database.write(&[Write::Expire { before }]), [Ok(1)]);
    assert_eq!(all(&*database, "unused"), []);
    assert_eq!(all(&*database, "written").len(), 2);
    let before = before + 6 * DAY;
    assert_eq!(database.write(&[Write::Expire { before }]), [Ok(3)]);
    assert_eq!(database.write(&[Write::Expire { before }]), [Ok(0)]);
}

#[test]
fn logs_of_a_file_without_uses_count_as_used_when_it_is_opened() {
    let folder = std::env::temp_dir().join(format!("signaling-store-{}", fastrand::u64(..)));
    {
        // As the server wrote it before it noted uses.
        let db = redb::Database::create(&folder).unwrap();
        let transaction = db.begin_write().unwrap();
        let entries = redb::TableDefinition::<(&str, u64), &[u8]>::new("entries");
        let heads = redb::TableDefinition::<&str, (u64, u64, u64)>::new("heads");
        let total = redb::TableDefinition::<(), u64>::new("total");
        let (key, value): (_, &[u8]) = (("room/r", 1), b"x");
        transaction
            .open_table(entries)
            .unwrap()
            .insert(key, value)
            .unwrap();
        transaction
            .open_table(heads)
            .unwrap()
            .insert("room/r", (0, 1, 65))
            .unwrap();
        transaction
            .open_table(total)
            .unwrap()
            .insert((), 65)
            .unwrap();
        transaction.commit().unwrap();
    }
    for _ in 0..2 {
        let database = Database::open(&folder, QUOTAS).unwrap();
        assert_eq!(database.write(&[Write::Expire { before: 1 }]), [Ok(0)]);
        assert_eq!(all(&database, "r"), entries(&[(1, "x")]));
    }
    let database = Database::open(&folder, QUOTAS).unwrap();
    let before = u64::MAX;
    assert_eq!(database.write(&[Write::Expire { before }]), [Ok(1)]);
    drop(database);
    std::fs::remove_file(folder).unwrap();
}

fn backup_of(snapshot: &mut dyn Snapshot) -> String {
    let mut backup = Vec::new();
    backup::write(snapshot, &mut backup).unwrap();
    String::from_utf8(backup).unwrap()
}

fn a_backup_has_one_moment_and_is_taken_by_an_empty_store(open: Open) {
    let bounded = StoreQuotas {
        address_bytes: 1_000,
        ..QUOTAS
    };
    let source = open(bounded);
    let here = "192.0.2.1";
    let written = [
        append_from(here, "r", &"x".repeat(700)),
        append("r", "b"),
        append("s", "c"),
        append("s", "d"),
        snapshot("s", 0, 1, "C"),
    ];
    assert!(source.write(&written).iter().all(Result::is_ok));
    let mut moment = source.snapshot().unwrap();
    let before = source.list().unwrap();
    source.write(&[append("r", "later"), append("t", "later")]);
    let backup = backup_of(&mut *moment);
    drop(moment);
    assert_ne!(backup_of(&mut *source.snapshot().unwrap()), backup);

    let mut copy = open(bounded);
    // Cut off anywhere, it is not taken at all.
    for (end, _) in backup.match_indices('\n') {
        let part = &backup.as_bytes()[..=end];
        let taken = copy.restore(&mut &part[..]);
        if part.len() < backup.len() {
            assert!(matches!(taken, Err(StoreError::Backup { .. })), "{taken:?}");
            assert_eq!(copy.list().unwrap(), []);
        } else {
            let extent = backup::Extent {
                logs: 2,
                entries: 4,
            };
            assert_eq!(taken.unwrap(), extent);
        }
    }
    let taken = copy.restore(&mut backup.as_bytes());
    assert!(matches!(taken, Err(StoreError::NotEmpty)), "{taken:?}");
    assert_eq!(backup_of(&mut *copy.snapshot().unwrap()), backup);
    let by_name = |mut logs: Vec<StoredLog>| {
        logs.sort_by(|a, b| a.name.cmp(&b.name));
        logs
    };
    assert_eq!(by_name(copy.list().unwrap()), by_name(before));
    // What an address began still counts for it.
    let more = |name: &str| append_from(here, name, &"y".repeat(250));
    let refused = copy.write(&[more("u")]);
    assert!(
        matches!(refused[0], Err(LogError::AddressQuota { .. })),
        "{refused:?}"
    );
    let written = copy.write(&[append("s", "e"), append("v", "f")]);
    assert_eq!(written, [Ok(3), Ok(1)]);
    assert_eq!(all(&*copy, "s"), entries(&[(1, "C"), (2, "d"), (3, "e")]));
}

/// A file of a later version is left as it is; one from before versions were noted is taken.
#[test]
fn a_file_has_a_version() {
    let folder = std::env::temp_dir().join(format!("signaling-version-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("logs");
    let versions: redb::TableDefinition<'_, (), u64> = redb::TableDefinition::new("version");
    let heads: redb::TableDefinition<'_, &str, (u64, u64, u64)> =
        redb::TableDefinition::new("heads");
    let old: redb::TableDefinition<'_, (&str, u64), &[u8]> = redb::TableDefinition::new("entries");
    {
        let db = redb::Database::create(&path).unwrap();
        let transaction = db.begin_write().unwrap();
        {
            let mut heads = transaction.open_table(heads).unwrap();
            heads.insert("room/r", (0, 1, 65)).unwrap();
            let mut entries = transaction.open_table(old).unwrap();
            entries.insert(("room/r", 1), &b"a"[..]).unwrap();
        }
        transaction.commit().unwrap();
    }
    let database = Database::open(&path, QUOTAS).unwrap();
    assert_eq!(all(&database, "r"), entries(&[(1, "a")]));
    drop(database);
    let version = |to: Option<u64>| {
        let db = redb::Database::create(&path).unwrap();
        let transaction = db.begin_write().unwrap();
        let found = {
            let mut table = transaction.open_table(versions).unwrap();
            let found = table.get(()).unwrap().map(|version| version.value());
            if let Some(to) = to {
                table.insert((), to).unwrap();
            }
            found
        };
        transaction.commit().unwrap();
        found
    };
    assert_eq!(version(Some(2)), Some(1));
    let refused = Database::open(&path, QUOTAS).err().unwrap().to_string();
    assert!(refused.contains("version 2"), "{refused}");
    assert_eq!(version(Some(1)), Some(2));
    let database = Database::open(&path, QUOTAS).unwrap();
    assert_eq!(all(&database, "r"), entries(&[(1, "a")]));
    drop(database);
    std::fs::remove_dir_all(folder).unwrap();
}
