use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::*;
use crate::rebase::rebase;

/// A document, the file that mirrors it, and somebody else in the room.
struct Room {
    folder: tempfile::TempDir,
    document: Document,
    other: Document,
    mirror: Mirror,
    now: Millis,
}

impl Room {
    /// A room with a text, which the file has.
    fn with(text: &str) -> Room {
        Room::of(text, false)
    }

    fn of(text: &str, is_read_only: bool) -> Room {
        let folder = tempfile::tempdir().unwrap();
        let mut document = Document::new("peer").unwrap();
        let file = TextFile::at(&folder.path().join("notes.txt")).unwrap();
        let mirror = Mirror::new(file, &mut document, &[], is_read_only).unwrap();
        let mut room = Room {
            folder,
            document,
            other: Document::new("other").unwrap(),
            mirror,
            now: 0,
        };
        room.other_inserts(0, text);
        assert!(room.settle().is_empty());
        assert_eq!(room.file(), text);
        room
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("notes.txt")
    }

    fn file(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn other_inserts(&mut self, position: usize, text: &str) {
        self.other.insert(position, text).unwrap();
        self.exchange();
    }

    fn exchange(&mut self) {
        self.document.merge_from(&self.other, &mut |_| {}).unwrap();
        self.other.merge_from(&self.document, &mut |_| {}).unwrap();
    }

    /// An editor writes a new file and renames it.
    fn save_by_rename(&self, text: &str) {
        let draft = self.folder.path().join("notes.txt~");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.path()).unwrap();
    }

    /// One look, and a write where the file is behind. Returns the trouble that was reported.
    fn step(&mut self) -> Option<MirrorError> {
        self.now += POLL_MILLIS;
        let mut told = None;
        match self.mirror.poll(self.now) {
            Ok(Some(found)) => {
                let version = rebase(&mut self.document, &found.version, &found.edits).unwrap();
                self.mirror.taken(found, version);
            }
            Ok(None) => {}
            Err(trouble) => told = Some(trouble),
        }
        if self.mirror.is_behind(&self.document) {
            self.write();
        }
        told
    }

    fn write(&mut self) {
        self.mirror.prepare(&self.document);
        self.mirror.write(&self.document, self.now).unwrap();
    }

    /// Goes on for long enough that all that was done has had its effect.
    fn settle(&mut self) -> Vec<MirrorError> {
        let looks = 2 * GRACE_MILLIS / POLL_MILLIS;
        let told = (0..looks).filter_map(|_| self.step()).collect();
        self.exchange();
        told
    }

    /// Everything is alike.
    fn agrees(&mut self, text: &str) {
        assert!(self.settle().is_empty());
        assert_eq!(self.document.text(), text);
        assert_eq!(self.other.text(), text);
        assert_eq!(self.file(), text);
        let names: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left behind: {names:?}");
    }
}

#[test]
fn edits_of_the_room_come_into_the_file_and_back() {
    let mut room = Room::with("one\ntwo\n");
    room.other_inserts(3, "!");
    room.agrees("one!\ntwo\n");
    fs::write(room.path(), "one!\ntwo?\n").unwrap();
    room.agrees("one!\ntwo?\n");
    room.save_by_rename("zero\none!\ntwo?\n");
    room.agrees("zero\none!\ntwo?\n");
    // Minimal: what stayed is the other's, as it was.
    let authors = room.document.operations_json().unwrap();
    assert!(!authors.contains("zero\\none"), "{authors}");
}

#[test]
fn an_edit_of_the_file_does_not_take_back_what_came_meanwhile() {
    let mut room = Room::with("one two three\n");
    fs::write(room.path(), "one 2 three\n").unwrap();
    room.other_inserts(0, "zero ");
    room.other_inserts(18, " four");
    room.agrees("zero one 2 three four\n");
}

#[test]
fn a_save_at_the_moment_of_a_write_is_not_lost() {
    let mut room = Room::with("one two\n");
    room.other_inserts(0, "zero ");
    // The file is looked at, found to be at rest, and then replaced by an editor.
    room.save_by_rename("one two three\n");
    room.write();
    room.agrees("zero one two three\n");

    // And into the very file that is being replaced.
    room.other_inserts(0, "minus ");
    let mut open = fs::OpenOptions::new()
        .append(true)
        .open(room.path())
        .unwrap();
    room.write();
    assert_eq!(room.file(), "minus zero one two three\n");
    open.write_all(b"late\n").unwrap();
    room.agrees("minus zero one two three\nlate\n");
    open.write_all(b"later\n").unwrap();
    room.agrees("minus zero one two three\nlate\nlater\n");
}

