//! Versions of a few chains.

use crate::version::Lv;

/// The most chains.
pub(super) const CHAINS: usize = 4;

/// A version: per chain, the end of the events of it that the version has.
pub(super) type Known = [Lv; CHAINS];

/// The result needs the tracker.
pub(super) struct GaveUp;
