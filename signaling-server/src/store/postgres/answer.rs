//! What the server answers: failures, and numbers in rows.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use signaling_rooms::LogHead;
use tokio_postgres::Row;

/// How long the server may take for whatever is asked of it, and how long it may hold what a process
/// has locked that says no more.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Why the server did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", words(.0))]
    Server(#[from] tokio_postgres::Error),
    #[error("the database does not answer within {PATIENCE:?}")]
    Silent,
    #[error("no certificate of an authority can be read: {0}")]
    Certificates(String),
    #[error("the store has the version {found}, and this program knows {known}")]
    Version { found: i32, known: i32 },
    #[error("the store has a number that makes no sense")]
    Number,
}

/// A head that stands in three columns of a row.
pub(super) fn head_of(row: &Row, first: usize) -> Result<LogHead, Failure> {
    Ok(LogHead {
        base: count(row, first)?,
        last: count(row, first + 1)?,
        bytes: count(row, first + 2)?,
    })
}

/// A number that is not negative.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, Failure> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| Failure::Number)
}

/// A number as PostgreSQL has it.
pub(super) fn number(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::Number)
}

/// What is said of an error and its causes, without repetitions.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            let _ = write!(words, ": {text}");
        }
        cause = error.source();
    }
    words
}
