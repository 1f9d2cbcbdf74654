//! Growth of time and memory with the size of histories that are difficult for a CRDT: all agents
//! at one place, branches in turns, versions far apart, many agents, long undo.

mod report;
mod shapes;
mod undo;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cpu_time::ThreadTime;

pub(crate) use report::{About, write};
pub(crate) use undo::{Undoing, WORD, place};

use crate::heap;
use crate::measure::{Figures, best_ms, same_text};
use crate::plan::OURS;
use crate::runner::{Outcome, Results, in_words, key};
use crate::subject::Subject;
use crate::subjects::{DiamondTypes, Ours, Yrs};
use crate::trace::Res;
use shapes::{Inputs, Shape};

/// The sizes of shapes; each row has those up to its own limit.
pub(crate) const SIZES: [usize; 5] = [1_000, 4_000, 16_000, 64_000, MILLION];

/// The greatest size of most rows.
const MANY: usize = 64_000;

const MILLION: usize = 1_000_000;

/// The time limit of a cell of a size, including its inputs.
fn time_for(size: usize) -> Duration {
    Duration::from_secs(if size > MANY { 120 } else { 30 })
}

/// The time of a cell, in milliseconds, above which the next size is not tried.
const WORTH_MORE: f64 = 4_000.0;

pub(crate) const YRS: &str = "yrs";
pub(crate) const DT: &str = "diamond-types";

/// A row of the page: a shape, how it is merged, and the libraries that can.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) measure: &'static str,
    pub(crate) shape: &'static str,
    /// The name of the cell's figure.
    pub(crate) figure: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) subjects: &'static [&'static str],
    /// The greatest size.
    most: usize,
}

impl Row {
    const fn up_to(self, most: usize) -> Row {
        Row { most, ..self }
    }

    fn sizes(&self) -> impl Iterator<Item = usize> + use<> {
        let most = self.most;
        SIZES.into_iter().filter(move |&size| size <= most)
    }
}

const ALL: &[&str] = &[OURS, YRS, DT];

const fn row(
    what: &'static str,
    (measure, shape): (&'static str, &'static str),
    (figure, unit): (&'static str, &'static str),
    subjects: &'static [&'static str],
) -> Row {
    Row {
        what,
        measure,
        shape,
        figure,
        unit,
        subjects,
        most: MANY,
    }
}

const MS: (&str, &str) = ("ms", "ms");

pub(crate) const ROWS: &[Row] = &[
    row("Zigzag, in one patch", ("whole", "zigzag"), MS, &[OURS, DT]),
    row(
        "Scattered versions, in one patch",
        ("whole", "scattered"),
        MS,
        &[OURS, DT],
    ),
    row("Ladder, in one patch", ("whole", "ladder"), MS, ALL),
    row(
        "Ladder, one update at a time",
        ("single", "ladder"),
        MS,
        ALL,
    ),
    row(
        "Inserts at one gap, in one patch",
        ("whole", "gap"),
        MS,
        ALL,
    ),
    row(
        "Inserts at one gap, one update at a time",
        ("single", "gap"),
        MS,
        ALL,
    ),
    row(
        "Two branches in turns, one update at a time",
        ("single", "branches"),
        MS,
        ALL,
    ),
    row(
        "Deletes of all of a text, in one patch",
        ("whole", "deletes"),
        MS,
        ALL,
    ),
    row("Agents at once, in one patch", ("whole", "agents"), MS, ALL).up_to(MILLION),
    row(
        "Agents at once, what is kept",
        ("whole", "agents"),
        ("kept_mb", "MB"),
        ALL,
    )
    .up_to(MILLION),
    row(
        "Agents at once, the version",
        ("whole", "agents"),
        ("version_ms", "ms"),
        ALL,
    )
    .up_to(MILLION),
    row("Undo, group by group", ("undo", "groups"), MS, &[OURS, YRS]),
    row(
        "Redo, group by group",
        ("undo", "groups"),
        ("redo_ms", "ms"),
        &[OURS, YRS],
    ),
];

