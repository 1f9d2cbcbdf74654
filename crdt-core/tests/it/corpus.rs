//! Every seed of the fuzz targets, and every input that was ever a find, is run again.

#[path = "../../fuzz/drivers.rs"]
mod drivers;

use std::path::{Path, PathBuf};

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EventId, Frontier, VersionSummary};
use fastrand::Rng;

use crate::files::all_options;
use crate::histories::{random_edit, random_replicas};

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

#[test]
fn seeds_and_finds_hold() {
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        write_seeds();
    }
    type Driver = fn(&[u8]);
    let drivers: [(&str, Driver); 3] = [
        ("decode", drivers::decode),
        ("merge", drivers::merge),
        ("edits", drivers::edits),
    ];
    for (name, run) in drivers {
        let mut files = 0;
        for file in std::fs::read_dir(seeds(name)).unwrap() {
            let path = file.unwrap().path();
            println!("{}", path.display());
            run(&std::fs::read(path).unwrap());
            files += 1;
        }
        assert!(files > 0, "no seeds for {name}");
    }
}

/// Adds the seeds that come from random histories, where they are missing.
fn write_seeds() {
    let add = |target: &str, name: &str, bytes: &[u8]| {
        let path = seeds(target).join(name);
        if !path.exists() {
            std::fs::write(path, bytes).unwrap();
        }
    };
    for seed in 1..4 {
        let mut rng = Rng::with_seed(seed);
        let doc = random_replicas(&mut rng, 12 * seed as usize).swap_remove(0);
        let patch = doc.encode_since(&VersionSummary::new()).unwrap();
        add("decode", &format!("patch-{seed}.bin"), &patch);
        add("merge", &format!("session-{seed}.bin"), &session(&mut rng));
        let middle = doc
            .history()
            .unwrap()
            .nth(doc.history().unwrap().count() / 2);
        let middle = Frontier::new(middle.map(|run| EventId::new(run.agent, run.seqs.start)));
        for options in all_options().filter(|options| options.without_text == (seed == 2)) {
            let name = |kind| format!("{kind}-{:?}-{seed}.bin", options.preset).to_lowercase();
            add("decode", &name("whole"), &doc.save(&options).unwrap());
            let file = doc.save_shallow(&middle, &options).unwrap();
            add("decode", &name("shallow"), &file);
        }
        let bytes: Vec<u8> = (0..150).map(|_| rng.u8(..)).collect();
        add("edits", &format!("random-{seed}.bin"), &bytes);
    }
}

/// What three replicas send each other, each message with its length before it.
fn session(rng: &mut Rng) -> Vec<u8> {
    let mut docs = drivers::KNOWN.map(|name| Document::new(name).unwrap());
    let base = drivers::base().operations_json().unwrap();
    for doc in &mut docs {
        doc.merge_json(&base).unwrap();
    }
    let mut out = Vec::new();
    for _ in 0..30 {
        let (from, to) = (rng.usize(0..3), rng.usize(0..3));
        random_edit(rng, &mut docs[from]);
        let patch = docs[from]
            .encode_since_named(&docs[to].summary(), &drivers::KNOWN)
            .unwrap();
        let Ok(len) = u8::try_from(patch.len()) else {
            continue;
        };
        docs[to]
            .merge_patch_named_with(&patch, &drivers::KNOWN, &mut |_| {})
            .unwrap();
        out.push(len);
        out.extend(patch);
    }
    out
}
