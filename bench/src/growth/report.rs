//! Writes docs/growth.md from the results.

use std::fmt::Write as _;
use std::path::Path;

use super::{DT, ROWS, Row, SIZES, YRS, sized};
use crate::machine::{Machine, version};
use crate::runner::{Outcome, Results, short};
use crate::trace::Res;

/// The data of the run on the page.
pub(crate) struct About<'a> {
    pub(crate) date: &'a str,
    pub(crate) commit: &'a str,
}

/// Writes the page to `path`.
pub(crate) fn write(results: &Results, about: &About<'_>, path: &Path) -> Res<()> {
    let machine = Machine::this();
    let mut out = String::new();
    writeln!(
        out,
        "# How work and memory grow\n\n\
         The last run of `scripts/bench --growth`, which measures and writes this page: {}, commit {}.\n\
         Machine: {}, {} cores, {}. {}; release build, fat LTO. {YRS} {}, {DT} {}.\n\n\
         Each row is a history whose shape is difficult for a CRDT, with 1,000 to\n\
         64,000 events, or runs of events, and some with a million. The exponent\n\
         describes the growth from the smallest to the largest measured size: 1 is\n\
         linear, 2 is quadratic. The last column is the peak memory at the largest size.\n",
        about.date,
        about.commit,
        machine.cpu,
        machine.cores,
        machine.system,
        machine.rustc,
        version(YRS),
        version(DT),
    )?;
    let sizes: Vec<String> = SIZES
        .iter()
        .map(|size| match size / 1_000_000 {
            0 => format!("{}k", size / 1000),
            millions => format!("{millions}M"),
        })
        .collect();
    writeln!(
        out,
        "| shape | | {} | exponent | peak, MB |\n|---|---|{}--:|--:|",
        sizes.join(" | "),
        "--:|".repeat(sizes.len())
    )?;
    for row in ROWS {
        for subject in row.subjects {
            line(&mut out, results, row, subject)?;
        }
    }
    notes(&mut out, results)?;
    out.push_str(METHOD);
    std::fs::write(path, out)?;
    Ok(())
}

fn line(out: &mut String, results: &Results, row: &Row, subject: &str) -> Res<()> {
    let outcome = |size| results.outcome(subject, row.measure, &sized(row.shape, size));
    let figure = |size, name: &str| match outcome(size)? {
        Outcome::Figures(figures) => figures.get(name).copied(),
        _ => None,
    };
    let cells = SIZES.map(|size| match outcome(size) {
        Some(Outcome::Figures(figures)) => {
            figures.get(row.figure).map_or("–".into(), |f| short(*f))
        }
        Some(Outcome::CutOff(seconds)) => format!("> {seconds} s"),
        Some(Outcome::Failed(_)) => "failed".into(),
        Some(Outcome::NotRun(_)) | None => "–".into(),
    });
    let known = || {
        SIZES
            .into_iter()
            .filter_map(|size| Some((size, figure(size, row.figure)?)))
    };
    let exponent = match (known().next(), known().last()) {
        (Some((least, first)), Some((most, last))) if most > least => {
            let grown = (last / first).ln() / (most as f64 / least as f64).ln();
            format!("{grown:.2}")
        }
        _ => "–".into(),
    };
    let most = known().last().and_then(|(size, _)| figure(size, "peak_mb"));
    writeln!(
        out,
        "| {}, {} | {subject} | {} | {exponent} | {} |",
        row.what,
        row.unit,
        cells.join(" | "),
        most.map_or("–".into(), short)
    )?;
    Ok(())
}

/// Why cells failed.
fn notes(out: &mut String, results: &Results) -> Res<()> {
    let mut first = true;
    for (cell, outcome) in &results.cells {
        let Outcome::Failed(why) = outcome else {
            continue;
        };
        // The place of a panic is not useful here.
        let why = match why.contains("panicked at") {
            true => "it panicked",
            false => why,
        };
        if std::mem::take(&mut first) {
            out.push('\n');
        }
        writeln!(out, "- {cell}: {why}")?;
    }
    Ok(())
}

const METHOD: &str = "
## The shapes

All except undo begin with a text of 1,000 chars, which the reader already has.

- **Zigzag**: a third of the events on each of two branches, one of each in turns, at places all over the
  text; then each further event has an early event of one branch and a late one of the other as its parents,
  in turns: its version is far from that of the event before, and close to
  that of the one before that. In yrs, edits cannot be based on a version.
- **Scattered versions**: the same, but each further event has any event of one branch and any of the other as
  its parents. Moving from version to version takes time in proportion to the branches, so the
  total is quadratic, and the work limit of a merge stops it (`MergeLimits::work`).
- **Ladder**: two agents type in turns; one of them sees each event of the other before its own next event.
- **Inserts at one gap**: this number of agents insert a char at one place, and know only the text.
- **Two branches in turns**: two agents type in turns without seeing
  each other's events; a third merges the events of both, one at a time.
- **Deletes of all of a text**: this number of agents delete all 1,000 chars, and know only the text.
- **Agents at once**: this number of agents insert a char, at places all over the text, and know only the text; also the reader's
  heap afterwards, and the time to compute its version (our version summary, the state vector of yrs, the frontier of diamond-types).
- **Undo, redo**: this number of words are typed at places all over the
  text, each a group; all are undone, group by group, and then redone. diamond-types has no undo.

Times are the best of up to 60 repetitions within 0.7 s, in CPU time of the thread, each figure in a separate process. Every text is compared: with that of the
replica that made the messages; after undo, with the empty text; after redo,
with the text before. A figure that took more than 30 s, or with a million
events 120 s, including its messages, is cut off; so are the sizes after one that took 4 s.
";
