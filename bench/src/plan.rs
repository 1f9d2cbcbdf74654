//! The table: its rows, the libraries that each compares, and the aims.

/// The aim for a figure of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At most so many times the figure of this peer.
    Times(f64, &'static str),
    /// At most so many times the best peer's.
    TimesBest(f64),
    /// At most so many times the figure of the newest, unpublished diamond-types, which is not
    /// measured here, on a machine of this kind.
    TimesUnpublished(f64, f64),
    /// At most this figure.
    AtMost(f64),
    None,
}

pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) measure: &'static str,
    pub(crate) trace: &'static str,
    /// The name of the cell's figure.
    pub(crate) figure: &'static str,
    pub(crate) subjects: &'static [&'static str],
    pub(crate) aim: Aim,
}

pub(crate) const OURS: &str = "ours";

/// Texts without a history, which are not peers.
pub(crate) const FLOORS: [&str; 3] = ["gap-buffer", "jumprope", "crop"];

/// All columns of the tables, in their order.
pub(crate) const SUBJECTS: [&str; 9] = [
    OURS,
    "diamond-types",
    "yrs",
    "loro",
    "automerge",
    "cola",
    "gap-buffer",
    "jumprope",
    "crop",
];

const EVERYBODY: &[&str] = &SUBJECTS;
const DOCUMENTS: &[&str] = &[OURS, "diamond-types", "yrs", "loro", "automerge"];
/// The published diamond-types needs minutes too, to make the long histories' bytes or to load them.
const OURS_AND_YRS: &[&str] = &[OURS, "yrs"];
/// Loro and automerge need minutes, or more memory than there is, to make the history's bytes.
const EVENT_GRAPHS_AND_YRS: &[&str] = &[OURS, "diamond-types", "yrs"];

const fn row(
    (what, unit): (&'static str, &'static str),
    (measure, trace, figure): (&'static str, &'static str, &'static str),
    subjects: &'static [&'static str],
    aim: Aim,
) -> Row {
    Row {
        what,
        unit,
        measure,
        trace,
        figure,
        subjects,
        aim,
    }
}

const DT: &str = "diamond-types";

pub(crate) const ROWS: &[Row] = &[
    row(
        ("Local replay, an edit at a time, automerge-paper", "ms"),
        ("local", "automerge-paper", "ms"),
        EVERYBODY,
        Aim::TimesUnpublished(0.6, 6.0),
    ),
    row(
        ("An edit and its bytes for the wire, p50", "µs"),
        ("wire", "automerge-paper", "p50_us"),
        DOCUMENTS,
        Aim::TimesBest(0.25),
    ),
    row(
        ("Bytes for the wire, per edit", "B"),
        ("wire", "automerge-paper", "bytes"),
        DOCUMENTS,
        Aim::AtMost(7.0),
    ),
    row(
        ("Bytes (full history) to text, automerge-paper", "ms"),
        ("load", "automerge-paper", "ms"),
        DOCUMENTS,
        Aim::TimesUnpublished(0.6, 1.67),
    ),
    row(
        ("The same, friendsforever", "ms"),
        ("load", "friendsforever", "ms"),
        DOCUMENTS,
        Aim::TimesUnpublished(0.33, 3.06),
    ),
    row(
        ("The same, C1", "ms"),
        ("load", "C1", "ms"),
        OURS_AND_YRS,
        Aim::TimesUnpublished(0.33, 86.0),
    ),
    row(
        ("The same, A2", "ms"),
        ("load", "A2", "ms"),
        OURS_AND_YRS,
        Aim::TimesUnpublished(0.5, 36.7),
    ),
    row(
        (
            "Open a saved document, read it, make the first edit, automerge-paper",
            "ms",
        ),
        ("open", "automerge-paper", "ms"),
        DOCUMENTS,
        Aim::AtMost(0.1),
    ),
    row(
        ("Remote changes one at a time, friendsforever, total", "ms"),
        ("remote", "friendsforever", "ms"),
        DOCUMENTS,
        Aim::Times(1.0, "yrs"),
    ),
    row(
        ("The same, p99", "µs"),
        ("remote", "friendsforever", "p99_us"),
        DOCUMENTS,
        Aim::AtMost(2.0),
    ),
    row(
        ("Remote changes one at a time, git-makefile, total", "ms"),
        ("remote", "git-makefile", "ms"),
        EVENT_GRAPHS_AND_YRS,
        Aim::Times(2.0, "yrs"),
    ),
    row(
        ("Offline merge, 50,000 + 50,000 events in bursts", "ms"),
        ("offline", "bursts", "ms"),
        DOCUMENTS,
        Aim::TimesBest(0.5),
    ),
    row(
        ("Offline merge, 10,000 + 10,000 at random places", "ms"),
        ("offline", "random", "ms"),
        DOCUMENTS,
        Aim::TimesBest(0.5),
    ),
    row(
        ("File with full history, automerge-paper", "B"),
        ("prepare", "automerge-paper", "small_bytes"),
        DOCUMENTS,
        Aim::Times(0.62, DT),
    ),
    row(
        ("The same, friendsforever", "B"),
        ("prepare", "friendsforever", "small_bytes"),
        DOCUMENTS,
        Aim::Times(0.7, DT),
    ),
    row(
        ("File as it is opened above, automerge-paper", "B"),
        ("prepare", "automerge-paper", "saved_bytes"),
        DOCUMENTS,
        Aim::None,
    ),
    row(
        ("The same, friendsforever", "B"),
        ("prepare", "friendsforever", "saved_bytes"),
        DOCUMENTS,
        Aim::None,
    ),
    row(
        ("Heap after load, automerge-paper", "MB"),
        ("heap", "automerge-paper", "steady_mb"),
        DOCUMENTS,
        Aim::Times(0.5, DT),
    ),
    row(
        ("The same, friendsforever", "MB"),
        ("heap", "friendsforever", "steady_mb"),
        DOCUMENTS,
        Aim::Times(1.0, "yrs"),
    ),
];

