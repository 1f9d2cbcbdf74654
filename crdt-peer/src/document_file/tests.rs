use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn text(&self) -> PathBuf {
        self.0.path().join("notes.txt")
    }

    fn path(&self, extension: &str) -> PathBuf {
        beside(&self.text(), extension)
    }

    fn open(&self, agent: &str) -> (DocumentFile, Kept) {
        DocumentFile::open(&self.text(), agent).unwrap()
    }

    fn error(&self) -> DocumentFileError {
        DocumentFile::open(&self.text(), "z").unwrap_err()
    }

    /// Every file in the folder with its content.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    }
}

/// Types `text` at the end, and keeps the document after every char.
fn type_and_keep(file: &mut DocumentFile, document: &mut Document, text: &str) {
    for char in text.chars() {
        document
            .insert(document.len_chars(), &char.to_string())
            .unwrap();
        let mirrored = [document.frontier()];
        file.keep(document, &mirrored).unwrap();
    }
}

#[test]
fn what_was_kept_is_there_again() {
    let folder = Folder::new();
    let mut text = String::new();
    for (agent, word) in [("a", "one "), ("b", "zwei "), ("c", "trois 🦊")] {
        let (mut file, kept) = folder.open(agent);
        let mut document = kept.document;
        assert_eq!(document.text(), text);
        assert_eq!(document.agent(), agent);
        assert!(kept.torn.is_none());
        if !text.is_empty() {
            assert_eq!(kept.mirrored, [document.frontier()]);
        }
        type_and_keep(&mut file, &mut document, word);
        text.push_str(word);
    }
    // The document as a whole can be opened by others, and is older than its journal by then.
    let whole = fs::read(folder.path("crdt")).unwrap();
    assert_eq!(Document::load("x", &whole).unwrap().text(), "o");
    let (mut file, kept) = folder.open("d");
    file.keep_whole(&kept.document, &kept.mirrored).unwrap();
    let whole = fs::read(folder.path("crdt")).unwrap();
    assert_eq!(Document::load("x", &whole).unwrap().text(), text);
    drop(file);
    assert_eq!(folder.open("e").1.mirrored, kept.mirrored);
}

#[test]
fn nothing_new_writes_nothing() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    file.keep(&kept.document, &[]).unwrap();
    assert_eq!(folder.content().len(), 1, "the lock alone");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "x");
    let before = folder.content();
    file.keep(&document, &[document.frontier()]).unwrap();
    assert_eq!(folder.content(), before);
}

#[test]
fn a_journal_longer_than_the_document_becomes_part_of_it() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    file.keep_whole(&document, &[]).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut rounds = 0;
    let mut longest = 0;
    loop {
        let text: String = (0..20_000).map(|_| random.alphanumeric()).collect();
        document.insert(0, &text).unwrap();
        file.keep(&document, &[]).unwrap();
        let len = fs::metadata(folder.path("crdt-journal")).unwrap().len();
        rounds += 1;
        if len < longest {
            break;
        }
        longest = len;
        assert!(len <= MIN_JOURNAL + 40_000);
    }
    assert!(rounds > 3);
    drop(file);
    assert_eq!(folder.open("b").1.document.text(), document.text());
}

#[test]
fn two_processes_cannot_keep_one_file() {
    let folder = Folder::new();
    let (file, _) = folder.open("a");
    let error = folder.error();
    assert!(matches!(error, DocumentFileError::InUse { .. }));
    let process = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    drop(file);
    folder.open("b");
}

#[test]
fn damage_is_named_and_nothing_is_overwritten() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "some text to be damaged");
    file.keep_whole(&document, &[]).unwrap();
    type_and_keep(&mut file, &mut document, " and more of it");
    drop(file);
    for extension in ["crdt", "crdt-journal"] {
        let path = folder.path(extension);
        let whole = fs::read(&path).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let mut damaged = whole.clone();
            // The last record of a journal may be one that a crash cut short.
            let at = random.usize(..whole.len() / 2);
            damaged[at] ^= 1 << random.u8(..8);
            fs::write(&path, &damaged).unwrap();
            let before = folder.content();
            match DocumentFile::open(&folder.text(), "z") {
                Ok((_, kept)) => assert!(kept.torn.is_some(), "byte {at} of {extension}"),
                Err(
                    DocumentFileError::Damaged { .. }
                    | DocumentFileError::JournalDamaged { .. }
                    | DocumentFileError::JournalForeign { .. },
                ) => assert_eq!(folder.content(), before),
                Err(other) => panic!("{other}"),
            }
            let _ = fs::remove_file(folder.path("crdt-journal-torn"));
            fs::write(&path, &whole).unwrap();
        }
    }
    fs::write(folder.path("crdt"), b"").unwrap();
    let message = folder.error().to_string();
    assert!(message.contains("notes.txt.crdt is damaged"), "{message}");
    assert!(message.contains("backup"), "{message}");
}

