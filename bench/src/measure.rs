//! The measures. Every cell checks its final text.
//!
//! Totals are the best of some repetitions, in CPU time of the thread, so that other work of the
//! machine has little influence. Percentiles are of wall-clock times of single calls.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

use crate::gap_buffer::{GapBuffer, text_of};
use crate::heap;
use crate::inputs::Inputs;
use crate::subject::{Replayed, Subject};
use crate::trace::{Offline, Patch, Res, Trace};

/// The figures of a cell, by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// A text that can be edited, with a history or without.
pub(crate) trait Editable: Sized {
    fn new() -> Res<Self>;
    fn edit(&mut self, patch: &Patch) -> Res<()>;
    /// Fails if the text differs from `text`.
    fn check(&mut self, text: &str) -> Res<()>;
}

impl<S: Subject> Editable for S {
    fn new() -> Res<Self> {
        S::new(0)
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        Subject::edit(self, patch)
    }

    fn check(&mut self, text: &str) -> Res<()> {
        self.settle();
        same_text(&self.text()?, text)
    }
}

pub(crate) fn same_text(got: &str, wanted: &str) -> Res<()> {
    if got == wanted {
        return Ok(());
    }
    let at = got.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b);
    Err(format!(
        "another text: {} chars instead of {}, different from {} on",
        got.len(),
        wanted.len(),
        at.count()
    )
    .into())
}

/// The time for which a cell repeats a measurement, after the first one.
const PATIENCE: Duration = Duration::from_millis(700);
const REPETITIONS: usize = 60;

/// The least of the times that `once` returns, in milliseconds.
pub(crate) fn best_ms(once: impl FnMut() -> Res<Duration>) -> Res<f64> {
    best_ms_within(PATIENCE, once)
}

/// The same, repeated for as long as `patience`.
pub(crate) fn best_ms_within(
    patience: Duration,
    mut once: impl FnMut() -> Res<Duration>,
) -> Res<f64> {
    let started = Instant::now();
    let mut best = once()?;
    for _ in 1..REPETITIONS {
        if started.elapsed() >= patience {
            break;
        }
        best = best.min(once()?);
    }
    Ok(best.as_secs_f64() * 1e3)
}

/// Local edits, one at a time.
pub(crate) fn local<E: Editable>(trace: &Trace) -> Res<Figures> {
    let text = trace.text.as_deref().ok_or("the trace has no text")?;
    // Contiguous in memory, so that finding the next patch costs little compared with applying it.
    let patches: Vec<Patch> = trace.patches().cloned().collect();
    let ms = best_ms(|| {
        let started = ThreadTime::now();
        let mut doc = E::new()?;
        for patch in &patches {
            doc.edit(patch)?;
        }
        let took = started.elapsed();
        doc.check(text)?;
        Ok(took)
    })?;
    Ok([("ms", ms)].into())
}

/// Local edits, each as bytes for the others right away.
pub(crate) fn wire<S: Subject>(trace: &Trace) -> Res<Figures> {
    const AT_MOST: Duration = Duration::from_secs(8);
    /// The number of updates that are delivered to a reader, as a check.
    const DELIVERED: usize = 1000;
    let patches: Vec<&Patch> = trace.patches().collect();
    let mut doc = S::new(0)?;
    let (mut times, mut bytes) = (Vec::with_capacity(patches.len()), 0);
    let mut updates = Vec::with_capacity(DELIVERED);
    let started = Instant::now();
    for patch in &patches {
        if started.elapsed() > AT_MOST {
            break;
        }
        let one = Instant::now();
        let update = doc.edit_to_wire(patch)?;
        times.push(one.elapsed());
        bytes += update.len();
        if updates.len() < DELIVERED {
            updates.push(update);
        } else {
            black_box(update);
        }
    }
    let edits = times.len();
    same_text(&doc.text()?, &text_of(patches[..edits].iter().copied()))?;
    let mut reader = S::new(1)?;
    for update in &updates {
        reader.apply_from_wire(update)?;
    }
    let delivered = patches[..updates.len()].iter().copied();
    same_text(&reader.text()?, &text_of(delivered))?;
    times.sort_unstable();
    let at = |part: f64| times[(part * (edits - 1) as f64) as usize].as_secs_f64() * 1e6;
    Ok([
        ("p50_us", at(0.5)),
        ("p99_us", at(0.99)),
        ("bytes", bytes as f64 / edits as f64),
        ("edits", edits as f64),
    ]
    .into())
}

/// A document with the history of a trace.
pub(crate) fn written<S: Subject>(trace: &Trace, updates_wanted: bool) -> Res<Replayed<S>> {
    if trace.is_concurrent() {
        return S::replay(trace, updates_wanted);
    }
    let mut doc = S::new(0)?;
    for patch in trace.patches() {
        Subject::edit(&mut doc, patch)?;
    }
    doc.settle();
    Ok(Replayed {
        doc,
        updates: Vec::new(),
        clamped: 0,
    })
}

