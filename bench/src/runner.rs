//! Runs the cells, each in a separate process, and keeps their results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::inputs;
use crate::plan::{self, OURS};
use crate::trace::Res;

/// The outcome of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Figures(BTreeMap<String, f64>),
    /// It took longer than this number of seconds.
    CutOff(u64),
    Failed(String),
    NotRun(String),
}

/// All outcomes, by `SUBJECT MEASURE TRACE`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) cells: BTreeMap<String, Outcome>,
}

impl Results {
    pub(crate) fn read(path: &Path) -> Res<Results> {
        let json = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(serde_json::from_slice(&json)?)
    }

    pub(crate) fn outcome(&self, subject: &str, measure: &str, trace: &str) -> Option<&Outcome> {
        self.cells.get(&key(subject, measure, trace))
    }

    pub(crate) fn figure(&self, cell: (&str, &str, &str), figure: &str) -> Option<f64> {
        match self.outcome(cell.0, cell.1, cell.2)? {
            Outcome::Figures(figures) => figures.get(figure).copied(),
            _ => None,
        }
    }
}

pub(crate) fn key(subject: &str, measure: &str, trace: &str) -> String {
    format!("{subject} {measure} {trace}")
}

/// A run's settings.
pub(crate) struct Run {
    pub(crate) traces: PathBuf,
    /// Where the results and the inputs are kept.
    pub(crate) out: PathBuf,
    /// No cell is begun later than this after the start.
    pub(crate) budget: Duration,
    /// Only cells whose `SUBJECT MEASURE TRACE` contains this, and their inputs.
    pub(crate) only: Option<String>,
}

/// Whether glibc returns memory to the kernel and requests it again depends on the address of the
/// last allocation, which can cost a quarter of a merge of some milliseconds. With these settings,
/// a cell keeps its memory.
const KEEPS_MEMORY: [(&str, &str); 3] = [
    ("MALLOC_TRIM_THRESHOLD_", "1000000000"),
    ("MALLOC_TOP_PAD_", "67108864"),
    ("MALLOC_MMAP_THRESHOLD_", "1000000000"),
];

/// The time limits of a cell, and of making inputs.
const CELL: Duration = Duration::from_secs(15);
const PREPARE: Duration = Duration::from_secs(40);

/// Changes when kept inputs no longer fit: the traces made up, or the form of the inputs.
const INPUTS: u32 = 2;

/// A cell of the table against the aims that is done by then has a second round after all others. A
/// shared machine has slow moments, and one that falls on both is rare.
const AGAIN: Duration = Duration::from_secs(4);

impl Run {
    pub(crate) fn run(&self) -> Res<()> {
        let started = Instant::now();
        let folder = self.inputs_folder();
        fs::create_dir_all(&folder)?;
        let cells = self.chosen();
        let mut results = Results::default();
        let mut again = Vec::new();
        let say = |n: usize, of: usize, name: &str, outcome: &Outcome| {
            let seconds = started.elapsed().as_secs();
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            println!(
                "[{minutes}:{seconds:02}] {n}/{of} {name}: {}",
                in_words(outcome)
            );
        };
        for (i, &cell) in cells.iter().enumerate() {
            let (subject, measure, trace) = cell;
            let begun = started.elapsed();
            let outcome = if begun > self.budget {
                Outcome::NotRun("the time for all was up".into())
            } else if let Some(reason) = without_need(&results, subject, measure, trace) {
                reason
            } else {
                self.cell(cell, &folder)?
            };
            if plan::is_against_aims(cell) && started.elapsed() - begun < AGAIN {
                again.push(cell);
            }
            let name = key(subject, measure, trace);
            say(i + 1, cells.len(), &name, &outcome);
            results.cells.insert(name, outcome);
        }
        for (i, &cell) in again.iter().enumerate() {
            if started.elapsed() > self.budget {
                break;
            }
            let name = key(cell.0, cell.1, cell.2);
            let Some(Outcome::Figures(first)) = results.cells.get_mut(&name) else {
                continue;
            };
            let outcome = self.cell(cell, &folder)?;
            say(i + 1, again.len(), &name, &outcome);
            if let Outcome::Figures(second) = outcome {
                keep_less(first, &second);
            }
        }
        let path = self.out.join("native.json");
        fs::write(&path, serde_json::to_vec_pretty(&results)?)?;
        Ok(())
    }

    /// The peers' inputs depend on their versions, which the lock file has.
    fn inputs_folder(&self) -> PathBuf {
        let mut crc = flate2::Crc::new();
        crc.update(include_bytes!("../Cargo.lock"));
        self.out.join(format!("inputs-{INPUTS}-{:08x}", crc.sum()))
    }