#[test]
fn permission_bits_stay_and_a_link_stays_a_link() {
    let mut room = Room::with("text");
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(room.path(), mode).unwrap();
    room.other_inserts(0, "more ");
    room.agrees("more text");
    assert_eq!(fs::metadata(room.path()).unwrap().mode() & 0o777, 0o640);
    fs::remove_file(room.path()).unwrap();
    assert_eq!(room.settle().len(), 1);
    assert_eq!(fs::metadata(room.path()).unwrap().mode() & 0o777, 0o640);

    let link = room.folder.path().join("link");
    std::os::unix::fs::symlink(room.path(), &link).unwrap();
    assert_eq!(TextFile::at(&link).unwrap().path(), room.path());
    let missing = TextFile::at(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/at"), "{missing}");
}

#[test]
fn what_is_no_regular_file_is_refused_and_a_link_may_lead_to_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink("folder/new.txt", path("link")).unwrap();
    std::os::unix::fs::symlink("again", path("again")).unwrap();
    let pipe = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), pipe).unwrap();

    let linked = TextFile::at(&path("link")).unwrap();
    assert!(linked.create("text").unwrap().is_some());
    assert_eq!(fs::read_to_string(path("folder/new.txt")).unwrap(), "text");
    assert!(path("link").is_symlink());
    for refused in ["folder", "pipe", "again", "new/", "folder/."] {
        assert!(TextFile::at(&path(refused)).is_err(), "{refused}");
    }
    assert!(TextFile::at(Path::new("/dev/null")).is_err());
    // It was a file at the start.
    let replaced = TextFile::at(&path("folder/new.txt")).unwrap();
    fs::rename(path("pipe"), path("folder/new.txt")).unwrap();
    assert!(replaced.read().is_err());
}

#[test]
fn a_file_that_is_not_utf8_is_left_alone_until_it_is() {
    let mut room = Room::with("caf\u{e9}\n");
    fs::write(room.path(), b"caf\xe9 noir\n").unwrap();
    room.other_inserts(5, "au lait\n");
    let told = room.settle();
    assert!(
        matches!(told[..], [MirrorError::NotUtf8 { offset: 3, .. }]),
        "{told:?}"
    );
    assert_eq!(fs::read(room.path()).unwrap(), b"caf\xe9 noir\n");
    assert_eq!(room.document.text(), "caf\u{e9}\nau lait\n");
    fs::write(room.path(), "caf\u{e9} noir\n").unwrap();
    room.agrees("caf\u{e9} noir\nau lait\n");
}

#[test]
fn a_file_that_is_gone_is_written_again() {
    let mut room = Room::with("text");
    fs::remove_file(room.path()).unwrap();
    let told = room.settle();
    assert!(matches!(told[..], [MirrorError::Gone { .. }]), "{told:?}");
    room.agrees("text");
}

#[test]
fn a_file_that_is_away_for_a_moment_is_not_gone() {
    let mut room = Room::with("one\n");
    fs::remove_file(room.path()).unwrap();
    room.other_inserts(4, "two\n");
    for _ in 0..4 {
        assert!(room.step().is_none());
        assert!(!room.path().exists());
    }
    fs::write(room.path(), "one!\n").unwrap();
    room.agrees("one!\ntwo\n");
}

#[test]
fn a_file_being_written_is_not_an_edit_yet() {
    let mut room = Room::with("a long text\n");
    let events = room.document.event_count();
    fs::write(room.path(), "").unwrap();
    for _ in 0..4 {
        room.step();
    }
    // Written in parts, none of which is the whole.
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(room.path())
        .unwrap();
    for part in ["a lo", "ng te", "xt", "\n"] {
        file.write_all(part.as_bytes()).unwrap();
        room.step();
    }
    room.agrees("a long text\n");
    assert_eq!(room.document.event_count(), events);

    fs::write(room.path(), "").unwrap();
    room.agrees("");
}

