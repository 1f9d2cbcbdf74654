//! How much memory bad and unlucky input takes. Alone in its process, and one test at a time, because it
//! counts what is allocated.

#[path = "../../fuzz/counting.rs"]
mod counting;
#[path = "../../fuzz/drivers.rs"]
mod drivers;

use std::path::Path;
use std::sync::Mutex;

use counting::{measured, most_memory};
use crdt_core::{Document, LoadLimits, PendingLimits, Preset, SaveOptions, VersionSummary};

static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

fn operations(txns: &[String]) -> String {
    format!("{{\"v\":1,\"frontier\":[],\"txns\":[{}]}}", txns.join(","))
}

/// A long text, and a thousand agents that delete all of it concurrently.
#[test]
fn deleting_a_long_text_takes_memory_per_run() {
    const CHARS: usize = 1_000_000;
    let _alone = ALONE.lock().unwrap();
    let mut writer = Document::new("writer").unwrap();
    writer.insert(0, &"x".repeat(CHARS)).unwrap();
    let deletes: Vec<String> = (0..1000)
        .map(|i| {
            format!(
                "{{\"agent\":\"d{i}\",\"seq\":0,\"parents\":[[\"writer\",{}]],\"ops\":[[\"d\",0,{CHARS}]]}}",
                CHARS - 1
            )
        })
        .collect();
    let deletes = operations(&deletes);
    let text = writer.encode_since(&VersionSummary::new()).unwrap();

    let (doc, most, _) = measured(|| {
        let mut doc = Document::new("reader").unwrap();
        doc.merge_patch(&text).unwrap();
        let report = doc.merge_json(&deletes).unwrap();
        assert_eq!(report.applied, 1000 * CHARS);
        doc
    });
    assert!(doc.is_empty());
    assert!(most < 64 * MIB, "a merge took {most} bytes");

    for preset in [Preset::Fast, Preset::Balanced] {
        let options = SaveOptions::new(preset);
        let (file, most, _) = measured(|| doc.save(&options).unwrap());
        assert!(most < 64 * MIB, "saving took {most} bytes");
        let (opened, most, _) =
            measured(|| Document::load_verified("reader", &file, &LoadLimits::default()).unwrap());
        assert!(opened.is_empty());
        assert!(most < 64 * MIB, "opening took {most} bytes");
    }
}

/// What waits for events that never come, all for one or each for another, takes no more than the limit
/// while it is read, and after.
#[test]
fn held_back_events_stay_within_their_memory_limit() {
    let _alone = ALONE.lock().unwrap();
    const COUNT: usize = 150_000;
    let limit = PendingLimits::default().bytes;
    for apart in [false, true] {
        let mut sender = Vec::new();
        let orphans: Vec<String> = (0..COUNT)
            .map(|i| {
                let parent = if apart { i } else { 0 };
                format!(
                    "{{\"agent\":\"m{i}\",\"seq\":0,\"parents\":[[\"never{parent}\",{}]],\"ops\":[[\"i\",{i},\"x\"]]}}",
                    COUNT - 1
                )
            })
            .collect();
        for part in orphans.chunks(COUNT / 10) {
            sender.push(operations(part));
        }
        drop(orphans);
        let mut doc = Document::new("reader").unwrap();
        let (dropped, most, kept) = measured(|| {
            let mut dropped = 0;
            for message in &sender {
                let report = doc.merge_json(message).unwrap();
                assert!(report.missing.len() <= 64);
                dropped += report.dropped;
            }
            dropped
        });
        assert_eq!(doc.pending_events() + dropped, COUNT);
        assert!(doc.pending_events() > 10_000, "{}", doc.pending_events());
        assert!(kept <= limit, "{kept} bytes are kept");
        // While it is read, a message and the pieces of it that wait come on top.
        assert!(most <= 3 * limit, "it took {most} bytes");
        // The same again is the same.
        let last = sender.last().unwrap();
        let pending = doc.pending_events();
        let report = doc.merge_json(last).unwrap();
        assert_eq!((report.pending, report.dropped), (pending, 0));
        if !apart {
            let mut parent = Document::new("never0").unwrap();
            parent.insert(0, &"x".repeat(COUNT)).unwrap();
            let parent = parent.encode_since(&VersionSummary::new()).unwrap();
            let report = doc.merge_patch(&parent).unwrap();
            assert_eq!((report.applied, report.pending), (pending + COUNT, 0));
        }
    }
}

/// Every seed of the fuzz targets takes memory in proportion to its size.
#[test]
fn seeds_stay_within_the_memory_limit() {
    let _alone = ALONE.lock().unwrap();
    for (name, run) in drivers::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(name);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let seed = std::fs::read(&path).unwrap();
            let ((), most, _) = measured(|| run(&seed));
            let limit = most_memory(seed.len());
            assert!(most <= limit, "{} took {most} bytes", path.display());
        }
    }
}
