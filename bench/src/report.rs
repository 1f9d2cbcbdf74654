//! Writes docs/benchmarks.md from the results.

use std::fmt::Write as _;
use std::path::Path;

use crate::machine::{Machine, version};
use crate::plan::{self, Aim, FILE_COLUMNS, FLOORS, Growth, OURS, ROWS, Row, SUBJECTS};
use crate::plot::{self, Line};
use crate::runner::{Outcome, Results, short};
use crate::trace::Res;
use crate::web::{Replay, WebResults, WebSubject};

/// The data of the run in the report.
pub(crate) struct About<'a> {
    pub(crate) date: &'a str,
    pub(crate) commit: &'a str,
}

/// A figure of ours, and those that it is compared with.
struct Compared {
    what: String,
    unit: &'static str,
    ours: Option<f64>,
    /// Every peer that has a figure.
    peers: Vec<(String, f64)>,
    aim: Aim,
}

impl Compared {
    fn best(&self) -> Option<&(String, f64)> {
        self.peers.iter().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The peer of the aim; the best one if the aim names none.
    fn against(&self) -> Option<&(String, f64)> {
        match self.aim {
            Aim::Times(_, name) => self.peers.iter().find(|(peer, _)| peer == name),
            Aim::TimesUnpublished(..) => {
                self.peers.iter().find(|(peer, _)| peer == "diamond-types")
            }
            _ => self.best(),
        }
    }

    /// The aim in words, and whether it is met.
    fn aim(&self) -> (String, Option<bool>) {
        let ratio = |to: Option<&(String, f64)>| Some(self.ours? / to?.1);
        match self.aim {
            Aim::Times(times, name) => (
                format!("≤ {times} × {name}"),
                ratio(self.against()).map(|r| r <= times),
            ),
            Aim::TimesBest(times) => (
                format!("≤ {times} × the best"),
                ratio(self.best()).map(|r| r <= times),
            ),
            Aim::TimesUnpublished(times, figure) => (
                format!("≤ {times} × {figure}*"),
                self.ours.map(|ours| ours <= times * figure),
            ),
            Aim::AtMost(most) => (
                format!("≤ {} {}", short(most), self.unit),
                self.ours.map(|ours| ours <= most),
            ),
            Aim::None => (String::new(), None),
        }
    }
}

/// Writes the report to `path`, and its picture to `images/benchmarks.svg` beside it.
pub(crate) fn write(
    results: &Results,
    web: Option<&WebResults>,
    about: &About<'_>,
    path: &Path,
) -> Res<()> {
    let mut compared: Vec<Compared> = ROWS.iter().map(|row| native(results, row)).collect();
    compared.extend(web.map(web_rows).unwrap_or_default());
    let mut out = String::new();
    heading(&mut out, web, about)?;
    against_the_aims(&mut out, &compared)?;
    everybody(&mut out, results)?;
    files(&mut out, results)?;
    if let Some(web) = web {
        web_table(&mut out, web)?;
    }
    growth(&mut out, results)?;
    method(&mut out, results)?;
    let images = path.with_file_name("images");
    std::fs::create_dir_all(&images)?;
    let lines: Vec<Line> = compared.iter().filter_map(line).collect();
    std::fs::write(images.join("benchmarks.svg"), plot::svg(&lines))?;
    std::fs::write(path, out)?;
    Ok(())
}

fn native(results: &Results, row: &Row) -> Compared {
    let figure = |subject: &str| results.figure((subject, row.measure, row.trace), row.figure);
    let peers = row
        .subjects
        .iter()
        .filter(|subject| **subject != OURS && !FLOORS.contains(subject));
    Compared {
        what: row.what.to_owned(),
        unit: row.unit,
        ours: figure(OURS),
        peers: peers
            .filter_map(|subject| Some(((*subject).to_owned(), figure(subject)?)))
            .collect(),
        aim: row.aim,
    }
}

fn web_rows(web: &WebResults) -> Vec<Compared> {
    let of = |what: &str, unit, aim, figure: &dyn Fn(&WebSubject) -> Option<f64>| {
        let all = |ours: bool| {
            let chosen = web
                .subjects
                .iter()
                .filter(move |s| if ours { s.name == OURS } else { !s.is_ours() });
            chosen.filter_map(|s| Some((s.name.clone(), figure(s)?)))
        };
        Compared {
            what: what.to_owned(),
            unit,
            ours: all(true).next().map(|(_, figure)| figure),
            peers: all(false).collect(),
            aim,
        }
    };
    let replay = |engine: &'static str| {
        move |subject: &WebSubject| match subject.replay.get(engine)? {
            Replay::Ms(ms) => Some(*ms),
            _ => None,
        }
    };
    const DT_WEB: &str = "diamond-types-web";
    vec![
        of(
            "WebAssembly, brotli",
            "KB",
            Aim::Times(0.75, DT_WEB),
            &|s| Some(s.wasm_brotli? / 1000.0),
        ),
        of(
            "Local replay in Chromium, automerge-paper, through the JavaScript API",
            "ms",
            Aim::Times(0.5, DT_WEB),
            &replay("Chromium"),
        ),
        of("The same in Node", "ms", Aim::None, &replay("Node")),
    ]
}