#[test]
fn a_journal_of_another_document_is_refused() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "first");
    file.keep_whole(&document, &[]).unwrap();
    type_and_keep(&mut file, &mut document, " second");
    drop(file);
    fs::remove_file(folder.path("crdt")).unwrap();
    let before = folder.content();
    let error = folder.error();
    assert!(matches!(error, DocumentFileError::JournalForeign { .. }));
    assert_eq!(folder.content(), before);
}

#[test]
fn a_torn_journal_loses_only_what_was_never_kept() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "kept");
    drop(file);
    let path = folder.path("crdt-journal");
    let mut torn = fs::read(&path).unwrap();
    torn.extend([40, 0, 0, 0, 1, 2, 3]);
    fs::write(&path, &torn).unwrap();
    let (mut file, kept) = folder.open("b");
    assert_eq!(kept.document.text(), "kept");
    assert_eq!(fs::read(kept.torn.unwrap()).unwrap(), torn);
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, " on");
    drop(file);
    assert_eq!(folder.open("c").1.document.text(), "kept on");
}

#[test]
fn a_full_disk_is_an_error_and_the_next_save_has_everything() {
    let folder = Folder::new();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "one");
    // A device that is always full takes the journal's place, and then nothing can be written at all.
    let full = Journal::open_new(Path::new("/dev/full"), 0).unwrap();
    file.journal = Some(full);
    document.insert(3, " two").unwrap();
    let error = file.keep(&document, &[]).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    let in_the_way = folder.0.path().join(".notes.txt.crdt.crdt-new");
    fs::create_dir(&in_the_way).unwrap();
    document.insert(7, " three").unwrap();
    let error = file.keep(&document, &[]).unwrap_err();
    assert!(matches!(error, DocumentFileError::Write { .. }));
    fs::remove_dir(&in_the_way).unwrap();
    file.keep(&document, &[]).unwrap();
    type_and_keep(&mut file, &mut document, " four");
    drop(file);
    assert_eq!(folder.open("b").1.document.text(), "one two three four");
}

#[test]
fn who_may_read_the_text_may_read_the_document() {
    let folder = Folder::new();
    fs::write(folder.text(), "").unwrap();
    fs::set_permissions(folder.text(), fs::Permissions::from_mode(0o640)).unwrap();
    let (mut file, kept) = folder.open("a");
    let mut document = kept.document;
    type_and_keep(&mut file, &mut document, "x");
    for mode in [0o640, 0o600] {
        for extension in ["crdt", "crdt-journal"] {
            let found = fs::metadata(folder.path(extension)).unwrap().permissions();
            assert_eq!(found.mode() & 0o777, mode, "{extension}");
        }
        // From now on it has a stricter mode of its own.
        let own = fs::Permissions::from_mode(0o600);
        fs::set_permissions(folder.path("crdt"), own).unwrap();
        file.keep_whole(&document, &[]).unwrap();
    }
}

#[test]
fn who_may_no_longer_read_the_text_may_not_read_its_history() {
    let folder = Folder::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let allow = |mode| fs::set_permissions(folder.text(), Permissions::from_mode(mode)).unwrap();
    fs::write(folder.text(), "text").unwrap();
    allow(0o644);
    let (mut file, Kept { mut document, .. }) = folder.open("a");
    type_and_keep(&mut file, &mut document, "one");
    let files = [folder.path("crdt"), folder.path("crdt-journal")];
    assert_eq!(files.each_ref().map(|path| mode(path)), [0o644; 2]);
    // While it runs, when the document is written anew.
    allow(0o640);
    file.keep_whole(&document, &[]).unwrap();
    assert_eq!(files.each_ref().map(|path| mode(path)), [0o640; 2]);
    drop(file);
    // And at the start. What the owner may do stays.
    allow(0o400);
    let (file, _) = folder.open("b");
    assert_eq!(files.each_ref().map(|path| mode(path)), [0o600; 2]);
    drop(file);
    // Nothing is given to anybody.
    allow(0o644);
    folder.open("c");
    assert_eq!(files.each_ref().map(|path| mode(path)), [0o600; 2]);
}

#[test]
fn a_journal_without_its_document_is_left_alone() {
    let folder = Folder::new();
    let (mut file, Kept { mut document, .. }) = folder.open("a");
    type_and_keep(&mut file, &mut document, "one");
    file.keep_whole(&document, &[document.frontier()]).unwrap();
    drop(file);
    fs::remove_file(folder.path("crdt")).unwrap();
    let before = folder.content();
    let error = folder.error();
    assert!(
        matches!(error, DocumentFileError::JournalForeign { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("the document is missing"));
    let journal = folder.path("crdt-journal");
    let kept = |all: &[(PathBuf, Vec<u8>)]| all.iter().find(|(path, _)| *path == journal).cloned();
    assert_eq!(kept(&folder.content()), kept(&before));
    assert!(!folder.path("crdt").exists());
}
