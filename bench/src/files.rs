//! Saved documents: the cost of writing, keeping and opening each form of a file.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;

use crate::measure::{Figures, best_ms_within, same_text, written};
use crate::subject::{Form, Subject};
use crate::trace::{Patch, Res, Trace};

/// The time for which each figure is measured again, after the first measurement.
const PATIENCE: Duration = Duration::from_millis(150);

/// The number of edits before a document is saved again.
const EDITS: usize = 100;

/// Calls `step` and returns its result, and the CPU time that it took.
fn timed<T>(step: impl FnOnce() -> Res<T>) -> Res<(T, Duration)> {
    let started = ThreadTime::now();
    let made = step()?;
    Ok((made, started.elapsed()))
}

/// All figures of one form.
pub(crate) fn file<S: Subject>(trace: &Trace, form: Form) -> Res<Figures> {
    let mut made = written::<S>(trace, false)?.doc;
    let text = made.text()?;
    let history = made.history()?;
    let saved = made.save_as(form)?;
    drop(made);
    let middle = text.len() / 2;
    let edit = Patch::insert(middle, "x");
    let edited = format!("{}x{}", &text[..middle], &text[middle..]);

    // A document that was never saved: some libraries cache the saved form.
    let unsaved = || S::load(&history, 0);
    let save = best_ms_within(PATIENCE, || {
        let mut doc = unsaved()?;
        let (file, took) = timed(|| doc.save_as(form))?;
        black_box(file);
        Ok(took)
    })?;
    let again = best_ms_within(PATIENCE, || {
        let mut doc = unsaved()?;
        doc.save_as(form)?;
        for i in 0..EDITS {
            doc.edit(&Patch::insert(middle + i, "x"))?;
        }
        doc.settle();
        let (file, took) = timed(|| doc.save_as(form))?;
        same_text(&S::open(&file, 0)?.text()?, &doc.text()?)?;
        Ok(took)
    })?;
    let open = || S::open(black_box(&saved), 7);
    let read = best_ms_within(PATIENCE, || {
        let (read, took) = timed(|| open()?.text())?;
        same_text(&read, &text)?;
        Ok(took)
    })?;
    let own = best_ms_within(PATIENCE, || {
        let (doc, took) = timed(|| {
            let mut doc = open()?;
            doc.edit(&edit)?;
            doc.settle();
            Ok(doc)
        })?;
        same_text(&doc.text()?, &edited)?;
        Ok(took)
    })?;
    let mut other = S::open(&saved, 8)?;
    let before = other.version();
    other.edit(&edit)?;
    other.settle();
    let update = other.since(&before)?;
    let remote = best_ms_within(PATIENCE, || {
        let (doc, took) = timed(|| {
            let mut doc = open()?;
            doc.apply(&update)?;
            Ok(doc)
        })?;
        same_text(&doc.text()?, &edited)?;
        Ok(took)
    })?;
    let round = best_ms_within(PATIENCE, || {
        let (file, took) = timed(|| {
            let mut doc = open()?;
            doc.edit(&edit)?;
            doc.settle();
            doc.save_as(form)
        })?;
        same_text(&S::open(&file, 0)?.text()?, &edited)?;
        Ok(took)
    })?;
    let mut figures = Figures::from([
        ("bytes", saved.len() as f64),
        ("save", save),
        ("again", again),
        ("read", read),
        ("own", own),
        ("remote", remote),
        ("round", round),
    ]);
    if S::UNPACKS {
        let unpack = best_ms_within(PATIENCE, || {
            let (doc, took) = timed(|| {
                let mut doc = open()?;
                doc.unpack()?;
                Ok(doc)
            })?;
            same_text(&doc.text()?, &text)?;
            Ok(took)
        })?;
        figures.insert("unpack", unpack);
    }
    Ok(figures)
}
