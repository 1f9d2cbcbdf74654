//! The operations of all events, run-length encoded in local version order, and their text.

mod rows;
mod run;
mod texts;

pub(crate) use rows::{OpLog, Part, prefix_len};
pub(crate) use run::{Kind, Run, push_greedy};
pub(crate) use texts::Texts;
