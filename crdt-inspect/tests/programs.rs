//! The program, as it is called on files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crdt_core::{Document, SaveOptions, VersionSummary};
use tempfile::TempDir;

/// Calls the program: its exit code, and what it prints.
fn inspect(arguments: &[&str], files: &[&Path]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crdt-inspect"));
    let output = command.args(arguments).args(files).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn written(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Two who wrote at once, after a common beginning, and hold the same.
fn together() -> Document {
    let mut ann = Document::new("ann").unwrap();
    ann.insert(0, "Hello").unwrap();
    let mut ben = Document::new("ben").unwrap();
    ben.merge_patch(&ann.encode_since(&ben.summary()).unwrap())
        .unwrap();
    ann.insert(5, " world").unwrap();
    ben.delete(0, 2).unwrap();
    ann.merge_patch(&ben.encode_since(&ann.summary()).unwrap())
        .unwrap();
    ann.insert(0, "<>").unwrap();
    ann
}

#[test]
fn events_are_shown_from_every_form_of_a_document() {
    let folder = TempDir::new().unwrap();
    let document = together();
    let forms = [
        written(
            &folder,
            "file",
            document.save(&SaveOptions::default()).unwrap(),
        ),
        written(
            &folder,
            "update",
            document.encode_since(&VersionSummary::new()).unwrap(),
        ),
        written(&folder, "json", document.operations_json().unwrap()),
    ];
    for file in forms {
        let (code, out, errors) = inspect(&["events", "--text"], &[&file]);
        assert_eq!((code, &errors[..]), (Some(0), ""), "{}", file.display());
        for line in [
            "15 events in 3 runs: 13 chars inserted, 2 deletions",
            "ann:0..=10 at 0 inserts \"Hello world\", after nothing",
            "ben:0..=1 at 0 deletes 2 chars, after ann:4",
            "ann:11..=12 at 0 inserts \"<>\", after ann:10 ben:1",
            "<>llo world",
        ] {
            assert!(
                out.lines().any(|found| found == line),
                "{line}\nis not in\n{out}"
            );
        }
    }
}

#[test]
fn the_graph_has_a_box_for_each_chain_and_a_line_to_each_parent() {
    let folder = TempDir::new().unwrap();
    let file = written(
        &folder,
        "file",
        together().save(&SaveOptions::default()).unwrap(),
    );
    let (code, dot, _) = inspect(&["graph"], &[&file]);
    assert_eq!(code, Some(0));
    for label in [
        "ann:0..=4 +5 -0",
        "ann:5..=10 +6 -0",
        "ben:0..=1 +0 -2",
        "ann:11..=12 +2 -0",
    ] {
        assert!(
            dot.contains(&format!("[label=\"{label}\"]")),
            "{label}: {dot}"
        );
    }
    assert_eq!(dot.matches("->").count(), 4, "{dot}");
    let (code, svg, _) = inspect(&["graph", "--format", "svg"], &[&file]);
    assert_eq!(code, Some(0));
    assert_eq!(
        (svg.matches("<line").count(), svg.matches("<text").count()),
        (4, 4),
        "{svg}"
    );
}

#[test]
fn replicas_that_differ_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let document = together();
    let save = |document: &Document| document.save(&SaveOptions::default()).unwrap();
    let file = written(&folder, "file", save(&document));
    let (code, out, _) = inspect(&["compare"], &[&file, &file]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("15 events in both\nevery event in both is the same\nthe texts are equal"),
        "{out}"
    );

    let mut longer = document.clone();
    longer.insert(0, "!").unwrap();
    let longer = written(&folder, "longer", save(&longer));
    let (code, out, _) = inspect(&["compare"], &[&file, &longer]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("1 events only in the second:\n  ann:13..=13"),
        "{out}"
    );

    // Another history under the same ids.
    let mut forged = Document::new("ann").unwrap();
    forged.insert(0, "Help!").unwrap();
    let forged = written(&folder, "forged", save(&forged));
    let (code, out, _) = inspect(&["compare"], &[&file, &forged]);
    assert_eq!(code, Some(1));
    for line in [
        "first event that differs: ann:3",
        "  in the first it inserts 'l' at 3, after the event before it",
        "  in the second it inserts 'p' at 3, after the event before it",
        "the texts are different",
    ] {
        assert!(
            out.lines().any(|found| found == line),
            "{line}\nis not in\n{out}"
        );
    }
}

#[test]
fn a_replay_gives_the_same_text_in_every_way() {
    let folder = TempDir::new().unwrap();
    let file = written(
        &folder,
        "file",
        together().save(&SaveOptions::default()).unwrap(),
    );
    let (code, out, _) = inspect(&["replay"], &[&file]);
    assert_eq!(code, Some(0));
    assert_eq!(out.matches(", the same text").count(), 3, "{out}");
}

#[test]
fn what_is_no_document_is_named() {
    let folder = TempDir::new().unwrap();
    let nothing = written(&folder, "nothing", "not a document");
    let mut document = together();
    let before = document.summary();
    document.insert(0, "later").unwrap();
    let part = written(&folder, "part", document.encode_since(&before).unwrap());
    let missing = folder.path().join("missing");
    for (file, words) in [
        (&nothing, "neither a saved document"),
        (&part, "its 5 events build on others, such as ann:12"),
        (&missing, "cannot be read"),
    ] {
        let (code, out, errors) = inspect(&["events"], &[file]);
        assert_eq!((code, &out[..]), (Some(2), ""));
        assert!(errors.contains(words), "{errors}");
    }
}