/// A row of a table that shows how the cost grows along `traces`.
pub(crate) struct Growth {
    pub(crate) what: &'static str,
    pub(crate) measure: &'static str,
    pub(crate) traces: &'static [&'static str],
    pub(crate) subjects: &'static [&'static str],
}

const fn growth(
    (what, measure): (&'static str, &'static str),
    traces: &'static [&'static str],
    subjects: &'static [&'static str],
) -> Growth {
    Growth {
        what,
        measure,
        traces,
        subjects,
    }
}

const LOCAL_LENGTHS: &[&str] = &["automerge-paper", "automerge-paper*4", "automerge-paper*16"];
const SHARED_LENGTHS: &[&str] = &["friendsforever", "friendsforever*4", "friendsforever*16"];
const AGENTS: &[&str] = &[
    "agents:2",
    "agents:4",
    "agents:8",
    "agents:16",
    "agents:32",
    "agents:64",
];

/// The trace once, 4 times and 16 times in a row.
pub(crate) const BY_LENGTH: &[Growth] = &[
    growth(
        ("Local replay, automerge-paper", "local"),
        LOCAL_LENGTHS,
        &[OURS, "diamond-types", "cola", "loro"],
    ),
    growth(
        ("Bytes to text, automerge-paper", "load"),
        LOCAL_LENGTHS,
        &[OURS, "diamond-types", "loro"],
    ),
    growth(
        ("Bytes to text, friendsforever", "load"),
        SHARED_LENGTHS,
        EVENT_GRAPHS_AND_YRS,
    ),
    growth(
        ("Remote changes one at a time, friendsforever", "remote"),
        SHARED_LENGTHS,
        EVENT_GRAPHS_AND_YRS,
    ),
];

/// Some 32,000 events by more and more simultaneous agents.
pub(crate) const BY_AGENTS: &[Growth] = &[
    growth(("Bytes to text", "load"), AGENTS, EVENT_GRAPHS_AND_YRS),
    growth(
        ("Remote changes one at a time", "remote"),
        AGENTS,
        EVENT_GRAPHS_AND_YRS,
    ),
];

/// A row of the tables of saved documents: a form of file of one of the libraries.
pub(crate) struct FileForm {
    pub(crate) what: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) measure: &'static str,
}

const fn file_form(what: &'static str, subject: &'static str, measure: &'static str) -> FileForm {
    FileForm {
        what,
        subject,
        measure,
    }
}

/// The forms of files, ours by their presets.
pub(crate) const FILE_FORMS: &[FileForm] = &[
    file_form("ours, the default", OURS, "file"),
    file_form("ours, the quickest", OURS, "file-quick"),
    file_form("ours, the smallest", OURS, "file-small"),
    file_form(DT, DT, "file"),
    file_form("yrs (no history of what was deleted)", "yrs", "file"),
    file_form("loro, snapshot", "loro", "file"),
];

/// The documents that are saved in all these forms.
pub(crate) const FILE_TRACES: &[&str] = &["automerge-paper", "rustcode", "egwalker"];

/// The columns of the tables of saved documents, and the figures in them.
pub(crate) const FILE_COLUMNS: &[(&str, &str)] = &[
    ("bytes", "bytes"),
    ("save", "save"),
    ("save again", "again"),
    ("open, read", "read"),
    ("open, own edit", "own"),
    ("open, remote edit", "remote"),
    ("open, edit, save", "round"),
    ("open, unpack", "unpack"),
];

/// Whether a cell needs the bytes that its subject's `prepare` cell makes.
pub(crate) fn needs_inputs(measure: &str) -> bool {
    matches!(measure, "load" | "open" | "remote" | "heap")
}

/// Whether a cell gives times for the table against the aims.
pub(crate) fn is_against_aims((subject, measure, trace): (&str, &str, &str)) -> bool {
    if matches!(measure, "prepare" | "heap") {
        return false;
    }
    let mut rows = ROWS
        .iter()
        .filter(|row| (row.measure, row.trace) == (measure, trace));
    rows.any(|row| row.subjects.contains(&subject))
}

/// All cells in the order of the tables, each once: subject, measure, trace.
pub(crate) fn cells() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut cells = Vec::new();
    for row in ROWS {
        cells.extend(row.subjects.iter().map(|s| (*s, row.measure, row.trace)));
    }
    for growth in BY_LENGTH.iter().chain(BY_AGENTS) {
        for subject in growth.subjects {
            cells.extend(growth.traces.iter().map(|t| (*subject, growth.measure, *t)));
        }
    }
    for trace in FILE_TRACES {
        cells.extend(
            FILE_FORMS
                .iter()
                .map(|form| (form.subject, form.measure, *trace)),
        );
    }
    let mut ordered = Vec::new();
    for (subject, measure, trace) in cells {
        let prepare = (subject, "prepare", trace);
        if needs_inputs(measure) && !ordered.contains(&prepare) {
            ordered.push(prepare);
        }
        if !ordered.contains(&(subject, measure, trace)) {
            ordered.push((subject, measure, trace));
        }
    }
    ordered
}
