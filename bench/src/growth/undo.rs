//! Groups of edits, undone one by one and then done again.

use std::time::Duration;

use cpu_time::ThreadTime;

use crate::heap;
use crate::measure::{Figures, best_ms, same_text};
use crate::trace::Res;

/// A document whose edits can be undone.
pub(crate) trait Undoing: Sized {
    /// The document and its undo.
    type Session;

    /// A session in whose document `groups` words were inserted, each a group, each before all
    /// others or after them.
    fn typed(groups: usize) -> Res<Self::Session>;
    /// Undoes a group; returns whether there was one.
    fn undo(session: &mut Self::Session) -> Res<bool>;
    fn redo(session: &mut Self::Session) -> Res<bool>;
    fn text_of(session: &Self::Session) -> Res<String>;
}

/// The position of group `i` in a text of `len` chars.
pub(crate) fn place(i: usize, len: usize) -> usize {
    i * 31 % (len + 1)
}

/// The text of each group.
pub(crate) const WORD: &str = "word ";

pub(crate) fn measure<S: Undoing>(groups: usize) -> Res<Figures> {
    let mut redo = Duration::MAX;
    let mut once = || {
        let mut session = S::typed(groups)?;
        let text = S::text_of(&session)?;
        let started = ThreadTime::now();
        for _ in 0..groups {
            S::undo(&mut session)?;
        }
        let took = started.elapsed();
        same_text(&S::text_of(&session)?, "")?;
        let started = ThreadTime::now();
        for _ in 0..groups {
            S::redo(&mut session)?;
        }
        redo = redo.min(started.elapsed());
        same_text(&S::text_of(&session)?, &text)?;
        Ok(took)
    };
    let ms = best_ms(&mut once)?;
    let (done, _, peak) = heap::measured(once);
    done?;
    Ok([
        ("ms", ms),
        ("redo_ms", redo.as_secs_f64() * 1e3),
        ("peak_mb", peak as f64 / 1e6),
    ]
    .into())
}