fn line(compared: &Compared) -> Option<Line> {
    let ours = compared.ours.filter(|ours| *ours > 0.0)?;
    let peers = compared.peers.iter();
    Some(Line {
        what: format!("{} ({} {})", compared.what, short(ours), compared.unit),
        times: peers.map(|(name, f)| (name.clone(), f / ours)).collect(),
    })
}

fn heading(out: &mut String, web: Option<&WebResults>, about: &About<'_>) -> Res<()> {
    let machine = Machine::this();
    writeln!(
        out,
        "# Benchmarks\n\n\
         The last run of `scripts/bench`, which measures and writes this page: {}, commit {}.\n\n\
         Machine: {}, {} cores, {}. {}; release build, fat LTO, one codegen unit, no flags for the\n\
         processor.",
        about.date, about.commit, machine.cpu, machine.cores, machine.system, machine.rustc
    )?;
    let versions: Vec<String> = SUBJECTS[1..]
        .iter()
        .filter(|name| **name != "gap-buffer")
        .map(|name| format!("{name} {}", version(name)))
        .collect();
    writeln!(
        out,
        "\nPeers, from the crate registry: {}.",
        versions.join(", ")
    )?;
    if let Some(web) = web {
        let engines: Vec<_> = web
            .engines
            .iter()
            .map(|(n, v)| format!("{n} {v}"))
            .collect();
        let peers = web.subjects.iter().filter(|s| !s.is_ours());
        let peers: Vec<_> = peers.map(|s| format!("{} {}", s.name, s.version)).collect();
        writeln!(
            out,
            "From the npm registry: {}; in {}.",
            peers.join(", "),
            engines.join(" and ")
        )?;
    }
    writeln!(
        out,
        "\n![Each figure as a multiple of ours](images/benchmarks.svg)"
    )?;
    Ok(())
}

fn against_the_aims(out: &mut String, compared: &[Compared]) -> Res<()> {
    writeln!(
        out,
        "\n## Against the aims\n\n\
         Lower is better everywhere.\n\n\
         | what | ours | compared with | ratio | best peer | ratio | aim | |\n\
         |---|--:|--:|--:|--:|--:|---|---|"
    )?;
    for row in compared {
        let of = |peer: Option<&(String, f64)>| match peer {
            Some((name, figure)) => (
                format!("{name} {}", short(*figure)),
                row.ours.map_or("–".into(), |ours| short(ours / figure)),
            ),
            None => ("–".into(), "–".into()),
        };
        let (against, best) = (of(row.against()), of(row.best()));
        let (aim, met) = row.aim();
        writeln!(
            out,
            "| {}, {} | **{}** | {} | {} | {} | {} | {aim} | {} |",
            row.what,
            row.unit,
            row.ours.map_or("–".into(), short),
            against.0,
            against.1,
            best.0,
            best.1,
            match met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "",
            }
        )?;
    }
    writeln!(
        out,
        "\n\\* The time of the newest, unpublished diamond-types on a\n\
         machine of this kind; the published one is measured here.\n\n\
         The WebAssembly of both diamond-types and ours is\n\
         without a network: the entry `crdt-wasm/document`."
    )?;
    Ok(())
}

fn header(out: &mut String, first: &str, columns: &[&str]) -> Res<()> {
    writeln!(out, "| {first} | {} |", columns.join(" | "))?;
    writeln!(out, "|---|{}", "--:|".repeat(columns.len()))?;
    Ok(())
}