/// Measures one cell, in this process.
pub(crate) fn cell(subject: &str, measure: &str, shape: &str, size: &str) -> Res<Figures> {
    let size = size.parse()?;
    match subject {
        "ours" => cell_of::<Ours>(measure, shape, size),
        "yrs" => cell_of::<Yrs>(measure, shape, size),
        "diamond-types" => cell_of::<DiamondTypes>(measure, shape, size),
        _ => Err(format!("no subject of the name {subject}").into()),
    }
}

fn cell_of<S: Subject + Undoing>(measure: &str, shape: &str, size: usize) -> Res<Figures> {
    if measure == "undo" {
        return undo::measure::<S>(size);
    }
    let inputs = Inputs::make::<S>(Shape::find(shape)?, size, measure == "whole")?;
    let read = || {
        let mut reader = S::new(READER)?;
        for message in &inputs.before {
            reader.apply(message)?;
        }
        Res::Ok(reader)
    };
    let take_in = |reader: &mut S| {
        for message in &inputs.messages {
            reader.apply(black_box(message))?;
        }
        Res::Ok(())
    };
    let ms = best_ms(|| {
        let mut reader = read()?;
        let started = ThreadTime::now();
        take_in(&mut reader)?;
        let took = started.elapsed();
        same_text(&reader.text()?, &inputs.text)?;
        Ok(took)
    })?;
    let (reader, kept, peak) = heap::measured(|| {
        let mut reader = read()?;
        take_in(&mut reader)?;
        Res::Ok(reader)
    });
    let mut reader = reader?;
    let version_ms = best_ms(|| {
        let started = ThreadTime::now();
        drop(black_box(reader.version()));
        Ok(started.elapsed())
    })?;
    let bytes: usize = inputs.messages.iter().map(Vec::len).sum();
    Ok([
        ("ms", ms),
        ("bytes", bytes as f64),
        ("kept_mb", kept as f64 / 1e6),
        ("peak_mb", peak as f64 / 1e6),
        ("version_ms", version_ms),
    ]
    .into())
}

/// The agent of a reader: different from all writers.
const READER: usize = 10_000_000;

/// Runs all cells that contain `only` in `SUBJECT MEASURE SHAPE SIZE`, each in a separate process,
/// and keeps their results in `out`.
pub(crate) fn run(out: &Path, only: &str) -> Res<()> {
    std::fs::create_dir_all(out)?;
    let mut results = Results::default();
    for row in ROWS {
        for subject in row.subjects {
            let mut worth_it = Ok(());
            for size in row.sizes() {
                let (measure, shape) = (row.measure, sized(row.shape, size));
                let name = key(subject, measure, &shape);
                if results.cells.contains_key(&name) || !name.contains(only) {
                    continue;
                }
                let outcome = match worth_it.clone() {
                    Ok(()) => process([subject, measure, row.shape], size, out)?,
                    Err(reason) => reason,
                };
                worth_it = worth_more(&outcome, size);
                println!("{name}: {}", in_words(&outcome));
                results.cells.insert(name, outcome);
                let path = out.join("growth.json");
                std::fs::write(path, serde_json::to_vec_pretty(&results)?)?;
            }
        }
    }
    Ok(())
}

/// Whether to try the next size after a cell; if not, its outcome.
fn worth_more(outcome: &Outcome, size: usize) -> Result<(), Outcome> {
    match outcome {
        Outcome::Figures(figures) if figures.get("ms").is_none_or(|ms| *ms < WORTH_MORE) => Ok(()),
        Outcome::Figures(_) | Outcome::CutOff(_) => Err(Outcome::CutOff(time_for(size).as_secs())),
        Outcome::Failed(_) | Outcome::NotRun(_) => {
            Err(Outcome::NotRun("a smaller one failed".into()))
        }
    }
}

/// A shape with its size, as the key of results.
pub(crate) fn sized(shape: &str, size: usize) -> String {
    format!("{shape}:{size}")
}

fn process(arguments: [&str; 3], size: usize, out: &Path) -> Res<Outcome> {
    let log = |name: &str| out.join(format!("growth.{name}"));
    let mut child = Command::new(std::env::current_exe()?)
        .arg("grow")
        .args(arguments)
        .arg(size.to_string())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(log("out"))?)
        .stderr(std::fs::File::create(log("err"))?)
        .spawn()?;
    Outcome::of(&mut child, time_for(size), &log("out"), &log("err"))
}