    fn chosen(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let all = plan::cells();
        let Some(only) = &self.only else { return all };
        let wanted: Vec<_> = all
            .iter()
            .filter(|(s, m, t)| key(s, m, t).contains(only.as_str()))
            .copied()
            .collect();
        let needed = |&(s, m, t): &(&str, &str, &str)| {
            wanted.contains(&(s, m, t))
                || m == "prepare"
                    && wanted
                        .iter()
                        .any(|w| w.0 == s && w.2 == t && plan::needs_inputs(w.1))
        };
        all.iter().filter(|cell| needed(cell)).copied().collect()
    }

    fn cell(&self, cell: (&str, &str, &str), folder: &Path) -> Res<Outcome> {
        let (subject, measure, trace) = cell;
        if measure != "prepare" {
            return self.process(cell, folder, CELL);
        }
        // The peers' inputs are kept; ours change with the code.
        let kept = inputs::path(folder, subject, trace).with_extension("json");
        if subject != OURS {
            let figures = fs::read(&kept).ok();
            if let Some(figures) = figures.and_then(|json| serde_json::from_slice(&json).ok()) {
                return Ok(Outcome::Figures(figures));
            }
        }
        let outcome = self.process(cell, folder, PREPARE)?;
        if let Outcome::Figures(figures) = &outcome {
            fs::write(&kept, serde_json::to_vec(figures)?)?;
        }
        Ok(outcome)
    }

    fn process(&self, cell: (&str, &str, &str), folder: &Path, limit: Duration) -> Res<Outcome> {
        let (subject, measure, trace) = cell;
        let log = |name: &str| self.out.join(format!("cell.{name}"));
        let mut child = Command::new(std::env::current_exe()?)
            .args(["cell", subject, measure, trace])
            .args([&self.traces, folder])
            .envs(KEEPS_MEMORY)
            .stdin(Stdio::null())
            .stdout(fs::File::create(log("out"))?)
            .stderr(fs::File::create(log("err"))?)
            .spawn()?;
        Outcome::of(&mut child, limit, &log("out"), &log("err"))
    }
}

impl Outcome {
    /// Waits for the process of a cell for `limit` at most. It writes its figures to `out`, and
    /// errors to `err`.
    pub(crate) fn of(child: &mut Child, limit: Duration, out: &Path, err: &Path) -> Res<Outcome> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(Outcome::CutOff(limit.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if status.success() {
            let figures = fs::read(out)?;
            return Ok(Outcome::Figures(serde_json::from_slice(&figures)?));
        }
        let errors = fs::read_to_string(err).unwrap_or_default();
        let first = errors.lines().find(|line| !line.trim().is_empty());
        Ok(Outcome::Failed(match first {
            Some(line) => line.trim_start_matches("error: ").to_owned(),
            None => format!("it ended with {status}"),
        }))
    }
}

/// Keeps the lower of two figures of each name; figures other than times are equal in both.
fn keep_less(first: &mut BTreeMap<String, f64>, second: &BTreeMap<String, f64>) {
    for (name, figure) in first {
        if let Some(other) = second.get(name) {
            *figure = figure.min(*other);
        }
    }
}

/// The outcome of a cell that need not run: it cannot, or would be cut off like a shorter one.
fn without_need(results: &Results, subject: &str, measure: &str, trace: &str) -> Option<Outcome> {
    if plan::needs_inputs(measure) {
        match results.outcome(subject, "prepare", trace)? {
            Outcome::Figures(_) => {}
            Outcome::CutOff(s) => {
                return Some(Outcome::NotRun(format!(
                    "making its bytes takes more than {s} s"
                )));
            }
            Outcome::Failed(why) | Outcome::NotRun(why) => {
                return Some(Outcome::NotRun(why.clone()));
            }
        }
    }
    let shorter = match trace.split_once('*') {
        Some((name, "4")) => name.to_owned(),
        Some((name, "16")) => format!("{name}*4"),
        _ => return None,
    };
    match results.outcome(subject, measure, &shorter)? {
        Outcome::CutOff(seconds) => Some(Outcome::CutOff(*seconds)),
        _ => None,
    }
}

pub(crate) fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Figures(figures) => {
            let all: Vec<String> = figures
                .iter()
                .map(|(name, value)| format!("{name} {}", short(*value)))
                .collect();
            all.join(", ")
        }
        Outcome::CutOff(seconds) => format!("> {seconds} s"),
        Outcome::Failed(why) => format!("failed: {why}"),
        Outcome::NotRun(why) => format!("not run: {why}"),
    }
}

/// A figure with three significant digits.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
                out.push(',');
            }
            out.push(digit);
        }
        return out;
    }
    let places = (2 - value.abs().log10().floor() as i32).max(0) as usize;
    let out = format!("{value:.places$}");
    if out.contains('.') {
        return out.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    out
}