fn cell(results: &Results, cell: (&str, &str, &str), figure: &str) -> String {
    match results.outcome(cell.0, cell.1, cell.2) {
        Some(Outcome::Figures(figures)) => figures.get(figure).map_or("–".into(), |f| short(*f)),
        Some(Outcome::CutOff(seconds)) => format!("> {seconds} s"),
        Some(Outcome::Failed(_)) => "failed".into(),
        Some(Outcome::NotRun(_)) | None => "–".into(),
    }
}

fn everybody(out: &mut String, results: &Results) -> Res<()> {
    writeln!(out, "\n## Everybody\n")?;
    header(out, "what", &SUBJECTS)?;
    for row in ROWS {
        let cells = SUBJECTS.map(|s| {
            if row.subjects.contains(&s) {
                cell(results, (s, row.measure, row.trace), row.figure)
            } else {
                String::new()
            }
        });
        writeln!(
            out,
            "| {}, {} | {} |",
            row.what,
            row.unit,
            cells.join(" | ")
        )?;
    }
    Ok(())
}

fn files(out: &mut String, results: &Results) -> Res<()> {
    writeln!(
        out,
        "\n## Saved documents\n\n\
         Every form of a file with all of its figures: bytes, and milliseconds. Save: a document that was\n\
         never saved. Save again: after 100 more edits. Unpack: until the history can be read, which our\n\
         file keeps packed while it opens; the others read theirs while they open. In rustcode and\n\
         egwalker each non-ASCII char is replaced by an ASCII char, as the libraries count in different units."
    )?;
    let columns: Vec<&str> = FILE_COLUMNS.iter().map(|(column, _)| *column).collect();
    for trace in plan::FILE_TRACES {
        writeln!(out)?;
        header(out, trace, &columns)?;
        for form in plan::FILE_FORMS {
            let of = |(_, figure): &(&str, &str)| {
                cell(results, (form.subject, form.measure, trace), figure)
            };
            let cells: Vec<String> = FILE_COLUMNS.iter().map(of).collect();
            writeln!(out, "| {} | {} |", form.what, cells.join(" | "))?;
        }
    }
    Ok(())
}

fn web_table(out: &mut String, web: &WebResults) -> Res<()> {
    writeln!(
        out,
        "\n## In the browser and in Node\n\n\
         The download size, compressed by brotli (quality 11), and the\n\
         local replay of {} through the JavaScript API, an edit at a time.\n",
        web.trace
    )?;
    let engines: Vec<&str> = web.engines.keys().map(String::as_str).collect();
    let replays: Vec<String> = engines.iter().map(|e| format!("{e}, ms")).collect();
    let mut columns = vec!["version", "WebAssembly, KB", "JavaScript, KB"];
    columns.extend(replays.iter().map(String::as_str));
    header(out, "", &columns)?;
    for subject in &web.subjects {
        let kb = |bytes: Option<f64>| bytes.map_or("–".into(), |b| short(b / 1000.0));
        let replays: Vec<String> = engines
            .iter()
            .map(|engine| match subject.replay.get(*engine) {
                Some(Replay::Ms(ms)) => short(*ms),
                Some(Replay::CutOff(seconds)) => format!("> {seconds} s"),
                Some(Replay::Failed(why)) => format!("failed: {why}"),
                None => "–".into(),
            })
            .collect();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            subject.name,
            subject.version,
            kb(subject.wasm_brotli),
            kb(subject.js_brotli),
            replays.join(" | ")
        )?;
    }
    Ok(())
}

