//! The strategies by which a merge turns events into edits of the text.

/// How a merge turns events into edits of the text, in the order in which it tries them. All of
/// them give the same text; the first one that applies is the fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A message of one event that follows all others: it is applied like a local edit.
    Keystroke,
    /// Events between critical versions: nothing is concurrent to them, and their positions apply
    /// unchanged (paper, section 3.5).
    Linear,
    /// Two branches that forked from one version, each a single run of events: merged gap by gap.
    TwoBranches,
    /// A live session: a few agents write at once, each lacking only the latest events of the others.
    LiveWindow,
    /// All other events: replayed by a tracker that retreats and advances (paper, sections 3.2 to
    /// 3.4).
    Tracker,
}

impl Strategy {
    /// All of them, in the order in which a merge tries them.
    pub const ALL: [Strategy; 5] = [
        Strategy::Keystroke,
        Strategy::Linear,
        Strategy::TwoBranches,
        Strategy::LiveWindow,
        Strategy::Tracker,
    ];
}

/// The number of events that each [`Strategy`] has merged into a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StrategyCounts([u64; Strategy::ALL.len()]);

impl StrategyCounts {
    /// The number of events that a strategy has merged.
    pub fn of(&self, strategy: Strategy) -> u64 {
        self.0[strategy as usize]
    }

    pub(crate) fn add(&mut self, strategy: Strategy, events: u64) {
        self.0[strategy as usize] += events;
    }
}
