//! Options for writing files, and limits for reading them.

use crate::version::MAX_EVENTS;

/// Options for writing a document.
///
/// ```
/// use crdt_core::{Preset, SaveOptions};
///
/// let options = SaveOptions::new(Preset::Small).without_text(true);
/// assert!(options.without_text);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SaveOptions {
    /// Whether to save time or space.
    pub preset: Preset,
    /// Leaves out the text: a reader replays the history to get it. The file is only slightly
    /// smaller, except with [`Preset::Fast`], and much slower to open.
    pub without_text: bool,
}

impl SaveOptions {
    /// Files of a preset, with their text.
    #[must_use]
    pub const fn new(preset: Preset) -> SaveOptions {
        SaveOptions {
            preset,
            without_text: false,
        }
    }

    /// Sets [`SaveOptions::without_text`].
    #[must_use]
    pub const fn without_text(self, without_text: bool) -> SaveOptions {
        SaveOptions {
            without_text,
            ..self
        }
    }
}

/// Trade-offs between time and space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// The least time, to write and to read: everything at the speed of memory.
    Fast,
    /// Opens as fast as `Fast`, as the text is stored the same way; the history is packed tightly.
    #[default]
    Balanced,
    /// The least space: the text is packed tightly too, and is slow to open.
    Small,
}

/// The sizes beyond which a file is refused.
///
/// ```
/// use crdt_core::LoadLimits;
///
/// let limits = LoadLimits::default().text(1 << 20);
/// assert_eq!(limits.text, 1 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadLimits {
    /// The most text, in bytes: of the document, and of all that was ever inserted.
    pub text: usize,
    /// The most memory that the history may take besides its text, in bytes.
    pub history: usize,
    /// The most events.
    pub events: usize,
    /// The most work that [`Document::load_verified`](crate::Document::load_verified) may take to replay
    /// the history, in steps, beyond the 256 that each run of operations allows by itself; see
    /// [`MergeLimits::work`](crate::MergeLimits::work).
    pub work: u64,
}

impl LoadLimits {
    /// For a file that this process wrote.
    pub(crate) const NONE: LoadLimits = LoadLimits {
        text: usize::MAX,
        history: usize::MAX,
        events: usize::MAX,
        work: u64::MAX,
    };

    /// Sets [`LoadLimits::text`].
    #[must_use]
    pub const fn text(self, text: usize) -> LoadLimits {
        LoadLimits { text, ..self }
    }

    /// Sets [`LoadLimits::history`].
    #[must_use]
    pub const fn history(self, history: usize) -> LoadLimits {
        LoadLimits { history, ..self }
    }

    /// Sets [`LoadLimits::events`].
    #[must_use]
    pub const fn events(self, events: usize) -> LoadLimits {
        LoadLimits { events, ..self }
    }

    /// Sets [`LoadLimits::work`].
    #[must_use]
    pub const fn work(self, work: u64) -> LoadLimits {
        LoadLimits { work, ..self }
    }
}

impl Default for LoadLimits {
    fn default() -> Self {
        LoadLimits {
            text: 256 << 20,
            history: 512 << 20,
            events: MAX_EVENTS as usize,
            work: 1 << 28,
        }
    }
}
