//! The entropy stage. Dense: a binary range coder whose probabilities adapt to what was coded so far, with
//! models for columns of numbers and for text, and a search for what a text repeats at length. Quick: prefix
//! codes made once for all that is coded, and matches of a text with what comes before. See
//! docs/file-format.md for the exact arithmetic: files depend on it.

mod coded_numbers;
pub(super) mod coded_text;
mod matches;
mod numbers;
mod prefix;
mod range;
mod repeats;
mod text;

pub(super) use coded_numbers::{CodeDecoder, CodeEncoder};
pub(super) use matches::lz4_block;
pub(super) use numbers::{NumberDecoder, NumberEncoder};
pub(super) use repeats::{Apart, put_together, take_apart};
pub(super) use text::{FullModel, LightModel};