/// Makes the inputs of the cells below.
pub(crate) fn prepare<S: Subject>(trace: &Trace, updates_wanted: bool) -> Res<(Inputs, Figures)> {
    let mut made = written::<S>(trace, updates_wanted)?;
    let text = made.doc.text()?;
    if let Some(wanted) = &trace.text {
        same_text(&text, wanted)?;
    }
    let small = made.doc.save_small()?;
    same_text(&S::open(&small, 0)?.text()?, &text)?;
    let inputs = Inputs {
        text,
        history: made.doc.history()?,
        saved: made.doc.save()?,
        updates: made.updates,
    };
    let figures = [
        ("history_bytes", inputs.history.len() as f64),
        ("saved_bytes", inputs.saved.len() as f64),
        ("small_bytes", small.len() as f64),
        ("events", trace.event_count() as f64),
        ("updates", inputs.updates.len() as f64),
        ("clamped", made.clamped as f64),
        // 32 bits: a number of JSON holds them.
        ("text_hash", f64::from(crc32(inputs.text.as_bytes()))),
    ];
    Ok((inputs, figures.into()))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// From the bytes of the whole history to the text.
pub(crate) fn load<S: Subject>(inputs: &Inputs) -> Res<Figures> {
    let ms = best_ms(|| {
        let started = ThreadTime::now();
        let doc = S::load(black_box(&inputs.history), 0)?;
        let text = doc.text()?;
        let took = started.elapsed();
        same_text(&text, &inputs.text)?;
        Ok(took)
    })?;
    Ok([("ms", ms)].into())
}

/// Opens a file, reads the text and makes an edit.
pub(crate) fn open<S: Subject>(inputs: &Inputs) -> Res<Figures> {
    let pos = inputs.text.len() / 2;
    let patch = Patch::insert(pos, "x");
    let mut wanted = GapBuffer::default();
    wanted.edit(0, 0, &inputs.text);
    wanted.edit(pos, 0, "x");
    let wanted = wanted.text();
    let mut read_ms = f64::INFINITY;
    let ms = best_ms(|| {
        let started = ThreadTime::now();
        let mut doc = S::open(black_box(&inputs.saved), 7)?;
        let text = doc.text()?;
        let read = started.elapsed();
        Subject::edit(&mut doc, &patch)?;
        doc.settle();
        let took = started.elapsed();
        read_ms = read_ms.min(read.as_secs_f64() * 1e3);
        same_text(&text, &inputs.text)?;
        same_text(&doc.text()?, &wanted)?;
        Ok(took)
    })?;
    Ok([("ms", ms), ("read_ms", read_ms)].into())
}

/// The changes of others, one at a time.
pub(crate) fn remote<S: Subject>(inputs: &Inputs) -> Res<Figures> {
    let mut p99 = Duration::MAX;
    let mut worst = Duration::MAX;
    let ms = best_ms(|| {
        let mut times = Vec::with_capacity(inputs.updates.len());
        let mut doc = S::new(usize::from(u16::MAX) + 1)?;
        let started = ThreadTime::now();
        for update in &inputs.updates {
            let one = Instant::now();
            doc.apply(black_box(update))?;
            times.push(one.elapsed());
        }
        let took = started.elapsed();
        same_text(&doc.text()?, &inputs.text)?;
        times.sort_unstable();
        p99 = p99.min(times[times.len() * 99 / 100]);
        worst = worst.min(times[times.len() - 1]);
        Ok(took)
    })?;
    Ok([
        ("ms", ms),
        ("p99_us", p99.as_secs_f64() * 1e6),
        ("worst_us", worst.as_secs_f64() * 1e6),
    ]
    .into())
}

/// The bytes on the heap after loading and reading once.
pub(crate) fn heap<S: Subject>(inputs: Inputs) -> Res<Figures> {
    let Inputs { text, saved, .. } = inputs;
    let (doc, steady, peak) = heap::measured(|| {
        let doc = S::open(&saved, 0)?;
        drop(black_box(doc.text()?));
        Res::Ok(doc)
    });
    same_text(&doc?.text()?, &text)?;
    Ok([
        ("steady_mb", steady as f64 / 1e6),
        ("peak_mb", peak as f64 / 1e6),
    ]
    .into())
}

/// Two replicas edited offline: one merges the edits of the other.
pub(crate) fn offline<S: Subject>(offline: &Offline) -> Res<Figures> {
    let mut base = S::new(2)?;
    let nothing = base.version();
    Subject::edit(&mut base, &Patch::insert(0, offline.base.clone()))?;
    base.settle();
    let base = base.since(&nothing)?;
    let side = |side: usize| {
        let mut doc = S::new(side)?;
        doc.apply(&base)?;
        let before = doc.version();
        for patch in &offline.edits[side] {
            Subject::edit(&mut doc, patch)?;
        }
        doc.settle();
        let update = doc.since(&before)?;
        Res::Ok((doc, update))
    };
    let (mut second, to_first) = side(1)?;
    let (_, to_second) = side(0)?;
    second.apply(&to_second)?;
    let wanted = second.text()?;
    let ms = best_ms(|| {
        let (mut first, _) = side(0)?;
        let started = ThreadTime::now();
        first.apply(black_box(&to_first))?;
        let text = first.text()?;
        let took = started.elapsed();
        same_text(&text, &wanted)?;
        Ok(took)
    })?;
    Ok([("ms", ms), ("bytes", to_first.len() as f64)].into())
}