fn growth(out: &mut String, results: &Results) -> Res<()> {
    writeln!(
        out,
        "\n## How the cost grows\n\n\
         Milliseconds for the trace once, 4 times and 16 times in a row. In brackets, the cost of an edit in the longest\n\
         divided by that in the shortest: 1 is linear.\n"
    )?;
    let columns = |first: &str, all: &[&str]| -> Vec<String> {
        let mut columns = vec![first.to_owned()];
        columns.extend(all.iter().map(|c| (*c).to_owned()));
        columns
    };
    let table = |out: &mut String, names: Vec<String>, rows: &[Growth], edits: &[f64]| -> Res<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        header(out, "what", &names)?;
        for row in rows {
            for subject in row.subjects {
                let of = |trace: &&str| cell(results, (subject, row.measure, trace), "ms");
                let mut cells: Vec<String> = row.traces.iter().map(of).collect();
                let ms = |trace: &str| results.figure((subject, row.measure, trace), "ms");
                let ends = (row.traces.first(), row.traces.last());
                if let (Some(first), Some(last)) = ends
                    && let (Some(least), Some(most)) = (ms(first), ms(last))
                    && let Some(cell) = cells.last_mut()
                {
                    let times = most / least / edits[edits.len() - 1] * edits[0];
                    write!(cell, " ({})", short(times))?;
                }
                writeln!(out, "| {} | {subject} | {} |", row.what, cells.join(" | "))?;
            }
        }
        Ok(())
    };
    let lengths = columns("", &["1×", "4×", "16×"]);
    table(out, lengths, plan::BY_LENGTH, &[1.0, 4.0, 16.0])?;
    writeln!(
        out,
        "\nMilliseconds for some 32,000 events by more and more simultaneous\n\
         agents, each at its own place, which see the edits of the others\n\
         after every few words. In brackets, the ratio of 64 agents to 2.\n"
    )?;
    let agents = columns("", &["2", "4", "8", "16", "32", "64"]);
    table(out, agents, plan::BY_AGENTS, &[1.0, 1.0])
}

fn method(out: &mut String, results: &Results) -> Res<()> {
    writeln!(
        out,
        "\n## How it is measured\n\n\
         - Every figure is measured in a separate process, all in one run. Times are the best of up\n\
         to 60 repetitions within 0.7 s, in CPU time of the thread; p50 and p99 are wall-clock times of\n\
         single calls. Figures of the table against the aims that take less than 4 s are measured again\n\
         at the end; the lower of both counts. Figures that take more than 15 s are cut off. A process keeps\n\
         the memory that it has (`MALLOC_TRIM_THRESHOLD_` and others of glibc), as one does that runs on.\n\
         - Every final text of a cell is compared with the trace's, or, if the trace has none,\n\
         with that of the replica that made the bytes. `failed` means a different text or an error.\n\
         - Local replay: one call a deletion and one an insertion. yrs has a transaction around each edit, as its API requires;\n\
         loro and automerge collect them in an implicit one, which is\n\
         their fastest way. cola keeps no text, so only the length is checked.\n\
         - Bytes for the wire: the update of that one edit; ours in the form of a running session, in\n\
         which both ends know the names. 1,000 of them are delivered to a reader as a check. A library that needs\n\
         more than 8 s is measured over the part of the trace finished by then.\n\
         - Bytes to text: yrs keeps no history of deleted text, so its work is less; loro\n\
         reads its updates here, and its snapshot when a saved document is\n\
         opened. Ours is a file without the text, which has to be replayed.\n\
         - Files: the smallest form, ours without the text, like diamond-types'\n\
         file; and the form that is opened in the row above, ours with the text.\n\
         - Heap: the allocated bytes after opening a saved document and reading its text once.\n\
         - friendsforever, C1: recorded or made from recorded concurrent editing of two. git-makefile and\n\
         A2 come from the histories of files under git. Concurrent inserts at one place are ordered by the agents' names, which these\n\
         two traces lack: they are replayed with other names, by libraries that only\n\
         have replicas with one name per branch, and edits that then reach past the end\n\
         are left out. Their texts are compared within a library, not between libraries.\n\
         - Offline merge: a base text of 1,000 chars, then two replicas edit without exchanging updates;\n\
         the time is that of one replica to decode and merge the other's update and to read the text.\n\
         - A trace 4 or 16 times in a row is written after its own text."
    )?;
    let notes: Vec<String> = plan::cells()
        .iter()
        .filter_map(
            |(subject, measure, trace)| match results.outcome(subject, measure, trace)? {
                Outcome::Failed(why) => Some(format!("- {subject}, {measure}, {trace}: {why}")),
                Outcome::NotRun(why) => {
                    Some(format!("- {subject}, {measure}, {trace}, not run: {why}"))
                }
                Outcome::Figures(figures) => {
                    let edits = figures.get("clamped").filter(|n| **n > 0.0)?;
                    Some(format!(
                        "- {subject}, {trace}: {edits} edits reached past the end of the text"
                    ))
                }
                Outcome::CutOff(_) => None,
            },
        )
        .collect();
    if !notes.is_empty() {
        writeln!(out, "\nOf this run:\n\n{}", notes.join("\n"))?;
    }
    Ok(())
}
