//! Runs every seed of the fuzz targets, and every input that ever failed.

#[path = "../../fuzz/drivers.rs"]
mod drivers;

use std::path::{Path, PathBuf};

use crdt_core::session::NamedPatches;
use crdt_core::{Document, EventId, Frontier, Preset, SaveOptions, VersionSummary};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::files::all_options;
use crate::histories::{random_edit, random_replicas};
use crate::repeats::pasted;
use crate::shapes::{alternating, at_one_gap, base, insert, ladder, operations, zigzag};

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

#[test]
fn seeds_of_the_fuzzer_pass() {
    if std::env::var_os("CRDT_WRITE_DATA").is_some() {
        write_seeds();
    }
    for (name, run) in drivers::ALL {
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
            add("decode", &name("v2-whole"), &doc.save(&options).unwrap());
            let file = doc.save_shallow(&middle, &options).unwrap();
            add("decode", &name("v2-shallow"), &file);
        }
        let mut grown = doc.clone();
        random_edit(&mut rng, &mut grown);
        let file = grown.save(&SaveOptions::default()).unwrap();
        add("decode", &format!("v2-grown-{seed}.bin"), &file);
        for options in all_options().filter(|options| !options.without_text) {
            let doc = pasted(&mut Rng::with_seed(seed), 3);
            let name = format!("v2-repeats-{:?}-{seed}.bin", options.preset).to_lowercase();
            add("decode", &name, &doc.save(&options).unwrap());
        }
        let bytes: Vec<u8> = (0..150).map(|_| rng.u8(..)).collect();
        add("edits", &format!("random-{seed}.bin"), &bytes);
    }
    for (name, txns) in hard_shapes() {
        let operations = operations(&txns);
        add("decode", &format!("{name}.json"), operations.as_bytes());
        let mut doc = Document::new("reader").unwrap();
        doc.merge_json(&operations).unwrap();
        // What waits is in no file.
        if !doc.is_empty() {
            let file = doc.save(&SaveOptions::new(Preset::Fast)).unwrap();
            add("decode", &format!("{name}.bin"), &file);
        }
    }
    add("edits", "groups.bin", &groups());
}

/// Small histories of the shapes for which work can be out of proportion.
fn hard_shapes() -> Vec<(&'static str, Vec<Value>)> {
    const MANY: usize = 32;
    let on_base = json!([["base", 9]]);
    let begun = |txns: Vec<Value>| [vec![base()], txns].concat();
    let waiting = |i: usize| {
        let parents = json!([[format!("never{}", i % 5), 3]]);
        insert(&format!("m{i}"), 0, parents, i)
    };
    let deletes = |i: usize| json!({"agent": format!("m{i}"), "seq": 0, "parents": on_base, "ops": [["d", 0, 10]]});
    let at_places = |i: usize| insert(&format!("m{i}"), 0, on_base.clone(), i % 10);
    let both = [alternating(MANY), zigzag(MANY)].concat();
    let beyond = (1_u32 << 31) - 3;
    vec![
        ("branches", begun(alternating(MANY))),
        ("zigzag", begun(both)),
        ("ladder", begun(ladder(MANY))),
        ("gap", begun(at_one_gap(MANY))),
        ("heads", begun((0..MANY).map(at_places).collect())),
        ("deletes", begun((0..MANY).map(deletes).collect())),
        ("waiting", (0..MANY).map(waiting).collect()),
        ("beyond", vec![insert("m", beyond as usize, json!([]), 0)]),
    ]
}

/// Typing in groups, all undone and redone.
fn groups() -> Vec<u8> {
    const EDIT: u8 = 0;
    const UNDO: u8 = 3 * 8;
    let typed = (0..30).flat_map(|i| [EDIT, i * 7, 0, UNDO, 0, 2]);
    let undone = [UNDO, 0, 0].repeat(30);
    let redone = [UNDO, 0, 1].repeat(30);
    typed.chain(undone).chain(redone).collect()
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
