//! The entropy stage: a binary range coder whose probabilities adapt to the coded data, with models
//! for columns of numbers and for text, and a search for long repeats of a text. See
//! docs/file-format.md for the exact arithmetic: files depend on it.

mod numbers;
mod range;
mod repeats;
mod text;

pub(super) use numbers::{NumberDecoder, NumberEncoder};
pub(super) use repeats::{Apart, put_together, take_apart};
pub(super) use text::{FullModel, LightModel};