#[test]
fn a_read_only_mirror_follows_and_never_overwrites_an_edit() {
    let mut room = Room::of("text", true);
    room.other_inserts(4, " of the room");
    room.settle();
    assert_eq!(room.file(), "text of the room");
    fs::write(room.path(), "mine").unwrap();
    room.other_inserts(0, "a ");
    let told = room.settle();
    assert!(
        matches!(told[..], [MirrorError::ReadOnly { .. }]),
        "{told:?}"
    );
    assert_eq!(room.file(), "mine");
    assert_eq!(room.document.text(), "a text of the room");
    fs::rename(room.path(), room.folder.path().join("moved")).unwrap();
    let told = room.settle();
    assert!(matches!(told[..], [MirrorError::Gone { .. }]), "{told:?}");
    assert_eq!(room.file(), "a text of the room");

    // At the moment of a write, too.
    room.other_inserts(0, "again ");
    let mut open = fs::OpenOptions::new()
        .append(true)
        .open(room.path())
        .unwrap();
    room.write();
    open.write_all(b", mine").unwrap();
    let told = room.settle();
    let [MirrorError::Rescued { copy, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    let rescued = fs::read_to_string(copy).unwrap();
    assert_eq!(rescued, "a text of the room, mine");
    assert_eq!(room.file(), "again a text of the room");
}

#[test]
fn a_restart_tells_edits_of_the_file_from_what_it_was_given() {
    // What the crash left: the file before the write, or after it, and edited or not.
    for is_written in [false, true] {
        for edit in ["", "edited "] {
            let mut room = Room::with("one\n");
            room.other_inserts(4, "two\n");
            room.mirror.prepare(&room.document);
            let mirrored = room.mirror.mirrored().to_vec();
            assert_eq!(mirrored.len(), 2);
            if is_written {
                room.mirror.write(&room.document, 0).unwrap();
            }
            let text = format!("{edit}{}", room.file());
            fs::write(room.path(), &text).unwrap();
            let mut document = Document::new("next").unwrap();
            document.merge_from(&room.document, &mut |_| {}).unwrap();
            document.insert(document.len_chars(), "three\n").unwrap();
            let file = TextFile::at(&room.path()).unwrap();
            room.mirror = Mirror::new(file, &mut document, &mirrored, false).unwrap();
            room.document = document;
            room.agrees(&format!("{edit}one\ntwo\nthree\n"));
        }
    }
}

#[test]
fn without_a_known_version_all_of_the_file_is_new() {
    let mut room = Room::with("");
    fs::write(room.path(), "a text\n").unwrap();
    let file = TextFile::at(&room.path()).unwrap();
    room.mirror = Mirror::new(file, &mut room.document, &[], false).unwrap();
    room.agrees("a text\n");
}

#[test]
fn random_edits_on_all_sides_end_alike() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut room = Room::with("the quick brown fox\njumps over\nthe lazy dog\n");
        let mut typed = Vec::new();
        for round in 0..30 {
            let word = format!("<{round}>");
            match random.u8(..4) {
                0 => {
                    let position = random.usize(..=room.other.len_chars());
                    room.other_inserts(position, &word);
                    typed.push(word);
                }
                1 | 2 => {
                    let mut text = room.file();
                    let mut at = random.usize(..=text.len());
                    while !text.is_char_boundary(at) {
                        at -= 1;
                    }
                    text.insert_str(at, &word);
                    if random.bool() {
                        room.save_by_rename(&text);
                    } else {
                        fs::write(room.path(), &text).unwrap();
                    }
                    typed.push(word);
                    // Until it was read, another save would be of an old text.
                    let _ = (room.step(), room.step());
                    if random.bool() {
                        let _ = room.step();
                    }
                }
                _ => {
                    let _ = room.step();
                }
            }
        }
        assert!(room.settle().is_empty(), "seed {seed}");
        let text = room.file();
        assert_eq!(text, room.document.text(), "seed {seed}");
        let mut letters: Vec<char> = text.chars().collect();
        let mut expected: Vec<char> = typed.concat().chars().collect();
        expected.extend("the quick brown fox\njumps over\nthe lazy dog\n".chars());
        letters.sort_unstable();
        expected.sort_unstable();
        assert_eq!(
            letters, expected,
            "seed {seed}: nothing is lost, nothing doubled"
        );
    }
}
