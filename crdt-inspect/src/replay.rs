//! Replays a history in several ways: all have to give the same text.

use std::io::{self, Write};
use std::time::Instant;

use crdt_core::{
    Document, EncodeError, HistoryError, HistoryRun, MergeError, PendingLimits, Strategy,
    VersionSummary,
};

use crate::input::empty;

/// What ends a replay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
}

/// Prints a line for each way. Returns whether all gave the document's text.
pub(crate) fn print(document: &Document, out: &mut impl Write) -> Result<bool, ReplayError> {
    let ways = if cfg!(feature = "strategies") {
        "every way of merging"
    } else {
        "the tracker alone"
    };
    writeln!(
        out,
        "{} events; this program merges with {ways}",
        document.event_count()
    )?;
    let whole = vec![document.encode_since(&VersionSummary::new())?];
    let runs = runs(document)?;
    let backwards = runs.iter().rev().cloned().collect();
    let mut is_right = true;
    for (way, updates) in [
        ("as one update", whole),
        ("an update for each run", runs),
        ("the same, the last first", backwards),
    ] {
        let mut replica = empty();
        let limits = PendingLimits::default();
        replica.set_pending_limits(limits.pieces(usize::MAX).bytes(usize::MAX));
        let began = Instant::now();
        for update in &updates {
            replica.merge_patch(update)?;
        }
        let took = began.elapsed();
        let is_same = replica.text() == document.text();
        is_right &= is_same;
        writeln!(
            out,
            "{way}: {} updates, {:.3} ms, {}; {}",
            updates.len(),
            took.as_secs_f64() * 1000.0,
            if is_same {
                "the same text"
            } else {
                "ANOTHER TEXT"
            },
            by_strategy(&replica)
        )?;
    }
    Ok(is_right)
}

/// How many events each strategy has merged, of those that have merged any.
fn by_strategy(replica: &Document) -> String {
    let counts = replica.strategy_counts();
    let merged = Strategy::ALL
        .into_iter()
        .map(|strategy| (strategy, counts.of(strategy)))
        .filter(|(_, events)| *events > 0)
        .map(|(strategy, events)| format!("{strategy:?} {events}"));
    let merged: Vec<String> = merged.collect();
    merged.join(", ")
}

/// An update for each run of the history.
fn runs(document: &Document) -> Result<Vec<Vec<u8>>, ReplayError> {
    let update = |run: HistoryRun<'_>| {
        let mut events = VersionSummary::new();
        events.insert(run.agent, run.seqs);
        Ok(document.encode_of(&events)?)
    };
    document.history()?.map(update).collect()
}
